"""``column=value`` as a row: texts become what the table's definition says that the columns hold.

Choices are given by number or label, lookups as ``table:id``, ``table:column=value`` by an alternate key, or as the id
alone where there is one table to look into. Nothing behind the equals sign empties a column.
"""

import re
import sys
from collections.abc import Iterable, Mapping
from datetime import date, datetime
from decimal import Decimal, InvalidOperation
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import click

from orgstead.client import Client, ConfigurationError, Ref
from orgstead.client.literals import guid
from orgstead.client.values import decode

__all__ = ["FALSE", "TRUE", "Typing", "read_data", "read_source", "read_time", "split_pair"]

MAX_DATA = 16 * 1024 * 1024
LOOKUPS = frozenset({"Customer", "Lookup", "Owner"})
CHOICES = frozenset({"Picklist", "State", "Status"})
INTEGERS, EXACT = frozenset({"BigInt", "Integer"}), frozenset({"Decimal", "Money"})
TRUE, FALSE = frozenset({"true", "yes", "1"}), frozenset({"false", "no", "0"})
FILES = frozenset({"File", "Image"})
ELSEWHERE = FILES | frozenset({"PartyList", "CalendarRules", "ManagedProperty"})
_NEXT_PAIR = re.compile(r",(?=[A-Za-z_][A-Za-z0-9_]*=)")
_ROW = re.compile(r"([A-Za-z_][A-Za-z0-9_]*):(.+)", re.DOTALL)


def split_pair(text: str) -> tuple[str, str]:
    """Name and value of ``name=value``. Raises UsageError."""
    name, sign, value = text.partition("=")
    if not sign or not name.strip():
        raise click.UsageError(f"{text[:60]!r} is no column=value.")
    return name.strip(), value


def read_source(given: str) -> bytes:
    """What is given as it is, in the file behind an ``@``, or for ``-`` on standard input. Raises UsageError."""
    if given == "-":
        content: bytes = sys.stdin.buffer.read(MAX_DATA + 1)
    elif given.startswith("@"):
        with Path(given[1:]).open("rb") as file:
            content = file.read(MAX_DATA + 1)
    else:
        content = given.encode()
    if len(content) > MAX_DATA:
        raise click.UsageError(f"--data has at most {MAX_DATA:,} bytes.")
    return content


def read_data(given: str | None) -> dict[str, Any]:
    """A JSON object of a source. Raises UsageError."""
    if given is None:
        return {}
    content = read_source(given)
    try:
        found = decode(content)
    except ValueError as error:
        raise click.UsageError(f"--data is a JSON object: {error}.") from None
    if not isinstance(found, dict):
        raise click.UsageError("--data is a JSON object: columns and their values.")
    return found


