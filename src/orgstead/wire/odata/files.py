"""File and image columns under their own addresses: uploads, downloads, ranges.

https://learn.microsoft.com/power-apps/developer/data-platform/file-column-data
"""

import base64
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import parse_qsl, quote

from orgstead.errors import fault
from orgstead.model.content import Content
from orgstead.model.messages import Execute, Result
from orgstead.model.record import Ref
from orgstead.model.schema import Column
from orgstead.wire.odata.headers import check_headers
from orgstead.wire.odata.names import Names
from orgstead.wire.odata.payload import ref_of
from orgstead.wire.odata.request import Request
from orgstead.wire.odatav4.paths import parse_path
from orgstead.wire.odatav4.prefer import parse_match
from orgstead.wire.odatav4.reply import JSON_TYPE, VERSION, Reply, dump

__all__ = ["CHUNK_BYTES", "Upload", "asks_for_content", "content_reply", "open_content", "read_upload"]

# What a client is told to send at once.
CHUNK_BYTES = 4 * 1024 * 1024
# JSON needs the whole file in one value.
MAX_VALUE_BYTES = 16 * 1024 * 1024
# As many bytes as make whole groups of base64.
GROUPED = 3 * 1024 * 1024
OPTIONS = frozenset({"x-ms-file-name", "sessiontoken", "filecontinuationtoken", "size"})
EXPOSED = "x-ms-file-size; x-ms-file-name; x-ms-chunk-size; mimetype"
UNNAMED = "application/octet-stream"

_RANGE = re.compile(r"bytes=(\d{0,18})-(\d{0,18})(?:/\d+)?")
_CONTENT_RANGE = re.compile(r"bytes (\d{1,18})-(\d{1,18})/(\d{1,18})")


@dataclass(frozen=True, slots=True, kw_only=True)
class Upload:
    """A request whose body is the content of a column, or a chunk of it.

    ``token`` is that of the upload which a chunk belongs to; ``span`` the first byte, the last and the number of all.
    ``chunked`` begins an upload in chunks and brings nothing yet.
    """

    target: Ref
    column: str
    name: str
    mime: str
    address: str
    chunked: bool = False
    token: str | None = None
    span: tuple[int, int, int] | None = None


def read_upload(request: Request, names: Names) -> Upload | None:
    """The upload that a PATCH of a property is; None when it is something else.

    Raises InvalidHeader, ODataUnsupported, MissingParameter.
    """
    segments = parse_path(request.path)
    if (
        len(segments) != 2
        or segments[1].called
        or not segments[0].called
        or not names.has_set(segments[0].name)
    ):
        return None
    table = names.table(segments[0].name)
    column = names.column(table, segments[1].name)
    if column is None or column.type not in ("file", "image"):
        return None
    check_headers(request.headers, body=False)
    if request.in_batch:
        raise fault("ODataUnsupported", feature="An upload in a batch")
    match = parse_match(request.headers)
    if match.if_match is not None or match.if_none_match is not None or match.missing:
        raise fault("ODataUnsupported", feature="A condition on an upload")
    given = _options(request.query)
    name = request.headers.get("x-ms-file-name") or given.get("x-ms-file-name", "")
    token = given.get("sessiontoken") or given.get("filecontinuationtoken")
    mode = request.headers.get("x-ms-transfer-mode", "")
    if mode not in ("", "chunked"):
        raise fault("InvalidHeader", name="x-ms-transfer-mode", value=mode[:50])
    if not name and not token:
        raise fault("MissingParameter", name="x-ms-file-name", message="a file has a name")
    return Upload(
        target=ref_of(table, segments[0], names),
        column=column.name,
        name=name,
        mime=request.headers.get("content-type", "").partition(";")[0].strip() or UNNAMED,
        address=f"{request.base}{request.path.strip('/')}",
        chunked=bool(mode) and not token,
        token=token,
        span=_span(request.headers) if token else None,
    )


def _options(query: str) -> Mapping[str, str]:
    given = {name.lower(): value for name, value in parse_qsl(query, keep_blank_values=True)}
    for name in given:
        if name not in OPTIONS:
            raise fault("ODataUnsupported", feature=f"The query option {name[:100]} on a file")
    return given


