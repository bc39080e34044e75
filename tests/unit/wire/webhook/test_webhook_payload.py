"""What webhooks are posted, compared with published bodies field by field."""

import json
import re
from collections.abc import Mapping
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from orgstead.model.apis import MONEY, PICKLIST
from orgstead.model.events import ASYNCHRONOUS, NOBODY, Event
from orgstead.model.record import Record, Ref, Related
from orgstead.model.schema import ApiValue, Column, CustomApi
from orgstead.solutions.load import load_base
from orgstead.wire.webhook.payload import MAX_BYTES, Payload, encode

GOLDEN = Path(__file__).parents[3] / "golden" / "webhook"
SCHEMA = load_base()
CONTACT, USER = "6d81597f-0f9f-e711-8122-000d3aa2331c", "75c2dd85-e89e-e711-8122-000d3aa2331c"
# Members that were added after a body was published.
LATER = {"InitiatingUserAzureActiveDirectoryObjectId", "UserAzureActiveDirectoryObjectId"}
CONTRACTS = "http://schemas.microsoft.com/xrm/2011/Contracts"


def ordered(text: str | bytes) -> Any:
    """JSON whose objects are pairs in their order."""
    return json.loads(text, object_pairs_hook=lambda pairs: ["object", *pairs])


def golden(name: str) -> str:
    return (GOLDEN / name).read_text("utf-8")


def body(payload: Payload) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(payload.body)
    return found


def parameters(payload: Payload, among: str = "InputParameters") -> dict[str, Any]:
    return {each["key"]: each["value"] for each in body(payload)[among]}


def event(**values: Any) -> Event:
    """An event in which nothing is special."""
    usual: dict[str, Any] = {
        "message": "Update", "stage": 40, "mode": ASYNCHRONOUS, "table": "contact", "id": CONTACT, "user_id": USER,
        "initiating_user_id": USER, "business_unit_id": "e2b9dd85-e89e-e711-8122-000d3aa2331c",
        "organization_id": "4ef5b371-e89e-e711-8122-000d3aa2331c", "organization_name": "OrgName",
        "correlation_id": "b374239d-4233-41a9-8b17-a86cb4f737b5",
        "operation_id": "4af10637-4ea2-e711-8122-000d3aa2331c",
        "created_on": 1506409448.0, "in_transaction": False, "step_id": "75417616-4ea2-e711-8122-000d3aa2331c",
        "step_name": "",
    }  # fmt: skip
    return Event(**{**usual, **values})


def record(table: str, id: str, **values: Any) -> Record:
    return Record(table=table, id=id, values=values)


def updated_contact() -> Event:
    parent = event(
        inputs={
            "Target": record("contact", CONTACT, firstname="James", contactid=CONTACT),
            "SuppressDuplicateDetection": False,
        },
        stage=30,
        organization_name="OneFarm",
    )
    target = record(
        "contact",
        CONTACT,
        firstname="James",
        contactid=CONTACT,
        fullname="James Glynn (sample)",
        modifiedon="2017-09-26T00:04:07Z",
        modifiedby=Ref("systemuser", USER),
        modifiedonbehalfby=None,
    )
    name = record("contact", CONTACT, fullname="James Glynn (sample)", contactid=CONTACT)
    return event(inputs={"Target": target}, post_images={"AsynchronousStepPrimaryName": name}, parent=parent)


def without(found: Any, names: set[str]) -> Any:
    """Without members of these names, at any depth."""
    if isinstance(found, list):
        if found[:1] == ["object"]:
            return [
                "object",
                *([name, without(value, names)] for name, value in found[1:] if name not in names),
            ]
        return [without(each, names) for each in found]
    return found


def test_an_update_is_told_as_published() -> None:
    told, published = encode(updated_contact(), SCHEMA).body.decode(), golden("update-contact.json")
    # The server that it was published from stood in another time zone.
    told = told.replace("+0000)", "-0700)")
    pairs = without(ordered(told), LATER)
    assert pairs == without(
        json.loads(published, object_pairs_hook=lambda p: ["object", *map(list, p)]), set()
    )


def test_members_stand_in_the_order_of_the_contract() -> None:
    context = body(encode(updated_contact(), SCHEMA))
    assert list(context) == sorted(context, key=str)
    assert list(context["ParentContext"]) == list(context)
    assert context.keys() >= LATER


def test_slashes_are_escaped_as_the_serialiser_of_data_contracts_does() -> None:
    text = encode(updated_contact(), SCHEMA).body
    assert b'"\\/Date(1506384247000)\\/"' in text
    assert re.search(rb"(?<!\\)/", text) is None


