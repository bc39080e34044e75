"""Delimited files: rows out of lines and lines out of rows."""

import csv
from collections.abc import Iterator, Sequence
from datetime import date, datetime, time
from decimal import Decimal
from typing import BinaryIO

from orgstead.errors import fault
from orgstead.wire.finops.files.formats import SourceFormat
from orgstead.wire.finops.files.guard import guarded, unguarded
from orgstead.wire.finops.files.shapes import LIMITS, Cell, FileRow, FileRows, Limits
from orgstead.wire.finops.files.text import Lines

__all__ = ["DelimitedWriter", "cell_text", "read_delimited", "stated_columns"]

# The module keeps one limit for the whole process; ours is compared for each cell below.
csv.field_size_limit(max(csv.field_size_limit(), LIMITS.line))


def read_delimited(
    file: BinaryIO, form: SourceFormat, columns: Sequence[str] = (), limits: Limits = LIMITS
) -> FileRows:
    """The rows of a delimited file; ``columns`` names them where its first row does not.

    Raises DataFileEmpty, DataFileEncoding, DataFileMalformed, DataFileColumns, DataFileTooLarge: for what the first
    rows show at once, otherwise while rows are read.
    """
    lines = Lines(file, form.checked(), limits)
    cells = _cells(lines, form)
    names = stated_columns(next(cells, [])) if form.header else tuple(columns)
    if not names:
        raise fault("DataFileEmpty")
    if len(names) > limits.columns:
        raise fault("DataFileTooLarge", limit=f"{limits.columns} columns")
    return FileRows(columns=names, rows=_rows(cells, names, form, limits))


def _cells(lines: Lines, form: SourceFormat) -> Iterator[list[str]]:
    reader = csv.reader(
        lines,
        delimiter=form.delimiter,
        quotechar=form.qualifier or None,
        quoting=csv.QUOTE_MINIMAL if form.qualifier else csv.QUOTE_NONE,
        doublequote=True,
        strict=True,
    )
    try:
        for cells in reader:
            if cells:
                yield cells
    except csv.Error as error:
        raise fault("DataFileMalformed", reason=f"line {lines.number}: {error}") from None


def stated_columns(cells: Sequence[object]) -> tuple[str, ...]:
    """The names of the first row; raises DataFileColumns when one is empty or there twice."""
    names = [str("" if cell is None else cell).strip() for cell in cells]
    while names and not names[-1]:
        names.pop()
    seen: set[str] = set()
    for place, name in enumerate(names, 1):
        if not name:
            raise fault("DataFileColumns", reason=f"column {place} has no name")
        if name.casefold() in seen:
            raise fault("DataFileColumns", reason=f"the column {name[:100]!r} is there twice")
        seen.add(name.casefold())
    return tuple(names)


def _rows(
    cells: Iterator[list[str]], names: tuple[str, ...], form: SourceFormat, limits: Limits
) -> Iterator[FileRow]:
    wide, largest, opened = len(names), limits.cell, form.guarded
    for number, row in enumerate(cells, 1):
        problems: tuple[str, ...] = ()
        if len(row) != wide:
            # Spreadsheets fill up with empty cells, and leave some out at the end.
            if any(row[wide:]):
                problems = (f"{len(row)} cells for {wide} columns",)
            row = (row + [""] * wide)[:wide]
        if opened:
            row = [unguarded(cell) if cell[:1] == "'" else cell for cell in row]
        if max(map(len, row)) > largest:
            for name, cell in zip(names, row, strict=True):
                if len(cell) > largest:
                    problems += (f"{name}: more than {largest} characters",)
        values = dict.fromkeys(names, "") if problems else dict(zip(names, row, strict=True))
        yield FileRow(number=number, values=values, problems=problems)


def cell_text(value: Cell) -> str:
    """A value as data management writes it: numbers with a point, dates as ISO 8601 has them, Yes and No."""
    match value:
        case None:
            return ""
        case str():
            return value
        case bool():
            return "Yes" if value else "No"
        case Decimal():
            return format(value, "f")
        case datetime():
            return value.replace(tzinfo=None).isoformat(" ", "seconds")
        case date():
            return value.isoformat()
        case time():
            return value.isoformat("seconds")
        case _:
            return repr(value)


class DelimitedWriter:
    """Writes rows to a binary file, which stays open: text between qualifiers, everything else bare."""

    def __init__(self, file: BinaryIO, form: SourceFormat, columns: Sequence[str]) -> None:
        self._file, self._form = file, form.checked()
        self._columns = tuple(columns)
        # The mark makes spreadsheets take UTF-8 for what it is.
        self._encoding = "utf-16-le" if form.unicode else form.encoding
        file.write(
            b"\xff\xfe" if form.unicode else b"\xef\xbb\xbf" if form.encoding.lower() == "utf-8" else b""
        )
        if form.header:
            self._line([self._text(name) for name in columns])

    def write(self, values: Sequence[Cell]) -> None:
        """One row. Raises DataFileEncoding for a character, DataFileMalformed for a delimiter that cannot be told."""
        guard = self._form.guarded
        self._line([
            self._text(guarded(value) if guard else value) if isinstance(value, str) else cell_text(value)
            for value in values
        ])  # fmt: skip

    def close(self) -> None:
        """Nothing is left to write."""

    def _text(self, text: str) -> str:
        qualifier = self._form.qualifier
        if qualifier:
            return f"{qualifier}{text.replace(qualifier, qualifier * 2)}{qualifier}" if text else ""
        if self._form.delimiter in text or "\n" in text or "\r" in text:
            raise fault(
                "DataFileMalformed", reason="a delimiter in a text, and the format has no text qualifier"
            )
        return text

    def _line(self, cells: list[str]) -> None:
        # A line that is empty would be none.
        line = self._form.delimiter.join(cells) or self._form.qualifier * 2
        try:
            self._file.write(f"{line}\r\n".encode(self._encoding))
        except UnicodeEncodeError as error:
            raise fault(
                "DataFileEncoding",
                encoding=self._encoding,
                reason=f"it has no character {error.object[error.start]!r}",
            ) from None
