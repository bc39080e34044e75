"""A server that is killed again and again while rows are written and endpoints are told of them.

Every committed change is told at least once under its own row, none that was undone is, and what a client was told is
there is there.
"""

import json
import random
import signal
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import requests

from tests.live import Live, served
from tests.receiver import Receiver, receiving
from tests.web.hostile import API

KILLS = 50
WRITERS = 4
SECONDS = 10
# What is written before a kill: enough for a crash to meet every part of the way.
WRITES_AT_MOST = 40


@dataclass(slots=True)
class Written:
    """What clients know: names whose change was acknowledged, was refused, or of which they have not heard."""

    made: dict[str, str] = field(default_factory=dict)
    changed: set[str] = field(default_factory=set)
    refused: set[str] = field(default_factory=set)
    lock: threading.Lock = field(default_factory=threading.Lock)


class Writer:
    """A client that makes and changes rows until its server is gone."""

    def __init__(self, live: Live, token: str, written: Written, seed: int) -> None:
        self.root = f"{live.http}{API}"
        self.session = requests.Session()
        self.session.headers["Authorization"] = f"Bearer {token}"
        self.written = written
        self.random = random.Random(seed)
        self.count = 0

    def run(self, goal: threading.Semaphore) -> None:
        """Write until the connection breaks; every answer releases the goal once."""
        try:
            while True:
                self.write()
                goal.release()
        except requests.RequestException:
            # Killed: what was under way may or may not be there.
            for _ in range(WRITES_AT_MOST):
                goal.release()

    def write(self) -> None:
        self.count += 1
        name = f"{self.random.getrandbits(64):016x}"
        what = self.random.randrange(3)
        if what == 0:
            answer = self.session.post(
                f"{self.root}$batch", self.undone(name), timeout=SECONDS, headers=BATCH
            )
            assert answer.status_code == 400, answer.text
            self.written.refused.add(name)
            return
        answer = self.session.post(f"{self.root}accounts", json={"name": name}, timeout=SECONDS)
        assert answer.status_code == 204, answer.text
        id = answer.headers["OData-EntityId"].rpartition("(")[2].rstrip(")")
        self.written.made[id] = name
        if what == 1:
            path = f"{self.root}accounts({id})"
            answer = self.session.patch(path, json={"name": f"{name} changed"}, timeout=SECONDS)
            assert answer.status_code == 204, answer.text
            self.written.changed.add(id)

    def undone(self, name: str) -> bytes:
        """A change set that makes a row and then cannot be."""
        parts = "".join(
            f"--c\r\nContent-Type: application/http\r\nContent-Transfer-Encoding: binary\r\n"
            f"Content-ID: {number}\r\n\r\n"
            f"POST accounts HTTP/1.1\r\nContent-Type: application/json\r\n\r\n{json.dumps(body)}\r\n"
            for number, body in enumerate(({"name": name}, {"name": "x", "nonsense": 1}), 1)
        )
        return f"--b\r\nContent-Type: multipart/mixed; boundary=c\r\n\r\n{parts}--c--\r\n--b--\r\n".encode()


BATCH = {"Content-Type": "multipart/mixed; boundary=b"}


def signed_in(live: Live) -> str:
    answer = requests.post(
        f"{live.http}/{live.tenant_id}/oauth2/v2.0/token",
        data={
            "grant_type": "client_credentials",
            "client_id": live.client_id,
            "client_secret": live.client_secret,
            "scope": f"{live.http}/.default",
        },
        timeout=SECONDS,
    )
    token: str = answer.json()["access_token"]
    return token


