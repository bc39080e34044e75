"""Where names are looked up while a query is bound: sources, the to-one joins between them, scopes in scopes."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from orgstead.engine.columns import hidden
from orgstead.engine.context import Caller
from orgstead.engine.dates import Calendar
from orgstead.engine.operators import bind_condition
from orgstead.engine.relations import ends_of
from orgstead.errors import fault
from orgstead.model.plan import (
    AllOf,
    AnyOf,
    Col,
    Joined,
    NoneOf,
    Operand,
    Param,
    Related,
    Source,
    Test,
    Verdict,
)
from orgstead.model.query import (
    And,
    Condition,
    Exists,
    Field,
    Join,
    Not,
    Or,
    Predicate,
    ToMany,
    ToOne,
)
from orgstead.model.schema import Column, ManyToMany, Schema, Table

__all__ = ["UNREADABLE", "Restrict", "Scope", "State", "column_of", "table_of"]

MAX_HOPS = 10

UNREADABLE = frozenset({"partylist", "virtual"})
UNJOINABLE = frozenset({"image", "multichoice"})

# Given a source, what of its rows the caller may see (None: all); raises PrivilegeDenied.
Restrict = Callable[[Source, Callable[..., Param]], Verdict | None]


@dataclass(slots=True)
class State:
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

    def col(self, source: Source, column: Column, part: Literal["value", "table"] = "value") -> Col:
        """A column as the caller may see it."""
        return Col(source.alias, column, part, hidden(self.caller, source.table, column.name))

    def nested_state(self) -> "State":
        """A state for the plan of a collection expand: own values, own aliases."""
        return State(self.schema, self.caller, self.calendar, self.restrict, prefix=self.prefix + "c")


class Scope:
    """A source and what hangs on it: the to-one joins made so far, and the scopes around it."""

    def __init__(
        self, state: State, source: Source, *, name: str | None = None, outer: "Scope | None" = None
    ) -> None:
        self.state = state
        self.source = source
        self.name = name
        self.outer = outer
        self.joins: list[Joined] = []
        self.hops: dict[tuple[str, str, str], Source] = {}
        self.outputs: dict[str, Operand] = {}
        self.joined: dict[str, Scope] = {}

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

    def operand(self, field: Field, *, content: bool = True) -> Operand:
        if not field.path and field.alias is None and field.name in self.outputs:
            return self.outputs[field.name]
        scope = self.named(field.alias)
        source = scope.hop(scope.source, field.path)
        column = column_of(source.table, field.name)
        if column.outside and content:
            raise fault("ODataUnsupported", feature=f"To compare, sort or group by {column.name}")
        return self.state.col(source, column)

    # -- structure -----------------------------------------------------------------------------------------------
    def named(self, alias: str | None) -> "Scope":
        """The scope that an alias names: this one when None or its own name, a join of it, else one around it."""
        scope: Scope | None = self
        if alias is None:
            return self
        while scope is not None:
            if scope.name == alias:
                return scope
            if alias in scope.joined:
                return scope.joined[alias]
            scope = scope.outer
        raise fault("UnknownAlias", alias=alias[:100])

    def join(self, join: Join, parent: Source) -> "Scope":
        """Join a table to one of this scope's sources; the scope of what it brings.

        Raises TableNotFound, AttributeNotFound, DuplicateAlias.
        """
        if join.alias in self.joined or join.alias == self.name:
            raise fault("DuplicateAlias", alias=join.alias[:100])
        source = self.state.source(table_of(self.schema, join.table))
        inner = Scope(self.state, source, name=join.alias, outer=self)
        # What its own fields lead to is joined beside it.
        inner.joins = self.joins
        on = inner.on(join, parent)
        self.joined[join.alias] = inner
        kinds: Mapping[str, Literal["inner", "left", "first"]] = {"outer": "left", "first": "first"}
        self.joins.append(Joined(kinds.get(join.kind, "inner"), source, on))
        return inner

    def on(self, join: Join, parent: Source) -> tuple[Verdict, ...]:
        """The conditions under which rows of this scope's source go with one of ``parent``."""
        to_column, from_column = ends_of(join, parent.table, self.schema)
        near, far = joinable(parent.table, to_column), joinable(self.source.table, from_column)
        on: list[Verdict] = [Test("eq", self.state.col(self.source, far), self.state.col(parent, near))]
        allowed = self.state.restrict(self.source, self.param)
        if allowed is not None:
            on.append(allowed)
        if join.where is not None:
            on.append(self.predicate(join.where))
        return tuple(on)

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
                target = self.state.source(table_of(self.schema, step.target))
                on = self.to_one_on(source, column_of(source.table, step.lookup), target)
                self.joins.append(Joined("left", target, on))
                self.hops[key] = target
            source = target
        return source

    def to_one_on(self, source: Source, lookup: Column, target: Source) -> tuple[Verdict, ...]:
        """The conditions under which ``target`` is the row that ``source.lookup`` points at, and may be seen."""
        on: list[Verdict] = [
            Test(
                "eq",
                Col(target.alias, target.table.columns[target.table.primary_id]),
                self.state.col(source, lookup),
            )
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
        if isinstance(test.link, Join):
            return self.joins_with(test.link, parent)
        child, on, joins = self.collection(test.link, parent)
        inner = Scope(self.state, child, name=test.alias, outer=self)
        where = inner.predicate(test.where) if test.where is not None else None
        allowed = self.state.restrict(child, self.param)
        if test.every:
            # Every row that the caller sees satisfies it: there is no such row that does not.
            where = NoneOf(where) if where is not None else AnyOf(())
        found = Related(
            child, (*on, *((allowed,) if allowed is not None else ())), (*joins, *inner.joins), where
        )
        return NoneOf(found) if test.every else found

    def joins_with(self, join: Join, parent: Source) -> Verdict:
        """Whether there is a row that a join would bring."""
        child = self.state.source(table_of(self.schema, join.table))
        inner = Scope(self.state, child, name=join.alias, outer=self)
        on = inner.on(join, parent)
        deeper: list[tuple[Join, Source]] = [(each, child) for each in join.joins]
        while deeper:
            each, near = deeper.pop(0)
            source = inner.join(each, near).source
            deeper += [(below, source) for below in each.joins]
        return Related(child, on, tuple(inner.joins))

    def collection(self, link: Any, parent: Source) -> tuple[Source, tuple[Verdict, ...], tuple[Joined, ...]]:
        """The many side of a relationship from ``parent``: its source, how it hangs on the parent, inner joins."""
        if not isinstance(link, ToMany):
            raise fault("ODataUnsupported", feature="any or all on a single-valued navigation property")
        parent_id = Col(parent.alias, parent.table.columns[parent.table.primary_id])
        one_to_many = self.schema.one_to_many.get(link.relationship)
        if one_to_many is not None:
            child = self.state.source(self.schema.tables[one_to_many.referencing])
            lookup = child.table.columns[one_to_many.referencing_attribute]
            on: list[Verdict] = [Test("eq", self.state.col(child, lookup), parent_id)]
            if lookup.polymorphic:
                on.append(
                    Test("eq", Col(child.alias, lookup, "table"), self.param(parent.table.logical_name))
                )
            return child, tuple(on), ()
        rel = self.schema.many_to_many.get(link.relationship)
        if rel is None:
            raise fault("RelationshipNotFound", name=link.relationship, table=parent.table.logical_name)
        near, far, target = self.ends(rel, link.reverse)
        child = self.state.source(target)
        between = self.state.source(table_of(self.schema, rel.intersect))
        join = Joined(
            "inner",
            between,
            (
                Test(
                    "eq",
                    Col(between.alias, between.table.columns[far]),
                    Col(child.alias, target.columns[target.primary_id]),
                ),
            ),
        )
        return child, (Test("eq", Col(between.alias, between.table.columns[near]), parent_id),), (join,)

    def ends(self, rel: ManyToMany, reverse: bool) -> tuple[str, str, Table]:
        """The intersect columns of the near and far end of an N:N hop, and the table at the far end."""
        if reverse:
            return rel.entity2_attribute, rel.entity1_attribute, self.schema.tables[rel.entity1]
        return rel.entity1_attribute, rel.entity2_attribute, self.schema.tables[rel.entity2]


def table_of(schema: Schema, name: str) -> Table:
    """A table by its logical name; raises TableNotFound."""
    table = schema.tables.get(name)
    if table is None:
        raise fault("TableNotFound", name=name[:100])
    return table


def joinable(table: Table, name: str) -> Column:
    """A column that tables can be joined by; raises as ``column_of`` does."""
    column = column_of(table, name)
    if column.type in UNJOINABLE:
        raise fault("ODataUnsupported", feature=f"Joining by the column {name} of type {column.type}")
    return column


def column_of(table: Table, name: str) -> Column:
    """A stored column of a table; raises AttributeNotFound, or says that the column cannot be queried."""
    column = table.columns.get(name)
    if column is None or not column.read:
        raise fault("AttributeNotFound", name=name, table=table.logical_name)
    if not column.stored or column.type in UNREADABLE:
        raise fault("ODataUnsupported", feature=f"Querying the column {name} of type {column.type}")
    return column
