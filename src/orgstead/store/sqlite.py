"""SQLite through apsw, which brings a SQLite of its own: the one of many systems has a known WAL bug.

One writer at a time, readers beside it in WAL mode. Writers commit with synchronous=FULL: what was acknowledged
survives a power cut. A database in memory is one connection that everybody takes turns with.
"""

import re
import threading
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import apsw

from orgstead.engine.ports import BudgetExceeded, RolledBack
from orgstead.errors import Fault, fault
from orgstead.model.plan import Col, Plan, likes
from orgstead.model.schema import Schema, Table
from orgstead.store import saved
from orgstead.store.dialect_sqlite import SQLite
from orgstead.store.identifiers import short
from orgstead.store.larger_sums import LargerSums
from orgstead.store.pace import STRIDES, Budget, Deadline, Pace
from orgstead.store.patterns import python_pattern
from orgstead.store.snapshots_sqlite import SQLiteSnapshots
from orgstead.store.statements import Line, Statements
from orgstead.store.two_ways import Ways, has_two_ways
from orgstead.store.unit import BaseUnit

__all__ = ["MEMORY", "SQLiteStore", "SQLiteUnit"]

MEMORY = ":memory:"
BUSY_MILLISECONDS = 10_000
RETRY_SECONDS = 0.002
WRITER_SECONDS = 60
# Pages are 4 KiB; a negative cache size is in KiB.
PRAGMAS = ("temp_store = MEMORY", "cache_size = -65536", "mmap_size = 268435456", "case_sensitive_like = OFF")
# Pages of the write-ahead log after which a commit copies them into the file, 16 MB: pages of indexes, which every
# commit of many rows writes anew, are then copied once for several commits.
LOG_PAGES = 4000
KEPT_STATEMENTS = 256
COUNTER = "change_number"
SNAPSHOTS = "snapshots"
# Dataverse gives a query two minutes; the clock is looked at after so many steps.
QUERY_SECONDS = 120
STEPS_PER_LOOK = 1_000_000
# Matching a text is one step whatever it takes, which is its length times the pattern's: it is left to those who give
# so many steps that they do not mind.
LONG_BUDGET = 1_000_000
SHORT_PATTERN = 100

_statements = Statements(SQLite())
_larger_sums = Statements(LargerSums())
_ways = Ways(_statements)


