"""Sets, rows, properties and what they lead to: the paths of the Web API."""

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from typing import Any

from orgstead.errors import fault
from orgstead.model.messages import (
    Associate,
    Create,
    Delete,
    Disassociate,
    Execute,
    Result,
    Retrieve,
    RetrieveMultiple,
    Update,
    Upsert,
)
from orgstead.model.query import And, Condition, Exists, Expand, Field, Predicate, Query, ToMany, ToOne
from orgstead.model.record import Record, Ref, Related
from orgstead.model.schema import Table
from orgstead.wire.odata.changes import changes_of
from orgstead.wire.odata.contexts import context_of
from orgstead.wire.odata.files import asks_for_content, content_reply, open_content
from orgstead.wire.odata.names import NAMESPACE, Names, Navigation
from orgstead.wire.odata.other_languages import in_other_language
from orgstead.wire.odata.payload import is_reverse, read_reference, ref_of
from orgstead.wire.odata.reader import Reader
from orgstead.wire.odatav4.body import decode_object
from orgstead.wire.odatav4.paths import Alias, Segment
from orgstead.wire.odatav4.reply import Operation, Reply

__all__ = ["Resources"]


class Resources(Reader):
    """Reads a request for rows."""

    # -- sets ----------------------------------------------------------------------------------------------------
    def on_set(self, table: Table, rest: Sequence[Segment]) -> Operation:
        """``/accounts…``"""
        if not rest:
            self.only("GET", "POST")
            return self.list(table) if self.request.method == "GET" else self.create(table)
        if len(rest) == 1 and rest[0].name == "$count":
            self.only("GET")
            return self.count(table)
        if rest[0].name.startswith(NAMESPACE):
            return self.operation(rest, table)
        raise fault("ResourceNotFound", segment=rest[0].name)

    def list(self, table: Table, scope: Predicate | None = None) -> Operation:
        """A page of rows, of all or of those in ``scope``."""
        if scope is None:
            other = in_other_language(self, table) or changes_of(self, table)
            if other is not None:
                return other
        options, query = self.options(table)
        query = self.paged(_narrowed(query, scope), options)
        context = context_of(self.names.set_of(table.logical_name), options, query)
        return self.operation_of((RetrieveMultiple(query=query),), self.shape(context, options).collection)

    def count(self, table: Table, scope: Predicate | None = None) -> Operation:
        """``/$count``"""
        _, query = self.options(table, "$filter")
        query = replace(_narrowed(query, scope), count_only=True, columns=(table.primary_id,))
        return self.operation_of((RetrieveMultiple(query=query),), self.shape().count)

    def create(self, table: Table) -> Operation:
        """POST to a set."""
        self.conditions(missing=True)
        returning, context = self.returning(table)
        record = self.record(table)
        message = Create(record=record, returning=returning)
        operation = self.operation_of((message,), self.shape(context).written)
        return replace(operation, table=table.logical_name)

    # -- rows ----------------------------------------------------------------------------------------------------
    def on_row(
        self, table: Table, ref: Ref | None, rest: Sequence[Segment], *, segment: Segment | None = None
    ) -> Operation:
        """``/accounts(id)…``"""
        if ref is None:
            if segment is None:
                raise TypeError("a row has a reference or a segment")
            aliased = any(isinstance(value, Alias) for _, value in segment.pairs)
            aliases = self.names.aliases(self.request.query) if aliased else {}
            ref = ref_of(table, segment, self.names, aliases)
        if not rest:
            self.only("GET", "PATCH", "PUT", "DELETE")
            return {"GET": self.retrieve, "PATCH": self.patch, "PUT": self.patch, "DELETE": self.delete}[
                self.request.method
            ](table, ref)
        step = rest[0]
        if step.name.startswith(NAMESPACE):
            return self.operation(rest, table, ref)
        column = self.names.column(table, step.name)
        if column is not None and not step.called:
            return self.on_property(table, ref, step.name, rest[1:])
        navigation = self.names.navigation(table, step.name)
        if navigation is None:
            raise fault("ResourceNotFound", segment=step.name)
        return self.on_navigation(table, ref, navigation, step, rest[1:])

    def retrieve(self, table: Table, ref: Ref) -> Operation:
        """GET a row."""
        options, query = self.options(table, "$select", "$expand")
        # The row's version says nothing about expanded rows.
        seen = None if query.expand else self.match.if_none_match
        message = Retrieve(ref=ref, query=query, if_match=self.match.if_match, if_none_match=seen)
        context = context_of(self.names.set_of(table.logical_name), options, query)
        return self.operation_of((message,), self.shape(context, options).entity)

    def patch(self, table: Table, ref: Ref) -> Operation:
        """PATCH a row: an upsert unless the conditional headers forbid one half."""
        self.conditions(version=True, missing=True)
        returning, context = self.returning(table)
        record, match = self.record(table), self.match
        render = self.shape(context).written
        message = Upsert(
            ref=ref,
            record=record,
            create=not match.exists and match.if_match is None,
            update=not match.missing,
            if_match=match.if_match,
            returning=returning,
        )
        return replace(self.operation_of((message,), render), table=table.logical_name)

    def delete(self, table: Table, ref: Ref) -> Operation:
        """DELETE a row."""
        self.conditions(version=True)
        self.no_options()
        return self.operation_of((Delete(ref=ref, if_match=self.match.if_match),), self.shape().nothing)

    # -- properties ----------------------------------------------------------------------------------------------
    def on_property(self, table: Table, ref: Ref, name: str, rest: Sequence[Segment]) -> Operation:
        """``/accounts(id)/name``, ``/$value``"""
        column = self.names.column(table, name)
        if column is None:
            raise fault("ResourceNotFound", segment=name)
        raw = len(rest) == 1 and rest[0].name == "$value"
        if rest and not raw:
            raise fault("ResourceNotFound", segment=rest[0].name)
        method = self.request.method
        if method == "GET" and asks_for_content(self.request, column, raw=raw):
            render = partial(content_reply, request=self.request, raw=raw)
            return self.operation_of((open_content(self.request, ref, column),), render)
        self.no_options()
        if column.type == "file" and method == "DELETE" and not raw:
            self.conditions()
            clear = Execute(name="ClearFile", target=ref, parameters={"FileAttributeName": column.name})
            return self.operation_of((clear,), self.shape().nothing)
        if method == "GET":
            query = Query(table=table.logical_name, columns=(column.name,))
            shape = self.shape()
            render = partial(shape.raw_value if raw else shape.property, name=name)
            return self.operation_of((Retrieve(ref=ref, query=query),), render)
        self.only("GET", "PUT", "DELETE") if not raw else self.only("GET")
        if column.is_lookup or not column.update:
            raise fault("MethodNotAllowed", method=method, resource=name)
        self.conditions(version=True)
        if method == "PUT":
            body = decode_object(self.request.body)
            if set(body) - {"@odata.context"} != {"value"}:
                raise fault("InvalidPayload", message="The body must be an object with the property value.")
            value = body["value"]
        else:
            value = None
        update = Update(
            ref=ref,
            record=Record(table=table.logical_name, values={column.name: value}),
            if_match=self.match.if_match,
        )
        return self.operation_of((update,), self.shape().nothing)

    # -- navigation ----------------------------------------------------------------------------------------------
    def on_navigation(
        self, table: Table, ref: Ref, navigation: Navigation, step: Segment, rest: Sequence[Segment]
    ) -> Operation:
        """``/accounts(id)/primarycontactid``, ``/Account_Tasks``, ``/$ref``, ``/$count``"""
        target = self.names.schema.tables[navigation.target]
        refs = len(rest) == 1 and rest[0].name == "$ref"
        if refs and self.request.method != "GET":
            return self.change_link(ref, navigation, step, target)
        if isinstance(navigation.link, ToOne):
            return self.to_one(table, ref, navigation, target, rest)
        if not rest and not step.called:
            self.only("GET", "POST")
            if self.request.method == "POST":
                return self.create_related(ref, navigation, target)
        scope = _related_to(navigation, ref, self.names)
        # Nothing is told about what hangs on a row that is not there, or not seen.
        first = Retrieve(ref=ref, query=Query(table=table.logical_name, columns=(table.primary_id,)))
        if step.called:
            if step.id is None and not step.pairs:
                raise fault("ResourceNotFound", segment=step.name)
            return self.on_member(first, target, scope, ref_of(target, step, self.names), rest)
        if not rest:
            return _after(first, self.list(target, scope))
        if len(rest) == 1 and rest[0].name == "$count":
            self.only("GET")
            return _after(first, self.count(target, scope))
        if refs:
            options, query = self.options(target, "$filter", "$orderby", "$top", "$skiptoken")
            query = self.paged(replace(_narrowed(query, scope), columns=(target.primary_id,)), options)
            return _after(first, self.operation_of((RetrieveMultiple(query=query),), self.shape().references))
        raise fault("ResourceNotFound", segment=rest[0].name)

    def on_member(
        self, first: Retrieve, target: Table, scope: Predicate, ref: Ref, rest: Sequence[Segment]
    ) -> Operation:
        """``/accounts(id)/Account_Tasks(id)…``: a row that is in the collection, and nothing of one that is not."""
        query = Query(table=target.logical_name, columns=(target.primary_id,), where=scope)
        operation = self.on_row(target, ref, rest)
        before = (first, Retrieve(ref=ref, query=query))

        def render(results: Sequence[Result]) -> Reply:
            return operation.render(results[len(before) :])

        return replace(operation, messages=(*before, *operation.messages), render=render)

    def to_one(
        self, table: Table, ref: Ref, navigation: Navigation, target: Table, rest: Sequence[Segment]
    ) -> Operation:
        """Read through a single-valued navigation property, as far as it goes, or make the row that it leads to."""
        if not rest and navigation.relationship:
            self.only("GET", "POST")
            if self.request.method == "POST":
                return self.create_related(ref, navigation, target)
        self.only("GET")
        reference = len(rest) == 1 and rest[0].name == "$ref"
        if rest and not reference:
            raise fault(
                "ODataUnsupported",
                feature="A path through a single-valued navigation property to another resource",
            )
        options, query = self.options(target, "$select", "$expand")
        expand = Expand(
            link=navigation.link,
            name=navigation.name,
            columns=query.columns,
            expand=query.expand,
            refs_only=reference,
        )
        parent = Query(table=table.logical_name, columns=(table.primary_id,), expand=(expand,))
        context = context_of(self.names.set_of(target.logical_name), options, query)
        render = partial(self.shape(context).expanded, name=navigation.name, reference=reference)
        return self.operation_of((Retrieve(ref=ref, query=parent),), render)

    def create_related(self, ref: Ref, navigation: Navigation, target: Table) -> Operation:
        """POST to a navigation property: a new row that is related from the start."""
        self.conditions(missing=True)
        returning, context = self.returning(target)
        record = self.record(target)
        rel = self.names.schema.one_to_many.get(navigation.relationship)
        if rel is not None and isinstance(navigation.link, ToMany):
            values = {**record.values, rel.referencing_attribute: ref}
            record = replace(record, values=values)
        else:
            record = replace(record, related=(*record.related, _of_new(navigation, ref)))
        operation = self.operation_of(
            (Create(record=record, returning=returning),), self.shape(context).written
        )
        return replace(operation, table=target.logical_name)

    def change_link(self, ref: Ref, navigation: Navigation, step: Segment, target: Table) -> Operation:
        """POST, PUT and DELETE of ``/$ref``."""
        self.conditions()
        single = isinstance(navigation.link, ToOne)
        if self.request.method == "DELETE":
            return self.untie(ref, navigation, step, target, single)
        self.only("PUT", "POST", "DELETE") if single else self.only("POST", "DELETE")
        self.no_options()
        body = decode_object(self.request.body)
        if set(body) - {"@odata.context"} != {"@odata.id"}:
            raise fault("InvalidPayload", message="The body must be an object with the property @odata.id.")
        related = read_reference(body["@odata.id"], self.names, self.origin)
        if isinstance(navigation.link, ToOne) and not navigation.relationship:
            # An owner is a user or a team: no one relationship stands for both.
            return self.point(ref, navigation.link.lookup, related)
        message = Associate(
            ref=ref, relationship=navigation.relationship, related=related, reverse=is_reverse(navigation)
        )
        return self.operation_of((message,), self.shape().nothing)

    def point(self, ref: Ref, lookup: str, related: Ref | None) -> Operation:
        """Let a lookup lead to a row, or nowhere."""
        record = Record(table=ref.table, values={lookup: related})
        return self.operation_of((Update(ref=ref, record=record),), self.shape().nothing)

    def untie(
        self, ref: Ref, navigation: Navigation, step: Segment, target: Table, single: bool
    ) -> Operation:
        """DELETE of ``/nav/$ref``, ``/nav(id)/$ref``, ``/nav/$ref?$id=…``."""
        related: Ref | None = None
        if step.called:
            self.no_options()
            related = ref_of(target, step, self.names)
        else:
            address = self.names.id_option(self.request.query)
            if address is not None:
                related = read_reference(address, self.names, self.origin)
            elif not single:
                raise fault("MissingParameter", name="$id", message="the row to disassociate is not named")
        if isinstance(navigation.link, ToOne) and not navigation.relationship and related is None:
            return self.point(ref, navigation.link.lookup, None)
        message = Disassociate(
            ref=ref,
            relationship=navigation.relationship,
            related=None if single and related is None else related,
            reverse=is_reverse(navigation),
        )
        return self.operation_of((message,), self.shape().nothing)


