"""Microsoft's Python client where it sends many things at once: batches of definitions, data frames, long SQL."""

from collections.abc import Iterator

import pandas
import pytest
from PowerPlatform.Dataverse.client import DataverseClient
from PowerPlatform.Dataverse.models.filters import col
from PowerPlatform.Dataverse.models.upsert import UpsertItem


@pytest.fixture
def kites(client: DataverseClient) -> Iterator[str]:
    """A table with a key, and rows of three makers."""
    client.tables.create(
        "new_Kite",
        {"new_Code": "string", "new_Maker": "string", "new_Price": "decimal", "new_Flown": "bool"},
    )
    client.tables.create_alternate_key("new_Kite", "new_KiteCode", ["new_code"])
    client.records.create("new_kite", [
        {"new_code": f"K{n}", "new_maker": ("Ash", "Birch", "Cedar")[n % 3], "new_price": n, "new_flown": n % 2 == 0}
        for n in range(9)
    ])  # fmt: skip
    yield "new_kite"
    client.tables.delete("new_Kite")


def test_definitions_are_made_read_and_changed_in_a_batch(client: DataverseClient) -> None:
    batch = client.batch.new()
    # A solution that is not there: the client puts its name where Dataverse does not look.
    batch.tables.create("new_Wing", {"new_Span": "decimal", "new_Red": "bool"}, solution="NoSuchSolution")
    batch.tables.get("new_Wing")
    batch.tables.list()
    result = batch.execute()
    assert [answer.is_success for answer in result.responses] == [True, True, True]
    # A column's table is looked up when the batch is sent, so that it is there by now.
    batch = client.batch.new()
    batch.tables.add_columns("new_Wing", {"new_Weight": "int"})
    batch.tables.create_lookup_field("new_wing", "new_MakerId", "account")
    batch.records.create("new_wing", {"new_span": 2.5, "new_red": True})
    result = batch.execute()
    assert [answer.status_code for answer in result.responses] == [204, 204, 204]
    names = {each["LogicalName"] for each in client.tables.list_columns("new_wing")}
    assert {"new_span", "new_red", "new_weight", "new_makerid"} <= names
    batch = client.batch.new()
    batch.tables.remove_columns("new_Wing", ["new_Weight"])
    batch.tables.delete("new_Wing")
    assert not batch.execute().has_errors
    assert client.tables.get("new_Wing") is None


def test_a_batch_takes_rows_of_every_kind(client: DataverseClient, kites: str) -> None:
    first = client.records.create("account", {"name": "Batch of kinds"})
    batch = client.batch.new()
    batch.records.create(kites, [{"new_code": "B1"}, {"new_code": "B2"}])
    batch.records.upsert(kites, [UpsertItem({"new_code": "B1"}, {"new_maker": "Yew"}),
                                 UpsertItem({"new_code": "B3"}, {"new_maker": "Yew"})])  # fmt: skip
    batch.records.update("account", [first], {"telephone1": "555 0199"})
    batch.records.retrieve("account", first, select=["telephone1"])
    batch.query.sql("SELECT new_code FROM new_kite WHERE new_maker = 'Yew' ORDER BY new_code")
    batch.records.delete("account", first)
    result = batch.execute()
    assert not result.has_errors
    made, _, _, read, found, _ = result.responses
    assert made.data is not None
    assert len(made.data["Ids"]) == 2
    assert read.data is not None
    assert read.data["telephone1"] == "555 0199"
    assert found.data is not None
    assert [row["new_code"] for row in found.data["value"]] == ["B1", "B3"]


