"""A change feed: what changes in a table, told as it happens by server-sent events.

A request for the rows of a table that accepts ``text/event-stream`` gets a stream instead of a page. It tells what
delta links tell, to the letter and with the same rights: an event ``changed`` with the row as it is now, an event
``deleted`` with its id. The id of an event is the delta token behind it: whoever comes back with it as
``Last-Event-ID`` (or ``$deltatoken``) misses nothing; what was told without an id behind it is told again.

Dataverse has no such feed. https://html.spec.whatwg.org/multipage/server-sent-events.html
"""

import asyncio
from collections import Counter
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Mapping
from contextlib import aclosing, asynccontextmanager, suppress
from datetime import UTC, datetime
from urllib.parse import quote, unquote

import msgspec

from orgstead.engine.context import Caller
from orgstead.engine.pipeline import Engine
from orgstead.errors import Fault, fault
from orgstead.wire.odata.response import failure
from orgstead.wire.odatav4.reply import Reply

__all__ = ["RETRY_STREAM", "Feed", "Unanswered", "wants_feed"]

EVENT_STREAM = "text/event-stream"
MAX_STREAMS = 200
MAX_PER_USER = 20
# After how many seconds one who has too many is told to come again: streams stay for long.
RETRY_STREAM = "10"
# How long nothing may be said: less than what proxies bear.
SILENCE_SECONDS = 15.0
# How often what other processes have committed is looked for.
POLL_SECONDS = 1.0
# Commits within so long are told together.
GATHER_SECONDS = 0.02

# Asks the Web API as whoever follows the feed: the query of a GET.
Ask = Callable[[str, Caller], Awaitable[Reply]]
# Who it is by now; raises Fault when the token has expired or the user may no longer.
Who = Callable[[], Awaitable[Caller]]


def wants_feed(method: str, headers: Mapping[str, str]) -> bool:
    """Whether a request wants a stream of changes instead of an answer."""
    return method == "GET" and EVENT_STREAM in headers.get("accept", "").lower()


class Feed:
    """The streams of one server. ``shared`` says that other processes write to the database, too."""

    def __init__(self, engine: Engine, *, shared: bool) -> None:
        self._engine = engine
        self._seconds = POLL_SECONDS if shared else SILENCE_SECONDS
        self._woken: set[asyncio.Event] = set()
        self._streams: Counter[str] = Counter()
        self._ended = False

    def token(self, headers: Mapping[str, str], query: str) -> str | None:
        """The delta token that a stream goes on behind, None for one that is in the query."""
        if "deltatoken" in unquote(query).lower():
            return None
        last = headers.get("last-event-id", "").strip()
        if last:
            return last
        at = datetime.fromtimestamp(self._engine.clock(), UTC).strftime("%m/%d/%Y %H:%M:%S")
        return f"{max(1, self._engine.store.horizon())}!{at}"

    @asynccontextmanager
    async def open(
        self, token: str | None, query: str, ask: Ask, who: Who
    ) -> AsyncIterator[AsyncIterator[bytes]]:
        """The stream of a request, which ends with the block.

        Raises Unanswered, TooManyStreams and the faults of ``who`` when it cannot begin.
        """
        caller = await who()
        if self._streams.total() >= MAX_STREAMS or self._streams[caller.user_id] >= MAX_PER_USER:
            raise fault("TooManyStreams", limit=MAX_PER_USER)
        # Counted in the same turn: those that come together have no more room than one after another.
        self._streams[caller.user_id] += 1
        try:
            if token is not None:
                query = f"{query}&$deltatoken={quote(token, safe='')}".lstrip("&")
            first = await ask(query, caller)
            if first.status != 200:
                raise Unanswered(first)
            async with aclosing(self._stream(first, ask, who)) as stream:
                yield stream
        finally:
            self._streams -= Counter([caller.user_id])

    async def _stream(self, reply: Reply, ask: Ask, who: Who) -> AsyncGenerator[bytes, None]:
        woken = asyncio.Event()
        self._follow(woken)
        try:
            yield b": changes of one table\nretry: 1000\n\n"
            while not self._ended:
                woken.clear()
                query, frames, idle = _frames(reply)
                for frame in frames:
                    yield frame
                if idle and not frames:
                    with suppress(TimeoutError):
                        await asyncio.wait_for(woken.wait(), self._seconds)
                        await asyncio.sleep(GATHER_SECONDS)
                    if not woken.is_set():
                        yield b":\n\n"
                try:
                    reply = await ask(query, await who())
                except Fault as error:
                    reply = failure(error)
                if reply.status != 200:
                    yield _event("failed", reply.body)
                    return
        finally:
            self._woken.discard(woken)
            if not self._woken:
                self._engine.on_commit = None

    def _follow(self, woken: asyncio.Event) -> None:
        loop = asyncio.get_running_loop()
        self._woken.add(woken)

        def wake() -> None:
            for each in tuple(self._woken):
                each.set()

        def committed() -> None:
            # In whatever thread, and perhaps when the loop has ended.
            with suppress(RuntimeError):
                loop.call_soon_threadsafe(wake)

        self._engine.on_commit = committed

    def close(self) -> None:
        """End all streams; whoever follows comes back to the next server."""
        self._ended = True
        for each in self._woken:
            each.set()


class Unanswered(Exception):
    """A stream that cannot begin: what the Web API answers instead."""

    def __init__(self, reply: Reply) -> None:
        super().__init__(reply.status)
        self.reply = reply


class _Page(msgspec.Struct):
    """A page of changes, its rows as the Web API has written them."""

    value: list[msgspec.Raw]
    delta: str | None = msgspec.field(name="@odata.deltaLink", default=None)
    following: str | None = msgspec.field(name="@odata.nextLink", default=None)


class _Gone(msgspec.Struct):
    context: str = msgspec.field(name="@odata.context", default="")


_page = msgspec.json.Decoder(_Page)
_gone = msgspec.json.Decoder(_Gone)


def _frames(reply: Reply) -> tuple[str, list[bytes], bool]:
    """The query of the next look, the events of this one, and whether that was all there is for now."""
    page = _page.decode(reply.body)
    query = (page.delta or page.following or "").partition("?")[2]
    # Behind a page that is not the last one there is no place to go on from: only whole windows are told as seen.
    token = unquote(query.rpartition("$deltatoken=")[2].partition("&")[0]) if page.delta is not None else None
    frames = []
    for place, row in enumerate(page.value, 1):
        name = "deleted" if _gone.decode(row).context.endswith("/$deletedEntity") else "changed"
        frames.append(_event(name, bytes(row), token if place == len(page.value) else None))
    return query, frames, page.delta is not None


def _event(name: str, data: bytes, id: str | None = None) -> bytes:
    mark = b"" if id is None else b"id: %s\n" % id.encode()
    # JSON has no line ends of its own.
    return b"event: %s\n%sdata: %s\n\n" % (name.encode(), mark, data)
