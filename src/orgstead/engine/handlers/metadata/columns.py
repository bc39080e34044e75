"""Create, change and delete columns.

https://learn.microsoft.com/power-apps/developer/data-platform/webapi/create-update-column-definitions-using-web-api
"""

import re
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from orgstead.engine.files import forget_all
from orgstead.engine.handlers.metadata.checks import check_name, known_column, known_table, wanted
from orgstead.engine.handlers.metadata.components import ATTRIBUTE, add_to_solution, forget_component
from orgstead.engine.handlers.metadata.draft import Draft
from orgstead.engine.handlers.metadata.secured import check_securable, forget_permissions
from orgstead.engine.handlers.metadata.standard import companions, relate_files
from orgstead.engine.registry import Call, handles
from orgstead.errors import fault
from orgstead.model.schema import Cascade, Column, OneToMany, Option, Table

__all__ = ["add_column", "create_attribute", "delete_attribute", "prepared", "update_attribute"]

# Column types that the message makes; the others come with relationships or with the table.
CREATABLE = frozenset({
    "string", "memo", "integer", "bigint", "decimal", "double", "money", "boolean", "choice", "multichoice", "datetime",
    "image", "file", "uniqueidentifier",
})  # fmt: skip
LOOKUPS = frozenset({"lookup", "customer", "owner"})
STRING_FORMATS = frozenset({
    "Text", "TextArea", "Email", "Phone", "Url", "TickerSymbol", "PhoneticGuide", "VersionNumber", "Json", "RichText",
})  # fmt: skip
MEMO_FORMATS = frozenset({"Text", "TextArea", "Json", "RichText", "Email", "InternalExtentData"})
INTEGER_FORMATS = frozenset({"None", "Duration", "TimeZone", "Language", "Locale"})
BEHAVIORS = frozenset({"UserLocal", "DateOnly", "TimeZoneIndependent"})
REQUIRED = frozenset({"None", "Recommended", "ApplicationRequired", "SystemRequired"})
MAX_LENGTH = {"string": 4000, "memo": 1_048_576}
LIMITS = {
    "integer": (-(2**31), 2**31 - 1),
    "decimal": (-100_000_000_000, 100_000_000_000),
    "double": (-100_000_000_000, 100_000_000_000),
    "money": (-922_337_203_685_477, 922_337_203_685_477),
}
MAX_PRECISION = {"decimal": 10, "double": 5, "money": 4}
MAX_OPTIONS = 5000
# What an update may change, per column; the rest is fixed when the column is made.
CHANGEABLE = (
    "display_name", "description", "required", "max_length", "format", "min", "max", "precision", "precision_source",
    "default", "behavior", "autonumber", "searchable", "secured", "shown",
)  # fmt: skip
CHECKED = tuple(
    name
    for name in CHANGEABLE
    if name not in ("display_name", "description", "searchable", "secured", "shown")
)
MAX_SEQUENCE = 16
_DATE_PARTS = re.compile("yyyy|yy|MM|dd|HH|hh|mm|ss")
_TOKEN = re.compile(r"\{(SEQNUM:\d{1,2}|RANDSTRING:[1-6]|DATETIMEUTC:[^{}]{1,40})\}")


@handles("CreateAttribute", privilege="prvCreateAttribute", heavy=True, defines=True)
def create_attribute(call: Call) -> Any:
    """Add a column to a table. Answers ``AttributeId``."""
    draft, name = Draft(call), wanted(call, "table", str)
    column = wanted(call, "column", Column)
    if column.type in LOOKUPS:
        reason = "a lookup column is created together with its relationship"
        raise fault("InvalidDefinition", what=column.schema_name, reason=reason)
    add_column(draft, name, column)
    if column.type == "image" and call.parameters.get("primary_image"):
        draft.put(replace(draft.table(name), primary_image=column.schema_name.lower()))
    draft.commit()
    add_to_solution(call, ATTRIBUTE, column.metadata_id)
    return {"AttributeId": column.metadata_id}


