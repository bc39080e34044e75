"""A QueryExpression as plain values (of JSON, or of XML that has been read) to the query value.

https://learn.microsoft.com/power-apps/developer/data-platform/webapi/reference/queryexpression
https://learn.microsoft.com/power-apps/developer/data-platform/org-service/queryexpression/overview
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from orgstead.errors import fault
from orgstead.languages.paging import read_cookie, read_inner
from orgstead.languages.queryexpression.columns import Columns, read_columns
from orgstead.languages.queryexpression.values import (
    as_list,
    as_object,
    as_text,
    known,
    member,
    operator_of,
    value_of,
    wrong,
)
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
)

__all__ = ["parse_query_by_attribute", "parse_query_expression"]

MAX_CONDITIONS = 500
MAX_LINKS = 15
MAX_DEPTH = 50
MAX_PAGE = 5000
MAX_VALUES = 15_000
# https://learn.microsoft.com/power-apps/developer/data-platform/fetchxml/page-results#simple-paging
MAX_WITHOUT_COOKIE = 50_000

_JOINS: Mapping[str, Any] = {
    "Inner": "inner", "Natural": "inner", "LeftOuter": "outer", "MatchFirstRowUsingCrossApply": "first",
}  # fmt: skip
_TESTS = frozenset({"Exists", "In", "Any", "NotAny", "All", "NotAll"})
_QUERY = frozenset({
    "EntityName", "ColumnSet", "Criteria", "LinkEntities", "Orders", "PageInfo", "Distinct", "TopCount",
})  # fmt: skip
_BY_ATTRIBUTE = frozenset({
    "EntityName", "ColumnSet", "Attributes", "Values", "Orders", "PageInfo", "TopCount",
})  # fmt: skip
_LINK = frozenset({
    "LinkFromEntityName", "LinkToEntityName", "LinkFromAttributeName", "LinkToAttributeName", "EntityAlias", "Columns",
    "LinkCriteria", "LinkEntities", "JoinOperator", "Orders",
})  # fmt: skip
_FILTER = frozenset({"FilterOperator", "Conditions", "Filters", "AnyAllFilterLinkEntity"})
_CONDITION = frozenset({"EntityName", "AttributeName", "Operator", "Values", "CompareColumns"})
_ORDER = frozenset({"AttributeName", "OrderType", "Alias", "EntityName"})
_PAGE = frozenset({"Count", "PageNumber", "PagingCookie", "ReturnTotalRecordCount"})


def parse_query_expression(value: Any) -> Query:
    """Read a QueryExpression.

    Raises InvalidQueryExpression for what is none, TooManyConditions, TooManyLinks, PageWithoutCookie,
    InvalidPagingCookie, and ODataUnsupported for what it may have and this does not.
    """
    given = as_object(value, "QueryExpression")
    known(given, _QUERY, "a QueryExpression")
    return _Reader(given).query(given)


def parse_query_by_attribute(value: Any) -> Query:
    """Read a QueryByAttribute: each column equals its value, or has none where the value is null.

    Raises as ``parse_query_expression`` does.
    https://learn.microsoft.com/power-apps/developer/data-platform/org-service/use-querybyattribute-class
    """
    given = as_object(value, "QueryByAttribute")
    known(given, _BY_ATTRIBUTE, "a QueryByAttribute")
    names, values = as_list(given.get("Attributes"), "Attributes"), as_list(given.get("Values"), "Values")
    if len(names) != len(values):
        raise wrong("Attributes and Values are not of one length")
    conditions = [
        {"AttributeName": name, "Operator": "Null"}
        if each is None
        else {"AttributeName": name, "Operator": "Equal", "Values": [each]}
        for name, each in zip(names, values, strict=True)
    ]
    plain = {name: each for name, each in given.items() if name not in ("Attributes", "Values")}
    return parse_query_expression({**plain, "Criteria": {"Conditions": conditions}})


class _Reader:
    """One QueryExpression being read."""

    def __init__(self, given: Mapping[str, Any]) -> None:
        self.conditions = 0
        self.links = 0
        self.groups: list[Group] = []
        self.aggregates: list[Aggregate] = []
        self.orders: list[Order] = []
        # What conditions and orders may call a link: by its alias, or by its table.
        self.named: dict[str, str | None] = {}
        for number, (table, alias) in enumerate(_links(given, 1), 1):
            self.named.setdefault(alias or table, alias or f"{table}{number}")
        self.named[as_text(given.get("EntityName"), "EntityName").lower()] = None

    def query(self, given: Mapping[str, Any]) -> Query:
        """The whole."""
        self.order_list(given.get("Orders"), None)
        columns = self.columns(given.get("ColumnSet"), None)
        joins, tests = self.link_list(given.get("LinkEntities"), 1)
        top = given.get("TopCount")
        query = Query(
            table=as_text(given.get("EntityName"), "EntityName").lower(),
            columns=columns.names,
            aliased=columns.aliased,
            where=self.where(given.get("Criteria"), tests),
            order=tuple(self.orders),
            joins=joins,
            groups=tuple(self.groups),
            aggregates=tuple(self.aggregates),
            distinct=bool(given.get("Distinct")),
            top=top if isinstance(top, int) and not isinstance(top, bool) else None,
        )
        if query.top is not None and query.top < 1:
            raise wrong("TopCount is not a number from 1")
        return _paged(query, as_object(given.get("PageInfo") or {}, "PageInfo"))

    def columns(self, given: Any, alias: str | None) -> Columns:
        """The columns of a table; its groups and aggregates are put with those of the whole query."""
        found = read_columns(given, alias)
        self.groups += found.groups
        self.aggregates += found.aggregates
        return found

    def order_list(self, given: Any, alias: str | None) -> None:
        """The sort keys of a table: those of the query itself come before those of its links."""
        for each in as_list(given, "Orders"):
            order = as_object(each, "an OrderExpression")
            known(order, _ORDER, "an OrderExpression")
            descending = member(order.get("OrderType", 0), ("Ascending", "Descending"), "OrderType")
            if order.get("Alias"):
                field = Field(as_text(order["Alias"], "Alias"))
            else:
                name = as_text(order.get("AttributeName"), "AttributeName").lower()
                field = Field(name, alias=self.scope(order.get("EntityName"), alias))
            self.orders.append(Order(field, descending == "Descending"))

    def scope(self, name: Any, inside: str | None) -> str | None:
        """The alias that an EntityName means; without one the table that it stands in."""
        if not isinstance(name, str) or not name:
            return inside
        return self.named[name] if name in self.named else self.named.get(name.lower(), name)

    # -- links ---------------------------------------------------------------------------------------------------
    def link_list(self, given: Any, depth: int) -> tuple[tuple[Join, ...], list[Predicate]]:
        """The links that bring rows, and the tests that the others are."""
        joins: list[Join] = []
        tests: list[Predicate] = []
        for each in as_list(given, "LinkEntities"):
            link = as_object(each, "a LinkEntity")
            kind = link.get("JoinOperator", "Inner")
            if kind in _JOINS:
                joins.append(self.join(link, _JOINS[kind], depth))
            elif kind in _TESTS:
                tests.append(self.test(link, kind, depth))
            else:
                raise fault("ODataUnsupported", feature=f"The join operator {str(kind)[:50]}")
        return tuple(joins), tests

    def join(self, link: Mapping[str, Any], kind: Any, depth: int) -> Join:
        """A link as a join."""
        self.links += 1
        if self.links > MAX_LINKS or depth > MAX_DEPTH:
            raise fault("TooManyLinks")
        known(link, _LINK, "a LinkEntity")
        table = as_text(link.get("LinkToEntityName"), "LinkToEntityName").lower()
        alias = _alias(link) or f"{table}{self.links}"
        self.order_list(link.get("Orders"), alias)
        columns = self.columns(link.get("Columns"), alias)
        joins, tests = self.link_list(link.get("LinkEntities"), depth + 1)
        return Join(
            table=table,
            alias=alias,
            from_column=as_text(link.get("LinkToAttributeName"), "LinkToAttributeName").lower(),
            to_column=as_text(link.get("LinkFromAttributeName"), "LinkFromAttributeName").lower(),
            kind=kind,
            columns=columns.names,
            aliased=columns.aliased,
            where=self.where(link.get("LinkCriteria"), tests),
            joins=joins,
        )

    def test(self, link: Mapping[str, Any], kind: str, depth: int) -> Predicate:
        """A link that only tests. Columns of it are never shown."""
        join = self.join({**link, "Columns": None, "Orders": None}, "inner", depth)
        match kind:
            case "NotAny":
                return Not(Exists(join))
            case "All":
                # Some rows go with it, and none of them passes the filters.
                return And((Exists(replace(join, where=None, joins=())), Not(Exists(join))))
            case _:
                return Exists(join)

    # -- filters -------------------------------------------------------------------------------------------------
    def where(self, given: Any, tests: Sequence[Predicate] = ()) -> Predicate | None:
        """A filter together with the links that test."""
        found = list(tests)
        if given is not None:
            own = self.filter(as_object(given, "a FilterExpression"), 1)
            if own is not None:
                found.insert(0, own)
        return None if not found else found[0] if len(found) == 1 else And(tuple(found))

    def filter(self, given: Mapping[str, Any], depth: int) -> Predicate | None:
        """A filter; None for an empty one."""
        if depth > MAX_DEPTH:
            raise fault("QueryTooComplex", limit=f"{MAX_DEPTH} levels of filters")
        known(given, _FILTER, "a FilterExpression")
        items: list[Predicate] = [
            self.condition(as_object(each, "a ConditionExpression"))
            for each in as_list(given.get("Conditions"), "Conditions")
        ]
        for each in as_list(given.get("Filters"), "Filters"):
            inner = self.filter(as_object(each, "a FilterExpression"), depth + 1)
            if inner is not None:
                items.append(inner)
        if given.get("AnyAllFilterLinkEntity") is not None:
            link = as_object(given["AnyAllFilterLinkEntity"], "a LinkEntity")
            kind = link.get("JoinOperator", "Any")
            if kind not in _TESTS:
                raise wrong(f"AnyAllFilterLinkEntity with the join operator {str(kind)[:50]}")
            items.append(self.test(link, kind, depth))
        operator = member(given.get("FilterOperator", 0), ("And", "Or"), "FilterOperator")
        if not items:
            return None
        if len(items) == 1:
            return items[0]
        return Or(tuple(items)) if operator == "Or" else And(tuple(items))

    def condition(self, given: Mapping[str, Any]) -> Condition:
        """A condition; its values are read by the column's type later on."""
        self.conditions += 1
        if self.conditions > MAX_CONDITIONS:
            raise fault("TooManyConditions")
        known(given, _CONDITION, "a ConditionExpression")
        field = Field(
            as_text(given.get("AttributeName"), "AttributeName").lower(),
            alias=self.scope(given.get("EntityName"), None),
        )
        operator = as_text(given.get("Operator"), "Operator")
        values = [value_of(each) for each in as_list(given.get("Values"), "Values")]
        if len(values) == 1 and isinstance(values[0], list):
            values = values[0]
        if len(values) > MAX_VALUES:
            raise fault("QueryTooComplex", limit=f"{MAX_VALUES} values of a condition")
        if given.get("CompareColumns"):
            values = [self.other(str(each)) for each in values]
        return Condition(field, operator_of(operator), tuple(values))

    def other(self, text: str) -> Field:
        """The column that a value is compared with: ``name``, or ``alias.name``."""
        alias, dot, name = text.rpartition(".")
        return Field(name.lower(), alias=self.scope(alias, None) if dot else None)


