"""New and changed columns, options, choices and relationships, and the solutions that they are made in.

https://learn.microsoft.com/power-apps/developer/data-platform/webapi/create-update-column-definitions-using-web-api
https://learn.microsoft.com/power-apps/developer/data-platform/webapi/create-update-optionsets
https://learn.microsoft.com/power-apps/developer/data-platform/webapi/create-update-entity-relationships-using-web-api
"""

from typing import Any

import pytest

from tests.parity.conftest import ROOT, Answer, Web

CRM = "Microsoft.Dynamics.CRM."
LAMP = "EntityDefinitions(LogicalName='new_lamp')"
LAMPS = f"{LAMP}/Attributes"


def label(text: str) -> dict[str, Any]:
    """A Label in the organisation's language."""
    return {"LocalizedLabels": [{"Label": text, "LanguageCode": 1033}]}


def column(kind: str, schema_name: str, **more: Any) -> dict[str, Any]:
    """A column of a metadata type, named without its common end."""
    return {
        "@odata.type": f"{CRM}{kind}AttributeMetadata",
        "SchemaName": schema_name,
        "DisplayName": label(schema_name),
        **more,
    }


def table(schema_name: str) -> dict[str, Any]:
    """A plain table."""
    return {
        "@odata.type": f"{CRM}EntityMetadata",
        "SchemaName": schema_name,
        "DisplayName": label(schema_name),
        "OwnershipType": "UserOwned",
        "Attributes": [column("String", "new_Name", IsPrimaryName=True)],
    }


def options(**values: int | None) -> list[dict[str, Any]]:
    """Options by label; None leaves the value to the organisation."""
    return [
        {"Label": label(text), **({} if value is None else {"Value": value})}
        for text, value in values.items()
    ]


def option_set(**values: int | None) -> dict[str, Any]:
    """An option set of a column of its own."""
    return {"@odata.type": f"{CRM}OptionSetMetadata", "IsGlobal": False, "Options": options(**values)}


def state_of(web: Web) -> str:
    """The stamp of all definitions: the same as long as nothing has changed."""
    stamp: str = web.get("RetrieveMetadataChanges()").json["ServerVersionStamp"]
    return stamp


@pytest.fixture(scope="module", autouse=True)
def _lamp(web: Web) -> None:
    assert web.call("POST", "EntityDefinitions", table("new_Lamp")).status == 204


def add(web: Web, definition: dict[str, Any]) -> str:
    """Create a column of lamps; its path."""
    answer = web.call("POST", LAMPS, definition)
    assert answer.status == 204, answer.text
    assert answer.headers["OData-EntityId"].startswith(f"{ROOT}{LAMPS}(")
    return f"{LAMPS}(LogicalName='{definition['SchemaName'].lower()}')"


def labels_of(answer: Answer) -> list[tuple[int, str]]:
    """Values and labels of an option set."""
    assert answer.status == 200, answer.text
    return [(each["Value"], each["Label"]["UserLocalizedLabel"]["Label"]) for each in answer.json["Options"]]


# -- columns ---------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("kind", "more", "value", "wrong"),
    [
        ("String", {"MaxLength": 10, "FormatName": {"Value": "Email"}}, "a@b.c", "x" * 11),
        ("String", {"MaxLength": 4000, "FormatName": {"Value": "TextArea"}}, "line\nline", "x" * 4001),
        ("Memo", {"MaxLength": 5000, "Format": "TextArea"}, "long " * 100, "x" * 5001),
        ("Integer", {"MinValue": -5, "MaxValue": 5, "Format": "None"}, -5, 6),
        ("Integer", {"Format": "Duration"}, 60, "60"),
        ("BigInt", {}, 2**53, "x"),
        ("Decimal", {"MinValue": 0.5, "MaxValue": 10.0, "Precision": 2}, 1.25, 0.25),
        ("Double", {"MinValue": 0, "MaxValue": 10, "Precision": 3}, 1.125, 11),
        ("Money", {"MinValue": 0.0, "MaxValue": 99.0, "Precision": 2, "PrecisionSource": 0}, 9.5, 100),
        ("Boolean", {"DefaultValue": False}, True, "true"),
        (
            "Boolean",
            {"OptionSet": {"TrueOption": options(On=1)[0], "FalseOption": options(Off=0)[0]}},
            False,
            2,
        ),
        (
            "DateTime",
            {"Format": "DateOnly", "DateTimeBehavior": {"Value": "DateOnly"}},
            "2026-02-28",
            "2026-02-30",
        ),
        ("DateTime", {"Format": "DateAndTime"}, "2026-02-28T10:00:00Z", "yesterday"),
        (
            "DateTime",
            {"Format": "DateAndTime", "DateTimeBehavior": {"Value": "TimeZoneIndependent"}},
            "2026-02-28T10:00:00Z",
            5,
        ),
        ("Picklist", {"OptionSet": option_set(Warm=1, Cold=2)}, 2, 3),
        (
            "Picklist",
            {"GlobalOptionSet@odata.bind": "/GlobalOptionSetDefinitions(Name='budgetstatus')"},
            1,
            77,
        ),
        (
            "MultiSelectPicklist",
            {"AttributeTypeName": {"Value": "MultiSelectPicklistType"}, "OptionSet": option_set(A=1, B=2)},
            "1,2",
            "1,9",
        ),
        ("UniqueIdentifier", {}, "7d2f4d5e-8c61-4f0e-9a93-0d3650000009", "no id"),
    ],
)
def test_a_new_column_takes_what_its_type_takes(
    web: Web, kind: str, more: dict[str, Any], value: Any, wrong: Any
) -> None:
    name = web.name("new_C").replace(" ", "")
    path = add(web, column(kind, name, **more))
    made = web.get(f"{path}/{CRM}{kind}AttributeMetadata").json
    assert (made["SchemaName"], made["LogicalName"], made["IsCustomAttribute"]) == (name, name.lower(), True)
    for key, each in more.items():
        if key not in ("OptionSet", "GlobalOptionSet@odata.bind"):
            assert made[key] == each, key
    id = web.make("new_lamps", new_name="x", **{name.lower(): value})
    assert web.get(f"new_lamps({id})?$select={name.lower()}").json[name.lower()] == value
    answer = web.call("POST", "new_lamps", {name.lower(): wrong})
    assert answer.status == 400, answer.text