def add_column(draft: Draft, table_name: str, column: Column) -> None:
    """Check a new column and add it to the draft with all that comes with it."""
    table = draft.table(table_name)
    if table.is_intersect:
        raise fault(
            "InvalidDefinition", what=column.schema_name, reason="an intersect table takes no columns"
        )
    if column.type not in CREATABLE and column.type not in LOOKUPS:
        raise fault(
            "InvalidDefinition",
            what=column.schema_name,
            reason=f"columns of type {column.type} cannot be created",
        )
    check_name("attribute", column.schema_name)
    column = prepared(draft, replace(column, name=column.schema_name.lower(), is_custom=True))
    added = [column, *companions(column, draft.call.new_id)]
    if column.type == "money":
        added += _money_columns(draft, table, column)
    navigations = draft.navigations(table_name)
    for each in added:
        if each.name in table.columns or (each.name in navigations and not each.is_lookup):
            raise fault("ColumnExists", name=each.name, table=table_name)
    draft.put_columns(table_name, added)
    if column.type == "money":
        _relate_currency(draft, table)
    if column.type in ("file", "image"):
        relate_files(table, draft, draft.call.new_id)
    if column.type == "image" and table.primary_image is None:
        draft.put(replace(draft.table(table_name), primary_image=column.name))


def prepared(draft: Draft, column: Column) -> Column:
    """A new column with its defaults filled in; raises InvalidDefinition for what does not go together."""
    if column.required not in REQUIRED:
        raise _invalid(column, f"{column.required} is no required level")
    if column.required == "SystemRequired":
        raise _invalid(column, "only system columns are SystemRequired")
    if column.autonumber and column.type != "string":
        raise _invalid(column, "only a text has an AutoNumberFormat")
    match column.type:
        case "string" | "memo":
            return _text(column)
        case "integer" | "decimal" | "double" | "money":
            return _number(column)
        case "boolean":
            return _boolean(column)
        case "choice" | "multichoice":
            return _choice(draft, column)
        case "datetime":
            return _datetime(column)
    return column


def _invalid(column: Column, reason: str) -> Exception:
    return fault("InvalidDefinition", what=column.schema_name or column.name, reason=reason)


def _text(column: Column) -> Column:
    default = 100 if column.type == "string" else 2000
    length = default if column.max_length is None else column.max_length
    if not 1 <= length <= MAX_LENGTH[column.type]:
        raise _invalid(column, f"MaxLength must be between 1 and {MAX_LENGTH[column.type]}")
    formats = STRING_FORMATS if column.type == "string" else MEMO_FORMATS
    style = column.format
    if style is not None and style not in formats:
        raise _invalid(column, f"{style} is no format of a {column.type} column")
    if column.autonumber:
        _check_autonumber(column)
    plain = "Text" if column.type == "string" else "TextArea"
    return replace(column, max_length=length, format=None if style == plain else style)


def _check_autonumber(column: Column) -> None:
    rest = _TOKEN.sub("", column.autonumber or "")
    if "{" in rest or "}" in rest:
        raise _invalid(column, "AutoNumberFormat has unknown tokens")
    for token in _TOKEN.finditer(column.autonumber or ""):
        kind, _, argument = token[1].partition(":")
        if kind == "SEQNUM" and not 1 <= int(argument) <= MAX_SEQUENCE:
            raise _invalid(column, f"SEQNUM has between 1 and {MAX_SEQUENCE} digits")
        if kind == "DATETIMEUTC" and re.search(r"[A-Za-z%]", _DATE_PARTS.sub("", argument)):
            raise _invalid(column, f"{argument} is no format of a date")


