"""A QueryExpression as plain values (of JSON, or of XML that has been read) to the query value.

https://learn.microsoft.com/power-apps/developer/data-platform/webapi/reference/queryexpression
https://learn.microsoft.com/power-apps/developer/data-platform/webapi/reference/conditionexpression
"""

import re
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

from orgstead.errors import Fault, fault
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
    Untyped,
)

__all__ = ["parse_query_expression"]

MAX_CONDITIONS = 500
MAX_LINKS = 15
MAX_DEPTH = 50
MAX_PAGE = 5000
MAX_VALUES = 15_000

# Names of operators that are not the FetchXML name in another case.
OPERATORS: Mapping[str, str] = {
    "Equal": "eq", "NotEqual": "ne", "GreaterThan": "gt", "LessThan": "lt", "GreaterEqual": "ge", "LessEqual": "le",
    "Last7Days": "last-seven-days", "Next7Days": "next-seven-days", "EqualUserId": "eq-userid",
    "NotEqualUserId": "ne-userid", "EqualBusinessId": "eq-businessid", "NotEqualBusinessId": "ne-businessid",
    "EqualUserTeams": "eq-userteams", "EqualUserOrUserTeams": "eq-useroruserteams",
    "EqualUserOrUserHierarchy": "eq-useroruserhierarchy",
    "EqualUserOrUserHierarchyAndTeams": "eq-useroruserhierarchyandteams", "EqualUserLanguage": "eq-userlanguage",
    "AboveOrEqual": "eq-or-above", "UnderOrEqual": "eq-or-under", "DoesNotBeginWith": "not-begin-with",
    "DoesNotEndWith": "not-end-with", "DoesNotContainValues": "not-contain-values",
    "DoesNotContain": "not-contains",
}  # fmt: skip
_JOINS: Mapping[str, Any] = {
    "Inner": "inner", "Natural": "inner", "LeftOuter": "outer", "MatchFirstRowUsingCrossApply": "first",
}  # fmt: skip
_TESTS = frozenset({"Exists", "In", "Any", "NotAny", "All", "NotAll"})
_WORD = re.compile(r"(?<=[a-z])(?=[A-Z])")
# Members that say how rows are shown or found, not which ones.
_QUIET = frozenset({"QueryHints", "ForceSeek", "DataSource"})


def parse_query_expression(value: Any) -> Query:
    """Read a QueryExpression.

    Raises InvalidQueryExpression for what is none, TooManyConditions, TooManyLinks, and ODataUnsupported for what it
    may have and this does not.
    """
    return _Reader().query(_object(value, "QueryExpression"))


def _wrong(reason: str) -> Fault:
    return fault("InvalidQueryExpression", reason=reason)


def _object(value: Any, what: str) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise _wrong(f"{what} is no object")
    return {name: each for name, each in value.items() if not name.startswith("@")}


def _list(value: Any, what: str) -> Sequence[Any]:
    if value is None:
        return ()
    if not isinstance(value, list | tuple):
        raise _wrong(f"{what} is no collection")
    return value


def _text(value: Any, what: str) -> str:
    if not isinstance(value, str) or not value:
        raise _wrong(f"{what} is no text")
    return value


def _known(given: Mapping[str, Any], names: set[str], what: str) -> None:
    for name, value in given.items():
        if name not in names and name not in _QUIET and value not in (None, False, [], ()):
            raise fault("ODataUnsupported", feature=f"{name[:50]} in {what}")


