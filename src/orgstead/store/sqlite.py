"""SQLite through apsw, which brings a SQLite of its own: the one of many systems has a known WAL bug.

One writer at a time, readers beside it in WAL mode. Writers commit with synchronous=FULL: what was acknowledged
survives a power cut. A database in memory is one connection that everybody takes turns with.
"""

import re
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from typing import Any

import apsw

from orgstead.engine.ports import BudgetExceeded
from orgstead.errors import Fault, fault
from orgstead.model.plan import Param, Plan
from orgstead.model.record import Ref
from orgstead.model.schema import Column, Schema, Table
from orgstead.store import saved
from orgstead.store.compile import Compiled, compile_count, compile_plan, quoted
from orgstead.store.ddl import kept, statements
from orgstead.store.dialect import SQLite
from orgstead.store.forms import TABLE_SUFFIX

__all__ = ["MEMORY", "SQLiteStore"]

MEMORY = ":memory:"
BUSY_MILLISECONDS = 10_000
WRITER_SECONDS = 60
# Pages are 4 KiB; a negative cache size is in KiB.
PRAGMAS = ("temp_store = MEMORY", "cache_size = -65536", "mmap_size = 268435456", "case_sensitive_like = OFF")
KEPT_STATEMENTS = 256
COUNTER = "change_number"

_dialect = SQLite()


class SQLiteStore:
    """A database file, or ``:memory:``."""

    def __init__(self, path: Path | str) -> None:
        self._path = str(path)
        self._memory = self._path == MEMORY
        self._writing = threading.RLock()
        self._local = threading.local()
        self._opened: list[apsw.Connection] = []
        self._writer = self._open(write=True)
        with self._guarded():
            for sql in saved.CREATE:
                self._writer.execute(sql)

    def _open(self, *, write: bool) -> apsw.Connection:
        try:
            connection = apsw.Connection(self._path, statementcachesize=KEPT_STATEMENTS)
            connection.set_busy_timeout(BUSY_MILLISECONDS)
            if write and not self._memory:
                connection.pragma("journal_mode", "wal")
            connection.pragma("synchronous", 2)
            for pragma in PRAGMAS:
                connection.execute(f"PRAGMA {pragma}")
        except apsw.Error as error:
            raise _fault(error) from error
        connection.create_scalar_function("casefold", _casefold, 1, deterministic=True)
        connection.create_scalar_function("like_classes", _like_classes, 2, deterministic=True)
        self._opened.append(connection)
        return connection

    @contextmanager
    def _guarded(self) -> Iterator[None]:
        try:
            yield
        except apsw.Error as error:
            raise _fault(error) from error

    @contextmanager
    def read(self, budget: int | None = None) -> Iterator["Unit"]:
        """A snapshot to read from; raises BudgetExceeded after ``budget`` steps of SQLite's virtual machine."""
        if self._memory:
            if not self._writing.acquire(timeout=WRITER_SECONDS):
                raise fault("StoreBusy")
            try:
                yield from self._reading(self._writer, budget)
            finally:
                self._writing.release()
            return
        connection = getattr(self._local, "reader", None)
        if connection is None:
            connection = self._local.reader = self._open(write=False)
        yield from self._reading(connection, budget)

    def _reading(self, connection: apsw.Connection, budget: int | None) -> Iterator["Unit"]:
        if budget is not None:
            connection.set_progress_handler(_stop, budget)
        nested = connection.in_transaction
        if not nested:
            connection.execute("BEGIN")
        try:
            yield Unit(connection)
        except apsw.InterruptError as error:
            raise BudgetExceeded from error
        except apsw.Error as error:
            raise _fault(error) from error
        finally:
            if budget is not None:
                connection.set_progress_handler(None)
            if not nested and connection.in_transaction:
                connection.execute("ROLLBACK")

    @contextmanager
    def write(self) -> Iterator["Unit"]:
        """A transaction: committed at the end, rolled back on an exception."""
        if not self._writing.acquire(timeout=WRITER_SECONDS):
            raise fault("StoreBusy")
        connection = self._writer
        try:
            connection.execute("BEGIN IMMEDIATE")
            try:
                unit = Unit(connection)
                yield unit
                unit.finish()
                connection.execute("COMMIT")
            except BaseException:
                if connection.in_transaction:
                    connection.execute("ROLLBACK")
                raise
        except apsw.Error as error:
            raise _fault(error) from error
        finally:
            self._writing.release()

    def load_schema(self) -> Schema:
        """The saved schema."""
        with self.read() as unit:
            version = unit.read_setting("schema_version")
            if version is None:
                return Schema.empty()
            rows = unit.connection.execute('SELECT "kind", "name", "body" FROM "orgstead_definition"')
            return saved.read_schema(int(version), iter(rows))

    def schema_version(self) -> int:
        """The version of the saved schema, 0 when there is none."""
        with self.read() as unit:
            return int(unit.read_setting("schema_version") or 0)

    def close(self) -> None:
        """Close every connection; the last one folds the write-ahead log into the file."""
        for connection in self._opened:
            connection.close()


