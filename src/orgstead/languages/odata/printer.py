"""A Query in OData names back to text: for clients and for round trips.

What parses is printed so that it parses to the same value; what OData cannot say is an ODataUnsupported
fault.
"""

import json
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

from orgstead.languages.odata.functions import FUNCTION_OF_OPERATOR, PARAMETERS, TEXT_FUNCTIONS
from orgstead.languages.odata.lexer import unsupported
from orgstead.languages.odata.literals import ENUM_NAMESPACE, NavName, literal_text
from orgstead.model.query import (
    Aggregate,
    And,
    Condition,
    Exists,
    Expand,
    Field,
    Not,
    Or,
    Order,
    Predicate,
    Query,
)

__all__ = ["print_apply", "print_expand", "print_filter", "print_orderby", "print_query"]

_COMPARISONS = frozenset({"eq", "ne", "gt", "ge", "lt", "le"})
_TEXT_OPERATORS = {operator: name for name, operator in TEXT_FUNCTIONS.items()}
_METHODS = {"sum": "sum", "avg": "average", "min": "min", "max": "max", "countdistinct": "countdistinct"}
# Characters that need no escape in the query part of a URL and that readers like to see.
_READABLE = "$,()'/=;:*@"


def print_query(query: Query) -> str:
    """The percent-encoded query string that asks for ``query``, without the ``?``."""
    return "&".join(f"{name}={quote(value, safe=_READABLE)}" for name, value in _options(query))


def print_filter(where: Predicate) -> str:
    """The text of a ``$filter``."""
    return _predicate(where, None)


def print_orderby(order: tuple[Order, ...]) -> str:
    """The text of a ``$orderby``."""
    return ",".join(_column(item.field) + (" desc" if item.descending else "") for item in order)


def print_expand(expand: tuple[Expand, ...]) -> str:
    """The text of a ``$expand``."""
    return ",".join(_expand(item) for item in expand)


def print_apply(query: Query) -> str:
    """The text of a ``$apply`` for the groups and aggregates of ``query``, its filter included."""
    steps = [] if query.where is None else [f"filter({print_filter(query.where)})"]
    aggregates = f"aggregate({','.join(_aggregate(item) for item in query.aggregates)})"
    if query.groups:
        groups = ",".join(_column(group.field) for group in query.groups)
        steps.append(f"groupby(({groups}),{aggregates})" if query.aggregates else f"groupby(({groups}))")
    elif query.aggregates:
        steps.append(aggregates)
    if query.having is not None:
        steps.append(f"filter({print_filter(query.having)})")
    return "/".join(steps)


def _options(query: Query) -> Iterator[tuple[str, str]]:
    if query.joins:
        raise unsupported("A flat join in OData text")
    if query.columns is not None:
        yield "$select", ",".join(query.columns)
    if query.groups or query.aggregates:
        yield "$apply", print_apply(query)
    elif query.where is not None:
        yield "$filter", print_filter(query.where)
    if query.order:
        yield "$orderby", print_orderby(query.order)
    if query.expand:
        yield "$expand", print_expand(query.expand)
    if query.top is not None:
        yield "$top", str(query.top)
    if query.count:
        yield "$count", "true"


def _predicate(what: Predicate, variable: str | None) -> str:
    """``variable`` is the innermost lambda variable: the row that collections hang on."""
    if isinstance(what, Condition):
        return _condition(what)
    if isinstance(what, Not):
        return f"not {_grouped(what.item, variable, compared=True)}"
    if isinstance(what, Exists):
        return _exists(what, variable)
    if not what.items:
        raise unsupported("An empty group of conditions in OData text")
    word = " and " if isinstance(what, And) else " or "
    return word.join(_grouped(item, variable) for item in what.items)


def _grouped(what: Predicate, variable: str | None, *, compared: bool = False) -> str:
    text = _predicate(what, variable)
    if isinstance(what, (And, Or)) or (compared and isinstance(what, Condition)):
        return f"({text})"
    return text


def _exists(what: Exists, variable: str | None) -> str:
    if what.path:
        raise unsupported("A collection behind a lookup in OData text")
    owner = what.outer or variable
    start = f"{owner}/" if owner else ""
    word = "all" if what.every else "any"
    if what.where is None:
        return f"{start}{_hop(what.link)}/{word}()"
    return f"{start}{_hop(what.link)}/{word}({what.alias}:{_predicate(what.where, what.alias)})"


def _condition(what: Condition) -> str:
    column, operator, values = _column(what.field), what.operator, what.values
    if operator in _COMPARISONS:
        return f"{column} {operator} {_value(values[0])}"
    if operator == "null":
        return f"{column} eq null"
    if operator == "not-null":
        return f"{column} ne null"
    if operator in _TEXT_OPERATORS:
        return f"{_TEXT_OPERATORS[operator]}({column},{_value(values[0])})"
    if operator == "in":
        return f"{column} in ({','.join(_value(value) for value in values)})"
    if operator not in FUNCTION_OF_OPERATOR:
        raise unsupported(f"The operator '{operator}' in OData text")
    name, shape = FUNCTION_OF_OPERATOR[operator]
    start = column.removesuffix(what.field.name)
    parameters = [f"PropertyName='{what.field.name}'"]
    if shape in {"texts", "two texts"}:
        parameters.append(f"PropertyValues={json.dumps(values, ensure_ascii=False, separators=(',', ':'))}")
    else:
        parameters += [f"{key}={_value(value)}" for key, value in zip(PARAMETERS[shape], values, strict=True)]
    return f"{start}{ENUM_NAMESPACE}{name}({','.join(parameters)})"


def _value(value: Any) -> str:
    return _column(value) if isinstance(value, Field) else literal_text(value)


def _column(column: Field) -> str:
    alias = (column.alias,) if column.alias else ()
    return "/".join((*alias, *map(_hop, column.path), column.name))


def _hop(hop: str | NavName) -> str:
    if isinstance(hop, str):
        return hop
    return f"{hop.name}/{ENUM_NAMESPACE}{hop.cast}" if hop.name else f"{ENUM_NAMESPACE}{hop.cast}"


def _expand(item: Expand) -> str:
    if item.refs_only:
        return f"{_hop(item.link)}/$ref"
    options = []
    if item.columns is not None:
        options.append(f"$select={','.join(item.columns)}")
    if item.where is not None:
        options.append(f"$filter={print_filter(item.where)}")
    if item.order:
        options.append(f"$orderby={print_orderby(item.order)}")
    if item.top is not None:
        options.append(f"$top={item.top}")
    if item.expand:
        options.append(f"$expand={print_expand(item.expand)}")
    return f"{_hop(item.link)}({';'.join(options)})" if options else _hop(item.link)


def _aggregate(item: Aggregate) -> str:
    if item.function == "count" and item.field is None:
        return f"$count as {item.alias}"
    if item.field is None or item.function not in _METHODS:
        raise unsupported(f"The aggregate '{item.function}' in OData text")
    return f"{_column(item.field)} with {_METHODS[item.function]} as {item.alias}"
