"""New tables: their definition, and that rows of them work at once.

https://learn.microsoft.com/power-apps/developer/data-platform/webapi/create-update-entity-definitions-using-web-api
https://learn.microsoft.com/power-apps/developer/data-platform/webapi/web-api-metadata-operations-sample
"""

import json
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from orgstead.app import build_application, open_organisation
from orgstead.config import Config
from tests.parity.conftest import ORIGIN, ROOT, Answer, Web

CRM = "Microsoft.Dynamics.CRM."


def label(text: str) -> dict[str, Any]:
    """A Label in the organisation's language."""
    return {
        "@odata.type": f"{CRM}Label",
        "LocalizedLabels": [{"@odata.type": f"{CRM}LocalizedLabel", "Label": text, "LanguageCode": 1033}],
    }


def column(kind: str, schema_name: str, **more: Any) -> dict[str, Any]:
    """A column of a metadata type, named without its common end."""
    return {
        "@odata.type": f"{CRM}{kind}AttributeMetadata",
        "SchemaName": schema_name,
        "DisplayName": label(schema_name),
        **more,
    }


def table(schema_name: str, **more: Any) -> dict[str, Any]:
    """A table as the documentation's example writes one."""
    return {
        "@odata.type": f"{CRM}EntityMetadata",
        "SchemaName": schema_name,
        "DisplayName": label(schema_name),
        "DisplayCollectionName": label(f"{schema_name} rows"),
        "Description": label(f"Rows of {schema_name}"),
        "HasActivities": False,
        "HasNotes": False,
        "IsActivity": False,
        "OwnershipType": "UserOwned",
        "Attributes": [
            column(
                "String",
                "new_Name",
                AttributeType="String",
                AttributeTypeName={"Value": "StringType"},
                IsPrimaryName=True,
                MaxLength=100,
                FormatName={"Value": "Text"},
                RequiredLevel={"Value": "None", "CanBeChanged": True},
            )
        ],
        **more,
    }


LOOKS = {
    "EntityColor": "#0a5cc2",
    "IconVectorName": "new_/icons/ship.svg",
    "IsQuickCreateEnabled": True,
    "IsValidForQueue": {"Value": True, "CanBeChanged": True},
    "HasEmailAddresses": True,
    "MobileOfflineFilters": "<filter/>",
}


def make_table(web: Web, schema_name: str, **more: Any) -> str:
    """Create a table; its path."""
    answer = web.call("POST", "EntityDefinitions", table(schema_name, **more))
    assert answer.status == 204, answer.text
    return f"EntityDefinitions(LogicalName='{schema_name.lower()}')"


def relate(web: Web, name: str, referenced: str, referencing: str, lookup: str, **more: Any) -> None:
    """Create a 1:N relationship with its lookup."""
    body = {
        "@odata.type": f"{CRM}OneToManyRelationshipMetadata",
        "SchemaName": name,
        "ReferencedEntity": referenced,
        "ReferencingEntity": referencing,
        "Lookup": column("Lookup", lookup),
        **more,
    }
    answer = web.call("POST", "RelationshipDefinitions", body)
    assert answer.status == 204, answer.text


def state_of(web: Web) -> str:
    """The stamp of all definitions: the same as long as nothing has changed."""
    stamp: str = web.get("RetrieveMetadataChanges()").json["ServerVersionStamp"]
    return stamp


# -- creating --------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("ownership", ["UserOwned", "OrganizationOwned"])
def test_a_new_table_is_there_at_once(web: Web, ownership: str) -> None:
    name = f"new_Shelf{ownership[0]}"
    answer = web.call("POST", "EntityDefinitions", table(name, OwnershipType=ownership))
    assert (answer.status, answer.text) == (204, "")
    address = answer.headers["OData-EntityId"]
    assert address.startswith(f"{ROOT}EntityDefinitions(")
    made = web.get(address.removeprefix(ROOT)).json
    assert (made["SchemaName"], made["LogicalName"]) == (name, name.lower())
    assert made["EntitySetName"] == f"{name.lower()}s"
    assert (made["PrimaryIdAttribute"], made["PrimaryNameAttribute"]) == (f"{name.lower()}id", "new_name")
    assert (made["OwnershipType"], made["IsCustomEntity"], made["IsManaged"]) == (ownership, True, False)
    assert made["ObjectTypeCode"] >= 10_000
    assert made["DisplayName"]["UserLocalizedLabel"]["Label"] == name
    assert made["DisplayCollectionName"]["UserLocalizedLabel"]["Label"] == f"{name} rows"
    columns = {
        each["LogicalName"] for each in web.get(f"EntityDefinitions({made['MetadataId']})/Attributes").rows
    }
    assert {"createdon", "modifiedby", "statecode", "statuscode", "versionnumber", "new_name"} <= columns
    owned = {"ownerid", "owningbusinessunit", "owninguser"}
    assert (owned <= columns) == (ownership == "UserOwned")
    assert ("organizationid" in columns) == (ownership == "OrganizationOwned")
    assert f'Name="{name.lower()}"' in web.get("$metadata").text
    assert f"{name.lower()}s" in {each["name"] for each in web.get("").rows}


