"""FetchXML to the query value, in logical names.

Whatever has an own construct in the query value is one here: the link types that only test become ``Exists``.
https://learn.microsoft.com/power-apps/developer/data-platform/fetchxml/filter-rows#filter-on-values-in-related-records
"""

from dataclasses import replace
from functools import lru_cache
from typing import Any

from orgstead.errors import fault
from orgstead.languages.fetchxml.elements import Element, children, flag, has, needed, read, whole
from orgstead.languages.paging import read_cookie, read_inner
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
    Untyped,
)

__all__ = ["parse_fetchxml"]

MAX_PAGE = 5000
MAX_PAGES = 100_000_000
# https://learn.microsoft.com/power-apps/developer/data-platform/fetchxml/page-results#simple-paging
MAX_WITHOUT_COOKIE = 50_000
# https://learn.microsoft.com/power-apps/developer/data-platform/fetchxml/aggregate-data#per-query-limit
MAX_AGGREGATED = 50_000
# https://learn.microsoft.com/power-apps/developer/data-platform/fetchxml/filter-rows#condition-limits
MAX_CONDITIONS = 500
MAX_LINKS = 15
KEPT = 512

_JOINS = {"inner": "inner", "natural": "inner", "outer": "outer", "matchfirstrowusingcrossapply": "first"}
_TESTS = frozenset({"exists", "in", "any", "not any", "all", "not all"})
_FUNCTIONS = frozenset({"sum", "avg", "min", "max", "count", "countcolumn"})
_DATES = frozenset({"day", "week", "month", "quarter", "year", "fiscal-period", "fiscal-year"})


@lru_cache(maxsize=KEPT)
def parse_fetchxml(text: str) -> Query:
    """Read FetchXML.

    Raises FetchXmlMalformed and its kin for what is no FetchXML, TooManyConditions, TooManyLinks, PageWithoutCookie,
    InvalidPagingCookie, and ODataUnsupported for what FetchXML has and this does not; nothing is ignored but what
    changes no answer.
    """
    root = read(text)
    entities = list(children(root, "entity"))
    if len(entities) != 1:
        raise fault("FetchXmlNode", reason=f"{len(entities)} <entity> in <fetch> instead of one")
    return _Reader(root, entities[0]).query()


