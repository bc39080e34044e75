"""Rows of the fidelity table that no other scenario shows."""

import re
from typing import Any

import pytest

from tests.parity.conftest import ORIGIN, ROOT, Web

ALL = 'odata.include-annotations="*"'
LABEL = "@OData.Community.Display.V1.FormattedValue"
NOBODY = "00000000-0000-4000-8000-0000000000ab"


# -- addresses and headers -------------------------------------------------------------------------------------------
@pytest.mark.parametrize("name", ["Accounts", "account", "ACCOUNTS"])
def test_a_set_has_one_spelling(web: Web, name: str) -> None:
    answer = web.get(name)
    assert answer.status == 404
    assert f"'{name}'" in answer.json["error"]["message"]


@pytest.mark.parametrize(
    "query",
    [
        "%24select=name&%24filter=name%20eq%20%27O%27%27Hare%27",
        "$select=name&$filter=name+eq+'O''Hare'",
        "$select=name&$filter=name eq 'O%27%27Hare'&",
    ],
)
def test_options_may_be_escaped_in_any_way(web: Web, query: str) -> None:
    web.make("accounts", name="O'Hare")
    assert {row["name"] for row in web.get(f"accounts?{query}").rows} == {"O'Hare"}


@pytest.mark.parametrize("version", ["v9.0", "v9.1", "v9.2"])
def test_every_version_answers_alike_and_names_itself(web: Web, version: str) -> None:
    answer = web.get(f"{ORIGIN}/api/data/{version}/accounts?$select=name&$top=1")
    assert answer.json["@odata.context"] == f"{ORIGIN}/api/data/{version}/$metadata#accounts(name)"
    assert web.get(f"{ORIGIN}/api/data/{version}").json["@odata.context"].endswith(f"{version}/$metadata")


def test_every_answer_has_a_request_id_of_its_own(web: Web) -> None:
    answers = [web.get("WhoAmI"), web.get("nosuch")]
    ids = [answer.headers["x-ms-service-request-id"] for answer in answers]
    assert len(set(ids)) == 2
    assert all(answer.headers["REQ_ID"] == id for answer, id in zip(answers, ids, strict=True))


@pytest.mark.parametrize("method", ["PATCH", "PUT", "DELETE"])
def test_a_set_is_read_and_added_to_only(web: Web, method: str) -> None:
    assert web.call(method, "accounts", None if method == "DELETE" else {}).status == 405


def test_asking_for_duplicate_detection_changes_nothing(web: Web) -> None:
    for _ in range(2):
        answer = web.call("POST", "accounts", {"name": "Twice"}, MSCRM_SuppressDuplicateDetection="false")
        assert answer.status == 204


# -- creating and reading --------------------------------------------------------------------------------------------
def test_a_create_fills_in_what_nobody_said(web: Web) -> None:
    me = web.get("WhoAmI").json
    row = web.get(f"accounts({web.make('accounts', name='Defaults')})").json
    for name in ("_ownerid_value", "_owninguser_value", "_createdby_value", "_modifiedby_value"):
        assert row[name] == me["UserId"], name
    assert row["_owningbusinessunit_value"] == me["BusinessUnitId"]
    assert (row["statecode"], row["statuscode"], row["creditonhold"]) == (0, 1, False)
    assert row["createdon"] == row["modifiedon"]
    base = web.get("transactioncurrencies?$select=currencyname&$filter=isocurrencycode eq 'USD'").rows
    assert row["_transactioncurrencyid_value"] == base[0]["transactioncurrencyid"]
    assert row["versionnumber"] == int(re.findall(r"\d+", row["@odata.etag"])[0])


def test_what_applications_require_may_be_left_out_what_the_system_requires_may_not(web: Web) -> None:
    assert web.call("POST", "accounts", {}).status == 204
    answer = web.call("POST", "incidents", {"title": "Nobody's"})
    assert answer.status == 400
    assert "customerid" in answer.text


def test_a_row_is_made_in_a_collection_of_another(web: Web) -> None:
    account = web.make("accounts", name="Parent")
    contact = web.call("POST", f"accounts({account})/contact_customer_accounts", {"lastname": "Child"}).id
    row = web.get(f"contacts({contact})?$select=_parentcustomerid_value").json
    assert row["_parentcustomerid_value"] == account
    assert [each["contactid"] for each in web.get(f"accounts({account})/contact_customer_accounts").rows] == [
        contact
    ]


