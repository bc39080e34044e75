"""Queries, built step by step and printed as OData.

https://learn.microsoft.com/power-apps/developer/data-platform/webapi/query/overview
"""

from collections.abc import Iterable, Mapping, Sequence
from copy import copy
from dataclasses import dataclass
from typing import Any, Self, TypeVar

from orgstead.client.errors import ConfigurationError
from orgstead.client.filters import Condition
from orgstead.client.flow import Flow, Stream, collected
from orgstead.client.literals import name, path_name, query_text
from orgstead.client.methods import operation
from orgstead.client.record import Page, Record, Shape
from orgstead.client.rows import Rows, linked_pages
from orgstead.client.session import Session
from orgstead.client.shapes import shape_of, with_navigation

__all__ = ["Expand", "Query"]

D = TypeVar("D")
HOWS = frozenset({"sum", "average", "min", "max", "countdistinct"})
ANNOTATIONS = 'odata.include-annotations="*"'
MAX_PAGE = 5000


@dataclass(frozen=True, slots=True)
class Expand:
    """Related rows that come along with a row: ``Expand("primarycontactid", select=["fullname"])``.

    ``where``, ``order`` and ``top`` are for collections only.
    """

    navigation: str
    select: Sequence[str] = ()
    where: Condition | None = None
    order: Sequence[str] = ()
    top: int | None = None
    expand: "Sequence[Expand]" = ()

    def text(self) -> str:
        """As OData."""
        parts = []
        if self.select:
            parts.append("$select=" + ",".join(map(name, self.select)))
        if self.where is not None:
            parts.append(f"$filter={self.where.text()}")
        if self.order:
            parts.append("$orderby=" + ",".join(map(_ordered, self.order)))
        if self.top is not None:
            parts.append(f"$top={int(self.top)}")
        if self.expand:
            parts.append("$expand=" + ",".join(each.text() for each in self.expand))
        return name(self.navigation) + (f"({';'.join(parts)})" if parts else "")

    def paths(self) -> Iterable[tuple[str, ...]]:
        """The navigation properties on the way to everything that is expanded."""
        yield (self.navigation,)
        for inner in self.expand:
            yield from ((self.navigation, *path) for path in inner.paths())


def _ordered(text: str) -> str:
    """``-revenue`` and ``revenue desc`` are descending."""
    column, _, direction = text.partition(" ")
    if column.startswith("-"):
        column, direction = column[1:], "desc"
    if direction not in ("", "asc", "desc"):
        raise ConfigurationError(f"{text[:60]!r} is no order: -column, or column with asc or desc")
    return f"{path_name(column)} {direction}".strip()