def test_rows_of_a_new_table_live_and_die(web: Web) -> None:
    make_table(web, "new_Book")
    id = web.make("new_books", new_name="Emma")
    row = web.get(f"new_books({id})").json
    assert (row["new_name"], row["statecode"], row["statuscode"]) == ("Emma", 0, 1)
    assert row["_ownerid_value"] == web.get("WhoAmI").json["UserId"]
    assert web.call("PATCH", f"new_books({id})", {"new_name": "Persuasion"}).status == 204
    found = web.get("new_books?$filter=contains(new_name,'suasi')&$select=new_name&$count=true")
    assert found.json["@odata.count"] == 1
    assert web.call("PATCH", f"new_books({id})", {"statecode": 1, "statuscode": 2}).status == 204
    assert web.get("new_books/$count?$filter=statecode eq 1").text == "1"
    assert web.call("DELETE", f"new_books({id})").status == 204
    assert web.get("new_books/$count").text == "0"


def test_a_table_is_made_with_columns_of_many_types(web: Web) -> None:
    given = table("new_Wine")
    given["Attributes"] += [
        column("Integer", "new_Year", MinValue=1900, MaxValue=2100),
        column("Money", "new_Price", PrecisionSource=2),
        column("Boolean", "new_Open", DefaultValue=True),
        column("Picklist", "new_Colour", OptionSet={"Options": [{"Value": 5, "Label": label("Red")}]}),
    ]
    assert web.call("POST", "EntityDefinitions", given).status == 204
    made = web.call(
        "POST",
        "new_wines",
        {"new_name": "a", "new_year": 1999, "new_colour": 5},
        Prefer="return=representation",
    )
    assert (made.json["new_year"], made.json["new_colour"], made.json["new_open"]) == (1999, 5, True)
    assert web.call("POST", "new_wines", {"new_year": 1800}).status == 400
    assert web.call("POST", "new_wines", {"new_colour": 6}).status == 400


def test_an_entity_set_name_may_be_chosen_and_changed(web: Web) -> None:
    path = make_table(web, "new_Foot", EntitySetName="new_feet")
    id = web.make("new_feet", new_name="left")
    body = {"@odata.type": f"{CRM}EntityMetadata", "EntitySetName": "new_paws"}
    assert web.call("PUT", path, body).status == 204
    assert web.get(f"new_paws({id})?$select=new_name").json["new_name"] == "left"
    assert web.get("new_feet").status == 404


def test_notes_and_activities_hang_on_a_table_that_has_them(web: Web) -> None:
    make_table(web, "new_Ship", HasActivities=True, HasNotes=True)
    ship = web.make("new_ships", new_name="Beagle")
    web.make("annotations", subject="log", **{"objectid_new_ship@odata.bind": f"/new_ships({ship})"})
    task = web.make(
        "tasks", subject="paint", **{"regardingobjectid_new_ship_task@odata.bind": f"/new_ships({ship})"}
    )
    body = web.get(
        f"new_ships({ship})?$select=new_name&$expand=new_ship_Annotations($select=subject),"
        "new_ship_Tasks($select=subject),new_ship_ActivityPointers($select=subject)"
    ).json
    assert [each["subject"] for each in body["new_ship_Annotations"]] == ["log"]
    assert [each["activityid"] for each in body["new_ship_Tasks"]] == [task]
    assert [each["subject"] for each in body["new_ship_ActivityPointers"]] == ["paint"]
    assert web.call("DELETE", f"new_ships({ship})").status == 204
    assert web.get(f"tasks({task})").status == 404


def test_several_tables_are_made_together_or_not_at_all(web: Web) -> None:
    answer = web.call("POST", "CreateEntities", {"Entities": [table("new_Sun"), table("new_Moon")]})
    assert answer.json["@odata.context"] == f"{ROOT}$metadata#{CRM}CreateEntitiesResponse"
    assert len(answer.json["EntityIds"]) == 2
    web.make("new_suns", new_name="a")
    web.make("new_moons", new_name="a")
    before = state_of(web)
    assert (
        web.call("POST", "CreateEntities", {"Entities": [table("new_Star"), table("new_Sun")]}).status == 400
    )
    assert state_of(web) == before
    assert web.get("new_stars").status == 404
    for wrong in ([], None, "new_Star", [1], [table("new_Many") for _ in range(51)]):
        assert web.call("POST", "CreateEntities", {"Entities": wrong}).status == 400


