"""Schema values as metadata definitions: a type's name, its property values, its links.

https://learn.microsoft.com/power-apps/developer/data-platform/webapi/reference/entitymetadata
https://learn.microsoft.com/power-apps/developer/data-platform/webapi/reference/attributemetadata
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache, lru_cache
from typing import Any

from orgstead.model.schema import Choice, Column, Key, ManyToMany, OneToMany, Option, Schema, Table
from orgstead.wire.definitions.labels import Caption, caption, derived_id, managed
from orgstead.wire.definitions.vocabulary import properties_of

__all__ = [
    "ATTRIBUTE_KINDS", "Definition", "Described", "attribute", "entity", "entity_key", "global_option_set",
    "many_to_many", "one_to_many",
]  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Definition:
    """One definition. ``values`` may hold ``Caption``s; ``links`` make what navigation properties lead to."""

    type: str
    values: Mapping[str, Any]
    links: "Mapping[str, Callable[[], Described]]" = field(default_factory=dict)

    @property
    def id(self) -> str:
        """The MetadataId."""
        return str(self.values["MetadataId"])


Described = Definition | Sequence[Definition] | None

# Per column type: the metadata type, AttributeType and AttributeTypeName.
ATTRIBUTE_KINDS: Mapping[str, tuple[str, str, str]] = {
    "string": ("StringAttributeMetadata", "String", "StringType"),
    "memo": ("MemoAttributeMetadata", "Memo", "MemoType"),
    "integer": ("IntegerAttributeMetadata", "Integer", "IntegerType"),
    "bigint": ("BigIntAttributeMetadata", "BigInt", "BigIntType"),
    "decimal": ("DecimalAttributeMetadata", "Decimal", "DecimalType"),
    "double": ("DoubleAttributeMetadata", "Double", "DoubleType"),
    "money": ("MoneyAttributeMetadata", "Money", "MoneyType"),
    "boolean": ("BooleanAttributeMetadata", "Boolean", "BooleanType"),
    "choice": ("PicklistAttributeMetadata", "Picklist", "PicklistType"),
    "multichoice": ("MultiSelectPicklistAttributeMetadata", "Virtual", "MultiSelectPicklistType"),
    "state": ("StateAttributeMetadata", "State", "StateType"),
    "status": ("StatusAttributeMetadata", "Status", "StatusType"),
    "datetime": ("DateTimeAttributeMetadata", "DateTime", "DateTimeType"),
    "lookup": ("LookupAttributeMetadata", "Lookup", "LookupType"),
    "customer": ("LookupAttributeMetadata", "Customer", "CustomerType"),
    "owner": ("LookupAttributeMetadata", "Owner", "OwnerType"),
    "partylist": ("LookupAttributeMetadata", "PartyList", "PartyListType"),
    "uniqueidentifier": ("UniqueIdentifierAttributeMetadata", "Uniqueidentifier", "UniqueidentifierType"),
    "image": ("ImageAttributeMetadata", "Virtual", "ImageType"),
    "file": ("FileAttributeMetadata", "Virtual", "FileType"),
    "entityname": ("EntityNameAttributeMetadata", "EntityName", "EntityNameType"),
    "managedproperty": ("ManagedPropertyAttributeMetadata", "ManagedProperty", "ManagedPropertyType"),
    "virtual": ("AttributeMetadata", "Virtual", "VirtualType"),
}
_OPTION_SETS = {
    "choice": "Picklist",
    "multichoice": "Picklist",
    "state": "State",
    "status": "Status",
    "entityname": "Picklist",
}
_RIGHTS = ("Create", "Read", "Write", "Delete", "Assign", "Share", "Append", "AppendTo")
_SYSTEM_VERSION = "5.0.0.0"


@cache
def _defaults(type_name: str) -> Mapping[str, Any]:
    return {name: prop.default for name, prop in properties_of(type_name)[0].items()}


def _base(type_name: str, custom: bool) -> dict[str, Any]:
    values = dict(_defaults(type_name))
    values["IsManaged"] = not custom
    if not custom:
        values["IntroducedVersion"] = _SYSTEM_VERSION
    return values


def entity(table: Table, schema: Schema) -> Definition:
    """A table as EntityMetadata."""
    name, custom = table.logical_name, table.is_custom
    values = _base("EntityMetadata", custom)
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
        "Privileges": [] if table.is_intersect else _privileges(table),
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


def _privileges(table: Table) -> list[dict[str, Any]]:
    owned = table.ownership == "UserOwned"
    rights = _RIGHTS if owned else tuple(right for right in _RIGHTS if right not in ("Assign", "Share"))
    return [
        {
            "CanBeBasic": owned,
            "CanBeDeep": owned,
            "CanBeGlobal": True,
            "CanBeLocal": owned,
            "CanBeEntityReference": False,
            "CanBeParentEntityReference": False,
            "CanBeRecordFilter": False,
            "Name": f"prv{right}{table.schema_name}",
            "PrivilegeId": derived_id(table.metadata_id, right),
            "PrivilegeType": right,
        }
        for right in rights
    ]


def attribute(column: Column, table: Table, schema: Schema) -> Definition:
    """A column as the AttributeMetadata type that it is."""
    type_name, code, type_label = ATTRIBUTE_KINDS[column.type]
    custom = column.is_custom
    values = _base(type_name, custom)
    values |= {
        "MetadataId": column.metadata_id,
        "AttributeOf": column.attribute_of,
        "AttributeType": code,
        "ColumnNumber": _numbers(table)[column.name],
        "EntityLogicalName": table.logical_name,
        "IsCustomAttribute": custom,
        "IsPrimaryId": column.name == table.primary_id,
        "IsValidODataAttribute": column.attribute_of is None,
        "IsPrimaryName": column.name == table.primary_name,
        "IsValidForCreate": column.create,
        "IsValidForRead": column.read,
        "IsValidForUpdate": column.update,
        "IsSecured": column.secured,
        "IsSearchable": column.searchable and column.name == table.primary_name,
        "LogicalName": column.name,
        "SchemaName": column.schema_name,
        "AutoNumberFormat": column.autonumber or "",
        "IsValidForForm": column.attribute_of is None and (column.create or column.update),
        "IsRequiredForForm": column.required in ("ApplicationRequired", "SystemRequired"),
        "IsLogical": column.is_logical,
        "AttributeTypeName": {"Value": type_label},
        "Description": caption(column.description, column.metadata_id, "Description", custom),
        "DisplayName": caption(column.display_name, column.metadata_id, "DisplayName", custom),
        "IsValidForAdvancedFind": managed(
            "canmodifysearchsettings", column.searchable and column.attribute_of is None
        ),
        "RequiredLevel": {
            "Value": column.required,
            "CanBeChanged": column.required != "SystemRequired" and column.attribute_of is None,
            "ManagedPropertyLogicalName": "canmodifyrequirementlevelsettings",
        },
    }
    extra = _EXTRAS.get(column.type)
    if extra is not None:
        values |= extra(column, table)
    links: dict[str, Callable[[], Described]] = {}
    if "OptionSet" in properties_of(type_name)[1]:
        shared = schema.choices.get(column.global_choice) if column.global_choice else None
        links["OptionSet"] = lambda: _column_option_set(column, table, shared)
        links["GlobalOptionSet"] = lambda: None if shared is None else global_option_set(shared)
    return Definition(type=type_name, values=values, links=links)


@lru_cache(maxsize=256)
def _numbers(table: Table) -> Mapping[str, int]:
    """The place of each column in its table, from 1."""
    return {name: index for index, name in enumerate(table.columns, 1)}


def _string(column: Column, table: Table) -> dict[str, Any]:
    length = column.max_length or 100
    style = column.format or "Text"
    return {
        "Format": style,
        "MaxLength": length,
        "DatabaseLength": 2 * length,
        "FormatName": {"Value": style},
    }


def _memo(column: Column, table: Table) -> dict[str, Any]:
    style = column.format or "TextArea"
    return {"Format": style, "MaxLength": column.max_length or 2000, "FormatName": {"Value": style}}


def _integer(column: Column, table: Table) -> dict[str, Any]:
    return {
        "Format": column.format or "None",
        "MinValue": -(2**31) if column.min is None else int(column.min),
        "MaxValue": 2**31 - 1 if column.max is None else int(column.max),
    }


def _decimal(column: Column, table: Table) -> dict[str, Any]:
    return {
        "MinValue": -100_000_000_000 if column.min is None else column.min,
        "MaxValue": 100_000_000_000 if column.max is None else column.max,
        "Precision": 2 if column.precision is None else column.precision,
    }


def _money(column: Column, table: Table) -> dict[str, Any]:
    return {
        "MinValue": -922_337_203_685_477 if column.min is None else column.min,
        "MaxValue": 922_337_203_685_477 if column.max is None else column.max,
        "Precision": 2 if column.precision is None else column.precision,
        "PrecisionSource": 2 if column.precision_source is None else column.precision_source,
        "CalculationOf": column.base_of,
        "IsBaseCurrency": column.base_of is not None,
    }


def _datetime(column: Column, table: Table) -> dict[str, Any]:
    behavior = column.behavior or "UserLocal"
    return {
        "Format": column.format or "DateAndTime",
        "DateTimeBehavior": {"Value": behavior},
        "CanChangeDateTimeBehavior": managed(
            "canchangedatetimebehavior", column.is_custom and behavior == "UserLocal"
        ),
    }


def _boolean(column: Column, table: Table) -> dict[str, Any]:
    return {"DefaultValue": bool(column.default)}


def _default_option(column: Column, table: Table) -> dict[str, Any]:
    return {"DefaultFormValue": -1 if column.default is None else column.default}


def _targets(column: Column, table: Table) -> dict[str, Any]:
    regarding = column.name == "regardingobjectid"
    return {"Targets": list(column.targets), "Format": "Regarding" if regarding else "None"}


def _image(column: Column, table: Table) -> dict[str, Any]:
    return {"IsPrimaryImage": column.name == table.primary_image}


def _file(column: Column, table: Table) -> dict[str, Any]:
    return {"MaxSizeInKB": 32768 if column.max is None else int(column.max)}


_EXTRAS: Mapping[str, Callable[[Column, Table], dict[str, Any]]] = {
    "string": _string,
    "memo": _memo,
    "integer": _integer,
    "decimal": _decimal,
    "double": _decimal,
    "money": _money,
    "datetime": _datetime,
    "boolean": _boolean,
    "choice": _default_option,
    "multichoice": _default_option,
    "state": _default_option,
    "status": _default_option,
    "lookup": _targets,
    "customer": _targets,
    "owner": _targets,
    "partylist": _targets,
    "image": _image,
    "file": _file,
}


def _column_option_set(column: Column, table: Table, shared: Choice | None) -> Definition | None:
    """The option set that a column's values come from: its own, or the global one."""
    if shared is not None:
        return global_option_set(shared)
    if column.type == "entityname":
        return None
    id = derived_id(column.metadata_id, "OptionSet")
    name = f"{table.logical_name}_{column.name}"
    if column.type == "boolean":
        labels = {option.value: option for option in column.options}
        no, yes = labels.get(0, Option(0, "No")), labels.get(1, Option(1, "Yes"))
        values = _option_set_values("BooleanOptionSetMetadata", id, name, column.is_custom)
        values |= {
            "OptionSetType": "Boolean",
            "TrueOption": _option(yes, id, column.is_custom),
            "FalseOption": _option(no, id, column.is_custom),
            "DisplayName": caption(column.display_name, id, "DisplayName", column.is_custom),
            "Description": caption(column.description, id, "Description", column.is_custom),
        }
        return Definition(type="BooleanOptionSetMetadata", values=values)
    values = _option_set_values("OptionSetMetadata", id, name, column.is_custom)
    values |= {
        "OptionSetType": _OPTION_SETS[column.type],
        "Options": [_option(option, id, column.is_custom, column.type) for option in column.options],
        "DisplayName": caption(column.display_name, id, "DisplayName", column.is_custom),
        "Description": caption(column.description, id, "Description", column.is_custom),
    }
    return Definition(type="OptionSetMetadata", values=values)


