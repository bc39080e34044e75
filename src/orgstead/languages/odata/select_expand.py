"""``$select`` and ``$expand`` with its nested options.

https://learn.microsoft.com/power-apps/developer/data-platform/webapi/query/select-columns
https://learn.microsoft.com/power-apps/developer/data-platform/webapi/query/join-tables
"""

import re
from typing import Any

from orgstead.languages.odata.lexer import Cursor, is_name, syntax, too_complex, unsupported
from orgstead.languages.odata.limits import MAX_NAMES, MAX_QUERY_CHARS
from orgstead.languages.odata.literals import ENUM_NAMESPACE, NavName
from orgstead.languages.odata.orderby import orders
from orgstead.languages.odata.parser import predicate
from orgstead.model.query import Expand

__all__ = ["parse_expand", "parse_select", "parse_top"]

_PLAIN_NAMES = re.compile(r"[A-Za-z_]\w*(?:,[A-Za-z_]\w*)*+", re.ASCII)
_TOP = re.compile(r"\d{1,10}", re.ASCII)
_MAX_TOP = 2**31 - 1
# Documented on the page about joins as not supported inside $expand; the last two are OData's own later ones.
_REFUSED_OPTIONS = frozenset({"$skip", "$count", "$search", "$levels", "$apply", "$compute"})
_TWICE = "Query option '{}' was specified more than once, but it must be specified at most once."
_NESTED_LIMITS = (
    "Only $select and $filter clause can be provided while doing $expand on many-to-one relationship"
    " or nested one-to-many relationship."
)


def parse_select(text: str, *, max_chars: int = MAX_QUERY_CHARS) -> tuple[str, ...] | None:
    """The property names of a ``$select``, each once, in order; None when ``*`` is among them or it is empty.

    A path keeps its slashes. Raises ODataSyntax, QueryTooComplex.
    """
    if len(text) <= max_chars and _PLAIN_NAMES.fullmatch(text):
        names = text.split(",")
        if len(names) <= MAX_NAMES:
            return tuple(dict.fromkeys(names))
    cursor = Cursor(text, max_chars=max_chars)
    if not cursor.token:
        return None
    result = _columns(cursor)
    cursor.finish()
    return result


def parse_expand(text: str, *, max_chars: int = MAX_QUERY_CHARS) -> tuple[Expand, ...]:
    """The expands of a ``$expand``; ``link`` is the navigation property's name or a ``NavName``.

    Raises ODataSyntax (also for ``$top`` and ``$orderby`` together with nested expands, with the published
    text), QueryTooComplex, and ODataUnsupported for what else Dataverse refuses.
    """
    cursor = Cursor(text, max_chars=max_chars)
    if not cursor.token:
        return ()
    result = _expands(cursor)
    cursor.finish()
    if any(item.expand for item in result) and any(_limited(item) for item in result):
        raise syntax(_NESTED_LIMITS)
    return result


def parse_top(text: str) -> int:
    """The number of a ``$top``. Raises ODataSyntax."""
    if not _TOP.fullmatch(text) or int(text) > _MAX_TOP:
        raise syntax(
            f"Invalid value '{text}' for $top query option found."
            " The $top query option requires a non-negative integer value."
        )
    return int(text)


def _columns(cursor: Cursor) -> tuple[str, ...] | None:
    names: dict[str, None] = {}
    while True:
        names["*" if cursor.take("*") else _column(cursor)] = None
        if len(names) > MAX_NAMES:
            raise too_complex(f"{MAX_NAMES} $select items")
        if not cursor.take(","):
            return None if "*" in names else tuple(names)


def _column(cursor: Cursor) -> str:
    parts: list[str] = []
    while True:
        token = cursor.token
        if not is_name(token.removeprefix(ENUM_NAMESPACE)):
            raise cursor.fail("A property name was expected in $select")
        parts.append(token)
        cursor.index += 1
        if not cursor.take("/"):
            return "/".join(parts)


def _expands(cursor: Cursor) -> tuple[Expand, ...]:
    result: dict[str | NavName, Expand] = {}
    while True:
        item = _expand(cursor)
        if item.link in result:
            raise cursor.fail(f"The navigation property '{item.name}' is expanded twice")
        result[item.link] = item
        if not cursor.take(","):
            return tuple(result.values())


def _expand(cursor: Cursor) -> Expand:
    cursor.count_expand()
    token = cursor.token
    if token == "*" or token.startswith(ENUM_NAMESPACE):
        raise unsupported(f"'{token}' at the start of $expand")
    name = cursor.name()
    link: str | NavName = name
    while cursor.take("/"):
        token = cursor.token
        if token == "$ref":
            cursor.index += 1
            return Expand(link=link, name=name, refs_only=True)
        if token == "$count":
            raise unsupported("$count in $expand")
        cast = token.removeprefix(ENUM_NAMESPACE)
        if cast == token or not is_name(cast) or isinstance(link, NavName):
            raise cursor.fail("A second navigation property in one path instead of a nested $expand")
        link = NavName(name, cast)
        cursor.index += 1
    if not cursor.take("("):
        return Expand(link=link, name=name)
    cursor.enter()
    options = _nested_options(cursor)
    cursor.leave()
    return Expand(link=link, name=name, **options)


def _nested_options(cursor: Cursor) -> dict[str, Any]:
    options: dict[str, Any] = {}
    key: str
    value: Any
    while True:
        option = cursor.token
        if option in _REFUSED_OPTIONS:
            raise unsupported(f"{option} in $expand")
        cursor.index += option != ""
        cursor.expect("=")
        if option == "$select":
            key, value = "columns", _columns(cursor)
        elif option == "$filter":
            key, value = "where", predicate(cursor, ())
        elif option == "$orderby":
            key, value = "order", orders(cursor)
        elif option == "$top":
            key, value = "top", parse_top(cursor.token)
            cursor.index += 1
        elif option == "$expand":
            key, value = "expand", _expands(cursor)
        else:
            raise cursor.fail(f"The option '{option}' is not known in $expand. Its value stands")
        if key in options:
            raise syntax(_TWICE.format(option))
        options[key] = value
        if cursor.take(")"):
            return options
        cursor.expect(";")
        if cursor.take(")"):
            return options


def _limited(item: Expand) -> bool:
    return item.top is not None or bool(item.order) or any(_limited(inner) for inner in item.expand)