def test_a_creation_is_dated_back(web: Web) -> None:
    account = web.make("accounts", name="Old", overriddencreatedon="2001-02-03T04:05:06Z")
    row = web.get(f"accounts({account})?$select=createdon,overriddencreatedon,modifiedon").json
    assert row["createdon"] == "2001-02-03T04:05:06Z"
    assert row["overriddencreatedon"] == row["modifiedon"] != row["createdon"]


def test_columns_that_are_no_key_address_no_row(web: Web) -> None:
    answer = web.get("accounts(name='x',accountnumber='y')")
    assert answer.status == 400
    assert "name, accountnumber" in answer.text


# -- updating --------------------------------------------------------------------------------------------------------
def test_a_row_may_be_sent_back_as_it_was_read(web: Web) -> None:
    account = web.make("accounts", name="Back", revenue=5)
    row = web.get(f"accounts({account})", prefer=ALL).json
    kept = {name: value for name, value in row.items() if not name.startswith("_")}
    assert (
        web.call("PATCH", f"accounts({account})", {**kept, "createdon": "1999-01-01T00:00:00Z"}).status == 204
    )
    again = web.get(f"accounts({account})").json
    changed = {name for name in again if again[name] != row.get(name)}
    assert changed <= {"@odata.etag", "versionnumber", "modifiedon"}


def test_the_id_in_a_body_is_that_of_the_address(web: Web) -> None:
    account = web.make("accounts", name="Itself")
    assert web.call("PATCH", f"accounts({account})", {"accountid": account, "fax": "1"}).status == 204
    assert web.call("PATCH", f"accounts({account})", {"accountid": NOBODY, "fax": "2"}).status == 400
    assert web.get(f"accounts({account})?$select=fax").json["fax"] == "1"


def test_put_on_a_row_is_patch(web: Web) -> None:
    account = web.make("accounts", name="Put", fax="1")
    assert web.call("PUT", f"accounts({account})", {"telephone1": "2"}).status == 204
    row = web.get(f"accounts({account})?$select=fax,telephone1").json
    assert (row["fax"], row["telephone1"]) == ("1", "2")


def test_an_update_returns_and_expands_the_row_on_request(web: Web) -> None:
    account = web.make("accounts", name="Returned", primarycontactid={"lastname": "Shown"})
    answer = web.call(
        "PATCH",
        f"accounts({account})?$select=fax&$expand=primarycontactid($select=lastname)",
        {"fax": "1"},
        prefer="return=representation",
    )
    assert answer.status == 200
    assert (answer.json["fax"], answer.json["primarycontactid"]["lastname"]) == ("1", "Shown")


def test_an_upsert_says_what_it_did(web: Web) -> None:
    id = "00000000-0000-4000-8000-0000000000ac"
    asked = {"prefer": "return=representation"}
    assert web.call("PATCH", f"accounts({id})?$select=name", {"name": "A"}, **asked).status == 201
    assert web.call("PATCH", f"accounts({id})?$select=name", {"name": "B"}, **asked).status == 200
    answer = web.call("PATCH", f"accounts({id})", {"name": "C"})
    assert (answer.status, answer.headers["OData-EntityId"]) == (204, f"{ROOT}accounts({id})")


@pytest.mark.parametrize("tag", ["x", '"x"', 'W/"'])
def test_what_is_no_etag_is_refused(web: Web, tag: str) -> None:
    account = web.make("accounts", name="Tagged")
    assert web.call("PATCH", f"accounts({account})", {"fax": "1"}, if_match=tag).status == 400


def test_deleting_a_navigation_property_itself_is_not_disassociating(web: Web) -> None:
    account = web.make("accounts", name="Tied", primarycontactid={"lastname": "Stays"})
    assert web.call("DELETE", f"accounts({account})/primarycontactid").status == 405
    assert web.get(f"accounts({account})?$select=_primarycontactid_value").json["_primarycontactid_value"]


