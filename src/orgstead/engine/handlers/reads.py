"""Retrieve and RetrieveMultiple: run a bound query, page it, hang the expanded rows on it."""

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from orgstead.engine.bind import Bound
from orgstead.engine.contents import with_content
from orgstead.engine.context import Caller
from orgstead.engine.ports import Blobs, UnitOfWork
from orgstead.errors import fault
from orgstead.model.messages import Options, Result, Retrieve, RetrieveMultiple
from orgstead.model.plan import AllOf, Child, Col, Nested, OneOf, Output, Param, Plan, Source, placed_children
from orgstead.model.query import Query
from orgstead.model.record import Page, Ref
from orgstead.model.schema import Schema

__all__ = ["COUNT_LIMIT", "Reading", "read_row", "retrieve", "retrieve_multiple"]

# Dataverse counts up to this many rows and then says that there are more.
# https://learn.microsoft.com/power-apps/developer/data-platform/webapi/query/count-rows
COUNT_LIMIT = 5000


class Reading(Protocol):
    """What reading needs of a run."""

    @property
    def caller(self) -> Caller:
        """On whose behalf this runs."""

    @property
    def options(self) -> Options:
        """What the request asks for."""

    @property
    def schema(self) -> Schema:
        """The schema of this run."""

    @property
    def blobs(self) -> Blobs:
        """Where the content of files lies."""

    @property
    def unit(self) -> UnitOfWork:
        """The transaction."""

    def bind(self, query: Query, *, single: bool = False) -> Bound:
        """Bind a query for this caller."""

    def resolve(self, ref: Ref, *, missing_ok: bool = False) -> Ref:
        """The reference by id."""


def retrieve(call: Reading, message: Retrieve) -> Result:
    """Read one row; raises ObjectDoesNotExist, and ConcurrencyMismatch when it has another version."""
    ref = call.resolve(message.ref)
    page = read_row(call, ref, message.query)
    version = page.rows[0][0] if page.plan.outputs[0].part == "version" else None
    if message.if_match is not None and version != message.if_match:
        raise fault("ConcurrencyMismatch")
    if message.if_none_match is not None and version == message.if_none_match:
        return Result(ref=ref, unchanged=True, version=version)
    return Result(ref=ref, page=page, version=version)


def read_row(call: Reading, ref: Ref, query: Query) -> Page:
    """A page of the one row; raises ObjectDoesNotExist, also when it does not meet the query's conditions."""
    bound = call.bind(query, single=True)
    rows = call.unit.fetch(bound.plan, (ref.id, *bound.params[1:]))
    if not rows:
        table = call.schema.tables[ref.table]
        if query.where is None and call.unit.get(table, ref.id, (table.primary_id,)) is not None:
            raise fault("AccessDenied", caller=call.caller.user_id, right="Read", table=ref.table, id=ref.id)
        raise fault("ObjectDoesNotExist", table=ref.table, id=ref.id)
    return _page(call, bound.plan, rows)


def retrieve_multiple(call: Reading, message: RetrieveMultiple) -> Result:
    """Read a page of rows, with the cursor of the next one and the count when asked."""
    query = message.query
    bound = call.bind(query)
    plan = bound.plan
    total, capped = None, False
    if bound.count_plan is not None:
        total = call.unit.count(bound.count_plan, bound.params, None if query.bulk else COUNT_LIMIT + 1)
        if not query.bulk:
            total, capped = min(total, COUNT_LIMIT), total > COUNT_LIMIT
        if query.count_only:
            return Result(page=Page(plan=plan, rows=(), total=total, capped=capped))
    if bound.row_plan is not None:
        limit = bound.row_limit
        if call.unit.count(bound.row_plan, bound.params, limit + 1) > limit:
            raise fault("AggregateLimit")
    size = bound.page_size or COUNT_LIMIT
    # Earlier pages of a limited result were full ones.
    left = None if bound.top is None else max(0, bound.top - size * (query.page_number - 1))
    take = size + 1 if left is None else min(size + 1, left)
    params = list(bound.params)
    if plan.limit is not None:
        params[plan.limit.index] = take
    rows = call.unit.fetch(plan, params)
    after = None
    if len(rows) > size:
        rows = rows[:size]
        after = _cursor(plan, rows[-1], query.after, size)
    page = _page(call, plan, rows)
    page.after, page.number, page.total, page.capped = after, query.page_number, total, capped
    return Result(page=page)