@pytest.mark.parametrize(
    ("kind", "more"), [("File", {"MaxSizeInKB": 1000}), ("Image", {"CanStoreFullImage": True})]
)
def test_files_and_images_get_their_companions(web: Web, kind: str, more: dict[str, Any]) -> None:
    path = add(web, column(kind, f"new_The{kind}", **more))
    assert web.get(path).json["@odata.type"] == f"#{CRM}{kind}AttributeMetadata"
    name = f"new_the{kind.lower()}"
    rows = web.get(f"{LAMPS}?$select=LogicalName&$filter=AttributeOf eq '{name}'").rows
    suffixes = {"File": {"_name"}, "Image": {"_timestamp", "_url", "id"}}[kind]
    assert {row["LogicalName"].removeprefix(name) for row in rows} == suffixes


def test_money_brings_its_currency_columns(web: Web) -> None:
    assert web.call("POST", "EntityDefinitions", table("new_Bill")).status == 204
    path = "EntityDefinitions(LogicalName='new_bill')/Attributes"
    assert web.call("POST", path, column("Money", "new_Total")).status == 204
    names = {row["LogicalName"] for row in web.get(f"{path}?$select=LogicalName").rows}
    assert {"new_total", "new_total_base", "transactioncurrencyid", "exchangerate"} <= names
    id = web.make("new_bills", new_name="x", new_total=12.5)
    row = web.get(f"new_bills({id})?$expand=transactioncurrencyid($select=isocurrencycode)").json
    assert (row["new_total"], row["new_total_base"], row["exchangerate"]) == (12.5, 12.5, 1)
    assert row["transactioncurrencyid"]["isocurrencycode"] == "USD"
    assert web.call("DELETE", f"{path}(LogicalName='new_total')").status == 204
    assert web.get(f"new_bills({id})?$select=new_total_base").status == 400


def test_an_autonumber_column_counts(web: Web) -> None:
    add(web, column("String", "new_Number", MaxLength=20, AutoNumberFormat="L-{SEQNUM:5}"))
    first, second = (
        web.get(f"new_lamps({web.make('new_lamps', new_name='n')})?$select=new_number").json["new_number"]
        for _ in "ab"
    )
    assert first.startswith("L-")
    assert int(second[2:]) == int(first[2:]) + 1


def test_a_shipped_table_takes_new_columns(web: Web) -> None:
    path = "EntityDefinitions(LogicalName='account')/Attributes"
    assert web.call("POST", path, column("String", "new_Badge")).status == 204
    id = web.make("accounts", name="A", new_badge="gold")
    assert web.get("accounts?$filter=new_badge eq 'gold'&$select=accountid").rows[0]["accountid"] == id
    assert web.call("DELETE", f"{path}(LogicalName='new_badge')").status == 204
    assert web.get("accounts?$select=new_badge").status == 400


def test_rows_that_were_there_have_no_value_in_a_new_column(web: Web) -> None:
    id = web.make("new_lamps", new_name="old")
    add(web, column("Integer", "new_Later"))
    assert web.get(f"new_lamps({id})?$select=new_later").json["new_later"] is None
    assert web.call("PATCH", f"new_lamps({id})", {"new_later": 1}).status == 204


