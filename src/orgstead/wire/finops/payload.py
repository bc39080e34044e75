"""Keys out of addresses and rows out of bodies, in public names.

https://learn.microsoft.com/dynamics365/fin-ops-core/dev-itpro/data-entities/odata
"""

from collections.abc import Mapping
from typing import Any

from orgstead.errors import fault
from orgstead.model.dataentities import DataEntity, DataField
from orgstead.model.record import Ref
from orgstead.model.schema import Table
from orgstead.wire.finops.names import NAMESPACE, Names
from orgstead.wire.finops.values import given_value, literal_value
from orgstead.wire.odatav4.paths import Alias, Segment

__all__ = ["changed_values", "new_values", "read_key", "replaced_values"]


def read_key(entity: DataEntity, table: Table, segment: Segment) -> Ref:
    """The row of a key: all of its fields by name in any order, or the one that there is by its value alone.

    Raises KeyIncomplete, ODataSyntax.
    """
    given = dict(segment.pairs)
    alone = segment.id if segment.id is not None else segment.alone
    if alone is not None and len(entity.key) == 1:
        given = {entity.key[0]: alone}
    known = [name for name in entity.key if name in given]
    if len(known) != len(entity.key) or len(segment.pairs) > len(entity.key) or len(given) != len(known):
        keys = ",".join(entity.key)
        raise fault("KeyIncomplete", given=len(known), wanted=len(entity.key), keys=keys)
    values: list[tuple[str, Any]] = []
    for field in entity.key_fields:
        value = given[field.name]
        if isinstance(value, Alias):
            raise fault("ODataUnsupported", feature="A parameter alias in a key of a data entity")
        value = literal_value(field, table.columns[field.column], value)
        if value in (None, ""):
            raise fault("RecordNotFoundByKey", table=entity.target)
        values.append((field.column, value))
    if entity.key_fields[0].column == table.primary_id:
        return Ref(table.logical_name, str(values[0][1]).lower())
    return Ref(table.logical_name, tuple(values))


def new_values(names: Names, entity: DataEntity, body: Mapping[str, Any]) -> dict[str, Any]:
    """The values of a new row, by column; raises MandatoryField, FieldNotEditable and the faults of values."""
    entity.check_mandatory(body)
    return dict(_values(names, entity, body, create=True))


def changed_values(names: Names, entity: DataEntity, body: Mapping[str, Any], ref: Ref) -> dict[str, Any]:
    """The values that change, by column. A key may be repeated, as it stands in the address."""
    values = dict(_values(names, entity, body, create=False, key=ref))
    key = dict(ref.key) if isinstance(ref.key, tuple) else {}
    for column, value in key.items():
        given = values.get(column, value)
        if str(given).casefold() != str(value).casefold():
            raise fault(
                "InvalidArgument",
                message=f"The value of {column} in the body is not the one of the key in the address.",
            )
    return {column: value for column, value in values.items() if column not in key}


def replaced_values(names: Names, entity: DataEntity, body: Mapping[str, Any], ref: Ref) -> dict[str, Any]:
    """All values of a row that may change, those that the body leaves out at their defaults."""
    given = changed_values(names, entity, body, ref)
    table = names.table(entity)
    key = {field.column for field in entity.key_fields}
    defaults = {
        field.column: _default(field, table)
        for field in entity.fields.values()
        if field.on_update and field.column not in key
    }
    for field in entity.fields.values():
        if field.mandatory and field.column in defaults and given.get(field.column) in (None, ""):
            raise fault("MandatoryField", field=field.label)
    return {**defaults, **given}


def _default(field: DataField, table: Table) -> Any:
    column = table.columns[field.column]
    if column.type == "boolean":
        return bool(column.default)
    return column.default if column.type == "choice" and column.default != -1 else None


def _values(
    names: Names, entity: DataEntity, body: Mapping[str, Any], *, create: bool, key: Ref | None = None
) -> Any:
    """Columns and values; raises InvalidProperty, FieldNotEditable, InvalidPayload."""
    table = names.table(entity)
    columns = dict(key.key) if key is not None and isinstance(key.key, tuple) else {}
    for name, value in body.items():
        head, at, annotation = name.partition("@")
        if at:
            if annotation == "odata.bind":
                raise fault("ODataUnsupported", feature=f"{name[:100]}: binding a navigation property")
            if name == "@odata.type" and value != f"#{NAMESPACE}{entity.name}":
                raise fault(
                    "InvalidPayload", message=f"The type {value!s:.100} is not that of {entity.collection}."
                )
            continue
        field = entity.fields.get(head)
        if field is None:
            if head in names.navigations(entity):
                raise fault("ODataUnsupported", feature=f"A nested {head} in the body of a data entity")
            raise fault("InvalidProperty", name=head[:100], type=f"{NAMESPACE}{entity.name}")
        editable = field.on_create if create else field.on_update or field.column in columns
        if not editable:
            raise fault("FieldNotEditable", field=field.name, entity=entity.name)
        yield field.column, given_value(entity, field, table.columns[field.column], value)