def global_option_set(choice: Choice) -> Definition:
    """A global choice as OptionSetMetadata."""
    id, custom = choice.metadata_id, choice.is_custom
    values = _option_set_values("OptionSetMetadata", id, choice.name, custom)
    values |= {
        "IsGlobal": True,
        "Options": [_option(option, id, custom) for option in choice.options],
        "DisplayName": caption(choice.display_name, id, "DisplayName", custom),
        "Description": caption(choice.description, id, "Description", custom),
    }
    return Definition(type="OptionSetMetadata", values=values)


def _option_set_values(type_name: str, id: str, name: str, custom: bool) -> dict[str, Any]:
    values = _base(type_name, custom)
    values |= {"MetadataId": id, "IsCustomOptionSet": custom, "Name": name}
    return values


def _option(option: Option, seed: str, custom: bool, kind: str = "choice") -> dict[str, Any]:
    value: dict[str, Any] = {}
    if kind == "state":
        value["@odata.type"] = "#Microsoft.Dynamics.CRM.StateOptionMetadata"
    elif kind == "status":
        value["@odata.type"] = "#Microsoft.Dynamics.CRM.StatusOptionMetadata"
    value |= {
        "Value": option.value,
        "Color": option.color,
        "IsManaged": not custom,
        "ExternalValue": "",
        "ParentValues": [],
        "Tag": None,
        "IsHidden": False,
        "MetadataId": None,
        "HasChanged": None,
        "Label": caption(option.label, seed, f"Option{option.value}", custom),
        "Description": caption("", seed, "", custom),
    }
    if kind == "state":
        value |= {"DefaultStatus": option.default_status, "InvariantName": option.label}
    elif kind == "status":
        value |= {"State": option.state, "TransitionData": None}
    return value


