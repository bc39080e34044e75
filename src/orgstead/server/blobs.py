"""The door of blobs: packages straight to and from where content lies, by addresses that are signed here.

No token is asked for, as at Blob Storage: the address is all that permits something, and it says what and how long.
https://learn.microsoft.com/rest/api/storageservices/put-blob
"""

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import structlog

from orgstead.config import Config
from orgstead.engine.context import SYSTEM
from orgstead.engine.ids import new_id
from orgstead.engine.job import Job
from orgstead.engine.pipeline import Engine
from orgstead.engine.ports import Clock
from orgstead.errors import Fault
from orgstead.model.content import Content
from orgstead.model.datamanagement import BlobLink
from orgstead.model.messages import Execute
from orgstead.server.http import Receive, Scope, Send, body_parts, read_body, send_answer, send_stream
from orgstead.server.lanes import Lanes
from orgstead.wire.finops.blobs import (
    MAX_BLOCK_LIST,
    PREFIX,
    BlobError,
    BlobRequest,
    blob_address,
    block_list,
    error_reply,
    read_blob_request,
    span_of,
    written_headers,
)

__all__ = ["BlobDoor"]

log = structlog.get_logger()

PIECE_BYTES = 4 * 1024 * 1024
# How long an address may be used.
WRITABLE, READABLE = timedelta(hours=1), timedelta(hours=1)
Headers = list[tuple[str, str]]
# What Blob Storage says where we say something else.
CODES: Mapping[str, tuple[int, str]] = {
    "DataBlobNotFound": (404, "BlobNotFound"),
    "UnknownBlock": (400, "InvalidBlockList"),
    "QueryTooComplex": (409, "BlockCountExceedsLimit"),
    "PayloadTooLarge": (413, "RequestBodyTooLarge"),
    "RequestTimeout": (408, "OperationTimedOut"),
    "StoreBusy": (503, "ServerBusy"),
}


