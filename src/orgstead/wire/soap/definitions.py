"""Requests that read definitions of tables, columns, relationships and choices.

https://learn.microsoft.com/power-apps/developer/data-platform/org-service/work-with-metadata
https://learn.microsoft.com/dotnet/api/microsoft.xrm.sdk.messages.retrieveentityrequest
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from orgstead.errors import Fault, fault
from orgstead.wire.definitions.catalog import Catalog, catalog
from orgstead.wire.definitions.definition import Definition
from orgstead.wire.definitions.expression import definition_changes, wrong_query
from orgstead.wire.soap.answers import Operation, Response
from orgstead.wire.soap.ask import Ask
from orgstead.wire.soap.contracts import TypeName
from orgstead.wire.soap.pieces import Stream
from orgstead.wire.soap.primitives import EMPTY_ID
from orgstead.wire.soap.registry import request
from orgstead.wire.soap.write import Typed

__all__ = ["answered", "described"]

FILTERS: TypeName = ("meta", "EntityFilters")
# What the filters of a table's definition add to its own properties.
LINKS: Mapping[str, tuple[str, ...]] = {
    "Attributes": ("Attributes",),
    "Relationships": ("OneToManyRelationships", "ManyToOneRelationships", "ManyToManyRelationships"),
    "Entity": ("Keys",),
}
# Links that are part of every definition that has them.
ALWAYS = frozenset({"OptionSet"})
ATTRIBUTES: TypeName = ("meta", "ArrayOfEntityMetadata")
OPTION_SETS: TypeName = ("meta", "ArrayOfOptionSetMetadataBase")


def described(definition: Definition, links: frozenset[str] = frozenset()) -> dict[str, Any]:
    """A definition as a value that states its type, with what some of its links lead to."""
    value: dict[str, Any] = {"@odata.type": f"#Microsoft.Dynamics.CRM.{definition.type}", **definition.values}
    for name, link in definition.links.items():
        if name not in links and name not in ALWAYS:
            continue
        found = link()
        if isinstance(found, Definition):
            value[name] = described(found)
        elif isinstance(found, Sequence):
            value[name] = [described(each) for each in found]
    return value


def answered(ask: Ask, *results: tuple[str, Any]) -> Operation:
    """An operation that needs nothing of the database."""
    ask.finish()
    return Operation(messages=(), render=lambda _: Response(name=ask.name, results=results))


def _entity(definition: Definition, filters: frozenset[str]) -> dict[str, Any]:
    """The definition of a table as far as the filters go."""
    links = frozenset(name for kind in ("Entity", *filters) for name in LINKS.get(kind, ()))
    value = described(definition, links)
    if "Privileges" not in filters:
        value["Privileges"] = None
    return value


def _filters(ask: Ask) -> frozenset[str]:
    text = ask.value("EntityFilters", FILTERS)
    ask.flag("RetrieveAsIfPublished")
    if text is not None and not isinstance(text, str):
        raise ask.wrong("EntityFilters", "EntityFilters")
    return frozenset((text or "Entity").split(","))


def _missing(kind: str, name: Any) -> Fault:
    return fault("DefinitionNotFound", kind=kind, name=str(name)[:100])


def find(definitions: Sequence[Definition], kind: str, by: Mapping[str, Any]) -> Definition:
    """The definition that a request names: by its id where there is one, else by its name.

    Raises DefinitionNotFound, InvalidArgument when it is not named at all.
    """
    id = by.pop("MetadataId", None) if isinstance(by, dict) else None
    if id not in (None, EMPTY_ID):
        by = {"MetadataId": id}
    for name, value in by.items():
        if value is None:
            continue
        for each in definitions:
            if each.values.get(name) == value:
                return each
        raise _missing(kind, value)
    raise fault("InvalidArgument", message=f"The request names no {kind}.")


def table_definition(ask: Ask, known: Catalog, name: str, id: str | None = "MetadataId") -> Definition:
    """The definition of the table that parameters name."""
    by = {"LogicalName": ask.text(name), "MetadataId": ask.value(id) if id is not None else None}
    return find(known.entities, "EntityMetadata", by)


def _members(definition: Definition, link: str) -> Sequence[Definition]:
    found = definition.links[link]()
    return found if isinstance(found, Sequence) else ()


@request("RetrieveEntity")
def _retrieve_entity(ask: Ask) -> Operation:
    known, filters = catalog(ask.schema), _filters(ask)
    found = table_definition(ask, known, "LogicalName")
    return answered(ask, ("EntityMetadata", Typed(("meta", "EntityMetadata"), _entity(found, filters))))


@request("RetrieveAllEntities")
def _retrieve_all_entities(ask: Ask) -> Operation:
    known, filters = catalog(ask.schema), _filters(ask)

    def items() -> Iterator[Any]:
        return (_entity(each, filters) for each in known.entities)

    return answered(
        ask,
        ("EntityMetadata", Stream(type=ATTRIBUTES, items=items)),
        ("Timestamp", str(ask.schema.version)),
    )


@request("RetrieveAttribute")
def _retrieve_attribute(ask: Ask) -> Operation:
    known = catalog(ask.schema)
    ask.flag("RetrieveAsIfPublished")
    name, id, column = ask.text("EntityLogicalName"), ask.value("MetadataId"), ask.text("LogicalName")
    if name is None:
        # An id is enough: it is looked for in all tables.
        columns = [each for table in known.entities for each in _members(table, "Attributes")]
    else:
        table = find(known.entities, "EntityMetadata", {"LogicalName": name})
        columns = list(_members(table, "Attributes"))
    ask.value("ColumnNumber")
    found = find(columns, "AttributeMetadata", {"LogicalName": column, "MetadataId": id})
    return answered(ask, ("AttributeMetadata", stated(found)))


def stated(definition: Definition) -> Typed:
    """A definition under the type that it is of."""
    from_contract = TYPES.get(definition.type, ("meta", definition.type))
    return Typed(from_contract, described(definition))


# Definitions whose types came later, and so are in a namespace of their own.
TYPES: Mapping[str, TypeName] = {
    "UniqueIdentifierAttributeMetadata": ("meta71", "UniqueIdentifierAttributeMetadata"),
    "ImageAttributeMetadata": ("meta13", "ImageAttributeMetadata"),
    "MultiSelectPicklistAttributeMetadata": ("meta90", "MultiSelectPicklistAttributeMetadata"),
    "FileAttributeMetadata": ("meta90", "FileAttributeMetadata"),
    "EntityKeyMetadata": ("meta71", "EntityKeyMetadata"),
}


@request("RetrieveRelationship")
def _retrieve_relationship(ask: Ask) -> Operation:
    ask.flag("RetrieveAsIfPublished")
    by = {"SchemaName": ask.text("Name"), "MetadataId": ask.value("MetadataId")}
    found = find(catalog(ask.schema).relationships, "RelationshipMetadataBase", by)
    return answered(ask, ("RelationshipMetadata", stated(found)))


@request("RetrieveOptionSet")
def _retrieve_option_set(ask: Ask) -> Operation:
    ask.flag("RetrieveAsIfPublished")
    by = {"Name": ask.text("Name"), "MetadataId": ask.value("MetadataId")}
    found = find(catalog(ask.schema).option_sets, "OptionSetMetadataBase", by)
    return answered(ask, ("OptionSetMetadata", stated(found)))


@request("RetrieveAllOptionSets")
def _retrieve_all_option_sets(ask: Ask) -> Operation:
    ask.flag("RetrieveAsIfPublished")
    known = catalog(ask.schema)

    def items() -> Iterator[Any]:
        return (described(each) for each in known.option_sets)

    return answered(ask, ("OptionSetMetadata", Stream(type=OPTION_SETS, items=items)))


@request("RetrieveEntityKey")
def _retrieve_entity_key(ask: Ask) -> Operation:
    ask.flag("RetrieveAsIfPublished")
    id, column = ask.value("MetadataId"), ask.text("LogicalName")
    table = table_definition(ask, catalog(ask.schema), "EntityLogicalName", None)
    found = find(_members(table, "Keys"), "EntityKeyMetadata", {"LogicalName": column, "MetadataId": id})
    return answered(ask, ("EntityKeyMetadata", stated(found)))


@request("RetrieveManagedProperty")
def _retrieve_managed_property(ask: Ask) -> Operation:
    by = {"LogicalName": ask.text("LogicalName"), "MetadataId": ask.value("MetadataId")}
    found = find(catalog(ask.schema).managed_properties, "ManagedPropertyMetadata", by)
    return answered(ask, ("ManagedPropertyMetadata", stated(found)))


@request("RetrieveTimestamp")
def _retrieve_timestamp(ask: Ask) -> Operation:
    return answered(ask, ("Timestamp", str(ask.schema.version)))


@request("RetrieveMetadataChanges")
def _retrieve_metadata_changes(ask: Ask) -> Operation:
    """https://learn.microsoft.com/dotnet/api/microsoft.xrm.sdk.messages.retrievemetadatachangesrequest"""
    ask.flag("RetrieveAllSettings")
    found = definition_changes(
        _expression(ask.value("Query", ("query", "EntityQueryExpression"))),
        ask.value("ClientVersionStamp"),
        ask.value("DeletedMetadataFilters", ("query", "DeletedMetadataFilters")),
        ask.schema,
        _condition_value,
    )
    return answered(
        ask,
        (
            "EntityMetadata",
            Stream(type=("xrm", "EntityMetadataCollection"), items=lambda: found.tables),
        ),
        ("ServerVersionStamp", found.stamp),
        ("DeletedMetadata", Typed(("query", "DeletedMetadataCollection"), found.deleted)),
    )


def _expression(query: Any) -> Any:
    """A query without what is not for it."""
    if query is not None and not isinstance(query, dict):
        raise wrong_query("Query must be an EntityQueryExpression")
    return query


def _condition_value(value: Any) -> Any:
    return value.get("Value") if isinstance(value, dict) else value
