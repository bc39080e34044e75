"""CSV: as RFC 4180 has it, in UTF-8 with or without a byte order mark.

A text that a spreadsheet would take for a formula is guarded by an apostrophe before it, which reading takes off;
telephone numbers are none:
https://owasp.org/www-community/attacks/CSV_Injection
"""

import csv
import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, date, datetime
from decimal import Decimal
from io import TextIOWrapper
from pathlib import Path
from typing import Any

from orgstead.transfer.formats import Sketch, SourceRow
from orgstead.transfer.problems import FileProblem, RowProblem

__all__ = ["CsvReader", "CsvWriter", "guarded", "text_of"]

MAX_CELL = 16 * 1024 * 1024
DELIMITERS = ",;\t|"
# Guarding adds an apostrophe to what already has some, too, so that taking one off gives back exactly what was.
_FORMULA = re.compile(r"'*[=+\-@\t\r]")
_DIALLED = re.compile(r"[+-][\d\s().,/-]*")
_GUARDED = re.compile(r"'+[=+\-@\t\r]")


class CsvReader:
    """A CSV file with a header. Without ``delimiter`` it is the one that the header has most of."""

    unit = "line"

    def __init__(self, path: Path, *, delimiter: str | None, encoding: str, guarded: bool) -> None:
        self._path = path
        self._raw = path.open("rb")
        self._size = max(path.stat().st_size, 1)
        self._guarded = guarded
        try:
            first = self._raw.readline(MAX_CELL).decode(encoding, "replace")
            self._raw.seek(0)
            self._text = TextIOWrapper(self._raw, encoding=encoding, newline="")
            self.delimiter = delimiter or max(DELIMITERS, key=first.count)
            csv.field_size_limit(MAX_CELL)
            self._lines = csv.reader(self._text, delimiter=self.delimiter, strict=True)
            self.headers: Sequence[str] = self._header()
        except LookupError:
            self._raw.close()
            raise FileProblem(f"there is no encoding {encoding[:40]!r}") from None
        except BaseException:
            self._raw.close()
            raise

    def _header(self) -> Sequence[str]:
        found = [each.strip() for each in self._next() or ()]
        if not any(found):
            raise FileProblem(f"{self._path.name} has no header: the first line names the columns")
        for place, each in enumerate(found, 1):
            if not each:
                raise FileProblem(f"{self._path.name}: column {place} has no name in the header")
            if each in found[: place - 1]:
                raise FileProblem(f"{self._path.name} has two columns {each}")
        return found

    def _next(self) -> list[str] | None:
        try:
            return next(self._lines, None)
        except csv.Error as error:
            raise FileProblem(f"{self._path.name}, line {self._lines.line_num}: {error}") from None
        except UnicodeDecodeError as error:
            raise FileProblem(
                f"{self._path.name} is not in {error.encoding} (after line {self._lines.line_num}): "
                "say the encoding with --encoding"
            ) from None

    def rows(self) -> Iterator[SourceRow]:
        """Every row that is not an empty line."""
        while True:
            number = self._lines.line_num + 1
            cells = self._next()
            if cells is None:
                return
            if not cells:
                continue
            problem = None
            if len(cells) != len(self.headers):
                problem = RowProblem(f"the row has {len(cells)} cells, and the header {len(self.headers)}")
            if self._guarded:
                cells = [each[1:] if _GUARDED.match(each) else each for each in cells]
            yield SourceRow(
                number=number,
                cells=dict(zip(self.headers, cells, strict=False)),
                problem=problem,
                rest=cells[len(self.headers) :],
            )

    @property
    def share(self) -> float:
        """By bytes."""
        return min(self._raw.tell() / self._size, 1.0)

    def close(self) -> None:
        """Close the file."""
        self._text.close()


class CsvWriter:
    """A CSV file that is written from its beginning, or on from ``place``."""

    resumable = True

    def __init__(
        self, path: Path, columns: Sequence[Sketch], *, delimiter: str, bom: bool, place: int = 0
    ) -> None:
        self._columns = columns
        self._raw = path.open("r+b" if place else "wb")
        self._raw.seek(place)
        self._raw.truncate()
        # Windows' spreadsheets take a file without a mark for one of the local code page.
        encoding = "utf-8-sig" if bom and not place else "utf-8"
        self._text = TextIOWrapper(self._raw, encoding=encoding, newline="", write_through=True)
        self._lines = csv.writer(self._text, delimiter=delimiter, lineterminator="\r\n")
        if not place:
            self._lines.writerow([each.header for each in columns])

    def write(self, values: Sequence[Any]) -> None:
        """Texts as they are, times and numbers as ``text_of`` has them."""
        cells = [text_of(each) for each in values]
        for place, column in enumerate(self._columns):
            cell = cells[place]
            if column.guard:
                cells[place] = guarded(cell)
        self._lines.writerow(cells)

    def place(self) -> int:
        """The length of the file."""
        self._text.flush()
        return self._raw.tell()

    def close(self) -> None:
        """End the file."""
        self._text.close()


def guarded(cell: str) -> str:
    """A cell that no spreadsheet takes for a formula; reading gives back what it was."""
    return f"'{cell}" if _FORMULA.match(cell) and not _DIALLED.fullmatch(cell) else cell


def text_of(value: Any) -> str:
    """A value as a text that reading takes for the same value."""
    match value:
        case None:
            return ""
        case str():
            return value
        case bool():
            return "true" if value else "false"
        case Decimal():
            return f"{value:f}"
        case datetime():
            return value.astimezone(UTC).isoformat().replace("+00:00", "Z") if value.tzinfo else str(value)
        case date():
            return value.isoformat()
        case list() | tuple():
            return ";".join(map(text_of, value))
        case Mapping():
            return "; ".join(f"{name}={text_of(each)}" for name, each in value.items())
    return str(value)