def _alias(link: Mapping[str, Any]) -> str | None:
    alias = link.get("EntityAlias")
    return alias if isinstance(alias, str) and alias else None


def _links(given: Mapping[str, Any], depth: int) -> Iterator[tuple[str, str | None]]:
    """The tables and aliases of all links, in the order in which they are read."""
    if depth > MAX_DEPTH:
        raise fault("TooManyLinks")
    for each in as_list(given.get("LinkEntities"), "LinkEntities"):
        yield from _link(each, depth)
    for name in ("Criteria", "LinkCriteria"):
        if given.get(name) is not None:
            yield from _tests(as_object(given[name], "a FilterExpression"), depth)


def _link(each: Any, depth: int) -> Iterator[tuple[str, str | None]]:
    link = as_object(each, "a LinkEntity")
    yield as_text(link.get("LinkToEntityName"), "LinkToEntityName").lower(), _alias(link)
    yield from _links(link, depth + 1)


def _tests(given: Mapping[str, Any], depth: int) -> Iterator[tuple[str, str | None]]:
    if depth > MAX_DEPTH:
        raise fault("QueryTooComplex", limit=f"{MAX_DEPTH} levels of filters")
    for each in as_list(given.get("Filters"), "Filters"):
        yield from _tests(as_object(each, "a FilterExpression"), depth + 1)
    if given.get("AnyAllFilterLinkEntity") is not None:
        yield from _link(given["AnyAllFilterLinkEntity"], depth)


