"""Calls out to endpoints: posts that are bounded in time and size and reach no address that is not allowed.

They run in a loop and a thread of their own, so that handshakes and slow answers delay no request.
https://learn.microsoft.com/power-apps/developer/data-platform/use-webhooks
"""

import asyncio
import codecs
import math
import ssl
import threading
import time
from collections.abc import Coroutine, Iterable, Mapping, Sequence
from concurrent.futures import Future, wait
from dataclasses import replace
from types import TracebackType
from typing import Any

import httpcore2

from orgstead.errors import Fault
from orgstead.model.endpoints import TIMED_OUT, Answered
from orgstead.server.addresses import check_url, read_allowed
from orgstead.server.network import Lookup, Network, RefusedAddress, Resolve, resolve

__all__ = ["ENDED", "FAILED", "MALFORMED", "REFUSED", "TLS_FAILED", "Callouts", "Headers"]

# What goes wrong without an answer.
REFUSED = "the address is refused"
FAILED = "the connection failed"
TLS_FAILED = "TLS failed"
MALFORMED = "the answer is malformed"
ENDED = "the server ends"

# What is read of an answer before the connection is cut, and what is kept of it, in bytes.
MAX_ANSWER, MAX_EXCERPT = 65_536, 4096
# Connections at a time; who calls more waits, within its time.
MAX_CONNECTIONS, MAX_IDLE, IDLE_SECONDS = 4000, 200, 15.0
TURNS = 3
# How often a thread that waits for an answer looks whether the server ends.
LOOK_SECONDS = 0.25
EXPECTED = (
    Fault, RefusedAddress, OSError, UnicodeError, httpcore2.NetworkError, httpcore2.ProtocolError,
    httpcore2.TimeoutException, httpcore2.UnsupportedProtocol,
)  # fmt: skip

Headers = Iterable[tuple[str, str]]


