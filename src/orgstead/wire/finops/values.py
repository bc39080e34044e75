"""Values of fields: as JSON shows and takes them, as literals say them, as the engine keeps them.

Tables of Finance and Operations have no null: what has no value reads as the default of its type. A table here may
have null, which is shown as that default, and is what the default means when it is written or compared with.
https://learn.microsoft.com/dynamics365/fin-ops-core/dev-itpro/data-entities/odata
"""

import base64
import binascii
from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any

from orgstead.errors import Fault, fault
from orgstead.languages.odata import EnumLiteral
from orgstead.model.dataentities import DataEntity, DataField
from orgstead.model.record import Ref
from orgstead.model.schema import Column
from orgstead.model.types import is_guid, parse_datetime
from orgstead.wire.finops.names import NAMESPACE
from orgstead.wire.odatav4.rows import Place

__all__ = ["edm_type", "given_value", "is_default", "literal_value", "read_tag", "shown", "write_tag"]

NO_DATE = "1900-01-01"
# The time of day that a date is written with.
NOON = "T12:00:00Z"
NO_TIME = f"{NO_DATE}T00:00:00Z"
NO_GUID = "00000000-0000-0000-0000-000000000000"
EDM: Mapping[str, str] = {
    "String": "Edm.String",
    "Int32": "Edm.Int32",
    "Int64": "Edm.Int64",
    "Real": "Edm.Decimal",
    "Boolean": "Edm.Boolean",
    "Date": "Edm.DateTimeOffset",
    "DateTime": "Edm.DateTimeOffset",
    "Guid": "Edm.Guid",
}
DEFAULTS: Mapping[str, Any] = {
    "String": "",
    "Int32": 0,
    "Int64": 0,
    "Real": 0,
    "Boolean": False,
    "Date": f"{NO_DATE}{NOON}",
    "DateTime": NO_TIME,
    "Guid": NO_GUID,
}


def edm_type(field: DataField) -> str:
    """The type of a field as CSDL names it."""
    return EDM[field.kind] if field.enum is None else f"{NAMESPACE}{field.enum.name}"


# -- out -------------------------------------------------------------------------------------------------------------
def shown(field: DataField) -> Place:
    """How JSON shows the values of a field."""
    if field.enum is not None:
        members = {member.value: member.name for member in field.enum.members}
        first = field.enum.named(0) or field.enum.members[0]
        return Place(name=field.name, convert=lambda value: members.get(int(value)), null=first.name)
    null = DEFAULTS[field.kind]
    if field.kind == "Real":
        return Place(name=field.name, convert=_number, null=null)
    if field.kind == "Date":
        return Place(name=field.name, source=f"{{}} + {NOON!r}", null=null)
    return Place(name=field.name, null=null)


def _number(value: Decimal | float) -> Decimal:
    """A number without the zeros that its column pads it with."""
    number = (value if isinstance(value, Decimal) else Decimal(repr(value))).normalize()
    exponent = number.as_tuple().exponent
    return number.quantize(Decimal(1)) if isinstance(exponent, int) and exponent > 0 else number


def write_tag(version: int) -> str:
    """The tag of a row's version: to clients an opaque text, as those of the service are."""
    return f'W/"{base64.b64encode(f"{chr(39)}{version}{chr(39)}".encode()).decode()}"'


def read_tag(text: str) -> int | None:
    """The version that a tag stands for; None for what is no tag of ours, -1 for one that no row has."""
    inner = text.removeprefix("W/")
    if len(inner) < 2 or len(inner) > 200 or inner[0] != '"' or inner[-1] != '"':
        return None
    try:
        version = base64.b64decode(inner[1:-1], validate=True).decode().strip("'")
    except (binascii.Error, ValueError):
        return -1
    return int(version) if version.isdecimal() and version.isascii() and len(version) < 20 else -1


# -- in --------------------------------------------------------------------------------------------------------------
def given_value(entity: DataEntity, field: DataField, column: Column, value: Any) -> Any:
    """A value out of a body as the engine takes it; raises InvalidPayload for one of another type."""
    if value is None:
        return None
    if field.enum is not None:
        member = field.enum.member(value) if isinstance(value, str) else None
        if member is None:
            raise _wrong(entity, field, value)
        return bool(member.value) if column.type == "boolean" else member.value
    try:
        return _given(field, column, value)
    except ValueError:
        raise _wrong(entity, field, value) from None


