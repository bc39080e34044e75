"""``orgstead tables``, ``orgstead api``, and the files and relations of ``orgstead data``."""

import json
from pathlib import Path

import pytest

from tests.terminal.conftest import Run


def test_a_table_is_made_filled_described_and_removed(signed: Run) -> None:
    made = signed.good(
        "tables", "create", "new_Ship", "new_Length:decimal", "new_Built:date", "new_Colour:choice=Red|Blue",
        "new_Home:lookup=account", "--display-name", "Ship", "--json",
    ).json  # fmt: skip
    assert made == {"name": "new_ship", "set": "new_ships", "key": "new_shipid", "title": "new_name"}
    signed.good(
        "tables", "add-column", "new_ship", "new_Grade", "choice", "--option", "Good", "--option", "Bad"
    )
    signed.good("tables", "add-column", "new_ship", "new_Sister", "lookup", "--target", "new_ship")
    signed.good(
        "tables",
        "add-column",
        "new_ship",
        "new_Crew",
        "int",
        "--minimum",
        "0",
        "--maximum",
        "99",
        "--required",
    )
    account = signed.good("data", "create", "account", "name=Harbour").out.strip()
    row = signed.good(
        "data", "create", "new_ship", "new_name=Tern", "new_length=12.50", "new_built=1999-12-31", "new_colour=blue",
        "new_grade=Bad", f"new_home={account}", "new_crew=7", "--return", "--json",
    ).json  # fmt: skip
    assert (row["new_length"], row["new_built"], row["_new_home_value"]) == (12.5, "1999-12-31", account)
    assert signed("data", "create", "new_ship", "new_name=Full", "new_crew=100").code == 1
    shown = signed.good(
        "data", "query", "new_ships", "--select", "new_name,new_colour,new_grade", "--formatted"
    ).out
    assert shown.splitlines()[2].split() == ["Tern", "Blue", "Bad"]
    choices = signed.good("tables", "choices", "new_ship", "new_colour", "--json").json
    assert [each["label"] for each in choices] == ["Red", "Blue"]
    told = signed.good("tables", "describe", "new_ship", "--json").json
    crew = next(each for each in told["columns"] if each["name"] == "new_crew")
    assert (crew["type"], crew["required"], told["title"]) == ("Integer", True, "new_name")
    assert "new_crew" in signed.good("tables", "describe", "new_ship").out
    signed.good("tables", "delete-column", "new_ship", "new_grade", "--yes")
    columns = signed.good("tables", "columns", "new_ship", "--search", "grade", "--json").json
    assert columns == []
    asked = signed("tables", "delete", "new_ship")
    assert (asked.code, "--yes" in asked.err) == (2, True)
    assert signed.good("tables", "delete", "new_ship", "--yes", "--json").json["deleted"] is True
    assert signed("data", "query", "new_ship").code == 1


def test_definitions_are_listed(signed: Run) -> None:
    names = [each["name"] for each in signed.good("tables", "list", "--search", "account", "--json").json]
    assert "account" in names
    assert "contact" not in names
    assert all(each["custom"] for each in signed.good("tables", "list", "--custom", "--json").json)
    lookups = signed.good("tables", "columns", "account", "--type", "lookup", "--writable", "--json").json
    assert {each["type"] for each in lookups} == {"Lookup"}
    assert "primarycontactid" in {each["name"] for each in lookups}
    relations = signed.good("tables", "relationships", "account", "--kind", "ManyToOne", "--json").json
    assert ("primarycontactid", "contact") in {
        (each["navigation"], each["other_table"]) for each in relations
    }
    signed.good("tables", "create", "new_Marked", "new_Code:string")
    signed.good("tables", "add-key", "new_marked", "new_ByCode", "new_code")
    keys = signed.good("tables", "keys", "new_marked", "--json").json
    assert keys == [{"name": "new_bycode", "columns": ["new_code"], "status": "Active"}]
    signed.good("tables", "delete-key", "new_marked", "new_bycode", "--yes")
    assert signed.good("tables", "keys", "new_marked").out == ""


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (("create", "new_X", "new_y:z"), 2, "NAME:KIND"),
        (("create", "new_X", "new_y:choice"), 2, "choice=Red|Blue"),
        (("create", "new_X", "new_y:lookup"), 2, "lookup=TABLE"),
        (("create", "Prefixless"), 1, "prefix"),
        (("add-column", "account", "new_X", "lookup"), 2, "--target"),
        (("add-column", "account", "new_X", "string", "--target", "account"), 2, "for a lookup"),
        (("add-column", "account", "new_X", "string", "--minimum", "1"), 1, "minimum"),
        (("add-column", "account", "new_X", "choice"), 1, "options"),
        (("columns", "nope"), 1, "tables list"),
        (("choices", "account", "name"), 1, "no column of choices"),
        (("delete-column", "account", "name", "--yes"), 1, "code 0x"),
        (("delete", "account", "--yes"), 1, "code 0x"),
    ],
)
def test_what_is_no_definition_is_refused(
    signed: Run, arguments: tuple[str, ...], code: int, said: str
) -> None:
    refused = signed("tables", *arguments)
    assert (refused.code, said in refused.err) == (code, True), refused.err


