"""Functions of your own that answer custom APIs, and that run as steps around messages.

A Python file in the directory that the setting ``extensions`` names, or a module that an installed distribution offers
under the entry point ``orgstead.extensions``::

    from orgstead.extensions import Invocation, Refused, custom_api

    @custom_api("new_Discount")
    def discount(call: Invocation) -> dict:
        if call.parameters["Percent"] > 50:
            raise Refused("No more than half.")
        row = call.retrieve(call.target, "name", "creditlimit")
        call.update(call.target, description=f"{call.parameters['Percent']} % off")
        return {"Limit": row["creditlimit"]}

    from orgstead import extensions as org

    @org.step("Update", "account", stage=20, filtering={"name"})
    def tidy(event: org.StepInvocation) -> None:
        event.values["name"] = event.values["name"].strip()

The function runs inside the transaction of the call and with the rights of its caller: what it raises undoes what has
been done. https://learn.microsoft.com/power-apps/developer/data-platform/custom-api
https://learn.microsoft.com/power-apps/developer/data-platform/event-framework
"""

from collections.abc import Callable, Collection, Mapping
from importlib.metadata import entry_points
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from typing import Any, cast
from uuid import UUID, uuid5

from orgstead.engine.custom import Function, Refused, guarded
from orgstead.engine.registry import Call
from orgstead.engine.steps import Code, Passage
from orgstead.engine.timed import Hold
from orgstead.errors import fault
from orgstead.languages.fetchxml import parse_fetchxml
from orgstead.model.events import Event
from orgstead.model.messages import (
    Create,
    Delete,
    Execute,
    Message,
    Result,
    Retrieve,
    RetrieveMultiple,
    Update,
)
from orgstead.model.query import Query
from orgstead.model.record import Page, Record, Ref
from orgstead.model.steps import BEFORE_CHECKS, BEFORE_WRITE, DONE, Image, Step

__all__ = [
    "Invocation", "Ref", "Refused", "StepInvocation", "custom_api", "functions", "load_extensions", "step", "steps",
]  # fmt: skip

ENTRY_POINT = "orgstead.extensions"
Answer = Mapping[str, Any] | None

_functions: dict[str, Function] = {}
_steps: dict[str, Code] = {}
NAMESPACE = UUID("0d365000-0000-4000-8000-0000000057e9")
BEFORE, AFTER = "before", "after"


class Invocation:
    """A call of a custom API: its parameters, and the organisation as its caller may use it.

    Tables and columns go by logical names; a lookup is a ``Ref(table, id)``, an amount a ``Decimal``, a time canonical
    text in UTC. Whatever goes wrong raises the organisation's fault, and need not be caught.
    """

    def __init__(self, call: Call, hold: Hold) -> None:
        self._call = call
        self._hold = hold
        self.parameters: Mapping[str, Any] = call.parameters
        self.target = call.target
        self.user_id = call.caller.user_id
        self.organization_id = call.caller.organization_id
        self.now = call.now

    def create(self, table: str, **values: Any) -> Ref:
        """Make a row."""
        made = self._sent(Create(record=Record(table=table, values=values))).ref
        if made is None:
            raise TypeError("a created row has a reference")
        return made

    def retrieve(self, ref: Ref, *columns: str) -> dict[str, Any]:
        """The given columns of a row."""
        message = Retrieve(ref=ref, query=Query(table=ref.table, columns=columns))
        with self._hold:
            page = self._call.send(message).page
        return _rows(page)[0]

    def fetch(self, xml: str) -> list[dict[str, Any]]:
        """The rows of a page of a FetchXML query, values by column or alias."""
        message = RetrieveMultiple(query=parse_fetchxml(xml))
        with self._hold:
            page = self._call.send(message).page
        return _rows(page)

    def update(self, ref: Ref, **values: Any) -> None:
        """Change columns of a row."""
        self._sent(Update(ref=ref, record=Record(table=ref.table, values=values)))

    def delete(self, ref: Ref) -> None:
        """Remove a row."""
        self._sent(Delete(ref=ref))

    def execute(self, name: str, target: Ref | str | None = None, **parameters: Any) -> Any:
        """Call another message by name; what it answers."""
        return self.send(Execute(name=name, target=target, parameters=parameters))

    def send(self, message: Message) -> Any:
        """Send any message of ``orgstead.model.messages``; the value of its result."""
        return self._sent(message).value

    def _sent(self, message: Message) -> Result:
        # Who goes on after a refusal finds nothing of what was refused.
        with self._hold, self._call.savepoint():
            return self._call.send(message)


