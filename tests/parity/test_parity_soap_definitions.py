"""Definitions over SOAP: read, made, changed, deleted, and what has changed."""

from typing import Any

import pytest

from tests.parity.conftest import Web
from tests.parity.soap import (
    Of,
    Ref,
    Row,
    Soap,
    SoapFault,
    guid,
    name_of,
    option,
    parts_of,
    raw,
    type_of,
    written,
)

META = "http://schemas.microsoft.com/xrm/2011/Metadata"
FILTERS = "Entity Attributes Privileges Relationships"


@pytest.fixture
def soap(web: Web) -> Soap:
    """The other client of the same organisation."""
    return Soap(web)


def plain(element: Any) -> Any:
    """An element as nested dictionaries and lists; nil is None."""
    if element.get("{http://www.w3.org/2001/XMLSchema-instance}nil") == "true":
        return None
    if not len(element):
        return element.text or ""
    names = [name_of(each) for each in element]
    if len(set(names)) < len(names) or names[0].endswith(("Metadata", "LocalizedLabel")):
        return [plain(each) for each in element]
    return {name_of(each): plain(each) for each in element}


def label(text: str, tag: str) -> str:
    """A Label."""
    inner = (
        f"<a:LocalizedLabel><a:Label>{text}</a:Label><a:LanguageCode>1033</a:LanguageCode></a:LocalizedLabel>"
    )
    user = f"<a:UserLocalizedLabel>{inner[18:-19]}</a:UserLocalizedLabel>"
    return f"<{tag}><a:LocalizedLabels>{inner}</a:LocalizedLabels>{user}</{tag}>"


def entity(schema_name: str, more: str = "") -> Of:
    """An EntityMetadata."""
    return raw(
        "h:EntityMetadata",
        f"{label(schema_name, 'h:DisplayName')}{label(f'{schema_name}s', 'h:DisplayCollectionName')}{more}"
        f"<h:OwnershipType>UserOwned</h:OwnershipType><h:SchemaName>{schema_name}</h:SchemaName>",
    )


def attribute(kind: str, schema_name: str, more: str = "", space: str = "h") -> Of:
    """An AttributeMetadata of a kind."""
    return raw(
        f"{space}:{kind}AttributeMetadata",
        f"{label(schema_name, 'h:DisplayName')}<h:IsValidODataAttribute>false</h:IsValidODataAttribute>"
        "<h:RequiredLevel><a:CanBeChanged>true</a:CanBeChanged><a:ManagedPropertyLogicalName i:nil='true'/>"
        f"<a:Value>None</a:Value></h:RequiredLevel><h:SchemaName>{schema_name}</h:SchemaName>{more}",
    )


def make_table(soap: Soap, name: str) -> None:
    primary = attribute("String", "new_Name", "<h:MaxLength>90</h:MaxLength>")
    made = soap.execute(
        "CreateEntity", Entity=entity(name), PrimaryAttribute=primary, HasActivities=False, HasNotes=True
    )
    assert sorted(made) == ["AttributeId", "EntityId"]


