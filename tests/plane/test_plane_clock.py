"""The clock: relative dates, tokens, schedules and time stamps follow it."""

from typing import Any

import pytest

from tests.parity.test_parity_jobs import begin, count, fill, operation, query
from tests.plane.conftest import PlaneWeb

HOUR, DAY = 3_600, 86_400


def test_time_stamps_follow_the_clock(web: PlaneWeb) -> None:
    shown = web.plane("PUT", "clock", {"now": "2031-05-06T07:08:09+02:00", "frozen": True})
    assert (shown["now"], shown["frozen"]) == ("2031-05-06T05:08:09.000Z", True)
    assert web.plane("GET", "clock")["now"] == shown["now"]
    web.token = _token(web)
    for _ in range(2):
        id = web.make("accounts", name="Then")
        row = web.get(f"accounts({id})?$select=createdon,modifiedon").json
        assert (row["createdon"], row["modifiedon"]) == ("2031-05-06T05:08:09Z", "2031-05-06T05:08:09Z")
    web.plane("POST", "clock/advance", {"seconds": 61.5})
    assert web.call("PATCH", f"accounts({id})", {"name": "Later"}).status == 204
    assert web.get(f"accounts({id})?$select=modifiedon").json["modifiedon"] == "2031-05-06T05:09:10Z"


def test_a_clock_that_does_not_stand_still_runs_on(web: PlaneWeb) -> None:
    web.plane("PUT", "clock", {"now": "2031-05-06T07:08:09Z"})
    first = web.plane("GET", "clock")
    while web.plane("GET", "clock")["now"] == first["now"]:
        continue
    assert not first["frozen"]
    assert first["offset_seconds"] == pytest.approx(web.plane("GET", "clock")["offset_seconds"], abs=0.01)


def test_a_token_expires_when_the_clock_has_passed_its_end_and_not_before(web: PlaneWeb) -> None:
    web.token = _token(web)
    web.plane("POST", "clock/advance", {"seconds": 0.9 * HOUR})
    assert web.get("WhoAmI").status == 200
    web.plane("POST", "clock/advance", {"seconds": HOUR})
    answer = web.get("WhoAmI")
    assert answer.status == 401
    assert "expired" in answer.headers["WWW-Authenticate"]
    web.token = _token(web)
    assert web.get("WhoAmI").status == 200
    # Back in real time, a token of the future is none yet, and a new one is.
    web.plane("POST", "clock/advance", {"seconds": DAY})
    future = _token(web)
    assert web.plane("DELETE", "clock")["offset_seconds"] == 0
    web.token = future
    assert web.get("WhoAmI").status == 401
    web.token = _token(web)
    assert web.get("WhoAmI").status == 200


def test_relative_dates_move_with_the_clock(web: PlaneWeb) -> None:
    web.make("accounts", name="Today")
    today = "accounts?$select=name&$filter=Microsoft.Dynamics.CRM.Today(PropertyName='createdon')"
    fetch = (
        "accounts?fetchXml=<fetch><entity name='account'><attribute name='name'/><filter>"
        "<condition attribute='createdon' operator='last-x-days' value='3'/></filter></entity></fetch>"
    )
    assert (len(web.get(today).rows), len(web.get(fetch).rows)) == (1, 1)
    web.plane("POST", "clock/advance", {"seconds": 2 * DAY})
    web.token = _token(web)
    assert (len(web.get(today).rows), len(web.get(fetch).rows)) == (0, 1)
    web.plane("POST", "clock/advance", {"seconds": 3 * DAY})
    web.token = _token(web)
    assert (len(web.get(today).rows), len(web.get(fetch).rows)) == (0, 0)


def test_a_job_whose_time_is_to_come_begins_when_the_clock_gets_there(web: PlaneWeb) -> None:
    name = web.name("bulk")
    fill(web, name, 3)
    web.plane("PUT", "clock", {"now": "2031-01-01T00:00:00Z"})
    web.token = _token(web)
    job = begin(
        web, query(name), StartDateTime="2031-01-02T00:00:00Z", RecurrencePattern="FREQ=DAILY;INTERVAL=1"
    )
    assert count(web, name) == 3
    web.plane("PUT", "clock", {"now": "2031-01-02T00:00:01Z"})
    web.token = _token(web)
    ended = web.ended(job)
    assert (ended["postponeuntil"], count(web, name)) == ("2031-01-03T00:00:00Z", 0)
    assert operation(web, job)["successcount"] == 3


def test_reset_goes_back_to_real_time_and_restore_does_not(web: PlaneWeb) -> None:
    web.plane("PUT", "snapshots/here")
    web.plane("PUT", "clock", {"now": "2031-05-06T07:08:09Z", "frozen": True})
    web.plane("POST", "snapshots/here/restore")
    assert web.plane("GET", "clock")["frozen"]
    web.plane("POST", "reset")
    shown = web.plane("GET", "clock")
    assert (shown["frozen"], shown["offset_seconds"]) == (False, 0)


@pytest.mark.parametrize(
    ("method", "path", "body", "code"),
    [
        ("PUT", "clock", {"now": "1979-12-31T23:59:59Z"}, "bad_time"),
        ("PUT", "clock", {"now": "2200-01-01T00:00:01Z"}, "bad_time"),
        ("PUT", "clock", {"now": "2030-01-01T00:00:00"}, "no_zone"),
        ("PUT", "clock", {"now": "0001-01-01T00:00:00+14:00"}, "bad_time"),
        ("PUT", "clock", {"now": "9999-12-31T23:59:59-14:00"}, "bad_time"),
        ("PUT", "clock", {"now": "soon"}, "bad_body"),
        ("PUT", "clock", {"now": 1}, "bad_body"),
        ("PUT", "clock", {}, "bad_body"),
        ("PUT", "clock", {"now": "2030-01-01T00:00:00Z", "frozen": "yes"}, "bad_body"),
        ("PUT", "clock", {"now": "2030-01-01T00:00:00Z", "zone": "UTC"}, "bad_body"),
        ("POST", "clock/advance", {"seconds": 1e10}, "bad_time"),
        ("POST", "clock/advance", {"seconds": -1e10}, "bad_time"),
        ("POST", "clock/advance", {"seconds": 1e300}, "bad_body"),
        ("POST", "clock/advance", {"seconds": "1"}, "bad_body"),
        ("POST", "clock/advance", {"seconds": None}, "bad_body"),
        ("POST", "clock/advance", [], "bad_body"),
    ],
)
def test_a_time_that_cannot_be_changes_nothing(
    web: PlaneWeb, method: str, path: str, body: Any, code: str
) -> None:
    before = web.plane("PUT", "clock", {"now": "2031-05-06T07:08:09Z", "frozen": True})
    assert web.plane(method, path, body, status=400)["error"]["code"] == code
    assert web.plane("GET", "clock")["now"] == before["now"]


def _token(web: PlaneWeb) -> str:
    """A token of now."""
    return PlaneWeb(web.client, web.organisation).token
