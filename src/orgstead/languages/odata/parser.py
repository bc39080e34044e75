"""``$filter``: an expression to a predicate.

Precedence as in OData: ``not`` binds closest, then comparisons, ``and``, ``or``.
https://learn.microsoft.com/power-apps/developer/data-platform/webapi/query/filter-rows
"""

from collections.abc import Mapping

from orgstead.errors import Fault
from orgstead.languages.odata.functions import FUNCTIONS, REFUSED_FUNCTIONS, TEXT_FUNCTIONS
from orgstead.languages.odata.lexer import Cursor, is_name, too_complex, unsupported
from orgstead.languages.odata.limits import MAX_IN_VALUES, MAX_QUERY_CHARS
from orgstead.languages.odata.literals import ENUM_NAMESPACE, NavName, Value, json_texts, literal
from orgstead.languages.odata.paths import Hop, Scope, segments, split_alias, to_field
from orgstead.languages.odata.queryfunctions import query_function
from orgstead.model.query import And, Condition, Exists, Field, Not, Or, Predicate

__all__ = ["Operand", "operand", "parse_filter", "predicate"]

# Each comparison and what it becomes when its sides change places.
_COMPARISONS = {"eq": "eq", "ne": "ne", "gt": "lt", "ge": "le", "lt": "gt", "le": "ge"}
_REFUSED_OPERATORS = frozenset({"add", "sub", "mul", "div", "divby", "mod", "has"})
_WORD_LITERALS = frozenset({"null", "true", "false"})
_NULL_OPERATORS = {"eq": "null", "ne": "not-null"}

Operand = Field | Value | tuple[Value, ...]


def parse_filter(
    text: str, aliases: Mapping[str, str] | None = None, *, max_chars: int = MAX_QUERY_CHARS
) -> Predicate:
    """The predicate that the text of a ``$filter`` states.

    ``aliases`` are the values of parameter aliases by name without ``@``. Raises ODataSyntax,
    ODataUnsupported and QueryTooComplex.
    """
    cursor = Cursor(text, {} if aliases is None else aliases, max_chars=max_chars)
    result = predicate(cursor, ())
    cursor.finish()
    return result


def predicate(cursor: Cursor, scope: Scope) -> Predicate:
    """Read one expression; what follows it is the caller's."""
    first = _conjunction(cursor, scope)
    if cursor.tokens[cursor.index] != "or":
        return first
    items = [first]
    while cursor.take("or"):
        items.append(_conjunction(cursor, scope))
    return Or(tuple(items))


def _conjunction(cursor: Cursor, scope: Scope) -> Predicate:
    first = _term(cursor, scope)
    if cursor.tokens[cursor.index] != "and":
        return first
    items = [first]
    while cursor.take("and"):
        items.append(_term(cursor, scope))
    return And(tuple(items))


def _term(cursor: Cursor, scope: Scope, *, negated: bool = False) -> Predicate:
    tokens = cursor.tokens
    token = tokens[cursor.index]
    if token == "not":
        cursor.index += 1
        cursor.enter()
        inner = _term(cursor, scope, negated=True)
        cursor.leave()
        return Not(inner)
    if token == "(":
        cursor.index += 1
        cursor.enter()
        inner = predicate(cursor, scope)
        cursor.leave()
        cursor.expect(")")
        return inner if negated else _compared_with_boolean(cursor, inner)
    if token and (token[0].isalpha() or token[0] in "_$"):
        if tokens[cursor.index + 1] == "(":
            inner = _call(cursor, scope, token)
            return inner if negated else _compared_with_boolean(cursor, inner)
        if token not in _WORD_LITERALS and "'" not in token and "-" not in token:
            return _property_first(cursor, scope, negated)
    return _comparison(cursor, scope, operand(cursor, scope), negated)


def _property_first(cursor: Cursor, scope: Scope, negated: bool) -> Predicate:
    path = segments(cursor)
    if cursor.tokens[cursor.index - 1] == "/":
        inner = _call_on_path(cursor, scope, path)
        return inner if negated else _compared_with_boolean(cursor, inner)
    return _comparison(cursor, scope, to_field(cursor, path, scope), negated)


def _comparison(cursor: Cursor, scope: Scope, left: Operand, negated: bool) -> Predicate:
    operator = cursor.token
    if operator in _REFUSED_OPERATORS:
        raise _refused_operator(operator)
    if operator not in _COMPARISONS and operator != "in":
        if not isinstance(left, Field):
            raise unsupported("The query node Constant")
        cursor.count_condition()
        return Condition(left, "eq", (True,))
    if negated:
        raise cursor.fail("A comparison after 'not' needs parentheses around it")
    cursor.index += 1
    cursor.count_condition()
    if operator == "in":
        return _membership(cursor, left)
    right = operand(cursor, scope)
    if cursor.token in _REFUSED_OPERATORS:
        raise _refused_operator(cursor.token)
    if isinstance(left, tuple) or isinstance(right, tuple):
        raise cursor.fail(f"A collection cannot be compared with '{operator}'")
    if not isinstance(left, Field):
        if not isinstance(right, Field):
            raise unsupported("The query node Constant")
        left, right, operator = right, left, _COMPARISONS[operator]
    if right is None and operator in _NULL_OPERATORS:
        return Condition(left, _NULL_OPERATORS[operator])
    if isinstance(right, Field) and (left.path, left.alias) != (right.path, right.alias):
        # https://learn.microsoft.com/power-apps/developer/data-platform/webapi/query/overview#limitations
        raise unsupported("Comparing columns of different tables in $filter")
    return Condition(left, operator, (right,))