def test_a_table_is_made_used_read_changed_and_deleted(soap: Soap, web: Web) -> None:
    make_table(soap, "new_Ship")
    made = soap.execute(
        "CreateAttribute",
        EntityName="new_ship",
        Attribute=attribute(
            "Picklist", "new_Kind",
            "<h:OptionSet><h:IsGlobal>false</h:IsGlobal><h:OptionSetType>Picklist</h:OptionSetType><h:Options>"
            + "".join(
                f"<h:OptionMetadata><h:IsHidden>false</h:IsHidden>{label(f'Kind {number}', 'h:Label')}"
                f"<h:Value>{number}</h:Value></h:OptionMetadata>"
                for number in (1, 2)
            )
            + "</h:Options></h:OptionSet>",
        ),
    )  # fmt: skip
    assert list(made) == ["AttributeId"]
    for kind, more in (
        ("Integer", "<h:MaxValue>100</h:MaxValue><h:MinValue>1</h:MinValue>"),
        ("Decimal", "<h:MaxValue>10.5</h:MaxValue><h:Precision>3</h:Precision>"),
        ("Money", "<h:Precision>2</h:Precision>"),
        ("Boolean", "<h:DefaultValue>true</h:DefaultValue>"),
        ("Memo", "<h:MaxLength>500</h:MaxLength>"),
        ("DateTime", "<h:Format>DateOnly</h:Format>"),
        ("Double", ""),
    ):
        soap.execute("CreateAttribute", EntityName="new_ship", Attribute=attribute(kind, f"new_{kind}", more))
    id = soap.create("new_ship", new_name="Argo", new_kind=option(2), new_integer=7, new_boolean=False)
    row = soap.retrieve("new_ship", id, "new_name", "new_kind", "new_boolean")
    assert (row.values["new_kind"], row.formatted["new_kind"], row.values["new_boolean"]) == (
        2,
        "Kind 2",
        False,
    )
    told = soap.execute(
        "RetrieveEntity", LogicalName="new_ship", EntityFilters=Of("h:EntityFilters", FILTERS),
        MetadataId=guid("00000000-0000-0000-0000-000000000000"), RetrieveAsIfPublished=True,
    )["EntityMetadata"]  # fmt: skip
    assert type_of(told) == f"{{{META}}}EntityMetadata"
    parts = parts_of(told)
    assert (parts["LogicalName"].text, parts["OwnershipType"].text) == ("new_ship", "UserOwned")
    assert parts["IsCustomEntity"].text == "true"
    assert plain(parts["DisplayName"])["UserLocalizedLabel"]["Label"] == "new_Ship"
    columns = {parts_of(each)["LogicalName"].text: each for each in parts["Attributes"]}
    assert type_of(columns["new_kind"]) == f"{{{META}}}PicklistAttributeMetadata"
    assert type_of(columns["new_shipid"]).endswith("xrm/7.1/Metadata}UniqueIdentifierAttributeMetadata")
    (first, second) = parts_of(parts_of(columns["new_kind"])["OptionSet"])["Options"]
    assert (parts_of(first)["Value"].text, parts_of(second)["Value"].text) == ("1", "2")
    assert parts_of(columns["new_decimal"])["Precision"].text == "3"
    # What was read is sent back with another label.
    from lxml import etree

    for each in parts["DisplayName"].iter():
        if name_of(each) == "Label" and each.text == "new_Ship":
            each.text = "Vessel"
    inner = "".join(etree.tostring(each).decode() for each in told)
    soap.execute("UpdateEntity", Entity=raw("h:EntityMetadata", inner), MergeLabels=True)
    shown = web.get("EntityDefinitions(LogicalName='new_ship')?$select=DisplayName").json
    assert shown["DisplayName"]["UserLocalizedLabel"]["Label"] == "Vessel"
    column = soap.execute("RetrieveAttribute", EntityLogicalName="new_ship", LogicalName="new_name")
    inner = "".join(etree.tostring(each).decode() for each in column["AttributeMetadata"])
    longer = inner.replace(">90</", ">120</")
    soap.execute("UpdateAttribute", EntityName="new_ship", Attribute=raw("h:StringAttributeMetadata", longer))
    path = "EntityDefinitions(LogicalName='new_ship')/Attributes(LogicalName='new_name')"
    assert web.get(f"{path}/Microsoft.Dynamics.CRM.StringAttributeMetadata").json["MaxLength"] == 120
    soap.execute("DeleteAttribute", EntityLogicalName="new_ship", LogicalName="new_double")
    with pytest.raises(SoapFault) as failed:
        soap.execute("RetrieveAttribute", EntityLogicalName="new_ship", LogicalName="new_double")
    assert "new_double" in failed.value.message
    soap.execute("DeleteEntity", LogicalName="new_ship")
    with pytest.raises(SoapFault) as failed:
        soap.create("new_ship", new_name="Gone")
    assert failed.value.hex == "0x80041102"