class Query(Rows[D]):
    """A query of one table. Each method answers another query, so that a query may be kept and built upon.

    ``for account in client.query("account").where(col("revenue") > 10).select("name").order_by("-revenue"): …``
    """

    def __init__(self, driver: D, session: Session, table: str) -> None:
        super().__init__(driver, session)
        self._table = table
        self._select: tuple[str, ...] = ()
        self._where: Condition | None = None
        self._order: tuple[str, ...] = ()
        self._expand: tuple[Expand, ...] = ()
        self._top: int | None = None
        self._size: int | None = None
        self._annotated = False
        self._groups: tuple[str, ...] = ()
        self._aggregates: Mapping[str, tuple[str, str] | str] = {}

    def _with(self, **changes: Any) -> Self:
        made = copy(self)
        for each, value in changes.items():
            setattr(made, f"_{each}", value)
        return made

    def select(self, *columns: str) -> Self:
        """Only these columns; the primary key always comes."""
        return self._with(select=(*self._select, *map(name, columns)))

    def where(self, condition: Condition) -> Self:
        """Only rows that fulfil the condition, and those that were given before."""
        if not isinstance(condition, Condition):
            raise ConfigurationError('a condition is made by col("…"), or by raw("…")')
        return self._with(where=condition if self._where is None else self._where & condition)

    def order_by(self, *columns: str) -> Self:
        """In this order: ``"name"``, ``"-revenue"`` for descending."""
        return self._with(order=(*self._order, *map(_ordered, columns)))

    def top(self, count: int) -> Self:
        """At most so many rows."""
        if count < 1:
            raise ConfigurationError("top is at least 1")
        return self._with(top=int(count))

    def page_size(self, count: int) -> Self:
        """So many rows to a page, up to 5,000, which is also what comes unasked."""
        if not 1 <= count <= MAX_PAGE:
            raise ConfigurationError(f"a page has 1 to {MAX_PAGE} rows")
        return self._with(size=int(count))

    def expand(self, navigation: str | Expand, *, select: Sequence[str] = (), **options: Any) -> Self:
        """Related rows, too: by the name of a navigation property with the options of ``Expand``, or an ``Expand``."""
        made = navigation if isinstance(navigation, Expand) else Expand(navigation, select=select, **options)
        return self._with(expand=(*self._expand, made))

    def with_annotations(self) -> Self:
        """Formatted values and the tables of lookups, too."""
        return self._with(annotated=True)

    def group_by(self, *columns: str) -> Self:
        """One row for each combination of values of these columns."""
        return self._with(groups=(*self._groups, *map(path_name, columns)))

    def aggregate(self, **aliases: tuple[str, str] | str) -> Self:
        """Values over the rows of a group, or all: ``total=("revenue", "sum")``, ``rows="count"``.

        Ways are sum, average, min, max and countdistinct.
        https://learn.microsoft.com/power-apps/developer/data-platform/webapi/query/aggregate-data
        """
        for alias, what in aliases.items():
            name(alias)
            if what != "count" and not (isinstance(what, tuple) and len(what) == 2 and what[1] in HOWS):
                raise ConfigurationError(
                    f"{alias} is (column, way) with a way of {', '.join(sorted(HOWS))}, or count"
                )
        return self._with(aggregates={**self._aggregates, **aliases})

    @property
    def options(self) -> Mapping[str, str | None]:
        """The query options as they are sent, before percent-encoding."""
        where = None if self._where is None else self._where.text()
        # The service would pass $top over beside a page size.
        top = None if self._top is None or self._size is not None else str(self._top)
        if self._groups or self._aggregates:
            if self._select or self._expand:
                raise ConfigurationError("groups and aggregates go without select and expand")
            order = ",".join(self._order) or None
            return {"$apply": self._apply(where), "$orderby": order, "$top": top}
        return {
            "$select": ",".join(self._select) or None,
            "$filter": where,
            "$orderby": ",".join(self._order) or None,
            "$expand": ",".join(each.text() for each in self._expand) or None,
            "$top": top,
        }

    def _apply(self, where: str | None) -> str:
        made = ",".join(
            f"$count as {alias}"
            if isinstance(what, str)
            else f"{path_name(what[0])} with {what[1]} as {alias}"
            for alias, what in self._aggregates.items()
        )
        aggregate = f"aggregate({made})" if made else ""
        if self._groups:
            inner = f"({','.join(self._groups)})" + (f",{aggregate}" if aggregate else "")
            aggregate = f"groupby({inner})"
        return f"filter({where})/{aggregate}" if where else aggregate

    def __str__(self) -> str:
        """The query as it is sent, before percent-encoding."""
        return "&".join(f"{each}={value}" for each, value in self.options.items() if value is not None)

    def __repr__(self) -> str:
        return f"<Query {self._table}?{self}>"

    def _shape(self) -> Flow[Shape]:
        if self._expand:
            paths = [path for each in self._expand for path in each.paths()]
            return (yield from with_navigation(self._session, self._table, paths))
        return (yield from shape_of(self._session, self._table))

    def _headers(self) -> Mapping[str, str]:
        preferences = [f"odata.maxpagesize={self._size}"] if self._size is not None else []
        preferences += [ANNOTATIONS] if self._annotated else []
        return {"Prefer": ",".join(preferences)} if preferences else {}

    def _pages(self) -> Stream[Page]:
        shape = yield from self._shape()
        text = query_text(self.options)
        path = f"{shape.set}?{text}" if text else shape.set
        shape = _aggregated(shape, self._aggregates)
        yield from linked_pages(self._session, path, shape, self._headers(), limit=self._top)

    @operation
    def count(self) -> Flow[int]:
        """The number of rows that fulfil the conditions, not cut off at 5,000 as $count is.

        Raises BadRequestError online above 50,000 rows, the limit of an aggregate there.
        """
        counting = self._with(select=(), expand=(), order=(), top=None, size=None, groups=(), aggregates={})
        for page in (yield from collected(counting.aggregate(number="count")._pages(), 1)):
            for record in page.rows:
                return int(record["number"])
        return 0

    @operation
    def one(self) -> Flow[Record]:
        """The only row. Raises LookupError when there is none, or more than one."""
        found = yield from collected(self.top(2)._pages(), 2)
        rows = [record for page in found for record in page.rows]
        if len(rows) != 1:
            raise LookupError(f"{'no row' if not rows else 'more than one row'} of {self._table}: {self}")
        return rows[0]


def _aggregated(shape: Shape, aggregates: Mapping[str, tuple[str, str] | str]) -> Shape:
    """The shape of a row with the aliases beside the columns."""
    if not aggregates:
        return shape
    types = dict(shape.types)
    for alias, what in aggregates.items():
        column = what[0] if isinstance(what, tuple) and what[1] != "countdistinct" else ""
        types[alias] = types.get(column, "")
    return Shape(
        name=shape.name,
        set=shape.set,
        key=shape.key,
        title=shape.title,
        types=types,
        navigation=shape.navigation,
    )
