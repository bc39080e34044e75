"""Batches, bulk operations, associations, files, calls, changes and definitions through the client."""

import os
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, date, datetime
from decimal import Decimal
from enum import IntEnum
from pathlib import Path
from typing import Any

import pytest

from orgstead.client import (
    BulkError,
    ConfigurationError,
    NotFoundError,
    Ref,
    Watermark,
    col,
    label,
    new_id,
)
from orgstead.client.position import row_id
from tests.client.conftest import Make


class Stage(IntEnum):
    Draft = 1
    Done = 2


@pytest.fixture
def mark() -> str:
    return new_id()[:8]


@pytest.fixture(scope="module")
def boats(make: Make) -> Iterator[str]:
    """A table of its own with a column of every kind."""
    client = make()
    table = f"new_{make.colour}boat"  # type: ignore[attr-defined]
    if any(each.name == table for each in client.tables.list(custom=True)):
        client.tables.delete(table)
    info = client.tables.create(
        table.replace("boat", "Boat"),
        {
            "new_Code": "string", "new_Story": "memo", "new_Seats": "int", "new_Length": "decimal",
            "new_Speed": "float", "new_Built": "datetime", "new_Day": "date", "new_Sold": "bool", "new_Stage": Stage,
            "new_Price": {"kind": "money", "display_name": "What it costs", "required": True},
            "new_Tags": {"kind": "choices", "options": ["a", "b", "c"]}, "new_Paper": "file",
        },
        display_name="Boat",
    )  # fmt: skip
    assert (info.name, info.set, info.custom, info.label) == (table, f"{table}s", True, "Boat")
    client.tables.add_key(table, "new_CodeKey", ["new_code"])
    client.tables.add_lookup(table, "new_Yard", "account")
    client.tables.add_many_to_many(f"{table}_crew", table, "contact")
    yield table
    client.tables.delete(table)


# -- batches -----------------------------------------------------------------------------------------------------
def test_a_change_set_refers_to_its_own_rows_and_is_applied_as_a_whole(client: Any, mark: str) -> None:
    batch = client.batch()
    group = batch.change_set()
    account = group.create("account", {"name": f"set {mark}"})
    contact = group.create("contact", {"lastname": mark, "parentcustomerid_account": account})
    group.associate(account, "contact_customer_accounts", contact)
    reading = batch.read("accounts?$select=name&$top=1")
    result = batch.send()
    assert len(result) == 4
    assert not result.failed
    made = client.records.retrieve("contact", result[contact].id)
    assert made["parentcustomerid"] == result[account].id
    assert len(result[reading].page) == 1

    broken = client.batch()
    group = broken.change_set()
    group.create("account", {"name": f"undone {mark}"})
    group.create("account", {"nosuchcolumn": 1})
    last = broken.retrieve("account", result[account].id, select=["name"])
    outcome = broken.send()
    assert len(outcome.failed) == 3
    assert outcome[last].status == 0
    assert client.query("account").where(col("name") == f"undone {mark}").count() == 0
    going_on = broken.send(continue_on_error=True)
    assert going_on[last].record["name"] == f"set {mark}"
    assert [each.error.status for each in going_on.failed] == [400, 400]


def test_a_batch_takes_every_operation(client: Any, mark: str) -> None:
    first, second = new_id(), new_id()
    batch = client.batch()
    batch.upsert("account", first, {"name": mark, "revenue": Decimal("1.5")})
    batch.create("account", {"accountid": second, "name": f"it's {mark}"})
    batch.update("account", first, {"telephone1": "5"})
    batch.delete("account", second)
    found = batch.retrieve("account", first, select=["revenue", "telephone1"])
    result = batch.send()
    assert [bool(each) for each in result] == [True] * 5
    assert (result[found].record["revenue"], result[found].record["telephone1"]) == (Decimal("1.5"), "5")
    assert client.records.find("account", second) is None
    assert len(client.batch().send()) == 0