class Callouts:
    """A client that posts. ``allowed`` are host names, ``host:port`` and networks that may be called although they are
    not public, and without TLS; ``authorities`` is a file of further certificate authorities.

    Raises ValueError for an entry of ``allowed`` that is none, OSError for a file that cannot be read. It ends with
    ``close``, or the block that it is the context manager of.
    """

    def __init__(
        self, allowed: Iterable[str] = (), *, authorities: str | None = None, resolve: Resolve = resolve
    ) -> None:
        self._allowed = read_allowed(allowed)
        self._lookup = Lookup(resolve)
        self._tls = httpcore2.default_ssl_context()
        if authorities is not None:
            self._tls.load_verify_locations(authorities)
        self._pools: Mapping[str, httpcore2.AsyncConnectionPool] = {}
        self._lock = threading.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        self._closed = False
        self._end_at = math.inf

    def check_url(self, url: str) -> None:
        """Raises InvalidEndpoint for a URL that may not be called."""
        check_url(url, self._allowed)

    async def post(self, url: str, body: bytes, headers: Headers, *, timeout: float) -> Answered:
        """Post and tell what became of it within ``timeout`` seconds; nothing is raised for what goes wrong."""
        return await asyncio.wrap_future(self._start(self._post(url, body, tuple(headers), timeout)))

    def post_from_thread(self, url: str, body: bytes, headers: Headers, *, timeout: float) -> Answered:
        """The same for a thread that may wait; for no longer than the server does when it ends."""
        future = self._start(self._post(url, body, tuple(headers), timeout))
        while not wait((future,), LOOK_SECONDS).done:
            if time.monotonic() > self._end_at and future.cancel():
                return Answered(error=ENDED, passing=True)
        return future.result()

    def end_within(self, seconds: float) -> None:
        """The server ends: no thread waits for longer than so many seconds from now."""
        self._end_at = time.monotonic() + seconds

    # -- the thread ----------------------------------------------------------------------------------------------
    def _start(self, work: Coroutine[Any, Any, Answered]) -> Future[Answered]:
        with self._lock:
            if self._closed:
                work.close()
                raise RuntimeError("callouts have been closed")
            if self._loop is None:
                self._loop = asyncio.new_event_loop()
                self._thread = threading.Thread(target=self._loop.run_forever, name="callouts", daemon=True)
                self._thread.start()
            return asyncio.run_coroutine_threadsafe(work, self._loop)

    def close(self) -> None:
        """Cut what is under way and end the thread."""
        with self._lock:
            self._closed = True
            loop, self._loop = self._loop, None
        self._lookup.close()
        if loop is None or self._thread is None:
            return
        asyncio.run_coroutine_threadsafe(self._end(), loop).result()
        loop.call_soon_threadsafe(loop.stop)
        self._thread.join()
        loop.close()

    async def _end(self) -> None:
        others = asyncio.all_tasks() - {asyncio.current_task()}
        for task in others:
            # A second one would interrupt what closes the connection after the first.
            if not task.cancelling():
                task.cancel()
        await asyncio.gather(*others, return_exceptions=True)
        for pool in self._pools.values():
            await pool.aclose()
        for _ in range(TURNS):
            # What was cut closes its socket in a turn of its own, TLS in another.
            await asyncio.sleep(0)

    def __enter__(self) -> "Callouts":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    # -- a call --------------------------------------------------------------------------------------------------
    async def _post(
        self, url: str, body: bytes, headers: Sequence[tuple[str, str]], timeout: float
    ) -> Answered:
        began = time.monotonic()
        try:
            check_url(url, self._allowed)
            async with asyncio.timeout(timeout):
                answered = await self._try_twice(url, body, headers)
        except EXPECTED as error:
            answered = _what_failed(error)
        return replace(answered, seconds=time.monotonic() - began)

    async def _try_twice(self, url: str, body: bytes, headers: Sequence[tuple[str, str]]) -> Answered:
        """Post; once more when a connection that was kept turns out to have been closed meanwhile."""
        call = _Call()
        try:
            return await self._exchange(url, body, headers, call)
        except (httpcore2.NetworkError, httpcore2.RemoteProtocolError):
            if call.fresh or call.answering:
                raise
        return await self._exchange(url, body, headers, _Call())

    async def _exchange(
        self, url: str, body: bytes, headers: Sequence[tuple[str, str]], call: "_Call"
    ) -> Answered:
        sent = [(name.encode(), value.encode()) for name, value in headers]
        sent.append((b"content-length", str(len(body)).encode()))
        pool = self._pool(url.partition(":")[0])
        async with pool.stream(
            "POST", url, headers=sent, content=body, extensions={"trace": call.note}
        ) as response:
            text = bytearray()
            async for chunk in response.aiter_stream():
                text += chunk
                if len(text) >= MAX_ANSWER:
                    # Leaving the block cuts the connection.
                    break
        return Answered(status=response.status, excerpt=_excerpt(bytes(text[:MAX_EXCERPT])))

    def _pool(self, scheme: str) -> httpcore2.AsyncConnectionPool:
        if not self._pools:
            self._pools = {
                name: httpcore2.AsyncConnectionPool(
                    ssl_context=self._tls,
                    max_connections=MAX_CONNECTIONS,
                    max_keepalive_connections=MAX_IDLE,
                    keepalive_expiry=IDLE_SECONDS,
                    network_backend=Network(self._allowed, self._lookup, plain=name == "http"),
                )
                for name in ("http", "https")
            }
        return self._pools[scheme.lower()]


class _Call:
    """Whether a call went over a connection of its own, and whether an answer has begun."""

    def __init__(self) -> None:
        self.fresh = False
        self.answering = False

    async def note(self, name: str, info: Mapping[str, Any]) -> None:
        """What the connection tells of itself."""
        if name == "connection.connect_tcp.started":
            self.fresh = True
        elif name == "http11.receive_response_headers.complete":
            self.answering = True


def _what_failed(error: Exception) -> Answered:
    match error:
        case TimeoutError() | httpcore2.TimeoutException():
            return Answered(error=TIMED_OUT, passing=True)
        case Fault() | RefusedAddress() | UnicodeError():
            return Answered(error=REFUSED)
        case httpcore2.RemoteProtocolError():
            return Answered(error=MALFORMED, passing=True)
        case httpcore2.LocalProtocolError() | httpcore2.UnsupportedProtocol():
            # Headers that no message may have.
            return Answered(error=REFUSED)
    return Answered(error=TLS_FAILED) if _is_tls(error) else Answered(error=FAILED, passing=True)


def _is_tls(error: BaseException) -> bool:
    seen: BaseException | None = error
    while seen is not None:
        if isinstance(seen, ssl.SSLError):
            return True
        seen = seen.__cause__ or seen.__context__
    return False


def _excerpt(text: bytes) -> str:
    """The beginning of an answer as text that every database takes."""
    decoded = codecs.getincrementaldecoder("utf-8")("replace").decode(text)
    return decoded.replace("\0", "�")
