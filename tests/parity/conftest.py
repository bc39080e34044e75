"""A whole organisation on each database, driven through its ASGI door."""

import itertools
import json
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import pytest
from starlette.testclient import TestClient

from orgstead.app import Organisation, build_application, open_organisation
from orgstead.config import Config
from orgstead.identity.development import CLIENT_ID, CLIENT_SECRET, TENANT_ID
from tests.parity.bridge.wires import BOTH_WIRES, ODATA_ALONE, PARTLY

ORIGIN = "http://localhost:5365"
ROOT = f"{ORIGIN}/api/data/v9.2/"


@dataclass(frozen=True, slots=True)
class Answer:
    """Status, headers and body of an answer."""

    status: int
    headers: Mapping[str, str]
    text: str

    @property
    def json(self) -> Any:
        """The body as JSON, numbers with decimal places as they are."""
        return json.loads(self.text)

    @property
    def rows(self) -> list[dict[str, Any]]:
        """The rows of a page."""
        assert self.status == 200, self.text
        found: list[dict[str, Any]] = self.json["value"]
        return found

    @property
    def fault(self) -> tuple[int, str]:
        """Status and code of a failure."""
        return self.status, self.json["error"]["code"]

    @property
    def id(self) -> str:
        """The id in OData-EntityId."""
        assert self.status < 300, self.text
        return self.headers["OData-EntityId"].rpartition("(")[2].rstrip(")")


class Web:
    """A client of the Web API that is signed in as the development application."""

    def __init__(self, client: TestClient, organisation: Organisation | None = None) -> None:
        self.client = client
        self.organisation = organisation
        self.token = ""
        self.numbers = itertools.count(1)
        self.sign_in()

    def sign_in(self) -> None:
        """Get a new token."""
        answer = self.client.post(
            f"/{TENANT_ID}/oauth2/v2.0/token",
            data={
                "grant_type": "client_credentials",
                "client_id": CLIENT_ID,
                "client_secret": CLIENT_SECRET,
                "scope": f"{ORIGIN}/.default",
            },
        )
        self.token = answer.json()["access_token"]

    def call(self, method: str, path: str, body: Any = None, **headers: str) -> Answer:
        """Send a request; header names have underscores for hyphens."""
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        sent.setdefault("authorization", f"Bearer {self.token}")
        content = body if isinstance(body, bytes | None) else json.dumps(body).encode()
        if content is not None:
            sent.setdefault("content-type", "application/json")
        url = path if path.startswith("http") else f"/api/data/v9.2/{path}"
        answer = self.client.request(method, url, content=content, headers=sent)
        return Answer(answer.status_code, answer.headers, answer.text)

    def get(self, path: str, **headers: str) -> Answer:
        """GET."""
        return self.call("GET", path, **headers)

    def make(self, entity_set: str, **values: Any) -> str:
        """Create a row; its id."""
        return self.call("POST", entity_set, values).id

    def ended(self, job: str) -> dict[str, Any]:
        """A system job once it has ended, or waits for its next run."""
        for _ in range(20_000):
            row: dict[str, Any] = self.get(f"asyncoperations({job})").json
            if row["statecode"] == 3 or (row["statecode"] == 1 and row["completedon"]):
                return row
        raise AssertionError(f"the job has not ended: {row}")

    def name(self, text: str) -> str:
        """A name that no other test has."""
        return f"{text} {next(self.numbers)}"


class Clock:
    """A clock that a test moves."""

    def __init__(self) -> None:
        self.now = 1_800_000_000.0

    def __call__(self) -> float:
        return self.now


OVER_SOAP = "-soap"


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Every scenario runs on each database, those of ``BOTH_WIRES`` over SOAP as well."""
    if "web" in metafunc.fixturenames:
        both = metafunc.module.__name__.rpartition(".")[2] in BOTH_WIRES
        ways = [
            f"{database}{wire}" for wire in ("", OVER_SOAP)[: 1 + both] for database in ("sqlite", "postgres")
        ]
        metafunc.parametrize("web", ways, indirect=True, scope="module")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Scenarios that are OData's alone are not heard over SOAP."""
    alone = [item for item in items if _over_soap(item) and _test(item) in ODATA_ALONE]
    if alone:
        items[:] = [item for item in items if item not in set(alone)]
        config.hook.pytest_deselected(items=alone)


def _over_soap(item: pytest.Item) -> bool:
    held = getattr(item, "callspec", None)
    return held is not None and str(held.params.get("web", "")).endswith(OVER_SOAP)


def _test(item: pytest.Item) -> str:
    module = item.path.stem.removeprefix("test_parity_")
    return f"{module}.{getattr(item, 'originalname', item.name)}"


@pytest.fixture(scope="module")
def web(
    request: pytest.FixtureRequest,
    tmp_path_factory: pytest.TempPathFactory,
    new_postgres_database: Callable[[], str],
) -> Iterator[Web]:
    """A signed-in client of a new organisation on each database."""
    database = request.param.removesuffix(OVER_SOAP)
    with opened(database, tmp_path_factory, new_postgres_database) as client:
        if database == request.param:
            yield client
        else:
            # It is a client of the same class, which this module defines.
            from tests.parity.bridge.over_soap import OverSoap

            assert client.organisation is not None
            yield OverSoap(client.client, client.organisation)


@pytest.fixture(autouse=True)
def heard(request: pytest.FixtureRequest) -> Iterator[None]:
    """A scenario over SOAP sends something over SOAP, or it is OData's alone and listed as that."""
    if not _over_soap(request.node):
        yield
        return
    ledger = request.getfixturevalue("web").ledger
    ledger.clear()
    yield
    assert ledger.sent or _test(request.node) in PARTLY, f"nothing of it went over SOAP: {dict(ledger.alone)}"


@contextmanager
def opened(
    database: str,
    tmp_path_factory: pytest.TempPathFactory,
    new_postgres_database: Callable[[], str],
    *,
    clock: Callable[[], float] = time.time,
    **settings: Any,
) -> Iterator[Web]:
    """A signed-in client of a new organisation on a database."""
    url = new_postgres_database() if database == "postgres" else None
    data = str(tmp_path_factory.mktemp("organisation"))
    config = Config(data=data, database_url=url, **{"sample": False, **settings})
    organisation = open_organisation(config, clock=clock)
    application = build_application(organisation, [ORIGIN])
    with TestClient(application, base_url=ORIGIN) as client:
        yield Web(client, organisation)
    organisation.close()
