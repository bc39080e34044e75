"""A server as a user starts it: dropped connections, commands, many writers over sockets."""

import json
import socket
import ssl
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest
import requests
from click.testing import CliRunner

from orgstead.cli import main
from orgstead.testing.plane import PlaneError
from orgstead.testing.server import Orgstead, running_server

DATABASES = ("memory", "file", "postgres")


@pytest.fixture(scope="module", params=DATABASES)
def server(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Orgstead]:
    """A server on each database."""
    directory = tmp_path_factory.mktemp("server")
    options = ["--data", str(directory / "data")]
    match request.param:
        case "memory":
            options = []
        case "postgres":
            options += ["--database-url", request.getfixturevalue("new_postgres_database")()]
    with running_server(options, directory) as found:
        yield found


@pytest.fixture
def org(server: Orgstead) -> Orgstead:
    """The server as it was at its start."""
    server.reset()
    return server


def call(org: Orgstead, method: str, path: str, body: Any = None, *, url: str = "") -> httpx2.Response:
    headers = {"Authorization": f"Bearer {org.token()}"}
    context = ssl.create_default_context(cafile=str(org.ca))
    address = f"{url or org.url}/api/data/v9.2/{path}"
    return httpx2.request(method, address, headers=headers, json=body, verify=context, timeout=60)


def names(org: Orgstead) -> list[str]:
    return sorted(row["name"] for row in call(org, "GET", "accounts?$select=name").json()["value"])


@pytest.mark.parametrize("secure", [False, True], ids=["http", "https"])
@pytest.mark.parametrize(("when", "left"), [("before", []), ("after", ["Twice?"])])
def test_a_dropped_connection_ends_without_a_byte(
    org: Orgstead, when: Any, left: list[str], secure: bool
) -> None:
    org.token()
    org.faults.add(drop=when, method="POST", count=1)
    with pytest.raises((httpx2.RemoteProtocolError, httpx2.ReadError)):
        call(org, "POST", "accounts", {"name": "Twice?"}, url=org.https_url if secure else org.url)
    assert names(org) == left
    (row,) = org.requests(status="dropped")
    assert (row["method"], row["status"]) == ("POST", None)


def test_a_client_that_tries_again_makes_the_row_twice_as_it_would_in_the_cloud(org: Orgstead) -> None:
    """What honest retry code is written for: the answer was lost, not the write."""
    headers = {"Authorization": f"Bearer {org.token()}"}
    org.faults.add(drop="after", table="account", method="POST", count=1)
    url = f"{org.url}/api/data/v9.2/accounts"
    for _ in range(2):
        try:
            requests.post(url, json={"name": "Twice"}, headers=headers, timeout=30)
        except requests.ConnectionError:
            continue
    assert names(org) == ["Twice", "Twice"]


def test_a_dropped_request_leaves_the_connections_of_others_alone(org: Orgstead) -> None:
    with httpx2.Client(base_url=org.url, headers={"Authorization": f"Bearer {org.token()}"}) as kept:
        assert kept.get("/api/data/v9.2/WhoAmI").status_code == 200
        org.faults.add(drop="before", table="contact", count=1)
        with pytest.raises((httpx2.RemoteProtocolError, httpx2.ReadError)):
            call(org, "GET", "contacts")
        assert kept.get("/api/data/v9.2/WhoAmI").status_code == 200
    assert org.health()["running"] == 0


def test_a_request_that_does_not_end_keeps_a_reset_waiting_and_then_refuses_it(org: Orgstead) -> None:
    call(org, "POST", "accounts", {"name": "Stays"})
    address = org.url.removeprefix("http://").split(":")
    with socket.create_connection((address[0], int(address[1])), timeout=30) as slow:
        head = (
            "POST /api/data/v9.2/accounts HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n"
            f"authorization: Bearer {org.token()}\r\ncontent-length: 100\r\n\r\n"
        )
        slow.sendall(head.encode() + b'{"name": ')
        while org.health()["running"] == 0:
            continue
        with pytest.raises(PlaneError, match="still under way") as refused:
            org.reset()
        assert (refused.value.status, refused.value.code) == (503, "busy")
    assert names(org) == ["Stays"]
    while org.health()["running"]:
        continue
    org.reset()
    assert names(org) == []


