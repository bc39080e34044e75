"""What security roles hold: put privileges in, take them out, list them for a role, a user or a team.

https://learn.microsoft.com/power-apps/developer/data-platform/webapi/reference/addprivilegesrole
https://learn.microsoft.com/power-apps/developer/data-platform/webapi/reference/retrieveuserprivileges
"""

from collections.abc import Mapping, Sequence
from typing import Any

from orgstead.engine.access import check_row
from orgstead.engine.callers import ADMINISTRATOR_TEMPLATE, Held, among, held_by, privileges_of_role
from orgstead.engine.handlers.targets import stored_row
from orgstead.engine.registry import OPEN, Call, handles
from orgstead.errors import fault
from orgstead.model.messages import Parameter, Signature
from orgstead.model.privileges import DEPTHS
from orgstead.model.record import Ref

__all__ = [
    "add_privileges", "check_no_more", "remove_privilege", "replace_privileges", "retrieve_privilege_set",
    "retrieve_role_privileges", "retrieve_team_privileges", "retrieve_user_privileges",
]  # fmt: skip

MAX_PRIVILEGES = 10_000
NAMES = tuple(DEPTHS)
_PRIVILEGES = Parameter(name="Privileges", type="Collection(mscrm.RolePrivilege)")
_LISTED = (Parameter(name="RolePrivileges", type="Collection(mscrm.RolePrivilege)"),)


@handles(
    "AddPrivilegesRole",
    privilege=OPEN,
    signature=Signature(kind="action", parameters=(_PRIVILEGES,), bound=("role",)),
)
def add_privileges(call: Call) -> Any:
    """Put privileges into a role, or change the depth of those in it."""
    role = _writable(call)
    _put(call, role, _asked(call))


@handles(
    "ReplacePrivilegesRole",
    privilege=OPEN,
    signature=Signature(kind="action", parameters=(_PRIVILEGES,), bound=("role",)),
)
def replace_privileges(call: Call) -> Any:
    """Leave in a role these privileges and no others."""
    role, asked = _writable(call), _asked(call)
    table = call.schema.tables["roleprivileges"]
    call.unit.delete(table, call.unit.find(table, {"roleid": role}, MAX_PRIVILEGES))
    _put(call, role, asked)


@handles(
    "RemovePrivilegeRole",
    privilege=OPEN,
    signature=Signature(
        kind="action", parameters=(Parameter(name="PrivilegeId", type="Edm.Guid"),), bound=("role",)
    ),
)
def remove_privilege(call: Call) -> Any:
    """Take a privilege out of a role."""
    role, table = _writable(call), call.schema.tables["roleprivileges"]
    found = call.unit.find(table, {"roleid": role, "privilegeid": call.parameters["PrivilegeId"]}, 1)
    if not found:
        raise fault("ObjectDoesNotExist", table="privilege", id=call.parameters["PrivilegeId"])
    call.unit.delete(table, found)


def _writable(call: Call) -> str:
    """The role that the message is bound to: one that holds its privileges itself."""
    ref = call.target
    if not isinstance(ref, Ref):
        raise TypeError("the message is bound to a role")
    row = stored_row(call, ref)
    check_row(call, "Write", call.schema.tables["role"], row)
    call.people_changed()
    if row.get("parentrootroleid") not in (None, ref):
        raise fault("InvalidArgument", message="An inherited role is changed where it comes from.")
    if _is_administrator(row):
        raise fault("InvalidArgument", message="The System Administrator role cannot be changed.")
    return ref.id


def _is_administrator(row: Mapping[str, Any]) -> bool:
    template = row.get("roletemplateid")
    return template is not None and getattr(template, "key", template) == ADMINISTRATOR_TEMPLATE


def _asked(call: Call) -> Sequence[tuple[str, int]]:
    """The ids and depths of the privileges in a message; raises InvalidPrivilegeDepth, ObjectDoesNotExist."""
    table, found = call.schema.tables["privilege"], []
    for given in call.parameters["Privileges"]:
        if not isinstance(given, Mapping):
            raise fault("InvalidArgument", message="Privileges holds role privileges.")
        id, depth = str(given.get("PrivilegeId", "")).lower(), given.get("Depth", "Basic")
        name = NAMES[depth] if isinstance(depth, int) and 0 <= depth < len(NAMES) else depth
        row = call.unit.get(table, id)
        if row is None:
            raise fault("ObjectDoesNotExist", table="privilege", id=id[:100])
        if name not in NAMES or not row.get(f"canbe{str(name).lower()}"):
            raise fault("InvalidPrivilegeDepth", privilege=row["name"], depth=str(name)[:100])
        check_no_more(call, [(row["name"], DEPTHS[name], call.caller.business_unit_id)])
        found.append((id, DEPTHS[name]))
    return found


