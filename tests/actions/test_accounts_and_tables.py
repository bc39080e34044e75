"""Accounts and contacts found, and tables of one's own made."""

from typing import Any

import pytest

from orgstead.client import new_id
from tests.actions.conftest import Act


def test_an_account_is_read_with_what_it_has(act: Act, client: Any) -> None:
    id = client.records.create("account", {"name": "Quoted 'Mills'", "revenue": 1250.75})
    account = act("get_account", account_id=id)["account"]
    assert (account["accountid"], account["name"], account["revenue"]) == (id, "Quoted 'Mills'", 1250.75)
    assert None not in account.values()
    assert act("get_account", account_id=f"{{{id.upper()}}}")["account"]["accountid"] == id


@pytest.mark.parametrize("id", ["00000000-0000-4000-8000-000000000001", "", "x", "1)/contacts(2"])
def test_an_account_that_is_not_there_is_an_error(act: Act, id: str) -> None:
    answer = act("get_account", account_id=id)
    assert answer == {"success": False, "error": answer["error"], "account": None}


def test_accounts_are_listed_by_filter_and_number(act: Act, client: Any) -> None:
    city = f"Town {new_id()}"
    for name in ("C", "A", "B"):
        client.records.create("account", {"name": name, "address1_city": city})
    found = act("list_accounts", filter=f"address1_city eq '{city}'")["accounts"]
    assert [each["name"] for each in found] == ["A", "B", "C"]
    found = act("list_accounts", filter=f"address1_city eq '{city}'", records_per_page=2)["accounts"]
    assert [each["name"] for each in found] == ["A", "B"]
    assert act("list_accounts")["accounts"]
    for wrong in (0, 5001, "50"):
        assert "do not fit" in act("list_accounts", records_per_page=wrong)["error"]
    for wrong in ("name eq", "nope eq 1", "1 eq 1&$expand=x", "name eq 'x') or (1 eq 1"):
        assert act("list_accounts", filter=wrong)["success"] is False


def test_accounts_are_searched_by_a_part_of_their_name_whatever_it_holds(act: Act, client: Any) -> None:
    mark = new_id()
    name = f"O'Hara & Sons 100% #1+{mark}"
    id = client.records.create("account", {"name": name})
    for term in (name, f"1+{mark}".upper(), mark, "100% #1+" + mark):
        assert [each["accountid"] for each in act("search_accounts", search_term=term)["accounts"]] == [id]
    for term in (f"') or (name ne '{mark}", f"%{mark}", f"_{mark}", f"[+]{mark}", f"{mark}')&$top=5"):
        assert act("search_accounts", search_term=term) == {"success": True, "error": None, "accounts": []}


def test_contacts_are_found_by_id_name_and_filter(act: Act, client: Any) -> None:
    mark = new_id()[:8]
    ids = [
        client.records.create("contact", {"firstname": first, "lastname": f"O'Neil {mark}"})
        for first in ("Ada", "Bo")
    ]
    assert [each["contactid"] for each in act("find_contact", contact_id=ids[0])["contacts"]] == ids[:1]
    assert len(act("find_contact", name=f"o'neil {mark}")["contacts"]) == 2
    both = act("find_contact", name=mark, filter="firstname eq 'Bo' or firstname eq 'Cy'")["contacts"]
    assert [each["contactid"] for each in both] == ids[1:]
    assert act("find_contact", filter=f"lastname eq 'O''Neil {mark}'")["contacts"]
    assert act("find_contact", name="x') or contains(fullname,'")["contacts"] == []
    assert "give contact_id, name or filter" in act("find_contact")["error"]
    assert act("find_contact", contact_id="00000000-0000-4000-8000-000000000001")["success"] is False


def test_solutions_are_options_that_take_tables(act: Act) -> None:
    (default,) = [
        each for each in act("list_solution_id_options")["solutions"] if each["unique_name"] == "Default"
    ]
    assert default["value"]
    assert default["label"]
    assert default["publisher_prefix"] == "new"


