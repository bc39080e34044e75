"""Reading definitions: tables, columns, relationships, choices, managed properties, and changes of them.

https://learn.microsoft.com/power-apps/developer/data-platform/webapi/query-metadata-web-api
https://learn.microsoft.com/power-apps/developer/data-platform/query-schema-definitions
"""

import json
from typing import Any
from urllib.parse import quote

import pytest

from tests.parity.conftest import ROOT, Answer, Web

CRM = "Microsoft.Dynamics.CRM."
ACCOUNT = "EntityDefinitions(LogicalName='account')"


def names(answer: Answer, name: str = "LogicalName") -> list[str]:
    """One property of every row."""
    return [row[name] for row in answer.rows]


# -- tables ----------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("where", "found"),
    [
        ("LogicalName eq 'account'", ["account"]),
        ("LogicalName eq 'nothing'", []),
        ("ObjectTypeCode eq 1", ["account"]),
        ("ObjectTypeCode in (1,2)", ["account", "contact"]),
        ("ObjectTypeCode le 2 and ObjectTypeCode ge 1", ["account", "contact"]),
        ("LogicalName in ('contact','account')", ["account", "contact"]),
        ("startswith(LogicalName,'lead') and IsIntersect eq false", ["lead"]),
        ("LogicalName eq 'account' or EntitySetName eq 'contacts'", ["account", "contact"]),
        ("IsCustomEntity eq true", []),
        ("IsCustomEntity", []),
        ("not (IsCustomEntity eq false)", []),
        (
            f"LogicalName eq 'systemuser' and OwnershipType eq {CRM}OwnershipTypes'BusinessOwned'",
            ["systemuser"],
        ),
        ("LogicalName eq 'systemuser' and OwnershipType ne 'UserOwned'", ["systemuser"]),
        ("LogicalName eq 'account' and IsCustomizable/Value eq true", ["account"]),
        ("LogicalName eq 'account' and PrimaryNameAttribute ne null", ["account"]),
    ],
)
def test_tables_are_filtered_by_their_properties(web: Web, where: str, found: list[str]) -> None:
    assert names(web.get(f"EntityDefinitions?$select=LogicalName&$filter={where}")) == found


def test_select_gives_the_named_properties_and_the_id(web: Web) -> None:
    answer = web.get(f"{ACCOUNT}?$select=LogicalName,DisplayName,EntitySetName,ObjectTypeCode,OwnershipType")
    body = answer.json
    assert body["@odata.context"] == (
        f"{ROOT}$metadata#EntityDefinitions(LogicalName,DisplayName,EntitySetName,ObjectTypeCode,OwnershipType)/$entity"
    )
    assert set(body) == {
        "@odata.context", "LogicalName", "DisplayName", "EntitySetName", "ObjectTypeCode", "OwnershipType",
        "MetadataId",
    }  # fmt: skip
    assert (body["LogicalName"], body["EntitySetName"], body["ObjectTypeCode"]) == ("account", "accounts", 1)
    assert body["OwnershipType"] == "UserOwned"
    label = body["DisplayName"]["UserLocalizedLabel"]
    assert (label["Label"], label["LanguageCode"]) == ("Account", 1033)
    assert body["DisplayName"]["LocalizedLabels"] == [label]


def test_a_table_is_found_by_its_id_as_by_its_name(web: Web) -> None:
    whole = web.get(ACCOUNT).json
    assert whole["PrimaryIdAttribute"] == "accountid"
    for path in (
        f"EntityDefinitions({whole['MetadataId']})",
        f"EntityDefinitions(MetadataId={whole['MetadataId']})",
    ):
        assert web.get(f"{path}?$select=LogicalName").json["LogicalName"] == "account"
    where = f"EntityDefinitions?$select=LogicalName&$filter=MetadataId eq {whole['MetadataId']}"
    assert names(web.get(where)) == ["account"]


def test_every_definition_has_all_declared_properties(web: Web) -> None:
    tables = web.get("EntityDefinitions").rows
    assert len(tables) > 50
    assert len({frozenset(table) for table in tables}) == 1
    assert {"IsPrivate", "IsActivity", "CollectionSchemaName", "Privileges", "HasNotes"} <= set(tables[0])


