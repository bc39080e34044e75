"""Batches as text: ``multipart/mixed`` with a request to a part, change sets nested.

https://learn.microsoft.com/power-apps/developer/data-platform/webapi/execute-batch-operations-using-web-api
"""

import re
import secrets
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import httpx2

from orgstead.client.errors import ServerError
from orgstead.client.flow import Answer

__all__ = ["Group", "Part", "read_multipart", "write_multipart"]

EOL = b"\r\n"
_BOUNDARY = re.compile(r'boundary="?([^";,\s]+)"?', re.IGNORECASE)
_STATUS = re.compile(rb"HTTP/1\.1 (\d{3})")


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """A request of a batch."""

    method: str
    url: str
    headers: Mapping[str, str] = field(default_factory=dict)
    content: bytes | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """A change set: its requests with their Content-IDs."""

    parts: Sequence[tuple[str, Part]]


def write_multipart(parts: Sequence[Part | Group]) -> tuple[str, bytes]:
    """Content type and content of a batch."""
    boundary = f"batch_{secrets.token_hex(16)}"
    lines: list[bytes] = []
    for each in parts:
        lines.append(f"--{boundary}".encode())
        if isinstance(each, Part):
            lines += _written(each, None)
            continue
        inner = f"changeset_{secrets.token_hex(16)}"
        lines += [f'Content-Type: multipart/mixed; boundary="{inner}"'.encode(), b""]
        for content_id, part in each.parts:
            lines.append(f"--{inner}".encode())
            lines += _written(part, content_id)
        lines += [f"--{inner}--".encode(), b""]
    lines += [f"--{boundary}--".encode(), b""]
    return f'multipart/mixed; boundary="{boundary}"', EOL.join(lines)


def _written(part: Part, content_id: str | None) -> Iterator[bytes]:
    yield b"Content-Type: application/http"
    yield b"Content-Transfer-Encoding: binary"
    if content_id is not None:
        yield f"Content-ID: {content_id}".encode()
    yield b""
    yield f"{part.method} {part.url} HTTP/1.1".encode()
    headers = {"Accept": "application/json", **part.headers}
    if part.content is not None:
        headers.setdefault("Content-Type", "application/json; type=entry")
    for name, value in headers.items():
        yield f"{name}: {value}".encode("latin-1", "replace")
    yield b""
    yield part.content or b""


def read_multipart(answer: Answer) -> list[Answer | list[Answer]]:
    """The answers of a batch in order; those of a change set that was applied are a list.

    Raises ServerError for what is no answer to a batch.
    """
    found = list(_split(answer.headers.get("content-type", ""), answer.content))
    if not found:
        raise ServerError("the answer is none to a batch", status=answer.status)
    made: list[Answer | list[Answer]] = []
    for kind, content in found:
        if kind.lower().startswith("multipart/"):
            made.append([_read(inner) for _, inner in _split(kind, content)])
        else:
            made.append(_read(content))
    return made


def _split(kind: str, content: bytes) -> Iterator[tuple[str, bytes]]:
    """Content type and content of every part."""
    boundary = _BOUNDARY.search(kind)
    if boundary is None:
        return
    mark = b"--" + boundary[1].encode()
    for piece in content.split(mark)[1:]:
        if piece.startswith(b"--"):
            return
        head, body = _head_and_body(piece.lstrip(b"\r\n"))
        yield head.get("content-type", ""), body


def _head_and_body(text: bytes) -> tuple[httpx2.Headers, bytes]:
    head, found, body = text.partition(b"\r\n\r\n")
    if not found:
        head, _, body = text.partition(b"\n\n")
    pairs = [line.partition(b":") for line in head.splitlines() if b":" in line]
    return httpx2.Headers([(name.strip(), value.strip()) for name, _, value in pairs]), body


def _read(text: bytes) -> Answer:
    status = _STATUS.match(text.lstrip())
    if status is None:
        raise ServerError("a part of the answer is no answer", status=502)
    _, _, rest = text.lstrip().partition(b"\n")
    if rest.startswith(b"\r\n"):
        return Answer(status=int(status[1]), headers=httpx2.Headers(), content=b"")
    headers, body = _head_and_body(rest)
    return Answer(
        status=int(status[1]), headers=headers, content=body.removesuffix(b"\n").removesuffix(b"\r")
    )
