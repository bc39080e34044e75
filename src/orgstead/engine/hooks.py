"""Functions that run around the writing of a row, in the stages of the event framework.

Stage 20 runs inside the transaction before the row is written and may change its values; stage 40 after it. Our own
rules are hooks. What users register, rows and Python functions, are steps (``engine.stages``): they run at the same
places, of stages 10 and 20 before our rules and of stage 40 after them, so that rules hold for what steps change.
https://learn.microsoft.com/power-apps/developer/data-platform/event-framework#event-execution-pipeline
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from orgstead.engine.registry import Call
from orgstead.engine.stages import run_stage
from orgstead.engine.steps import Passage
from orgstead.model.events import NOBODY
from orgstead.model.record import Record, Ref
from orgstead.model.schema import Schema, Table
from orgstead.model.steps import BEFORE_CHECKS, DONE

__all__ = ["UNSTEPPED", "Change", "Hook", "Hooks", "hook", "shipped"]

# Tables whose rows tell of steps, for which a step would set itself off, and one whose rows hold secrets.
UNSTEPPED = frozenset({"asyncoperation", "callbackregistration", "orgstead_delivery"})

Event = Literal["Create", "Update", "Delete", "Associate", "Disassociate"]
Stage = Literal[10, 20, 40]
Ahead = bool | Callable[[Schema, Table], bool]


@dataclass(slots=True, kw_only=True)
class Change:
    """A row about to be written or just written.

    Of a tie between two rows the table is the one that keeps the ties, and ``values`` are the ids at its ends.
    ``values`` are canonical and may be changed in stage 20; ``before`` is the stored row of an update or a
    delete (empty on create). It is the one mutable value of the pipeline: hooks exist to change it. ``inputs`` are the
    message's parameters where they are not the row itself.
    """

    event: Event
    table: Table
    id: str
    values: dict[str, Any]
    before: Mapping[str, Any]
    inputs: Mapping[str, Any] | None = None
    passages: tuple[Passage, ...] | None = field(default=None, init=False)

    def after(self, column: str) -> Any:
        """The value that the column has once the change is written."""
        return self.values[column] if column in self.values else self.before.get(column)


@dataclass(frozen=True, slots=True, kw_only=True)
class Hook:
    """``run`` at a stage of an event, for the tables that ``applies`` accepts; lower ranks run first.

    ``ahead``: it looks at no row of the change's table, the stored one included, so that it can run for many rows
    before the first of them is written; one of stage 40, that it has nothing to do for a table of a schema.
    """

    name: str
    event: Event
    stage: Stage
    run: Callable[[Call, Change], None]
    applies: Callable[[Table], bool]
    rank: int = 1
    ahead: Ahead = False


_SHIPPED: list[Hook] = []


def hook(
    *events: Event, stage: Stage, applies: Callable[[Table], bool], rank: int = 1, ahead: Ahead = False
) -> Callable[[Callable[[Call, Change], None]], Callable[[Call, Change], None]]:
    """Register the decorated function for the shipped engine."""

    def register(run: Callable[[Call, Change], None]) -> Callable[[Call, Change], None]:
        for event in events:
            _SHIPPED.append(
                Hook(
                    name=run.__name__,
                    event=event,
                    stage=stage,
                    run=run,
                    applies=applies,
                    rank=rank,
                    ahead=ahead,
                )
            )
        return run

    return register


def shipped() -> tuple[Hook, ...]:
    """The hooks of the product's own rules."""
    return tuple(_SHIPPED)


class Hooks:
    """The hooks of one engine; which of them concern a table is worked out once per table value."""

    def __init__(self, hooks: Iterable[Hook]) -> None:
        self._hooks = sorted(hooks, key=lambda h: h.rank)
        self._found: dict[tuple[Table, Event, Stage], tuple[Callable[[Call, Change], None], ...]] = {}

    def ahead(self, call: Call, table: Table, event: Event) -> bool:
        """Whether all that runs around an event of a table can run for many rows before the first one is written."""
        if call.steps.of(call.schema) and not table.is_private:
            return False
        return all(
            each.ahead if isinstance(each.ahead, bool) else each.ahead(call.schema, table)
            for each in self._hooks
            if each.event == event and each.applies(table)
        )

    def found(self, stage: Stage, table: Table, event: Event) -> tuple[Callable[[Call, Change], None], ...]:
        """Our own rules that run at a stage, in order of rank and registration."""
        key = (table, event, stage)
        found = self._found.get(key)
        if found is None:
            if len(self._found) > 4096:
                self._found.clear()
            found = self._found[key] = tuple(
                h.run for h in self._hooks if h.event == event and h.stage == stage and h.applies(table)
            )
        return found

    def run(self, stage: Stage, call: Call, change: Change) -> None:
        """Run the hooks of this stage, in order of rank and registration, and the steps that users registered."""
        steps = call.steps.of(call.schema)
        stepped = bool(steps) and not change.table.is_private and change.table.logical_name not in UNSTEPPED
        if stepped and stage != DONE:
            _pass(stage, call, change)
        if stage == BEFORE_CHECKS:
            # Our own rules come after the checks.
            return
        for run in self.found(stage, change.table, change.event):
            run(call, change)
        if stepped and stage == DONE:
            _pass(stage, call, change)


def _pass(stage: Stage, call: Call, change: Change) -> None:
    """Let a change pass the steps of its message, and those of the message for many rows.

    A step for CreateMultiple or UpdateMultiple sees a single row as one of many; one for Create or Update sees each.
    https://learn.microsoft.com/power-apps/developer/data-platform/write-plugin-multiple-operations
    """
    if change.passages is None:
        steps = call.steps.of(call.schema)
        messages = (change.event, f"{change.event}Multiple")
        change.passages = tuple(
            _passage(change, message) for message in messages if message in steps and message != call.message
        )
    for passage in change.passages:
        if stage == DONE:
            _finish(passage, change)
        run_stage(call, stage, passage)


def _passage(change: Change, message: str) -> Passage:
    name = change.table.logical_name
    inputs = dict(change.inputs or {})
    if not inputs:
        row = Record(table=name, id=change.id, values=change.values)
        target = Ref(name, change.id) if change.event == "Delete" else row
        inputs = {"Target": target} if message == change.event else {"Targets": (target,)}
    return Passage(
        message=message,
        inputs=inputs,
        # Of a tie, no table is the one that it is about.
        table=change.table if change.inputs is None else None,
        id=change.id if change.inputs is None else NOBODY,
        before=change.before,
        given=frozenset(change.values) if change.event == "Update" else None,
        asked=_asked(change) if message == change.event else None,
    )


def _asked(change: Change) -> Record | None:
    """The row as the client has it written, before anybody changes it."""
    if change.event not in ("Create", "Update") or change.inputs is not None:
        return None
    values = {**change.values, change.table.primary_id: change.id}
    return Record(table=change.table.logical_name, id=change.id, values=values)


def _finish(passage: Passage, change: Change) -> None:
    """What is known once the row is written: its id among its values, and the message's answer."""
    if change.event not in ("Create", "Update") or change.inputs is not None:
        return
    table = change.table
    row = Record(
        table=table.logical_name, id=change.id, values={**change.values, table.primary_id: change.id}
    )
    many = passage.message != change.event
    passage.inputs["Targets" if many else "Target"] = (row,) if many else row
    if change.event == "Create":
        passage.outputs.update({"Ids": (change.id,)} if many else {"id": change.id})
