"""JSON bodies to values of columns, field by field, so that a fault can name its field."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from decimal import Decimal
from typing import Any

import msgspec

from orgstead.errors import Fault, fault
from orgstead.model.record import Ref
from orgstead.model.schema import Column, Schema
from orgstead.model.types import coerce, read_guid
from orgstead.wire.crm.resources import Resource

__all__ = ["blank_values", "column_value", "field_fault", "read_object", "row_values"]

_json = msgspec.json.Decoder(float_hook=Decimal)


def field_fault(error: Fault, about: str) -> Fault:
    """A fault, said to be about a field."""
    error.details["field"] = about[:100]
    return error


def read_object(headers: Mapping[str, str], body: bytes) -> dict[str, Any]:
    """The JSON object that a body is; raises UnsupportedMediaType, CrmBodyInvalid."""
    kind = headers.get("content-type", "").lower()
    if kind.partition(";")[0].strip() != "application/json":
        raise fault("UnsupportedMediaType", value=kind[:100])
    if headers.get("content-encoding", "identity").strip().lower() != "identity":
        raise fault("UnsupportedMediaType", value=f"in the encoding {headers['content-encoding'][:50]}")
    try:
        value = _json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, ArithmeticError) as error:
        raise fault("CrmBodyInvalid", message=str(error)) from None
    except RecursionError:
        raise fault("CrmBodyInvalid", message="It is nested too deeply.") from None
    if not isinstance(value, dict):
        raise fault("CrmBodyInvalid", message="An object was expected.")
    return value


def row_values(resource: Resource, schema: Schema, body: Mapping[str, Any]) -> dict[str, Any]:
    """The values of columns that a body gives.

    Raises CrmFieldUnknown, CrmFieldReadOnly, CrmFieldInvalid and the faults of values, with the field's name.
    """
    values: dict[str, Any] = {}
    for name, value in body.items():
        field = resource.fields.get(name)
        if field is None:
            if name == "id":
                raise field_fault(fault("CrmFieldReadOnly", field=name), name)
            raise field_fault(fault("CrmFieldUnknown", field=name[:100], resource=resource.name), name)
        if field.only_read:
            raise field_fault(fault("CrmFieldReadOnly", field=name), name)
        if field.column == "activitytypecode":
            continue
        column = resource.column(schema, field)
        with _about(name):
            canonical = column_value(column, value, field.target, resource.table)
        if canonical is None:
            values.setdefault(field.column, None)
        elif values.get(field.column) is not None:
            # Several fields lead to one column: a row is about one other row.
            raise field_fault(
                fault("CrmFieldInvalid", message=f"{name} is given beside another field that excludes it."),
                name,
            )
        else:
            values[field.column] = canonical
    return values


def blank_values(
    resource: Resource, schema: Schema, hidden: frozenset[str], given: Mapping[str, Any]
) -> dict[str, Any]:
    """What a replacement makes of the columns that it leaves out: their defaults, else nothing.

    Fields that are hidden stay, and so does the owner, without whom no row is.
    """
    blank: dict[str, Any] = {}
    for field in resource.fields.values():
        column = resource.column(schema, field)
        kept = field.only_read or field.name in hidden or field.column in given
        if kept or column.type in ("owner", "entityname"):
            continue
        default = column.default if column.is_choice or column.type in ("boolean", "integer") else None
        blank[field.column] = None if default in (None, -1) else default
        if column.type == "boolean":
            blank[field.column] = bool(default)
    return blank


def column_value(column: Column, value: Any, target: str | None, table: str) -> Any:
    """The canonical value of a column; raises the faults of ``coerce``, InvalidGuid."""
    if value is None:
        return None
    if target is not None:
        if not isinstance(value, str):
            raise fault("InvalidGuid", value=str(value)[:100])
        return Ref(target, read_guid(value))
    return coerce(column, value, table)


@contextmanager
def _about(name: str) -> Iterator[None]:
    try:
        yield
    except Fault as error:
        error.details["field"] = name
        raise
