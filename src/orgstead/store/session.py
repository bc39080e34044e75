"""A connection as units of work use it: prepared statements by their text, failures as faults.

It speaks to libpq directly, which on a point read takes a third of the processor time that a cursor of psycopg takes
and lets other threads run meanwhile. Rows come as text through psycopg's own loaders.
"""

from collections.abc import Iterable, Sequence
from itertools import count
from typing import Any

import psycopg
from psycopg.adapt import Transformer
from psycopg.pq import DiagnosticField, ExecStatus, TransactionStatus
from psycopg.pq.abc import PGresult
from psycopg.rows import tuple_row
from psycopg.types.string import TextLoader

from orgstead.errors import Fault, fault
from orgstead.model.schema import Table
from orgstead.store.ddl import key_index
from orgstead.store.identifiers import short

__all__ = ["Connection", "Lost", "Session"]

# Texts that a connection remembers. A text is prepared when it comes for the second time.
KEPT = 1000
_NEW = b""
_GOOD = (ExecStatus.TUPLES_OK, ExecStatus.COMMAND_OK)
_BEGIN = b"BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE"

# Their text is the canonical form, or near it.
AS_TEXT = ("uuid", "date", "timestamptz")

# https://www.postgresql.org/docs/current/errcodes-appendix.html
STALE = frozenset({b"0A000", b"26000"})
BUSY = frozenset({"40001", "40P01", "53300", "55P03", "57P01", "57P02", "57P03"})
# 2201B: a pattern that has become too long a regular expression.
COMPLEX = frozenset({"2201B", "54001", "54011", "54023"})
UNFIT = frozenset({"22003", "22007", "22008", "22021", "22P02"})


class Lost(Exception):
    """The connection has ended."""


class Connection(psycopg.Connection[Any]):
    """A connection with its session."""

    def __init__(self, pgconn: psycopg.pq.abc.PGconn, row_factory: Any = tuple_row) -> None:
        super().__init__(pgconn, row_factory)
        for name in AS_TEXT:
            self.adapters.register_loader(name, TextLoader)
        self.session = Session(self)


