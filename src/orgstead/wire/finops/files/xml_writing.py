"""XML files out of rows, without a tree."""

import re
from collections.abc import Sequence
from typing import BinaryIO

from orgstead.errors import fault
from orgstead.wire.finops.files.delimited import cell_text
from orgstead.wire.finops.files.formats import SourceFormat
from orgstead.wire.finops.files.shapes import Cell

__all__ = ["XmlWriter", "escaped"]

_AWKWARD = re.compile('[&<>"\t\n\r\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]')
_KEPT = {"&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "\t": "&#9;", "\n": "&#10;", "\r": "&#13;"}
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]*")


def escaped(text: str) -> str:
    """Text between tags or in an attribute. Raises DataFileEncoding for characters that XML has no room for."""
    return _AWKWARD.sub(_reference, text) if _AWKWARD.search(text) else text


def _reference(match: "re.Match[str]") -> str:
    kept = _KEPT.get(match[0])
    if kept is None:
        raise fault("DataFileEncoding", encoding="XML", reason=f"XML has no character {match[0]!r}")
    return kept


class XmlWriter:
    """Writes rows to a binary file, which stays open. ``record`` is the name of a row's element."""

    def __init__(self, file: BinaryIO, form: SourceFormat, columns: Sequence[str], record: str) -> None:
        for name in (record, form.root, *columns):
            if not _NAME.fullmatch(name):
                raise fault("DataFileColumns", reason=f"{name[:100]!r} cannot name an element")
        self._file, self._root = file, form.root
        self._attributes = form.style == "attribute"
        self._record, self._columns = record, tuple(columns)
        self._put(f'<?xml version="1.0" encoding="utf-8"?>\n<{form.root}>\n')

    def write(self, values: Sequence[Cell]) -> None:
        """One row; values that are not there are left out. Raises DataFileEncoding."""
        pairs = [
            (name, escaped(cell_text(value)))
            for name, value in zip(self._columns, values, strict=True)
            if value is not None
        ]
        if self._attributes:
            inner = "".join(f' {name}="{text}"' for name, text in pairs)
            self._put(f"<{self._record}{inner}/>\n")
        else:
            inner = "".join(f"<{name}>{text}</{name}>" for name, text in pairs)
            self._put(f"<{self._record}>{inner}</{self._record}>\n")

    def close(self) -> None:
        """End the document."""
        self._put(f"</{self._root}>\n")

    def _put(self, text: str) -> None:
        self._file.write(text.encode("utf-8"))
