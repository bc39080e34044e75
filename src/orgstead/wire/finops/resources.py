"""Collections, rows and what they lead to: the paths of ``/data``."""

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from typing import Any

from orgstead.errors import fault
from orgstead.languages.odata import MAX_BATCH_QUERY_CHARS, MAX_QUERY_CHARS, QueryOptions, parse_options
from orgstead.languages.paging import read_cookie
from orgstead.model.dataentities import DataEntity, DataField
from orgstead.model.messages import Create, Delete, Execute, Result, Retrieve, RetrieveMultiple, Update
from orgstead.model.query import And, Condition, Expand, Field, Predicate, Query, ToOne
from orgstead.model.record import Pending, Record, Ref
from orgstead.wire.finops.answer import Expanded, Shape
from orgstead.wire.finops.blobs import told
from orgstead.wire.finops.names import NAMESPACE, Action, Names, Navigation
from orgstead.wire.finops.payload import changed_values, new_values, read_key, replaced_values
from orgstead.wire.finops.request import Request, read_level
from orgstead.wire.finops.resolve import resolve, shown_fields
from orgstead.wire.finops.values import read_tag
from orgstead.wire.odatav4.body import decode_object
from orgstead.wire.odatav4.paths import Segment
from orgstead.wire.odatav4.prefer import Prefer, parse_match, parse_prefer
from orgstead.wire.odatav4.primitives import read_primitive
from orgstead.wire.odatav4.reply import Operation, Reply, json_reply

__all__ = ["Resources"]

CROSS_COMPANY = "cross-company"
LARGEST = 10_000
MAX_SKIP = 2**31 - 1
OPTIONS = frozenset(
    {"$count", "$expand", "$filter", "$format", "$orderby", "$select", "$skip", "$skiptoken", "$top"}
)
PAGED = ("$filter", "$orderby", "$select", "$expand", "$top", "$skip", "$skiptoken", "$count", "$format")
SINGLE = ("$select", "$expand", "$format")