@pytest.mark.parametrize("cast", ["", f"/{CRM}StringAttributeMetadata"])
def test_a_column_is_changed_by_putting_the_whole_of_it(web: Web, cast: str) -> None:
    path = add(web, column("String", f"new_Put{len(cast)}", MaxLength=5))
    whole = web.get(path).json
    del whole["@odata.context"]
    whole |= {"MaxLength": 8, "DisplayName": label("Longer"), "Description": label("Now longer")}
    whole["RequiredLevel"]["Value"] = "Recommended"
    answer = web.call("PUT", f"{path}{cast}", whole, **{"MSCRM.MergeLabels": "true"})
    assert answer.status == 204, answer.text
    made = web.get(f"{path}/{CRM}StringAttributeMetadata").json
    assert (made["MaxLength"], made["RequiredLevel"]["Value"]) == (8, "Recommended")
    assert made["DisplayName"]["UserLocalizedLabel"]["Label"] == "Longer"
    web.make("new_lamps", **{f"new_put{len(cast)}": "x" * 8})


@pytest.mark.parametrize(
    "change",
    [
        {"MaxLength": 0},
        {"MaxLength": 4001},
        {"MaxLength": "10"},
        {"FormatName": {"Value": "Nothing"}},
        {"SchemaName": "new_Other"},
        {"LogicalName": "new_other"},
        {"RequiredLevel": {"Value": "SystemRequired"}},
        {"RequiredLevel": {"Value": "Nothing"}},
        {"AttributeType": "Memo"},
        {"@odata.type": f"{CRM}MemoAttributeMetadata"},
        {"DisplayName": {"LocalizedLabels": [{"Label": "x", "LanguageCode": 9999}]}},
        {"Nothing": 1},
    ],
)
def test_what_a_column_keeps_cannot_be_changed(web: Web, change: dict[str, Any]) -> None:
    path = f"{LAMPS}(LogicalName='new_kept')"
    if web.get(path).status == 404:
        add(web, column("String", "new_Kept", MaxLength=5))
    before = state_of(web)
    answer = web.call("PUT", path, {"@odata.type": f"{CRM}StringAttributeMetadata", **change})
    assert answer.status == 400, answer.text
    assert answer.json["error"]["code"].startswith("0x800")
    assert state_of(web) == before


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (column("String", "new_Name"), "0x80047013"),
        (column("String", "NEW_NAME"), "0x80047013"),
        (column("String", "createdon"), "0x80048062"),
        (column("String", "Prefixless"), "0x80048062"),
        (column("String", "mscrm_X"), "0x80048062"),
        (column("String", "new_two words"), "0x80040278"),
        (column("String", "new_" + "x" * 47), "0x80044331"),
        (column("String", "rowguid"), "0x80047001"),
        (column("String", ""), "0x80040203"),
        (column("String", "new_X", SchemaName=None), "0x80040203"),
        (column("String", "new_X", MaxLength=4001), "0x80040203"),
        (column("String", "new_X", MaxLength=0), "0x80040203"),
        (column("String", "new_X", FormatName={"Value": "Nothing"}), "0x80040203"),
        (column("String", "new_X", AutoNumberFormat="{NOTHING:1}"), "0x80040203"),
        (column("String", "new_X", RequiredLevel={"Value": "SystemRequired"}), "0x80040203"),
        (column("String", "new_X", Nothing=1), "0x80048d19"),
        (column("String", "new_X", Precision=1), "0x80048d19"),
        (column("Integer", "new_X", MinValue=5, MaxValue=1), "0x80040203"),
        (column("Integer", "new_X", MaxValue=2**31), "0x80040203"),
        (column("Decimal", "new_X", Precision=11), "0x80040203"),
        (column("Money", "new_X", PrecisionSource=3), "0x80040203"),
        (column("Boolean", "new_X", OptionSet={"TrueOption": options(On=1)[0]}), None),
        (column("DateTime", "new_X", Format="DateAndTime", DateTimeBehavior={"Value": "DateOnly"}), None),
        (column("DateTime", "new_X", DateTimeBehavior={"Value": "Nothing"}), "0x80040203"),
        (column("Picklist", "new_X", OptionSet={"Options": options(A=1) * 2}), "0x80044310"),
        (column("Picklist", "new_X", OptionSet=option_set(A=1), DefaultFormValue=2), "0x8004431a"),
        (
            column(
                "Picklist",
                "new_X",
                **{"GlobalOptionSet@odata.bind": "/GlobalOptionSetDefinitions(Name='none')"},
            ),
            None,
        ),
        (column("Picklist", "new_X", **{"GlobalOptionSet@odata.bind": "/accounts(1)"}), "0x80040203"),
        (column("Lookup", "new_X", Targets=["account"]), "0x80040203"),
        (column("State", "new_X"), "0x80040203"),
        (column("Status", "new_X"), "0x80040203"),
        (column("EntityName", "new_X"), "0x80040203"),
        (column("Nothing", "new_X"), "0x80040203"),
        ({"SchemaName": "new_X"}, "0x80040203"),
        ([column("String", "new_X")], "0x80048d19"),
        (b"{", "0x80048d19"),
    ],
)
def test_a_wrong_column_is_refused_and_nothing_changes(web: Web, body: Any, code: str | None) -> None:
    before = state_of(web)
    answer = web.call("POST", LAMPS, body)
    assert answer.status in (400, 404), answer.text
    found = answer.json["error"]["code"]
    assert found == code if code else found.startswith("0x800")
    assert state_of(web) == before
    assert web.get(f"{LAMPS}(LogicalName='new_x')").status == 404


