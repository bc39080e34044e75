"""Where work runs: short work on the event loop, long work in threads, writes in groups.

A point read takes microseconds, less than handing it to a thread, so reads start on the loop with a budget of
database steps; a read that exceeds it starts again in a thread, and one that exceeds a second's worth of steps among
those that take as long as they may. Writes that arrive in the same turn of the loop share one transaction and one
commit, each under its own savepoint.
"""

import asyncio
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

from orgstead.engine.job import Job
from orgstead.engine.pipeline import Engine
from orgstead.engine.ports import BudgetExceeded
from orgstead.model.messages import Create, Delete, Execute, Message, Result, Update, Upsert
from orgstead.model.record import Record

__all__ = ["Lanes"]

# Steps of SQLite's virtual machine that a read may take on the loop: a few milliseconds.
READ_BUDGET = 150_000
# Steps that a read may take in a thread where others wait behind it: about a second.
THREAD_BUDGET = 30_000_000
MAX_GROUP = 64
MAX_INLINE_MESSAGES = 16
MANY = 1_000_000
LONG_VALUE = 64 * 1024
# A change of one of these may change many others: a user's unit, the roles of units.
FAR_REACHING = frozenset({"businessunit", "role", "systemuser"})


def _records(record: Record) -> int:
    """A record and those that hang on it."""
    inner = sum(_records(each) for group in record.related for each in group.records)
    return 1 + inner + sum(len(group.refs) for group in record.related)


class Lanes:
    """Runs jobs of one engine. ``inline`` is for databases in the same process; others are always waited for."""

    def __init__(self, engine: Engine, *, inline: bool, workers: int = 8) -> None:
        self._engine = engine
        self._inline = inline
        # Writers wait for writers only; what reads for long waits for its like.
        self._writers = ThreadPoolExecutor(1 if inline else workers, thread_name_prefix="orgstead-write")
        self._readers = ThreadPoolExecutor(workers, thread_name_prefix="orgstead-read")
        self._patient = ThreadPoolExecutor(max(1, workers // 2), thread_name_prefix="orgstead-long")
        self._waiting: list[tuple[Job, asyncio.Future[list[Result]]]] = []
        self._scheduled = False

    async def run(self, job: Job) -> list[Result]:
        """Run a job's messages as one unit. Raises its fault."""
        if not job.messages:
            return []
        if self._engine.writes(job.messages):
            return await self._write(job)
        loop = asyncio.get_running_loop()
        if not self._inline or self._heavy(job):
            return await loop.run_in_executor(self._readers, self._engine.read, job)
        with suppress(BudgetExceeded):
            return self._engine.read(job, READ_BUDGET)
        with suppress(BudgetExceeded):
            return await loop.run_in_executor(self._readers, self._engine.read, job, THREAD_BUDGET)
        return await loop.run_in_executor(self._patient, self._engine.read, job)

    async def _write(self, job: Job) -> list[Result]:
        loop = asyncio.get_running_loop()
        if not self._inline:
            await loop.run_in_executor(self._writers, self._engine.run_group, (job,))
            if isinstance(job.outcome, Exception):
                raise job.outcome
            return job.outcome
        future: asyncio.Future[list[Result]] = loop.create_future()
        self._waiting.append((job, future))
        if not self._scheduled:
            self._scheduled = True
            loop.call_soon(self._start)
        return await future

    def _start(self) -> None:
        """Take what is waiting and run it: here when it is small, else in a thread."""
        # Who has to wait for a step that asks outside does so alone.
        waits = self._engine.steps.waits(self._engine.schema)
        most = 1 if waits else MAX_GROUP
        group, self._waiting = self._waiting[:most], self._waiting[most:]
        jobs = [job for job, _ in group]
        if (
            not waits
            and sum(len(job.messages) for job in jobs) <= MAX_INLINE_MESSAGES * len(jobs)
            and not any(map(self._heavy, jobs))
        ):
            self._engine.run_group(jobs)
            self._finish(group)
            return
        loop = asyncio.get_running_loop()
        running = loop.run_in_executor(self._writers, self._engine.run_group, jobs)
        running.add_done_callback(lambda _: self._finish(group))

    def _finish(self, group: Sequence[tuple[Job, "asyncio.Future[list[Result]]"]]) -> None:
        for job, future in group:
            if future.done():
                continue
            if isinstance(job.outcome, Exception):
                future.set_exception(job.outcome)
            else:
                future.set_result(job.outcome)
        if self._waiting:
            asyncio.get_running_loop().call_soon(self._start)
        else:
            self._scheduled = False

    def _heavy(self, job: Job) -> bool:
        """Whether a job may write many rows: then it is done where nobody waits for it."""
        return sum(map(self._weight, job.messages)) > MAX_INLINE_MESSAGES

    def _weight(self, message: Message) -> int:
        """How many rows a message writes, as far as it says; a lot when that depends on what hangs on a row."""
        match message:
            case Execute():
                return MANY if self._engine.handler(message.name).heavy else 1
            case Create() | Update() | Upsert():
                large = message.record.table in FAR_REACHING or any(
                    map(_long, message.record.values.values())
                )
                return MANY if large else _records(message.record)
            case Delete():
                taken = self._engine.schema.referenced.get(message.ref.table, ())
                return MANY if any(rel.cascade.delete == "Cascade" for rel in taken) else 1
        return 1

    def close(self) -> None:
        """Wait for what runs, take nothing more."""
        for pool in (self._writers, self._readers, self._patient):
            pool.shutdown()


def _long(value: object) -> bool:
    """Whether a value may be a picture, or the content of a note."""
    return isinstance(value, str | bytes) and len(value) > LONG_VALUE
