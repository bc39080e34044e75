"""Groups and aggregates: the part of a query whose rows are not rows of a table."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from orgstead.engine.joins import NAME
from orgstead.engine.scope import Scope
from orgstead.errors import fault
from orgstead.model.plan import (
    Agg,
    AllOf,
    Col,
    DatePart,
    Operand,
    Output,
    Plan,
    Sort,
    Verdict,
)
from orgstead.model.query import Order, Query

__all__ = ["bind_groups", "read_offset"]

MAX_DIGITS = 19


def bind_groups(query: Query, scope: Scope, where: list[Verdict]) -> Plan:
    """A plan of groups and aggregates. Raises IncompatibleTypes for sums of what is no number."""
    outputs: list[Output] = []
    groups: list[Operand] = []
    for group in query.groups:
        operand = scope.operand(group.field)
        column = operand.column if isinstance(operand, Col) else None
        if group.dategrouping is not None:
            if not isinstance(operand, Col) or operand.column.type != "datetime":
                raise fault(
                    "IncompatibleTypes", column=group.field.name, type="datetime", value=group.dategrouping
                )
            local = scope.calendar.offset and not group.utc
            offset = scope.param(scope.calendar.offset) if local else None
            operand, column = DatePart(operand, group.dategrouping, offset), None
            if group.dategrouping.startswith("fiscal"):
                scope.dynamic()
                fiscal = scope.calendar.fiscal()
                operand = replace(operand, first_month=fiscal.month, periods=fiscal.periods)
        outputs.append(Output(group.alias, operand, column))
        if isinstance(operand, Col) and operand.column.polymorphic:
            table = Col(operand.alias, operand.column, "table")
            outputs.append(Output(group.alias, table, None, "table"))
            groups.append(operand)
            operand = table
        groups.append(operand)
    for aggregate in query.aggregates:
        of = scope.operand(aggregate.field) if aggregate.field is not None else None
        if aggregate.function in ("sum", "avg") and not _numeric(of):
            raise fault(
                "IncompatibleTypes", column=aggregate.alias, type="a number", value=aggregate.function
            )
        kept = (
            of.column if isinstance(of, Col) and aggregate.function in ("sum", "avg", "min", "max") else None
        )
        outputs.append(Output(aggregate.alias, Agg(aggregate.function, of), kept))
    seen: dict[str, Operand] = {}
    for output in outputs:
        if NAME.fullmatch(output.name) is None:
            raise fault("InvalidAlias", alias=output.name[:100])
        if output.part == "value":
            if output.name in seen:
                raise fault("ODataSyntax", message=f"The alias '{output.name}' is used twice.")
            seen[output.name] = output.of
    scope.outputs = seen
    having = scope.predicate(query.having) if query.having is not None else None
    order = {
        operand: Sort(operand, each.descending) for each in query.order for operand in [_ordered(each, seen)]
    }
    for operand in groups:
        # Pages are counted off: the order has to be total.
        order.setdefault(operand, Sort(operand))
    return Plan(
        source=scope.source,
        outputs=tuple(outputs),
        joins=tuple(scope.joins),
        where=AllOf(tuple(where)) if where else None,
        groups=tuple(groups),
        having=having,
        order=tuple(order.values()),
        limit=scope.param(0),
        offset=scope.param(query.offset + read_offset(query.after)),
    )


def _ordered(order: Order, outputs: Mapping[str, Operand]) -> Operand:
    """What groups are sorted by: one of their own values."""
    operand = outputs.get(order.field.name)
    if operand is None or order.field.path:
        raise fault("UnknownAlias", alias=order.field.name[:100])
    return operand


def read_offset(after: tuple[Any, ...] | None) -> int:
    """How many rows a cursor over rows without a key has left behind; raises InvalidPagingCookie."""
    if after is None:
        return 0
    text = str(after[0])
    if len(after) != 1 or not (text.isascii() and text.isdecimal() and len(text) < MAX_DIGITS):
        raise fault("InvalidPagingCookie")
    return int(text)


def _numeric(operand: Operand | None) -> bool:
    return isinstance(operand, Col) and operand.column.type in (
        "integer",
        "bigint",
        "decimal",
        "double",
        "money",
    )
