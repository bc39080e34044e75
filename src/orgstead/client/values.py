"""Values between Python and JSON: exact decimals, aware times, and nothing that would be lost on the way."""

import math
from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum
from typing import Any
from uuid import UUID

import msgspec

from orgstead.client.errors import ConfigurationError

__all__ = ["PageBody", "decode", "decode_page", "encode", "plain", "read_time"]

_ENCODER = msgspec.json.Encoder(decimal_format="number")
_DECODER = msgspec.json.Decoder(float_hook=Decimal)
MAX_DEPTH = 32


class PageBody(msgspec.Struct):
    """The body of a page: its rows as texts, the number of all, the link to more."""

    value: list[msgspec.Raw]
    total: int | None = msgspec.field(default=None, name="@odata.count")
    next: str | None = msgspec.field(default=None, name="@odata.nextLink")


_PAGES = msgspec.json.Decoder(PageBody)


def encode(value: Any) -> bytes:
    """A plain value as JSON: decimals as numbers, digit for digit."""
    return _ENCODER.encode(value)


def decode(content: bytes) -> Any:
    """JSON as plain values: numbers with decimal places as Decimal. Raises msgspec.DecodeError."""
    return _DECODER.decode(content)


def decode_page(content: bytes) -> PageBody:
    """A page whose rows are still texts. Raises msgspec.DecodeError for what is none."""
    return _PAGES.decode(content)


def plain(value: Any, depth: int = 0, *, choices: bool = True) -> Any:
    """What a program gives, as what JSON holds; with ``choices`` a list of numbers is the text of a choices column.

    Raises ConfigurationError for a time without a zone, which could mean any instant, for numbers that JSON does not
    have, and for what is no value at all.
    """
    kind = type(value)
    simple = _SIMPLE.get(kind)
    if simple is not None:
        return simple(value)
    if depth > MAX_DEPTH:
        raise ConfigurationError(f"values are nested more than {MAX_DEPTH} deep")
    if isinstance(value, Mapping):
        return {str(name): plain(each, depth + 1, choices=choices) for name, each in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        if choices and value and all(isinstance(each, int) and not isinstance(each, bool) for each in value):
            return ",".join(str(int(each)) for each in value)
        return [plain(each, depth + 1, choices=choices) for each in value]
    if isinstance(value, Enum):
        return plain(value.value, depth + 1)
    for base, convert in _SIMPLE.items():
        if isinstance(value, base):
            return convert(value)
    if hasattr(value, "item") and getattr(value, "shape", None) == ():  # a number of numpy's
        return plain(value.item(), depth + 1)
    raise ConfigurationError(f"{kind.__name__} is no value of a column")


def _same(value: Any) -> Any:
    return value


def _float(value: float) -> float:
    if not math.isfinite(value):
        raise ConfigurationError(f"{value} is no number of JSON")
    return float(value)


def _decimal(value: Decimal) -> Decimal:
    if not value.is_finite():
        raise ConfigurationError(f"{value} is no number of JSON")
    return value


def _time(value: datetime) -> str:
    if value.tzinfo is None or value.utcoffset() is None:
        raise ConfigurationError(
            f"{value.isoformat()} has no time zone, so it may be any of many instants: give it one, such as UTC"
        )
    return value.astimezone(UTC).isoformat().replace("+00:00", "Z")


_SIMPLE: Mapping[type, Callable[[Any], Any]] = {
    type(None): _same,
    str: str,
    bool: _same,
    int: int,
    float: _float,
    Decimal: _decimal,
    datetime: _time,
    date: lambda value: value.isoformat(),
    time: lambda value: value.isoformat(),
    timedelta: lambda value: int(value.total_seconds() // 60),
    UUID: str,
    bytes: lambda value: _base64(value),
}


def _base64(value: bytes) -> str:
    return msgspec.json.decode(msgspec.json.encode(value), type=str)


def read_time(text: str) -> datetime | date | str:
    """A time of the service as an aware datetime in UTC, a day as a date; what is neither stays as it is."""
    try:
        if len(text) == 10:
            return date.fromisoformat(text)
        found = datetime.fromisoformat(text)
    except ValueError:
        return text
    return found if found.tzinfo is not None else found.replace(tzinfo=UTC)
