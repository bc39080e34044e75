"""``orgstead data`` on rows: written by what the columns hold, printed for people, spreadsheets and programs."""

import csv
import io
import json
from collections.abc import Iterable
from pathlib import Path

import pytest

from tests.terminal.conftest import Run

NOBODY = "00000000-0000-4000-8000-000000000000"
FETCH = """<fetch><entity name="account"><attribute name="name"/><attribute name="primarycontactid"/>
<filter><condition attribute="name" operator="like" value="{name}%"/></filter><order attribute="name"/>
<link-entity name="contact" from="contactid" to="primarycontactid" alias="c" link-type="outer">
<attribute name="fullname"/></link-entity></entity></fetch>"""


def make(run: Run, rows: Iterable[dict[str, object]]) -> None:
    """Make accounts, all in one command."""
    kind = "Microsoft.Dynamics.CRM.account"
    body = json.dumps({"Targets": [{"@odata.type": kind, **row} for row in rows]})
    path = "accounts/Microsoft.Dynamics.CRM.CreateMultiple"
    run.good("api", "request", "POST", path, "--data", "-", given=body)


@pytest.fixture(scope="module")
def several(signed: Run) -> str:
    """The prefix of the names of twelve accounts, of which each has a number of employees."""
    make(
        signed,
        (
            {
                "name": f"Several {number:02}",
                "numberofemployees": number,
                "description": "=1+1",
                "telephone1": f"+1 555 01{number:02}",
            }
            for number in range(12)
        ),
    )
    return "Several"


def test_a_row_is_made_read_changed_and_deleted(signed: Run) -> None:
    made = signed.good(
        "data", "create", "account", "name=Blue Heron", "revenue=125000.50", "industrycode=consulting",
        "creditonhold=yes", "numberofemployees=12", "lastonholdtime=2026-03-01T10:00:00+02:00",
    )  # fmt: skip
    id = made.out.strip()
    told = signed.good("data", "get", "account", id, "--json").json
    assert (told["name"], told["industrycode"], told["creditonhold"]) == ("Blue Heron", 7, True)
    assert (told["numberofemployees"], told["lastonholdtime"]) == (12, "2026-03-01T08:00:00Z")
    assert '"revenue": 125000.5000' in signed.good("data", "get", "account", id, "--json").out
    signed.good("data", "update", "accounts", id, "description=A mill", "industrycode=")
    shown = signed.good(
        "data", "get", "account", id, "--select", "name,description,industrycode,revenue", "--formatted"
    ).out
    assert [line.split(maxsplit=1) for line in shown.splitlines()] == [
        ["name", "Blue Heron"], ["description", "A mill"], ["industrycode"], ["revenue", "$125,000.50"],
    ]  # fmt: skip
    gone = signed.good("data", "delete", "account", id, "--yes", "--json").json
    assert gone == {"table": "account", "key": id, "deleted": 1}
    missing = signed("data", "get", "account", id, "--json")
    assert (missing.code, missing.error["code"], missing.error["status"]) == (1, "0x80040217", 404)
    assert missing.error["request_id"]
    assert "code 0x80040217, request id" in signed("data", "get", "account", id).err


def test_a_row_is_printed_as_it_was_made(signed: Run) -> None:
    told = signed.good("data", "create", "account", "name=Back", "--return", "--json").json
    assert told["name"] == "Back"
    assert told["accountid"]
    assert "Back" in signed.good("data", "create", "account", "name=Back", "--return").out
    changed = signed.good(
        "data", "update", "account", told["accountid"], "name=Front", "--return", "--json"
    ).json
    assert changed["name"] == "Front"


def test_columns_come_as_json_from_the_line_a_file_and_standard_input(signed: Run, tmp_path: Path) -> None:
    row = {"name": "By JSON", "industrycode": "Consulting", "revenue": 1.25, "tickersymbol": None}
    text = json.dumps(row)
    (tmp_path / "row.json").write_text(text)
    for source, given in ((text, None), (f"@{tmp_path / 'row.json'}", None), ("-", text)):
        made = signed.good(
            "data", "create", "account", "--data", source, "name=And more", "--return", "--json", given=given
        ).json
        assert (made["name"], made["industrycode"], made["revenue"]) == ("And more", 7, 1.25)
    for source in ("[1]", "{", "1", ""):
        refused = signed("data", "create", "account", "--data", source)
        assert (refused.code, "--data is a JSON object" in refused.err) == (2, True)
    missing = signed("data", "create", "account", "--data", f"@{tmp_path / 'none.json'}")
    assert (missing.code, "No such file" in missing.err) == (1, True)


