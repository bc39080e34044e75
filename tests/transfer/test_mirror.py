"""``orgstead mirror``: definitions and rows of one live organisation in another, once and again."""

from collections.abc import Iterator
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pytest

from orgstead.client import Client, ClientSecret, Ref, col, label, new_id
from orgstead.testing.plane import Plane
from tests.live import served
from tests.transfer.conftest import Live, Run, told

MARK = new_id()[:6]
OWN = frozenset(
    {
        "versionnumber",
        "modifiedon",
        "overriddencreatedon",
        "_modifiedby_value",
        "_createdby_value",
        "_owningbusinessunit_value",
        "_transactioncurrencyid_value",
        "_ownerid_value",
        "_owninguser_value",
    }
)
BOAT, HARBOUR = f"new_boat{MARK}", f"new_harbour{MARK}"


@pytest.fixture(scope="module")
def other(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Live]:
    """An organisation without any rows of its own."""
    with served(tmp_path_factory.mktemp("other")) as (found, _):
        yield found


@pytest.fixture(autouse=True)
def empty(other: Live) -> None:
    """The other organisation as it was at its start."""
    with Plane(other.http) as plane:
        plane.reset()


@pytest.fixture(scope="module")
def target(other: Live) -> Iterator[Client]:
    """A client of the other organisation."""
    with Client(
        other.http, ClientSecret(client_id=other.client_id, client_secret=other.client_secret)
    ) as made:
        yield made


@pytest.fixture(scope="module")
def fleet(client: Client) -> list[str]:
    """Boats and harbours in the source, which lead to each other in circles."""
    client.choices.create(f"new_colour{MARK}", {"Red": 1, "Blue": 2})
    client.tables.create(
        f"new_Harbour{MARK}", {"new_Depth": "decimal", "new_Code": "string"}, display_name="Harbour"
    )
    client.tables.add_key(HARBOUR, f"new_CodeKey{MARK}", ["new_code"])
    client.tables.create(
        f"new_Boat{MARK}",
        {
            "new_Length": {"kind": "decimal", "precision": 4, "maximum": 1000},
            "new_Price": "money",
            "new_Paint": {"kind": "choice", "choice_set": f"new_colour{MARK}"},
            "new_Rigs": {"kind": "choices", "options": ["Sail", "Motor", "Oars"]},
            "new_Built": "date",
            "new_Seen": "datetime",
            "new_Afloat": {"kind": "bool", "options": ("Swims", "Sunk")},
            "new_Plan": "file",
        },
        display_name="Boat",
        members={"HasNotes": True},
    )
    client.tables.add_lookup(BOAT, "new_Home", HARBOUR, relationship=f"new_Home{MARK}")
    client.tables.add_lookup(BOAT, "new_Sister", BOAT, relationship=f"new_Sister{MARK}")
    client.tables.add_lookup(HARBOUR, "new_Flagship", BOAT, relationship=f"new_Flagship{MARK}")
    client.tables.add_lookup(BOAT, "new_Firm", "account", relationship=f"new_Firm{MARK}")
    ends = [
        {"SchemaName": f"new_Seen{MARK}_{each}", "ReferencedEntity": each, "ReferencingEntity": BOAT}
        for each in ("account", "contact", HARBOUR)
    ]
    lookup = {"SchemaName": "new_SeenBy", "DisplayName": label("Seen by")}
    client.request(
        "POST", "CreatePolymorphicLookupAttribute", json={"OneToManyRelationships": ends, "Lookup": lookup}
    )
    client.tables.add_many_to_many(f"new_Calls{MARK}", BOAT, HARBOUR)
    client.tables.add_column("account", f"new_Rank{MARK}", "int")
    place = {"EntityLogicalName": BOAT, "AttributeLogicalName": "statuscode"}
    lost = {"StateCode": 1, "Label": label("Lost"), "Value": 100000007}
    client.request("POST", "InsertStatusValue", json={**place, **lost})
    firm = client.records.create("account", {"name": f"Firm {MARK}", f"new_rank{MARK}": 7})
    admin = client.query("systemuser").where(col("domainname") == "admin@orgstead.localhost").one()
    harbours = [
        client.records.create(HARBOUR, {"new_name": f"H{n}", "new_depth": n, "new_code": f"{n}"})
        for n in (1, 2)
    ]
    boats = [new_id() for _ in range(5)]
    for number, id in enumerate(boats):
        client.records.create(
            BOAT,
            {
                "new_name": f"B{number}",
                "new_length": Decimal("12.3456"),
                "new_price": Decimal("100.5"),
                "new_paint": 2,
                "new_rigs": [100000000, 100000002],
                "new_built": date(2020, 1, 2),
                "new_seen": datetime(2020, 1, 2, 3, 4, tzinfo=UTC),
                "new_afloat": True,
                "overriddencreatedon": datetime(2021, 1, 1, tzinfo=UTC),
                "new_Home": Ref(HARBOUR, harbours[number % 2]),
                "new_Firm": Ref("account", firm),
                f"new_SeenBy_{HARBOUR}": Ref(HARBOUR, harbours[0]),
                "ownerid": admin.ref,
            },
            id=id,
        )
    for number, id in enumerate(boats):
        client.records.update(BOAT, id, {"new_Sister": Ref(BOAT, boats[number - 1])})
    client.records.update(HARBOUR, harbours[0], {"new_Flagship": Ref(BOAT, boats[0])})
    client.records.update(BOAT, boats[4], {"statecode": 1, "statuscode": 100000007})
    client.associations.add(
        Ref(BOAT, boats[0]), f"new_Calls{MARK}", [Ref(HARBOUR, each) for each in harbours]
    )
    return boats


