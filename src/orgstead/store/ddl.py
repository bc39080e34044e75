"""Schema changes as DDL.

Written by hand rather than through a toolkit: it is a handful of statements over names that the schema has
checked, and both databases run them inside the transaction that saves the definitions.
"""

from collections.abc import Iterator

from orgstead.errors import fault
from orgstead.model.schema import Column, Key, ManyToMany, Schema, Table
from orgstead.store.dialect import Dialect
from orgstead.store.forms import TABLE_SUFFIX, form, places
from orgstead.store.identifiers import quoted

__all__ = ["guards", "kept", "key_index", "statements"]

# Kinds of columns that have no place in the table.
ABSENT = frozenset({"partylist", "virtual"})

# Lookups that say who and when, or that nearly all rows share: indexes on them cost every write and serve no query.
UNINDEXED = frozenset({
    "createdby", "createdonbehalfby", "modifiedby", "modifiedonbehalfby", "owningbusinessunit", "owningteam",
    "owninguser", "stageid", "transactioncurrencyid",
})  # fmt: skip


def kept(table: Table) -> dict[str, Column]:
    """The columns that the SQL table has."""
    return {c.name: c for c in table.columns.values() if c.stored and c.type not in ABSENT}


def statements(old: Schema, new: Schema, dialect: Dialect) -> Iterator[str]:
    """What brings the tables from one schema to the next. Raises NotSupported for a column of another type."""
    for name in old.tables.keys() - new.tables.keys():
        yield f"DROP TABLE {quoted(name)}"
    for name, table in new.tables.items():
        before = old.tables.get(name)
        if before is None:
            yield _create(table, dialect)
            yield from _indexes(table, new, dialect).values()
        elif _changed(before, table, old, new):
            yield from _alter(before, table, old, new, dialect)


def guards(old: Schema, new: Schema, dialect: Dialect) -> Iterator[tuple[Column, str]]:
    """Queries that must find nothing before the statements run, each with the column whose values would not fit."""
    for name, table in new.tables.items():
        before = old.tables.get(name)
        if before is None or before is table:
            continue
        for column in kept(table).values():
            earlier = kept(before).get(column.name)
            if (
                earlier is not None
                and earlier.type == column.type == "decimal"
                and places(earlier) != places(column)
            ):
                sql = dialect.rescale_guard(quoted(name), quoted(column.name), earlier, column)
                if sql is not None:
                    yield column, sql


def _changed(before: Table, after: Table, old: Schema, new: Schema) -> bool:
    name = after.logical_name
    return (
        before is not after
        or old.referencing.get(name) != new.referencing.get(name)
        or _crossed(old, name) != _crossed(new, name)
    )


def _crossed(schema: Schema, intersect: str) -> list[ManyToMany]:
    return [rel for rel in schema.many_to_many.values() if rel.intersect == intersect]


def _create(table: Table, dialect: Dialect) -> str:
    parts = [part for column in kept(table).values() for part in _column(column, dialect)]
    parts.append(f"PRIMARY KEY ({quoted(table.primary_id)})")
    return f"CREATE TABLE {quoted(table.logical_name)} ({', '.join(parts)}){dialect.table_suffix}"


def _column(column: Column, dialect: Dialect) -> list[str]:
    parts = [f"{quoted(column.name)} {dialect.column_type(column)}"]
    if column.polymorphic:
        parts.append(f"{quoted(column.name + TABLE_SUFFIX)} {dialect.name_type}")
    return parts


