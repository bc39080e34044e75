"""The ceiling's SQLite file: the comparison's two tables, typed columns and five indexes, nothing else."""

from collections.abc import Iterable, Mapping
from pathlib import Path

import apsw

from bench import rows

__all__ = ["connect", "fill", "insert"]

INDEXED = ("name", "accountnumber", "emailaddress1", "createdon", "primarycontactid")


def connect(file: Path) -> apsw.Connection:
    """Open ``file`` as the server under test does: WAL, a commit is on the disk before it returns."""
    connection = apsw.Connection(str(file), statementcachesize=500)
    connection.execute("PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; PRAGMA cache_size=-65536")
    return connection


def fill(file: Path, count: int) -> None:
    """Create ``file`` with ``count`` contacts and as many accounts."""
    connection = connect(file)
    with connection:
        for table, columns in (("contacts", rows.CONTACT), ("accounts", rows.ACCOUNT)):
            connection.execute(ddl(table, columns))
        for column in INDEXED:
            connection.execute(f"CREATE INDEX accounts_{column} ON accounts ({column})")
        connection.executemany(
            insert("contacts", rows.CONTACT), (tuple(row.values()) for row in rows.contacts(count))
        )
        connection.executemany(
            insert("accounts", rows.ACCOUNT), (tuple(row.values()) for row in rows.accounts(count))
        )
    connection.execute("ANALYZE")
    connection.close()


def ddl(table: str, columns: Mapping[str, str]) -> str:
    key, *others = columns
    collate = {"TEXT": "TEXT COLLATE NOCASE"}
    body = ", ".join(f"{name} {collate.get(columns[name], columns[name])}" for name in others)
    return f"CREATE TABLE {table} ({key} TEXT NOT NULL PRIMARY KEY, {body}) WITHOUT ROWID"


def insert(table: str, columns: Iterable[str]) -> str:
    """The INSERT of one row with the named columns, in that order."""
    names = tuple(columns)
    return f"INSERT INTO {table} ({', '.join(names)}) VALUES ({', '.join('?' * len(names))})"