# -- values ----------------------------------------------------------------------------------------------------------
def test_formatted_values_are_american_and_in_utc(web: Web) -> None:
    account = web.make(
        "accounts", name="Formatted", revenue=-0.5 + 1235, numberofemployees=12345,
        overriddencreatedon="2026-03-04T15:06:07Z", donotemail=True, industrycode=1,
    )  # fmt: skip
    row = web.get(
        f"accounts({account})?$select=revenue,numberofemployees,createdon,donotemail,industrycode", prefer=ALL
    ).json
    shown = {name.partition("@")[0]: value for name, value in row.items() if name.endswith(LABEL)}
    assert shown["revenue"] == "$1,234.50"
    assert shown["numberofemployees"] == "12,345"
    assert shown["createdon"] == "3/4/2026 3:06 PM"
    assert shown["donotemail"] == "Do Not Allow"
    assert shown["industrycode"] == "Accounting"


@pytest.mark.parametrize(
    ("given", "kept"),
    [("2026-03-04T05:06:07Z", "2026-03-04T05:06:07Z"), ("2026-03-04T05:06:07+02:00", "2026-03-04T03:06:07Z")],
)
def test_times_are_kept_in_utc(web: Web, given: str, kept: str) -> None:
    task = web.make("tasks", subject="Timed", scheduledend=given)
    assert web.get(f"tasks({task})?$select=scheduledend").json["scheduledend"] == kept


def test_a_date_is_a_date(web: Web) -> None:
    contact = web.make("contacts", lastname="Born", birthdate="2000-02-29")
    assert web.get(f"contacts({contact})?$select=birthdate").json["birthdate"] == "2000-02-29"
    for wrong in ("2000-02-29T01:00:00Z", "2001-02-29", "29.02.2000"):
        assert web.call("PATCH", f"contacts({contact})", {"birthdate": wrong}).status == 400, wrong


# -- queries ---------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("option", ["$Select=name", "select=name", "$FILTER=name eq 'x'", "$format=json"])
def test_an_option_in_another_spelling_is_no_option(web: Web, option: str) -> None:
    answer = web.get(f"accounts?{option}")
    assert answer.status == 400
    assert option.partition("=")[0] in answer.text


def test_a_choice_is_ordered_by_its_number(web: Web) -> None:
    for code in (12, 2, 30):
        web.make("accounts", name="Chosen", industrycode=code)
    asked = "accounts?$select=industrycode&$filter=name eq 'Chosen'&$orderby=industrycode"
    assert [row["industrycode"] for row in web.get(asked).rows] == [2, 12, 30]


def test_rows_come_by_their_key_when_no_order_is_asked_for(web: Web) -> None:
    ids = [row["accountid"] for row in web.get("accounts?$select=accountid").rows]
    assert ids == sorted(ids)


def test_a_count_says_whether_it_was_cut(web: Web) -> None:
    web.make("accounts", name="Counted")
    page = web.get("accounts?$select=name&$filter=name eq 'Counted'&$count=true", prefer=ALL).json
    assert (page["@odata.count"], page["@Microsoft.Dynamics.CRM.totalrecordcount"]) == (1, 1)
    assert page["@Microsoft.Dynamics.CRM.totalrecordcountlimitexceeded"] is False
    assert web.get("accounts/$count?$filter=name eq 'Counted'").text == "1"


def test_spaces_at_the_end_count(web: Web) -> None:
    web.make("accounts", name="Trailing")
    assert web.get("accounts?$select=name&$filter=name eq 'Trailing '").rows == []


def test_an_owner_is_expanded_and_a_navigation_property_selected_in_vain(web: Web) -> None:
    web.make("accounts", name="Owned by me")
    (row,) = web.get(
        "accounts?$select=name,primarycontactid&$expand=ownerid&$filter=name eq 'Owned by me'"
    ).rows
    assert row["ownerid"]["ownerid"] == web.get("WhoAmI").json["UserId"]
    assert "primarycontactid" not in row


def test_a_count_of_groups_is_a_plain_number(web: Web) -> None:
    web.make("accounts", name="Grouped", revenue=2)
    aggregates = "aggregate($count as many,revenue with sum as all)"
    asked = f"accounts?$apply=filter(name eq 'Grouped')/groupby((statecode),{aggregates})"
    (row,) = web.get(asked, prefer=ALL).rows
    assert row["many"] == 1
    assert f"many{LABEL}" not in row
    assert row[f"statecode{LABEL}"] == "Active"


def test_groups_go_by_the_exact_time(web: Web) -> None:
    for second in (1, 2):
        web.make("accounts", name="At a time", overriddencreatedon=f"2020-01-01T00:00:0{second}Z")
    rows = web.get(
        "accounts?$apply=filter(name eq 'At a time')/groupby((createdon),aggregate($count as many))"
    ).rows
    assert sorted(row["createdon"] for row in rows) == ["2020-01-01T00:00:01Z", "2020-01-01T00:00:02Z"]


