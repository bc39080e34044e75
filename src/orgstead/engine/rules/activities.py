"""Every activity (task, e-mail, appointment…) is also a row of activitypointer with the same id.

https://learn.microsoft.com/power-apps/developer/data-platform/activity-entities
"""

from functools import lru_cache

from orgstead.engine.hooks import Change, hook
from orgstead.engine.registry import Call
from orgstead.errors import Fault, fault
from orgstead.model.messages import Create, Delete
from orgstead.model.parties import PARTICIPATION
from orgstead.model.record import Record, Ref
from orgstead.model.schema import Table

__all__ = ["drop_pointer", "keep_parties", "point_at_changed", "point_at_new", "refuse_bare_pointer"]

POINTER = "activitypointer"
MAX_PARTIES = 10_000


def _is_activity(table: Table) -> bool:
    return table.is_activity and table.logical_name != POINTER


@lru_cache(maxsize=1024)
def _shared(activity: Table, pointer: Table) -> tuple[str, ...]:
    stored = {column.name for column in activity.stored}
    return tuple(c.name for c in pointer.stored if c.name in stored and c.type != "partylist")


@hook("Create", stage=20, applies=lambda table: table.is_activity)
def refuse_bare_pointer(call: Call, change: Change) -> None:
    """An activity is always of a kind; the kind's column says which."""
    if change.table.logical_name == POINTER:
        raise fault(
            "InvalidArgument",
            message="An activitypointer is made by making an activity of a kind, such as a task.",
        )
    if "activitytypecode" in change.table.columns:
        change.values["activitytypecode"] = change.table.logical_name


@hook("Create", stage=40, applies=_is_activity)
def point_at_new(call: Call, change: Change) -> None:
    """Write the common columns as a row of activitypointer."""
    pointer = call.schema.tables.get(POINTER)
    if pointer is None:
        return
    row = {name: change.values[name] for name in _shared(change.table, pointer) if name in change.values}
    row |= {
        pointer.primary_id: change.id,
        "activitytypecode": change.table.logical_name,
        "versionnumber": call.unit.next_version(),
    }
    call.unit.insert(pointer, [row])


@hook("Update", stage=40, applies=_is_activity)
def point_at_changed(call: Call, change: Change) -> None:
    """Carry changed common columns over."""
    pointer = call.schema.tables.get(POINTER)
    if pointer is None:
        return
    row = {name: change.values[name] for name in _shared(change.table, pointer) if name in change.values}
    call.unit.update(pointer, change.id, {**row, "versionnumber": call.unit.next_version()})


@hook("Delete", stage=40, applies=lambda table: table.is_activity)
def drop_pointer(call: Call, change: Change) -> None:
    """The pointer goes with its activity, and the activity with its pointer."""
    if change.table.logical_name != POINTER:
        pointer = call.schema.tables.get(POINTER)
        if pointer is not None:
            call.unit.delete(pointer, [change.id])
        return
    kind = change.before.get("activitytypecode")
    if kind in call.schema.tables:
        try:
            call.send(Delete(ref=Ref(str(kind), change.id)))
        except Fault as error:
            if error.name != "ObjectDoesNotExist":
                raise


@hook("Create", "Update", stage=40, applies=_is_activity)
def keep_parties(call: Call, change: Change) -> None:
    """Party list columns (``to``, ``requiredattendees``…) are rows of activityparty; a new list replaces the old."""
    for name in change.values:
        column = change.table.columns.get(name)
        if column is not None and column.type == "partylist" and name not in PARTICIPATION:
            # No published type of party says what they would be kept as.
            raise fault("NotSupported", feature=f"The party list {name}")
    for name, mask in PARTICIPATION.items():
        column = change.table.columns.get(name)
        if name not in change.values or column is None or column.type != "partylist":
            continue
        if change.event == "Update":
            parties = call.schema.tables["activityparty"]
            old = {"activityid": Ref(change.table.logical_name, change.id), "participationtypemask": mask}
            call.unit.delete(parties, call.unit.find(parties, old, MAX_PARTIES))
        for party in change.values[name] or ():
            values = {
                **party.values,
                "participationtypemask": mask,
                "activityid": Ref(change.table.logical_name, change.id),
            }
            call.send(Create(record=Record(table="activityparty", values=values)))
