"""Clients ride through the 429s of a server that allows a few requests, with the retry code that they have."""

import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeVar

import pytest
from azure.identity import ClientSecretCredential
from PowerPlatform.Dataverse.client import DataverseClient
from PowerPlatform.Dataverse.core.errors import HttpError

from tests.live import Live, served

SCRIPTS = Path(__file__).parent / "js"

T = TypeVar("T")


@pytest.fixture(scope="module")
def strict(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Live]:
    """A server that answers five requests in two seconds."""
    data = tmp_path_factory.mktemp("strict")
    with served(data, limits="on", limit_requests="5", limit_window_seconds="2") as (live, _):
        yield live


def patiently(call: Callable[[], T], told: list[HttpError]) -> T:
    """What the client's documentation says: try again what is transient, after as long as the error says."""
    while True:
        try:
            return call()
        except HttpError as error:
            if not error.is_transient:
                raise
            told.append(error)
            time.sleep(error.details["retry_after"])


def test_microsofts_python_client_gets_everything_done(strict: Live, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", strict.ca)
    monkeypatch.setenv("SSL_CERT_FILE", strict.ca)
    credential = ClientSecretCredential(
        strict.tenant_id,
        strict.client_id,
        strict.client_secret,
        authority=strict.https,
        disable_instance_discovery=True,
    )
    told: list[HttpError] = []
    with DataverseClient(strict.https, credential) as client:
        names = [f"Patient {number}" for number in range(14)]
        for name in names:
            patiently(lambda name=name: client.records.create("account", {"name": name}), told)
        rows = patiently(
            lambda: list(
                client.records.list("account", select=["name"], filter="startswith(name,'Patient ')")
            ),
            told,
        )
    assert sorted(row["name"] for row in rows) == sorted(names)
    assert len(told) >= 2
    assert {error.details["retry_after"] for error in told} <= {1, 2}
    assert {(error.status_code, error.details["service_error_code"]) for error in told} == {
        (429, "0x80072322")
    }


def test_dynamics_web_api_gets_everything_done(strict: Live) -> None:
    environment = {
        **strict.environment,
        "LIVE_URL": strict.https,
        "LIVE_HTTP": strict.http,
        "LIVE_TENANT": strict.tenant_id,
        "LIVE_CLIENT": strict.client_id,
        "LIVE_SECRET": strict.client_secret,
    }
    done = subprocess.run(
        ["node", "--test", "--test-reporter=tap", "throttled.mjs"],
        cwd=SCRIPTS, env=environment, capture_output=True, text=True, timeout=100, check=False,
    )  # fmt: skip
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
