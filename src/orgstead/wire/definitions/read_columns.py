"""AttributeMetadata in JSON to columns.

https://learn.microsoft.com/power-apps/developer/data-platform/webapi/create-update-column-definitions-using-web-api
"""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from orgstead.errors import fault
from orgstead.model.schema import Column, ColumnType, Option, Schema, Table
from orgstead.wire.definitions.body import Body, type_of
from orgstead.wire.definitions.describe_columns import ATTRIBUTE_KINDS, attribute
from orgstead.wire.definitions.read_options import read_boolean_options, read_choice_name, read_options

__all__ = ["change_column", "read_column", "read_lookup"]

LOOKUP = "LookupAttributeMetadata"

# The plain column type of each metadata type; lookups say more in AttributeType.
_TYPES: Mapping[str, Any] = {
    type_name: column_type
    for column_type, (type_name, _, _) in ATTRIBUTE_KINDS.items()
    if column_type not in ("virtual", "customer", "owner", "partylist")
}
MAX_FILE_KB = 10 * 1024 * 1024
MAX_IMAGE_KB = 30 * 1024
_LOOKUPS: Mapping[str, ColumnType] = {
    "Lookup": "lookup",
    "Customer": "customer",
    "Owner": "owner",
    "PartyList": "partylist",
}


def read_column(
    value: Any, schema: Schema, new_id: Callable[[], str], *, default: str | None = None
) -> Column:
    """A new column; ``default`` is the type of a definition that states none.

    Raises InvalidDefinition, InvalidProperty, NotSupported, LanguageNotInstalled.
    """
    type_name = type_of(value, default)
    kind = _TYPES.get(type_name)
    if kind is None:
        raise fault("InvalidDefinition", what="the attribute", reason=f"{type_name} cannot be created")
    if kind == "lookup":
        kind = _LOOKUPS.get(value.get("AttributeType") or "Lookup", "lookup")
    schema_name = value.get("SchemaName")
    if not isinstance(schema_name, str):
        raise fault("InvalidDefinition", what="the attribute", reason="SchemaName must be a text")
    bare = Column(
        name=schema_name.lower(), schema_name=schema_name, type=kind, metadata_id="", is_custom=True
    )
    body = Body(value, type_name, attribute(bare, _lone(bare), schema).values)
    body.text("SchemaName")
    body.raw("EntityLogicalName")
    column = replace(_read(body, bare, schema), metadata_id=body.id("MetadataId", new_id()))
    # The table says which of its columns is the primary name.
    body.flag("IsPrimaryName", False)
    body.finish()
    return column


def read_lookup(value: Any, schema: Schema, new_id: Callable[[], str]) -> Column:
    """A new column that a relationship comes with; raises as ``read_column`` does, and for what is no lookup."""
    column = read_column(value, schema, new_id, default=LOOKUP)
    if ATTRIBUTE_KINDS[column.type][0] != LOOKUP:
        raise fault(
            "InvalidDefinition", what=column.schema_name, reason="a relationship needs a lookup column"
        )
    return column


def _lone(column: Column) -> Table:
    """A table for a column that has none yet."""
    return Table(
        logical_name="",
        schema_name="",
        entity_set="",
        metadata_id="",
        object_type_code=0,
        primary_id="",
        primary_name=None,
        columns={column.name: column},
    )


def change_column(value: Any, current: Column, table: Table, schema: Schema) -> Column:
    """An existing column as a PUT describes it; raises as ``read_column`` does."""
    type_name = type_of(value, ATTRIBUTE_KINDS[current.type][0])
    if type_name != ATTRIBUTE_KINDS[current.type][0]:
        reason = f"its type is {ATTRIBUTE_KINDS[current.type][0]} and cannot be changed"
        raise fault("InvalidDefinition", what=current.schema_name, reason=reason)
    body = Body(value, type_name, attribute(current, table, schema).values)
    schema_name = body.text("SchemaName", current.schema_name)
    if schema_name.lower() != current.name:
        raise body.wrong("its name cannot be changed")
    column = _read(body, current, schema)
    body.finish()
    return column


def _read(body: Body, start: Column, schema: Schema) -> Column:
    """``start`` with what the body says."""
    logical = body.text("LogicalName", start.name)
    if logical != start.name:
        raise body.wrong("LogicalName is SchemaName in lower case")
    code = body.choice("AttributeType")
    if code is not None and code != ATTRIBUTE_KINDS[start.type][1]:
        raise body.wrong(f"AttributeType {code} does not go with {body.type_name}")
    label = body.choice("AttributeTypeName")
    if label is not None and label != ATTRIBUTE_KINDS[start.type][2]:
        raise body.wrong(f"AttributeTypeName {label} does not go with {body.type_name}")
    column = replace(
        start,
        display_name=body.label("DisplayName", start.display_name),
        description=body.label("Description", start.description),
        required=body.choice("RequiredLevel", start.required) or "None",  # type: ignore[arg-type]
        autonumber=body.text("AutoNumberFormat", start.autonumber or "") or None,
        secured=body.flag("IsSecured", start.secured),
        searchable=_searchable(body, start),
    )
    if body.whole("SourceType", None):
        raise fault("NotSupported", feature="A calculated, rollup or formula column")
    special = _SPECIAL.get(start.type)
    column = column if special is None else special(body, column, schema)
    return replace(column, shown=body.kept(start.shown))


