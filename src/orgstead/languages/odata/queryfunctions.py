"""A call of ``Microsoft.Dynamics.CRM.Something(PropertyName='…',PropertyValue=…)``."""

from collections.abc import Callable
from typing import Any

from orgstead.languages.odata.functions import FUNCTIONS, PARAMETERS, Shape
from orgstead.languages.odata.lexer import Cursor, is_name
from orgstead.languages.odata.literals import ENUM_NAMESPACE, json_texts, literal
from orgstead.languages.odata.paths import Hop, Scope, to_field
from orgstead.model.query import Condition, Field, Untyped

__all__ = ["query_function"]


def query_function(
    cursor: Cursor,
    name: str,
    alias: str | None,
    path: tuple[Hop, ...],
    scope: Scope,
    resolve: Callable[[Cursor, Scope], Any],
) -> Condition:
    """Read the parameters, from behind the ``(``, to the condition that the function stands for.

    ``alias`` and ``path`` are what the call was applied to (``o/Microsoft.Dynamics.CRM.Today(…)``);
    ``resolve`` gives the value of a parameter alias. Raises ODataSyntax when a parameter is missing, unknown,
    doubled or of the wrong type.
    """
    operator, shape = FUNCTIONS[name]
    cursor.count_condition()
    given = _parameters(cursor, name, resolve)
    wanted = ("PropertyName", *PARAMETERS[shape])
    if set(given) != set(wanted):
        raise cursor.fail(
            f"The function '{ENUM_NAMESPACE}{name}' takes the parameters '{','.join(wanted)}' but was given"
            f" '{','.join(given)}'. The call ends"
        )
    target = _target(cursor, given["PropertyName"], alias, path, scope)
    return Condition(target, operator, _values(cursor, name, shape, [given[key] for key in wanted[1:]]))


def _parameters(cursor: Cursor, name: str, resolve: Callable[[Cursor, Scope], Any]) -> dict[str, Any]:
    given: dict[str, Any] = {}
    while not cursor.take(")"):
        if given:
            cursor.expect(",")
        key = cursor.name()
        if key in given:
            raise cursor.fail(f"The parameter '{key}' of '{name}' was given twice")
        cursor.expect("=")
        if cursor.token[:1] == "@":
            given[key] = resolve(cursor, ())
        elif cursor.token == "[":
            given[key] = json_texts(cursor)
        else:
            given[key] = literal(cursor)
    return given


def _target(cursor: Cursor, name: Any, alias: str | None, path: tuple[Hop, ...], scope: Scope) -> Field:
    parts: list[Hop] = [*name.split("/")] if type(name) is str else []
    if not parts or not all(isinstance(part, str) and is_name(part) for part in parts):
        raise cursor.fail("PropertyName must be the name of a property, in quotes. The call ends")
    if path or alias is not None:
        return Field(str(parts[-1]), (*path, *parts[:-1]), alias)
    return to_field(cursor, parts, scope)


def _values(cursor: Cursor, name: str, shape: Shape, values: list[Any]) -> tuple[Any, ...]:
    if shape in {"texts", "two texts"}:
        texts = values[0]
        if not isinstance(texts, tuple) or not texts or not all(type(text) is str for text in texts):
            raise cursor.fail(f"PropertyValues of '{name}' must be an array of texts. The call ends")
        if shape == "two texts" and len(texts) != 2:
            raise cursor.fail(f"PropertyValues of '{name}' must be two texts. The call ends")
        # The texts stand for values of the column's type, whatever that is.
        return tuple(Untyped(text) for text in texts)
    wanted = int if shape in {"number", "two numbers"} else str
    for value in values:
        if type(value) is not wanted:
            kind = "a whole number" if wanted is int else "a text in quotes"
            raise cursor.fail(f"PropertyValue of '{name}' must be {kind}. The call ends")
    return tuple(values)