def _paged(query: Query, page: Mapping[str, Any]) -> Query:
    """The query with its place among the pages.

    https://learn.microsoft.com/power-apps/developer/data-platform/org-service/queryexpression/page-results
    """
    known(page, _PAGE, "PageInfo")
    size, number = (_whole(page.get(name), name) for name in ("Count", "PageNumber"))
    cookie = page.get("PagingCookie") or None
    if query.top is not None and (size or cookie):
        raise wrong("TopCount together with PageInfo")
    query = replace(
        query,
        page_size=min(size, MAX_PAGE) if size else None,
        page_number=number or 1,
        count=bool(page.get("ReturnTotalRecordCount")),
    )
    if cookie is not None and query.page_number > 1:
        return replace(query, after=_cursor(as_text(cookie, "PagingCookie")))
    offset = (query.page_number - 1) * (query.page_size or MAX_PAGE)
    if offset > MAX_WITHOUT_COOKIE:
        raise fault("PageWithoutCookie", limit=MAX_WITHOUT_COOKIE)
    return replace(query, offset=offset)


def _whole(value: Any, what: str) -> int:
    if value is None:
        return 0
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value < 2**31:
        raise wrong(f"{what} is no whole number from 0")
    return value


def _cursor(cookie: str) -> tuple[Any, ...]:
    """The cursor out of a cookie, be it the inner one, which this service gives out, or the Web API's."""
    return read_cookie(cookie)[1] if "pagenumber" in cookie[:80] else read_inner(cookie)