def _number(column: Column) -> Column:
    low, high = LIMITS[column.type]
    least = low if column.min is None else column.min
    most = high if column.max is None else column.max
    if not low <= least <= most <= high:
        raise _invalid(column, f"MinValue and MaxValue must be in order and between {low} and {high}")
    if column.type == "integer":
        if column.format is not None and column.format not in INTEGER_FORMATS:
            raise _invalid(column, f"{column.format} is no format of a whole number")
        return replace(
            column, min=int(least), max=int(most), format=None if column.format == "None" else column.format
        )
    precision = 2 if column.precision is None else column.precision
    if not 0 <= precision <= MAX_PRECISION[column.type]:
        raise _invalid(column, f"Precision must be between 0 and {MAX_PRECISION[column.type]}")
    source = column.precision_source
    if column.type == "money":
        source = 2 if source is None else source
        if source not in (0, 1, 2):
            raise _invalid(column, "PrecisionSource must be 0, 1 or 2")
    return replace(column, min=least, max=most, precision=precision, precision_source=source)


def _boolean(column: Column) -> Column:
    options = column.options or (Option(0, "No"), Option(1, "Yes"))
    if len(options) != 2:
        raise fault("WrongBooleanOptions")
    if {option.value for option in options} != {0, 1}:
        raise fault("BooleanOptionOutOfRange")
    return replace(
        column,
        options=tuple(sorted(options, key=lambda option: option.value)),
        default=int(column.default or 0),
    )


def _choice(draft: Draft, column: Column) -> Column:
    if column.global_choice is not None:
        choice = draft.schema.choices.get(column.global_choice)
        if choice is None:
            raise fault("DefinitionNotFound", kind="option set", name=column.global_choice[:100])
        column = replace(column, options=choice.options)
    if len(column.options) > MAX_OPTIONS:
        raise _invalid(column, f"more than {MAX_OPTIONS} options")
    seen: set[int] = set()
    for option in column.options:
        if option.value in seen:
            raise fault("OptionExists", value=option.value)
        seen.add(option.value)
    if column.default == -1:
        column = replace(column, default=None)
    if column.default is not None and column.default not in seen:
        raise fault("OptionNotFound", value=column.default, name=column.name)
    return column


def _datetime(column: Column) -> Column:
    behavior = column.behavior or "UserLocal"
    if behavior not in BEHAVIORS:
        raise _invalid(column, f"{behavior} is no DateTimeBehavior")
    style = column.format or ("DateOnly" if behavior == "DateOnly" else "DateAndTime")
    if style not in ("DateOnly", "DateAndTime"):
        raise _invalid(column, f"{style} is no format of a date")
    if behavior == "DateOnly" and style == "DateAndTime":
        raise fault("DateFormatRefused")
    return replace(column, behavior=behavior, format=style)


def _money_columns(draft: Draft, table: Table, column: Column) -> Iterator[Column]:
    """The twin in the organisation's currency and, with a table's first money column, currency and rate."""
    new_id = draft.call.new_id
    yield Column(
        name=f"{column.name}_base",
        schema_name=f"{column.schema_name}_Base",
        type="money",
        metadata_id=new_id(),
        display_name=f"{column.display_name} (Base)",
        create=False,
        update=False,
        min=LIMITS["money"][0],
        max=LIMITS["money"][1],
        precision=4,
        precision_source=2,
        base_of=column.name,
        is_custom=True,
    )
    if "exchangerate" not in table.columns:
        yield Column(
            name="exchangerate",
            schema_name="ExchangeRate",
            type="decimal",
            metadata_id=new_id(),
            display_name="Exchange Rate",
            create=False,
            update=False,
            min=1e-12,
            max=100_000_000_000,
            precision=12,
        )
    if "transactioncurrencyid" not in table.columns:
        currency = Column(
            name="transactioncurrencyid",
            schema_name="TransactionCurrencyId",
            type="lookup",
            metadata_id=new_id(),
            display_name="Currency",
            targets=("transactioncurrency",),
        )
        yield currency
        yield from companions(currency, new_id)


