"""The courier: tells endpoints what asynchronous steps have for them, after the commit and beside all requests.

Each endpoint has a few calls at a time, and none while its breaker is open, so that one that hangs or is gone costs the
others nothing.
"""

import asyncio
import time
from collections import Counter, deque
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from functools import partial
from types import TracebackType
from typing import Any

import structlog

from orgstead.engine.context import SYSTEM
from orgstead.engine.job import Job
from orgstead.engine.pipeline import Engine
from orgstead.errors import Fault
from orgstead.model.endpoints import CALL_SECONDS, Answered, Endpoint
from orgstead.model.messages import Execute
from orgstead.server.breaker import Breaker
from orgstead.server.callouts import Callouts
from orgstead.server.lanes import Lanes
from orgstead.wire.webhook.addresses import address

__all__ = ["PATIENCE_SECONDS", "Courier"]

log = structlog.get_logger()

# How often it looks for what it was not told of.
EVERY_SECONDS = 1.0
# After how long a delivery without an answer is shown to be in progress: a row for each would cost as much as all else.
SHOW_SECONDS = 1.0
# How often it looks for endpoints that have gone and left something to be told.
STRAYS_SECONDS = 5.0
# Calls at a time, all in all and to one endpoint.
ROOM = 1024
PER_ENDPOINT = 16
# How many calls' worth of deliveries is taken ahead, and how many are settled in one transaction.
AHEAD = 4
MAX_SETTLED = 100
# How long calls under way are waited for when the server ends; what has no answer by then is posted again.
PATIENCE_SECONDS = 5.0


