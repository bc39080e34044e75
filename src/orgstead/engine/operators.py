"""Every condition operator, turned into the dozen comparisons that the store compiles.

The operators are those of FetchXML, which QueryExpression, the Web API's query functions and the OData
operators all name: https://learn.microsoft.com/power-apps/developer/data-platform/fetchxml/reference/operators

Null: a positive operator never holds for null; its negation (``ne``, ``not-in``, ``not-like``…) does, so an
operator and its negation split the rows in two.
"""

import re
from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any, Protocol

from orgstead.engine.context import Caller
from orgstead.engine.dates import Calendar, Range, fiscal_ranges, ranges_with_number, ranges_without_value
from orgstead.errors import fault
from orgstead.model.plan import (
    AllOf,
    AnyOf,
    Col,
    DatePart,
    Descends,
    HasAny,
    IsNull,
    Like,
    NoneOf,
    OneOf,
    Operand,
    Param,
    Test,
    Verdict,
)
from orgstead.model.query import Condition, Field, Untyped
from orgstead.model.schema import Column, Schema
from orgstead.model.types import is_guid, parse_datetime

__all__ = ["OPERATORS", "Binding", "bind_condition", "read_value"]

MAX_VALUES = 2000

TEXT = frozenset({"string", "memo", "entityname"})
GUIDS = frozenset({"uniqueidentifier", "lookup", "customer", "owner"})
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

    def operand(self, field: Field) -> Operand:
        """The column that a field names in the current scope."""


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
    return instant.strftime("%Y-%m-%d") if column.date_only else instant.strftime("%Y-%m-%dT%H:%M:%SZ")


def _refuse() -> Any:
    raise ValueError


def bind_condition(condition: Condition, binding: Binding) -> Verdict:
    """The verdict of one condition. Raises ODataUnsupported for an unknown operator, IncompatibleTypes…"""
    bind = OPERATORS.get(condition.operator)
    if bind is None:
        raise fault("UnknownOperator", operator=condition.operator)
    return bind(binding, condition)


Rule = Callable[[Binding, Condition], Verdict]


def _col(binding: Binding, condition: Condition) -> Col:
    operand = binding.operand(condition.field)
    if not isinstance(operand, Col):
        raise fault("ODataUnsupported", feature=f"The operator {condition.operator} on an aggregate")
    return operand


def _arity(condition: Condition, count: int) -> None:
    if len(condition.values) != count:
        raise fault(
            "OperatorArity", operator=condition.operator, expected=count, actual=len(condition.values)
        )


def _value(binding: Binding, operand: Operand, value: Any) -> Operand:
    if isinstance(value, Field):
        return binding.operand(value)
    if isinstance(operand, Col):
        return binding.param(read_value(operand.column, value), operand.column)
    return binding.param(value)


def _compare(op: Any) -> Rule:
    def rule(binding: Binding, condition: Condition) -> Verdict:
        _arity(condition, 1)
        operand, value = binding.operand(condition.field), condition.values[0]
        if value is None:
            if op == "eq":
                return IsNull(operand)
            # An order comparison with null holds for no row.
            return AnyOf(())
        if isinstance(operand, Col) and operand.column.type == "multichoice" and op == "eq":
            return _multi(binding, condition, every=True)
        return Test(op, operand, _value(binding, operand, value))

    return rule


def _negate(rule: Rule) -> Rule:
    return lambda binding, condition: NoneOf(rule(binding, condition))


def _null(binding: Binding, condition: Condition) -> Verdict:
    _arity(condition, 0)
    return IsNull(binding.operand(condition.field))


def _in(binding: Binding, condition: Condition) -> Verdict:
    operand = _col(binding, condition)
    if operand.column.type == "multichoice":
        return _multi(binding, condition, every=True)
    if len(condition.values) > MAX_VALUES:
        raise fault("QueryTooComplex", limit=f"{MAX_VALUES} values")
    values = tuple(read_value(operand.column, value) for value in condition.values if value is not None)
    found: Verdict = OneOf(operand, binding.param(values, operand.column, many=True))
    return AnyOf((found, IsNull(operand))) if None in condition.values else found


def _between(binding: Binding, condition: Condition) -> Verdict:
    _arity(condition, 2)
    operand = binding.operand(condition.field)
    low, high = (_value(binding, operand, value) for value in condition.values)
    return AllOf((Test("ge", operand, low), Test("le", operand, high)))


