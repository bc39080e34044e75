"""File and image columns: up in chunks, down in ranges, both gone on with where they broke off.

https://learn.microsoft.com/power-apps/developer/data-platform/file-column-data
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from io import BytesIO
from pathlib import Path
from typing import Any, BinaryIO, Generic, TypeVar
from urllib.parse import quote, unquote

from orgstead.client.errors import BadRequestError, ConfigurationError, NotFoundError, ServerError
from orgstead.client.flow import Answer, Call, Emit, Flow, Stream
from orgstead.client.literals import Ref, name
from orgstead.client.methods import Bound, operation, stream
from orgstead.client.session import Session
from orgstead.client.shapes import address_of

__all__ = ["File", "Files"]

D = TypeVar("D")
CHUNK = 4 * 1024 * 1024
TRIES = 5
_RANGE = re.compile(r"bytes\s+(\d+)-(\d+)/(\d+)")
_SAFE_NAME = re.compile(r"[\x20-\x7e]+")


@dataclass(frozen=True, slots=True, kw_only=True)
class File:
    """What was downloaded: the name that it was uploaded under, its size in bytes, its media type, and the content."""

    name: str
    size: int
    media_type: str = "application/octet-stream"
    content: bytes = field(default=b"", repr=False)


class Files(Bound[D], Generic[D]):
    """The contents of file and image columns. Rows are given as ``Ref("account", id)``.

    Everything here raises ServiceError (NotFoundError where there is no file), TransportError and CredentialError.
    """

    def __init__(self, driver: D, session: Session) -> None:
        self._driver = driver
        self._session = session

    @operation
    def upload(
        self,
        row: Ref,
        column: str,
        content: bytes | str | Path | BinaryIO,
        *,
        file_name: str | None = None,
    ) -> Flow[int]:
        """Put a file into a column and return its size in bytes.

        ``content`` is bytes, the path of a file, or an open binary file that can be sought. What is larger than a chunk
        of 4 MB goes up in chunks; one whose answer is lost is sent again, so a broken line costs one chunk.
        """
        opened = isinstance(content, str | Path)
        file: BinaryIO = yield Call(lambda: _opened(content))
        try:
            size: int = yield Call(lambda: file.seek(0, 2))
            shown = file_name or (Path(str(content)).name if opened else "file")
            path = f"{yield from address_of(self._session, row)}/{name(column)}"
            if size <= CHUNK:
                whole: bytes = yield Call(lambda: _part(file, 0, size))
                headers = {"Content-Type": "application/octet-stream", **_named(shown)}
                yield from self._session.call("PATCH", path, content=whole, headers=headers)
            else:
                yield from self._until_whole(path, file, size, shown)
        finally:
            if opened or isinstance(content, bytes):
                file.close()
        return size

    def _until_whole(self, path: str, file: BinaryIO, size: int, shown: str) -> Flow[None]:
        """Upload in chunks. An upload whose last answer is lost has ended or has not, so it is begun anew."""
        for attempt in range(TRIES):
            try:
                yield from self._in_chunks(path, file, size, shown)
            except BadRequestError as error:
                if not error.maybe_applied or attempt == TRIES - 1:
                    raise
            else:
                return

    def _in_chunks(self, path: str, file: BinaryIO, size: int, shown: str) -> Flow[None]:
        begun, _ = yield from self._session.call(
            "PATCH",
            f"{path}?x-ms-file-name={quote(shown, safe='')}",
            headers={"x-ms-transfer-mode": "chunked"},
        )
        location = begun.headers.get("location", "")
        if not location:
            raise ServerError("the service began no upload", status=begun.status)
        chunk = int(begun.headers.get("x-ms-chunk-size", "") or CHUNK)
        start = 0
        while start < size:
            part: bytes = yield Call(partial(_part, file, start, chunk))
            end = start + len(part) - 1
            headers = {
                "Content-Type": "application/octet-stream",
                "Content-Range": f"bytes {start}-{end}/{size}",
                **_named(shown),
            }
            yield from self._session.call("PATCH", location, content=part, headers=headers)
            start = end + 1

    @operation
    def download(self, row: Ref, column: str, *, full_image: bool = False) -> Flow[File]:
        """The file of a column, in memory."""
        held = BytesIO()
        path = yield from self._path(row, column, full_image)
        answer = yield from self._into(path, held, 0, CHUNK)
        content = held.getvalue()
        return File(
            name=_name_in(answer.headers),
            size=len(content),
            media_type=answer.headers.get("mimetype") or answer.headers.get("content-type", ""),
            content=content,
        )

    @operation
    def download_to(
        self, row: Ref, column: str, target: str | Path, *, full_image: bool = False, chunk: int = CHUNK
    ) -> Flow[File]:
        """Put the file of a column into a file of yours, in chunks.

        It grows under ``target`` with ``.part`` behind it; where such a file is there already, the download goes on at
        its end, after an interruption of yours too. What is answered has no content.
        """
        end = Path(target)
        part = end.with_name(f"{end.name}.part")
        path = yield from self._path(row, column, full_image)
        file: BinaryIO = yield Call(lambda: part.open("ab"))
        try:
            start: int = yield Call(file.tell)
            answer = yield from self._into(path, file, start, chunk)
            size: int = yield Call(file.tell)
        finally:
            file.close()
        yield Call(lambda: part.replace(end))
        return File(name=_name_in(answer.headers), size=size, media_type=answer.headers.get("mimetype", ""))

    @stream
    def read(self, row: Ref, column: str, *, chunk: int = CHUNK, full_image: bool = False) -> Stream[bytes]:
        """The content of a column piece by piece."""
        path = yield from self._path(row, column, full_image)
        yield from self._pieces(path, 0, chunk)

    @operation
    def delete(self, row: Ref, column: str) -> Flow[None]:
        """Remove the file of a column."""
        path = f"{yield from address_of(self._session, row)}/{name(column)}"
        try:
            yield from self._session.call("DELETE", path)
        except NotFoundError as error:
            if not error.maybe_applied:
                raise

    def _path(self, row: Ref, column: str, full_image: bool) -> Flow[str]:
        path = f"{yield from address_of(self._session, row)}/{name(column)}/$value"
        return path + ("?size=full" if full_image else "")

    def _into(self, path: str, file: BinaryIO, start: int, chunk: int) -> Flow[Answer]:
        """Write the rest of a file; answers the last answer, whose headers tell of the file."""
        total = start
        while True:
            answer, more = yield from self._piece(path, total, chunk)
            yield Call(partial(file.write, answer.content))
            total += len(answer.content)
            if not more:
                return answer

    def _pieces(self, path: str, start: int, chunk: int) -> Stream[bytes]:
        while True:
            answer, more = yield from self._piece(path, start, chunk)
            start += len(answer.content)
            yield Emit(answer.content)
            if not more:
                return

    def _piece(self, path: str, start: int, chunk: int) -> Flow[tuple[Answer, bool]]:
        """One range of a file, and whether more follows."""
        headers = {"Range": f"bytes={start}-{start + chunk - 1}", "Accept": "*/*"}
        answer, _ = yield from self._session.call("GET", path, headers=headers, accepted=(416,))
        if answer.status == 416:  # nothing is left, as after a download that had ended
            return Answer(status=206, headers=answer.headers, content=b""), False
        if answer.status == 204:
            raise NotFoundError("the column holds no file", status=404)
        found = _RANGE.fullmatch(answer.headers.get("content-range", "").strip())
        if answer.status == 206 and found is not None:
            return answer, int(found[2]) + 1 < int(found[3])
        if start:
            raise ConfigurationError(
                "the service does not answer ranges of this column, so nothing can go on"
            )
        return answer, False


def _opened(content: Any) -> BinaryIO:
    if isinstance(content, bytes | bytearray | memoryview):
        return BytesIO(content)
    if isinstance(content, str | Path):
        return Path(content).open("rb")
    if not hasattr(content, "seek") or not hasattr(content, "read"):
        raise ConfigurationError("the content is bytes, a path, or a binary file that can be sought")
    found: BinaryIO = content
    return found


def _part(file: BinaryIO, start: int, count: int) -> bytes:
    file.seek(start)
    return file.read(count)


def _named(shown: str) -> Mapping[str, str]:
    """The header for the name; what is not ASCII is percent-encoded."""
    return {"x-ms-file-name": shown if _SAFE_NAME.fullmatch(shown) else quote(shown, safe=" ")}


def _name_in(headers: Mapping[str, str]) -> str:
    return unquote(headers.get("x-ms-file-name", ""))