class StepInvocation(Invocation):
    """A message that a function is a step of, and the organisation as its caller may use it.

    ``values`` are the columns that are about to be written (stages 10 and 20: change them) or have been (stage 40);
    empty for messages that write no row. ``before`` and ``after`` are the stored row before the message and, at stage
    40, after it. ``parameters`` and ``outputs`` are the message's own, ``shared`` is what its steps pass on.
    """

    def __init__(self, call: Call, event: Event, passage: Passage, hold: Hold) -> None:
        super().__init__(call, hold)
        self.event = event
        self.message = event.message
        self.stage = event.stage
        self.depth = event.depth
        self.parameters = passage.inputs
        self.outputs = passage.outputs
        self.shared = passage.shared
        target = passage.inputs.get("Target")
        self.target = Ref(event.table, event.id) if passage.table is not None else None
        self.values: dict[str, Any] = (
            cast("dict[str, Any]", target.values) if isinstance(target, Record) else {}
        )
        self.before = _values(event.pre_images.get(BEFORE))
        self.after = _values(event.post_images.get(AFTER))


def _values(row: Record | None) -> Mapping[str, Any]:
    return {} if row is None else row.values


def _rows(page: Page | None) -> list[dict[str, Any]]:
    if page is None:
        raise TypeError("a page was promised")
    names = [
        (place, each.name) for place, each in enumerate(page.plan.outputs) if each.part in ("value", "id")
    ]
    return [{name: row[place] for place, name in names} for row in page.rows]


def custom_api(name: str) -> Callable[[Callable[[Invocation], Answer]], Callable[[Invocation], Answer]]:
    """Let the decorated function answer the custom API with this unique name."""

    def register(function: Callable[[Invocation], Answer]) -> Callable[[Invocation], Answer]:
        _functions[name] = lambda call, hold: function(Invocation(call, hold))
        return function

    return register


def step(
    message: str,
    table: str | None = None,
    *,
    stage: int = DONE,
    filtering: Collection[str] = (),
    rank: int = 1,
    asynchronous: bool = False,
) -> Callable[[Callable[[StepInvocation], None]], Callable[[StepInvocation], None]]:
    """Let the decorated function run around a message: for the rows of a table, or of every one (None).

    Stage 10 comes before anything is checked, 20 before the row is written, 40 after it. ``filtering``: of an update,
    only one that names one of these columns. An ``asynchronous`` function runs after the commit, as a system job. What
    it raises refuses the message: ``Refused`` with a text for the client. Raises InvalidStep for what could not run.
    """
    if stage not in (BEFORE_CHECKS, BEFORE_WRITE, DONE) or (asynchronous and stage != DONE):
        raise fault("InvalidStep", reason="steps run at the stages 10, 20 and 40, asynchronous ones at 40")
    if filtering and message != "Update":
        raise fault("InvalidStep", reason="only steps of Update have filtering attributes")

    def register(function: Callable[[StepInvocation], None]) -> Callable[[StepInvocation], None]:
        name = f"{function.__module__}.{function.__qualname__}"
        registered = Step(
            id=str(uuid5(NAMESPACE, f"{name}/{message}/{table}/{stage}")),
            name=name,
            message=message,
            stage=stage,
            table=table,
            asynchronous=asynchronous,
            rank=rank,
            filtering=tuple(sorted(filtering)),
            images=(
                Image(id=name, alias=BEFORE, before=True),
                Image(id=name, alias=AFTER, after=True),
            ),
            function=name,
        )
        _steps[registered.id] = Code(step=registered, run=_guarded(name, function))
        return function

    return register


def _guarded(
    name: str, function: Callable[[StepInvocation], None]
) -> Callable[[Call, Event, Passage, Hold], None]:
    def run(call: Call, event: Event, passage: Passage, hold: Hold) -> None:
        with guarded(name):
            function(StepInvocation(call, event, passage, hold))

    return run


def steps() -> tuple[Code, ...]:
    """All functions that have been registered as steps."""
    return tuple(_steps.values())


def functions() -> Mapping[str, Function]:
    """All functions that have been registered, by the names of their custom APIs; it grows."""
    return _functions


def load_extensions(directory: str | None) -> None:
    """Import what installed distributions offer, and the files of a directory in order of their names.

    Raises InvalidArgument for a directory that is not there; what a file raises while it is imported goes through.
    """
    for offered in entry_points(group=ENTRY_POINT):
        offered.load()
    if directory is None:
        return
    if not Path(directory).is_dir():
        raise fault("InvalidArgument", message=f"There is no directory {directory} of extensions.")
    for path in sorted(Path(directory).glob("[!_]*.py")):
        spec = spec_from_file_location(f"orgstead_extension_{path.stem}", path)
        if spec is None or spec.loader is None:
            raise TypeError("a file of Python has a loader")
        spec.loader.exec_module(module_from_spec(spec))
