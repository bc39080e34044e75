"""The one query value that every query language translates into: unbound, in logical names.

Nothing here is guaranteed to make sense: names may be unknown and values of the wrong type until
``engine.bind`` has turned a Query into a ``model.plan.Plan``. Joins, expand and exists are three constructs
on purpose: joins multiply rows under aliases, expand nests results, exists only tests.
"""

from dataclasses import dataclass, fields
from dataclasses import field as dataclass_field
from typing import Any, Literal

__all__ = [
    "Aggregate", "And", "Condition", "Exists", "Expand", "Field", "Group", "Join", "Not", "Or", "Order", "Predicate",
    "Query", "Shown", "ToMany", "ToOne", "Untyped",
]  # fmt: skip


class Untyped(str):
    """A value of a language without literals of different types (FetchXML): read by the column's type in bind."""

    __slots__ = ()


@dataclass(frozen=True, slots=True)
class ToOne:
    """A hop from the many side of a relationship to the one side: along a lookup column.

    ``target`` is the logical name of the table at the other end; it tells which one of a polymorphic
    lookup is meant.
    """

    lookup: str
    target: str


@dataclass(frozen=True, slots=True)
class ToMany:
    """A hop to the many side: along a 1:N (or N:N) relationship, by its schema name.

    ``reverse`` picks the second end of an N:N relationship of a table with itself.
    """

    relationship: str
    reverse: bool = False


@dataclass(frozen=True, slots=True)
class Field:
    """A column: by name, through to-one hops, or of a join's alias.

    In the output of ``languages.odata`` the hops are still navigation property names (str); the wire's
    name table turns them into ``ToOne``.
    """

    name: str
    path: tuple[Any, ...] = ()
    alias: str | None = None


@dataclass(frozen=True, slots=True)
class Shown:
    """A column of the result under another name."""

    name: str
    alias: str


@dataclass(frozen=True, slots=True)
class Condition:
    """``field operator values``; the operator is a FetchXML operator name.

    https://learn.microsoft.com/power-apps/developer/data-platform/fetchxml/reference/operators plus
    ``contains``/``not-contains`` (OData: the value is literal text, not a pattern). A value that is a
    ``Field`` compares two columns.
    """

    field: Field
    operator: str
    values: tuple[Any, ...] = ()
    # To Python 1, 1.0 and True are equal; to a column they are not.
    kinds: tuple[type, ...] = dataclass_field(init=False, repr=False, default=())

    def __post_init__(self) -> None:
        kinds = tuple(type(value) for value in self.values if not isinstance(value, str))
        object.__setattr__(self, "kinds", kinds)


@dataclass(frozen=True, slots=True)
class And:
    """All of ``items`` hold; true when empty."""

    items: "tuple[Predicate, ...]"


@dataclass(frozen=True, slots=True)
class Or:
    """One of ``items`` holds; false when empty."""

    items: "tuple[Predicate, ...]"


@dataclass(frozen=True, slots=True)
class Not:
    """``item`` does not hold, in the two-valued logic of OData (a comparison with null is false)."""

    item: "Predicate"


@dataclass(frozen=True, slots=True)
class Exists:
    """Some related row (``every``: each related row) satisfies ``where``.

    ``link`` is a ``ToMany``, or a ``Join`` whose table need not be related. ``path`` are to-one hops that lead to the
    table whose collection is tested. Fields inside ``where`` belong to the related table; ``alias`` is how they name
    it (an OData lambda variable).
    ``outer`` names the enclosing scope that ``path`` starts from (None: the one around this test).
    """

    link: Any
    where: "Predicate | None" = None
    every: bool = False
    path: tuple[Any, ...] = ()
    alias: str | None = None
    outer: str | None = None


Predicate = And | Or | Not | Condition | Exists


@dataclass(frozen=True, slots=True)
class Order:
    """Sort by a field, or by an alias that aggregation defines; ``labels`` sorts a choice by its labels."""

    field: Field
    descending: bool = False
    labels: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Join:
    """A flat join under an alias: FetchXML's link-entity, SQL's JOIN.

    ``from_column`` is one of ``table``, ``to_column`` one of what this joins; where one is None, the only relationship
    of the two tables that has the other says which. ``first`` is an inner join with one
    matching row at most. ``columns`` None means all, ``aliased`` come beside them; ``joins`` join what this one brings.
    """

    table: str
    alias: str
    from_column: str | None
    to_column: str | None
    kind: Literal["inner", "outer", "first"] = "inner"
    columns: tuple[str, ...] | None = ()
    aliased: tuple[Shown, ...] = ()
    where: Predicate | None = None
    joins: "tuple[Join, ...]" = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Expand:
    """Nest related rows under ``name``; ``link`` is a ToOne or ToMany (a str before names are resolved)."""

    link: Any
    name: str
    columns: tuple[str, ...] | None = None
    where: Predicate | None = None
    order: tuple[Order, ...] = ()
    top: int | None = None
    expand: "tuple[Expand, ...]" = ()
    refs_only: bool = False
    count: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Aggregate:
    """``function`` over a field under ``alias``. ``count`` without a field counts rows."""

    function: Literal["sum", "avg", "min", "max", "count", "countcolumn", "countdistinct"]
    alias: str
    field: Field | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """Group by a field under ``alias``, or by a part of a date: by the caller's clock, or with ``utc`` by UTC."""

    field: Field
    alias: str
    dategrouping: (
        Literal["day", "week", "month", "quarter", "year", "fiscal-period", "fiscal-year"] | None
    ) = None
    utc: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Query:
    """A question about one table.

    ``columns`` None means every readable column; ``aliased`` come beside them. ``top`` limits the whole result;
    ``page_size`` one page; ``after`` is the cursor that an earlier page gave, and ``offset`` how many rows come before
    the first one without it. ``having`` filters groups (its fields are aliases). ``count`` asks for the total as well
    (capped at 5,000 as Dataverse does); ``count_only`` for nothing else. ``tallied`` are the numbers of rows right
    below each one in its table's hierarchy, by the key that they are counted by. ``row_limit`` is how many rows may
    be aggregated. A ``bulk`` one has pages of up to 10,000 rows and a total without a cap, as Finance and Operations
    has them.
    """

    table: str
    columns: tuple[str, ...] | None = None
    aliased: tuple[Shown, ...] = ()
    tallied: tuple[Shown, ...] = ()
    where: Predicate | None = None
    order: tuple[Order, ...] = ()
    joins: tuple[Join, ...] = ()
    expand: tuple[Expand, ...] = ()
    groups: tuple[Group, ...] = ()
    aggregates: tuple[Aggregate, ...] = ()
    having: Predicate | None = None
    row_limit: int | None = None
    distinct: bool = False
    top: int | None = None
    page_size: int | None = None
    page_number: int = 1
    after: tuple[Any, ...] | None = dataclass_field(default=None)
    offset: int = 0
    count: bool = False
    count_only: bool = False
    bulk: bool = False
    _hash: int | None = dataclass_field(default=None, init=False, compare=False, repr=False)

    def __hash__(self) -> int:
        # Bound plans are kept by their query, which on the hot path is the same value again and again.
        known = self._hash
        if known is None:
            known = hash(tuple(getattr(self, name) for name in _COMPARED))
            object.__setattr__(self, "_hash", known)
        return known


_COMPARED = tuple(each.name for each in fields(Query) if each.compare)