# -- bulk --------------------------------------------------------------------------------------------------------
def test_rows_are_made_changed_and_deleted_in_bulk(client: Any, mark: str) -> None:
    rows = ({"name": f"bulk {mark} {number}"} for number in range(120))
    made = client.bulk.create("account", rows, chunk=50, keep_ids=True)
    assert sorted(made.ids) == list(range(120))
    assert client.records.retrieve("account", made.ids[119])["name"] == f"bulk {mark} 119"
    ids = [made.ids[number] for number in range(120)]
    client.bulk.update("account", ({"accountid": id, "telephone1": "7"} for id in ids), chunk=100)
    assert (
        client.query("account").where(col("telephone1") == "7").where(col("accountid").in_(ids)).count()
        == 120
    )
    assert client.bulk.delete("account", [Ref("account", id) for id in ids]).done == 120
    with pytest.raises(BulkError) as failure:
        client.bulk.delete("account", [*ids[:2], "nonsense"])
    assert [type(each.error) for each in failure.value.result.failures] == [
        NotFoundError, NotFoundError, ConfigurationError,
    ]  # fmt: skip


def test_the_service_may_choose_the_ids(client: Any, mark: str) -> None:
    made = client.bulk.create("account", [{"name": mark}] * 3, choose_ids=False, keep_ids=True)
    assert len(set(made.ids.values())) == 3
    assert client.query("account").where(col("name") == mark).count() == 3


def test_rows_are_upserted_by_an_alternate_key(client: Any, boats: str) -> None:
    rows = [{"new_code": f"key '{n}&#", "new_name": "first", "new_price": 1} for n in range(30)]
    assert client.bulk.upsert(boats, rows, key=["new_code"]).done == 30
    rows = [{**row, "new_name": "second"} for row in rows[:20]] + [{"new_name": "no key"}]
    result = client.bulk.upsert(boats, rows, key=["new_code"], strict=False)
    assert (result.done, [each.index for each in result.failures]) == (20, [20])
    assert client.query(boats).where(col("new_name") == "second").count() == 20
    assert client.records.retrieve(boats, {"new_code": "key '3&#"})["new_name"] == "second"
    assert not client.records.upsert(boats, {"new_code": "key '3&#"}, {"new_name": "third"}).created


def test_an_asynchronous_source_is_for_the_asynchronous_client(client: Any, make: Make, mark: str) -> None:
    async def rows() -> AsyncIterator[dict[str, str]]:
        for number in range(7):
            yield {"name": f"source {mark} {number}"}

    if make.colour == "sync":  # type: ignore[attr-defined]
        with pytest.raises(TypeError, match="cannot be iterated"):
            client.bulk.create("account", rows())
    else:
        assert client.bulk.create("account", rows(), chunk=3).done == 7


def test_ids_of_new_rows_are_of_their_seed_and_place() -> None:
    seed = "0123456789abcdef0123"
    ids = [row_id(seed, number) for number in range(1000)]
    assert len(set(ids)) == 1000
    assert ids == sorted(ids)
    assert all(id[14] == "8" and id[19] in "89ab" for id in ids)
    assert ids != [row_id("1123456789abcdef0123", number) for number in range(1000)]


# -- associations ------------------------------------------------------------------------------------------------
def test_rows_are_related_followed_and_parted(client: Any, boats: str, mark: str) -> None:
    boat = Ref(boats, client.records.create(boats, {"new_name": mark, "new_price": 1}))
    people = [Ref("contact", client.records.create("contact", {"lastname": f"{mark} {n}"})) for n in range(3)]
    client.associations.add(boat, f"{boats}_crew", people)
    crew = client.associations.follow(boat, f"{boats}_crew", select=["lastname", "createdon"])
    assert {row["lastname"] for row in crew} == {f"{mark} {n}" for n in range(3)}
    assert all(row["createdon"].tzinfo for row in crew)
    client.associations.remove(boat, f"{boats}_crew", people[0])
    assert len(crew.all()) == 2
    account = Ref("account", client.records.create("account", {"name": mark}))
    client.associations.set(boat, "new_Yard", account)
    assert client.associations.target(boat, "new_Yard", select=["name"])["name"] == mark
    client.associations.remove(boat, "new_Yard")
    assert client.associations.target(boat, "new_Yard") is None


