"""EntityMetadata and EntityKeyMetadata in JSON to tables and keys.

https://learn.microsoft.com/power-apps/developer/data-platform/webapi/create-update-entity-definitions-using-web-api
"""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from orgstead.errors import fault
from orgstead.model.schema import Key, Schema, Table
from orgstead.wire.definitions.body import Body, type_of
from orgstead.wire.definitions.describe import entity, entity_key
from orgstead.wire.definitions.read_columns import read_column

__all__ = ["change_table", "read_key", "read_table"]

MAX_ATTRIBUTES = 500
# What a table is born with and keeps.
FIXED = (
    "SchemaName", "LogicalName", "OwnershipType", "PrimaryIdAttribute", "PrimaryNameAttribute", "IsActivity",
    "IsIntersect", "IsCustomEntity", "ObjectTypeCode", "MetadataId", "TableType",
)  # fmt: skip


def read_table(value: Any, schema: Schema, new_id: Callable[[], str]) -> Table:
    """A new table; its columns are those of ``Attributes``, its primary name the one that says so.

    Raises InvalidDefinition, PrimaryNameMissing, PrimaryNameTwice, InvalidProperty, NotSupported.
    """
    if type_of(value, "EntityMetadata") != "EntityMetadata":
        raise fault("InvalidDefinition", what="the request", reason="an EntityMetadata was expected")
    schema_name = value.get("SchemaName")
    if not isinstance(schema_name, str):
        raise fault("InvalidDefinition", what="the entity", reason="SchemaName must be a text")
    is_activity = value.get("IsActivity") is True
    bare = Table(
        logical_name=schema_name.lower(),
        schema_name=schema_name,
        entity_set="",
        metadata_id="",
        object_type_code=0,
        primary_id="activityid" if is_activity else f"{schema_name.lower()}id",
        primary_name=None,
        columns={},
        ownership="UserOwned",
        is_custom=True,
        is_activity=is_activity,
    )
    body = Body(value, "EntityMetadata", entity(replace(bare, is_intersect=True), schema).values)
    body.text("SchemaName")
    if body.text("LogicalName", bare.logical_name) != bare.logical_name:
        raise body.wrong("LogicalName is SchemaName in lower case")
    ownership = body.choice("OwnershipType", bare.ownership)
    table = _read(body, replace(bare, ownership=ownership))  # type: ignore[arg-type]
    body.raw("ObjectTypeCode")
    body.flag("IsCustomEntity", True)
    body.flag("IsIntersect", False)
    body.flag("IsValidForAdvancedFind", True)
    body.flag("IsStateModelAware", True)
    body.text("LogicalCollectionName")
    body.text("CollectionSchemaName")
    body.flag("IsActivity", is_activity)
    primary_id = body.text("PrimaryIdAttribute", bare.primary_id)
    if primary_id != bare.primary_id:
        raise body.wrong(f"PrimaryIdAttribute is {bare.primary_id}")
    table = replace(
        table,
        metadata_id=body.id("MetadataId", new_id()),
        entity_set=body.text("EntitySetName"),
    )
    table = _columns(body, table, schema, new_id)
    body.finish()
    return table


def _columns(body: Body, table: Table, schema: Schema, new_id: Callable[[], str]) -> Table:
    given = body.raw("Attributes")
    if given is None:
        given = []
    if not isinstance(given, list) or len(given) > MAX_ATTRIBUTES:
        raise body.wrong(f"Attributes must be an array of at most {MAX_ATTRIBUTES} attributes")
    named = body.text("PrimaryNameAttribute") or None
    primary, columns = None, {}
    for item in given:
        column = read_column(item, schema, new_id)
        if column.name in columns:
            raise fault("ColumnExists", name=column.schema_name, table=table.schema_name)
        columns[column.name] = column
        if item.get("IsPrimaryName"):
            if primary is not None:
                raise fault("PrimaryNameTwice", column=column.name, table=table.schema_name, existing=primary)
            primary = column.name
    primary = primary or named
    # The primary name of an activity is there without being asked for.
    if (primary is None or primary not in columns) and not (table.is_activity and not columns.get("subject")):
        raise fault("PrimaryNameMissing")
    return replace(table, columns=columns, primary_name=primary)


def change_table(value: Any, current: Table, schema: Schema) -> Table:
    """An existing table as a PUT describes it."""
    if type_of(value, "EntityMetadata") != "EntityMetadata":
        raise fault("InvalidDefinition", what="the request", reason="an EntityMetadata was expected")
    body = Body(value, "EntityMetadata", entity(current, schema).values)
    for name in FIXED:
        if body.raw(name) is not None:
            raise body.wrong(f"{name} cannot be changed")
    table = _read(body, current)
    entity_set = body.text("EntitySetName", current.entity_set)
    image = body.text("PrimaryImageAttribute", current.primary_image or "") or None
    table = replace(table, entity_set=entity_set, primary_image=image)
    if entity_set != current.entity_set:
        body.text("LogicalCollectionName")
        body.text("CollectionSchemaName")
    body.finish()
    return table


def _read(body: Body, start: Table) -> Table:
    """``start`` with what may be changed later, too."""
    return replace(
        start,
        display_name=body.label("DisplayName", start.display_name),
        display_collection_name=body.label("DisplayCollectionName", start.display_collection_name),
        description=body.label("Description", start.description),
        has_notes=body.flag("HasNotes", start.has_notes),
        has_activities=body.flag("HasActivities", start.has_activities),
        change_tracking=body.flag("ChangeTrackingEnabled", start.change_tracking),
        audited=body.flag("IsAuditEnabled", start.audited),
        shown=body.kept(start.shown),
    )


def read_key(value: Any, table: Table, new_id: Callable[[], str]) -> Key:
    """A new alternate key of ``table``."""
    if type_of(value, "EntityKeyMetadata") != "EntityKeyMetadata":
        raise fault("InvalidDefinition", what="the request", reason="an EntityKeyMetadata was expected")
    name = value.get("SchemaName")
    if not isinstance(name, str):
        raise fault("InvalidDefinition", what="the key", reason="SchemaName must be a text")
    bare = Key(logical_name=name.lower(), schema_name=name, metadata_id="", columns=())
    body = Body(value, "EntityKeyMetadata", entity_key(bare, table).values)
    body.text("SchemaName")
    key = replace(
        bare,
        metadata_id=body.id("MetadataId", new_id()),
        columns=body.names("KeyAttributes"),
        display_name=body.label("DisplayName", name),
    )
    body.finish()
    return key
