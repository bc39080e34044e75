"""Workbooks: rows out of a sheet of an XLSX file, one row in memory at a time.

Readers that hold a sheet as a rectangle let a single cell in the last corner ask for all the memory there is; this one
reads the sheet's elements in their order, and a text that many cells share exists once.
https://learn.microsoft.com/office/open-xml/spreadsheet/structure-of-a-spreadsheetml-document
"""

import re
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from itertools import chain
from typing import BinaryIO

from orgstead.errors import Fault, fault
from orgstead.wire.finops.files.archive import MemberFile, open_archive
from orgstead.wire.finops.files.delimited import stated_columns
from orgstead.wire.finops.files.formats import SourceFormat
from orgstead.wire.finops.files.shapes import LIMITS, Cell, FileRow, FileRows, Limits
from orgstead.wire.finops.files.xml_rows import Element, local_name, picked, prolog

__all__ = ["read_workbook"]

CHUNK = 65536
MAX_TEXTS = 4_000_000
# Bytes of a row, and of whatever else stands between two.
MAX_ELEMENT = 32 * 1024 * 1024
OLE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
RELATION = "{http://schemas.openxmlformats.org/officeDocument/2006/relationships}id"
# Days are counted from here, or from four years later when the workbook says so.
EPOCHS = (datetime(1899, 12, 30), datetime(1904, 1, 1))
# https://learn.microsoft.com/dotnet/api/documentformat.openxml.spreadsheet.numberingformat
DATES = frozenset((*range(14, 23), *range(27, 37), *range(45, 48), *range(50, 59)))

_QUOTED = re.compile(r'"[^"]*"|\\.|\[[^\]]*\]|_.')
_REFERENCE = re.compile(r"([A-Z]{1,3})([0-9]{1,7})")


def read_workbook(
    file: BinaryIO, form: SourceFormat, columns: Sequence[str] = (), limits: Limits = LIMITS
) -> FileRows:
    """The rows of a sheet; numbers, truth values and dates have their types.

    Raises DataFileEmpty, DataFileMalformed, DataFileColumns, DataFileTooLarge, DataPackageInvalid.
    """
    start = file.read(8)
    file.seek(0)
    if start == OLE:
        raise _bad("it is protected by a password, or of the time before 2007")
    archive = open_archive(file, limits)
    parts = {name.casefold(): name for name in archive.namelist()}
    if "xl/workbook.xml" not in parts:
        raise _bad("it is no workbook in the format of XLSX")
    sheet, epoch = _sheet(archive, parts, form.sheet)
    texts = _texts(archive, parts, limits)
    dates = _date_styles(archive, parts)
    rows = _cells(MemberFile(archive, sheet), texts, dates, epoch, limits)
    names = stated_columns(next(rows, (0, []))[1]) if form.header else tuple(columns)
    if not names:
        raise fault("DataFileEmpty")
    return FileRows(columns=names, rows=_rows(rows, names, limits))


def _bad(reason: str) -> Fault:
    return fault("DataFileMalformed", reason=f"the workbook: {reason}")


def _elements(file: MemberFile, wanted: frozenset[str]) -> Iterator[Element]:
    """The elements of a part with these local names, each let go of when the next is asked for."""
    first = file.read(CHUNK)
    prolog(first)
    yield from picked(chain((first,), iter(lambda: file.read(CHUNK), b"")), wanted, MAX_ELEMENT)


def _sheet(archive: zipfile.ZipFile, parts: Mapping[str, str], wanted: str) -> tuple[str, datetime]:
    epoch, found = EPOCHS[0], None
    for element in _elements(
        MemberFile(archive, parts["xl/workbook.xml"]), frozenset({"workbookPr", "sheet"})
    ):
        if local_name(element) == "workbookPr":
            epoch = EPOCHS[element.get("date1904") in ("1", "true")]
        elif found is None and (not wanted or str(element.get("name")).casefold() == wanted.casefold()):
            found = element.get(RELATION)
    if found is None:
        raise _bad(f"it has no sheet {wanted[:100]!r}" if wanted else "it has no sheet")
    relations = parts.get("xl/_rels/workbook.xml.rels")
    if relations is not None:
        for element in _elements(MemberFile(archive, relations), frozenset({"Relationship"})):
            if element.get("Id") == found:
                target = str(element.get("Target"))
                path = target.lstrip("/") if target.startswith("/") else f"xl/{target}"
                if path.casefold() in parts:
                    return parts[path.casefold()], epoch
    raise _bad("its sheet is missing")


def _texts(archive: zipfile.ZipFile, parts: Mapping[str, str], limits: Limits) -> list[str]:
    part = parts.get("xl/sharedstrings.xml")
    texts: list[str] = []
    if part is not None:
        for element in _elements(MemberFile(archive, part), frozenset({"si"})):
            if len(texts) >= MAX_TEXTS:
                raise fault("DataFileTooLarge", limit=f"{MAX_TEXTS} texts of a workbook")
            texts.append(_text(element, limits))
    return texts