def taken(run: Run, live: Live, other: Live, *more: str, code: int = 0) -> dict[str, Any]:
    """What a mirroring reports."""
    return told(run("mirror", "--from", live.http, "--to", other.http, *more, "--json", code=code))


def seen(client: Client, table: str) -> list[dict[str, Any]]:
    """The rows of a table without what each organisation notes by itself."""
    rows = client.query(table).where(col("new_name").startswith(table[4].upper())).order_by(f"{table}id")
    return [{name: row[name] for name in row if name not in OWN} for row in rows]


def test_definitions_and_rows_arrive_whole_and_a_second_run_changes_nothing(
    client: Client, target: Client, fleet: list[str], run: Run, live: Live, other: Live
) -> None:
    names = (f"{BOAT}:startswith(new_name,'B')", f"{HARBOUR}:startswith(new_name,'H')")
    rows = tuple(part for each in (*names, f"account:name eq 'Firm {MARK}'") for part in ("--rows", each))
    report = taken(run, live, other, "--tables", f"{BOAT},{HARBOUR},account", *rows)
    assert f"table {BOAT}" in report["definitions"]
    assert {name: row["made"] for name, row in report["rows"].items()} == {BOAT: 5, HARBOUR: 2, "account": 1}
    assert report["related"] == 2
    for table in (BOAT, HARBOUR):
        assert seen(client, table) == seen(target, table)
        for each in ("columns", "keys", "relationships"):
            ours, theirs = getattr(client.tables, each)(table), getattr(target.tables, each)(table)
            assert {(item.name if each != "relationships" else item.schema_name) for item in ours} == {
                (item.name if each != "relationships" else item.schema_name) for item in theirs
            }
    lost = target.records.retrieve(BOAT, fleet[4], select=["statecode", "statuscode"])
    assert (lost["statecode"], lost["statuscode"]) == (1, 100000007)
    admin = target.query("systemuser").where(col("domainname") == "admin@orgstead.localhost").one()
    assert {row["_ownerid_value"] for row in target.query(BOAT)} == {admin.id}
    assert {row["createdon"].year for row in target.query(BOAT)} == {2021}
    assert target.choices.get(f"new_colour{MARK}") == client.choices.get(f"new_colour{MARK}")
    assert all(row["_new_seenby_value"] for row in target.query(BOAT))
    calls = target.associations.follow(Ref(BOAT, fleet[0]), f"new_Calls{MARK}").all()
    assert len(calls) == 2
    assert target.query("account").where(col("name") == f"Firm {MARK}").one()[f"new_rank{MARK}"] == 7
    assert target.records.find(HARBOUR, {"new_code": "1"}) is not None
    left = {each["what"]: each["why"] for each in report["left"]}
    assert left[f"column {BOAT}.new_plan"] == "columns of the type File are not taken"

    versions = {row.id: row["versionnumber"] for row in target.query(BOAT)}
    again = taken(run, live, other, "--tables", f"{BOAT},{HARBOUR},account", *rows)
    assert (again["definitions"], again["related"]) == ([], 0)
    assert {name: row["same"] for name, row in again["rows"].items()} == {BOAT: 5, HARBOUR: 2, "account": 1}
    assert {row.id: row["versionnumber"] for row in target.query(BOAT)} == versions