def test_what_is_nested_is_selected_and_filtered(web: Web) -> None:
    picklists = f"AttributeType eq {CRM}AttributeTypeCode'Picklist'"
    body = web.get(
        f"{ACCOUNT}?$select=LogicalName&$expand=Attributes($select=LogicalName,AttributeType;$filter={picklists}),"
        "Keys($select=SchemaName),OneToManyRelationships($select=SchemaName,ReferencingEntity;"
        "$filter=SchemaName eq 'contact_customer_accounts'),"
        "ManyToOneRelationships($select=SchemaName;$filter=ReferencingAttribute eq 'primarycontactid'),"
        "ManyToManyRelationships($select=SchemaName)"
    ).json
    assert {"industrycode", "customertypecode"} <= {each["LogicalName"] for each in body["Attributes"]}
    assert {each["AttributeType"] for each in body["Attributes"]} == {"Picklist"}
    assert {each["@odata.type"] for each in body["Attributes"]} == {f"#{CRM}PicklistAttributeMetadata"}
    assert body["Keys"] == []
    assert [each["ReferencingEntity"] for each in body["OneToManyRelationships"]] == ["contact"]
    assert [each["SchemaName"] for each in body["ManyToOneRelationships"]] == ["account_primary_contact"]
    assert "accountleads_association" in {each["SchemaName"] for each in body["ManyToManyRelationships"]}


def test_all_tables_expand_their_attributes_at_once(web: Web) -> None:
    rows = web.get("EntityDefinitions?$select=LogicalName&$expand=Attributes($select=LogicalName)").rows
    columns = {row["LogicalName"]: {each["LogicalName"] for each in row["Attributes"]} for row in rows}
    assert {"name", "accountid", "statecode"} <= columns["account"]
    assert all(columns.values())


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (f"{ACCOUNT}/EntitySetName", {"value": "accounts"}),
        (f"{ACCOUNT}/ObjectTypeCode", {"value": 1}),
        (f"{ACCOUNT}/Attributes(LogicalName='name')/SchemaName", {"value": "Name"}),
        (f"{ACCOUNT}/Attributes(LogicalName='name')/{CRM}StringAttributeMetadata/MaxLength", {"value": 160}),
    ],
)
def test_a_property_has_an_address(web: Web, path: str, value: dict[str, Any]) -> None:
    body = web.get(path).json
    assert body.pop("@odata.context").startswith(f"{ROOT}$metadata#EntityDefinitions('account')")
    assert body == value


def test_a_property_is_read_as_text_and_from_inside(web: Web) -> None:
    answer = web.get(f"{ACCOUNT}/EntitySetName/$value")
    assert answer.text == "accounts"
    assert answer.headers["content-type"].startswith("text/plain")
    assert web.get(f"{ACCOUNT}/IsCustomEntity/$value").text == "false"
    assert web.get(f"{ACCOUNT}/DisplayName").json["UserLocalizedLabel"]["Label"] == "Account"
    assert web.get(f"{ACCOUNT}/DisplayName/UserLocalizedLabel").json["Label"] == "Account"
    assert web.get(f"{ACCOUNT}/DisplayName/UserLocalizedLabel/Label").json["value"] == "Account"
    assert web.get(f"{ACCOUNT}/DisplayName/$value").status == 400
    assert web.get(f"{ACCOUNT}/DisplayName/Nothing").status == 404
    assert web.get(f"{ACCOUNT}/ExternalName").status == 204


def test_sets_are_counted(web: Web) -> None:
    everything = web.get("EntityDefinitions?$select=LogicalName&$count=true").json
    assert everything["@odata.count"] == len(everything["value"])
    assert web.get("EntityDefinitions/$count").text == str(len(everything["value"]))
    assert web.get("EntityDefinitions/$count?$filter=ObjectTypeCode lt 3").text == "2"
    assert int(web.get(f"{ACCOUNT}/Attributes/$count").text) == len(web.get(f"{ACCOUNT}/Attributes").rows)


def test_labels_come_in_the_wanted_languages_only(web: Web) -> None:
    path = f"{ACCOUNT}?$select=DisplayName&LabelLanguages="
    assert web.get(f"{path}1033").json["DisplayName"]["UserLocalizedLabel"]["Label"] == "Account"
    assert web.get(f"{path}1036,1033").json["DisplayName"]["LocalizedLabels"] != []
    assert web.get(f"{path}1036").json["DisplayName"] == {"LocalizedLabels": [], "UserLocalizedLabel": None}
    assert web.get(f"{path}english").status == 400


