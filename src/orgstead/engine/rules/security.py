"""Business units have a default team and copies of the roles above them; users have roles of their own unit only.

https://learn.microsoft.com/power-platform/admin/create-edit-business-units
https://learn.microsoft.com/power-platform/admin/security-roles-privileges
https://learn.microsoft.com/power-platform/admin/prevent-elevation-security-role-privilege
"""

from typing import Any

from orgstead.engine.access import check_message
from orgstead.engine.callers import ADMINISTRATOR_TEMPLATE, among, privileges_of_role
from orgstead.engine.handlers.roles import check_no_more
from orgstead.engine.hooks import Change, hook
from orgstead.engine.registry import Call
from orgstead.errors import fault
from orgstead.model.messages import Associate, Create, Delete, Disassociate
from orgstead.model.record import Record, Ref
from orgstead.model.schema import Table

__all__ = [
    "check_given_role", "copy_role", "drop_copies", "drop_shares", "equip_business_unit", "join_default_team",
    "keep_default_members", "move_user", "notice_people",
]  # fmt: skip

MEMBERSHIP = "teammembership_association"
USER_ROLES = "systemuserroles_association"
PEOPLE = frozenset({
    "businessunit", "fieldpermission", "fieldsecurityprofile", "organization", "role", "systemuser",
    "systemuserprofiles", "systemuserroles", "team", "teammembership", "teamprofiles", "teamroles",
})  # fmt: skip
MANY = 10_000
MAX_ROLES = 10_000


def _is(name: str) -> Any:
    return lambda table: table.logical_name == name


def _about_people(table: Table) -> bool:
    return table.logical_name in PEOPLE


@hook("Create", "Update", "Delete", "Associate", "Disassociate", stage=40, applies=_about_people, rank=-50)
def notice_people(call: Call, change: Change) -> None:
    """Whoever is remembered is looked up anew."""
    call.people_changed()


@hook("Create", stage=40, applies=_is("businessunit"))
def equip_business_unit(call: Call, change: Change) -> None:
    """A new unit gets its default team, and the roles of the unit above."""
    above = change.values.get("parentbusinessunitid")
    if above is None:
        return
    here = Ref("businessunit", change.id)
    team = {"name": change.values["name"], "teamtype": 0, "isdefault": True, "businessunitid": here}
    call.send_as_system(Create(record=Record(table="team", values=team)))
    roles = call.schema.tables["role"]
    plan = among(roles, "businessunitid", "roleid", "name", "parentrootroleid", "roletemplateid")
    for id, name, root, template in call.unit.fetch(plan, [(above.id,)]):
        _copy(call, id, name, root or id, template, change.id)


@hook("Create", stage=40, applies=_is("role"))
def copy_role(call: Call, change: Change) -> None:
    """A role is there in every unit below its own, too."""
    if change.values.get("parentroleid") is not None:
        return
    units = call.schema.tables["businessunit"]
    plan = among(units, "parentbusinessunitid", "businessunitid")
    template = change.values.get("roletemplateid")
    # Copies are made by system and find their own children by the unit's parent.
    waiting = [(change.values["businessunitid"].id, change.id)]
    while waiting:
        above, parent = waiting.pop()
        for (unit,) in call.unit.fetch(plan, [(above,)]):
            made = _copy(
                call, parent, change.values["name"], change.id, template.id if template else None, unit
            )
            waiting.append((unit, made))


def _copy(call: Call, parent: str, name: str, root: str, template: str | None, unit: str) -> str:
    values: dict[str, Any] = {
        "name": name,
        "businessunitid": Ref("businessunit", unit),
        "parentroleid": Ref("role", parent),
        "parentrootroleid": Ref("role", root),
    }
    if template is not None:
        values["roletemplateid"] = Ref("roletemplate", template)
    made = call.send_as_system(Create(record=Record(table="role", values=values))).ref
    if made is None:
        raise TypeError("a created row has a reference")
    return made.id


@hook("Delete", stage=20, applies=_is("role"))
def drop_copies(call: Call, change: Change) -> None:
    """A role goes with its copies; raises InvalidArgument for the role of administrators and for a copy."""
    template = change.before.get("roletemplateid")
    if template is not None and template.id == ADMINISTRATOR_TEMPLATE and not call.caller.system:
        raise fault("InvalidArgument", message="The System Administrator role cannot be deleted.")
    if change.before.get("parentroleid") is not None and not call.caller.system:
        raise fault("InvalidArgument", message="An inherited role is deleted where it comes from.")
    roles = call.schema.tables["role"]
    for (id,) in call.unit.fetch(among(roles, "parentrootroleid", "roleid"), [(change.id,)]):
        if id != change.id:
            call.send_as_system(Delete(ref=Ref("role", id)))


