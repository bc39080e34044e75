"""Which columns can be secured, and what becomes of the permissions for those that no longer are.

https://learn.microsoft.com/power-apps/developer/data-platform/column-level-security
"""

from orgstead.engine.registry import Call
from orgstead.errors import fault
from orgstead.model.schema import Column, Table

__all__ = ["check_securable", "forget_permissions"]

PERMISSIONS = "fieldpermission"
# Profiles that have a permission for one column.
MANY = 10_000


def check_securable(table: Table, column: Column) -> None:
    """Raises InvalidDefinition for a column that names its row, says whose it is, or that nobody sets."""
    if column.name in (table.primary_id, table.primary_name):
        reason = "the columns that name a row cannot be secured"
    elif (
        column.type in ("owner", "state", "status")
        or not column.stored
        or not (column.create or column.update)
    ):
        reason = "a column that the system keeps cannot be secured"
    elif column.attribute_of is not None or column.base_of is not None:
        reason = "it goes with another column"
    elif any(column.name in key.columns for key in table.keys):
        reason = "a column of a key cannot be secured"
    else:
        return
    raise fault("InvalidDefinition", what=column.schema_name, reason=reason)


def forget_permissions(call: Call, table: str, column: str) -> None:
    """Delete the permissions for a column: one of the same name that is secured later starts without any."""
    permissions = call.schema.tables[PERMISSIONS]
    found = call.unit.find(permissions, {"entityname": table, "attributelogicalname": column}, MANY)
    if found:
        call.unit.delete(permissions, found)
        call.people_changed()