def test_strong_consistency_may_be_asked_for(web: Web) -> None:
    answer = web.call("GET", f"{ACCOUNT}?$select=LogicalName", None, Consistency="Strong")
    assert answer.json["LogicalName"] == "account"
    answer = web.call("GET", f"{ACCOUNT}?$select=LogicalName", None, **{"MSCRM.ConsistencyStrong": "true"})
    assert answer.json["LogicalName"] == "account"


def test_private_tables_are_not_known(web: Web) -> None:
    rows = web.get("EntityDefinitions?$select=LogicalName,IsPrivate").rows
    # What endpoints were told, data management, segments and forms are for administrators to see; all else is not.
    ours = [row["LogicalName"] for row in rows if row["LogicalName"].startswith("orgstead_")]
    shown = [name for name in ours if not name.startswith("orgstead_data")]
    assert shown == [
        "orgstead_delivery",
        "orgstead_formfield",
        "orgstead_segmentmember",
        "orgstead_stagingrow",
    ]
    assert not any(row["IsPrivate"] for row in rows)
    path = "EntityDefinitions(LogicalName='orgstead_credential')"
    assert web.get(path).fault == (404, "0x80040217")
    column = {"@odata.type": f"{CRM}StringAttributeMetadata", "SchemaName": "new_Peek"}
    assert web.call("POST", f"{path}/Attributes", column).fault == (404, "0x80040217")
    assert web.call("DELETE", path).fault == (404, "0x80040217")
    lookup = {
        "@odata.type": f"{CRM}OneToManyRelationshipMetadata",
        "SchemaName": "new_peek",
        "ReferencedEntity": "orgstead_credential",
        "ReferencingEntity": "account",
        "Lookup": {"@odata.type": f"{CRM}LookupAttributeMetadata", "SchemaName": "new_PeekId"},
    }
    assert web.call("POST", "RelationshipDefinitions", lookup).fault == (404, "0x80040217")


# -- columns ---------------------------------------------------------------------------------------------------------
def test_picklists_expand_their_options(web: Web) -> None:
    path = f"{ACCOUNT}/Attributes/{CRM}PicklistAttributeMetadata"
    answer = web.get(
        f"{path}?$select=LogicalName&$expand=OptionSet($select=Options),GlobalOptionSet($select=Name)"
    )
    rows = {row["LogicalName"]: row for row in answer.rows}
    assert answer.json["@odata.context"].startswith(
        f"{ROOT}$metadata#EntityDefinitions('account')/Attributes/{CRM}PicklistAttributeMetadata(LogicalName"
    )
    options = {
        each["Value"]: each["Label"]["UserLocalizedLabel"]["Label"]
        for each in rows["industrycode"]["OptionSet"]["Options"]
    }
    assert options[1] == "Accounting"
    assert rows["industrycode"]["GlobalOptionSet"] is None
    assert all("@odata.type" not in row for row in rows.values())


@pytest.mark.parametrize(
    ("column", "cast", "values"),
    [
        ("name", "StringAttributeMetadata", {"MaxLength": 160, "FormatName": {"Value": "Text"}}),
        ("description", "MemoAttributeMetadata", {"AttributeTypeName": {"Value": "MemoType"}}),
        ("revenue", "MoneyAttributeMetadata", {"AttributeType": "Money"}),
        ("numberofemployees", "IntegerAttributeMetadata", {"MinValue": 0}),
        ("createdon", "DateTimeAttributeMetadata", {"DateTimeBehavior": {"Value": "UserLocal"}}),
        ("primarycontactid", "LookupAttributeMetadata", {"Targets": ["contact"]}),
        ("ownerid", "LookupAttributeMetadata", {"AttributeType": "Owner", "Targets": ["systemuser", "team"]}),
        ("accountid", "UniqueIdentifierAttributeMetadata", {"IsPrimaryId": True}),
        ("versionnumber", "BigIntAttributeMetadata", {"AttributeType": "BigInt"}),
        ("statecode", "StateAttributeMetadata", {"AttributeType": "State"}),
    ],
)
def test_a_column_is_cast_to_the_type_that_it_is(
    web: Web, column: str, cast: str, values: dict[str, Any]
) -> None:
    path = f"{ACCOUNT}/Attributes(LogicalName='{column}')"
    assert web.get(path).json["@odata.type"] == f"#{CRM}{cast}"
    found = web.get(f"{path}/{CRM}{cast}?$select=LogicalName,{','.join(values)}").json
    assert found["LogicalName"] == column
    assert {name: found[name] for name in values} == values
    other = "MemoAttributeMetadata" if cast != "MemoAttributeMetadata" else "StringAttributeMetadata"
    assert web.get(f"{path}/{CRM}{other}").status == 404


