"""Rows through the Web API: create, read, change, upsert, delete, relate."""

from typing import Any

import pytest

from tests.parity.conftest import ROOT, Web

MISSING = "00000000-0000-4000-8000-000000000000"


def test_a_created_row_is_named_by_its_address_and_reads_back(web: Web) -> None:
    answer = web.call(
        "POST", "accounts", {"name": "Blue Heron", "revenue": 1234.5, "donotemail": True, "industrycode": 1}
    )
    assert answer.status == 204
    assert answer.headers["OData-EntityId"] == f"{ROOT}accounts({answer.id})"
    row = web.get(
        f"accounts({answer.id})?$select=name,revenue,revenue_base,donotemail,industrycode,statecode"
    ).json
    assert (
        row["@odata.context"]
        == f"{ROOT}$metadata#accounts(name,revenue,revenue_base,donotemail,industrycode,statecode)/$entity"
    )
    assert (row["name"], row["revenue"], row["revenue_base"]) == ("Blue Heron", 1234.5, 1234.5)
    assert (row["donotemail"], row["industrycode"], row["statecode"]) == (True, 1, 0)
    assert row["accountid"] == answer.id


def test_money_keeps_every_digit(web: Web) -> None:
    id = web.call("POST", "accounts", b'{"name":"Exact","revenue":99999999999.9999}').id
    assert '"revenue":99999999999.9999' in web.get(f"accounts({id})?$select=revenue").text


def test_a_representation_is_returned_on_request(web: Web) -> None:
    answer = web.call(
        "POST",
        "contacts?$select=fullname",
        {"firstname": "Ada", "lastname": "Byron"},
        prefer="return=representation",
    )
    assert answer.status == 201
    assert answer.json["fullname"] == "Ada Byron"
    assert answer.headers["Preference-Applied"] == "return=representation"
    assert answer.json["@odata.etag"] == answer.headers["ETag"]


def test_a_deep_insert_makes_related_rows_on_both_sides(web: Web) -> None:
    id = web.make(
        "accounts",
        name="Parent",
        primarycontactid={"lastname": "Deep", "Contact_Tasks": [{"subject": "inner"}]},
        Account_Tasks=[{"subject": "one"}, {"subject": "two"}],
    )
    row = web.get(
        f"accounts({id})?$select=name&$expand=primarycontactid($select=lastname;$expand=Contact_Tasks($select=subject)),"
        "Account_Tasks($select=subject)"
    ).json
    assert row["primarycontactid"]["lastname"] == "Deep"
    assert [task["subject"] for task in row["primarycontactid"]["Contact_Tasks"]] == ["inner"]
    assert sorted(task["subject"] for task in row["Account_Tasks"]) == ["one", "two"]


def test_a_lookup_is_set_by_binding_and_cleared_by_null(web: Web) -> None:
    contact = web.make("contacts", lastname="Bound")
    account = web.make("accounts", name="Binder", **{"primarycontactid@odata.bind": f"/contacts({contact})"})
    path = f"accounts({account})?$select=_primarycontactid_value"
    assert web.get(path).json["_primarycontactid_value"] == contact
    assert web.call("PATCH", f"accounts({account})", {"primarycontactid@odata.bind": None}).status == 204
    assert web.get(path).json["_primarycontactid_value"] is None


def test_a_polymorphic_lookup_tells_its_table(web: Web) -> None:
    account = web.make("accounts", name="Customer")
    contact = web.make(
        "contacts", lastname="C", **{"parentcustomerid_account@odata.bind": f"/accounts({account})"}
    )
    row = web.get(
        f"contacts({contact})?$select=_parentcustomerid_value", prefer='odata.include-annotations="*"'
    ).json
    lookup = "_parentcustomerid_value"
    assert row[lookup] == account
    assert row[f"{lookup}@Microsoft.Dynamics.CRM.lookuplogicalname"] == "account"
    assert row[f"{lookup}@Microsoft.Dynamics.CRM.associatednavigationproperty"] == "parentcustomerid_account"
    assert row[f"{lookup}@OData.Community.Display.V1.FormattedValue"] == "Customer"


