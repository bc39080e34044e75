"""Service protection: how much one user may ask for, what a client is told of it, and refusals on demand."""

import asyncio
import json
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

import pytest
from starlette.testclient import TestClient

from orgstead.app import build_application
from orgstead.identity.development import ADMIN_PASSWORD, CLIENT_ID, PUBLIC_CLIENT_ID, TENANT_ID
from orgstead.server.asgi import Application
from orgstead.server.plane.clock import AdjustableClock
from orgstead.server.plane.watch import Watched
from tests.parity.conftest import ORIGIN, Answer, Web

UPN = "admin@orgstead.localhost"
BURST, TIME = "x-ms-ratelimit-burst-remaining-xrm-requests", "x-ms-ratelimit-time-remaining-xrm-requests"
REQUESTS, EXECUTION, CONCURRENCY = (429, "0x80072322"), (429, "0x80072321"), (429, "0x80072326")
TYPE = 'multipart/mixed;boundary="batch_1"'


class Clock:
    """A clock that stands until it is moved."""

    def __init__(self) -> None:
        self.now = float(int(time.time()))

    def __call__(self) -> float:
        return self.now


@dataclass(frozen=True, slots=True)
class Guarded:
    """A server process of the organisation that has limits, and its clock."""

    web: Web
    clock: Clock
    application: Application | Watched

    def ask(self, **headers: str) -> Answer:
        """A request that is as good as any."""
        return self.web.get("WhoAmI", **headers)

    def left(self) -> int:
        """How many requests are left when this one has been counted."""
        return int(self.ask().headers[BURST])


@contextmanager
def guarded(web: Web, **settings: Any) -> Iterator[Guarded]:
    assert web.organisation is not None
    clock = Clock()
    config = replace(web.organisation.config, **{"limits": "on", **settings})
    organisation = replace(web.organisation, config=config, clock=AdjustableClock(clock))
    application = build_application(organisation, [ORIGIN])
    with TestClient(application, base_url=ORIGIN) as client:
        yield Guarded(Web(client, web.organisation), clock, application)


def administrator(web: Web) -> str:
    """The Authorization header of another user."""
    form = {"grant_type": "password", "client_id": PUBLIC_CLIENT_ID, "scope": f"{ORIGIN}/.default"}
    answer = web.client.post(
        f"/{TENANT_ID}/oauth2/v2.0/token", data={**form, "username": UPN, "password": ADMIN_PASSWORD}
    )
    return f"Bearer {answer.json()['access_token']}"


# -- requests ----------------------------------------------------------------------------------------------------------
def test_as_many_requests_as_are_allowed_are_answered_and_not_one_more(web: Web) -> None:
    with guarded(web, limit_requests=7) as server:
        assert [server.left() for _ in range(7)] == [6, 5, 4, 3, 2, 1, 0]
        refused = server.ask()
        assert refused.fault == REQUESTS
        assert refused.json["error"]["message"] == (
            "Number of requests exceeded the limit of 7 over time window of 300 seconds."
        )
        assert (refused.headers["Retry-After"], refused.headers[BURST]) == ("300", "0")
        assert refused.headers["Content-Type"].startswith("application/json")


def test_the_numbers_are_those_of_the_service_where_nothing_else_is_said(web: Web) -> None:
    with guarded(web) as server:
        answer = server.ask()
        assert (answer.headers[BURST], answer.headers[TIME]) == ("5999", "1,200.00")
        shown = server.application.limits.snapshot()
        assert (shown["requests"], shown["execution_seconds"], shown["concurrent"]) == (6_000, 1_200, 52)


def test_failures_count_and_say_what_is_left_too(web: Web) -> None:
    with guarded(web, limit_requests=3) as server:
        answers = [server.web.get(path) for path in ("nosuch", "accounts?$filter=", "WhoAmI", "nosuch")]
        assert [answer.status for answer in answers] == [404, 400, 200, 429]
        assert [answer.headers[BURST] for answer in answers] == ["2", "1", "0", "0"]


def test_a_refused_request_changes_nothing_and_its_body_is_not_waited_for(web: Web) -> None:
    name = web.name("Refused")
    with guarded(web, limit_requests=1) as server:
        server.ask()
        assert server.web.call("POST", "accounts", {"name": name}).fault == REQUESTS
        status, _ = asyncio.run(ask(server, body=None))
        assert status == 429
    assert web.get(f"accounts?$filter=name eq '{name}'").rows == []


