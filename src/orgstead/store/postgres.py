"""PostgreSQL through psycopg: a pool of connections, units of work on them.

A unit that reads runs without a transaction of its own: every statement sees what was committed when it began, at the
price of one round trip. A unit that writes is a transaction at READ COMMITTED; reading a whole row in it locks the
row until the end, so that a version that was checked is still the version when the row is written.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import lru_cache
from typing import Any

import psycopg
from psycopg.conninfo import conninfo_to_dict
from psycopg_pool import ConnectionPool, PoolTimeout

from orgstead.errors import fault
from orgstead.model.schema import Schema, Table
from orgstead.store import saved
from orgstead.store.dialect_postgres import COLLATIONS, PostgreSQL, array
from orgstead.store.identifiers import quoted
from orgstead.store.session import Connection, Lost, Session
from orgstead.store.snapshots_postgres import PostgresSnapshots
from orgstead.store.statements import Line, Statements
from orgstead.store.unit import BaseUnit

__all__ = ["PostgresStore", "PostgresUnit"]

POOL_SIZE = 20
POOL_SECONDS = 10
OLDEST_SERVER = 140000
DEFAULTS = {
    "application_name": "orgstead",
    "connect_timeout": 10,
    "keepalives_idle": 30,
    "client_encoding": "UTF8",
}
DRIVER = {"autocommit": True, "prepare_threshold": None}
# Milliseconds. Dataverse gives a query two minutes.
SETTINGS = (
    "SET TimeZone = 'UTC'; SET datestyle = 'ISO, MDY'; SET bytea_output = 'hex'; SET extra_float_digits = 1; "
    "SET statement_timeout = {statement}; SET lock_timeout = {lock}; SET idle_in_transaction_session_timeout = 600000"
)
STATEMENT_MILLISECONDS = 120_000
LOCK_MILLISECONDS = 10_000

# Any number that nobody else uses for advisory locks in this database.
LOCK = 0x0D365
SEQUENCE = "orgstead_version"
# Change numbers that a unit of work takes at once.
BLOCK = 16
CONTIGUOUS_ATTEMPTS = 50
# From how many rows on they are added by COPY.
COPIED = 200
_SPECIAL = re.compile(rb"[\\\t\n\r]")
_ESCAPES = {b"\\": b"\\\\", b"\t": b"\\t", b"\n": b"\\n", b"\r": b"\\r"}
# Where the sequence stands: the start of the last block that was given out.
GIVEN = f"CASE WHEN is_called THEN last_value ELSE last_value - {BLOCK} END"
# A writer marks where the sequence stood before it took its first number, by a lock that ends with its transaction.
MARK = LOCK << 40
MARK_SPACE = 1 << 40
MARKS = (
    f"SELECT min(((classid::int8 << 32) | objid::int8) - {MARK}) FROM pg_locks "
    "WHERE locktype = 'advisory' AND objsubid = 1 AND granted "
    "AND database = (SELECT oid FROM pg_database WHERE datname = current_database()) "
    f"AND ((classid::int8 << 32) | objid::int8) BETWEEN {MARK} AND {MARK + MARK_SPACE - 1}"
)

_statements = Statements(PostgreSQL())


class PostgresStore:
    """A database by its URL. ``pool_size`` is the number of connections at most."""

    def __init__(
        self,
        url: str,
        *,
        pool_size: int = POOL_SIZE,
        pool_seconds: float = POOL_SECONDS,
        statement_milliseconds: int = STATEMENT_MILLISECONDS,
        lock_milliseconds: int = LOCK_MILLISECONDS,
    ) -> None:
        self._settings = SETTINGS.format(statement=int(statement_milliseconds), lock=int(lock_milliseconds))
        try:
            options: dict[str, Any] = {**DEFAULTS, **conninfo_to_dict(url), **DRIVER}
            with Connection.connect(**options) as connection:
                self._configure(connection)
                _prepare_database(connection)
        except (psycopg.Error, Lost) as error:
            raise fault("StoreFailure", hint=f"PostgreSQL: {error}") from error
        self._pool = ConnectionPool(
            "", connection_class=Connection, kwargs=options, configure=self._configure, min_size=1, max_size=pool_size,
            timeout=pool_seconds, num_workers=1, name="orgstead", open=True,
        )  # fmt: skip
        self.snapshots = PostgresSnapshots(self.read, self.write)

    def _configure(self, connection: Connection) -> None:
        connection.session.script(self._settings)

    def _lend(self) -> Connection:
        try:
            return self._pool.getconn()
        except PoolTimeout as error:
            raise fault("StoreBusy") from error
        except psycopg.Error as error:
            raise fault("StoreFailure", hint=f"PostgreSQL: {error}") from error

    def _replace(self, connection: Connection) -> Connection:
        """Another connection for one that has ended; others in the pool may have ended with it."""
        self._pool.putconn(connection)
        self._pool.check()
        return self._lend()

    @contextmanager
    def read(self, budget: int | None = None) -> Iterator["PostgresUnit"]:
        """A unit of work for reading. ``budget`` is not counted: another process does the work."""
        unit = _ReadingUnit(self._lend(), self._replace)
        try:
            yield unit
        finally:
            self._pool.putconn(unit.connection)

    @contextmanager
    def write(self) -> Iterator["PostgresUnit"]:
        """A transaction: committed at the end, rolled back on an exception."""
        connection = self._lend()
        try:
            try:
                connection.session.begin()
            except Lost:
                connection = self._replace(connection)
                connection.session.begin()
            yield PostgresUnit(connection.session, writing=True)
            connection.session.commit()
        except Lost as error:
            raise fault("StoreBusy") from error
        finally:
            connection.session.rollback()
            self._pool.putconn(connection)

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Keeps other processes out of a block of the same kind."""
        connection = self._lend()
        try:
            # Waits as long as a query may take: others do a whole founding inside.
            connection.session.script("SET lock_timeout = 0")
            list(connection.session.rows(f"SELECT pg_advisory_lock({LOCK}, 0)", ()))
            yield
            list(connection.session.rows(f"SELECT pg_advisory_unlock({LOCK}, 0)", ()))
        except Lost as error:
            raise fault("StoreBusy") from error
        finally:
            # With the connection its lock and its settings end, however the block did.
            connection.close()
            self._pool.putconn(connection)

    def horizon(self) -> int:
        """The number below the first one that a running transaction has or may still take.

        The sequence is looked at before the marks: whose number it has given out by then has set its mark before, or
        has committed and is seen by whoever reads later.
        """
        with self.read() as unit:
            ((given,),) = unit.rows(f"SELECT {GIVEN} FROM {SEQUENCE}", ())
            ((marked,),) = unit.rows(MARKS, ())
            return int(given if marked is None else min(given, marked)) + BLOCK - 1

    def load_schema(self) -> Schema:
        """The saved schema."""
        with self.read() as unit:
            return saved.read_schema(unit.rows(_statements.read_definitions, ()))

    def schema_version(self) -> int:
        """The version of the saved schema, 0 when there is none."""
        with self.read() as unit:
            return unit.schema_version()

    def close(self) -> None:
        """Close every connection."""
        self._pool.close()


