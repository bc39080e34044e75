"""Actions with clients of both colours against a live server; every answer is held against its schema."""

import inspect
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from orgstead.actions import TOOLKIT
from orgstead.client import Retry, new_id
from orgstead.identity.development import ADMIN_UPN
from orgstead.testing.plane import Plane
from tests.client.conftest import Make, client, make
from tests.live import Live, live, trusted

__all__ = [
    "ADMIN_UPN",
    "CONTRACT",
    "SWIFT",
    "Act",
    "Live",
    "Make",
    "acting",
    "client",
    "live",
    "make",
    "trusted",
]

CONTRACT: dict[str, Any] = json.loads((Path(__file__).parent / "contract.json").read_text("utf-8"))
"""What the eleven actions take and answer, as published."""

SWIFT = Retry(first=0.01, longest=0.1, budget=60)
Act = Callable[..., dict[str, Any]]


def acting(client: Any) -> Act:
    """A function that runs an action by its name with a client, and checks what it answers."""

    def act(action: str, /, **arguments: Any) -> dict[str, Any]:
        found = TOOLKIT[action]
        result = found.run(getattr(client, "inner", client), arguments)
        if inspect.iscoroutine(result):
            result = client.loop.run_until_complete(result)
        assert isinstance(result, found.result)
        answer: dict[str, Any] = json.loads(json.dumps(result.to_json()))
        jsonschema.validate(answer, found.output_schema)
        if action in CONTRACT:
            jsonschema.validate(answer, CONTRACT[action]["output"])
        if not answer["success"]:
            assert answer["error"]
        return answer

    return act


@pytest.fixture
def act(client: Any) -> Act:
    return acting(client)


@pytest.fixture
def plane(live: Live) -> Iterator[Plane]:
    """The live server's faults, throttling and clock, which are put back with the test's end."""
    with Plane(live.http) as made:
        made.forget_requests()
        yield made
        made.faults.clear()
        made.throttle.clear()
        made.clock.resume()


@pytest.fixture
def account(client: Any) -> str:
    """The id of an account of the test's own."""
    made: str = client.records.create("account", {"name": f"Account {new_id()}"})
    return made
