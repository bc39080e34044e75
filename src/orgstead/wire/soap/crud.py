"""The requests about rows: create, read, change, delete, relate.

https://learn.microsoft.com/power-apps/developer/data-platform/org-service/entity-operations
https://learn.microsoft.com/dotnet/api/microsoft.xrm.sdk.messages
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from orgstead.errors import fault
from orgstead.model.messages import (
    Associate,
    Create,
    Delete,
    Disassociate,
    Message,
    Result,
    Retrieve,
    RetrieveMultiple,
    Update,
    Upsert,
)
from orgstead.model.query import Query
from orgstead.model.record import Page, Record, Ref
from orgstead.wire.soap.answers import Operation, Response
from orgstead.wire.soap.ask import Ask
from orgstead.wire.soap.beside import Linked
from orgstead.wire.soap.pieces import Row, Rows
from orgstead.wire.soap.read import ends
from orgstead.wire.soap.registry import request
from orgstead.wire.soap.related import related_queries
from orgstead.wire.soap.write import Typed

__all__ = ["created", "done", "moved", "target_of"]

MAX_RELATED = 1000
GUID = ("ser", "guid")


def done(ask: Ask, *messages: Any) -> Operation:
    """An operation that answers nothing."""
    ask.finish()
    return Operation(messages=messages, render=lambda _: Response(name=ask.name), options=ask.options)


def target_of(record: Record, name: str) -> Ref:
    """The row that an Entity names; raises InvalidArgument for one without an id and without a key."""
    if record.key is None:
        raise fault("InvalidArgument", message=f"Entity Id must be specified for {name}.")
    return record.key


def created(record: Record, ask: Ask) -> Record:
    """A row to be made, with the columns of its alternate key among its values."""
    key = record.key.key if record.key is not None else None
    if isinstance(key, tuple):
        record = replace(record, values={**dict(key), **record.values})
    return replace(record, key=None)


def moved(results: Sequence[Result]) -> Result:
    """The only result."""
    (result,) = results
    return result


def _page(results: Sequence[Result]) -> Page:
    page = moved(results).page
    if page is None:
        raise TypeError("a page was promised")
    return page


@request("Create")
def _create(ask: Ask) -> Operation:
    record = created(ask.row("Target"), ask)
    ask.finish()

    def render(results: Sequence[Result]) -> Response:
        ref = moved(results).ref
        return Response(name="Create", results=(("id", Typed(GUID, ref.id if ref is not None else None)),))

    return Operation(messages=(Create(record=record),), render=render, options=ask.options)


@request("Retrieve")
def _retrieve(ask: Ask) -> Operation:
    ref = ask.ref("Target")
    query, lists = ask.shown(Query(table=ref.table, columns=ask.columns("ColumnSet")))
    asked = tuple(related_queries(ask, ref))
    ask.finish()

    def render(results: Sequence[Result]) -> Response:
        row, *others = results
        linked = tuple(
            Linked(
                relationship=each.relationship, role=each.role, columns=each.columns, page=_page((result,))
            )
            for each, result in zip(asked, others, strict=True)
        )
        return Response(
            name="Retrieve", results=(("Entity", Row(page=_page((row,)), columns=lists, linked=linked)),)
        )

    messages: tuple[Message, ...] = (
        Retrieve(ref=ref, query=query),
        *(RetrieveMultiple(query=each.query) for each in asked),
    )
    return Operation(messages=messages, render=render, options=ask.options)


@request("RetrieveMultiple")
def _retrieve_multiple(ask: Ask) -> Operation:
    query = ask.needed("Query", ("xrm", "QueryBase"))
    if not isinstance(query, Query):
        raise ask.wrong("Query", "QueryBase")
    query, lists = ask.shown(query)
    ask.finish()
    return Operation(
        messages=(RetrieveMultiple(query=query),),
        render=lambda results: Response(
            name="RetrieveMultiple",
            results=(("EntityCollection", Rows(page=_page(results), columns=lists)),),
        ),
        options=ask.options,
    )


@request("Update")
def _update(ask: Ask) -> Operation:
    version = ask.version()
    record = ask.row("Target")
    return done(ask, Update(ref=target_of(record, "Update"), record=record, if_match=version))


@request("Upsert")
def _upsert(ask: Ask) -> Operation:
    version = ask.version()
    record = ask.row("Target")
    ref = record.key or Ref(record.table, ask.context.new_id())
    ask.finish()

    def render(results: Sequence[Result]) -> Response:
        result = moved(results)
        return Response(
            name="Upsert", results=(("RecordCreated", result.created), ("Target", result.ref or ref))
        )

    message = Upsert(ref=ref, record=replace(record, key=None), if_match=version)
    return Operation(messages=(message,), render=render, options=ask.options)


@request("Delete")
def _delete(ask: Ask) -> Operation:
    version = ask.version()
    return done(ask, Delete(ref=ask.ref("Target"), if_match=version))


def _ties(ask: Ask) -> tuple[Ref, str, bool, Sequence[Ref]]:
    """Which row is tied to which others, and how."""
    ref = ask.ref("Target")
    relationship = ask.needed("Relationship", ("xrm", "Relationship"))
    related = ask.needed("RelatedEntities", ("xrm", "EntityReferenceCollection"))
    if not isinstance(relationship, dict) or not all(isinstance(each, Ref) for each in related):
        raise ask.wrong("Relationship", "Relationship")
    if len(related) > MAX_RELATED:
        raise fault("QueryTooComplex", limit=f"{MAX_RELATED} related rows")
    name = relationship.get("SchemaName", "")
    to_one, reverse = ends(ask.schema, ref.table, name, relationship.get("PrimaryEntityRole"))
    if to_one and len(related) > 1:
        raise fault("InvalidArgument", message=f"{name[:100]} leads to one row.")
    return ref, name, reverse, related


@request("Associate")
def _associate(ask: Ask) -> Operation:
    ref, name, reverse, related = _ties(ask)
    messages = (Associate(ref=ref, relationship=name, related=each, reverse=reverse) for each in related)
    return done(ask, *messages)


@request("Disassociate")
def _disassociate(ask: Ask) -> Operation:
    ref, name, reverse, related = _ties(ask)
    messages = (Disassociate(ref=ref, relationship=name, related=each, reverse=reverse) for each in related)
    return done(ask, *messages)


# -- requests that say the same in other words ---------------------------------------------------------------------
@request("Assign")
def _assign(ask: Ask) -> Operation:
    """https://learn.microsoft.com/dotnet/api/microsoft.crm.sdk.messages.assignrequest"""
    ref, assignee = ask.ref("Target"), ask.ref("Assignee")
    return done(ask, Update(ref=ref, record=Record(table=ref.table, values={"ownerid": assignee})))


@request("SetState", "SetStateDynamicEntity")
def _set_state(ask: Ask) -> Operation:
    """https://learn.microsoft.com/dotnet/api/microsoft.crm.sdk.messages.setstaterequest"""
    ref, state, status = ask.ref("EntityMoniker"), ask.whole("State"), ask.whole("Status")
    table = ask.table(ref.table)
    if state is None:
        raise fault("MissingParameter", name="State", message=f"{ask.name} needs it")
    if table.state_column is None or table.status_column is None:
        raise fault("InvalidArgument", message=f"Rows of {ref.table} have no state.")
    values = {table.state_column.name: state}
    if status not in (None, -1):
        values[table.status_column.name] = status
    return done(ask, Update(ref=ref, record=Record(table=ref.table, values=values)))