def _searchable(body: Body, start: Column) -> bool:
    # A companion never shows as searchable, whatever the column says.
    found = body.flag("IsValidForAdvancedFind", start.searchable)
    return start.searchable if start.attribute_of is not None else found


def _string(body: Body, column: Column, schema: Schema) -> Column:
    # FormatName is the newer of the two and wins.
    style = body.choice("FormatName", body.choice("Format"))
    if style is None:
        style = column.format
    elif style == "Text" or (style == "TextArea" and column.type == "memo"):
        style = None
    return replace(column, max_length=body.whole("MaxLength", column.max_length), format=style)


def _integer(body: Body, column: Column, schema: Schema) -> Column:
    style = body.choice("Format", column.format)
    return replace(_limits(body, column), format=None if style == "None" else style)


def _limits(body: Body, column: Column) -> Column:
    return replace(column, min=body.number("MinValue", column.min), max=body.number("MaxValue", column.max))


def _decimal(body: Body, column: Column, schema: Schema) -> Column:
    return replace(_limits(body, column), precision=body.whole("Precision", column.precision))


def _money(body: Body, column: Column, schema: Schema) -> Column:
    column = _decimal(body, column, schema)
    return replace(column, precision_source=body.whole("PrecisionSource", column.precision_source))


def _boolean(body: Body, column: Column, schema: Schema) -> Column:
    default = int(body.flag("DefaultValue", bool(column.default)))
    options = read_boolean_options(body.raw("OptionSet"), body.what)
    return replace(column, default=default, options=column.options if options is None else options)


def _choice(body: Body, column: Column, schema: Schema) -> Column:
    default = body.whole("DefaultFormValue")
    if default == -1:
        default = None
    elif default is None:
        default = column.default if isinstance(column.default, int) else None
    column = replace(column, default=default)
    options, shared = column.options, column.global_choice
    given = body.raw("OptionSet")
    bound = read_choice_name(body.value.get("GlobalOptionSet@odata.bind"), schema)
    linked = body.raw("GlobalOptionSet")
    if bound is None and isinstance(linked, dict):
        bound = _global_name(linked, body)
    if bound is None and isinstance(given, dict) and given.get("IsGlobal"):
        bound = _global_name(given, body)
    if bound is not None:
        choice = schema.choices.get(bound)
        if choice is None:
            raise fault("DefinitionNotFound", kind="option set", name=bound[:100])
        shared, options = bound, choice.options
    elif given is not None:
        shared, options = None, _same_or(read_options(given, body.what), options)
    return replace(column, options=options, global_choice=shared)


def _same_or(given: tuple[Option, ...], current: tuple[Option, ...]) -> tuple[Option, ...]:
    """The current options where the given ones say the same in fewer words."""
    same = [(each.value, each.label) for each in given] == [(each.value, each.label) for each in current]
    return current if same else given


def _global_name(value: Mapping[str, Any], body: Body) -> str:
    name = value.get("Name")
    if not isinstance(name, str):
        raise body.wrong("the global option set has no name")
    return name


def _datetime(body: Body, column: Column, schema: Schema) -> Column:
    # A format that is the usual one counts all the same: it may not go with the behaviour.
    return replace(
        column,
        format=body.choice("Format", column.format or body.value.get("Format")),
        behavior=body.choice("DateTimeBehavior", column.behavior),
    )


def _lookup(body: Body, column: Column, schema: Schema) -> Column:
    return replace(column, targets=body.names("Targets", column.targets))


def _image(body: Body, column: Column, schema: Schema) -> Column:
    body.flag("IsPrimaryImage", False)
    return _file(body, column, schema)


def _file(body: Body, column: Column, schema: Schema) -> Column:
    size = body.whole("MaxSizeInKB")
    if size is None:
        return column
    most = MAX_IMAGE_KB if column.type == "image" else MAX_FILE_KB
    if not 1 <= size <= most:
        raise body.wrong(f"MaxSizeInKB must be between 1 and {most}")
    return replace(column, max=size)


_SPECIAL: Mapping[str, Callable[[Body, Column, Schema], Column]] = {
    "string": _string,
    "memo": _string,
    "integer": _integer,
    "decimal": _decimal,
    "double": _decimal,
    "money": _money,
    "boolean": _boolean,
    "choice": _choice,
    "multichoice": _choice,
    "state": _choice,
    "status": _choice,
    "datetime": _datetime,
    "lookup": _lookup,
    "customer": _lookup,
    "owner": _lookup,
    "partylist": _lookup,
    "image": _image,
    "file": _file,
}