def test_relationships_are_made_read_and_deleted(soap: Soap, web: Web) -> None:
    make_table(soap, "new_Port")
    relationship = raw(
        "h:OneToManyRelationshipMetadata",
        "<h:IsValidForAdvancedFind>true</h:IsValidForAdvancedFind><h:SchemaName>new_port_account</h:SchemaName>"
        "<h:SecurityTypes>Append</h:SecurityTypes><h:RelationshipType>OneToManyRelationship</h:RelationshipType>"
        "<h:AssociatedMenuConfiguration><h:Behavior>UseLabel</h:Behavior><h:Group>Details</h:Group>"
        f"{label('Accounts', 'h:Label')}<h:Order>10000</h:Order></h:AssociatedMenuConfiguration>"
        "<h:CascadeConfiguration><h:Assign>NoCascade</h:Assign><h:Delete>RemoveLink</h:Delete>"
        "<h:Merge>NoCascade</h:Merge><h:Reparent>NoCascade</h:Reparent><h:Share>NoCascade</h:Share>"
        "<h:Unshare>NoCascade</h:Unshare></h:CascadeConfiguration>"
        "<h:ReferencedAttribute>new_portid</h:ReferencedAttribute><h:ReferencedEntity>new_port</h:ReferencedEntity>"
        "<h:ReferencingEntity>account</h:ReferencingEntity>",
    )
    made = soap.execute(
        "CreateOneToMany", OneToManyRelationship=relationship, Lookup=attribute("Lookup", "new_PortId")
    )
    assert sorted(made) == ["AttributeId", "RelationshipId"]
    port = soap.create("new_port", new_name="Harbour")
    account = soap.create("account", name="Berthed", new_portid=Ref("new_port", port))
    assert soap.retrieve("account", account, "new_portid").values["new_portid"] == Ref(
        "new_port", port, "Harbour"
    )
    many = raw(
        "h:ManyToManyRelationshipMetadata",
        "<h:SchemaName>new_port_contact</h:SchemaName><h:Entity1LogicalName>new_port</h:Entity1LogicalName>"
        "<h:Entity2LogicalName>contact</h:Entity2LogicalName>",
    )
    made = soap.execute(
        "CreateManyToMany", ManyToManyRelationship=many, IntersectEntitySchemaName="new_port_contact"
    )
    assert list(made) == ["ManyToManyRelationshipId"]
    contact = soap.create("contact", lastname="Pilot")
    soap.tie("Associate", "new_port", port, "new_port_contact", Ref("contact", contact))
    told = soap.execute("RetrieveRelationship", Name="new_port_contact")["RelationshipMetadata"]
    assert type_of(told) == f"{{{META}}}ManyToManyRelationshipMetadata"
    told = soap.execute("RetrieveRelationship", Name="new_port_account")["RelationshipMetadata"]
    parts = parts_of(told)
    assert parts["ReferencingAttribute"].text == "new_portid"
    assert parts_of(parts["AssociatedMenuConfiguration"])["Behavior"].text == "UseLabel"
    soap.execute("DeleteRelationship", Name="new_port_contact")
    soap.execute("DeleteRelationship", Name="new_port_account")
    with pytest.raises(SoapFault):
        soap.execute("RetrieveRelationship", Name="new_port_contact")
    assert soap.execute("CanBeReferenced", EntityName="account") == {"CanBeReferenced": True}


