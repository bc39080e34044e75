"""Users do not go while they can still act or own something: their rows would be nobody's.

https://learn.microsoft.com/power-apps/developer/data-platform/user-team-entities
"""

from orgstead.engine.hooks import Change, hook
from orgstead.engine.registry import Call
from orgstead.errors import fault
from orgstead.model.record import Ref

__all__ = ["keep_owning_people"]

PEOPLE = frozenset({"systemuser", "team"})


@hook("Delete", stage=20, applies=lambda table: table.logical_name in PEOPLE)
def keep_owning_people(call: Call, change: Change) -> None:
    """Refuse to delete a user who is enabled, and a user or a team that owns rows; raises CannotDeleteReferenced."""
    name = change.table.logical_name
    if name == "systemuser" and not change.before.get("isdisabled"):
        raise fault("UserIsEnabled", id=change.id)
    owner = Ref(name, change.id)
    for table in call.schema.tables.values():
        column = table.columns.get("ownerid")
        if column is not None and column.is_lookup and column.stored and table.user_owned:
            if call.unit.find(table, {"ownerid": owner}, 1):
                raise fault("CannotDeleteReferenced", table=name, related=table.logical_name)