class Session:
    """Runs statements on a connection. Raises faults, and Lost when the connection ended outside of a transaction."""

    def __init__(self, connection: Connection) -> None:
        self._pgconn = connection.pgconn
        self._loaders = Transformer(connection)
        # The name of a prepared statement by its text, or that the text has been seen once.
        self._names: dict[str, bytes | None] = {}
        self._numbers = count(1)

    def rows(self, sql: str, arguments: Sequence[bytes | None]) -> list[tuple[Any, ...]]:
        """The rows of a query."""
        result = self._execute(sql, arguments, None)
        loaders = self._loaders
        loaders.set_pgresult(result)
        rows: list[tuple[Any, ...]] = loaders.load_rows(0, result.ntuples, tuple)
        loaders.set_pgresult(None)
        return rows

    def change(self, sql: str, arguments: Sequence[bytes | None], table: Table | None = None) -> int:
        """How many rows a statement changed."""
        return self._execute(sql, arguments, table).command_tuples or 0

    def copy(self, sql: str, lines: Iterable[bytes], table: Table) -> None:
        """Add rows by COPY in its text format; a line ends in a line feed."""
        inside = self._pgconn.transaction_status != TransactionStatus.IDLE
        try:
            result = self._pgconn.exec_(sql.encode())
            if result.status == ExecStatus.COPY_IN:
                for line in lines:
                    self._pgconn.put_copy_data(line)
                self._pgconn.put_copy_end()
                result = self._pgconn.get_result() or result
                while self._pgconn.get_result() is not None:
                    pass
        except psycopg.Error as error:
            raise self._lost(inside) from error
        if result.status not in _GOOD:
            raise self._failed(result, (table,), inside)

    def script(self, sql: str, tables: Iterable[Table] = ()) -> None:
        """Run statements without parameters in one round trip, all or nothing."""
        if sql:
            self._simple(sql.encode(), tables)

    def begin(self) -> None:
        """Start a transaction."""
        self._simple(_BEGIN)

    def commit(self) -> None:
        """End the transaction well. Raises StoreFailure when it cannot, or when nobody knows whether it did."""
        if self._pgconn.transaction_status == TransactionStatus.INERROR:
            raise fault(
                "StoreFailure", hint="A statement failed and the transaction went on: it was rolled back."
            )
        try:
            self._simple(b"COMMIT")
        except Lost as error:
            raise fault("StoreFailure", hint="The connection ended during COMMIT.") from error

    def rollback(self) -> None:
        """End the transaction, if there is one, without effect."""
        if self._pgconn.transaction_status in (TransactionStatus.INTRANS, TransactionStatus.INERROR):
            try:
                self._pgconn.exec_(b"ROLLBACK")
            except psycopg.Error:
                # The connection has ended, and the transaction with it.
                return

    def _simple(self, sql: bytes, tables: Iterable[Table] = ()) -> None:
        inside = self._pgconn.transaction_status != TransactionStatus.IDLE
        try:
            result = self._pgconn.exec_(sql)
        except psycopg.Error as error:
            raise self._lost(inside) from error
        if result.status not in _GOOD:
            raise self._failed(result, tables, inside)

    def _execute(self, sql: str, arguments: Sequence[bytes | None], table: Table | None) -> PGresult:
        # psycopg's types leave out that a parameter may be None, which it documents as null.
        pgconn: Any = self._pgconn
        inside = pgconn.transaction_status != TransactionStatus.IDLE
        try:
            name = self._names.get(sql, _NEW)
            result: PGresult = (
                pgconn.exec_prepared(name, arguments) if name else self._early(sql, arguments, name)
            )
            if result.status in _GOOD:
                return result
            if result.error_field(DiagnosticField.SQLSTATE) in STALE and self._names.pop(sql, None):
                # The table has changed since the statement was prepared.
                if inside:
                    raise fault("StoreBusy")
                result = pgconn.exec_params(sql.encode(), arguments)
                if result.status in _GOOD:
                    return result
        except psycopg.Error as error:
            raise self._lost(inside) from error
        raise self._failed(result, () if table is None else (table,), inside)

    def _early(self, sql: str, arguments: Sequence[bytes | None], name: bytes | None) -> PGresult:
        """A text that comes for the first or second time."""
        if name is not None:
            # Seen for the first time.
            if len(self._names) >= KEPT:
                self._forget()
            self._names[sql] = None
            return self._pgconn.exec_params(sql.encode(), arguments)
        name = b"o%d" % next(self._numbers)
        prepared = self._pgconn.prepare(name, sql.encode())
        if prepared.status not in _GOOD:
            return prepared
        self._names[sql] = name
        pgconn: Any = self._pgconn
        executed: PGresult = pgconn.exec_prepared(name, arguments)
        return executed

    def _forget(self) -> None:
        """Forget the older half; what is in use will be prepared again."""
        for sql in list(self._names)[: KEPT // 2]:
            name = self._names.pop(sql)
            if name:
                self._pgconn.exec_(b"DEALLOCATE " + name)

    def _lost(self, inside: bool) -> Exception:
        return fault("StoreBusy", hint="The connection to PostgreSQL has ended.") if inside else Lost()

    def _failed(self, result: PGresult, tables: Iterable[Table], inside: bool) -> Exception:
        state = (result.error_field(DiagnosticField.SQLSTATE) or b"").decode()
        if not state or state.startswith("08"):
            return self._lost(inside)
        message = (result.error_field(DiagnosticField.MESSAGE_PRIMARY) or b"").decode(errors="replace")
        if state == "23505":
            return _taken((result.error_field(DiagnosticField.CONSTRAINT_NAME) or b"").decode(), tables)
        if state == "57014":
            return fault("SqlTimeout")
        if state in BUSY:
            return fault("StoreBusy", hint=message)
        if state in COMPLEX:
            return fault("QueryTooComplex", limit=f"the database: {message}")
        if state == "54000":
            return fault(
                "InvalidArgument", message="A value is too long for the key or the index that holds it."
            )
        if state in UNFIT:
            return fault(
                "InvalidArgument", message="A value does not fit what it is compared with or kept in."
            )
        return fault("StoreFailure", hint=f"PostgreSQL {state}: {message}")


def _taken(constraint: str, tables: Iterable[Table]) -> Fault:
    """The fault that names the key."""
    for table in tables:
        for key in table.keys:
            if short(key_index(table, key)) == constraint:
                return fault("DuplicateKey", columns=", ".join(key.columns), table=table.logical_name)
    return fault("DuplicateRecord")