def test_clients_see_which_messages_a_new_table_takes(web: Web) -> None:
    def messages(name: str) -> set[str]:
        rows = web.get(
            f"sdkmessagefilters?$select=sdkmessagefilterid&$filter=primaryobjecttypecode eq '{name}'"
            "&$expand=sdkmessageid($select=name)"
        ).rows
        return {row["sdkmessageid"]["name"] for row in rows}

    path = make_table(web, "new_Heard")
    assert messages("new_heard") >= {"CreateMultiple", "UpdateMultiple", "UpsertMultiple"}
    assert messages("new_heard") == messages("account") - {"Merge"}
    asked = web.get(
        "sdkmessages?$select=name&$filter=name eq 'CreateMultiple' and "
        "sdkmessageid_sdkmessagefilter/any(f:f/primaryobjecttypecode eq 'new_heard')"
    )
    assert [row["name"] for row in asked.rows] == ["CreateMultiple"]
    body = {"Targets": [{"@odata.type": f"{CRM}new_heard", "new_name": each} for each in ("a", "b")]}
    assert len(web.call("POST", f"new_heards/{CRM}CreateMultiple", body).json["Ids"]) == 2
    assert web.call("DELETE", path).status == 204
    assert messages("new_heard") == set()


# -- relationships and keys in use -----------------------------------------------------------------------------------
def test_a_new_lookup_is_written_expanded_and_followed(web: Web) -> None:
    make_table(web, "new_Cup")
    relate(web, "new_account_cup", "account", "new_cup", "new_AccountId", ReferencedAttribute="accountid")
    account = web.make("accounts", name="Potter")
    cup = web.make("new_cups", new_name="blue", **{"new_AccountId@odata.bind": f"/accounts({account})"})
    row = web.get(
        f"new_cups({cup})?$select=new_name,_new_accountid_value&$expand=new_AccountId($select=name)"
    ).json
    assert row["_new_accountid_value"] == account
    assert row["new_AccountId"]["name"] == "Potter"
    back = web.get(f"accounts({account})?$select=name&$expand=new_account_cup($select=new_name)").json
    assert [each["new_name"] for each in back["new_account_cup"]] == ["blue"]
    assert [
        each["new_cupid"] for each in web.get("new_cups?$filter=new_AccountId/name eq 'Potter'").rows
    ] == [cup]
    assert web.call("POST", f"accounts({account})/new_account_cup", {"new_name": "green"}).status == 204
    assert web.get(f"accounts({account})/new_account_cup/$count").text == "2"
    assert web.call("DELETE", f"accounts({account})").status == 204
    assert web.get(f"new_cups({cup})?$select=_new_accountid_value").json["_new_accountid_value"] is None


@pytest.mark.parametrize(
    ("delete", "status", "left"), [("Restrict", 405, "1"), ("Cascade", 204, "0"), ("RemoveLink", 204, "1")]
)
def test_the_cascade_of_a_new_relationship_is_obeyed(web: Web, delete: str, status: int, left: str) -> None:
    make_table(web, f"new_Leaf{delete}")
    make_table(web, f"new_Tree{delete}")
    leaf, tree = f"new_leaf{delete.lower()}", f"new_tree{delete.lower()}"
    cascade = {
        "Assign": "NoCascade", "Delete": delete, "Merge": "NoCascade", "Reparent": "NoCascade", "Share": "NoCascade",
        "Unshare": "NoCascade",
    }  # fmt: skip
    relate(web, f"new_tree_leaf_{delete}", tree, leaf, "new_TreeId", CascadeConfiguration=cascade)
    parent = web.make(f"{tree}s", new_name="oak")
    web.make(
        f"{leaf}s" if not leaf.endswith("s") else f"{leaf}es",
        new_name="x",
        **{"new_TreeId@odata.bind": f"/{tree}s({parent})"},
    )
    assert web.call("DELETE", f"{tree}s({parent})").status == status
    assert web.get(f"{leaf}s/$count").text == left


def test_rows_of_a_new_many_to_many_relationship_are_tied_and_untied(web: Web) -> None:
    make_table(web, "new_Tag")
    menu = {"Behavior": "UseLabel", "Group": "Details", "Label": label("Tags"), "Order": 10_000}
    body = {
        "@odata.type": f"{CRM}ManyToManyRelationshipMetadata",
        "SchemaName": "new_tag_contact",
        "IntersectEntityName": "new_tag_contact",
        "Entity1LogicalName": "new_tag",
        "Entity2LogicalName": "contact",
        "Entity1AssociatedMenuConfiguration": menu,
        "Entity2AssociatedMenuConfiguration": menu,
    }
    made = web.call("POST", "RelationshipDefinitions", body)
    assert made.status == 204
    tag, contact = web.make("new_tags", new_name="vip"), web.make("contacts", lastname="Woolf")
    path = f"new_tags({tag})/new_tag_contact"
    assert web.call("POST", f"{path}/$ref", {"@odata.id": f"{ROOT}contacts({contact})"}).status == 204
    assert [row["lastname"] for row in web.get(f"{path}?$select=lastname").rows] == ["Woolf"]
    back = web.get(f"contacts({contact})?$select=lastname&$expand=new_tag_contact($select=new_name)").json
    assert [row["new_name"] for row in back["new_tag_contact"]] == ["vip"]
    where = "new_tags?$filter=new_tag_contact/any(c:c/lastname eq 'Woolf')&$select=new_name"
    assert [row["new_name"] for row in web.get(where).rows] == ["vip"]
    assert web.call("DELETE", f"{path}({contact})/$ref").status == 204
    assert web.get(path).rows == []
    assert web.call("DELETE", "RelationshipDefinitions(SchemaName='new_tag_contact')").status == 204
    assert web.get(path).status == 404
    assert web.get("EntityDefinitions(LogicalName='new_tag_contact')").status == 404