@hook("Create", stage=40, applies=_is("systemuser"))
def join_default_team(call: Call, change: Change) -> None:
    """Every user is in the default team of their unit."""
    unit = change.after("businessunitid")
    if unit is not None:
        _join(call, change.id, unit.id)


def _join(call: Call, user: str, unit: str) -> None:
    teams = call.schema.tables["team"]
    values = {"businessunitid": Ref("businessunit", unit), "isdefault": True}
    for team in call.unit.find(teams, values, 1):
        call.send_as_system(
            Associate(ref=Ref("team", team), relationship=MEMBERSHIP, related=Ref("systemuser", user))
        )


@hook("Update", stage=40, applies=_is("systemuser"))
def move_user(call: Call, change: Change) -> None:
    """Whoever moves to another unit leaves the roles of the old one there and takes the rows along."""
    before, after = change.before.get("businessunitid"), change.after("businessunitid")
    if before == after or before is None or after is None:
        return
    user = Ref("systemuser", change.id)
    ties = call.schema.tables["systemuserroles"]
    for (role,) in call.unit.fetch(among(ties, "systemuserid", "roleid"), [(change.id,)]):
        call.send_as_system(Disassociate(ref=user, relationship=USER_ROLES, related=Ref("role", role)))
    teams = call.schema.tables["team"]
    for team in call.unit.find(teams, {"businessunitid": before, "isdefault": True}, 1):
        call.people_changed()
        membership = call.schema.tables["teammembership"]
        call.unit.delete(membership, call.unit.find(membership, {"teamid": team, "systemuserid": change.id}))
    _join(call, change.id, after.id)
    for table in call.schema.tables.values():
        if table.user_owned and "owningbusinessunit" in table.columns:
            _move_rows(call, table, user, before, after)


def _move_rows(call: Call, table: Table, owner: Ref, before: Ref, after: Ref) -> None:
    owned = {"ownerid": owner, "owningbusinessunit": before}
    while ids := call.unit.find(table, owned, MANY):
        for id in ids:
            values: dict[str, Any] = {"owningbusinessunit": after}
            if "versionnumber" in table.columns:
                values["versionnumber"] = call.unit.next_version()
            call.unit.update(table, id, values)


@hook("Associate", stage=20, applies=lambda table: table.logical_name in ("systemuserroles", "teamroles"))
def check_given_role(call: Call, change: Change) -> None:
    """Roles go to whoever is of their unit, and only from somebody who holds as much.

    Raises UserInWrongBusiness, TeamInWrongBusiness, PrivilegeDenied.
    """
    user = change.table.logical_name == "systemuserroles"
    principal = (
        Ref("systemuser", change.values["systemuserid"]) if user else Ref("team", change.values["teamid"])
    )
    role = change.values["roleid"]
    row = call.unit.get(call.schema.tables["role"], role) or {}
    where = call.unit.get(call.schema.tables[principal.table], principal.id) or {}
    if where.get("teamtype") == 1:
        raise fault("InvalidArgument", message="An access team has no roles.")
    if row.get("businessunitid") != where.get("businessunitid"):
        raise fault("UserInWrongBusiness" if user else "TeamInWrongBusiness")
    if call.caller.administrator:
        return
    check_message(call.caller, "Associate", "prvAssignRole")
    template = row.get("roletemplateid")
    if template is not None and template.id == ADMINISTRATOR_TEMPLATE:
        raise fault("PrivilegeDenied", caller=call.caller.user_id, privilege="prvPromoteToAdmin")
    check_no_more(call, privileges_of_role(call.unit, call.schema, role, row["businessunitid"].id))


@hook("Associate", "Disassociate", stage=20, applies=_is("teammembership"))
def keep_default_members(call: Call, change: Change) -> None:
    """Who is in a default team follows from the unit alone; raises InvalidArgument."""
    team = call.unit.get(call.schema.tables["team"], change.values["teamid"], ("isdefault",)) or {}
    if team.get("isdefault") and not call.caller.system:
        raise fault(
            "InvalidArgument", message="The members of a default team are the users of its business unit."
        )


@hook(
    "Delete", stage=40, applies=lambda table: table.user_owned or table.logical_name in ("systemuser", "team")
)
def drop_shares(call: Call, change: Change) -> None:
    """Shares go with the row, and with whom they were given to."""
    shares = call.schema.tables.get("principalobjectaccess")
    if shares is None:
        return
    column = "objectid" if change.table.user_owned else "principalid"
    while ids := call.unit.find(shares, {column: change.id}, MANY):
        call.unit.delete(shares, ids)
