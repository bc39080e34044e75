"""Which database: a directory with a SQLite file, memory, or a PostgreSQL URL."""

from importlib import import_module
from pathlib import Path

from orgstead.engine.ports import Blobs, Store
from orgstead.errors import fault
from orgstead.store.blobs import DirectoryBlobs, MemoryBlobs
from orgstead.store.sqlite import MEMORY, SQLiteStore

__all__ = ["MEMORY", "open_blobs", "open_store"]

FILE = "organisation.sqlite"
FILES = "files"
S3 = "s3://"
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


def open_blobs(data: str, files: str | None = None) -> Blobs:
    """Where the content of files lies: in the directory or at the URL ``files``, beside the database, or in memory.

    Raises InvalidArgument for a URL of another kind of storage, StoreFailure when it cannot be reached.
    """
    if files is not None and "://" in files:
        if not files.startswith(S3):
            raise fault("InvalidArgument", message="The address of a storage of files starts with s3://.")
        return _objects(files)
    if files is None and data == MEMORY:
        return MemoryBlobs()
    return DirectoryBlobs(Path(files) if files is not None else Path(data) / FILES)


def _objects(url: str) -> Blobs:
    # The client is an extra.
    try:
        module = import_module("orgstead.store.objects")
    except ImportError as error:
        raise fault("StoreFailure", hint="Files in S3 need the extra: pip install orgstead[s3]") from error
    blobs: Blobs = module.ObjectBlobs(url)
    return blobs


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