def test_a_new_key_finds_and_upserts_rows_and_keeps_them_apart(web: Web) -> None:
    path = make_table(web, "new_Part")
    assert web.call("POST", f"{path}/Attributes", column("String", "new_Code", MaxLength=20)).status == 204
    key = {
        "@odata.type": f"{CRM}EntityKeyMetadata",
        "SchemaName": "new_CodeKey",
        "KeyAttributes": ["new_code"],
        "DisplayName": label("Code"),
    }
    answer = web.call("POST", f"{path}/Keys", key)
    assert answer.status == 204
    assert "/Keys(" in answer.headers["OData-EntityId"]
    (made,) = web.get(f"{path}/Keys?$select=SchemaName,KeyAttributes,EntityKeyIndexStatus").rows
    assert (made["KeyAttributes"], made["EntityKeyIndexStatus"]) == (["new_code"], "Active")
    for name in ("first", "second"):
        assert web.call("PATCH", "new_parts(new_code='A1')", {"new_name": name}).status == 204
    assert web.get("new_parts(new_code='A1')?$select=new_name").json["new_name"] == "second"
    assert web.get("new_parts/$count").text == "1"
    assert web.call("POST", "new_parts", {"new_code": "A1"}).status == 412
    assert web.call("DELETE", f"{path}/Keys(LogicalName='new_codekey')").status == 204
    web.make("new_parts", new_code="A1")
    before = state_of(web)
    assert web.call("POST", f"{path}/Keys", key).status in (400, 412)
    assert state_of(web) == before


def test_a_lookup_to_several_tables_leads_to_each(web: Web) -> None:
    make_table(web, "new_Gift")
    rels = [
        {"SchemaName": f"new_gift_{each}", "ReferencedEntity": each, "ReferencingEntity": "new_gift"}
        for each in ("account", "contact")
    ]
    body = {"OneToManyRelationships": rels, "Lookup": column("Lookup", "new_From", AttributeType="Lookup")}
    answer = web.call("POST", "CreatePolymorphicLookupAttribute", body)
    assert answer.json["@odata.context"] == f"{ROOT}$metadata#{CRM}CreatePolymorphicLookupAttributeResponse"
    assert len(answer.json["RelationshipIds"]) == 2
    account, contact = web.make("accounts", name="A"), web.make("contacts", lastname="C")
    for entity, id in (("account", account), ("contact", contact)):
        gift = web.make(
            "new_gifts", new_name=entity, **{f"new_From_{entity}@odata.bind": f"/{entity}s({id})"}
        )
        row = web.get(
            f"new_gifts({gift})?$select=_new_from_value", Prefer='odata.include-annotations="*"'
        ).json
        assert row["_new_from_value"] == id
        assert row[f"_new_from_value@{CRM}lookuplogicalname"] == entity
    found = web.get(
        "EntityDefinitions(LogicalName='new_gift')/Attributes(LogicalName='new_from')/"
        f"{CRM}LookupAttributeMetadata?$select=Targets"
    ).json
    assert found["Targets"] == ["account", "contact"]
    # One target less, then none: the column goes with its last relationship.
    assert web.call("DELETE", "RelationshipDefinitions(SchemaName='new_gift_account')").status == 204
    values = {
        row["new_name"]: row["_new_from_value"]
        for row in web.get("new_gifts?$select=new_name,_new_from_value").rows
    }
    assert values == {"account": None, "contact": contact}
    assert web.call("DELETE", f"accounts({account})").status == 204
    assert web.call("DELETE", "RelationshipDefinitions(SchemaName='new_gift_contact')").status == 204
    assert web.get("new_gifts?$select=_new_from_value").status == 400