def test_columns_in_use_and_columns_of_the_platform_stay(web: Web) -> None:
    path = add(web, column("String", "new_Serial", MaxLength=20))
    key = {"SchemaName": "new_SerialKey", "KeyAttributes": ["new_serial"]}
    assert web.call("POST", f"{LAMP}/Keys", key).status == 204
    before = state_of(web)
    assert web.call("DELETE", path).fault == (400, "0x8004f01f")
    assert web.call("DELETE", f"{LAMPS}(LogicalName='new_name')").fault == (400, "0x80047002")
    assert web.call("DELETE", f"{LAMPS}(LogicalName='createdon')").fault == (400, "0x80047009")
    assert web.call("DELETE", f"{LAMPS}(LogicalName='nothing')").fault == (404, "0x80040217")
    assert state_of(web) == before
    assert web.call("DELETE", f"{LAMP}/Keys(LogicalName='new_serialkey')").status == 204
    assert web.call("DELETE", path).status == 204
    assert web.get("new_lamps?$select=new_serial").status == 400


@pytest.mark.parametrize(
    "body",
    [
        {"SchemaName": "new_BadKey", "KeyAttributes": []},
        {"SchemaName": "new_BadKey", "KeyAttributes": ["nothing"]},
        {"SchemaName": "new_BadKey", "KeyAttributes": ["new_name", "new_name"]},
        {"SchemaName": "new_BadKey", "KeyAttributes": "new_name"},
        {"SchemaName": "new_BadKey", "KeyAttributes": ["ownerid"]},
        {"SchemaName": "new_BadKey", "KeyAttributes": ["statecodename"]},
        {"SchemaName": "BadKey", "KeyAttributes": ["new_name"]},
        {"SchemaName": "new_BadKey", "KeyAttributes": ["new_name"], "Nothing": 1},
        {"KeyAttributes": ["new_name"]},
    ],
)
def test_a_wrong_key_is_refused(web: Web, body: dict[str, Any]) -> None:
    before = state_of(web)
    assert web.call("POST", f"{LAMP}/Keys", body).status in (400, 404)
    assert state_of(web) == before


def test_no_column_takes_the_name_of_a_navigation_property(web: Web) -> None:
    assert web.call("POST", "RelationshipDefinitions", one_to_many("new_taken")).status == 204
    path = "EntityDefinitions(LogicalName='account')/Attributes"
    assert web.call("POST", path, column("String", "new_taken")).fault == (400, "0x80047013")


def test_a_query_option_on_a_change_is_refused(web: Web) -> None:
    answer = web.call("POST", f"{LAMPS}?$select=LogicalName", column("String", "new_Optional"))
    assert answer.status == 400
    assert "$select" in answer.json["error"]["message"]


