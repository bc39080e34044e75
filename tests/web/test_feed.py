"""The change feed over a real connection: what is committed is told, in order, once the client has come back too."""

import json
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, closing, contextmanager
from http.client import HTTPConnection
from typing import Any
from urllib.parse import urlsplit

import pytest
import requests

from tests.live import served
from tests.web.hostile import API, Attacker


@pytest.fixture(scope="module", params=["sqlite", "postgres"])
def door(
    request: pytest.FixtureRequest,
    tmp_path_factory: pytest.TempPathFactory,
    new_postgres_database: Callable[[], str],
) -> Iterator[Attacker]:
    url = new_postgres_database() if request.param == "postgres" else None
    with served(tmp_path_factory.mktemp("feed"), database_url=url) as (live, _):
        yield Attacker(live)


class Follower:
    """Reads events off an open stream, each as its name, its row and its id."""

    def __init__(self, answer: requests.Response) -> None:
        self.lines = answer.iter_lines(chunk_size=1, decode_unicode=True)

    def next(self) -> tuple[str, Mapping[str, Any], str | None]:
        found: dict[str, str] = {}
        for line in self.lines:
            if not line and "data" in found:
                return found["event"], json.loads(found["data"]), found.get("id")
            name, _, value = line.partition(": ")
            if name:
                found[name] = value
        raise AssertionError("the stream has ended")


@contextmanager
def followed(door: Attacker, path: str, **headers: str) -> Iterator[Follower]:
    given = {"Authorization": f"Bearer {door.token}", "Accept": "text/event-stream"}
    given |= {name.replace("_", "-"): value for name, value in headers.items()}
    with requests.get(f"{door.live.http}{API}{path}", headers=given, stream=True, timeout=30) as answer:
        assert answer.status_code == 200, answer.text
        assert answer.headers["Content-Type"] == "text/event-stream; charset=utf-8"
        yield Follower(answer)


def make(door: Attacker, name: str) -> str:
    made = door.ask("POST", "accounts", {"name": name, "revenue": 12.34}, prefer="return=representation")
    assert made.status == 201, made.text
    id: str = json.loads(made.text)["accountid"]
    return id


def test_rows_are_told_when_they_are_made_changed_and_deleted(door: Attacker) -> None:
    with followed(door, "accounts?$select=name") as feed:
        id = make(door, "Told")
        name, row, token = feed.next()
        assert (name, row["accountid"], row["name"]) == ("changed", id, "Told")
        assert row["@odata.etag"].startswith('W/"')
        assert token
        door.ask("PATCH", f"accounts({id})", {"name": "Told again"})
        name, row, _ = feed.next()
        assert (name, row["name"]) == ("changed", "Told again")
        door.ask("DELETE", f"accounts({id})")
        name, row, _ = feed.next()
        assert (name, row["id"], row["reason"]) == ("deleted", id, "deleted")


def test_whoever_comes_back_with_the_last_id_has_missed_nothing(door: Attacker) -> None:
    with followed(door, "accounts?$select=name") as feed:
        make(door, "Before")
        _, _, token = feed.next()
    ids = {make(door, f"Meanwhile {number}") for number in range(5)}
    with followed(door, "accounts?$select=name", Last_Event_ID=token or "") as feed:
        told = [feed.next() for _ in range(5)]
    assert {row["accountid"] for _, row, _ in told} == ids
    # Only behind the last one of a look there is a place to go on from.
    assert [id is not None for _, _, id in told] == [False] * 4 + [True]


def test_many_changes_while_others_write_are_told_each_at_least_once(door: Attacker) -> None:
    with followed(door, "contacts?$select=lastname") as feed:
        made: list[str] = []

        def write(number: int) -> None:
            for each in range(20):
                answer = door.ask("POST", "contacts", {"lastname": f"{number}-{each}"})
                assert answer.status == 204
                made.append(f"{number}-{each}")

        writers = [threading.Thread(target=write, args=(number,)) for number in range(4)]
        for writer in writers:
            writer.start()
        told: set[str] = set()
        while len(told) < 80:
            told.add(feed.next()[1]["lastname"])
        for writer in writers:
            writer.join()
    assert told == set(made)


@pytest.mark.parametrize(
    ("path", "headers", "status"),
    [
        ("nothing", {}, 404),
        ("accounts?$filter=name eq 'x'", {}, 400),
        ("accounts?$deltatoken=rubbish", {}, 400),
        ("accounts", {"Last_Event_ID": "rubbish"}, 400),
        ("accounts", {"Authorization": "Bearer rubbish"}, 401),
        ("sdkmessages", {}, 400),
    ],
)
def test_a_stream_that_cannot_begin_is_a_fault_as_ever(
    door: Attacker, path: str, headers: Mapping[str, str], status: int
) -> None:
    given = {"Authorization": f"Bearer {door.token}", "Accept": "text/event-stream"}
    given |= {name.replace("_", "-"): value for name, value in headers.items()}
    answer = requests.get(f"{door.live.http}{API}{path}", headers=given, stream=True, timeout=30)
    assert answer.status_code == status, answer.text
    assert answer.json()["error"]["code"].startswith("0x80")


def test_streams_are_bounded_for_each_user(door: Attacker) -> None:
    given = {"Authorization": f"Bearer {door.token}", "Accept": "text/event-stream"}
    with many_followed(door, 20):
        answer = requests.get(f"{door.live.http}{API}accounts", headers=given, stream=True, timeout=30)
        assert (answer.status_code, answer.json()["error"]["code"]) == (429, "0x80072326")
        assert int(answer.headers["Retry-After"]) > 0


def test_streams_that_are_asked_for_at_once_are_bounded_too(door: Attacker) -> None:
    where = urlsplit(door.live.http)
    given = {"Authorization": f"Bearer {door.token}", "Accept": "text/event-stream"}
    with ExitStack() as stack:
        open = [stack.enter_context(closing(HTTPConnection(where.netloc, timeout=30))) for _ in range(60)]
        for each in open:
            each.request("GET", f"{API}accounts", headers=given)
        statuses = [each.getresponse().status for each in open]
        assert 0 < statuses.count(200) <= 20
        assert set(statuses) == {200, 429}
    # There is room again when they have gone.
    for _ in range(1000):
        with requests.get(f"{door.live.http}{API}accounts", headers=given, stream=True, timeout=30) as answer:
            if answer.status_code == 200:
                break
    assert answer.status_code == 200


@contextmanager
def many_followed(door: Attacker, count: int) -> Iterator[None]:
    if count == 0:
        yield
        return
    with followed(door, "accounts"), many_followed(door, count - 1):
        yield


def test_a_server_that_ends_does_not_wait_for_its_streams(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    with served(tmp_path_factory.mktemp("ending")) as (live, server):
        with followed(Attacker(live), "accounts") as feed:
            server.terminate()
            with pytest.raises(AssertionError, match="ended"):
                feed.next()
        assert server.wait(timeout=5) == 0
