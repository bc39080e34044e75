"""Appointments as the actions make, change and list them."""

from collections.abc import Iterator
from typing import Any

import pytest

from orgstead.client import NotFoundError, new_id
from tests.actions.conftest import ADMIN_UPN, Act

CATEGORIES = {"First visit": 180_000_000, "Follow-up": 180_000_001}


def times(day: int = 20) -> dict[str, str]:
    return {"scheduledstart": f"2026-02-{day}T12:00:00Z", "scheduledend": f"2026-02-{day}T13:00:00Z"}


def asked(account: str, **more: Any) -> dict[str, Any]:
    return {
        "subject": f"Meeting {new_id()}", **times(), "regarding_account_id": account,
        "required_attendee_email": ADMIN_UPN, **more,
    }  # fmt: skip


def made(client: Any, subject: str) -> int:
    return len(client.odata(f"appointments?$select=subject&$filter=subject eq '{subject}'").all())


@pytest.fixture
def categories(client: Any) -> Iterator[str]:
    """Appointments have a category with numbers while the test runs."""
    kind = {"kind": "choice", "options": CATEGORIES}
    column = client.tables.add_column("appointment", "new_Category", kind)
    yield column
    client.tables.delete_column("appointment", column)


def test_an_appointment_has_its_account_its_organizer_its_attendee_and_its_link(
    act: Act, client: Any, account: str
) -> None:
    answer = act("create_appointment", **asked(account))
    assert answer["success"], answer["error"]
    id = answer["appointment_id"]
    assert answer["deep_link"] == f"{client.url}/main.aspx?etn=appointment&id={id}&pagetype=entityrecord"
    assert answer["appointment"]["activityid"] == id
    row = client.records.retrieve("appointment", id)
    assert row["regardingobjectid"] == account
    assert row["scheduledstart"].isoformat() == "2026-02-20T12:00:00+00:00"
    path = f"activityparties?$filter=_activityid_value eq {id}&$select=participationtypemask,_partyid_value"
    parties = {each["participationtypemask"]: each["_partyid_value"] for each in client.odata(path).all()}
    (admin,) = client.odata(f"systemusers?$filter=internalemailaddress eq '{ADMIN_UPN}'").all()
    assert parties[5] == admin["systemuserid"]
    assert parties[7] == client.who_am_i()["UserId"]


def test_times_with_an_offset_are_the_instants_that_they_name(act: Act, client: Any, account: str) -> None:
    given = {"scheduledstart": "2026-02-20T12:00:00+02:00", "scheduledend": "2026-02-20T11:00:00"}
    answer = act("create_appointment", **(asked(account) | given))
    row = client.records.retrieve("appointment", answer["appointment_id"])
    assert row["scheduledstart"].hour == 10
    assert row["scheduledend"].hour == 11


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"regarding_account_id": "00000000-0000-4000-8000-000000000001"}, "search_accounts"),
        ({"regarding_account_id": "accounts(1)"}, "no id"),
        (
            {"required_attendee_email": "nobody@example.org"},
            "No user has the e-mail address nobody@example.org",
        ),
        ({"required_attendee_email": "x' or internalemailaddress ne '"}, "No user has"),
        ({"scheduledstart": "tomorrow"}, "scheduledstart is a time"),
        ({"scheduledend": "2026-02-20T12:00:00Z"}, "scheduledend must be after scheduledstart"),
        ({"subject": ""}, "length >= 1"),
        ({"category": "first"}, "do not fit"),
    ],
)
def test_an_appointment_that_cannot_be_is_not_made_and_says_why(
    act: Act, client: Any, account: str, wrong: dict[str, Any], said: str
) -> None:
    given = asked(account) | wrong
    answer = act("create_appointment", **given)
    assert not answer["success"]
    assert said in answer["error"]
    assert made(client, given["subject"]) == 0


def test_two_users_with_one_address_are_told_apart_by_nobody(act: Act, client: Any, account: str) -> None:
    unit = client.who_am_i()["BusinessUnitId"]
    address = f"twin-{new_id()}@example.org"
    twins = [
        client.records.create("systemuser", {
            "firstname": name, "lastname": "Twin", "internalemailaddress": address,
            "domainname": f"{new_id()}@example.org", "businessunitid@odata.bind": f"/businessunits({unit})",
        })
        for name in ("Ada", "Bo")
    ]  # fmt: skip
    given = asked(account, required_attendee_email=address)
    answer = act("create_appointment", **given)
    assert not answer["success"]
    assert f"2 users have the e-mail address {address}" in answer["error"]
    assert all(id in answer["error"] for id in twins)
    assert made(client, given["subject"]) == 0
    client.records.update("systemuser", twins[0], {"isdisabled": True})
    assert act("create_appointment", **given)["success"]


