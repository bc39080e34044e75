"""LibreOffice opens what is exported, with every value and type intact."""

import io
import shutil
import subprocess
import zipfile
from collections.abc import Sequence
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path

import pytest
from lxml import etree

from orgstead.wire.finops.files.formats import FORMATS
from orgstead.wire.finops.files.opening import open_writer
from orgstead.wire.finops.files.shapes import Cell

COLUMNS = ("ITEMNUMBER", "NAME", "QUANTITY", "PRICE", "SINCE", "CHANGED", "STOPPED")
ROWS: Sequence[Sequence[Cell]] = (
    ("000123", 'Heron "small", blue\nsecond line', 42, Decimal("1234567.89"), date(2026, 2, 28),
     datetime(2026, 11, 27, 23, 59, 58), "Yes"),
    ("=1+1", "+cmd|' /C calc'!A0", -7, Decimal("0.0001"), date(1999, 12, 31), datetime(2000, 1, 1), "No"),
    ("+44 20 7946", "Ünïcødé 漢字", 0, None, None, None, None),
    ("1E5", "2026-01-02", 1_000_000_000_000, Decimal("123456789012345678.90"), None, None, "No"),
)  # fmt: skip
NS = {
    "table": "urn:oasis:names:tc:opendocument:xmlns:table:1.0",
    "office": "urn:oasis:names:tc:opendocument:xmlns:office:1.0",
    "text": "urn:oasis:names:tc:opendocument:xmlns:text:1.0",
}
# Comma, double quotes, UTF-8, from line 1, quoted fields are texts, special numbers are found.
# https://help.libreoffice.org/latest/en-US/text/shared/guide/csv_params.html
CSV_FILTER = "CSV:44,34,76,1,,1033,true,true"


@pytest.fixture(scope="module")
def opened(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[list[tuple[str, str, str]]]]:
    """What LibreOffice makes of each file: the cells of each row as type, value and formula."""
    program = shutil.which("soffice") or shutil.which("libreoffice")
    assert program is not None, "LibreOffice is missing: scripts/debian-packages installs it"
    folder = tmp_path_factory.mktemp("office")
    found = {}
    for name, options in (("CSV", [f"--infilter={CSV_FILTER}"]), ("EXCEL", [])):
        form = FORMATS[name]
        path = folder / f"rows.{form.extension}"
        with path.open("wb") as file:
            writer = open_writer(file, form, COLUMNS, "Items")
            for row in ROWS:
                writer.write(row)
            writer.close()
        subprocess.run(
            [program, "--headless", f"-env:UserInstallation=file://{folder}/profile", *options, "--convert-to", "ods",
             "--outdir", str(folder), str(path)],
            check=True, capture_output=True, timeout=110,
        )  # fmt: skip
        found[name] = cells(folder / "rows.ods")
    return found


def cells(path: Path) -> list[list[tuple[str, str, str]]]:
    """The rows of a spreadsheet of OpenDocument."""
    with zipfile.ZipFile(path) as archive:
        root = etree.parse(io.BytesIO(archive.read("content.xml"))).getroot()
    rows = []
    for row in root.iterfind(".//table:table-row", NS):
        made: list[tuple[str, str, str]] = []
        for cell in row.iterfind("table:table-cell", NS):
            kind = cell.get(f"{{{NS['office']}}}value-type", "")
            value = cell.get(f"{{{NS['office']}}}{'date-value' if kind == 'date' else 'value'}", "")
            text = "\n".join("".join(each.itertext()) for each in cell.iterfind("text:p", NS))
            formula = cell.get(f"{{{NS['table']}}}formula", "")
            times = int(cell.get(f"{{{NS['table']}}}number-columns-repeated", "1"))
            made += [(kind, value or text, formula)] * min(times, len(COLUMNS))
        if any(kind for kind, _, _ in made):
            rows.append(made[: len(COLUMNS)])
    return rows


def seen(cell: tuple[str, str, str]) -> Cell:
    kind, value, _ = cell
    match kind:
        case "float":
            return Decimal(value)
        case "date":
            at = datetime.fromisoformat(value)
            return at if at != datetime(at.year, at.month, at.day) else at.date()
        case "":
            return None
        case _:
            return value


def test_a_workbook_is_opened_with_every_value_and_type(
    opened: dict[str, list[list[tuple[str, str, str]]]],
) -> None:
    head, *rows = opened["EXCEL"]
    assert tuple(value for _, value, _ in head) == COLUMNS
    assert all(not formula for row in rows for _, _, formula in row)
    for row, wanted in zip(rows, ROWS, strict=True):
        expected = [*wanted]
        if expected[3] == Decimal("123456789012345678.90"):
            # A spreadsheet keeps fifteen digits, so a longer number is a text.
            expected[3] = "123456789012345678.90"
        got = [seen(cell) for cell in row]
        assert [_plain(cell) for cell in got] == [_plain(cell) for cell in expected]


def test_a_delimited_file_is_opened_with_every_value_and_type_and_without_a_formula(
    opened: dict[str, list[list[tuple[str, str, str]]]],
) -> None:
    head, *rows = opened["CSV"]
    assert tuple(value for _, value, _ in head) == COLUMNS
    assert all(not formula for row in rows for _, _, formula in row)
    for row, wanted in zip(rows, ROWS, strict=True):
        for cell, value in zip(row, wanted, strict=True):
            if isinstance(value, str):
                # What would be a formula begins with an apostrophe, see ``guard``.
                assert (cell[0], cell[1].removeprefix("'")) == ("string", value)
            elif isinstance(value, Decimal | int):
                assert cell[0] == "float"
                # A program that computes in binary keeps fifteen digits of what it reads.
                assert abs(Decimal(cell[1]) - value) <= abs(value) * Decimal("1e-14")
            elif value is not None:
                assert _plain(seen(cell)) == _plain(value)


def _plain(value: Cell) -> object:
    if isinstance(value, datetime) and (value.hour, value.minute, value.second) == (0, 0, 0):
        return value.date()
    if isinstance(value, int | Decimal):
        return Decimal(value).normalize()
    return value
