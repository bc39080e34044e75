"""Marketing segments: their queries, going live, members that follow, by the published requests.

https://learn.microsoft.com/dynamics365/customer-insights/journeys/developer/extend-segments
"""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from tests.parity.conftest import Web

DYNAMIC, STATIC, COMPOUND = 192350000, 192350001, 192350002
DRAFT, LIVE, STOPPED, GOING_LIVE, STOPPING = 192350000, 192350001, 192350002, 192350006, 192350007
MEMBERS = "orgstead_segment_contact"


@pytest.fixture
def made(web: Web) -> Iterator[list[str]]:
    """The addresses of segments, which go at the end."""
    paths: list[str] = []
    yield paths
    for path in reversed(paths):
        assert web.call("DELETE", path).status in (204, 404)


def segment(web: Web, made: list[str], name: str, query: str = "", **more: Any) -> str:
    """A new live segment; its path."""
    body = {"msdyncrm_segmentname": name, "msdyncrm_segmenttype": DYNAMIC, "statuscode": GOING_LIVE, **more}
    if query:
        body["msdyncrm_query"] = query
    answer = web.call("POST", "msdyncrm_segments", body)
    assert answer.status == 204, answer.text
    path = f"msdyncrm_segments({answer.id})"
    made.append(path)
    return path


def people(web: Web, *names: str, **values: Any) -> dict[str, str]:
    """New contacts by their last names."""
    return {name: web.make("contacts", lastname=name, **values) for name in names}


def members(web: Web, path: str) -> set[str]:
    """The last names of the members."""
    return {row["lastname"] for row in web.get(f"{path}/{MEMBERS}?$select=lastname").rows}


def act(web: Web, name: str, **body: Any) -> Any:
    answer = web.call("POST", name, body)
    assert answer.status in (200, 204), answer.text
    return answer.json


# -- the published requests -----------------------------------------------------------------------------------------
def test_a_dynamic_segment_goes_live_and_has_who_matches(web: Web, made: list[str]) -> None:
    people(web, "Ny", address1_city="NewYork")
    people(web, "Nj", address1_city="NewJersey")
    people(web, "Oslo", address1_city="Oslo")
    query = "PROFILE(contact).FILTER((address1_city == 'NewYork' || address1_city == 'NewJersey'))"
    path = segment(web, made, "MySegment2", query)
    row = web.get(path).json
    assert (row["statuscode"], row["msdyncrm_islive"], row["msdyncrm_segmentsize"]) == (LIVE, True, 2)
    assert row["msdyncrm_segmentqueryname"] == f"SEGMENT_CRM_ID_{row['msdyncrm_segmentid'].replace('-', '')}"
    assert row["msdyncrm_segmentquery"] == query
    assert members(web, path) == {"Ny", "Nj"}


def test_the_older_names_and_statuses_do_the_same(web: Web, made: list[str]) -> None:
    people(web, "Old", jobtitle="elder")
    body = {
        "msdyncrm_segmentname": "Elders",
        "msdyncrm_segmentquery": "PROFILE(contact).FILTER(jobtitle == 'elder')",
        "msdyncrm_segmenttype": DYNAMIC,
        "statuscode": LIVE,
    }
    answer = web.call("POST", "msdyncrm_segments", body)
    assert answer.status == 204, answer.text
    made.append(f"msdyncrm_segments({answer.id})")
    assert members(web, made[-1]) == {"Old"}
    listed = web.get("msdyncrm_segments?$filter=statuscode eq 192350001&$select=msdyncrm_segmentname").rows
    assert "Elders" in {row["msdyncrm_segmentname"] for row in listed}


def test_members_follow_their_contacts(web: Web, made: list[str]) -> None:
    path = segment(
        web, made, "Blue", "PROFILE(contact).FILTER(department == 'blue' && ISNOTNULL(emailaddress1))"
    )
    ids = people(web, "A", "B", department="blue", emailaddress1="x@example.com")
    assert members(web, path) == {"A", "B"}
    web.call("PATCH", f"contacts({ids['A']})", {"department": "red"})
    assert members(web, path) == {"B"}
    web.call("PATCH", f"contacts({ids['A']})", {"department": "Blue"})
    web.call("PATCH", f"contacts({ids['B']})", {"emailaddress1": None})
    assert members(web, path) == {"A"}
    web.call("DELETE", f"contacts({ids['A']})")
    assert members(web, path) == set()