def test_states_status_reasons_and_booleans_have_option_sets_of_their_own(web: Web) -> None:
    states = web.get(
        f"{ACCOUNT}/Attributes(LogicalName='statecode')/{CRM}StateAttributeMetadata?$expand=OptionSet"
    ).json
    assert [(each["Value"], each["DefaultStatus"]) for each in states["OptionSet"]["Options"]] == [
        (0, 1),
        (1, 2),
    ]
    assert states["OptionSet"]["OptionSetType"] == "State"
    reasons = web.get(
        f"{ACCOUNT}/Attributes(LogicalName='statuscode')/{CRM}StatusAttributeMetadata/OptionSet"
    ).json
    assert [(each["Value"], each["State"]) for each in reasons["Options"]] == [(1, 0), (2, 1)]
    assert reasons["Options"][0]["@odata.type"] == f"#{CRM}StatusOptionMetadata"
    path = f"{ACCOUNT}/Attributes/{CRM}BooleanAttributeMetadata"
    booleans = web.get(f"{path}?$select=LogicalName&$expand=OptionSet($select=TrueOption,FalseOption)").rows
    found = {each["LogicalName"]: each["OptionSet"] for each in booleans}["creditonhold"]
    assert (found["TrueOption"]["Value"], found["FalseOption"]["Value"]) == (1, 0)


def test_one_column_is_found_by_name_and_by_id(web: Web) -> None:
    found = web.get(f"{ACCOUNT}/Attributes(LogicalName='name')?$select=LogicalName,SchemaName").json
    assert (found["LogicalName"], found["SchemaName"]) == ("name", "Name")
    same = web.get(f"{ACCOUNT}/Attributes({found['MetadataId']})?$select=LogicalName").json
    assert same["LogicalName"] == "name"


# -- relationships, choices, managed properties ----------------------------------------------------------------------
def test_relationships_are_found_by_schema_name_id_and_filter(web: Web) -> None:
    one = web.get("RelationshipDefinitions(SchemaName='account_primary_contact')").json
    assert one["@odata.type"] == f"#{CRM}OneToManyRelationshipMetadata"
    assert (one["ReferencedEntity"], one["ReferencingEntity"]) == ("contact", "account")
    same = web.get(f"RelationshipDefinitions({one['MetadataId']})/{CRM}OneToManyRelationshipMetadata").json
    assert same["ReferencingAttribute"] == "primarycontactid"
    assert same["ReferencingEntityNavigationPropertyName"] == "primarycontactid"
    where = f"RelationshipType eq {CRM}RelationshipType'ManyToManyRelationship'"
    crossing = web.get(f"RelationshipDefinitions?$select=SchemaName&$filter={where}")
    cast = web.get(
        f"RelationshipDefinitions/{CRM}ManyToManyRelationshipMetadata?$select=SchemaName,IntersectEntityName"
    )
    assert names(crossing, "SchemaName") == names(cast, "SchemaName")
    assert "accountleads" in names(cast, "IntersectEntityName")
    found = web.get(
        f"RelationshipDefinitions/{CRM}OneToManyRelationshipMetadata?$select=SchemaName"
        "&$filter=ReferencedEntity eq 'contact' and ReferencingEntity eq 'account'"
    )
    assert "account_primary_contact" in names(found, "SchemaName")
    below = web.get(f"{ACCOUNT}/ManyToOneRelationships(SchemaName='account_primary_contact')").json
    assert below["MetadataId"] == one["MetadataId"]
    wrong = (
        f"RelationshipDefinitions(SchemaName='account_primary_contact')/{CRM}ManyToManyRelationshipMetadata"
    )
    assert web.get(wrong).status == 404


def test_properties_of_one_kind_need_the_cast(web: Web) -> None:
    assert web.get("RelationshipDefinitions?$filter=ReferencedEntity eq 'account'").fault == (
        400,
        "0x80060888",
    )
    assert web.get(f"{ACCOUNT}/Attributes?$select=MaxLength").fault == (400, "0x80060888")


