"""What actions do when the service or the line fails: they answer, they wait, and nothing is made twice."""

from typing import Any

import pytest

from orgstead.client import Retry, new_id
from orgstead.testing.plane import Plane
from tests.actions.conftest import ADMIN_UPN, SWIFT, Live, Make, acting
from tests.actions.test_appointments import asked, made


@pytest.fixture
def swift(make: Make) -> Any:
    """A client that repeats at once and knows the tables already."""
    client = make(retry=SWIFT)
    for table in ("account", "appointment", "systemuser", "task", "lead"):
        client.query(table).top(1).all()
    return client


def sent(plane: Plane, method: str, status: str | None = None) -> int:
    return len([row for row in plane.requests(method=method, status=status) if "/api/data/" in row["path"]])


@pytest.mark.parametrize("fault", [{"drop": "before"}, {"drop": "after"}, {"status": 503}], ids=str)
def test_a_line_that_is_cut_in_the_middle_makes_one_appointment(
    swift: Any, plane: Plane, account: str, fault: dict[str, Any]
) -> None:
    given = asked(account)
    plane.faults.add(**fault, count=2, method="POST", path="/api/data/v9.2/appointments")
    answer = acting(swift)("create_appointment", **given)
    assert answer["success"], answer["error"]
    assert made(swift, given["subject"]) == 1
    assert swift.records.retrieve("appointment", answer["appointment_id"])["subject"] == given["subject"]


@pytest.mark.parametrize("action", ["create_record", "create_task"])
def test_what_is_made_by_other_actions_is_made_once_as_well(swift: Any, plane: Plane, action: str) -> None:
    subject = f"once {new_id()}"
    given = (
        {"subject": subject} if action == "create_task" else {"table": "task", "values": {"subject": subject}}
    )
    plane.faults.add(drop="after", count=1, method="POST")
    assert acting(swift)(action, **given)["success"]
    assert len(swift.odata(f"tasks?$filter=subject eq '{subject}'").all()) == 1


def test_what_cannot_be_repeated_says_that_it_may_have_been_done(swift: Any, plane: Plane) -> None:
    lead = swift.records.create(
        "lead", {"subject": "lost answer", "lastname": "Thorn", "companyname": "Mills"}
    )
    plane.faults.add(drop="after", count=1, method="POST")
    answer = acting(swift)("qualify_lead", lead_id=lead)
    assert not answer["success"]
    assert "may have been done" in answer["error"]
    assert len(swift.odata(f"accounts?$filter=_originatingleadid_value eq {lead}").all()) == 1


def test_a_request_that_is_throttled_is_waited_out(swift: Any, plane: Plane, account: str) -> None:
    given = asked(account)
    plane.throttle.force(count=2, retry_after=1)
    assert acting(swift)("create_appointment", **given)["success"]
    assert made(swift, given["subject"]) == 1
    assert len(plane.requests(status=429)) == 2


def test_a_throttled_request_that_may_not_be_waited_for_says_how_long(make: Make, plane: Plane) -> None:
    client = make(retry=Retry(budget=0))
    client.query("account").top(1).all()
    plane.throttle.force(count=5, retry_after=7)
    answer = acting(client)("list_accounts")
    assert "Wait 7 seconds and try again" in answer["error"]


def test_a_token_that_has_expired_is_got_anew_once(swift: Any, plane: Plane) -> None:
    act = acting(swift)
    assert act("list_accounts", records_per_page=1)["success"]
    plane.clock.advance(hours=30)
    plane.forget_requests()
    assert act("list_accounts", records_per_page=1)["success"]
    assert sent(plane, "GET", "401") == 1
    assert len([row for row in plane.requests(method="POST") if row["path"].endswith("/token")]) == 1
    assert sent(plane, "GET", "200") == 1


def test_a_token_that_is_refused_again_is_an_error_that_says_so(make: Make) -> None:
    answer = acting(make(credential="no.token.at-all"))("list_accounts")
    assert answer["error"].endswith("Sign in again.")


def test_a_service_that_is_not_there_is_an_error_that_says_so(make: Make) -> None:
    answer = acting(make("http://127.0.0.1:9", "token", retry=Retry(budget=0)))(
        "get_account", account_id=new_id()
    )
    assert "cannot be reached" in answer["error"]
    assert answer["account"] is None


def test_a_privilege_that_is_missing_is_an_error_that_says_so(make: Make, client: Any, live: Live) -> None:
    (admin,) = client.odata(
        f"systemusers?$filter=internalemailaddress eq '{ADMIN_UPN}'&$select=systemuserid"
    ).all()
    nobody = client.records.create("systemuser", {
        "firstname": "No", "lastname": "Roles", "internalemailaddress": f"{new_id()}@example.org",
        "domainname": f"{new_id()}@example.org",
        "businessunitid@odata.bind": f"/businessunits({client.who_am_i()['BusinessUnitId']})",
    })  # fmt: skip
    assert admin
    answer = acting(make(headers={"MSCRMCallerID": nobody}))("list_accounts")
    assert not answer["success"]
    assert "may not do this" in answer["error"]
