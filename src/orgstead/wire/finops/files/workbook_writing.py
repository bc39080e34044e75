"""Workbooks out of rows, in constant memory: https://xlsxwriter.readthedocs.io/working_with_memory.html"""

from collections.abc import Sequence
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import BinaryIO

import xlsxwriter  # type: ignore[import-untyped]

from orgstead.errors import fault
from orgstead.wire.finops.files.delimited import cell_text
from orgstead.wire.finops.files.formats import SourceFormat
from orgstead.wire.finops.files.shapes import Cell

__all__ = ["WorkbookWriter"]

# https://support.microsoft.com/office/excel-specifications-and-limits-1672b34d-7043-467e-8e27-269d656771c3
MAX_ROWS = 1_048_576
MAX_COLUMNS = 16_384
MAX_TEXT = 32_767
EXACT_DIGITS = 15
FIRST_DAY = 1900


class WorkbookWriter:
    """Writes rows to a binary file, which stays open. Texts are texts: none becomes a formula, a link or a number."""

    def __init__(self, file: BinaryIO, form: SourceFormat, columns: Sequence[str], sheet: str = "") -> None:
        if len(columns) > MAX_COLUMNS:
            raise fault("DataFileTooLarge", limit=f"{MAX_COLUMNS} columns")
        self._book = xlsxwriter.Workbook(file, {
            "constant_memory": True, "strings_to_formulas": False, "strings_to_urls": False,
            "strings_to_numbers": False, "nan_inf_to_errors": False, "default_date_format": "yyyy-mm-dd",
        })  # fmt: skip
        # The moment at which a file is made would make equal rows different files.
        self._book.set_properties({"created": datetime(2000, 1, 1, tzinfo=UTC)})
        self._day = self._book.add_format({"num_format": "yyyy-mm-dd"})
        self._moment = self._book.add_format({"num_format": "yyyy-mm-dd hh:mm:ss"})
        self._sheet = self._book.add_worksheet((form.sheet or sheet)[:31] or None)
        self._row = 0
        if form.header:
            self.write(columns)

    def write(self, values: Sequence[Cell]) -> None:
        """One row. Raises DataFileTooLarge beyond what a sheet takes."""
        if self._row >= MAX_ROWS:
            raise fault("DataFileTooLarge", limit=f"{MAX_ROWS} rows of a sheet")
        for place, value in enumerate(values):
            if value is not None:
                self._put(place, value)
        self._row += 1

    def _put(self, place: int, value: Cell) -> None:
        sheet, row = self._sheet, self._row
        match value:
            case bool():
                sheet.write_string(row, place, "Yes" if value else "No")
            case int() | Decimal() | float() if _exact(value):
                sheet.write_number(row, place, value)
            case datetime() if value.year >= FIRST_DAY:
                sheet.write_datetime(row, place, value.replace(tzinfo=None, microsecond=0), self._moment)
            case date() if value.year >= FIRST_DAY and not isinstance(value, datetime):
                sheet.write_datetime(row, place, value, self._day)
            case _:
                text = cell_text(value)
                if len(text) > MAX_TEXT:
                    raise fault("DataFileTooLarge", limit=f"{MAX_TEXT} characters of a cell")
                sheet.write_string(row, place, text)

    def close(self) -> None:
        """Write what has not been written yet."""
        self._book.close()


def _exact(value: int | float | Decimal) -> bool:
    """Whether a spreadsheet, which computes in binary with 15 digits, keeps the number; if not, it is a text."""
    if isinstance(value, float):
        return value == value and value not in (float("inf"), float("-inf"))
    digits = len(str(abs(value))) if isinstance(value, int) else len(value.normalize().as_tuple().digits)
    return digits <= EXACT_DIGITS and abs(value) < 10**EXACT_DIGITS
