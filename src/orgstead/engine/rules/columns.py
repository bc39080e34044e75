"""Permissions of profiles are for secured columns, and go with them.

https://learn.microsoft.com/power-apps/developer/data-platform/column-level-security
"""

from orgstead.engine.hooks import Change, hook
from orgstead.engine.registry import Call
from orgstead.errors import fault

__all__ = ["check_permission"]

PERMISSIONS = "fieldpermission"


@hook("Create", stage=20, applies=lambda table: table.logical_name == PERMISSIONS)
def check_permission(call: Call, change: Change) -> None:
    """Raises PermissionInvalid for a column that is not secured, and for a second one of a profile."""
    name, column = str(change.values.get("entityname")), str(change.values.get("attributelogicalname"))
    table = call.schema.tables.get(name)
    found = table.columns.get(column) if table is not None else None
    if found is None or not found.secured:
        raise fault("PermissionInvalid", column=column[:100], table=name[:100], reason="it is not secured")
    same = {
        "entityname": name,
        "attributelogicalname": column,
        "fieldsecurityprofileid": change.values.get("fieldsecurityprofileid"),
    }
    if call.unit.find(change.table, same, 1):
        raise fault("PermissionInvalid", column=column, table=name, reason="the profile has one already")
