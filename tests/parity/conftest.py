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


@pytest.fixture(scope="module", params=["sqlite", "postgres"])
def web(
    request: pytest.FixtureRequest,
    tmp_path_factory: pytest.TempPathFactory,
    new_postgres_database: Callable[[], str],
) -> Iterator[Web]:
    """A signed-in client of a new organisation on each database."""
    with opened(request.param, tmp_path_factory, new_postgres_database) as client:
        yield client


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
