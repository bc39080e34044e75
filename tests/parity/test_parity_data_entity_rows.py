"""Rows that make data entities of any table, who may see what through them, and actions that are bound to them."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from starlette.testclient import TestClient

from orgstead.app import build_application, open_organisation
from orgstead.engine.registry import OPEN, Call, Handler
from orgstead.model.messages import Parameter, Signature
from tests.parity.conftest import ORIGIN, Web
from tests.parity.finops import (
    BOOLEAN,
    DATE,
    DATETIME,
    ENUM,
    GUID,
    INT32,
    REAL,
    SPACE,
    STRING,
    Feed,
    enable,
    map_table,
)
from tests.parity.test_parity_limits import guarded
from tests.parity.test_parity_security import make_user

ACCOUNT = [
    {"name": "Id", "columnname": "accountid", "kind": GUID},
    {"name": "Name", "columnname": "name", "kind": STRING, "ismandatory": True},
    {"name": "Employees", "columnname": "numberofemployees", "kind": INT32},
    {"name": "Revenue", "columnname": "revenue", "kind": REAL},
    {"name": "NoMail", "columnname": "donotemail", "kind": BOOLEAN},
    {"name": "Ownership", "columnname": "ownershipcode", "kind": ENUM},
    {"name": "Contact", "columnname": "primarycontactid", "kind": GUID},
    {"name": "Changed", "columnname": "modifiedon", "kind": DATETIME},
]


@pytest.fixture
def feed(web: Web) -> Feed:
    return Feed(web)


@pytest.fixture(scope="module")
def things(web: Web) -> Feed:
    """A data entity over accounts."""
    entity = map_table(
        web, "account", ACCOUNT, "Id", name="Firm", publiccollectionname="Firms", label="Firms"
    )
    assert enable(web, entity).status == 204
    return Feed(web)


# -- rows that define ------------------------------------------------------------------------------------------------
def test_any_table_becomes_a_data_entity_by_rows(things: Feed) -> None:
    made = things.call(
        "POST", "Firms", {"Name": "Loom & Co", "Revenue": 12.5, "NoMail": "Yes", "Ownership": "Public"}
    )
    assert made.status == 201, made.text
    assert (made.json["Revenue"], made.json["NoMail"], made.json["Ownership"]) == (12.5, "Yes", "Public")
    key = made.json["Id"]
    account = things.web.get(f"accounts({key})?$select=name,donotemail,ownershipcode").json
    assert (account["name"], account["donotemail"], account["ownershipcode"]) == ("Loom & Co", True, 1)
    contact = things.web.make("contacts", lastname="Weft")
    for address in (f"Firms({key})", f"Firms(Id={key})"):
        assert things.call("PATCH", address, {"Contact": contact}).status == 204
        assert things.get(address).json["Contact"] == contact
    found = things.column(
        f"Firms?$filter=Contact eq {contact} and Ownership eq {SPACE}account_ownershipcode'Public'", "Id"
    )
    assert found == [key]
    enum = things.get(f"{ORIGIN}/metadata/PublicEnumerations('account_ownershipcode')").json
    assert "Public" in [member["Name"] for member in enum["Members"]]


def test_an_entity_and_its_fields_are_one_request(web: Web, feed: Feed) -> None:
    entity = web.make(
        "orgstead_dataentities", name="Whole", publiccollectionname="Wholes", tablename="account", keyfields="Id",
        orgstead_dataentity_dataentityfields=ACCOUNT,
    )  # fmt: skip
    assert enable(web, entity).status == 204
    assert feed.get("Wholes?$top=1").status == 200


def test_what_is_enabled_goes_with_all_of_its_fields(web: Web, feed: Feed) -> None:
    entity = map_table(web, "account", ACCOUNT, "Id", name="Goner", publiccollectionname="Goners")
    assert enable(web, entity).status == 204
    assert feed.get("Goners?$top=1").status == 200
    assert web.call("DELETE", f"orgstead_dataentities({entity})").status == 204
    assert feed.get("Goners").status == 404
    assert web.get(f"orgstead_dataentityfields?$filter=_dataentityid_value eq {entity}").rows == []


def test_relations_lead_from_entity_to_entity(web: Web, things: Feed) -> None:
    fields = [
        {"name": "Id", "columnname": "contactid", "kind": GUID},
        {"name": "Last", "columnname": "lastname", "kind": STRING},
    ]
    entity = map_table(web, "contact", fields, "Id", name="Person", publiccollectionname="Persons")
    relation = {
        "name": "Firms", "relatedentityname": "Firm", "relationshipname": "account_primary_contact", "ismany": True,
        "dataentityid@odata.bind": f"orgstead_dataentities({entity})",
    }  # fmt: skip
    assert web.call("POST", "orgstead_dataentityrelations", relation).status == 204
    assert enable(web, entity).status == 204
    person = things.call("POST", "Persons", {"Last": "Reed"}).json["Id"]
    assert things.call("POST", "Firms", {"Name": "Reed's", "Contact": person}).status == 201
    (row,) = things.rows("Persons?$filter=Last eq 'Reed'&$expand=Firms($select=Name)")
    assert [firm["Name"] for firm in row["Firms"]] == ["Reed's"]
    wrong = {**relation, "name": "Nowhere", "relationshipname": "no_such"}
    assert web.call("POST", "orgstead_dataentityrelations", wrong).status == 400


def test_a_disabled_entity_is_not_there(things: Feed) -> None:
    web = things.web
    entity = map_table(web, "contact", [{"name": "Id", "columnname": "contactid", "kind": GUID}], "Id")
    assert things.get("Things").status == 404
    assert enable(web, entity).status == 204
    assert things.get("Things").status == 200
    bound = {"dataentityid@odata.bind": f"orgstead_dataentities({entity})"}
    field = web.make("orgstead_dataentityfields", name="Last", columnname="lastname", kind=STRING, **bound)
    assert things.get("Things?$select=Last").status == 200
    assert web.call("DELETE", f"orgstead_dataentityfields({field})").status == 204
    assert things.get("Things?$select=Last").status == 400
    # What its key needs stays.
    (key,) = web.get(f"orgstead_dataentityfields?$filter=_dataentityid_value eq {entity}").rows
    assert web.call("DELETE", f"orgstead_dataentityfields({key['orgstead_dataentityfieldid']})").status == 400
    assert enable(web, entity, False).status == 204
    assert things.get("Things").status == 404
    assert web.call("DELETE", f"orgstead_dataentities({entity})").status == 204
    assert web.get(f"orgstead_dataentityfields?$filter=_dataentityid_value eq {entity}").rows == []


@pytest.mark.parametrize(
    ("field", "code"),
    [
        ({"name": "A", "columnname": "nothing", "kind": STRING}, "0x80044331"),
        ({"name": "A", "columnname": "revenue", "kind": STRING}, "0x80040203"),
        ({"name": "A", "columnname": "modifiedon", "kind": DATE}, "0x80040203"),
        ({"name": "A", "columnname": "ownerid", "kind": GUID}, "0x80040203"),
        ({"name": "1st", "columnname": "name", "kind": STRING}, "0x80040203"),
        ({"name": "A", "columnname": "ownershipcode", "kind": ENUM, "enummembers": "1-Public"}, "0x80040203"),
        ({"name": "A", "columnname": "name"}, None),
    ],
)  # fmt: skip
def test_a_field_that_its_column_cannot_be_is_refused(
    web: Web, field: dict[str, Any], code: str | None
) -> None:
    name = web.name("Odd").replace(" ", "")
    entity = map_table(web, "account", ACCOUNT[:1], "Id", name=name, publiccollectionname=f"{name}s")
    bound = {"dataentityid@odata.bind": f"orgstead_dataentities({entity})"}
    refused = web.call("POST", "orgstead_dataentityfields", {**field, **bound})
    assert refused.status in (400, 404), refused.text
    assert code is None or refused.json["error"]["code"].lower().startswith("0x8004")
    assert enable(web, entity).status == 204


@pytest.mark.parametrize(
    "values",
    [
        {"tablename": "nothing"}, {"tablename": "orgstead_grant"}, {"companycolumn": "revenue"}, {"name": "no name"},
        {"publiccollectionname": "Firm s"}, {"name": "CustomerV3"}, {"publiccollectionname": "CustomersV3"},
    ],
)  # fmt: skip
def test_an_entity_that_names_what_is_not_there_is_refused(web: Web, values: dict[str, str]) -> None:
    name = web.name("Bad").replace(" ", "")
    usual = {"name": name, "publiccollectionname": f"{name}s", "tablename": "account", "keyfields": "Id"}
    assert web.call("POST", "orgstead_dataentities", {**usual, **values}).status in (400, 404, 412)


@pytest.mark.parametrize("key", ["Name", "Nothing", "", "Id,Name", "Id,Id"])
def test_a_key_that_is_no_alternate_key_is_refused(web: Web, key: str) -> None:
    name = web.name("Keyless").replace(" ", "")
    entity = map_table(web, "account", ACCOUNT, key, name=name, publiccollectionname=f"{name}s")
    refused = enable(web, entity)
    assert refused.status == 400
    assert name in refused.json["error"]["message"]


def test_a_column_that_goes_takes_its_entity_out_of_sight(web: Web, feed: Feed) -> None:
    column = {
        "@odata.type": "Microsoft.Dynamics.CRM.StringAttributeMetadata", "SchemaName": "new_Passing", "MaxLength": 50,
        "DisplayName": {"LocalizedLabels": [{"Label": "Passing", "LanguageCode": 1033}]},
    }  # fmt: skip
    attributes = "EntityDefinitions(LogicalName='contact')/Attributes"
    assert web.call("POST", attributes, column).status == 204
    fields = [
        {"name": "Id", "columnname": "contactid", "kind": GUID},
        {"name": "Passing", "columnname": "new_passing", "kind": STRING},
    ]
    entity = map_table(web, "contact", fields, "Id", name="Passer", publiccollectionname="Passers")
    assert enable(web, entity).status == 204
    assert feed.get("Passers").status == 200
    assert web.call("DELETE", f"{attributes}(LogicalName='new_passing')").status == 204
    assert feed.get("Passers").status == 404
    assert feed.get("$metadata").status == 200
    shown = feed.get(f"{ORIGIN}/metadata/DataEntities?$filter=PublicEntityName eq 'Passer'").json["value"]
    assert shown[0]["DataServiceEnabled"] is False


def test_another_process_sees_a_new_entity_at_once(web: Web, feed: Feed) -> None:
    assert web.organisation is not None
    config = web.organisation.config
    if config.database_url is None:
        assert feed.get("Firms").status in (200, 404)
        return
    other = open_organisation(config)
    try:
        with TestClient(build_application(other, [ORIGIN]), base_url=ORIGIN) as client:
            entity = map_table(
                web, "contact", [{"name": "Id", "columnname": "contactid", "kind": GUID}], "Id",
                name="Fresh", publiccollectionname="Freshes",
            )  # fmt: skip
            assert enable(web, entity).status == 204
            assert Feed(Web(client, other)).get("Freshes").status == 200
    finally:
        other.close()


# -- who sees what ---------------------------------------------------------------------------------------------------
@pytest.fixture(scope="module")
def people(web: Web) -> dict[str, str]:
    """A user without a role, and one with each of two."""
    (unit,) = web.get("businessunits?$filter=_parentbusinessunitid_value eq null").rows
    roles = {row["name"]: row["roleid"] for row in web.get("roles?$select=name,roleid").rows}
    id = unit["businessunitid"]
    return {
        "nobody": make_user(web, id),
        "viewer": make_user(web, id, roles["Data management viewer"]),
        "operator": make_user(web, id, roles["Data management operations user"]),
        "seller": make_user(web, id, roles["Basic User"]),
    }


CUSTOMER = {"CustomerGroupId": "1", "SalesCurrencyCode": "USD"}


def test_who_has_no_privilege_sees_and_changes_nothing(web: Web, feed: Feed, people: dict[str, str]) -> None:
    assert feed.call("POST", "CustomersV3", {"CustomerAccount": "S-1", **CUSTOMER}).status == 201
    key = "CustomersV3(dataAreaId='dat',CustomerAccount='S-1')"
    assert feed.get(key).status == 200
    outsider = Feed(web, {"MSCRMCallerID": people["nobody"]})
    for method, path in (
        ("GET", "CustomersV3"), ("GET", "CustomersV3/$count"), ("GET", key), ("GET", f"{key}/OrganizationName"),
        ("GET", "SalesOrderHeadersV2?$expand=SalesOrderLines"), ("PATCH", key), ("DELETE", key),
        ("POST", "CustomersV3"),
    ):  # fmt: skip
        body = (
            {"CustomerAccount": "S-2", **CUSTOMER} if method == "POST" else {} if method == "PATCH" else None
        )
        refused = outsider.call(method, path, body)
        assert refused.status == 403, (method, path, refused.text)
        assert "S-1" not in refused.text
    assert feed.get(key).status == 200


def test_roles_of_integrations_hold_what_they_say(web: Web, feed: Feed, people: dict[str, str]) -> None:
    viewer = Feed(web, {"MSCRMCallerID": people["viewer"]})
    operator = Feed(web, {"MSCRMCallerID": people["operator"]})
    body = {"CustomerAccount": "S-3", **CUSTOMER}
    assert viewer.call("POST", "CustomersV3", body).status == 403
    assert operator.call("POST", "CustomersV3", body).status == 201
    key = "CustomersV3(dataAreaId='dat',CustomerAccount='S-3')"
    assert viewer.get(key).status == 200
    assert viewer.call("PATCH", key, {"KnownAs": "x"}).status == 403
    assert viewer.call("DELETE", key).status == 403
    assert operator.call("PATCH", key, {"KnownAs": "x"}).status == 204
    assert operator.call("DELETE", key).status == 204


def test_rows_of_others_stay_theirs(things: Feed, people: dict[str, str]) -> None:
    web = things.web
    seller = Feed(web, {"MSCRMCallerID": people["seller"]})
    theirs = things.call("POST", "Firms", {"Name": "Not for sellers"}).json["Id"]
    mine = seller.call("POST", "Firms", {"Name": "A seller's own"}).json["Id"]
    assert seller.column("Firms", "Id") == [mine]
    assert seller.get("Firms/$count").text == "1"
    for refused in (
        seller.get(f"Firms({theirs})"), seller.get(f"Firms({theirs})/Name"),
        seller.call("PATCH", f"Firms({theirs})", {"Name": "x"}), seller.call("DELETE", f"Firms({theirs})"),
    ):  # fmt: skip
        assert refused.status == 403
        assert "Not for sellers" not in refused.text
    assert seller.rows("Firms?$filter=Name eq 'Not for sellers'") == []
    said = f"GET /data/Firms({theirs}) HTTP/1.1"
    body = f"--b\r\nContent-Type: application/http\r\n\r\n{said}\r\n\r\n\r\n--b--\r\n".encode()
    batch = seller.call("POST", "$batch", body, content_type="multipart/mixed;boundary=b")
    assert "HTTP/1.1 403" in batch.text
    assert "Not for sellers" not in batch.text


def test_without_a_token_nothing_is_told(web: Web) -> None:
    for path in ("data", "data/CustomersV3", "data/$metadata", "metadata/DataEntities", "data/Nope"):
        answer = web.client.get(f"{ORIGIN}/{path}")
        assert answer.status_code == 401
        assert answer.headers["www-authenticate"].startswith("Bearer ")
        assert answer.json()["error"]["innererror"]["type"] == "Unauthenticated"


def test_requests_are_limited_and_noted_as_those_of_other_services(web: Web) -> None:
    with guarded(web, limit_requests=2) as server:
        other = Feed(server.web)
        assert [other.get("CustomersV3/$count").status for _ in range(3)] == [200, 200, 429]
        refused = other.get("CustomersV3")
        assert int(refused.headers["retry-after"]) > 0
        assert refused.json["error"]["innererror"]["type"] == "RequestLimitExceeded"
    rule = {"path": "/data/CustomersV3", "status": 503, "count": 1}
    made = web.client.post(f"{ORIGIN}/_orgstead/faults", json=rule)
    assert made.status_code < 300, made.text
    injected = Feed(web).get("CustomersV3")
    assert (injected.status, set(injected.json["error"])) == (503, {"code", "message", "innererror"})
    noted = web.client.get(f"{ORIGIN}/_orgstead/requests").json()["requests"]
    assert any(note["path"].startswith("/data/CustomersV3") for note in noted)


# -- actions ---------------------------------------------------------------------------------------------------------
def echo(call: Call) -> Any:
    return f"{call.parameters['text']}{call.parameters.get('count', '')}"


def touch(call: Call) -> Any:
    return None


ACTIONS = {
    "EchoGroup.Echo": (echo, Signature(
        kind="action", entity="EchoGroups", collection=True, returns=(Parameter(name="", type="Edm.String"),),
        parameters=(
            Parameter(name="text", type="Edm.String"), Parameter(name="count", type="Edm.Int32", optional=True),
        ),
    )),
    "CustomerV3.Touch": (touch, Signature(kind="action", entity="CustomersV3")),
}  # fmt: skip


@pytest.fixture(scope="module")
def acting(web: Web) -> Iterator[Feed]:
    """A server with two actions more, as modules of handlers register them."""
    organisation = web.organisation
    assert organisation is not None
    handlers = {
        name: Handler(name=name, run=run, privilege=OPEN, writes=False, signature=signature)
        for name, (run, signature) in ACTIONS.items()
    }
    engine = organisation.engine
    kept = engine.registry
    engine.registry = replace(kept, handlers={**kept.handlers, **handlers})
    try:
        with TestClient(build_application(organisation, [ORIGIN]), base_url=ORIGIN) as client:
            yield Feed(Web(client, organisation))
    finally:
        engine.registry = kept


def test_actions_are_bound_to_collections_and_rows(acting: Feed) -> None:
    said = acting.call("POST", f"EchoGroups/{SPACE}Echo", {"text": "a", "count": 2})
    assert said.json == {"@odata.context": f"{ORIGIN}/data/$metadata#Edm.String", "value": "a2"}
    assert acting.call("POST", "CustomersV3", {"CustomerAccount": "A-1", **CUSTOMER}).status == 201
    key = "CustomersV3(dataAreaId='dat',CustomerAccount='A-1')"
    assert acting.call("POST", f"{key}/{SPACE}Touch").status == 204
    assert acting.call("GET", f"EchoGroups/{SPACE}Echo").status == 405
    assert acting.call("POST", f"CustomersV3/{SPACE}Touch").status == 404
    assert acting.call("POST", f"EchoGroups/{SPACE}Echo", {}).status == 400
    assert acting.call("POST", f"EchoGroups/{SPACE}Echo", {"text": 1}).status == 400
    assert acting.call("POST", f"EchoGroups/{SPACE}Echo", {"text": "a", "more": 1}).status == 400
    document = acting.get("$metadata").text
    assert '<Action Name="Echo" IsBound="true"><Parameter Name="EchoGroup"' in document
    described = acting.get(f"{ORIGIN}/metadata/PublicEntities('CustomerV3')").json["Actions"]
    assert [each["Name"] for each in described] == ["Touch"]
    # On the Web API there is no such action.
    assert acting.web.call("POST", "Echo", {"text": "a"}).status == 404


# -- hostile -----------------------------------------------------------------------------------------------------------
HOSTILE = [
    "CustomersV3(", "CustomersV3()", "CustomersV3('')", "CustomersV3(dataAreaId='dat',CustomerAccount=1)", "%FF",
    "%00", "CustomersV3(dataAreaId='dat',CustomerAccount='x',Extra='y')",
    "CustomersV3(dataAreaId=@a,CustomerAccount='x')", "CustomersV3?$top=-1", "CustomersV3?$skip=-1",
    "CustomersV3?$skip=99999999999", "CustomersV3?$top=a", "CustomersV3?$filter=", "CustomersV3?$filter=(((",
    "CustomersV3?$filter=CreditLimit eq 'x'", "CustomersV3?$nope=1", "CustomersV3?$filter=CreditLimit add 1 eq 2",
    "CustomersV3?$filter=CustomerAccount in ('a','b')", "CustomersV3?$search=x",
    "CustomersV3?$filter=any(x:x/a eq 1)", "CustomersV3?$orderby=Nope", "CustomersV3?$expand=Nope",
    "CustomersV3?cross-company=maybe", "CustomersV3?$skiptoken=nonsense", "CustomersV3?$format=xml",
    "CustomersV3?$count=maybe", "CustomersV3?$select=Nope", "CustomersV3/Nope", "CustomersV3/$value",
    "CustomersV3/$count/x", "$batch", "$1", "$metadata/x", "$metadata?x=1", "?x=1",
    "CustomersV3?$filter=" + "(" * 300, "CustomersV3?$filter=" + " or ".join(["CreditLimit eq 1"] * 600),
    "ExchangeRates?$filter=StartDate eq '2020'", "ExchangeRates?$filter=StartDate eq 2020-13-01T00:00:00Z",
    "SalesOrderHeadersV2?$expand=SalesOrderLines($nope=1)", "SalesOrderHeadersV2?$expand=SalesOrderLines/$ref",
    f"CustomersV3/{SPACE}Nope", "CustomersV3?$filter=OrganizationName eq '" + "*" * 2000 + "'", "a/" * 40,
]  # fmt: skip


@pytest.mark.parametrize("path", HOSTILE)
def test_what_makes_no_sense_is_refused_in_the_services_own_shape(feed: Feed, path: str) -> None:
    answer = feed.get(path)
    assert 400 <= answer.status < 500 or (answer.status == 200 and "*" in path), (path, answer.text)
    if answer.status != 200:
        assert set(answer.json["error"]) == {"code", "message", "innererror"}


@pytest.mark.parametrize(
    "body",
    [b"", b"{", b"[]", b"1", b"\xff\xfe", b'{"a":' * 5000, b'{"CustomerAccount":[[[]]]}', b'{"CreditLimit":1e999}']
)  # fmt: skip
def test_bodies_that_are_none_change_nothing(feed: Feed, body: bytes) -> None:
    before = feed.get("CustomersV3/$count").text
    assert feed.call("POST", "CustomersV3", body, content_type="application/json").status == 400
    assert feed.call("POST", "CustomersV3", b"<a/>", content_type="application/xml").status in (400, 415)
    assert feed.get("CustomersV3/$count").text == before


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(text=st.text(alphabet="CustomersV3()$'=,/?&%20eqand*@.:{}[]\\\"<>;é", max_size=60))
def test_no_address_breaks_the_service(feed: Feed, text: str) -> None:
    for path in (text, f"CustomersV3({text})", f"CustomersV3?$filter={text}", f"{ORIGIN}/metadata/{text}"):
        assert feed.get(path.replace("#", "")).status < 500
