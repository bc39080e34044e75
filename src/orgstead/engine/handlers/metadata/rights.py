"""A new table brings its privileges, and the System Customizer role holds them all.

https://learn.microsoft.com/power-platform/admin/database-security#predefined-security-roles
"""

from typing import Any

from orgstead.engine.registry import Call
from orgstead.model.messages import Create, Delete, Execute
from orgstead.model.privileges import ACCESS, holder, table_privileges
from orgstead.model.record import Record, Ref
from orgstead.model.schema import Table

__all__ = ["announce_privileges", "forget_privileges"]

CUSTOMIZER_TEMPLATE = "119f245c-3cc8-4b62-b31c-d1a046ced15d"
MAX_ROLES = 10_000


def announce_privileges(call: Call, name: str) -> None:
    """Add the privileges of a new table, and give them to those who customise."""
    privileges = call.schema.tables.get("privilege")
    table = call.schema.tables[name]
    if privileges is None or holder(table) != name:
        return
    given = []
    for each in table_privileges(table, call.schema):
        values: dict[str, Any] = {"name": each.name, "accessright": ACCESS[each.right or "Read"]}
        for depth in ("Basic", "Local", "Deep", "Global"):
            values[f"canbe{depth.lower()}"] = depth in each.depths
        call.send_as_system(Create(record=Record(table="privilege", id=each.id, values=values)))
        given.append({"PrivilegeId": each.id, "Depth": "Global"})
    template = {"roletemplateid": Ref("roletemplate", CUSTOMIZER_TEMPLATE), "parentroleid": None}
    for role in call.unit.find(call.schema.tables["role"], template, MAX_ROLES):
        call.send_as_system(
            Execute(
                name="AddPrivilegesRole",
                parameters={"Privileges": tuple(given)},
                target=Ref("role", role),
            )
        )


def forget_privileges(call: Call, table: Table) -> None:
    """Delete the privileges of a deleted table, and what roles hold of them."""
    if "privilege" not in call.schema.tables or holder(table) != table.logical_name:
        return
    for each in table_privileges(table, call.schema):
        held = call.schema.tables["roleprivileges"]
        while ids := call.unit.find(held, {"privilegeid": each.id}, MAX_ROLES):
            call.unit.delete(held, ids)
        if call.unit.get(call.schema.tables["privilege"], each.id, ("privilegeid",)) is not None:
            call.send_as_system(Delete(ref=Ref("privilege", each.id)))