def _given(field: DataField, column: Column, value: Any) -> Any:
    kind = field.kind
    if kind in ("Int32", "Int64", "Real"):
        whole = isinstance(value, int) and not isinstance(value, bool)
        if not whole and not (kind == "Real" and isinstance(value, Decimal | float)):
            raise ValueError(value)
        return value
    if kind == "Boolean":
        if not isinstance(value, bool):
            raise ValueError(value)
        return value
    if not isinstance(value, str):
        raise ValueError(value)
    if kind in ("Date", "DateTime"):
        return _instant(field, value)
    if kind == "Guid" or column.type == "uniqueidentifier":
        if not is_guid(value):
            raise ValueError(value)
        if column.is_lookup:
            return None if value == NO_GUID else Ref(column.targets[0], value.lower())
        return value.lower()
    return value


def _instant(field: DataField, value: str) -> str | None:
    """A point in time, or the day of it; None for the one that stands for no date."""
    try:
        instant = parse_datetime(value)
    except OverflowError as error:
        raise ValueError(value) from error
    day = instant.date().isoformat()
    if field.kind == "Date":
        return None if day == NO_DATE else day
    text = f"{instant.replace(tzinfo=None).isoformat()}Z"
    return None if text == NO_TIME else text


def _wrong(entity: DataEntity, field: DataField, value: Any) -> Fault:
    return fault(
        "InvalidPayload",
        message=f"Cannot convert the value '{value!s:.100}' of the property {field.name} of {NAMESPACE}{entity.name} "
        f"to the expected type '{edm_type(field)}'.",
    )


# -- literals --------------------------------------------------------------------------------------------------------
def literal_value(field: DataField, column: Column, value: Any) -> Any:
    """A literal of a filter or a key as the engine compares it, None for the default; raises ODataSyntax."""
    if value is None:
        return None
    if field.enum is not None:
        if not isinstance(value, EnumLiteral) or f"{value.namespace}{value.type}" != edm_type(field):
            raise _incompatible(field, value)
        member = field.enum.member(value.member)
        if member is None:
            raise fault(
                "ODataSyntax",
                message=f"The string '{value.member:.100}' is not a valid enumeration type constant.",
            )
        return bool(member.value) if column.type == "boolean" else member.value
    check = _LITERALS.get(field.kind)
    if check is not None and not check(value):
        raise _incompatible(field, value)
    if field.kind in ("Date", "DateTime"):
        try:
            return _instant(field, value)
        except ValueError:
            raise _incompatible(field, value) from None
    if field.kind == "String" and column.type == "uniqueidentifier" and not is_guid(value):
        # It is a text to whoever asks, and no row has another one.
        return NO_GUID
    return value


def _text(value: Any) -> bool:
    return isinstance(value, str)


def _whole(value: Any) -> bool:
    return isinstance(value, int | Decimal) and not isinstance(value, bool)


_LITERALS: Mapping[str, Callable[[Any], bool]] = {
    "String": _text,
    "Int32": _whole,
    "Int64": _whole,
    "Real": _whole,
    "Boolean": lambda value: isinstance(value, bool),
    "Date": _text,
    "DateTime": _text,
    "Guid": is_guid,
}


def is_default(field: DataField, value: Any) -> bool:
    """Whether a value is what a field without one reads as."""
    if value is None:
        return True
    if field.enum is not None:
        first = field.enum.named(0) or field.enum.members[0]
        return bool(int(value) == first.value)
    return bool(value == DEFAULTS[field.kind])


def _incompatible(field: DataField, value: Any) -> Fault:
    kind = f"{value.namespace}{value.type}" if isinstance(value, EnumLiteral) else _edm_of(value)
    return fault(
        "ODataSyntax",
        message="A binary operator with incompatible types was detected. Found operand types "
        f"'{edm_type(field)}' and '{kind}' for operator kind 'Equal'.",
    )


def _edm_of(value: Any) -> str:
    if isinstance(value, bool):
        return "Edm.Boolean"
    if isinstance(value, int):
        return "Edm.Int32"
    return "Edm.Decimal" if isinstance(value, Decimal) else "Edm.String"