class PostgresUnit(BaseUnit):
    """Statements on one connection, in a transaction when ``writing``."""

    def __init__(self, session: Session, *, writing: bool = False) -> None:
        super().__init__(_statements)
        self._session = session
        self.locks = writing
        self._next = self._left = 0
        self._marked = False

    def rows(self, sql: str, arguments: Sequence[Any]) -> Iterable[Sequence[Any]]:
        """Rows in the driver's form."""
        return self._session.rows(sql, arguments)

    def change(self, sql: str, arguments: Sequence[Any], table: Table | None = None) -> int:
        """Run a statement; how many rows it changed."""
        return self._session.change(sql, arguments, table)

    def insert_many(self, table: Table, line: Line, rows: Sequence[Sequence[Any]]) -> None:
        """Add rows of the same columns by one statement: an array per column, or a line per row where they are many."""
        if len(rows) >= COPIED:
            names = ", ".join(quoted(name) for name in line.parts)
            sql = f"COPY {quoted(table.logical_name)} ({names}) FROM STDIN"
            self._session.copy(sql, _blocks(rows), table)
            return
        columns = [array(values) for values in zip(*rows, strict=True)]
        self._session.change(_insert_arrays(table, line.parts), columns, table)

    def find_many(
        self, table: Table, columns: Sequence[str], rows: Sequence[Sequence[Any]]
    ) -> list[str | None]:
        """The id of a row for each tuple of values, by one statement."""
        found: list[str | None] = [None] * len(rows)
        if not rows:
            return found
        encode = [self.statements.encoder(table.columns[name]) for name in columns]
        arrays = [
            array([value if each is None else each(value) for value in values])
            for each, values in zip(encode, zip(*rows, strict=True), strict=True)
        ]
        for place, id in self._session.rows(_find_arrays(table, tuple(columns)), arrays):
            found[place - 1] = id
        return found

    def change_many(self, table: Table, names: tuple[str, ...], lines: Sequence[Sequence[Any]]) -> None:
        """Set SQL columns of many rows by one statement."""
        columns = [array(values) for values in zip(*lines, strict=True)]
        self._session.change(_update_arrays(table, names), columns, table)

    def run(self, sql: Iterable[str], tables: Iterable[Table] = ()) -> None:
        """Run statements without parameters in one round trip."""
        self._session.script("; ".join(sql), tables)

    def next_version(self, count: int = 1) -> int:
        """Take change numbers. Those that a unit does not use are lost."""
        if count > self._left:
            self._next, self._left = self._take(count)
        first = self._next
        self._next += count
        self._left -= count
        return first

    def _take(self, count: int) -> tuple[int, int]:
        """At least so many numbers in a row: the first, and how many."""
        if not self._marked:
            list(self.rows(f"SELECT pg_advisory_xact_lock_shared({MARK} + {GIVEN}) FROM {SEQUENCE}", ()))
            self._marked = True
        blocks = -(-count // BLOCK)
        numbers = f"SELECT nextval('{SEQUENCE}') AS n FROM generate_series(1, $1::int8)"
        sql = f"SELECT min(n), max(n) FROM ({numbers}) AS taken"
        for _ in range(CONTIGUOUS_ATTEMPTS):
            ((first, last),) = self.rows(sql, (str(blocks).encode(),))
            # Another process may have taken a block in between.
            if last - first == (blocks - 1) * BLOCK:
                return first, blocks * BLOCK
        raise fault("StoreBusy")

    def schema_version(self, *, changing: bool = False) -> int:
        """The version of the saved schema. Writers rely on it together; who changes it is alone."""
        if self.locks:
            lock = "pg_advisory_xact_lock" if changing else "pg_advisory_xact_lock_shared"
            list(self.rows(f"SELECT {lock}({LOCK}, hashtext($1))", (self.argument(saved.VERSION),)))
        return super().schema_version()

    def read_setting(self, name: str) -> str | None:
        """A setting; who reads it in order to write it is alone with it until the end of the transaction."""
        if self.locks:
            list(self.rows(f"SELECT pg_advisory_xact_lock({LOCK}, hashtext($1))", (self.argument(name),)))
        return super().read_setting(name)


class _ReadingUnit(PostgresUnit):
    """Reads once more on another connection when one has ended: nothing is in the way of that."""

    def __init__(self, connection: Connection, replace: Callable[[Connection], Connection]) -> None:
        super().__init__(connection.session)
        self.connection = connection
        self._replace = replace

    def rows(self, sql: str, arguments: Sequence[Any]) -> Iterable[Sequence[Any]]:
        """Rows in the driver's form."""
        try:
            return self._session.rows(sql, arguments)
        except Lost:
            self.connection = self._replace(self.connection)
            self._session = self.connection.session
        try:
            return self._session.rows(sql, arguments)
        except Lost as error:
            raise fault("StoreBusy") from error


def _blocks(rows: Sequence[Sequence[bytes | None]]) -> Iterator[bytes]:
    """Rows in the text format of COPY, some of them at a time."""
    for start in range(0, len(rows), COPIED):
        lines = [
            b"\t".join(
                [
                    b"\\N"
                    if value is None
                    else _SPECIAL.sub(_escaped, value)
                    if _SPECIAL.search(value)
                    else value
                    for value in row
                ]
            )
            for row in rows[start : start + COPIED]
        ]
        lines.append(b"")
        yield b"\n".join(lines)


def _escaped(match: re.Match[bytes]) -> bytes:
    return _ESCAPES[match[0]]


def _arrays(table: Table, names: Sequence[str]) -> str:
    """Rows out of an array per SQL column."""
    arrays = []
    for number, name in enumerate(names, 1):
        column = table.columns.get(name)
        place = f"${number}"
        arrays.append(
            f"{place}::text[]"
            if column is None
            else _statements.dialect.typed(place, column, many=True, wide=False)
        )
    return f"unnest({', '.join(arrays)})"


@lru_cache(maxsize=1024)
def _insert_arrays(table: Table, names: tuple[str, ...]) -> str:
    columns = ", ".join(quoted(name) for name in names)
    return f"INSERT INTO {quoted(table.logical_name)} ({columns}) SELECT * FROM {_arrays(table, names)}"


@lru_cache(maxsize=1024)
def _find_arrays(table: Table, names: tuple[str, ...]) -> str:
    places = ", ".join(f"c{number}" for number in range(len(names)))
    same = " AND ".join(f"t.{quoted(name)} = u.c{number}" for number, name in enumerate(names))
    return (
        f"SELECT u.n, t.{quoted(table.primary_id)} FROM {_arrays(table, names)} WITH ORDINALITY AS u({places}, n) "
        f"JOIN {quoted(table.logical_name)} AS t ON {same}"
    )


@lru_cache(maxsize=1024)
def _update_arrays(table: Table, names: tuple[str, ...]) -> str:
    places = ", ".join(f"c{number}" for number in range(len(names) + 1))
    sets = ", ".join(f"{quoted(name)} = u.c{number}" for number, name in enumerate(names))
    return (
        f"UPDATE {quoted(table.logical_name)} AS t SET {sets} FROM {_arrays(table, (*names, table.primary_id))} "
        f"AS u({places}) WHERE t.{quoted(table.primary_id)} = u.c{len(names)}"
    )


def _prepare_database(connection: Connection) -> None:
    """Check the server and make what is in the database beside tables."""
    if connection.info.server_version < OLDEST_SERVER:
        raise fault("StoreFailure", hint="PostgreSQL has to be version 14 or later.")
    session = connection.session
    if list(session.rows("SHOW server_encoding", ())) != [("UTF8",)]:
        raise fault("StoreFailure", hint="The database has to have the encoding UTF8.")
    session.begin()
    try:
        list(session.rows(f"SELECT pg_advisory_xact_lock({LOCK})", ()))
        session.script(
            "; ".join(
                (
                    *COLLATIONS,
                    *saved.create(_statements.dialect.name_type),
                    f"CREATE SEQUENCE IF NOT EXISTS {SEQUENCE} AS int8 INCREMENT BY {BLOCK}",
                )
            )
        )
        session.commit()
    finally:
        session.rollback()
