"""Associate and Disassociate: tie and untie two rows by a relationship.

https://learn.microsoft.com/power-apps/developer/data-platform/webapi/associate-disassociate-entities-using-web-api
"""

from typing import Any

from orgstead.engine.access import check_row, check_table
from orgstead.engine.handlers.permits import permit_tie
from orgstead.engine.handlers.rows import Writing
from orgstead.engine.hooks import Change
from orgstead.errors import fault
from orgstead.model.messages import Associate, Disassociate, Result, Update
from orgstead.model.record import Record, Ref
from orgstead.model.schema import ManyToMany, OneToMany, Table

__all__ = ["associate", "disassociate"]


def associate(call: Writing, message: Associate) -> Result:
    """Tie two rows. Tying by an N:N relationship what is tied already changes nothing."""
    ref, related = call.resolve(message.ref), call.resolve(message.related)
    many_to_many = call.schema.many_to_many.get(message.relationship)
    if many_to_many is None:
        many, one, rel = _sides(call, ref, related, message.relationship, message.reverse)
        values = {rel.referencing_attribute: one}
        call.send(Update(ref=many, record=Record(table=many.table, values=values)))
        return Result(ref=ref)
    first, second = _ends(many_to_many, ref, related, message.reverse)
    table = call.schema.tables[many_to_many.intersect]
    pair = _pair(table, many_to_many, first, second)
    change = Change(
        event="Associate",
        table=table,
        id=call.new_id(),
        values=pair,
        before={},
        inputs=_inputs(message, ref, related),
    )
    call.hooks.run(10, call, change)
    _check_append(call, first, second)
    for end in (first, second):
        _must_exist(call, end)
    if not call.unit.find(table, pair, 1):
        call.hooks.run(20, call, change)
        row: dict[str, Any] = {table.primary_id: change.id, **pair}
        if "versionnumber" in table.columns:
            row["versionnumber"] = call.unit.next_version()
        call.unit.insert(table, [row])
        call.hooks.run(40, call, change)
    return Result(ref=ref)


def disassociate(call: Writing, message: Disassociate) -> Result:
    """Untie two rows; raises AssociationNotFound when an N:N pair is not tied."""
    ref = call.resolve(message.ref)
    many_to_many = call.schema.many_to_many.get(message.relationship)
    if message.related is None:
        return _clear(call, ref, message.relationship)
    related = call.resolve(message.related)
    if many_to_many is None:
        many, one, rel = _sides(call, ref, related, message.relationship, message.reverse)
        table = call.table(many.table)
        stored = call.unit.get(table, many.id)
        if stored is None:
            check_table(call, "Write", table)
            raise fault("ObjectDoesNotExist", table=many.table, id=many.id)
        # Whether the two are tied is told to nobody who could not untie them.
        check_row(call, "Write", table, stored)
        if stored[rel.referencing_attribute] == one:
            call.send(
                Update(ref=many, record=Record(table=many.table, values={rel.referencing_attribute: None}))
            )
        return Result(ref=ref)
    first, second = _ends(many_to_many, ref, related, message.reverse)
    table = call.schema.tables[many_to_many.intersect]
    pair = _pair(table, many_to_many, first, second)
    found = call.unit.find(table, pair, 1)
    change = Change(
        event="Disassociate",
        table=table,
        id=found[0] if found else "",
        values=pair,
        before=pair,
        inputs=_inputs(message, ref, related),
    )
    call.hooks.run(10, call, change)
    _check_append(call, first, second)
    if not found:
        _must_exist(call, ref)
        raise fault("ObjectDoesNotExist", table=related.table, id=related.id)
    call.hooks.run(20, call, change)
    call.unit.delete(table, found)
    call.hooks.run(40, call, change)
    return Result(ref=ref)


def _inputs(message: Associate | Disassociate, ref: Ref, related: Ref) -> dict[str, Any]:
    return {"Target": ref, "Relationship": message.relationship, "RelatedEntities": (related,)}


def _clear(call: Writing, ref: Ref, relationship: str) -> Result:
    rel = call.schema.one_to_many.get(relationship)
    if rel is None or rel.referencing != ref.table:
        raise fault("RelationshipNotFound", name=relationship, table=ref.table)
    call.send(Update(ref=ref, record=Record(table=ref.table, values={rel.referencing_attribute: None})))
    return Result(ref=ref)


def _sides(
    call: Writing, ref: Ref, related: Ref, relationship: str, reverse: bool
) -> tuple[Ref, Ref, OneToMany]:
    """The many side, the one side and the relationship of a 1:N pair given in either order."""
    rel = call.schema.one_to_many.get(relationship)
    if rel is None:
        raise fault("RelationshipNotFound", name=relationship, table=ref.table)
    turned = reverse and rel.referenced == rel.referencing
    if ref.table == rel.referenced and related.table == rel.referencing and not turned:
        return related, ref, rel
    if ref.table == rel.referencing and related.table == rel.referenced:
        return ref, related, rel
    raise fault("RelationshipNotFound", name=relationship, table=related.table)


def _ends(rel: ManyToMany, ref: Ref, related: Ref, reverse: bool) -> tuple[Ref, Ref]:
    if reverse and rel.entity1 == rel.entity2:
        ref, related = related, ref
    if (ref.table, related.table) == (rel.entity1, rel.entity2):
        return ref, related
    if (ref.table, related.table) == (rel.entity2, rel.entity1):
        return related, ref
    raise fault("RelationshipNotFound", name=rel.schema_name, table=related.table)


def _pair(table: Table, rel: ManyToMany, first: Ref, second: Ref) -> dict[str, Any]:
    """The ends as values of the intersect table, which keeps plain ids or (a list's members) lookups."""
    ends = ((rel.entity1_attribute, first), (rel.entity2_attribute, second))
    return {name: ref if table.columns[name].is_lookup else ref.id for name, ref in ends}


def _check_append(call: Writing, first: Ref, second: Ref) -> None:
    # Each end is appended to the other: both rights are needed on both.
    for end in (first, second):
        for right in ("Append", "AppendTo"):
            check_table(call, right, call.table(end.table))
            permit_tie(call, right, end)


def _must_exist(call: Writing, ref: Ref) -> None:
    table = call.table(ref.table)
    if call.unit.get(table, ref.id, [table.primary_id]) is None:
        raise fault("ObjectDoesNotExist", table=ref.table, id=ref.id)
