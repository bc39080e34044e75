"""``orgstead data import``: what cells become, what is refused and why, and what a second run does."""

import csv
import json
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow
import pyarrow.parquet
import pytest
import xlsxwriter

from orgstead.client import Client, col, new_id
from orgstead.testing.plane import Plane
from tests.transfer.conftest import Run, lines, told


@pytest.fixture(scope="module")
def ship(client: Client) -> str:
    """A table with a column of every kind that a file can fill."""
    mark = new_id()[:6]
    name = f"new_ship{mark}"
    client.tables.create(
        f"new_Ship{mark}",
        {
            "new_Code": {"kind": "string", "length": 20},
            "new_Note": "memo",
            "new_Crew": {"kind": "int", "minimum": 0, "maximum": 100},
            "new_Length": {"kind": "decimal", "precision": 10, "minimum": 0, "maximum": 100_000_000_000},
            "new_Draught": "float",
            "new_Price": "money",
            "new_Afloat": {"kind": "bool", "options": ("Swims", "Sunk")},
            "new_Paint": {"kind": "choice", "options": {"Red": 1, "Blue": 2, "7": 3}},
            "new_Rigs": {"kind": "choices", "options": {"Sail": 1, "Motor": 2, "Oars": 3}},
            "new_Built": "date",
            "new_Seen": "datetime",
            "new_Alarm": {"kind": "datetime", "behavior": "TimeZoneIndependent"},
            "new_Plan": "file",
        },
    )
    client.tables.add_key(name, f"new_Ship{mark}Key", ["new_code"])
    client.tables.add_lookup(name, "new_Owner", "account", relationship=f"new_Owner{mark}")
    client.tables.add_lookup(name, "new_Sister", name, relationship=f"new_Sister{mark}")
    return name


def ships(client: Client, ship: str, code: str) -> dict[str, Any]:
    """The row with a code."""
    return dict(client.query(ship).where(col("new_code") == code).one())


def test_cells_become_values_of_their_columns(client: Client, ship: str, run: Run, tmp_path: Path) -> None:
    account = client.records.create("account", {"name": f"Yard {new_id()[:8]}"})
    owner = client.records.retrieve("account", account, select=["name"])["name"]
    sister = client.records.create(ship, {"new_name": "Sister", "new_code": f"s{new_id()[:8]}"})
    code = client.records.retrieve(ship, sister, select=["new_code"])["new_code"]
    text = f"""\ufeffnew_Name,Code,new_note,new_crew,new_length,new_draught,new_price,new_afloat,new_paint,new_rigs,new_built,new_seen,new_alarm,_new_owner_value,new_sister,ownerid
"Gull, the",one,"two
lines",7,123456789.1234567891,1.5,922337203.4567,sunk,blue,Sail;3,2026-03-31,2026-03-31T17:00:00+02:00,2026-03-31T08:00,{owner.upper()},new_code={code},admin@orgstead.localhost
Tern,two,,,,,,TRUE,7,"1,2",,,,{account},{sister},
"""  # noqa: E501 - lines of CSV
    (tmp_path / "ships.csv").write_text(text, "utf-8")
    report = told(run("data", "import", ship, "ships.csv", "--json"))
    assert (report["read"], report["written"], report["rejected"]) == (2, 2, 0)
    one = ships(client, ship, "one")
    assert one["new_name"] == "Gull, the"
    assert one["new_note"] == "two\nlines"
    assert one["new_crew"] == 7
    assert one["new_length"] == Decimal("123456789.1234567891")
    assert one["new_price"] == Decimal("922337203.4567")
    assert (one["new_draught"], one["new_afloat"], one["new_paint"]) == (1.5, False, 2)
    assert one["new_rigs"] == [1, 3]
    assert one["new_built"] == date(2026, 3, 31)
    assert one["new_seen"].isoformat() == "2026-03-31T15:00:00+00:00"
    assert one["new_alarm"].isoformat() == "2026-03-31T08:00:00+00:00"
    assert (one["_new_owner_value"], one["_new_sister_value"]) == (account, sister)
    admin = client.query("systemuser").where(col("domainname") == "admin@orgstead.localhost").one()
    assert one["_ownerid_value"] == admin.id
    two = ships(client, ship, "two")
    assert (two["new_afloat"], two["new_paint"], two["new_rigs"]) == (True, 3, [1, 2])
    assert (two["_new_owner_value"], two["_new_sister_value"]) == (account, sister)