def test_a_global_choice_is_found_by_name_and_by_id(web: Web) -> None:
    choice = web.get("GlobalOptionSetDefinitions(Name='budgetstatus')").json
    assert choice["@odata.type"] == f"#{CRM}OptionSetMetadata"
    assert choice["IsGlobal"] is True
    values = [each["Value"] for each in choice["Options"]]
    same = web.get(
        f"GlobalOptionSetDefinitions({choice['MetadataId']})/{CRM}OptionSetMetadata?$select=Options"
    ).json
    assert [each["Value"] for each in same["Options"]] == values
    assert len(web.get("GlobalOptionSetDefinitions(Name='budgetstatus')/Options").rows) == len(values)
    assert "budgetstatus" in names(web.get("GlobalOptionSetDefinitions?$select=Name"), "Name")
    column = web.get(
        f"EntityDefinitions(LogicalName='lead')/Attributes(LogicalName='budgetstatus')/{CRM}PicklistAttributeMetadata"
        "?$select=LogicalName&$expand=OptionSet($select=Name),GlobalOptionSet($select=Name)"
    ).json
    assert column["OptionSet"]["Name"] == column["GlobalOptionSet"]["Name"] == "budgetstatus"


def test_managed_properties_are_listed(web: Web) -> None:
    found = names(web.get("ManagedPropertyDefinitions?$select=LogicalName"))
    assert "iscustomizable" in found
    assert found == sorted(found)
    one = web.get("ManagedPropertyDefinitions(LogicalName='iscustomizable')").json
    assert web.get(f"ManagedPropertyDefinitions({one['MetadataId']})").json["LogicalName"] == "iscustomizable"
    for method in ("POST", "PUT", "DELETE"):
        assert web.call(method, "ManagedPropertyDefinitions", {}).status == 405


# -- what is refused -------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("EntityDefinitions?$top=1", 400),
        ("EntityDefinitions?$skip=1", 400),
        ("EntityDefinitions?$orderby=LogicalName", 400),
        ("EntityDefinitions?$search=account", 400),
        ("EntityDefinitions?$apply=aggregate($count as n)", 400),
        ("EntityDefinitions?foo=1", 400),
        ("EntityDefinitions?$select=Nothing", 400),
        ("EntityDefinitions?$filter=Nothing eq 1", 400),
        ("EntityDefinitions?$filter=LogicalName eq 1", 400),
        ("EntityDefinitions?$filter=ObjectTypeCode gt 'a'", 400),
        ("EntityDefinitions?$filter=IsCustomEntity eq 'true'", 400),
        (f"EntityDefinitions?$filter=OwnershipType eq {CRM}OwnershipTypes'Nobody'", 400),
        (f"EntityDefinitions?$filter=LogicalName eq {CRM}OwnershipTypes'UserOwned'", 400),
        (f"EntityDefinitions?$filter=OwnershipType eq {CRM}AttributeTypeCode'String'", 400),
        ("EntityDefinitions?$filter=Attributes/any(a:a/LogicalName eq 'name')", 400),
        ("EntityDefinitions?$filter=DisplayName/UserLocalizedLabel/Label eq 'Account'", 400),
        ("EntityDefinitions?$filter=LogicalName eq", 400),
        ("EntityDefinitions?$expand=Nothing", 400),
        ("EntityDefinitions?$expand=Attributes($top=1)", 400),
        ("EntityDefinitions?$expand=Attributes($select=Nothing)", 400),
        (f"{ACCOUNT}?$filter=LogicalName eq 'account'", 400),
        ("GlobalOptionSetDefinitions?$filter=Name eq 'budgetstatus'", 400),
        ("EntityDefinitions('account')", 400),
        ("EntityDefinitions(LogicalName='nothing')", 404),
        ("EntityDefinitions(SchemaName='Account')", 404),
        ("EntityDefinitions(00000000-0000-0000-0000-000000000000)", 404),
        (f"{ACCOUNT}/Nothing", 404),
        (f"{ACCOUNT}/Attributes(LogicalName='nothing')", 404),
        (f"{ACCOUNT}/Attributes/{CRM}Nothing", 404),
        (f"{ACCOUNT}/Attributes/LogicalName", 404),
        ("RelationshipDefinitions(SchemaName='nothing')", 404),
        ("RelationshipDefinitions(LogicalName='nothing')", 404),
        ("GlobalOptionSetDefinitions(Name='nothing')", 404),
        ("ManagedPropertyDefinitions(LogicalName='nothing')", 404),
    ],
)
def test_what_cannot_be_read_is_refused(web: Web, path: str, status: int) -> None:
    answer = web.get(path)
    assert answer.status == status, answer.text
    assert answer.json["error"]["code"].startswith("0x800")
    assert answer.json["error"]["message"]