def test_choices_are_made_read_changed_and_deleted(soap: Soap) -> None:
    options = "".join(
        f"<h:OptionMetadata>{label(f'Colour {number}', 'h:Label')}<h:Value>{number}</h:Value></h:OptionMetadata>"
        for number in (1, 2)
    )
    made = soap.execute(
        "CreateOptionSet",
        OptionSet=raw(
            "h:OptionSetMetadata",
            f"{label('Colours', 'h:DisplayName')}<h:IsGlobal>true</h:IsGlobal><h:Name>new_colours</h:Name>"
            f"<h:OptionSetType>Picklist</h:OptionSetType><h:Options>{options}</h:Options>",
        ),
    )
    assert list(made) == ["OptionSetId"]
    added = soap.execute(
        "InsertOptionValue", OptionSetName="new_colours", Label=raw("a:Label", label("Third", "a:x")[5:-6])
    )["NewOptionValue"]
    assert added >= 100_000_000
    soap.execute(
        "UpdateOptionValue", OptionSetName="new_colours", Value=1, MergeLabels=False,
        Label=raw("a:Label", label("First", "a:x")[5:-6]),
    )  # fmt: skip
    ordered = raw("f:ArrayOfint", f"<f:int>2</f:int><f:int>1</f:int><f:int>{added}</f:int>")
    soap.execute("OrderOption", OptionSetName="new_colours", Values=ordered)
    told = soap.execute("RetrieveOptionSet", Name="new_colours")["OptionSetMetadata"]
    shown = [
        (parts_of(each)["Value"].text, plain(parts_of(each)["Label"])["UserLocalizedLabel"]["Label"])
        for each in parts_of(told)["Options"]
    ]
    assert shown == [("2", "Colour 2"), ("1", "First"), (str(added), "Third")]
    names = [
        parts_of(each)["Name"].text for each in soap.execute("RetrieveAllOptionSets")["OptionSetMetadata"]
    ]
    assert "new_colours" in names
    soap.execute("DeleteOptionValue", OptionSetName="new_colours", Value=2)
    soap.execute("DeleteOptionSet", Name="new_colours")
    with pytest.raises(SoapFault):
        soap.execute("RetrieveOptionSet", Name="new_colours")


def test_all_tables_are_told_at_once(soap: Soap, web: Web) -> None:
    answer = soap.execute(
        "RetrieveAllEntities", EntityFilters=Of("h:EntityFilters", "Entity"), RetrieveAsIfPublished=False
    )
    names = {parts_of(each)["LogicalName"].text: each for each in answer["EntityMetadata"]}
    assert {"account", "contact", "systemuser"} <= set(names)
    assert set(names) == {row["LogicalName"] for row in web.get("EntityDefinitions?$select=LogicalName").rows}
    assert parts_of(names["account"])["ObjectTypeCode"].text == "1"
    assert plain(parts_of(names["account"])["Attributes"]) is None
    assert answer["Timestamp"] == soap.execute("RetrieveTimestamp")["Timestamp"]


def test_keys_are_made_read_and_deleted(soap: Soap) -> None:
    make_table(soap, "new_Keyed")
    key = raw(
        "o:EntityKeyMetadata",
        f"{label('Name', 'o:DisplayName')}<o:KeyAttributes><f:string>new_name</f:string></o:KeyAttributes>"
        "<o:SchemaName>new_ByName</o:SchemaName>",
    )
    soap.execute("CreateEntityKey", EntityName="new_keyed", EntityKey=key)
    told = soap.execute("RetrieveEntityKey", EntityLogicalName="new_keyed", LogicalName="new_byname")
    assert [each.text for each in parts_of(told["EntityKeyMetadata"])["KeyAttributes"]] == ["new_name"]
    first = soap.execute("Upsert", Target=Row("new_keyed", {}, keys={"new_name": "One"}))
    again = soap.execute("Upsert", Target=Row("new_keyed", {}, keys={"new_name": "One"}))
    assert (first["RecordCreated"], again["RecordCreated"]) == (True, False)
    soap.execute("DeleteEntityKey", EntityLogicalName="new_keyed", Name="new_byname")
    with pytest.raises(SoapFault):
        soap.execute("RetrieveEntityKey", EntityLogicalName="new_keyed", LogicalName="new_byname")


def expression(*conditions: str, properties: str = "LogicalName", attributes: str = "") -> Of:
    """An EntityQueryExpression."""
    listed = "".join(f"<f:string>{name}</f:string>" for name in properties.split())
    inner = (
        f"<j:Criteria><j:Conditions>{''.join(conditions)}</j:Conditions><j:FilterOperator>And</j:FilterOperator>"
        "<j:Filters/></j:Criteria><j:Properties><j:AllProperties>false</j:AllProperties>"
        f"<j:PropertyNames>{listed}</j:PropertyNames></j:Properties>{attributes}"
    )
    return raw("j:EntityQueryExpression", inner)


