"""Who a signed-in user is in the organisation: business unit, teams, roles.

https://learn.microsoft.com/power-apps/developer/data-platform/security-access-coding
"""

from collections.abc import Sequence

from orgstead.engine.context import Caller
from orgstead.engine.ports import UnitOfWork
from orgstead.model.schema import Schema

__all__ = ["ADMINISTRATOR_TEMPLATE", "load_caller"]

# The template that every System Administrator role is made from, in each business unit.
ADMINISTRATOR_TEMPLATE = "627090ff-40a3-4053-8790-584edc5be201"
MAX_LINKS = 1000


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
        if not found:
            return None
        user_id = found[0]
    row = unit.get(
        users, user_id, ("fullname", "businessunitid", "isdisabled", "organizationid", "applicationid")
    )
    if row is None:
        return None
    organization = _organization(unit, schema)
    unit_ref = row["businessunitid"]
    teams = _ends(unit, schema, "teammembership", "systemuserid", user_id, "teamid")
    return Caller(
        user_id=user_id,
        business_unit_id=unit_ref.id if unit_ref is not None else organization[0],
        organization_id=organization[0],
        name=row["fullname"] or "",
        application_id=row["applicationid"],
        administrator=_administrator(unit, schema, user_id, teams),
        enabled=not row["isdisabled"],
        teams=teams,
        currency_id=organization[1],
    )


def _organization(unit: UnitOfWork, schema: Schema) -> tuple[str, str | None]:
    """The id of the one organisation row, and of its base currency."""
    table = schema.tables["organization"]
    ids = unit.find(table, {}, 1)
    if not ids:
        return "", None
    row = unit.get(table, ids[0], ("basecurrencyid",))
    currency = row["basecurrencyid"] if row is not None else None
    return ids[0], currency.id if currency is not None else None


def _administrator(unit: UnitOfWork, schema: Schema, user_id: str, teams: Sequence[str]) -> bool:
    roles = set(_ends(unit, schema, "systemuserroles", "systemuserid", user_id, "roleid"))
    for team in teams:
        roles.update(_ends(unit, schema, "teamroles", "teamid", team, "roleid"))
    table = schema.tables["role"]
    for role in roles:
        row = unit.get(table, role, ("roletemplateid",))
        template = row["roletemplateid"] if row is not None else None
        if template is not None and getattr(template, "key", template) == ADMINISTRATOR_TEMPLATE:
            return True
    return False


def _ends(unit: UnitOfWork, schema: Schema, table: str, near: str, id: str, far: str) -> tuple[str, ...]:
    """The ids at the other end of an N:N table."""
    intersect = schema.tables.get(table)
    if intersect is None:
        return ()
    ends = []
    for row_id in unit.find(intersect, {near: id}, MAX_LINKS):
        row = unit.get(intersect, row_id, (far,))
        if row is not None:
            ends.append(str(row[far]))
    return tuple(ends)
