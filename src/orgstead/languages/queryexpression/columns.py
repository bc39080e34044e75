"""ColumnSet: the columns of a table, or its groups and aggregates.

https://learn.microsoft.com/power-apps/developer/data-platform/org-service/queryexpression/aggregate-data
https://learn.microsoft.com/power-apps/developer/data-platform/org-service/queryexpression/select-columns
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from orgstead.errors import fault
from orgstead.languages.queryexpression.values import as_list, as_object, as_text, known, member, wrong
from orgstead.model.query import Aggregate, Field, Group, Shown

__all__ = ["FUNCTIONS", "GROUPINGS", "Columns", "read_columns"]

_SET = frozenset({"AllColumns", "Columns", "AttributeExpressions"})
_EXPRESSION = frozenset({"AttributeName", "Alias", "AggregateType", "HasGroupBy", "DateTimeGrouping"})
# The members of XrmAggregateType and XrmDateTimeGrouping, in order of their numbers, with the query value's names.
FUNCTIONS: Mapping[str, str | None] = {
    "None": None, "Count": "count", "CountColumn": "countcolumn", "Sum": "sum", "Avg": "avg", "Min": "min",
    "Max": "max",
}  # fmt: skip
GROUPINGS: Mapping[str, str | None] = {
    "None": None, "Day": "day", "Week": "week", "Month": "month", "Quarter": "quarter", "Year": "year",
    "FiscalPeriod": "fiscal-period", "FiscalYear": "fiscal-year",
}  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Columns:
    """What a ColumnSet shows; ``names`` None are all columns."""

    names: tuple[str, ...] | None = ()
    aliased: tuple[Shown, ...] = ()
    groups: Sequence[Group] = ()
    aggregates: Sequence[Aggregate] = ()


def read_columns(given: Any, alias: str | None) -> Columns:
    """Read the ColumnSet of the table with an alias; raises InvalidQueryExpression, AggregateAlias, AggregateTwice."""
    if given is None:
        return Columns()
    columns = as_object(given, "a ColumnSet")
    known(columns, _SET, "a ColumnSet")
    names = tuple(as_text(each, "a column").lower() for each in as_list(columns.get("Columns"), "Columns"))
    shown: list[Shown] = []
    groups: list[Group] = []
    aggregates: list[Aggregate] = []
    for each in as_list(columns.get("AttributeExpressions"), "AttributeExpressions"):
        read = _expression(as_object(each, "an AttributeExpression"), alias)
        if isinstance(read, Group):
            groups.append(read)
        elif isinstance(read, Aggregate):
            aggregates.append(read)
        else:
            shown.append(read)
    if (groups or aggregates) and (names or shown):
        raise fault("AggregateColumn", name=names[0] if names else shown[0].name)
    return Columns(
        names=None if columns.get("AllColumns") else names,
        aliased=tuple(shown),
        groups=groups,
        aggregates=aggregates,
    )


def _expression(given: Mapping[str, Any], scope: str | None) -> Group | Aggregate | Shown:
    known(given, _EXPRESSION, "an AttributeExpression")
    name = as_text(given.get("AttributeName"), "AttributeName").lower()
    function: Any = FUNCTIONS[member(given.get("AggregateType", 0), tuple(FUNCTIONS), "AggregateType")]
    part: Any = GROUPINGS[member(given.get("DateTimeGrouping", 0), tuple(GROUPINGS), "DateTimeGrouping")]
    alias = given.get("Alias")
    if not isinstance(alias, str) or not alias:
        raise fault("AggregateAlias", name=name)
    field = Field(name, alias=scope)
    if given.get("HasGroupBy"):
        if function is not None:
            raise fault("AggregateTwice", name=name)
        return Group(field=field, alias=alias, dategrouping=part)
    if part is not None:
        raise wrong("DateTimeGrouping without HasGroupBy")
    if function is None:
        return Shown(name, alias)
    return Aggregate(function=function, alias=alias, field=None if function == "count" else field)