def test_a_stopped_segment_stands_still_and_goes_live_again(web: Web, made: list[str]) -> None:
    path = segment(web, made, "Still", "PROFILE(contact).FILTER(department == 'still')")
    people(web, "First", department="still")
    for status, kept in ((STOPPED, STOPPED), (GOING_LIVE, LIVE), (STOPPING, STOPPED)):
        assert web.call("PATCH", path, {"statuscode": status}).status == 204
        assert web.get(path).json["statuscode"] == kept
    people(web, "Second", department="still")
    assert members(web, path) == {"First"}
    assert web.call("PATCH", path, {"statuscode": GOING_LIVE}).status == 204
    assert members(web, path) == {"First", "Second"}
    wrong = web.call("PATCH", path, {"statuscode": DRAFT})
    assert wrong.status == 400
    assert web.get(path).json["statuscode"] == LIVE


def test_a_static_segment_has_who_it_names(web: Web, made: list[str]) -> None:
    ids = people(web, "S1", "S2", "S3")
    named = json.dumps([f"crm{ids['S1']}", f"crm{ids['S2']}"])
    path = segment(
        web,
        made,
        "StaticSegmentApi1",
        msdyncrm_segmenttype=STATIC,
        msdyncrm_memberids=named,
        statuscode=DRAFT,
    )
    assert members(web, path) == set()
    assert web.call("PATCH", path, {"statuscode": GOING_LIVE}).status == 204
    assert members(web, path) == {"S1", "S2"}
    assert web.call("PATCH", path, {"msdyncrm_memberids": json.dumps([ids["S3"]])}).status == 204
    assert members(web, path) == {"S3"}


def test_members_are_added_and_kept_out(web: Web, made: list[str]) -> None:
    ids = people(web, "M1", "M2", "M3", department="m")
    path = segment(web, made, "Mine", msdyncrm_segmenttype=STATIC)
    id = path[18:-1]
    name = "msdyncrm_SegmentMembersUpdate"
    both = json.dumps([ids["M1"].upper(), ids["M2"]])
    act(
        web,
        name,
        msdyncrm_segmentid=id.upper(),
        msdyncrm_operation="addByIds",
        msdyncrm_memberids=both,
        msdyncrm_query=None,
    )
    assert members(web, path) == {"M1", "M2"}
    act(
        web,
        name,
        msdyncrm_segmentid=id,
        msdyncrm_operation="removeByIds",
        msdyncrm_memberids=json.dumps([ids["M1"]]),
    )
    assert members(web, path) == {"M2"}
    query = "PROFILE(contact, c).FILTER(c.department == 'm')"
    act(web, name, msdyncrm_segmentid=id, msdyncrm_operation="addByQuery", msdyncrm_query=query)
    assert members(web, path) == {"M1", "M2", "M3"}
    act(web, name, msdyncrm_segmentid=id, msdyncrm_operation="removeByQuery", msdyncrm_query=query)
    assert members(web, path) == set()
    assert act(web, name, msdyncrm_segmentid=id, msdyncrm_operation="getState")["State"] == "Succeeded"
    for body in (
        {"msdyncrm_operation": "addByIds", "msdyncrm_memberids": '["11111111-1111-4111-8111-111111111111"]'},
        {"msdyncrm_operation": "addByIds", "msdyncrm_memberids": "nonsense"},
        {"msdyncrm_operation": "addByIds"},
        {"msdyncrm_operation": "addByQuery", "msdyncrm_query": "PROFILE(account)"},
        {"msdyncrm_operation": "dance"},
    ):
        answer = web.call("POST", name, {"msdyncrm_segmentid": id, **body})
        assert answer.status in (400, 404), answer.text
    assert members(web, path) == set()
    tied = web.call(
        "POST",
        f"{path}/{MEMBERS}/$ref",
        {"@odata.id": f"http://localhost:5365/api/data/v9.2/contacts({ids['M1']})"},
    )
    assert tied.status == 501