@pytest.mark.parametrize("option", ["$top", "$orderby", "$search", "$apply"])
def test_a_refused_option_is_named(web: Web, option: str) -> None:
    message = web.get(f"EntityDefinitions?{option}=1").json["error"]["message"]
    assert option in message or option == "$apply"


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("HEAD", "EntityDefinitions"),
        ("PATCH", ACCOUNT),
        ("POST", ACCOUNT),
        ("PUT", "EntityDefinitions"),
        ("DELETE", "EntityDefinitions"),
        ("DELETE", "RelationshipDefinitions"),
        ("PATCH", "GlobalOptionSetDefinitions(Name='budgetstatus')"),
        ("POST", "RetrieveMetadataChanges"),
        ("GET", "InsertOptionValue"),
    ],
)
def test_methods_that_mean_nothing_are_refused(web: Web, method: str, path: str) -> None:
    assert web.call(method, path, None if method in ("HEAD", "GET") else {}).status == 405


def test_definitions_need_a_token(web: Web) -> None:
    for path in ("EntityDefinitions", "$metadata", "RetrieveMetadataChanges()"):
        assert web.call("GET", path, None, authorization="").status == 401


# -- RetrieveMetadataChanges -----------------------------------------------------------------------------------------
def changes(web: Web, query: Any = None, **parameters: str) -> Answer:
    """Call the function with parameter aliases."""
    given = {} if query is None else {"Query": json.dumps(query)}
    given |= parameters
    inner = ",".join(f"{name}=@p{index}" for index, name in enumerate(given))
    tail = "&".join(f"@p{index}={quote(value)}" for index, value in enumerate(given.values()))
    return web.get(f"RetrieveMetadataChanges({inner})?{tail}" if tail else "RetrieveMetadataChanges()")


def condition(name: str, operator: str, value: Any, kind: str = "System.String") -> dict[str, Any]:
    """A MetadataConditionExpression."""
    return {"PropertyName": name, "ConditionOperator": operator, "Value": {"Type": kind, "Value": value}}


def criteria(*conditions: dict[str, Any], operator: str = "And") -> dict[str, Any]:
    """A MetadataFilterExpression."""
    return {"FilterOperator": operator, "Conditions": list(conditions)}


NAMED = {"AllProperties": False, "PropertyNames": ["LogicalName", "EntitySetName"]}
LABEL = {"LocalizedLabels": [{"Label": "Kept", "LanguageCode": 1033}]}
LABELS = {"DisplayName": LABEL}


@pytest.mark.parametrize(
    ("where", "found"),
    [
        (criteria(condition("LogicalName", "Equals", "account")), ["account"]),
        (
            criteria(condition("LogicalName", "In", ["account", "contact"], "System.String[]")),
            ["account", "contact"],
        ),
        (criteria(condition("ObjectTypeCode", "LessThan", "3", "System.Int32")), ["account", "contact"]),
        (criteria(condition("ObjectTypeCode", "Equals", 2, "System.Int32")), ["contact"]),
        (
            criteria(
                condition("LogicalName", "Equals", "account"),
                condition("LogicalName", "Equals", "lead"),
                operator="Or",
            ),
            ["account", "lead"],
        ),
        (
            {
                **criteria(condition("LogicalName", "Equals", "account")),
                "Filters": [criteria(condition("IsCustomEntity", "Equals", "true", "System.Boolean"))],
            },
            [],
        ),
        (criteria(condition("IsCustomEntity", "Equals", True, "System.Boolean")), []),
    ],
)
def test_a_query_object_filters_tables(web: Web, where: Any, found: list[str]) -> None:
    body = changes(web, {"Criteria": where, "Properties": NAMED}).json
    assert body["@odata.context"] == f"{ROOT}$metadata#{CRM}RetrieveMetadataChangesResponse"
    assert [each["LogicalName"] for each in body["EntityMetadata"]] == found
    for each in body["EntityMetadata"]:
        assert set(each) == {"LogicalName", "EntitySetName", "SchemaName", "MetadataId", "HasChanged"}