def _cursor(plan: Plan, row: Sequence[Any], after: tuple[Any, ...] | None, size: int) -> tuple[Any, ...]:
    if not plan.keyed:
        # Groups have no key to seek by: their pages are counted off.
        return ((int(after[0]) if after else 0) + size,)
    places = {output.of: index for index, output in reversed(list(enumerate(plan.outputs)))}
    return tuple(row[places[sort.of]] for sort in plan.order)


def _page(call: Reading, plan: Plan, rows: list[Any]) -> Page:
    rows = with_content(call, plan, rows)
    page = Page(plan=plan, rows=rows, children=_children(call, plan, rows))
    if call.options.labels:
        wanted: dict[str, set[str]] = {}
        _wanted_labels(call.schema, page, wanted)
        page.labels = _labels(call, wanted)
    return page


def _children(call: Reading, plan: Plan, rows: Sequence[Any]) -> tuple[Mapping[str, Page], ...]:
    return tuple(
        _child_pages(call, child, {row[place] for row in rows}) for child, place in placed_children(plan)
    )


def _child_pages(call: Reading, child: Child, parents: set[str | None]) -> Mapping[str, Page]:
    ids = tuple(sorted(parent for parent in parents if parent is not None))
    if not ids:
        return {}
    params = list(child.params)
    params[child.parents.index] = ids
    rows = call.unit.fetch(child.plan, params)
    rows = with_content(call, child.plan, rows)
    deeper = _children(call, child.plan, rows)
    pages: dict[str, Page] = {}
    for row in rows:
        page = pages.get(row[0])
        if page is None:
            page = pages[row[0]] = Page(plan=child.plan, rows=[], children=deeper)
        if child.per_parent is not None and len(page.rows) >= child.per_parent:
            if page.after is None:
                page.after = _cursor(child.plan, page.rows[-1], None, 0)
            continue
        page.rows.append(row)  # type: ignore[attr-defined]
    return pages


def _wanted_labels(schema: Schema, page: Page, wanted: dict[str, set[str]]) -> None:
    place = 0
    groups: list[Sequence[Output]] = [page.plan.outputs]
    _nested_outputs(page.plan.nested, groups)
    for outputs in groups:
        for index, output in enumerate(outputs):
            column = output.column
            if column is None or not column.is_lookup or output.part != "value":
                continue
            if column.polymorphic:
                for row in page.rows:
                    if row[place + index] is not None:
                        wanted.setdefault(row[place + index + 1], set()).add(row[place + index])
            else:
                ids = {row[place + index] for row in page.rows}
                ids.discard(None)
                wanted.setdefault(column.targets[0], set()).update(ids)
        place += len(outputs)
    for pages in page.children:
        for inner in pages.values():
            _wanted_labels(schema, inner, wanted)


def _nested_outputs(nested: Sequence[Nested], groups: list[Sequence[Output]]) -> None:
    for part in nested:
        groups.append(part.outputs)
        _nested_outputs(part.nested, groups)


def _labels(call: Reading, wanted: Mapping[str, set[str]]) -> Mapping[str, Mapping[str, str]]:
    labels: dict[str, Mapping[str, str]] = {}
    for name, ids in wanted.items():
        table = call.schema.tables.get(name)
        if table is None or not ids or table.primary_name is None:
            continue
        source = Source("t0", table)
        key = table.columns[table.primary_id]
        column = table.columns[table.primary_name]
        plan = Plan(
            source=source,
            outputs=(Output("id", Col("t0", key), key), Output("name", Col("t0", column), column)),
            where=AllOf((OneOf(Col("t0", key), Param(0, key, many=True)),)),
        )
        labels[name] = {row[0]: row[1] for row in call.unit.fetch(plan, [tuple(ids)])}
    return labels
