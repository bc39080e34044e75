"""Simple values as XML has them: text to value, value to text.

https://learn.microsoft.com/dotnet/framework/wcf/feature-details/data-contract-schema-reference
https://www.w3.org/TR/xmlschema-2/
"""

import base64
import binascii
import re
from collections.abc import Callable, Mapping
from decimal import Decimal, InvalidOperation
from typing import Any

from orgstead.model.types import is_guid, parse_datetime
from orgstead.wire.soap.contracts import TypeName
from orgstead.wire.soap.xml import escape, malformed

__all__ = ["EMPTY_ID", "read_primitive", "write_primitive"]

# What .NET sends for an id that has not been set.
EMPTY_ID = "00000000-0000-0000-0000-000000000000"
MAX_DIGITS = 40
_WHOLE = re.compile(r"[+-]?[0-9]{1,20}")
_NUMBER = re.compile(r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]{1,3})?")
_BITS: Mapping[str, tuple[int, int]] = {
    "byte": (-(2**7), 2**7 - 1),
    "short": (-(2**15), 2**15 - 1),
    "int": (-(2**31), 2**31 - 1),
    "long": (-(2**63), 2**63 - 1),
    "unsignedByte": (0, 2**8 - 1),
    "unsignedShort": (0, 2**16 - 1),
    "unsignedInt": (0, 2**32 - 1),
    "unsignedLong": (0, 2**64 - 1),
    "char": (0, 2**16 - 1),
}


def read_primitive(type: TypeName, text: str) -> Any:
    """The value of a text of a primitive type: text, whole number, Decimal, float, bool, bytes.

    Dates stay texts, GUIDs come in lower case. Raises SoapMalformed.
    """
    read = _READ.get(type[1], str)
    try:
        return read(text if type[1] in ("string", "anyType") else text.strip())
    except (ValueError, InvalidOperation, OverflowError):
        raise malformed(f"'{text[:50]}' is no {type[1]}") from None


def _boolean(text: str) -> bool:
    if text not in ("true", "false", "1", "0"):
        raise ValueError(text)
    return text in ("true", "1")


def _whole(kind: str) -> Callable[[str], int]:
    low, high = _BITS[kind]

    def read(text: str) -> int:
        if not _WHOLE.fullmatch(text) or not low <= int(text) <= high:
            raise ValueError(text)
        return int(text)

    return read


def _decimal(text: str) -> Decimal:
    if len(text) > MAX_DIGITS or not _NUMBER.fullmatch(text) or "e" in text.lower():
        raise ValueError(text)
    return Decimal(text)


def _double(text: str) -> float:
    if text in ("INF", "-INF", "NaN"):
        return float(text.replace("INF", "inf"))
    if len(text) > MAX_DIGITS or not _NUMBER.fullmatch(text):
        raise ValueError(text)
    return float(text)


def _datetime(text: str) -> str:
    parse_datetime(text)
    return text


def _guid(text: str) -> str:
    bare = text.strip("{}")
    if not is_guid(bare):
        raise ValueError(text)
    return bare.lower()


def _binary(text: str) -> bytes:
    try:
        return base64.b64decode("".join(text.split()), validate=True)
    except binascii.Error as error:
        raise ValueError(text) from error


_READ: Mapping[str, Callable[[str], Any]] = {
    "boolean": _boolean,
    **{kind: _whole(kind) for kind in _BITS},
    "decimal": _decimal,
    "double": _double,
    "float": _double,
    "dateTime": _datetime,
    "guid": _guid,
    "base64Binary": _binary,
}


def write_primitive(value: Any) -> str:
    """A simple value as text between tags."""
    match value:
        case str():
            return escape(value)
        case bool():
            return "true" if value else "false"
        case Decimal():
            return format(value, "f")
        case float():
            return repr(value).replace("inf", "INF").replace("nan", "NaN").replace("e", "E")
        case bytes():
            return base64.b64encode(value).decode("ascii")
    return escape(str(value))
