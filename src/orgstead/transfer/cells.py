"""What stands in a cell, as a value of a column: exact, or refused with a reason.

Cells come as texts (CSV), as values of JSON, or as Python's own (workbooks, Parquet). Times:
https://learn.microsoft.com/power-apps/developer/data-platform/behavior-format-date-time-attribute
"""

import re
from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime, time
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

from orgstead.client.errors import ConfigurationError
from orgstead.client.literals import guid
from orgstead.transfer.definition import Column

__all__ = ["Bad", "is_empty", "read_cell", "shown"]

_NUMBER = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d{1,3})?")
_YES = frozenset({"true", "yes", "1"})
_NO = frozenset({"false", "no", "0"})
SHOWN = 60


class Bad(ValueError):
    """A cell that is no value of its column."""


def is_empty(cell: Any) -> bool:
    """Whether there is nothing in a cell; no number (NaN) is how data frames write nothing."""
    return cell is None or cell == "" or cell == [] or (isinstance(cell, float) and cell != cell)


def read_cell(column: Column, cell: Any, zone: ZoneInfo | None) -> Any:
    """The value of a cell that is not empty; ``zone`` is that of times which name none. Raises Bad.

    Lookups are not read here.
    """
    reader = _READERS.get(column.type)
    if reader is None:
        raise Bad(f"a column of the type {column.type} is not read from files")
    return reader(column, cell, zone)


def shown(cell: Any) -> str:
    """A cell as a message quotes it."""
    text = repr(cell if isinstance(cell, str | int | float | bool) else str(cell))
    return text if len(text) <= SHOWN else f"{text[:SHOWN]}…"


def _text(column: Column, cell: Any, zone: ZoneInfo | None) -> str:
    if isinstance(cell, str):
        text = cell
    elif isinstance(cell, bool):
        text = "true" if cell else "false"
    elif isinstance(cell, float) and cell.is_integer():
        text = str(int(cell))  # a workbook has no whole numbers
    elif isinstance(cell, int | float | Decimal):
        text = str(cell)
    elif isinstance(cell, date | time):
        text = cell.isoformat()
    else:
        raise Bad(f"{shown(cell)} is no text")
    if column.length is not None and len(text) > column.length:
        raise Bad(f"the text has {len(text)} characters, and {column.length} fit")
    return text


def _exact(cell: Any) -> Decimal:
    """A number, digit for digit."""
    if isinstance(cell, bool):
        raise Bad(f"{shown(cell)} is no number")
    if isinstance(cell, int | Decimal):
        found = Decimal(cell)
    elif isinstance(cell, float):
        found = Decimal(repr(cell))
    elif isinstance(cell, str) and _NUMBER.fullmatch(cell.strip()):
        found = Decimal(cell.strip())
    else:
        raise Bad(f"{shown(cell)} is no number: digits, with a point before decimal places")
    if not found.is_finite():
        raise Bad(f"{shown(cell)} is no number")
    return found


def _ranged(column: Column, cell: Any) -> Decimal:
    found = _exact(cell)
    if column.least is not None and found < column.least:
        raise Bad(f"{shown(cell)} is less than {column.least:f}")
    if column.most is not None and found > column.most:
        raise Bad(f"{shown(cell)} is more than {column.most:f}")
    return found


def _whole(column: Column, cell: Any, zone: ZoneInfo | None) -> int:
    found = _ranged(column, cell)
    if abs(found) >= 2**63 or found != found.to_integral_value():
        raise Bad(f"{shown(cell)} is no whole number of at most 64 bits")
    return int(found)


def _decimal(column: Column, cell: Any, zone: ZoneInfo | None) -> Decimal:
    return _ranged(column, cell)


def _double(column: Column, cell: Any, zone: ZoneInfo | None) -> float:
    return float(_ranged(column, cell))


def _boolean(column: Column, cell: Any, zone: ZoneInfo | None) -> bool:
    if isinstance(cell, bool):
        return cell
    text = str(int(cell)) if isinstance(cell, float) and cell.is_integer() else str(cell).strip().casefold()
    labels = {label.casefold(): bool(value) for value, label in column.options.items()}
    if text in labels:
        return labels[text]
    if text in _YES or text in _NO:
        return text in _YES
    raise Bad(f"{shown(cell)} is neither true nor false ({', '.join(column.options.values())})")