def test_actions_and_functions_are_listed_and_described(signed: Run) -> None:
    found = signed.good("api", "list", "--search", "opportunity", "--kind", "action", "--json").json
    win = next(each for each in found if each["name"] == "WinOpportunity")
    assert (win["kind"], win["parameters"]) == ("action", ["OpportunityClose", "Status"])
    bound = signed.good("api", "list", "--table", "queue", "--json").json
    assert "AddToQueue" in {each["name"] for each in bound}
    assert "Status  " in signed.good("api", "describe", "WinOpportunity").out
    (told,) = signed.good("api", "describe", "RetrieveVersion", "--json").json
    assert (told["kind"], told["answer"][0]["name"]) == ("function", "Version")
    unknown = signed("api", "describe", "WhoAmId")
    assert (unknown.code, "Did you mean WhoAmI" in unknown.err) == (2, True)


def test_functions_are_called(signed: Run, account: str) -> None:
    me = signed.good("auth", "who", "--json").json["user_id"]
    assert signed.good("api", "invoke", "WhoAmI", "--json").json["UserId"] == me
    assert me in signed.good("api", "invoke", "WhoAmI").out
    counts = signed.good("api", "invoke", "RetrieveTotalRecordCount", "EntityNames=account,contact").json
    assert counts["EntityRecordCountCollection"]["Keys"] == ["account", "contact"]
    rights = signed.good(
        "api", "invoke", "RetrievePrincipalAccess", "--table", "systemuser", "--id", me, f"Target=account:{account}",
        "--json",
    ).json  # fmt: skip
    assert "ReadAccess" in rights["AccessRights"]


def test_actions_are_invoked(signed: Run, account: str) -> None:
    deal = signed.good(
        "data", "create", "opportunity", "name=Deal", f"customerid=account:{account}"
    ).out.strip()
    close = json.dumps({"subject": "Won", "opportunityid@odata.bind": f"/opportunities({deal})"})
    done = signed.good("api", "invoke", "WinOpportunity", "Status=3", f"OpportunityClose={close}")
    assert (done.out, done.err) == ("", "Done.\n")
    assert signed.good("data", "get", "opportunity", deal, "--json").json["statecode"] == 1
    queue = signed.good("data", "create", "queue", "name=Letters").out.strip()
    letter = signed.good("data", "create", "letter", "subject=Post").out.strip()
    put = signed.good(
        "api", "invoke", "AddToQueue", "--table", "queue", "--id", queue, f"Target=letter:{letter}", "--json"
    )
    assert put.json["QueueItemId"]
    me = signed.good("auth", "who", "--json").json["user_id"]
    others = ("systemuser", "--filter", f"systemuserid ne {me} and accessmode eq 0", "--top", "1", "--json")
    other = signed.good("data", "query", *others).json[0]["systemuserid"]
    shared = signed.good(
        "api", "invoke", "GrantAccess", f"Target=account:{account}", "--data",
        json.dumps({"PrincipalAccess": {
            "Principal": {
                "@odata.type": "Microsoft.Dynamics.CRM.systemuser",
                "systemuserid": other,
            },
            "AccessMask": "ReadAccess",
        }}),
    )  # fmt: skip
    assert shared.err == "Done.\n"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("WinOpportunity",), "needs OpportunityClose, Status"),
        (("WinOpportunity", "Status=won"), "is of type Edm.Int32"),
        (("WinOpportunity", "Stat=1"), "has no parameter 'Stat'"),
        (("WinOpportunity", "OpportunityClose={"), "as JSON"),
        (("AddToQueue", "Target=letter:1"), "give --table"),
        (("WhoAmI", "--table", "account"), "bound to nothing"),
        (("WhoAmI", "--id", "1"), "Give --table"),
        (("GrantAccess", "Target=1", "PrincipalAccess={}"), "as table:ID"),
        (("GrantAccess", "PrincipalAccess=x"), "given as JSON"),
        (("RetrieveUserPrivileges",), "bound to systemuser"),
    ],
)
def test_what_is_no_call_is_refused_before_it_is_sent(
    signed: Run, arguments: tuple[str, ...], said: str
) -> None:
    refused = signed("api", "invoke", *arguments)
    assert (refused.code, said in refused.err) == (2, True), refused.err


