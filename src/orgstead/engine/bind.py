"""Names become columns, literals become typed parameters, operators become comparisons: Query → Plan.

The one place where a question meets the schema. Whatever is not understood is refused here, by name.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from orgstead.engine.binding import read_value
from orgstead.engine.context import Caller
from orgstead.engine.dates import Calendar
from orgstead.engine.groups import bind_groups, read_offset
from orgstead.engine.joins import (
    JoinedTable,
    bind_joins,
    check_names,
    joined_outputs,
    output,
    primary_key,
    readable,
    tallies,
)
from orgstead.engine.scope import Restrict, Scope, State, column_of, table_of
from orgstead.errors import Fault, fault
from orgstead.model.plan import (
    AllOf,
    Child,
    Col,
    Joined,
    Nested,
    OneOf,
    Operand,
    Output,
    Param,
    Plan,
    Ranked,
    Sort,
    Source,
    Test,
    Verdict,
)
from orgstead.model.query import (
    Expand,
    Field,
    Order,
    Query,
    Shown,
    ToOne,
    Untyped,
)
from orgstead.model.schema import Schema

__all__ = ["Bound", "bind_query"]

MAX_EXPANDS = 15
MAX_EXPAND_DEPTH = 10
MAX_PAGE = 5000
BULK_PAGE = 10_000
OWNER = "owner"
CURRENCY = "transactioncurrencyid"


@dataclass(frozen=True, slots=True, kw_only=True)
class Bound:
    """A plan with its values. ``fixed`` says that the values do not depend on the caller or the clock.

    ``page_size`` and ``top`` are what the plan's limit parameter is made from. ``row_plan`` counts what is aggregated,
    of which there may be ``row_limit``.
    """

    plan: Plan
    params: tuple[Any, ...]
    fixed: bool
    page_size: int | None = None
    top: int | None = None
    count_plan: Plan | None = None
    row_plan: Plan | None = None
    row_limit: int = 0


def bind_query(
    query: Query,
    schema: Schema,
    caller: Caller,
    calendar: Calendar,
    restrict: Restrict,
    *,
    single: str | None = None,
) -> Bound:
    """Bind a query. ``single`` is the id of the one row to read (Retrieve).

    Raises AttributeNotFound, IncompatibleTypes, ODataUnsupported, QueryTooComplex, PrivilegeDenied…
    """
    state = State(schema, caller, calendar, restrict)
    scope = Scope(state, state.source(table_of(schema, query.table)))
    joined = bind_joins(query, scope)
    where: list[Verdict] = []
    if single is not None:
        primary = scope.source.table.columns[scope.source.table.primary_id]
        where.append(Test("eq", Col(scope.source.alias, primary), state.param(single, primary)))
    if query.where is not None:
        where.append(scope.predicate(query.where))
    allowed = restrict(scope.source, state.param)
    if allowed is not None:
        where.append(allowed)
    if query.aggregates or query.groups:
        plan = bind_groups(query, scope, where)
    elif query.distinct:
        plan = _distinct(query, scope, where, joined)
    else:
        plan = _rows(query, scope, where, joined, single is not None)
    count_plan = None
    if query.count or query.count_only:
        count_plan = _counting(plan, scope, grouped=bool(query.groups or query.aggregates or query.distinct))
    row_plan = _counting(plan, scope, grouped=False) if query.row_limit is not None else None
    largest = BULK_PAGE if query.bulk else MAX_PAGE
    return Bound(
        plan=plan,
        params=tuple(state.params),
        fixed=state.fixed,
        page_size=None if single is not None else min(query.page_size or largest, largest),
        top=query.top,
        count_plan=count_plan,
        row_plan=row_plan,
        row_limit=query.row_limit or 0,
    )


def _counting(plan: Plan, scope: Scope, *, grouped: bool) -> Plan:
    """What counts the rows of a plan, or those that it groups."""
    primary = scope.source.table.columns[scope.source.table.primary_id]
    if not grouped:
        one = Output("id", Col(scope.source.alias, primary), primary)
        return Plan(source=plan.source, outputs=(one,), joins=plan.joins, where=plan.where)
    return Plan(
        source=plan.source,
        outputs=plan.outputs,
        joins=plan.joins,
        where=plan.where,
        groups=plan.groups,
        having=plan.having,
        distinct=plan.distinct,
    )


def _rows(
    query: Query, scope: Scope, where: list[Verdict], joined: Sequence[JoinedTable], single: bool
) -> Plan:
    own = (*_outputs(scope.state, scope.source, query.columns, query.aliased), *tallies(query.tallied, scope))
    outputs = (*own, *joined_outputs(joined, scope.state))
    check_names(outputs)
    nested, children = _expands(query.expand, scope, scope.source, depth=1)
    # A row may come several times, each time with other rows of what is joined.
    keys = [primary_key(scope.source), *(primary_key(each.source) for each in joined if each.multiplies)]
    order, hidden = ((), ()) if single else _order(query.order, scope, outputs, keys)
    seek, limit, offset = None, None, None
    if not single:
        limit = scope.param(0)
        if query.after is not None:
            if len(query.after) != len(order):
                raise fault("InvalidPagingCookie")
            seek = tuple(
                _cursor_value(scope, sort, value) for value, sort in zip(query.after, order, strict=True)
            )
        elif query.offset:
            offset = scope.param(query.offset)
    return Plan(
        source=scope.source,
        outputs=(*outputs, *hidden),
        nested=nested,
        children=children,
        joins=tuple(scope.joins),
        where=AllOf(tuple(where)) if where else None,
        order=order,
        seek=seek,
        limit=limit,
        offset=offset,
        keyed=True,
    )


def _distinct(query: Query, scope: Scope, where: list[Verdict], joined: Sequence[JoinedTable]) -> Plan:
    """Different rows of the columns that were asked for: they have no key, and their pages are counted off."""
    own = tuple(
        output
        for output in _outputs(scope.state, scope.source, query.columns, query.aliased)
        if output.part in ("value", "table")
    )
    outputs = (*own, *joined_outputs(joined, scope.state))
    check_names(outputs)
    order, hidden = _order(query.order, scope, outputs, [output.of for output in outputs])
    for each in hidden:
        # Rows that differ in it only would come twice.
        named = each.of.column.name if isinstance(each.of, Col) else "value"
        raise fault("DistinctOrder", name=named)
    return Plan(
        source=scope.source,
        outputs=(*outputs, *hidden),
        joins=tuple(scope.joins),
        where=AllOf(tuple(where)) if where else None,
        order=order,
        limit=scope.param(0),
        offset=scope.param(query.offset + read_offset(query.after)),
        distinct=True,
    )


def _cursor_value(scope: Scope, sort: Sort, value: Any) -> Param | None:
    if value is None:
        return None
    column = sort.of.column if isinstance(sort.of, Col) else None
    if isinstance(value, Untyped):
        try:
            value = read_value(column, value) if column is not None else int(value)
        except (Fault, ValueError):
            raise fault("InvalidPagingCookie") from None
    return scope.param(value, column)


def _outputs(
    state: State, source: Source, names: Sequence[str] | None, aliased: Sequence[Shown] = ()
) -> tuple[Output, ...]:
    """The places of a row: version, the columns asked for (all readable ones by default), the primary key."""
    table = source.table
    columns = (
        list(readable(table)) if names is None else [column_of(table, name) for name in dict.fromkeys(names)]
    )
    shown = [column_of(table, each.name) for each in aliased]
    currency = table.columns.get(CURRENCY)
    if (
        currency is not None
        and currency not in columns
        and any(c.type == "money" for c in (*columns, *shown))
    ):
        # An amount is nothing without its currency.
        columns.append(currency)
    places: list[Output] = []
    version = table.columns.get("versionnumber")
    if version is not None:
        places.append(Output("versionnumber", Col(source.alias, version), version, "version"))
    for column in columns:
        places += output(state, source, column, column.name)
    for each, column in zip(aliased, shown, strict=True):
        places += output(state, source, column, each.alias)
    if all(column.name != table.primary_id for column in columns):
        primary = table.columns[table.primary_id]
        places.append(Output(primary.name, Col(source.alias, primary), primary, "id"))
    return tuple(places)


def _order(
    orders: Sequence[Order], scope: Scope, outputs: Sequence[Output], last: Sequence[Operand]
) -> tuple[tuple[Sort, ...], tuple[Output, ...]]:
    """The sort keys, ending in ``last`` so that no two rows are equal, and the places that only the cursor needs."""
    sorts: dict[Operand, Sort] = {}
    for order in orders:
        operand = scope.operand(_shown(order.field, scope))
        if order.labels and isinstance(operand, Col) and operand.column.is_choice:
            operand = _ranked(operand)
        sorts.setdefault(operand, Sort(operand, order.descending))
        if [operand] == last:
            break
    for operand in last:
        sorts.setdefault(operand, Sort(operand))
    shown = {output.of for output in outputs if output.part in ("value", "id")}
    hidden = tuple(
        Output("", operand, operand.column if isinstance(operand, Col) else None, "order")
        for operand in sorts
        if operand not in shown
    )
    return tuple(sorts.values()), hidden


def _ranked(of: Col) -> Ranked:
    """A choice by its labels, in the order of the alphabet."""
    options = sorted(of.column.options, key=lambda option: option.label.casefold())
    return Ranked(of, tuple((option.value, place) for place, option in enumerate(options)))


def _shown(field: Field, scope: Scope) -> Field:
    """What an order by a field goes by: a lookup by the name of the row that it points at.

    Of those that may point at several tables only the owner has one name to go by; the rest go by id.
    https://learn.microsoft.com/power-apps/developer/data-platform/webapi/query/order-rows#lookup-columns
    """
    operand = scope.operand(field)
    if not isinstance(operand, Col) or not operand.column.is_lookup:
        return field
    column = operand.column
    owners = column.type == "owner" and OWNER in scope.schema.tables
    name = OWNER if owners else column.targets[0] if len(column.targets) == 1 else None
    target = scope.schema.tables.get(name) if name is not None else None
    if target is None or target.primary_name is None:
        return field
    return Field(target.primary_name, (*field.path, ToOne(column.name, target.logical_name)), field.alias)


def _expands(
    expands: Sequence[Expand], scope: Scope, source: Source, depth: int
) -> tuple[tuple[Nested, ...], tuple[Child, ...]]:
    if expands and depth > MAX_EXPAND_DEPTH:
        raise fault("QueryTooComplex", limit=f"{MAX_EXPAND_DEPTH} levels of $expand")
    nested: list[Nested] = []
    children: list[Child] = []
    for expand in expands:
        scope.state.expands += 1
        if scope.state.expands > MAX_EXPANDS:
            raise fault("QueryTooComplex", limit=f"{MAX_EXPANDS} $expand options")
        if isinstance(expand.link, ToOne):
            nested.append(_nested(expand, scope, source, depth))
        else:
            children.append(_child(expand, scope, source, depth))
    return tuple(nested), tuple(children)


def _nested(expand: Expand, scope: Scope, source: Source, depth: int) -> Nested:
    if expand.where is not None or expand.order or expand.top is not None or expand.count:
        raise fault(
            "ODataUnsupported",
            feature="$filter, $orderby, $top or $count on a single-valued navigation property",
        )
    lookup = column_of(source.table, expand.link.lookup)
    target = scope.state.source(table_of(scope.schema, expand.link.target))
    scope.joins.append(Joined("left", target, scope.to_one_on(source, lookup, target)))
    nested, children = _expands(expand.expand, scope, target, depth + 1)
    return Nested(
        name=expand.name,
        lookup=lookup,
        table=target.table,
        outputs=_outputs(scope.state, target, () if expand.refs_only else expand.columns),
        nested=nested,
        children=children,
        refs_only=expand.refs_only,
    )


def _child(expand: Expand, scope: Scope, source: Source, depth: int) -> Child:
    state = scope.state.nested_state()
    state.expands = scope.state.expands
    inner = Scope(state, source)
    parent = Source("parent", source.table)
    child, on, joins = inner.collection(expand.link, parent)
    inner.source = child
    # The parents' ids arrive as one parameter: turn "child hangs on parent" into "child hangs on one of these".
    hook = on[0]
    if not isinstance(hook, Test) or not isinstance(hook.left, Col):
        raise TypeError("a collection hangs on its parent by one column")
    parents = state.param((), hook.left.column, many=True)
    where: list[Verdict] = [OneOf(hook.left, parents), *on[1:]]
    inner.joins.extend(joins)
    if expand.where is not None:
        where.append(inner.predicate(expand.where))
    allowed = state.restrict(child, state.param)
    if allowed is not None:
        where.append(allowed)
    outputs = _outputs(state, child, () if expand.refs_only else expand.columns)
    nested, children = _expands(expand.expand, inner, child, depth + 1)
    scope.state.expands = state.expands
    order, hidden = _order(expand.order, inner, outputs, [primary_key(child)])
    # Without $top a parent has pages of rows, and one row more tells that there is another page.
    limited = expand.top is not None and expand.top <= MAX_PAGE
    size = expand.top if limited and expand.top is not None else MAX_PAGE
    plan = Plan(
        source=child,
        outputs=(Output("parent", hook.left, hook.left.column, "parent"), *outputs, *hidden),
        nested=nested,
        children=children,
        joins=tuple(inner.joins),
        where=AllOf(tuple(where)),
        order=order,
        limit=state.param(size if limited else size + 1),
        partition=hook.left,
        keyed=True,
    )
    scope.state.fixed = scope.state.fixed and state.fixed
    return Child(
        name=expand.name,
        plan=plan,
        parents=parents,
        params=tuple(state.params),
        per_parent=size,
        refs_only=expand.refs_only,
        count=expand.count,
    )