def test_lookups_are_given_by_table_and_id_and_are_emptied(signed: Run, account: str) -> None:
    contact = signed.good(
        "data", "create", "contact", "lastname=Smith", f"parentcustomerid=account:{account}"
    ).out
    contact = contact.strip()

    def parent() -> object:
        return signed.good("data", "get", "contact", contact, "--json").json["_parentcustomerid_value"]

    assert parent() == account
    signed.good("data", "update", "contact", contact, "parentcustomerid=")
    assert parent() is None
    # Where there is one table to look into, the id is enough.
    signed.good("data", "update", "account", account, f"primarycontactid={contact}")
    assert signed.good("data", "get", "account", account, "--json").json["_primarycontactid_value"] == contact
    owner = signed.good("auth", "who", "--json").json["user_id"]
    signed.good("data", "update", "account", account, f"ownerid=systemuser:{owner}")


def test_rows_are_found_by_alternate_keys(signed: Run) -> None:
    signed.good(
        "tables", "create", "new_Keyed", "new_Code:string", "new_Parent:lookup=new_keyed", "new_Size:int"
    )
    signed.good("tables", "add-key", "new_keyed", "new_ByCode", "new_code")
    made = signed.good("data", "upsert", "new_keyed", "new_code=A,1", "new_size=1", "--json").json
    assert made["created"] is True
    again = signed.good("data", "upsert", "new_keyed", "new_code=A,1", "new_size=2", "--json").json
    assert (again["created"], again["id"]) == (False, made["id"])
    child = signed.good(
        "data", "create", "new_keyed", "new_code=B", "new_parent=new_keyed:new_code=A,1"
    ).out.strip()
    told = signed.good("data", "get", "new_keyed", "new_code=B", "--json").json
    assert (told["new_keyedid"], told["_new_parent_value"]) == (child, made["id"])
    signed.good("data", "delete", "new_keyed", "new_code=B", "--yes")
    assert signed("data", "get", "new_keyed", "new_code=B").code == 1


@pytest.mark.parametrize(
    ("columns", "said"),
    [
        (("nam=x",), "Did you mean name"),
        (("name",), "no column=value"),
        ((), "Which columns?"),
        (("industrycode=Consultin",), "no choice 'Consultin'; there are Consulting"),
        (("revenue=much",), "revenue is of type Money"),
        (("numberofemployees=1.5",), "is of type Integer"),
        (("creditonhold=maybe",), "creditonhold has no choice"),
        (("lastonholdtime=tomorrow",), "is of type DateTime"),
        (("lastonholdtime=2026-03-01T10:00",), "put its zone behind it"),
        (("primarycontactid=lead:00000000-0000-4000-8000-000000000000",), "leads to contact"),
        (("entityimage=x",), "data upload"),
    ],
)
def test_what_fits_no_column_is_refused_before_anything_is_sent(
    signed: Run, columns: tuple[str, ...], said: str
) -> None:
    refused = signed("data", "create", "account", *columns)
    assert (refused.code, said in refused.err) == (2, True), refused.err
    as_json = signed("data", "create", "account", *columns, "--json")
    assert (as_json.code, as_json.error["code"], as_json.out) == (2, "usage", "")
    ambiguous = signed("data", "create", "contact", f"parentcustomerid={NOBODY}")
    assert "with a table of account, contact" in ambiguous.err


def test_a_version_keeps_a_change_from_another(signed: Run, account: str) -> None:
    etag = signed.good("data", "get", "account", account, "--json", "--annotations").json["@odata.etag"]
    signed.good("data", "update", "account", account, "name=First", "--if-match", etag)
    for arguments in (("update", "account", account, "name=Second"), ("delete", "account", account, "--yes")):
        late = signed("data", *arguments, "--if-match", etag, "--json")
        assert (late.code, late.error["status"]) == (1, 412)