class BlobDoor:
    """Takes and gives blobs, and makes the addresses for that. ``key`` signs them."""

    def __init__(self, config: Config, engine: Engine, lanes: Lanes, clock: Clock, key: bytes) -> None:
        self._limit = config.connector_max_bytes
        self._engine = engine
        self._lanes = lanes
        self._clock = clock
        self._key = key

    def owns(self, path: str) -> bool:
        """Whether a request to this path comes here."""
        return path.startswith(PREFIX)

    def address(self, origin: str, link: BlobLink) -> str:
        """The address that a client is told."""
        until = self._now() + (WRITABLE if link.write else READABLE)
        return blob_address(origin, self._key, link.blob, link.name, write=link.write, expires=until)

    def _now(self) -> datetime:
        return datetime.fromtimestamp(self._clock(), UTC)

    async def answer(
        self, scope: Scope, receive: Receive, send: Send, raw: str, headers: Mapping[str, str]
    ) -> None:
        """Answer one request."""
        method, request = scope["method"], new_id()
        try:
            query = scope["query_string"].decode("latin-1")
            asked = read_blob_request(method, raw, query, headers, self._key, self._now())
            if asked.verb in ("get", "head"):
                await self._give(asked, send, headers, request)
                return
            etag = await self._take(asked, receive, headers)
            extra = written_headers(etag, self._now(), request)
            if asked.verb == "block":
                extra = [pair for pair in extra if pair[0] not in ("ETag", "Last-Modified")]
            await send_answer(send, 201, (*extra, ("x-ms-request-server-encrypted", "true")), b"")
            return
        except BlobError as error:
            refusal = error
        except Fault as error:
            status, code = CODES.get(error.name, (500, "InternalError"))
            refusal = BlobError(status, code, error.message)
            if status == 500:
                log.error("unexpected failure", exc_info=error)
        shown, body = error_reply(refusal)
        shown.append(("x-ms-request-id", request))
        await send_answer(send, refusal.status, shown, b"" if method == "HEAD" else body)

    async def _run(self, name: str, **parameters: Any) -> Any:
        (result,) = await self._lanes.run(Job((Execute(name=name, parameters=parameters),), SYSTEM))
        return result.value

    # -- in
    async def _take(self, asked: BlobRequest, receive: Receive, headers: Mapping[str, str]) -> str:
        """Keep what comes; the tag of what the blob is then."""
        there = await self._run("OpenDataBlob", Blob=asked.blob)
        content: Content | None = there["Content"]
        _conditions(asked, content)
        if asked.verb == "commit":
            blocks = block_list(await read_body(receive, headers, MAX_BLOCK_LIST))
            tag: str = await self._run(
                "CommitDataBlocks", Blob=asked.blob, Blocks=blocks, ContentType=asked.content_type
            )
            return tag
        room = self._limit - (there["Staged"] if asked.verb == "block" else 0)
        length = headers.get("content-length", "")
        if length.isdigit() and int(length) > room:
            raise BlobError(413, "RequestBodyTooLarge", f"A blob has at most {self._limit} bytes.")
        pieces = await self._pieces(receive, room)
        if asked.verb == "block":
            await self._run("StageDataBlock", Blob=asked.blob, Block=asked.block, Pieces=pieces)
            return ""
        return str(
            await self._run("PutDataBlob", Blob=asked.blob, Pieces=pieces, ContentType=asked.content_type)
        )

    async def _pieces(self, receive: Receive, room: int) -> Sequence[tuple[str, int]]:
        pieces: list[tuple[str, int]] = []
        size = 0
        try:
            async for part in body_parts(receive, PIECE_BYTES):
                size += len(part)
                if size > room:
                    raise BlobError(413, "RequestBodyTooLarge", f"A blob has at most {self._limit} bytes.")
                key = new_id()
                pieces.append((key, len(part)))
                await asyncio.to_thread(self._engine.blobs.put, key, part)
        except (BlobError, Fault):
            for key, _ in pieces:
                await asyncio.to_thread(self._engine.blobs.delete, key)
            raise
        return pieces

    # -- out
    async def _give(self, asked: BlobRequest, send: Send, headers: Mapping[str, str], request: str) -> None:
        there = await self._run("OpenDataBlob", Blob=asked.blob)
        content: Content | None = there["Content"]
        if content is None:
            raise BlobError(404, "BlobNotFound", "Nothing was put into this blob.")
        _conditions(asked, content)
        changed = datetime.fromisoformat(there["Changed"])
        extra: Headers = [
            *written_headers(content.id, changed, request),
            ("Content-Type", content.mime),
            ("Accept-Ranges", "bytes"),
            ("x-ms-blob-type", "BlockBlob"),
            ("X-Content-Type-Options", "nosniff"),
            ("Content-Disposition", "attachment"),
        ]
        if asked.verb == "head":
            raw = [(name.encode(), value.encode("latin-1", "replace")) for name, value in extra]
            raw.append((b"content-length", str(content.size).encode()))
            await send({"type": "http.response.start", "status": 200, "headers": raw})
            await send({"type": "http.response.body", "body": b""})
            return
        span = span_of(headers, content.size)
        start, end = span or (0, content.size)
        if span is not None:
            extra.append(("Content-Range", f"bytes {start}-{end - 1}/{content.size}"))
        parts: Iterator[bytes] = content.chunks(start, end)
        first = await asyncio.to_thread(next, parts, None)
        await send_stream(send, 200 if span is None else 206, extra, first, parts, end - start)


def _conditions(asked: BlobRequest, content: Content | None) -> None:
    """Raises BlobError when an If-Match or If-None-Match does not hold."""
    tag = f'"{content.id}"' if content is not None else None
    if asked.if_match and (tag is None or asked.if_match not in ("*", tag)):
        raise BlobError(412, "ConditionNotMet", "The blob is another one than If-Match names.")
    if asked.if_none_match == "*" and tag is not None and asked.verb in ("put", "commit"):
        raise BlobError(409, "BlobAlreadyExists", "The blob exists.")
    if asked.if_none_match == tag and tag is not None:
        raise BlobError(
            304 if asked.verb in ("get", "head") else 412, "ConditionNotMet", "The blob is this one."
        )