def test_a_dynamic_segment_takes_no_members_by_hand(web: Web, made: list[str]) -> None:
    path = segment(web, made, "Hands off", "PROFILE(contact).FILTER(department == 'none')")
    body = {"msdyncrm_segmentid": path[18:-1], "msdyncrm_operation": "addByIds", "msdyncrm_memberids": "[]"}
    assert web.call("POST", "msdyncrm_SegmentMembersUpdate", body).status == 400


def test_a_compound_segment_is_made_of_others_and_follows_them(web: Web, made: list[str]) -> None:
    segment(web, made, "cA", "PROFILE(contact).FILTER(department == 'ca')")
    segment(web, made, "cB", "PROFILE(contact).FILTER(jobtitle == 'cb')")
    union = segment(web, made, "cU", "SEGMENT(cA) UNION SEGMENT(cB)", msdyncrm_segmenttype=COMPOUND)
    both = segment(web, made, "cI", "SEGMENT(cA) INTERSECT SEGMENT(cB)", msdyncrm_segmenttype=COMPOUND)
    less = segment(web, made, "cE", "SEGMENT(cU) EXCEPT SEGMENT(cI)", msdyncrm_segmenttype=COMPOUND)
    ids = people(web, "One", department="ca") | people(web, "Two", department="ca", jobtitle="cb")
    people(web, "Three", jobtitle="cb")
    assert members(web, union) == {"One", "Two", "Three"}
    assert members(web, both) == {"Two"}
    assert members(web, less) == {"One", "Three"}
    web.call("PATCH", f"contacts({ids['One']})", {"jobtitle": "cb"})
    assert members(web, both) == {"One", "Two"}
    assert members(web, less) == {"Three"}
    act(
        web, "msdyncrm_SegmentMembersUpdate", msdyncrm_segmentid=less[18:-1], msdyncrm_operation="addByIds",
        msdyncrm_memberids=json.dumps([ids["Two"]]),
    )  # fmt: skip
    web.call("PATCH", f"contacts({ids['Two']})", {"department": "ca", "jobtitle": "cb"})
    assert members(web, less) == {"Two", "Three"}
    used = web.call("DELETE", made[0])
    assert used.status == 400, used.text
    for path in (less, both, union):
        assert web.call("DELETE", path).status == 204


def test_other_tables_decide_too(web: Web, made: list[str]) -> None:
    account = web.make("accounts", name="Traversed", address1_city="T1")
    bound = {"parentcustomerid_account@odata.bind": f"/accounts({account})"}
    ids = people(web, "In", emailaddress1="in@example.com", **bound) | people(web, "Out", **bound)
    query = (
        "PROFILE(account, account_1).FILTER(account_1.address1_city == 'T1')"
        ".TRAVERSE(contact_account_parentcustomerid, contact_1).FILTER(ISNOTNULL(contact_1.emailaddress1))"
    )
    path = segment(web, made, "Of T1", query)
    assert members(web, path) == {"In"}
    web.call("PATCH", f"contacts({ids['Out']})", {"emailaddress1": "out@example.com"})
    assert members(web, path) == {"In", "Out"}
    web.call("PATCH", f"accounts({account})", {"address1_city": "elsewhere"})
    for job in web.get("asyncoperations?$filter=name eq 'Evaluate Of T1'").rows:
        web.ended(job["asyncoperationid"])
    assert members(web, path) == set()


def test_members_are_fetched_by_query(web: Web, made: list[str]) -> None:
    people(web, "Fa", "Fb", "Fc", department="f")
    path = segment(web, made, "Fetched", "PROFILE(contact).FILTER(department == 'f')")
    name = web.get(path).json["msdyncrm_segmentqueryname"]
    fetch = (
        '<fetch version="1.0" mapping="logical" count="15" page="1"><entity name="contact">'
        '<attribute name="lastname"/><attribute name="contactid"/><order attribute="fullname" descending="false"/>'
        "</entity></fetch>"
    )
    body = {
        "Query": f"(SEGMENT({name})).ORDERBY(lastname DESC).SKIP(1).TAKE(15).SELECT(contactid)",
        "FetchXml": fetch,
        "OwningBusinessUnit": web.get("WhoAmI").json["BusinessUnitId"],
        "Scope": 270100000,
        "TimeZone": None,
    }
    answer = web.call("POST", "msdyncrm_FetchContactsByQuery", body)
    assert answer.status == 200, answer.text
    assert [row["lastname"] for row in answer.json["value"]] == ["Fb", "Fa"]
    second = {**body, "FetchXml": fetch.replace('page="1"', 'page="2"')}
    assert web.call("POST", "msdyncrm_FetchContactsByQuery", second).status == 501
    assert web.call("POST", "msdyncrm_FetchContactsByQuery", {"Query": "PROFILE(account)"}).status == 400
    assert (
        web.call("POST", "msdyncrm_FetchContactsByQuery", {"Query": body["Query"], "TimeZone": 4}).status
        == 501
    )