def _alter(before: Table, after: Table, old: Schema, new: Schema, dialect: Dialect) -> Iterator[str]:
    name = quoted(after.logical_name)
    had, has = kept(before), kept(after)
    indexes, wanted = _indexes(before, old, dialect), _indexes(after, new, dialect)
    for index, sql in indexes.items():
        if wanted.get(index) != sql:
            yield f"DROP INDEX {quoted(index)}"
    for column in had.values():
        if column.name not in has:
            yield f"ALTER TABLE {name} DROP COLUMN {quoted(column.name)}"
            if column.polymorphic:
                yield f"ALTER TABLE {name} DROP COLUMN {quoted(column.name + TABLE_SUFFIX)}"
    for column in has.values():
        earlier = had.get(column.name)
        if earlier is None:
            for part in _column(column, dialect):
                yield f"ALTER TABLE {name} ADD COLUMN {part}"
        elif earlier is not column:
            yield from _change(after.logical_name, earlier, column, dialect)
    for index, sql in wanted.items():
        if indexes.get(index) != sql:
            yield sql


def _change(table: str, earlier: Column, column: Column, dialect: Dialect) -> Iterator[str]:
    name, text, beside = quoted(table), quoted(column.name), quoted(column.name + TABLE_SUFFIX)
    if earlier.type == column.type == "decimal" and places(earlier) != places(column):
        yield from dialect.rescale(name, text, earlier, column)
    elif earlier.type == column.type == "datetime" and earlier.date_only != column.date_only:
        yield from dialect.redate(name, text, column)
    elif form(earlier) != form(column):
        raise fault("NotSupported", feature=f"Changing the type of {table}.{column.name} to {column.type}")
    if column.polymorphic and not earlier.polymorphic:
        yield f"ALTER TABLE {name} ADD COLUMN {beside} {dialect.name_type}"
        if earlier.is_lookup:
            # The column pointed at one table until now.
            target = earlier.targets[0]
            if not target.replace("_", "").isalnum():
                raise ValueError(target)
            yield f"UPDATE {name} SET {beside} = '{target}' WHERE {text} IS NOT NULL"
    elif earlier.polymorphic and not column.polymorphic:
        if column.is_lookup:
            # What pointed elsewhere points nowhere now.
            yield f"UPDATE {name} SET {text} = NULL WHERE {beside} <> '{column.targets[0]}'"
        yield f"ALTER TABLE {name} DROP COLUMN {beside}"


def _indexes(table: Table, schema: Schema, dialect: Dialect) -> dict[str, str]:
    """The indexes of a table by name: lookups of relationships, the primary name, alternate keys, ends of N:N."""
    name, columns = table.logical_name, kept(table)
    made: dict[str, str] = {}

    def index(name_of: str, over: str, *, unique: bool = False, where: str = "") -> None:
        made[name_of] = (
            f"CREATE {'UNIQUE ' if unique else ''}INDEX {quoted(name_of)} ON {quoted(name)} ({over}){where}"
        )

    used = {rel.referencing_attribute for rel in schema.referencing.get(name, ())}
    used |= {column.name for column in columns.values() if column.type == "owner"}
    for rel in _crossed(schema, name):
        used |= {rel.entity1_attribute, rel.entity2_attribute}
    for column in columns.values():
        if column.name in used - UNINDEXED and column.name != table.primary_id:
            index(
                f"ix_{name}_{column.name}",
                quoted(column.name),
                where=f" WHERE {quoted(column.name)} IS NOT NULL",
            )
    primary = columns.get(table.primary_name or "")
    if primary is not None and dialect.indexable(primary):
        index(
            f"ix_{name}_{primary.name}",
            f"{dialect.index_key(quoted(primary.name))}, {quoted(table.primary_id)}",
        )
    if table.change_tracking and "versionnumber" in columns:
        index(f"ix_{name}_versionnumber", dialect.index_key(quoted("versionnumber")))
    for over in table.indexes:
        index(f"ix_{name}_{'_'.join(over)}", ", ".join(quoted(column) for column in over))
    for key in table.keys:
        index(key_index(table, key), ", ".join(quoted(column) for column in key.columns), unique=True)
    return made


def key_index(table: Table, key: Key) -> str:
    """The name of the index that keeps an alternate key unique."""
    return f"key_{table.logical_name}_{key.logical_name}"
