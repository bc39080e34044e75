"""Names become columns, literals become typed parameters, operators become comparisons: Query → Plan.

The one place where a question meets the schema. Whatever is not understood is refused here, by name.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from orgstead.engine.context import Caller
from orgstead.engine.dates import Calendar
from orgstead.engine.operators import bind_condition, read_value
from orgstead.errors import Fault, fault
from orgstead.model.plan import (
    Agg, AllOf, AnyOf, Child, Col, DatePart, Joined, Nested, NoneOf, OneOf, Operand, Output, Param, Plan, Related, Sort,
    Source, Test, Verdict,
)  # fmt: skip
from orgstead.model.query import (
    And, Condition, Exists, Expand, Field, Not, Or, Order, Predicate, Query, ToMany, ToOne, Untyped,
)  # fmt: skip
from orgstead.model.schema import Column, Schema, Table

__all__ = ["Bound", "Restrict", "bind_query"]

MAX_EXPANDS = 15
MAX_EXPAND_DEPTH = 10
MAX_HOPS = 10
MAX_PAGE = 5000

UNREADABLE = frozenset({"partylist", "virtual", "managedproperty", "file"})

# Given a source, what of its rows the caller may see (None: all); raises PrivilegeDenied.
Restrict = Callable[[Source, Callable[..., Param]], Verdict | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Bound:
    """A plan with its values. ``fixed`` says that the values do not depend on the caller or the clock.

    ``limit``/``page_size`` are what the plan's limit parameter was made from; ``expands`` counts expands.
    """

    plan: Plan
    params: tuple[Any, ...]
    fixed: bool
    page_size: int | None = None
    top: int | None = None
    count_plan: Plan | None = None


@dataclass(slots=True)
class _State:
    """What the scopes of one plan share: the parameters and the aliases."""

    schema: Schema
    caller: Caller
    calendar: Calendar
    restrict: Restrict
    prefix: str = "t"
    params: list[Any] = field(default_factory=list)
    fixed: bool = True
    aliases: int = 0
    expands: int = 0

    def param(self, value: Any, column: Column | None = None, *, many: bool = False) -> Param:
        self.params.append(value)
        return Param(len(self.params) - 1, column, many)

    def source(self, table: Table) -> Source:
        self.aliases += 1
        return Source(f"{self.prefix}{self.aliases - 1}", table)

    def nested_state(self) -> "_State":
        """A state for the plan of a collection expand: own values, own aliases."""
        return _State(self.schema, self.caller, self.calendar, self.restrict, prefix=self.prefix + "c")


class _Scope:
    """A source and what hangs on it: the to-one joins made so far, and the scopes around it."""

    def __init__(self, state: _State, source: Source, *, name: str | None = None, outer: "_Scope | None" = None) -> None:
        self.state = state
        self.source = source
        self.name = name
        self.outer = outer
        self.joins: list[Joined] = []
        self.hops: dict[tuple[str, str, str], Source] = {}
        self.outputs: dict[str, Operand] = {}

    # -- what operators need -------------------------------------------------------------------------------------
    @property
    def schema(self) -> Schema:
        return self.state.schema

    @property
    def caller(self) -> Caller:
        return self.state.caller

    @property
    def calendar(self) -> Calendar:
        return self.state.calendar

    def param(self, value: Any, column: Column | None = None, *, many: bool = False) -> Param:
        return self.state.param(value, column, many=many)

    def dynamic(self) -> None:
        self.state.fixed = False

    def operand(self, field: Field) -> Operand:
        if not field.path and field.alias is None and field.name in self.outputs:
            return self.outputs[field.name]
        scope = self.named(field.alias)
        source = scope.hop(scope.source, field.path)
        return Col(source.alias, column_of(source.table, field.name))

    # -- structure -----------------------------------------------------------------------------------------------
    def named(self, alias: str | None) -> "_Scope":
        """The scope that an alias names: this one when None or its own name, else one around it."""
        scope: _Scope | None = self
        if alias is None:
            return self
        while scope is not None:
            if scope.name == alias:
                return scope
            scope = scope.outer
        raise fault("UnknownAlias", alias=alias)

    def hop(self, source: Source, path: Sequence[Any]) -> Source:
        """Follow to-one hops from a source by left joins, each made once."""
        if len(path) > MAX_HOPS:
            raise fault("QueryTooComplex", limit=f"{MAX_HOPS} navigation properties in a path")
        for step in path:
            if not isinstance(step, ToOne):
                raise fault("ODataUnsupported", feature="A collection-valued navigation property in a path")
            key = (source.alias, step.lookup, step.target)
            target = self.hops.get(key)
            if target is None:
                target = self.state.source(self.schema.tables[step.target])
                on = self.to_one_on(source, column_of(source.table, step.lookup), target)
                self.joins.append(Joined("left", target, on))
                self.hops[key] = target
            source = target
        return source

    def to_one_on(self, source: Source, lookup: Column, target: Source) -> tuple[Verdict, ...]:
        """The conditions under which ``target`` is the row that ``source.lookup`` points at, and may be seen."""
        on: list[Verdict] = [
            Test("eq", Col(target.alias, target.table.columns[target.table.primary_id]), Col(source.alias, lookup))
        ]
        # The owner table holds users and teams alike: there the id alone decides.
        if lookup.polymorphic and target.table.logical_name in lookup.targets:
            on.append(Test("eq", Col(source.alias, lookup, "table"), self.param(target.table.logical_name)))
        allowed = self.state.restrict(target, self.param)
        return (*on, allowed) if allowed is not None else tuple(on)

    def predicate(self, predicate: Predicate) -> Verdict:
        match predicate:
            case Condition():
                return bind_condition(predicate, self)
            case And(items):
                return AllOf(tuple(self.predicate(item) for item in items))
            case Or(items):
                return AnyOf(tuple(self.predicate(item) for item in items))
            case Not(item):
                return NoneOf(self.predicate(item))
            case Exists():
                return self.exists(predicate)

    def exists(self, test: Exists) -> Verdict:
        owner = self.named(test.outer)
        parent = owner.hop(owner.source, test.path)
        child, on, joins = self.collection(test.link, parent)
        inner = _Scope(self.state, child, name=test.alias, outer=self)
        where = inner.predicate(test.where) if test.where is not None else None
        allowed = self.state.restrict(child, self.param)
        if test.every:
            # Every row that the caller sees satisfies it: there is no such row that does not.
            where = NoneOf(where) if where is not None else AnyOf(())
        found = Related(child, (*on, *((allowed,) if allowed is not None else ())), (*joins, *inner.joins), where)
        return NoneOf(found) if test.every else found

    def collection(self, link: Any, parent: Source) -> tuple[Source, tuple[Verdict, ...], tuple[Joined, ...]]:
        """The many side of a relationship from ``parent``: its source, how it hangs on the parent, inner joins."""
        if not isinstance(link, ToMany):
            raise fault("ODataUnsupported", feature="any or all on a single-valued navigation property")
        parent_id = Col(parent.alias, parent.table.columns[parent.table.primary_id])
        one_to_many = self.schema.one_to_many.get(link.relationship)
        if one_to_many is not None:
            child = self.state.source(self.schema.tables[one_to_many.referencing])
            lookup = child.table.columns[one_to_many.referencing_attribute]
            on: list[Verdict] = [Test("eq", Col(child.alias, lookup), parent_id)]
            if lookup.polymorphic:
                on.append(Test("eq", Col(child.alias, lookup, "table"), self.param(parent.table.logical_name)))
            return child, tuple(on), ()
        near, far, target = self.ends(link)
        child = self.state.source(target)
        between = self.state.source(self.schema.tables[self.schema.many_to_many[link.relationship].intersect])
        join = Joined(
            "inner",
            between,
            (Test("eq", Col(between.alias, between.table.columns[far]), Col(child.alias, target.columns[target.primary_id])),),
        )
        return child, (Test("eq", Col(between.alias, between.table.columns[near]), parent_id),), (join,)

    def ends(self, link: ToMany) -> tuple[str, str, Table]:
        """The intersect columns of the near and far end of an N:N hop, and the table at the far end."""
        rel = self.schema.many_to_many[link.relationship]
        if link.reverse:
            return rel.entity2_attribute, rel.entity1_attribute, self.schema.tables[rel.entity1]
        return rel.entity1_attribute, rel.entity2_attribute, self.schema.tables[rel.entity2]


def column_of(table: Table, name: str) -> Column:
    """A stored column of a table; raises AttributeNotFound, or says that the column cannot be queried."""
    column = table.columns.get(name)
    if column is None or not column.read:
        raise fault("AttributeNotFound", name=name, table=table.logical_name)
    if not column.stored or column.type in UNREADABLE:
        raise fault("ODataUnsupported", feature=f"Querying the column {name} of type {column.type}")
    return column


def bind_query(
    query: Query, schema: Schema, caller: Caller, calendar: Calendar, restrict: Restrict, *, single: str | None = None
) -> Bound:
    """Bind a query. ``single`` is the id of the one row to read (Retrieve).

    Raises AttributeNotFound, IncompatibleTypes, ODataUnsupported, QueryTooComplex, PrivilegeDenied…
    """
    state = _State(schema, caller, calendar, restrict)
    scope = _Scope(state, state.source(schema.tables[query.table]))
    if query.joins:
        raise fault("ODataUnsupported", feature="link-entity")
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
        plan = _aggregate(query, scope, where)
    else:
        plan = _rows(query, scope, where, single is not None)
    count_plan = None
    if query.count or query.count_only:
        count_plan = _counting(plan, scope, query)
    return Bound(
        plan=plan,
        params=tuple(state.params),
        fixed=state.fixed,
        page_size=None if single is not None else min(query.page_size or MAX_PAGE, MAX_PAGE),
        top=query.top,
        count_plan=count_plan,
    )


def _counting(plan: Plan, scope: _Scope, query: Query) -> Plan:
    primary = scope.source.table.columns[scope.source.table.primary_id]
    outputs = plan.outputs if query.groups or query.aggregates else (Output("id", Col(scope.source.alias, primary), primary),)
    return Plan(
        source=plan.source, outputs=outputs, joins=plan.joins, where=plan.where, groups=plan.groups, having=plan.having
    )


def _rows(query: Query, scope: _Scope, where: list[Verdict], single: bool) -> Plan:
    outputs = _outputs(scope.source, query.columns)
    nested, children = _expands(query.expand, scope, scope.source, depth=1)
    order, hidden = ((), ()) if single else _order(query.order, scope, outputs)
    seek, limit = None, None
    if not single:
        limit = scope.param(0)
        if query.after is not None:
            if len(query.after) != len(order):
                raise fault("InvalidPagingCookie")
            seek = tuple(_cursor_value(scope, sort, value) for value, sort in zip(query.after, order, strict=True))
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
        keyed=True,
    )


def _cursor_value(scope: _Scope, sort: Sort, value: Any) -> Param | None:
    if value is None:
        return None
    column = sort.of.column if isinstance(sort.of, Col) else None
    if isinstance(value, Untyped) and column is not None:
        try:
            value = read_value(column, value)
        except Fault:
            raise fault("InvalidPagingCookie") from None
    return scope.param(value, column)


def _outputs(source: Source, names: Sequence[str] | None) -> tuple[Output, ...]:
    """The places of a row: version, the columns asked for (all readable ones by default), the primary key."""
    table = source.table
    if names is None:
        columns = [c for c in table.stored if c.read and c.type not in UNREADABLE and c.attribute_of is None]
    else:
        columns = [column_of(table, name) for name in dict.fromkeys(names)]
    places: list[Output] = []
    version = table.columns.get("versionnumber")
    if version is not None:
        places.append(Output("versionnumber", Col(source.alias, version), version, "version"))
    for column in columns:
        places.append(Output(column.name, Col(source.alias, column), column))
        if column.polymorphic:
            places.append(Output(column.name, Col(source.alias, column, "table"), None, "table"))
    if all(column.name != table.primary_id for column in columns):
        primary = table.columns[table.primary_id]
        places.append(Output(primary.name, Col(source.alias, primary), primary, "id"))
    return tuple(places)


def _order(
    orders: Sequence[Order], scope: _Scope, outputs: Sequence[Output]
) -> tuple[tuple[Sort, ...], tuple[Output, ...]]:
    """The sort keys, ending in the primary key, and the places that only the cursor needs."""
    primary = scope.source.table.columns[scope.source.table.primary_id]
    sorts: dict[Operand, Sort] = {}
    for order in orders:
        operand = scope.operand(order.field)
        sorts.setdefault(operand, Sort(operand, order.descending))
        if isinstance(operand, Col) and operand == Col(scope.source.alias, primary):
            break
    last = Col(scope.source.alias, primary)
    sorts.setdefault(last, Sort(last))
    shown = {output.of for output in outputs if output.part in ("value", "id")}
    hidden = tuple(
        Output("", operand, operand.column if isinstance(operand, Col) else None, "order")
        for operand in sorts
        if operand not in shown
    )
    return tuple(sorts.values()), hidden


def _expands(
    expands: Sequence[Expand], scope: _Scope, source: Source, depth: int
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


def _nested(expand: Expand, scope: _Scope, source: Source, depth: int) -> Nested:
    if expand.where is not None or expand.order or expand.top is not None or expand.count:
        raise fault("ODataUnsupported", feature="$filter, $orderby, $top or $count on a single-valued navigation property")
    lookup = column_of(source.table, expand.link.lookup)
    target = scope.state.source(scope.schema.tables[expand.link.target])
    scope.joins.append(Joined("left", target, scope.to_one_on(source, lookup, target)))
    nested, children = _expands(expand.expand, scope, target, depth + 1)
    return Nested(
        name=expand.name,
        lookup=lookup,
        table=target.table,
        outputs=_outputs(target, () if expand.refs_only else expand.columns),
        nested=nested,
        children=children,
        refs_only=expand.refs_only,
    )


def _child(expand: Expand, scope: _Scope, source: Source, depth: int) -> Child:
    state = scope.state.nested_state()
    state.expands = scope.state.expands
    inner = _Scope(state, source)
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
    outputs = _outputs(child, () if expand.refs_only else expand.columns)
    nested, children = _expands(expand.expand, inner, child, depth + 1)
    scope.state.expands = state.expands
    order, hidden = _order(expand.order, inner, outputs)
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


def _aggregate(query: Query, scope: _Scope, where: list[Verdict]) -> Plan:
    outputs: list[Output] = []
    groups: list[Operand] = []
    for group in query.groups:
        operand = scope.operand(group.field)
        column = operand.column if isinstance(operand, Col) else None
        if group.dategrouping is not None:
            if not isinstance(operand, Col) or operand.column.type != "datetime":
                raise fault("IncompatibleTypes", column=group.field.name, type="datetime", value=group.dategrouping)
            offset = scope.param(scope.calendar.offset) if scope.calendar.offset else None
            operand, column = DatePart(operand, group.dategrouping, offset, scope.calendar.fiscal_month), None
        outputs.append(Output(group.alias, operand, column))
        if isinstance(operand, Col) and operand.column.polymorphic:
            table = Col(operand.alias, operand.column, "table")
            outputs.append(Output(group.alias, table, None, "table"))
            groups.append(operand)
            operand = table
        groups.append(operand)
    for aggregate in query.aggregates:
        of = scope.operand(aggregate.field) if aggregate.field is not None else None
        if aggregate.function in ("sum", "avg") and not _numeric(of):
            raise fault("IncompatibleTypes", column=aggregate.alias, type="a number", value=aggregate.function)
        kept = of.column if isinstance(of, Col) and aggregate.function in ("sum", "avg", "min", "max") else None
        outputs.append(Output(aggregate.alias, Agg(aggregate.function, of), kept))
    seen: dict[str, Operand] = {}
    for output in outputs:
        if output.part == "value":
            if output.name in seen:
                raise fault("ODataSyntax", message=f"The alias '{output.name}' is used twice.")
            seen[output.name] = output.of
    scope.outputs = seen
    having = scope.predicate(query.having) if query.having is not None else None
    order = tuple(Sort(scope.operand(o.field), o.descending) for o in query.order)
    return Plan(
        source=scope.source,
        outputs=tuple(outputs),
        joins=tuple(scope.joins),
        where=AllOf(tuple(where)) if where else None,
        groups=tuple(groups),
        having=having,
        order=order,
        limit=scope.param(0),
        offset=scope.param(_offset(query.after)),
    )


def _offset(after: tuple[Any, ...] | None) -> int:
    if after is None:
        return 0
    if len(after) != 1 or not str(after[0]).isdigit():
        raise fault("InvalidPagingCookie")
    return int(after[0])


def _numeric(operand: Operand | None) -> bool:
    return isinstance(operand, Col) and operand.column.type in ("integer", "bigint", "decimal", "double", "money")
