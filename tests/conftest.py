"""What tests of every kind share: settings of the tools, and a PostgreSQL of their own."""

import os
import tempfile
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path
from typing import Any

import psycopg
import pytest
from hypothesis import settings

from scripts import private_postgres

ROOT = pytest.StashKey[Path]()
OWNER = pytest.StashKey[int]()

# Two shared cores make any deadline of one example a coin toss; the timeout of a test is the bound.
settings.register_profile("house", deadline=None, print_blob=True)
settings.load_profile("house")

# What a developer has set for a server of theirs steers no test.
for name in [name for name in os.environ if name.startswith("ORGSTEAD_")]:
    del os.environ[name]


def pytest_configure(config: pytest.Config) -> None:
    """The first process makes a directory that all workers of this run share.

    pytest's own temporary directories are closed to other users, and PostgreSQL may have to run as one.
    """
    worker: dict[str, Any] | None = getattr(config, "workerinput", None)
    config.stash[ROOT] = Path(worker["root"] if worker else tempfile.mkdtemp(prefix="orgstead-tests-"))
    config.stash[OWNER] = worker["owner"] if worker else os.getpid()
    # Nor do their profiles.
    os.environ["ORGSTEAD_CONFIG_DIR"] = str(config.stash[ROOT] / "no-profiles")


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    """Tell a worker of pytest-xdist what its run shares."""
    node.workerinput["root"] = str(node.config.stash[ROOT])
    node.workerinput["owner"] = node.config.stash[OWNER]


def pytest_unconfigure(config: pytest.Config) -> None:
    if not hasattr(config, "workerinput") and ROOT in config.stash:
        private_postgres.stop(config.stash[ROOT])


@pytest.fixture(scope="session")
def postgres_url(pytestconfig: pytest.Config) -> str:
    """The address of this run's own PostgreSQL cluster: one for all workers, started when first wanted.

    Its database is for administration; make another by ``new_postgres_database``.
    """
    return private_postgres.ensure(pytestconfig.stash[ROOT], pytestconfig.stash[OWNER])


@pytest.fixture(scope="session")
def new_postgres_database(postgres_url: str) -> Callable[[], str]:
    """A function that makes an empty database and returns its address."""
    numbers = count(1)

    def make() -> str:
        name = f"test_{os.getpid()}_{next(numbers)}"
        with psycopg.connect(postgres_url, autocommit=True) as connection:
            connection.execute(f'CREATE DATABASE "{name}"')  # type: ignore[arg-type, unused-ignore]
        return postgres_url.removesuffix("postgres") + name

    return make


@pytest.fixture(scope="module")
def postgres_database(postgres_url: str, new_postgres_database: Callable[[], str]) -> Iterator[str]:
    """The address of a database that is this module's own and empty at its start."""
    url = new_postgres_database()
    yield url
    with psycopg.connect(postgres_url, autocommit=True) as connection:
        connection.execute(f'DROP DATABASE "{url.rpartition("/")[2]}" WITH (FORCE)')  # type: ignore[arg-type, unused-ignore]