def test_an_image_is_told_as_published_with_labels_and_parties() -> None:
    party = record(
        "activityparty",
        "861579d9-7e63-ef11-9e4a-00155d0001ea",
        ispartydeleted=False,
        activityid=Ref("activitypointer", "841579d9-7e63-ef11-9e4a-00155d0001ea"),
        participationtypemask=1,
        scheduledend="2024-08-26T19:43:14Z",
        activitypartyid="861579d9-7e63-ef11-9e4a-00155d0001ea",
        donotphone=False,
    )
    call = "841579d9-7e63-ef11-9e4a-00155d0001ea"
    image = Record(
        table="phonecall", id=call, values={"statecode": 0, "description": "asdf", "from": (party,)}
    )
    told = json.dumps(body(encode(event(pre_images={"Image": image}), SCHEMA))["PreEntityImages"])
    told = told.replace("2024-08-26T19:43:14+00:00", "2024-08-26T22:43:14+03:00")
    assert ordered(told) == ordered(golden("activity-image.json"))


def test_parameters_of_a_custom_api_are_told_as_published() -> None:
    account = SCHEMA.tables["account"]
    many = Column(name="optionsets", schema_name="optionsets", type="multichoice", metadata_id=NOBODY)
    api = CustomApi(
        name="devkit_DebugCustomApi",
        metadata_id=NOBODY,
        parameters=(
            ApiValue(name="devkit_InputMoney", type=MONEY),
            ApiValue(name="devkit_InputPicklist", type=PICKLIST),
        ),
    )
    schema = SCHEMA.evolve(
        tables={"account": replace(account, columns={**account.columns, "optionsets": many})},
        apis={api.name: api},
    )
    reference = Ref("account", "a4982849-096f-ef11-a670-6045bd21f435")
    row = record(
        "account",
        "98982849-096f-ef11-a670-6045bd21f435",
        name="ACCOUNT NAME",
        entityreference=reference,
        guid="f0ec8b1a-d127-4744-8bf3-b48cdfb794bf",
        optionsets=(1, 2),
    )
    given: Mapping[str, Any] = {
        "devkit_InputBoolean": True,
        "devkit_InputDecimal": Decimal("1.2300"),
        "devkit_InputEntity": row,
        "devkit_InputEntityCollection": (replace(row, values={"name": "ACCOUNT NAME"}),),
        "devkit_InputEntityReference": reference,
        "devkit_InputFloat": 4.567,
        "devkit_InputInteger": 999,
        "devkit_InputMoney": Decimal("345.678"),
        "devkit_InputPicklist": 2,
        "devkit_InputString": "ABCD",
        "devkit_InputStringArray": ["ABC", "DEF"],
        "devkit_InputGuid": "d0fa494a-eea8-4cef-8756-04f0961ac526",
    }
    told = encode(event(message=api.name, table="none", id=NOBODY, inputs=given), schema)
    assert ordered(json.dumps(body(told)["InputParameters"])) == ordered(golden("custom-api.json"))


# -- values ------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("table", "column", "value", "told"),
    [
        ("account", "revenue", Decimal("12.5000"), {"__type": f"Money:{CONTRACTS}", "Value": 12.5}),
        ("account", "revenue", Decimal("1000000.0000"), {"__type": f"Money:{CONTRACTS}", "Value": 1000000}),
        ("account", "revenue", None, None),
        ("account", "statuscode", 1, {"__type": f"OptionSetValue:{CONTRACTS}", "Value": 1}),
        ("account", "numberofemployees", 7, 7),
        ("account", "donotemail", True, True),
        ("account", "exchangerate", Decimal("1.0000000000"), 1),
        ("account", "name", 'a "quoted" / \\ \n\u2028 é 😀', 'a "quoted" / \\ \n\u2028 é 😀'),
        ("account", "createdon", "2024-02-29T12:00:00Z", "/Date(1709208000000)/"),
        ("account", "createdon", "1900-01-01T00:00:00Z", "/Date(-2208988800000)/"),
        ("contact", "birthdate", "2000-01-02", "/Date(946771200000)/"),
        ("account", "entityimage", b"\x01\xff", [1, 255]),
        ("account", "nonsense", 5, 5),
    ],
)
def test_a_value_is_told_by_the_type_of_its_column(table: str, column: str, value: Any, told: Any) -> None:
    payload = encode(event(inputs={"Target": record(table, CONTACT, **{column: value})}), SCHEMA)
    (found,) = parameters(payload)["Target"]["Attributes"]
    assert found == {"key": column, "value": told}
    assert type(found["value"]) is type(told)