class Resources:
    """One request being read."""

    def __init__(self, request: Request, names: Names) -> None:
        self.request = request
        self.names = names
        self.match = parse_match(request.headers, read_tag)
        self.prefer: Prefer = parse_prefer(request.headers.get("prefer", ""), largest=LARGEST)
        if self.prefer.track_changes:
            raise fault("ODataUnsupported", feature="Prefer: odata.track-changes on data entities")

    # -- what any request needs ----------------------------------------------------------------------------------
    def only(self, *methods: str) -> None:
        """Refuse other methods."""
        if self.request.method not in methods:
            raise fault("MethodNotAllowed", method=self.request.method, resource=self.request.path[:200])

    def options(self, *allowed: str) -> QueryOptions:
        """The query options, in public names; those outside of ``allowed`` are refused by name."""
        text = self.request.query
        longest = MAX_BATCH_QUERY_CHARS if self.request.in_batch else MAX_QUERY_CHARS
        options = parse_options(text, extra=(CROSS_COMPANY,), system=OPTIONS, max_chars=longest)
        for name in options.given:
            if name not in allowed:
                raise fault("ODataUnsupported", feature=f"The query option {name} on this resource")
        for name in options.custom:
            if name != CROSS_COMPANY:
                raise fault("ODataUnsupported", feature=f"The query option {name}")
        if options.custom.get(CROSS_COMPANY, "false").lower() not in ("true", "false"):
            raise fault("ODataSyntax", message=f"The query option {CROSS_COMPANY} is true or false.")
        return options

    def no_options(self) -> None:
        """Refuse every query option."""
        self.options()

    def company(self, options: QueryOptions) -> str | None:
        """The one company that a request is about; None for all."""
        across = options.custom.get(CROSS_COMPANY, "false").lower() == "true"
        return None if across else self.request.company

    def link(self) -> str:
        """This request's own address without ``$skiptoken``."""
        kept = "&".join(
            part
            for part in self.request.query.split("&")
            if part and not part.lower().startswith(("$skiptoken=", "%24skiptoken="))
        )
        path = self.request.path.lstrip("/")
        return f"{self.request.base}{path}?{kept}" if kept else f"{self.request.base}{path}"

    def query(self, entity: DataEntity, options: QueryOptions) -> Query:
        """The query of a request in logical names."""
        company = self.company(options)
        key = (entity.name, self.request.query, company or "", self.request.in_batch)
        query = self.names.cached(key, lambda: resolve(self.names, entity, options.query, company))
        if options.given.get("$skip") is not None:
            query = replace(query, offset=_skip(options.given["$skip"]))
        if self.prefer.page_size is not None:
            query = replace(query, page_size=self.prefer.page_size)
        if options.skiptoken is not None:
            number, after = read_cookie(options.skiptoken)
            query = replace(query, page_number=number, after=after)
        return query

    def shape(
        self, entity: DataEntity, options: QueryOptions, *, expanded: tuple[Expanded, ...] | None = None
    ) -> Shape:
        """What the answer needs."""
        level = read_level(self.request.headers, options.given.get("$format"))
        if expanded is None:
            expanded = tuple(self.expanded(entity, each) for each in options.query.expand)
        return Shape(
            base=self.request.base,
            link=self.link(),
            level=level,
            context=_context(entity, options.query),
            names=self.names,
            entity=entity,
            fields=shown_fields(entity, options.query.columns, self.names),
            expanded=expanded,
            page_size=self.prefer.page_size,
        )

    def expanded(self, entity: DataEntity, expand: Expand) -> Expanded:
        """What an answer shows of an expand in public names; raises PropertyNotFound."""
        navigation = self.names.navigations(entity).get(expand.name)
        if navigation is None:
            raise self.names.unknown(entity, expand.name)
        fields = shown_fields(navigation.related, expand.columns, self.names)
        return Expanded(
            name=expand.name, entity=navigation.related, fields=fields, many=navigation.relation.many
        )

    def conditions(self, *, version: bool = False) -> None:
        """Refuse conditional headers that a write would not heed; ``version``: it heeds If-Match."""
        if self.match.if_none_match is not None or self.match.missing:
            raise fault("ODataUnsupported", feature="The header If-None-Match on this write")
        if (self.match.if_match is not None or self.match.exists) and not version:
            raise fault("ODataUnsupported", feature="The header If-Match on this write")

    def writable(self, entity: DataEntity) -> None:
        """Refuse to write a data entity that is read-only; raises MethodNotAllowed."""
        if entity.read_only:
            raise fault("MethodNotAllowed", method=self.request.method, resource=entity.collection)

    def reference(self, entity: DataEntity, segment: Segment) -> Ref:
        """The row that a key names, whatever company it is of."""
        return read_key(entity, self.names.table(entity), segment)

    def within(self, entity: DataEntity, ref: Ref, options: QueryOptions, *, write: bool = False) -> None:
        """Refuse a row of another company than the caller's, unless the request is about all of them.

        Raises RecordNotFoundByKey, as for a row that is not there.
        """
        company = self.company(options)
        if company is None or entity.company is None or not isinstance(ref.key, tuple):
            return
        if str(dict(ref.key)[entity.company]).casefold() != company.casefold():
            raise fault("RecordNotFoundByKey", table=entity.target)

    def earlier(self, name: str) -> tuple[DataEntity, Ref]:
        """The data entity and the row of ``$1``: what another request of the same change set makes."""
        pending = self.request.pending.get(name[1:])
        if pending is None:
            raise fault(
                "InvalidBatch",
                message=f"Content-ID Reference: '{name[:50]}' does not exist in the batch context.",
            )
        entity = self.names.entity(pending[1])
        return entity, Ref(entity.table, Pending(pending[0]))

    # -- collections ---------------------------------------------------------------------------------------------
    def on_set(self, entity: DataEntity, rest: Sequence[Segment]) -> Operation:
        """``/CustomersV3…``"""
        if not rest:
            self.only("GET", "POST")
            return self.list(entity) if self.request.method == "GET" else self.create(entity)
        if len(rest) == 1 and rest[0].name == "$count" and not rest[0].called:
            self.only("GET")
            options = self.options("$filter")
            query = self.query(entity, options)
            query = replace(query, count_only=True, columns=(self.names.table(entity).primary_id,), expand=())
            return Operation(
                messages=(RetrieveMultiple(query=query),), render=self.shape(entity, options).count
            )
        raise fault("ResourceNotFound", segment=rest[0].name)

    def list(self, entity: DataEntity, scope: Predicate | None = None) -> Operation:
        """A page of rows, of all or of those in ``scope``."""
        options = self.options(*PAGED)
        query = self.query(entity, options)
        if scope is not None:
            query = replace(query, where=scope if query.where is None else And((scope, query.where)))
        shape = self.shape(entity, options)
        return Operation(messages=(RetrieveMultiple(query=query),), render=shape.collection)

    def create(self, entity: DataEntity) -> Operation:
        """POST to a collection."""
        self.conditions()
        self.writable(entity)
        options = self.options("$format")
        values = new_values(self.names, entity, decode_object(self.request.body))
        shape = self.shape(entity, options)
        fields = entity.key_fields if self.prefer.minimal else shape.fields
        returning = Query(table=entity.table, columns=tuple(field.column for field in fields))
        message = Create(record=Record(table=entity.table, values=values), returning=returning)
        render = shape.made if self.prefer.minimal else shape.created
        return Operation(messages=(message,), render=render, table=entity.collection)

    # -- rows ----------------------------------------------------------------------------------------------------
    def on_row(self, entity: DataEntity, ref: Ref, rest: Sequence[Segment]) -> Operation:
        """``/CustomersV3(…)…``"""
        if not rest:
            self.only("GET", "PATCH", "PUT", "DELETE")
            return {"GET": self.retrieve, "PATCH": self.patch, "PUT": self.put, "DELETE": self.delete}[
                self.request.method
            ](entity, ref)
        step = rest[0]
        if self.is_action(step) and len(rest) == 1:
            return self.on_action(entity.collection, step, ref)
        field = entity.fields.get(step.name)
        if field is not None and not step.called:
            return self.on_property(entity, ref, field, rest[1:])
        navigation = self.names.navigations(entity).get(step.name)
        if navigation is None or step.called:
            raise fault("ResourceNotFound", segment=step.name[:100])
        return self.on_navigation(entity, ref, navigation, rest[1:])

    def retrieve(self, entity: DataEntity, ref: Ref) -> Operation:
        """GET a row."""
        options = self.options(*SINGLE)
        self.within(entity, ref, options)
        query = replace(self.query(entity, options), where=None)
        # The row's version says nothing about expanded rows.
        seen = None if query.expand else self.match.if_none_match
        message = Retrieve(ref=ref, query=query, if_match=self.match.if_match, if_none_match=seen)
        return Operation(messages=(message,), render=self.shape(entity, options).row)

    def patch(self, entity: DataEntity, ref: Ref) -> Operation:
        """PATCH a row: no row is made where there is none."""
        return self.written(entity, ref, changed_values(self.names, entity, self.body(), ref))

    def put(self, entity: DataEntity, ref: Ref) -> Operation:
        """PUT a row: what the body leaves out goes back to its default."""
        return self.written(entity, ref, replaced_values(self.names, entity, self.body(), ref))

    def body(self) -> dict[str, Any]:
        """The body as a JSON object."""
        return decode_object(self.request.body)

    def written(self, entity: DataEntity, ref: Ref, values: dict[str, Any]) -> Operation:
        """The change of a row; 204, or the row where it is asked for."""
        self.conditions(version=True)
        self.writable(entity)
        options = self.options("$format")
        self.within(entity, ref, options)
        shape = self.shape(entity, options)
        returning = None
        if self.prefer.representation:
            returning = Query(table=entity.table, columns=tuple(field.column for field in shape.fields))
        message = Update(
            ref=ref,
            record=Record(table=entity.table, values=values),
            if_match=self.match.if_match,
            returning=returning,
        )
        render = shape.row if self.prefer.representation else shape.nothing
        return Operation(messages=(message,), render=render, table=entity.collection)

    def delete(self, entity: DataEntity, ref: Ref) -> Operation:
        """DELETE a row."""
        self.conditions(version=True)
        self.writable(entity)
        options = self.options()
        self.within(entity, ref, options)
        message = Delete(ref=ref, if_match=self.match.if_match)
        return Operation(messages=(message,), render=self.shape(entity, options).nothing)

    def on_property(
        self, entity: DataEntity, ref: Ref, field: DataField, rest: Sequence[Segment]
    ) -> Operation:
        """``/CustomersV3(…)/OrganizationName``, ``/$value``"""
        raw = len(rest) == 1 and rest[0].name == "$value"
        if rest and not raw:
            raise fault("ResourceNotFound", segment=rest[0].name)
        self.only("GET")
        options = self.options("$format")
        self.within(entity, ref, options)
        key = self.request.path.strip("/").removesuffix("/$value").removesuffix("/%24value")
        shape = replace(self.shape(entity, options), context=key)
        query = Query(table=entity.table, columns=(field.column,))
        render = partial(shape.property, field=field, raw=raw)
        return Operation(messages=(Retrieve(ref=ref, query=query),), render=render)

    def on_navigation(
        self, entity: DataEntity, ref: Ref, navigation: Navigation, rest: Sequence[Segment]
    ) -> Operation:
        """``/SalesOrderHeadersV2(…)/SalesOrderLines``"""
        if rest:
            raise fault("ResourceNotFound", segment=rest[0].name)
        self.only("GET")
        related = navigation.related
        if isinstance(navigation.link, ToOne):
            options = self.options(*SINGLE)
            self.within(entity, ref, options)
            if options.query.expand:
                raise fault("ODataUnsupported", feature="$expand behind a navigation property")
            fields = shown_fields(related, options.query.columns, self.names)
            name = navigation.relation.name
            expand = Expand(link=navigation.link, name=name, columns=tuple(field.column for field in fields))
            parent = Query(
                table=entity.table, columns=(self.names.table(entity).primary_id,), expand=(expand,)
            )
            through = Expanded(name=name, entity=related, fields=fields, many=False)
            shape = replace(self.shape(related, options, expanded=(through,)), entity=entity, fields=())
            return Operation(messages=(Retrieve(ref=ref, query=parent),), render=shape.reached)
        self.within(entity, ref, self.options(*PAGED))
        lookup = self.names.schema.one_to_many[navigation.relation.relationship].referencing_attribute
        first = Retrieve(
            ref=ref, query=Query(table=entity.table, columns=(self.names.table(entity).primary_id,))
        )

        def then(results: Sequence[Result]) -> Operation:
            parent = results[0].ref
            if parent is None:
                raise TypeError("a row was promised")
            return self.list(related, Condition(Field(lookup), "eq", (parent.id,)))

        # Nothing is told about what hangs on a row that is not there, or not seen.
        return Operation(messages=(first,), render=lambda _: Reply(status=204), then=then)

    # -- actions -------------------------------------------------------------------------------------------------
    def is_action(self, step: Segment) -> bool:
        """Whether a segment is the qualified name of an action."""
        return step.name.startswith(NAMESPACE)

    def on_action(self, collection: str, step: Segment, ref: Ref | None) -> Operation:
        """``/Collection/Microsoft.Dynamics.DataEntities.Action``, of the collection or of a row."""
        name = step.name.removeprefix(NAMESPACE)
        action: Action | None = self.names.actions.get(collection, {}).get(name)
        if action is None or action.collection != (ref is None) or step.id or step.pairs:
            raise fault("ResourceNotFound", segment=step.name[:100])
        self.only("POST")
        self.conditions()
        self.no_options()
        parameters = _parameters(action, self.body())
        message = Execute(name=action.message, parameters=parameters, target=ref)
        return Operation(messages=(message,), render=partial(self.answered, action))

    def answered(self, action: Action, results: Sequence[Result]) -> Reply:
        """What an action answers: a value of the type that it says, or nothing."""
        (result,) = results
        if result.value is None or not action.signature.returns:
            return Reply(status=204)
        level = read_level(self.request.headers, None)
        kind = action.signature.direct or "Edm.String"
        context = {} if level == "none" else {"@odata.context": f"{self.request.base}$metadata#{kind}"}
        body = {**context, "value": told(result.value, self.request.link)}
        return json_reply(body, kind=f"application/json; odata.metadata={level}")