def test_the_window_slides_with_each_request(web: Web) -> None:
    with guarded(web, limit_requests=3) as server:
        for seconds in (0, 100, 50):
            server.clock.now += seconds
            assert server.ask().status == 200
        server.clock.now += 150
        # The first one has left the window, the others have not.
        assert server.left() == 0
        assert server.ask().fault == REQUESTS


def test_whoever_waits_as_long_as_told_is_answered(web: Web) -> None:
    with guarded(web, limit_requests=5) as server:
        for turn in range(60):
            server.clock.now += 7.3
            answer = server.ask()
            if answer.status == 429:
                server.clock.now += int(answer.headers["Retry-After"])
                answer = server.ask()
            assert answer.status == 200, turn


def test_whoever_goes_on_regardless_is_told_to_wait_longer(web: Web) -> None:
    with guarded(web, limit_requests=10) as server:
        for _ in range(10):
            server.clock.now += 20
            assert server.ask().status == 200
        waits = []
        for _ in range(9):
            server.clock.now += 1
            refused = server.ask()
            assert refused.fault == REQUESTS
            waits.append(int(refused.headers["Retry-After"]))
        assert waits == sorted(set(waits))
        assert (waits[0], waits[-1]) == (139, 291)


def test_each_user_is_limited_alone_and_acting_for_others_does_not_help(web: Web) -> None:
    with guarded(web, limit_requests=2) as server:
        other = administrator(server.web)
        me, them = server.ask().json["UserId"], server.ask(authorization=other).json["UserId"]
        assert me != them
        assert server.ask(MSCRMCallerID=them).json["UserId"] == them
        assert server.ask(MSCRMCallerID=them).fault == REQUESTS
        assert server.ask().fault == REQUESTS
        assert server.ask(authorization=other).status == 200


def test_another_token_of_the_same_user_is_the_same_user(web: Web) -> None:
    with guarded(web, limit_requests=1) as server:
        assert server.ask().status == 200
        assert Web(server.web.client).get("WhoAmI").fault == REQUESTS


# -- what counts as one ------------------------------------------------------------------------------------------------
def test_a_batch_is_one_request_however_many_parts_it_has(web: Web) -> None:
    part = "--batch_1\nContent-Type: application/http\n\nGET WhoAmI HTTP/1.1\n\n"
    with guarded(web, limit_requests=10) as server:
        before = server.left()
        text = (part * 30 + "--batch_1--\n").replace("\n", "\r\n")
        answer = server.web.call("POST", "$batch", text.encode(), content_type=TYPE)
        assert answer.text.count("HTTP/1.1 200 OK") == 30
        assert int(answer.headers[BURST]) == before - 1


def test_a_message_for_many_rows_is_one_request(web: Web) -> None:
    name = web.name("Bulk")
    kind = {"@odata.type": "Microsoft.Dynamics.CRM.account"}
    with guarded(web, limit_requests=10) as server:
        before = server.left()
        body = {"Targets": [{**kind, "name": name} for _ in range(20)]}
        answer = server.web.call("POST", "accounts/Microsoft.Dynamics.CRM.CreateMultiple", body)
        assert len(answer.json["Ids"]) == 20
        assert int(answer.headers[BURST]) == before - 1


def test_what_nobody_has_signed_in_for_is_not_counted(web: Web) -> None:
    with guarded(web, limit_requests=1) as server:
        for _ in range(20):
            refused = server.ask(authorization="Bearer nonsense")
            assert refused.status == 401
            assert BURST not in refused.headers
        assert server.application.limits.snapshot()["users"] == []
        assert server.ask().status == 200


# -- execution time ----------------------------------------------------------------------------------------------------
def test_execution_time_is_limited_in_all(web: Web) -> None:
    with guarded(web, limit_execution_seconds=2) as server:
        readings = iter(range(1_000))
        # Each execution takes 0.6 seconds.
        server.application.limits.timer = lambda: next(readings) * 0.6
        answers = [server.ask() for _ in range(5)]
        assert [answer.status for answer in answers] == [200, 200, 200, 200, 429]
        assert [answer.headers[TIME] for answer in answers] == ["2.00", "1.40", "0.80", "0.20", "0.00"]
        assert answers[4].fault == EXECUTION
        assert answers[4].json["error"]["message"] == (
            "Combined execution time of incoming requests exceeded limit of 2,000 milliseconds over time window of 300 "
            "seconds. Decrease number of concurrent requests or reduce the duration of requests and try again later."
        )
        server.clock.now += int(answers[4].headers["Retry-After"])
        assert server.ask().status == 200