def test_a_customer_column_takes_accounts_and_contacts(web: Web) -> None:
    make_table(web, "new_Order")
    rels = [
        {
            "@odata.type": f"{CRM}ComplexOneToManyRelationshipMetadata",
            "SchemaName": f"new_order_{each}",
            "ReferencedEntity": each,
            "ReferencingEntity": "new_order",
            "RelationshipType": "OneToManyRelationship",
        }
        for each in ("account", "contact")
    ]
    lookup = {**column("Lookup", "new_Customer"), "@odata.type": f"{CRM}ComplexLookupAttributeMetadata"}
    answer = web.call(
        "POST", "CreateCustomerRelationships", {"OneToManyRelationships": rels, "Lookup": lookup}
    )
    assert answer.json["@odata.context"] == f"{ROOT}$metadata#{CRM}CreateCustomerRelationshipsResponse"
    contact = web.make("contacts", lastname="C")
    order = web.make(
        "new_orders", new_name="1", **{"new_Customer_contact@odata.bind": f"/contacts({contact})"}
    )
    assert web.get(f"new_orders({order})?$select=_new_customer_value").json["_new_customer_value"] == contact
    made = web.get("EntityDefinitions(LogicalName='new_order')/Attributes(LogicalName='new_customer')").json
    assert made["AttributeType"] == "Customer"
    before = state_of(web)
    one = {"OneToManyRelationships": rels[:1], "Lookup": {**lookup, "SchemaName": "new_Other"}}
    assert web.call("POST", "CreateCustomerRelationships", one).status == 400
    assert web.call("POST", "CreateCustomerRelationships", {"Lookup": lookup}).status == 400
    same = [
        {**rel, "SchemaName": f"{rel['SchemaName']}2", "ReferencingEntityNavigationPropertyName": "new_same"}
        for rel in rels
    ]
    both = {"OneToManyRelationships": same, "Lookup": {**lookup, "SchemaName": "new_Other"}}
    assert web.call("POST", "CreateCustomerRelationships", both).status == 400
    text = {"OneToManyRelationships": rels, "Lookup": column("String", "new_Text")}
    assert web.call("POST", "CreateCustomerRelationships", text).status == 400
    assert state_of(web) == before


def test_a_table_is_related_to_itself(web: Web) -> None:
    make_table(web, "new_Room")
    relate(web, "new_room_room", "new_room", "new_room", "new_ParentId", IsHierarchical=True)
    house = web.make("new_rooms", new_name="house")
    web.make("new_rooms", new_name="attic", **{"new_ParentId@odata.bind": f"/new_rooms({house})"})
    body = web.get(f"new_rooms({house})?$select=new_name&$expand=new_room_room($select=new_name)").json
    assert [row["new_name"] for row in body["new_room_room"]] == ["attic"]


# -- changing and deleting -------------------------------------------------------------------------------------------
@pytest.mark.parametrize("merge", ["true", "false"])
def test_a_table_is_changed_by_putting_the_whole_of_it(web: Web, merge: str) -> None:
    path = make_table(web, f"new_Hat{merge}")
    whole = web.get(path).json
    del whole["@odata.context"]
    whole |= {
        "DisplayName": label("Bonnet"),
        "Description": label("Worn"),
        "ChangeTrackingEnabled": True,
        "HasNotes": True,
    }
    assert web.call("PUT", path, whole, **{"MSCRM.MergeLabels": merge}).status == 204
    made = web.get(path).json
    assert made["DisplayName"]["UserLocalizedLabel"]["Label"] == "Bonnet"
    assert made["Description"]["UserLocalizedLabel"]["Label"] == "Worn"
    assert (made["ChangeTrackingEnabled"], made["HasNotes"]) == (True, True)
    assert made["MetadataId"] == whole["MetadataId"]


def test_labels_of_a_shipped_table_can_be_changed(web: Web) -> None:
    body = {"@odata.type": f"{CRM}EntityMetadata", "DisplayName": label("Bidder")}
    assert web.call("PUT", "EntityDefinitions(LogicalName='competitor')", body).status == 204
    shown = web.get("EntityDefinitions(LogicalName='competitor')/DisplayName").json["UserLocalizedLabel"][
        "Label"
    ]
    assert shown == "Bidder"


@pytest.mark.parametrize(
    "change",
    [
        {"SchemaName": "new_Other"},
        {"LogicalName": "new_other"},
        {"OwnershipType": "OrganizationOwned"},
        {"PrimaryNameAttribute": "createdon"},
        {"IsActivity": True},
        {"HasNotes": False},
        {"HasActivities": False},
        {"EntitySetName": "accounts"},
        {"EntitySetName": "no good"},
        {"Nothing": 1},
        {"DisplayName": "text"},
        {"DisplayName": {"LocalizedLabels": [{"Label": "Hoed", "LanguageCode": 1043}]}},
        {"@odata.type": f"{CRM}StringAttributeMetadata"},
    ],
)
def test_what_a_table_keeps_cannot_be_changed(web: Web, change: dict[str, Any]) -> None:
    path = "EntityDefinitions(LogicalName='new_fixed')"
    if web.get(path).status == 404:
        make_table(web, "new_Fixed", HasNotes=True, HasActivities=True)
    before = state_of(web)
    body = {"@odata.type": f"{CRM}EntityMetadata", **change}
    answer = web.call("PUT", path, body)
    assert answer.status == 400, answer.text
    assert answer.json["error"]["code"].startswith("0x800")
    assert state_of(web) == before


