"""The little of HTTP that every adapter needs: headers, bodies, addresses, answers."""

import asyncio
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator, Mapping, MutableMapping
from functools import lru_cache
from typing import Any

from orgstead.errors import Fault, fault

__all__ = [
    "Receive", "Scope", "Send", "body_parts", "headers_of", "origin_of", "read_body", "send_answer", "send_parts",
    "send_stream",
]  # fmt: skip

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]

MAX_HEADERS = 100
# RFC 9112 3.2: exactly one, and nothing but a host and a port; repeated ones arrive joined by a comma.
_HOST = re.compile(r"(?:[A-Za-z0-9._~-]{1,255}|\[[0-9A-Fa-f:.]{2,45}\])(?::\d{1,5})?")
# A body of the largest size over a slow line.
BODY_SECONDS = 300


def headers_of(scope: Scope) -> dict[str, str]:
    """Header values by lower-case name; repeated headers are joined by commas."""
    if len(scope["headers"]) > MAX_HEADERS:
        raise fault("InvalidHeader", name="headers", value=f"more than {MAX_HEADERS}")
    headers: dict[str, str] = {}
    for name, value in scope["headers"]:
        key = name.decode("latin-1")
        text = value.decode("latin-1")
        headers[key] = f"{headers[key]}, {text}" if key in headers else text
    return headers


def origin_of(
    scope: Scope, headers: Mapping[str, str], *, base_url: str | None, trusted: frozenset[str]
) -> str:
    """Scheme and host as the client sees them: ``https://crm.example:5366``.

    ``base_url`` wins; X-Forwarded-Proto and X-Forwarded-Host count only from a trusted proxy's address.
    """
    if base_url is not None:
        return base_url.rstrip("/")
    scheme, host = scope["scheme"], headers.get("host")
    client = scope.get("client")
    if trusted and client is not None and client[0] in trusted:
        scheme = headers.get("x-forwarded-proto", scheme).split(",")[0].strip()
        host = headers.get("x-forwarded-host", host or "").split(",")[0].strip() or host
    if host is not None and not _HOST.fullmatch(host):
        raise fault("InvalidHeader", name="Host", value=host[:50])
    if host is None and scope.get("http_version") == "1.1":
        raise fault("InvalidHeader", name="Host", value="missing")
    if not host:
        server = scope.get("server") or ("localhost", None)
        host = f"{server[0]}:{server[1]}" if server[1] else str(server[0])
    return f"{scheme}://{host}"


async def read_body(receive: Receive, headers: Mapping[str, str], limit: int) -> bytes:
    """The whole body; raises PayloadTooLarge above ``limit`` bytes, before reading it where its length is given."""
    length = headers.get("content-length", "")
    if length.isdigit() and int(length) > limit:
        raise fault("PayloadTooLarge", limit=limit)
    try:
        async with asyncio.timeout(BODY_SECONDS):
            return await _whole(receive, limit)
    except TimeoutError:
        raise fault("RequestTimeout", seconds=BODY_SECONDS) from None


async def body_parts(receive: Receive, size: int) -> AsyncIterator[bytes]:
    """The body in parts of ``size`` bytes, the last one shorter; each may take as long as a whole body otherwise."""
    held = bytearray()
    more = True
    while more:
        try:
            async with asyncio.timeout(BODY_SECONDS):
                while more and len(held) < size:
                    message = await receive()
                    if message["type"] == "http.disconnect":
                        raise ConnectionResetError
                    held += message.get("body", b"")
                    more = message.get("more_body", False)
        except TimeoutError:
            raise fault("RequestTimeout", seconds=BODY_SECONDS) from None
        while len(held) >= size or (held and not more):
            yield bytes(held[:size])
            del held[:size]


