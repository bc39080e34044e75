"""Schema changes as DDL.

Written by hand rather than through a toolkit: it is a handful of statements over names that the schema has
checked, and both databases run them inside the transaction that saves the definitions.
"""

from collections.abc import Iterator

from orgstead.model.schema import Column, Schema, Table
from orgstead.store.compile import quoted
from orgstead.store.dialect import Dialect
from orgstead.store.forms import TABLE_SUFFIX, places

__all__ = ["statements"]

# Kinds of columns that have no place in the table.
ABSENT = frozenset({"partylist", "virtual"})

# Lookups that say who and when, or that nearly all rows share: indexes on them cost every write and serve no query.
UNINDEXED = frozenset({
    "createdby", "createdonbehalfby", "modifiedby", "modifiedonbehalfby", "owningbusinessunit", "owningteam", "owninguser",
    "stageid", "transactioncurrencyid",
})  # fmt: skip


def kept(table: Table) -> dict[str, Column]:
    """The columns that the SQL table has."""
    return {c.name: c for c in table.columns.values() if c.stored and c.type not in ABSENT}


def statements(old: Schema, new: Schema, dialect: Dialect) -> Iterator[str]:
    """What brings the tables from one schema to the next."""
    for name in old.tables.keys() - new.tables.keys():
        yield f"DROP TABLE {quoted(name)}"
    for name, table in new.tables.items():
        before = old.tables.get(name)
        if before is None:
            yield _create(table, dialect)
            yield from (sql for _, sql in _indexes(table, new))
        elif before is not table or old.referencing.get(name) != new.referencing.get(name):
            yield from _alter(before, table, old, new, dialect)


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
    indexes, wanted = dict(_indexes(before, old)), dict(_indexes(after, new))
    for index in indexes.keys() - wanted.keys():
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
        else:
            yield from _change(name, earlier, column, before, dialect)
    for index, sql in wanted.items():
        if index not in indexes:
            yield sql


def _change(name: str, earlier: Column, column: Column, before: Table, dialect: Dialect) -> Iterator[str]:
    if column.type == "decimal" and places(earlier) != places(column):
        yield from dialect.rescale(name, quoted(column.name), places(column) - places(earlier))
    if column.polymorphic and not earlier.polymorphic:
        # The column pointed at one table until now.
        target = earlier.targets[0]
        if not target.replace("_", "").isalnum():
            raise ValueError(target)
        yield f"ALTER TABLE {name} ADD COLUMN {quoted(column.name + TABLE_SUFFIX)} {dialect.name_type}"
        yield (
            f"UPDATE {name} SET {quoted(column.name + TABLE_SUFFIX)} = '{target}' "
            f"WHERE {quoted(column.name)} IS NOT NULL"
        )


def _indexes(table: Table, schema: Schema) -> Iterator[tuple[str, str]]:
    """The indexes of a table by name: lookups of relationships, the primary name, alternate keys, ends of N:N."""
    name, columns = table.logical_name, kept(table)
    used = {rel.referencing_attribute for rel in schema.referencing.get(name, ())}
    used |= {column.name for column in columns.values() if column.type == "owner"}
    for rel in schema.many_to_many.values():
        if rel.intersect == name:
            used |= {rel.entity1_attribute, rel.entity2_attribute}
    for column in columns.values():
        if column.name in used - UNINDEXED and column.name != table.primary_id:
            yield f"ix_{name}_{column.name}", (
                f"CREATE INDEX {quoted(f'ix_{name}_{column.name}')} ON {quoted(name)} ({quoted(column.name)}) "
                f"WHERE {quoted(column.name)} IS NOT NULL"
            )
    if table.primary_name in columns:
        primary = table.primary_name or ""
        yield f"ix_{name}_{primary}", (
            f"CREATE INDEX {quoted(f'ix_{name}_{primary}')} ON {quoted(name)} ({quoted(primary)}, {quoted(table.primary_id)})"
        )
    if table.change_tracking and "versionnumber" in columns:
        yield f"ix_{name}_versionnumber", (
            f"CREATE INDEX {quoted(f'ix_{name}_versionnumber')} ON {quoted(name)} (\"versionnumber\")"
        )
    for key in table.keys:
        over = ", ".join(quoted(column) for column in key.columns)
        index = f"key_{name}_{key.logical_name}"
        yield index, f"CREATE UNIQUE INDEX {quoted(index)} ON {quoted(name)} ({over})"