def test_the_longer_executions_took_the_longer_is_the_wait(web: Web) -> None:
    waits = []
    for took in (2.5, 5.0):
        with guarded(web, limit_execution_seconds=5) as server:
            readings = iter(range(1_000))
            server.application.limits.timer = lambda took=took, readings=readings: next(readings) * took
            while (answer := server.ask()).status == 200:
                server.clock.now += 10
            assert answer.fault == EXECUTION
            waits.append(int(answer.headers["Retry-After"]))
    assert waits == [280, 290]


def test_a_slow_client_is_not_charged_for_its_own_time(web: Web) -> None:
    elapsed = 0.0

    async def run(server: Guarded) -> None:
        async def slowly(message: Any = None) -> dict[str, Any]:
            nonlocal elapsed
            elapsed += 100
            return {"type": "http.request", "body": b'{"name":"Slow"}', "more_body": False}

        scope = {
            "type": "http", "http_version": "1.1", "method": "POST", "scheme": "http", "query_string": b"",
            "path": "/api/data/v9.2/accounts", "raw_path": b"/api/data/v9.2/accounts",
            "headers": [(b"host", b"localhost:5365"), (b"authorization", f"Bearer {server.web.token}".encode()),
                        (b"content-type", b"application/json")],
        }  # fmt: skip
        await server.application(scope, slowly, slowly)

    with guarded(web) as server:
        server.application.limits.timer = lambda: elapsed
        asyncio.run(run(server))
        assert elapsed >= 300
        assert server.ask().headers[TIME] == "1,200.00"


def test_the_time_of_a_batch_counts_whole(web: Web) -> None:
    part = "--batch_1\nContent-Type: application/http\n\nGET accounts?$top=1 HTTP/1.1\n\n"
    text = (part * 200 + "--batch_1--\n").replace("\n", "\r\n").encode()
    with guarded(web) as server:
        server.web.call("POST", "$batch", text, content_type=TYPE)
        (used,) = server.application.limits.snapshot()["users"]
        one = used["execution_seconds"]
        server.ask()
        (used,) = server.application.limits.snapshot()["users"]
        assert one > (used["execution_seconds"] - one) * 3


# -- concurrency -------------------------------------------------------------------------------------------------------
async def ask(
    server: Guarded, *, body: "asyncio.Event | None", authorization: str = ""
) -> tuple[int, dict[str, str]]:
    """A POST of an account whose body comes when an event is set; without an event it may not be asked for."""
    sent: list[dict[str, Any]] = []
    token = authorization or f"Bearer {server.web.token}"

    async def receive() -> dict[str, Any]:
        assert body is not None, "the body of a refused request was read"
        await body.wait()
        return {"type": "http.request", "body": b'{"name":"Held"}', "more_body": False}

    async def send(message: Any) -> None:
        sent.append(dict(message))

    names = {"host": "localhost:5365", "authorization": token, "content-type": "application/json"}
    scope = {
        "type": "http", "http_version": "1.1", "method": "POST", "scheme": "http", "path": "/api/data/v9.2/accounts",
        "raw_path": b"/api/data/v9.2/accounts", "query_string": b"",
        "headers": [(name.encode(), value.encode()) for name, value in names.items()],
    }  # fmt: skip
    await server.application(scope, receive, send)
    return sent[0]["status"], {name.decode(): value.decode() for name, value in sent[0]["headers"]}


def running(server: Guarded) -> int:
    """How many requests are under way."""
    return sum(each["concurrent"] for each in server.application.limits.snapshot()["users"])


def test_52_requests_may_be_under_way_and_the_53rd_is_refused_at_once(web: Web) -> None:
    async def run(server: Guarded) -> None:
        body = asyncio.Event()
        held = [asyncio.create_task(ask(server, body=body)) for _ in range(52)]
        while running(server) < 52:
            await asyncio.sleep(0)
        waits = []
        for _ in range(120):
            status, headers = await ask(server, body=None)
            assert status == 429
            waits.append(int(headers["Retry-After"]))
        # As many are asked to come again in each second as have room.
        assert [waits.count(second) for second in (1, 2, 3)] == [52, 52, 16]
        other = asyncio.create_task(ask(server, body=body, authorization=administrator(server.web)))
        body.set()
        assert [(await each)[0] for each in (*held, other)] == [204] * 53
        assert (await ask(server, body=body))[0] == 204
        assert running(server) == 0

    with guarded(web) as server:
        asyncio.run(run(server))