BAD = {
    "new_code": ("x" * 21, "21 characters"),
    "new_crew": ("7.5", "whole number"),
    "new_length": ("1,5", "no number"),
    "new_price": ("1e999", "more than"),
    "new_draught": ("wet", "no number"),
    "new_afloat": ("perhaps", "Swims"),
    "new_paint": ("green", "Red (1), Blue (2)"),
    "new_rigs": ("Sail;Steam", "'Steam' is no option"),
    "new_built": ("31.03.2026", "no day"),
    "new_seen": ("2026-03-31T17:00:00", "--time-zone"),
    "new_owner": ("Nobody & Sons", "there is no account"),
    "new_sister": ("new_name=x", "no alternate key"),
}


def test_each_bad_cell_is_named_and_all_other_rows_are_written(
    client: Client, ship: str, run: Run, tmp_path: Path
) -> None:
    mark = new_id()[:8]
    names = ["new_name", *BAD]
    with (tmp_path / "bad.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, names, restval="")
        writer.writeheader()
        for column, (cell, _) in BAD.items():
            writer.writerow({"new_name": mark, column: cell})
            writer.writerow({"new_name": mark, "new_crew": 3})
        file.write("too,short\r\n")
    dry = told(run("data", "import", ship, "bad.csv", "--dry-run", "--json", code=1))
    assert (dry["accepted"], dry["rejected"]) == (len(BAD), len(BAD) + 1)
    assert client.query(ship).where(col("new_name") == mark).count() == 0
    report = told(run("data", "import", ship, "bad.csv", "--json", code=1))
    assert (report["written"], report["rejected"]) == (len(BAD), len(BAD) + 1)
    assert client.query(ship).where(col("new_name") == mark).count() == len(BAD)
    with (tmp_path / "bad.rejected.csv").open(newline="") as file:
        refused = list(csv.DictReader(file))
    assert [each["_row"] for each in refused] == [str(2 * n + 2) for n in range(len(BAD))] + [
        str(2 * len(BAD) + 2)
    ]
    for each, (column, (cell, reason)) in zip(refused, BAD.items(), strict=False):
        assert (each["_column"], each[column]) == (column, cell)
        assert reason in each["_reason"]
    assert "2 cells" in refused[-1]["_reason"]
    # Corrected, it is imported as it is.
    kept = refused[4]
    kept["new_draught"] = "2.5"
    with (tmp_path / "corrected.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, list(kept))
        writer.writeheader()
        writer.writerow(kept)
    run("data", "import", ship, "corrected.csv")
    assert client.query(ship).where((col("new_name") == mark) & (col("new_draught") == 2.5)).count() == 1


def test_refused_rows_are_no_formulas_and_come_back_as_they_were(
    client: Client, ship: str, run: Run, tmp_path: Path
) -> None:
    mark = new_id()[:8]
    texts = [f"={mark}", f"'={mark}", f"@{mark}"]
    with (tmp_path / "odd.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["new_name", "new_note", "new_crew"])
        writer.writerows([f"'{text}", mark, "many"] for text in texts)
        writer.writerow([f"'={mark} short"])
        writer.writerow([mark, mark, 1, "one", "'=more"])
    run("data", "import", ship, "odd.csv", code=1)
    with (tmp_path / "odd.rejected.csv").open(newline="") as file:
        refused = list(csv.reader(file))[1:]
    assert [each[3] for each in refused[:4]] == [f"'{text}" for text in texts] + [f"'={mark} short"]
    assert refused[4][3:] == [mark, mark, "1", "one", "'=more"]
    # A row that has too few cells, or too many, is none as long as nobody has mended it.
    text = (tmp_path / "odd.rejected.csv").read_text().replace("many", "3")
    (tmp_path / "again.csv").write_text(text)
    report = told(run("data", "import", ship, "again.csv", "--json", code=1))
    assert (report["written"], report["rejected"]) == (len(texts), 2)
    rows = client.query(ship).where(col("new_note") == mark)
    assert sorted(row["new_name"] for row in rows) == sorted(texts)


def test_a_file_that_was_imported_is_not_imported_once_more_by_mistake(
    client: Client, ship: str, run: Run, tmp_path: Path
) -> None:
    mark = new_id()[:8]
    (tmp_path / "once.csv").write_text(f"new_name\n{mark}\n")
    run("data", "import", ship, "once.csv")
    assert "has been imported" in run("data", "import", ship, "once.csv", code=1).output
    run("data", "import", ship, "once.csv", "--resume")
    assert client.query(ship).where(col("new_name") == mark).count() == 1
    run("data", "import", ship, "once.csv", "--restart")
    assert client.query(ship).where(col("new_name") == mark).count() == 2


def test_of_many_headers_that_are_no_columns_some_are_named(ship: str, run: Run, tmp_path: Path) -> None:
    (tmp_path / "wide.csv").write_text(",".join(f"c{n}" for n in range(5000)) + "\n")
    said = run("data", "import", ship, "wide.csv", code=1).output
    assert "no column c9; and 4990 more" in said
    assert len(said) < 2000


def test_what_the_service_refuses_is_told_with_its_reason(client: Client, run: Run, tmp_path: Path) -> None:
    mark = new_id()[:8]
    rows = [{"name": f"{mark} {n}", "telephone1": "1"} for n in range(5)]
    rows[3]["primarycontactid"] = new_id()
    (tmp_path / "rows.jsonl").write_text("".join(f"{json.dumps(row)}\n" for row in rows))
    report = told(run("data", "import", "account", "rows.jsonl", "--json", code=1))
    assert (report["written"], report["rejected"]) == (4, 1)
    (refused,) = lines(tmp_path / "rows.rejected.jsonl")
    assert (refused["_row"], refused["name"]) == (4, rows[3]["name"])
    assert "0x80040217" in refused["_reason"]
    assert client.query("account").where(col("name").startswith(mark)).count() == 4


def test_rows_are_found_by_a_key_or_by_their_ids(client: Client, ship: str, run: Run, tmp_path: Path) -> None:
    code = f"k{new_id()[:8]}"
    (tmp_path / "by_key.csv").write_text(f"new_code,new_name,new_crew\n{code},First,5\n")
    run("data", "import", ship, "by_key.csv", "--key", "new_code")
    (tmp_path / "by_key.csv").write_text(f"new_code,new_name,new_crew\n{code},Second,\n{code}b,Other,\n")
    run("data", "import", ship, "by_key.csv", "--key", "new_code")
    row = ships(client, ship, code)
    assert (row["new_name"], row["new_crew"]) == ("Second", 5)
    (tmp_path / "by_id.csv").write_text(
        f"{ship}id,new_name,new_crew\n{row[f'{ship}id']},Third,\n,Made anew {code},\n"
    )
    run("data", "import", ship, "by_id.csv", "--clear-empty")
    row = ships(client, ship, code)
    assert (row["new_name"], row["new_crew"]) == ("Third", None)
    assert client.query(ship).where(col("new_name") == f"Made anew {code}").count() == 1
    said = run("data", "import", ship, "by_key.csv", "--key", "new_name", code=1)
    assert "no key" in said.output


def test_a_map_renames_leaves_out_and_replaces(client: Client, ship: str, run: Run, tmp_path: Path) -> None:
    (tmp_path / "old.csv").write_text("Vessel;Colour;Legacy\nAuk;rouge;x\nDunlin;2;y\n")
    said = run("data", "import", ship, "old.csv", code=1)
    assert "no column Vessel" in said.output
    assert "no column Legacy" in said.output
    colour = {"column": "new_paint", "values": {"Rouge": "Red"}}
    (tmp_path / "map.json").write_text(json.dumps({"Vessel": "new_name", "Colour": colour, "Legacy": None}))
    report = told(run("data", "import", ship, "old.csv", "--map", "map.json", "--json"))
    assert (report["written"], report["left_out"]) == (2, ["Legacy"])
    assert client.query(ship).where((col("new_name") == "Auk") & (col("new_paint") == 1)).count() == 1
    (tmp_path / "map.json").write_text(json.dumps({"Nonsense": "new_name"}))
    assert "Nonsense" in run("data", "import", ship, "old.csv", "--map", "map.json", code=1).output


def test_what_cannot_be_written_is_said_before_anything_is(
    client: Client, ship: str, run: Run, tmp_path: Path
) -> None:
    (tmp_path / "x.csv").write_text("new_name,createdon,new_plan\nA,2026-01-01T00:00:00Z,y\n")
    said = run("data", "import", ship, "x.csv", code=1)
    assert "createdon (DateTime) cannot be written" in said.output
    assert "new_plan (File) cannot be written" in said.output
    report = told(run("data", "import", ship, "x.csv", "--skip-read-only", "--json"))
    assert report["left_out"] == ["createdon", "new_plan"]
    (tmp_path / "empty.csv").write_text("")
    assert "no header" in run("data", "import", ship, "empty.csv", code=1).output
    (tmp_path / "twice.csv").write_text("new_name,new_name\n")
    assert "two columns" in run("data", "import", ship, "twice.csv", code=1).output
    (tmp_path / "latin.csv").write_bytes("new_name\nMöwe\n".encode("latin-1"))
    assert "--encoding" in run("data", "import", ship, "latin.csv", code=1).output
    run("data", "import", ship, "latin.csv", "--encoding", "latin-1", "--restart")
    assert client.query(ship).where(col("new_name") == "Möwe").count() == 1
    (tmp_path / "strange.pdf").write_text("")
    assert "--format" in run("data", "import", ship, "strange.pdf", code=1).output
    for name in ("broken.xlsx", "broken.parquet"):
        (tmp_path / name).write_text("nothing of the kind")
        assert "cannot be read" in run("data", "import", ship, name, code=1).output


def test_workbooks_and_parquet_bring_their_own_types(
    client: Client, ship: str, run: Run, tmp_path: Path
) -> None:
    mark = new_id()[:8]
    with xlsxwriter.Workbook(tmp_path / "ships.xlsx") as book:
        sheet = book.add_worksheet("Ships")
        sheet.write_row(0, 0, ["new_name", "new_crew", "new_price", "new_built", "new_seen", "new_code"])
        sheet.write_row(1, 0, [f"{mark} book", 7, 12.3, "", "", 4711])
        sheet.write_datetime(1, 3, datetime(2026, 3, 31), book.add_format({"num_format": "yyyy-mm-dd"}))
        sheet.write_datetime(
            1, 4, datetime(2026, 3, 31, 17), book.add_format({"num_format": "yyyy-mm-dd hh:mm"})
        )
    run("data", "import", ship, "ships.xlsx", "--time-zone", "Europe/Vienna", "--sheet", "Ships")
    row = client.query(ship).where(col("new_name") == f"{mark} book").one()
    assert (row["new_crew"], row["new_price"], row["new_code"]) == (7, Decimal("12.3"), "4711")
    assert (row["new_built"], row["new_seen"].isoformat()) == (date(2026, 3, 31), "2026-03-31T15:00:00+00:00")
    table = pyarrow.table(
        {
            "new_name": [f"{mark} arrow"],
            "new_length": [Decimal("1.2345678901")],
            "new_rigs": [[1, 2]],
            "new_crew": pyarrow.array([None], pyarrow.float64()),
            "new_built": [date(2026, 3, 31)],
        }
    )
    pyarrow.parquet.write_table(table, tmp_path / "ships.parquet")
    run("data", "import", ship, "ships.parquet")
    row = client.query(ship).where(col("new_name") == f"{mark} arrow").one()
    assert (row["new_length"], row["new_rigs"], row["new_crew"]) == (Decimal("1.2345678901"), [1, 2], None)


def test_an_import_that_broke_off_goes_on_and_one_that_is_through_does_nothing(
    client: Client, plane: Plane, run: Run, tmp_path: Path
) -> None:
    mark = new_id()[:8]
    rows = [f"{mark} {number:03}" for number in range(300)]
    bad = {20, 250}
    text = "".join(f"{name},{'x' if place in bad else 1}\n" for place, name in enumerate(rows))
    (tmp_path / "rows.csv").write_text("name,numberofemployees\n" + text)
    command = ("data", "import", "account", "rows.csv", "--chunk", "10")
    # By this seed the seventeenth request is the first to be refused, by what is about no single row.
    plane.faults.add(status=410, path="/api/data/*Multiple", method="POST", rate=0.1, seed=13)
    said = run(*command, code=1)
    assert "Error" in said.output
    plane.faults.clear()
    done = json.loads((tmp_path / "rows.csv.import-state").read_text())["done"]
    assert 0 < done < 300
    said = run(*command, code=1)
    assert f"interrupted after row {done}" in said.output
    (tmp_path / "other.csv").write_text("name\nx\n")
    state = ("--state", "rows.csv.import-state")
    assert (
        "another import" in run("data", "import", "account", "other.csv", "--resume", *state, code=1).output
    )
    # What was refused of chunks that were not through is refused again, and stands there once.
    with (tmp_path / "rows.rejected.csv").open("a", newline="") as file:
        file.write(f"301,,of a later chunk,{rows[299]},1\r\n302,,half a r")
    report = told(run(*command, "--resume", "--json", code=1))
    assert (report["read"], report["written"], report["rejected"]) == (300, 298, 2)
    assert report["skipped"] == done
    with (tmp_path / "rows.rejected.csv").open(newline="") as file:
        assert [each["name"] for each in csv.DictReader(file)] == [rows[place] for place in sorted(bad)]
    found = client.query("account").select("name").where(col("name").startswith(mark))
    assert sorted(row["name"] for row in found) == [
        name for place, name in enumerate(rows) if place not in bad
    ]
    again = told(run(*command, "--resume", "--json", code=1))
    assert (again["skipped"], again["written"], again["rejected"]) == (300, 298, 2)
    assert client.query("account").where(col("name").startswith(mark)).count() == 298