def _put(call: Call, role: str, asked: Sequence[tuple[str, int]]) -> None:
    table, rows = call.schema.tables["roleprivileges"], {}
    for id, depth in asked:
        values = {"privilegedepthmask": depth, "versionnumber": call.unit.next_version()}
        found = call.unit.find(table, {"roleid": role, "privilegeid": id}, 1)
        if found:
            call.unit.update(table, found[0], values)
        else:
            rows[id] = {table.primary_id: call.new_id(), "roleid": role, "privilegeid": id, **values}
    call.unit.insert(table, list(rows.values()))


def check_no_more(call: Call, held: Sequence[Held]) -> None:
    """Nobody hands on what they have not got. Raises PrivilegeDenied.

    https://learn.microsoft.com/power-platform/admin/prevent-elevation-security-role-privilege
    """
    if call.caller.administrator:
        return
    for name, depth, _ in held:
        reach = call.caller.rights.reach.get(name, frozenset())
        deep = depth > DEPTHS["Local"]
        if name not in call.caller.rights.reach or (
            reach is not None and (deep or (depth == DEPTHS["Local"] and not reach))
        ):
            raise fault("PrivilegeDenied", caller=call.caller.user_id, privilege=name)


@handles(
    "RetrieveRolePrivilegesRole",
    privilege="prvReadRole",
    writes=False,
    signature=Signature(
        kind="function", parameters=(Parameter(name="RoleId", type="Edm.Guid"),), returns=_LISTED
    ),
)
def retrieve_role_privileges(call: Call) -> Any:
    """The privileges of a role."""
    ref = Ref("role", call.parameters["RoleId"])
    row = stored_row(call, ref)
    check_row(call, "Read", call.schema.tables["role"], row)
    where = row["businessunitid"].id
    if _is_administrator(row):
        return _listed(call, everything=True, where=where)
    return _listed(call, privileges_of_role(call.unit, call.schema, ref.id, where))


@handles(
    "RetrieveUserPrivileges",
    privilege=OPEN,
    writes=False,
    signature=Signature(kind="function", returns=_LISTED, bound=("systemuser",)),
)
def retrieve_user_privileges(call: Call) -> Any:
    """What a user may do by roles of their own and of their teams."""
    return _of_principal(call)


@handles(
    "RetrieveTeamPrivileges",
    privilege=OPEN,
    writes=False,
    signature=Signature(kind="function", returns=_LISTED, bound=("team",)),
)
def retrieve_team_privileges(call: Call) -> Any:
    """What a team may do by its roles."""
    return _of_principal(call)


def _of_principal(call: Call) -> Any:
    ref = call.target
    if not isinstance(ref, Ref):
        raise TypeError("the message is bound to a principal")
    row = stored_row(call, ref)
    if ref.id != call.caller.user_id:
        check_row(call, "Read", call.schema.tables[ref.table], row)
    administrator, held = held_by(call.unit, call.schema, ref)
    where = row["businessunitid"].id if row.get("businessunitid") is not None else ""
    return _listed(call, held, everything=administrator, where=where)


def _listed(call: Call, held: Sequence[Held] = (), *, everything: bool = False, where: str = "") -> Any:
    """Privileges as the wires know them: each name once per business unit, at its greatest depth."""
    table = call.schema.tables["privilege"]
    if everything:
        ids = call.unit.find(table, {}, MAX_PRIVILEGES)
        rows = call.unit.fetch(
            among(table, "privilegeid", "name", "canbebasic", "canbelocal", "canbedeep", "canbeglobal"),
            [tuple(ids)],
        )
        greatest = {
            (name, where): max(bit for bit, can in zip(DEPTHS.values(), able, strict=True) if can)
            for name, *able in rows
            if any(able)
        }
    else:
        greatest = {}
        for name, depth, unit in held:
            greatest[name, unit] = max(depth, greatest.get((name, unit), 0))
    named = call.unit.fetch(
        among(table, "name", "name", "privilegeid"), [tuple({name for name, _ in greatest})]
    )
    ids_of = {row[0]: row[1] for row in named}
    return {
        "RolePrivileges": [
            {
                "Depth": max((each for each, bit in DEPTHS.items() if depth & bit), key=NAMES.index),
                "PrivilegeId": ids_of[name],
                "BusinessUnitId": unit,
                "PrivilegeName": name,
                "RecordFilterId": "00000000-0000-0000-0000-000000000000",
                "RecordFilterUniqueName": "",
            }
            for (name, unit), depth in sorted(greatest.items())
        ]
    }


@handles(
    "RetrievePrivilegeSet",
    privilege=OPEN,
    writes=False,
    signature=Signature(kind="function", returns=(Parameter(name="", type="Collection(mscrm.privilege)"),)),
)
def retrieve_privilege_set(call: Call) -> Any:
    """All privileges that there are."""
    table = call.schema.tables["privilege"]
    return [Ref("privilege", id) for id in call.unit.find(table, {}, MAX_PRIVILEGES)]