class Courier:
    """Delivers what the jobs of an organisation have for endpoints as long as the block runs.

    ``host`` is the name under which jobs are taken; whoever takes over from a host that is gone takes its deliveries.
    """

    def __init__(
        self, engine: Engine, lanes: Lanes, callouts: Callouts, host: str, *, seconds: float = EVERY_SECONDS
    ) -> None:
        self._engine = engine
        self._lanes = lanes
        self._callouts = callouts
        self._host = host
        self._seconds = seconds
        self._woken = asyncio.Event()
        self._ended = False
        self._busy: Counter[str] = Counter()
        self._strays: Sequence[str] = ()
        self._running: set[asyncio.Task[None]] = set()
        self._breaker = Breaker(time.monotonic)
        # What has been taken and not been posted yet, by endpoint, and what has been posted and not been settled.
        self._waiting: dict[str, deque[Mapping[str, Any]]] = {}
        self._outcomes: list[Mapping[str, Any]] = []
        # Ids of all of these, and of what is being posted and settled.
        self.known: set[str] = set()
        # Those that were among them a moment ago, and those that everybody can see are in progress.
        self._before: set[str] = set()
        self._shown: set[str] = set()
        self._settling: asyncio.Task[None] | None = None
        self._main: asyncio.Task[None] | None = None

    async def __aenter__(self) -> "Courier":
        loop = asyncio.get_running_loop()
        self._engine.on_told = lambda told: _safely(loop, partial(self._note, told))
        self._main = asyncio.create_task(self._run())
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.end(PATIENCE_SECONDS)

    async def end(self, patience: float) -> None:
        """Take nothing more, and give what is under way so many seconds."""
        self._engine.on_told = None
        self._ended = True
        self._woken.set()
        if self._main is not None:
            await self._main
        with suppress(Fault):
            await self._give_back()
        if self._running:
            _, late = await asyncio.wait(self._running, timeout=patience)
            for task in late:
                task.cancel()
            await asyncio.gather(*late, return_exceptions=True)
        if self._settling is not None:
            # What has an answer is not posted again.
            await self._settling

    def wake(self) -> None:
        """Say that there may be something to deliver."""
        self._woken.set()

    async def _send(self, name: str, **parameters: Any) -> Any:
        execute = Execute(name=name, parameters={"Host": self._host, **parameters})
        (result,) = await self._lanes.run(Job((execute,), SYSTEM))
        return result.value

    def _note(self, told: Sequence[Mapping[str, Any]]) -> None:
        task = asyncio.ensure_future(self._noted(told))
        self._running.add(task)
        task.add_done_callback(self._running.discard)

    async def _noted(self, told: Sequence[Mapping[str, Any]]) -> None:
        try:
            await self._send("NoteDeliveries", Told=told)
        except Exception:
            log.exception("what an endpoint was told could not be noted")

    async def _run(self) -> None:
        loop = asyncio.get_running_loop()
        strays = shown = loop.time()
        while not self._ended:
            self._woken.clear()
            try:
                if loop.time() >= strays:
                    self._strays = await self._send("ListLanes")
                    strays = loop.time() + STRAYS_SECONDS
                if loop.time() >= shown:
                    shown = loop.time() + SHOW_SECONDS
                    await self._show()
                await self._give_back()
                while not self._ended and await self._take():
                    pass
            except Fault as error:
                log.warning("the courier failed, and tries again", reason=error.message, hint=error.hint)
            except Exception:
                log.exception("the courier failed, and tries again")
            with suppress(TimeoutError):
                await asyncio.wait_for(self._woken.wait(), self._seconds)

    async def _show(self) -> None:
        """Let everybody see what has been under way since the last time; most is over before anybody could look."""
        late = (self.known & self._before) - self._shown
        self._before = set(self.known)
        self._shown = (self._shown & self.known) | late
        if late:
            await self._send("ShowDeliveries", Ids=tuple(late))

    def _free(self) -> int:
        """How many deliveries may be taken now, all in all."""
        return max(0, ROOM - sum(self._busy.values()) - sum(map(len, self._waiting.values())))

    def _room(self) -> dict[str, tuple[int, int]]:
        """How many deliveries may be taken now for each endpoint: so many in any case, and some more than it is
        called with at a time as long as they are free. Those that have the fewest come first."""
        steps = self._engine.schema.steps.values()
        lanes = {step.endpoint for step in steps if step.endpoint and step.asynchronous}
        room: dict[str, tuple[int, int]] = {}
        for lane in sorted({*lanes, *self._strays}, key=lambda lane: self._busy[lane]):
            calls, waiting = self._calls(lane), len(self._waiting.get(lane, ()))
            # Few transactions that take many are cheaper than many that take one.
            if waiting < calls:
                # However many calls hang elsewhere, an endpoint that has none may have one.
                room[lane] = (0 if self._busy[lane] or waiting else 1, calls * AHEAD - waiting)
        return room

    def _calls(self, lane: str) -> int:
        """How many more calls an endpoint may be given now."""
        return max(0, self._breaker.room(lane, PER_ENDPOINT) - self._busy[lane])

    async def _take(self) -> bool:
        """Take what there is room for; whether there may be more that there is room for."""
        room = self._room()
        if not room:
            return False
        taken = await self._send("ClaimDeliveries", Room=room, Free=self._free())
        for delivery in taken:
            self.known.add(delivery["id"])
            self._waiting.setdefault(delivery["lane"], deque()).append(delivery)
        for lane in room:
            self._begin(lane)
        return bool(taken)

    def _begin(self, lane: str) -> None:
        """Post what has been taken for an endpoint, as much as it may be given."""
        waiting = self._waiting.get(lane)
        while waiting and not self._ended and self._calls(lane):
            self._busy[lane] += 1
            task = asyncio.create_task(self._deliver(waiting.popleft()))
            self._running.add(task)
            task.add_done_callback(partial(self._done, lane))
        if not waiting:
            self._waiting.pop(lane, None)

    def _done(self, lane: str, task: "asyncio.Task[None]") -> None:
        self._running.discard(task)
        self._busy -= Counter([lane])
        self._begin(lane)
        self._woken.set()

    async def _deliver(self, delivery: Mapping[str, Any]) -> None:
        sent = datetime.fromtimestamp(self._engine.clock(), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        try:
            answered = await self._post(delivery)
        except Exception:
            log.exception("a delivery could not be posted, and is tried again", job=delivery["id"])
            answered = Answered(error="it could not be posted", passing=True)
        self._outcomes.append({"Id": delivery["id"], "Answered": answered, "Sent": sent})
        if self._settling is None:
            self._settling = asyncio.create_task(self._settle())

    async def _settle(self) -> None:
        """Note what has come of calls: all that ends while one transaction commits shares the next."""
        try:
            while self._outcomes:
                outcomes, self._outcomes = self._outcomes[:MAX_SETTLED], self._outcomes[MAX_SETTLED:]
                if not await self._settled(outcomes) and len(outcomes) > 1:
                    for each in outcomes:
                        await self._settled([each])
                self.known.difference_update(each["Id"] for each in outcomes)
                self._woken.set()
        finally:
            self._settling = None

    async def _settled(self, outcomes: Sequence[Mapping[str, Any]]) -> bool:
        """Settle together; one that cannot be settled by itself is posted again later."""
        try:
            await self._send("SettleDeliveries", Outcomes=outcomes)
        except Exception:
            if len(outcomes) == 1:
                log.exception("a delivery could not be settled, and is posted again", job=outcomes[0]["Id"])
                # Where even that fails, the job runner finds it later.
                with suppress(Exception):
                    await self._send("ReturnDeliveries", Ids=[outcomes[0]["Id"]], Late=True)
            return False
        return True

    async def _give_back(self) -> None:
        """Let others have what was taken for endpoints that may not be called now, or when this is the end."""
        lanes = [lane for lane in self._waiting if self._ended or not self._breaker.room(lane, 1)]
        ids = [delivery["id"] for lane in lanes for delivery in self._waiting.pop(lane)]
        if ids:
            self.known.difference_update(ids)
            await self._send("ReturnDeliveries", Ids=ids, Late=False)

    async def _post(self, delivery: Mapping[str, Any]) -> Answered:
        endpoint: Endpoint | None = delivery["endpoint"]
        if endpoint is None:
            return Answered(error="the endpoint has gone")
        try:
            url, headers = address(endpoint)
        except Fault as error:
            return Answered(error=error.message)
        own = [(name, value) for name, value in delivery["headers"]]
        answered = await self._callouts.post(
            url, delivery["body"].encode(), (*own, *headers), timeout=CALL_SECONDS
        )
        # An answer that refuses is the answer of an endpoint that is well.
        self._breaker.note(endpoint.id, well=answered.status is not None and answered.status < 500)
        return answered


def _safely(loop: asyncio.AbstractEventLoop, call: Callable[[], None]) -> None:
    """Call in a loop that may have ended meanwhile."""
    with suppress(RuntimeError):
        loop.call_soon_threadsafe(call)