def test_formatted_values_come_on_request_only(web: Web) -> None:
    id = web.make("accounts", name="Formats", revenue=1500, industrycode=1, donotemail=True)
    path = f"accounts({id})?$select=revenue,statecode,donotemail"
    assert "FormattedValue" not in web.get(path).text
    row = web.get(path, prefer='odata.include-annotations="OData.Community.Display.V1.FormattedValue"').json
    suffix = "@OData.Community.Display.V1.FormattedValue"
    assert (row["revenue" + suffix], row["statecode" + suffix]) == ("$1,500.00", "Active")


@pytest.mark.parametrize(
    ("headers", "exists", "status"),
    [
        ({}, False, 204),
        ({}, True, 204),
        ({"if_match": "*"}, True, 204),
        ({"if_match": "*"}, False, 404),
        ({"if_none_match": "*"}, False, 204),
        ({"if_none_match": "*"}, True, 412),
        ({"if_none_match": "null", "if_match": "*"}, True, 204),
        ({"if_match": 'W/"1"'}, True, 412),
    ],
)
def test_the_conditional_headers_decide_what_patch_may_do(
    web: Web, headers: dict[str, str], exists: bool, status: int
) -> None:
    number = next(web.numbers)
    id = web.make("accounts", name="There") if exists else f"00000000-0000-4000-8000-{number:012d}"
    answer = web.call("PATCH", f"accounts({id})", {"name": "Patched"}, **headers)
    assert answer.status == status, answer.text
    after = web.get(f"accounts({id})?$select=name")
    if status == 204:
        assert after.json["name"] == "Patched"
    else:
        assert after.status == (200 if exists else 404)
        assert not exists or after.json["name"] == "There"


def test_an_etag_that_is_still_true_lets_an_update_pass_and_a_read_rest(web: Web) -> None:
    id = web.make("accounts", name="Versioned")
    etag = web.get(f"accounts({id})").json["@odata.etag"]
    assert web.get(f"accounts({id})", if_none_match=etag).status == 304
    assert web.call("PATCH", f"accounts({id})", {"name": "Next"}, if_match=etag).status == 204
    assert web.get(f"accounts({id})", if_none_match=etag).status == 200
    assert web.call("DELETE", f"accounts({id})", if_match=etag).fault == (412, "0x80060882")
    assert web.get(f"accounts({id})").status == 200


def test_a_row_is_read_only_while_it_is_the_version_that_the_caller_means(web: Web) -> None:
    id = web.make("accounts", name="Meant")
    etag = web.get(f"accounts({id})").json["@odata.etag"]
    assert web.get(f"accounts({id})?$select=name", if_match=etag).json["name"] == "Meant"
    assert web.call("PATCH", f"accounts({id})", {"name": "Another"}).status == 204
    assert web.get(f"accounts({id})", if_match=etag).fault == (412, "0x80060882")
    assert web.get(f"accounts({id})", if_match="*").json["name"] == "Another"


def test_single_properties_are_read_set_and_cleared(web: Web) -> None:
    id = web.make("accounts", name="Props", telephone1="123")
    assert web.get(f"accounts({id})/name").json == {
        "@odata.context": f"{ROOT}$metadata#accounts({id})/name",
        "value": "Props",
    }
    assert web.get(f"accounts({id})/name/$value").text == "Props"
    assert web.call("PUT", f"accounts({id})/name", {"value": "Renamed"}).status == 204
    assert web.call("DELETE", f"accounts({id})/telephone1").status == 204
    assert web.get(f"accounts({id})/telephone1").status == 204
    assert web.get(f"accounts({id})/name").json["value"] == "Renamed"


def test_rows_are_associated_and_disassociated_by_reference(web: Web) -> None:
    account, other = web.make("accounts", name="A"), web.make("accounts", name="B")
    lead = web.make("leads", lastname="L", subject="S")
    link = {"@odata.id": f"{ROOT}leads({lead})"}
    assert web.call("POST", f"accounts({account})/accountleads_association/$ref", link).status == 204
    assert web.call("POST", f"accounts({account})/accountleads_association/$ref", link).status == 204
    assert [
        row["leadid"] for row in web.get(f"accounts({account})/accountleads_association?$select=subject").rows
    ] == [lead]
    assert web.get(f"accounts({other})/accountleads_association").rows == []
    refs = web.get(f"accounts({account})/accountleads_association/$ref").rows
    assert refs == [{"@odata.id": f"{ROOT}leads({lead})"}]
    assert web.call("DELETE", f"accounts({account})/accountleads_association({lead})/$ref").status == 204
    assert web.get(f"accounts({account})/accountleads_association").rows == []


