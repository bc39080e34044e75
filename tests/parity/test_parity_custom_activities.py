"""Custom activity tables: their rows are activities like all others.

https://learn.microsoft.com/power-apps/developer/data-platform/custom-activities
"""

from collections.abc import Iterator
from typing import Any

import pytest

from tests.parity.conftest import Web
from tests.parity.test_parity_tables import column, make_table, table


def activity(schema_name: str, **more: Any) -> dict[str, Any]:
    """A custom activity as the documentation's example makes one."""
    subject = column("String", "Subject", IsPrimaryName=True, MaxLength=100, FormatName={"Value": "Text"})
    return {
        **table(schema_name, IsActivity=True, HasNotes=True, IsAvailableOffline=True),
        "Attributes": [subject],
        **more,
    }


@pytest.fixture
def messages(web: Web) -> Iterator[str]:
    """A custom activity, by its entity set."""
    more = column("String", "new_Handle", MaxLength=50, FormatName={"Value": "Text"})
    body = activity("new_Instant")
    answer = web.call("POST", "EntityDefinitions", {**body, "Attributes": [*body["Attributes"], more]})
    assert answer.status == 204, answer.text
    yield "new_instants"
    assert web.call("DELETE", "EntityDefinitions(LogicalName='new_instant')").status == 204


def test_a_custom_activity_has_what_all_activities_have(web: Web, messages: str) -> None:
    made = web.get("EntityDefinitions(LogicalName='new_instant')").json
    assert (made["IsActivity"], made["PrimaryIdAttribute"], made["PrimaryNameAttribute"]) == (
        True, "activityid", "subject",
    )  # fmt: skip
    columns = {
        each["LogicalName"]: each
        for each in web.get("EntityDefinitions(LogicalName='new_instant')/Attributes").rows
    }
    assert {"from", "to", "cc", "bcc", "customers", "resources", "organizer"} <= set(columns)
    assert {"regardingobjectid", "scheduledend", "actualend", "new_handle", "ownerid"} <= set(columns)
    assert columns["subject"]["MaxLength"] == 100
    assert 'BaseType="mscrm.activitypointer"' in web.get("$metadata").text.split('Name="new_instant"')[1][:80]


def test_its_rows_are_activity_pointers_that_regard_and_name_people(web: Web, messages: str) -> None:
    account = web.make("accounts", name="Contoso")
    contact = web.make("contacts", lastname="Ng")
    parties = [
        {"participationtypemask": 2, "partyid_contact@odata.bind": f"/contacts({contact})"},
        {"participationtypemask": 11, "partyid_account@odata.bind": f"/accounts({account})"},
    ]
    made = web.call(
        "POST",
        messages,
        {
            "subject": "Hello",
            "new_handle": "@ng",
            "regardingobjectid_account_new_instant@odata.bind": f"/accounts({account})",
            "new_instant_activity_parties": parties,
        },
    )
    assert made.status == 204, made.text
    row = web.get(f"{messages}({made.id})?$expand=new_instant_activity_parties").json
    assert (row["subject"], row["new_handle"], row["statecode"]) == ("Hello", "@ng", 0)
    assert {each["participationtypemask"] for each in row["new_instant_activity_parties"]} >= {2, 11}
    pointer = web.get(f"activitypointers({made.id})").json
    assert (pointer["activitytypecode"], pointer["_regardingobjectid_value"]) == ("new_instant", account)
    regarding = f"accounts({account})/account_new_instants?$select=subject"
    assert [each["subject"] for each in web.get(regarding).rows] == ["Hello"]
    done = web.call("PATCH", f"{messages}({made.id})", {"statecode": 1, "statuscode": 2})
    assert done.status == 204, done.text
    assert web.get(f"activitypointers({made.id})").json["statecode"] == 1
    note = web.call(
        "POST",
        "annotations",
        {"subject": "n", "objectid_new_instant@odata.bind": f"/{messages}({made.id})"},
    )
    assert note.status == 204, note.text
    assert web.call("DELETE", f"activitypointers({made.id})").status == 204
    assert web.get(f"{messages}({made.id})").status == 404
    assert web.get(f"annotations({note.id})").status == 404


def test_a_table_made_later_is_regarded_by_it(web: Web, messages: str) -> None:
    make_table(web, "new_Ship", HasActivities=True)
    ship = web.make("new_ships", new_name="Argo")
    bound = {
        "subject": "Ahoy",
        "regardingobjectid_new_ship_new_instant@odata.bind": f"/new_ships({ship})",
    }
    assert web.call("POST", messages, bound).status == 204
    assert len(web.get(f"new_ships({ship})/new_ship_new_instants").rows) == 1
    assert len(web.get(f"new_ships({ship})/new_ship_ActivityPointers").rows) == 1


def test_the_table_goes_with_its_rows_and_their_pointers(web: Web, messages: str) -> None:
    ids = [web.make(messages, subject=f"m{number}") for number in range(3)]
    assert web.call("DELETE", "EntityDefinitions(LogicalName='new_instant')").status == 204
    assert web.get(messages).status == 404
    assert [web.get(f"activitypointers({id})").status for id in ids] == [404] * 3
    again = web.call("POST", "EntityDefinitions", activity("new_Instant", Attributes=[]))
    assert again.status == 204, again.text
    assert web.get(messages).rows == []


@pytest.mark.parametrize(
    "wrong",
    [
        {"OwnershipType": "OrganizationOwned"},
        {"HasActivities": True},
        {"Attributes": [column("String", "new_Name", IsPrimaryName=True, MaxLength=100)]},
        {"PrimaryIdAttribute": "new_instantid"},
    ],
)
def test_what_an_activity_cannot_be_is_said(web: Web, wrong: dict[str, Any]) -> None:
    answer = web.call("POST", "EntityDefinitions", activity("new_Instant", **wrong))
    assert answer.status == 400, answer.text
    assert answer.fault[1].startswith("0x8")
    assert web.get("EntityDefinitions?$filter=LogicalName eq 'new_instant'").rows == []
