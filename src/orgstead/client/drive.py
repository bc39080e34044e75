"""The two ways to run a conversation: on this thread with ``httpx2.Client``, on an event loop with its twin."""

import asyncio
import inspect
import socket
import ssl
import threading
import time
from collections import defaultdict
from collections.abc import AsyncIterator, Generator, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from itertools import islice
from typing import Any, BinaryIO, TypeVar

import httpx2

from orgstead.client.errors import TransportError
from orgstead.client.flow import (
    Answer,
    Call,
    Done,
    Emit,
    Flow,
    Next,
    Once,
    Pause,
    Pull,
    Request,
    Source,
    Start,
    Step,
    Stream,
    Stretch,
)

__all__ = ["AsyncDriver", "SyncDriver"]

T = TypeVar("T")

MAX_THREADS = 64
# What of a body is in memory at once.
PART = 1024 * 1024
# Larger answers are given up. A page of 5,000 rows with everything about them has some 60 MB.
MAX_ANSWER = 512 * 1024 * 1024
# Nothing of the request has left this machine when one of these is raised.
_NOT_SENT = (
    httpx2.ConnectError,
    httpx2.ConnectTimeout,
    httpx2.PoolTimeout,
    httpx2.UnsupportedProtocol,
    httpx2.LocalProtocolError,
    httpx2.InvalidURL,
)


def _broken(request: Request, error: Exception) -> TransportError:
    reached = not isinstance(error, _NOT_SENT)
    text = str(error) or type(error).__name__
    made = TransportError(f"{request.method} {request.url.partition('?')[0]}: {text}", maybe_applied=reached)
    made.transient = not _for_good(error)
    return made


def _for_good(error: BaseException | None) -> bool:
    """Whether a connection will fail the next time, too: a certificate that is not trusted, a name that is none."""
    while error is not None:
        if isinstance(error, ssl.SSLCertVerificationError):
            return True
        if isinstance(error, socket.gaierror) and error.errno == socket.EAI_NONAME:
            return True
        error = error.__cause__ or error.__context__
    return False


class _Held:
    """An answer as it comes in, up to a size that no service's answer has: whoever answers may be anybody."""

    def __init__(self, request: Request) -> None:
        self._request = request
        self._parts: list[bytes] = []
        self._size = 0

    def add(self, part: bytes) -> None:
        """Keep a part; raises TransportError when there are too many."""
        self._size += len(part)
        if self._size > MAX_ANSWER:
            self._parts.clear()
            where = f"{self._request.method} {self._request.url.partition('?')[0]}"
            made = TransportError(
                f"{where}: the answer has more than {MAX_ANSWER:,} bytes",
                maybe_applied=self._request.method != "GET",
            )
            made.transient = False
            raise made
        self._parts.append(part)

    def content(self) -> bytes:
        """What has come in."""
        return b"".join(self._parts)


def _options(request: Request) -> dict[str, Any]:
    options: dict[str, Any] = {"headers": dict(request.headers), "content": request.content}
    if isinstance(request.content, Stretch):
        # Its length is known, so it goes out in one piece and not in chunks, which not every service takes.
        options["headers"]["Content-Length"] = str(request.content.length)
    if request.timeout is not None:
        options["timeout"] = request.timeout
    return options


def _parts(stretch: Stretch) -> Iterator[bytes]:
    """A body, read part by part; one that has become shorter meanwhile breaks off the request."""
    at, end = stretch.start, stretch.start + stretch.length
    while at < end:
        stretch.file.seek(at)
        part = stretch.file.read(min(PART, end - at))
        if not part:
            raise OSError("the file became shorter while it was sent")
        at += len(part)
        yield part


async def _parts_aside(stretch: Stretch) -> AsyncIterator[bytes]:
    parts = _parts(stretch)
    while (part := await asyncio.to_thread(next, parts, None)) is not None:
        yield part


def _emptied(file: BinaryIO) -> None:
    """What an earlier try has written is not kept."""
    file.seek(0)
    file.truncate()