def _membership(cursor: Cursor, left: Operand) -> Condition:
    if not isinstance(left, Field):
        raise unsupported("The query node Constant")
    if cursor.token[:1] == "@":
        values = _alias(cursor, ())
        if not isinstance(values, tuple):
            raise cursor.fail("The right side of 'in' must be a collection")
    elif cursor.token == "[":
        values = json_texts(cursor)
    else:
        values = _collection(cursor)
    if not values:
        raise cursor.fail("The right side of 'in' is empty")
    return Condition(left, "in", values)


def _collection(cursor: Cursor) -> tuple[Value, ...]:
    cursor.expect("(")
    values = [literal(cursor)]
    while cursor.take(","):
        values.append(literal(cursor))
        if len(values) > MAX_IN_VALUES:
            raise too_complex(f"{MAX_IN_VALUES} values in one condition")
    cursor.expect(")")
    return tuple(values)


def operand(cursor: Cursor, scope: Scope) -> Operand:
    """Read a column, a literal or a parameter alias."""
    token = cursor.token
    if token[:1] == "@":
        return _alias(cursor, scope)
    if token and (token[0].isalpha() or token[0] in "_$") and token not in _WORD_LITERALS:
        if cursor.tokens[cursor.index + 1] == "(":
            raise _unknown_function(cursor, token)
        if "'" not in token and "-" not in token:
            path = segments(cursor)
            if cursor.tokens[cursor.index - 1] == "/":
                raise cursor.fail("A property or a literal was expected")
            return to_field(cursor, path, scope)
    return literal(cursor)


def _alias(cursor: Cursor, scope: Scope) -> Operand:
    """The value of ``@p1``: a literal, a collection or a property path; null when it was not given.

    https://learn.microsoft.com/power-apps/developer/data-platform/webapi/query/overview#use-parameter-aliases-with-query-options
    """
    token = cursor.token
    if not is_name(token[1:]):
        raise cursor.fail("A parameter alias was expected")
    if cursor.aliases is None:
        raise unsupported(f"The parameter alias {token} inside $expand or another alias")
    cursor.index += 1
    text = cursor.aliases.get(token[1:])
    if text is None:
        return None
    inner = Cursor(text)
    value: Operand
    if inner.token == "[":
        value = json_texts(inner)
    elif inner.token == "(":
        value = _collection(inner)
    else:
        value = operand(inner, scope)
    inner.finish()
    return value


def _call(cursor: Cursor, scope: Scope, name: str) -> Predicate:
    if name.startswith(ENUM_NAMESPACE) and name[len(ENUM_NAMESPACE) :] in FUNCTIONS:
        cursor.index += 2
        return query_function(cursor, name[len(ENUM_NAMESPACE) :], None, (), scope, _alias)
    if name not in TEXT_FUNCTIONS:
        raise _unknown_function(cursor, name)
    cursor.index += 2
    cursor.count_condition()
    column = operand(cursor, scope)
    cursor.expect(",")
    value = operand(cursor, scope)
    if cursor.token in _REFUSED_OPERATORS:
        raise _refused_operator(cursor.token)
    cursor.expect(")")
    if not isinstance(column, Field) or type(value) is not str:
        raise cursor.fail(
            f"No function signature for the function with name '{name}' matches the specified arguments;"
            f" it takes a property and a text: {name}(name,'text'). It ends"
        )
    return Condition(column, TEXT_FUNCTIONS[name], (value,))


def _call_on_path(cursor: Cursor, scope: Scope, path: list[Hop]) -> Predicate:
    name = cursor.token
    alias, hops = split_alias(path, scope)
    if name in ("any", "all"):
        return _lambda(cursor, scope, alias, hops)
    if name.startswith(ENUM_NAMESPACE) and name[len(ENUM_NAMESPACE) :] in FUNCTIONS:
        cursor.index += 2
        return query_function(cursor, name[len(ENUM_NAMESPACE) :], alias, tuple(hops), scope, _alias)
    raise _unknown_function(cursor, name)


def _lambda(cursor: Cursor, scope: Scope, alias: str | None, hops: list[Hop]) -> Exists:
    if not hops:
        raise cursor.fail("A collection-valued navigation property was expected")
    if len(hops) > 1:
        raise unsupported(
            "A condition on a collection-valued navigation property"
            " that is nested in a lookup navigation property"
        )
    link: str | NavName = hops[0]
    outer = alias if scope and alias != scope[-1] else None
    every = cursor.token == "all"
    cursor.index += 2
    cursor.count_condition()
    if cursor.take(")"):
        if every:
            raise cursor.fail("'all' needs an expression")
        return Exists(link, outer=outer)
    variable = cursor.name()
    if variable in scope:
        raise cursor.fail(f"The range variable '{variable}' has already been declared")
    cursor.expect(":")
    cursor.enter()
    where = predicate(cursor, (*scope, variable))
    cursor.leave()
    cursor.expect(")")
    return Exists(link, where, every, (), variable, outer)


def _compared_with_boolean(cursor: Cursor, inner: Predicate) -> Predicate:
    """``contains(…) eq true`` says what ``contains(…)`` says."""
    operator = cursor.token
    if operator not in _COMPARISONS and operator != "in" and operator not in _REFUSED_OPERATORS:
        return inner
    if operator not in ("eq", "ne"):
        raise unsupported(f"The operator '{operator}' after a boolean expression in $filter")
    cursor.index += 1
    value = operand(cursor, ())
    if not isinstance(value, bool):
        raise cursor.fail("A boolean expression can only be compared with true or false")
    return inner if value == (operator == "eq") else Not(inner)


def _refused_operator(operator: str) -> Fault:
    return unsupported(f"The operator '{operator}' in $filter")


def _unknown_function(cursor: Cursor, name: str) -> Fault:
    if name in REFUSED_FUNCTIONS:
        return unsupported(f"The function '{name}' in $filter")
    return cursor.fail(f"An unknown function with name '{name}' was found")
