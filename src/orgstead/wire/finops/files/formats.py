"""Source data formats: how a file is written, by the names under which data management has them.

https://learn.microsoft.com/dynamics365/fin-ops-core/dev-itpro/data-entities/data-import-export-job#set-the-data-format-for-the-job
"""

import codecs
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from orgstead.errors import fault

__all__ = ["FORMATS", "Kind", "SourceFormat", "source_format"]

Kind = Literal["delimited", "xml", "excel", "package"]

# Comma, semicolon, tab, vertical bar, colon.
DELIMITERS = frozenset(",;\t|:")
ENCODINGS = frozenset({"utf-8", "utf-16", "cp1252", "iso8859-1", "ascii"})


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceFormat:
    """A source data format.

    Of a delimited file: ``delimiter`` is one of comma, semicolon, tab, vertical bar and colon; ``qualifier`` encloses
    text, empty for none; ``header`` says whether the first row names the columns; ``unicode`` demands UTF-16 with a
    byte order mark, ``encoding`` is what a file without one is in. ``guarded`` keeps spreadsheets from taking text for
    a formula (see ``guard``). Of an XML file: ``style`` says where values stand, ``root`` is the outermost element.
    Of a workbook: ``sheet`` names the sheet, empty for the first.
    """

    name: str
    kind: Kind
    delimiter: str = ","
    qualifier: str = '"'
    header: bool = True
    unicode: bool = False
    encoding: str = "utf-8"
    guarded: bool = True
    style: Literal["element", "attribute"] = "element"
    root: str = "Document"
    sheet: str = ""

    def checked(self) -> "SourceFormat":
        """This format, when its files can be read and written; raises DataFormatUnsupported."""
        if self.delimiter not in DELIMITERS or len(self.delimiter) != 1:
            raise fault("DataFormatUnsupported", feature=f"The column delimiter {self.delimiter[:20]!r}")
        if self.qualifier not in {'"', "'", ""}:
            raise fault("DataFormatUnsupported", feature=f"The text qualifier {self.qualifier[:20]!r}")
        try:
            known = codecs.lookup(self.encoding).name in ENCODINGS
        except (LookupError, ValueError):
            known = False
        if not known:
            raise fault("DataFormatUnsupported", feature=f"The code page {self.encoding[:40]!r}")
        return self

    @property
    def extension(self) -> str:
        """What names of such files end with."""
        if self.kind == "delimited":
            return "txt" if self.delimiter == "\t" else "csv"
        return {"xml": "xml", "excel": "xlsx", "package": "zip"}[self.kind]


def _delimited(name: str, delimiter: str = ",", *, unicode: bool = False) -> SourceFormat:
    return SourceFormat(name=name, kind="delimited", delimiter=delimiter, unicode=unicode)


FORMATS: Mapping[str, SourceFormat] = {
    each.name: each
    for each in (
        _delimited("CSV"),
        _delimited("CSV-Unicode", unicode=True),
        _delimited("CSV-SemiColon", ";"),
        _delimited("TAB", "\t"),
        _delimited("PIPE", "|"),
        SourceFormat(name="EXCEL", kind="excel"),
        SourceFormat(name="XML-Element", kind="xml"),
        SourceFormat(name="XML-Attribute", kind="xml", style="attribute"),
        SourceFormat(name="Package", kind="package"),
    )
}
_BY_NAME = {name.casefold(): each for name, each in FORMATS.items()}


def source_format(name: str) -> SourceFormat:
    """A shipped format by its name, in any case; raises DataFormatUnsupported."""
    found = _BY_NAME.get(name.strip().casefold())
    if found is None:
        raise fault("DataFormatUnsupported", feature=f"The format {name[:60]!r}")
    return found
