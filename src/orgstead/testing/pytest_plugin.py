"""A plugin of pytest: an organisation for tests, as it was at the start for each of them.

``orgstead`` is the fixture for tests. ``orgstead_prepare`` may be overridden, with the scope of the session, to fill
the organisation once with what every test finds. The setting ``orgstead_args`` has further options of ``orgstead
serve``. Under pytest-xdist every worker has a server of its own.
"""

from collections.abc import Iterator
from importlib import import_module
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from orgstead.testing.server import Orgstead

__all__ = ["orgstead", "orgstead_prepare", "orgstead_server", "pytest_addoption"]

# What every test begins with.
BEGINNING = "session"


def pytest_addoption(parser: pytest.Parser) -> None:
    """Declare the setting ``orgstead_args``."""
    parser.addini(
        "orgstead_args", "options of `orgstead serve` for the tests' server", type="args", default=[]
    )


@pytest.fixture(scope="session")
def orgstead_server(
    pytestconfig: pytest.Config, tmp_path_factory: pytest.TempPathFactory
) -> "Iterator[Orgstead]":
    """The server of this session: a process of its own, on free ports, its data in memory."""
    # Imported when a test wants it: runs of pytest that have nothing to do with it start as fast as before.
    server = import_module("orgstead.testing.server")
    options = pytestconfig.getini("orgstead_args")
    with server.running_server(options, tmp_path_factory.mktemp("orgstead")) as found:
        yield found


@pytest.fixture(scope="session")
def orgstead_prepare(orgstead_server: "Orgstead") -> None:
    """Nothing; override it to fill the organisation before the first test."""


@pytest.fixture(scope="session")
def _orgstead_prepared(orgstead_server: "Orgstead", orgstead_prepare: object) -> "Orgstead":
    orgstead_server.snapshot.save(BEGINNING)
    return orgstead_server


@pytest.fixture
def orgstead(_orgstead_prepared: "Orgstead") -> "Orgstead":
    """The organisation as it was when the session began: rows, files, clock, no faults, an empty request log."""
    _orgstead_prepared.reset(BEGINNING)
    return _orgstead_prepared
