"""``orgstead data export``: every digit, whole files or none, and on from where it broke off."""

import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow.parquet
import pytest
from hypothesis import given
from hypothesis import strategies as st

from orgstead.client import Client, Ref, col, new_id
from orgstead.testing.plane import Plane
from orgstead.transfer.csv_files import CsvReader, CsvWriter
from orgstead.transfer.formats import Sketch
from tests.transfer.conftest import Run, lines, told

ENDS = ("csv", "tsv", "jsonl", "xlsx", "parquet")
COLUMNS = (
    "lastname,description,birthdate,creditlimit,annualincome,gendercode,donotemail,lastonholdtime,parentcustomerid,"
    "ownerid,telephone1"
)


@pytest.fixture(scope="module")
def people(client: Client) -> str:
    """Contacts that are hard to write, with a name before theirs."""
    mark = f"out {new_id()[:6]}"
    account = client.records.create("account", {"name": mark})
    rows: list[dict[str, Any]] = [
        {"lastname": mark, "description": '=HYPERLINK("http://x.example")\n"quoted", ; \t ümläut €'},
        {"lastname": mark, "telephone1": "+43 1 555", "creditlimit": Decimal("99999999999999.98")},
        {"lastname": mark, "annualincome": Decimal("0.01"), "donotemail": True, "gendercode": 2},
        {"lastname": mark, "birthdate": "1890-02-03", "lastonholdtime": "2026-03-31T17:00:00Z"},
        {"lastname": mark, "parentcustomerid_account": Ref("account", account), "description": "'=2"},
    ]
    client.bulk.create("contact", rows)
    return mark


@pytest.mark.parametrize("end", ENDS)
def test_what_is_exported_is_imported_as_it_was(
    client: Client, people: str, run: Run, tmp_path: Path, end: str
) -> None:
    one, two = f"people.{end}", f"again.{end}"
    where = ("--filter", f"lastname eq '{people}'", "--select", f"contactid,{COLUMNS}")
    report = told(run("data", "export", "contact", one, *where, "--json"))
    assert report["rows"] == 5
    before = list(client.query("contact").where(col("lastname") == people).order_by("contactid"))
    for row in before:
        client.records.update(
            "contact",
            row.id,
            dict.fromkeys(("description", "creditlimit", "birthdate", "telephone1", "gendercode")),
        )
    told(run("data", "import", "contact", one, "--json"))
    after = list(client.query("contact").where(col("lastname") == people).order_by("contactid"))
    changed = {"modifiedon", "versionnumber", "_modifiedby_value"}
    for old, new in zip(before, after, strict=True):
        assert {name: old[name] for name in old if name not in changed} == {
            name: new[name] for name in new if name not in changed
        }
    told(run("data", "export", "contact", two, *where, "--json"))
    if end != "xlsx":  # which holds the time of its making
        assert (tmp_path / one).read_bytes() == (tmp_path / two).read_bytes()


def test_formulas_are_kept_from_spreadsheets_unless_told_otherwise(
    people: str, run: Run, tmp_path: Path
) -> None:
    where = ("--filter", f"lastname eq '{people}'", "--select", "description,telephone1")
    run("data", "export", "contact", "safe.csv", *where, "--bom")
    text = (tmp_path / "safe.csv").read_text("utf-8")
    assert text.startswith("\ufeffdescription")
    assert "\"'=HYPERLINK" in text
    assert "''=2" in text
    assert "+43 1 555" in text
    assert "'+43" not in text
    run("data", "export", "contact", "exact.csv", *where, "--exact")
    assert '"=HYPERLINK' in (tmp_path / "exact.csv").read_text("utf-8")


