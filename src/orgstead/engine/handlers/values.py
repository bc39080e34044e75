"""What a record says, as canonical values of the table's columns."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Literal, Protocol

from orgstead.engine.context import Caller
from orgstead.engine.ports import UnitOfWork
from orgstead.errors import fault
from orgstead.model.record import Record, Ref
from orgstead.model.schema import Schema, Table
from orgstead.model.types import Coerce, coerce, coercion

__all__ = ["Resolving", "bind_values", "key_values"]


class Resolving(Protocol):
    """What binding values needs of a run."""

    @property
    def caller(self) -> Caller:
        """On whose behalf this runs."""

    @property
    def schema(self) -> Schema:
        """The schema of this run."""

    @property
    def unit(self) -> UnitOfWork:
        """The transaction."""

    def resolve(self, ref: Ref, *, missing_ok: bool = False) -> Ref:
        """The reference by id."""


@dataclass(frozen=True, slots=True)
class _Step:
    """What is done with the value that a record has for a column."""

    name: str
    coerce: Coerce
    # The value may name a row, which has to be there.
    refers: bool
    # Some relationships stand on plain ids: a row is named where an id is kept.
    plain_id: bool
    # It may not become null.
    needed: bool


@lru_cache(maxsize=4096)
def _steps(
    table: Table, names: tuple[str, ...], event: Literal["Create", "Update"], system: bool
) -> tuple[_Step, ...]:
    """The steps for a record that has values for these columns, worked out once for all records that do.

    Raises AttributeNotFound, ReadOnlyColumn.
    """
    steps: list[_Step] = []
    for name in names:
        column = table.columns.get(name)
        if column is None:
            raise fault("AttributeNotFound", name=name, table=table.logical_name)
        if name != table.primary_id and not (column.create if event == "Create" else column.update):
            if not system:
                continue
        if not column.stored and column.type != "partylist":
            continue
        if column.type == "file" and not system:
            # Content comes by its own messages.
            raise fault("ReadOnlyColumn", column=column.name, table=table.logical_name)
        plain_id = column.type == "uniqueidentifier"
        needed = column.required == "SystemRequired" and event == "Update"
        convert = coercion(column, table.logical_name)
        steps.append(_Step(name, convert, plain_id or column.is_lookup, plain_id, needed))
    return tuple(steps)


def bind_values(
    call: Resolving, table: Table, record: Record, event: Literal["Create", "Update"]
) -> dict[str, Any]:
    """Canonical values of a record. Columns that this event may not set are left out, as Dataverse does.

    Raises AttributeNotFound, the faults of ``coerce``, and ObjectDoesNotExist for a lookup to nowhere.
    """
    given = record.values
    values: dict[str, Any] = {}
    for step in _steps(table, tuple(given), event, call.caller.system):
        value = given[step.name]
        if value is not None:
            if step.plain_id and isinstance(value, Ref):
                value = _existing(call, value).id
            value = step.coerce(value)
            if step.refers and isinstance(value, Ref):
                value = _existing(call, value)
        elif step.needed:
            raise fault("MissingRequired", column=step.name, table=table.logical_name)
        values[step.name] = value
    return values


def _existing(call: Resolving, ref: Ref) -> Ref:
    resolved = call.resolve(ref)
    table = call.schema.tables.get(resolved.table)
    if table is None:
        if call.caller.system:
            # Shipped rows may name rows of tables that Dynamics has and this organisation does not.
            return resolved
        raise fault("TableNotFound", name=resolved.table)
    if call.unit.get(table, resolved.id, (table.primary_id,)) is None:
        raise fault("ObjectDoesNotExist", table=resolved.table, id=resolved.id)
    return resolved


def key_values(call: Resolving, table: Table, key: tuple[tuple[str, Any], ...]) -> Mapping[str, Any]:
    """The canonical values of an alternate key; raises KeyNotFound unless the table has such a key."""
    columns = [name for name, _ in key]
    if table.key(columns) is None or len(set(columns)) != len(columns):
        raise fault("KeyNotFound", columns=", ".join(columns), table=table.logical_name)
    values: dict[str, Any] = {}
    for name, value in key:
        column = table.columns[name]
        if column.is_lookup and isinstance(value, str) and len(column.targets) == 1:
            value = Ref(column.targets[0], value)
        value = coerce(column, value, table.logical_name)
        if value is None:
            raise fault("KeyNotFound", columns=name, table=table.logical_name)
        values[name] = value
    return values