class Unit:
    """One transaction on one connection."""

    def __init__(self, connection: apsw.Connection) -> None:
        self.connection = connection
        self._version: int | None = None
        self._depth = 0

    # -- queries -------------------------------------------------------------------------------------------------
    def fetch(self, plan: Plan, params: Sequence[Any]) -> list[Sequence[Any]]:
        """Run a plan."""
        compiled = _compiled(plan, _wide(params))
        return compiled.decode(self.connection.execute(compiled.sql, compiled.arguments(params)))

    def count(self, plan: Plan, params: Sequence[Any], limit: int | None) -> int:
        """Count the rows of a plan."""
        compiled = _counting(plan, _wide(params), limit is not None)
        arguments = compiled.arguments([*params, limit])
        return int(self.connection.execute(compiled.sql, arguments).fetchone()[0])

    # -- rows ----------------------------------------------------------------------------------------------------
    def get(self, table: Table, id: str, columns: Sequence[str] | None = None) -> dict[str, Any] | None:
        """One row by id."""
        sql, places = _getting(table, None if columns is None else tuple(columns))
        row = self.connection.execute(sql, (id,)).fetchone()
        return None if row is None else _record(row, places)

    def find(self, table: Table, values: Mapping[str, Any], limit: int = 2) -> list[str]:
        """Ids of rows with these values."""
        conditions, arguments = [], []
        for name, value in values.items():
            column = table.columns[name]
            text = quoted(name)
            if value is None:
                conditions.append(f"{text} IS NULL")
                continue
            for part, encoded in _written(column, value):
                left, right = quoted(part), "?"
                if isinstance(encoded, str) and not encoded.isascii():
                    left, right = f"casefold({left})", "casefold(?)"
                conditions.append(f"{left} = {right}")
                arguments.append(encoded)
        where = " AND ".join(conditions) or "TRUE"
        sql = f"SELECT {quoted(table.primary_id)} FROM {quoted(table.logical_name)} WHERE {where} LIMIT ?"
        return [row[0] for row in self.connection.execute(sql, (*arguments, limit))]

    def insert(self, table: Table, rows: Sequence[Mapping[str, Any]]) -> None:
        """Add rows."""
        groups: dict[tuple[str, ...], list[list[Any]]] = {}
        for row in rows:
            names: list[str] = []
            values: list[Any] = []
            for name, value in row.items():
                if value is not None:
                    for part, encoded in _written(table.columns[name], value):
                        names.append(part)
                        values.append(encoded)
            groups.setdefault(tuple(names), []).append(values)
        for names, group in groups.items():
            with _naming(table):
                if len(group) == 1:
                    self.connection.execute(_inserting(table, names), group[0])
                else:
                    self.connection.executemany(_inserting(table, names), group)

    def update(self, table: Table, id: str, values: Mapping[str, Any]) -> bool:
        """Set columns of a row."""
        names: list[str] = []
        arguments: list[Any] = []
        for name, value in values.items():
            for part, encoded in _written(table.columns[name], value):
                names.append(part)
                arguments.append(encoded)
        if not names:
            return self.get(table, id, (table.primary_id,)) is not None
        with _naming(table):
            self.connection.execute(_updating(table, tuple(names)), (*arguments, id))
        return bool(self.connection.changes())

    def delete(self, table: Table, ids: Sequence[str]) -> int:
        """Remove rows."""
        sql = f"DELETE FROM {quoted(table.logical_name)} WHERE {quoted(table.primary_id)} = ?"
        count = 0
        for id in ids:
            self.connection.execute(sql, (id,))
            count += self.connection.changes()
        return count

    def clear(self, table: Table, column: str, value: str, version: int) -> list[str]:
        """Empty a lookup wherever it points at a row."""
        sets = [f"{quoted(column)} = NULL"]
        if table.columns[column].polymorphic:
            sets.append(f"{quoted(column + TABLE_SUFFIX)} = NULL")
        arguments: list[Any] = []
        if "versionnumber" in table.columns:
            sets.append('"versionnumber" = ?')
            arguments.append(version)
        sql = (
            f"UPDATE {quoted(table.logical_name)} SET {', '.join(sets)} WHERE {quoted(column)} = ? "
            f"RETURNING {quoted(table.primary_id)}"
        )
        return [row[0] for row in self.connection.execute(sql, (*arguments, value))]

    # -- the transaction -----------------------------------------------------------------------------------------
    def next_version(self, count: int = 1) -> int:
        """Take change numbers."""
        if self._version is None:
            self._version = int(self.read_setting(COUNTER) or 0)
        first = self._version + 1
        self._version += count
        return first

    def finish(self) -> None:
        """Save what the unit kept in memory."""
        if self._version is not None:
            self.write_setting(COUNTER, str(self._version))

    @contextmanager
    def savepoint(self) -> Iterator[None]:
        """Undo what happened inside when an exception leaves the block."""
        self._depth += 1
        name = f"s{self._depth}"
        self.connection.execute(f"SAVEPOINT {name}")
        try:
            yield
        except BaseException as error:
            if self.connection.in_transaction:
                self.connection.execute(f"ROLLBACK TO {name}")
                self.connection.execute(f"RELEASE {name}")
            if isinstance(error, apsw.Error):
                raise _fault(error) from error
            raise
        else:
            self.connection.execute(f"RELEASE {name}")
        finally:
            self._depth -= 1

    def migrate(self, old: Schema, new: Schema) -> None:
        """Bring tables and definitions to another schema."""
        for sql in statements(old, new, _dialect):
            self.connection.execute(sql)
        for kind, name, definition in saved.changes(old, new):
            if definition is None:
                self.connection.execute(
                    'DELETE FROM "orgstead_definition" WHERE "kind" = ? AND "name" = ?', (kind, name)
                )
            else:
                self.connection.execute(
                    'INSERT OR REPLACE INTO "orgstead_definition" VALUES (?, ?, ?)',
                    (kind, name, saved.write_body(definition)),
                )
        self.write_setting("schema_version", str(new.version))

    def read_setting(self, name: str) -> str | None:
        """A setting."""
        row = self.connection.execute('SELECT "value" FROM "orgstead_setting" WHERE "name" = ?', (name,)).fetchone()
        return None if row is None else str(row[0])

    def write_setting(self, name: str, value: str | None) -> None:
        """Set or remove a setting."""
        if value is None:
            self.connection.execute('DELETE FROM "orgstead_setting" WHERE "name" = ?', (name,))
        else:
            self.connection.execute('INSERT OR REPLACE INTO "orgstead_setting" VALUES (?, ?)', (name, value))


