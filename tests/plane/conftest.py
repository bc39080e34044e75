"""An organisation on each database, in memory too, with its admin plane; each test begins with a reset."""

import os
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from starlette.testclient import TestClient

from orgstead.app import Organisation, build_application, open_organisation
from orgstead.config import Config
from tests.parity.conftest import ORIGIN, Web

KINDS = ("memory", "sqlite", "postgres")


class PlaneWeb(Web):
    """A client that is signed in, and steers."""

    def __init__(self, client: TestClient, organisation: Organisation | None = None) -> None:
        super().__init__(client, organisation)
        self.first = self.token

    def plane(
        self, method: str, path: str, body: Any = None, *, status: int | None = None, **headers: str
    ) -> Any:
        """Ask the plane: what it answers, which is a success unless ``status`` says otherwise."""
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        answer = self.client.request(method, f"/_orgstead/{path}", json=body, headers=sent)
        if status is None:
            assert answer.status_code < 300, answer.text
        else:
            assert answer.status_code == status, answer.text
        return answer.json() if answer.content else None

    def names(self) -> list[str]:
        """The names of all accounts."""
        return sorted(row["name"] for row in self.get("accounts?$select=name").rows)


@pytest.fixture(scope="module", params=KINDS)
def opened(
    request: pytest.FixtureRequest,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[PlaneWeb]:
    """A new organisation on each database."""
    url = request.getfixturevalue("new_postgres_database")() if request.param == "postgres" else None
    data = ":memory:" if request.param == "memory" else str(tmp_path_factory.mktemp("organisation"))
    organisation = open_organisation(Config(data=data, database_url=url))
    with TestClient(build_application(organisation, [ORIGIN]), base_url=ORIGIN) as client:
        yield PlaneWeb(client, organisation)
    organisation.close()


@pytest.fixture
def web(opened: PlaneWeb) -> PlaneWeb:
    """The organisation as it was at its start."""
    for each in opened.plane("GET", "snapshots")["snapshots"]:
        if each["name"] != "start":
            opened.plane("DELETE", f"snapshots/{each['name']}")
    opened.plane("POST", "reset")
    opened.token = opened.first
    return opened


@pytest.fixture(scope="module")
def new_organisation(
    tmp_path_factory: pytest.TempPathFactory,
) -> Callable[..., Any]:
    """A function that opens another organisation in a directory of its own."""

    def make(**settings: Any) -> Any:
        settings.setdefault("data", str(tmp_path_factory.mktemp(f"organisation{os.getpid()}")))
        return open_organisation(Config(**settings))

    return make
