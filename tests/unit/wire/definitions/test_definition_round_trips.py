"""What is described as metadata and read back is what it was, for every shipped definition."""

import dataclasses
import json
from typing import Any

import pytest

from orgstead.errors import Fault
from orgstead.model.schema import Table
from orgstead.solutions.load import load_base
from orgstead.wire.definitions.definition import Definition
from orgstead.wire.definitions.describe import entity, entity_key, many_to_many, one_to_many
from orgstead.wire.definitions.describe_columns import attribute
from orgstead.wire.definitions.describe_options import global_option_set
from orgstead.wire.definitions.labels import plain
from orgstead.wire.definitions.read_columns import change_column, read_column
from orgstead.wire.definitions.read_options import change_choice
from orgstead.wire.definitions.read_relationships import change_relationship
from orgstead.wire.definitions.read_tables import change_table
from orgstead.wire.definitions.vocabulary import properties_of

SCHEMA = load_base()
ID = "11111111-2222-3333-4444-555555555555"


def as_json(definition: Definition, *, options: bool = False) -> dict[str, Any]:
    """The definition as a client reads it."""
    found = {name: plain(value) for name, value in definition.values.items()}
    if options and "OptionSet" in definition.links:
        inner = definition.links["OptionSet"]()
        if isinstance(inner, Definition):
            found["OptionSet"] = {name: plain(value) for name, value in inner.values.items()}
    found["@odata.type"] = f"#Microsoft.Dynamics.CRM.{definition.type}"
    parsed: dict[str, Any] = json.loads(json.dumps(found))
    return parsed


def differences(one: Any, other: Any) -> dict[str, tuple[Any, Any]]:
    pairs = {
        field.name: (getattr(one, field.name), getattr(other, field.name))
        for field in dataclasses.fields(one)
    }
    return {name: pair for name, pair in pairs.items() if pair[0] != pair[1]}


@pytest.mark.parametrize("table", SCHEMA.tables.values(), ids=lambda table: table.logical_name)
def test_a_table_put_back_as_it_was_read_stays_as_it_was(table: Table) -> None:
    assert differences(table, change_table(as_json(entity(table, SCHEMA)), table, SCHEMA)) == {}


@pytest.mark.parametrize("table", SCHEMA.tables.values(), ids=lambda table: table.logical_name)
@pytest.mark.parametrize("options", [False, True])
def test_columns_put_back_as_they_were_read_stay_as_they_were(table: Table, options: bool) -> None:
    for column in table.columns.values():
        body = as_json(attribute(column, table, SCHEMA), options=options)
        assert differences(column, change_column(body, column, table, SCHEMA)) == {}, column.name


def test_relationships_put_back_as_they_were_read_stay_as_they_were() -> None:
    for rel in SCHEMA.one_to_many.values():
        assert differences(rel, change_relationship(as_json(one_to_many(rel, SCHEMA)), rel, SCHEMA)) == {}
    for crossing in SCHEMA.many_to_many.values():
        assert (
            differences(crossing, change_relationship(as_json(many_to_many(crossing)), crossing, SCHEMA))
            == {}
        )


def test_global_choices_put_back_as_they_were_read_stay_as_they_were() -> None:
    for choice in SCHEMA.choices.values():
        assert differences(choice, change_choice(as_json(global_option_set(choice)), choice)) == {}


def test_every_definition_has_exactly_the_published_properties_of_its_type() -> None:
    described = [entity(table, SCHEMA) for table in SCHEMA.tables.values()]
    described += [
        attribute(c, table, SCHEMA) for table in SCHEMA.tables.values() for c in table.columns.values()
    ]
    described += [one_to_many(rel, SCHEMA) for rel in SCHEMA.one_to_many.values()]
    described += [many_to_many(rel) for rel in SCHEMA.many_to_many.values()]
    described += [entity_key(key, table) for table in SCHEMA.tables.values() for key in table.keys]
    described += [global_option_set(choice) for choice in SCHEMA.choices.values()]
    for definition in described:
        assert set(definition.values) == set(properties_of(definition.type)[0]), definition.type


@pytest.mark.parametrize(
    ("body", "name"),
    [
        ({}, "InvalidDefinition"),
        ({"@odata.type": 5}, "InvalidDefinition"),
        ({"@odata.type": "Microsoft.Dynamics.CRM.account", "SchemaName": "new_a"}, "InvalidDefinition"),
        (
            {"@odata.type": "Microsoft.Dynamics.CRM.EntityMetadata", "SchemaName": "new_a"},
            "InvalidDefinition",
        ),
        ({"@odata.type": "Microsoft.Dynamics.CRM.StringAttributeMetadata"}, "InvalidDefinition"),
        (
            {"@odata.type": "Microsoft.Dynamics.CRM.StringAttributeMetadata", "SchemaName": 1},
            "InvalidDefinition",
        ),
        ({"SchemaName": "new_a", "MaxLength": "5"}, "InvalidDefinition"),
        ({"SchemaName": "new_a", "MaxLength": 2**40}, "InvalidDefinition"),
        ({"SchemaName": "new_a", "MaxLength": True}, "InvalidDefinition"),
        ({"SchemaName": "new_a", "AttributeType": "Memo"}, "InvalidDefinition"),
        ({"SchemaName": "new_a", "LogicalName": "new_b"}, "InvalidDefinition"),
        ({"SchemaName": "new_a", "MetadataId": "nonsense"}, "InvalidDefinition"),
        ({"SchemaName": "new_a", "DisplayName": "plain text"}, "InvalidDefinition"),
        ({"SchemaName": "new_a", "DisplayName": {"LocalizedLabels": "x"}}, "InvalidDefinition"),
        ({"SchemaName": "new_a", "IsSecured": "yes"}, "InvalidDefinition"),
        (
            {
                "SchemaName": "new_a",
                "DisplayName": {"LocalizedLabels": [{"Label": "Nom", "LanguageCode": 1036}]},
            },
            "LanguageNotInstalled",
        ),
        ({"SchemaName": "new_a", "Colour": "red"}, "InvalidProperty"),
        ({"SchemaName": "new_a", "Precision": 2}, "InvalidProperty"),
        ({"SchemaName": "new_a", "SourceTypeMask": 1}, "NotSupported"),
        ({"SchemaName": "new_a", "FormulaDefinition": "a + b"}, "NotSupported"),
    ],
)
def test_a_bad_column_definition_is_refused_with_its_own_fault(body: dict[str, Any], name: str) -> None:
    if "@odata.type" not in body and body:
        body = {"@odata.type": "Microsoft.Dynamics.CRM.StringAttributeMetadata", **body}
    with pytest.raises(Fault) as raised:
        read_column(body, SCHEMA, lambda: ID)
    assert raised.value.name == name


def test_a_property_that_says_what_is_the_default_anyway_is_accepted() -> None:
    body = {
        "@odata.type": "#Microsoft.Dynamics.CRM.StringAttributeMetadata",
        "AttributeType": "String",
        "AttributeTypeName": {"Value": "StringType"},
        "SchemaName": "new_Code",
        "SourceTypeMask": 0,
        "FormulaDefinition": "",
        "IsCustomizable": {
            "Value": True,
            "CanBeChanged": True,
            "ManagedPropertyLogicalName": "iscustomizable",
        },
        "FormatName": {"Value": "Email"},
        "MaxLength": 50,
    }
    column = read_column(body, SCHEMA, lambda: ID)
    assert (column.name, column.type, column.max_length, column.format) == ("new_code", "string", 50, "Email")
    assert column.metadata_id == ID