def _span(headers: Mapping[str, str]) -> tuple[int, int, int]:
    text = headers.get("content-range", "")
    found = _CONTENT_RANGE.fullmatch(text.strip())
    if found is None or not int(found[1]) <= int(found[2]) < int(found[3]):
        raise fault("InvalidHeader", name="Content-Range", value=text[:50])
    return int(found[1]), int(found[2]), int(found[3])


# -- download ----------------------------------------------------------------------------------------------------------
def asks_for_content(request: Request, column: Column, *, raw: bool) -> bool:
    """Whether a GET of a property wants a file rather than a value."""
    if column.type == "file":
        return True
    return column.type == "image" and (raw or bool(request.query) or "range" in request.headers)


def open_content(request: Request, ref: Ref, column: Column) -> Execute:
    """The message that opens a column's content."""
    size = _options(request.query).get("size", "full" if column.type == "file" else "")
    if size not in ("", "full"):
        raise fault("ODataUnsupported", feature=f"size={size[:50]} on a file")
    return Execute(
        name="OpenFile", target=ref, parameters={"FileAttributeName": column.name, "Full": size == "full"}
    )


def content_reply(results: Sequence[Result], request: Request, *, raw: bool) -> Reply:
    """The content that has been opened, or the part of it that is asked for: as it is or as a value in JSON."""
    content: Content | None = results[0].value
    if content is None:
        return Reply(status=204)
    token = _options(request.query).get("filecontinuationtoken")
    if token is not None and token != content.id:
        raise fault("UnknownUpload")
    part = _part(request.headers.get("range"), content.size)
    start, end = part or (0, content.size)
    headers = [
        VERSION,
        ("x-ms-file-size", str(content.size)),
        ("x-ms-file-name", content.name if content.name.isascii() else quote(content.name)),
        ("mimetype", content.mime),
        ("Content-Disposition", _disposition(content.name)),
        ("Accept-Ranges", "bytes"),
    ]
    if part is not None:
        headers += [
            ("x-ms-chunk-size", str(CHUNK_BYTES)),
            ("Content-Range", f"bytes {start}-{end - 1}/{content.size}"),
            ("Location", _location(request, content)),
        ]
    status = 200 if part is None else 206
    if raw:
        headers.insert(0, ("Content-Type", UNNAMED))
        return Reply(
            status=status,
            headers=tuple(headers),
            stream=lambda: content.chunks(start, end),
            length=end - start,
        )
    if end - start > MAX_VALUE_BYTES:
        raise fault("PayloadTooLarge", limit=MAX_VALUE_BYTES)
    headers.insert(0, ("Content-Type", JSON_TYPE))
    head = dump(f"{request.base}$metadata#{request.path.strip('/')}")
    before, after = b'{"@odata.context":' + head + b',"value":"', b'"}'
    return Reply(
        status=status,
        headers=tuple(headers),
        stream=lambda: _value(content, start, end, before, after),
        length=len(before) + (end - start + 2) // 3 * 4 + len(after),
    )


def _value(content: Content, start: int, end: int, before: bytes, after: bytes) -> Iterator[bytes]:
    yield before
    for place in range(start, end, GROUPED):
        yield base64.b64encode(content.read(place, min(GROUPED, end - place)))
    yield after


def _part(text: str | None, size: int) -> tuple[int, int] | None:
    """First byte and the one after the last; None for the whole. What is no range of bytes counts as not there.

    https://www.rfc-editor.org/rfc/rfc9110#section-14.2
    """
    found = _RANGE.fullmatch(text.strip()) if text else None
    if found is None or not (found[1] or found[2]):
        return None
    if not found[1]:
        start, last = max(0, size - int(found[2])), size - 1
    else:
        start, last = int(found[1]), int(found[2] or size - 1)
        if last < start and found[2]:
            return None
    if start >= size or last < start:
        raise fault("RangeNotSatisfiable", size=size)
    return start, min(last + 1, size)


def _disposition(name: str) -> str:
    plain = "".join(each if " " <= each < "\x7f" and each not in '"\\' else "_" for each in name)
    exact = "" if plain == name else f"; filename*=UTF-8''{quote(name, safe='')}"
    return f'attachment; filename="{plain}"{exact}'


def _location(request: Request, content: Content) -> str:
    size = "&size=full" if "size=full" in request.query else ""
    path = request.path.strip("/").removesuffix("/$value")
    return f"{request.base}{path}?FileContinuationToken={content.id}{size}"