def _after(first: Retrieve, operation: Operation) -> Operation:
    return replace(operation, messages=(first, *operation.messages))


def _of_new(navigation: Navigation, ref: Ref) -> Related:
    """The tie of a new row at the far end of a navigation property of ``ref``."""
    far = isinstance(navigation.link, ToMany) and not navigation.link.reverse
    return Related(relationship=navigation.relationship, refs=(ref,), reverse=far)


def _narrowed(query: Query, scope: Predicate | None) -> Query:
    if scope is None:
        return query
    return replace(query, where=scope if query.where is None else And((scope, query.where)))


def _related_to(navigation: Navigation, ref: Ref, names: Names) -> Predicate:
    """The rows of a collection of one parent. An alternate key of the parent is spelled out as a condition."""
    if not isinstance(navigation.link, ToMany):
        raise TypeError("a collection was promised")
    parent = names.schema.tables[ref.table]
    rel = names.schema.one_to_many.get(navigation.relationship)
    if rel is not None:
        lookup = ToOne(rel.referencing_attribute, ref.table)
        column = names.schema.tables[rel.referencing].columns[rel.referencing_attribute]
        if isinstance(ref.key, str) and column.polymorphic:
            # Rows of several tables may have the same id.
            return Condition(Field(parent.primary_id, (lookup,)), "eq", (ref.key,))
        if isinstance(ref.key, str):
            return Condition(Field(rel.referencing_attribute), "eq", (ref.key,))
        return And(tuple(Condition(Field(name, (lookup,)), "eq", (value,)) for name, value in _pairs(ref)))
    back = ToMany(navigation.link.relationship, reverse=not navigation.link.reverse)
    tests = [(parent.primary_id, ref.key)] if isinstance(ref.key, str) else list(_pairs(ref))
    where = And(tuple(Condition(Field(name, alias="parent"), "eq", (value,)) for name, value in tests))
    return Exists(back, where, alias="parent")


def _pairs(ref: Ref) -> Sequence[tuple[str, Any]]:
    if not isinstance(ref.key, tuple):
        raise fault("InvalidBatch", message="A collection of a row of the same change set cannot be read.")
    return ref.key
