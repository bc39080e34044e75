"""CRM as a Service: a key, plain JSON, and the rows of the Web API, on both databases."""

import hmac
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from orgstead.engine import subscriptions
from orgstead.identity.development import CLIENT_ID, CLIENT_SECRET
from tests.parity.conftest import ORIGIN, Answer, Web, opened

KEY = "orgstead-dev-key"
NOBODY = "00000000-0000-4000-8000-000000000001"


@dataclass(frozen=True, slots=True)
class Crm:
    """A client of the REST API."""

    web: Web
    key: str | None = KEY
    base: str = "/crm"

    def call(self, method: str, path: str, body: Any = None, **headers: str) -> Answer:
        """Send a request below the base path."""
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        if self.key is not None:
            sent["Ocp-Apim-Subscription-Key"] = self.key
        content = body if isinstance(body, bytes | None) else json.dumps(body).encode()
        if content is not None:
            sent.setdefault("content-type", "application/json")
        answer = self.web.client.request(method, f"{ORIGIN}{self.base}{path}", content=content, headers=sent)
        return Answer(answer.status_code, answer.headers, answer.text)

    def get(self, path: str, **headers: str) -> Answer:
        """GET."""
        return self.call("GET", path, **headers)

    def make(self, path: str, **values: Any) -> str:
        """Create a row; its id."""
        answer = self.call("POST", path, values)
        assert answer.status == 201, answer.text
        id: str = answer.json["id"]
        return id


def why(answer: Answer) -> tuple[int, str, str | None]:
    """Status, code and field of a failure."""
    error = answer.json["error"]
    assert error["message"]
    return answer.status, error["code"], error.get("field")


@pytest.fixture(scope="module")
def crm(web: Web) -> Crm:
    """Whoever has the key of development mode."""
    return Crm(web)


NEW: dict[str, dict[str, Any]] = {
    "/pipeline/leads": {"title": "Wants a hundred", "lastName": "Weber", "estimatedAmount": 1250.5, "rating": 1},
    "/pipeline/opportunities": {"name": "A hundred chairs", "stage": 1, "value": 9000.25, "probability": 40},
    "/directory/contacts": {"lastName": "Weber", "email": "ida@x.example", "birthDate": "1980-02-29"},
    "/directory/organizations": {"name": "Weber & Söhne", "number": "W-1", "employees": 12, "revenue": 100.5},
    "/activities": {"type": "task", "subject": "Call back", "due": "2030-01-02T03:04:05Z", "priority": 2},
    "/notes": {"subject": "Said", "text": "What was said"},
    "/products": {"name": "Chair", "number": "C-1", "price": 80.5},
}  # fmt: skip


@pytest.mark.parametrize("path", NEW)
def test_a_row_is_made_read_replaced_changed_and_deleted(crm: Crm, path: str) -> None:
    values = dict(NEW[path])
    if "number" in values:
        values["number"] = crm.web.name("N")
    made = crm.call("POST", path, values)
    assert made.status == 201, made.text
    row = made.json
    assert {name: row[name] for name in values} == values
    assert made.headers["location"] == f"{ORIGIN}/crm{path}/{row['id']}"
    read = crm.get(f"{path}/{row['id']}")
    assert (read.status, read.json, read.headers["etag"]) == (200, row, made.headers["etag"])
    assert crm.get(f"{path}/{row['id']}", if_none_match=read.headers["etag"]).status == 304
    text = "description" if "description" in row else "text"
    changed = crm.call("PATCH", f"{path}/{row['id']}", {text: "anew"})
    assert changed.status == 200, changed.text
    assert {name: changed.json[name] for name in {**values, text: ""}} == {**values, text: "anew"}
    stale = read.headers["etag"]
    assert why(crm.call("PUT", f"{path}/{row['id']}", values, if_match=stale))[:2] == (
        412,
        "version_conflict",
    )
    assert why(crm.call("DELETE", f"{path}/{row['id']}", if_match=stale))[:2] == (412, "version_conflict")
    replaced = crm.call("PUT", f"{path}/{row['id']}", values, if_match=changed.headers["etag"])
    assert replaced.status == 200, replaced.text
    # What a replacement leaves out is empty again.
    assert replaced.json[text] == values.get(text)
    gone = crm.call("DELETE", f"{path}/{row['id']}", if_match=replaced.headers["etag"])
    assert (gone.status, gone.text) == (204, "")
    for method in ("GET", "DELETE"):
        assert why(crm.call(method, f"{path}/{row['id']}"))[:2] == (404, "not_found")
    assert why(crm.call("PUT", f"{path}/{row['id']}", values))[:2] == (404, "not_found")