# -- batches, bulk, functions ----------------------------------------------------------------------------------------
def _batch(web: Web, *parts: str, kind: str = "multipart/mixed; boundary=b") -> Any:
    body = "".join(f"--b\r\n{part}\r\n" for part in parts) + "--b--\r\n"
    return web.call("POST", "$batch", body.encode(), content_type=kind)


def _part(line: str, body: str = "") -> str:
    head = "Content-Type: application/http\r\nContent-Transfer-Encoding: binary\r\n\r\n"
    return f"{head}{line} HTTP/1.1\r\nContent-Type: application/json\r\n\r\n{body}"


def test_a_batch_has_a_limit_and_holds_no_batch(web: Web) -> None:
    assert _batch(web, *[_part("GET WhoAmI")] * 1001).status == 400
    answer = _batch(web, _part("POST $batch", "{}"))
    assert answer.status == 404 or answer.status == 405
    assert web.call("POST", "$batch", {"requests": []}).status == 415


def test_a_change_set_without_references_needs_no_content_ids(web: Web) -> None:
    part = _part("POST accounts", '{"name":"Nameless part"}')
    inner = f"Content-Type: multipart/mixed; boundary=c\r\n\r\n--c\r\n{part}\r\n--c\r\n{part}\r\n--c--\r\n"
    assert _batch(web, inner).status == 200
    assert web.get("accounts/$count?$filter=name eq 'Nameless part'").text == "2"


def test_a_bulk_message_has_a_limit_and_knows_its_table(web: Web) -> None:
    action = "accounts/Microsoft.Dynamics.CRM.CreateMultiple"
    answer = web.call("POST", action, {"Targets": [{"name": "Bulk"}, {"name": "Bulk"}]})
    assert len(answer.json["Ids"]) == 2
    assert web.call("POST", action, {"Targets": [{"name": "Too many"}] * 1001}).status == 400
    other = {"@odata.type": "Microsoft.Dynamics.CRM.contact", "lastname": "x"}
    assert web.call("POST", action, {"Targets": [other]}).status == 400
    assert web.get("accounts/$count?$filter=name eq 'Too many'").text == "0"


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("POST", "WhoAmI", 405),
        ("GET", "accounts/Microsoft.Dynamics.CRM.CreateMultiple", 405),
        ("GET", "NoSuchFunction()", 404),
        ("GET", "Microsoft.Dynamics.CRM.NoSuch", 404),
        ("POST", "accounts/Microsoft.Dynamics.CRM.NoSuch", 404),
    ],
)
def test_calls_that_go_nowhere_say_so(web: Web, method: str, path: str, status: int) -> None:
    assert web.call(method, path, {} if method == "POST" else None).status == status


# -- standard tables -------------------------------------------------------------------------------------------------
def test_a_case_numbers_itself_and_belongs_to_a_customer(web: Web) -> None:
    account = web.make("accounts", name="Customer")
    case = web.make(
        "incidents", title="Numbered", **{"customerid_account@odata.bind": f"accounts({account})"}
    )
    row = web.get(f"incidents({case})?$select=ticketnumber,_customerid_value", prefer=ALL).json
    assert re.fullmatch(r"CAS-\d+-\w+", row["ticketnumber"])
    assert row["_customerid_value@Microsoft.Dynamics.CRM.lookuplogicalname"] == "account"
    given = web.make(
        "incidents",
        title="Given",
        ticketnumber="MINE",
        **{"customerid_account@odata.bind": f"accounts({account})"},
    )
    assert web.get(f"incidents({given})?$select=ticketnumber").json["ticketnumber"] == "MINE"


def test_an_activitypointer_is_not_made_by_itself(web: Web) -> None:
    assert web.call("POST", "activitypointers", {"subject": "x"}).status == 400


def test_a_failure_tells_more_on_request(web: Web) -> None:
    plain, told = web.get("nosuch").json["error"], web.get("nosuch", prefer=ALL).json["error"]
    assert set(plain) == {"code", "message"}
    assert {name for name in told if name.startswith("@Microsoft.PowerApps.CDS.")} >= {
        "@Microsoft.PowerApps.CDS.HelpLink"
    }
