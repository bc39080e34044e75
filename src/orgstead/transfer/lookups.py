"""What a cell of a lookup names: a row by its id, by an alternate key, or by its name, found in few requests.

A cell is ``id``, ``table:id``, ``column=value`` (of an alternate key; several with commas between), or a name, each
with ``table:`` before it where the lookup leads to several tables.
"""

import re
from collections import OrderedDict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from itertools import islice
from typing import Any

from orgstead.client import Client, Condition, ConfigurationError, Ref, col
from orgstead.client.literals import guid
from orgstead.transfer.cells import Bad, read_cell, shown
from orgstead.transfer.definition import LOOKUPS, Column, Table, describe_table

__all__ = ["Lookups"]

MAX_KNOWN = 200_000
AT_ONCE = 40
_GUID = re.compile(r"\{?[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}\}?")
_PAIR = re.compile(r"\s*([A-Za-z_][A-Za-z0-9_]*)\s*=(.*)", re.DOTALL)


@dataclass(frozen=True, slots=True)
class _Named:
    """A row by the values of columns: of an alternate key, of the name, or of what a person signs in by."""

    table: str
    columns: tuple[str, ...]
    values: tuple[str, ...]

    def __str__(self) -> str:
        pairs = zip(self.columns, self.values, strict=True)
        return f"{self.table} with " + ", ".join(f"{name} {value!r}" for name, value in pairs)


class Lookups:
    """Finds the rows that cells name; what was found is kept, up to a bound."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._tables: dict[str, Table] = {}
        self._known: OrderedDict[_Named, Sequence[str]] = OrderedDict()

    def prepare(self, cells: Iterable[tuple[Column, Any]]) -> None:
        """Find everything that these cells of lookups name, in a few requests; raises what requests raise."""
        wanted: dict[tuple[str, tuple[str, ...]], dict[_Named, None]] = {}
        for column, cell in cells:
            try:
                found = self._read(column, cell)
            except Bad:
                continue  # ``bound`` says so when it comes to this row
            if isinstance(found, _Named) and found not in self._known:
                wanted.setdefault((found.table, found.columns), {})[found] = None
        for (table, columns), names in wanted.items():
            for part in _parts(names, AT_ONCE):
                self._find(table, columns, part)

    def bound(self, column: Column, cell: Any) -> tuple[str, Ref]:
        """The navigation property and the row of a cell. Raises Bad when it names none, or more than one."""
        found = self._read(column, cell)
        if isinstance(found, _Named):
            if found not in self._known:
                self._find(found.table, found.columns, [found])
            ids = self._known[found]
            self._known.move_to_end(found)
            if len(ids) != 1:
                raise Bad(f"there is {'no' if not ids else 'more than one'} {found}")
            found = Ref(found.table, ids[0])
        return column.targets[found.table], found

    def _read(self, column: Column, cell: Any) -> Ref | _Named:
        if column.type not in LOOKUPS or not column.targets:
            raise Bad("the lookup leads to no table that can be bound")
        text = str(cell).strip()
        prefix, colon, rest = text.partition(":")
        table = prefix.strip().lower() if colon else ""
        if table in column.targets:
            text = rest.strip()
        elif len(column.targets) == 1 or column.type == "Owner":
            table = next(iter(column.targets))
        else:
            raise Bad(f"{shown(cell)} may be of {', '.join(column.targets)}: write it as table:{text[:40]}")
        if _GUID.fullmatch(text):
            return Ref(table, guid(text))
        if not text:
            raise Bad(f"{shown(cell)} names no row")
        target = self._table(table)
        pairs = _pairs(text, target)
        if pairs is not None:
            for name, value in pairs.items():
                _value(target.columns[name], value)
            return _Named(table, tuple(pairs), tuple(pairs.values()))
        if table == "systemuser" and "@" in text:
            return _Named(table, ("domainname",), (text.casefold(),))
        if target.title is None:
            raise Bad(f"rows of {table} have no name: give the id")
        return _Named(table, (target.title,), (text.casefold(),))

    def _table(self, name: str) -> Table:
        if name not in self._tables:
            self._tables[name] = describe_table(self._client, name)
        return self._tables[name]

    def _find(self, table: str, columns: tuple[str, ...], names: Sequence[_Named]) -> None:
        """Ask for up to ``AT_ONCE`` rows; of what more than one row has, two are enough to know."""
        found: dict[tuple[str, ...], list[str]] = {}
        definition = self._table(table)
        where = _condition(definition, columns, names)
        rows = self._client.query(table).select(*columns).where(where).page_size(5000)
        for row in rows:
            values = tuple(_folded(row[column]) for column in columns)
            ids = found.setdefault(values, [])
            if len(ids) < 2:
                ids.append(row.id)
        for each in names:
            typed = map(_value, (definition.columns[column] for column in columns), each.values)
            self._known[each] = found.get(tuple(map(_folded, typed)), ())
        while len(self._known) > MAX_KNOWN:
            self._known.popitem(last=False)


def _pairs(text: str, table: Table) -> Mapping[str, str] | None:
    """The values of an alternate key of the table, or None for a text that is written like none."""
    found: dict[str, str] = {}
    for part in text.split(","):
        match = _PAIR.fullmatch(part)
        if match is None or match[1].lower() not in table.columns:
            return None
        found[match[1].lower()] = match[2].strip().strip("'")
    if not any(set(key) == found.keys() for key in table.keys):
        keys = "; ".join(", ".join(key) for key in table.keys) or "it has none"
        raise Bad(f"{shown(text)} is no alternate key of {table.name}: {keys}")
    return found


def _condition(table: Table, columns: tuple[str, ...], names: Sequence[_Named]) -> Condition:
    typed = [tuple(map(_value, (table.columns[c] for c in columns), each.values)) for each in names]
    if len(columns) == 1:
        return col(columns[0]).in_([values[0] for values in typed])
    made: Condition | None = None
    for values in typed:
        one: Condition | None = None
        for column, value in zip(columns, values, strict=True):
            one = col(column) == value if one is None else one & (col(column) == value)
        assert one is not None
        made = one if made is None else made | one
    assert made is not None
    return made


def _value(column: Column, text: str) -> Any:
    """The value of a key's column as a condition compares with it. Raises Bad."""
    if column.type in LOOKUPS or column.type == "Uniqueidentifier":
        try:
            return guid(text)
        except ConfigurationError as error:
            raise Bad(str(error)) from None
    return read_cell(column, text, None)


def _folded(value: Any) -> str:
    """As the service compares: without regard to case, and to spaces at the end."""
    if isinstance(value, int | Decimal) and not isinstance(value, bool):
        return f"{Decimal(value).normalize():f}"
    return str(value).rstrip().casefold()


def _parts(names: Iterable[_Named], size: int) -> Iterator[list[_Named]]:
    iterator = iter(names)
    while part := list(islice(iterator, size)):
        yield part
