"""Functions that run around the writing of a row, in the stages of the event framework.

Stage 20 runs inside the transaction before the row is written and may change its values; stage 40 after it.
https://learn.microsoft.com/power-apps/developer/data-platform/event-framework#event-execution-pipeline
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from orgstead.engine.registry import Call
from orgstead.model.schema import Table

__all__ = ["Change", "Hook", "Hooks", "hook", "shipped"]

Event = Literal["Create", "Update", "Delete", "Associate", "Disassociate"]
Stage = Literal[20, 40]


@dataclass(slots=True, kw_only=True)
class Change:
    """A row about to be written or just written.

    Of a tie between two rows the table is the one that keeps the ties, and ``values`` are the ids at its ends.
    ``values`` are canonical and may be changed in stage 20; ``before`` is the stored row of an update or a
    delete (empty on create). It is the one mutable value of the pipeline: hooks exist to change it.
    """

    event: Event
    table: Table
    id: str
    values: dict[str, Any]
    before: Mapping[str, Any]

    def after(self, column: str) -> Any:
        """The value that the column has once the change is written."""
        return self.values[column] if column in self.values else self.before.get(column)


@dataclass(frozen=True, slots=True, kw_only=True)
class Hook:
    """``run`` at a stage of an event, for the tables that ``applies`` accepts; lower ranks run first."""

    name: str
    event: Event
    stage: Stage
    run: Callable[[Call, Change], None]
    applies: Callable[[Table], bool]
    rank: int = 1


_SHIPPED: list[Hook] = []


def hook(
    *events: Event, stage: Stage, applies: Callable[[Table], bool], rank: int = 1
) -> Callable[[Callable[[Call, Change], None]], Callable[[Call, Change], None]]:
    """Register the decorated function for the shipped engine."""

    def register(run: Callable[[Call, Change], None]) -> Callable[[Call, Change], None]:
        for event in events:
            _SHIPPED.append(
                Hook(name=run.__name__, event=event, stage=stage, run=run, applies=applies, rank=rank)
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

    def run(self, stage: Stage, call: Call, change: Change) -> None:
        """Run the hooks of this stage, in order of rank and registration."""
        key = (change.table, change.event, stage)
        found = self._found.get(key)
        if found is None:
            if len(self._found) > 4096:
                self._found.clear()
            found = tuple(
                h.run
                for h in self._hooks
                if h.event == change.event and h.stage == stage and h.applies(change.table)
            )
            self._found[key] = found
        for run in found:
            run(call, change)
