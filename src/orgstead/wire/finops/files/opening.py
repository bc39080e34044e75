"""One way in and one way out for files of every format that holds one entity."""

from collections.abc import Callable, Mapping, Sequence
from typing import BinaryIO, Protocol

from orgstead.errors import fault
from orgstead.wire.finops.files.delimited import DelimitedWriter, read_delimited
from orgstead.wire.finops.files.formats import Kind, SourceFormat
from orgstead.wire.finops.files.shapes import LIMITS, Cell, FileRows, Limits
from orgstead.wire.finops.files.workbook import read_workbook
from orgstead.wire.finops.files.workbook_writing import WorkbookWriter
from orgstead.wire.finops.files.xml_rows import read_xml
from orgstead.wire.finops.files.xml_writing import XmlWriter

__all__ = ["RowWriter", "open_rows", "open_writer"]


class RowWriter(Protocol):
    """Writes rows of one entity to a file."""

    def write(self, values: Sequence[Cell]) -> None:
        """One row, its values in the order of the columns."""

    def close(self) -> None:
        """Write the end."""


def open_rows(
    file: BinaryIO, form: SourceFormat, columns: Sequence[str] = (), limits: Limits = LIMITS
) -> FileRows:
    """The rows of a file that can be sought in; ``columns`` names them where the file does not.

    Raises DataFileEmpty, DataFileEncoding, DataFileMalformed, DataFileColumns, DataFileTooLarge, DataPackageInvalid,
    DataFormatUnsupported: for what its beginning shows at once, otherwise while rows are read.
    """
    match form.kind:
        case "delimited":
            return read_delimited(file, form, columns, limits)
        case "xml":
            return read_xml(file, form, limits)
        case "excel":
            return read_workbook(file, form, columns, limits)
        case _:
            raise fault("DataFormatUnsupported", feature="A package inside of a package")


_WRITERS: Mapping[Kind, Callable[[BinaryIO, SourceFormat, Sequence[str], str], RowWriter]] = {
    "delimited": lambda file, form, columns, _: DelimitedWriter(file, form, columns),
    "xml": XmlWriter,
    "excel": WorkbookWriter,
}


def open_writer(file: BinaryIO, form: SourceFormat, columns: Sequence[str], record: str) -> RowWriter:
    """What writes rows to a file, which stays open; ``record`` names a row's element or the sheet.

    Raises DataFormatUnsupported, DataFileColumns, and while rows are written DataFileEncoding, DataFileMalformed,
    DataFileTooLarge.
    """
    make = _WRITERS.get(form.kind)
    if make is None:
        raise fault("DataFormatUnsupported", feature="A package inside of a package")
    return make(file, form, columns, record)
