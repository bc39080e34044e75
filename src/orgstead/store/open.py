"""Which database: a directory with a SQLite file, memory, or a PostgreSQL URL."""

from pathlib import Path

from orgstead.engine.ports import Store
from orgstead.store.sqlite import MEMORY, SQLiteStore

__all__ = ["open_store"]

FILE = "organisation.sqlite"


def open_store(data: str, database_url: str | None = None) -> Store:
    """Open the organisation's database, making it when it is not there."""
    if data == MEMORY:
        return SQLiteStore(MEMORY)
    directory = Path(data)
    directory.mkdir(parents=True, exist_ok=True, mode=0o700)
    return SQLiteStore(directory / FILE)
