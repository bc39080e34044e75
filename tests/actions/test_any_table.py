"""The dozen beside the eleven: any table described, searched, queried, written; sales and service worked."""

from decimal import Decimal
from typing import Any

import pytest

from orgstead.client import new_id
from tests.actions.conftest import ADMIN_UPN, Act


def test_tables_and_columns_are_described(act: Act) -> None:
    tables = {each["name"]: each["label"] for each in act("describe", search="opport")["tables"]}
    assert tables["opportunity"] == "Opportunity"
    columns = {each["name"]: each for each in act("describe", table="incident")["columns"]}
    assert columns["customerid"]["targets"] == ["account", "contact"]
    assert {"value": 0, "label": "Active"} in columns["statecode"]["options"]
    assert columns["title"]["type"] == "String"
    assert columns["createdon"]["writable"] is False
    assert [each["name"] for each in act("describe", table="account", search="revenue")["columns"]]
    everything = act("describe")
    assert everything["tables"]
    assert everything["left_out"] == 0
    for wrong in ("nope", "x y"):
        assert act("describe", table=wrong)["success"] is False


def test_rows_are_searched_across_tables(act: Act, client: Any) -> None:
    mark = new_id()
    account = client.records.create("account", {"name": f"Tern {mark}"})
    lead = client.records.create("lead", {"subject": f"silos {mark}", "lastname": "Thorn"})
    found = {(each["table"], each["id"]) for each in act("search", search_term=mark.upper())["matches"]}
    assert found == {("account", account), ("lead", lead)}
    (one,) = act("search", search_term=mark, tables=["account"])["matches"]
    assert one["name"] == f"Tern {mark}"
    assert act("search", search_term="') or (name ne '")["matches"] == []
    passed = act("search", search_term=mark, tables=["account", "nope"])
    assert len(passed["matches"]) == 1
    assert passed["passed_over"][0].startswith("nope: ")


def test_a_row_is_read_with_labels_for_choices_and_lookups(act: Act, client: Any) -> None:
    contact = client.records.create("contact", {"firstname": "Ada", "lastname": "Thorn"})
    account = client.records.create("account", {
        "name": "Labelled", "industrycode": 1, "primarycontactid@odata.bind": f"/contacts({contact})",
    })  # fmt: skip
    answer = act("get_record", table="account", record_id=account)
    record = answer["record"]
    assert record["statecode@label"] == "Active"
    assert record["_primarycontactid_value@label"] == "Ada Thorn"
    assert record["_primarycontactid_value@table"] == "contact"
    assert answer["deep_link"].endswith(f"/main.aspx?etn=account&id={account}&pagetype=entityrecord")
    few = act("get_record", table="account", record_id=account, select=["name"])["record"]
    assert few == {"accountid": account, "name": "Labelled"}
    assert act("get_record", table="account", record_id=account, select=["name,revenue"])["success"] is False


def test_a_query_is_read_to_its_end_by_cursors(act: Act, client: Any) -> None:
    mark = new_id()
    names = [f"{number} {mark}" for number in range(7)]
    client.bulk.create("account", [{"name": name} for name in names])
    query = f"SELECT name FROM account WHERE name LIKE '%{mark}' ORDER BY name"
    found: list[str] = []
    cursor, pages = None, 0
    while pages == 0 or cursor is not None:
        answer = act(
            "read_query", querytext=query, records_per_page=3, **({"cursor": cursor} if cursor else {})
        )
        found += [row["name"] for row in answer["rows"]]
        cursor, pages = answer["next_cursor"], pages + 1
    assert found == names
    assert pages == 3
    total = act("read_query", querytext=f"SELECT COUNT(*) AS n FROM account WHERE name LIKE '%{mark}'")
    assert [row["n"] for row in total["rows"]] == [7]


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"querytext": "DELETE FROM account"}, "not supported"),
        ({"querytext": "SELECT 1"}, "FROM a table"),
        ({"querytext": "SELECT nope FROM account"}, "nope"),
        ({"querytext": "SELECT name FROM nope"}, "nope"),
        ({"querytext": "SELECT name FROM account", "records_per_page": 501}, "do not fit"),
        ({"querytext": "x", "cursor": "aHR0cHM6Ly9leGFtcGxlLm9yZw"}, "The cursor is none"),
        ({"querytext": "x", "cursor": "€"}, "The cursor is none"),
        ({"querytext": "x", "cursor": "../x"}, "The cursor is none"),
    ],
)
def test_a_query_that_cannot_be_says_why(act: Act, given: dict[str, Any], said: str) -> None:
    answer = act("read_query", **given)
    assert not answer["success"]
    assert said in answer["error"]