def test_a_deleted_table_leaves_nothing_behind(web: Web) -> None:
    path = make_table(web, "new_Gone", HasNotes=True)
    relate(web, "new_account_gone", "account", "new_gone", "new_AccountId")
    row = web.make("new_gones", new_name="x")
    note = web.make("annotations", subject="n", **{"objectid_new_gone@odata.bind": f"/new_gones({row})"})
    assert web.call("DELETE", path).status == 204
    assert web.get(path).status == 404
    assert web.get("new_gones").status == 404
    assert web.get("RelationshipDefinitions(SchemaName='new_account_gone')").status == 404
    assert web.get(f"annotations({note})").status == 404
    assert "new_gone" not in web.get("$metadata").text
    assert web.get("accounts?$top=1&$expand=new_account_gone").status == 400
    make_table(web, "new_Gone")
    assert web.get("new_gones/$count").text == "0"


def test_a_table_that_others_lead_to_is_not_deleted(web: Web) -> None:
    target = make_table(web, "new_Base")
    make_table(web, "new_Top")
    relate(web, "new_base_top", "new_base", "new_top", "new_BaseId")
    before = state_of(web)
    assert web.call("DELETE", target).fault == (400, "0x8004f01f")
    assert state_of(web) == before
    assert web.call("DELETE", "RelationshipDefinitions(SchemaName='new_base_top')").status == 204
    assert web.get("new_tops?$select=_new_baseid_value").status == 400
    assert web.call("DELETE", target).status == 204


@pytest.mark.parametrize(
    ("path", "status", "code"),
    [
        ("EntityDefinitions(LogicalName='account')", 400, "0x80045900"),
        ("EntityDefinitions(LogicalName='systemuser')", 400, "0x80045900"),
        ("EntityDefinitions(LogicalName='nothing')", 404, "0x80040217"),
        ("RelationshipDefinitions(SchemaName='account_primary_contact')", 400, "0x80044250"),
        ("RelationshipDefinitions(SchemaName='accountleads_association')", 400, "0x80044250"),
        (
            "EntityDefinitions(LogicalName='account')/Attributes(LogicalName='industrycode')",
            400,
            "0x80047009",
        ),
        ("EntityDefinitions(LogicalName='account')/Attributes(LogicalName='name')", 400, "0x80047002"),
        ("GlobalOptionSetDefinitions(Name='budgetstatus')", 400, "0x80044250"),
    ],
)
def test_what_is_shipped_is_not_deleted(web: Web, path: str, status: int, code: str) -> None:
    before = state_of(web)
    assert web.call("DELETE", path).fault == (status, code)
    assert state_of(web) == before


# -- faults ----------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("body", "code"),
    [
        (table("Account"), "0x80048062"),
        (table("new_Taken"), "0x80047010"),
        (table("NEW_TAKEN"), "0x80047010"),
        (table("Prefixless"), "0x80048062"),
        (table("mscrm_Reserved"), "0x80048062"),
        (table("1ab_Name"), "0x80048062"),
        (table("new_" + "x" * 61), "0x80044331"),
        (table("new_two words"), "0x80040278"),
        (table("new_naïve"), "0x80040278"),
        (table("new_a'; DROP TABLE account"), "0x80040278"),
        (table("rowguid"), "0x80047001"),
        (table(""), "0x80040203"),
        (table("new_X", SchemaName=5), "0x80040203"),
        (table("new_X", LogicalName="new_y"), "0x80040203"),
        (table("new_X", Attributes=[]), "0x80047014"),
        (table("new_X", Attributes=None), "0x80047014"),
        (table("new_X", Attributes="name"), "0x80040203"),
        (table("new_X", Attributes=[column("String", "new_Name")]), "0x80047014"),
        (table("new_X", Attributes=[column("Integer", "new_Name", IsPrimaryName=True)]), "0x80040203"),
        (
            table(
                "new_X",
                Attributes=[column("String", f"new_{each}", IsPrimaryName=True) for each in ("One", "Two")],
            ),
            None,
        ),
        (table("new_X", Attributes=[column("String", "new_Name", IsPrimaryName=True)] * 2), "0x80047013"),
        (table("new_X", Attributes=[column("String", "CreatedOn", IsPrimaryName=True)]), None),
        (table("new_X", OwnershipType="Nobody"), "0x80040203"),
        (table("new_X", OwnershipType="BusinessOwned"), "0x80040203"),
        (table("new_X", EntitySetName="accounts"), None),
        (table("new_X", EntitySetName="new_takens"), "0x8006089b"),
        (table("new_X", MetadataId="not an id"), "0x80040203"),
        (table("new_X", HasNotes="yes"), "0x80040203"),
        (table("new_X", DisplayName="text"), "0x80040203"),
        (
            table("new_X", DisplayName={"LocalizedLabels": [{"Label": "x", "LanguageCode": 1036}]}),
            "0x80044195",
        ),
        (table("new_X", Nothing=1), "0x80048d19"),
        ({**table("new_X"), "@odata.type": f"{CRM}Nothing"}, "0x80040203"),
        ({**table("new_X"), "@odata.type": f"{CRM}StringAttributeMetadata"}, "0x80040203"),
        *((body, "0x80048d19") for body in ([], b"{", b"null", b"\xff\xfe", b"[" * 5000)),
        (b"", "0x80040203"),
    ],
)
def test_a_wrong_table_is_refused_and_nothing_changes(web: Web, body: Any, code: str | None) -> None:
    if web.get("EntityDefinitions(LogicalName='new_taken')").status == 404:
        make_table(web, "new_Taken")
    before = state_of(web)
    answer = web.call("POST", "EntityDefinitions", body)
    assert answer.status == 400, answer.text
    found = answer.json["error"]["code"]
    assert found == code if code else found.startswith("0x800")
    assert state_of(web) == before
    assert web.get("EntityDefinitions(LogicalName='new_x')").status == 404


