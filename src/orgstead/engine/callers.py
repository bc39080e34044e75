"""Who a signed-in user is in the organisation: business unit, teams, roles and what they allow.

https://learn.microsoft.com/power-apps/developer/data-platform/security-concepts
https://learn.microsoft.com/power-platform/admin/how-record-access-determined
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from functools import lru_cache

from orgstead.engine.columns import CREATE, READ, UPDATE
from orgstead.engine.context import DEFAULT_COMPANY, Caller, Rights
from orgstead.engine.ports import UnitOfWork
from orgstead.errors import fault
from orgstead.model.plan import AllOf, Col, OneOf, Output, Param, Plan, Source
from orgstead.model.privileges import DEPTHS
from orgstead.model.record import Ref
from orgstead.model.schema import Schema, Table

__all__ = [
    "ACT_ON_BEHALF",
    "ADMINISTRATOR_TEMPLATE",
    "Held",
    "among",
    "impersonated",
    "load_caller",
    "load_team",
    "units_below",
]

# The template that every System Administrator role is made from, in each business unit.
ADMINISTRATOR_TEMPLATE = "627090ff-40a3-4053-8790-584edc5be201"
ACCESS_TEAM = 1
# Of a column of fieldpermission; 0 is not allowed.
ALLOWED = 4
ACT_ON_BEHALF = "prvActOnBehalfOfAnotherUser"

OF_USERS = ("fullname", "businessunitid", "isdisabled", "organizationid", "applicationid", "orgstead_company")

# A privilege's name, its depth, and the business unit that the depth counts from.
Held = tuple[str, int, str]


@lru_cache(maxsize=256)
def among(table: Table, of: str, *columns: str) -> Plan:
    """The columns of the rows of ``table`` whose column ``of`` is one of the values of parameter 0."""
    source = Source("t0", table)
    return Plan(
        source=source,
        outputs=tuple(Output(name, Col("t0", table.columns[name]), table.columns[name]) for name in columns),
        where=AllOf((OneOf(Col("t0", table.columns[of]), Param(0, table.columns[of], many=True)),)),
    )


def load_caller(
    unit: UnitOfWork,
    schema: Schema,
    *,
    object_id: str | None = None,
    application_id: str | None = None,
    user_id: str | None = None,
) -> Caller | None:
    """The caller of a user row: by its Entra object id, its application id or its own id; None when there is none."""
    users = schema.tables["systemuser"]
    if user_id is None:
        column = "azureactivedirectoryobjectid" if object_id is not None else "applicationid"
        found = unit.find(users, {column: object_id if object_id is not None else application_id}, 1)
        # Whoever has no id in a directory signs in under the id of the row.
        user_id = found[0] if found else object_id
        if user_id is None:
            return None
    row = unit.get(users, user_id, OF_USERS)
    if row is None:
        return None
    organization, currency = _organization(unit, schema)
    unit_ref = row["businessunitid"]
    business_unit = unit_ref.id if unit_ref is not None else organization
    teams = _teams(unit, schema, user_id)
    roles = _roles(unit, schema, user_id, business_unit, teams)
    administrator = any(template == ADMINISTRATOR_TEMPLATE for _, _, template in roles)
    principals = (user_id, *teams)
    held = () if administrator else _held(unit, schema, roles)
    return Caller(
        user_id=user_id,
        business_unit_id=business_unit,
        organization_id=organization,
        name=row["fullname"] or "",
        application_id=row["applicationid"],
        administrator=administrator,
        enabled=not row["isdisabled"],
        rights=Rights(
            principals=principals,
            reach=_reach(unit, schema, held),
            columns={} if administrator else _columns(unit, schema, user_id, tuple(teams)),
        ),
        teams=tuple(teams),
        currency_id=currency,
        company=row["orgstead_company"] or DEFAULT_COMPANY,
    )


def load_team(unit: UnitOfWork, schema: Schema, *, user_id: str) -> Caller | None:
    """A team as somebody who may do what its roles allow; None when there is none, or it is an access team."""
    row = unit.get(schema.tables["team"], user_id, ("name", "businessunitid", "teamtype"))
    if row is None or row["teamtype"] == ACCESS_TEAM:
        return None
    where = row["businessunitid"].id if row["businessunitid"] is not None else ""
    roles = _templates(
        unit,
        schema,
        [(id, where) for id in _ends(unit, schema, "teamroles", "teamid", [user_id], "roleid")],
    )
    return Caller(
        user_id=user_id,
        business_unit_id=where,
        organization_id="",
        name=row["name"] or "",
        administrator=any(template == ADMINISTRATOR_TEMPLATE for _, _, template in roles),
        rights=Rights(principals=(user_id,), reach=_reach(unit, schema, _held(unit, schema, roles))),
    )


def held_by(unit: UnitOfWork, schema: Schema, principal: Ref) -> tuple[bool, Sequence[Held]]:
    """Whether a user or a team has every privilege, and else which ones."""
    row = unit.get(schema.tables[principal.table], principal.id, ("businessunitid",)) or {}
    where = row["businessunitid"].id if row.get("businessunitid") is not None else ""
    if principal.table == "team":
        own = _ends(unit, schema, "teamroles", "teamid", [principal.id], "roleid")
        roles = _templates(unit, schema, [(id, where) for id in own])
    else:
        roles = _roles(unit, schema, principal.id, where, _teams(unit, schema, principal.id))
    administrator = any(template == ADMINISTRATOR_TEMPLATE for _, _, template in roles)
    return administrator, () if administrator else _held(unit, schema, roles)


def privileges_of_role(unit: UnitOfWork, schema: Schema, role: str, where: str) -> Sequence[Held]:
    """What a role holds, counted from a business unit."""
    return _held(unit, schema, _templates(unit, schema, [(role, where)]))


def impersonated(signed_in: Caller, other: Caller) -> Caller:
    """``other``, as whom ``signed_in`` acts: with what both of them may do.

    Raises ImpersonationDenied without the privilege to act on behalf of others, UserDisabled.

    https://learn.microsoft.com/power-apps/developer/data-platform/impersonate-another-user
    """
    if not signed_in.enabled:
        raise fault("UserDisabled", user=signed_in.user_id)
    if not signed_in.administrator and ACT_ON_BEHALF not in signed_in.rights.reach:
        raise fault("ImpersonationDenied", caller=signed_in.user_id)
    both = replace(other, initiating_user_id=signed_in.user_id)
    if signed_in.administrator:
        return both
    theirs, columns = signed_in.rights.reach, signed_in.rights.columns
    if other.administrator:
        reach = dict.fromkeys(theirs)
    else:
        reach = {name: units for name, units in other.rights.reach.items() if name in theirs}
        columns = {name: mask & columns.get(name, 0) for name, mask in other.rights.columns.items()}
    rights = Rights(principals=other.rights.principals, reach=reach, columns=columns)
    return replace(both, administrator=False, rights=rights)


def _organization(unit: UnitOfWork, schema: Schema) -> tuple[str, str | None]:
    """The id of the one organisation row, and of its base currency."""
    table = schema.tables["organization"]
    ids = unit.find(table, {}, 1)
    if not ids:
        return "", None
    row = unit.get(table, ids[0], ("basecurrencyid",))
    currency = row["basecurrencyid"] if row is not None else None
    return ids[0], currency.id if currency is not None else None


def _teams(unit: UnitOfWork, schema: Schema, user_id: str) -> Mapping[str, str]:
    """The teams of a user, each with its business unit."""
    ids = _ends(unit, schema, "teammembership", "systemuserid", [user_id], "teamid")
    if not ids:
        return {}
    plan = among(schema.tables["team"], "teamid", "teamid", "businessunitid")
    return {row[0]: row[1] for row in unit.fetch(plan, [tuple(ids)])}


def _roles(
    unit: UnitOfWork, schema: Schema, user_id: str, business_unit: str, teams: Mapping[str, str]
) -> Sequence[tuple[str, str, str | None]]:
    """The roles that somebody has: the id of the role that holds the privileges, from where they count, template."""
    given = [
        (id, business_unit)
        for id in _ends(unit, schema, "systemuserroles", "systemuserid", [user_id], "roleid")
    ]
    if teams:
        plan = among(schema.tables["teamroles"], "teamid", "teamid", "roleid")
        given += [(role, teams[team]) for team, role in unit.fetch(plan, [tuple(teams)])]
    return _templates(unit, schema, given)


def _templates(
    unit: UnitOfWork, schema: Schema, given: Sequence[tuple[str, str]]
) -> Sequence[tuple[str, str, str | None]]:
    """Roles with the id of the one that they are copies of, and their template."""
    if not given:
        return ()
    table = schema.tables["role"]
    plan = among(table, "roleid", "roleid", "parentrootroleid", "roletemplateid")
    known = {
        id: (root or id, template) for id, root, template in unit.fetch(plan, [tuple({r for r, _ in given})])
    }
    return [(known[id][0], where, known[id][1]) for id, where in given if id in known]


def _held(unit: UnitOfWork, schema: Schema, roles: Iterable[tuple[str, str, str | None]]) -> Sequence[Held]:
    """What roles hold, as ``_roles`` gives them."""
    places: dict[str, list[str]] = {}
    for id, where, _ in roles:
        places.setdefault(id, []).append(where)
    if not places:
        return ()
    links = unit.fetch(
        among(schema.tables["roleprivileges"], "roleid", "roleid", "privilegeid", "privilegedepthmask"),
        [tuple(places)],
    )
    ids = {privilege for _, privilege, _ in links}
    named = unit.fetch(among(schema.tables["privilege"], "privilegeid", "privilegeid", "name"), [tuple(ids)])
    names = {row[0]: row[1] for row in named}
    return [
        (names[privilege], depth or 0, where)
        for role, privilege, depth in links
        for where in places[role]
        if privilege in names
    ]


def _reach(unit: UnitOfWork, schema: Schema, held: Sequence[Held]) -> Mapping[str, frozenset[str] | None]:
    below = _below(unit, schema) if any(depth & DEPTHS["Deep"] for _, depth, _ in held) else {}
    reach: dict[str, frozenset[str] | None] = {}
    for name, depth, where in held:
        units = reach.get(name, frozenset())
        if units is None or depth & DEPTHS["Global"]:
            reach[name] = None
        elif depth & DEPTHS["Deep"]:
            reach[name] = units | below.get(where, frozenset({where}))
        elif depth & DEPTHS["Local"]:
            reach[name] = units | {where}
        else:
            reach[name] = units
    return reach


def units_below(unit: UnitOfWork, schema: Schema, id: str) -> frozenset[str]:
    """The business units below one, and itself."""
    return _below(unit, schema).get(id, frozenset({id}))


def _below(unit: UnitOfWork, schema: Schema) -> Mapping[str, frozenset[str]]:
    """Each business unit with all that are below it and itself."""
    table = schema.tables["businessunit"]
    plan = Plan(
        source=Source("t0", table),
        outputs=tuple(
            Output(name, Col("t0", table.columns[name]), table.columns[name])
            for name in ("businessunitid", "parentbusinessunitid")
        ),
    )
    parents = {row[0]: row[1] for row in unit.fetch(plan, ())}
    found: dict[str, set[str]] = {id: {id} for id in parents}
    for id in parents:
        above, seen = parents[id], {id}
        while above is not None and above not in seen:
            found.setdefault(above, {above}).add(id)
            seen.add(above)
            above = parents.get(above)
    return {id: frozenset(ids) for id, ids in found.items()}


def _columns(
    unit: UnitOfWork, schema: Schema, user_id: str, teams: tuple[str, ...]
) -> Mapping[tuple[str, str], int]:
    """What the profiles of a user and of the user's teams allow with secured columns."""
    profiles = set(
        _ends(unit, schema, "systemuserprofiles", "systemuserid", [user_id], "fieldsecurityprofileid")
    )
    if teams:
        profiles |= set(_ends(unit, schema, "teamprofiles", "teamid", teams, "fieldsecurityprofileid"))
    if not profiles:
        return {}
    names = ("entityname", "attributelogicalname", "canread", "cancreate", "canupdate")
    plan = among(schema.tables["fieldpermission"], "fieldsecurityprofileid", *names)
    found: dict[tuple[str, str], int] = {}
    for table, column, *allowed in unit.fetch(plan, [tuple(profiles)]):
        mask = sum(
            bit for bit, value in zip((READ, CREATE, UPDATE), allowed, strict=True) if value == ALLOWED
        )
        found[table, column] = found.get((table, column), 0) | mask
    return found


def _ends(unit: UnitOfWork, schema: Schema, table: str, near: str, ids: Sequence[str], far: str) -> list[str]:
    """The ids at the other end of an N:N table."""
    return [row[0] for row in unit.fetch(among(schema.tables[table], near, far), [tuple(ids)])]