def _text(element: Element, limits: Limits) -> str:
    """What a person reads: the runs of rich text, without how Japanese is pronounced."""
    pieces = []
    for child in element:
        name = local_name(child)
        if name == "t":
            pieces.append(child.text or "")
        elif name == "r":
            pieces.extend(run.text or "" for run in child if local_name(run) == "t")
    text = "".join(pieces)
    if len(text) > limits.cell:
        raise fault("DataFileTooLarge", limit=f"{limits.cell} characters of a cell")
    return text


def _date_styles(archive: zipfile.ZipFile, parts: Mapping[str, str]) -> frozenset[int]:
    """The numbers of the cell styles that show a number as a date."""
    part = parts.get("xl/styles.xml")
    if part is None:
        return frozenset()
    dates, styles = set(DATES), []
    for element in _elements(MemberFile(archive, part), frozenset({"numFmt", "cellXfs"})):
        if local_name(element) == "cellXfs":
            styles = [child.get("numFmtId") for child in element]
        else:
            code = _QUOTED.sub("", str(element.get("formatCode"))).lower()
            number = str(element.get("numFmtId"))
            if number.isdecimal() and len(number) < 10 and any(letter in code for letter in "dmyhs"):
                dates.add(int(number))
    return frozenset(
        place
        for place, number in enumerate(styles)
        if number and number.isdecimal() and int(number[:9]) in dates
    )


def _column(letters: str) -> int:
    place = 0
    for letter in letters:
        place = place * 26 + ord(letter) - 64
    return place - 1


def _cells(
    file: MemberFile, texts: Sequence[str], dates: frozenset[int], epoch: datetime, limits: Limits
) -> Iterator[tuple[int, list[Cell]]]:
    """The rows that hold something, with what is wrong in one told by an exception of its cell."""
    for number, row in enumerate(_elements(file, frozenset({"row"})), 1):
        cells: list[Cell] = []
        for cell in row:
            place = len(cells)
            reference = cell.get("r")
            if reference is not None:
                match = _REFERENCE.fullmatch(str(reference))
                if match is None:
                    raise _bad(f"the cell {str(reference)[:20]!r}")
                place = _column(match[1])
            if place >= limits.columns:
                raise fault("DataFileTooLarge", limit=f"{limits.columns} columns")
            if place < len(cells):
                raise _bad(f"the cells of row {number} are not in order")
            cells += [None] * (place - len(cells))
            cells.append(_value(cell, texts, dates, epoch, limits))
        if any(value is not None for value in cells):
            yield number, cells


def _value(
    cell: Element, texts: Sequence[str], dates: frozenset[int], epoch: datetime, limits: Limits
) -> Cell:
    kind, text = cell.get("t", "n"), None
    for child in cell:
        name = local_name(child)
        if name == "v":
            text = child.text
        elif name == "is" and kind == "inlineStr":
            return _text(child, limits) or None
    if not text:
        return None
    if kind == "s":
        if not text.isdecimal() or len(text) > 9 or int(text) >= len(texts):
            raise _bad(f"the text {text[:20]!r} is missing")
        return texts[int(text)] or None
    if kind == "b":
        return text == "1"
    if kind in ("str", "d", "e"):
        return text if len(text) <= limits.cell else "#"
    try:
        number = float(text)
    except ValueError:
        raise _bad(f"the number {text[:20]!r}") from None
    style = cell.get("s")
    if style is not None and style.isdecimal() and int(style[:9]) in dates:
        try:
            return epoch + timedelta(milliseconds=round(number * 86_400_000))
        except (OverflowError, ValueError):
            return text
    return int(text) if text.lstrip("-").isdecimal() and len(text) < 16 else number


def _rows(
    rows: Iterator[tuple[int, list[Cell]]], names: tuple[str, ...], limits: Limits
) -> Iterator[FileRow]:
    wide = len(names)
    empty = dict.fromkeys(names)
    for number, (_, cells) in enumerate(rows, 1):
        problems: tuple[str, ...] = ()
        if any(value is not None for value in cells[wide:]):
            problems = (f"{len(cells)} cells for {wide} columns",)
        problems += tuple(
            f"{name}: the formula gave {value}"
            for name, value in zip(names, cells, strict=False)
            if isinstance(value, str) and value in _ERRORS
        )
        values = empty if problems else empty | dict(zip(names, cells, strict=False))
        yield FileRow(number=number, values=values, problems=problems)


_ERRORS = frozenset({"#NULL!", "#DIV/0!", "#VALUE!", "#REF!", "#NAME?", "#NUM!", "#N/A"})
