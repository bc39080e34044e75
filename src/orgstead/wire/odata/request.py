"""Requests of the Web API to messages.

``decode`` reads one request (alone, or a part of a batch) and answers an ``Operation``: the messages to run and
how to write what they answer. It runs nothing.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

from orgstead.errors import fault
from orgstead.languages.odata import QueryOptions, parse_options
from orgstead.languages.paging import read_cookie
from orgstead.model.messages import (
    Associate,
    Create,
    Delete,
    Disassociate,
    Message,
    Options,
    Result,
    Retrieve,
    RetrieveMultiple,
    Signature,
    Update,
    Upsert,
)
from orgstead.model.query import And, Condition, Exists, Expand, Field, Predicate, Query, ToMany, ToOne
from orgstead.model.record import Record, Ref, Related
from orgstead.model.schema import Table
from orgstead.wire.odata.contexts import context_of
from orgstead.wire.odata.encode import PLAIN, Annotations
from orgstead.wire.odata.metadata import DEFINITION_SETS, read_definitions
from orgstead.wire.odata.metadata_changes import DEFINITION_ACTIONS, decode_change
from orgstead.wire.odata.metadata_expression import retrieve_metadata_changes
from orgstead.wire.odata.names import Names, Navigation
from orgstead.wire.odata.operations import decode_operation
from orgstead.wire.odata.paths import NAMESPACE, Segment, parse_path
from orgstead.wire.odata.payload import Origin, decode_object, decode_record, read_reference, ref_of
from orgstead.wire.odata.prefer import Match, Prefer, parse_match, parse_prefer
from orgstead.wire.odata.response import Reply, Shape, json_reply

__all__ = ["Operation", "Request", "decode"]

METADATA_CHANGES = "RetrieveMetadataChanges"
FORMATTED = "OData.Community.Display.V1.FormattedValue"
LOOKUP_TABLE = "Microsoft.Dynamics.CRM.lookuplogicalname"
NAVIGATION = "Microsoft.Dynamics.CRM.associatednavigationproperty"
NO_OPTIONS = Options()


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """A request below the API's root. Header names are lower case.

    ``path`` and ``query`` are still percent-encoded; ``base`` is the API's root as the client addressed it,
    with a slash at its end; ``signatures`` the actions and functions that can be called.
    """

    method: str
    path: str
    query: str
    headers: Mapping[str, str]
    body: bytes
    base: str
    signatures: Mapping[str, Signature]
    new_id: Callable[[], str]
    pending: Mapping[str, tuple[int, str]] = field(default_factory=dict)
    in_batch: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """Messages, the options of their run, and how to write their results. ``table`` is that of a row it makes."""

    messages: tuple[Message, ...]
    render: Callable[[Sequence[Result]], Reply]
    options: Options = Options()
    table: str | None = None


def decode(request: Request, names: Names) -> Operation:
    """The operation that a request asks for; raises faults for whatever does not make one."""
    segments = parse_path(request.path)
    prefer = parse_prefer(request.headers.get("prefer", ""))
    decoder = _Decoder(request, names, prefer)
    if not segments:
        decoder.only("GET")
        return Operation(messages=(), render=lambda _: json_reply(_service_document(request.base, names)))
    first = segments[0]
    if first.name.startswith("$") and first.name[1:] in request.pending:
        return decoder.on_row(*decoder.earlier(first.name), segments[1:])
    if first.name in DEFINITION_SETS or first.name in DEFINITION_ACTIONS or first.name == METADATA_CHANGES:
        return decoder.definitions(segments)
    if first.name in request.signatures and not names.has_set(first.name):
        return decoder.operation(segments, None)
    table = names.table(first.name)
    if first.called and (first.id is not None or first.pairs):
        return decoder.on_row(table, None, segments[1:], segment=first)
    if first.called:
        raise fault("ResourceNotFound", segment=first.name)
    return decoder.on_set(table, segments[1:])


def _service_document(base: str, names: Names) -> dict[str, Any]:
    sets = [{"name": name, "kind": "EntitySet", "url": name} for name in names.sets()]
    return {"@odata.context": f"{base}$metadata", "value": sets}


class _Decoder:
    """One request being read."""

    def __init__(self, request: Request, names: Names, prefer: Prefer) -> None:
        self.request = request
        self.names = names
        self.prefer = prefer
        self.match: Match = parse_match(request.headers)
        self.origin = Origin(base=request.base, pending=request.pending)
        self.annotations = PLAIN
        self.run_options = NO_OPTIONS
        solution = request.headers.get("mscrm.solutionuniquename")
        if prefer.annotations or solution:
            annotations = Annotations(
                formatted=prefer.wants(FORMATTED),
                lookup_table=prefer.wants(LOOKUP_TABLE),
                navigation=prefer.wants(NAVIGATION),
            )
            self.annotations = PLAIN if annotations == PLAIN else annotations
            self.run_options = Options(labels=annotations.formatted, solution=solution)

    # -- helpers -------------------------------------------------------------------------------------------------
    def only(self, *methods: str) -> None:
        """Refuse other methods."""
        if self.request.method not in methods:
            raise fault("MethodNotAllowed", method=self.request.method, resource=self.request.path[:200])

    def shape(self, context: str = "", options: QueryOptions | None = None) -> Shape:
        """What the answer needs, with its context."""
        return Shape(
            base=self.request.base,
            names=self.names,
            prefer=self.prefer,
            annotations=self.annotations,
            context=context,
            link=self.link(),
            expands=options.query.expand if options is not None else (),
        )

    def link(self) -> str:
        """This request's own address without ``$skiptoken``."""
        kept = "&".join(
            part
            for part in self.request.query.split("&")
            if part and not part.lower().startswith(("$skiptoken=", "%24skiptoken="))
        )
        path = self.request.path.lstrip("/")
        return f"{self.request.base}{path}?{kept}" if kept else f"{self.request.base}{path}"

    def operation_of(
        self, messages: tuple[Message, ...], render: Callable[[Sequence[Result]], Reply]
    ) -> Operation:
        """An operation with this request's options."""
        return Operation(messages=messages, render=render, options=self.run_options)

    def options(self, table: Table, *allowed: str) -> tuple[QueryOptions, Query]:
        """The query options, read and in logical names; those outside of ``allowed`` (when given) are refused."""
        options, query = self.names.cached_options(table, self.request.query, _read_options)
        if allowed:
            for name in (*options.given, *options.custom):
                if name not in allowed:
                    raise fault("ODataUnsupported", feature=f"The query option {name} on this resource")
        for name in options.custom:
            raise fault("ODataUnsupported", feature=f"The query option {name}")
        if options.deltatoken is not None:
            raise fault("ODataUnsupported", feature="The query option $deltatoken")
        return options, query

    def no_options(self) -> None:
        """Refuse every query option."""
        if self.request.query.strip("&"):
            name = self.request.query.split("=")[0][:100]
            raise fault("ODataUnsupported", feature=f"The query option {name} on this resource")

    def returning(self, table: Table) -> tuple[Query | None, str]:
        """The query of ``Prefer: return=representation`` and the answer's context."""
        options, query = self.options(table, "$select", "$expand")
        context = context_of(self.names.set_of(table.logical_name), options, query)
        return (query if self.prefer.representation else None), context

    def earlier(self, name: str) -> tuple[Table, Ref]:
        """The table and the reference of ``$1``."""
        ref = read_reference(name, self.names, self.origin)
        return self.names.schema.tables[ref.table], ref

    # -- definitions ---------------------------------------------------------------------------------------------
    def definitions(self, segments: Sequence[Segment]) -> Operation:
        """Definitions of tables, relationships and choices, and the actions that change them."""
        request, schema = self.request, self.names.schema
        if request.method == "GET":
            if segments[0].name == METADATA_CHANGES:
                reply = retrieve_metadata_changes(segments[0], request.query, schema, request.base)
            elif segments[0].name in DEFINITION_SETS:
                reply = read_definitions(segments, request.query, schema, request.base)
            else:
                raise fault("MethodNotAllowed", method="GET", resource=segments[0].name)
            return Operation(messages=(), render=lambda _: reply)
        change = decode_change(
            request.method, segments, request.query, request.body, request.base, schema, request.new_id
        )
        return self.operation_of((change.message,), lambda results: change.render(results[0]))

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
        options, query = self.options(table)
        query = self.paged(_narrowed(query, scope), options)
        context = context_of(self.names.set_of(table.logical_name), options, query)
        return self.operation_of((RetrieveMultiple(query=query),), self.shape(context, options).collection)

    def paged(self, query: Query, options: QueryOptions) -> Query:
        """The query with its page size and its place in the walk."""
        if self.prefer.page_size is not None:
            query = replace(query, page_size=self.prefer.page_size)
        if options.skiptoken is not None:
            number, after = read_cookie(options.skiptoken)
            query = replace(query, page_number=number, after=after)
        return query

    def count(self, table: Table, scope: Predicate | None = None) -> Operation:
        """``/$count``"""
        _, query = self.options(table, "$filter")
        query = replace(_narrowed(query, scope), count_only=True, columns=(table.primary_id,))
        return self.operation_of((RetrieveMultiple(query=query),), self.shape().count)

    def create(self, table: Table) -> Operation:
        """POST to a set."""
        returning, context = self.returning(table)
        record = self.record(table)
        message = Create(record=record, returning=returning)
        operation = self.operation_of((message,), self.shape(context).written)
        return replace(operation, table=table.logical_name)

    def record(self, table: Table) -> Record:
        """The body as a record of ``table``."""
        return decode_record(decode_object(self.request.body), table, self.names, self.origin)

    # -- rows ----------------------------------------------------------------------------------------------------
    def on_row(
        self, table: Table, ref: Ref | None, rest: Sequence[Segment], *, segment: Segment | None = None
    ) -> Operation:
        """``/accounts(id)…``"""
        if ref is None:
            if segment is None:
                raise TypeError("a row has a reference or a segment")
            ref = ref_of(table, segment, self.names, self.names.aliases(self.request.query))
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
        if self.match.if_match is not None:
            raise fault("InvalidHeader", name="If-Match", value="on a GET request")
        message = Retrieve(ref=ref, query=query, if_none_match=self.match.if_none_match)
        context = context_of(self.names.set_of(table.logical_name), options, query)
        return self.operation_of((message,), self.shape(context, options).entity)

    def patch(self, table: Table, ref: Ref) -> Operation:
        """PATCH a row: an upsert unless the conditional headers forbid one half."""
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
        self.no_options()
        return self.operation_of((Delete(ref=ref, if_match=self.match.if_match),), self.shape().nothing)

    # -- properties ----------------------------------------------------------------------------------------------
    def on_property(self, table: Table, ref: Ref, name: str, rest: Sequence[Segment]) -> Operation:
        """``/accounts(id)/name``, ``/$value``"""
        self.no_options()
        column = self.names.column(table, name)
        if column is None:
            raise fault("ResourceNotFound", segment=name)
        raw = len(rest) == 1 and rest[0].name == "$value"
        if rest and not raw:
            raise fault("ResourceNotFound", segment=rest[0].name)
        method = self.request.method
        if method == "GET":
            query = Query(table=table.logical_name, columns=(column.name,))
            shape = self.shape()
            render = partial(shape.raw_value if raw else shape.property, name=name)
            return self.operation_of((Retrieve(ref=ref, query=query),), render)
        self.only("GET", "PUT", "DELETE") if not raw else self.only("GET")
        if column.is_lookup:
            raise fault("MethodNotAllowed", method=method, resource=name)
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
        if step.called:
            if step.id is None and not step.pairs:
                raise fault("ResourceNotFound", segment=step.name)
            return self.on_row(target, ref_of(target, step, self.names), rest)
        scope = _related_to(navigation, ref, self.names)
        if not rest:
            self.only("GET", "POST")
            return (
                self.list(target, scope)
                if self.request.method == "GET"
                else self.create_related(ref, navigation, target)
            )
        if len(rest) == 1 and rest[0].name == "$count":
            self.only("GET")
            return self.count(target, scope)
        if refs:
            options, query = self.options(target, "$filter", "$orderby", "$top", "$skiptoken")
            query = self.paged(replace(_narrowed(query, scope), columns=(target.primary_id,)), options)
            return self.operation_of((RetrieveMultiple(query=query),), self.shape().references)
        raise fault("ResourceNotFound", segment=rest[0].name)

    def to_one(
        self, table: Table, ref: Ref, navigation: Navigation, target: Table, rest: Sequence[Segment]
    ) -> Operation:
        """Read through a single-valued navigation property, as far as it goes."""
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
        """POST to a collection: a new row that is related from the start."""
        returning, context = self.returning(target)
        record = self.record(target)
        rel = self.names.schema.one_to_many.get(navigation.relationship)
        if rel is not None:
            values = {**record.values, rel.referencing_attribute: ref}
            record = replace(record, values=values)
        else:
            record = replace(
                record, related=(*record.related, Related(relationship=navigation.relationship, refs=(ref,)))
            )
        operation = self.operation_of(
            (Create(record=record, returning=returning),), self.shape(context).written
        )
        return replace(operation, table=target.logical_name)

    def change_link(self, ref: Ref, navigation: Navigation, step: Segment, target: Table) -> Operation:
        """POST, PUT and DELETE of ``/$ref``."""
        single = isinstance(navigation.link, ToOne)
        if self.request.method == "DELETE":
            return self.untie(ref, navigation, step, target, single)
        self.only("PUT", "POST", "DELETE") if single else self.only("POST", "DELETE")
        self.no_options()
        body = decode_object(self.request.body)
        if set(body) - {"@odata.context"} != {"@odata.id"}:
            raise fault("InvalidPayload", message="The body must be an object with the property @odata.id.")
        related = read_reference(body["@odata.id"], self.names, self.origin)
        message = Associate(ref=ref, relationship=navigation.relationship, related=related)
        return self.operation_of((message,), self.shape().nothing)

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
        message = Disassociate(
            ref=ref,
            relationship=navigation.relationship,
            related=None if single and related is None else related,
        )
        return self.operation_of((message,), self.shape().nothing)

    # -- actions and functions -----------------------------------------------------------------------------------
    def operation(
        self, segments: Sequence[Segment], table: Table | None, ref: Ref | None = None
    ) -> Operation:
        """A call of an action or a function, bound to ``table`` or ``ref`` or to nothing."""
        if len(segments) != 1:
            raise fault("ResourceNotFound", segment=segments[-1].name)
        message, response = decode_operation(
            segments[0],
            self.request.method,
            self.request.body,
            self.names.aliases(self.request.query),
            table,
            ref,
            self.request.signatures,
            self.names,
            self.origin,
        )
        return self.operation_of((message,), partial(self.shape().value, type_name=response))


def _read_options(text: str, table: Table, names: Names) -> tuple[QueryOptions, Query]:
    options = parse_options(text, table.logical_name)
    return options, names.resolve(options.query)


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