def test_too_many_at_a_time_have_a_fault_of_their_own(web: Web) -> None:
    async def run(server: Guarded) -> None:
        body = asyncio.Event()
        held = asyncio.create_task(ask(server, body=body))
        while not running(server):
            await asyncio.sleep(0)
        refused = await asyncio.to_thread(server.ask)
        assert refused.fault == CONCURRENCY
        assert refused.json["error"]["message"] == "Number of concurrent requests exceeded the limit of 1."
        assert refused.headers["Retry-After"] == "1"
        body.set()
        await held

    with guarded(web, limit_concurrent=1) as server:
        asyncio.run(run(server))


def test_a_client_that_goes_away_leaves_its_place(web: Web) -> None:
    async def run(server: Guarded) -> None:
        async def gone() -> dict[str, Any]:
            return {"type": "http.disconnect"}

        async def send(message: Any) -> None:
            raise AssertionError("nobody is there")

        headers = [(b"host", b"localhost:5365"), (b"authorization", f"Bearer {server.web.token}".encode())]
        scope = {
            "type": "http", "http_version": "1.1", "method": "POST", "scheme": "http", "query_string": b"",
            "path": "/api/data/v9.2/accounts", "raw_path": b"/api/data/v9.2/accounts", "headers": headers,
        }  # fmt: skip
        for _ in range(3):
            await server.application(scope, gone, send)

    with guarded(web, limit_concurrent=1) as server:
        asyncio.run(run(server))
        assert server.ask().status == 200


def test_a_change_feed_is_one_request_and_takes_no_place(web: Web) -> None:
    async def run(server: Guarded) -> None:
        told = asyncio.Event()

        async def receive() -> dict[str, Any]:
            await told.wait()
            return {"type": "http.disconnect"}

        async def send(message: Any) -> None:
            if message["type"] == "http.response.start":
                assert message["status"] == 200
                assert (await asyncio.to_thread(server.ask)).headers[BURST] == "8"
                told.set()

        names = {
            "host": "localhost:5365",
            "authorization": f"Bearer {server.web.token}",
            "accept": "text/event-stream",
        }
        scope = {
            "type": "http", "http_version": "1.1", "method": "GET", "scheme": "http", "query_string": b"",
            "path": "/api/data/v9.2/contacts", "raw_path": b"/api/data/v9.2/contacts",
            "headers": [(name.encode(), value.encode()) for name, value in names.items()],
        }  # fmt: skip
        await server.application(scope, receive, send)
        assert told.is_set()

    with guarded(web, limit_requests=10, limit_concurrent=1) as server:
        asyncio.run(run(server))


# -- settings ----------------------------------------------------------------------------------------------------------
def test_development_mode_tells_what_is_left_and_refuses_nothing(web: Web) -> None:
    with guarded(web, limits="auto", limit_requests=2) as server:
        assert [server.left() for _ in range(4)] == [1, 0, 0, 0]
        (used,) = server.application.limits.snapshot()["users"]
        assert used["refused"] == 2


def test_outside_of_development_mode_limits_are_on(web: Web) -> None:
    secret = {"client_id": CLIENT_ID, "client_secret": "orgstead-dev-secret"}
    with guarded(web, limits="auto", limit_requests=1, dev=False, **secret) as server:
        assert [server.ask().status for _ in range(2)] == [200, 429]


def test_limits_that_are_off_say_nothing(web: Web) -> None:
    with guarded(web, limits="off", limit_requests=1) as server:
        for _ in range(3):
            answer = server.ask()
            assert answer.status == 200
            assert not {BURST, TIME} & set(answer.headers)


def test_each_limit_can_be_off_by_itself(web: Web) -> None:
    with guarded(web, limit_requests=0, limit_execution_seconds=0, limit_concurrent=0) as server:
        answers = [server.ask() for _ in range(60)]
        assert {answer.status for answer in answers} == {200}
        assert not {BURST, TIME} & set(answers[-1].headers)


