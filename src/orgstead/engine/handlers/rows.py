"""Create, Update, Upsert and Delete of one row.

The order of a write: bind values → defaults → hooks of stage 20 → invariants → row and change number →
hooks of stage 40 → related rows. Everything happens in the caller's unit of work.
"""

from collections.abc import Mapping
from functools import lru_cache
from typing import Any, Protocol

from orgstead.engine.access import check_row, check_table
from orgstead.engine.bind import Bound
from orgstead.engine.handlers.changes import note_deletion
from orgstead.engine.handlers.permits import permit_create, permit_update, ties
from orgstead.engine.handlers.reads import read_row
from orgstead.engine.handlers.values import bind_values, key_values
from orgstead.engine.hooks import Change, Hooks
from orgstead.engine.ids import NO_ID
from orgstead.engine.registry import Call
from orgstead.errors import Fault, fault
from orgstead.model.messages import Associate, Create, Delete, Result, Update, Upsert
from orgstead.model.query import Query
from orgstead.model.record import Record, Ref, Related
from orgstead.model.schema import Table
from orgstead.model.steps import BEFORE_CHECKS
from orgstead.model.types import coerce

__all__ = ["Writing", "check_required", "create", "delete", "key_values", "stored_values", "update", "upsert"]

# Rows that one delete may take along through one relationship.
MAX_CASCADE = 10_000


class Writing(Call, Protocol):
    """What the core handlers need of a run, beyond what every handler gets."""

    @property
    def hooks(self) -> Hooks:
        """The hooks of the engine."""

    def bind(self, query: Query, *, single: bool = False) -> Bound:
        """Bind a query for this caller."""

    def resolve(self, ref: Ref, *, missing_ok: bool = False) -> Ref:
        """The reference by id."""

    def table(self, name: str) -> Table:
        """A table by its logical name."""


def create(call: Writing, message: Create) -> Result:
    """Make a row, and its related rows. Raises DuplicateRecord, MissingRequired and the faults of values."""
    record = message.record
    table = call.table(record.table)
    early = any(step.stage == BEFORE_CHECKS for step in call.steps.of(call.schema).get("Create", ()))
    if not early:
        check_table(call, "Create", table)
    values = bind_values(call, table, record, "Create")
    given = values.pop(table.primary_id, None)
    id = next((each for each in (record.id, given) if each not in (None, NO_ID)), None) or call.new_id()
    change = Change(event="Create", table=table, id=id, values=values, before={})
    if early:
        call.hooks.run(10, call, change)
        check_table(call, "Create", table)
    values.update(_create_first(call, record.related))
    tied = ties(table, values)
    call.hooks.run(20, call, change)
    check_required(table, change.values)
    row = {**stored_values(table, change.values), table.primary_id: id}
    permit_create(call, table, row, tied)
    version = call.unit.next_version()
    if "versionnumber" in table.columns:
        row["versionnumber"] = version
    call.unit.insert(table, [row])
    call.hooks.run(40, call, change)
    ref = Ref(table.logical_name, id)
    _create_after(call, ref, record.related)
    return _answer(call, ref, version, message.returning, created=True)


def update(call: Writing, message: Update) -> Result:
    """Change columns of a row. Raises ObjectDoesNotExist, ConcurrencyMismatch and the faults of values."""
    ref = call.resolve(message.ref)
    table = call.table(ref.table)
    stored = call.unit.get(table, ref.id)
    if stored is None:
        check_table(call, "Write", table)
        raise fault("ObjectDoesNotExist", table=table.logical_name, id=ref.id)
    values = bind_values(call, table, message.record, "Update")
    given = values.pop(table.primary_id, ref.id)
    if given != ref.id:
        raise fault(
            "InvalidArgument",
            message=f"The id of the {table.logical_name} in the body is not the one in the address.",
        )
    change = Change(event="Update", table=table, id=ref.id, values=values, before=stored)
    call.hooks.run(10, call, change)
    values.update(_create_first(call, message.record.related))
    permit_update(call, table, stored, values, ties(table, values))
    _check_version(stored, message.if_match)
    call.hooks.run(20, call, change)
    version = call.unit.next_version()
    row = dict(stored_values(table, change.values))
    if "versionnumber" in table.columns:
        row["versionnumber"] = version
    call.unit.update(table, ref.id, row)
    call.hooks.run(40, call, change)
    _create_after(call, ref, message.record.related)
    return _answer(call, ref, version, message.returning, created=False)


