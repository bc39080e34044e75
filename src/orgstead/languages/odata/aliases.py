"""Values that stand in the query string for parameters: ``@p1={"a":1}``, ``@p2='text'``, ``$id=accounts(…)``."""

import re
from collections.abc import Mapping
from decimal import Decimal
from typing import Any
from urllib.parse import unquote_plus

import msgspec

from orgstead.errors import fault
from orgstead.languages.odata.lexer import Cursor
from orgstead.languages.odata.limits import MAX_QUERY_CHARS
from orgstead.languages.odata.literals import literal

__all__ = ["parameter_value", "parameter_values", "reference_option"]

_json = msgspec.json.Decoder(float_hook=Decimal)
# Dataverse takes texts in JSON between single quotes, too: @t={'@odata.id':'accounts(…)'}.
# https://learn.microsoft.com/power-apps/developer/data-platform/webapi/use-web-api-functions#pass-reference-to-a-table-to-a-function
_DOUBLY = re.compile(r'"(?:[^"\\]|\\.)*"|\'((?:[^\']|\'\')*)\'')


def _doubly_quoted(match: re.Match[str]) -> str:
    inner = match[1]
    return match[0] if inner is None else msgspec.json.encode(inner.replace("''", "'")).decode()


def parameter_values(text: str) -> Mapping[str, Any]:
    """The values of aliases (by name without ``@``) and of plainly named parameters in a query string.

    Raises ODataSyntax for a value that is neither a literal nor JSON, QueryTooComplex for too long a text.
    """
    values: dict[str, Any] = {}
    for name, value in _pairs(text):
        if not name.startswith("$"):
            values[name.removeprefix("@")] = parameter_value(value)
    return values


def reference_option(text: str) -> str | None:
    """The address in ``$id``, which names the row to disassociate; raises ODataSyntax for any other option."""
    address = None
    for name, value in _pairs(text):
        if name != "$id":
            raise fault("ODataUnsupported", feature=f"The query parameter {name[:100]}")
        address = value
    return address


def _pairs(text: str) -> list[tuple[str, str]]:
    if len(text) > MAX_QUERY_CHARS:
        raise fault("QueryTooComplex", limit=f"{MAX_QUERY_CHARS} characters")
    pairs = []
    for part in text.split("&"):
        if part:
            name, _, value = part.partition("=")
            pairs.append((unquote_plus(name), unquote_plus(value)))
    return pairs


def parameter_value(text: str) -> Any:
    """One value: a literal, or JSON; raises ODataSyntax for what is neither."""
    text = text.strip()
    if text[:1] in ("{", "[", '"'):
        for written in (text, _DOUBLY.sub(_doubly_quoted, text)):
            try:
                return _json.decode(written)
            except (msgspec.DecodeError, ArithmeticError, RecursionError):
                continue
        raise fault("ODataSyntax", message="The value of a parameter is not valid JSON.")
    cursor = Cursor(text)
    read = literal(cursor)
    cursor.finish()
    return read
