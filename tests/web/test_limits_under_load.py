"""Service protection of a live server under load: exact to the request, whoever asks at the same time."""

import asyncio
import itertools
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

import pytest
import requests
from aiohttp import ClientSession, TCPConnector

from orgstead.app import open_organisation
from orgstead.config import Config
from orgstead.engine.context import SYSTEM
from orgstead.identity import hash_secret
from orgstead.identity.development import PUBLIC_CLIENT_ID
from orgstead.solutions.first import user_messages
from tests.live import Live, served
from tests.web.hostile import API, Attacker

CLIENTS = 64
USERS = 3
ALLOWED = 150
EACH = 12


@dataclass(frozen=True, slots=True, kw_only=True)
class Crowd:
    """A server that allows each user so many requests, and the tokens of its users."""

    live: Live
    tokens: tuple[str, ...]


@pytest.fixture
def crowd(tmp_path: Path) -> Iterator[Crowd]:
    names = [f"user{number}@orgstead.localhost" for number in range(USERS)]
    organisation = open_organisation(Config(data=str(tmp_path)))
    for name in names:
        id = str(uuid4())
        made = user_messages(id, upn=name, object_id=str(uuid4()), first_name="A", last_name=name)
        organisation.engine.run(list(made), SYSTEM)
        organisation.directory.set_password(id, hash_secret("a password"))
    organisation.close()
    with served(tmp_path, limits="on", limit_requests=str(ALLOWED)) as (live, _):
        yield Crowd(live=live, tokens=tuple(sign_in(live, name) for name in names))


def sign_in(live: Live, name: str) -> str:
    form = {
        "grant_type": "password",
        "client_id": PUBLIC_CLIENT_ID,
        "username": name,
        "password": "a password",
        "scope": f"{live.http}/.default",
    }
    answer = requests.post(f"{live.http}/{live.tenant_id}/oauth2/v2.0/token", data=form, timeout=15)
    return str(answer.json()["access_token"])


def test_64_clients_of_three_users_get_exactly_what_each_user_may_ask_for(crowd: Crowd) -> None:
    answered: Counter[tuple[int, int]] = Counter()
    left: list[set[str]] = [set() for _ in range(USERS)]

    async def client(session: ClientSession, number: int) -> None:
        user = number % USERS
        headers = {"authorization": f"Bearer {crowd.tokens[user]}"}
        for turn in range(EACH):
            url = f"{crowd.live.http}{API}accounts"
            body = {"name": f"{user} {number} {turn}"}
            async with session.post(url, json=body, headers=headers) as answer:
                await answer.read()
                answered[user, answer.status] += 1
                if answer.status == 204:
                    left[user].add(answer.headers["x-ms-ratelimit-burst-remaining-xrm-requests"])
                else:
                    assert answer.headers["Retry-After"].isdigit()

    async def run() -> None:
        async with ClientSession(connector=TCPConnector(limit=CLIENTS)) as session:
            await asyncio.gather(*(client(session, number) for number in range(CLIENTS)))

    asyncio.run(run())
    asked = Counter(number % USERS for number in range(CLIENTS))
    assert answered == {
        **{(user, 204): ALLOWED for user in range(USERS)},
        **{(user, 429): asked[user] * EACH - ALLOWED for user in range(USERS)},
    }
    # Each request was counted once, and what was refused has changed nothing.
    assert left == [{str(number) for number in range(ALLOWED)}] * USERS
    attacker = Attacker(crowd.live)
    rows = requests.get(
        f"{crowd.live.http}{API}accounts?$select=name",
        headers={"authorization": f"Bearer {attacker.token}"},
        timeout=15,
    ).json()["value"]
    made = Counter(int(row["name"].split()[0]) for row in rows)
    assert made == dict.fromkeys(range(USERS), ALLOWED)


def test_many_tokens_are_still_one_user(crowd: Crowd) -> None:
    attackers = [Attacker(crowd.live) for _ in range(10)]
    turns = itertools.chain.from_iterable(itertools.repeat(attackers, ALLOWED // 10 + 1))
    statuses = Counter(attacker.ask("GET", "WhoAmI").status for attacker in turns)
    assert statuses == {200: ALLOWED, 429: 10}


def test_a_large_body_that_is_refused_unread_leaves_the_connection_usable(crowd: Crowd) -> None:
    url, headers = f"{crowd.live.http}{API}", {"authorization": f"Bearer {crowd.tokens[0]}"}
    with requests.Session() as session:
        for _ in range(ALLOWED):
            assert session.get(f"{url}WhoAmI", headers=headers, timeout=15).status_code == 200
        for _ in range(3):
            body = b'{"name":"' + b"x" * 20_000_000 + b'"}'
            answer = session.post(f"{url}accounts", data=body, headers=headers, timeout=30)
            assert answer.status_code == 429
        assert session.get(f"{crowd.live.http}/healthz", timeout=15).text == "ok"
