"""One pipeline for every message of every protocol.

A message goes: **resolve** (keys and pending rows become ids) → **check** (default deny) → its handler, which
for a write binds the values, runs the hooks of stage 20, checks invariants, writes row and change number, runs
the hooks of stage 40. A unit of work commits when all messages of an atomic run succeeded.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from functools import lru_cache
from types import MappingProxyType
from typing import Any

from orgstead.engine.access import check_message, restrict
from orgstead.engine.bind import Bound, bind_query
from orgstead.engine.context import Caller, Rights
from orgstead.engine.custom import Function, handler_of
from orgstead.engine.dates import Calendar
from orgstead.engine.handlers import links, reads, rows
from orgstead.engine.hooks import Hooks, shipped
from orgstead.engine.ids import new_id
from orgstead.engine.job import Job, changes_definitions, lost_a_race
from orgstead.engine.ports import Blobs, Clock, RolledBack, Store, UnitOfWork
from orgstead.engine.registry import Handler, Registry
from orgstead.errors import Fault, fault
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

__all__ = ["Engine", "Frame"]

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


class Engine:
    """The schema, the registry and the store, with ``run`` for reads and writes."""

    def __init__(
        self,
        store: Store,
        clock: Clock,
        *,
        registry: Registry | None = None,
        hooks: Hooks | None = None,
        blobs: Blobs | None = None,
        functions: Mapping[str, Function] = MappingProxyType({}),
        shared: bool = False,
    ) -> None:
        self.store = store
        self.clock = clock
        self.registry = registry or Registry()
        self.hooks = hooks or Hooks(shipped())
        self._blobs = blobs
        self._functions = functions
        self.schema = store.load_schema()
        # Other processes change definitions in a shared database: every run looks whether they have.
        self._shared = shared
        # Counts the changes of users, teams, roles and business units.
        self.people = 0
        self._bound: dict[tuple[int, Query, bool, Rights | None], Bound] = {}

    @property
    def blobs(self) -> Blobs:
        """Where the content of files lies; raises NotSupported in an engine that was made without."""
        if self._blobs is None:
            raise fault("NotSupported", feature="Content of files")
        return self._blobs

    def handler(self, name: str) -> Handler:
        """The handler of a message, a shipped one or a custom API; raises UnknownMessage."""
        return self.handler_in(self.schema, name)

    def handler_in(self, schema: Schema, name: str) -> Handler:
        """The handler of a message in a given schema; raises UnknownMessage."""
        api = schema.apis.get(name)
        return self.registry.find(name) if api is None else handler_of(api, self._functions)

    def writes(self, messages: Sequence[Message]) -> bool:
        """Whether these messages need a writing unit of work. Raises UnknownMessage."""
        return any(
            self.handler(m.name).writes if type(m) is Execute else type(m) not in (Retrieve, RetrieveMultiple)
            for m in messages
        )

    def run(self, messages: Sequence[Message], caller: Caller, options: Options = Options()) -> list[Result]:
        """Run messages as one unit: all succeed, or nothing happened and the fault of the first failure is raised.

        The fault has the failing message's place as its attribute ``index``.
        """
        job = Job(messages, caller, options)
        if not self.writes(messages):
            return self.read(job)
        self.run_group([job])
        if isinstance(job.outcome, Exception):
            raise job.outcome
        return job.outcome

    def read(self, job: Job, budget: int | None = None) -> list[Result]:
        """Run a job that only reads; raises BudgetExceeded when it takes more than ``budget`` steps."""
        self._look_ahead([job])
        with self.store.read(budget) as unit:
            return self.run_in(unit, job, self._current(unit))[0]

    def _look_ahead(self, jobs: Sequence[Job]) -> None:
        """Find out for jobs that ask what has been committed before they see any row."""
        for job in jobs:
            if any(type(each) is Execute and self.handler(each.name).tracks for each in job.messages):
                job.horizon = self.store.horizon()

    def _current(self, unit: UnitOfWork, *, changing: bool = False) -> Schema:
        """The schema that a run in this unit of work sees."""
        if self._shared and unit.schema_version(changing=changing) != self.schema.version:
            self.schema = self.store.load_schema()
        return self.schema

    def refresh(self) -> bool:
        """Whether another process had changed the definitions; from now on they are known here."""
        if not self._shared or self.store.schema_version() == self.schema.version:
            return False
        self.schema = self.store.load_schema()
        return True

    def run_group(self, jobs: Sequence[Job]) -> None:
        """Run several independent jobs in one transaction, each undone by itself when it fails.

        One commit then serves them all. Outcomes are set only after the commit; when the commit itself
        fails, its fault is the outcome of every job.
        """
        self._run_group(jobs)
        if self._shared and len(jobs) == 1 and lost_a_race(jobs[0]):
            # Another process made the row in the meantime: now it is there to be updated.
            self._run_group(jobs)

    def _run_group(self, jobs: Sequence[Job]) -> None:
        outcomes: list[list[Result] | Exception] = []
        try:
            self._look_ahead(jobs)
            with self.store.write() as unit:
                schema = self._current(unit, changing=any(map(self._defines, jobs)))
                for job in jobs:
                    outcome, schema = self._attempt(unit, job, schema, alone=len(jobs) == 1)
                    outcomes.append(outcome)
        except RolledBack as error:
            # Not even those that succeeded before are there.
            cause = error.__context__
            outcomes = [cause if isinstance(cause, Fault) else fault("StoreFailure", hint=str(cause))] * len(
                jobs
            )
        except Exception as error:  # noqa: BLE001 - whatever went wrong is what each caller is told
            outcomes = [error] * len(jobs)
        else:
            self.schema = schema
        for job, outcome in zip(jobs, outcomes, strict=True):
            job.outcome = outcome

    def _defines(self, job: Job) -> bool:
        """Whether a job changes definitions."""
        return any(
            self.handler(each.name).defines if type(each) is Execute else changes_definitions(each)
            for each in job.messages
        )

    def _attempt(
        self, unit: UnitOfWork, job: Job, schema: Schema, *, alone: bool
    ) -> tuple[list[Result] | Exception, Schema]:
        if alone:
            # Nothing to protect: a failure may undo the whole transaction.
            return self.run_in(unit, job, schema)
        try:
            with unit.savepoint():
                return self.run_in(unit, job, schema)
        except RolledBack:
            raise
        except Exception as error:  # noqa: BLE001 - one job's failure is its own
            return error, schema

    def run_in(self, unit: UnitOfWork, job: Job, schema: Schema) -> tuple[list[Result], Schema]:
        """Run a job's messages in a given unit of work, one after another; answers the schema they leave."""
        frame = Frame(self, unit, job.caller, job.options, schema)
        frame.horizon = job.horizon
        for index, message in enumerate(job.messages):
            try:
                frame.results.append(frame.send(message))
            except Fault as error:
                error.index = index
                raise
        return frame.results, frame.schema


