"""Which database: a directory with a SQLite file, memory, or a PostgreSQL URL."""

from importlib import import_module
from pathlib import Path

from orgstead.engine.ports import Store
from orgstead.errors import fault
from orgstead.store.sqlite import MEMORY, SQLiteStore

__all__ = ["MEMORY", "open_store"]

FILE = "organisation.sqlite"
POSTGRESQL = ("postgresql://", "postgres://")


def open_store(data: str, database_url: str | None = None) -> Store:
    """Open the organisation's database, making what is missing in it.

    Raises StoreFailure when it cannot be opened, InvalidArgument for an address of another kind of database.
    """
    if database_url:
        if not database_url.startswith(POSTGRESQL):
            raise fault("InvalidArgument", message="The address of a database starts with postgresql://.")
        return _postgres(database_url)
    if data == MEMORY:
        return SQLiteStore(MEMORY)
    directory = Path(data)
    directory.mkdir(parents=True, exist_ok=True, mode=0o700)
    return SQLiteStore(directory / FILE)


def _postgres(url: str) -> Store:
    # The driver is an extra.
    try:
        module = import_module("orgstead.store.postgres")
    except ImportError as error:
        raise fault(
            "StoreFailure", hint="PostgreSQL needs the extra: pip install orgstead[postgres]"
        ) from error
    store: Store = module.PostgresStore(url)
    return store