def test_a_hundred_writers_lose_nothing_but_to_the_reset(org: Orgstead) -> None:
    """Each acknowledged write came before the last reset, and is gone, or after it, and is there."""
    token = org.token()
    ends = threading.Event()
    begun: list[int] = []
    ended: list[int] = []
    # Name, resets that had ended when it was sent, resets that had begun when it was acknowledged.
    made: list[tuple[str, int, int]] = []
    failed: list[str] = []

    def write(number: int) -> None:
        headers = {"Authorization": f"Bearer {token}"}
        with httpx2.Client(base_url=org.url, headers=headers, timeout=60) as client:
            for round in range(1_000):
                if ends.is_set():
                    return
                name, before = f"{number}-{round}", len(ended)
                body = {"name": name, "primarycontactid": {"lastname": name}}
                answer = client.post("/api/data/v9.2/accounts", json=body)
                if answer.status_code == 204:
                    made.append((name, before, len(begun)))
                else:
                    failed.append(answer.text)

    writers = [threading.Thread(target=write, args=(number,)) for number in range(100)]
    for each in writers:
        each.start()
    for number in range(1, 5):
        while len(made) < 150 * number:
            continue
        begun.append(number)
        org.snapshot.restore("start")
        ended.append(number)
    while sum(before == 4 for _, before, _ in made) < 100:
        continue
    ends.set()
    for each in writers:
        each.join()
    assert failed == []
    rows = call(org, "GET", "accounts?$select=name&$expand=primarycontactid($select=lastname)").json()[
        "value"
    ]
    there = {row["name"] for row in rows}
    # Nothing is half there.
    assert all(row["name"] == row["primarycontactid"]["lastname"] for row in rows)
    assert len(call(org, "GET", "contacts?$select=lastname").json()["value"]) == len(there)
    assert {name for name, before, _ in made if before == 4} <= there
    assert not {name for name, _, after in made if after < 4} & there
    assert there <= {name for name, _, _ in made}


def run(org: Orgstead, *arguments: str, code: int = 0) -> str:
    done = CliRunner().invoke(main, [*arguments, "--url", org.url])
    assert done.exit_code == code, done.output
    assert "Traceback" not in done.output
    return done.output


def test_commands_steer_a_running_server(org: Orgstead) -> None:
    call(org, "POST", "accounts", {"name": "One"})
    assert "Kept as 'one'" in run(org, "snapshot", "save", "one")
    assert run(org, "snapshot", "list").startswith("one ")
    assert "Back at 'start'" in run(org, "reset")
    assert names(org) == []
    assert "Back at 'one'" in run(org, "snapshot", "restore", "one")
    assert names(org) == ["One"]
    assert "Back at 'one'" in run(org, "reset", "--snapshot", "one")
    assert "one " not in run(org, "snapshot", "delete", "one")

    assert (
        run(org, "clock", "set", "2031-01-01T00:00:00Z", "--frozen")
        == "2031-01-01T00:00:00.000Z, standing still\n"
    )
    assert run(org, "clock", "advance", "60") == "2031-01-01T00:01:00.000Z, standing still\n"
    assert run(org, "clock", "advance", "-60.5") == "2030-12-31T23:59:59.500Z, standing still\n"
    assert json.loads(run(org, "clock", "show", "--json"))["frozen"] is True
    assert "standing" not in run(org, "clock", "resume")

    added = run(
        org, "faults", "add", "--status", "503", "--table", "account", "--count", "1", "--retry-after", "2"
    )
    assert "status=503" in added
    assert call(org, "GET", "accounts").status_code == 503
    assert "struck 1 times, spent" in run(org, "faults", "list")
    assert "There are no rules." in run(org, "faults", "delete", added.partition(":")[0])
    run(org, "faults", "add", "--drop", "after", "--rate", "0.5", "--seed", "3", "--path", "*/contacts")
    assert json.loads(run(org, "faults", "list", "--json"))["faults"][0]["rate"] == 0.5
    assert "There are no rules." in run(org, "faults", "clear")

    run(org, "throttle", "force", "--count", "1", "--retry-after", "4")
    refused = call(org, "GET", "accounts")
    assert (refused.status_code, refused.headers["Retry-After"]) == (429, "4")
    assert json.loads(run(org, "throttle", "show"))["forced"] == []
    run(org, "throttle", "force", "--seconds", "60")
    assert json.loads(run(org, "throttle", "clear", "--json"))["forced"] == []

    said = run(org, "requests", "--status", "5xx")
    assert said.count("\n") == 1
    assert "GET    503" in said
    assert run(org, "requests", "--clear") == ""
    assert json.loads(run(org, "requests", "--json")) == {"requests": []}


def test_what_cannot_be_is_said_in_a_line(org: Orgstead) -> None:
    assert run(org, "snapshot", "restore", "no", code=1) == "Error: There is no snapshot 'no'.\n"
    assert "A rule has a status" in run(org, "faults", "add", code=1)
    assert "now" in run(org, "clock", "set", "soon", code=1)
    done = CliRunner().invoke(main, ["reset", "--url", "http://localhost:1"])
    assert (done.exit_code, "There is no answer" in done.output) == (1, True)


def test_the_key_of_the_plane_is_an_option_or_a_variable(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = "0123456789abcdef"
    options = ["--data", str(tmp_path / "data"), "--no-dev"]
    environment = {"ORGSTEAD_ADMIN_PASSWORD": "a password", "ORGSTEAD_ADMIN_KEY": key}
    with running_server(options, tmp_path, environment) as org:
        runner = CliRunner()
        refused = runner.invoke(main, ["clock", "show", "--url", org.url])
        assert (refused.exit_code, "wants its key" in refused.output) == (1, True)
        assert runner.invoke(main, ["clock", "show", "--url", org.url, "--key", key]).exit_code == 0
        monkeypatch.setenv("ORGSTEAD_ADMIN_KEY", key)
        assert runner.invoke(main, ["snapshot", "save", "x", "--url", org.url]).exit_code == 0
