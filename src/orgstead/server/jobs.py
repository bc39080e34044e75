"""The job runner: takes system jobs that are due and works on them, a piece at a time, beside what clients ask for."""

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime
from functools import partial
from types import TracebackType
from typing import Any
from uuid import uuid4

import structlog

from orgstead.engine.context import SYSTEM
from orgstead.engine.job import Job
from orgstead.engine.pipeline import Engine
from orgstead.engine.ports import Clock
from orgstead.errors import Fault
from orgstead.model.messages import Execute
from orgstead.server.callouts import Callouts
from orgstead.server.courier import PATIENCE_SECONDS, Courier
from orgstead.server.lanes import Lanes

__all__ = ["JobRunner"]

log = structlog.get_logger()

# How often it looks for what it was not told of: jobs of other processes, and those whose time has come.
EVERY_SECONDS = 1.0
# How often it says that it is alive, and looks for those that are not.
BEAT_SECONDS = 20.0
# Jobs at a time, all in all and of one lane.
ROOM = 4
PER_LANE = 2
# How long pieces of jobs are waited for when all rows are to be others.
REST_SECONDS = 10.0


class JobRunner:
    """Works on the jobs of an engine's organisation as long as the block runs; there may be others in other processes.

    ``alone`` says that there are none: then whatever somebody else has taken is free at once. ``real`` is the real
    time: a lease does not end because somebody has moved the organisation's clock.
    """

    def __init__(
        self,
        engine: Engine,
        lanes: Lanes,
        *,
        alone: bool,
        real: Clock = time.time,
        callouts: Callouts | None = None,
        seconds: float = EVERY_SECONDS,
    ) -> None:
        self._engine = engine
        self._lanes = lanes
        self._alone = alone
        self._real = real
        self._seconds = seconds
        self._host = str(uuid4())
        self._callouts = callouts
        self._courier: Courier | None = None
        self._woken = asyncio.Event()
        self._ended = False
        self._running: set[asyncio.Task[None]] = set()
        # What it has taken and works on, and what it has taken by the database's account alone.
        self._known: set[str] = set()
        self._suspects: Sequence[str] = ()
        self._busy: Counter[str] = Counter()
        self._main: asyncio.Task[None] | None = None

    async def __aenter__(self) -> "JobRunner":
        await self._start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._stop(None)
        await self._end(PATIENCE_SECONDS)

    async def _start(self) -> None:
        if self._callouts is not None:
            self._courier = Courier(self._engine, self._lanes, self._callouts, self._host)
            await self._courier.__aenter__()
        self._known.clear()
        self._suspects = ()
        self._go_on()

    def _go_on(self) -> None:
        loop = asyncio.get_running_loop()

        def wake() -> None:
            loop.call_soon_threadsafe(self._woken.set)
            if self._courier is not None:
                loop.call_soon_threadsafe(self._courier.wake)

        self._engine.on_jobs = wake
        self._ended = False
        if self._main is None or self._main.done():
            self._main = asyncio.create_task(self._run())

    async def _stop(self, seconds: float | None) -> bool:
        """Begin nothing more, and wait for what runs; whether it has come to its end in time."""
        self._engine.on_jobs = None
        self._ended = True
        self._woken.set()
        try:
            async with asyncio.timeout(seconds):
                if self._main is not None:
                    await asyncio.wait((self._main,))
                # With what it has begun last.
                if self._running:
                    await asyncio.wait(self._running)
        except TimeoutError:
            return False
        return True

    async def _end(self, patience: float) -> None:
        if self._courier is not None:
            await self._courier.end(patience)
        with suppress(Fault):
            await self._send("SeeHost", Gone=True)

    @asynccontextmanager
    async def at_rest(self) -> AsyncIterator[None]:
        """Nothing of it runs inside of the block, and all rows may be others afterwards.

        Raises TimeoutError when a job does not come to the end of a piece.
        """
        if self._main is None:
            yield
            return
        if not await self._stop(REST_SECONDS):
            self._go_on()
            raise TimeoutError(f"A system job is still under way after {REST_SECONDS:g} seconds.")
        # What endpoints are just being told is about rows that are given up.
        await self._end(0.0)
        try:
            yield
        finally:
            # What it had taken in the rows that are there now is nobody's any more.
            with suppress(Fault):
                await self._send("SeeHost", Gone=True)
            self._host = str(uuid4())
            await self._start()

    async def _send(self, name: str, **parameters: Any) -> Any:
        execute = Execute(name=name, parameters={"Host": self._host, **parameters})
        (result,) = await self._lanes.run(Job((execute,), SYSTEM))
        return result.value

    async def _run(self) -> None:
        loop = asyncio.get_running_loop()
        beat = loop.time()
        while not self._ended:
            self._woken.clear()
            try:
                if loop.time() >= beat:
                    now = datetime.fromtimestamp(self._real(), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
                    await self._send("SeeHost", Now=now)
                    await self._send("ReleaseJobs", Alone=self._alone, Now=now)
                    courier = self._courier.known if self._courier is not None else ()
                    known = (*self._known, *courier)
                    self._suspects = await self._send("RescueJobs", Known=known, Suspects=self._suspects)
                    beat = loop.time() + BEAT_SECONDS
                await self._take()
            except Fault as error:
                log.warning("the job runner failed, and tries again", reason=error.message, hint=error.hint)
            except Exception:
                log.exception("the job runner failed, and tries again")
            with suppress(TimeoutError):
                await asyncio.wait_for(self._woken.wait(), self._seconds)

    async def _take(self) -> None:
        """Begin as many jobs as there is room for."""
        while not self._ended and len(self._running) < ROOM:
            full = [lane for lane, number in self._busy.items() if number >= PER_LANE]
            if not await self._send("CountDueJobs", Full=full):
                return
            room = ROOM - len(self._running)
            taken = await self._send("ClaimJobs", Full=full, Limit=room, PerLane=PER_LANE)
            for job in taken:
                self._busy[job["lane"]] += 1
                self._known.add(job["id"])
                task = asyncio.create_task(self._work(job["id"]))
                self._running.add(task)
                task.add_done_callback(partial(self._done, job["id"], job["lane"]))
            if not taken:
                return

    def _done(self, id: str, lane: str, task: "asyncio.Task[None]") -> None:
        self._known.discard(id)
        self._running.discard(task)
        self._busy -= Counter([lane])
        self._woken.set()

    async def _work(self, id: str) -> None:
        try:
            while await self._send("WorkOnJob", Id=id):
                if self._ended:
                    await self._send("PutBackJob", Id=id, Late=False)
                    return
        except Exception:
            log.exception("a piece of a job failed, and is tried again", job=id)
            with suppress(Fault):
                await self._send("PutBackJob", Id=id, Late=True)
