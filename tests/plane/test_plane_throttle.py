"""Throttling on demand, through the plane."""

from typing import Any

import pytest

from tests.parity.test_parity_security import make_user
from tests.plane.conftest import PlaneWeb

# https://learn.microsoft.com/power-apps/developer/data-platform/api-limits#service-protection-api-limit-errors-returned
CODES = {"requests": "0x80072322", "execution": "0x80072321", "concurrency": "0x80072326"}


@pytest.mark.parametrize("kind", CODES)
def test_so_many_requests_are_refused_as_the_cloud_refuses_them(web: PlaneWeb, kind: str) -> None:
    web.plane("POST", "throttle", {"kind": kind, "count": 2, "retry_after": 3})
    answers = [web.get("accounts?$top=1") for _ in range(3)]
    assert [answer.status for answer in answers] == [429, 429, 200]
    assert answers[0].fault == (429, CODES[kind])
    assert answers[0].headers["Retry-After"] == "3"
    shown = web.plane("GET", "requests?status=429")["requests"]
    assert [row["code"] for row in shown] == [CODES[kind]] * 2


def test_throttling_by_time_ends_when_the_clock_gets_there(web: PlaneWeb) -> None:
    web.plane("POST", "throttle", {"seconds": 100})
    assert web.get("accounts").status == 429
    web.plane("POST", "clock/advance", {"seconds": 101})
    assert web.get("accounts").status == 200


def test_throttling_of_a_user_leaves_others_alone(web: PlaneWeb) -> None:
    me = web.get("WhoAmI").json
    role, *_ = web.get("roles?$filter=name eq 'System Administrator'").rows
    make_user(web, me["BusinessUnitId"], role["roleid"])
    web.plane("POST", "throttle", {"count": 5, "user": "00000000-0000-0000-0000-000000000001"})
    assert web.get("accounts").status == 200
    web.plane("POST", "throttle", {"user": me["UserId"]})
    assert [web.get("accounts").status for _ in range(3)] == [429] * 3
    web.plane("DELETE", "throttle")
    assert web.get("accounts").status == 200


def test_reset_ends_throttling_and_forgets_what_was_counted(web: PlaneWeb) -> None:
    web.get("accounts")
    web.plane("POST", "throttle", {})
    assert web.get("accounts").status == 429
    assert web.plane("GET", "throttle")["forced"] != []
    web.plane("POST", "reset")
    assert web.plane("GET", "throttle")["forced"] == []
    assert web.plane("GET", "throttle")["users"] == []
    assert web.get("accounts").status == 200


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({"kind": "nonsense", "count": 1}, "bad_throttling"),
        ({"kind": ""}, "bad_body"),
        ({"count": 0}, "bad_body"),
        ({"count": "1"}, "bad_body"),
        ({"seconds": 0}, "bad_body"),
        ({"seconds": 90_000}, "bad_body"),
        ({"user": "x" * 65}, "bad_body"),
        ({"retry_after": -1}, "bad_body"),
        ({"until": 1}, "bad_body"),
    ],
)
def test_throttling_that_cannot_be_is_refused(web: PlaneWeb, body: Any, code: str) -> None:
    assert web.plane("POST", "throttle", body, status=400)["error"]["code"] == code
    assert web.get("accounts").status == 200