def test_a_query_prints_a_table_json_lines_and_csv(signed: Run, several: str) -> None:
    query = (
        "data", "query", "account", "--filter", f"startswith(name,'{several}')", "--select", "name,numberofemployees",
        "--orderby", "numberofemployees desc", "--top", "3",
    )  # fmt: skip
    assert signed.good(*query).out.splitlines() == [
        "name        numberofemployees",
        "----------  -----------------",
        "Several 11                 11",
        "Several 10                 10",
        "Several 09                  9",
    ]
    rows = signed.good(*query, "--json").json
    assert [row["name"] for row in rows] == ["Several 11", "Several 10", "Several 09"]
    assert not any("@" in name for row in rows for name in row)
    assert [json.loads(line) for line in signed.good(*query, "--jsonl").out.splitlines()] == rows
    assert (
        signed.good(*query, "--csv").out
        == "name,numberofemployees\nSeveral 11,11\nSeveral 10,10\nSeveral 09,9\n"
    )
    annotated = signed.good(*query, "--json", "--annotations").json[0]
    assert annotated["numberofemployees@OData.Community.Display.V1.FormattedValue"] == "11"


def test_more_rows_than_are_printed_are_told_of(signed: Run, several: str) -> None:
    query = ("data", "query", "account", "--filter", f"startswith(name,'{several}')", "--select", "name")
    make(signed, ({"name": f"{several} more {number}"} for number in range(100)))
    unasked = signed.good(*query, "--json")
    assert (len(unasked.json), "first 100 rows: --all" in unasked.err) == (100, True)
    every = signed.good(*query, "--json", "--all", "--page-size", "7")
    assert (len(every.json), every.err) == (112, "")
    counted = signed.good(*query, "--top", "2", "--count")
    assert (len(counted.out.splitlines()), counted.err) == (4, "2 of 112 rows.\n")
    assert signed.good("data", "count", "account", "--filter", f"startswith(name,'{several}')").out == "112\n"
    assert signed.good("data", "count", "contact", "--json").json["count"] > 0


def test_no_rows_are_no_rows_in_every_form(signed: Run) -> None:
    query = ("data", "query", "account", "--filter", "name eq 'no such name'", "--select", "name")
    table = signed.good(*query)
    assert (table.out, table.err) == ("", "No rows.\n")
    assert signed.good(*query, "--json").json == []
    assert signed.good(*query, "--jsonl").out == ""
    assert signed.good(*query, "--csv").out == "name\n"


def test_csv_holds_no_formulas_unless_it_shall_be_exact(signed: Run, several: str) -> None:
    query = (
        "data", "query", "account", "--filter", f"name eq '{several} 01'", "--select",
        "description,telephone1,numberofemployees", "--csv",
    )  # fmt: skip
    (row,) = csv.DictReader(io.StringIO(signed.good(*query).out))
    assert (row["description"], row["telephone1"]) == ("'=1+1", "+1 555 0101")
    (row,) = csv.DictReader(io.StringIO(signed.good(*query, "--exact").out))
    assert row["description"] == "=1+1"


def test_related_rows_come_along(signed: Run, account: str) -> None:
    contact = signed.good("data", "create", "contact", "lastname=Last").out.strip()
    signed.good("data", "update", "account", account, f"primarycontactid={contact}")
    signed.good(
        "data", "create", "task", "subject=Call, then (write)", f"regardingobjectid=account:{account}"
    )
    query = (
        "data",
        "query",
        "account",
        "--filter",
        f"accountid eq {account}",
        "--select",
        "primarycontactid",
    )
    one = signed.good(*query, "--expand", "primarycontactid($select=lastname)", "--csv").out
    assert one == f"primarycontactid,primarycontactid.lastname\n{contact},Last\n"
    many = signed.good(
        *query,
        "--expand",
        "Account_Tasks($select=subject;$filter=subject eq 'Call, then (write)';$top=5)",
        "--json",
    ).json
    assert [task["subject"] for task in many[0]["Account_Tasks"]] == ["Call, then (write)"]
    assert "lastname" not in signed.good("data", "get", "account", account).out
    got = signed.good("data", "get", "account", account, "--expand", "primarycontactid($select=lastname)").out
    assert "primarycontactid.lastname" in got
    for wrong in ("primarycontactid($select=lastname", "primarycontactid($skip=1)", "x($top=many)"):
        refused = signed(*query, "--expand", wrong)
        assert refused.code == 2, refused.err


