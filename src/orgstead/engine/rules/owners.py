"""Users and teams are also rows of ``owner``, the table that an owner lookup expands to.

https://learn.microsoft.com/power-apps/developer/data-platform/reference/entities/owner
"""

from typing import Any

from orgstead.engine.hooks import Change, hook
from orgstead.engine.registry import Call
from orgstead.model.schema import Table

__all__ = ["drop_owner", "keep_owner"]

OWNER = "owner"
NAMES = {"systemuser": "fullname", "team": "name"}


def _owns(table: Table) -> bool:
    return table.logical_name in NAMES


@hook("Create", "Update", stage=40, applies=_owns)
def keep_owner(call: Call, change: Change) -> None:
    """Carry the name over."""
    owners = call.schema.tables.get(OWNER)
    if owners is None:
        return
    row: dict[str, Any] = {
        "name": change.after(NAMES[change.table.logical_name]),
        "owneridtype": change.table.logical_name,
        "versionnumber": call.unit.next_version(),
    }
    if not call.unit.update(owners, change.id, row):
        call.unit.insert(owners, [{owners.primary_id: change.id, **row}])


@hook("Delete", stage=40, applies=_owns)
def drop_owner(call: Call, change: Change) -> None:
    """The owner goes with the user or the team."""
    owners = call.schema.tables.get(OWNER)
    if owners is not None:
        call.unit.delete(owners, [change.id])