class Organisation:
    """What a test asks a live server for."""

    def __init__(self, live: Live) -> None:
        self.live = live
        self.session = requests.Session()
        self.token = signed_in(live)
        self.session.headers["Authorization"] = f"Bearer {self.token}"

    def get(self, path: str) -> list[dict[str, Any]]:
        answer = self.session.get(f"{self.live.http}{API}{path}", timeout=60)
        assert answer.status_code == 200, answer.text
        found: list[dict[str, Any]] = answer.json()["value"]
        return found

    def post(self, path: str, body: dict[str, Any]) -> str:
        answer = self.session.post(f"{self.live.http}{API}{path}", json=body, timeout=60)
        assert answer.status_code == 204, answer.text
        return answer.headers["OData-EntityId"].rpartition("(")[2].rstrip(")")

    def register(self, url: str, mode: int = 1) -> None:
        """Steps for new and for changed accounts."""
        values = {
            "name": "R",
            "contract": 8,
            "connectionmode": 1,
            "url": url,
            "authtype": 4,
            "authvalue": "key",
        }
        to = self.post("serviceendpoints", values)
        for name in ("Create", "Update"):
            (message,) = self.get(f"sdkmessages?$filter=name eq '{name}'&$select=sdkmessageid")
            id = message["sdkmessageid"]
            (filter,) = self.get(
                f"sdkmessagefilters?$filter=primaryobjecttypecode eq 'account' and _sdkmessageid_value eq {id}"
            )
            self.post(
                "sdkmessageprocessingsteps",
                {
                    "name": name,
                    "stage": 40,
                    "mode": mode,
                    "rank": 1,
                    "supporteddeployment": 0,
                    "eventhandler_serviceendpoint@odata.bind": f"/serviceendpoints({to})",
                    "sdkmessageid@odata.bind": f"/sdkmessages({id})",
                    "sdkmessagefilterid@odata.bind": f"/sdkmessagefilters({filter['sdkmessagefilterid']})",
                },
            )


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as found:
        yield found


def told(receiver: Receiver, message: str) -> set[str]:
    return {post.id for post in list(receiver.posts) if post.json["MessageName"] == message}


def name_in(post: Any) -> str:
    (target,) = [each["value"] for each in post.json["InputParameters"] if each["key"] == "Target"]
    name: str = next(each["value"] for each in target["Attributes"] if each["key"] == "name")
    return name


# Fifty starts of a server take their time.
@pytest.mark.timeout(900)
@pytest.mark.parametrize("database", ["sqlite", "postgres"])
def test_every_committed_change_is_told_and_none_that_was_undone(
    database: str,
    tmp_path: Path,
    new_postgres_database: Callable[[], str],
    receiver: Receiver,
) -> None:
    url = new_postgres_database() if database == "postgres" else None
    written, chance = Written(), random.Random(20261127)
    with served(tmp_path, database_url=url) as (live, server):
        Organisation(live).register(receiver.url)
        server.terminate()
        server.wait(timeout=30)
    for round in range(KILLS):
        with served(tmp_path, database_url=url) as (live, server):
            token = signed_in(live)
            goal = threading.Semaphore(0)
            writers = [Writer(live, token, written, chance.getrandbits(32)) for _ in range(WRITERS)]
            threads = [threading.Thread(target=writer.run, args=(goal,)) for writer in writers]
            for thread in threads:
                thread.start()
            for _ in range(chance.randrange(1, WRITES_AT_MOST)):
                goal.acquire()
            server.send_signal(signal.SIGKILL)
            for thread in threads:
                thread.join()
        assert written.made, round
    with served(tmp_path, database_url=url) as (live, _):
        organisation = Organisation(live)
        receiver.wait_until(lambda posts: set(written.made) <= told(receiver, "Create"), 120)
        receiver.wait_until(lambda posts: written.changed <= told(receiver, "Update"), 120)
        while organisation.get("asyncoperations?$filter=statecode ne 3&$select=name&$top=1"):
            pass
        rows = {
            row["accountid"]: row["name"]
            for row in organisation.get("accounts?$select=name&$filter=name ne null")
        }
        failed = organisation.get("asyncoperations?$filter=statuscode eq 31&$select=message&$top=5")
    # What was acknowledged is there, as it was acknowledged.
    assert {id: name for id, name in written.made.items() if id not in rows} == {}
    assert [id for id in written.changed if not rows[id].endswith(" changed")] == []
    # What is there has been told, also where the client has not heard of it.
    assert [id for id in rows if id not in told(receiver, "Create")] == []
    assert [
        id for id, name in rows.items() if name.endswith(" changed") and id not in told(receiver, "Update")
    ] == []
    # What was undone is not there and was never told.
    assert written.refused.isdisjoint(name_in(post) for post in receiver.posts)
    assert told(receiver, "Create") <= rows.keys()
    assert failed == []
    # Of each row, its making comes before its change.
    for id in written.changed:
        messages = [post.json["MessageName"] for post in receiver.about(id)]
        assert messages.index("Create") < messages.index("Update")
        assert messages[-1] == "Update"