def _skip(text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) <= 10) or int(text) > MAX_SKIP:
        raise fault(
            "ODataSyntax",
            message=f"Invalid value '{text[:50]}' for $skip query option found. "
            "The $skip query option requires a non-negative integer value.",
        )
    return int(text)


def _context(entity: DataEntity, query: Query) -> str:
    """``CustomersV3(CustomerAccount,OrganizationName)``: what is selected, and what of what is expanded."""
    parts = [*(query.columns or ())]
    for expand in query.expand:
        parts.append(f"{expand.name}({','.join(expand.columns or ())})")
    return f"{entity.collection}({','.join(parts)})" if parts else entity.collection


def _parameters(action: Action, given: dict[str, Any]) -> dict[str, Any]:
    """The parameters of an action by their types; raises MissingParameter, UnexpectedParameter, InvalidPayload."""
    left = {name: value for name, value in given.items() if not name.startswith("@")}
    parameters: dict[str, Any] = {}
    for parameter in action.signature.parameters:
        value = left.pop(parameter.name, None)
        if value is None:
            if not parameter.optional:
                raise fault("MissingParameter", name=parameter.name, message=f"{action.name} needs it")
            continue
        try:
            parameters[parameter.name] = read_primitive(parameter.type, value)
        except ValueError:
            raise fault(
                "InvalidPayload", message=f"The parameter {parameter.name} is not of type {parameter.type}."
            ) from None
    if left:
        raise fault("UnexpectedParameter", name=next(iter(left))[:100], message=action.name)
    return parameters
