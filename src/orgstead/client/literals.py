"""OData text that nothing can be smuggled into: literals, names, addresses.

https://docs.oasis-open.org/odata/odata/v4.0/errata03/os/complete/part2-url-conventions/odata-v4.0-errata03-os-part2-url-conventions-complete.html#_Toc444868770
https://learn.microsoft.com/power-apps/developer/data-platform/webapi/query/filter-rows#manage-single-quotes
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from enum import Enum
from typing import Any
from urllib.parse import quote
from uuid import UUID

from orgstead.client.errors import ConfigurationError
from orgstead.client.values import plain

__all__ = ["Ref", "guid", "key_text", "literal", "name", "path_name", "query_text"]

_GUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}", re.IGNORECASE)
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,127}")
_PATH = re.compile(r"[A-Za-z_][A-Za-z0-9_.]{0,127}(/[A-Za-z_$][A-Za-z0-9_.]{0,127}){0,5}")
# What stands for itself in a query, beside letters and digits. '#', '&', '+', '%' and spaces do not.
SAFE = "$,()'/:@=*;!~?-._"


@dataclass(frozen=True, slots=True)
class Ref:
    """A row by its table (logical name) and its key: an id, or the values of an alternate key by column."""

    table: str
    key: str | UUID | Mapping[str, Any]

    @property
    def id(self) -> str:
        """The id. Raises ConfigurationError when the row is named by an alternate key."""
        return guid(self.key)


def guid(value: Any) -> str:
    """An id in its usual form; braces are taken off. Raises ConfigurationError for anything else."""
    text = str(value).strip().removeprefix("{").removesuffix("}")
    if not isinstance(value, str | UUID) or not _GUID.fullmatch(text):
        raise ConfigurationError(f"{str(value)[:60]!r} is no id: 8-4-4-4-12 hexadecimal digits are")
    return text.lower()


def name(text: str) -> str:
    """The name of a column or table, checked. Raises ConfigurationError."""
    if not isinstance(text, str) or not _NAME.fullmatch(text):
        raise ConfigurationError(f"{str(text)[:60]!r} is no name of a column or table")
    return text


def path_name(text: str) -> str:
    """A name, or several with slashes between, checked. Raises ConfigurationError."""
    if not isinstance(text, str) or not _PATH.fullmatch(text):
        raise ConfigurationError(f"{str(text)[:60]!r} is no name, nor a path of names")
    return text


def literal(value: Any) -> str:
    """A value in an OData expression. A text that is written as an id is compared as one."""
    match value:
        case None:
            return "null"
        case bool():
            return "true" if value else "false"
        case Enum():
            return literal(value.value)
        case Ref():
            return value.id
        case UUID():
            return str(value)
        case int():
            return str(int(value))
        case float() | Decimal():
            return format(Decimal(str(plain(value))), "f")
        case datetime() | date():
            return str(plain(value))
        case str() if _GUID.fullmatch(value):
            return value.lower()
        case str():
            return "'" + value.replace("'", "''") + "'"
    raise ConfigurationError(f"{type(value).__name__} is no value that OData compares with")


def text_literal(value: str) -> str:
    """A text in an OData expression, whatever it looks like."""
    return "'" + str(value).replace("'", "''") + "'"


def key_text(key: str | UUID | Mapping[str, Any]) -> str:
    """What stands in the parentheses of an address, percent-encoded."""
    if not isinstance(key, Mapping):
        return guid(key)
    if not key:
        raise ConfigurationError("an alternate key has at least one column")
    parts = (f"{name(column)}={_key_value(value)}" for column, value in key.items())
    return ",".join(parts)


def _key_value(value: Any) -> str:
    if isinstance(value, str) and not _GUID.fullmatch(value):
        return quote(text_literal(value), safe="'")
    return quote(literal(value), safe="'")


def query_text(options: Mapping[str, str | None]) -> str:
    """Query options as they stand behind the question mark; those that are None are left out."""
    return "&".join(
        f"{each}={quote(value, safe=SAFE.replace('&', ''))}"
        for each, value in options.items()
        if value is not None
    )
