"""How the Web API behaves around a request: headers that ask in vain, browsers, users that may not go yet."""

from typing import Any

import pytest

from tests.parity.conftest import ORIGIN, ROOT, Web

ALL = 'odata.include-annotations="*"'


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Accept": "application/json;odata.metadata=full"}, 400),
        ({"Accept": "application/json;odata.metadata=minimal"}, 200),
        ({"Accept": "*/*"}, 200),
        ({"OData-MaxVersion": "3.0"}, 400),
        ({"OData-MaxVersion": "4.0", "OData-Version": "4.0"}, 200),
        ({"Prefer": "odata.track-changes"}, 400),
        ({"MSCRM.MergeLabels": "maybe"}, 400),
        ({"MSCRM.MergeLabels": "true"}, 200),
    ],
)
def test_a_header_that_asks_for_what_is_not_there_is_refused_not_ignored(
    web: Web, headers: dict[str, str], status: int
) -> None:
    answer = web.get("accounts?$top=1", **headers)
    assert answer.status == status, answer.text
    part = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    body = (
        "--b\r\nContent-Type: application/http\r\nContent-Transfer-Encoding: binary\r\n\r\n"
        f"GET accounts?$top=1 HTTP/1.1\r\n{part}\r\n\r\n--b--\r\n"
    )
    batch = web.call("POST", "$batch", body.encode(), content_type="multipart/mixed; boundary=b")
    assert f"HTTP/1.1 {status}" in batch.text
    assert batch.status == status


@pytest.mark.parametrize("kind", ["text/plain", "application/xml", "application/x-www-form-urlencoded"])
def test_a_body_that_is_not_json_is_refused(web: Web, kind: str) -> None:
    before = web.get("accounts/$count").text
    assert web.call("POST", "accounts", b'{"name":"x"}', content_type=kind).status == 415
    assert web.get("accounts/$count").text == before


def test_a_page_in_a_browser_may_ask(web: Web) -> None:
    asked = {
        "origin": "https://app.example",
        "access-control-request-method": "PATCH",
        "access-control-request-headers": "authorization,if-match,prefer,content-type",
        "authorization": "",
    }
    answer = web.call("OPTIONS", "accounts", **asked)
    assert answer.status == 204
    assert answer.headers["access-control-allow-origin"] == "*"
    assert "PATCH" in answer.headers["access-control-allow-methods"]
    allowed = answer.headers["access-control-allow-headers"].lower()
    assert all(name in allowed for name in asked["access-control-request-headers"].split(","))
    answer = web.get("WhoAmI", origin="https://app.example")
    assert answer.headers["access-control-allow-origin"] == "*"
    assert "OData-EntityId" in answer.headers["access-control-expose-headers"]


def test_a_count_that_nobody_asked_for_is_told_as_unknown(web: Web) -> None:
    page = web.get("accounts?$select=name&$top=1", prefer=ALL).json
    assert page["@Microsoft.Dynamics.CRM.totalrecordcount"] == -1
    assert page["@Microsoft.Dynamics.CRM.totalrecordcountlimitexceeded"] is False


def test_a_page_size_beyond_the_largest_is_applied_as_the_largest(web: Web) -> None:
    answer = web.get("accounts?$select=name", prefer="odata.maxpagesize=9999")
    assert answer.headers["Preference-Applied"] == "odata.maxpagesize=5000"


def test_a_row_with_expanded_rows_is_never_not_modified(web: Web) -> None:
    contact = web.make("contacts", lastname="First")
    account = web.make("accounts", name="A", **{"primarycontactid@odata.bind": f"contacts({contact})"})
    etag = web.get(f"accounts({account})?$select=name").json["@odata.etag"]
    assert web.get(f"accounts({account})?$select=name", if_none_match=etag).status == 304
    expanded = f"accounts({account})?$select=name&$expand=primarycontactid($select=lastname)"
    assert web.get(expanded, if_none_match=etag).json["primarycontactid"]["lastname"] == "First"


def test_references_are_absolute(web: Web) -> None:
    contact = web.make("contacts", lastname="Second")
    account = web.make("accounts", name="B", **{"primarycontactid@odata.bind": f"contacts({contact})"})
    there = f"{ORIGIN}/api/data/v9.2/contacts({contact})"
    row = web.get(f"accounts({account})?$select=name&$expand=primarycontactid/$ref").json
    assert row["primarycontactid"] == {"@odata.id": there}
    assert web.get(f"accounts({account})/primarycontactid/$ref").json["@odata.id"] == there