def test_rows_are_those_of_the_web_api(crm: Crm) -> None:
    account = crm.web.make("accounts", name="From the Web API")
    contact = crm.make("/directory/contacts", lastName="Abel", organizationId=account)
    lead = crm.make("/pipeline/leads", title="t", lastName="l", organizationId=account, contactId=contact)
    task = crm.make("/activities", type="task", subject="About a lead", leadId=lead)
    row = crm.web.get(f"contacts({contact})").json
    assert (row["lastname"], row["_parentcustomerid_value"]) == ("Abel", account)
    assert crm.web.get(f"tasks({task})").json["_regardingobjectid_value"] == lead
    shown = crm.get(f"/activities/{task}").json
    assert (shown["leadId"], shown["contactId"], shown["type"]) == (lead, None, "task")
    assert crm.get(f"/directory/organizations/{account}").json["name"] == "From the Web API"


def test_pages_filters_search_and_sort_are_answered(crm: Crm) -> None:
    city = crm.web.name("City")
    for number in range(5):
        crm.make("/directory/organizations", name=f"Page {number}", city=city, employees=number % 2)
    path = f"/directory/organizations?city={city.replace(' ', '+')}"

    def names(rest: str) -> list[str]:
        page = crm.get(path + rest).json
        return [item["name"] for item in page["items"]]

    first = crm.get(f"{path}&sort=-name&size=2").json
    assert [item["name"] for item in first["items"]] == ["Page 4", "Page 3"]
    assert (first["page"], first["size"], first["total"]) == (1, 2, 5)
    assert names("&sort=-name&size=2&page=3") == ["Page 0"]
    assert names("&sort=-name&size=2&page=4") == []
    assert names("&sort=employees,-name") == ["Page 4", "Page 2", "Page 0", "Page 3", "Page 1"]
    assert names("&employees=1&sort=name") == ["Page 1", "Page 3"]
    assert names("&search=age+3") == ["Page 3"]
    assert names("&number=&sort=name") == [f"Page {number}" for number in range(5)]
    assert crm.get("/directory/organizations").json["size"] == 50


@pytest.mark.parametrize(
    ("query", "code", "field"),
    [
        ("colour=red", "parameter_unknown", "colour"),
        ("page=0", "parameter_invalid", "page"),
        ("size=501", "parameter_invalid", "size"),
        ("size=ten", "parameter_invalid", "size"),
        ("page=1&page=2", "parameter_invalid", "page"),
        ("sort=colour", "parameter_invalid", "sort"),
        ("employees=many", "parameter_invalid", "employees"),
        ("employees=-", "parameter_invalid", "employees"),
        ("revenue=1e", "parameter_invalid", "revenue"),
        ("industry=999", "parameter_invalid", "industry"),
        ("parentId=1", "parameter_invalid", "parentId"),
        ("createdAt=yesterday", "parameter_invalid", "createdAt"),
        ("search=" + "x" * 201, "parameter_invalid", "search"),
        ("id=%ff", "parameter_invalid", "query"),
    ],
)
def test_a_parameter_that_cannot_be_is_refused_by_name(crm: Crm, query: str, code: str, field: str) -> None:
    assert why(crm.get(f"/directory/organizations?{query}")) == (400, code, field)


@pytest.mark.parametrize(
    ("body", "code", "field"),
    [
        ({"lastName": "x", "colour": "red"}, "field_unknown", "colour"),
        ({"lastName": "x", "id": NOBODY}, "field_read_only", "id"),
        ({"lastName": "x", "fullName": "X"}, "field_read_only", "fullName"),
        ({"firstName": "x"}, "field_required", "lastName"),
        ({"lastName": None}, "field_required", "lastName"),
        ({"lastName": "x" * 51}, "string_too_long", "lastName"),
        ({"lastName": 1}, "invalid_value", "lastName"),
        ({"lastName": "x", "birthDate": "soon"}, "invalid_value", "birthDate"),
        ({"lastName": "x", "organizationId": "weber"}, "invalid_guid", "organizationId"),
        ({"lastName": "x", "organizationId": NOBODY}, "related_not_found", None),
        ([1], "crm_body_invalid", None),
        (b"{", "crm_body_invalid", None),
        (b"[" * 100_000, "crm_body_invalid", None),
    ],
)
def test_a_body_that_cannot_be_is_refused_by_field_and_changes_nothing(
    crm: Crm, body: Any, code: str, field: str | None
) -> None:
    before = crm.get("/directory/contacts?size=1").json["total"]
    assert why(crm.call("POST", "/directory/contacts", body)) == (400, code, field)
    assert crm.get("/directory/contacts?size=1").json["total"] == before


