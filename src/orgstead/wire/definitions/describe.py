"""Tables, keys and relationships as metadata definitions.

https://learn.microsoft.com/power-apps/developer/data-platform/webapi/reference/entitymetadata
https://learn.microsoft.com/power-apps/developer/data-platform/webapi/reference/relationshipmetadatabase
"""

from collections.abc import Mapping
from typing import Any

from orgstead.model.privileges import table_privileges
from orgstead.model.schema import Key, ManyToMany, OneToMany, Schema, Table
from orgstead.wire.definitions.definition import Definition, base_values
from orgstead.wire.definitions.describe_columns import attribute
from orgstead.wire.definitions.labels import Caption, caption, managed

__all__ = ["entity", "entity_key", "many_to_many", "one_to_many"]


def entity(table: Table, schema: Schema) -> Definition:
    """A table as EntityMetadata."""
    name, custom = table.logical_name, table.is_custom
    values = base_values("EntityMetadata", custom)
    values |= {
        "MetadataId": table.metadata_id,
        "ActivityTypeMask": 1 if table.is_activity else 0,
        "IsActivity": table.is_activity,
        "IsActivityParty": "activityparty" in schema.tables and _is_party(name, schema),
        "IsAvailableOffline": not custom,
        "IsChildEntity": table.ownership == "None" and not table.is_intersect,
        "IsCustomEntity": custom,
        "ChangeTrackingEnabled": table.change_tracking,
        "IsImportable": not table.is_intersect,
        "IsIntersect": table.is_intersect,
        "IsValidForAdvancedFind": not (table.is_intersect or table.is_private),
        "LogicalName": name,
        "ObjectTypeCode": table.object_type_code,
        "OwnershipType": table.ownership,
        "PrimaryNameAttribute": table.primary_name,
        "PrimaryImageAttribute": table.primary_image,
        "PrimaryIdAttribute": table.primary_id,
        "ReportViewName": f"Filtered{table.schema_name}",
        "SchemaName": table.schema_name,
        "IsStateModelAware": table.state_column is not None,
        "LogicalCollectionName": table.entity_set,
        "CollectionSchemaName": _collection_schema_name(table),
        "EntitySetName": table.entity_set,
        "IsPrivate": table.is_private,
        "HasNotes": table.has_notes,
        "HasActivities": table.has_activities,
        "HasEmailAddresses": any(column.format == "Email" for column in table.columns.values()),
        "Description": caption(table.description, table.metadata_id, "Description", custom),
        "DisplayName": caption(table.display_name, table.metadata_id, "DisplayName", custom),
        "DisplayCollectionName": caption(
            table.display_collection_name, table.metadata_id, "DisplayCollectionName", custom
        ),
        "IsAuditEnabled": managed("canmodifyauditsettings", table.audited),
        "Privileges": _privileges(table, schema),
        **table.shown,
    }
    return Definition(
        type="EntityMetadata",
        values=values,
        links={
            "Attributes": lambda: [attribute(column, table, schema) for column in table.columns.values()],
            "Keys": lambda: [entity_key(key, table) for key in table.keys],
            "OneToManyRelationships": lambda: [
                one_to_many(rel, schema) for rel in schema.referenced.get(name, ())
            ],
            "ManyToOneRelationships": lambda: [
                one_to_many(rel, schema) for rel in schema.referencing.get(name, ())
            ],
            "ManyToManyRelationships": lambda: [many_to_many(rel) for rel in schema.crossing.get(name, ())],
        },
    )


def _is_party(table: str, schema: Schema) -> bool:
    party = schema.tables["activityparty"].columns.get("partyid")
    return party is not None and table in party.targets


def _collection_schema_name(table: Table) -> str:
    """The entity set with the letter case of the schema name where the two agree."""
    common = 0
    for one, other in zip(table.schema_name, table.entity_set, strict=False):
        if one.lower() != other:
            break
        common += 1
    return table.schema_name[:common] + table.entity_set[common:]


def _privileges(table: Table, schema: Schema) -> list[dict[str, Any]]:
    return [
        {
            "CanBeBasic": "Basic" in each.depths,
            "CanBeDeep": "Deep" in each.depths,
            "CanBeGlobal": "Global" in each.depths,
            "CanBeLocal": "Local" in each.depths,
            "CanBeEntityReference": False,
            "CanBeParentEntityReference": False,
            "CanBeRecordFilter": False,
            "Name": each.name,
            "PrivilegeId": each.id,
            "PrivilegeType": each.right,
        }
        for each in table_privileges(table, schema)
    ]


