"""A database per module and kind, with the small organisation in it."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from orgstead.engine.ports import Store
from orgstead.model.schema import Schema
from orgstead.store.open import MEMORY, open_store
from tests.store.store_pieces import SMALL, Database

FILES = ("sqlite", "postgres")
EVERY = ("sqlite", "memory", "postgres")

# Opens a new, empty database of the kind; its address is a directory, ":memory:" or a URL.
Open = Callable[[], tuple[Store, str]]


@contextmanager
def _opening(kind: str, directory: Path, new_postgres: Callable[[], Callable[[], str]]) -> Iterator[Open]:
    opened: list[Store] = []

    def make() -> tuple[Store, str]:
        match kind:
            case "memory":
                where = MEMORY
                store = open_store(MEMORY)
            case "sqlite":
                where = str(directory / f"data{len(opened)}")
                store = open_store(where)
            case _:
                where = new_postgres()()
                store = open_store("", where)
        opened.append(store)
        return store, where

    yield make
    for store in opened:
        store.close()


def _database(open_empty: Open, schema: Schema) -> Database:
    store, url = open_empty()
    with store.write() as unit:
        unit.migrate(Schema.empty(), schema)
    return Database(store, schema, url)


@pytest.fixture(scope="module", params=FILES)
def empty(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Open]:
    """A function that opens a new, empty database that several may share."""
    with _opening(
        request.param,
        tmp_path_factory.mktemp("store"),
        lambda: request.getfixturevalue("new_postgres_database"),
    ) as make:
        yield make


@pytest.fixture(scope="module")
def database(empty: Open) -> Database:
    """The small organisation in a database of this module's own."""
    return _database(empty, SMALL)


@pytest.fixture(scope="module", params=EVERY)
def any_database(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Database]:
    """The small organisation, in memory as well."""
    with _opening(
        request.param,
        tmp_path_factory.mktemp("store"),
        lambda: request.getfixturevalue("new_postgres_database"),
    ) as make:
        yield _database(make, SMALL)
