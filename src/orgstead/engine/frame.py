"""One run of messages in one unit of work: what every handler sees as its call."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from functools import lru_cache, partial
from typing import Any, Protocol

from orgstead.engine.access import check_message, restrict
from orgstead.engine.bind import Bound, bind_query
from orgstead.engine.context import Caller, Rights
from orgstead.engine.dates import Calendar, FiscalYear
from orgstead.engine.handlers import links, reads, rows
from orgstead.engine.hooks import Hooks
from orgstead.engine.ids import new_id
from orgstead.engine.ports import Blobs, Clock, DataFiles, Outside, QueryText, UnitOfWork
from orgstead.engine.registry import Handler
from orgstead.engine.stages import run_stage, wants_row
from orgstead.engine.steps import Passage, Steps
from orgstead.engine.timed import TimeLimit
from orgstead.errors import fault
from orgstead.model.events import Event
from orgstead.model.history import noted
from orgstead.model.messages import (
    Associate,
    Create,
    Delete,
    Disassociate,
    Execute,
    Message,
    Options,
    Result,
    Retrieve,
    RetrieveMultiple,
    Update,
    Upsert,
)
from orgstead.model.query import Query
from orgstead.model.record import Pending, Ref
from orgstead.model.schema import Schema, Table
from orgstead.model.sdkmessages import SdkMessage, sdk_name, subject
from orgstead.model.steps import BEFORE_CHECKS, BEFORE_WRITE, DONE

__all__ = ["Frame", "Home"]

MAX_DEPTH = 16
# Rows that hang on one another in a row: what Python's own stack bears.
MAX_CASCADE_DEPTH = 64
BIND_CACHE = 2048
# A query of hundreds of conditions is hardly asked twice, and its plan is large.
MAX_KEPT_PARAMETERS = 64

_CORE: Mapping[type, Callable[[Any, Any], Result]] = {
    Create: rows.create,
    Retrieve: reads.retrieve,
    RetrieveMultiple: reads.retrieve_multiple,
    Update: rows.update,
    Upsert: rows.upsert,
    Delete: rows.delete,
    Associate: links.associate,
    Disassociate: links.disassociate,
}


@lru_cache(maxsize=8)
def _canonical(second: int) -> str:
    return datetime.fromtimestamp(second, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


class Home(Protocol):
    """What the runs of one engine share."""

    schema: Schema
    clock: Clock
    hooks: Hooks
    steps: Steps
    # How long functions that users wrote may run.
    limit: TimeLimit
    # What the shipped handlers answer, by the names that steps are registered for.
    messages: Mapping[str, SdkMessage]
    # Counts the changes of users, teams, roles and business units.
    people: int
    # Bound queries whose values are fixed.
    bound: dict[tuple[int, Query, bool, Rights | None], Bound]

    @property
    def blobs(self) -> Blobs:
        """Where the content of files lies."""

    @property
    def queries(self) -> QueryText:
        """How queries are kept."""

    @property
    def outside(self) -> Outside:
        """How endpoints outside are told of events."""

    @property
    def data_files(self) -> DataFiles:
        """How files of data management are read."""

    def handler_in(self, schema: Schema, name: str) -> Handler:
        """The handler of a message in a given schema; raises UnknownMessage."""


class Frame:
    """One run of messages in one unit of work: what handlers see as their ``Call``."""

    __slots__ = (
        "_calendar", "_correlation", "_home", "caller", "cascade", "depth", "horizon", "message", "now", "options",
        "parameters", "parent", "principals", "results", "schema", "step_depth", "target", "time", "told", "unit",
        "woken",
    )  # fmt: skip

    def __init__(
        self, home: Home, unit: UnitOfWork, caller: Caller, options: Options, schema: Schema
    ) -> None:
        self._home = home
        self._calendar: Calendar | None = None
        self._correlation = ""
        self.unit = unit
        self.caller = caller
        self.options = options
        self.depth = 0
        self.cascade = 0
        self.horizon = 0
        self.woken = False
        self.schema = schema
        self.results: list[Result] = []
        self.parameters: Mapping[str, Any] = {}
        self.target: Ref | str | None = None
        self.time = home.clock()
        self.now = _canonical(int(self.time))
        self.message = ""
        self.step_depth = 1
        self.parent: Event | None = None
        self.told: list[Mapping[str, Any]] = []
        # Users and teams that this run has looked at.
        self.principals: dict[str, Caller | None] = {}

    @property
    def hooks(self) -> Hooks:
        """The hooks of the engine."""
        return self._home.hooks

    @property
    def blobs(self) -> Blobs:
        """Where the content of files lies."""
        return self._home.blobs

    @property
    def queries(self) -> QueryText:
        """How queries are kept."""
        return self._home.queries

    @property
    def steps(self) -> Steps:
        """The steps that are registered around messages."""
        return self._home.steps

    @property
    def outside(self) -> Outside:
        """How endpoints outside are told of events."""
        return self._home.outside

    @property
    def limit(self) -> TimeLimit:
        """How long functions that users wrote may run."""
        return self._home.limit

    @property
    def data_files(self) -> DataFiles:
        """How files of data management are read."""
        return self._home.data_files

    @property
    def correlation_id(self) -> str:
        """What all events of this run have in common."""
        if not self._correlation:
            self._correlation = new_id()
        return self._correlation

    @contextmanager
    def inside(self, event: Event) -> Iterator[None]:
        """Run what is inside as the work of a step that was set off by an event."""
        before = self.step_depth, self.parent, self.message
        self.step_depth, self.parent, self.message = event.depth + 1, event, ""
        try:
            yield
        finally:
            self.step_depth, self.parent, self.message = before

    @property
    def calendar(self) -> Calendar:
        """The caller's calendar at the time of this run."""
        if self._calendar is None:
            now = datetime.strptime(self.now, "%Y-%m-%dT%H:%M:%SZ")
            fiscal = partial(_fiscal_year, self.unit, self.schema, self.caller.organization_id)
            self._calendar = Calendar(now=now, fiscal=fiscal)
        return self._calendar

    def takes_steps(self, message: str) -> bool:
        """Whether one may register steps for a shipped message, by the name that ``sdkmessage`` has for it."""
        known = self._home.messages.get(message)
        return known is not None and known.steps

    def new_id(self) -> str:
        """A new GUID, growing with time."""
        return new_id()

    @contextmanager
    def savepoint(self) -> Iterator[None]:
        """Undo what happened inside when an exception leaves the block."""
        schema = self.schema
        try:
            with self.unit.savepoint():
                yield
        except BaseException:
            self.schema = schema
            raise

    def send(self, message: Message) -> Result:
        """Run one message. Raises its fault."""
        if self.depth >= MAX_DEPTH:
            raise fault("TooDeep", limit=MAX_DEPTH)
        self.depth += 1
        try:
            if isinstance(message, Execute):
                return self._execute(message)
            return _CORE[type(message)](self, message)
        finally:
            self.depth -= 1

    def follow(self, message: Message) -> Result:
        """Run a message that the running one brings with it: a cascade is as deep as its rows, and no loop."""
        if self.cascade >= MAX_CASCADE_DEPTH:
            raise fault("TooDeep", limit=MAX_CASCADE_DEPTH)
        depth, self.depth = self.depth, 0
        self.cascade += 1
        try:
            return self.send(message)
        finally:
            self.depth = depth
            self.cascade -= 1

    def send_as_system(self, message: Message) -> Result:
        """Run a message as the product's own work: with all rights, and on columns that no user sets."""
        caller = self.caller
        self.caller = replace(caller, system=True, administrator=True)
        try:
            return self.send(message)
        finally:
            self.caller = caller

    @contextmanager
    def acting(self, caller: Caller) -> Iterator[None]:
        """Run what is inside on behalf of another caller."""
        before, self.caller = self.caller, caller
        try:
            yield
        finally:
            self.caller = before

    def wake_workers(self) -> None:
        """Say that there is a job to do once this transaction has committed."""
        self.woken = True

    def _execute(self, message: Execute) -> Result:
        handler = self._home.handler_in(self.schema, message.name)
        outer, self.message = self.message, message.name
        try:
            with self._parameters(message):
                if (steps := self.steps.of(self.schema)) and sdk_name(message.name) in steps:
                    value = self._stepwise(handler)
                else:
                    check_message(self.caller, message.name, handler.privilege)
                    value = handler.run(self)
        finally:
            self.message = outer
        return value if isinstance(value, Result) else Result(value=value)

    def _stepwise(self, handler: Handler) -> Any:
        """Run a named message past the steps that are registered for it."""
        target = self.target
        bound = target if isinstance(target, Ref) else None
        inputs = {**self.parameters, **({"Target": bound} if bound is not None else {})}
        about = bound if bound is not None else subject(handler.name, self.parameters)
        name = about.table if about is not None else target
        passage = Passage(
            message=sdk_name(handler.name),
            inputs=inputs,
            table=self.schema.tables.get(name) if isinstance(name, str) else None,
        )
        if about is not None and passage.table is not None:
            passage.id = self.resolve(about).id
            if wants_row(self, passage):
                passage.before = self.unit.get(passage.table, passage.id) or {}
        run_stage(self, BEFORE_CHECKS, passage)
        check_message(self.caller, handler.name, handler.privilege)
        run_stage(self, BEFORE_WRITE, passage)
        given = self.parameters
        self.parameters = {
            each: value for each, value in passage.inputs.items() if each in given or each != "Target"
        }
        value = handler.run(self)
        if isinstance(value, Mapping):
            passage.outputs = dict(value)
        run_stage(self, DONE, passage)
        return passage.outputs if isinstance(value, Mapping) else value

    @contextmanager
    def _parameters(self, message: Execute) -> Iterator[None]:
        outer = self.parameters, self.target
        target = message.target
        self.parameters = message.parameters
        self.target = self.resolve(target) if isinstance(target, Ref) else target
        try:
            yield
        finally:
            self.parameters, self.target = outer

    def table(self, name: str) -> Table:
        """A table by its logical name; raises TableNotFound."""
        table = self.schema.tables.get(name)
        if table is None:
            raise fault("TableNotFound", name=name)
        return table

    def resolve(self, ref: Ref, *, missing_ok: bool = False) -> Ref:
        """The reference by id. Raises RecordNotFoundByKey, KeyNotFound, InvalidReference.

        With ``missing_ok`` an alternate key that names no row comes back as it is.
        """
        if isinstance(ref.key, str):
            return ref
        if isinstance(ref.key, Pending):
            return self._earlier(ref)
        table = self.table(ref.table)
        values = rows.key_values(self, table, ref.key)
        found = self.unit.find(table, values, 1)
        if found:
            return Ref(table.logical_name, found[0])
        if missing_ok:
            return ref
        named = ", ".join(f"{name}={value}" for name, value in ref.key)
        raise fault("RecordNotFoundByKey", table=table.logical_name, hint=f"No row has {named}.")

    def _earlier(self, ref: Ref) -> Ref:
        pending = ref.key
        if isinstance(pending, Pending) and pending.index < len(self.results):
            earlier = self.results[pending.index].ref
            if earlier is not None:
                return earlier
        raise fault("InvalidBatch", message="A Content-ID refers to a request that made no row.")

    def bind(self, query: Query, *, single: bool = False) -> Bound:
        """Bind a query for this caller; plans whose values are fixed are kept by the query's own value.

        With ``single`` the first parameter is the id of the row to read.
        """
        kept = self._home.bound
        # Administrators see everything alike.
        rights = None if self.caller.administrator and self.caller.enabled else self.caller.rights
        key = (self.schema.version, query, single, rights)
        bound = kept.get(key) if self.caller.enabled else None
        if bound is None:
            bound = bind_query(
                query,
                self.schema,
                self.caller,
                self.calendar,
                lambda source, param: restrict(self, source, param),
                single="" if single else None,
            )
            small = len(bound.params) <= MAX_KEPT_PARAMETERS
            if small and bound.fixed and self.caller.enabled and self.schema is self._home.schema:
                if len(kept) >= BIND_CACHE:
                    kept.clear()
                kept[key] = bound
        return bound

    def people_changed(self) -> None:
        """Who may do what is no longer what it was."""
        self._home.people += 1
        self.principals.clear()

    def replace_schema(self, new: Schema) -> None:
        """Migrate the database to ``new``; the engine publishes it when the unit of work has ended well."""
        self.schema, old = noted(self.schema, new, self.now), self.schema
        self.unit.migrate(old, self.schema)


def _fiscal_year(unit: UnitOfWork, schema: Schema, organization: str) -> FiscalYear:
    """What the organisation says about its fiscal year."""
    row = unit.get(schema.tables["organization"], organization, ("fiscalcalendarstart", "fiscalperiodtype"))
    return FiscalYear() if row is None else FiscalYear.of(row["fiscalcalendarstart"], row["fiscalperiodtype"])
