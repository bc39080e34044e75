"""A record, a reference to one, and a page of results."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

__all__ = ["Key", "Page", "Pending", "Record", "Ref", "Related"]


@dataclass(frozen=True, slots=True)
class Pending:
    """Stands for the row that message number ``index`` of the same unit makes or names (``$1`` in a change set)."""

    index: int


# A GUID as lower-case text with hyphens, the column/value pairs of an alternate key in the order given,
# or a row that does not exist yet.
Key = str | tuple[tuple[str, Any], ...] | Pending


@dataclass(frozen=True, slots=True)
class Ref:
    """A reference to one row: a table's logical name and a key.

    The key is a GUID (lower-case text) or an alternate key as column/value pairs; the engine resolves
    alternate keys and pending rows before anything is stored.
    """

    table: str
    key: Key

    @property
    def id(self) -> str:
        """The GUID. Raises TypeError on an alternate key that nobody resolved: a bug."""
        if not isinstance(self.key, str):
            raise TypeError(f"unresolved alternate key of {self.table}")
        return self.key


@dataclass(frozen=True, slots=True, kw_only=True)
class Related:
    """New rows or references that hang on a record in a deep insert.

    ``relationship`` is the schema name; ``records`` are created with the parent, ``refs`` associated.
    ``to_one`` says that the parent holds the lookup (the related row is created first); ``reverse`` that the parent
    is the second end of an N:N relationship of a table with itself.
    """

    relationship: str
    to_one: bool = False
    reverse: bool = False
    records: "tuple[Record, ...]" = ()
    refs: tuple[Ref, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """Column values of one row, by logical name, in canonical form.

    Canonical values: text str; whole numbers, choices, states and statuses int; boolean bool; decimal and
    money decimal.Decimal; double float; date and time str ``YYYY-MM-DDTHH:MM:SSZ`` in UTC (behaviour
    DateOnly: ``YYYY-MM-DD``); GUID lower-case str; lookups Ref; multi-select choices a tuple of int;
    images bytes; party lists a tuple of Record of activityparty.
    Before ``bind`` the values are whatever the wire decoded. ``key`` is how a row of a bulk message is addressed.
    """

    table: str
    id: str | None = None
    key: Ref | None = None
    values: Mapping[str, Any] = field(default_factory=dict)
    related: tuple[Related, ...] = ()


@dataclass(slots=True, kw_only=True)
class Page:
    """Rows of a bound query, as the store gives them, with what paging and counting need.

    ``rows`` are tuples whose places are described by ``plan.outputs`` (and then the outputs of its to-one
    expands, in order). ``children`` holds collection expands, in the order in which a walk of the plan meets
    them: per expand, parent id → Page. ``labels`` has the primary names of rows that lookups point at, by
    table and id, when formatted values were asked for.
    ``after`` is the cursor of the next page (None at the end); ``total`` the count when asked (-1: unknown)
    and ``capped`` whether it stopped at the 5,000 limit.
    """

    plan: Any
    rows: Sequence[tuple[Any, ...]]
    children: tuple["Mapping[str, Page]", ...] = ()
    labels: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    after: tuple[Any, ...] | None = None
    number: int = 1
    total: int | None = None
    capped: bool = False
