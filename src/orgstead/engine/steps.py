"""The steps that are registered around messages, and a message on its way past them.

https://learn.microsoft.com/power-apps/developer/data-platform/event-framework
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from orgstead.engine.timed import Hold
from orgstead.model.events import NOBODY, Event
from orgstead.model.record import Record
from orgstead.model.schema import Schema, Table
from orgstead.model.steps import Step

__all__ = ["Code", "Passage", "Steps"]


@dataclass(slots=True, kw_only=True)
class Passage:
    """A message on its way past its steps, and what these pass on to one another.

    ``inputs`` and ``outputs`` are its parameters by the names that Dynamics gives them; ``table`` is what it is about
    and ``before`` the stored row before it, where there are such. ``given`` are the columns that an update names,
    ``asked`` is the row as the client has it written. A
    step may change ``inputs`` before stage 30, ``outputs`` after it and ``shared`` at any time.
    """

    message: str
    inputs: dict[str, Any]
    outputs: dict[str, Any] = field(default_factory=dict)
    table: Table | None = None
    id: str = NOBODY
    before: Mapping[str, Any] = field(default_factory=dict)
    given: frozenset[str] | None = None
    asked: Record | None = None
    shared: dict[str, Any] = field(default_factory=dict)
    operation: str = ""

    def concerns(self, step: Step) -> bool:
        """Whether a step that is registered for this message wants to know of this one."""
        if step.table is not None and (self.table is None or step.table != self.table.logical_name):
            return False
        return not step.filtering or self.given is None or not self.given.isdisjoint(step.filtering)


@dataclass(frozen=True, slots=True, kw_only=True)
class Code:
    """A Python function that is registered as a step: it gets the call, the event, the message on its way, and the
    hold on the transaction through which alone it uses the call.

    The call is an ``engine.registry.Call``; of an asynchronous step the passage is what is left of it afterwards.
    """

    step: Step
    run: Callable[[Any, Event, Passage, Hold], None]


class Steps:
    """Which steps are registered: the rows that a schema knows, and the Python functions of one engine."""

    def __init__(self, code: Iterable[Code] = ()) -> None:
        self._code = {each.step.id: each for each in code}
        # Those of the schema that was asked for last, and whether one of them makes a write wait.
        self._found: tuple[Schema | None, Mapping[str, Sequence[Step]], bool] = (None, {}, False)

    def of(self, schema: Schema) -> Mapping[str, Sequence[Step]]:
        """The steps by the names of their messages, each in the order in which they run."""
        known, found, _ = self._found
        if known is schema:
            return found
        steps = (*schema.steps.values(), *(each.step for each in self._code.values()))
        grouped: dict[str, list[Step]] = {}
        for step in sorted(steps, key=lambda step: (step.stage, step.rank, step.id)):
            grouped.setdefault(step.message, []).append(step)
        self._found = (schema, grouped, any(not step.asynchronous for step in steps))
        return grouped

    def waits(self, schema: Schema) -> bool:
        """Whether a write may have to wait for what a step does."""
        self.of(schema)
        return self._found[2]

    def code(self, step: str) -> Code | None:
        """The Python function behind a step; None for one that is not, or no longer, there."""
        return self._code.get(step)