def test_an_amount_comes_with_its_currency(web: Web) -> None:
    account = web.make("accounts", name="C", revenue=5)
    row = web.get(f"accounts({account})?$select=revenue").json
    assert (
        row["_transactioncurrencyid_value"]
        == (web.get("transactioncurrencies?$select=isocurrencycode").rows[0]["transactioncurrencyid"])
    )


def test_a_lookup_that_is_bound_twice_is_refused(web: Web) -> None:
    account, contact = web.make("accounts", name="D"), web.make("contacts", lastname="D")
    body = {
        "title": "Who?",
        "customerid_account@odata.bind": f"accounts({account})",
        "customerid_contact@odata.bind": f"contacts({contact})",
    }
    assert web.call("POST", "incidents", body).status == 400


@pytest.mark.parametrize("method", ["DELETE", "PUT"])
def test_a_read_only_property_cannot_be_set_by_itself(web: Web, method: str) -> None:
    account = web.make("accounts", name="E")
    body = {"value": "2001-01-01T00:00:00Z"} if method == "PUT" else None
    assert web.call(method, f"accounts({account})/createdon", body).status == 405


def test_an_order_by_a_lookup_goes_by_the_name_that_it_shows(web: Web) -> None:
    for name in ("Zoe", "anna", "Mia"):
        contact = web.make("contacts", lastname=name)
        web.make("accounts", name="Ordered", **{"primarycontactid@odata.bind": f"contacts({contact})"})
    web.make("accounts", name="Ordered")
    asked = (
        "accounts?$select=name&$expand=primarycontactid($select=lastname)&$filter=name eq 'Ordered'"
        "&$orderby=_primarycontactid_value"
    )
    shown = [row["primarycontactid"] and row["primarycontactid"]["lastname"] for row in web.get(asked).rows]
    assert shown == [None, "anna", "Mia", "Zoe"]
    walked = []
    link = asked
    while link:
        page = web.get(link, prefer="odata.maxpagesize=1")
        walked += page.rows
        link = page.json.get("@odata.nextLink", "")
    assert [row["accountid"] for row in walked] == [row["accountid"] for row in web.get(asked).rows]
    owned = web.get("accounts?$select=name&$filter=name eq 'Ordered'&$orderby=_ownerid_value desc").rows
    assert len(owned) == 4


def test_wildcards_work_in_parts_of_texts_and_stand_for_themselves_in_brackets(web: Web) -> None:
    for name in ("Wild 100% sure", "Wild 1000 sure", "Wild a_b", "Wild axb"):
        web.make("accounts", name=name)

    def found(condition: str) -> list[str]:
        asked = f"accounts?$select=name&$filter=startswith(name,'Wild') and {condition}&$orderby=name"
        return [row["name"].removeprefix("Wild ") for row in web.get(asked.replace("%", "%25")).rows]

    assert found("contains(name,'100%sure')") == ["100% sure", "1000 sure"]
    assert found("contains(name,'100[%]')") == ["100% sure"]
    assert found("endswith(name,'a_b')") == ["a_b", "axb"]
    assert found("contains(name,'a[_]b')") == ["a_b"]
    assert found("contains(name,'a[w-z]b')") == ["axb"]
    assert found("not contains(name,'1')") == ["a_b", "axb"]


def test_a_user_goes_only_when_disabled_and_owning_nothing(web: Web) -> None:
    unit = web.get("WhoAmI").json["BusinessUnitId"]
    user = web.make(
        "systemusers",
        firstname="Leaving",
        lastname="Person",
        domainname=web.name("leaving").replace(" ", "") + "@example.org",
        **{"businessunitid@odata.bind": f"businessunits({unit})"},
    )
    # Whoever owns a row must at least be able to read it.
    owning = {"name": "Owned", "ownerid@odata.bind": f"systemusers({user})"}
    assert web.call("POST", "accounts", owning).fault == (403, "0x80040220")
    (role,) = web.get("roles?$filter=name eq 'Salesperson'&$select=roleid").rows
    tie = {"@odata.id": f"{ROOT}roles({role['roleid']})"}
    assert web.call("POST", f"systemusers({user})/systemuserroles_association/$ref", tie).status == 204
    account = web.make("accounts", name="Owned", **{"ownerid@odata.bind": f"systemusers({user})"})
    assert web.call("DELETE", f"systemusers({user})").status == 400
    assert web.call("PATCH", f"systemusers({user})", {"isdisabled": True}).status == 204
    assert web.call("DELETE", f"systemusers({user})").status == 405
    me = web.get("WhoAmI").json["UserId"]
    bound = {"ownerid@odata.bind": f"systemusers({me})"}
    assert web.call("PATCH", f"accounts({account})", bound).status == 204
    assert web.call("DELETE", f"systemusers({user})").status == 204
    assert web.get(f"systemusers({user})").status == 404


