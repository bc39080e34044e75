"""One pipeline for every message of every protocol.

A message goes: **resolve** (keys and pending rows become ids) → **check** (default deny) → its handler, which
for a write binds the values, runs the hooks of stage 20, checks invariants, writes row and change number, runs
the hooks of stage 40. A unit of work commits when all messages of an atomic run succeeded.
"""

import threading
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Any

from orgstead.engine.bind import Bound
from orgstead.engine.context import Caller, Rights
from orgstead.engine.custom import Function, handler_of
from orgstead.engine.frame import Frame
from orgstead.engine.hooks import Hooks, shipped
from orgstead.engine.job import Job, changes_definitions, lost_a_race
from orgstead.engine.ports import Blobs, Clock, DataFiles, Outside, QueryText, RolledBack, Store, UnitOfWork
from orgstead.engine.registry import Handler, Registry
from orgstead.engine.steps import Steps
from orgstead.engine.timed import TimeLimit
from orgstead.errors import Fault, fault
from orgstead.model.messages import (
    Execute,
    Message,
    Options,
    Result,
    Retrieve,
    RetrieveMultiple,
)
from orgstead.model.query import Query
from orgstead.model.schema import Schema
from orgstead.model.sdkmessages import SdkMessage, sdk_messages

__all__ = ["Engine"]

# How long a function that a user wrote may run unless something else is said.
# https://learn.microsoft.com/power-apps/developer/data-platform/analyze-performance
FUNCTION_SECONDS = 120.0
# What a statement fails with whose column or table is there no longer.
OUTDATED = frozenset({"StoreBusy", "StoreFailure"})


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
        queries: QueryText | None = None,
        functions: Mapping[str, Function] = MappingProxyType({}),
        steps: Steps | None = None,
        outside: Outside | None = None,
        limit: TimeLimit | None = None,
        data_files: DataFiles | None = None,
        shared: bool = False,
    ) -> None:
        self.store = store
        self.clock = clock
        self.registry = registry or Registry()
        self.hooks = hooks or Hooks(shipped())
        self._blobs = blobs
        self._queries = queries
        self._functions = functions
        self.steps = steps or Steps()
        self._outside = outside
        self.limit = limit or TimeLimit(FUNCTION_SECONDS)
        self._data_files = data_files
        self.schema = store.load_schema()
        # What the shipped handlers answer, by the names that steps are registered for.
        self.messages: Mapping[str, SdkMessage] = {
            each.name: each
            for each in sdk_messages(
                (name, self.registry.handlers[name].writes, signature.bound)
                for name, signature in self.registry.signatures().items()
            )
        }
        self._publishing = threading.Lock()
        # Other processes change definitions in a shared database: every run looks whether they have.
        self._shared = shared
        # Counts the changes of users, teams, roles and business units.
        self.people = 0
        # Told, in whatever thread, that a transaction with something for the job runner has committed.
        self.on_jobs: Callable[[], None] | None = None
        # Told, in whatever thread, that something has been committed.
        self.on_commit: Callable[[], None] | None = None
        # Told, in whatever thread, what endpoints were told while a transaction was open, whatever became of that.
        self.on_told: Callable[[Sequence[Mapping[str, Any]]], None] | None = None
        self.bound: dict[tuple[int, Query, bool, Rights | None], Bound] = {}

    @property
    def blobs(self) -> Blobs:
        """Where the content of files lies; raises NotSupported in an engine that was made without."""
        if self._blobs is None:
            raise fault("NotSupported", feature="Content of files")
        return self._blobs

    @property
    def queries(self) -> QueryText:
        """How queries are kept; raises NotSupported in an engine that was made without."""
        if self._queries is None:
            raise fault("NotSupported", feature="Keeping queries")
        return self._queries

    @property
    def outside(self) -> Outside:
        """How endpoints outside are told of events; raises NotSupported in an engine that was made without."""
        if self._outside is None:
            raise fault("NotSupported", feature="Telling endpoints")
        return self._outside

    @property
    def data_files(self) -> DataFiles:
        """How files of data management are read; raises NotSupported in an engine that was made without."""
        if self._data_files is None:
            raise fault("NotSupported", feature="Reading files of data")
        return self._data_files

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
        schema = self.schema
        try:
            with self.store.read(budget) as unit:
                schema = self._current(unit)
                return self.run_in(unit, job, schema)[0]
        except Fault as error:
            if error.name not in OUTDATED or not self._replaced(schema):
                raise
        # The definitions were changed between the look at them and the look at the rows.
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
            self._publish(self.store.load_schema())
        return self.schema

    def refresh(self) -> bool:
        """Whether another process had changed the definitions; from now on they are known here."""
        return self._shared and self._replaced(self.schema)

    def _replaced(self, schema: Schema) -> bool:
        """Whether definitions have been committed since ``schema``; from now on they are known here."""
        version = self.store.schema_version()
        if version == schema.version:
            return False
        if version != self.schema.version:
            self._publish(self.store.load_schema())
        return True

    def _publish(self, schema: Schema) -> None:
        """Let later runs see a schema, unless a later one has been published by another thread."""
        with self._publishing:
            if schema.version > self.schema.version:
                self.schema = schema

    def reload(self) -> None:
        """All rows may be others than they were: keep nothing that was read from them."""
        # A version never stands for two states of the definitions.
        self._replaced(self.schema)
        self.people += 1
        self.bound.clear()

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
            self._publish(schema)
            if self.on_jobs is not None and any(job.woken for job in jobs):
                self.on_jobs()
            if (committed := self.on_commit) is not None:
                committed()
        for job, outcome in zip(jobs, outcomes, strict=True):
            job.outcome = outcome
            if job.told and self.on_told is not None:
                self.on_told(job.told)

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
        job.told = frame.told
        for index, message in enumerate(job.messages):
            try:
                frame.results.append(frame.send(message))
            except Fault as error:
                error.index = index
                raise
        job.woken = frame.woken
        return frame.results, frame.schema