class SQLiteStore:
    """A database file, or ``:memory:``."""

    def __init__(self, path: Path | str, *, query_seconds: float = QUERY_SECONDS) -> None:
        self._path = str(path)
        self._query_seconds = query_seconds
        self._memory = self._path == MEMORY
        self._writing = threading.RLock()
        self._local = threading.local()
        self._opened: list[apsw.Connection] = []
        self._writer = self._open(write=True)
        with _faults():
            for sql in saved.create("TEXT"):
                self._writer.execute(sql)
        beside = None if self._memory else Path(self._path).with_name(SNAPSHOTS)
        self.snapshots = SQLiteSnapshots(self._writer, self._at_rest, beside, COUNTER)

    def _open(self, *, write: bool) -> apsw.Connection:
        with _faults():
            connection = apsw.Connection(self._path, statementcachesize=KEPT_STATEMENTS)
            connection.set_busy_timeout(BUSY_MILLISECONDS)
            if write and not self._memory:
                _write_ahead(connection)
                connection.pragma("wal_autocheckpoint", LOG_PAGES)
            connection.pragma("synchronous", 2)
            for pragma in PRAGMAS:
                connection.execute(f"PRAGMA {pragma}")
            if not write:
                connection.execute("PRAGMA query_only = ON")
            connection.create_scalar_function("casefold", _casefold, 1, deterministic=True)
            connection.create_scalar_function("like_classes", _like_classes, 2, deterministic=True)
        self._opened.append(connection)
        return connection

    @contextmanager
    def _turn(self) -> Iterator[None]:
        """The right to use the writing connection."""
        if not self._writing.acquire(timeout=WRITER_SECONDS):
            raise fault("StoreBusy")
        try:
            yield
        finally:
            self._writing.release()

    @contextmanager
    def _at_rest(self) -> Iterator[None]:
        """The writing connection outside of a transaction."""
        with self._turn(), _faults():
            yield

    @contextmanager
    def read(self, budget: int | None = None) -> Iterator["SQLiteUnit"]:
        """A snapshot to read from; raises BudgetExceeded after about ``budget`` steps of SQLite's virtual machine.

        In memory it is the writer's own connection, and inside of ``write`` of the same thread it sees what that
        has done so far.
        """
        if self._memory:
            with self._turn():
                yield from self._reading(self._writer, budget)
            return
        connection = getattr(self._local, "reader", None)
        if connection is None:
            connection = self._local.reader = self._open(write=False)
        yield from self._reading(connection, budget)

    def _reading(self, connection: apsw.Connection, budget: int | None) -> Iterator["SQLiteUnit"]:
        nested = connection.in_transaction
        try:
            if budget is not None:
                pace = Pace(connection, Budget(), max(1, budget // STRIDES))
            else:
                pace = Pace(connection, Deadline(self._query_seconds), STEPS_PER_LOOK)
            if not nested:
                connection.execute("BEGIN")
            yield SQLiteUnit(connection, short=budget is not None and budget < LONG_BUDGET, pace=pace)
        except apsw.InterruptError as error:
            if budget is None:
                raise fault("SqlTimeout") from error
            raise BudgetExceeded from error
        except (apsw.Error, UnicodeEncodeError) as error:
            raise _fault(error) from error
        finally:
            connection.set_progress_handler(None)
            if not nested and connection.in_transaction:
                connection.execute("ROLLBACK")

    @contextmanager
    def write(self) -> Iterator["SQLiteUnit"]:
        """A transaction: committed at the end, rolled back on an exception."""
        connection = self._writer
        with self._turn():
            nested = connection.in_transaction
            if nested:
                raise RuntimeError("a thread has one writing unit of work at a time")
            try:
                connection.execute("BEGIN IMMEDIATE")
                unit = SQLiteUnit(connection)
                yield unit
                unit.finish()
                connection.execute("COMMIT")
            except (apsw.Error, UnicodeEncodeError) as error:
                raise _fault(error) from error
            finally:
                if connection.in_transaction:
                    connection.execute("ROLLBACK")

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Keeps other processes out of a block of the same kind: by a lock on an empty database beside the file."""
        if self._memory:
            yield
            return
        with _faults():
            lock = apsw.Connection(f"{self._path}-founding")
            lock.set_busy_timeout(1000 * WRITER_SECONDS)
            try:
                lock.execute("BEGIN EXCLUSIVE")
                yield
            finally:
                lock.close()

    def horizon(self) -> int:
        """The last change number: there is one writer, and its numbers are saved with its rows."""
        with self.read() as unit:
            return int(unit.read_setting(COUNTER) or 0)

    def load_schema(self) -> Schema:
        """The saved schema."""
        with self.read() as unit:
            return saved.read_schema(unit.rows(_statements.read_definitions, ()))

    def schema_version(self) -> int:
        """The version of the saved schema, 0 when there is none."""
        with self.read() as unit:
            return unit.schema_version()

    def close(self) -> None:
        """Close every connection; the last one folds the write-ahead log into the file."""
        self.snapshots.close()
        for connection in self._opened:
            connection.close()


class SQLiteUnit(BaseUnit):
    """One transaction on one connection."""

    def __init__(
        self,
        connection: apsw.Connection,
        statements: Statements = _statements,
        *,
        short: bool = False,
        pace: Pace | None = None,
    ) -> None:
        super().__init__(statements)
        self._connection = connection
        self._short = short
        self._pace = pace
        self._version: int | None = None

    def rows(self, sql: str, arguments: Sequence[Any]) -> Iterable[Sequence[Any]]:
        """Rows in the driver's form."""
        return self._connection.execute(sql, arguments)

    def change(self, sql: str, arguments: Sequence[Any], table: Table | None = None) -> int:
        """Run a statement; how many rows it changed."""
        try:
            self._connection.execute(sql, arguments)
        except apsw.ConstraintError as error:
            raise _taken(error, () if table is None else (table,)) from error
        return self._connection.changes()

    def insert_many(self, table: Table, line: Line, rows: Sequence[Sequence[Any]]) -> None:
        """Add rows of the same columns."""
        self._change_each(table, line.sql, rows)

    def find_many(
        self, table: Table, columns: Sequence[str], rows: Sequence[Sequence[Any]]
    ) -> list[str | None]:
        """The id of a row for each tuple of values: there is nobody to save round trips to."""
        encode = [self.statements.encoder(table.columns[name]) for name in columns]
        line = [
            [*(e(v) if e else v for e, v in zip(encode, row, strict=True)), n] for n, row in enumerate(rows)
        ]
        found: list[str | None] = [None] * len(rows)
        sql = self.statements.find_many(table, tuple(columns))
        for place, id in self._connection.executemany(sql, line):
            found[place] = id
        return found

    def change_many(self, table: Table, names: tuple[str, ...], lines: Sequence[Sequence[Any]]) -> None:
        """Set SQL columns of many rows."""
        self._change_each(table, self.statements.update(table, names), lines)

    def _change_each(self, table: Table, sql: str, rows: Sequence[Sequence[Any]]) -> None:
        try:
            self._connection.executemany(sql, rows)
        except apsw.ConstraintError as error:
            raise _taken(error, (table,)) from error

    def run(self, sql: Iterable[str], tables: Iterable[Table] = ()) -> None:
        """Run statements without parameters. ``tables`` are for the faults of their keys."""
        try:
            for text in sql:
                self._connection.execute(text)
        except apsw.ConstraintError as error:
            raise _taken(error, tables) from error

    def fetch(self, plan: Plan, params: Sequence[Any]) -> list[Sequence[Any]]:
        """Run a plan. Raises BudgetExceeded in a short unit when matching texts may take long."""
        self._leave_matching(plan, params)
        if self._pace is not None and plan.limit is not None and has_two_ways(plan):
            return self._race(self._pace, plan, params, params[plan.limit.index])
        try:
            return super().fetch(plan, params)
        except apsw.SQLError as error:
            return self._for_larger_sums(error).fetch(plan, params)

    def _race(self, pace: Pace, plan: Plan, params: Sequence[Any], limit: int) -> list[Sequence[Any]]:
        """Run a plan by whichever of two ways ends first."""
        for statements, steps in _ways.turns(plan, limit):
            with pace.turn(steps) as turn:
                try:
                    return SQLiteUnit(self._connection, statements).fetch(plan, params)
                except apsw.InterruptError:
                    if turn.late:
                        raise
        raise AssertionError("turns have no end")

    def count(self, plan: Plan, params: Sequence[Any], limit: int | None) -> int:
        """Count the rows of a plan. Raises BudgetExceeded as ``fetch`` does."""
        self._leave_matching(plan, params)
        try:
            return super().count(plan, params, limit)
        except apsw.SQLError as error:
            return self._for_larger_sums(error).count(plan, params, limit)

    def _leave_matching(self, plan: Plan, params: Sequence[Any]) -> None:
        if self._short:
            for like in likes(plan):
                memo = isinstance(like.of, Col) and like.of.column.type == "memo"
                if memo or len(params[like.pattern.index] or "") > SHORT_PATTERN:
                    raise BudgetExceeded

    def _for_larger_sums(self, error: apsw.SQLError) -> "SQLiteUnit":
        """The same transaction with texts whose sums do not overflow, when it is that what happened."""
        if "Expression tree is too large" in str(error):
            raise fault("QueryTooComplex", limit="the database") from error
        if "integer overflow" not in str(error) or self.statements is _larger_sums:
            raise error
        return SQLiteUnit(self._connection, _larger_sums)

    def next_version(self, count: int = 1) -> int:
        """Take change numbers. Nobody else writes in the meantime, so the counter is kept here until ``finish``."""
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
        try:
            with super().savepoint():
                yield
        except (apsw.Error, UnicodeEncodeError) as error:
            raise _fault(error) from error

    def undo(self, savepoint: str) -> None:
        """Go back to a savepoint and forget it; raises RolledBack when SQLite has rolled everything back already."""
        if not self._connection.in_transaction:
            raise RolledBack
        super().undo(savepoint)


def _write_ahead(connection: apsw.Connection) -> None:
    """Turn the write-ahead log on. SQLite does not wait for others who do the same to a new file, so this does."""
    end = time.monotonic() + BUSY_MILLISECONDS / 1000
    while True:
        try:
            connection.pragma("journal_mode", "wal")
            return
        except apsw.BusyError:
            if time.monotonic() > end:
                raise
        time.sleep(RETRY_SECONDS)


def _casefold(*values: Any) -> Any:
    (value,) = values
    return value.casefold() if isinstance(value, str) else value


def _like_classes(*values: Any) -> int | None:
    text, pattern = values
    if not isinstance(text, str) or not isinstance(pattern, str):
        return None
    return int(python_pattern(pattern).fullmatch(text) is not None)


def _taken(error: apsw.ConstraintError, tables: Iterable[Table]) -> Fault:
    """The fault that names the key."""
    match = re.search(r"UNIQUE constraint failed: (.+)", str(error))
    if match is None:
        return fault("StoreFailure", hint=str(error))
    for table in tables:
        for key in table.keys:
            if match[1] == ", ".join(f"{short(table.logical_name)}.{short(name)}" for name in key.columns):
                return fault("DuplicateKey", columns=", ".join(key.columns), table=table.logical_name)
    return fault("DuplicateRecord")


@contextmanager
def _faults() -> Iterator[None]:
    try:
        yield
    except (apsw.Error, UnicodeEncodeError) as error:
        raise _fault(error) from error


def _fault(error: Exception) -> Fault:
    match error:
        case UnicodeEncodeError():
            return fault("InvalidArgument", message="A text with an unpaired surrogate matches nothing.")
        case apsw.BusyError() | apsw.LockedError():
            return fault("StoreBusy")
        case apsw.InterruptError():
            return fault("SqlTimeout")
        case apsw.TooBigError():
            return fault("PayloadTooLarge", limit="1,000,000,000")
        case apsw.ConstraintError() if "UNIQUE" in str(error):
            return fault("DuplicateRecord")
        case apsw.SQLError() if re.search(r"too (large|many|complex|deep)|at most|overflow", str(error)):
            return fault("QueryTooComplex", limit=f"the database: {error}")
    return fault("StoreFailure", hint=str(error))
