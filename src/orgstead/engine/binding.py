"""What the operators of conditions have in common: the scope they are bound in, their values, their arity."""

import re
from collections.abc import Callable
from decimal import Decimal
from typing import Any, Protocol

from orgstead.engine.context import Caller
from orgstead.engine.dates import Calendar
from orgstead.errors import Fault, fault
from orgstead.model.plan import Col, Operand, Param, Verdict
from orgstead.model.query import Condition, Field, Untyped
from orgstead.model.schema import Column, Schema
from orgstead.model.types import is_guid, parse_datetime

__all__ = [
    "GUIDS",
    "TEXT",
    "Binding",
    "Rule",
    "between_seconds",
    "bound_value",
    "check_arity",
    "column_operand",
    "incompatible",
    "read_value",
]

TEXT = frozenset({"string", "memo", "entityname"})
GUIDS = frozenset({"uniqueidentifier", "file", "lookup", "customer", "owner"})
_FRACTION = re.compile(r":\d\d\.0*[1-9]")
_BOOLEANS = {"1": True, "true": True, "0": False, "false": False}
NUMBERS = frozenset({"integer", "bigint", "decimal", "double", "money", "choice", "state", "status"})


class Binding(Protocol):
    """What binding a condition needs of the query around it."""

    @property
    def schema(self) -> Schema:
        """The schema."""

    @property
    def caller(self) -> Caller:
        """Who asks."""

    @property
    def calendar(self) -> Calendar:
        """What the caller calls today."""

    def param(self, value: Any, column: Column | None = None, *, many: bool = False) -> Param:
        """A new parameter."""

    def dynamic(self) -> None:
        """The values depend on who asks or when: the plan's values must not be kept."""

    def operand(self, field: Field, *, content: bool = True) -> Operand:
        """The column that a field names in the current scope; ``content`` says that its value matters.

        Raises ODataUnsupported for the content of a column that lies outside the row.
        """


def read_value(column: Column, value: Any) -> Any:
    """A literal as a canonical value to compare ``column`` with; raises IncompatibleTypes.

    A literal need not be in the column's range: comparing an integer column with a huge number is a fair
    question.
    """
    try:
        return _read(column, value)
    except (ValueError, ArithmeticError):
        raise fault(
            "IncompatibleTypes", column=column.name, type=column.type, value=str(value)[:100]
        ) from None


def _read(column: Column, value: Any) -> Any:
    kind = column.type
    if isinstance(value, Untyped):
        if kind in NUMBERS:
            return _number(kind, str(value))
        if kind in ("boolean", "managedproperty"):
            return _BOOLEANS[value.strip().lower()] if value.strip().lower() in _BOOLEANS else _refuse()
        value = str(value).strip("{}") if kind in GUIDS else str(value)
    if kind in TEXT:
        return value if isinstance(value, str) else _refuse()
    if kind in GUIDS:
        return value.lower() if is_guid(value) else _refuse()
    if kind in ("boolean", "managedproperty"):
        return value if isinstance(value, bool) else _refuse()
    if kind == "datetime":
        return _instant(column, value) if isinstance(value, str) else _refuse()
    if kind in NUMBERS:
        return (
            value if isinstance(value, int | float | Decimal) and not isinstance(value, bool) else _refuse()
        )
    raise fault("ODataUnsupported", feature=f"Comparing a column of type {kind}")


def _number(kind: str, text: str) -> Any:
    if kind in ("decimal", "money"):
        number = Decimal(text)
        return number if number.is_finite() else _refuse()
    return float(text) if kind == "double" else int(text)


def _instant(column: Column, value: str) -> str:
    instant = parse_datetime(value.replace(" ", "T", 1))
    # Not strftime: it does not pad the years before 1000.
    return instant.date().isoformat() if column.date_only else f"{instant.replace(tzinfo=None).isoformat()}Z"


def between_seconds(operand: Operand, value: Any) -> bool:
    """Whether a literal is an instant that no value of the column can be: values have whole seconds."""
    return (
        isinstance(operand, Col)
        and operand.column.type == "datetime"
        and isinstance(value, str)
        and _FRACTION.search(value) is not None
    )


def _refuse() -> Any:
    raise ValueError


Rule = Callable[[Binding, Condition], Verdict]


def column_operand(binding: Binding, condition: Condition) -> Col:
    operand = binding.operand(condition.field)
    if not isinstance(operand, Col):
        raise fault("ODataUnsupported", feature=f"The operator {condition.operator} on an aggregate")
    return operand


def check_arity(condition: Condition, count: int) -> None:
    if len(condition.values) != count:
        raise fault(
            "OperatorArity", operator=condition.operator, expected=count, actual=len(condition.values)
        )


def bound_value(binding: Binding, operand: Operand, value: Any) -> Operand:
    if isinstance(value, Field):
        return binding.operand(value)
    if isinstance(operand, Col):
        return binding.param(read_value(operand.column, value), operand.column)
    return binding.param(value)


def incompatible(column: Column, value: Any) -> Fault:
    """The fault of a value, or an operator, that does not go with a column."""
    return fault("IncompatibleTypes", column=column.name, type=column.type, value=str(value)[:100])
