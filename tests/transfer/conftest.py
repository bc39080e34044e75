"""Files in and out through the command line, against a live server."""

import json
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from orgstead.cli import main
from orgstead.client import Client, ClientSecret
from orgstead.testing.plane import Plane
from tests.live import Live, live, trusted

__all__ = ["Live", "Run", "environment", "live", "trusted"]

Run = Callable[..., Result]


def environment(live: Live, home: Path) -> dict[str, str]:
    """What tells a command which organisation, and as whom; ``home`` holds its profiles."""
    return {
        "DATAVERSE_URL": live.http,
        "TENANT_ID": live.tenant_id,
        "CLIENT_ID": live.client_id,
        "CLIENT_SECRET": live.client_secret,
        "ORGSTEAD_CONFIG_DIR": str(home),
    }


@pytest.fixture
def run(live: Live, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Runs a command in an empty directory; it ends with ``code``, 0 unless said otherwise, None for any."""
    for name, value in environment(live, tmp_path / "settings").items():
        monkeypatch.setenv(name, value)
    monkeypatch.chdir(tmp_path)

    def call(*arguments: str | Path, code: int | None = 0) -> Result:
        result = CliRunner().invoke(main, [str(each) for each in arguments], catch_exceptions=False)
        assert code in (None, result.exit_code), result.output
        return result

    return call


@pytest.fixture(scope="session")
def client(live: Live) -> Iterator[Client]:
    """A client that is signed in as the application of development mode."""
    with Client(live.http, ClientSecret(client_id=live.client_id, client_secret=live.client_secret)) as made:
        yield made


@pytest.fixture
def plane(live: Live) -> Iterator[Plane]:
    """The live server's faults and throttling, which are ended with the test."""
    with Plane(live.http) as made:
        yield made
        made.faults.clear()
        made.throttle.clear()


def told(result: Result) -> dict[str, Any]:
    """The report that a command has printed as JSON."""
    found: dict[str, Any] = json.loads(result.stdout)
    return found


def lines(path: Path) -> Sequence[dict[str, Any]]:
    """The objects of a file of JSON lines."""
    return [json.loads(line) for line in path.read_text("utf-8").splitlines()]