def one_to_many(rel: OneToMany, schema: Schema) -> Definition:
    """A 1:N relationship as OneToManyRelationshipMetadata."""
    values = _base("OneToManyRelationshipMetadata", rel.is_custom)
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
        "AssociatedMenuConfiguration": _menu(rel.metadata_id, rel.is_custom),
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
    values = _base("ManyToManyRelationshipMetadata", rel.is_custom)
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
        "Entity1AssociatedMenuConfiguration": _menu(rel.metadata_id, rel.is_custom),
        "Entity2AssociatedMenuConfiguration": _menu(rel.metadata_id, rel.is_custom),
    }
    return Definition(type="ManyToManyRelationshipMetadata", values=values)


def _menu(seed: str, custom: bool) -> dict[str, Any]:
    return {
        "Behavior": "UseCollectionName",
        "Group": "Details",
        "Order": 10000,
        "IsCustomizable": True,
        "Icon": None,
        "ViewId": "00000000-0000-0000-0000-000000000000",
        "AvailableOffline": True,
        "MenuId": "",
        "QueryApi": None,
        "Label": Caption("", seed, "Menu", custom),
    }


def entity_key(key: Key, table: Table) -> Definition:
    """An alternate key as EntityKeyMetadata."""
    custom = True
    values = _base("EntityKeyMetadata", custom)
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