def test_two_definitions_never_share_an_id(web: Web) -> None:
    taken = web.get("EntityDefinitions(LogicalName='account')?$select=MetadataId").json["MetadataId"]
    before = state_of(web)
    assert web.call("POST", "EntityDefinitions", table("new_Twin", MetadataId=taken)).fault == (
        400,
        "0x80040203",
    )
    assert state_of(web) == before
    chosen = "7d2f4d5e-8c61-4f0e-9a93-0d3650000001"
    assert web.call("POST", "EntityDefinitions", table("new_Twin", MetadataId=chosen)).status == 204
    assert web.get(f"EntityDefinitions({chosen})?$select=LogicalName").json["LogicalName"] == "new_twin"


# -- batches ---------------------------------------------------------------------------------------------------------
def change_set(web: Web, *parts: tuple[str, str, Any]) -> Answer:
    """A $batch with one change set."""
    lines = ["--b", "Content-Type: multipart/mixed; boundary=c", ""]
    for number, (method, path, body) in enumerate(parts, 1):
        lines += [
            "--c", "Content-Type: application/http", "Content-Transfer-Encoding: binary", f"Content-ID: {number}", "",
            f"{method} {ROOT}{path} HTTP/1.1", "Content-Type: application/json", "", json.dumps(body),
        ]  # fmt: skip
    content = "\r\n".join([*lines, "--c--", "--b--", ""]).encode()
    return web.call("POST", "$batch", content, content_type="multipart/mixed; boundary=b")


def test_definitions_in_a_change_set_come_with_its_rows(web: Web) -> None:
    answer = change_set(
        web,
        ("POST", "EntityDefinitions", table("new_Batched")),
        ("POST", "accounts", {"name": "Batched beside"}),
    )
    assert answer.status == 200
    assert answer.text.count("HTTP/1.1 204") == 2
    web.make("new_batcheds", new_name="x")
    assert len(web.get("accounts?$filter=name eq 'Batched beside'").rows) == 1


def test_definitions_in_a_failing_change_set_are_taken_back(web: Web) -> None:
    make_table(web, "new_Standing")
    before = state_of(web)
    for parts in (
        [
            ("POST", "EntityDefinitions", table("new_Undone")),
            ("POST", "EntityDefinitions", table("new_Standing")),
        ],
        [
            ("POST", "EntityDefinitions", table("new_Undone")),
            ("PATCH", "accounts(name='none')", {"name": "x"}),
        ],
        [
            ("POST", "accounts", {"name": "Undone"}),
            (
                "POST",
                "EntityDefinitions(LogicalName='new_standing')/Attributes",
                column("String", "new_Name"),
            ),
        ],
    ):
        answer = change_set(web, *parts)
        assert answer.status == 400
        assert "0x800" in answer.text
    assert state_of(web) == before
    assert web.get("new_undones").status == 404
    assert web.get("accounts?$filter=name eq 'Undone'").rows == []
    # The name is free: the taken back table left no trace in the database.
    make_table(web, "new_Undone")
    web.make("new_undones", new_name="x")


# -- the next start --------------------------------------------------------------------------------------------------
@contextmanager
def opened(config: Config) -> Iterator[Web]:
    """An organisation from its start to its end."""
    organisation = open_organisation(config)
    with (
        closing(organisation),
        TestClient(build_application(organisation, [ORIGIN]), base_url=ORIGIN) as client,
    ):
        yield Web(client)


