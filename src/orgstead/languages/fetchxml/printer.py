"""The query value to FetchXML.

https://learn.microsoft.com/power-apps/developer/data-platform/fetchxml/reference/
"""

from decimal import Decimal
from typing import Any
from xml.sax.saxutils import escape, quoteattr

from orgstead.errors import fault
from orgstead.model.query import (
    Aggregate,
    And,
    Condition,
    Exists,
    Field,
    Group,
    Join,
    Not,
    Or,
    Order,
    Predicate,
    Query,
    Shown,
)

__all__ = ["print_fetchxml"]

_TYPES = {"inner": "inner", "outer": "outer", "first": "matchfirstrowusingcrossapply"}


def print_fetchxml(query: Query) -> str:
    """FetchXML that asks the same; raises NotSupported for what FetchXML cannot say."""
    for asked, what in (
        (query.expand, "An expand"),
        (query.having, "A condition on groups"),
        (query.count_only, "A bare count"),
        (query.after, "A place among the pages"),
    ):
        if asked:
            raise _unsaid(what)
    aggregate = bool(query.groups or query.aggregates)
    links = "".join(_link(join, query, aggregate) for join in query.joins)
    columns = _summed(query, None) if aggregate else _columns(query.columns, query.aliased)
    columns += "".join(
        f"<attribute{_attributes(name=each.name, alias=each.alias, rowaggregate='CountChildren')}/>"
        for each in query.tallied
    )
    inner = (
        columns + "".join(_order(order, aggregate) for order in query.order) + _filter(query.where) + links
    )
    fetch = _attributes(
        top=query.top,
        count=query.page_size,
        page=query.page_number if query.page_number > 1 else None,
        distinct=query.distinct or None,
        aggregate=aggregate or None,
        aggregatelimit=query.row_limit,
        returntotalrecordcount=query.count or None,
        useraworderby=(not aggregate and any(not each.labels for each in query.order)) or None,
    )
    return f"<fetch{fetch}><entity{_attributes(name=query.table)}>{inner}</entity></fetch>"


def _unsaid(what: str) -> Exception:
    return fault("NotSupported", feature=f"{what} in FetchXML")


def _attributes(**values: Any) -> str:
    return "".join(
        f" {name.rstrip('_').replace('_', '-')}={quoteattr(_text(value))}"
        for name, value in values.items()
        if value is not None
    )


def _text(value: Any) -> str:
    match value:
        case bool():
            return "true" if value else "false"
        case Decimal():
            return format(value, "f")
    return str(value)


def _columns(columns: tuple[str, ...] | None, aliased: tuple[Shown, ...]) -> str:
    shown = "".join(f"<attribute{_attributes(name=each.name, alias=each.alias)}/>" for each in aliased)
    if columns is None:
        return f"<all-attributes/>{shown}"
    plain = "".join(f"<attribute{_attributes(name=name)}/>" for name in columns)
    return plain + shown or "<no-attrs/>"


def _summed(query: Query, alias: str | None) -> str:
    """The groups and aggregates over the columns of one table of an aggregate query."""
    return "".join(_group(each) for each in query.groups if each.field.alias == alias) + "".join(
        _aggregate(each, query.table)
        for each in query.aggregates
        if (each.field.alias if each.field is not None else None) == alias
    )


def _group(group: Group) -> str:
    said = _attributes(
        name=group.field.name,
        alias=group.alias,
        groupby=True,
        dategrouping=group.dategrouping,
        usertimezone=False if group.utc else None,
    )
    return f"<attribute{said}/>"


def _aggregate(aggregate: Aggregate, table: str) -> str:
    distinct = aggregate.function == "countdistinct"
    said = _attributes(
        # Rows are counted, whatever column is named.
        name=f"{table}id" if aggregate.field is None else aggregate.field.name,
        alias=aggregate.alias,
        aggregate="countcolumn" if distinct else aggregate.function,
        distinct=True if distinct else None,
    )
    return f"<attribute{said}/>"


def _order(order: Order, aggregate: bool) -> str:
    if order.field.path:
        raise _unsaid("An order along a lookup")
    descending = True if order.descending else None
    if aggregate:
        return f"<order{_attributes(alias=order.field.name, descending=descending)}/>"
    said = _attributes(attribute=order.field.name, entityname=order.field.alias, descending=descending)
    return f"<order{said}/>"


def _link(join: Join, query: Query, aggregate: bool) -> str:
    columns = _summed(query, join.alias) if aggregate else _columns(join.columns, join.aliased)
    return _linked(
        join, _TYPES[join.kind], columns, "".join(_link(each, query, aggregate) for each in join.joins)
    )


def _linked(join: Join, kind: str, columns: str, links: str) -> str:
    said = _attributes(
        name=join.table, from_=join.from_column, to=join.to_column, alias=join.alias, link_type=kind
    )
    return f"<link-entity{said}>{columns}{_filter(join.where)}{links}</link-entity>"


def _filter(where: Predicate | None) -> str:
    if where is None:
        return ""
    return _predicate(where if isinstance(where, And | Or) else And((where,)))


def _predicate(item: Predicate) -> str:
    match item:
        case And(items):
            return f'<filter type="and">{"".join(map(_predicate, items))}</filter>'
        case Or(items):
            return f'<filter type="or">{"".join(map(_predicate, items))}</filter>'
        case Condition():
            return _condition(item)
        case Exists():
            return _test(item, "any")
        case Not(Exists() as inner):
            return _test(inner, "not any")
    raise _unsaid("A negation")


def _test(test: Exists, kind: str) -> str:
    join = test.link
    if not isinstance(join, Join) or test.where is not None or test.every or test.path:
        raise _unsaid("A test of a collection")
    links = "".join(_linked(each, _TYPES[each.kind], "", _nested(each)) for each in join.joins)
    return _linked(join, kind, "", links)


def _nested(join: Join) -> str:
    return "".join(_linked(each, _TYPES[each.kind], "", _nested(each)) for each in join.joins)


def _condition(condition: Condition) -> str:
    field, values = condition.field, condition.values
    if field.path:
        raise _unsaid("A condition along a lookup")
    said = {"attribute": field.name, "operator": condition.operator, "entityname": field.alias}
    match values:
        case ():
            return f"<condition{_attributes(**said)}/>"
        case (Field() as other,):
            dotted = f"{other.alias}.{other.name}" if other.alias is not None else other.name
            return f"<condition{_attributes(**said, valueof=dotted)}/>"
    inner = "".join(f"<value>{escape(_text(value))}</value>" for value in values)
    return f"<condition{_attributes(**said)}>{inner}</condition>"
