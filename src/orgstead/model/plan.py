"""A bound query: every name is a column, every value a typed parameter, every operator one of a dozen.

``engine.bind`` makes a Plan out of a Query; ``store.compile`` turns it into SQL. A Plan holds the shape of a
question only: its values travel beside it in a list, so that questions of one shape share one compiled text.
Plans are hashable; columns and tables in them compare by identity.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Literal

from orgstead.model.schema import Column, Table

__all__ = [
    "Agg", "AllOf", "AnyOf", "Bits", "Child", "Col", "Comparison", "DatePart", "Descends", "HasAny", "IsNull",
    "Joined", "Like", "Nested", "NoneOf", "OneOf", "Operand", "Output", "Param", "Plan", "Ranked", "Related",
    "Sort", "Source", "Tally", "Test", "Verdict", "Within", "likes", "placed_children", "width",
]  # fmt: skip

Comparison = Literal["eq", "ne", "gt", "ge", "lt", "le"]


@dataclass(frozen=True, slots=True)
class Source:
    """A table under an alias that is unique in the whole plan (``t0``, ``t1``…)."""

    alias: str
    table: Table


@dataclass(frozen=True, slots=True)
class Col:
    """A column of a source. ``part`` "table" is the stored logical name of a polymorphic lookup's target.

    Whoever asks may not read one that is ``hidden``: it has no value.
    """

    alias: str
    column: Column
    part: Literal["value", "table"] = "value"
    hidden: bool = False


@dataclass(frozen=True, slots=True)
class Param:
    """The value at ``index`` of the parameter list.

    ``column`` says how to encode it for the database (None: as it is). ``many`` says that the value is a
    tuple, passed as one array-like parameter so that its length is not part of the shape.
    """

    index: int
    column: Column | None = None
    many: bool = False


@dataclass(frozen=True, slots=True)
class DatePart:
    """A whole number out of a date column, or a calendar date for grouping.

    ``offset`` is the parameter that holds the minutes to add to UTC first; ``first_month`` the fiscal
    year's first month, ``periods`` how many periods it has.
    """

    of: Col
    part: Literal["day", "week", "month", "quarter", "year", "fiscal-period", "fiscal-year"]
    offset: Param | None = None
    first_month: int = 1
    periods: int = 4


@dataclass(frozen=True, slots=True)
class Agg:
    """An aggregate; ``count`` without operand counts rows."""

    function: Literal["sum", "avg", "min", "max", "count", "countcolumn", "countdistinct"]
    of: "Operand | None" = None


@dataclass(frozen=True, slots=True)
class Ranked:
    """The place of a choice's value among ``ranks``: pairs of a value and its place."""

    of: Col
    ranks: tuple[tuple[int, int], ...]


@dataclass(frozen=True, slots=True)
class Tally:
    """How many rows of ``source`` satisfy ``on``; fields of outer sources may appear."""

    source: Source
    on: "tuple[Verdict, ...]"


Operand = Col | Param | DatePart | Agg | Ranked | Tally


@dataclass(frozen=True, slots=True)
class Test:
    """``left op right``. SQL's own three-valued logic: unknown when a side is null."""

    op: Comparison
    left: Operand
    right: Operand


@dataclass(frozen=True, slots=True)
class IsNull:
    """The operand has no value."""

    of: Operand


@dataclass(frozen=True, slots=True)
class Like:
    """Text match, case-insensitive. ``pattern`` is a LIKE pattern whose escape character is a backslash.

    ``bind`` escapes literal text and adds the wildcards: ``%`` and ``_`` only; a character class of
    Dataverse (``[a-c]``) sets ``classes``. ``ascii`` false: the text has letters beyond ASCII, for which a
    database may need another way of folding.
    """

    of: Operand
    pattern: Param
    ascii: bool = True
    classes: bool = False


@dataclass(frozen=True, slots=True)
class OneOf:
    """The operand equals one of the values of a ``many`` parameter."""

    of: Operand
    values: Param


@dataclass(frozen=True, slots=True)
class HasAny:
    """A multi-select choice holds one of the values of a ``many`` parameter; ``every``: exactly these values."""

    of: Col
    values: Param
    every: bool = False


@dataclass(frozen=True, slots=True)
class Descends:
    """The operand is an id at or under (``up``: above) the row ``root`` in the hierarchy of ``table.parent``."""

    of: Operand
    table: Table
    parent: Column
    root: Param
    include_self: bool
    up: bool = False


@dataclass(frozen=True, slots=True)
class AllOf:
    """Conjunction; true when empty."""

    items: "tuple[Verdict, ...]"


@dataclass(frozen=True, slots=True)
class AnyOf:
    """Disjunction; false when empty."""

    items: "tuple[Verdict, ...]"


@dataclass(frozen=True, slots=True)
class NoneOf:
    """The item is not true: false and unknown both count as "not" (SQL: ``(item) IS NOT TRUE``)."""

    item: "Verdict"


@dataclass(frozen=True, slots=True)
class Related:
    """EXISTS over ``source`` and ``joins`` with ``on`` and ``where``; fields of outer sources may appear."""

    source: Source
    on: "tuple[Verdict, ...]"
    joins: "tuple[Joined, ...]" = ()
    where: "Verdict | None" = None


@dataclass(frozen=True, slots=True)
class Bits:
    """A whole number has one of the bits of a parameter."""

    of: Col
    bits: Param


@dataclass(frozen=True, slots=True)
class Within:
    """The operand is among the values that ``column`` of ``source`` has in the rows that satisfy ``where``."""

    of: Operand
    column: Col
    source: Source
    where: "tuple[Verdict, ...]"