# -- files -------------------------------------------------------------------------------------------------------
def test_files_go_up_and_come_down_whole(client: Any, boats: str, tmp_path: Path) -> None:
    boat = Ref(boats, client.records.create(boats, {"new_name": "filed", "new_price": 1}))
    with pytest.raises(NotFoundError):
        client.files.download(boat, "new_paper")
    assert client.files.upload(boat, "new_paper", b"short", file_name="grün.txt") == 5
    found = client.files.download(boat, "new_paper")
    assert (found.content, found.name, found.size) == (b"short", "grün.txt", 5)
    long = os.urandom(9_000_000)
    file = tmp_path / "long.bin"
    file.write_bytes(long)
    assert client.files.upload(boat, "new_paper", file) == len(long)
    assert b"".join(client.files.read(boat, "new_paper", chunk=1_000_000)) == long
    target = tmp_path / "down.bin"
    # What an earlier run has fetched is not fetched again.
    (tmp_path / "down.bin.part").write_bytes(long[:5_000_000])
    assert client.files.download_to(boat, "new_paper", target, chunk=3_000_000).name == "long.bin"
    assert target.read_bytes() == long
    assert not (tmp_path / "down.bin.part").exists()
    (tmp_path / "again.bin.part").write_bytes(long)
    client.files.download_to(boat, "new_paper", tmp_path / "again.bin")
    assert (tmp_path / "again.bin").read_bytes() == long
    client.files.delete(boat, "new_paper")
    with pytest.raises(NotFoundError):
        client.files.download(boat, "new_paper")


# -- actions and functions -----------------------------------------------------------------------------------------
def test_functions_and_actions_take_typed_parameters(client: Any, mark: str) -> None:
    assert client.functions.call("WhoAmI")["UserId"]
    assert client.functions.call("RetrieveVersion")["Version"].startswith("9.2")
    counts = client.functions.call("RetrieveTotalRecordCount", {"EntityNames": ["account"]})
    assert counts["EntityRecordCountCollection"]["Keys"] == ["account"]
    user = client.who_am_i()["UserId"]
    access = client.functions.call(
        "RetrievePrincipalAccess",
        {"Target": Ref("account", client.query("account").first().id)}, on=Ref("systemuser", user),
    )  # fmt: skip
    assert "ReadAccess" in access["AccessRights"]
    won = client.records.create("opportunity", {"name": mark})
    close = {
        "@odata.type": "Microsoft.Dynamics.CRM.opportunityclose", "subject": "Won",
        "opportunityid@odata.bind": f"/opportunities({won})",
    }  # fmt: skip
    assert client.actions.invoke("WinOpportunity", {"Status": 3, "OpportunityClose": close}) is None
    assert client.records.retrieve("opportunity", won)["statecode"] == 1
    with pytest.raises(NotFoundError):
        client.functions.call("NoSuchFunction")
    with pytest.raises(ConfigurationError):
        client.functions.call("WhoAmI()/../x")


# -- changes -----------------------------------------------------------------------------------------------------
def test_changes_are_told_once_and_the_watermark_moves_at_the_end(
    client: Any, mark: str, tmp_path: Path
) -> None:
    keep, gone = (
        client.records.create("territory", {"name": mark}),
        client.records.create("territory", {"name": f"{mark} b"}),
    )
    held = Watermark(tmp_path / "mark")
    everything = {each.id for each in client.changes("territory", select=["name"], watermark=held)}
    assert {keep, gone} <= everything
    assert list(client.changes("territory", select=["name"], watermark=held)) == []
    client.records.update("territory", keep, {"name": f"{mark} c"})
    client.records.delete("territory", gone)
    before = held.load()
    for _ in client.changes("territory", select=["name"], watermark=held):
        break
    assert held.load() == before
    told = {each.id: each for each in client.changes("territory", select=["name"], watermark=held)}
    assert told.keys() == {keep, gone}
    assert told[keep].record["name"] == f"{mark} c"
    assert told[gone].deleted
    assert held.load() != before


