"""Workbooks (.xlsx): read by calamine, written by xlsxwriter row by row in constant memory. Extra ``excel``.

A workbook is taken into memory to be read: that is how the format and the reader are made. What Excel can hold:
https://support.microsoft.com/office/excel-specifications-and-limits-1672b34d-7043-467e-8e27-269d656771c3
"""

from collections.abc import Iterator, Sequence
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

from orgstead.transfer.csv_files import text_of
from orgstead.transfer.formats import Sketch, SourceRow
from orgstead.transfer.problems import FileProblem

__all__ = ["WorkbookReader", "WorkbookWriter"]

MAX_ROWS, MAX_COLUMNS, MAX_TEXT = 1_048_576, 16_384, 32_767
NEEDS = "workbooks need the extra excel: pip install 'orgstead[excel]'"


class WorkbookReader:
    """A sheet of a workbook: the first one, or the one of a name. Its first row that is not empty is the header."""

    unit = "row"

    def __init__(self, path: Path, *, sheet: str | None) -> None:
        try:
            import python_calamine
        except ImportError:
            raise FileProblem(NEEDS) from None
        try:
            book = python_calamine.CalamineWorkbook.from_path(str(path))
            names = book.sheet_names
            if not names or (sheet is not None and sheet not in names):
                raise FileProblem(f"{path.name} has no sheet {sheet}: there are {', '.join(names)}")
            found = book.get_sheet_by_name(sheet or names[0])
        except (python_calamine.CalamineError, OSError) as error:
            raise FileProblem(f"{path.name} cannot be read as a workbook: {error}") from None
        start = found.start
        if start is None:
            raise FileProblem(f"{path.name}: the sheet is empty")
        self._number = start[0] + 1
        self._total = max(found.total_height, 1)
        self._rows = iter(found.to_python(skip_empty_area=True))
        header = [str(each).strip() for each in next(self._rows)]
        while header and not header[-1]:
            header.pop()
        for place, each in enumerate(header, 1):
            if not each:
                raise FileProblem(f"{path.name}: column {place} has no name in the header")
            if each in header[: place - 1]:
                raise FileProblem(f"{path.name} has two columns {each}")
        self.headers: Sequence[str] = header

    def rows(self) -> Iterator[SourceRow]:
        """Every row in which there is something."""
        for cells in self._rows:
            self._number += 1
            if any(each not in ("", None) for each in cells):
                # Cells without a header belong to no column: what stands beside the table is not part of it.
                yield SourceRow(number=self._number, cells=dict(zip(self.headers, cells, strict=False)))

    @property
    def share(self) -> float:
        """By rows."""
        return min(self._number / self._total, 1.0)

    def close(self) -> None:
        """Nothing is open."""


class WorkbookWriter:
    """A workbook with one sheet. Texts are texts, never formulas or links; times with a zone are texts, too."""

    resumable = False

    def __init__(self, path: Path, columns: Sequence[Sketch], *, title: str) -> None:
        try:
            import xlsxwriter  # type: ignore[import-untyped]
        except ImportError:
            raise FileProblem(NEEDS) from None
        if len(columns) > MAX_COLUMNS:
            raise FileProblem(f"a workbook has at most {MAX_COLUMNS} columns")
        options = {"constant_memory": True, "strings_to_formulas": False, "strings_to_urls": False,
                   "strings_to_numbers": False}  # fmt: skip
        self._book = xlsxwriter.Workbook(str(path), options)
        self._sheet = self._book.add_worksheet(title[:31])
        self._sheet.freeze_panes(1, 0)
        self._day = self._book.add_format({"num_format": "yyyy-mm-dd"})
        bold = self._book.add_format({"bold": True})
        for place, each in enumerate(columns):
            self._sheet.write_string(0, place, each.header, bold)
        self._row = 0

    def write(self, values: Sequence[Any]) -> None:
        """Numbers as numbers where Excel keeps every digit, else as texts. Raises FileProblem for what is too much."""
        self._row += 1
        if self._row >= MAX_ROWS:
            raise FileProblem(f"a sheet has at most {MAX_ROWS} rows: choose CSV, JSON lines or Parquet")
        for place, value in enumerate(values):
            if value is None:
                continue
            if isinstance(value, bool):
                self._sheet.write_boolean(self._row, place, value)
            elif isinstance(value, int | float | Decimal) and _kept(value):
                self._sheet.write_number(self._row, place, float(value))
            elif isinstance(value, date) and not isinstance(value, datetime) and value.year >= 1900:
                day = datetime(value.year, value.month, value.day)
                self._sheet.write_datetime(self._row, place, day, self._day)
            else:
                text = text_of(value)
                if len(text) > MAX_TEXT:
                    raise FileProblem(
                        f"a cell of a workbook has at most {MAX_TEXT} characters, not {len(text)}"
                    )
                self._sheet.write_string(self._row, place, text)

    def place(self) -> int:
        """Nothing is in the file before its end."""
        return 0

    def close(self) -> None:
        """Write the file."""
        self._book.close()


def _kept(value: int | float | Decimal) -> bool:
    """Whether a number of Excel's, a double that shows 15 digits, holds it exactly."""
    if isinstance(value, float):
        return value == value and abs(value) != float("inf")
    exact = Decimal(value)
    return exact.is_finite() and len(exact.normalize().as_tuple().digits) <= 15