def test_single_valued_references_are_put_and_deleted(web: Web) -> None:
    account, contact = web.make("accounts", name="A"), web.make("contacts", lastname="C")
    path = f"accounts({account})/primarycontactid"
    assert web.call("PUT", f"{path}/$ref", {"@odata.id": f"{ROOT}contacts({contact})"}).status == 204
    assert web.get(f"{path}/$ref").json["@odata.id"] == f"{ROOT}contacts({contact})"
    assert web.get(f"{path}?$select=lastname").json["lastname"] == "C"
    assert web.call("DELETE", f"{path}/$ref").status == 204
    assert web.get(path).status == 204


def test_an_owner_is_put_by_reference(web: Web) -> None:
    account = web.make("accounts", name="Handed over")
    path = f"accounts({account})/ownerid/$ref"
    team = web.get("teams?$select=name&$filter=isdefault eq true").rows[0]["teamid"]
    to_team = {"@odata.id": f"{ROOT}teams({team})"}
    assert web.call("PUT", path, to_team).fault == (403, "0x80040220"), "a team without roles cannot read it"
    role = web.get("roles?$filter=name eq 'Salesperson'&$select=roleid").rows[0]["roleid"]
    tie = {"@odata.id": f"{ROOT}roles({role})"}
    assert web.call("POST", f"teams({team})/teamroles_association/$ref", tie).status == 204
    assert web.call("PUT", path, to_team).status == 204
    assert web.get(f"accounts({account})?$select=_ownerid_value").json["_ownerid_value"] == team
    assert web.call("PUT", path, {"@odata.id": f"{ROOT}accounts({account})"}).status == 400
    assert web.call("DELETE", path).status == 400
    assert web.get(f"accounts({account})?$select=_ownerid_value").json["_ownerid_value"] == team


def test_a_row_that_a_lookup_will_lead_to_is_made_in_its_place(web: Web) -> None:
    account = web.make("accounts", name="Without a contact")
    made = web.call("POST", f"accounts({account})/primarycontactid", {"lastname": "Made there"})
    assert made.status == 204
    assert made.headers["OData-EntityId"] == f"{ROOT}contacts({made.id})"
    row = web.get(f"accounts({account})?$select=name&$expand=primarycontactid($select=lastname)").json
    assert row["primarycontactid"]["lastname"] == "Made there"
    assert web.call("POST", f"accounts({account})/ownerid", {"fullname": "x"}).status == 405


def test_deleting_a_row_empties_what_pointed_at_it_and_takes_its_activities(web: Web) -> None:
    parent = web.make("accounts", name="P", Account_Tasks=[{"subject": "goes along"}])
    child = web.make("accounts", name="C", **{"parentaccountid@odata.bind": f"/accounts({parent})"})
    task = web.get(f"accounts({parent})/Account_Tasks?$select=subject").rows[0]["activityid"]
    assert web.call("DELETE", f"accounts({parent})").status == 204
    assert web.get(f"accounts({parent})").fault == (404, "0x80040217")
    assert web.get(f"accounts({child})").json["_parentaccountid_value"] is None
    assert web.get(f"tasks({task})").status == 404
    assert web.get(f"activitypointers({task})").status == 404


def test_every_activity_is_also_an_activitypointer(web: Web) -> None:
    task = web.make("tasks", subject="Call back")
    row = web.get(f"activitypointers({task})?$select=subject,activitytypecode").json
    assert (row["subject"], row["activitytypecode"]) == ("Call back", "task")
    web.call("PATCH", f"tasks({task})", {"subject": "Called"})
    assert web.get(f"activitypointers({task})").json["subject"] == "Called"


def test_parties_of_an_appointment_are_written_and_expanded(web: Web) -> None:
    contact = web.make("contacts", lastname="Guest")
    party = {"partyid_contact@odata.bind": f"/contacts({contact})", "participationtypemask": 5}
    id = web.make("appointments", subject="Meet", appointment_activity_parties=[party])
    rows = web.get(
        f"appointments({id})?$expand=appointment_activity_parties($select=participationtypemask)"
    ).json
    masks = {row["participationtypemask"] for row in rows["appointment_activity_parties"]}
    assert 5 in masks