def test_a_query_object_reaches_columns_relationships_and_keys(web: Web) -> None:
    body = changes(
        web,
        {
            "Criteria": criteria(condition("LogicalName", "Equals", "account")),
            "Properties": {
                "AllProperties": False,
                "PropertyNames": ["Attributes", "ManyToOneRelationships", "OneToManyRelationships", "Keys"],
            },
            "AttributeQuery": {
                "Criteria": criteria(condition("AttributeType", "Equals", "Picklist")),
                "Properties": {"PropertyNames": ["OptionSet"]},
            },
            "RelationshipQuery": {
                "Criteria": criteria(condition("ReferencingAttribute", "Equals", "primarycontactid")),
                "Properties": {"AllProperties": True},
            },
            "LabelQuery": {"FilterLanguages": [1033], "MissingLabelBehavior": 0},
        },
    ).json
    (account,) = body["EntityMetadata"]
    columns = {each["LogicalName"]: each for each in account["Attributes"]}
    assert {each["@odata.type"] for each in columns.values()} == {f"#{CRM}ComplexPicklistAttributeMetadata"}
    option = columns["industrycode"]["OptionSet"]["Options"][0]
    assert option["Label"]["UserLocalizedLabel"]["LanguageCode"] == 1033
    (rel,) = account["ManyToOneRelationships"]
    assert rel["ReferencedEntity"] == "contact"
    assert account["OneToManyRelationships"] == account["Keys"] == []


def test_labels_of_other_languages_are_empty(web: Web) -> None:
    where = {"Criteria": criteria(condition("LogicalName", "Equals", "account"))}
    query = {
        **where,
        "Properties": {"PropertyNames": ["DisplayName"]},
        "LabelQuery": {"FilterLanguages": [1036]},
    }
    (account,) = changes(web, query).json["EntityMetadata"]
    assert account["DisplayName"] == {"LocalizedLabels": [], "UserLocalizedLabel": None}


def test_without_a_query_every_table_is_named(web: Web) -> None:
    found = changes(web).json["EntityMetadata"]
    assert [each["LogicalName"] for each in found] == names(web.get("EntityDefinitions?$select=LogicalName"))


def test_a_stamp_tells_whether_anything_has_changed(web: Web) -> None:
    query = {"Criteria": criteria(condition("LogicalName", "Equals", "account")), "Properties": NAMED}
    stamp = changes(web, query).json["ServerVersionStamp"]
    filters = f"{CRM}DeletedMetadataFilters'All'"
    same = changes(web, query, ClientVersionStamp=f"'{stamp}'", DeletedMetadataFilters=filters).json
    assert (same["ServerVersionStamp"], same["EntityMetadata"]) == (stamp, [])
    assert same["DeletedMetadata"]["Count"] == 0
    choice = {"@odata.type": f"{CRM}OptionSetMetadata", "Name": "new_stamped", "Options": []}
    assert web.call("POST", "GlobalOptionSetDefinitions", choice).status == 204
    assert changes(web, query).json["ServerVersionStamp"] != stamp
    for strange in ("no stamp", "0", "999999999", "-1"):
        assert changes(web, query, ClientVersionStamp=f"'{strange}'").fault == (400, "0x80044352")