async def send_stream(
    send: Send,
    status: int,
    headers: Iterable[tuple[str, str]],
    first: bytes | None,
    parts: Iterator[bytes],
    length: int,
) -> None:
    """Send an answer whose body is made a part at a time, in a thread.

    Raises RuntimeError, which ends the connection, when a part cannot be had: the length has been promised.
    """
    raw = [(_name(name), value.encode("latin-1", "replace")) for name, value in headers]
    raw.append((b"content-length", str(length).encode()))
    await send({"type": "http.response.start", "status": status, "headers": raw})
    part = first
    while part is not None:
        await send({"type": "http.response.body", "body": part, "more_body": True})
        try:
            part = await asyncio.to_thread(next, parts, None)
        except Fault as error:
            raise RuntimeError(f"content ended early: {error.hint or error.message}") from error
    await send({"type": "http.response.body", "body": b""})


async def send_events(
    send: Send, receive: Receive, headers: Iterable[tuple[str, str]], parts: AsyncIterator[bytes]
) -> None:
    """Send a stream that goes on until it ends or the client is gone."""
    raw = [(_name(name), value.encode("latin-1", "replace")) for name, value in headers]
    raw.append((b"content-type", b"text/event-stream; charset=utf-8"))
    await send({"type": "http.response.start", "status": 200, "headers": raw})

    async def tell() -> None:
        async for part in parts:
            await send({"type": "http.response.body", "body": part, "more_body": True})
        await send({"type": "http.response.body", "body": b""})

    async def gone() -> None:
        while (await receive())["type"] != "http.disconnect":
            pass

    telling, leaving = asyncio.ensure_future(tell()), asyncio.ensure_future(gone())
    try:
        await asyncio.wait((telling, leaving), return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in (telling, leaving):
            task.cancel()
        await asyncio.gather(telling, leaving, return_exceptions=True)


async def send_parts(
    send: Send,
    status: int,
    headers: Iterable[tuple[str, str]],
    first: bytes,
    parts: Iterator[bytes],
    *,
    at_once: bool = False,
) -> None:
    """Send an answer whose length is known when it has ended; its parts are made in a thread, or ``at_once`` here."""
    raw = [(_name(name), value.encode("latin-1", "replace")) for name, value in headers]
    await send({"type": "http.response.start", "status": status, "headers": raw})
    part: bytes | None = first
    while at_once and part is not None:
        await send({"type": "http.response.body", "body": part, "more_body": True})
        # Others have their turn between the parts.
        await asyncio.sleep(0)
        part = next(parts, None)
    while part is not None:
        # The next one is made while this one goes out.
        following = asyncio.ensure_future(asyncio.to_thread(next, parts, None))
        try:
            await send({"type": "http.response.body", "body": part, "more_body": True})
        finally:
            part = await following
    await send({"type": "http.response.body", "body": b""})


async def _whole(receive: Receive, limit: int) -> bytes:
    parts: list[bytes] = []
    size = 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ConnectionResetError
        part = message.get("body", b"")
        size += len(part)
        if size > limit:
            raise fault("PayloadTooLarge", limit=limit)
        parts.append(part)
        if not message.get("more_body"):
            return parts[0] if len(parts) == 1 else b"".join(parts)


class _Name(bytes):
    """A header's name in its own spelling.

    ASGI servers send names in lower case, which HTTP allows; but clients look for ``OData-EntityId`` letter by letter
    in plain dictionaries, the asynchronous half of Microsoft's Python client among them.
    """

    def lower(self) -> bytes:
        return self


@lru_cache(maxsize=256)
def _name(text: str) -> bytes:
    return _Name(text.encode("latin-1"))


async def send_answer(send: Send, status: int, headers: Iterable[tuple[str, str]], body: bytes) -> None:
    """Send an answer whole."""
    raw = [(_name(name), value.encode("latin-1", "replace")) for name, value in headers]
    if status not in (204, 304):
        raw.append((b"content-length", str(len(body)).encode()))
    await send({"type": "http.response.start", "status": status, "headers": raw})
    await send({"type": "http.response.body", "body": body})
