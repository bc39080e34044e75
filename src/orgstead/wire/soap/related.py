"""What is asked for along with a row: for each relationship a query of the rows that it leads to.

https://learn.microsoft.com/dotnet/api/microsoft.xrm.sdk.messages.retrieverequest.relatedentitiesquery
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from orgstead.errors import fault
from orgstead.model.query import And, Condition, Exists, Field, Predicate, Query, ToMany, ToOne
from orgstead.model.record import Ref
from orgstead.model.schema import Schema
from orgstead.wire.soap.ask import Ask
from orgstead.wire.soap.read import ends

__all__ = ["RelatedQuery", "related_queries"]

MAX_QUERIES = 15
PARENT = "parent"


@dataclass(frozen=True, slots=True, kw_only=True)
class RelatedQuery:
    """The rows at the end of a relationship of one row; ``columns`` are the party lists that are shown."""

    relationship: str
    role: str | None
    query: Query
    columns: tuple[str, ...]


def related_queries(ask: Ask, ref: Ref) -> Iterator[RelatedQuery]:
    """The queries of RelatedEntitiesQuery, each narrowed to what is related to the row.

    Raises RelationshipNotFound, InvalidArgument for a query of another table, QueryTooComplex.
    """
    given = ask.value("RelatedEntitiesQuery", ("xrm", "RelationshipQueryCollection")) or {}
    if len(given) > MAX_QUERIES:
        raise fault("QueryTooComplex", limit=f"{MAX_QUERIES} queries of related rows")
    for key, query in given.items():
        relationship = dict(key)
        name, role = relationship.get("SchemaName", ""), relationship.get("PrimaryEntityRole")
        to_one, reverse = ends(ask.schema, ref.table, name, role)
        if not isinstance(query, Query):
            raise ask.wrong("RelatedEntitiesQuery", "RelationshipQueryCollection")
        wanted = _far_end(ask.schema, ref.table, name, to_one=to_one, reverse=reverse)
        if query.table != wanted:
            raise fault("InvalidArgument", message=f"{name[:100]} leads to rows of {wanted}.")
        scope = _related_to(ask.schema, ref, name, to_one=to_one, reverse=reverse)
        narrowed = replace(query, where=scope if query.where is None else And((scope, query.where)))
        shown, lists = ask.shown(narrowed)
        yield RelatedQuery(relationship=name, role=role, query=shown, columns=lists)


def _far_end(schema: Schema, table: str, name: str, *, to_one: bool, reverse: bool) -> str:
    """The table that a relationship leads to."""
    one = schema.one_to_many.get(name)
    if one is not None:
        if table not in (one.referenced, one.referencing):
            raise fault("RelationshipNotFound", name=name[:100], table=table)
        return one.referenced if to_one else one.referencing
    many = schema.many_to_many[name]
    if table not in (many.entity1, many.entity2):
        raise fault("RelationshipNotFound", name=name[:100], table=table)
    return many.entity1 if reverse or table == many.entity2 else many.entity2


def _related_to(schema: Schema, ref: Ref, name: str, *, to_one: bool, reverse: bool) -> Predicate:
    """The condition of a row at the far end. An alternate key is spelled out."""
    table = schema.tables[ref.table]
    pairs: Sequence[tuple[str, object]] = (
        [(table.primary_id, ref.key)] if not isinstance(ref.key, tuple) else ref.key
    )
    one = schema.one_to_many.get(name)
    if one is not None and not to_one:
        # By way of the row: lookups of several tables may hold the same id.
        hop = ToOne(one.referencing_attribute, ref.table)
        return And(tuple(Condition(Field(column, (hop,)), "eq", (value,)) for column, value in pairs))
    tests = tuple(Condition(Field(column, alias=PARENT), "eq", (value,)) for column, value in pairs)
    many = schema.many_to_many.get(name)
    # From the second end the way back is that of the first.
    second = many is not None and (reverse or many.entity1 != ref.table)
    back = ToMany(name, reverse=many is not None and not second)
    return Exists(back, And(tests), alias=PARENT)