def _stop() -> bool:
    return True


def _casefold(value: Any) -> Any:
    return value.casefold() if isinstance(value, str) else value


@lru_cache(maxsize=256)
def _class_pattern(pattern: str) -> re.Pattern[str]:
    """A LIKE pattern with character classes as a regular expression; a class matches one character."""
    parts: list[str] = []
    rest = pattern
    while rest:
        klass = re.match(r"\[(\^?)([^\]]+)\]", rest)
        if rest.startswith("\\") and len(rest) > 1:
            parts.append(re.escape(rest[1]))
            rest = rest[2:]
        elif klass is not None:
            inside = re.sub(r"([\\\[\]^&~|])", r"\\\1", klass[2])
            parts.append(f"[{klass[1]}{inside}]")
            rest = rest[klass.end() :]
        else:
            parts.append({"%": ".*?", "_": "."}.get(rest[0], re.escape(rest[0])))
            rest = rest[1:]
    try:
        return re.compile("".join(parts), re.IGNORECASE | re.DOTALL)
    except re.error:
        return re.compile(r"(?!)")


def _like_classes(text: Any, pattern: Any) -> int | None:
    if not isinstance(text, str) or not isinstance(pattern, str):
        return None
    return int(_class_pattern(pattern).fullmatch(text) is not None)