# -- wrong ----------------------------------------------------------------------------------------------------------
WRONG = [
    "",
    "nonsense",
    "PROFILE(UnknownEntity)",
    "PROFILE(account)",
    "PROFILE(contact).FILTER(nocolumn == 1)",
    "PROFILE(contact).FILTER(birthdate == 'not a date')",
    "PROFILE(contact).FILTER(fullname)",
    'PROFILE(contact).FILTER(fullname == "x")',
    "PROFILE(contact).TRAVERSE(nothing)",
    "PROFILE(contact, c).FILTER(d.fullname == 'x')",
    "SEGMENT(nobody)",
    "PROFILE(contact) UNION PROFILE(account)",
    "PROFILE(contact) PROFILE(contact)",
    "PROFILE(contact).TAKE(1)",
    "PROFILE(contact).ORDERBY(fullname)",
    "PROFILE(contact).FILTER(" + "(" * 200 + "1 == 1" + ")" * 201,
    "INTERACTION(EmailClicked, ContactLink).HAVING(COUNT() > 0)",
]


@pytest.mark.parametrize("query", WRONG)
def test_a_wrong_query_is_refused_and_said(web: Web, query: str) -> None:
    body = {"msdyncrm_segmentname": "Wrong", "msdyncrm_segmenttype": DYNAMIC, "msdyncrm_query": query}
    checked = act(
        web, "msdyncrm_ValidateSegment", **{k: v for k, v in body.items() if v != ""}, statuscode=GOING_LIVE
    )
    found = json.loads(checked["ValidationResult"])
    assert [each["ErrorCode"] for each in found] == ["SegmentDciValidator_SegmentInvalid"]
    assert found[0]["FieldName"] == "msdyncrm_query"
    answer = web.call("POST", "msdyncrm_segments", {**body, "statuscode": GOING_LIVE})
    assert answer.status in (400, 404, 501), answer.text
    assert answer.fault[1].startswith("0x")
    assert web.get("msdyncrm_segments?$filter=msdyncrm_segmentname eq 'Wrong'").rows == []


def test_a_draft_may_be_anything_and_a_good_one_validates(web: Web, made: list[str]) -> None:
    segment(web, made, "Sketch", "not yet", statuscode=DRAFT)
    good = act(
        web, "msdyncrm_ValidateSegment", msdyncrm_segmentname="NewSegment", msdyncrm_query="PROFILE(contact)",
        msdyncrm_segmenttype=DYNAMIC, statuscode=DRAFT,
    )  # fmt: skip
    assert good["ValidationResult"] == "[]"


@pytest.mark.parametrize(
    "more",
    [{"msdyncrm_scope": 270100001}, {"msdyncrm_segmentfilterquery": "x"}, {"msdyncrm_segmenttimezone": 60}],
)
def test_what_no_evaluation_looks_at_is_refused(web: Web, more: dict[str, Any]) -> None:
    body = {"msdyncrm_segmentname": "More", "msdyncrm_query": "PROFILE(contact)", "statuscode": GOING_LIVE}
    answer = web.call("POST", "msdyncrm_segments", {**body, "msdyncrm_segmenttype": DYNAMIC, **more})
    assert answer.status == 501, answer.text


def test_a_segment_is_not_made_of_itself(web: Web, made: list[str]) -> None:
    first = segment(web, made, "Loop1", "PROFILE(contact).FILTER(department == 'loop')")
    segment(web, made, "Loop2", "SEGMENT(Loop1)", msdyncrm_segmenttype=COMPOUND)
    answer = web.call("PATCH", first, {"msdyncrm_query": "SEGMENT(Loop2)"})
    assert answer.status == 400, answer.text