def test_one_column_takes_one_of_the_fields_that_lead_to_it(crm: Crm) -> None:
    both = {"subject": "x", "leadId": NOBODY, "contactId": NOBODY}
    assert why(crm.call("POST", "/notes", both)) == (400, "field_invalid", "contactId")


def test_addresses_and_methods_that_there_are_not(crm: Crm) -> None:
    assert why(crm.get("/pipeline/deals"))[:2] == (404, "not_found")
    assert why(crm.get("/pipeline/leads/1"))[:2] == (404, "not_found")
    refused = crm.call("PUT", "/pipeline/leads", {})
    assert (why(refused)[0], refused.headers["allow"]) == (405, "GET, POST")
    assert why(crm.call("POST", "/users", {"name": "x"}))[0] == 405
    assert why(crm.call("POST", "/notes", b"subject=x", content_type="text/plain"))[0] == 415
    named = crm.call("POST", f"/pipeline/leads/{NOBODY}/convert", {})
    assert why(named)[1] == "not_supported"
    assert "convert" in named.json["error"]["message"]


def test_users_are_an_id_a_name_and_an_address(crm: Crm) -> None:
    page = crm.get("/users?email=admin@orgstead.localhost").json
    (user,) = page["items"]
    assert set(user) == {"id", "name", "email"}
    mine = crm.make("/directory/contacts", lastName="Owned", ownerId=user["id"])
    assert crm.get(f"/directory/contacts?ownerId={user['id']}&id={mine}").json["total"] == 1


def test_stages_are_the_choices_of_the_sales_stage(crm: Crm) -> None:
    (pipeline,) = crm.get("/pipeline/pipelines").json["items"]
    assert [stage["name"] for stage in pipeline["stages"]] == ["Qualify", "Develop", "Propose", "Close"]
    assert crm.get(f"/pipeline/pipelines/opportunities/{pipeline['id']}").json == pipeline
    stages = crm.get("/pipeline/stages?size=3&page=2").json
    assert (stages["items"], stages["total"]) == (pipeline["stages"][3:], 4)
    assert crm.get(f"/pipeline/stages/{pipeline['stages'][0]['id']}").json == pipeline["stages"][0]
    assert why(crm.get(f"/pipeline/stages/{NOBODY}"))[0] == 404


# -- keys ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("base", ["/crm", "/us/crm", "/eu/crm"])
def test_every_region_leads_to_the_same_rows(crm: Crm, base: str) -> None:
    there = Crm(crm.web, base=base)
    assert there.get("/users").json == crm.get("/users").json
    note = there.call("POST", "/notes", {"subject": "x"})
    assert note.headers["location"].startswith(f"{ORIGIN}{base}/notes/")


def test_without_a_key_and_with_a_wrong_one_the_gateway_answers(crm: Crm) -> None:
    missing = Crm(crm.web, key=None).get("/users")
    assert missing.json == {
        "statusCode": 401,
        "message": "Access denied due to missing subscription key. Make sure to include subscription key when "
        "making requests to an API.",
    }
    wrong = Crm(crm.web, key="orgstead-dev-kez").get("/pipeline/deals")
    assert wrong.json["message"].startswith("Access denied due to invalid subscription key.")
    for answer in (missing, wrong):
        assert answer.status == 401
        assert answer.headers["www-authenticate"].startswith("AzureApiManagementKey realm=")
    # A token of the Web API is no key, and a key is no token.
    assert Crm(crm.web, key=crm.web.token).get("/users").status == 401
    assert crm.web.get("contacts", authorization=f"Bearer {KEY}").status == 401