def test_what_has_changed_since_is_taken_and_nothing_else(
    client: Client, target: Client, fleet: list[str], run: Run, live: Live, other: Live
) -> None:
    taken(run, live, other, "--tables", f"{BOAT},{HARBOUR}", "--rows", BOAT, "--rows", HARBOUR)
    client.records.update(BOAT, fleet[1], {"new_length": Decimal("1.5"), "new_Home": None})
    client.choices.add_option("Green", value=3, choice_set=f"new_colour{MARK}")
    client.tables.add_column(BOAT, "new_Later", "string")
    report = taken(run, live, other, "--tables", BOAT, "--rows", BOAT)
    assert report["definitions"] == [f"choice new_colour{MARK}: option 3", f"column {BOAT}.new_later"]
    assert (report["rows"][BOAT]["made"], report["rows"][BOAT]["changed"]) == (0, 1)
    row = target.records.retrieve(BOAT, fleet[1])
    assert (row["new_length"], row["_new_home_value"]) == (Decimal("1.5"), None)


def test_what_cannot_be_taken_is_said_with_the_reason(
    client: Client, target: Client, fleet: list[str], run: Run, live: Live, other: Live
) -> None:
    taken(run, live, other, "--tables", f"{BOAT},{HARBOUR}")
    alone = client.records.create(HARBOUR, {"new_name": "Alone", "new_code": "alone"})
    stranger = client.records.create("account", {"name": f"Stranger {MARK}"})
    boat = client.records.create(BOAT, {"new_name": "Odd", "new_Firm": Ref("account", stranger)})
    # Another row of the target holds the key.
    target.records.create(HARBOUR, {"new_name": "Taken", "new_code": "alone"})
    filters = (f"{BOAT}:new_name eq 'Odd'", f"{HARBOUR}:new_code eq 'alone'", "systemuser", "nosuchtable")
    report = taken(run, live, other, *(part for each in filters for part in ("--rows", each)), code=1)
    left = {each["what"]: each for each in report["left"]}
    assert left[f"lookup {BOAT}.new_firm"]["example"] == stranger
    assert "refuses" in left[f"rows of {HARBOUR}"]["why"]
    assert left[f"rows of {HARBOUR}"]["example"] == alone
    assert left["rows of systemuser"]["why"] == "each organisation has its own"
    assert "rows of nosuchtable" in left
    assert target.records.retrieve(BOAT, boat)["_new_firm_value"] is None
    twice = ("--rows", "account", "--rows", "account:statecode eq 0")
    assert "chosen twice" in run("mirror", "--from", live.http, "--to", other.http, *twice, code=1).output
    assert "same organisation" in run("mirror", "--from", live.http, "--to", live.http, code=1).output


def test_a_mirroring_that_broke_off_is_repeated_to_the_end(
    client: Client, target: Client, fleet: list[str], run: Run, live: Live, other: Live
) -> None:
    ids = [new_id() for _ in range(40)]
    client.bulk.create(
        HARBOUR, [{f"{HARBOUR}id": id, "new_name": "Many", "new_code": f"m{n}"} for n, id in enumerate(ids)]
    )
    where = ("--tables", f"{BOAT},{HARBOUR}", "--rows", f"{HARBOUR}:new_name eq 'Many'")
    with Plane(other.http) as plane:
        plane.faults.add(status=403, path="/api/data/*EntityDefinitions*", method="GET", rate=0.2, seed=3)
        run("mirror", "--from", live.http, "--to", other.http, *where, code=1)
        plane.faults.clear()
        plane.faults.add(status=503, rate=0.04, seed=1)
        plane.faults.add(drop="after", rate=0.04, seed=2)
        taken(run, live, other, *where)
        plane.faults.clear()
    assert {row.id for row in target.query(HARBOUR).where(col("new_name") == "Many")} == set(ids)
