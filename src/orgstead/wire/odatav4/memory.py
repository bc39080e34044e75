"""Filters over what is not in the database: definitions and descriptions, as values by the names of properties."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from orgstead.languages.odata import EnumLiteral
from orgstead.model.query import And, Condition, Field, Not, Or, Predicate

__all__ = ["OPERATORS", "holds"]


def _test_contains(value: Any, texts: Sequence[Any]) -> bool:
    return isinstance(value, str) and str(texts[0]) in value


def _compare(test: Callable[[Any, Any], bool]) -> Callable[[Any, Sequence[Any]], bool]:
    return lambda value, others: value is not None and others[0] is not None and test(value, others[0])


OPERATORS: Mapping[str, Callable[[Any, Sequence[Any]], bool]] = {
    "eq": lambda value, others: bool(value == others[0]),
    "ne": lambda value, others: bool(value != others[0]),
    "gt": _compare(lambda one, other: one > other),
    "ge": _compare(lambda one, other: one >= other),
    "lt": _compare(lambda one, other: one < other),
    "le": _compare(lambda one, other: one <= other),
    "null": lambda value, others: value is None,
    "not-null": lambda value, others: value is not None,
    "in": lambda value, others: value in others,
    "not-in": lambda value, others: value not in others,
    "contains": _test_contains,
    "not-contains": lambda value, others: not _test_contains(value, others),
    "begins-with": lambda value, others: isinstance(value, str) and value.startswith(str(others[0])),
    "not-begin-with": lambda value, others: not (isinstance(value, str) and value.startswith(str(others[0]))),
    "ends-with": lambda value, others: isinstance(value, str) and value.endswith(str(others[0])),
    "not-end-with": lambda value, others: not (isinstance(value, str) and value.endswith(str(others[0]))),
}


def holds(predicate: Predicate, values: Mapping[str, Any]) -> bool:
    """Whether a filter lets values through; its operators are those of ``OPERATORS`` (another one raises TypeError)."""
    match predicate:
        case Condition(field, operator, others):
            return OPERATORS[operator](_value(field, values), [_other(other, values) for other in others])
        case And(items):
            return all(holds(item, values) for item in items)
        case Or(items):
            return any(holds(item, values) for item in items)
        case Not(item):
            return not holds(item, values)
    raise TypeError(f"{predicate} was not checked")


def _value(field: Field, values: Mapping[str, Any]) -> Any:
    current: Any = values
    for step in (*field.path, field.name):
        current = current.get(step) if isinstance(current, Mapping) else None
    return current


def _other(value: Any, values: Mapping[str, Any]) -> Any:
    if isinstance(value, Field):
        return _value(value, values)
    return value.member if isinstance(value, EnumLiteral) else value