def test_rows_of_any_table_are_made_changed_and_deleted(act: Act, client: Any, account: str) -> None:
    me = client.who_am_i()["UserId"]
    made = act("create_record", table="opportunity", values={
        "name": "Ten silos", "estimatedvalue": 12000.55, "customerid": {"table": "account", "id": account},
        "ownerid": {"table": "systemuser", "id": me},
    })  # fmt: skip
    assert made["success"], made["error"]
    id = made["record_id"]
    row = client.records.retrieve("opportunity", id)
    assert (row["estimatedvalue"], row["customerid"], row["ownerid"]) == (Decimal("12000.55"), account, me)
    changed = act(
        "update_record",
        table="opportunity",
        record_id=id,
        values={"name": "Twelve silos", "description": None},
    )
    assert changed["updated_fields"] == ["name", "description"]
    asked = act("delete_record", table="opportunity", record_id=id)
    assert not asked["success"]
    assert "Twelve silos" in asked["error"]
    assert client.records.find("opportunity", id) is not None
    assert act("delete_record", table="opportunity", record_id=id, confirm=True)["record_id"] == id
    assert client.records.find("opportunity", id) is None


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({}, "no values"),
        ({"customerid": {"table": "lead", "id": "00000000-0000-4000-8000-000000000001"}}, "account, contact"),
        ({"nope": {"table": "account", "id": "00000000-0000-4000-8000-000000000001"}}, "no lookup"),
        ({"customerid": {"id": "x"}}, "{table, id}"),
        ({"nope": 1}, "nope"),
        ({"title": ["x"]}, ""),
        ({"customerid": {"table": "account", "id": "x"}}, "no id"),
    ],
    ids=str,
)
def test_values_that_a_row_cannot_have_are_refused(act: Act, values: dict[str, Any], said: str) -> None:
    answer = act("create_record", table="incident", values=values)
    assert not answer["success"]
    assert said in answer["error"]


def test_a_change_makes_no_row(act: Act, client: Any) -> None:
    id = new_id()
    assert act("update_record", table="account", record_id=id, values={"name": "Ghost"})["success"] is False
    assert client.records.find("account", id) is None


def test_a_lead_is_qualified_once(act: Act, client: Any) -> None:
    lead = client.records.create(
        "lead", {"subject": "Silos", "lastname": "Thorn", "companyname": "Thorn Mills"}
    )
    answer = act("qualify_lead", lead_id=lead)
    assert [each["table"] for each in answer["created"]] == ["account", "contact", "opportunity"]
    for each in answer["created"]:
        assert client.records.find(each["table"], each["id"]) is not None
        assert each["id"] in each["deep_link"]
    assert act("qualify_lead", lead_id=lead)["success"] is False
    other = client.records.create("lead", {"subject": "Small", "lastname": "None"})
    flags = {"create_account": False, "create_contact": False, "create_opportunity": False}
    assert act("qualify_lead", lead_id=other, **flags)["created"] == []


@pytest.mark.parametrize(("outcome", "state"), [("won", 1), ("lost", 2)])
def test_an_opportunity_is_closed(act: Act, client: Any, account: str, outcome: str, state: int) -> None:
    id = act("create_record", table="opportunity", values={
        "name": "Deal", "customerid": {"table": "account", "id": account},
    })["record_id"]  # fmt: skip
    answer = act(
        "close_opportunity", opportunity_id=id, outcome=outcome, actual_revenue=99.5, actual_end="2026-03-04",
        reason="Price",
    )  # fmt: skip
    assert answer["success"], answer["error"]
    row = client.records.retrieve("opportunity", id)
    assert (row["statecode"], row["actualvalue"]) == (state, Decimal("99.5"))
    assert act("close_opportunity", opportunity_id=id, outcome=outcome)["success"] is False
    assert "do not fit" in act("close_opportunity", opportunity_id=id, outcome="maybe")["error"]


def test_a_task_is_about_a_row_and_for_a_user(act: Act, client: Any, account: str) -> None:
    answer = act(
        "create_task", subject="Call", description="About silos", due="2026-03-01T10:00:00Z",
        regarding_table="account", regarding_id=account, owner_email=ADMIN_UPN,
    )  # fmt: skip
    assert answer["success"], answer["error"]
    row = client.records.retrieve("task", answer["task_id"], annotations=True)
    assert row["regardingobjectid"] == account
    assert row.lookups["ownerid"].id == row["ownerid"] != client.who_am_i()["UserId"]
    assert "go together" in act("create_task", subject="x", regarding_id=account)["error"]
    assert (
        "no lookup"
        not in act("create_task", subject="x", regarding_table="task", regarding_id=account)["error"]
    )


def test_a_note_is_on_a_row(act: Act, client: Any, account: str) -> None:
    answer = act("add_note", table="account", record_id=account, text="<b>bold</b>", subject="Call")
    row = client.records.retrieve("annotation", answer["note_id"])
    assert (row["objectid"], row["notetext"], row["subject"]) == (account, "<b>bold</b>", "Call")


def test_a_case_is_resolved_once(act: Act, client: Any, account: str) -> None:
    case = act("create_record", table="incident", values={
        "title": "Leak", "customerid": {"table": "account", "id": account},
    })["record_id"]  # fmt: skip
    assert act("resolve_case", case_id=case, resolution="Mended", minutes=5)["success"]
    assert client.records.retrieve("incident", case)["statecode"] == 1
    assert act("resolve_case", case_id=case, resolution="Mended")["success"] is False
