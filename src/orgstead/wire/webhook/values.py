"""Values as the data contracts of the platform write them in JSON: each says its type where its place does not.

Members stand in alphabetical order behind ``__type``; dictionaries are lists of key and value.
https://learn.microsoft.com/dotnet/framework/wcf/feature-details/stand-alone-json-serialization
https://learn.microsoft.com/power-apps/developer/data-platform/use-webhooks#request-body
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any

from orgstead.model.apis import DATETIME, MONEY, PICKLIST
from orgstead.model.events import NOBODY
from orgstead.model.formatted import format_value
from orgstead.model.record import Record, Ref, Related
from orgstead.model.schema import Column, Schema, Table
from orgstead.model.types import parse_datetime

__all__ = ["Writer", "date_of", "pairs"]

CONTRACTS = "http://schemas.microsoft.com/xrm/2011/Contracts"
# Columns whose values are shown as a person reads them, beside dates, which stand as ISO 8601.
LABELLED = frozenset({"boolean", "choice", "managedproperty", "multichoice", "state", "status"})
# Parameters of the platform's own messages that are choices.
CHOICES = frozenset({"State", "Status"})
RELATING = frozenset({"Associate", "Disassociate"})


def _typed(name: str, **members: Any) -> dict[str, Any]:
    return {"__type": f"{name}:{CONTRACTS}", **members}


def pairs(values: Iterable[tuple[str, Any]]) -> list[dict[str, Any]]:
    """A dictionary."""
    return [{"key": key, "value": value} for key, value in values]


def date_of(moment: datetime, offset: str = "") -> str:
    """A point in time: milliseconds since 1970, with an offset for what is local time there."""
    return f"/Date({round(moment.timestamp() * 1000)}{offset})/"


def number_of(value: Decimal) -> Decimal:
    """A number as it is printed, without an exponent and without zeros at its end."""
    short = value.normalize()
    return short.quantize(Decimal(1)) if short == short.to_integral_value() else short


class Writer:
    """Writes the values of one message; ``schema`` says of which types columns are."""

    def __init__(self, schema: Schema, message: str) -> None:
        self._schema = schema
        self._message = message
        api = schema.apis.get(message)
        self._types = (
            {} if api is None else {each.name: each.type for each in (*api.parameters, *api.returns)}
        )

    # -- rows ----------------------------------------------------------------------------------------------------
    def entity(self, record: Record, *, formatted: bool) -> dict[str, Any]:
        """A row without its type, as it stands where only rows can be; ``formatted``: with what a person reads."""
        table = self._schema.tables.get(record.table)
        return {
            "Attributes": pairs(
                (name, self.attribute(table, name, value)) for name, value in record.values.items()
            ),
            "EntityState": None,
            "FormattedValues": pairs(_formatted(table, record.values))
            if formatted and table is not None
            else [],
            "Id": record.id or (record.key.key if record.key and isinstance(record.key.key, str) else NOBODY),
            "KeyAttributes": self._keys(record.key),
            "LogicalName": record.table,
            "RelatedEntities": [self._related(record, each) for each in record.related if each.records],
            "RowVersion": None,
        }

    def _typed_entity(self, record: Record) -> dict[str, Any]:
        return _typed("Entity", **self.entity(record, formatted=False))

    def _keys(self, ref: Ref | None) -> list[dict[str, Any]]:
        if ref is None or not isinstance(ref.key, tuple):
            return []
        table = self._schema.tables.get(ref.table)
        return pairs((name, self.attribute(table, name, value)) for name, value in ref.key)

    def _related(self, record: Record, related: Related) -> dict[str, Any]:
        rel = self._schema.one_to_many.get(related.relationship)
        within = rel is not None and rel.referencing == rel.referenced
        role = (0 if related.to_one else 1) if within else None
        key = {"PrimaryEntityRole": role, "SchemaName": related.relationship}
        return {"key": key, "value": self._collection(related.records)}

    def _collection(self, records: Sequence[Record], *, formatted: bool = False) -> dict[str, Any]:
        return {
            "Entities": [self.entity(each, formatted=formatted) for each in records],
            "EntityName": records[0].table if records else None,
            "MinActiveRowVersion": None,
            "MoreRecords": False,
            "PagingCookie": None,
            "TotalRecordCount": 0,
            "TotalRecordCountLimitExceeded": False,
        }

    def reference(self, ref: Ref) -> dict[str, Any]:
        """A reference without its type."""
        return {
            "Id": ref.key if isinstance(ref.key, str) else NOBODY,
            "KeyAttributes": self._keys(ref),
            "LogicalName": ref.table,
            "Name": None,
            "RowVersion": None,
        }

    # -- values --------------------------------------------------------------------------------------------------
    def attribute(self, table: Table | None, name: str, value: Any) -> Any:
        """The value of a column."""
        column = table.columns.get(name) if table is not None else None
        if value is None or column is None:
            return self.value(value)
        match column.type:
            case "choice" | "state" | "status":
                return _typed("OptionSetValue", Value=value)
            case "multichoice":
                return [_typed("OptionSetValue", Value=each) for each in value]
            case "money":
                return _typed("Money", Value=number_of(value) if isinstance(value, Decimal) else value)
            case "datetime":
                return date_of(parse_datetime(value))
            case "managedproperty":
                return _typed(
                    "BooleanManagedProperty", CanBeChanged=True, ManagedPropertyLogicalName=name, Value=value
                )
            case "partylist":
                return _typed("EntityCollection", **self._collection(value, formatted=True))
        return self.value(value)

    def parameter(self, name: str, value: Any) -> Any:
        """A parameter of the message, or a property of its answer."""
        kind = self._types.get(name)
        if isinstance(value, str) and kind == DATETIME:
            return date_of(parse_datetime(value))
        if isinstance(value, int | float | Decimal) and not isinstance(value, bool):
            if kind == MONEY:
                return _typed("Money", Value=self.value(value))
            if kind == PICKLIST or (not self._types and name in CHOICES):
                return _typed("OptionSetValue", Value=value)
        if name == "Relationship" and self._message in RELATING and isinstance(value, str):
            return _typed("Relationship", PrimaryEntityRole=None, SchemaName=value)
        return self.value(value)

    def value(self, value: Any) -> Any:
        """A value that says what it is."""
        match value:
            case None | bool() | int() | float() | str():
                return value
            case Decimal():
                return number_of(value)
            case Ref():
                return _typed("EntityReference", **self.reference(value))
            case Record():
                return self._typed_entity(value)
            case bytes():
                return list(value)
            case Mapping():
                return {str(name): self.value(each) for name, each in value.items()}
            case Sequence() if value and all(isinstance(each, Record) for each in value):
                return _typed("EntityCollection", **self._collection(value))
            case Sequence():
                return [self.value(each) for each in value]
        # A query, say, for which there is no contract here.
        return None


def _formatted(table: Table, values: Mapping[str, Any]) -> Iterable[tuple[str, str]]:
    for name, value in values.items():
        column = table.columns.get(name)
        text = None if value is None or column is None else _label(column, value)
        if text is not None:
            yield name, text


def _label(column: Column, value: Any) -> str | None:
    if column.type == "datetime":
        return parse_datetime(value).isoformat()
    return format_value(column, value) if column.type in LABELLED else None
