"""The Web API's alphabets: entity sets, properties and navigation properties, each to what the core calls it.

Built once per schema version, table by table as they are asked for.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from orgstead.errors import Fault, fault
from orgstead.languages.odata import NavName, QueryOptions
from orgstead.languages.odata.aliases import parameter_values, reference_option
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
    ToMany,
    ToOne,
)
from orgstead.model.schema import Column, Schema, Table

__all__ = ["Names", "Navigation"]

NAMESPACE = "Microsoft.Dynamics.CRM."
COMPARISONS = frozenset({"eq", "ne", "gt", "ge", "lt", "le", "null", "not-null"})
MAX_CACHED = 2048
MAX_CACHED_TEXT = 4096
# What rows keep but the Web API never shows as a property.
HIDDEN = frozenset({"partylist", "virtual"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Navigation:
    """A navigation property: its exact name, the hop, the table at the other end, the relationship."""

    name: str
    link: ToOne | ToMany
    target: str
    relationship: str


@dataclass(frozen=True, slots=True, kw_only=True)
class _Table:
    table: Table
    columns: Mapping[str, Column]
    navigations: Mapping[str, Navigation]


class Names:
    """The names of one schema."""

    def __init__(self, schema: Schema) -> None:
        self.schema = schema
        self._by_set = {t.entity_set: t for t in schema.tables.values() if not t.is_private}
        self._tables: dict[str, _Table] = {}
        self._options: dict[tuple[str, str], tuple[QueryOptions, Query]] = {}
        self._members: dict[tuple[str, tuple[str, ...]], tuple[list[str], list[str]]] = {}

    # -- sets ----------------------------------------------------------------------------------------------------
    def sets(self) -> Sequence[str]:
        """All entity set names, sorted."""
        return sorted(self._by_set)

    def has_set(self, name: str) -> bool:
        """Whether there is an entity set of this name."""
        return name in self._by_set

    def table(self, entity_set: str) -> Table:
        """The table of an entity set; raises ResourceNotFound."""
        table = self._by_set.get(entity_set)
        if table is None:
            raise fault("ResourceNotFound", segment=entity_set[:100])
        return table

    def set_of(self, table: str) -> str:
        """The entity set of a table."""
        return self.schema.tables[table].entity_set

    def address(self, table: str, id: str) -> str:
        """The address of a row below the API's root."""
        return f"{self.schema.tables[table].entity_set}({id})"

    # -- properties ----------------------------------------------------------------------------------------------
    def column(self, table: Table, name: str) -> Column | None:
        """The column behind a property name; lookups are ``_x_value``."""
        return self._of(table).columns.get(name)

    def written_column(self, table: Table, name: str) -> Column | None:
        """The column behind a property of a body: what is written and never read, a key say, as well."""
        found = self.column(table, name)
        if found is None:
            hidden = table.columns.get(name)
            if hidden is not None and hidden.stored and not hidden.read and (hidden.create or hidden.update):
                return hidden
        return found

    def navigation(self, table: Table, name: str) -> Navigation | None:
        """The navigation property of this exact name."""
        return self._of(table).navigations.get(name)

    def navigations(self, table: Table) -> Mapping[str, Navigation]:
        """All navigation properties of a table by name."""
        return self._of(table).navigations

    def columns(self, table: Table) -> Mapping[str, Column]:
        """All properties of a table by name."""
        return self._of(table).columns

    def lookup_navigation(self, table: str, lookup: str, target: str) -> str | None:
        """The name of the navigation property along a lookup towards a table."""
        column = self.schema.tables[table].columns.get(lookup)
        if column is not None and column.type == "owner":
            return lookup
        rel = self.schema.lookup_relationship(table, lookup, target)
        return rel.referencing_navigation if rel is not None else None

    def _of(self, table: Table) -> _Table:
        found = self._tables.get(table.logical_name)
        if found is None:
            found = self._tables[table.logical_name] = self._build(table)
        return found

    def _build(self, table: Table) -> _Table:
        columns: dict[str, Column] = {}
        for column in table.columns.values():
            if column.stored and column.read and column.type not in HIDDEN:
                columns[f"_{column.name}_value" if column.is_lookup else column.name] = column
        navigations: dict[str, Navigation] = {}
        for rel in self.schema.referencing.get(table.logical_name, ()):
            name = rel.referencing_navigation
            navigations[name] = Navigation(
                name=name,
                link=ToOne(rel.referencing_attribute, rel.referenced),
                target=rel.referenced,
                relationship=rel.schema_name,
            )
        if "owner" in self.schema.tables:
            for column in table.columns.values():
                if column.type == "owner":
                    # An owner's navigation property leads to the table that users and teams share.
                    navigations[column.name] = Navigation(
                        name=column.name, link=ToOne(column.name, "owner"), target="owner", relationship=""
                    )
        for rel in self.schema.referenced.get(table.logical_name, ()):
            name = rel.referenced_navigation
            if name:
                navigations.setdefault(
                    name,
                    Navigation(
                        name=name,
                        link=ToMany(rel.schema_name),
                        target=rel.referencing,
                        relationship=rel.schema_name,
                    ),
                )
        for many in self.schema.crossing.get(table.logical_name, ()):
            ends = (
                (many.entity1, many.entity1_navigation, many.entity2),
                (many.entity2, many.entity2_navigation, many.entity1),
            )
            for index, (entity, name, other) in enumerate(ends):
                if entity == table.logical_name and name:
                    link = ToMany(many.schema_name, reverse=index == 1)
                    navigations.setdefault(
                        name, Navigation(name=name, link=link, target=other, relationship=many.schema_name)
                    )
        return _Table(table=table, columns=columns, navigations=navigations)

    def members(self, table: Table, keys: tuple[str, ...]) -> tuple[list[str], list[str]]:
        """The members of a JSON object, kept by its keys: plain values of columns, and all others."""
        found = self._members.get((table.logical_name, keys))
        if found is None:
            plain, others = found = [], []
            for key in keys:
                column = self.column(table, key)
                other = column is None or column.is_lookup or column.type == "managedproperty"
                (others if other else plain).append(key)
            if 16 * len(keys) + sum(map(len, keys)) <= MAX_CACHED_TEXT:
                if len(self._members) >= MAX_CACHED:
                    self._members.clear()
                self._members[table.logical_name, keys] = found
        return found

    # -- query strings -------------------------------------------------------------------------------------------
    def cached_options(
        self, table: Table, text: str, read: Callable[[str, Table, "Names"], tuple[QueryOptions, Query]]
    ) -> tuple[QueryOptions, Query]:
        """What ``read`` makes of a query string, kept by its text."""
        if len(text) > MAX_CACHED_TEXT:
            # Long ones are read each time, by a reader that may take longer ones.
            return read(text, table, self)
        key = (table.logical_name, text)
        found = self._options.get(key)
        if found is None:
            if len(self._options) >= MAX_CACHED:
                self._options.clear()
            found = self._options[key] = read(text, table, self)
        return found

    def aliases(self, text: str) -> Mapping[str, Any]:
        """The values of the parameter aliases in a query string."""
        return parameter_values(text) if text else {}

    def id_option(self, text: str) -> str | None:
        """The address in ``$id``."""
        return reference_option(text)

    # -- queries -------------------------------------------------------------------------------------------------
    def resolve(self, query: Query) -> Query:
        """A query in logical names; raises PropertyNotFound for names that the table does not have."""
        return _Resolver(self, self.schema.tables[query.table]).query(query)

    def unknown(self, table: Table, name: str) -> Fault:
        """The fault for a property that a table does not have."""
        return fault("PropertyNotFound", name=name[:100], type=f"{NAMESPACE}{table.logical_name}")


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
