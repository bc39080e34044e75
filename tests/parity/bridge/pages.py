"""Rows out of SOAP's answers as the pages that the Web API's writer takes, with SOAP's formatted values checked."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from orgstead.engine.bind import bind_query
from orgstead.engine.context import SYSTEM
from orgstead.engine.dates import Calendar
from orgstead.languages.paging import read_inner
from orgstead.model.formatted import format_value
from orgstead.model.plan import Col, Nested, Output, Plan, placed_children
from orgstead.model.query import Query
from orgstead.model.record import Page
from orgstead.model.schema import Schema
from tests.parity.bridge.values import canonical
from tests.parity.soap import Aliased, Ref, Row, Rows

__all__ = ["page_of", "plan_of"]


def plan_of(query: Query, schema: Schema, id: str | None = None) -> Plan:
    """The places of a row of a query."""
    calendar = Calendar(now=datetime.now(UTC).replace(tzinfo=None))
    return bind_query(query, schema, SYSTEM, calendar, lambda *_: None, single=id).plan


def page_of(
    plan: Plan,
    rows: Rows,
    number: int = 1,
    along: Mapping[tuple[str, ...], str] | None = None,
    counted: bool = False,
    ties: Mapping[str, str] | None = None,
) -> Page:
    """A page of rows. ``along`` are the aliases of joined rows that stand for expanded ones, ``ties`` the relationships
    that other expanded ones come by."""
    ties = ties or {}
    labels: dict[str, dict[str, str]] = {}
    made = [tuple(_places(plan, row, along or {}, ties, labels)) for row in rows.rows]
    page = Page(plan=plan, rows=made, labels=labels, number=number)
    page.children = tuple(
        {
            str(values[place]): page_of(child.plan, Rows(_related(row, child.name, ties)))
            for row, values in zip(rows.rows, made, strict=True)
            if values[place] is not None
        }
        for child, place in placed_children(plan)
    )  # fmt: skip
    for each in (inner for pages in page.children for inner in pages.values()):
        for table, names in each.labels.items():
            labels.setdefault(table, {}).update(names)
    if rows.more:
        assert rows.cookie is not None
        page.after = read_inner(rows.cookie)
    if counted:
        page.total, page.capped = rows.total, rows.capped
    return page


def _related(row: Row, name: str, ties: Mapping[str, str]) -> list[Row]:
    return list(row.related.get((ties.get(name, name), None), ()))


def _places(
    plan: Plan,
    row: Row,
    along: Mapping[tuple[str, ...], str],
    ties: Mapping[str, str],
    labels: dict[str, dict[str, str]],
) -> Iterator[Any]:
    yield from _outputs(plan.outputs, row, "", labels)
    yield from _nested(plan.nested, row, along, ties, (), labels)


def _nested(
    parts: Sequence[Nested],
    row: Row,
    along: Mapping[tuple[str, ...], str],
    ties: Mapping[str, str],
    trail: tuple[str, ...],
    labels: dict[str, dict[str, str]],
) -> Iterator[Any]:
    for part in parts:
        below = (*trail, part.name)
        if below in along:
            inner, prefix = row, f"{along[below]}."
        else:
            found = _related(row, part.name, ties)
            inner, prefix = (found[0] if found else Row(part.table.logical_name)), ""
        yield from _outputs(part.outputs, inner, prefix, labels)
        yield from _nested(part.nested, inner, along, ties, below, labels)


def _outputs(
    outputs: Sequence[Output], row: Row, prefix: str, labels: dict[str, dict[str, str]]
) -> Iterator[Any]:
    target = None
    for output in outputs:
        if output.part == "version":
            name = f"{prefix}versionnumber"
            told = row.version if not prefix else canonical(None, row.values.get(name))
            yield None if told is None else int(told)
        elif output.part == "table":
            yield target
        elif output.part in ("value", "id"):
            name = f"{prefix}{output.name}"
            given = row.values.get(name)
            bare = given.value if isinstance(given, Aliased) else given
            target = bare.table if isinstance(bare, Ref) else None
            if isinstance(bare, Ref) and bare.name is not None:
                labels.setdefault(bare.table, {})[bare.id] = bare.name
                assert row.formatted.get(name) in (None, bare.name), (name, row.formatted)
            made = canonical(output.column, given)
            if output.part == "id" and made is None and not prefix and row.id.strip("0-"):
                made = row.id
            if isinstance(output.of, Col) and output.column is not None and made is not None:
                _check(output, name, made, row)
            yield made
        else:
            yield None


def _check(output: Output, name: str, made: Any, row: Row) -> None:
    """The formatted value is what the Web API says, too."""
    column = output.column
    if column is None or column.is_lookup or column.type in ("entityname", "image", "managedproperty"):
        return
    told, wanted = row.formatted.get(name), format_value(column, made)
    assert told == wanted, f"{name} reads {told!r} over SOAP, {wanted!r} over OData"