class Typing:
    """What the columns of a table hold, asked as far as it is needed. Raises what requests raise."""

    def __init__(self, client: Client, table: str) -> None:
        self.client = client
        self.shape = client.tables.shape(table)
        self._labels: dict[str, Mapping[int, str]] = {}
        self._targets: dict[str, dict[str, str]] | None = None

    def row(self, pairs: Iterable[str], data: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """A row for the client, of ``column=value`` and of JSON, whose texts are typed, too.

        Raises UsageError for a column that there is none of, and for a value that fits its column not.
        """
        made: dict[str, Any] = {}
        for name, value in (data or {}).items():
            typed = isinstance(value, str) and name in self.shape.types
            made.update(self.typed(name, value) if typed else {name: value})
        for pair in pairs:
            name, text = split_pair(pair)
            made.update(self.typed(name, text))
        return made

    def key(self, text: str) -> str | dict[str, Any]:
        """An id, or the columns of an alternate key: ``accountnumber=A1,name=Contoso``."""
        if "=" not in text:
            try:
                return guid(text)
            except ConfigurationError:
                raise click.UsageError(
                    f"{text[:60]!r} is no id, and no column=value of an alternate key."
                ) from None
        found: dict[str, Any] = {}
        for pair in _NEXT_PAIR.split(text):
            name, value = split_pair(pair)
            kind = self.kind(name)
            found[name] = guid(value) if kind in LOOKUPS else self._value(name, kind, value)
        return found

    def kind(self, name: str) -> str:
        """The type of a column. Raises UsageError for one that there is none of."""
        found = self.shape.types.get(name)
        if found is not None:
            return found
        near = get_close_matches(name.lower(), self.shape.types, n=3)
        meant = f" Did you mean {' or '.join(near)}?" if near else ""
        raise click.UsageError(
            f"{self.shape.name} has no column {name[:60]!r}.{meant} "
            f"'orgstead tables columns {self.shape.name}' lists them."
        )

    def typed(self, name: str, text: str) -> dict[str, Any]:
        """A text for a column, as the members of a row."""
        kind = self.kind(name)
        if kind in LOOKUPS:
            return self._lookup(name, kind, text)
        return {name: None if text == "" else self._value(name, kind, text)}

    def _value(self, name: str, kind: str, text: str) -> Any:
        if kind in CHOICES:
            return self._choice(name, text)
        if kind == "MultiSelectPicklist":
            return [self._choice(name, each.strip()) for each in text.split(",")]
        if kind == "Boolean":
            return self._truth(name, text)
        if kind in ELSEWHERE:
            how = "'orgstead data upload' puts a file there" if kind in FILES else "give it with --data"
            raise click.UsageError(f"{name} is of type {kind}, which no text can be: {how}.")
        try:
            if kind in INTEGERS:
                return int(text)
            if kind in EXACT:
                return Decimal(text)
            if kind == "Double":
                return float(text)
            if kind == "DateTime":
                return read_time(text)
            if kind == "Uniqueidentifier":
                return guid(text)
        except (ValueError, InvalidOperation, ConfigurationError):
            raise click.UsageError(f"{name} is of type {kind}, and {text[:60]!r} is none.") from None
        return text

    def _choices(self, name: str) -> Mapping[int, str]:
        if name not in self._labels:
            self._labels[name] = self.client.choices.of_column(self.shape.name, name)
        return self._labels[name]

    def _choice(self, name: str, text: str) -> int:
        if re.fullmatch(r"-?\d{1,10}", text):
            return int(text)
        labels = self._choices(name)
        found = [value for value, label in labels.items() if label.casefold() == text.casefold()]
        if len(found) != 1:
            near = get_close_matches(text, labels.values(), n=3) or list(labels.values())[:5]
            raise click.UsageError(
                f"{name} has {'no choice' if not found else 'several choices'} {text[:60]!r}; there are "
                f"{', '.join(near)}…: 'orgstead tables choices {self.shape.name} {name}' lists them."
            )
        return found[0]

    def _truth(self, name: str, text: str) -> bool:
        word = text.casefold()
        if word in TRUE or word in FALSE:
            return word in TRUE
        return bool(self._choice(name, text))

    def _lookup(self, name: str, kind: str, text: str) -> dict[str, Any]:
        targets = self._lookups(name, kind)
        if text == "":
            return {f"{next(iter(targets.values()))}@odata.bind": None}
        found = _ROW.fullmatch(text)
        if found is None:
            if len(targets) > 1:
                raise click.UsageError(f"{name} is table:id with a table of {', '.join(targets)}.")
            table, key = next(iter(targets)), text
        else:
            table, key = found[1], found[2]
        if table not in targets:
            raise click.UsageError(f"{name} leads to {', '.join(targets)}, not to {table[:60]!r}.")
        return {targets[table]: Ref(table, Typing(self.client, table).key(key) if "=" in key else guid(key))}

    def _lookups(self, name: str, kind: str) -> dict[str, str]:
        """The navigation property of a lookup by the table that it leads to."""
        if kind == "Owner":
            return {"systemuser": name, "team": name}
        if self._targets is None:
            self._targets = {}
            for each in self.client.tables.relationships(self.shape.name):
                if each.kind == "ManyToOne" and each.navigation:
                    self._targets.setdefault(each.column, {})[each.other_table] = each.navigation
        found = self._targets.get(name)
        if not found:
            raise click.UsageError(f"{name} is a lookup that nothing may be written into.")
        return found


def read_time(text: str) -> datetime | date | str:
    """A day, or a time with its zone. Raises ValueError."""
    if len(text) == 10:
        return date.fromisoformat(text)
    found = datetime.fromisoformat(text)
    if found.tzinfo is None:
        raise click.UsageError(
            f"{text[:60]!r} may be any of many instants: put its zone behind it, such as Z."
        )
    return found
