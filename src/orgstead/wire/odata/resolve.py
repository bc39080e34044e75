"""A query in the Web API's names becomes one in logical names."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from orgstead.errors import fault
from orgstead.languages.odata import NavName
from orgstead.model.query import (
    Aggregate,
    And,
    Condition,
    Exists,
    Expand,
    Field,
    Group,
    Not,
    Or,
    Order,
    Predicate,
    Query,
    ToOne,
)
from orgstead.model.schema import Table
from orgstead.wire.odata.names import NAMESPACE, Names, Navigation

__all__ = ["resolve"]

COMPARISONS = frozenset({"eq", "ne", "gt", "ge", "lt", "le", "null", "not-null"})


def resolve(names: Names, query: Query) -> Query:
    """A query in logical names; raises PropertyNotFound for names that the table does not have."""
    return _Resolver(names, names.schema.tables[query.table]).query(query)


class _Resolver:
    """Turns the names of one table's queries into logical ones."""

    def __init__(self, names: Names, table: Table, outer: Mapping[str, Table] | None = None) -> None:
        self.names = names
        self.table = table
        self.scopes = dict(outer or {})
        self.aliases: set[str] = set()

    def query(self, query: Query) -> Query:
        """The whole query."""
        groups = tuple(self.group(group) for group in query.groups)
        aggregates = tuple(self.aggregate(aggregate) for aggregate in query.aggregates)
        self.aliases = {group.alias for group in groups} | {aggregate.alias for aggregate in aggregates}
        renamed = {old.alias: new.alias for old, new in zip(query.groups, groups, strict=True)}
        return replace(
            query,
            columns=self.columns(query.columns),
            where=self.maybe(query.where),
            order=tuple(self.order(order, renamed) for order in query.order),
            expand=tuple(self.expand(expand) for expand in query.expand),
            groups=groups,
            aggregates=aggregates,
            having=None if query.having is None else self.having(query.having, renamed),
        )

    def columns(self, names: tuple[str, ...] | None) -> tuple[str, ...] | None:
        """Selected properties. A single-valued navigation property selects nothing of the row by itself."""
        if names is None:
            return None
        found = []
        for name in names:
            column = self.names.column(self.table, name)
            if column is None:
                if self.names.navigation(self.table, name) is not None:
                    continue
                raise self.names.unknown(self.table, name)
            found.append(column.name)
        return tuple(found)

    def maybe(self, predicate: Predicate | None) -> Predicate | None:
        return None if predicate is None else self.predicate(predicate)

    def predicate(self, predicate: Predicate) -> Predicate:
        match predicate:
            case Condition(field, operator, values):
                # Query functions take the plain names of columns, lookups too.
                named = self.field(field, plain=operator not in COMPARISONS)
                return Condition(named, operator, tuple(self.value(value) for value in values))
            case And(items):
                return And(tuple(self.predicate(item) for item in items))
            case Or(items):
                return Or(tuple(self.predicate(item) for item in items))
            case Not(item):
                return Not(self.predicate(item))
            case Exists():
                return self.exists(predicate)

    def value(self, value: Any) -> Any:
        return self.field(value) if isinstance(value, Field) else value

    def exists(self, test: Exists) -> Exists:
        start = self.scopes[test.outer] if test.outer is not None else self.table
        path, table = self.path(test.path, start)
        navigation = self.follow(table, test.link)
        inner = _Resolver(self.names, self.names.schema.tables[navigation.target], self.scopes)
        if test.alias is not None:
            inner.scopes[test.alias] = inner.table
        return replace(test, link=navigation.link, path=path, where=inner.maybe(test.where))

    def field(self, field: Field, *, plain: bool = False) -> Field:
        if field.alias is not None:
            start = self.scopes.get(field.alias)
            if start is None:
                raise fault("ODataSyntax", message=f"The range variable '{field.alias}' is not defined.")
        else:
            start = self.table
        if field.name == "Value" and field.path:
            managed = self.managed(field, start)
            if managed is not None:
                return managed
        path, table = self.path(field.path, start)
        column = self.names.column(table, field.name)
        if column is None and plain:
            column = self.names.column(table, f"_{field.name}_value")
        if column is None:
            raise self.names.unknown(table, field.name)
        return Field(column.name, path, field.alias)

    def managed(self, field: Field, start: Table) -> Field | None:
        """``iscustomizable/Value``: the value of a managed property."""
        *before, last = field.path
        path, table = self.path(before, start)
        column = self.names.column(table, str(last))
        if column is None or column.type != "managedproperty":
            return None
        return Field(column.name, path, field.alias)

    def path(self, path: Sequence[Any], table: Table) -> tuple[tuple[Any, ...], Table]:
        """To-one hops from a table, and where they end."""
        hops = []
        for step in path:
            navigation = self.follow(table, step)
            if not isinstance(navigation.link, ToOne):
                raise fault("ODataUnsupported", feature="A collection-valued navigation property in a path")
            hops.append(navigation.link)
            table = self.names.schema.tables[navigation.target]
        return tuple(hops), table

    def follow(self, table: Table, step: Any) -> Navigation:
        """A navigation property, with the cast of a polymorphic lookup if there is one."""
        name, cast = (step.name, step.cast) if isinstance(step, NavName) else (step, None)
        navigation = self.names.navigation(table, name)
        if navigation is None and cast is not None:
            navigation = self.names.navigation(table, f"{name}_{cast}")
        if navigation is None:
            raise self.names.unknown(table, name)
        if cast is None or navigation.target == cast:
            return navigation
        if isinstance(navigation.link, ToOne):
            rel = self.names.schema.lookup_relationship(table.logical_name, navigation.link.lookup, cast)
            if rel is not None:
                return Navigation(
                    name=name,
                    link=ToOne(navigation.link.lookup, cast),
                    target=cast,
                    relationship=rel.schema_name,
                )
        raise self.names.unknown(table, f"{name}/{NAMESPACE}{cast}")

    def order(self, order: Order, renamed: Mapping[str, str]) -> Order:
        spelled = "/".join((*(str(step) for step in order.field.path), order.field.name))
        if spelled in renamed:
            return Order(Field(renamed[spelled]), order.descending)
        if not order.field.path and order.field.name in self.aliases:
            return order
        return Order(self.field(order.field), order.descending)

    def having(self, predicate: Predicate, renamed: Mapping[str, str]) -> Predicate:
        """A filter over groups: its names are the aliases."""
        match predicate:
            case Condition(field, operator, values):
                spelled = "/".join((*(str(step) for step in field.path), field.name))
                name = renamed.get(spelled, spelled)
                if name not in self.aliases:
                    raise self.names.unknown(self.table, spelled)
                return Condition(Field(name), operator, values)
            case And(items):
                return And(tuple(self.having(item, renamed) for item in items))
            case Or(items):
                return Or(tuple(self.having(item, renamed) for item in items))
            case Not(item):
                return Not(self.having(item, renamed))
            case _:
                raise fault("ODataUnsupported", feature="any or all over groups")

    def group(self, group: Group) -> Group:
        field = self.field(group.field)
        alias = group.alias
        if field.path:
            # A grouped property of a related row is printed with the table's name in front.
            alias = f"{field.path[-1].target}_{field.name}"
        else:
            alias = field.name
        return replace(group, field=field, alias=alias)

    def aggregate(self, aggregate: Aggregate) -> Aggregate:
        return aggregate if aggregate.field is None else replace(aggregate, field=self.field(aggregate.field))

    def expand(self, expand: Expand) -> Expand:
        navigation = self.follow(self.table, expand.link)
        inner = _Resolver(self.names, self.names.schema.tables[navigation.target])
        return replace(
            expand,
            link=navigation.link,
            name=navigation.name,
            columns=inner.columns(expand.columns),
            where=inner.maybe(expand.where),
            order=tuple(inner.order(order, {}) for order in expand.order),
            expand=tuple(inner.expand(each) for each in expand.expand),
        )