def test_state_and_status_stay_a_pair(web: Web) -> None:
    id = web.make("accounts", name="S")
    assert web.call("PATCH", f"accounts({id})", {"statecode": 1}).status == 204
    row = web.get(f"accounts({id})?$select=statecode,statuscode").json
    assert (row["statecode"], row["statuscode"]) == (1, 2)
    assert web.call("PATCH", f"accounts({id})", {"statecode": 0, "statuscode": 2}).status == 400
    assert web.get(f"accounts({id})").json["statecode"] == 1


@pytest.mark.parametrize(
    "body",
    [
        {"nosuch": 1},
        {"name": 5},
        {"name": "x" * 161},
        {"revenue": "many"},
        {"numberofemployees": 2**40},
        {"industrycode": 99_999},
        {"donotemail": 1},
        {"primarycontactid": "text"},
        {"_primarycontactid_value": MISSING},
        {"lastusedincampaign": "yesterday"},
        {"nosuch@odata.bind": f"/contacts({MISSING})"},
        {"primarycontactid@odata.bind": "nonsense"},
        {"primarycontactid@odata.bind": f"/leads({MISSING})"},
    ],
)
def test_a_bad_value_is_a_coded_fault_and_changes_nothing(web: Web, body: dict[str, Any]) -> None:
    id = web.make("accounts", name="Safe")
    before = web.get(f"accounts({id})").text
    answer = web.call("PATCH", f"accounts({id})", body)
    status, code = answer.fault
    assert status in (400, 404), answer.text
    assert code.startswith("0x8")
    assert web.get(f"accounts({id})").text == before


def test_a_binding_to_a_missing_row_is_refused(web: Web) -> None:
    answer = web.call(
        "POST", "accounts", {"name": "N", "primarycontactid@odata.bind": f"/contacts({MISSING})"}
    )
    assert answer.fault == (404, "0x80040217")


def test_an_id_can_be_chosen_once(web: Web) -> None:
    id = f"11111111-0000-4000-8000-{next(web.numbers):012d}"
    assert web.make("accounts", name="Mine", accountid=id) == id
    assert web.call("POST", "accounts", {"name": "Again", "accountid": id}).fault == (412, "0x80040237")


def test_bulk_messages_are_all_or_nothing(web: Web) -> None:
    kind = "Microsoft.Dynamics.CRM.account"
    name = web.name("Bulk")
    targets = [{"@odata.type": kind, "name": f"{name}-{n}"} for n in range(3)]
    made = web.call("POST", "accounts/Microsoft.Dynamics.CRM.CreateMultiple", {"Targets": targets})
    assert len(made.json["Ids"]) == 3
    changed = [{"@odata.type": kind, "accountid": id, "telephone1": "7"} for id in made.json["Ids"]]
    assert (
        web.call("POST", "accounts/Microsoft.Dynamics.CRM.UpdateMultiple", {"Targets": changed}).status == 204
    )
    broken = [
        {"@odata.type": kind, "accountid": id, "telephone1": "8"} for id in [*made.json["Ids"], MISSING]
    ]
    assert (
        web.call("POST", "accounts/Microsoft.Dynamics.CRM.UpdateMultiple", {"Targets": broken}).status == 404
    )
    rows = web.get(f"accounts?$select=telephone1&$filter=startswith(name,'{name}-')").rows
    assert [row["telephone1"] for row in rows] == ["7", "7", "7"]


def test_who_am_i_and_the_version_answer(web: Web) -> None:
    me = web.get("WhoAmI").json
    assert me["@odata.context"] == f"{ROOT}$metadata#Microsoft.Dynamics.CRM.WhoAmIResponse"
    assert web.get(f"systemusers({me['UserId']})?$select=fullname").status == 200
    assert web.get("RetrieveVersion()").json["Version"].startswith("9.")


def test_a_request_without_a_token_is_challenged_with_the_authority(web: Web) -> None:
    answer = web.get("WhoAmI", authorization="")
    assert answer.status == 401
    assert "authorization_uri=" in answer.headers["WWW-Authenticate"]
    assert web.get("WhoAmI", authorization="Bearer nonsense").status == 401
