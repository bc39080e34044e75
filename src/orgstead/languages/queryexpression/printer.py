"""The query value to a QueryExpression as plain values.

https://learn.microsoft.com/dotnet/api/microsoft.xrm.sdk.query.queryexpression
"""

from collections.abc import Mapping, Sequence
from typing import Any

from orgstead.errors import Fault, fault
from orgstead.languages.queryexpression.columns import FUNCTIONS, GROUPINGS
from orgstead.languages.queryexpression.values import OPERATORS
from orgstead.model.query import (
    And,
    Condition,
    Exists,
    Field,
    Join,
    Not,
    Or,
    Order,
    Predicate,
    Query,
    Shown,
)

__all__ = ["print_query_expression"]

_NAMES: Mapping[str, str] = {**{fetch: name for name, fetch in OPERATORS.items()}, "neq": "NotEqual"}
_FUNCTIONS: Mapping[str | None, str] = {fetch: name for name, fetch in FUNCTIONS.items()}
_GROUPINGS: Mapping[str | None, str] = {fetch: name for name, fetch in GROUPINGS.items()}
_JOINS: Mapping[str, str] = {"inner": "Inner", "outer": "LeftOuter", "first": "MatchFirstRowUsingCrossApply"}


def print_query_expression(query: Query) -> Mapping[str, Any]:
    """A QueryExpression that asks the same; raises NotSupported for what it cannot say."""
    for asked, what in (
        (query.expand, "An expand"),
        (query.having, "A condition on groups"),
        (query.count_only, "A bare count"),
        (query.after, "A place among the pages"),
    ):
        if asked:
            raise _unsaid(what)
    aliases = {each.alias for each in query.groups} | {each.alias for each in query.aggregates}
    return {
        "EntityName": query.table,
        "ColumnSet": _columns(query.columns, query.aliased, query, None),
        "Criteria": _filter(query.where),
        "LinkEntities": [_link(each, query, query.table, _JOINS[each.kind]) for each in query.joins],
        "Orders": [_order(each, aliases) for each in query.order],
        "Distinct": query.distinct,
        "TopCount": query.top,
        "PageInfo": {
            "Count": query.page_size or 0,
            "PageNumber": query.page_number if query.page_size or query.page_number > 1 else 0,
            "PagingCookie": None,
            "ReturnTotalRecordCount": query.count,
        },
    }


def _unsaid(what: str) -> Fault:
    return fault("NotSupported", feature=f"{what} in a QueryExpression")


def _columns(
    names: Sequence[str] | None, shown: Sequence[Shown], query: Query, alias: str | None
) -> Mapping[str, Any]:
    expressions = [_expression(each.name, each.alias) for each in shown]
    for group in query.groups:
        if group.field.alias == alias:
            if group.utc:
                raise _unsaid("A group by the time in UTC")
            expression = _expression(group.field.name, group.alias)
            expression |= {"HasGroupBy": True, "DateTimeGrouping": _GROUPINGS[group.dategrouping]}
            expressions.append(expression)
    for aggregate in query.aggregates:
        if (aggregate.field.alias if aggregate.field is not None else None) == alias:
            if aggregate.function == "countdistinct":
                raise _unsaid("A count of different values")
            name = aggregate.field.name if aggregate.field is not None else f"{query.table}id"
            expression = _expression(name, aggregate.alias)
            expression["AggregateType"] = _FUNCTIONS[aggregate.function]
            expressions.append(expression)
    whole = names is None and not query.groups and not query.aggregates
    return {"AllColumns": whole, "Columns": list(names or ()), "AttributeExpressions": expressions}


def _expression(name: str, alias: str) -> dict[str, Any]:
    return {
        "AttributeName": name,
        "Alias": alias,
        "AggregateType": "None",
        "HasGroupBy": False,
        "DateTimeGrouping": "None",
    }


def _order(order: Order, aliases: set[str]) -> Mapping[str, Any]:
    if order.field.path:
        raise _unsaid("An order along a lookup")
    by_alias = order.field.alias is None and order.field.name in aliases
    return {
        "AttributeName": None if by_alias else order.field.name,
        "Alias": order.field.name if by_alias else None,
        "EntityName": order.field.alias,
        "OrderType": "Descending" if order.descending else "Ascending",
    }


def _link(join: Join, query: Query, parent: str, kind: str) -> dict[str, Any]:
    return {
        "LinkFromEntityName": parent,
        "LinkFromAttributeName": join.to_column,
        "LinkToEntityName": join.table,
        "LinkToAttributeName": join.from_column,
        "EntityAlias": join.alias,
        "JoinOperator": kind,
        "Columns": _columns(join.columns, join.aliased, query, join.alias),
        "LinkCriteria": _filter(join.where),
        "LinkEntities": [_link(each, query, join.table, _JOINS[each.kind]) for each in join.joins],
        "Orders": [],
    }


def _filter(where: Predicate | None) -> dict[str, Any]:
    """A filter expression; conditions stand in it directly, everything else in filters of its own."""
    operator, items = (
        ("Or", where.items)
        if isinstance(where, Or)
        else ("And", where.items if isinstance(where, And) else () if where is None else (where,))
    )
    return {
        "FilterOperator": operator,
        "Conditions": [_condition(item) for item in items if isinstance(item, Condition)],
        "Filters": [_nested(item) for item in items if not isinstance(item, Condition)],
    }


def _nested(item: Predicate) -> dict[str, Any]:
    match item:
        case And() | Or():
            return _filter(item)
        case Exists():
            return _test(item, "Any")
        case Not(Exists() as inner):
            return _test(inner, "NotAny")
    raise _unsaid("A negation")


def _test(test: Exists, kind: str) -> dict[str, Any]:
    join = test.link
    if not isinstance(join, Join) or test.where is not None or test.every or test.path:
        raise _unsaid("A test of a collection")
    link = _link(join, Query(table=join.table), "", kind)
    return {"FilterOperator": "And", "Conditions": [], "Filters": [], "AnyAllFilterLinkEntity": link}


def _condition(condition: Condition) -> Mapping[str, Any]:
    field, values = condition.field, condition.values
    if field.path:
        raise _unsaid("A condition along a lookup")
    compared = bool(values) and isinstance(values[0], Field)
    return {
        "EntityName": field.alias,
        "AttributeName": field.name,
        "Operator": _operator(condition.operator),
        "Values": [_compared(each) if isinstance(each, Field) else each for each in values],
        "CompareColumns": compared,
    }


def _compared(field: Field) -> str:
    return field.name if field.alias is None else f"{field.alias}.{field.name}"


def _operator(name: str) -> str:
    """The ConditionOperator of a FetchXML operator: its own name, or the words without hyphens."""
    words = name.replace("olderthan", "older-than").split("-")
    return _NAMES.get(name) or "".join(word[:1].upper() + word[1:] for word in words)