@pytest.mark.parametrize("key", ["x", KEY[:-1], KEY + "x", KEY + "\x01", "x" * 255, "x" * 20_000, "é" * 100])
def test_a_wrong_key_is_compared_whole_with_every_key(
    crm: Crm, key: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    compared: list[tuple[int, int]] = []
    hashed: list[int] = []
    compare, digest = hmac.compare_digest, hmac.digest

    def comparing(one: bytes, other: bytes) -> bool:
        compared.append((len(one), len(other)))
        return compare(one, other)

    def hashing(salt: bytes, text: bytes, kind: str) -> bytes:
        hashed.append(len(text))
        return digest(salt, text, kind)

    keys = subscriptions.SubscriptionKeys(salt=b"s" * 32, digests=(b"a" * 32, b"b" * 32)).with_published(KEY)
    monkeypatch.setattr(hmac, "compare_digest", comparing)
    monkeypatch.setattr(hmac, "digest", hashing)
    assert not subscriptions.opens(keys, key)
    assert subscriptions.opens(keys, KEY)
    assert compared == [(32, 32)] * 6
    assert hashed == [256, 256]


def regenerate(web: Web, name: str) -> str:
    """A new key by the message of the Web API."""
    answer = web.call("POST", "RegenerateSubscriptionKey", {"Name": name})
    assert answer.status == 200, answer.text
    key: str = answer.json["Key"]
    return key


def test_one_key_is_renewed_while_the_other_works(crm: Crm) -> None:
    first, second = regenerate(crm.web, "primary"), regenerate(crm.web, "secondary")
    assert len({first, second}) == 2
    assert {len(first), len(second)} == {64}
    assert all(Crm(crm.web, key=key).get("/users").status == 200 for key in (first, second))
    third = regenerate(crm.web, "primary")
    assert Crm(crm.web, key=first).get("/users").status == 401
    assert all(Crm(crm.web, key=key).get("/users").status == 200 for key in (second, third))
    assert crm.web.call("POST", "RegenerateSubscriptionKey", {"Name": "third"}).status == 400
    organisation = crm.web.organisation
    assert organisation is not None
    with organisation.store.read() as unit:
        kept = str(unit.read_setting(subscriptions.SETTING))
    assert not any(key in kept for key in (first, second, third))


def test_a_key_acts_as_a_user_whose_role_says_what_it_may(crm: Crm) -> None:
    web = crm.web
    (user,) = web.get(f"systemusers?$filter=applicationid eq {subscriptions.APPLICATION}").rows
    address = f"systemusers({user['systemuserid']})"
    roles = web.get(f"{address}/systemuserroles_association").rows
    assert [role["name"] for role in roles] == ["CRM as a Service"]
    created = crm.web.get(f"contacts({crm.make('/directory/contacts', lastName='Made')})").json
    assert created["_createdby_value"] == user["systemuserid"]
    # Deny first: without the role there is nothing.
    tie = f"{address}/systemuserroles_association({roles[0]['roleid']})/$ref"
    assert web.call("DELETE", tie).status == 204
    try:
        assert why(crm.get("/directory/contacts"))[:2] == (403, "forbidden")
        assert why(crm.call("POST", "/notes", {"subject": "x"}))[:2] == (403, "forbidden")
    finally:
        role = {"@odata.id": f"{ORIGIN}/api/data/v9.2/roles({roles[0]['roleid']})"}
        assert web.call("POST", f"{address}/systemuserroles_association/$ref", role).status == 204
    assert web.call("PATCH", address, {"isdisabled": True}).status == 204
    try:
        assert why(crm.get("/directory/contacts"))[:2] == (403, "user_disabled")
    finally:
        assert web.call("PATCH", address, {"isdisabled": False}).status == 204


def test_rows_out_of_reach_are_not_told_of(crm: Crm) -> None:
    web = crm.web
    (role,) = web.get("roles?$filter=name eq 'CRM as a Service'").rows
    (read,) = web.get("privileges?$filter=name eq 'prvReadContact'").rows
    hidden = web.make("contacts", lastname="Hidden")
    own = crm.make("/directory/contacts", lastName="Own")

    def reach(depth: str) -> None:
        given = {"Privileges": [{"PrivilegeId": read["privilegeid"], "Depth": depth}]}
        bound = f"roles({role['roleid']})/Microsoft.Dynamics.CRM.AddPrivilegesRole"
        assert web.call("POST", bound, given).status == 204

    reach("Basic")
    try:
        assert crm.get(f"/directory/contacts/{own}").status == 200
        missing = {method: crm.call(method, f"/directory/contacts/{NOBODY}", body) for method, body in CALLS}
        for method, body in CALLS:
            answer = crm.call(method, f"/directory/contacts/{hidden}", body)
            assert (answer.status, answer.text) == (missing[method].status, missing[method].text)
            assert answer.status == 404
        assert crm.get(f"/directory/contacts?id={hidden}").json["total"] == 0
        assert crm.get("/directory/contacts?lastName=Hidden").json["items"] == []
        for id in (hidden, NOBODY):
            body = {"action": "delete", "entity": "contacts", "ids": [id]}
            (outcome,) = crm.call("POST", "/directory/bulk-actions", body).json["items"]
            assert (outcome["status"], outcome["error"]["code"]) == (404, "not_found")
    finally:
        reach("Global")
    assert web.get(f"contacts({hidden})").status == 200


CALLS: tuple[tuple[str, Any], ...] = (
    ("GET", None),
    ("PUT", {"lastName": "Taken"}),
    ("PATCH", {"lastName": "Taken"}),
    ("DELETE", None),
)


@pytest.fixture(scope="module")
def private(
    web: Web, tmp_path_factory: pytest.TempPathFactory, new_postgres_database: Callable[[], str]
) -> Iterator[Web]:
    """Another organisation on the same kind of database, outside of development mode and with service protection."""
    assert web.organisation is not None
    database = "sqlite" if web.organisation.config.database_url is None else "postgres"
    settings = {
        "client_id": CLIENT_ID,
        "client_secret": CLIENT_SECRET,
        "crm_path": "/rest/v1",
        "crm_us_path": "",
    }
    limits = {"dev": False, "limits": "on", "limit_requests": 25}
    with opened(database, tmp_path_factory, new_postgres_database, **settings, **limits) as client:
        yield client


def test_keys_of_one_organisation_open_no_other_and_the_published_one_none(web: Web, private: Web) -> None:
    there = Crm(private, base="/rest/v1")
    for key in (KEY, regenerate(web, "primary"), regenerate(web, "secondary")):
        assert Crm(private, key=key, base="/rest/v1").get("/users").status == 401
    own = regenerate(private, "secondary")
    assert Crm(private, key=own, base="/rest/v1").get("/users").status == 200
    assert Crm(web, key=own).get("/users").status == 401
    # The base paths are settings: these lead nowhere here.
    assert Crm(private, key=own).get("/users").status == 404
    assert Crm(private, key=own, base="/us/crm").get("/users").status == 404
    assert Crm(private, key=own, base="/eu/crm").get("/users").status == 200
    assert there.get("/users").status == 401
    spent = [Crm(private, key=own, base="/rest/v1").get("/users") for _ in range(25)]
    assert (why(spent[-1])[:2], spent[-1].status) == ((429, "too_many_requests"), 429)
    assert int(spent[-1].headers["retry-after"]) > 0


def test_the_request_log_has_who_asked_and_no_key(crm: Crm) -> None:
    crm.get(f"/notes/{NOBODY}?subscription-key={KEY}")
    crm.get(f"/notes/{NOBODY}")
    log = crm.web.client.get(f"{ORIGIN}/_orgstead/requests?path=/crm/notes/{NOBODY}").text
    assert KEY not in log
    latest = json.loads(log)["requests"][0]
    assert (latest["status"], latest["code"]) == (404, "not_found")
    assert latest["user"]


# -- forms and many rows ---------------------------------------------------------------------------------------------


def test_a_form_shapes_what_is_written(crm: Crm) -> None:
    path = "/directory/forms/organizations"
    form = crm.get(path).json
    assert form["tenantId"] == "0d365000-0000-4000-8000-000000000001"
    fields = {field["id"]: dict(field) for field in form["fields"]}
    assert fields["name"]["required"]
    assert not fields["city"]["required"]
    fields["city"] |= {"label": "Town", "required": True}
    fields["website"]["visible"] = False
    changed = crm.call("PUT", path, {"fields": list(fields.values())})
    assert changed.status == 200, changed.text
    try:
        assert {field["id"]: field for field in crm.get(path).json["fields"]} == fields
        written = crm.get("/openapi.json").json["components"]["schemas"]["OrganizationValues"]
        assert written["required"] == ["name", "city"]
        assert written["properties"]["city"]["title"] == "Town"
        assert "website" not in written["properties"]
        new = "/directory/organizations"
        assert why(crm.call("POST", new, {"name": "x"})) == (400, "field_required", "city")
        hidden = {"name": "x", "city": "y", "website": "https://x.example"}
        assert why(crm.call("POST", new, hidden)) == (400, "field_hidden", "website")
        id = crm.make(new, name="x", city="y")
        # What is hidden is not taken away either.
        patched = crm.web.call("PATCH", f"accounts({id})", {"websiteurl": "https://x.example"})
        assert patched.status == 204
        assert why(crm.call("PUT", f"{new}/{id}", {"name": "x"})) == (400, "field_required", "city")
        assert why(crm.call("PATCH", f"{new}/{id}", {"city": None})) == (400, "field_required", "city")
        kept = crm.call("PUT", f"{new}/{id}", {"name": "z", "city": "y"})
        assert (kept.json["name"], kept.json["website"]) == ("z", "https://x.example")
    finally:
        assert crm.call("PUT", path, {"fields": []}).json == form
    crm.make("/directory/organizations", name="x", website="https://x.example")


def test_leads_and_opportunities_have_a_form_in_common(crm: Crm) -> None:
    path = "/pipeline/forms/opportunities"
    asked = {"fields": [{"id": "description", "required": True}, {"id": "lastName", "required": False}]}
    assert crm.call("PUT", path, asked).status == 200
    try:
        lead, opportunity = {"title": "t"}, {"name": "n"}
        for new, body in (("leads", lead), ("opportunities", opportunity)):
            assert why(crm.call("POST", f"/pipeline/{new}", body)) == (400, "field_required", "description")
            crm.make(f"/pipeline/{new}", **body, description="d")
    finally:
        assert crm.call("PUT", path, {"fields": []}).status == 200


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({}, "field_required"),
        ({"fields": [], "colour": 1}, "field_unknown"),
        ({"fields": [], "tenantId": NOBODY}, "field_invalid"),
        ({"fields": [{"id": "colour"}]}, "field_unknown"),
        ({"fields": [{"id": "city", "colour": 1}]}, "field_unknown"),
        ({"fields": [{"id": "city"}, {"id": "city"}]}, "field_invalid"),
        ({"fields": [{"id": "city", "required": True, "visible": False}]}, "field_invalid"),
        ({"fields": [{"id": "city", "label": ""}]}, "field_invalid"),
        ({"fields": [{"id": "city", "type": "integer"}]}, "field_invalid"),
        ({"fields": ["city"]}, "field_invalid"),
    ],
)
def test_a_form_that_cannot_be_is_refused(crm: Crm, body: Any, code: str) -> None:
    before = crm.get("/directory/forms/contacts").json
    assert why(crm.call("PUT", "/directory/forms/contacts", body))[:2] == (400, code)
    assert crm.get("/directory/forms/contacts").json == before