def test_data_frames_go_in_and_come_out(client: DataverseClient) -> None:
    frame = pandas.DataFrame(
        [{"name": f"Framed {n}", "telephone1": f"555 010{n}", "websiteurl": None} for n in range(3)]
    )
    frame["accountid"] = client.dataframe.create("account", frame)
    assert frame["accountid"].is_unique

    def told() -> list[tuple[str, str | None]]:
        query = (
            client.query.builder("account").select("name", "telephone1").where(col("name").like("Framed%"))
        )
        rows = query.order_by("name").execute().to_dataframe()
        return [
            (name, None if pandas.isna(number) else number)
            for name, number in zip(rows["name"], rows["telephone1"], strict=True)
        ]

    frame["telephone1"] = ["1", "2", None]
    client.dataframe.update("account", frame[["accountid", "telephone1"]], id_column="accountid")
    # What is missing is left out, unless it is to be cleared.
    assert told() == [("Framed 0", "1"), ("Framed 1", "2"), ("Framed 2", "555 0102")]
    client.dataframe.update(
        "account", frame[["accountid", "telephone1"]], id_column="accountid", clear_nulls=True
    )
    assert told()[2] == ("Framed 2", None)
    rows = client.dataframe.sql(
        "SELECT name, telephone1 FROM account WHERE name LIKE 'Framed%' ORDER BY name DESC"
    )
    assert list(rows["name"]) == ["Framed 2", "Framed 1", "Framed 0"]
    batch = client.batch.new()
    batch.dataframe.update(
        "account",
        pandas.DataFrame({"accountid": frame["accountid"], "telephone1": "9"}),
        id_column="accountid",
    )
    batch.dataframe.create("account", pandas.DataFrame([{"name": "Framed 3"}]))
    assert not batch.execute().has_errors
    assert told() == [("Framed 0", "9"), ("Framed 1", "9"), ("Framed 2", "9"), ("Framed 3", None)]
    # By a system job, which for a few rows has ended when it is answered.
    client.dataframe.delete("account", frame["accountid"])
    assert told() == [("Framed 3", None)]


@pytest.mark.parametrize(
    ("sql", "wanted"),
    [
        ("SELECT DISTINCT new_maker FROM new_kite", {("Ash",), ("Birch",), ("Cedar",)}),
        ("SELECT new_code FROM new_kite WHERE new_price > 6 AND new_flown = 1", {("K8",)}),
        ("SELECT new_code FROM new_kite WHERE new_code IN ('K1', 'K2') OR new_price = 0", {("K0",), ("K1",), ("K2",)}),
        ("SELECT new_code FROM new_kite WHERE new_maker NOT IN ('Ash') AND new_code NOT LIKE 'K[1-7]'", {("K8",)}),
        ("SELECT new_code FROM new_kite WHERE new_price BETWEEN 3 AND 4", {("K3",), ("K4",)}),
        ("SELECT TOP 2 new_code FROM new_kite ORDER BY new_price DESC", {("K8",), ("K7",)}),
        (
            "SELECT new_code FROM new_kite ORDER BY new_price OFFSET 2 ROWS FETCH NEXT 2 ROWS ONLY",
            {("K2",), ("K3",)},
        ),
        (
            (
                "SELECT new_maker, COUNT(*) AS many, SUM(new_price) AS worth, AVG(new_price) AS mean, "
                "MIN(new_price) AS least, MAX(new_price) AS most FROM new_kite GROUP BY new_maker"
            ),
            {("Ash", 3, 9, 3, 0, 6), ("Birch", 3, 12, 4, 1, 7), ("Cedar", 3, 15, 5, 2, 8)},
        ),
        (
            (
                "SELECT k.new_code, own.fullname AS owner, made.fullname AS maker, unit.name AS unit, t.name AS team "
                "FROM new_kite k JOIN systemuser own ON k.ownerid = own.systemuserid "
                "JOIN systemuser made ON k.createdby = made.systemuserid "
                "JOIN businessunit unit ON own.businessunitid = unit.businessunitid "
                "LEFT JOIN team t ON k.ownerid = t.teamid WHERE k.new_code = 'K4'"
            ),
            {("K4", "# Orgstead development application", "# Orgstead development application", "orgstead", None)},
        ),
    ],
)  # fmt: skip
def test_sql_of_every_shape(
    client: DataverseClient, kites: str, sql: str, wanted: set[tuple[object, ...]]
) -> None:
    assert kites in sql
    rows = client.query.sql(sql)
    names = [part.rsplit(" ", 1)[-1].rsplit(".", 1)[-1] for part in _selected(sql)]
    assert {tuple(row.get(name) for name in names) for row in rows} == wanted
    assert len(rows) == len(wanted)


def _selected(sql: str) -> list[str]:
    """The names of the selected columns, as they come in rows."""
    return sql.partition(" FROM ")[0].removeprefix("SELECT ").split(", ")


def test_the_client_finds_out_what_can_be_asked(client: DataverseClient, kites: str) -> None:
    columns = client.query.sql_columns(kites)
    assert {"new_kiteid", "new_code", "new_price", "ownerid"} <= {column["name"] for column in columns}
    ways = client.query.odata_expands(kites)
    assert ("createdby", "systemuser", "systemusers") in {
        (way["lookup_attribute"], way["target_table"], way["target_entity_set"]) for way in ways
    }
    (key,) = client.tables.get_alternate_keys(kites)
    assert key.key_attributes == ["new_code"]
