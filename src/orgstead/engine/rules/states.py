"""State and status reason always fit each other.

https://learn.microsoft.com/power-apps/developer/data-platform/define-custom-state-model-transitions
"""

from functools import lru_cache

from orgstead.engine.hooks import Change, hook
from orgstead.engine.registry import Call
from orgstead.errors import fault
from orgstead.model.schema import Column, Option, Table

__all__ = ["keep_state_and_status"]


@hook("Create", "Update", stage=20, applies=lambda table: table.state_column is not None, rank=-5)
def keep_state_and_status(call: Call, change: Change) -> None:
    """Fill the missing half of the pair; raises InvalidStatePair when the halves contradict each other.

    A new state without a status takes the state's default status; a new status must belong to the state
    that the row has or gets (on create it brings its state along).
    """
    state, status = change.table.state_column, change.table.status_column
    if state is None or status is None:
        return
    values = change.values
    if change.event == "Create" and values.get(state.name) is None and values.get(status.name) is None:
        values[state.name], values[status.name] = _start(change.table, state, status)
        return
    for column in (state, status):
        if change.event == "Update" and column.name in values and values[column.name] is None:
            del values[column.name]
    if change.event == "Update" and state.name not in values and status.name not in values:
        return
    wanted_status = _option(status, values.get(status.name))
    if values.get(state.name) is None:
        if change.event == "Update":
            values[state.name] = change.before.get(state.name)
        elif wanted_status is not None and wanted_status.state is not None:
            values[state.name] = wanted_status.state
        else:
            values[state.name] = _first_state(state)
    if values.get(status.name) is None:
        if change.event == "Update" and change.before.get(state.name) == values[state.name]:
            values.pop(status.name, None)
            return
        values[status.name] = _default_status(change.table, state, status, values[state.name])
    elif wanted_status is not None and wanted_status.state not in (None, values[state.name]):
        raise fault(
            "InvalidStatePair",
            status=values[status.name],
            state=values[state.name],
            table=change.table.logical_name,
        )


def _option(column: Column, value: int | None) -> Option | None:
    return next((option for option in column.options if option.value == value), None)


@lru_cache(maxsize=4096)
def _start(table: Table, state: Column, status: Column) -> tuple[int, int | None]:
    """What a new row has when nobody says."""
    first = _first_state(state)
    return first, _default_status(table, state, status, first)


def _first_state(state: Column) -> int:
    if isinstance(state.default, int) and state.default >= 0:
        return state.default
    return min((option.value for option in state.options), default=0)


def _default_status(table: Table, state: Column, status: Column, value: int) -> int | None:
    chosen = _option(state, value)
    if chosen is not None and chosen.default_status is not None and chosen.default_status > 0:
        return chosen.default_status
    return next((option.value for option in status.options if option.state == value), None)
