"""Property paths: ``name``, ``primarycontactid/fullname``, ``e/subject`` of a lambda variable."""

from orgstead.languages.odata.lexer import Cursor, is_name, unsupported
from orgstead.languages.odata.literals import ENUM_NAMESPACE, NavName
from orgstead.model.query import Field

__all__ = ["Hop", "Scope", "field", "segments", "split_alias", "to_field"]

Hop = str | NavName
# The lambda variables in sight, the innermost last.
Scope = tuple[str, ...]

_SEGMENT_NODES = {"$count": "Count", "$ref": "EntitySet", "$value": "SingleValueCast"}
_OPERATORS = frozenset(
    {
        "and", "or", "not", "eq", "ne", "gt", "ge", "lt", "le", "in", "has", "add", "sub", "mul", "div",
        "divby", "mod",
    }
)  # fmt: skip


def segments(cursor: Cursor) -> list[Hop]:
    """Read ``a/b/Namespace.cast/c``; casts are joined to the name before them.

    Stops before a segment that is called like a function (``any``, ``Microsoft.Dynamics.CRM.Today``), which
    the caller reads. Raises ODataSyntax, and ODataUnsupported for ``$count`` and its like.
    """
    tokens = cursor.tokens
    path: list[Hop] = []
    while True:
        token = tokens[cursor.index]
        if path and tokens[cursor.index + 1] == "(":
            return path
        if token in _OPERATORS and not path:
            raise cursor.fail("Expression expected")
        if token in _SEGMENT_NODES:
            raise unsupported(f"The query node {_SEGMENT_NODES[token]}")
        if (token == "$it" and not path) or is_name(token):
            path.append(token)
        elif token.startswith(ENUM_NAMESPACE) and is_name(token[len(ENUM_NAMESPACE) :]):
            _cast(cursor, path, token[len(ENUM_NAMESPACE) :])
        else:
            raise cursor.fail("Expression expected" if not path else "Syntax error")
        cursor.index += 1
        if not cursor.take("/"):
            return path


def _cast(cursor: Cursor, path: list[Hop], cast: str) -> None:
    before = path.pop() if path else ""
    if isinstance(before, NavName) or before == "$it":
        raise cursor.fail("A type cast must follow a property")
    path.append(NavName(before, cast))


def split_alias(path: list[Hop], scope: Scope) -> tuple[str | None, list[Hop]]:
    """Take the lambda variable off a path: its name (None outside lambda expressions) and the rest.

    Inside a lambda expression a path without variable means the row that the whole query is about; a
    condition cannot be placed there, and the fault says so.
    """
    first = path[0]
    if scope:
        if isinstance(first, str) and first in scope:
            return first, path[1:]
        raise unsupported("A property of the outermost row inside a lambda expression")
    return None, path[1:] if first == "$it" else path


def to_field(cursor: Cursor, path: list[Hop], scope: Scope) -> Field:
    """The column that a path names. Raises ODataSyntax when it ends in a cast or is a variable alone."""
    alias, rest = split_alias(path, scope)
    if not rest or not isinstance(rest[-1], str):
        raise cursor.fail("A property name was expected")
    return Field(rest[-1], tuple(rest[:-1]), alias)


def field(cursor: Cursor, scope: Scope = ()) -> Field:
    """Read a path that is a column."""
    return to_field(cursor, segments(cursor), scope)
