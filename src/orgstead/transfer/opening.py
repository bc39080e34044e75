"""Files by their format: opened to be read, and to be written."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from orgstead.transfer.csv_files import CsvReader, CsvWriter
from orgstead.transfer.formats import Reader, Sketch, Writer, format_of
from orgstead.transfer.json_lines import JsonLinesReader, JsonLinesWriter
from orgstead.transfer.parquet import ParquetReader, ParquetWriter
from orgstead.transfer.problems import FileProblem
from orgstead.transfer.workbooks import WorkbookReader, WorkbookWriter

__all__ = ["FileOptions", "create_file", "open_file"]


@dataclass(frozen=True, slots=True, kw_only=True)
class FileOptions:
    """What is said of a file: its format, if its name does not tell, and what is peculiar to it.

    Of CSV ``delimiter``, ``encoding``, whether texts that look like formulas are guarded (and taken for guarded) and
    whether a byte order mark is written; of a workbook the ``sheet``.
    """

    format: str | None = None
    delimiter: str | None = None
    encoding: str = "utf-8-sig"
    guard: bool = True
    bom: bool = False
    sheet: str | None = None

    def __post_init__(self) -> None:
        if self.delimiter is not None and (len(self.delimiter) != 1 or self.delimiter in '"\r\n'):
            raise FileProblem("a delimiter is one character, and no quotation mark")


def open_file(path: Path, options: FileOptions) -> Reader:
    """A file to be read. Raises FileProblem, OSError."""
    match format_of(path, options.format):
        case "csv":
            return CsvReader(
                path, delimiter=options.delimiter, encoding=options.encoding, guarded=options.guard
            )
        case "jsonl":
            return JsonLinesReader(path)
        case "xlsx":
            return WorkbookReader(path, sheet=options.sheet)
        case "parquet":
            return ParquetReader(path)
        case other:
            raise FileProblem(f"{other} is no format: csv, jsonl, xlsx and parquet are")


def create_file(
    path: Path, kind: str, columns: Sequence[Sketch], options: FileOptions, *, place: int = 0, title: str = ""
) -> Writer:
    """A file of a format to be written, or with ``place`` to be written on. Raises FileProblem, OSError."""
    match kind:
        case "csv":
            return CsvWriter(path, columns, delimiter=options.delimiter or ",", bom=options.bom, place=place)
        case "jsonl":
            return JsonLinesWriter(path, columns, place=place)
        case "xlsx":
            return WorkbookWriter(path, columns, title=title or "rows")
        case "parquet":
            return ParquetWriter(path, columns)
        case other:
            raise FileProblem(f"{other} is no format: csv, jsonl, xlsx and parquet are")
