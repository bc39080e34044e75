"""The kinds of files: which one a name stands for, how each is read and written.

A reader hands out rows with their numbers; a writer takes them. Packages of extras are imported when they are needed.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from orgstead.transfer.problems import FileProblem, RowProblem

__all__ = ["FORMATS", "Reader", "Sketch", "SourceRow", "Writer", "format_of"]

FORMATS: Mapping[str, str] = {
    ".csv": "csv",
    ".tsv": "csv",
    ".txt": "csv",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".xlsx": "xlsx",
    ".parquet": "parquet",
}
"""Formats by the ends of names."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceRow:
    """A row of a file: its number as an editor counts, its cells by header, and what made them unreadable.

    ``rest`` are the cells that no header is for.
    """

    number: int
    cells: Mapping[str, Any]
    problem: RowProblem | None = None
    rest: Sequence[Any] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Sketch:
    """A column to be written: its header, and the kind of its values: text, int, bool, float, decimal, time or date."""

    header: str
    kind: str = "text"
    guard: bool = False


class Reader(Protocol):
    """An open file. ``headers`` is None where each row has its own; ``unit`` is what its numbers count."""

    @property
    def headers(self) -> Sequence[str] | None:
        """The names of the columns."""

    @property
    def unit(self) -> str:
        """``line`` or ``row``."""

    def rows(self) -> Iterator[SourceRow]:
        """Every row, read as it is asked for. Raises FileProblem for what cannot be read on."""

    @property
    def share(self) -> float:
        """How much of the file has been read, from 0 to 1."""

    def close(self) -> None:
        """Close the file."""


class Writer(Protocol):
    """A file that is being written. ``resumable`` ones can be cut off at an earlier ``place`` and written on."""

    resumable: bool

    def write(self, values: Sequence[Any]) -> None:
        """Write a row: values in the order of the columns. Raises FileProblem for what the format cannot hold."""

    def place(self) -> int:
        """The length in bytes of what is safely in the file by now."""

    def close(self) -> None:
        """End the file."""


def format_of(path: Path, given: str | None = None) -> str:
    """The format by its name, or by the end of the file's. Raises FileProblem."""
    if given is not None:
        return given
    found = FORMATS.get(path.suffix.lower())
    if found is None:
        raise FileProblem(
            f"{path.name}: what is in it? Its name ends with {', '.join(FORMATS)}, or --format says it"
        )
    return found
