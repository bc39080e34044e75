"""Microsoft's Python client, used as its own documentation shows, against a live server over TLS."""

from collections.abc import Iterator
from enum import IntEnum
from pathlib import Path

import pytest
from PowerPlatform.Dataverse.client import DataverseClient
from PowerPlatform.Dataverse.core.errors import HttpError
from PowerPlatform.Dataverse.models.filters import col
from PowerPlatform.Dataverse.models.labels import Label, LocalizedLabel
from PowerPlatform.Dataverse.models.query_builder import ExpandOption
from PowerPlatform.Dataverse.models.relationship import (
    CascadeConfiguration,
    LookupAttributeMetadata,
    ManyToManyRelationshipMetadata,
    OneToManyRelationshipMetadata,
)
from PowerPlatform.Dataverse.models.upsert import UpsertItem

NOBODY = "00000000-0000-4000-8000-0000000000ff"


class Stage(IntEnum):
    """Labels in one language, as the client turns enumerations into choices."""

    Draft = 100000000
    Done = 100000001


@pytest.fixture
def boats(client: DataverseClient) -> Iterator[str]:
    """A table of its own with a column of every kind that the client can make."""
    client.tables.create(
        "new_Boat",
        {
            "new_Code": "string",
            "new_Story": "memo",
            "new_Seats": "int",
            "new_Length": "decimal",
            "new_Speed": "float",
            "new_Built": "datetime",
            "new_Sold": "bool",
            "new_Stage": Stage,
        },
    )
    yield "new_boat"
    client.tables.delete("new_boat")


def test_a_record_lives_through_create_retrieve_update_and_delete(client: DataverseClient) -> None:
    id = client.records.create("account", {"name": "Grey Wagtail Forge", "accountcategorycode": 1})
    found = client.records.retrieve("account", id, select=["name", "accountcategorycode", "createdon"])
    assert found is not None
    assert (found["name"], found["accountcategorycode"]) == ("Grey Wagtail Forge", 1)
    client.records.update("account", id, {"telephone1": "555 0100"})
    found = client.records.retrieve("account", id, select=["name", "telephone1"])
    assert found is not None
    assert (found["name"], found["telephone1"]) == ("Grey Wagtail Forge", "555 0100")
    client.records.delete("account", id)
    assert client.records.retrieve("account", id) is None


def test_many_records_are_made_changed_alike_and_one_by_one(client: DataverseClient) -> None:
    ids = client.records.create("contact", [{"lastname": f"Sdk {n}", "firstname": "A"} for n in range(5)])
    assert len(set(ids)) == 5
    client.records.update("contact", ids, {"jobtitle": "Smith"})
    client.records.update("contact", ids, [{"firstname": f"B{n}"} for n in range(5)])
    rows = list(
        client.records.list(
            "contact",
            select=["firstname", "jobtitle"],
            filter="startswith(lastname,'Sdk ')",
            orderby=["firstname"],
        )
    )
    assert [(row["firstname"], row["jobtitle"]) for row in rows] == [(f"B{n}", "Smith") for n in range(5)]
    client.records.delete("contact", ids, use_bulk_delete=False)
    assert list(client.records.list("contact", filter="startswith(lastname,'Sdk ')")) == []


def test_labels_of_choices_are_turned_into_their_numbers(client: DataverseClient) -> None:
    id = client.records.create("account", {"name": "Labels", "accountcategorycode": "Standard"})
    found = client.records.retrieve("account", id, select=["accountcategorycode"])
    assert found is not None
    assert found["accountcategorycode"] == 2


