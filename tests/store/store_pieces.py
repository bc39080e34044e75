"""A small organisation made by hand, and short ways to ask a store about it."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from datetime import datetime
from typing import Any

from orgstead.engine.bind import Bound, bind_query
from orgstead.engine.context import SYSTEM
from orgstead.engine.dates import Calendar, FiscalYear
from orgstead.engine.ports import Store, UnitOfWork
from orgstead.errors import Fault
from orgstead.model.plan import placed_children
from orgstead.model.query import Condition, Field, Order, Predicate, Query
from orgstead.model.schema import Column, ColumnType, Key, ManyToMany, OneToMany, Option, Schema, Table

__all__ = [
    "LONG", "SMALL", "Database", "ask", "bind", "children", "column", "condition", "grow", "guid", "ids", "names",
    "order", "pages", "refusal", "relationship", "table", "undone",
]  # fmt: skip

CALENDAR = Calendar(now=datetime(2024, 5, 15, 12), fiscal=lambda: FiscalYear(month=4))
WITHOUT_LIMIT = 1_000_000


def guid(number: int) -> str:
    """The id of row ``number``; ids sort as their numbers do."""
    return f"{number:08x}-0000-4000-8000-000000000000"


def column(name: str, type: ColumnType = "string", **more: Any) -> Column:
    return Column(name=name, schema_name=name, type=type, metadata_id=guid(0), **more)


def table(
    name: str, *columns: Column, keys: Sequence[tuple[str, ...]] = (), parent: bool = False, **more: Any
) -> Table:
    """A table with a key, a name, a version, and these columns."""
    kept = (
        column(f"{name}id", "uniqueidentifier"),
        column("name", max_length=4000),
        column("versionnumber", "bigint"),
        *((column("parentid", "lookup", targets=(name,)),) if parent else ()),
        *columns,
    )
    return Table(
        logical_name=name,
        schema_name=name,
        entity_set=f"{name}s",
        metadata_id=guid(0),
        object_type_code=10000,
        primary_id=f"{name}id",
        primary_name="name",
        columns={each.name: each for each in kept},
        keys=tuple(
            Key(logical_name="_".join(over), schema_name="_".join(over), metadata_id=guid(0), columns=over)
            for over in keys
        ),
        **more,
    )


def relationship(referencing: str, lookup: str, referenced: str, **more: Any) -> OneToMany:
    name = f"{referenced}_{referencing}_{lookup}"
    return OneToMany(
        schema_name=name,
        metadata_id=guid(0),
        referenced=referenced,
        referenced_attribute=f"{referenced}id",
        referencing=referencing,
        referencing_attribute=lookup,
        referenced_navigation=name,
        referencing_navigation=lookup,
        **more,
    )


def grow(schema: Schema, *tables: Table, relationships: Iterable[OneToMany] = ()) -> Schema:
    """The next version of a schema, with these tables in it."""
    return schema.evolve(
        tables={each.logical_name: each for each in tables},
        one_to_many={each.schema_name: each for each in relationships},
    )


LONG = "a_name_that_is_longer_than_the_sixty_three_letters_a_database_takes_for_one"
COLOURS = tuple(
    Option(value, label) for value, label in ((1, "Red"), (2, "Green"), (-3, "Blue"), (100000000, "Grey"))
)

_THING = table(
    "thing",
    column("text", max_length=4000),
    column("other", max_length=4000),
    column("memo", "memo", max_length=1_048_576),
    column("whole", "integer"),
    column("second", "integer"),
    column("big", "bigint"),
    column("exact", "decimal", precision=2),
    column("fine", "decimal", precision=10),
    column("none", "decimal", precision=0),
    column("real", "double"),
    column("price", "money", precision=2),
    column("yes", "boolean"),
    column("colour", "choice", options=COLOURS),
    column("colours", "multichoice", options=COLOURS),
    column("statecode", "state", options=(Option(0, "Active"), Option(1, "Inactive"))),
    column("statuscode", "status", options=(Option(1, "Open", state=0), Option(2, "Shut", state=1))),
    column("local", "datetime", behavior="UserLocal"),
    column("day", "datetime", behavior="DateOnly"),
    column("free", "datetime", behavior="TimeZoneIndependent"),
    column("madeby", "lookup", targets=("maker",)),
    column("customerid", "customer", targets=("maker", "tag")),
    column("ownerid", "owner", targets=("maker", "thing")),
    column("token", "uniqueidentifier"),
    column("picture", "image"),
    column("kind", "entityname"),
    # Words of SQL and names that are too long are names like any other.
    column("select", max_length=100),
    column(f"{LONG}_1", "integer"),
    column(f"{LONG}_2", "lookup", targets=("maker", "tag")),
    parent=True,
)
_INTERSECT = replace(
    table(
        "thing_tag",
        column("thingid", "uniqueidentifier"),
        column("tagid", "uniqueidentifier"),
        keys=[("thingid", "tagid")],
    ),
    is_intersect=True,
)
_THING_TAG = ManyToMany(
    schema_name="thing_tag",
    metadata_id=guid(0),
    intersect="thing_tag",
    entity1="thing",
    entity1_attribute="thingid",
    entity1_navigation="thing_tag",
    entity2="tag",
    entity2_attribute="tagid",
    entity2_navigation="thing_tag",
)
SMALL = grow(
    Schema.empty(),
    _THING,
    table("maker", column("whole", "integer"), parent=True),
    table("tag", column("whole", "integer")),
    table("order", column("group"), column("where", "integer"), keys=[("name",), ("group", "where")]),
    _INTERSECT,
    relationships=(
        relationship("thing", "parentid", "thing", hierarchical=True),
        relationship("thing", "madeby", "maker"),
        relationship("thing", "customerid", "maker"),
        relationship("thing", "customerid", "tag"),
        relationship("maker", "parentid", "maker"),
    ),
).evolve(many_to_many={"thing_tag": _THING_TAG})


class Database:
    """A store with the schema that is in it."""

    # Not a dataclass: hypothesis would print the whole schema with every example.
    def __init__(self, store: Store, schema: Schema, url: str) -> None:
        self.store = store
        self.schema = schema
        self.url = url
        self.used = 0

    def __repr__(self) -> str:
        return f"<database {self.url.rpartition('@')[2]}>"

    def fresh(self, count: int = 1) -> list[str]:
        """Ids that no row of this database has."""
        self.used += count
        return [guid(number) for number in range(self.used - count + 1, self.used + 1)]

    def table(self, name: str) -> Table:
        return self.schema.tables[name]

    def add(self, name: str, *rows: Mapping[str, Any]) -> list[str]:
        """Add rows; their ids, in order."""
        kept, made = self.table(name), self.fresh(len(rows))
        whole = [{kept.primary_id: id, **row} for id, row in zip(made, rows, strict=True)]
        with self.store.write() as unit:
            unit.insert(kept, whole)
        return [row[kept.primary_id] for row in whole]

    def get(self, name: str, id: str) -> dict[str, Any] | None:
        with self.store.read() as unit:
            return unit.get(self.table(name), id)

    def clear(self, *tables: str) -> None:
        """Remove every row of the tables."""
        for name in tables:
            found = ids(self, name)
            with self.store.write() as unit:
                unit.delete(self.table(name), found)

    def ask(self, query: Query) -> list[dict[str, Any]]:
        with self.store.read() as unit:
            return ask(unit, self.schema, query)


class _Undone(Exception):
    """Leaves a unit of work without being a fault of it."""


@contextmanager
def undone(database: Database) -> Iterator[UnitOfWork]:
    """A writing unit of work that an exception ends after everything in it has been done."""
    with suppress(_Undone), database.store.write() as unit:
        yield unit
        raise _Undone


def refusal(work: Callable[[], object]) -> str | None:
    """The name of the fault that the work ends in, None when it ends well."""
    try:
        work()
    except Fault as error:
        return error.name
    return None


def bind(schema: Schema, query: Query, calendar: Calendar = CALENDAR) -> Bound:
    return bind_query(query, schema, SYSTEM, calendar, lambda source, param: None)


def ask(
    unit: UnitOfWork,
    schema: Schema,
    query: Query,
    *,
    limit: int = WITHOUT_LIMIT,
    calendar: Calendar = CALENDAR,
) -> list[dict[str, Any]]:
    """The rows of a query as dictionaries; the outputs of to-one expands have names such as ``madeby.name``."""
    bound = bind(schema, query, calendar)
    plan, params = bound.plan, list(bound.params)
    if plan.limit is not None:
        params[plan.limit.index] = limit
    names = [f"{o.name}__table" if o.part == "table" else o.name for o in plan.outputs]
    for nested in plan.nested:
        names += [f"{nested.name}.{o.name}" for o in nested.outputs]
    return [dict(zip(names, row, strict=False)) for row in unit.fetch(plan, params)]


def children(database: Database, query: Query) -> dict[str, list[dict[str, Any]]]:
    """The rows of a query's one collection expand, per parent's id."""
    bound = bind(database.schema, query)
    params = list(bound.params)
    if bound.plan.limit is not None:
        params[bound.plan.limit.index] = WITHOUT_LIMIT
    with database.store.read() as unit:
        rows = unit.fetch(bound.plan, params)
        ((child, place),) = placed_children(bound.plan)
        inner = list(child.params)
        inner[child.parents.index] = tuple(row[place] for row in rows)
        found: dict[str, list[dict[str, Any]]] = {row[place]: [] for row in rows}
        for row in unit.fetch(child.plan, inner):
            found[row[0]].append(dict(zip((o.name for o in child.plan.outputs), row, strict=False)))
    return found


def ids(database: Database, name: str, where: Predicate | None = None, *by: Order) -> list[str]:
    """The ids of the rows that satisfy a predicate."""
    key = database.table(name).primary_id
    return [row[key] for row in database.ask(Query(table=name, columns=(key,), where=where, order=by))]


def names(database: Database, where: Predicate | None, name: str = "thing") -> list[str]:
    """The names of the rows that satisfy a predicate, sorted."""
    return sorted(row["name"] for row in database.ask(Query(table=name, columns=("name",), where=where)))


def condition(name: str, operator: str, *values: Any, path: tuple[Any, ...] = ()) -> Condition:
    return Condition(Field(name, path), operator, values)


def order(name: str, descending: bool = False, path: tuple[Any, ...] = ()) -> Order:
    return Order(Field(name, path), descending)


def pages(
    database: Database, query: Query, size: int, between: Callable[[int], None] = lambda page: None
) -> list[list[dict[str, Any]]]:
    """Walk a query page by page, by the cursor of each page's last row; ``between`` runs after each page."""
    found: list[list[dict[str, Any]]] = []
    after: tuple[Any, ...] | None = None
    while True:
        bound = bind(database.schema, replace(query, after=after))
        plan, params = bound.plan, list(bound.params)
        assert plan.limit is not None
        params[plan.limit.index] = size
        with database.store.read() as unit:
            rows = unit.fetch(plan, params)
        found.append([{o.name: v for o, v in zip(plan.outputs, row, strict=True) if o.name} for row in rows])
        if len(rows) < size:
            return found
        places = {o.of: place for place, o in reversed(list(enumerate(plan.outputs)))}
        after = tuple(rows[-1][places[sort.of]] for sort in plan.order)
        between(len(found))
