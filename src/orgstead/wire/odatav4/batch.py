"""Multipart batches: bytes to parts, answers to bytes.

What real clients send is wider than the specification: LF or CRLF, quoted or bare boundaries, blank lines before
the request line, raw spaces in addresses, absolute or relative addresses, parts without a body.
https://learn.microsoft.com/power-apps/developer/data-platform/webapi/execute-batch-operations-using-web-api
"""

import re
import secrets
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from orgstead.errors import fault

__all__ = ["Answer", "ChangeSet", "Part", "read_batch", "write_answer", "write_batch"]

MAX_PARTS = 1000
# Dataverse takes addresses of 64 KB in a batch.
MAX_LINE = 66_000

_REQUEST = re.compile(
    r"(GET|POST|PATCH|PUT|DELETE|MERGE|HEAD|OPTIONS) +(\S.*) HTTP/1\.[01]\s*", re.IGNORECASE
)
_BOUNDARY = re.compile(r'boundary=(?:"([^"]{1,200})"|([^\s;,]{1,200}))', re.IGNORECASE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """One request of a batch. Header names are lower case; ``content_id`` as the client wrote it."""

    method: str
    url: str
    headers: Mapping[str, str]
    body: bytes
    content_id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangeSet:
    """Requests that succeed or fail together."""

    parts: tuple[Part, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """One answer of a batch, before it is written."""

    status: int
    reason: str
    headers: Sequence[tuple[str, str]]
    body: bytes = b""
    content_id: str | None = None


def read_batch(content_type: str, body: bytes, *, limit: int = MAX_PARTS) -> list[Part | ChangeSet]:
    """The parts of a batch, in order. Raises InvalidBatch, BatchTooLarge, UnsupportedMediaType."""
    items: list[Part | ChangeSet] = []
    count = 0
    for headers, content in _parts(content_type, body):
        kind = headers.get("content-type", "")
        if kind.lower().startswith("multipart/mixed"):
            inner: list[Part] = []
            for inner_headers, inner_content in _parts(kind, content):
                part = _request(inner_headers, inner_content)
                if part.method == "GET":
                    raise fault("InvalidBatch", message="A GET request is not allowed in a change set.")
                inner.append(part)
            ids = [part.content_id for part in inner if part.content_id is not None]
            if len(set(ids)) != len(ids):
                raise fault("InvalidBatch", message="A Content-ID stands twice in a change set.")
            items.append(ChangeSet(parts=tuple(inner)))
            count += len(inner)
        else:
            items.append(_request(headers, content))
            count += 1
        if count > limit:
            raise fault("BatchTooLarge", limit=limit)
    return items


def _parts(content_type: str, body: bytes) -> list[tuple[dict[str, str], bytes]]:
    found = _BOUNDARY.search(content_type)
    if not content_type.lower().startswith("multipart/mixed") or found is None:
        raise fault("UnsupportedMediaType", value=content_type[:100] or "none")
    mark = b"--" + (found[1] or found[2]).encode("utf-8")
    parts: list[tuple[dict[str, str], bytes]] = []
    start = -1
    for at, end, last in _delimiters(body, mark):
        if start >= 0:
            if len(parts) >= MAX_PARTS:
                raise fault("BatchTooLarge", limit=MAX_PARTS)
            parts.append(_headers(body[start:at]))
        if last:
            return parts
        start = end
    if start < 0:
        raise fault("InvalidBatch", message="The batch has no part with its boundary.")
    raise fault("InvalidBatch", message="The batch ends without its closing boundary.")


def _delimiters(body: bytes, mark: bytes) -> Iterator[tuple[int, int, bool]]:
    """Where each line of the boundary begins (with the line break before it) and ends, and whether it closes.

    What follows the closing one is an epilogue. Searching for the bytes is many times faster than an expression
    that starts with a line break.
    """
    at = body.find(mark)
    while at >= 0:
        end = at + len(mark)
        if at == 0 or body[at - 1] == 10:
            before = at - 2 if body[max(at - 2, 0) : at] == b"\r\n" else max(at - 1, 0)
            if body.startswith(b"--", end):
                yield before, end, True
                return
            line = body.find(b"\n", end)
            line = len(body) if line < 0 else line + 1
            if not body[end:line].strip():
                yield before, line, False
                # The line break that ends this boundary may be the one that starts the next.
                end = line - 1
        at = body.find(mark, end)


def _headers(text: bytes) -> tuple[dict[str, str], bytes]:
    """Header lines up to the first blank one, and the rest."""
    headers: dict[str, str] = {}
    rest = text
    while rest:
        line, _, rest = rest.partition(b"\n")
        line = line.rstrip(b"\r")
        if not line.strip():
            break
        name, colon, value = line.partition(b":")
        if not colon or b"\r" in line or len(line) > 16_384 or len(headers) > 100:
            raise fault("InvalidBatch", message="A part of the batch has a malformed header.")
        headers[name.strip().lower().decode("latin-1")] = value.strip().decode("utf-8", "replace")
    return headers, rest


def _request(part_headers: Mapping[str, str], content: bytes) -> Part:
    if not part_headers.get("content-type", "application/http").lower().startswith("application/http"):
        raise fault("InvalidBatch", message="The content type of a part must be application/http.")
    content = content.lstrip(b"\r\n\t ")
    line, _, rest = content.partition(b"\n")
    if len(line) > MAX_LINE:
        raise fault("InvalidBatch", message=f"A request line of the batch is longer than {MAX_LINE} bytes.")
    match = _REQUEST.fullmatch(line.decode("utf-8", "replace"))
    if match is None:
        raise fault("InvalidBatch", message="A part of the batch has no valid request line.")
    headers, body = _headers(rest)
    return Part(
        method=match[1].upper(),
        url=match[2].strip(),
        headers=headers,
        body=body.removesuffix(b"\n").removesuffix(b"\r"),
        content_id=part_headers.get("content-id") or headers.get("content-id"),
    )


def write_answer(answer: Answer) -> bytes:
    """One part of a batch answer."""
    head = ["Content-Type: application/http", "Content-Transfer-Encoding: binary"]
    if answer.content_id is not None:
        head.append(f"Content-ID: {answer.content_id}")
    lines = [*head, "", f"HTTP/1.1 {answer.status} {answer.reason}"]
    lines += [f"{name}: {value}" for name, value in answer.headers]
    return "\r\n".join(lines).encode("utf-8") + b"\r\n\r\n" + answer.body


def write_batch(items: Sequence[Answer | Sequence[Answer]]) -> tuple[str, bytes]:
    """The content type and the body of a batch answer; an inner sequence is a change set's answers."""
    boundary = f"batchresponse_{_unique()}"
    return f"multipart/mixed; boundary={boundary}", _joined(boundary, [_item(item) for item in items])


def _item(item: Answer | Sequence[Answer]) -> bytes:
    if isinstance(item, Answer):
        return write_answer(item)
    boundary = f"changesetresponse_{_unique()}"
    inner = _joined(boundary, [write_answer(answer) for answer in item])
    return f"Content-Type: multipart/mixed; boundary={boundary}\r\n\r\n".encode() + inner


def _joined(boundary: str, parts: Sequence[bytes]) -> bytes:
    mark = f"--{boundary}".encode()
    return b"".join(mark + b"\r\n" + part + b"\r\n" for part in parts) + mark + b"--\r\n"


def _unique() -> str:
    text = secrets.token_hex(16)
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"