def test_a_reference_to_a_later_part_is_an_invalid_batch(web: Web) -> None:
    body = (
        "--b\r\nContent-Type: multipart/mixed; boundary=c\r\n\r\n"
        "--c\r\nContent-Type: application/http\r\nContent-Transfer-Encoding: binary\r\nContent-ID: 1\r\n\r\n"
        'PATCH $2 HTTP/1.1\r\nContent-Type: application/json\r\n\r\n{"name":"x"}\r\n'
        "--c--\r\n\r\n--b--\r\n"
    )
    answer = web.call("POST", "$batch", body.encode(), content_type="multipart/mixed; boundary=b")
    assert answer.status == 400
    assert "does not exist in the batch context" in answer.text


def test_groups_have_the_context_of_their_set(web: Web) -> None:
    answer = web.get("accounts?$apply=groupby((statecode),aggregate($count as many))").json
    assert answer["@odata.context"] == f"{ORIGIN}/api/data/v9.2/$metadata#accounts"


def test_an_upsert_of_many_takes_targets_that_are_nothing_but_a_key(web: Web) -> None:
    known = web.make("accounts", name="Known")
    new = "00000000-0000-4000-8000-00000000abcd"
    targets = [
        {"@odata.type": "Microsoft.Dynamics.CRM.account", "@odata.id": f"accounts({id})"}
        for id in (known, new)
    ]
    answer = web.call("POST", "accounts/Microsoft.Dynamics.CRM.UpsertMultiple", {"Targets": targets})
    assert answer.status in (200, 204), answer.text
    assert web.get(f"accounts({new})?$select=accountid").json["accountid"] == new
    assert web.get(f"accounts({known})?$select=name").json["name"] == "Known"


@pytest.mark.parametrize(
    ("method", "rest", "body", "header"),
    [
        ("PATCH", "", {"name": "x"}, {"If-None-Match": 'W/"1"'}),
        ("DELETE", "", None, {"If-None-Match": "*"}),
        ("DELETE", "", None, {"If-None-Match": 'W/"1"'}),
        ("PUT", "/name", {"value": "x"}, {"If-None-Match": "*"}),
        ("DELETE", "/name", None, {"If-None-Match": "*"}),
        ("PUT", "/primarycontactid/$ref", None, {"If-Match": 'W/"1"'}),
        ("DELETE", "/primarycontactid/$ref", None, {"If-Match": 'W/"1"'}),
        ("DELETE", "/primarycontactid/$ref", None, {"If-None-Match": "*"}),
        ("POST", "/contact_customer_accounts", {"lastname": "x"}, {"If-Match": 'W/"1"'}),
    ],
)
def test_a_condition_that_a_write_does_not_heed_is_refused(
    web: Web, method: str, rest: str, body: Any, header: dict[str, str]
) -> None:
    account = web.make("accounts", name="kept", primarycontactid={"lastname": "kept"})
    if rest.endswith("$ref") and method == "PUT":
        body = {"@odata.id": f"contacts({web.make('contacts', lastname='other')})"}
    assert web.call(method, f"accounts({account}){rest}", body, **header).fault == (400, "0x80060888")
    row = web.get(f"accounts({account})?$select=name&$expand=primarycontactid($select=lastname)").json
    assert (row["name"], row["primarycontactid"]["lastname"]) == ("kept", "kept")
    assert web.get(f"accounts({account})/contact_customer_accounts/$count").text == "0"


def test_no_row_has_the_empty_id(web: Web) -> None:
    nothing = "00000000-0000-0000-0000-000000000000"
    made = [
        web.call("PATCH", f"accounts({nothing})", {"name": "a"}),
        web.call("POST", "accounts", {"accountid": nothing}),
    ]
    ids = {answer.id for answer in made}
    assert len(ids) == 2
    assert nothing not in ids
    assert web.get(f"accounts({nothing})").status == 404