# -- options ---------------------------------------------------------------------------------------------------------
def test_options_of_a_column_come_change_move_and_go(web: Web) -> None:
    path = add(web, column("Picklist", "new_Tone", OptionSet=option_set(Warm=None, Cold=None)))
    shown = f"{path}/{CRM}PicklistAttributeMetadata/OptionSet?$select=Options"
    assert labels_of(web.get(shown)) == [(100_000_000, "Warm"), (100_000_001, "Cold")]
    place = {"EntityLogicalName": "new_lamp", "AttributeLogicalName": "new_tone"}
    made = web.call("POST", "InsertOptionValue", {**place, "Label": label("Neutral")})
    assert made.json == {
        "@odata.context": f"{ROOT}$metadata#{CRM}InsertOptionValueResponse",
        "NewOptionValue": 100_000_002,
    }
    with_value = {**place, "Label": label("Bright"), "Value": 7, "Color": "#ffffff"}
    assert web.call("POST", "InsertOptionValue", with_value).json["NewOptionValue"] == 7
    assert web.call("POST", "InsertOptionValue", with_value).fault == (400, "0x80044310")
    lamp = web.make("new_lamps", new_tone=7)
    change = {**place, "Value": 7, "Label": label("Blinding"), "MergeLabels": True}
    assert web.call("POST", "UpdateOptionValue", change).status == 204
    row = web.get(f"new_lamps({lamp})?$select=new_tone", Prefer='odata.include-annotations="*"').json
    assert row["new_tone@OData.Community.Display.V1.FormattedValue"] == "Blinding"
    order = [7, 100_000_002, 100_000_001, 100_000_000]
    assert web.call("POST", "OrderOption", {**place, "Values": order}).status == 204
    assert [value for value, _ in labels_of(web.get(shown))] == order
    assert web.call("POST", "OrderOption", {**place, "Values": order[:2]}).status == 400
    assert web.call("POST", "DeleteOptionValue", {**place, "Value": 7}).status == 204
    assert web.call("POST", "DeleteOptionValue", {**place, "Value": 7}).fault == (400, "0x8004431a")
    assert web.call("POST", "new_lamps", {"new_tone": 7}).status == 400
    assert web.get(f"new_lamps({lamp})?$select=new_tone").json["new_tone"] == 7


def test_status_reasons_and_states_are_changed(web: Web) -> None:
    place = {"EntityLogicalName": "new_lamp", "AttributeLogicalName": "statuscode"}
    made = web.call("POST", "InsertStatusValue", {**place, "Label": label("Flickering"), "StateCode": 0})
    value = made.json["NewOptionValue"]
    lamp = web.make("new_lamps", new_name="x", statuscode=value)
    assert web.get(f"new_lamps({lamp})?$select=statuscode").json["statuscode"] == value
    assert web.call("PATCH", f"new_lamps({lamp})", {"statecode": 1, "statuscode": value}).status == 400
    states = {"EntityLogicalName": "new_lamp", "AttributeLogicalName": "statecode"}
    change = {**states, "Value": 1, "Label": label("Broken"), "MergeLabels": True}
    assert web.call("POST", "UpdateStateValue", change).status == 204
    shown = f"{LAMPS}(LogicalName='statecode')/{CRM}StateAttributeMetadata/OptionSet?$select=Options"
    assert labels_of(web.get(shown)) == [(0, "Active"), (1, "Broken")]
    for state, code in ((9, "0x80044322"), (None, "0x80044321")):
        body = {**place, "Label": label("x"), **({} if state is None else {"StateCode": state})}
        assert web.call("POST", "InsertStatusValue", body).fault == (400, code)
    assert web.call("POST", "DeleteOptionValue", {**place, "Value": 1}).fault == (400, "0x80044341")
    assert web.call("POST", "DeleteOptionValue", {**place, "Value": value}).status == 204


def test_labels_of_a_boolean_are_changed(web: Web) -> None:
    path = add(web, column("Boolean", "new_Lit"))
    place = {"EntityLogicalName": "new_lamp", "AttributeLogicalName": "new_lit"}
    change = {**place, "Value": 1, "Label": label("Shining"), "MergeLabels": True}
    assert web.call("POST", "UpdateOptionValue", change).status == 204
    found = web.get(f"{path}/{CRM}BooleanAttributeMetadata/OptionSet").json
    assert found["TrueOption"]["Label"]["UserLocalizedLabel"]["Label"] == "Shining"
    assert web.call("POST", "InsertOptionValue", {**place, "Label": label("x")}).fault == (400, "0x8004431d")
    assert web.call("POST", "DeleteOptionValue", {**place, "Value": 1}).status == 400