def _multi(binding: Binding, condition: Condition, *, every: bool = False) -> Verdict:
    operand = _col(binding, condition)
    if operand.column.type != "multichoice":
        raise fault(
            "IncompatibleTypes",
            column=operand.column.name,
            type=operand.column.type,
            value=condition.operator,
        )
    numbers: list[int] = []
    for value in condition.values:
        parts = value.split(",") if isinstance(value, str) else [value]
        try:
            numbers.extend(int(part) for part in parts)
        except (TypeError, ValueError):
            raise fault(
                "IncompatibleTypes", column=operand.column.name, type="multichoice", value=str(value)[:100]
            ) from None
    if len(numbers) > MAX_VALUES:
        raise fault("QueryTooComplex", limit=f"{MAX_VALUES} values")
    return HasAny(operand, binding.param(tuple(sorted(set(numbers))), operand.column, many=True), every=every)


def _escaped(text: str) -> str:
    return re.sub(r"([\\%_])", r"\\\1", text)


def _match(template: str) -> Rule:
    """Literal text in a place: ``template`` is a LIKE pattern with ``{}`` where it goes."""

    def rule(binding: Binding, condition: Condition) -> Verdict:
        _arity(condition, 1)
        operand, value = _text_operand(binding, condition), condition.values[0]
        if value is None:
            return AnyOf(())
        pattern = template.format(_escaped(str(value)))
        return Like(operand, binding.param(pattern), ascii=pattern.isascii())

    return rule


def _text_operand(binding: Binding, condition: Condition) -> Col:
    operand, value = _col(binding, condition), condition.values[0]
    if operand.column.type not in TEXT or not (value is None or isinstance(value, str)):
        raise fault(
            "IncompatibleTypes", column=operand.column.name, type=operand.column.type, value=str(value)[:100]
        )
    return operand


def _like(binding: Binding, condition: Condition) -> Verdict:
    _arity(condition, 1)
    operand, value = _text_operand(binding, condition), condition.values[0]
    if value is None:
        return AnyOf(())
    pattern = str(value).replace("\\", "\\\\")
    classes = re.search(r"\[[^\]]+\]", pattern) is not None
    return Like(operand, binding.param(pattern), ascii=pattern.isascii(), classes=classes)


def _ranged(binding: Binding, condition: Condition, span: Range) -> Verdict:
    operand = _col(binding, condition)
    if operand.column.type != "datetime":
        raise fault(
            "IncompatibleTypes",
            column=operand.column.name,
            type=operand.column.type,
            value=condition.operator,
        )
    start, end = span
    date_only, calendar, tests = operand.column.date_only, binding.calendar, []
    if start is not None:
        tests.append(
            Test("ge", operand, binding.param(calendar.utc(start, date_only=date_only), operand.column))
        )
    if end is not None:
        # A range may end within a day; for calendar dates that day is still in it.
        whole = not date_only or end == end.replace(hour=0, minute=0, second=0, microsecond=0)
        tests.append(
            Test(
                "lt" if whole else "le",
                operand,
                binding.param(calendar.utc(end, date_only=date_only), operand.column),
            )
        )
    return AllOf(tuple(tests))


def _whole(condition: Condition, index: int = 0) -> int:
    try:
        number = int(str(condition.values[index]))
    except (TypeError, ValueError):
        raise fault(
            "InvalidArgument", message=f"The operator {condition.operator} needs a whole number."
        ) from None
    if not 0 < number <= 100_000:
        raise fault(
            "InvalidArgument", message=f"The value of {condition.operator} must be between 1 and 100000."
        )
    return number


def _relative(name: str) -> Rule:
    def rule(binding: Binding, condition: Condition) -> Verdict:
        binding.dynamic()
        if name in ranges_without_value:
            _arity(condition, 0)
            return _ranged(binding, condition, ranges_without_value[name](binding.calendar))
        if name in ranges_with_number:
            _arity(condition, 1)
            return _ranged(binding, condition, ranges_with_number[name](binding.calendar, _whole(condition)))
        _arity(condition, 2)
        return _ranged(
            binding, condition, fiscal_ranges[name](binding.calendar, _whole(condition), _whole(condition, 1))
        )

    return rule


def _in_fiscal_period(binding: Binding, condition: Condition) -> Verdict:
    _arity(condition, 1)
    part = DatePart(_col(binding, condition), "fiscal-period", None, binding.calendar.fiscal_month)
    return Test("eq", part, binding.param(_whole(condition)))