def test_a_client_that_keeps_definitions_is_told_what_has_changed_and_gone(web: Web) -> None:
    query = {
        "Criteria": criteria(
            condition("LogicalName", "In", ["account", "new_kept", "contact"], "System.String[]")
        ),
        "Properties": NAMED,
        "AttributeQuery": {"Properties": {"PropertyNames": ["LogicalName"]}},
    }
    query["Properties"] = {"PropertyNames": ["LogicalName", "Attributes"]}

    def since(stamp: str, filters: str | None = "All") -> tuple[dict[str, Any], dict[str, list[str]], str]:
        more = (
            {} if filters is None else {"DeletedMetadataFilters": f"{CRM}DeletedMetadataFilters'{filters}'"}
        )
        answer = changes(web, query, ClientVersionStamp=f"'{stamp}'", **more).json
        tables = {
            row["LogicalName"]: (row["HasChanged"], {each["LogicalName"] for each in row["Attributes"]})
            for row in answer["EntityMetadata"]
        }
        gone = answer["DeletedMetadata"]
        assert gone["Count"] == len(gone["Keys"]) == len(gone["Values"])
        return (
            tables,
            {key: value["Items"] for key, value in zip(gone["Keys"], gone["Values"], strict=True)},
            answer["ServerVersionStamp"],
        )

    first = changes(web, query).json["ServerVersionStamp"]
    text = {
        "@odata.type": f"{CRM}StringAttributeMetadata",
        "SchemaName": "new_KeptText",
        "MaxLength": 10,
        **LABELS,
    }
    made = web.call("POST", "EntityDefinitions(LogicalName='account')/Attributes", text)
    assert made.status == 204, made.text
    column = made.headers["OData-EntityId"].rpartition("(")[2].rstrip(")")
    tables, gone, second = since(first)
    assert (tables, gone) == ({"account": (False, {"new_kepttext"})}, {})
    table = {
        "@odata.type": f"{CRM}EntityMetadata", "SchemaName": "new_Kept", **LABELS, "DisplayCollectionName": LABEL,
        "OwnershipType": "UserOwned", "HasActivities": False, "HasNotes": False,
        "Attributes": [{
            "@odata.type": f"{CRM}StringAttributeMetadata", "SchemaName": "new_Name", "IsPrimaryName": True, **LABELS,
        }],
    }  # fmt: skip
    made = web.call("POST", "EntityDefinitions", table)
    assert made.status == 204, made.text
    id = made.headers["OData-EntityId"].rpartition("(")[2].rstrip(")")
    tables, gone, third = since(second)
    assert tables["new_kept"][0] is True
    assert {"new_name", "new_keptid", "ownerid"} <= tables["new_kept"][1]
    assert (tables.keys(), gone) == ({"new_kept"}, {})
    assert web.call("DELETE", f"EntityDefinitions(LogicalName='account')/Attributes({column})").status == 204
    tables, gone, _ = since(third)
    assert (tables, gone) == ({}, {"Attribute": [column]})
    assert since(third, None)[1] == since(third, "Entity,OptionSet")[1] == {}
    assert web.call("DELETE", f"EntityDefinitions({id})").status == 204
    tables, gone, fifth = since(first)
    assert tables == {}
    assert gone["Entity"] == [id]
    assert column in gone["Attribute"]
    assert gone["Relationship"]
    assert since(fifth) == ({}, {}, fifth)
    # What was changed in another process, or before a start, is remembered as well.
    assert web.organisation is not None
    kept = web.organisation.store.load_schema()
    assert (kept.history, kept.forgotten) == (web.organisation.engine.schema.history, 0)
    later = web.organisation.engine.clock
    web.organisation.engine.clock = lambda: later() + 91 * 86400
    try:
        choice = {"@odata.type": f"{CRM}OptionSetMetadata", "Name": "new_later", "Options": []}
        assert web.call("POST", "GlobalOptionSetDefinitions", choice).status == 204
        assert changes(web, query, ClientVersionStamp=f"'{first}'").fault == (400, "0x80044352")
        assert since(fifth)[1] == {}
    finally:
        web.organisation.engine.clock = later


@pytest.mark.parametrize(
    "query",
    [
        {"Nothing": 1},
        {"Criteria": 5},
        {"Criteria": {"Conditions": 5}},
        {"Criteria": {"Nothing": []}},
        {"Criteria": criteria(operator="Xor")},
        {"Criteria": criteria(condition("Nothing", "Equals", "a"))},
        {"Criteria": criteria(condition("LogicalName", "Like", "a"))},
        {"Criteria": criteria(condition("LogicalName", "In", "a"))},
        {"Criteria": criteria(condition("ObjectTypeCode", "Equals", "a", "System.Int32"))},
        {"Criteria": criteria(condition("IsCustomEntity", "Equals", "maybe", "System.Boolean"))},
        {"Properties": {"PropertyNames": ["Nothing"]}},
        {"Properties": {"PropertyNames": "LogicalName"}},
        {"LabelQuery": {"FilterLanguages": ["en"]}},
        {"LabelQuery": {"FilterLanguages": 1033}},
        [],
        "text",
    ],
)
def test_a_wrong_query_object_is_refused(web: Web, query: Any) -> None:
    answer = changes(web, query)
    assert answer.status == 400, answer.text
    assert answer.json["error"]["code"].startswith("0x800")


def test_deeply_nested_criteria_are_refused(web: Web) -> None:
    nested: dict[str, Any] = criteria()
    for _ in range(30):
        nested = {"FilterOperator": "And", "Filters": [nested]}
    assert changes(web, {"Criteria": nested}).status == 400


@pytest.mark.parametrize(
    "path",
    [
        "RetrieveMetadataChanges(Query=@p1)",
        "RetrieveMetadataChanges(Query=@p1)?@p1={bad",
        "RetrieveMetadataChanges(Nothing=@p1)?@p1=1",
    ],
)
def test_wrong_parameters_of_the_function_are_refused(web: Web, path: str) -> None:
    assert web.get(path).status == 400