def test_the_query_builder_finds_pages_counts_and_expands(client: DataverseClient) -> None:
    company = client.records.create("account", {"name": "Builder"})
    for n in range(7):
        client.records.create(
            "contact",
            {
                "lastname": f"Query {n}",
                "numberofchildren": n,
                "parentcustomerid_account@odata.bind": f"/accounts({company})",
            },
        )
    children = col("numberofchildren")
    base = col("lastname").startswith("Query")
    for condition, expected in (
        (children == 3, [3]),
        (children != 3, [0, 1, 2, 4, 5, 6]),
        ((children > 1) & (children <= 3), [2, 3]),
        ((children < 1) | (children >= 6), [0, 6]),
        (children.in_([1, 5]), [1, 5]),
        (children.not_in([1, 5]), [0, 2, 3, 4, 6]),
        (children.between(2, 4), [2, 3, 4]),
        (children.not_between(2, 4), [0, 1, 5, 6]),
        (col("lastname").endswith("4"), [4]),
        (col("lastname").contains("ry 2"), [2]),
        (col("lastname").like("Query 5%"), [5]),
        (~(children == 0), [1, 2, 3, 4, 5, 6]),
        (col("jobtitle").is_null() & (children == 1), [1]),
        (col("jobtitle").is_not_null(), []),
    ):
        found = (
            client.query.builder("contact")
            .select("lastname", "numberofchildren")
            .where(base & condition)
            .order_by("numberofchildren")
            .execute()
        )
        assert [row["numberofchildren"] for row in found] == expected, str(condition)
    pages = list(
        client.query.builder("contact")
        .select("lastname")
        .where(base)
        .order_by("lastname")
        .page_size(3)
        .execute_pages()
    )
    assert [len(list(page)) for page in pages] == [3, 3, 1]
    (row,) = (
        client.query.builder("account")
        .select("name", "statecode")
        .where(col("accountid") == company)
        .expand(
            ExpandOption("contact_customer_accounts").select("lastname").order_by("lastname", True).top(2)
        )
        .include_formatted_values()
        .execute()
    )
    assert row["statecode@OData.Community.Display.V1.FormattedValue"] == "Active"
    assert [each["lastname"] for each in row["contact_customer_accounts"]] == ["Query 6", "Query 5"]


def test_pages_of_a_list_follow_the_next_links(client: DataverseClient) -> None:
    client.records.create("account", [{"name": f"Paged {n}"} for n in range(5)])
    pages = list(
        client.records.list_pages("account", select=["name"], filter="startswith(name,'Paged')", page_size=2)
    )
    assert [len(list(page)) for page in pages] == [2, 2, 1]


def test_a_table_has_the_columns_it_was_given_and_keeps_values(client: DataverseClient, boats: str) -> None:
    info = client.tables.get(boats)
    assert info is not None
    assert (info["table_logical_name"], info["entity_set_name"]) == ("new_boat", "new_boats")
    kinds = {column["LogicalName"]: column["AttributeType"] for column in client.tables.list_columns(boats)}
    assert {name: kinds[name] for name in sorted(kinds) if name.startswith("new_") and not name.endswith("name")} == {
        "new_boatid": "Uniqueidentifier", "new_built": "DateTime", "new_code": "String", "new_length": "Decimal",
        "new_seats": "Integer", "new_sold": "Boolean", "new_speed": "Double", "new_stage": "Picklist",
        "new_story": "Memo",
    }  # fmt: skip
    values = {
        "new_name": "Teal",
        "new_code": "T1",
        "new_story": "line\nline",
        "new_seats": 4,
        "new_length": 9.25,
        "new_speed": 5.5,
        "new_built": "2020-02-29T12:00:00Z",
        "new_sold": True,
        "new_stage": 100000001,
    }
    id = client.records.create(boats, values)
    found = client.records.retrieve(boats, id, select=list(values))
    assert found is not None
    assert {name: found[name] for name in values} == values
    client.tables.add_columns(boats, {"new_Colour": "string"})
    client.records.update(boats, id, {"new_colour": "green"})
    client.tables.remove_columns(boats, ["new_Colour"])
    with pytest.raises(HttpError):
        client.records.update(boats, id, {"new_colour": "red"})
    assert "new_boat" in {table["LogicalName"] for table in client.tables.list()}