# -- conditions -----------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("condition", "found"),
    [
        ("numberofchildren > 1 && numberofchildren <= 3", {"two", "three"}),
        ("numberofchildren != 2 && ISNOTNULL(numberofchildren)", {"one", "three"}),
        ("NOT(numberofchildren >= 2)", {"one", "none"}),
        ("ISNULL(numberofchildren)", {"none"}),
        ("description CONTAINS '50%'", {"one"}),
        ("CONTAINS(description, '_')", {"two"}),
        ("description STARTSWITH 'ab' || ENDSWITH(description, 'yz')", {"two", "three"}),
        ("ISEQUAL(description, '50% off')", {"one"}),
        ("2 < numberofchildren", {"three"}),
        ("donotemail == true", {"three"}),
        ("numberofchildren == 2 OR (description == 'xyz' AND donotemail == TRUE)", {"two", "three"}),
        ("birthdate > DATE(1990, 1, 1)", {"three"}),
        ("DATEDIFF(year, birthdate, DATE(2000, 6, 1)) >= 15", {"one", "two"}),
        ("DATEDIFF(year, birthdate, DATE(2000, 6, 1)) < 15", {"three"}),
        ("birthdate <= DATEADD(year, -10, DATE(2000, 1, 1))", {"one", "two"}),
        (
            "createdon <= DATETIMEUTCNOW() || createdon > DATEADD(day, -1, DATETIMEUTCNOW())",
            {"one", "two", "three", "none"},
        ),
    ],
)
def test_conditions_mean_what_they_say(web: Web, condition: str, found: set[str]) -> None:
    if not web.get("contacts?$filter=department eq 'conditions'").rows:
        for name, children, text, born, quiet in (
            ("one", 1, "50% off", "1970-05-05", False),
            ("two", 2, "ab_c", "1980-06-01", False),
            ("three", 3, "xyz", "1995-01-01", True),
            ("none", None, None, None, False),
        ):
            web.make(
                "contacts", lastname=name, department="conditions", numberofchildren=children, description=text,
                birthdate=born, donotemail=quiet,
            )  # fmt: skip
    body = {
        "Query": f"PROFILE(contact).FILTER(department == 'conditions' && ({condition}))",
        "FetchXml": '<fetch><entity name="contact"><attribute name="lastname"/></entity></fetch>',
    }
    answer = web.call("POST", "msdyncrm_FetchContactsByQuery", body)
    assert answer.status == 200, answer.text
    assert {row["lastname"] for row in answer.json["value"]} == found


# -- security -------------------------------------------------------------------------------------------------------
def test_a_segment_tells_nobody_of_rows_that_are_not_theirs(web: Web, made: list[str]) -> None:
    user = web.make("systemusers", domainname="seg@example.com", firstname="Seg", lastname="Menter",
        **{"businessunitid@odata.bind": f"/businessunits({web.get('WhoAmI').json['BusinessUnitId']})"},
    )  # fmt: skip
    role = web.get("roles?$filter=name eq 'Salesperson'&$select=roleid").rows[0]["roleid"]
    tied = {"@odata.id": f"http://localhost:5365/api/data/v9.2/roles({role})"}
    assert web.call("POST", f"systemusers({user})/systemuserroles_association/$ref", tied).status == 204
    people(web, "Hidden", department="secrets")
    path = segment(web, made, "Secrets", "PROFILE(contact).FILTER(department == 'secrets')")
    name = web.get(path).json["msdyncrm_segmentqueryname"]
    as_user = {"MSCRMCallerID": user}
    fetched = web.call("POST", "msdyncrm_FetchContactsByQuery", {"Query": f"SEGMENT({name})"}, **as_user)
    # Either none of the rows, or no right to ask at all.
    assert fetched.status == 403 or fetched.json["value"] == [], fetched.text
    body = {
        "msdyncrm_segmentname": "Spy", "msdyncrm_segmenttype": DYNAMIC, "statuscode": GOING_LIVE,
        "msdyncrm_query": "PROFILE(contact).FILTER(department == 'secrets')",
    }  # fmt: skip
    refused = web.call("POST", "msdyncrm_segments", body, **as_user)
    assert refused.status in (400, 403), refused.text
