"""What files are read as: rows, the columns they state, and how much of anything is taken."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, time
from decimal import Decimal
from typing import NamedTuple

__all__ = ["LIMITS", "Cell", "FileRow", "FileRows", "Limits"]

# What a file holds in one place. Delimited and XML files hold text alone; workbooks hold the rest, too.
Cell = str | int | float | Decimal | bool | datetime | date | time | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """How much of a file is taken; more is DataFileTooLarge.

    ``cell`` counts characters of one value, ``line`` those of one line, ``columns`` names; ``depth`` and ``elements``
    bound one record of an XML file. ``members``, ``unpacked`` (bytes) and ``ratio`` bound an archive; the ratio of
    unpacked to packed bytes is asked of members beyond ``ratio_from`` bytes.
    """

    columns: int = 1024
    cell: int = 1_048_576
    line: int = 4_194_304
    depth: int = 16
    elements: int = 100_000
    members: int = 1000
    unpacked: int = 8 * 1024**3
    ratio: int = 250
    ratio_from: int = 16 * 1024**2
    manifest: int = 8 * 1024**2


LIMITS = Limits()


class FileRow(NamedTuple):
    """A row of a file: a tuple, because a file has many.

    ``number`` counts rows from 1. ``problems`` says what is wrong with this row alone. In a composite file ``element``
    names the entity of the row, and ``parent`` is the number of the row that it stands in, 0 for none.
    """

    number: int
    values: Mapping[str, Cell]
    problems: tuple[str, ...] = ()
    element: str = ""
    parent: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class FileRows:
    """An opened file: ``columns`` as its first row states them, None where every row states its own."""

    columns: tuple[str, ...] | None
    rows: Iterator[FileRow] = field(repr=False)

    def __iter__(self) -> Iterator[FileRow]:
        return self.rows
