"""Rows below rows: which way they are tied, no loops, owners who are passed on, nothing told about hidden parents."""

import itertools

import pytest

from tests.parity.conftest import ROOT, Web
from tests.parity.test_parity_security import make_user

DENIED = (403, "0x80040220")


@pytest.mark.parametrize(
    ("entity_set", "lookup", "collection", "value"),
    [
        ("accounts", "parentaccountid", "account_parent_account", "_parentaccountid_value"),
        ("contacts", "parentcustomerid_contact", "contact_customer_contacts", "_parentcustomerid_value"),
    ],
)
def test_a_row_is_tied_below_one_of_its_own_table(
    web: Web, entity_set: str, lookup: str, collection: str, value: str
) -> None:
    name = "name" if entity_set == "accounts" else "lastname"
    low, high = (web.make(entity_set, **{name: text}) for text in ("low", "high"))

    def above() -> tuple[str | None, str | None]:
        return tuple(web.get(f"{entity_set}({id})?$select={value}").json[value] for id in (low, high))  # type: ignore

    to_high, to_low = ({"@odata.id": f"{ROOT}{entity_set}({id})"} for id in (high, low))
    assert web.call("PUT", f"{entity_set}({low})/{lookup}/$ref", to_high).status == 204
    assert above() == (high, None)
    assert web.call("DELETE", f"{entity_set}({low})/{lookup}/$ref?$id={to_high['@odata.id']}").status == 204
    assert above() == (None, None)
    assert web.call("POST", f"{entity_set}({high})/{collection}/$ref", to_low).status == 204
    assert above() == (high, None)
    assert web.call("DELETE", f"{entity_set}({high})/{collection}({low})/$ref").status == 204
    assert above() == (None, None)


@pytest.mark.parametrize(
    ("entity_set", "lookup", "code"),
    [
        ("accounts", "parentaccountid", "0x80040507"),
        ("contacts", "parentcustomerid_contact", "0x8004050a"),
        ("systemusers", "parentsystemuserid", "0x80041d25"),
        ("incidents", "parentcaseid", "0x80040387"),
    ],
)
def test_no_row_is_below_itself(web: Web, entity_set: str, lookup: str, code: str) -> None:
    unit = web.get("WhoAmI").json["BusinessUnitId"]
    customer = web.make("accounts", name="Customer")
    values = {
        "accounts": {"name": "x"},
        "contacts": {"lastname": "x"},
        "incidents": {"title": "x", "customerid_account@odata.bind": f"accounts({customer})"},
    }
    if entity_set == "systemusers":
        ids = [make_user(web, unit) for _ in range(3)]
    else:
        ids = [web.make(entity_set, **values[entity_set]) for _ in range(3)]
    for low, high in itertools.pairwise(ids):
        body = {f"{lookup}@odata.bind": f"{entity_set}({high})"}
        assert web.call("PATCH", f"{entity_set}({low})", body).status == 204
    for id in ids:
        body = {f"{lookup}@odata.bind": f"{entity_set}({id})"}
        assert web.call("PATCH", f"{entity_set}({ids[2]})", body).fault == (400, code)


def test_what_is_below_a_row_changes_hands_with_it(web: Web) -> None:
    unit = web.get("WhoAmI").json["BusinessUnitId"]
    salesperson = web.get("roles?$filter=name eq 'Salesperson'&$select=roleid").rows[0]["roleid"]
    owner = make_user(web, unit, salesperson)
    top = web.make("accounts", name="Top")
    middle = web.make("accounts", name="Middle", **{"parentaccountid@odata.bind": f"accounts({top})"})
    person = web.make(
        "contacts", lastname="P", **{"parentcustomerid_account@odata.bind": f"accounts({middle})"}
    )
    done = web.make(
        "tasks", subject="T", **{"regardingobjectid_contact_task@odata.bind": f"contacts({person})"}
    )
    beside = web.make("contacts", lastname="B")
    given = {"ownerid@odata.bind": f"systemusers({owner})"}
    assert web.call("PATCH", f"accounts({top})", given).status == 204
    owners = [
        web.get(f"{address}?$select=_ownerid_value").json["_ownerid_value"] == owner
        for address in (f"accounts({middle})", f"contacts({person})", f"tasks({done})", f"contacts({beside})")
    ]
    assert owners == [True, True, True, False]


def test_nothing_is_told_about_what_hangs_on_a_hidden_row(web: Web) -> None:
    nobody = make_user(web, web.get("WhoAmI").json["BusinessUnitId"])
    account = web.make("accounts", name="Hidden")
    inside = web.make(
        "contacts", lastname="In", **{"parentcustomerid_account@odata.bind": f"accounts({account})"}
    )
    outside = web.make("contacts", lastname="Out")
    collection = f"accounts({account})/contact_customer_accounts"
    for id in (inside, outside):
        assert web.call("DELETE", f"{collection}({id})/$ref", MSCRMCallerID=nobody).fault == DENIED
    for path in ("", "/$count", "/$ref"):
        assert web.get(f"{collection}{path}", MSCRMCallerID=nobody).fault == DENIED
    missing = collection.replace(account, inside)
    for path in ("", "/$count", "/$ref"):
        assert web.get(f"{missing}{path}").fault == (404, "0x80040217")