def test_an_alternate_key_upserts_one_and_many(client: DataverseClient, boats: str) -> None:
    client.tables.create_alternate_key(boats, "new_codekey", ["new_code"])
    (key,) = client.tables.get_alternate_keys(boats)
    assert (key.key_attributes, key.status) == (["new_code"], "Active")
    client.records.upsert(boats, [UpsertItem(alternate_key={"new_code": "A"}, record={"new_seats": 1})])
    client.records.upsert(
        boats,
        [
            UpsertItem(alternate_key={"new_code": "A"}, record={"new_seats": 2}),
            UpsertItem(alternate_key={"new_code": "B"}, record={"new_seats": 3}),
        ],
    )
    rows = client.records.list(boats, select=["new_code", "new_seats"], orderby=["new_code"])
    assert [(row["new_code"], row["new_seats"]) for row in rows] == [("A", 2), ("B", 3)]
    client.tables.delete_alternate_key(boats, key.metadata_id)
    assert client.tables.get_alternate_keys(boats) == []


def test_relationships_are_made_used_and_removed(client: DataverseClient, boats: str) -> None:
    simple = client.tables.create_lookup_field(boats, "new_OwnedById", "account", display_name="Owned by")
    account = client.records.create("account", {"name": "Owner of boats"})
    boat = client.records.create(
        boats, {"new_name": "Bound", "new_OwnedById@odata.bind": f"/accounts({account})"}
    )
    found = client.records.retrieve(boats, boat, select=["_new_ownedbyid_value"])
    assert found is not None
    assert found["_new_ownedbyid_value"] == account
    assert simple.relationship_schema_name in {
        rel["SchemaName"] for rel in client.tables.list_table_relationships(boats)
    }
    full = client.tables.create_one_to_many_relationship(
        LookupAttributeMetadata(
            schema_name="new_SkipperId",
            display_name=Label(localized_labels=[LocalizedLabel(label="Skipper", language_code=1033)]),
        ),
        OneToManyRelationshipMetadata(
            schema_name="new_contact_boat",
            referenced_entity="contact",
            referencing_entity=boats,
            referenced_attribute="contactid",
            cascade_configuration=CascadeConfiguration(delete="RemoveLink"),
        ),
    )
    many = client.tables.create_many_to_many_relationship(
        ManyToManyRelationshipMetadata(
            schema_name="new_boat_account", entity1_logical_name=boats, entity2_logical_name="account"
        )
    )
    for made in (full, many):
        known = client.tables.get_relationship(made.relationship_schema_name)
        assert known is not None
        assert known.relationship_id == made.relationship_id
        client.tables.delete_relationship(made.relationship_id)
        assert client.tables.get_relationship(made.relationship_schema_name) is None


def test_a_batch_with_a_change_set_is_all_or_nothing(client: DataverseClient) -> None:
    batch = client.batch.new()
    with batch.changeset() as changes:
        reference = changes.records.create("account", {"name": "Batched by Python"})
        changes.records.update("account", reference, {"telephone1": "555 0111"})
    batch.records.list("account", select=["name", "telephone1"], filter="name eq 'Batched by Python'")
    result = batch.execute()
    assert [answer.status_code for answer in result.responses] == [204, 204, 200]
    rows = list(client.records.list("account", select=["telephone1"], filter="name eq 'Batched by Python'"))
    assert [row["telephone1"] for row in rows] == ["555 0111"]

    failing = client.batch.new()
    with failing.changeset() as changes:
        changes.records.create("account", {"name": "Never"})
        changes.records.delete("account", NOBODY)
    failing.records.create("account", {"name": "Goes on"})
    result = failing.execute(continue_on_error=True)
    assert result.has_errors
    assert [answer.status_code for answer in result.responses] == [404, 204]
    assert list(client.records.list("account", filter="name eq 'Never'")) == []
    assert len(list(client.records.list("account", filter="name eq 'Goes on'"))) == 1