@pytest.mark.parametrize(
    ("area", "entity", "values"),
    [
        ("pipeline", "leads", {"title": "t", "lastName": "l"}),
        ("pipeline", "opportunities", {"name": "n"}),
        ("directory", "contacts", {"lastName": "l"}),
        ("directory", "organizations", {"name": "n"}),
    ],
)
def test_many_rows_are_deleted_each_with_its_outcome(
    crm: Crm, area: str, entity: str, values: dict[str, Any]
) -> None:
    ids = [crm.make(f"/{area}/{entity}", **values) for _ in range(2)]
    body = {"action": "delete", "entity": entity, "ids": [ids[0], NOBODY, ids[1], ids[0]]}
    answer = crm.call("POST", f"/{area}/bulk-actions", body).json
    assert (answer["succeeded"], answer["failed"]) == (2, 2)
    assert [each["status"] for each in answer["items"]] == [204, 404, 204, 404]
    assert [each["id"] for each in answer["items"]] == body["ids"]
    assert answer["items"][1]["error"]["code"] == "not_found"
    assert all(crm.get(f"/{area}/{entity}/{id}").status == 404 for id in ids)


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"action": "archive"}, "action"),
        ({"entity": "contacts"}, "entity"),
        ({"ids": []}, "ids"),
        ({"ids": ["x"]}, "ids"),
        ({"ids": [NOBODY] * 501}, "ids"),
        ({"colour": 1}, "colour"),
    ],
)
def test_a_bulk_action_that_cannot_be_is_refused(crm: Crm, change: dict[str, Any], field: str) -> None:
    body = {"action": "delete", "entity": "leads", "ids": [NOBODY], **change}
    assert why(crm.call("POST", "/pipeline/bulk-actions", body))[::2] == (400, field)


def test_a_fault_on_purpose_comes_in_the_shape_of_this_api(crm: Crm) -> None:
    plane = f"{ORIGIN}/_orgstead/faults"
    rule = {"status": 429, "path": "/crm/*", "count": 1, "retry_after": 3}
    assert crm.web.client.post(plane, json=rule).status_code < 300
    answer = crm.get("/users")
    assert why(answer)[:2] == (429, "too_many_requests")
    assert answer.headers["retry-after"] == "3"
    assert crm.get("/users").status == 200