class SyncDriver:
    """Runs conversations on the thread that asks, and those beside them on threads of their own."""

    def __init__(self, http: httpx2.Client) -> None:
        self.http = http
        self._locks: dict[str, threading.RLock] = {}

    def run(self, flow: Flow[T], stop: threading.Event | None = None) -> T:
        """Run a conversation to its end and return its value; raises what it raises. ``stop`` ends it early."""
        steps = self._steps(flow, stop)
        while True:
            try:
                next(steps)
            except StopIteration as end:
                value: T = end.value
                return value

    def iterate(self, flow: Stream[T]) -> Iterator[T]:
        """Run a conversation as far as somebody asks for what it emits."""
        yield from self._steps(flow)

    def close(self) -> None:
        """Close the connections."""
        self.http.close()

    def _steps(
        self, flow: Flow[T] | Stream[Any], stop: threading.Event | None = None
    ) -> Generator[Any, None, Any]:
        crew: _Threads | None = None
        sent: Any = None
        error: BaseException | None = None
        try:
            while True:
                try:
                    step = flow.send(sent) if error is None else flow.throw(error)
                except StopIteration as end:
                    return end.value
                sent, error = None, None
                if isinstance(step, Emit):
                    yield step.value
                    continue
                try:
                    if isinstance(step, Start | Next):
                        crew = crew or _Threads(self)
                        if isinstance(step, Start):
                            crew.start(step)
                        else:
                            sent = crew.next()
                    else:
                        sent = self._perform(step, stop)
                except BaseException as raised:  # noqa: BLE001 - the conversation decides
                    error = raised
        finally:
            flow.close()
            if crew is not None:
                crew.close()

    def _perform(self, step: Step, stop: threading.Event | None) -> Any:
        if stop is not None and stop.is_set():
            raise _Stopped
        match step:
            case Request():
                try:
                    return self._send(step)
                except (httpx2.HTTPError, httpx2.InvalidURL) as error:
                    raise _broken(step, error) from error
            case Pause(seconds):
                if stop is None:
                    time.sleep(seconds)
                elif stop.wait(seconds):
                    raise _Stopped
            case Call(function):
                found = function()
                if inspect.isawaitable(found):
                    if inspect.iscoroutine(found):
                        found.close()
                    raise TypeError("something asynchronous was given to a Client: use AsyncClient")
                return found
            case Once(name, begin):
                with self._locks.setdefault(name, threading.RLock()):
                    return self.run(begin(), stop)
            case Pull(source, count):
                return list(islice(_iterator(source), count))
        return None

    def _send(self, request: Request) -> Answer:
        options = _options(request)
        if isinstance(request.content, Stretch):
            options["content"] = _parts(request.content)
        with self.http.stream(request.method, request.url, **options) as got:
            if request.into is None or got.status_code != 200:
                held = _Held(request)
                for part in got.iter_bytes():
                    held.add(part)
                return Answer(status=got.status_code, headers=got.headers, content=held.content())
            _emptied(request.into)
            for part in got.iter_bytes(PART):
                request.into.write(part)
            return Answer(status=200, headers=got.headers, content=b"")


def _iterator(source: Source) -> Iterator[Any]:
    if source.iterator is None:
        if not hasattr(source.iterable, "__iter__"):
            raise TypeError(f"{type(source.iterable).__name__} cannot be iterated over by a Client")
        source.iterator = iter(source.iterable)
    found: Iterator[Any] = source.iterator
    return found


class _Stopped(Exception):
    """The conversation beside which another one runs has ended."""


class _Threads:
    """Conversations beside another one, which end with it: what they wait for is given up."""

    def __init__(self, driver: SyncDriver) -> None:
        self._driver = driver
        self._pool = ThreadPoolExecutor(MAX_THREADS, thread_name_prefix="orgstead-client")
        self._running: dict[Future[Any], Any] = {}
        self._stop = threading.Event()

    def start(self, step: Start) -> None:
        self._running[self._pool.submit(self._driver.run, step.flow, self._stop)] = step.tag

    def next(self) -> Done:
        done, _ = wait(self._running, return_when=FIRST_COMPLETED)
        future = done.pop()
        tag = self._running.pop(future)
        raised = future.exception()
        if isinstance(raised, Exception):
            return Done(tag=tag, error=raised)
        return Done(tag=tag, value=future.result())

    def close(self) -> None:
        self._stop.set()
        self._pool.shutdown(wait=True, cancel_futures=True)


