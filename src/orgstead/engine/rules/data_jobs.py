"""Recurring data jobs are scheduled as they say, and messages that go take their files along.

https://learn.microsoft.com/dynamics365/fin-ops-core/dev-itpro/data-entities/recurring-integrations
"""

from collections.abc import Callable

from orgstead.engine.datamanagement.exports import schedule
from orgstead.engine.datamanagement.staging import forget
from orgstead.engine.files import free, pieces_of
from orgstead.engine.hooks import Change, hook
from orgstead.engine.registry import Call
from orgstead.model import datamanagement as dm
from orgstead.model.schema import Table

__all__ = ["drop_content", "drop_staging", "keep_schedule", "note_edit"]

TIMED = frozenset({"operation", "isactive", "recurrenceminutes"})


def _is(name: str) -> Callable[[Table], bool]:
    return lambda table: table.logical_name == name


@hook("Create", "Update", stage=40, applies=_is(dm.JOBS))
def keep_schedule(call: Call, change: Change) -> None:
    """An export that recurs waits for its next time; what waited before finds that it is not the one any more."""
    if change.event == "Create" or change.values.keys() & TIMED:
        job = call.unit.get(change.table, change.id) or {}
        next_one = schedule(call, change.id, job)
        if next_one is not None or job.get("systemjobid") is not None:
            call.unit.update(change.table, change.id, {"systemjobid": next_one})


@hook("Update", stage=20, applies=_is(dm.STAGING))
def note_edit(call: Call, change: Change) -> None:
    """Values that somebody has changed are looked at again before they are written."""
    if "sourcevalues" in change.values:
        change.values["isedited"] = True


@hook("Delete", stage=40, applies=_is(dm.MESSAGES))
def drop_content(call: Call, change: Change) -> None:
    """The file of a message goes with it."""
    if change.before["contentid"] is not None:
        free(call, pieces_of(call, change.before["contentid"]))


@hook("Delete", stage=40, applies=_is(dm.EXECUTION_ENTITIES))
def drop_staging(call: Call, change: Change) -> None:
    """Staging rows go with what they were staged for."""
    forget(call, change.id)