def _choice(column: Column, cell: Any, zone: ZoneInfo | None) -> int:
    """An option by its value, or by its label without regard to case."""
    if isinstance(cell, bool):
        raise Bad(f"{shown(cell)} is no option")
    if isinstance(cell, int | float | Decimal):
        exact = _exact(cell)
        value = int(exact)
        if value != exact:
            raise Bad(f"{shown(cell)} is no option: there are {_listed(column.options)}")
        if value in column.options:
            return value
        raise Bad(f"{value} is no option: there are {_listed(column.options)}")
    text = str(cell).strip()
    named = [value for value, label in column.options.items() if label.casefold() == text.casefold()]
    if len(named) == 1:
        return named[0]
    if re.fullmatch(r"[+-]?\d{1,10}", text) and int(text) in column.options:
        return int(text)
    if named:
        raise Bad(f"{shown(cell)} is the label of {', '.join(map(str, named))}: give the value")
    raise Bad(f"{shown(cell)} is no option: there are {_listed(column.options)}")


def _listed(options: Mapping[int, str]) -> str:
    some = [f"{label} ({value})" for value, label in list(options.items())[:10]]
    return ", ".join(some) + ("…" if len(options) > len(some) else "")


def _choices(column: Column, cell: Any, zone: ZoneInfo | None) -> str:
    """Several options: a list, or a text with semicolons (or, of values only, commas) between them."""
    if isinstance(cell, list | tuple):
        parts = list(cell)
    elif isinstance(cell, str):
        split = ";" if ";" in cell or not re.fullmatch(r"[\d\s,]+", cell) else ","
        parts = [each for each in (part.strip() for part in cell.split(split)) if each]
    else:
        parts = [cell]
    return ",".join(str(_choice(column, each, zone)) for each in parts)


def _time(column: Column, cell: Any, zone: ZoneInfo | None) -> date | datetime | str:
    if column.behavior == "DateOnly":
        return _day(cell)
    if isinstance(cell, datetime):
        found = cell
    elif isinstance(cell, date):
        found = datetime.combine(cell, time())
    else:
        try:
            found = datetime.fromisoformat(str(cell).strip())
        except ValueError:
            raise Bad(f"{shown(cell)} is no time: 2026-03-31T17:00:00Z is one") from None
    if column.behavior == "TimeZoneIndependent":
        # What a clock on the wall shows: the service takes it as it stands, whatever the zone.
        return found.replace(tzinfo=UTC)
    if found.tzinfo is None:
        if zone is None:
            raise Bad(f"{shown(cell)} names no time zone: write one, or say which with --time-zone")
        found = found.replace(tzinfo=zone)
    return found


def _day(cell: Any) -> date:
    if isinstance(cell, datetime):
        if cell.time() != time():
            raise Bad(f"{shown(cell)} is a time, and the column holds a day")
        return cell.date()
    if isinstance(cell, date):
        return cell
    try:
        return date.fromisoformat(str(cell).strip())
    except ValueError:
        raise Bad(f"{shown(cell)} is no day: 2026-03-31 is one") from None


def _id(column: Column, cell: Any, zone: ZoneInfo | None) -> str:
    try:
        return guid(cell)
    except ConfigurationError:
        raise Bad(f"{shown(cell)} is no id: 8-4-4-4-12 hexadecimal digits are") from None


_READERS: Mapping[str, Callable[[Column, Any, ZoneInfo | None], Any]] = {
    "String": _text,
    "Memo": _text,
    "EntityName": _text,
    "Integer": _whole,
    "BigInt": _whole,
    "Decimal": _decimal,
    "Money": _decimal,
    "Double": _double,
    "Boolean": _boolean,
    "Picklist": _choice,
    "State": _choice,
    "Status": _choice,
    "MultiSelectPicklist": _choices,
    "DateTime": _time,
    "Uniqueidentifier": _id,
}