@pytest.fixture
def solution(client: Any) -> Any:
    """A solution of a publisher of its own."""
    mark = new_id()[:6]
    prefix = f"p{mark}"[:8].replace("-", "")
    publisher = client.records.create("publisher", {
        "uniquename": f"pub{mark}", "friendlyname": "Publisher", "customizationprefix": prefix,
        "customizationoptionvalueprefix": 20000,
    })  # fmt: skip
    id = client.records.create("solution", {
        "uniquename": f"sol{mark}", "friendlyname": f"Solution {mark}", "version": "1.0.0.0",
        "publisherid@odata.bind": f"/publishers({publisher})",
    })  # fmt: skip
    return {"id": id, "prefix": prefix, "name": f"sol{mark}"}


def test_a_table_lands_in_its_solution_with_prefix_primary_column_and_columns(
    act: Act, client: Any, solution: Any
) -> None:
    prefix = solution["prefix"]
    answer = act(
        "create_custom_entity",
        solution_id=solution["id"],
        display_name="Bank Account",
        primary_attribute="Account Name",
        description="Accounts at banks",
        has_notes=True,
        has_activities=True,
        additional_attributes=[
            {"name": "Credit Limit", "type": "money", "required": True},
            {"name": "Kind", "type": "choice", "options": ["Savings", "Checking"]},
            {
                "@odata.type": "Microsoft.Dynamics.CRM.IntegerAttributeMetadata", "AttributeType": "Integer",
                "SchemaName": f"{prefix}_Branch",
            },
        ],
    )  # fmt: skip
    assert answer["success"], answer["error"]
    assert answer["entity"]["SchemaName"] == f"{prefix}_BankAccount"
    assert answer["entity"]["PrimaryNameAttribute"] == f"{prefix}_accountname"
    table = answer["entity"]["LogicalName"]
    columns = {each.name: each for each in client.tables.columns(table)}
    assert columns[f"{prefix}_creditlimit"].type == "Money"
    assert columns[f"{prefix}_creditlimit"].label == "Credit Limit"
    assert columns[f"{prefix}_creditlimit"].required
    assert columns[f"{prefix}_branch"].type == "Integer"
    assert list(client.choices.of_column(table, f"{prefix}_kind").values()) == ["Savings", "Checking"]
    definition = client.tables.get(table)
    assert definition.label == "Bank Account"
    found = client.odata(
        f"solutioncomponents?$filter=_solutionid_value eq {solution['id']} and objectid eq {definition.metadata_id}"
    ).all()
    assert len(found) == 1
    row = client.records.create(table, {f"{prefix}_accountname": "First", f"{prefix}_creditlimit": 10})
    note = act("add_note", table=table, record_id=row, text="A note on a row of our own")
    assert note["success"], note["error"]
    again = act(
        "create_custom_entity",
        solution_id=solution["id"],
        display_name="Bank Account",
        primary_attribute="Name",
    )
    assert "already exists" in again["error"]
    client.tables.delete(table)


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"solution_id": "00000000-0000-4000-8000-000000000001"}, "no solution"),
        ({"solution_id": "nope'"}, "no solution"),
        ({"display_name": "日本"}, "no letter"),
        ({"additional_attributes": [{"name": "A", "type": "colour"}]}, "no kind of column"),
        ({"additional_attributes": [{"name": "A"}]}, "{name, type}"),
        ({"additional_attributes": {"name": "A", "type": "lookup"}}, "relationship"),
        ({"additional_attributes": [{"name": f"c{n}", "type": "int"} for n in range(101)]}, "At most 100"),
        ({"additional_attributes": [{"SchemaName": "x_y/../z"}]}, "no name"),
        ({"language_code": "English"}, "do not fit"),
    ],
    ids=lambda value: str(value)[:40],
)
def test_a_table_that_cannot_be_is_not_made(
    act: Act, client: Any, solution: Any, wrong: dict[str, Any], said: str
) -> None:
    given = {
        "solution_id": solution["id"],
        "display_name": "Never Made",
        "primary_attribute": "Name",
        **wrong,
    }
    answer = act("create_custom_entity", **given)
    assert said in answer["error"]
    assert [each for each in client.tables.list(custom=True) if "never" in each.name] == []
