"""The open set of messages: each name has one handler and one declared privilege.

A handler is a function of one ``Call``. Without a declared privilege a message does not start: the default
is to deny. ``OPEN`` is the privilege of messages that any enabled user may send.
"""

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Any, Protocol

from orgstead.engine.context import Caller
from orgstead.engine.ports import Blobs, DataFiles, Outside, QueryText, UnitOfWork
from orgstead.engine.steps import Steps
from orgstead.engine.timed import TimeLimit
from orgstead.errors import fault
from orgstead.model.events import Event
from orgstead.model.messages import Message, Options, Result, Signature
from orgstead.model.record import Ref
from orgstead.model.schema import Schema

__all__ = ["OPEN", "Call", "Handler", "Registry", "handles", "registered"]

OPEN = "open"


class Call(Protocol):
    """What a handler may use: one message on its way through the pipeline."""

    parameters: Mapping[str, Any]
    target: Ref | str | None

    @property
    def caller(self) -> Caller:
        """On whose behalf this runs."""

    @property
    def options(self) -> Options:
        """What the request asks for beside its messages."""

    @property
    def schema(self) -> Schema:
        """The schema of this request (after ``replace_schema``: the new one)."""

    @property
    def unit(self) -> UnitOfWork:
        """The transaction that this message runs in."""

    @property
    def blobs(self) -> Blobs:
        """Where the content of files lies."""

    @property
    def queries(self) -> QueryText:
        """How queries are kept."""

    @property
    def now(self) -> str:
        """The time of this request as canonical text."""

    @property
    def time(self) -> float:
        """The time of this request in seconds since 1970."""

    @property
    def steps(self) -> Steps:
        """The steps that are registered around messages."""

    @property
    def outside(self) -> Outside:
        """How endpoints outside are told of events."""

    @property
    def limit(self) -> TimeLimit:
        """How long functions that users wrote may run."""

    @property
    def data_files(self) -> DataFiles:
        """How files of data management are read."""

    @property
    def correlation_id(self) -> str:
        """What all events of this run have in common."""

    # The named message that is running, how deep steps have set each other off, the event in whose step this runs, and
    # what endpoints were told while this transaction was open.
    message: str
    step_depth: int
    parent: Event | None
    told: list[Mapping[str, Any]]

    def inside(self, event: Event) -> AbstractContextManager[None]:
        """Run what is inside as the work of a step that was set off by an event."""

    def takes_steps(self, message: str) -> bool:
        """Whether one may register steps for a shipped message, by the name that ``sdkmessage`` has for it."""

    def new_id(self) -> str:
        """A new GUID, growing with time."""

    principals: dict[str, Caller | None]
    horizon: int

    def resolve(self, ref: Ref, *, missing_ok: bool = False) -> Ref:
        """The reference by id; raises RecordNotFoundByKey, KeyNotFound."""

    def send(self, message: Message) -> Result:
        """Run another message in the same transaction, one level deeper, with the same caller's rights."""

    def follow(self, message: Message) -> Result:
        """Run a message that the running one brings with it: a cascade is as deep as its rows, and no loop."""

    def send_as_system(self, message: Message) -> Result:
        """Run a message as the product's own work: with all rights, and on columns that no user sets."""

    def acting(self, caller: Caller) -> AbstractContextManager[None]:
        """Run what is inside on behalf of another caller."""

    def wake_workers(self) -> None:
        """Say that there is a job to do once this transaction has committed."""

    def people_changed(self) -> None:
        """Say that users, teams, roles or business units are no longer what they were."""

    def replace_schema(self, new: Schema) -> None:
        """Migrate the database to ``new`` in this transaction and publish it after the commit."""

    def savepoint(self) -> AbstractContextManager[None]:
        """Undo what happened inside when an exception leaves the block."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Handler:
    """A registered message.

    ``writes`` says which kind of unit of work it wants; ``heavy`` that it may be long; ``defines`` that it changes
    definitions; ``tracks`` that it asks for the change number below which everything has been committed.
    """

    name: str
    run: Callable[[Call], Any]
    privilege: str
    writes: bool = True
    heavy: bool = False
    defines: bool = False
    tracks: bool = False
    signature: Signature | None = None


_REGISTERED: dict[str, Handler] = {}


def handles(
    name: str,
    *,
    privilege: str,
    writes: bool = True,
    heavy: bool = False,
    defines: bool = False,
    tracks: bool = False,
    signature: Signature | None = None,
) -> Callable[[Callable[[Call], Any]], Callable[[Call], Any]]:
    """Register the decorated function as the handler of message ``name``."""

    def register(run: Callable[[Call], Any]) -> Callable[[Call], Any]:
        if name in _REGISTERED:
            raise RuntimeError(f"message {name} has two handlers")
        _REGISTERED[name] = Handler(
            name=name,
            run=run,
            privilege=privilege,
            writes=writes,
            heavy=heavy,
            defines=defines,
            tracks=tracks,
            signature=signature,
        )
        return run

    return register


def registered() -> Mapping[str, Handler]:
    """All messages that the shipped handler modules registered, by name."""
    return dict(_REGISTERED)


@dataclass(frozen=True, slots=True)
class Registry:
    """The messages that one engine answers."""

    handlers: Mapping[str, Handler] = field(default_factory=registered)

    def find(self, name: str) -> Handler:
        """The handler of ``name``; raises UnknownMessage."""
        handler = self.handlers.get(name)
        if handler is None:
            raise fault("UnknownMessage", name=name)
        return handler

    def signatures(self, *, entities: bool = False) -> Mapping[str, Signature]:
        """The signatures of the messages that have one by their names: of Dataverse, or those of data entities."""
        return {
            name: handler.signature
            for name, handler in self.handlers.items()
            if handler.signature is not None and bool(handler.signature.entity) == entities
        }

    def names(self) -> Sequence[str]:
        """All names, sorted."""
        return sorted(self.handlers)
