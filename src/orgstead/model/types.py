"""What each column type accepts, and how a value looks in its canonical form.

``coerce`` turns a decoded value of any wire into the canonical form of ``model.record.Record`` or raises a fault.
Ranges: https://learn.microsoft.com/power-apps/maker/data-platform/types-of-fields
"""

import base64
import math
import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from decimal import ROUND_HALF_EVEN, Decimal, InvalidOperation
from functools import lru_cache
from typing import Any

from orgstead.errors import Fault, fault
from orgstead.model.record import Record, Ref
from orgstead.model.schema import Column

__all__ = ["Coerce", "coerce", "coercion", "is_guid", "parse_datetime", "read_guid"]

# The canonical form of a value, which is not None; raises the faults of ``coerce``.
Coerce = Callable[[Any], Any]

# Kilobytes that a column takes unless it says so itself.
# https://learn.microsoft.com/dotnet/api/microsoft.xrm.sdk.metadata.fileattributemetadata.maxsizeinkb
FILE_KB, IMAGE_KB = 32_768, 10_240
INT32 = (-(2**31), 2**31 - 1)
INT64 = (-(2**63), 2**63 - 1)
MONEY = (Decimal("-922337203685477.5808"), Decimal("922337203685477.5807"))
DECIMAL = (Decimal(-100_000_000_000), Decimal(100_000_000_000))
# Options that a fault names.
MAX_NAMED = 100
DEFAULT_LENGTH = {"string": 100, "memo": 2000}

_GUID = re.compile(r"[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}")
_INSTANT = re.compile(
    r"(\d{4})-(\d\d)-(\d\d)(?:T(\d\d):(\d\d)(?::(\d\d)(?:\.\d{1,12})?)?(Z|[+-]\d\d:\d\d)?)?", re.IGNORECASE
)


def is_guid(text: object) -> bool:
    """Whether the text is a GUID with hyphens, in either case, without braces."""
    return isinstance(text, str) and _GUID.fullmatch(text) is not None


def read_guid(text: str) -> str:
    """The canonical form of a GUID; raises InvalidGuid."""
    if not is_guid(text):
        raise fault("InvalidGuid", value=_short(text))
    return text.lower()


def parse_datetime(text: str) -> datetime:
    """An instant in UTC without fraction out of ISO 8601 text (no offset: UTC); raises ValueError."""
    match = _INSTANT.fullmatch(text)
    if match is None:
        raise ValueError(text)
    year, month, day, hour, minute, second, offset = match.groups()
    instant = datetime(int(year), int(month), int(day), int(hour or 0), int(minute or 0), int(second or 0))
    if offset and offset.upper() != "Z":
        shift = timedelta(hours=int(offset[1:3]), minutes=int(offset[4:6]))
        instant = instant - shift if offset[0] == "+" else instant + shift
    return instant.replace(tzinfo=UTC)


def coerce(column: Column, value: Any, table: str) -> Any:
    """The canonical form of ``value`` for ``column``; None stays None, and an empty text becomes it.

    Raises the faults InvalidValue, StringTooLong, ValueOutOfRange, DecimalValueOutOfRange, ChoiceOutOfRange,
    InvalidGuid.
    """
    return None if value is None else coercion(column, table)(value)


@lru_cache(maxsize=65536)
def coercion(column: Column, table: str) -> Coerce:
    """What ``coerce`` does to values that are not None, with the limits of the column worked out once."""
    return _COERCIONS[column.type](column, table)


def _invalid(column: Column, value: Any, table: str) -> Fault:
    return fault("InvalidValue", column=column.name, table=table, type=column.type, value=_short(value))


def _short(value: Any) -> str:
    text = str(value)
    return text if len(text) <= 100 else f"{text[:100]}…"


def _text(column: Column, table: str) -> Coerce:
    limit = column.max_length or DEFAULT_LENGTH.get(column.type, 100)

    def text(value: Any) -> str | None:
        if not isinstance(value, str):
            raise _invalid(column, value, table)
        if len(value) > limit:
            raise fault("StringTooLong", column=column.name, table=table, max=limit)
        if "\x00" in value:
            raise _invalid(column, "text with a null character", table)
        if not value.isascii():
            try:
                value.encode("utf-8")
            except UnicodeEncodeError:
                raise _invalid(column, "text with an unpaired surrogate", table) from None
        # There is no empty text in Dataverse: it is null.
        return value or None

    return text


def _out_of_range(column: Column, value: Any, table: str, low: Any, high: Any) -> Fault:
    return fault(
        "ValueOutOfRange" if isinstance(value, int) else "DecimalValueOutOfRange",
        column=column.name,
        table=table,
        min=low,
        max=high,
        value=_short(value),
    )


def _whole(column: Column, table: str, low: int, high: int) -> Coerce:
    def whole(value: Any) -> int:
        if isinstance(value, bool) or not isinstance(value, int):
            raise _invalid(column, value, table)
        if not low <= value <= high:
            raise _out_of_range(column, value, table, low, high)
        return value

    return whole


def _integer(column: Column, table: str) -> Coerce:
    low = INT32[0] if column.min is None else max(int(column.min), INT32[0])
    high = INT32[1] if column.max is None else min(int(column.max), INT32[1])
    return _whole(column, table, low, high)


def _bigint(column: Column, table: str) -> Coerce:
    return _whole(column, table, *INT64)


def _number(column: Column, value: Any, table: str) -> Decimal:
    if isinstance(value, Decimal):
        number = value
    elif isinstance(value, bool) or not isinstance(value, int | float):
        raise _invalid(column, value, table)
    else:
        number = Decimal(repr(value)) if isinstance(value, float) else Decimal(value)
    if not number.is_finite():
        raise _invalid(column, value, table)
    return number