def test_a_row_that_is_known_by_an_alternate_key_has_the_key_instead_of_an_id() -> None:
    ref = Ref("account", (("accountnumber", "A/1"), ("statuscode", 2)))
    found = parameters(encode(event(inputs={"Target": ref}), SCHEMA))["Target"]
    choice = {"__type": f"OptionSetValue:{CONTRACTS}", "Value": 2}
    assert found["Id"] == NOBODY
    assert found["KeyAttributes"] == [
        {"key": "accountnumber", "value": "A/1"}, {"key": "statuscode", "value": choice}
    ]  # fmt: skip


def test_rows_that_are_created_with_their_parent_hang_on_it() -> None:
    child = record("contact", CONTACT, lastname="Below")
    related = Related(relationship="contact_customer_accounts", records=(child,))
    target = Record(table="account", values={"name": "Above"}, related=(related,))
    (found,) = parameters(encode(event(inputs={"Target": target}), SCHEMA))["Target"]["RelatedEntities"]
    assert found["key"] == {"PrimaryEntityRole": None, "SchemaName": "contact_customer_accounts"}
    assert found["value"]["Entities"][0]["LogicalName"] == "contact"


def test_a_link_is_told_with_its_relationship_and_its_ends() -> None:
    account, contact = Ref("account", CONTACT), Ref("contact", USER)
    given = {"Target": account, "Relationship": "contact_customer_accounts", "RelatedEntities": (contact,)}
    found = parameters(encode(event(message="Associate", inputs=given), SCHEMA))
    assert found["Relationship"] == {
        "__type": f"Relationship:{CONTRACTS}", "PrimaryEntityRole": None, "SchemaName": "contact_customer_accounts"
    }  # fmt: skip
    assert [each["Id"] for each in found["RelatedEntities"]] == [USER]


def test_states_that_an_action_asks_for_are_choices() -> None:
    found = parameters(encode(event(message="Win", inputs={"Status": 3}), SCHEMA))
    assert found["Status"] == {"__type": f"OptionSetValue:{CONTRACTS}", "Value": 3}


def test_what_there_is_no_contract_for_is_null() -> None:
    assert parameters(encode(event(inputs={"Query": object()}), SCHEMA)) == {"Query": None}


# -- headers and size --------------------------------------------------------------------------------------------
def test_headers_say_what_the_body_is_about() -> None:
    payload = encode(event(organization_name="Größe\r\nX: y", request_id="a2"), SCHEMA)
    headers = dict(payload.headers)
    assert headers == {
        "Content-Type": "application/json; charset=utf-8",
        "x-request-id": "a2",
        "x-ms-dynamics-organization": "gr%C3%B6%C3%9Fe%0D%0Ax: y",
        "x-ms-dynamics-entity-name": "contact",
        "x-ms-dynamics-request-name": "Update",
        "x-ms-correlation-request-id": "b374239d-4233-41a9-8b17-a86cb4f737b5",
    }


def large(length: int) -> Event:
    target = record("contact", CONTACT, description="x" * length)
    images = {"Image": record("contact", CONTACT, firstname="James")}
    return event(
        inputs={"Target": target}, pre_images=images, post_images=images, shared={"a": 1}, parent=event()
    )


def test_a_body_of_more_than_256_kilobytes_goes_without_its_large_members() -> None:
    fits = MAX_BYTES - len(encode(large(0), SCHEMA).body)
    whole, cut = encode(large(fits), SCHEMA), encode(large(fits + 1), SCHEMA)
    assert len(whole.body) == MAX_BYTES
    assert "x-ms-dynamics-msg-size-exceeded" not in dict(whole.headers)
    assert dict(cut.headers)["x-ms-dynamics-msg-size-exceeded"] == "true"
    left_out = {"ParentContext", "InputParameters", "PreEntityImages", "PostEntityImages"}
    assert body(cut).keys() == body(whole).keys() - left_out
    assert parameters(cut, "SharedVariables") == {"a": 1}
    assert body(cut)["PrimaryEntityId"] == CONTACT


def test_events_within_events_are_told_to_a_bounded_depth() -> None:
    within = event()
    for _ in range(100):
        within = replace(within, parent=within)
    context, depth = body(encode(within, SCHEMA)), 0
    while context["ParentContext"] is not None:
        context, depth = context["ParentContext"], depth + 1
    assert depth == 8