class AsyncDriver:
    """Runs conversations on the event loop, and those beside them as tasks."""

    def __init__(self, http: httpx2.AsyncClient) -> None:
        self.http = http
        self._locks: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)

    async def run(self, flow: Flow[T]) -> T:
        """Run a conversation to its end and return its value; raises what it raises."""
        box: list[T] = []
        async for _ in self._steps(flow, box):
            pass
        return box[0]

    def iterate(self, flow: Stream[T]) -> AsyncIterator[T]:
        """Run a conversation as far as somebody asks for what it emits."""
        return self._steps(flow, [])

    async def close(self) -> None:
        """Close the connections."""
        await self.http.aclose()

    async def _steps(self, flow: Flow[Any] | Stream[Any], box: list[Any]) -> AsyncIterator[Any]:
        crew: _Tasks | None = None
        sent: Any = None
        error: BaseException | None = None
        try:
            while True:
                try:
                    step = flow.send(sent) if error is None else flow.throw(error)
                except StopIteration as end:
                    box.append(end.value)
                    return
                sent, error = None, None
                if isinstance(step, Emit):
                    yield step.value
                    continue
                try:
                    if isinstance(step, Start | Next):
                        crew = crew or _Tasks(self)
                        if isinstance(step, Start):
                            crew.start(step)
                        else:
                            sent = await crew.next()
                    else:
                        sent = await self._perform(step)
                except BaseException as raised:  # noqa: BLE001 - the conversation decides
                    error = raised
        finally:
            flow.close()
            if crew is not None:
                await crew.close()

    async def _perform(self, step: Step) -> Any:
        match step:
            case Request():
                try:
                    return await self._send(step)
                except (httpx2.HTTPError, httpx2.InvalidURL) as error:
                    raise _broken(step, error) from error
            case Pause(seconds):
                await asyncio.sleep(seconds)
            case Call(function):
                found = await asyncio.to_thread(function)
                return await found if inspect.isawaitable(found) else found
            case Once(name, begin):
                async with self._locks[name]:
                    return await self.run(begin())
            case Pull(source, count):
                return await _pull(source, count)
        return None

    async def _send(self, request: Request) -> Answer:
        options = _options(request)
        if isinstance(request.content, Stretch):
            options["content"] = _parts_aside(request.content)
        async with self.http.stream(request.method, request.url, **options) as got:
            if request.into is None or got.status_code != 200:
                held = _Held(request)
                async for part in got.aiter_bytes():
                    held.add(part)
                return Answer(status=got.status_code, headers=got.headers, content=held.content())
            await asyncio.to_thread(_emptied, request.into)
            async for part in got.aiter_bytes(PART):
                await asyncio.to_thread(request.into.write, part)
            return Answer(status=200, headers=got.headers, content=b"")


async def _pull(source: Source, count: int) -> list[Any]:
    if not hasattr(source.iterable, "__aiter__"):
        return list(islice(_iterator(source), count))
    if source.iterator is None:
        source.iterator = aiter(source.iterable)
    found: list[Any] = []
    while len(found) < count:
        try:
            found.append(await anext(source.iterator))
        except StopAsyncIteration:
            break
    return found


class _Tasks:
    """Conversations beside another one."""

    def __init__(self, driver: AsyncDriver) -> None:
        self._driver = driver
        self._running: dict[asyncio.Task[Any], Any] = {}

    def start(self, step: Start) -> None:
        self._running[asyncio.ensure_future(self._driver.run(step.flow))] = step.tag

    async def next(self) -> Done:
        done, _ = await asyncio.wait(self._running, return_when=asyncio.FIRST_COMPLETED)
        task = done.pop()
        tag = self._running.pop(task)
        raised = task.exception()
        if isinstance(raised, Exception):
            return Done(tag=tag, error=raised)
        return Done(tag=tag, value=task.result())

    async def close(self) -> None:
        for task in self._running:
            task.cancel()
        await asyncio.gather(*self._running, return_exceptions=True)