@lru_cache(maxsize=2048)
def _compiled(plan: Plan, wide: bool) -> Compiled:
    return compile_plan(plan, _dialect, wide)


@lru_cache(maxsize=512)
def _counting(plan: Plan, wide: bool, limited: bool) -> Compiled:
    return compile_count(plan, _dialect, wide, limited)


def _wide(params: Sequence[Any]) -> bool:
    for value in params:
        if isinstance(value, str):
            if not value.isascii():
                return True
        elif isinstance(value, tuple) and any(isinstance(item, str) and not item.isascii() for item in value):
            return True
    return False


def _written(column: Column, value: Any) -> list[tuple[str, Any]]:
    """The SQL columns of a value and what goes into them."""
    if column.is_lookup:
        if value is None:
            return [(column.name, None), (column.name + TABLE_SUFFIX, None)] if column.polymorphic else [(column.name, None)]
        id = value.id if isinstance(value, Ref) else value
        if column.polymorphic and isinstance(value, Ref):
            return [(column.name, id), (column.name + TABLE_SUFFIX, value.table)]
        return [(column.name, id)]
    encode = _encoders.get(column.type)
    if encode is None or value is None:
        return [(column.name, value)]
    return [(column.name, _encoder(column)(value))]


_encoders = dict.fromkeys(("money", "decimal", "boolean", "managedproperty", "multichoice", "double"), True)


@lru_cache(maxsize=65536)
def _encoder(column: Column) -> Any:
    return _dialect.encoder(column)


@lru_cache(maxsize=4096)
def _inserting(table: Table, names: tuple[str, ...]) -> str:
    columns = ", ".join(quoted(name) for name in names)
    return f"INSERT INTO {quoted(table.logical_name)} ({columns}) VALUES ({', '.join('?' * len(names))})"


@lru_cache(maxsize=4096)
def _updating(table: Table, names: tuple[str, ...]) -> str:
    sets = ", ".join(f"{quoted(name)} = ?" for name in names)
    return f"UPDATE {quoted(table.logical_name)} SET {sets} WHERE {quoted(table.primary_id)} = ?"


@lru_cache(maxsize=4096)
def _getting(table: Table, names: tuple[str, ...] | None) -> tuple[str, tuple[tuple[str, int, Column, Any], ...]]:
    """The text that reads a row, and per value: name, place, column, decoder."""
    columns = kept(table)
    chosen = list(columns.values()) if names is None else [columns[name] for name in names if name in columns]
    texts: list[str] = []
    places: list[tuple[str, int, Column, Any]] = []
    for column in chosen:
        places.append((column.name, len(texts), column, _dialect.decoder(column, Param(0))))
        texts.append(quoted(column.name))
        if column.polymorphic:
            texts.append(quoted(column.name + TABLE_SUFFIX))
    sql = f"SELECT {', '.join(texts)} FROM {quoted(table.logical_name)} WHERE {quoted(table.primary_id)} = ?"
    return sql, tuple(places)


def _record(row: Sequence[Any], places: Sequence[tuple[str, int, Column, Any]]) -> dict[str, Any]:
    values: dict[str, Any] = {}
    for name, index, column, decode in places:
        value = row[index]
        if value is not None:
            if column.is_lookup:
                value = Ref(row[index + 1] if column.polymorphic else column.targets[0], value)
            elif decode is not None:
                value = decode(value)
        values[name] = value
    return values


class _naming:  # noqa: N801 - reads as a statement
    """Turns a constraint's failure into the fault that names the key."""

    def __init__(self, table: Table) -> None:
        self.table = table

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if not isinstance(error, apsw.ConstraintError):
            return
        match = re.search(r"UNIQUE constraint failed: (.+)", str(error))
        columns = [part.split(".")[-1] for part in match[1].split(", ")] if match else []
        if columns and columns != [self.table.primary_id]:
            raise fault("DuplicateKey", columns=", ".join(columns), table=self.table.logical_name) from error
        raise fault("DuplicateRecord") from error


def _fault(error: apsw.Error) -> Fault:
    if isinstance(error, apsw.BusyError | apsw.LockedError):
        return fault("StoreBusy")
    if isinstance(error, apsw.InterruptError):
        return fault("SqlTimeout")
    return fault("StoreFailure")