def _on(before: bool, after: bool) -> Rule:
    def rule(binding: Binding, condition: Condition) -> Verdict:
        _arity(condition, 1)
        try:
            day = parse_datetime(str(condition.values[0]).replace(" ", "T", 1)).replace(tzinfo=None)
        except ValueError:
            raise fault(
                "InvalidArgument", message=f"The operator {condition.operator} needs a date."
            ) from None
        day = day.replace(hour=0, minute=0, second=0)
        following = day.fromordinal(min(day.toordinal() + 1, 3652059))
        return _ranged(binding, condition, (None if before else day, None if after else following))

    return rule


def _me(pick: Callable[[Caller], tuple[str, ...]], *, teams: bool = False, hierarchy: bool = False) -> Rule:
    def rule(binding: Binding, condition: Condition) -> Verdict:
        _arity(condition, 0)
        binding.dynamic()
        operand, caller = _col(binding, condition), binding.caller
        if operand.column.type not in GUIDS:
            raise fault(
                "IncompatibleTypes",
                column=operand.column.name,
                type=operand.column.type,
                value=condition.operator,
            )
        ids = pick(caller) + (caller.teams if teams else ())
        found: Verdict = OneOf(operand, binding.param(ids, operand.column, many=True))
        if hierarchy:
            users = binding.schema.tables["systemuser"]
            root = binding.param(caller.user_id, users.columns[users.primary_id])
            found = AnyOf(
                (
                    found,
                    Descends(operand, users, users.columns["parentsystemuserid"], root, include_self=True),
                )
            )
        return found

    return rule


def _user(caller: Caller) -> tuple[str, ...]:
    return (caller.user_id,)


def _language(binding: Binding, condition: Condition) -> Verdict:
    _arity(condition, 0)
    return Test("eq", binding.operand(condition.field), binding.param(1033))


def _hierarchy(*, include_self: bool, up: bool) -> Rule:
    def rule(binding: Binding, condition: Condition) -> Verdict:
        _arity(condition, 1)
        operand = _col(binding, condition)
        column, value = operand.column, read_value(operand.column, condition.values[0])
        for rel in binding.schema.one_to_many.values():
            if not rel.hierarchical or rel.referencing != rel.referenced:
                continue
            table = binding.schema.tables[rel.referenced]
            if column.name == table.primary_id or column.targets == (table.logical_name,):
                parent = table.columns[rel.referencing_attribute]
                return Descends(
                    operand, table, parent, binding.param(value, column), include_self=include_self, up=up
                )
        raise fault("NoHierarchy", column=column.name)

    return rule


_POSITIVE: Mapping[str, Rule] = {
    "eq": _compare("eq"),
    "gt": _compare("gt"),
    "ge": _compare("ge"),
    "lt": _compare("lt"),
    "le": _compare("le"),
    "null": _null,
    "in": _in,
    "between": _between,
    "like": _like,
    "contains": _match("%{}%"),
    "begins-with": _match("{}%"),
    "ends-with": _match("%{}"),
    "contain-values": _multi,
    "on": _on(False, False),
    "on-or-before": _on(True, False),
    "on-or-after": _on(False, True),
    "eq-userid": _me(_user),
    "eq-userteams": _me(lambda caller: (), teams=True),
    "eq-useroruserteams": _me(_user, teams=True),
    "eq-useroruserhierarchy": _me(_user, hierarchy=True),
    "eq-useroruserhierarchyandteams": _me(_user, teams=True, hierarchy=True),
    "eq-businessid": _me(lambda caller: (caller.business_unit_id,)),
    "eq-userlanguage": _language,
    "under": _hierarchy(include_self=False, up=False),
    "eq-or-under": _hierarchy(include_self=True, up=False),
    "above": _hierarchy(include_self=False, up=True),
    "eq-or-above": _hierarchy(include_self=True, up=True),
    "in-fiscal-period": _in_fiscal_period,
    **{name: _relative(name) for name in (*ranges_without_value, *ranges_with_number, *fiscal_ranges)},
}

# Names of the negations as FetchXML spells them, and the aliases that it knows.
_NEGATIVE: Mapping[str, str] = {
    "ne": "eq",
    "neq": "eq",
    "not-null": "null",
    "not-in": "in",
    "not-between": "between",
    "not-like": "like",
    "not-contains": "contains",
    "not-begin-with": "begins-with",
    "not-end-with": "ends-with",
    "not-contain-values": "contain-values",
    "not-on": "on",
    "ne-userid": "eq-userid",
    "ne-businessid": "eq-businessid",
    "not-under": "under",
}

OPERATORS: Mapping[str, Rule] = {
    **_POSITIVE,
    **{name: _negate(_POSITIVE[positive]) for name, positive in _NEGATIVE.items()},
}