class _Reader:
    """One fetch element being read."""

    def __init__(self, root: Element, entity: Element) -> None:
        self.root = root
        self.entity = entity
        self.aggregate = flag(root, "aggregate")
        self.labels = not flag(root, "useraworderby")
        self.aliases: dict[Element, str] = {}
        self.named: dict[str, str | None] = {needed(entity, "name"): None}
        links = list(root.iter("link-entity"))
        if len(links) > MAX_LINKS:
            raise fault("TooManyLinks")
        if len(links) + sum(1 for _ in root.iter("condition")) > MAX_CONDITIONS:
            raise fault("TooManyConditions")
        for number, link in enumerate(links, 1):
            name = needed(link, "name")
            alias = self.aliases[link] = link.get("alias") or f"{name}{number}"
            if not link.get("alias"):
                # Conditions may name it by its table.
                self.named.setdefault(name, alias)

    # -- the whole -----------------------------------------------------------------------------------------------
    def query(self) -> Query:
        """The query."""
        if self.root.get("datasource") is not None:
            raise fault("ODataUnsupported", feature="datasource of <fetch>")
        query = self.paged(Query(table=needed(self.entity, "name"), where=self.where(self.entity)))
        joins = self.joins(self.entity)
        limit = whole(self.root, "aggregatelimit", MAX_AGGREGATED)
        if not self.aggregate:
            if limit is not None:
                raise fault("FetchXmlNode", reason="aggregatelimit in a query that is no aggregate")
            columns, aliased = self.columns(self.entity, all_of=True)
            return replace(
                query, columns=columns, aliased=aliased, tallied=self.tallied(), joins=joins, order=self.orders(),
                distinct=flag(self.root, "distinct"),
            )  # fmt: skip
        groups, aggregates = self.aggregates()
        if not groups and not aggregates:
            raise fault("FetchXmlMissing", name="aggregate", element="attribute")
        return replace(
            query,
            joins=joins,
            groups=groups,
            aggregates=aggregates,
            order=self.group_orders(),
            row_limit=limit,
        )

    def paged(self, query: Query) -> Query:
        """The query with its limits and its place among the pages."""
        top, size = whole(self.root, "top", MAX_PAGE), whole(self.root, "count", MAX_PAGES)
        page, cookie = whole(self.root, "page", MAX_PAGES) or 1, self.root.get("paging-cookie")
        count = flag(self.root, "returntotalrecordcount")
        if top is not None and (size is not None or self.root.get("page") or cookie or count):
            raise fault("FetchXmlNode", reason="top together with page, count or returntotalrecordcount")
        asked, size = size, min(size or MAX_PAGE, MAX_PAGE)
        query = replace(query, top=top, page_size=size if asked else None, page_number=page, count=count)
        if cookie and page > 1:
            return replace(query, after=_cursor(cookie))
        if (page - 1) * size > MAX_WITHOUT_COOKIE:
            raise fault("PageWithoutCookie", limit=MAX_WITHOUT_COOKIE)
        return replace(query, offset=(page - 1) * size)

    # -- columns -------------------------------------------------------------------------------------------------
    def columns(self, element: Element, *, all_of: bool) -> tuple[tuple[str, ...] | None, tuple[Shown, ...]]:
        """The columns asked for, None for all (which an entity without any gives as well), and those with aliases."""
        plain: list[str] = []
        aliased: list[Shown] = []
        counted = False
        for attribute in children(element, "attribute"):
            for name in ("aggregate", "groupby", "dategrouping", "usertimezone", "distinct"):
                if attribute.get(name) is not None:
                    raise fault("FetchXmlNode", reason=f"{name} in a query that is no aggregate")
            name, alias = needed(attribute, "name"), attribute.get("alias")
            if attribute.get("rowaggregate") is not None:
                counted = True
            elif alias:
                aliased.append(Shown(name, alias))
            else:
                plain.append(name)
        none = not plain and not aliased and not counted and not has(element, "no-attrs")
        if has(element, "all-attributes") or (none and all_of):
            return None, tuple(aliased)
        return tuple(plain), tuple(aliased)

    def tallied(self) -> tuple[Shown, ...]:
        """The numbers of rows below each row.

        https://learn.microsoft.com/power-apps/developer/data-platform/fetchxml/aggregate-data#row-aggregates
        """
        found = []
        for attribute in self.root.iter("attribute"):
            kind = attribute.get("rowaggregate")
            if kind is None:
                continue
            if kind.lower() != "countchildren":
                raise fault("FetchXmlValue", value=kind[:50], name="rowaggregate", element="attribute")
            if attribute.getparent() is not self.entity or flag(self.root, "distinct"):
                raise fault("FetchXmlNode", reason="rowaggregate in a link or in distinct rows")
            found.append(Shown(needed(attribute, "name"), needed(attribute, "alias")))
        return tuple(found)

    def aggregates(self) -> tuple[tuple[Group, ...], tuple[Aggregate, ...]]:
        """The groups and the aggregates, those of linked tables included."""
        groups: list[Group] = []
        found: list[Aggregate] = []
        for attribute in self.root.iter("attribute"):
            field, alias = self.field(attribute, needed(attribute, "name")), attribute.get("alias")
            function, grouped = attribute.get("aggregate"), flag(attribute, "groupby")
            if attribute.get("rowaggregate") is not None:
                raise fault("FetchXmlNode", reason="rowaggregate in a query that is an aggregate")
            if not function and not grouped:
                raise fault("AggregateColumn", name=field.name)
            if function and grouped:
                raise fault("AggregateTwice", name=field.name)
            if not alias:
                raise fault("AggregateAlias", name=field.name)
            if grouped:
                groups.append(_group(attribute, field, alias))
            else:
                found.append(_aggregate(attribute, field, alias))
        return tuple(groups), tuple(found)

    def field(self, inside: Element, name: str) -> Field:
        """A column of the table that an element stands in."""
        owner = inside.getparent()
        while owner is not None and owner.tag == "filter":
            owner = owner.getparent()
        return Field(
            name, alias=self.aliases.get(owner) if owner is not None and owner.tag == "link-entity" else None
        )

    # -- order ---------------------------------------------------------------------------------------------------
    def orders(self) -> tuple[Order, ...]:
        """The sort keys: those of the entity first, then those of the links.

        https://learn.microsoft.com/power-apps/developer/data-platform/fetchxml/order-rows#process-link-entity-orders-first
        """
        found = sorted(self.root.iter("order"), key=lambda order: order.getparent() is not self.entity)
        return tuple(self.order(order) for order in found)

    def order(self, order: Element) -> Order:
        """One sort key."""
        if order.get("alias") is not None:
            raise fault("PlainOrderAlias")
        field = self.field(order, needed(order, "attribute"))
        if order.get("entityname"):
            field = replace(field, alias=self.alias(needed(order, "entityname")))
        return Order(field, flag(order, "descending"), self.labels)

    def group_orders(self) -> tuple[Order, ...]:
        """The sort keys of groups, which are aliases."""
        found = []
        for order in self.root.iter("order"):
            if order.get("attribute") is not None:
                raise fault("AggregateOrder")
            alias = order.get("alias")
            if not alias:
                raise fault("AggregateOrderAlias")
            found.append(Order(Field(alias), flag(order, "descending")))
        return tuple(found)

    def alias(self, name: str) -> str | None:
        """The alias that an ``entityname`` means; None for the entity itself."""
        return self.named.get(name, name)

    # -- links ---------------------------------------------------------------------------------------------------
    def joins(self, element: Element) -> tuple[Join, ...]:
        """The links of an element that bring rows."""
        return tuple(
            self.join(link, _JOINS[kind])
            for link in children(element, "link-entity")
            if (kind := _kind(link)) in _JOINS
        )

    def join(self, link: Element, kind: Any) -> Join:
        """A link as a join."""
        columns, aliased = ((), ()) if self.aggregate else self.columns(link, all_of=False)
        return Join(
            table=needed(link, "name"),
            alias=self.aliases[link],
            from_column=link.get("from") or None,
            to_column=link.get("to") or None,
            kind=kind,
            columns=columns,
            aliased=aliased,
            where=self.where(link),
            joins=self.joins(link),
        )

    def test(self, link: Element) -> Predicate:
        """A link that only tests."""
        if next(link.iter("attribute", "all-attributes", "order"), None) is not None:
            raise fault("FetchXmlNode", reason=f"columns of a link of type {_kind(link)}")
        join = self.join(link, "inner")
        match _kind(link):
            case "not any":
                return Not(Exists(join))
            case "all":
                # Some rows go with it, and none of them passes the filters.
                return And((Exists(replace(join, where=None, joins=())), Not(Exists(join))))
            case _:
                return Exists(join)

    # -- filters -------------------------------------------------------------------------------------------------
    def where(self, element: Element) -> Predicate | None:
        """The filters of an element and its links that only test; None without any."""
        found = [self.filter(each) for each in children(element, "filter")]
        found += [self.test(link) for link in children(element, "link-entity") if _kind(link) in _TESTS]
        return None if not found else found[0] if len(found) == 1 else And(tuple(found))

    def filter(self, element: Element) -> Predicate:
        """A filter; an empty one holds."""
        kind = element.get("type", "and").lower()
        if kind not in ("and", "or"):
            raise fault("FetchXmlFilterType", value=kind[:50])
        items: list[Predicate] = []
        for child in element:
            if child.tag == "condition":
                items.append(self.condition(child))
            elif child.tag == "filter":
                items.append(self.filter(child))
            elif _kind(child) in _JOINS:
                raise fault("FetchXmlLinkType", value=_kind(child), where=" in a filter")
            else:
                items.append(self.test(child))
        if len(items) == 1:
            return items[0]
        return And(tuple(items)) if kind == "and" or not items else Or(tuple(items))

    def condition(self, element: Element) -> Condition:
        """A condition; its values are read by the column's type later on."""
        field = Field(needed(element, "attribute"))
        if element.get("entityname"):
            field = replace(field, alias=self.alias(needed(element, "entityname")))
        operator = needed(element, "operator").lower()
        values: list[Any] = [Untyped(each.text or "") for each in children(element, "value")]
        other = element.get("valueof")
        given = element.get("value")
        if (other is not None) + (given is not None) + bool(values) > 1:
            raise fault("FetchXmlNode", reason="a condition with values in more than one place")
        if other is not None:
            values = [self.other(other)]
        elif given is not None and not (given == "" and operator in ("null", "not-null")):
            values = [Untyped(given)]
        return Condition(field, operator, tuple(values))

    def other(self, text: str) -> Field:
        """The column that a value is compared with: ``name``, or ``alias.name``."""
        alias, dot, name = text.rpartition(".")
        if not name or (dot and not alias):
            raise fault("FetchXmlValue", value=text[:50], name="valueof", element="condition")
        return Field(name, alias=self.alias(alias) if dot else None)


