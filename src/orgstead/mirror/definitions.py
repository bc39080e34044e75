"""Definitions as an organisation answers them, and what of them another one is given.

https://learn.microsoft.com/power-apps/developer/data-platform/webapi/query-metadata-web-api
https://learn.microsoft.com/power-apps/developer/data-platform/webapi/create-update-entity-definitions-using-web-api
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from orgstead.client import Client, NotFoundError, label
from orgstead.client.answers import body_of
from orgstead.client.definitions import NAMESPACE, label_of
from orgstead.client.literals import name as checked_name
from orgstead.client.literals import query_text

__all__ = [
    "Definition",
    "bare_column",
    "bare_labels",
    "bare_lookup",
    "bare_many_to_many",
    "bare_options",
    "bare_relationship",
    "bare_table",
    "kind_of",
    "read_definition",
    "read_json",
]

_CHOICES = ("Picklist", "MultiSelectPicklist", "Boolean", "State", "Status")
_COLUMN = ("SchemaName", "IsSecured", "AutoNumberFormat")
# What is particular to a kind of column, beside names, labels and options.
_OF_KIND: Mapping[str, Sequence[str]] = {
    "String": ("MaxLength", "FormatName"),
    "Memo": ("MaxLength",),
    "Integer": ("MinValue", "MaxValue", "Format"),
    "BigInt": (),
    "Decimal": ("MinValue", "MaxValue", "Precision"),
    "Double": ("MinValue", "MaxValue", "Precision"),
    "Money": ("MinValue", "MaxValue", "Precision", "PrecisionSource"),
    "Boolean": ("DefaultValue",),
    "Picklist": ("DefaultFormValue",),
    "MultiSelectPicklist": ("DefaultFormValue",),
    "DateTime": ("Format", "DateTimeBehavior"),
    "File": ("MaxSizeInKB",),
    "Image": ("MaxSizeInKB",),
    "UniqueIdentifier": (),
}
_TABLE = (
    "SchemaName",
    "EntitySetName",
    "OwnershipType",
    "HasActivities",
    "HasNotes",
    "ChangeTrackingEnabled",
    "IsActivity",
)
_CASCADES = ("Assign", "Delete", "Merge", "Reparent", "Share", "Unshare")


@dataclass(frozen=True, slots=True, kw_only=True)
class Definition:
    """A table of an organisation: ``raw`` its own members, the rest by logical or schema name, as answered."""

    name: str
    raw: Mapping[str, Any]
    columns: Mapping[str, Mapping[str, Any]] = field(repr=False)
    keys: Mapping[str, Mapping[str, Any]] = field(repr=False)
    many_to_one: Mapping[str, Mapping[str, Any]] = field(repr=False)
    many_to_many: Mapping[str, Mapping[str, Any]] = field(repr=False)

    @property
    def custom(self) -> bool:
        """Whether the organisation made it."""
        return bool(self.raw.get("IsCustomEntity"))


def read_json(client: Client, path: str) -> Any:
    """What an organisation answers, never out of a cache. Raises what a request raises."""
    return body_of(client.request("GET", path, headers={"Consistency": "Strong"}))


def read_definition(client: Client, table: str) -> Definition | None:
    """A table with everything that belongs to it, or None when there is none."""
    base = f"EntityDefinitions(LogicalName='{checked_name(table).lower()}')"
    expand = query_text({"$expand": "Keys,ManyToOneRelationships,ManyToManyRelationships"})
    try:
        found = read_json(client, f"{base}?{expand}")
    except NotFoundError:
        return None
    columns = {each["LogicalName"]: dict(each) for each in read_json(client, f"{base}/Attributes")["value"]}
    options = query_text({"$select": "LogicalName", "$expand": "OptionSet,GlobalOptionSet"})
    kinds = {kind_of(each) for each in columns.values()}
    for kind in _CHOICES:
        if kind in kinds:
            path = f"{base}/Attributes/{NAMESPACE}{kind}AttributeMetadata?{options}"
            for each in read_json(client, path)["value"]:
                columns[each["LogicalName"]]["OptionSet"] = each.get("OptionSet") or each.get(
                    "GlobalOptionSet"
                )
                columns[each["LogicalName"]]["GlobalOptionSet"] = each.get("GlobalOptionSet")
    return Definition(
        name=found["LogicalName"],
        raw=found,
        columns=columns,
        keys={each["LogicalName"]: each for each in found.get("Keys") or ()},
        many_to_one={each["SchemaName"]: each for each in found["ManyToOneRelationships"]},
        many_to_many={each["SchemaName"]: each for each in found["ManyToManyRelationships"]},
    )


def kind_of(column: Mapping[str, Any]) -> str:
    """The kind of a column: the name of its metadata type without what all of them end with."""
    found = str(column.get("@odata.type") or "").rpartition(".")[2].removesuffix("AttributeMetadata")
    return found or str(column.get("AttributeType") or "")


def _label(value: Any, language: int) -> dict[str, Any] | None:
    """A label in the language of the target, or else in that of whoever reads the source."""
    for each in (value or {}).get("LocalizedLabels") or ():
        if each.get("LanguageCode") == language and each.get("Label"):
            return label(str(each["Label"]), language)
    text = label_of(value)
    return label(text, language) if text else None


def _named(raw: Mapping[str, Any], members: Sequence[str], language: int) -> dict[str, Any]:
    made = {each: raw[each] for each in members if raw.get(each) is not None and raw.get(each) != ""}
    for each in ("DisplayName", "DisplayCollectionName", "Description"):
        text = _label(raw.get(each), language)
        if text is not None:
            made[each] = text
    return made


def bare_labels(raw: Mapping[str, Any], language: int) -> dict[str, Any]:
    """The names and the description of anything, for people."""
    return _named(raw, (), language)


def bare_table(table: Definition, language: int) -> dict[str, Any]:
    """A table as another organisation makes it: with the column of its name, and no other."""
    made = _named(table.raw, _TABLE, language)
    primary = str(table.raw.get("PrimaryNameAttribute") or "")
    column = bare_column(table.columns[primary], language) if primary in table.columns else None
    attributes = [{**column, "IsPrimaryName": True}] if column is not None else []
    return {"@odata.type": f"{NAMESPACE}EntityMetadata", **made, "Attributes": attributes}


def bare_column(raw: Mapping[str, Any], language: int) -> dict[str, Any] | None:
    """A column that is no lookup as another organisation makes it, or None for a kind that none can make."""
    kind = kind_of(raw)
    if kind not in _OF_KIND:
        return None
    made = {
        "@odata.type": f"{NAMESPACE}{kind}AttributeMetadata",
        **_named(raw, (*_COLUMN, *_OF_KIND[kind]), language),
    }
    made["RequiredLevel"] = {"Value": _required(raw)}
    shared = raw.get("GlobalOptionSet")
    options = raw.get("OptionSet") or {}
    if kind == "Boolean":
        made["OptionSet"] = {
            "OptionSetType": "Boolean",
            "TrueOption": _option(options.get("TrueOption") or {"Value": 1}, language),
            "FalseOption": _option(options.get("FalseOption") or {"Value": 0}, language),
        }
    elif kind in _CHOICES and shared and shared.get("IsGlobal", True):
        made["GlobalOptionSet@odata.bind"] = (
            f"/GlobalOptionSetDefinitions(Name='{checked_name(shared['Name'])}')"
        )
    elif kind in _CHOICES:
        made["OptionSet"] = {
            "IsGlobal": False,
            "OptionSetType": "Picklist",
            "Options": bare_options(options, language),
        }
    return made


def _required(raw: Mapping[str, Any]) -> str:
    level = str((raw.get("RequiredLevel") or {}).get("Value") or "None")
    return "ApplicationRequired" if level == "SystemRequired" else level


def bare_options(options: Mapping[str, Any], language: int) -> list[dict[str, Any]]:
    """The options of a choice."""
    return [_option(each, language) for each in options.get("Options") or ()]


def _option(raw: Mapping[str, Any], language: int) -> dict[str, Any]:
    value = int(raw["Value"])
    made: dict[str, Any] = {
        "Value": value,
        "Label": _label(raw.get("Label"), language) or label(str(value), language),
    }
    if raw.get("Color"):
        made["Color"] = raw["Color"]
    return made


def bare_lookup(raw: Mapping[str, Any], language: int) -> dict[str, Any]:
    """The column of a relationship."""
    made = {
        "@odata.type": f"{NAMESPACE}LookupAttributeMetadata",
        **_named(raw, ("SchemaName", "IsSecured"), language),
    }
    return {**made, "RequiredLevel": {"Value": _required(raw)}}


def bare_relationship(raw: Mapping[str, Any]) -> dict[str, Any]:
    """A one-to-many relationship, without its column."""
    members = ("SchemaName", "ReferencedEntity", "ReferencingEntity", "ReferencedEntityNavigationPropertyName",
               "ReferencingEntityNavigationPropertyName", "IsHierarchical")  # fmt: skip
    made = {each: raw[each] for each in members if raw.get(each) not in (None, "")}
    cascade = raw.get("CascadeConfiguration") or {}
    made["CascadeConfiguration"] = {each: cascade[each] for each in _CASCADES if cascade.get(each)}
    return {"@odata.type": f"{NAMESPACE}OneToManyRelationshipMetadata", **made}


def bare_many_to_many(raw: Mapping[str, Any]) -> dict[str, Any]:
    """A many-to-many relationship."""
    members = ("SchemaName", "Entity1LogicalName", "Entity2LogicalName", "IntersectEntityName",
               "Entity1NavigationPropertyName", "Entity2NavigationPropertyName")  # fmt: skip
    made = {each: raw[each] for each in members if raw.get(each) not in (None, "")}
    return {"@odata.type": f"{NAMESPACE}ManyToManyRelationshipMetadata", **made}