class Frame:
    """One run of messages in one unit of work: what handlers see as their ``Call``."""

    __slots__ = (
        "_calendar", "_engine", "caller", "cascade", "depth", "horizon", "now", "options", "parameters", "principals",
        "results", "schema", "target", "unit",
    )  # fmt: skip

    def __init__(
        self, engine: Engine, unit: UnitOfWork, caller: Caller, options: Options, schema: Schema
    ) -> None:
        self._engine = engine
        self._calendar: Calendar | None = None
        self.unit = unit
        self.caller = caller
        self.options = options
        self.depth = 0
        self.cascade = 0
        self.horizon = 0
        self.schema = schema
        self.results: list[Result] = []
        self.parameters: Mapping[str, Any] = {}
        self.target: Ref | str | None = None
        self.now = _canonical(int(engine.clock()))
        # Users and teams that this run has looked at.
        self.principals: dict[str, Caller | None] = {}

    @property
    def hooks(self) -> Hooks:
        """The hooks of the engine."""
        return self._engine.hooks

    @property
    def blobs(self) -> Blobs:
        """Where the content of files lies."""
        return self._engine.blobs

    @property
    def calendar(self) -> Calendar:
        """The caller's calendar at the time of this run."""
        if self._calendar is None:
            self._calendar = Calendar(now=datetime.strptime(self.now, "%Y-%m-%dT%H:%M:%SZ"))
        return self._calendar

    def new_id(self) -> str:
        """A new GUID, growing with time."""
        return new_id()

    def savepoint(self) -> AbstractContextManager[None]:
        """Undo what happened inside when an exception leaves the block."""
        return self.unit.savepoint()

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

    def _execute(self, message: Execute) -> Result:
        handler = self._engine.handler_in(self.schema, message.name)
        check_message(self.caller, message.name, handler.privilege)
        with self._parameters(message):
            value = handler.run(self)
        return value if isinstance(value, Result) else Result(value=value)

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
        kept = self._engine._bound
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
            if small and bound.fixed and self.caller.enabled and self.schema is self._engine.schema:
                if len(kept) >= BIND_CACHE:
                    kept.clear()
                kept[key] = bound
        return bound

    def people_changed(self) -> None:
        """Who may do what is no longer what it was."""
        self._engine.people += 1
        self.principals.clear()

    def replace_schema(self, new: Schema) -> None:
        """Migrate the database to ``new``; the engine publishes it when the unit of work has ended well."""
        self.unit.migrate(self.schema, new)
        self.schema = new