# -- definitions ---------------------------------------------------------------------------------------------------
def test_values_of_every_kind_of_column_come_back_as_they_were(client: Any, boats: str) -> None:
    values = {
        "new_code": "it's", "new_story": "a\nb", "new_seats": 3, "new_length": Decimal("2.50"), "new_speed": 1.5,
        "new_built": datetime(2020, 1, 2, 3, 4, 5, tzinfo=UTC), "new_day": date(2020, 1, 2), "new_sold": True,
        "new_stage": Stage.Done, "new_price": Decimal("99999.9900"), "new_tags": [100000000, 100000002],
    }  # fmt: skip
    id = client.records.create(boats, values)
    found = client.records.retrieve(boats, id, annotations=True)
    assert {name: found[name] for name in values} == values
    assert isinstance(found["new_speed"], float)
    assert isinstance(found["new_length"], Decimal)
    assert found.formatted["new_stage"] == "Done"


def test_columns_keys_relationships_and_choices_are_listed(client: Any, boats: str) -> None:
    columns = {each.name: each for each in client.tables.columns(boats)}
    assert (columns["new_price"].type, columns["new_price"].label) == ("Money", "What it costs")
    assert columns["new_price"].required
    assert columns["new_tags"].type == "MultiSelectPicklist"
    (key,) = client.tables.keys(boats)
    assert (key.columns, key.status) == (("new_code",), "Active")
    found = {each.navigation: each for each in client.tables.relationships(boats)}
    assert (found["new_Yard"].kind, found["new_Yard"].other_table) == ("ManyToOne", "account")
    assert found[f"{boats}_crew"].kind == "ManyToMany"
    assert client.choices.of_column(boats, "new_stage") == {1: "Draft", 2: "Done"}
    assert client.choices.of_column(boats, "new_sold") == {0: "No", 1: "Yes"}
    assert client.choices.of_column("account", "statecode") == {0: "Active", 1: "Inactive"}
    assert set(client.choices.of_column(boats, "new_tags").values()) == {"a", "b", "c"}
    with pytest.raises(NotFoundError):
        client.choices.of_column(boats, "new_code")


def test_definitions_are_changed(client: Any, boats: str) -> None:
    client.tables.update(boats, {"DisplayName": label("Vessel")})
    assert client.tables.get(boats).label == "Vessel"
    client.tables.update_column(boats, "new_code", {"MaxLength": 3, "DisplayName": label("Code of it")})
    (column,) = [each for each in client.tables.columns(boats) if each.name == "new_code"]
    assert (column.label, column.raw["MaxLength"]) == ("Code of it", 3)
    client.tables.update_column(boats, "new_code", {"MaxLength": 100})


def test_columns_and_choices_come_and_go(client: Any, boats: str) -> None:
    name = f"new_{boats[4:]}colour"
    assert client.choices.create(name, {"Red": 1, "Blue": 2}) == {1: "Red", 2: "Blue"}
    value = client.choices.add_option("Green", choice_set=name)
    assert client.choices.get(name)[value] == "Green"
    assert name in client.choices.list()
    assert client.tables.add_column(boats, "new_Paint", {"kind": "choice", "choice_set": name}) == "new_paint"
    id = client.records.create(boats, {"new_paint": 2, "new_price": 0})
    assert client.records.get_value(boats, id, "new_paint") == 2
    client.tables.delete_column(boats, "new_paint")
    client.choices.delete(name)
    with pytest.raises(NotFoundError):
        client.choices.get(name)
    with pytest.raises(ConfigurationError, match="kind"):
        client.tables.add_column(boats, "new_Odd", "blob")
    with pytest.raises(NotFoundError):
        client.tables.get("new_nosuchtable")
