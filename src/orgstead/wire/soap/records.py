"""Records that messages answer as Entity elements: what is not stored yet, or only named."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from orgstead.model.record import Record, Ref
from orgstead.model.schema import Column, Schema
from orgstead.wire.soap.contracts import TypeName
from orgstead.wire.soap.primitives import EMPTY_ID
from orgstead.wire.soap.write import Typed

__all__ = ["entity_of"]

ENTITY: TypeName = ("xrm", "Entity")
_TYPES: Mapping[str, TypeName] = {
    "money": ("xrm", "Money"), "choice": ("xrm", "OptionSetValue"), "state": ("xrm", "OptionSetValue"),
    "status": ("xrm", "OptionSetValue"), "datetime": ("xs", "dateTime"), "uniqueidentifier": ("ser", "guid"),
    "bigint": ("xs", "long"), "file": ("ser", "guid"),
}  # fmt: skip


def entity_of(record: Record, schema: Schema) -> Typed:
    """A record as an Entity, its values by the types of its columns."""
    table = schema.tables[record.table]
    values = {
        name: _value(table.columns.get(name), value, schema)
        for name, value in record.values.items()
        if value is not None
    }
    if record.id is not None:
        values[table.primary_id] = Typed(("ser", "guid"), record.id)
    return Typed(
        ENTITY,
        {
            "Attributes": values,
            "FormattedValues": {},
            "Id": record.id or EMPTY_ID,
            "KeyAttributes": {},
            "LogicalName": record.table,
            "RelatedEntities": {},
        },
    )


def _value(column: Column | None, value: Any, schema: Schema) -> Any:
    if column is None or isinstance(value, Ref):
        return value
    if column.type == "partylist":
        rows = [entity_of(each, schema) for each in value]
        return Typed(
            ("xrm", "EntityCollection"),
            {"Entities": rows, "EntityName": "activityparty", "TotalRecordCount": -1},
        )
    if column.type == "multichoice":
        return Typed(("xrm90", "OptionSetValueCollection"), list(value))
    if column.type == "managedproperty":
        return Typed(
            ("xrm", "BooleanManagedProperty"),
            {"Value": value, "CanBeChanged": True, "ManagedPropertyLogicalName": column.name},
        )
    if column.date_only:
        value = f"{value}T00:00:00Z"
    if column.type == "decimal" and not isinstance(value, Decimal):
        value = Decimal(value)
    found = _TYPES.get(column.type)
    return value if found is None else Typed(found, value)