def _kind(link: Element) -> str:
    kind = link.get("link-type", "inner").lower()
    if kind not in _JOINS and kind not in _TESTS:
        raise fault("FetchXmlLinkType", value=kind[:50], where="")
    return str(kind)


def _group(attribute: Element, field: Field, alias: str) -> Group:
    part: Any = attribute.get("dategrouping")
    if part is not None and part not in _DATES:
        raise fault("DateGrouping", value=part[:50])
    return Group(field=field, alias=alias, dategrouping=part, utc=not flag(attribute, "usertimezone", True))


def _aggregate(attribute: Element, field: Field, alias: str) -> Aggregate:
    function: Any = attribute.get("aggregate")
    if function not in _FUNCTIONS:
        raise fault("FetchXmlValue", value=function[:50], name="aggregate", element="attribute")
    distinct = flag(attribute, "distinct")
    if distinct and function != "countcolumn":
        raise fault("FetchXmlNode", reason=f"distinct with {function}")
    if function == "count":
        return Aggregate(function="count", alias=alias)
    return Aggregate(function="countdistinct" if distinct else function, alias=alias, field=field)


def _cursor(cookie: str) -> tuple[Any, ...]:
    """The cursor out of a cookie, be it the inner one, which clients are told to send, or the whole."""
    if "pagenumber" in cookie[:80]:
        return read_cookie(cookie)[1]
    return read_inner(cookie)