@pytest.mark.parametrize(
    ("action", "body"),
    [
        ("InsertOptionValue", {"Label": label("x")}),
        ("InsertOptionValue", {"OptionSetName": "nothing", "Label": label("x")}),
        ("InsertOptionValue", {"OptionSetName": 5, "Label": label("x")}),
        ("InsertOptionValue", {"EntityLogicalName": "new_lamp", "Label": label("x")}),
        (
            "InsertOptionValue",
            {"EntityLogicalName": "new_lamp", "AttributeLogicalName": "nothing", "Label": label("x")},
        ),
        (
            "InsertOptionValue",
            {"EntityLogicalName": "new_lamp", "AttributeLogicalName": "new_name", "Label": label("x")},
        ),
        (
            "InsertOptionValue",
            {"EntityLogicalName": "nothing", "AttributeLogicalName": "new_name", "Label": label("x")},
        ),
        ("InsertOptionValue", {"OptionSetName": "budgetstatus"}),
        ("InsertOptionValue", {"OptionSetName": "budgetstatus", "Label": "x"}),
        ("InsertOptionValue", {"OptionSetName": "budgetstatus", "Label": label("x"), "Value": 2**31}),
        ("InsertOptionValue", {"OptionSetName": "budgetstatus", "Label": label("x"), "Value": "1"}),
        ("InsertOptionValue", {"OptionSetName": "budgetstatus", "Label": label("x"), "Nothing": 1}),
        (
            "InsertOptionValue",
            {"OptionSetName": "budgetstatus", "Label": label("x"), "SolutionUniqueName": "nothing"},
        ),
        (
            "UpdateOptionValue",
            {"OptionSetName": "budgetstatus", "Value": 99, "Label": label("x"), "MergeLabels": True},
        ),
        ("UpdateOptionValue", {"OptionSetName": "budgetstatus", "Label": label("x"), "MergeLabels": True}),
        ("UpdateOptionValue", {"OptionSetName": "budgetstatus", "Value": 1, "MergeLabels": "true"}),
        ("UpdateStateValue", {"OptionSetName": "budgetstatus", "Value": 1, "MergeLabels": True}),
        ("DeleteOptionValue", {"OptionSetName": "budgetstatus"}),
        ("OrderOption", {"OptionSetName": "budgetstatus", "Values": 5}),
        ("OrderOption", {"OptionSetName": "budgetstatus", "Values": [1, 1, 1]}),
    ],
)
def test_a_wrong_change_of_options_is_refused_and_nothing_changes(
    web: Web, action: str, body: dict[str, Any]
) -> None:
    before = state_of(web)
    answer = web.call("POST", action, body)
    assert answer.status in (400, 404), answer.text
    assert answer.json["error"]["code"].startswith("0x800")
    assert state_of(web) == before


# -- global choices --------------------------------------------------------------------------------------------------
def test_a_global_choice_is_made_used_changed_and_deleted(web: Web) -> None:
    body = {
        "@odata.type": f"{CRM}OptionSetMetadata",
        "Name": "new_sizes",
        "DisplayName": label("Sizes"),
        "IsGlobal": True,
        "OptionSetType": "Picklist",
        "Options": options(Small=1, Large=2),
    }
    made = web.call("POST", "GlobalOptionSetDefinitions", body)
    assert made.status == 204
    id = made.id
    choice = f"GlobalOptionSetDefinitions({id})"
    assert labels_of(web.get(choice)) == [(1, "Small"), (2, "Large")]
    path = add(web, column("Picklist", "new_Size", **{"GlobalOptionSet@odata.bind": f"/{choice}"}))
    assert (
        web.call(
            "POST", "InsertOptionValue", {"OptionSetName": "new_sizes", "Label": label("Huge"), "Value": 3}
        ).status
        == 200
    )
    web.make("new_lamps", new_size=3)
    renamed = {
        "@odata.type": f"{CRM}OptionSetMetadata",
        "Name": "new_sizes",
        "DisplayName": label("Sizes of lamps"),
    }
    assert web.call("PUT", choice, renamed, **{"MSCRM.MergeLabels": "true"}).status == 204
    found = web.get("GlobalOptionSetDefinitions(Name='new_sizes')").json
    assert found["DisplayName"]["UserLocalizedLabel"]["Label"] == "Sizes of lamps"
    assert len(found["Options"]) == 3
    assert web.call("DELETE", choice).fault == (400, "0x80048417")
    assert web.call("DELETE", path).status == 204
    assert web.call("DELETE", choice).status == 204
    assert web.get(choice).status == 404


@pytest.mark.parametrize(
    "change",
    [
        {"Name": "budgetstatus"},
        {"Name": "prefixless"},
        {"Name": ""},
        {"Name": "new_two words"},
        {"Options": options(A=1, B=1) + options(C=1)},
        {"Options": [5]},
        {"Options": "A"},
        {"Options": [{"Value": "1", "Label": label("A")}]},
        {"Nothing": 1},
        {"@odata.type": f"{CRM}StringAttributeMetadata"},
    ],
)
def test_a_wrong_global_choice_is_refused(web: Web, change: dict[str, Any]) -> None:
    before = state_of(web)
    body = {"@odata.type": f"{CRM}OptionSetMetadata", "Name": "new_wrong", "Options": options(A=1), **change}
    answer = web.call("POST", "GlobalOptionSetDefinitions", body)
    assert answer.status in (400, 501), answer.text
    assert answer.json["error"]["code"].startswith("0x800")
    assert state_of(web) == before


# -- relationships ---------------------------------------------------------------------------------------------------
def one_to_many(name: str, **more: Any) -> dict[str, Any]:
    """A relationship of lamps to accounts."""
    return {
        "@odata.type": f"{CRM}OneToManyRelationshipMetadata",
        "SchemaName": name,
        "ReferencedEntity": "account",
        "ReferencingEntity": "new_lamp",
        "Lookup": column("Lookup", f"{name}_Id"),
        **more,
    }


