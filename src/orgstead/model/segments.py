"""Segments: who belongs to a marketing audience, as an expression over profiles.

https://learn.microsoft.com/dynamics365/customer-insights/journeys/developer/segment-query-definition
"""

from dataclasses import dataclass
from typing import Literal

from orgstead.model.query import Order, Predicate

__all__ = [
    "COMPOUND", "DYNAMIC", "STATIC", "Expression", "Filtered", "Members", "Moment", "Profile", "Segment",
    "Selection", "SetOperation", "Shift", "Traversed",
]  # fmt: skip

DYNAMIC, STATIC, COMPOUND = 192350000, 192350001, 192350002

Part = Literal["year", "month", "day", "hour", "minute", "second", "millisecond"]


@dataclass(frozen=True, slots=True)
class Shift:
    """So many parts of time later; earlier when negative."""

    part: Part
    number: int


@dataclass(frozen=True, slots=True)
class Moment:
    """A point of time among the values of a condition: now, or ``at`` (ISO 8601, UTC), moved by ``shifts``."""

    at: str | None = None
    shifts: tuple[Shift, ...] = ()


@dataclass(frozen=True, slots=True)
class Profile:
    """All rows of a table, under an alias that its columns may be named by."""

    table: str
    alias: str | None = None


@dataclass(frozen=True, slots=True)
class Members:
    """The members of another segment, by its name or its query name."""

    name: str


@dataclass(frozen=True, slots=True)
class Filtered:
    """The rows of ``source`` that satisfy a condition."""

    source: "Expression"
    where: Predicate


@dataclass(frozen=True, slots=True)
class Traversed:
    """The rows at the other end of a relationship of the rows of ``source``, under an alias."""

    source: "Expression"
    relationship: str
    alias: str | None = None


@dataclass(frozen=True, slots=True)
class SetOperation:
    """Rows of one, both, or the first but not the second of two expressions about the same table."""

    operator: Literal["union", "intersect", "except"]
    left: "Expression"
    right: "Expression"


Expression = Profile | Members | Filtered | Traversed | SetOperation


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """What is read of an expression: in which order, from which row on, how many rows, which columns."""

    of: Expression
    order: tuple[Order, ...] = ()
    skip: int = 0
    take: int | None = None
    columns: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Segment:
    """A segment that is live: its members follow the rows. ``text`` is its query; a static one has none.

    ``query_name`` is how queries of other segments name it beside its name. ``columns`` of contacts, rows of ``tables``
    and members of the segments ``sources`` decide who belongs to it; ``timed``: so does the clock.
    """

    id: str
    name: str
    query_name: str
    kind: int
    text: str = ""
    columns: tuple[str, ...] = ()
    tables: tuple[str, ...] = ()
    sources: tuple[str, ...] = ()
    timed: bool = False
