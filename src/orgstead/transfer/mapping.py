"""Which column of a table each column of a file is, and what its cells become."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec

from orgstead.client import ConfigurationError
from orgstead.transfer.definition import LOOKUPS, Column, Table
from orgstead.transfer.problems import FileProblem, RowProblem

__all__ = ["FORMATTED", "REASONS", "Heading", "Headings", "checked_key", "read_map"]

REASONS = ("_row", "_column", "_reason")
"""What a file of refused rows has before the columns of the source; reading passes over them."""
FORMATTED = "@formatted"
SHOWN = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Heading:
    """A column of a file that is a column of the table; ``values`` replace what stands in cells."""

    header: str
    column: Column
    values: Mapping[str, Any] = field(default_factory=dict)


class _Map(msgspec.Struct, forbid_unknown_fields=True):
    """What a map says of a header at length."""

    column: str | None = None
    values: dict[str, Any] = {}


def read_map(path: Path) -> Mapping[str, _Map]:
    """A map: a JSON object of headers to columns; to null or "" for what is left out; or to objects with ``column`` and
    ``values`` (what stands in cells → what it means). Raises FileProblem, OSError.
    """
    try:
        found = msgspec.json.decode(path.read_bytes(), type=dict[str, str | _Map | None])
    except msgspec.DecodeError as error:
        raise FileProblem(f"{path.name} is no map of headers to columns: {error}") from None
    return {header: each if isinstance(each, _Map) else _Map(column=each) for header, each in found.items()}


class Headings:
    """The columns of a file, found by logical name, by ``_name_value``, or by label where one column alone has it."""

    def __init__(self, table: Table, given: Mapping[str, _Map], *, skip_read_only: bool) -> None:
        self._table = table
        self._given = given
        self._skip = skip_read_only
        self._labels: dict[str, list[Column]] = {}
        for column in table.columns.values():
            if column.writable and column.label:
                self._labels.setdefault(column.label.casefold(), []).append(column)
        self._known: dict[str, Heading | FileProblem | None] = {}
        self.left_out: list[str] = []

    def check(self, headers: Sequence[str]) -> None:
        """See that every header of a file is a column, and every header of the map is in the file.

        Raises FileProblem that names those that are not.
        """
        problems = [str(found) for each in headers if isinstance(found := self._find(each), FileProblem)]
        missing = [each for each in self._given if each not in headers]
        if missing:
            problems.append(f"the map speaks of {', '.join(missing)}, which the file does not have")
        columns = [found.column.name for each in headers if isinstance(found := self._find(each), Heading)]
        twice = sorted({each for each in columns if columns.count(each) > 1})
        if twice:
            problems.append(f"more than one column of the file is {', '.join(twice)}")
        if problems:
            more = f"; and {len(problems) - SHOWN} more" if len(problems) > SHOWN else ""
            raise FileProblem("; ".join(problems[:SHOWN]) + more)
        if not columns:
            raise FileProblem(f"the file has no column of {self._table.name}")

    def of(self, header: str) -> Heading | None:
        """What a header is, or None for what is left out. Raises RowProblem for what is no column."""
        found = self._find(header)
        if isinstance(found, FileProblem):
            raise RowProblem(str(found), header)
        return found

    def _find(self, header: str) -> Heading | FileProblem | None:
        if header not in self._known:
            self._known[header] = found = self._read(header)
            if found is None and header not in REASONS:
                self.left_out.append(header)
        return self._known[header]

    def _read(self, header: str) -> Heading | FileProblem | None:
        if header in REASONS:
            return None
        given = self._given.get(header)
        if given is not None:
            if not given.column:
                return None
            column = self._table.columns.get(given.column.lower())
            if column is None:
                return FileProblem(f"the map: {self._table.name} has no column {given.column}")
            values = {key.casefold(): value for key, value in given.values.items()}
        else:
            column, values = self._named(header), {}
            if column is None:
                if header.endswith(FORMATTED) and self._named(header.removesuffix(FORMATTED)):
                    return None
                return FileProblem(f"the table {self._table.name} has no column {header[:100]}")
        if not column.writable:
            if self._skip:
                return None
            return FileProblem(
                f"the column {column.name} ({column.type}) cannot be written: "
                "leave it out by the map, or with --skip-read-only"
            )
        return Heading(header=header, column=column, values=values)

    def _named(self, header: str) -> Column | None:
        name = header.strip().lower()
        found = self._table.columns.get(name)
        if found is None and name.startswith("_") and name.endswith("_value"):
            found = self._table.columns.get(name[1:-6])
        if found is None:
            labelled = self._labels.get(header.strip().casefold(), [])
            found = labelled[0] if len(labelled) == 1 else None
        return found


def checked_key(table: Table, key: Sequence[str]) -> tuple[str, ...]:
    """The columns of an alternate key, or the primary key. Raises ConfigurationError for what is neither."""
    names = tuple(each.strip().lower() for each in key)
    if names == (table.key,):
        return names
    for each in table.keys:
        if set(each) == set(names):
            lookups = [name for name in each if table.columns[name].type in LOOKUPS]
            if lookups:
                raise ConfigurationError(
                    f"a key with lookups ({', '.join(lookups)}) cannot find rows of files"
                )
            return tuple(each)
    there = [", ".join(each) for each in (*table.keys, (table.key,))]
    raise ConfigurationError(f"{', '.join(names)} is no key of {table.name}: there is {'; '.join(there)}")
