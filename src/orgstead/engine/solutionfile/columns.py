"""Columns as elements of solution files.

https://learn.microsoft.com/power-apps/developer/data-platform/customization-solutions-file-schema
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any
from xml.etree.ElementTree import Element

from orgstead.engine.solutionfile.archive import bad
from orgstead.engine.solutionfile.markup import Reading, add, add_labels, unsupported
from orgstead.engine.solutionfile.options import VERSION, read_options, write_options
from orgstead.engine.solutionfile.traits import COLUMN_TRAITS, read_traits, write_traits
from orgstead.model.schema import Column, ColumnType, Required, Table
from orgstead.model.types import largest_file

__all__ = ["TYPES", "ReadColumn", "read_column", "write_column"]

TYPES: Mapping[ColumnType, str] = {
    "string": "nvarchar", "memo": "ntext", "integer": "int", "bigint": "bigint", "decimal": "decimal",
    "double": "float", "money": "money", "boolean": "bit", "choice": "picklist", "state": "state",
    "multichoice": "multiselectpicklist", "status": "status", "datetime": "datetime", "lookup": "lookup",
    "customer": "customer", "owner": "owner", "uniqueidentifier": "uniqueidentifier", "image": "image",
    "file": "file", "partylist": "partylist",
}  # fmt: skip
_READ: Mapping[str, ColumnType] = {
    **{name: kind for kind, name in TYPES.items()},
    "primarykey": "uniqueidentifier",
}
_CHOICES = frozenset({"boolean", "choice", "multichoice", "state", "status"})
_LIMITED = frozenset({"integer", "decimal", "double", "money"})
_LEVELS: Mapping[Required, str] = {
    "None": "none",
    "Recommended": "recommended",
    "ApplicationRequired": "required",
    "SystemRequired": "systemrequired",
}
_FORMATS = (
    "Text", "TextArea", "Email", "Phone", "Url", "TickerSymbol", "PhoneticGuide", "VersionNumber", "Json", "RichText",
    "InternalExtentData", "None", "Duration", "TimeZone", "Language", "Locale",
)  # fmt: skip
_BEHAVIORS = {"UserLocal": "1", "DateOnly": "2", "TimeZoneIndependent": "3"}
_MASKS = frozenset({
    "PrimaryName", "ValidForAdvancedFind", "ValidForForm", "ValidForGrid", "RequiredForForm", "PrimaryImage",
})  # fmt: skip
# They repeat what other elements say, or say how a managed solution may be changed, which this is not.
_REPEATED = (
    "LogicalName", "IntroducedVersion", "IsCustomField", "IsSearchable", "IsFilterable", "IsRetrievable",
    "CanModifySearchSettings", "CanModifyRequirementLevelSettings", "CanModifyGlobalFilterSettings",
    "CanModifyIsSortableSettings", "CanModifyAuditSettings", "Length", "LookupStyle", "LookupTypes",
    "MinSupportedValue", "MaxSupportedValue", "CanChangeDateTimeBehavior", "IsPrimaryImage", "CalculationOf",
    "IsBaseCurrency", "MaxHeight", "MaxWidth", "HeightInDialog",
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadColumn:
    """A column of a file: ``custom`` as the file says; ``primary`` whether it names rows."""

    column: Column
    custom: bool
    primary: bool
    image: bool


def _format(column: Column) -> str | None:
    if column.type == "datetime":
        return "date" if column.format == "DateOnly" else "datetime"
    if column.type == "integer":
        return (column.format or "none").lower()
    if column.type in ("string", "memo"):
        return (column.format or ("Text" if column.type == "string" else "TextArea")).lower()
    return None


def write_column(parent: Element, column: Column, table: Table) -> None:
    """A column of a table. Raises NotSupported for what has no element."""
    what = f"{table.logical_name}.{column.name}"
    if column.type not in TYPES:
        raise unsupported(f"The type {column.type} of {what} in a solution file")
    made = add(parent, "attribute", PhysicalName=column.schema_name)
    primary_id = column.name == table.primary_id
    add(made, "Type", "primarykey" if primary_id else TYPES[column.type])
    add(made, "Name", column.name)
    add(made, "LogicalName", column.name)
    add(made, "RequiredLevel", _LEVELS[column.required])
    mask = ["PrimaryName"] if column.name == table.primary_name else []
    mask += ["PrimaryImage"] if column.name == table.primary_image else []
    mask += ["ValidForAdvancedFind"] if column.searchable else []
    add(made, "DisplayMask", "|".join([*mask, "ValidForForm", "ValidForGrid"]))
    add(made, "ImeMode", str(column.shown.get("ImeMode", "auto")).lower())
    add(made, "ValidForUpdateApi", column.update)
    add(made, "ValidForReadApi", column.read)
    add(made, "ValidForCreateApi", column.create)
    add(made, "IsCustomField", column.is_custom)
    add(made, "IsSecured", column.secured)
    add(made, "IntroducedVersion", VERSION)
    write_traits(made, COLUMN_TRAITS, column.shown, what, silent=("ImeMode",))
    add(made, "SourceType", 0)
    add(made, "AutoNumberFormat", column.autonumber or "")
    style = _format(column)
    if style is not None:
        add(made, "Format", style)
    if column.type in ("string", "memo") and column.max_length is not None:
        add(made, "MaxLength", column.max_length)
    if column.type in _LIMITED:
        for name, value in (("MinValue", column.min), ("MaxValue", column.max)):
            if value is not None:
                add(made, name, _plain(value))
        if column.precision is not None:
            add(made, "Accuracy", column.precision)
        if column.precision_source is not None:
            add(made, "AccuracySource", column.precision_source)
    if column.type in ("file", "image"):
        add(made, "MaxSizeInKB", largest_file(column) // 1024)
    if column.type == "datetime":
        add(made, "Behavior", _BEHAVIORS[column.behavior or "UserLocal"])
    if column.type in _CHOICES:
        _write_choice(made, column, table)
    add_labels(made, "displaynames", "displayname", column.display_name)
    add_labels(made, "Descriptions", "Description", column.description)


def _plain(value: float | int) -> str:
    return str(int(value)) if float(value).is_integer() else repr(float(value))


def _write_choice(made: Element, column: Column, table: Table) -> None:
    if column.default is not None:
        add(made, "AppDefaultValue", column.default)
    if column.global_choice is not None:
        add(made, "OptionSetName", column.global_choice)
        return
    kind = TYPES[column.type]
    kind = "picklist" if kind == "multiselectpicklist" else kind
    options = add(made, "optionset", Name=f"{table.logical_name}_{column.name}")
    add(options, "OptionSetType", kind)
    add(options, "IntroducedVersion", VERSION)
    add(options, "IsCustomizable", 1)
    add_labels(options, "displaynames", "displayname", column.display_name)
    add_labels(options, "Descriptions", "Description", column.description)
    write_options(options, kind, column.options)


def read_column(element: Element, table: str, current: Column | None, id: str) -> ReadColumn:
    """A column of a table: ``current`` as the file changes it, or a new one.

    Raises SolutionFileInvalid, NotSupported.
    """
    schema_name = element.get("PhysicalName", "")
    reading = Reading(element, f"{table}.{schema_name.lower()[:100]}")
    reading.known({"PhysicalName": None})
    what = reading.what
    kind = _READ.get(reading.needed("Type"))
    if kind is None:
        raise unsupported(f"The type of {what}")
    name = reading.text("Name", schema_name).lower()
    if name != schema_name.lower():
        raise bad(f"Name of {what} is not PhysicalName in lower case")
    custom = element.findtext("IsCustomField", "1").strip() == "1"
    start = current or Column(name=name, schema_name=schema_name, type=kind, metadata_id=id, is_custom=True)
    if start.type != kind:
        raise bad(f"the type of {what} is {start.type} here and cannot be changed")
    mask = frozenset(reading.text("DisplayMask").split("|")) - {""}
    for part in mask - _MASKS - {"ObjectTypeCode", "RequiredForGrid"}:
        raise unsupported(f"DisplayMask {part[:40]} of {what}")
    for flag, has in (("Update", start.update), ("Read", start.read), ("Create", start.create)):
        if reading.flag(f"ValidFor{flag}Api", has) != has:
            raise unsupported(f"ValidFor{flag}Api of {what}")
    for flag in ("IsDataSourceSecret", "IsLogical"):
        reading.only(flag, "0", "false")
    reading.only("SourceType", "0")
    reading.empty(["FormulaDefinitionFileName", "ExternalName"])
    reading.ignore(*_REPEATED)
    level = reading.text("RequiredLevel", _LEVELS[start.required]).lower()
    required = next((ours for ours, theirs in _LEVELS.items() if theirs == level), None)
    if required is None:
        raise bad(f"RequiredLevel of {what} is unknown")
    column = replace(
        start,
        required=required,
        searchable="ValidForAdvancedFind" in mask if mask else start.searchable,
        secured=reading.flag("IsSecured", start.secured),
        autonumber=reading.text("AutoNumberFormat", start.autonumber or "") or None,
        display_name=reading.labels("displaynames", "displayname", start.display_name),
        description=reading.labels("Descriptions", "Description", start.description),
        shown=_shown(reading, start),
    )
    column = _of_kind(reading, column)
    reading.finish()
    return ReadColumn(
        column=column, custom=custom, primary="PrimaryName" in mask, image="PrimaryImage" in mask
    )


def _shown(reading: Reading, start: Column) -> Mapping[str, Any]:
    shown = read_traits(reading, COLUMN_TRAITS, start.shown)
    mode = reading.text("ImeMode", "auto").lower()
    if mode not in ("auto", "inactive", "active", "disabled"):
        raise bad(f"ImeMode of {reading.what} is unknown")
    # Files say auto of every column, whatever its type has for a default.
    if mode == "auto":
        shown.pop("ImeMode", None)
    else:
        shown["ImeMode"] = mode.title()
    return shown


def _of_kind(reading: Reading, column: Column) -> Column:
    """What goes with the type of a column."""
    what, kind = reading.what, column.type
    if kind in ("string", "memo", "integer"):
        given = reading.text("Format").lower()
        style = next((each for each in _FORMATS if each.lower() == given), None)
        if given and style is None:
            raise bad(f"Format {given[:40]} of {what} is unknown")
        plain = {"string": "Text", "memo": "TextArea", "integer": "None"}[kind]
        column = replace(column, format=None if style == plain else style or column.format)
    if kind in ("string", "memo"):
        length = reading.whole("MaxLength")
        column = replace(column, max_length=column.max_length if length is None else length)
    if kind in _LIMITED:
        low, high = _limit(reading, "MinValue"), _limit(reading, "MaxValue")
        precision, source = reading.whole("Accuracy"), reading.whole("AccuracySource")
        column = replace(
            column,
            min=column.min if low is None else low,
            max=column.max if high is None else high,
            precision=column.precision if precision is None or kind == "integer" else precision,
            precision_source=column.precision_source if source is None or kind != "money" else source,
        )
    if kind in ("file", "image"):
        size = reading.whole("MaxSizeInKB")
        if size is not None and size != largest_file(column) // 1024:
            if size < 1:
                raise bad(f"MaxSizeInKB of {what} is too small")
            column = replace(column, max=size)
    if kind == "datetime":
        column = _datetime(reading, column)
    if kind in _CHOICES:
        column = _choice(reading, column)
    return column


def _limit(reading: Reading, name: str) -> float | int | None:
    text = reading.text(name)
    if not text:
        return None
    try:
        value = float(text)
        return int(value) if value.is_integer() else value
    except (ValueError, OverflowError):
        raise bad(f"{name} of {reading.what} is no number") from None


def _datetime(reading: Reading, column: Column) -> Column:
    formats = {"": column.format, "date": "DateOnly", "datetime": "DateAndTime"}
    style, behavior = reading.text("Format").lower(), reading.text("Behavior")
    behaviors = {"": column.behavior, **{theirs: ours for ours, theirs in _BEHAVIORS.items()}}
    if style not in formats or behavior not in behaviors:
        raise bad(f"Format or Behavior of {reading.what} is unknown")
    return replace(column, format=formats[style], behavior=behaviors[behavior])


def _choice(reading: Reading, column: Column) -> Column:
    default = reading.whole("AppDefaultValue")
    shared, element = reading.text("OptionSetName") or None, reading.take("optionset")
    options = column.options
    if element is not None:
        inner = Reading(element, f"the option set of {reading.what}")
        inner.known(
            {"Name": None, "localizedName": None, "description": None, "unmodified": frozenset({"0"})}
        )
        kind = TYPES[column.type]
        kind = "picklist" if kind == "multiselectpicklist" else kind
        inner.only("OptionSetType", kind)
        inner.only("IsGlobal", "0", "false")
        inner.only("IsCustomizable", "1", "0")
        inner.ignore("IntroducedVersion", "displaynames", "Descriptions")
        inner.empty(["ExternalTypeName"])
        options = read_options(inner, kind)
        inner.finish()
    if default in (None, -1):
        default = column.default if isinstance(column.default, int) and default is None else None
    return replace(column, default=default, options=options, global_choice=shared)