def test_categories_are_those_of_the_column_and_others_are_refused_by_name(
    act: Act, client: Any, account: str, categories: str
) -> None:
    listed = act("list_appointment_categories")
    assert listed["category_type"] == "Picklist"
    options = [{"value": value, "label": label} for label, value in CATEGORIES.items()]
    assert listed["categories"] == options
    assert act("list_appointment_category_options")["options"] == options
    given = asked(account, category=4)
    answer = act("create_appointment", **given)
    assert answer["error"].endswith("180000000 (First visit), 180000001 (Follow-up).")
    assert made(client, given["subject"]) == 0
    answer = act("create_appointment", **(given | {"category": 180_000_001}))
    assert answer["appointment"][categories] == 180_000_001
    id = answer["appointment_id"]
    assert "Valid ones" in act("update_appointment", appointment_id=id, category=4)["error"]
    assert act("update_appointment", appointment_id=id, category=180_000_000)["updated_fields"] == [
        "category"
    ]
    assert client.records.retrieve("appointment", id)[categories] == 180_000_000


def test_categories_of_free_text_are_those_in_use_and_take_no_number(
    act: Act, client: Any, account: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = f"Visit {new_id()}"
    client.records.create("appointment", {"subject": "with a text", "category": text})
    listed = act("list_appointment_categories")
    assert listed["category_type"] == "String"
    assert {"value": text, "label": text} in listed["categories"]
    answer = act("create_appointment", **asked(account, category=1))
    assert "free text" in answer["error"]
    monkeypatch.setenv("APPOINTMENT_CATEGORY_FIELD", "prioritycode")
    assert {"value": 1, "label": "Normal"} in act("list_appointment_category_options")["options"]
    assert act("create_appointment", **asked(account, category=2))["appointment"]["prioritycode"] == 2
    monkeypatch.setenv("APPOINTMENT_CATEGORY_FIELD", "no_such_column")
    assert "no such column" in act("list_appointment_categories")["error"]


def test_an_update_writes_only_what_is_given(act: Act, client: Any, account: str) -> None:
    id = act("create_appointment", **asked(account))["appointment_id"]
    before = client.records.retrieve("appointment", id)
    answer = act(
        "update_appointment", appointment_id=id, subject="Moved", scheduledend="2026-02-20T15:00:00Z"
    )
    assert answer == {
        "success": True, "error": None, "appointment_id": id, "updated_fields": ["subject", "scheduledend"],
    }  # fmt: skip
    after = client.records.retrieve("appointment", id)
    assert (after["subject"], after["scheduledend"].hour) == ("Moved", 15)
    assert after["scheduledstart"] == before["scheduledstart"]


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({}, "Nothing is to change"),
        ({"scheduledend": "2026-02-20T11:00:00Z"}, "must be after"),
        ({"scheduledstart": "2026-02-20T13:00:00Z"}, "must be after"),
        ({"scheduledstart": "noon"}, "is a time such as"),
    ],
)
def test_an_update_that_cannot_be_changes_nothing(
    act: Act, client: Any, account: str, given: dict[str, str], said: str
) -> None:
    id = act("create_appointment", **asked(account))["appointment_id"]
    etag = client.records.retrieve("appointment", id).etag
    answer = act("update_appointment", appointment_id=id, **given)
    assert not answer["success"]
    assert said in answer["error"]
    assert client.records.retrieve("appointment", id).etag == etag


def test_an_update_makes_no_appointment(act: Act, client: Any) -> None:
    id = new_id()
    answer = act("update_appointment", appointment_id=id, subject="Ghost")
    assert "no appointment with the id" in answer["error"]
    with pytest.raises(NotFoundError):
        client.records.retrieve("appointment", id)


def test_appointments_are_listed_by_filter_and_number(act: Act, account: str) -> None:
    for day in (20, 21, 22):
        assert act("create_appointment", **asked(account, **times(day)))["success"]
    mine = f"_regardingobjectid_value eq {account}"
    found = act("list_appointments", filter=mine)["appointments"]
    assert [each["scheduledstart"][:10] for each in found] == ["2026-02-22", "2026-02-21", "2026-02-20"]
    assert len(act("list_appointments", filter=mine, records_per_page=2)["appointments"]) == 2
    assert "do not fit" in act("list_appointments", records_per_page=101)["error"]
    assert act("list_appointments", filter="subject is 'x'")["success"] is False
