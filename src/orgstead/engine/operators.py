"""Every condition operator, turned into the dozen comparisons that the store compiles.

The operators are those of FetchXML, which QueryExpression, the Web API's query functions and the OData
operators all name: https://learn.microsoft.com/power-apps/developer/data-platform/fetchxml/reference/operators

Null: a positive operator never holds for null; its negation (``ne``, ``not-in``, ``not-like``…) does, so an
operator and its negation split the rows in two.
"""

import re
from collections.abc import Mapping
from typing import Any

from orgstead.engine.binding import (
    TEXT,
    Binding,
    Rule,
    between_seconds,
    bound_value,
    check_arity,
    column_operand,
    incompatible,
    read_value,
)
from orgstead.engine.dates import fiscal_ranges, ranges_with_number, ranges_without_value
from orgstead.engine.operators_dates import in_fiscal_period, on_day, relative
from orgstead.engine.operators_people import hierarchy, me, own_user, user_language
from orgstead.errors import fault
from orgstead.model.plan import AllOf, AnyOf, Col, HasAny, IsNull, Like, NoneOf, OneOf, Operand, Test, Verdict
from orgstead.model.query import Condition

__all__ = ["OPERATORS", "bind_condition"]

MAX_VALUES = 2000


def bind_condition(condition: Condition, binding: Binding) -> Verdict:
    """The verdict of one condition. Raises ODataUnsupported for an unknown operator, IncompatibleTypes…"""
    bind = OPERATORS.get(condition.operator)
    if bind is None:
        raise fault("UnknownOperator", operator=condition.operator)
    return bind(binding, condition)


def _compare(op: Any) -> Rule:
    def rule(binding: Binding, condition: Condition) -> Verdict:
        check_arity(condition, 1)
        operand, value = binding.operand(condition.field), condition.values[0]
        if value is None:
            if op == "eq":
                return IsNull(operand)
            # An order comparison with null holds for no row.
            return AnyOf(())
        if isinstance(operand, Col) and operand.column.type == "multichoice" and op == "eq":
            return _multi(binding, condition, every=True)
        return _ordered(binding, op, operand, value)

    return rule


def _ordered(binding: Binding, op: Any, operand: Operand, value: Any) -> Verdict:
    """A comparison. Values of a date column have whole seconds, and literals are cut off to them."""
    if between_seconds(operand, value):
        if op == "eq":
            bound_value(binding, operand, value)
            return AnyOf(())
        op = {"ge": "gt", "lt": "le"}.get(op, op)
    return Test(op, operand, bound_value(binding, operand, value))


def _negate(rule: Rule) -> Rule:
    return lambda binding, condition: NoneOf(rule(binding, condition))


def _null(binding: Binding, condition: Condition) -> Verdict:
    check_arity(condition, 0)
    return IsNull(binding.operand(condition.field, content=False))


def _in(binding: Binding, condition: Condition) -> Verdict:
    operand = column_operand(binding, condition)
    if operand.column.type == "multichoice":
        return _multi(binding, condition, every=True)
    if len(condition.values) > MAX_VALUES:
        raise fault("QueryTooComplex", limit=f"{MAX_VALUES} values")
    values = tuple(
        read_value(operand.column, value)
        for value in condition.values
        if value is not None and not between_seconds(operand, value)
    )
    found: Verdict = OneOf(operand, binding.param(values, operand.column, many=True))
    return AnyOf((found, IsNull(operand))) if None in condition.values else found


def _between(binding: Binding, condition: Condition) -> Verdict:
    check_arity(condition, 2)
    operand = binding.operand(condition.field)
    low, high = condition.values
    return AllOf((_ordered(binding, "ge", operand, low), _ordered(binding, "le", operand, high)))


def _multi(binding: Binding, condition: Condition, *, every: bool = False) -> Verdict:
    operand = column_operand(binding, condition)
    if operand.column.type != "multichoice":
        raise incompatible(operand.column, condition.operator)
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


def _match(template: str) -> Rule:
    """Text in a place: ``template`` is a LIKE pattern with ``{}`` where it goes.

    The wildcards %, _, [] and [^] work in all of these operators; in brackets they stand for themselves.
    https://learn.microsoft.com/power-apps/developer/data-platform/wildcard-characters
    """

    def rule(binding: Binding, condition: Condition) -> Verdict:
        check_arity(condition, 1)
        operand, value = _text_operand(binding, condition), condition.values[0]
        if value is None:
            return AnyOf(())
        pattern = template.format(str(value).replace("\\", "\\\\"))
        classes = _CLASS.search(pattern) is not None
        return Like(operand, binding.param(pattern), ascii=pattern.isascii(), classes=classes)

    return rule


_CLASS = re.compile(r"\[[^\]]+\]")


def _text_operand(binding: Binding, condition: Condition) -> Col:
    operand, value = column_operand(binding, condition), condition.values[0]
    if operand.column.type not in TEXT or not (value is None or isinstance(value, str)):
        raise incompatible(operand.column, value)
    return operand


_POSITIVE: Mapping[str, Rule] = {
    "eq": _compare("eq"),
    "gt": _compare("gt"),
    "ge": _compare("ge"),
    "lt": _compare("lt"),
    "le": _compare("le"),
    "null": _null,
    "in": _in,
    "between": _between,
    "like": _match("{}"),
    "contains": _match("%{}%"),
    "begins-with": _match("{}%"),
    "ends-with": _match("%{}"),
    "contain-values": _multi,
    "on": on_day(False, False),
    "on-or-before": on_day(True, False),
    "on-or-after": on_day(False, True),
    "eq-userid": me(own_user),
    "eq-userteams": me(lambda caller: (), teams=True),
    "eq-useroruserteams": me(own_user, teams=True),
    "eq-useroruserhierarchy": me(own_user, managed=True),
    "eq-useroruserhierarchyandteams": me(own_user, teams=True, managed=True),
    "eq-businessid": me(lambda caller: (caller.business_unit_id,)),
    "eq-userlanguage": user_language,
    "under": hierarchy(include_self=False, up=False),
    "eq-or-under": hierarchy(include_self=True, up=False),
    "above": hierarchy(include_self=False, up=True),
    "eq-or-above": hierarchy(include_self=True, up=True),
    "in-fiscal-period": in_fiscal_period,
    **{name: relative(name) for name in (*ranges_without_value, *ranges_with_number, *fiscal_ranges)},
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