def test_requests_of_any_kind_are_sent(signed: Run, account: str, tmp_path: Path) -> None:
    plain = signed.good("api", "request", "GET", f"accounts({account})?$select=name")
    assert json.loads(plain.out)["accountid"] == account
    assert plain.err == ""
    (tmp_path / "row.json").write_text('{"name": "Sent"}')
    signed.good(
        "api",
        "request",
        "patch",
        f"accounts({account})",
        "--data",
        f"@{tmp_path / 'row.json'}",
        "-H",
        "If-Match: *",
    )
    whole = signed.good(
        "api", "request", "GET", f"/api/data/v9.2/accounts({account})?$select=name", "--json",
        "-H", 'Prefer: odata.include-annotations="*"',
    ).json  # fmt: skip
    assert (whole["status"], whole["body"]["name"]) == (200, "Sent")
    assert "preference-applied" in whole["headers"]
    assert signed.good("api", "request", "GET", "accounts?$filter=name eq 'Sent'", "-i").err.startswith(
        "HTTP 200\n"
    )
    assert signed.good("api", "request", "GET", "$metadata").out.startswith("<?xml")
    refused = signed("api", "request", "GET", "nope", "--json")
    assert (refused.code, refused.error["status"]) == (1, 404)
    for wrong in (
        ("GET x", "a"),
        ("GET", "a", "-H", "nothing"),
        ("GET", "a", "-H", "Authorization: Bearer x"),
    ):
        assert signed("api", "request", *wrong).code == 2
    elsewhere = signed("api", "request", "GET", "https://example.com/api")
    assert (elsewhere.code, "leads to" in elsewhere.err) == (1, True)


def test_files_go_up_and_come_down(signed: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    signed.good("tables", "create", "new_Folder", "new_Paper:file")
    row = signed.good("data", "create", "new_folder", "new_name=Mine").out.strip()
    content = bytes(range(256)) * 20_000
    (tmp_path / "paper.bin").write_bytes(content)
    up = signed.good(
        "data", "upload", "new_folder", row, "new_paper", str(tmp_path / "paper.bin"), "--json"
    ).json
    assert (up["file_name"], up["size"]) == ("paper.bin", len(content))
    down = tmp_path / "down"
    down.mkdir()
    monkeypatch.chdir(down)
    assert (
        signed.good("data", "download", "new_folder", row, "new_paper", "--json").json["file"] == "paper.bin"
    )
    assert (down / "paper.bin").read_bytes() == content
    there = signed("data", "download", "new_folder", row, "new_paper")
    assert (there.code, "--overwrite" in there.err) == (1, True)
    signed.good("data", "download", "new_folder", row, "new_paper", "--overwrite")
    signed.good("data", "download", "new_folder", row, "new_paper", "other.bin")
    assert (down / "other.bin").read_bytes() == content
    assert signed("data", "upload", "new_folder", row, "new_pape", str(tmp_path / "paper.bin")).code == 2
    assert signed("data", "upload", "new_folder", row, "new_paper", "no such file").code == 2
    empty = signed.good("data", "create", "new_folder", "new_name=Empty").out.strip()
    assert signed("data", "download", "new_folder", empty, "new_paper", "nothing.bin").code == 1


def test_rows_are_related_and_no_longer(signed: Run, account: str) -> None:
    contact = signed.good("data", "create", "contact", "lastname=Related").out.strip()
    relation = (account, "contact_customer_accounts", f"contact:{contact}")
    signed.good("data", "associate", "account", *relation)

    def related() -> object:
        return signed.good("data", "get", "contact", contact, "--json").json["_parentcustomerid_value"]

    assert related() == account
    signed.good("data", "disassociate", "account", *relation)
    assert related() is None
    assert signed("data", "associate", "account", account, "contact_customer_accounts", contact).code == 2
    assert signed("data", "associate", "account", account, "nope", f"contact:{contact}").code == 1