def one_to_many(rel: OneToMany, schema: Schema) -> Definition:
    """A 1:N relationship as OneToManyRelationshipMetadata."""
    values = base_values("OneToManyRelationshipMetadata", rel.is_custom)
    cascade = rel.cascade
    values |= {
        "MetadataId": rel.metadata_id,
        "IsCustomRelationship": rel.is_custom,
        "SchemaName": rel.schema_name,
        "SecurityTypes": "ParentChild" if cascade.reparent == "Cascade" else "Append",
        "RelationshipType": "OneToManyRelationship",
        "ReferencedAttribute": rel.referenced_attribute,
        "ReferencedEntity": rel.referenced,
        "ReferencingAttribute": rel.referencing_attribute,
        "ReferencingEntity": rel.referencing,
        "IsHierarchical": rel.hierarchical,
        "ReferencedEntityNavigationPropertyName": rel.referenced_navigation,
        "ReferencingEntityNavigationPropertyName": rel.referencing_navigation,
        **_shown(rel, "AssociatedMenuConfiguration"),
        "CascadeConfiguration": {
            "Assign": cascade.assign,
            "Delete": cascade.delete,
            "Archive": "RemoveLink" if cascade.delete != "Cascade" else "Cascade",
            "Merge": cascade.merge,
            "Reparent": cascade.reparent,
            "Share": cascade.share,
            "Unshare": cascade.unshare,
            "RollupView": "NoCascade",
        },
    }

    def lookup() -> Definition | None:
        table = schema.tables.get(rel.referencing)
        column = table.columns.get(rel.referencing_attribute) if table is not None else None
        return attribute(column, table, schema) if table is not None and column is not None else None

    return Definition(type="OneToManyRelationshipMetadata", values=values, links={"Lookup": lookup})


def many_to_many(rel: ManyToMany) -> Definition:
    """An N:N relationship as ManyToManyRelationshipMetadata."""
    values = base_values("ManyToManyRelationshipMetadata", rel.is_custom)
    values |= {
        "MetadataId": rel.metadata_id,
        "IsCustomRelationship": rel.is_custom,
        "SchemaName": rel.schema_name,
        "RelationshipType": "ManyToManyRelationship",
        "Entity1LogicalName": rel.entity1,
        "Entity2LogicalName": rel.entity2,
        "IntersectEntityName": rel.intersect,
        "Entity1IntersectAttribute": rel.entity1_attribute,
        "Entity2IntersectAttribute": rel.entity2_attribute,
        "Entity1NavigationPropertyName": rel.entity1_navigation,
        "Entity2NavigationPropertyName": rel.entity2_navigation,
        **_shown(rel, "Entity1AssociatedMenuConfiguration", "Entity2AssociatedMenuConfiguration"),
    }
    return Definition(type="ManyToManyRelationshipMetadata", values=values)


def _shown(rel: OneToMany | ManyToMany, *menus: str) -> dict[str, Any]:
    """What a relationship shows besides its rules; its menus are whole, and their labels labels."""
    shown = dict(rel.shown)
    for name in menus:
        menu = {**_MENU, **shown.get(name, {})}
        shown[name] = {**menu, "Label": Caption(menu["Label"], rel.metadata_id, name, rel.is_custom)}
    return shown


_MENU: Mapping[str, Any] = {
    "Behavior": "UseCollectionName",
    "Group": "Details",
    "Order": 10000,
    "IsCustomizable": True,
    "Icon": None,
    "ViewId": "00000000-0000-0000-0000-000000000000",
    "AvailableOffline": True,
    "MenuId": "",
    "QueryApi": None,
    "Label": "",
}


def entity_key(key: Key, table: Table) -> Definition:
    """An alternate key as EntityKeyMetadata."""
    custom = True
    values = base_values("EntityKeyMetadata", custom)
    values |= {
        "MetadataId": key.metadata_id,
        "LogicalName": key.logical_name,
        "SchemaName": key.schema_name,
        "EntityLogicalName": table.logical_name,
        "KeyAttributes": list(key.columns),
        "IsManaged": not table.is_custom,
        "DisplayName": caption(key.display_name or key.schema_name, key.metadata_id, "DisplayName", custom),
    }
    return Definition(type="EntityKeyMetadata", values=values)
