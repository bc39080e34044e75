"""Literal values: from a token, and back to text.

Text, whole numbers, decimals, booleans and null are Python's own; the types that OData tells apart by
their spelling are tagged, so that ``bind`` can check them against the column.
https://docs.oasis-open.org/odata/odata/v4.0/os/abnf/odata-abnf-construction-rules.txt
"""

import json
import re
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal

from orgstead.languages.odata.lexer import Cursor, too_complex
from orgstead.languages.odata.limits import MAX_DIGITS, MAX_EXPONENT, MAX_IN_VALUES

__all__ = [
    "DATA_NAMESPACE", "ENUM_NAMESPACE", "DateText", "DateTimeText", "EnumLiteral", "Guid", "NavName", "Value",
    "json_texts", "literal", "literal_text",
]  # fmt: skip

ENUM_NAMESPACE = "Microsoft.Dynamics.CRM."
# The namespace of Finance and Operations.
DATA_NAMESPACE = "Microsoft.Dynamics.DataEntities."

_NUMBER = re.compile(r"-?(\d+)(\.\d+)?(?:[eE]([+-]?\d+))?", re.ASCII)
_GUID = re.compile(r"[0-9A-Fa-f]{8}(?:-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}")
_DATE = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)
_DATE_TIME = re.compile(
    r"\d{4}-\d\d-\d\dT\d\d:\d\d(?::\d\d(?:\.\d{1,12})?)?(Z|[+-]\d\d:\d\d)?", re.ASCII | re.IGNORECASE
)
_INT64 = range(-(2**63), 2**63)
_EXPONENT_CHARS = 5
_WORDS = {"null": None, "true": True, "false": False}


class _Spelled(str):
    """A text that was a bare literal; its repr tells it from ordinary text, which it equals."""

    __slots__ = ()

    def __repr__(self) -> str:
        return f"{type(self).__name__}({super().__repr__()})"


class Guid(_Spelled):
    """A bare GUID literal, in lower case with hyphens."""

    __slots__ = ()


class DateText(_Spelled):
    """A bare date literal: ``YYYY-MM-DD``, a day that exists."""

    __slots__ = ()


class DateTimeText(_Spelled):
    """A bare point in time as it was written, with ``Z`` or an offset.

    ``datetime.fromisoformat`` reads it and it can be converted to UTC.
    """

    __slots__ = ()


@dataclass(frozen=True, slots=True)
class EnumLiteral:
    """``Microsoft.Dynamics.CRM.OwnershipTypes'UserOwned'``: the type without its namespace, and the member."""

    type: str
    member: str
    namespace: str = ENUM_NAMESPACE


@dataclass(frozen=True, slots=True)
class NavName:
    """A navigation property with a cast: ``customerid/Microsoft.Dynamics.CRM.account``.

    ``cast`` is the type without namespace. ``name`` is empty where the cast comes first.
    """

    name: str
    cast: str


Value = str | int | Decimal | bool | EnumLiteral | None


def literal(cursor: Cursor) -> Value:
    """The value of the current token; steps over it. Raises ODataSyntax when it is no literal."""
    token = cursor.token
    first = token[:1]
    value: Value
    if first == "'":
        value = _text(cursor, token)
    elif first.isdigit() or first == "-":
        value = _number_or_date(cursor, token)
    elif token in _WORDS:
        value = _WORDS[token]
    elif token.startswith((ENUM_NAMESPACE, DATA_NAMESPACE)) and "'" in token:
        space = ENUM_NAMESPACE if token.startswith(ENUM_NAMESPACE) else DATA_NAMESPACE
        kind, member = token[len(space) :].split("'", 1)
        value = EnumLiteral(kind, _text(cursor, "'" + member), space)
    elif _GUID.fullmatch(token):
        value = Guid(token.lower())
    elif not token:
        raise cursor.fail("Expression expected")
    else:
        raise cursor.fail(f"Unrecognized literal '{token}'")
    cursor.index += 1
    return value


def json_texts(cursor: Cursor) -> tuple[str, ...]:
    """A JSON array of texts, as ``PropertyValues`` takes it.

    Single quotes are allowed, but then nothing can be escaped:
    https://learn.microsoft.com/power-apps/developer/data-platform/webapi/query/filter-rows#manage-single-quotes
    Raises ODataSyntax for anything but texts, QueryTooComplex above ``MAX_IN_VALUES``.
    """
    cursor.expect("[")
    values: list[str] = []
    while not cursor.take("]"):
        if values and not cursor.take(","):
            raise cursor.fail(
                "Invalid JSON. A comma character ',' was expected in scope 'Array'. Every two elements in an"
                " array and properties of an object must be separated by commas. The array is"
            )
        token = cursor.token
        if token[:1] == "'":
            if "''" in token[1:-1]:
                raise cursor.fail("Invalid JSON. A comma character ',' was expected in scope 'Array'")
            values.append(_text(cursor, token))
        elif token[:1] == '"':
            values.append(_json_text(cursor, token))
        else:
            raise cursor.fail(f"Cannot read the value '{token}' as a quoted JSON string value")
        cursor.index += 1
        if len(values) > MAX_IN_VALUES:
            raise too_complex(f"{MAX_IN_VALUES} values in one condition")
    return tuple(values)


def literal_text(value: Value) -> str:
    """The OData spelling of a value."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, EnumLiteral):
        return f"{value.namespace}{value.type}'{value.member.replace(chr(39), chr(39) * 2)}'"
    if isinstance(value, (Guid, DateText, DateTimeText)):
        return str(value)
    if isinstance(value, str):
        return "'" + value.replace("'", "''") + "'"
    if isinstance(value, Decimal):
        text = str(value)
        # A whole Decimal must keep a mark of being one, or it would come back as an int.
        return text if "." in text or "E" in text or int(value) not in _INT64 else text + ".0"
    return str(value)


def _text(cursor: Cursor, token: str) -> str:
    if token.count("'") % 2:
        raise cursor.fail("Syntax error")
    return token[1:-1].replace("''", "'")


def _json_text(cursor: Cursor, token: str) -> str:
    try:
        value = json.loads(token)
        value.encode()
    except ValueError:
        raise cursor.fail("Invalid JSON text") from None
    if not isinstance(value, str) or "\0" in value:
        raise cursor.fail("Invalid JSON text")
    return value


def _number_or_date(cursor: Cursor, token: str) -> Value:
    number = _NUMBER.fullmatch(token)
    if number is not None:
        return _number(cursor, token, number)
    if _GUID.fullmatch(token):
        return Guid(token.lower())
    try:
        if _DATE.fullmatch(token):
            date.fromisoformat(token)
            return DateText(token)
        moment = _DATE_TIME.fullmatch(token)
        if moment is not None:
            if moment[1] is None:
                raise cursor.fail(
                    f"The time zone information is missing on the DateTimeOffset value '{token}'."
                    " A DateTimeOffset value must contain the time zone information; found"
                )
            datetime.fromisoformat(token).astimezone(UTC)
            return DateTimeText(token)
    except (ValueError, OverflowError):
        pass
    raise cursor.fail(f"Unrecognized literal '{token}'")


def _number(cursor: Cursor, token: str, parts: re.Match[str]) -> int | Decimal:
    whole, fraction, exponent = parts.groups()
    exponent = exponent or "0"
    if (
        len(whole) + len(fraction or "") > MAX_DIGITS
        or len(exponent) > _EXPONENT_CHARS
        or abs(int(exponent)) > MAX_EXPONENT
    ):
        raise cursor.fail("A number is out of range")
    if parts[2] is None and parts[3] is None and (value := int(token)) in _INT64:
        return value
    return Decimal(token)