def condition(name: str, operator: str, value: Any) -> str:
    """A MetadataConditionExpression."""
    return (
        f"<j:MetadataConditionExpression><j:ConditionOperator>{operator}</j:ConditionOperator>"
        f"<j:PropertyName>{name}</j:PropertyName>{written('j:Value', value)}</j:MetadataConditionExpression>"
    )


def test_definitions_are_queried_and_their_changes_told(soap: Soap) -> None:
    make_table(soap, "new_Watched")
    attributes = (
        "<j:AttributeQuery><j:Criteria><j:Conditions>"
        + condition("AttributeType", "Equals", Of("h:AttributeTypeCode", "String"))
        + "</j:Conditions><j:FilterOperator>And</j:FilterOperator></j:Criteria>"
        "<j:Properties><j:AllProperties>true</j:AllProperties></j:Properties></j:AttributeQuery>"
    )
    asked = expression(
        condition("LogicalName", "Equals", "new_watched"),
        properties="SchemaName Attributes",
        attributes=attributes,
    )
    answer = soap.execute("RetrieveMetadataChanges", Query=asked)
    (table,) = answer["EntityMetadata"]
    parts = parts_of(table)
    assert (parts["SchemaName"].text, parts["LogicalName"].text) == ("new_Watched", "new_watched")
    columns = {parts_of(each)["LogicalName"].text: each for each in parts["Attributes"]}
    assert parts_of(columns["new_name"])["MaxLength"].text == "90"
    assert {type_of(each) for each in columns.values()} == {f"{{{META}}}StringAttributeMetadata"}
    stamp = answer["ServerVersionStamp"]
    several = expression(
        condition(
            "LogicalName",
            "In",
            raw("f:ArrayOfstring", "<f:string>account</f:string><f:string>task</f:string>"),
        )
    )
    found = soap.execute("RetrieveMetadataChanges", Query=several)["EntityMetadata"]
    assert [parts_of(each)["LogicalName"].text for each in found] == ["account", "task"]
    soap.execute("DeleteEntity", LogicalName="new_watched")
    later = soap.execute(
        "RetrieveMetadataChanges", Query=expression(), ClientVersionStamp=stamp,
        DeletedMetadataFilters=Of("j:DeletedMetadataFilters", "Entity"),
    )  # fmt: skip
    (pair,) = later["DeletedMetadata"]
    assert parts_of(pair)["key"].text == "Entity"
    assert [each.text for each in parts_of(pair)["value"]] == [parts["MetadataId"].text]
    with pytest.raises(SoapFault) as failed:
        soap.execute("RetrieveMetadataChanges", Query=expression(), ClientVersionStamp="nonsense")
    assert failed.value.hex == "0x80044352"


def test_a_definition_that_is_wrong_changes_nothing(soap: Soap) -> None:
    for request, parameters in (
        ("CreateEntity", {"Entity": entity("noprefix"), "PrimaryAttribute": attribute("String", "new_Name")}),
        ("CreateEntity", {"Entity": entity("new_Alone")}),
        ("CreateEntity", {"Entity": Row("account"), "PrimaryAttribute": attribute("String", "new_Name")}),
        ("CreateAttribute", {"EntityName": "nosuch", "Attribute": attribute("String", "new_Name")}),
        ("CreateAttribute", {"EntityName": "account", "Attribute": "text"}),
        ("RetrieveEntity", {}),
        ("RetrieveEntity", {"LogicalName": "nosuch"}),
        ("RetrieveEntity", {"LogicalName": "account", "EntityFilters": "Everything"}),
        ("DeleteEntity", {"LogicalName": "account"}),
        ("DeleteAttribute", {"EntityLogicalName": "account", "LogicalName": "name"}),
        ("InsertOptionValue", {"OptionSetName": "nosuch"}),
        ("RetrieveMetadataChanges", {"Query": "text"}),
    ):
        with pytest.raises(SoapFault) as failed:
            soap.execute(request, **parameters)
        assert failed.value.hex != "0x80040216", (request, failed.value.message)