class _Reader:
    def __init__(self) -> None:
        self.conditions = 0
        self.links = 0

    def query(self, given: Mapping[str, Any]) -> Query:
        _known(
            given,
            {
                "EntityName",
                "ColumnSet",
                "Criteria",
                "LinkEntities",
                "Orders",
                "PageInfo",
                "Distinct",
                "TopCount",
            },
            "a QueryExpression",
        )
        joins, tests = self.link_list(given.get("LinkEntities"), 1)
        where = self.where(given.get("Criteria"), tests)
        page = _object(given.get("PageInfo") or {}, "PageInfo")
        size = page.get("Count")
        return Query(
            table=_text(given.get("EntityName"), "EntityName").lower(),
            columns=_columns(given.get("ColumnSet")),
            where=where,
            order=self.orders(given.get("Orders")),
            joins=joins,
            distinct=bool(given.get("Distinct")),
            top=given.get("TopCount") if isinstance(given.get("TopCount"), int) else None,
            page_size=min(size, MAX_PAGE) if isinstance(size, int) and size > 0 else None,
            count=bool(page.get("ReturnTotalRecordCount")),
        )

    def orders(self, given: Any) -> tuple[Order, ...]:
        found = []
        for each in _list(given, "Orders"):
            order = _object(each, "an OrderExpression")
            descending = order.get("OrderType") in (1, "Descending")
            alias = order.get("EntityName")
            field = Field(
                _text(order.get("AttributeName"), "AttributeName").lower(),
                alias=alias if isinstance(alias, str) and alias else None,
            )
            found.append(Order(field, descending))
        return tuple(found)

    # -- links ---------------------------------------------------------------------------------------------------
    def link_list(self, given: Any, depth: int) -> tuple[tuple[Join, ...], list[Predicate]]:
        """The links that bring rows, and the tests that the others are."""
        joins: list[Join] = []
        tests: list[Predicate] = []
        for each in _list(given, "LinkEntities"):
            link = _object(each, "a LinkEntity")
            kind = link.get("JoinOperator", "Inner")
            if kind in _JOINS:
                joins.append(self.join(link, _JOINS[kind], depth))
            elif kind in _TESTS:
                tests.append(self.test(link, kind, depth))
            else:
                raise fault("ODataUnsupported", feature=f"The join operator {str(kind)[:50]}")
        return tuple(joins), tests

    def join(self, link: Mapping[str, Any], kind: Any, depth: int) -> Join:
        self.links += 1
        if self.links > MAX_LINKS or depth > MAX_DEPTH:
            raise fault("TooManyLinks")
        _known(
            link,
            {
                "LinkFromEntityName", "LinkToEntityName", "LinkFromAttributeName", "LinkToAttributeName", "EntityAlias",
                "Columns", "LinkCriteria", "LinkEntities", "JoinOperator", "Orders",
            },
            "a LinkEntity",
        )  # fmt: skip
        if _list(link.get("Orders"), "Orders"):
            raise fault("ODataUnsupported", feature="Orders in a LinkEntity")
        joins, tests = self.link_list(link.get("LinkEntities"), depth + 1)
        table = _text(link.get("LinkToEntityName"), "LinkToEntityName").lower()
        alias = link.get("EntityAlias")
        return Join(
            table=table,
            alias=alias if isinstance(alias, str) and alias else f"{table}{self.links}",
            from_column=_text(link.get("LinkToAttributeName"), "LinkToAttributeName").lower(),
            to_column=_text(link.get("LinkFromAttributeName"), "LinkFromAttributeName").lower(),
            kind=kind,
            columns=_columns(link.get("Columns")),
            where=self.where(link.get("LinkCriteria"), tests),
            joins=joins,
        )

    def test(self, link: Mapping[str, Any], kind: str, depth: int) -> Predicate:
        join = self.join(link, "inner", depth)
        bare = Join(
            table=join.table, alias=join.alias, from_column=join.from_column, to_column=join.to_column
        )
        match kind:
            case "NotAny":
                return Not(Exists(join))
            case "All":
                return And((Exists(bare), Not(Exists(join))))
            case _:
                return Exists(join)

    # -- filters -------------------------------------------------------------------------------------------------
    def where(self, given: Any, tests: Sequence[Predicate] = ()) -> Predicate | None:
        found = list(tests)
        if given is not None:
            own = self.filter(_object(given, "a FilterExpression"), 1)
            if own is not None:
                found.insert(0, own)
        return None if not found else found[0] if len(found) == 1 else And(tuple(found))

    def filter(self, given: Mapping[str, Any], depth: int) -> Predicate | None:
        if depth > MAX_DEPTH:
            raise fault("QueryTooComplex", limit=f"{MAX_DEPTH} levels of filters")
        _known(
            given, {"FilterOperator", "Conditions", "Filters", "AnyAllFilterLinkEntity"}, "a FilterExpression"
        )
        items: list[Predicate] = [
            self.condition(_object(each, "a ConditionExpression"))
            for each in _list(given.get("Conditions"), "Conditions")
        ]
        for each in _list(given.get("Filters"), "Filters"):
            inner = self.filter(_object(each, "a FilterExpression"), depth + 1)
            if inner is not None:
                items.append(inner)
        if given.get("AnyAllFilterLinkEntity") is not None:
            link = _object(given["AnyAllFilterLinkEntity"], "a LinkEntity")
            kind = link.get("JoinOperator", "Any")
            if kind not in _TESTS:
                raise _wrong(f"AnyAllFilterLinkEntity with the join operator {str(kind)[:50]}")
            items.append(self.test(link, kind, depth))
        if not items:
            return None
        operator = given.get("FilterOperator", "And")
        if operator not in ("And", "Or", 0, 1):
            raise _wrong(f"the FilterOperator {str(operator)[:50]}")
        if len(items) == 1:
            return items[0]
        return Or(tuple(items)) if operator in ("Or", 1) else And(tuple(items))

    def condition(self, given: Mapping[str, Any]) -> Condition:
        self.conditions += 1
        if self.conditions > MAX_CONDITIONS:
            raise fault("TooManyConditions")
        _known(
            given,
            {"EntityName", "AttributeName", "Operator", "Values", "CompareColumns"},
            "a ConditionExpression",
        )
        alias = given.get("EntityName")
        field = Field(
            _text(given.get("AttributeName"), "AttributeName").lower(),
            alias=alias if isinstance(alias, str) and alias else None,
        )
        operator = _text(given.get("Operator"), "Operator")
        values = [_value(each) for each in _list(given.get("Values"), "Values")]
        if len(values) == 1 and isinstance(values[0], list):
            values = values[0]
        if len(values) > MAX_VALUES:
            raise fault("QueryTooComplex", limit=f"{MAX_VALUES} values of a condition")
        if given.get("CompareColumns"):
            values = [Field(str(each).lower()) for each in values]
        name = OPERATORS.get(operator) or _WORD.sub("-", operator).lower()
        return Condition(field, name, tuple(values))


def _columns(given: Any) -> tuple[str, ...] | None:
    """The columns of a ColumnSet; None for all of them."""
    if given is None:
        return ()
    columns = _object(given, "a ColumnSet")
    _known(columns, {"AllColumns", "Columns", "AttributeExpressions"}, "a ColumnSet")
    if columns.get("AttributeExpressions"):
        raise fault("ODataUnsupported", feature="AttributeExpressions in a ColumnSet")
    if columns.get("AllColumns"):
        return None
    return tuple(_text(each, "a column").lower() for each in _list(columns.get("Columns"), "Columns"))


def _value(given: Any) -> Any:
    """A value of a condition: as it is, or an object of its text and its .NET type."""
    if isinstance(given, Mapping):
        given = given.get("Value")
    match given:
        case list() | tuple():
            return [_value(each) for each in given]
        case bool():
            return Untyped("1" if given else "0")
        case str():
            return Untyped(given)
        case int() | float() | Decimal():
            return Untyped(str(given))
    raise _wrong("a value of a condition")
