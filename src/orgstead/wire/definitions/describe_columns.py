"""Columns as the AttributeMetadata types that they are.

https://learn.microsoft.com/power-apps/developer/data-platform/webapi/reference/attributemetadata
"""

from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any

from orgstead.model.schema import Column, Schema, Table
from orgstead.model.types import largest_file
from orgstead.wire.definitions.definition import Definition, Described, base_values
from orgstead.wire.definitions.describe_options import column_option_set, global_option_set
from orgstead.wire.definitions.labels import caption, managed
from orgstead.wire.definitions.vocabulary import properties_of

__all__ = ["ATTRIBUTE_KINDS", "attribute"]

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


def attribute(column: Column, table: Table, schema: Schema) -> Definition:
    """A column as the AttributeMetadata type that it is."""
    type_name, code, type_label = ATTRIBUTE_KINDS[column.type]
    custom = column.is_custom
    values = base_values(type_name, custom)
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
    values |= column.shown
    links: dict[str, Callable[[], Described]] = {}
    if "OptionSet" in properties_of(type_name)[1]:
        shared = schema.choices.get(column.global_choice) if column.global_choice else None
        links["OptionSet"] = lambda: column_option_set(column, table, shared)
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
    return {
        "IsPrimaryImage": column.name == table.primary_image,
        "MaxSizeInKB": largest_file(column) // 1024,
    }


def _file(column: Column, table: Table) -> dict[str, Any]:
    return {"MaxSizeInKB": largest_file(column) // 1024}


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
