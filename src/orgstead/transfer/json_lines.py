"""JSON lines: an object to a line, numbers digit for digit."""

from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec

from orgstead.client.values import decode, encode
from orgstead.transfer.formats import Sketch, SourceRow
from orgstead.transfer.problems import FileProblem, RowProblem

__all__ = ["JsonLinesReader", "JsonLinesWriter"]

MAX_LINE = 64 * 1024 * 1024


class JsonLinesReader:
    """A file with a JSON object on each line; each has the columns that it has."""

    unit = "line"
    headers: Sequence[str] | None = None

    def __init__(self, path: Path) -> None:
        self._path = path
        self._raw = path.open("rb")
        self._size = max(path.stat().st_size, 1)

    def rows(self) -> Iterator[SourceRow]:
        """Every line that is not empty."""
        number = 0
        while line := self._raw.readline(MAX_LINE + 1):
            number += 1
            if len(line) > MAX_LINE:
                raise FileProblem(f"{self._path.name}, line {number} is longer than {MAX_LINE} bytes")
            line = line.removeprefix(b"\xef\xbb\xbf").strip() if number == 1 else line.strip()
            if not line:
                continue
            try:
                found = decode(line)
            except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
                yield _unread(number, line, f"the line is no JSON: {error}")
                continue
            if isinstance(found, dict):
                yield SourceRow(number=number, cells=found)
            else:
                yield _unread(number, line, "the line is no JSON object")

    @property
    def share(self) -> float:
        """By bytes."""
        return min(self._raw.tell() / self._size, 1.0)

    def close(self) -> None:
        """Close the file."""
        self._raw.close()


def _unread(number: int, line: bytes, reason: str) -> SourceRow:
    cells = {"_line": line[:4096].decode("utf-8", "replace")}
    return SourceRow(number=number, cells=cells, problem=RowProblem(reason))


class JsonLinesWriter:
    """A file of JSON lines that is written from its beginning, or on from ``place``."""

    resumable = True

    def __init__(self, path: Path, columns: Sequence[Sketch], *, place: int = 0) -> None:
        self._names = [each.header for each in columns]
        self._raw = path.open("r+b" if place else "wb")
        self._raw.seek(place)
        self._raw.truncate()

    def write(self, values: Sequence[Any]) -> None:
        """An object with every column; null where there is nothing."""
        row = dict(zip(self._names, map(_plain, values), strict=True))
        self._raw.write(encode(row) + b"\n")

    def place(self) -> int:
        """The length of the file."""
        self._raw.flush()
        return self._raw.tell()

    def close(self) -> None:
        """End the file."""
        self._raw.close()


def _plain(value: Any) -> Any:
    match value:
        case Decimal() if not value.is_finite():
            return None
        case datetime():
            return value.astimezone(UTC).isoformat().replace("+00:00", "Z") if value.tzinfo else str(value)
        case date():
            return value.isoformat()
    return value