def _decimal(column: Column, table: str) -> Coerce:
    low, high = MONEY if column.type == "money" else DECIMAL
    if column.min is not None:
        low = max(low, Decimal(repr(column.min)))
    if column.max is not None:
        high = min(high, Decimal(repr(column.max)))
    # Money keeps four places whatever its display precision is; a decimal keeps its column's.
    places = 4 if column.type == "money" else (10 if column.precision is None else column.precision)
    unit = Decimal(1).scaleb(-places)

    def decimal(value: Any) -> Decimal:
        number = _number(column, value, table)
        if not low <= number <= high:
            raise _out_of_range(column, number, table, low, high)
        try:
            return number.quantize(unit, ROUND_HALF_EVEN)
        except InvalidOperation as error:
            raise _invalid(column, value, table) from error

    return decimal


def _double(column: Column, table: str) -> Coerce:
    low = -100_000_000_000.0 if column.min is None else float(column.min)
    high = 100_000_000_000.0 if column.max is None else float(column.max)

    def double(value: Any) -> float:
        try:
            number = float(_number(column, value, table))
        except OverflowError as error:
            raise _invalid(column, value, table) from error
        if not math.isfinite(number):
            raise _invalid(column, value, table)
        if not low <= number <= high:
            raise _out_of_range(column, number, table, low, high)
        return number

    return double


def _boolean(column: Column, table: str) -> Coerce:
    def boolean(value: Any) -> bool:
        if not isinstance(value, bool):
            raise _invalid(column, value, table)
        return value

    return boolean


def _choice(column: Column, table: str) -> Coerce:
    options = frozenset(option.value for option in column.options)

    def choice(value: Any) -> int:
        if isinstance(value, bool) or not isinstance(value, int):
            raise _invalid(column, value, table)
        if options and value not in options:
            accepted = ",".join(str(option.value) for option in column.options[:MAX_NAMED])
            raise fault("ChoiceOutOfRange", column=column.name, table=table, value=value, accepted=accepted)
        return value

    return choice


def _multichoice(column: Column, table: str) -> Coerce:
    choice = _choice(column, table)

    def choices(value: Any) -> tuple[int, ...] | None:
        items = value
        if isinstance(value, str):
            try:
                items = [int(part) for part in value.split(",")] if value.strip() else []
            except ValueError as error:
                raise _invalid(column, value, table) from error
        if not isinstance(items, list | tuple) or len(items) > 1000:
            raise _invalid(column, value, table)
        return tuple(sorted({choice(item) for item in items})) or None

    return choices


def _datetime(column: Column, table: str) -> Coerce:
    def moment(value: Any) -> str:
        if not isinstance(value, str):
            raise _invalid(column, value, table)
        try:
            instant = parse_datetime(value)
        except (ValueError, OverflowError) as error:
            raise _invalid(column, value, table) from error
        if column.date_only:
            if len(value) != 10:
                raise _invalid(column, value, table)
            return value
        if instant.year < 1753:
            raise fault(
                "ValueOutOfRange",
                column=column.name,
                table=table,
                min="1753-01-01",
                max="9999-12-31",
                value=value,
            )
        return instant.strftime("%Y-%m-%dT%H:%M:%SZ")

    return moment


def _lookup(column: Column, table: str) -> Coerce:
    def lookup(value: Any) -> Ref:
        if not isinstance(value, Ref):
            raise _invalid(column, value, table)
        if column.targets and value.table not in column.targets:
            raise _invalid(column, value.table, table)
        return value

    return lookup


def _guid(column: Column, table: str) -> Coerce:
    def guid(value: Any) -> str:
        if not isinstance(value, str) or not is_guid(value):
            raise _invalid(column, value, table)
        return value.lower()

    return guid


def largest_file(column: Column) -> int:
    """How many bytes a file or image column takes."""
    return int(column.max or (IMAGE_KB if column.type == "image" else FILE_KB)) * 1024


def _image(column: Column, table: str) -> Coerce:
    def image(value: Any) -> bytes:
        if isinstance(value, str):
            try:
                value = base64.b64decode(value, validate=True)
            except ValueError:
                raise _invalid(column, "text that is not base64", table) from None
        if not isinstance(value, bytes):
            raise _invalid(column, value, table)
        return value

    return image


def _entityname(column: Column, table: str) -> Coerce:
    def name(value: Any) -> str:
        if not isinstance(value, str) or len(value) > 128:
            raise _invalid(column, value, table)
        return value

    return name


def _parties(column: Column, table: str) -> Coerce:
    def parties(value: Any) -> tuple[Record, ...]:
        if not isinstance(value, list | tuple) or not all(isinstance(item, Record) for item in value):
            raise _invalid(column, value, table)
        return tuple(value)

    return parties


def _refused(column: Column, table: str) -> Coerce:
    def refuse(value: Any) -> Any:
        raise fault("ReadOnlyColumn", column=column.name, table=table)

    return refuse


_COERCIONS: Mapping[str, Callable[[Column, str], Coerce]] = {
    "string": _text,
    "memo": _text,
    "integer": _integer,
    "bigint": _bigint,
    "decimal": _decimal,
    "money": _decimal,
    "double": _double,
    "boolean": _boolean,
    "choice": _choice,
    "state": _choice,
    "status": _choice,
    "multichoice": _multichoice,
    "datetime": _datetime,
    "lookup": _lookup,
    "customer": _lookup,
    "owner": _lookup,
    "partylist": _parties,
    "uniqueidentifier": _guid,
    "image": _image,
    "file": _guid,
    "entityname": _entityname,
    "managedproperty": _boolean,
    "virtual": _refused,
}
