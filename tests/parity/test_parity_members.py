"""Rows at the address of another row: ``/accounts(id)/contact_customer_accounts(id)``, and what hangs on a row."""

import pytest

from tests.parity.conftest import Web

CONTACTS = "contact_customer_accounts"
MISSING = (404, "0x80040217")


@pytest.fixture
def pair(web: Web) -> tuple[str, str, str]:
    """An account, another one, and a contact of the first."""
    own, other = web.make("accounts", name="own"), web.make("accounts", name="other")
    bound = {"parentcustomerid_account@odata.bind": f"accounts({own})"}
    return own, other, web.make("contacts", lastname="Member", **bound)


def test_a_row_of_a_collection_is_read_changed_and_deleted_there(
    web: Web, pair: tuple[str, str, str]
) -> None:
    own, _, contact = pair
    address = f"accounts({own})/{CONTACTS}({contact})"
    assert web.get(f"{address}?$select=lastname").json["lastname"] == "Member"
    assert web.get(f"{address}/lastname").json["value"] == "Member"
    changed = web.call(
        "PATCH", f"{address}?$select=lastname", {"lastname": "New"}, Prefer="return=representation"
    )
    assert (changed.status, changed.json["lastname"]) == (200, "New")
    assert web.call("DELETE", address).status == 204
    assert web.get(f"contacts({contact})").fault == MISSING


@pytest.mark.parametrize(
    ("method", "rest", "body"),
    [
        ("GET", "", None),
        ("GET", "/lastname", None),
        ("PATCH", "", {"lastname": "x"}),
        ("PUT", "/lastname", {"value": "x"}),
        ("DELETE", "/lastname", None),
        ("DELETE", "", None),
    ],
)
def test_what_is_not_in_a_collection_is_not_there(
    web: Web, pair: tuple[str, str, str], method: str, rest: str, body: dict[str, str] | None
) -> None:
    own, other, contact = pair
    nobody = "dddddddd-0000-4000-8000-0000000000aa"
    for account in (other, nobody):
        answer = web.call(method, f"accounts({account})/{CONTACTS}({contact}){rest}", body)
        assert answer.fault == MISSING
    assert web.call(method, f"accounts({own})/{CONTACTS}({nobody}){rest}", body).fault == MISSING
    assert web.get(f"contacts({contact})?$select=lastname").json["lastname"] == "Member"


def test_a_row_of_a_many_to_many_collection_is_in_it_or_not_there(web: Web) -> None:
    lead, account = web.make("leads", subject="s", lastname="l"), web.make("accounts", name="a")
    member = f"accounts({account})/accountleads_association({lead})"
    assert web.get(member).fault == MISSING
    tie = {"@odata.id": f"leads({lead})"}
    assert web.call("POST", f"accounts({account})/accountleads_association/$ref", tie).status == 204
    assert web.get(f"{member}?$select=subject").json["subject"] == "s"


def test_a_change_set_changes_rows_of_collections(web: Web, pair: tuple[str, str, str]) -> None:
    own, other, contact = pair

    def change_set(account: str) -> bytes:
        parts = [
            ("POST", "accounts", '{"name": "made beside a member"}'),
            ("PATCH", f"accounts({account})/{CONTACTS}({contact})", '{"firstname": "Set"}'),
            ("PATCH", "$1", '{"telephone1": "1"}'),
        ]
        text = "--b\r\nContent-Type: multipart/mixed;boundary=c\r\n\r\n"
        for number, (method, url, body) in enumerate(parts, 1):
            text += "--c\r\nContent-Type: application/http\r\nContent-Transfer-Encoding: binary\r\n"
            text += f"Content-ID: {number}\r\n\r\n{method} {url} HTTP/1.1\r\n"
            text += f"Content-Type: application/json\r\n\r\n{body}\r\n"
        return f"{text}--c--\r\n--b--\r\n".encode()

    mixed = "multipart/mixed;boundary=b"
    made = "accounts?$filter=name eq 'made beside a member'&$select=telephone1"
    refused = web.call("POST", "$batch", change_set(other), content_type=mixed)
    assert refused.status == 404
    assert "Content-ID: 2" in refused.text
    assert web.get(made).rows == []
    done = web.call("POST", "$batch", change_set(own), content_type=mixed)
    assert (done.status, done.text.count("204 No Content")) == (200, 3)
    assert [row["telephone1"] for row in web.get(made).rows] == ["1"]
    assert web.get(f"contacts({contact})?$select=firstname").json["firstname"] == "Set"


def test_rows_of_two_tables_with_one_id_are_told_apart(web: Web) -> None:
    twin = "dddddddd-0000-4000-8000-0000000000bb"
    web.make("accounts", accountid=twin, name="twin")
    web.make("contacts", contactid=twin, lastname="twin")
    by_account = {"parentcustomerid_account@odata.bind": f"accounts({twin})"}
    by_contact = {"parentcustomerid_contact@odata.bind": f"contacts({twin})"}
    one, other = (
        web.make("contacts", lastname="1", **by_account),
        web.make("contacts", lastname="2", **by_contact),
    )
    for path, expected in (
        (f"accounts({twin})/{CONTACTS}", one),
        (f"contacts({twin})/contact_customer_contacts", other),
    ):
        assert [row["contactid"] for row in web.get(f"{path}?$select=lastname").rows] == [expected]
        assert web.get(f"{path}/$count").text == "1"
    assert web.get(f"accounts({twin})/{CONTACTS}({other})").fault == MISSING
    # What is removed takes no other row's links along.
    assert web.call("DELETE", f"contacts({twin})").status == 204
    kept = f"contacts({one})?$select=_parentcustomerid_value"
    assert web.get(kept).json["_parentcustomerid_value"] == twin
    emptied = f"contacts({other})?$select=_parentcustomerid_value"
    assert web.get(emptied).json["_parentcustomerid_value"] is None