def test_a_relationship_is_changed_by_putting_the_whole_of_it(web: Web) -> None:
    assert web.call("POST", "RelationshipDefinitions", one_to_many("new_owned")).status == 204
    path = "RelationshipDefinitions(SchemaName='new_owned')"
    whole = web.get(path).json
    del whole["@odata.context"]
    whole["CascadeConfiguration"]["Delete"] = "Cascade"
    assert web.call("PUT", path, whole).status == 204
    account = web.make("accounts", name="A")
    lamp = web.make("new_lamps", **{"new_owned_Id@odata.bind": f"/accounts({account})"})
    assert web.call("DELETE", f"accounts({account})").status == 204
    assert web.get(f"new_lamps({lamp})").status == 404
    whole["CascadeConfiguration"]["Delete"] = "Nothing"
    assert web.call("PUT", path, whole).status == 400


@pytest.mark.parametrize(
    "body",
    [
        one_to_many("account_primary_contact"),
        one_to_many("prefixless"),
        one_to_many(""),
        one_to_many("new_r", ReferencedEntity="nothing"),
        one_to_many("new_r", ReferencingEntity="nothing"),
        one_to_many("new_r", ReferencedEntity=None),
        one_to_many("new_r", ReferencedEntity="accountleads"),
        one_to_many("new_r", ReferencedAttribute="name"),
        one_to_many("new_r", IsHierarchical=True),
        one_to_many("new_r", Lookup=None),
        one_to_many("new_r", Lookup=column("String", "new_Text")),
        one_to_many("new_r", Lookup=column("Lookup", "new_Name")),
        one_to_many("new_r", CascadeConfiguration={"Delete": "Nothing"}),
        one_to_many("new_r", CascadeConfiguration={"Nothing": "Cascade"}),
        one_to_many("new_r", ReferencedEntityNavigationPropertyName="contact_customer_accounts"),
        one_to_many("new_r", ReferencedEntityNavigationPropertyName="name"),
        one_to_many("new_r", ReferencingEntityNavigationPropertyName="new_name"),
        one_to_many("new_r", ReferencingEntityNavigationPropertyName="no good"),
        one_to_many(
            "new_r",
            ReferencedEntity="new_lamp",
            ReferencedEntityNavigationPropertyName="new_same",
            ReferencingEntityNavigationPropertyName="new_same",
        ),
        one_to_many("new_r", ReferencingEntityNavigationPropertyName="createdby"),
        one_to_many("new_r", Nothing=1),
        {"SchemaName": "new_r"},
        {
            "@odata.type": f"{CRM}ManyToManyRelationshipMetadata",
            "SchemaName": "new_r",
            "Entity1LogicalName": "new_lamp",
            "Entity2LogicalName": "nothing",
        },
        {
            "@odata.type": f"{CRM}ManyToManyRelationshipMetadata",
            "SchemaName": "new_r",
            "Entity1LogicalName": "new_lamp",
            "Entity2LogicalName": "account",
            "IntersectEntityName": "account",
        },
        {
            "@odata.type": f"{CRM}ManyToManyRelationshipMetadata",
            "SchemaName": "new_r",
            "Entity1LogicalName": "new_lamp",
        },
    ],
)
def test_a_wrong_relationship_is_refused_and_nothing_changes(web: Web, body: dict[str, Any]) -> None:
    before = state_of(web)
    answer = web.call("POST", "RelationshipDefinitions", body)
    assert answer.status in (400, 404), answer.text
    assert answer.json["error"]["code"].startswith("0x800")
    assert state_of(web) == before


# -- solutions -------------------------------------------------------------------------------------------------------
def make_solution(web: Web) -> tuple[str, str]:
    """A solution of a publisher of its own: its id and unique name."""
    name = web.name("tailor").replace(" ", "")
    publisher = web.make(
        "publishers", uniquename=name, friendlyname=name, customizationprefix="tlr",
        customizationoptionvalueprefix=12_345,
    )  # fmt: skip
    bind = {"publisherid@odata.bind": f"/publishers({publisher})"}
    return web.make("solutions", uniquename=name, friendlyname=name, version="1.0.0.0", **bind), name


def components(web: Web, solution: str) -> list[tuple[int, str]]:
    """Kinds and ids of a solution's components."""
    rows = web.get(
        f"solutioncomponents?$filter=_solutionid_value eq {solution}&$select=componenttype,objectid"
    ).rows
    return sorted((row["componenttype"], row["objectid"]) for row in rows)