def _relate_currency(draft: Draft, table: Table) -> None:
    name = f"TransactionCurrency_{table.logical_name}"
    if "transactioncurrencyid" in table.columns or not draft.has_table("transactioncurrency"):
        return
    draft.relate(
        OneToMany(
            schema_name=name,
            metadata_id=draft.call.new_id(),
            referenced="transactioncurrency",
            referenced_attribute="transactioncurrencyid",
            referencing=table.logical_name,
            referencing_attribute="transactioncurrencyid",
            referenced_navigation=name,
            referencing_navigation="transactioncurrencyid",
            cascade=Cascade(delete="Restrict"),
        )
    )


@handles("UpdateAttribute", privilege="prvWriteAttribute", heavy=True, defines=True)
def update_attribute(call: Call) -> Any:
    """Change a column's labels, lengths, limits and the like; its name and type stay."""
    draft = Draft(call)
    table = known_table(call.schema, wanted(call, "table", str))
    column = wanted(call, "column", Column)
    current = known_column(table, column.name)
    if column.type != current.type:
        raise _invalid(column, f"its type is {current.type} and cannot be changed")
    if column.schema_name != current.schema_name:
        raise _invalid(column, "its name cannot be changed")
    if column.options != current.options or column.global_choice != current.global_choice:
        raise _invalid(column, "options are changed by the messages for option values")
    if column.targets != current.targets:
        raise _invalid(column, "the targets of a lookup are changed by its relationships")
    if column.required not in REQUIRED:
        raise _invalid(column, f"{column.required} is no required level")
    if column.required != current.required and "SystemRequired" in (column.required, current.required):
        raise fault("RequiredLevelFixed")
    if current.behavior != column.behavior and not (current.is_custom and current.behavior == "UserLocal"):
        raise fault("DateBehaviorFixed")
    if column.secured and not current.secured:
        check_securable(table, current)
    elif current.secured and not column.secured:
        forget_permissions(call, table.logical_name, column.name)
    changed = replace(current, **{name: getattr(column, name) for name in CHANGEABLE})
    if any(getattr(changed, name) != getattr(current, name) for name in CHECKED):
        # The level of a system column is no level that people may give.
        checked = prepared(draft, replace(changed, required="None"))
        changed = replace(checked, required=changed.required)
    draft.put_columns(table.logical_name, [changed])
    draft.commit()
    add_to_solution(call, ATTRIBUTE, current.metadata_id)
    return {"AttributeId": current.metadata_id}


@handles("DeleteAttribute", privilege="prvDeleteAttribute", heavy=True, defines=True)
def delete_attribute(call: Call) -> Any:
    """Delete a custom column with its companions; a lookup goes with its relationships."""
    draft = Draft(call)
    table = known_table(call.schema, wanted(call, "table", str))
    column = known_column(table, wanted(call, "column", str))
    if column.name in (table.primary_name, table.primary_id):
        raise fault("PrimaryColumnStays")
    if not column.is_custom:
        raise fault("NotCustomColumn", table=table.logical_name, name=column.name)
    if column.attribute_of is not None or column.base_of is not None:
        raise fault("DefinitionNotDeletable", name=f"{table.logical_name}.{column.name}")
    using = sum(column.name in key.columns for key in table.keys)
    if using:
        raise fault("ComponentInUse", kind="Attribute", id=column.metadata_id, count=using)
    for rel in call.schema.referencing.get(table.logical_name, ()):
        if rel.referencing_attribute == column.name:
            draft.unrelate(rel)
            forget_component(call, rel.metadata_id)
    gone = [
        each.name
        for each in table.columns.values()
        if column.name in (each.name, each.attribute_of, each.base_of)
    ]
    if column.type in ("file", "image"):
        forget_all(call, objecttypecode=table.logical_name, regardingfieldname=column.name)
    forget_permissions(call, table.logical_name, column.name)
    draft.drop_columns(table.logical_name, gone)
    draft.commit()
    forget_component(call, column.metadata_id)
    return None