def test_the_window_is_as_long_as_it_is_set(web: Web) -> None:
    with guarded(web, limit_requests=1, limit_window_seconds=10) as server:
        server.ask()
        refused = server.ask()
        assert refused.headers["Retry-After"] == "10"
        assert refused.json["error"]["message"].endswith("over time window of 10 seconds.")
        server.clock.now += 10
        assert server.ask().status == 200


@pytest.mark.parametrize("by", ["user", "application"])
def test_whoever_is_exempt_is_not_limited(web: Web, by: str) -> None:
    id = CLIENT_ID if by == "application" else str(web.get("WhoAmI").json["UserId"])
    with guarded(web, limit_requests=1, limit_exempt=(id.upper(),)) as server:
        assert [server.ask().status for _ in range(3)] == [200] * 3
        other = administrator(server.web)
        assert [server.ask(authorization=other).status for _ in range(2)] == [200, 429]


def test_pages_of_other_origins_may_read_what_is_left(web: Web) -> None:
    with guarded(web) as server:
        shown = re.split(
            ", ", server.ask(origin="https://page.example").headers["Access-Control-Expose-Headers"]
        )
        assert {BURST, TIME, "Retry-After", "x-ms-dop-hint"} <= set(shown)


def test_answers_say_how_many_requests_at_a_time_are_advised(web: Web) -> None:
    with guarded(web, limit_concurrent=3) as server:
        asked = [server.ask(), server.web.get("accounts?$select=nosuch")]
        asked.append(server.web.call("POST", f"{ORIGIN}/XRMServices/2011/Organization.svc/web", b"<x/>"))
        assert [int(answer.headers["x-ms-dop-hint"]) for answer in asked] == [3, 3, 3]
    with guarded(web, limits="off", limit_concurrent=0) as server:
        assert int(server.ask().headers["x-ms-dop-hint"]) >= 2


# -- on demand ---------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("kind", "fault"), [("requests", REQUESTS), ("execution", EXECUTION), ("concurrency", CONCURRENCY)]
)
def test_the_next_requests_are_refused_on_demand_and_no_others(web: Web, kind: Any, fault: Any) -> None:
    with guarded(web, limits="off") as server:
        server.application.limits.force(kind, count=3, retry_after=17)
        answers = [server.ask() for _ in range(5)]
        assert [answer.status for answer in answers] == [429, 429, 429, 200, 200]
        assert answers[0].fault == fault
        assert answers[0].headers["Retry-After"] == "17"


def test_requests_are_refused_on_demand_for_a_time(web: Web) -> None:
    with guarded(web, limits="off") as server:
        server.application.limits.force("execution", seconds=20)
        assert server.ask().headers["Retry-After"] == "20"
        server.clock.now += 12.5
        assert server.ask().headers["Retry-After"] == "8"
        server.clock.now += 7.5
        assert server.ask().status == 200


def test_requests_of_one_user_are_refused_on_demand_until_that_is_over(web: Web) -> None:
    with guarded(web) as server:
        other = administrator(server.web)
        user = server.ask().json["UserId"]
        left = server.left()
        server.application.limits.force("requests", user=user)
        assert server.ask().fault == REQUESTS
        assert server.ask(authorization=other).status == 200
        assert server.ask().headers["Retry-After"] == "1"
        server.application.limits.clear()
        # What was refused so has not been counted.
        assert server.left() == left - 1


def test_what_was_asked_before_can_be_forgotten(web: Web) -> None:
    with guarded(web, limit_requests=1) as server:
        assert [server.ask().status for _ in range(2)] == [200, 429]
        server.application.limits.forget()
        assert server.ask().status == 200


def test_what_everybody_has_used_can_be_seen(web: Web) -> None:
    with guarded(web, limit_requests=2) as server:
        other = administrator(server.web)
        server.ask(authorization=other)
        user = server.ask().json["UserId"]
        for _ in range(2):
            server.ask()
        server.application.limits.force("requests", count=2, user=user)
        shown = json.loads(json.dumps(server.application.limits.snapshot()))
        assert [each["requests"] for each in shown["users"]] == [2, 1]
        latest = shown["users"][0]
        assert (latest["user"], latest["requests_left"], latest["refused"]) == (user, 0, 1)
        assert (shown["mode"], shown["forced"][0]["count"]) == ("on", 2)
        assert server.application.limits.snapshot(most=1)["users"] == shown["users"][:1]