def test_new_definitions_join_the_solution_that_the_header_names(web: Web) -> None:
    solution, name = make_solution(web)
    header = {"MSCRM.SolutionUniqueName": name}
    cloth = web.call("POST", "EntityDefinitions", table("tlr_Cloth"), **header).id
    path = "EntityDefinitions(LogicalName='tlr_cloth')"
    weave = web.call("POST", f"{path}/Attributes", column("String", "tlr_Weave"), **header).id
    key_body = {"SchemaName": "tlr_Key", "KeyAttributes": ["tlr_weave"]}
    key = web.call("POST", f"{path}/Keys", key_body, **header).id
    lookup = column("Lookup", "tlr_AccountId")
    rel_body = one_to_many("tlr_account_cloth", ReferencingEntity="tlr_cloth", Lookup=lookup)
    rel = web.call("POST", "RelationshipDefinitions", rel_body, **header).id
    choice_body = {
        "@odata.type": f"{CRM}OptionSetMetadata",
        "Name": f"{name}_dyes".replace("tailor", "tlr"),
        "Options": [],
    }
    choice = web.call("POST", "GlobalOptionSetDefinitions", choice_body, **header).id
    expected = [(1, cloth), (2, weave), (9, choice), (10, rel), (14, key)]
    assert components(web, solution) == expected
    # A change of what is there already adds nothing.
    change = {"@odata.type": f"{CRM}EntityMetadata", "Description": label("Woven")}
    assert web.call("PUT", path, change, **header).status == 204
    assert components(web, solution) == expected
    assert web.call("DELETE", path).status == 204
    assert components(web, solution) == [(9, choice)]


def test_a_solution_in_the_query_string_is_taken_where_there_is_one(web: Web) -> None:
    """As the Python client names it, which Dataverse does not look at."""
    solution, name = make_solution(web)

    def create(schema_name: str, query: str) -> str:
        made = web.call("POST", f"CreateEntities?SolutionUniqueName={query}", {
            "Entities": [{
                "@odata.type": f"{CRM}ComplexEntityMetadata", "SchemaName": schema_name,
                "DisplayName": label(schema_name), "DisplayCollectionName": label(schema_name),
                "OwnershipType": "UserOwned", "HasActivities": False, "HasNotes": False,
                "Attributes": [{
                    "@odata.type": f"{CRM}ComplexStringAttributeMetadata", "SchemaName": "tlr_Name",
                    "DisplayName": label("Name"), "MaxLength": 100, "IsPrimaryName": True,
                }],
            }],
        })  # fmt: skip
        assert made.status in (200, 204), made.text
        path = f"EntityDefinitions(LogicalName='{schema_name.lower()}')"
        id: str = web.get(f"{path}?$select=MetadataId").json["MetadataId"]
        return id

    named, unnamed = create("tlr_Thread", name), create("tlr_Thimble", "MySolution")
    assert components(web, solution) == [(1, named)]
    listed = web.get(f"solutioncomponents?$filter=objectid eq {unnamed}").rows
    assert listed == []


def test_values_of_new_options_begin_as_the_publisher_says(web: Web) -> None:
    solution, name = make_solution(web)
    body = {"@odata.type": f"{CRM}OptionSetMetadata", "Name": "new_threads", "Options": []}
    choice = web.call("POST", "GlobalOptionSetDefinitions", body).id
    place = {"OptionSetName": "new_threads", "Label": label("x")}
    values = [
        web.call("POST", "InsertOptionValue", {**place, "SolutionUniqueName": name}).json["NewOptionValue"],
        web.call("POST", "InsertOptionValue", place, **{"MSCRM.SolutionUniqueName": name}).json[
            "NewOptionValue"
        ],
        web.call("POST", "InsertOptionValue", place).json["NewOptionValue"],
        web.call("POST", "InsertOptionValue", {**place, "Value": 2**31 - 1}).json["NewOptionValue"],
        web.call("POST", "InsertOptionValue", place).json["NewOptionValue"],
    ]
    assert values == [123_450_000, 123_450_001, 100_000_000, 2**31 - 1, 100_000_001]
    assert components(web, solution) == [(9, choice)]


def test_an_unknown_solution_is_refused_and_nothing_is_made(web: Web) -> None:
    before = state_of(web)
    for path, body in (
        ("EntityDefinitions", table("new_Solo")),
        (LAMPS, column("String", "new_Solo")),
        ("RelationshipDefinitions", one_to_many("new_solo")),
        (
            "GlobalOptionSetDefinitions",
            {"@odata.type": f"{CRM}OptionSetMetadata", "Name": "new_solo", "Options": []},
        ),
    ):
        answer = web.call("POST", path, body, **{"MSCRM.SolutionUniqueName": "nothing"})
        assert answer.status in (400, 404)
        assert "nothing" in answer.json["error"]["message"]
    assert state_of(web) == before
