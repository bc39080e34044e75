"""What a record says, as canonical values of the table's columns."""

from collections.abc import Mapping
from functools import lru_cache
from typing import Any, Literal, NamedTuple, Protocol

from orgstead.engine.columns import check_columns
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


class _Step(NamedTuple):
    """What is done with the value that a record has for a column: a tuple, because each value of each row takes one.

    ``refers``: the value may name a row, which has to be there; ``needed``: it may not become null.
    """

    name: str
    coerce: Coerce
    refers: bool
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
            if not system and column.type == "owner" and event == "Update":
                # Whoever assigns a row and is told nothing takes it for assigned.
                raise fault("ReadOnlyColumn", column=column.name, table=table.logical_name)
            if not system:
                continue
        if not column.stored and column.type != "partylist":
            continue
        if column.type == "file" and not system:
            # Content comes by its own messages.
            raise fault("ReadOnlyColumn", column=column.name, table=table.logical_name)
        needed = column.required == "SystemRequired" and event == "Update"
        refers = column.is_lookup or column.type == "uniqueidentifier"
        steps.append(_Step(name, coercion(column, table.logical_name), refers, needed))
    return tuple(steps)


def bind_values(
    call: Resolving, table: Table, record: Record, event: Literal["Create", "Update"]
) -> dict[str, Any]:
    """Canonical values of a record. Columns that this event may not set are left out, as Dataverse does.

    Raises AttributeNotFound, the faults of ``coerce``, ObjectDoesNotExist for a lookup to nowhere, and
    ColumnCreateDenied and ColumnUpdateDenied for secured columns.
    """
    given = record.values
    check_columns(call.caller, table, given, event)
    values: dict[str, Any] = {}
    for name, convert, refers, needed in _steps(table, tuple(given), event, call.caller.system):
        value = given[name]
        if value is None:
            pass
        elif refers and isinstance(value, Ref):
            # Some relationships stand on plain ids.
            value = (
                _existing(call, convert(value))
                if table.columns[name].is_lookup
                else convert(_existing(call, value).id)
            )
        else:
            value = convert(value)
        # An empty text has become null.
        if needed and value is None:
            raise fault("MissingRequired", column=name, table=table.logical_name)
        values[name] = value
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