def test_queries_in_fetchxml_and_sql(signed: Run, several: str, tmp_path: Path) -> None:
    file = tmp_path / "query.xml"
    file.write_text(FETCH.format(name=several))
    table = signed.good("data", "query", "--fetchxml", str(file), "--top", "2").out.splitlines()
    assert table[0].split() == ["name", "primarycontactid", "c.fullname"]
    assert [line.split("  ")[0] for line in table[2:]] == [f"{several} 00", f"{several} 01"]
    piped = signed.good("data", "query", "--fetchxml", "-", "--csv", given=FETCH.format(name=several)).out
    assert piped.splitlines()[0] == "name,primarycontactid,c.fullname"
    sql = f"SELECT TOP 2 name FROM account WHERE name LIKE '{several} 0%' ORDER BY name DESC"
    assert [each["name"] for each in signed.good("data", "query", "--sql", sql, "--json").json] == [
        f"{several} 09",
        f"{several} 08",
    ]
    grouped = "SELECT statecode, COUNT(*) AS n FROM account GROUP BY statecode"
    formatted = signed.good("data", "query", "--sql", grouped, "--formatted").out
    assert formatted.splitlines()[2].split()[0] == "Active"


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        ((), 2, "Rows of which table?"),
        (("account", "--all", "--top", "1"), 2, "contradict"),
        (("account", "--sql", "SELECT name FROM account"), 2, "leave out TABLE"),
        (("--sql", "x", "--fetchxml", "y"), 2, "one of them"),
        (("--sql", "SELECT 1"), 1, "FROM a table"),
        (("--fetchxml", "no such file"), 1, "No such file"),
        (("account", "--filter", "nope eq 1"), 1, "nope"),
        (("account", "--filter", "name eq"), 1, "Error"),
        (("account", "--select", "nope"), 1, "nope"),
        (("account", "--select", "a b"), 1, "no name of a column"),
        (("nope",), 1, "tables list"),
        (("account", "--top", "0"), 2, "--top"),
    ],
)
def test_a_query_that_is_none_says_why(signed: Run, arguments: tuple[str, ...], code: int, said: str) -> None:
    refused = signed("data", "query", *arguments)
    assert (refused.code, said in refused.err, refused.out) == (code, True, ""), refused.err


def test_many_rows_are_deleted_after_they_were_counted(signed: Run) -> None:
    for number in range(5):
        signed.good("data", "create", "lead", f"lastname=Doomed {number}", "subject=Doomed")
    delete = ("data", "delete", "lead", "--filter", "subject eq 'Doomed'")
    unasked = signed(*delete)
    assert (unasked.code, "--yes" in unasked.err) == (2, True)
    assert signed.good("data", "count", "lead", "--filter", "subject eq 'Doomed'").out == "5\n"
    assert signed.good(*delete, "--yes", "--json").json == {"table": "lead", "deleted": 5, "failed": 0}
    assert signed.good(*delete, "--yes").err == "0 rows are deleted.\n"
    for arguments in (("lead",), ("lead", NOBODY, "--filter", "x")):
        assert signed("data", "delete", *arguments, "--yes").code == 2


def test_rows_that_may_not_be_deleted_are_named(signed: Run) -> None:
    me = signed.good("auth", "who", "--json").json["business_unit_id"]
    refused = signed(
        "data", "delete", "businessunit", "--filter", f"businessunitid eq {me}", "--yes", "--json"
    )
    assert (refused.code, refused.json["failed"]) == (1, 1)
    (failure,) = refused.error["failures"]
    assert (failure["id"], failure["code"][:2]) == (me, "0x")
    assert (
        "1 rows were refused"
        in signed("data", "delete", "businessunit", "--filter", f"businessunitid eq {me}", "--yes").err
    )