def upsert(call: Writing, message: Upsert) -> Result:
    """Update the row that the key names, or create it.

    Raises RecordExists (``update`` false, If-None-Match: *) and ObjectDoesNotExist (``create`` false).
    """
    ref = call.resolve(message.ref, missing_ok=message.create)
    table = call.table(ref.table)
    found = isinstance(ref.key, str) and call.unit.get(table, ref.key, [table.primary_id]) is not None
    if found:
        if not message.update:
            raise fault("RecordExists")
        return call.send(
            Update(ref=ref, record=message.record, if_match=message.if_match, returning=message.returning)
        )
    if not message.create or message.if_match is not None:
        raise fault("ObjectDoesNotExist", table=table.logical_name, id=ref.key)
    record = message.record
    values, id = record.values, record.id
    if isinstance(ref.key, str):
        given = values.get(table.primary_id, ref.key)
        if not isinstance(given, str) or given.lower() != ref.key:
            raise fault(
                "InvalidArgument",
                message=f"The id of the {table.logical_name} in the body is not the one in the address.",
            )
        id = ref.key
    else:
        values = {**values, **_agreed(table, values, _key_as_values(call, table, ref))}
    created = Record(table=table.logical_name, id=id, values=values, related=record.related)
    return call.send(Create(record=created, returning=message.returning))


def _agreed(table: Table, values: Mapping[str, Any], key: Mapping[str, Any]) -> Mapping[str, Any]:
    """The key's values, which belong to the new row; raises InvalidArgument when the body contradicts them."""
    for name, value in key.items():
        given = values.get(name, value)
        if not isinstance(given, Ref) and coerce(table.columns[name], given, table.logical_name) != value:
            raise fault(
                "InvalidArgument",
                message=f"The value of {name} in the body is not the one of the key in the address.",
            )
    return key


def delete(call: Writing, message: Delete) -> Result:
    """Remove a row and what its relationships say goes with it. Raises ObjectDoesNotExist, CannotDeleteReferenced."""
    ref = call.resolve(message.ref)
    table = call.table(ref.table)
    stored = call.unit.get(table, ref.id)
    if stored is None:
        check_table(call, "Delete", table)
        raise fault("ObjectDoesNotExist", table=table.logical_name, id=ref.id)
    change = Change(event="Delete", table=table, id=ref.id, values={}, before=stored)
    call.hooks.run(10, call, change)
    check_row(call, "Delete", table, stored)
    _check_version(stored, message.if_match)
    call.hooks.run(20, call, change)
    _cascade_delete(call, ref)
    version = call.unit.next_version()
    call.unit.delete(table, [ref.id])
    if table.change_tracking:
        note_deletion(call, table, ref.id, stored, version)
    call.hooks.run(40, call, change)
    return Result(ref=ref)


def stored_values(table: Table, values: Mapping[str, Any]) -> Mapping[str, Any]:
    """What a row keeps of values."""
    # Party lists are rows of another table: a hook writes them.
    lists = _party_lists(table)
    if not lists:
        return values
    return {name: value for name, value in values.items() if name not in lists}


def _key_as_values(call: Writing, table: Table, ref: Ref) -> Mapping[str, Any]:
    return key_values(call, table, ref.key) if isinstance(ref.key, tuple) else {}