def test_a_failure_is_the_clients_own_error_with_the_services_code(client: DataverseClient) -> None:
    with pytest.raises(HttpError) as raised:
        client.records.update("account", NOBODY, {"name": "x"})
    assert raised.value.status_code == 404
    assert raised.value.details["service_error_code"] == "0x80040217"
    with pytest.raises(HttpError) as raised:
        list(client.records.list("account", select=["nosuch"]))
    assert raised.value.status_code == 400
    assert "nosuch" in raised.value.message
    with pytest.raises(HttpError) as raised:
        client.records.create("account", {"name": "x" * 1000})
    assert raised.value.status_code == 400
    assert not raised.value.is_transient


def test_sql_is_asked_as_the_documentation_shows(client: DataverseClient) -> None:
    account = client.records.create("account", {"name": "Asked in SQL", "telephone1": "555", "revenue": 10})
    contact = {"lastname": "Asker", "parentcustomerid_account@odata.bind": f"/accounts({account})"}
    for firstname in ("Ann", "Bob"):
        client.records.create("contact", {"firstname": firstname, **contact})
    (row,) = client.query.sql(
        "SELECT TOP 1 a.name AS account_name, a.telephone1 FROM account AS a WHERE a.name LIKE 'Asked in%'"
    )
    assert (row["account_name"], row["telephone1"]) == ("Asked in SQL", "555")
    rows = client.query.sql(
        "SELECT a.name, c.fullname FROM account AS a INNER JOIN contact AS c ON a.accountid = c.parentcustomerid "
        "WHERE a.name = 'Asked in SQL' ORDER BY c.fullname DESC"
    )
    assert [(each["name"], each["fullname"]) for each in rows] == [
        ("Asked in SQL", "Bob Asker"), ("Asked in SQL", "Ann Asker"),
    ]  # fmt: skip
    (total,) = client.query.sql(
        "SELECT COUNT(*) AS many, SUM(a.revenue) AS worth FROM account a "
        "JOIN contact c ON a.accountid = c.parentcustomerid WHERE a.name = 'Asked in SQL'"
    )
    assert (total["many"], total["worth"]) == (2, 20)
    with pytest.raises(HttpError, match="nosuch"):
        client.query.sql("SELECT nosuch FROM account")


def test_fetchxml_is_walked_page_by_page(client: DataverseClient) -> None:
    for number in range(5):
        client.records.create("account", {"name": f"Walked {number}"})
    query = client.query.fetchxml(
        """<fetch count="2"><entity name="account"><attribute name="name"/><order attribute="name"/>
        <filter><condition attribute="name" operator="like" value="Walked%"/></filter></entity></fetch>"""
    )
    pages = [[row["name"] for row in page] for page in query.execute_pages()]
    assert pages == [["Walked 0", "Walked 1"], ["Walked 2", "Walked 3"], ["Walked 4"]]
    assert len(query.execute()) == 5


@pytest.mark.parametrize("mode", ["small", "chunk"])
def test_a_file_is_uploaded_replaced_and_is_there(
    client: DataverseClient, boats: str, tmp_path: Path, mode: str
) -> None:
    papers = tmp_path / "papers.txt"
    id = client.records.create(boats, {"new_Code": "Vessel"})
    for content in (b"p" * 9_000_000, b"shorter"):
        papers.write_bytes(content)
        # The client makes the column when it is not there.
        client.files.upload(boats, id, "new_Papers", str(papers), mode=mode, if_none_match=False)
        row = client.records.retrieve(boats, id, select=["new_papers", "new_papers_name"])
        assert row is not None
        assert row["new_papers_name"] == "papers.txt"
        odata = client._get_odata()
        address = f"{odata.api}/new_boats({id})/new_papers/$value"
        assert odata._request("get", address).content == content