@given(st.lists(st.text(st.characters(exclude_categories=["Cs"]), max_size=20), min_size=1, max_size=5))
def test_guarding_and_reading_gives_back_every_text(tmp_path_factory: Any, texts: list[str]) -> None:
    path = tmp_path_factory.mktemp("guard") / "x.csv"
    texts = [each.replace("\0", "") + "." for each in texts]
    columns = [Sketch(header=f"c{number}", guard=True) for number in range(len(texts))]
    writer = CsvWriter(path, columns, delimiter=",", bom=False)
    writer.write(texts)
    writer.close()
    reader = CsvReader(path, delimiter=",", encoding="utf-8-sig", guarded=True)
    (row,) = reader.rows()
    reader.close()
    assert list(row.cells.values()) == texts


def test_people_read_labels_beside_values(client: Client, people: str, run: Run, tmp_path: Path) -> None:
    where = ("--filter", f"lastname eq '{people}' and gendercode eq 2", "--select", "gendercode,donotemail")
    run("data", "export", "contact", "labels.jsonl", *where, "--formatted")
    (row,) = lines(tmp_path / "labels.jsonl")
    assert row == {
        "gendercode": 2, "gendercode@formatted": "Female", "donotemail": True, "donotemail@formatted": "Do Not Allow",
    }  # fmt: skip
    # Labels beside columns are passed over by an import.
    run("data", "import", "contact", "labels.jsonl", "--dry-run")


def test_a_query_in_fetchxml_says_which_rows_and_columns(
    client: Client, people: str, run: Run, tmp_path: Path
) -> None:
    fetch = (
        "<fetch><entity name='contact'><attribute name='telephone1' alias='phone'/>"
        f"<filter><condition attribute='lastname' operator='eq' value='{people}'/></filter>"
        "<link-entity name='account' from='accountid' to='parentcustomerid' alias='firm'>"
        "<attribute name='name'/></link-entity></entity></fetch>"
    )
    (tmp_path / "query.xml").write_text(fetch)
    run("data", "export", "contact", "joined.jsonl", "--fetchxml", "@query.xml")
    (row,) = lines(tmp_path / "joined.jsonl")
    assert (row["phone"], row["firm.name"]) == (None, people)
    sums = (
        "<fetch aggregate='true'><entity name='contact'><attribute name='contactid' alias='n' aggregate='count'/>"
        f"<filter><condition attribute='lastname' operator='eq' value='{people}'/></filter></entity></fetch>"
    )
    run("data", "export", "contact", "sums.csv", "--fetchxml", sums)
    assert (tmp_path / "sums.csv").read_text() == "n\n5\n"


def test_a_file_appears_when_it_is_whole_and_is_never_replaced_unasked(
    client: Client, plane: Plane, people: str, run: Run, tmp_path: Path
) -> None:
    plane.seed(accounts=11_000)
    columns = ("--select", "accountid,name")
    run("data", "export", "account", "whole.csv", *columns)
    assert "--force" in run("data", "export", "account", "whole.csv", *columns, code=1).output
    # Pages are refused for good, by chance that is the same every time: until one was through, and one was not.
    plane.faults.add(status=400, path="/api/data/*/accounts", method="GET", rate=0.6, seed=4)
    state = tmp_path / "part.csv.export-state"
    while not state.exists():
        (tmp_path / "part.csv").unlink(missing_ok=True)
        run("data", "export", "account", "part.csv", *columns, "--resume", code=None)
    assert not (tmp_path / "part.csv").exists()
    assert json.loads(state.read_text())["rows"] in (5000, 10000)
    plane.faults.clear()
    with (tmp_path / "part.csv.part").open("a") as file:
        file.write("0000-half a row of the next page")  # as a process that is killed leaves it
    report = told(run("data", "export", "account", "part.csv", *columns, "--resume", "--json"))
    assert report["resumed"]
    assert (tmp_path / "part.csv").read_text() == (tmp_path / "whole.csv").read_text()
    assert not (tmp_path / "part.csv.part").exists()
    run("data", "export", "account", "whole.parquet", *columns)
    assert pyarrow.parquet.read_metadata(tmp_path / "whole.parquet").num_rows == report["rows"]