def _answer(call: Writing, ref: Ref, version: int, returning: Query | None, *, created: bool) -> Result:
    page = read_row(call, ref, returning) if returning is not None else None
    return Result(ref=ref, created=created, page=page, version=version)


def _check_version(stored: Mapping[str, Any], if_match: int | None) -> None:
    if if_match is not None and stored.get("versionnumber") != if_match:
        raise fault("ConcurrencyMismatch")


@lru_cache(maxsize=4096)
def _required(table: Table) -> tuple[str, ...]:
    """The columns that a new row must have; other system-required ones the platform fills itself."""
    return tuple(
        column.name
        for column in table.columns.values()
        if column.required == "SystemRequired" and column.is_lookup and column.create
    )


def check_required(table: Table, values: Mapping[str, Any]) -> None:
    """Raises MissingRequired for a new row without what it must have."""
    for name in _required(table):
        if values.get(name) is None:
            raise fault("MissingRequired", column=name, table=table.logical_name)


@lru_cache(maxsize=4096)
def _party_lists(table: Table) -> frozenset[str]:
    return frozenset(column.name for column in table.columns.values() if column.type == "partylist")


def _create_first(call: Writing, related: tuple[Related, ...]) -> dict[str, Any]:
    """Create the rows that this one's lookups point at; the lookups' values."""
    values: dict[str, Any] = {}
    for group in related:
        if group.to_one:
            rel = call.schema.one_to_many[group.relationship]
            (record,) = group.records
            values[rel.referencing_attribute] = call.send(Create(record=record)).ref
    return values


def _create_after(call: Writing, ref: Ref, related: tuple[Related, ...]) -> None:
    """Create the rows of collections with their lookup to this one, and tie those that exist."""
    for group in related:
        if group.to_one:
            continue
        rel = call.schema.one_to_many.get(group.relationship)
        for record in group.records:
            if rel is not None:
                values = {**record.values, rel.referencing_attribute: ref}
                record = Record(table=record.table, id=record.id, values=values, related=record.related)
                call.send(Create(record=record))
            else:
                made = call.send(Create(record=record)).ref
                if made is not None:
                    call.send(_tie(ref, group, made))
        for other in group.refs:
            call.send(_tie(ref, group, other))


def _tie(ref: Ref, group: Related, other: Ref) -> Associate:
    return Associate(ref=ref, relationship=group.relationship, related=other, reverse=group.reverse)


def _cascade_delete(call: Writing, ref: Ref) -> None:
    for rel in call.schema.referenced.get(ref.table, ()):
        table = call.schema.tables[rel.referencing]
        column = table.columns[rel.referencing_attribute]
        if not column.stored:
            continue
        behaviour = rel.cascade.delete
        if behaviour == "RemoveLink":
            call.unit.clear(table, column.name, ref, call.unit.next_version())
        elif behaviour == "Restrict":
            if call.unit.find(table, {column.name: ref if column.is_lookup else ref.id}, 1):
                raise fault("CannotDeleteReferenced", table=ref.table, related=table.logical_name)
        elif behaviour == "Cascade":
            ids = call.unit.find(table, {column.name: ref if column.is_lookup else ref.id}, MAX_CASCADE + 1)
            if len(ids) > MAX_CASCADE:
                raise fault("TooManyRows", limit=MAX_CASCADE)
            for id in ids:
                _delete_if_there(call, Ref(table.logical_name, id))
    for many in call.schema.crossing.get(ref.table, ()):
        table = call.schema.tables[many.intersect]
        ends = {many.entity1: many.entity1_attribute, many.entity2: many.entity2_attribute}
        for entity, attribute in ends.items():
            if entity == ref.table:
                call.unit.delete(table, call.unit.find(table, {attribute: ref.id}, 1_000_000))


def _delete_if_there(call: Writing, ref: Ref) -> None:
    # Another relationship of the same cascade may have taken the row already.
    try:
        call.follow(Delete(ref=ref))
    except Fault as error:
        if error.name != "ObjectDoesNotExist":
            raise