@pytest.mark.parametrize("database", ["sqlite", "postgres"])
def test_definitions_and_rows_survive_a_restart(
    database: str, tmp_path: Path, new_postgres_database: Callable[[], str]
) -> None:
    url = new_postgres_database() if database == "postgres" else None
    config = Config(data=str(tmp_path), database_url=url, sample=False)
    with opened(config) as web:
        path = make_table(web, "new_Stone", HasNotes=True)
        for each in (
            column("String", "new_Code", MaxLength=20),
            column("Picklist", "new_Kind", OptionSet={"Options": [{"Value": 3, "Label": label("Flint")}]}),
            column("Money", "new_Worth"),
        ):
            assert web.call("POST", f"{path}/Attributes", each).status == 204
        relate(web, "new_account_stone", "account", "new_stone", "new_AccountId")
        key = {"SchemaName": "new_StoneKey", "KeyAttributes": ["new_code"]}
        assert web.call("POST", f"{path}/Keys", key).status == 204
        account = web.make("accounts", name="Quarry")
        bind = {"new_AccountId@odata.bind": f"/accounts({account})"}
        web.make("new_stones", new_name="one", new_code="S1", new_kind=3, new_worth=2.5, **bind)
        before = {
            each: web.get(each).text for each in (path, f"{path}/Attributes", f"{path}/Keys", "$metadata")
        }
    with opened(config) as web:
        assert {each: web.get(each).text for each in before} == before
        row = web.get(
            "new_stones(new_code='S1')?$select=new_kind,new_worth&$expand=new_AccountId($select=name)"
        ).json
        assert (row["new_kind"], row["new_worth"], row["new_AccountId"]["name"]) == (3, 2.5, "Quarry")
        assert web.call("POST", f"{path}/Attributes", column("Integer", "new_Weight")).status == 204
        assert web.call("PATCH", "new_stones(new_code='S1')", {"new_weight": 7}).status == 204
        assert web.call("DELETE", path).status == 204


def test_how_a_definition_looks_is_kept_and_read_back(web: Web) -> None:
    path = make_table(web, "new_Looks", **LOOKS)
    made = web.get(path).json
    assert {name: made[name] for name in LOOKS} == {
        **LOOKS,
        "IsValidForQueue": {
            "Value": True, "CanBeChanged": True, "ManagedPropertyLogicalName": "canmodifyqueuesettings",
        },
    }  # fmt: skip
    changed = {**made, "EntityColor": "#ffffff", "IsQuickCreateEnabled": False, "HasChanged": True}
    assert web.call("PUT", path, changed).status == 204
    again = web.get(path).json
    assert (again["EntityColor"], again["IsQuickCreateEnabled"], again["IconVectorName"]) == (
        "#ffffff", False, "new_/icons/ship.svg",
    )  # fmt: skip
    audited = column("String", "new_Seen", MaxLength=10, IsAuditEnabled={"Value": False}, ImeMode="Disabled")
    assert web.call("POST", f"{path}/Attributes", audited).status == 204
    seen = web.get(f"{path}/Attributes(LogicalName='new_seen')/{CRM}StringAttributeMetadata").json
    assert (seen["IsAuditEnabled"]["Value"], seen["ImeMode"]) == (False, "Disabled")


@pytest.mark.parametrize(
    "wrong",
    [
        {"EntityColor": 5}, {"IsQuickCreateEnabled": "yes"}, {"IsValidForQueue": {"Value": 1}},
        {"EntityHelpUrl": "x" * 5000}, {"HasFeedback": []},
    ],
)  # fmt: skip
def test_how_a_definition_looks_has_its_type(web: Web, wrong: dict[str, Any]) -> None:
    answer = web.call("POST", "EntityDefinitions", table("new_WrongLooks", **wrong))
    assert answer.status == 400
    assert next(iter(wrong)) in answer.json["error"]["message"]
    assert web.get("EntityDefinitions(LogicalName='new_wronglooks')").status == 404


def test_the_menus_of_a_relationship_are_kept(web: Web) -> None:
    make_table(web, "new_Menu")
    menu = {"Behavior": "UseLabel", "Group": "Sales", "Order": 10010, "Label": label("Menus")}
    relate(
        web, "new_account_new_menu", "account", "new_menu", "new_AccountId", AssociatedMenuConfiguration=menu
    )
    path = "RelationshipDefinitions(SchemaName='new_account_new_menu')"
    shown = web.get(path).json["AssociatedMenuConfiguration"]
    assert (shown["Behavior"], shown["Group"], shown["Order"]) == ("UseLabel", "Sales", 10010)
    assert shown["Label"]["UserLocalizedLabel"]["Label"] == "Menus"
    for wrong in ({"Behavior": "Sideways"}, {"Order": "last"}, {"Colour": "red"}, {"ViewId": "x"}):
        whole = {**web.get(path).json, "AssociatedMenuConfiguration": wrong}
        assert web.call("PUT", path, whole).status == 400
    assert web.get(path).json["AssociatedMenuConfiguration"] == shown
