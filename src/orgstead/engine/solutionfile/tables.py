"""Tables and their keys as elements of solution files.

https://learn.microsoft.com/power-apps/developer/data-platform/customization-solutions-file-schema
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from xml.etree.ElementTree import Element

from orgstead.engine.solutionfile.archive import bad
from orgstead.engine.solutionfile.columns import ReadColumn, read_column, write_column
from orgstead.engine.solutionfile.markup import Reading, add, add_labels, unsupported
from orgstead.engine.solutionfile.options import VERSION
from orgstead.engine.solutionfile.traits import TABLE_TRAITS, read_traits, write_traits
from orgstead.engine.solutionfile.views import View, read_view
from orgstead.model.schema import Column, Key, Schema, Table

__all__ = ["ReadTable", "read_table", "write_table"]

_OWNERSHIPS = {
    "UserOwned": "UserOwned",
    "OrganizationOwned": "OrgOwned",
    "BusinessOwned": "BusinessOwned",
    "None": "None",
}
# What a table here never is, so that a file may only say so.
_NEVER = (
    "IsRequiredOffline", "IsCollaboration", "IsDocumentRecommendationsEnabled", "IsBPFEntity", "IsActivityParty",
    "IsReplicated", "IsReplicationUserFiltered", "EnforceStateTransitions", "IsMSTeamsIntegrationEnabled",
    "IsSolutionAware", "IsEnabledForTrace", "IsVirtualEntity", "DaysSinceRecordLastModified", "ActivityTypeMask",
    "UsesBusinessDataLabelTable", "IsArchivalEnabled", "IsRetentionEnabled", "HasFeedback",
)  # fmt: skip
_REPEATED = ("IntroducedVersion", "IsMapiGridEnabled", "IsValidForAdvancedFind", "CanModifyAuditSettings",
             "CanModifyQueueSettings", "CanModifyConnectionSettings", "CanModifyDuplicateDetectionSettings",
             "CanModifyMailMergeSettings", "CanModifyMobileVisibility", "CanModifyMobileClientVisibility",
             "CanModifyMobileClientReadOnly", "CanModifyMobileClientOffline")  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadTable:
    """A table of a file. ``described`` is false where the file has only columns and keys to add to one.

    ``later`` are columns that come with others: they are read when they are there.
    """

    table: Table
    described: bool
    columns: Sequence[ReadColumn] = field(repr=False)
    later: Sequence[Element] = field(repr=False)
    keys: Sequence[Key] = field(repr=False)
    views: Sequence[View] = field(repr=False)


def write_table(
    parent: Element, table: Table, columns: Sequence[Column], keys: Sequence[Key], *, described: bool
) -> Element:
    """A table with these of its columns and keys; the element that its views go into."""
    made = add(parent, "Entity")
    name = add(
        made, "Name", table.schema_name, LocalizedName=table.display_name, OriginalName=table.display_name
    )
    name.tail = None
    more = {} if described else {"unmodified": "1"}
    entity = add(add(made, "EntityInfo"), "entity", Name=table.schema_name, **more)
    if described:
        add_labels(entity, "LocalizedNames", "LocalizedName", table.display_name)
        add_labels(
            entity, "LocalizedCollectionNames", "LocalizedCollectionName", table.display_collection_name
        )
        add_labels(entity, "Descriptions", "Description", table.description)
    listed = add(entity, "attributes")
    for column in columns:
        write_column(listed, column, table)
    if described:
        add(entity, "EntitySetName", table.entity_set)
        add(entity, "OwnershipTypeMask", _OWNERSHIPS.get(table.ownership, table.ownership))
        add(entity, "IsAuditEnabled", table.audited)
        add(entity, "IsActivity", table.is_activity)
        add(entity, "ChangeTrackingEnabled", table.change_tracking)
        add(entity, "HasRelatedNotes", str(table.has_notes))
        add(entity, "HasRelatedActivities", str(table.has_activities))
        add(entity, "IntroducedVersion", VERSION)
        write_traits(entity, TABLE_TRAITS, table.shown, table.logical_name)
    if keys:
        all_keys = add(entity, "EntityKeys")
        for key in keys:
            _write_key(all_keys, key)
    return made


def _write_key(parent: Element, key: Key) -> None:
    made = add(parent, "EntityKey")
    add(made, "Name", key.schema_name)
    add(made, "LogicalName", key.logical_name)
    add(made, "IntroducedVersion", VERSION)
    add(made, "IsCustomizable", 1)
    columns = add(made, "EntityKeyAttributes")
    for column in key.columns:
        add(columns, "AttributeName", column)
    add_labels(made, "displaynames", "displayname", key.display_name)


def read_table(element: Element, schema: Schema, new_id: str) -> ReadTable:
    """A table: what stands in the file over what is here. Raises SolutionFileInvalid, NotSupported."""
    outer = Reading(element, "a table")
    name = outer.needed("Name")
    logical = name.lower()
    outer.what = logical[:100]
    current = schema.tables.get(logical)
    if current is not None and current.is_private:
        raise bad(f"{logical[:100]} is no table that may be changed")
    info, listed = outer.take("EntityInfo"), outer.take("SavedQueries")
    outer.ignore("ObjectTypeCode")
    # Forms, ribbons and charts are refused when there is something in them.
    _only_frames(outer, "FormXml", "forms")
    _only_frames(
        outer,
        "RibbonDiffXml",
        "CustomActions",
        "Templates",
        "CommandDefinitions",
        "RuleDefinitions",
        "LocLabels",
    )
    outer.empty(["Visualizations", "HierarchyRules", "InternetMarketing"])
    outer.finish()
    inner = None if info is None else info.find("entity")
    if inner is None or info is None or len(info) != 1:
        raise bad(f"{outer.what} has no entity")
    reading = Reading(inner, outer.what)
    reading.known({"Name": frozenset({name}), "unmodified": frozenset({"0", "1"})})
    described = inner.get("unmodified") != "1"
    elements = tuple(reading.items("attributes", "attribute"))
    known = {} if current is None else current.columns
    names = [each.get("PhysicalName", "").lower() for each in elements]
    later = [
        each for each, column in zip(elements, names, strict=True) if _comes_along(each, column, names, known)
    ]
    columns = tuple(
        read_column(each, logical, known.get(column), "")
        for each, column in zip(elements, names, strict=True)
        if each not in later
    )
    if len(set(names)) < len(names):
        raise bad(f"{outer.what} has a column twice")
    keys = tuple(_read_key(each, logical) for each in reading.items("EntityKeys", "EntityKey"))
    start = current or Table(
        logical_name=logical, schema_name=name, entity_set="", metadata_id=new_id, object_type_code=0,
        primary_id=f"{logical}id", primary_name=None, columns={}, ownership="UserOwned", is_custom=True,
    )  # fmt: skip
    table = _described(reading, start, columns) if described else start
    if not described:
        reading.finish()
    return ReadTable(
        table=table,
        described=described,
        columns=columns,
        later=later,
        keys=keys,
        views=tuple(_views(listed, logical)),
    )


def _comes_along(element: Element, name: str, names: Sequence[str], known: Mapping[str, Column]) -> bool:
    """Whether a column is not here, and is made with its table or with another column."""
    if name in known:
        return False
    custom = element.findtext("IsCustomField", "1").strip() == "1"
    base = element.findtext("Type", "").strip() == "money" and name.removesuffix("_base") in names
    return not custom or (base and name.endswith("_base"))


def _described(reading: Reading, start: Table, columns: Sequence[ReadColumn]) -> Table:
    ownership = reading.text("OwnershipTypeMask", _OWNERSHIPS.get(start.ownership, ""))
    ours = next((each for each, theirs in _OWNERSHIPS.items() if theirs == ownership), None)
    if ours is None:
        raise unsupported(f"OwnershipTypeMask {ownership[:40]} of {reading.what}")
    reading.ignore(*_REPEATED)
    for name in _NEVER:
        reading.only(name, "0", "false")
    primary = [each.column.name for each in columns if each.primary]
    image = [each.column.name for each in columns if each.image]
    if len(primary) > 1 or len(image) > 1:
        raise bad(f"{reading.what} has two primary columns")
    activity = reading.flag("IsActivity", start.is_activity)
    table = replace(
        start,
        display_name=reading.labels("LocalizedNames", "LocalizedName", start.display_name),
        display_collection_name=reading.labels(
            "LocalizedCollectionNames", "LocalizedCollectionName", start.display_collection_name
        ),
        description=reading.labels("Descriptions", "Description", start.description),
        entity_set=reading.text("EntitySetName", start.entity_set),
        ownership=ours,  # type: ignore[arg-type]
        audited=reading.flag("IsAuditEnabled", start.audited),
        is_activity=activity,
        primary_id="activityid" if activity else start.primary_id,
        change_tracking=reading.flag("ChangeTrackingEnabled", start.change_tracking),
        has_notes=reading.flag("HasRelatedNotes", start.has_notes),
        has_activities=reading.flag("HasRelatedActivities", start.has_activities),
        primary_name=primary[0] if primary else start.primary_name,
        primary_image=image[0] if image else start.primary_image,
        shown=read_traits(reading, TABLE_TRAITS, start.shown),
    )
    reading.finish()
    return table


def _only_frames(outer: Reading, name: str, *frames: str) -> None:
    """Refuse an element in which there is more than empty frames."""
    child = outer.take(name)
    for each in () if child is None else child:
        if (
            each.tag not in frames
            or any(len(inner) for inner in each)
            or (each.tag == "CustomActions" and len(each))
        ):
            raise unsupported(f"{name} of {outer.what}")


def _read_key(element: Element, table: str) -> Key:
    reading = Reading(element, f"a key of {table}")
    name = reading.needed("Name")
    reading.ignore("IntroducedVersion", "IsCustomizable", "EntityKeyIndexStatus")
    if reading.text("LogicalName", name.lower()) != name.lower():
        raise bad(f"LogicalName of {reading.what} is not Name in lower case")
    columns = tuple(
        (each.text or "").strip() for each in reading.items("EntityKeyAttributes", "AttributeName")
    )
    label = reading.labels("displaynames", "displayname")
    reading.finish()
    return Key(
        logical_name=name.lower(), schema_name=name, metadata_id="", columns=columns, display_name=label
    )


def _views(element: Element | None, table: str) -> Sequence[View]:
    if element is None:
        return ()
    outer = Reading(element, f"the views of {table}")
    found = tuple(read_view(each, table) for each in outer.items("savedqueries", "savedquery"))
    outer.finish()
    return found
