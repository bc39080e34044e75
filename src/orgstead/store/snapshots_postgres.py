"""Copies of an organisation in PostgreSQL: a schema of the same database with the tables that had rows.

To go back only what differs is written: rows are compared by their binary image, so that a text that differs in case
or a number in its zeros counts as another one.
https://www.postgresql.org/docs/current/functions-comparisons.html#COMPOSITE-TYPE-COMPARISON
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import replace
from time import time

from orgstead.engine.ports import Snapshot
from orgstead.model.schema import Schema, Table
from orgstead.store import saved
from orgstead.store.identifiers import quoted, short
from orgstead.store.unit import BaseUnit

__all__ = ["PostgresSnapshots"]

PREFIX = "orgstead_snapshot_"
# The setting of a copy that says when it was taken.
TAKEN = "snapshot_taken"
DEFINITIONS, SETTINGS = "orgstead_definition", "orgstead_setting"
# What the organisation goes on with instead of going back.
ONWARD = (saved.VERSION, saved.FORGOTTEN, TAKEN)
EXISTS = "SELECT 1 FROM pg_namespace WHERE nspname = $1"
COPIES = "SELECT nspname FROM pg_namespace WHERE starts_with(nspname, $1) ORDER BY 1"
# Columns by table in the order in which they are kept.
COLUMNS = (
    "SELECT c.relname, array_to_string(array_agg(a.attname::text ORDER BY a.attnum), ',') "
    "FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped "
    "WHERE c.relnamespace = {} AND c.relkind = 'r' GROUP BY c.relname"
)
HERE, NAMED = "current_schema()::regnamespace", "$1::regnamespace"
BYTES = "SELECT coalesce(sum(pg_total_relation_size(oid)), 0) FROM pg_class WHERE relnamespace = {} AND relkind = 'r'"

Unit = Callable[[], AbstractContextManager[BaseUnit]]


class PostgresSnapshots:
    """Copies beside what the units of work of ``read`` and ``write`` see."""

    def __init__(self, read: Unit, write: Unit) -> None:
        self._read = read
        self._write = write

    def save(self, name: str) -> None:
        """See ``Snapshots.save``."""
        copy = PREFIX + name
        with self._write() as unit:
            # Every writer of every process relies on the version of the definitions.
            unit.schema_version(changing=True)
            schema = _schema(unit, quoted(DEFINITIONS), quoted(SETTINGS))
            made = [
                f"CREATE TABLE {quoted(copy)}.{quoted(table)} AS TABLE {quoted(table)}"
                for table in (DEFINITIONS, SETTINGS, *_with_rows(unit, schema))
            ]
            unit.run(
                [f"DROP SCHEMA IF EXISTS {quoted(copy)} CASCADE", f"CREATE SCHEMA {quoted(copy)}", *made]
            )
            sql = f'INSERT INTO {quoted(copy)}.{quoted(SETTINGS)} ("name", "value") VALUES ($1, $2)'
            unit.change(sql, (unit.argument(TAKEN), unit.argument(repr(time()))))

    def restore(self, name: str, *, forgotten: str, reload: Callable[[], None]) -> None:
        """See ``Snapshots.restore``."""
        copy = PREFIX + name
        with self._write() as unit:
            version = unit.schema_version(changing=True)
            if not list(unit.rows(EXISTS, (unit.argument(copy),))):
                raise LookupError(name)
            kept = _columns(unit, copy)
            definitions, settings = (f"{quoted(copy)}.{quoted(each)}" for each in (DEFINITIONS, SETTINGS))
            schema = _schema(unit, definitions, settings)
            if schema.version != version:
                schema = _redefine(unit, schema)
            here = _columns(unit, None)
            full = set(_with_rows(unit, schema))
            unit.run(
                text
                for name, table in schema.tables.items()
                if name in full or short(name) in kept
                for text in _back(table, copy, kept.get(short(name)), here[short(name)])
            )
            texts = [unit.argument(each) for each in ONWARD]
            places = ", ".join(f"${number}" for number, _ in enumerate(texts, 1))
            unit.change(f'DELETE FROM {quoted(SETTINGS)} WHERE "name" NOT IN ({places})', texts)
            sql = f'SELECT "name", "value" FROM {settings} WHERE "name" NOT IN ({places})'
            unit.change(f'INSERT INTO {quoted(SETTINGS)} ("name", "value") {sql}', texts)
            unit.write_setting(forgotten, str(unit.next_version()))
        reload()

    def remove(self, name: str) -> None:
        """See ``Snapshots.remove``."""
        copy = PREFIX + name
        with self._write() as unit:
            if not list(unit.rows(EXISTS, (unit.argument(copy),))):
                raise LookupError(name)
            unit.run([f"DROP SCHEMA {quoted(copy)} CASCADE"])

    def listed(self) -> Sequence[Snapshot]:
        """See ``Snapshots.listed``."""
        found = []
        with self._read() as unit:
            for copy in _copies(unit):
                ((size,),) = unit.rows(BYTES.format(NAMED), (unit.argument(quoted(copy)),))
                sql = f'SELECT "value" FROM {quoted(copy)}.{quoted(SETTINGS)} WHERE "name" = $1'
                taken = max(
                    (float(value) for (value,) in unit.rows(sql, (unit.argument(TAKEN),))), default=0.0
                )
                found.append(Snapshot(name=copy.removeprefix(PREFIX), taken=taken, bytes=int(size)))
        return found

    def held(self, table: str) -> set[str]:
        """See ``Snapshots.held``."""
        found: set[str] = set()
        with self._read() as unit:
            for copy in _copies(unit):
                if short(table) in _columns(unit, copy):
                    parts = (f"{quoted(copy)}.{quoted(each)}" for each in (DEFINITIONS, SETTINGS))
                    key = quoted(_schema(unit, *parts).tables[table].primary_id)
                    found |= {
                        id for (id,) in unit.rows(f"SELECT {key} FROM {quoted(copy)}.{quoted(table)}", ())
                    }
        return found

    def size(self) -> int:
        """See ``Snapshots.size``."""
        with self._read() as unit:
            ((size,),) = unit.rows(BYTES.format(HERE), ())
            return int(size)


def _copies(unit: BaseUnit) -> list[str]:
    return [copy for (copy,) in unit.rows(COPIES, (unit.argument(PREFIX),))]


def _columns(unit: BaseUnit, schema: str | None) -> Mapping[str, Sequence[str]]:
    """The columns of every table of a schema, or of the one that the organisation is in."""
    arguments = () if schema is None else (unit.argument(quoted(schema)),)
    sql = COLUMNS.format(HERE if schema is None else NAMED)
    return {table: names.split(",") for table, names in unit.rows(sql, arguments)}


def _schema(unit: BaseUnit, definitions: str, settings: str) -> Schema:
    sql = (
        f'SELECT "kind", "name", "body" FROM {definitions} '
        f"""UNION ALL SELECT "name", '', "value" FROM {settings} WHERE "name" IN ($1, $2)"""
    )
    return saved.read_schema(unit.rows(sql, (unit.argument(saved.VERSION), unit.argument(saved.FORGOTTEN))))


def _with_rows(unit: BaseUnit, schema: Schema) -> list[str]:
    """The tables that have a row."""
    names = list(schema.tables)
    sql = " UNION ALL ".join(
        f"SELECT {number} WHERE EXISTS (SELECT FROM {quoted(name)})" for number, name in enumerate(names)
    )
    return [names[int(number)] for (number,) in unit.rows(sql, ())] if names else []


def _redefine(unit: BaseUnit, wanted: Schema) -> Schema:
    """Make the tables those of other definitions, which get a version of their own; what has changed becomes empty."""
    current = _schema(unit, quoted(DEFINITIONS), quoted(SETTINGS))
    changed = {
        name
        for name, table in current.tables.items()
        if name in wanted.tables and wanted.tables[name] != table
    }
    # A column may have gone and come back as one of another type: that is no change that keeps rows.
    unit.run(f"DROP TABLE {quoted(name)}" for name in sorted(changed))
    left = replace(current, tables={n: t for n, t in current.tables.items() if n not in changed})
    version = current.version + 1
    new = replace(wanted, version=version, history={}, forgotten=version)
    unit.migrate(left, new)
    return new


def _back(table: Table, copy: str, kept: Sequence[str] | None, here: Sequence[str]) -> Iterator[str]:
    """What makes the rows of a table those of its copy, which is not there when it had none."""
    live, id = quoted(table.logical_name), quoted(table.primary_id)
    if kept is None:
        yield f"DELETE FROM {live}"
        return
    source = f"{quoted(copy)}.{live}"
    if list(kept) == list(here):
        yield f"DELETE FROM {live} AS t WHERE NOT EXISTS (SELECT FROM {source} AS s WHERE s.{id} = t.{id} AND s *= t)"
    else:
        yield f"DELETE FROM {live}"
    names = ", ".join(map(quoted, kept))
    yield (
        f"INSERT INTO {live} ({names}) SELECT {names} FROM {source} AS s "
        f"WHERE NOT EXISTS (SELECT FROM {live} AS t WHERE t.{id} = s.{id})"
    )