Verdict = Test | IsNull | Like | OneOf | HasAny | Descends | AllOf | AnyOf | NoneOf | Related | Bits | Within


@dataclass(frozen=True, slots=True)
class Joined:
    """``kind`` JOIN source ON all of ``on``; ``first`` takes one matching row at most (cross apply top 1)."""

    kind: Literal["inner", "left", "first"]
    source: Source
    on: tuple[Verdict, ...]


@dataclass(frozen=True, slots=True)
class Output:
    """One place in a result row.

    ``name`` is what the wire prints (a logical name, or an alias); ``column`` types the value and is None for
    counts. ``part``: "value"; "table": the logical name of a polymorphic lookup's target (always the place
    right after its value); "version": the row's version number; "id": a primary key that was not asked for but
    is always printed; "order": a value that only the paging cursor wants; "parent": the parent's id in a Child.
    """

    name: str
    of: Operand
    column: Column | None
    part: Literal["value", "table", "version", "id", "order", "parent"] = "value"


@dataclass(frozen=True, slots=True)
class Nested:
    """A to-one expand: outputs that stand after the plan's own in the same row; null when the id is null."""

    name: str
    lookup: Column
    table: Table
    outputs: tuple[Output, ...]
    nested: "tuple[Nested, ...]" = ()
    children: "tuple[Child, ...]" = ()
    refs_only: bool = False


@dataclass(frozen=True, slots=True)
class Child:
    """A collection expand: a plan of its own, run once for all parents of a page.

    Its first output is the parent's id (part "parent"); ``parents`` is the ``many`` parameter that takes the
    ids; ``per_parent`` limits rows per parent. ``params`` are the child's own values.
    """

    name: str
    plan: "Plan"
    parents: Param
    # Values, not shape: plans that differ only here share one compiled text.
    params: tuple[object, ...] = field(default=(), compare=False, hash=False)
    per_parent: int | None = None
    refs_only: bool = False
    count: bool = False


@dataclass(frozen=True, slots=True)
class Sort:
    """Sort by an operand. Nulls are the smallest values: first when ascending, last when descending."""

    of: Operand
    descending: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """A whole bound query. ``outputs`` come first in each row, then those of ``nested`` depth first.

    ``seek`` is the cursor as parameters, one per ``order`` entry, None where the cursor's value is null.
    ``limit`` and ``offset`` are parameters. ``keyed`` says that the order ends in the primary key, so that
    pages can be walked by seeking. ``claiming`` locks the rows for the transaction and passes over those that others
    have locked.
    """

    source: Source
    outputs: tuple[Output, ...]
    nested: tuple[Nested, ...] = ()
    children: tuple[Child, ...] = ()
    joins: tuple[Joined, ...] = ()
    where: Verdict | None = None
    groups: tuple[Operand, ...] = ()
    having: Verdict | None = None
    order: tuple[Sort, ...] = ()
    seek: tuple[Param | None, ...] | None = None
    limit: Param | None = None
    offset: Param | None = None
    distinct: bool = False
    keyed: bool = False
    partition: Col | None = None
    claiming: bool = False
    _hash: int | None = field(default=None, init=False, compare=False, repr=False)

    def __hash__(self) -> int:
        # Plans are keys of several caches on the hot path and can be hundreds of values deep.
        known = self._hash
        if known is None:
            known = hash((
                self.source, self.outputs, self.nested, self.children, self.joins, self.where, self.groups, self.having,
                self.order, self.seek, self.limit, self.offset, self.distinct, self.keyed, self.partition,
                self.claiming,
            ))  # fmt: skip
            object.__setattr__(self, "_hash", known)
        return known


def placed_children(plan: Plan) -> Iterator[tuple[Child, int]]:
    """The collection expands of a plan, each with the place of its parent's id in a row; depth first."""
    for child in plan.children:
        yield child, _id_place(plan.outputs, plan.source.table, 0)
    yield from _nested_children(plan.nested, len(plan.outputs))


def _nested_children(nested: Sequence[Nested], start: int) -> Iterator[tuple[Child, int]]:
    for part in nested:
        for child in part.children:
            yield child, _id_place(part.outputs, part.table, start)
        start += len(part.outputs)
        yield from _nested_children(part.nested, start)
        start += sum(width(inner) for inner in part.nested)


@lru_cache(maxsize=4096)
def likes(plan: Plan) -> tuple[Like, ...]:
    """All text matches of a plan's own conditions, wherever they stand."""
    found: list[Like] = []
    open_: list[Verdict | None] = [plan.where, plan.having, *(on for join in plan.joins for on in join.on)]
    while open_:
        match open_.pop():
            case Like() as like:
                found.append(like)
            case AllOf(items) | AnyOf(items):
                open_ += items
            case NoneOf(item):
                open_.append(item)
            case Within(where=inner):
                open_ += inner
            case Related(_, on, joins, where):
                open_ += (*on, where, *(each for join in joins for each in join.on))
    return tuple(found)


def width(nested: Nested) -> int:
    """How many places a to-one expand takes in a row, with what is nested in it."""
    return len(nested.outputs) + sum(width(inner) for inner in nested.nested)


def _id_place(outputs: Sequence[Output], table: Table, start: int) -> int:
    for index, output in enumerate(outputs):
        if output.name == table.primary_id and output.part in ("value", "id"):
            return start + index
    raise TypeError("a plan of rows always has the primary key among its outputs")
