"""Requests to the REST API as messages.

https://teamswork.app/crmapi
"""

import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import unquote
from uuid import UUID, uuid5

from orgstead.errors import Fault, fault
from orgstead.model.messages import Create, Delete, Message, Result, Retrieve, RetrieveMultiple, Update
from orgstead.model.query import Query
from orgstead.model.record import Page, Record, Ref
from orgstead.model.schema import Schema
from orgstead.model.types import is_guid
from orgstead.wire.crm.body import blank_values, field_fault, read_object, row_values
from orgstead.wire.crm.errors import error_of, status_of
from orgstead.wire.crm.forms import Form, asked_form, changed_form, read_form, shown_form
from orgstead.wire.crm.listing import Paging, no_more, read_listing, read_paging, read_query
from orgstead.wire.crm.openapi import document
from orgstead.wire.crm.request import Operation, Reply, Request, Results, json_reply
from orgstead.wire.crm.resources import Resource, all_resources
from orgstead.wire.crm.rows import dictionaries, shown_rows, write_tag

__all__ = ["Route", "decode", "find_route"]

MAX_BULK = 500
BULK = {
    "pipeline/bulk-actions": ("leads", "opportunities"),
    "directory/bulk-actions": ("contacts", "organizations"),
}
FORMS = {
    "pipeline/forms/opportunities": "opportunities",
    "directory/forms/contacts": "contacts",
    "directory/forms/organizations": "organizations",
}
PIPELINES = ("pipeline/pipelines", "pipeline/pipelines/opportunities")
STAGES = "pipeline/stages"
# What the API that is imitated has beside: named, so that nobody takes it for a slip of the pen.
ELSEWHERE = re.compile(
    r"(?:pipeline|directory)/tags/\w+(?:/[^/]+)?|pipeline/leads/[^/]+/(?:archive|unarchive|convert)"
    r"|pipeline/opportunities/[^/]+/(?:updateStatus|updateStage)|directory/\w+/[^/]+/merge"
)
_TAG = re.compile(r'(?:W/)?"(\d{1,18})"')


class Route:
    """Where an address leads: the methods that it takes, the resource if any, and the id of its row."""

    __slots__ = ("id", "kind", "methods", "name", "resource")

    def __init__(
        self,
        kind: str,
        methods: tuple[str, ...],
        name: str = "",
        resource: Resource | None = None,
        id: str = "",
    ) -> None:
        self.kind = kind
        self.methods = methods
        self.name = name
        self.resource = resource
        self.id = id


def find_route(raw: str) -> Route:
    """Where a path leads; raises ResourceNotFound, NotSupported."""
    path = unquote(raw).strip("/")
    if path == "openapi.json":
        return Route("openapi", ("GET",))
    if path in FORMS:
        return Route("form", ("GET", "PUT"), FORMS[path])
    if path in BULK:
        return Route("bulk", ("POST",), path)
    head, _, id = path.rpartition("/")
    if path in PIPELINES:
        return Route("pipelines", ("GET",))
    if head in PIPELINES:
        return Route("pipeline", ("GET",), id=id.lower())
    if path == STAGES:
        return Route("stages", ("GET",))
    if head == STAGES:
        return Route("stage", ("GET",), id=id.lower())
    for resource in all_resources().values():
        if path == resource.path:
            return Route("set", ("GET",) if resource.only_read else ("GET", "POST"), resource=resource)
        if head == resource.path:
            if not is_guid(id):
                raise fault("ResourceNotFound", segment=id[:100])
            methods = ("GET",) if resource.only_read else ("GET", "PUT", "PATCH", "DELETE")
            return Route("row", methods, resource=resource, id=id.lower())
    if ELSEWHERE.fullmatch(path):
        raise fault("NotSupported", feature=f"/{path[:100]}")
    raise fault("ResourceNotFound", segment=path[:100])


def decode(request: Request, route: Route, schema: Schema) -> Operation:
    """The operation that a request asks for; raises faults for whatever does not make one."""
    if request.method not in route.methods:
        raise fault("MethodNotAllowed", method=request.method[:20], resource=request.path[:100])
    reader = _Reader(request, route, schema)
    if (route.kind != "set" and route.kind not in ("pipelines", "stages")) or request.method != "GET":
        no_more(read_query(request.query))
    made: Operation = getattr(reader, f"on_{route.kind}")()
    return made


class _Reader:
    """Reads one request."""

    def __init__(self, request: Request, route: Route, schema: Schema) -> None:
        self.request = request
        self.route = route
        self.schema = schema

    # -- rows ----------------------------------------------------------------------------------------------------
    @property
    def resource(self) -> Resource:
        resource = self.route.resource
        if resource is None:
            raise TypeError("the route leads to no resource")
        return resource

    @property
    def ref(self) -> Ref:
        return Ref(self.resource.table, self.route.id)

    @property
    def query(self) -> Query:
        return Query(table=self.resource.table, columns=self.resource.columns)

    def on_set(self) -> Operation:
        resource = self.resource
        if self.request.method == "POST":
            body = read_object(self.request.headers, self.request.body)
            return self.shaped(lambda form: self.created(body, form))
        query, paging = read_listing(resource, self.schema, self.request.query)
        return Operation(
            messages=(RetrieveMultiple(query=query),),
            render=lambda results: _page_reply(
                shown_rows(resource, _page(results)), paging, _page(results).total
            ),
        )

    def on_row(self) -> Operation:
        method, version = self.request.method, self.version("if-match")
        if method == "GET":
            unless = self.version("if-none-match")
            read = Retrieve(ref=self.ref, query=self.query, if_match=version, if_none_match=unless)
            return Operation(messages=(read,), render=self.row)
        # Whoever may not read a row is not told that it is there.
        seen = Retrieve(ref=self.ref, query=self.query, if_match=version)
        if method == "DELETE":
            return Operation(messages=(seen, Delete(ref=self.ref)), render=lambda _: Reply(status=204))
        body = read_object(self.request.headers, self.request.body)
        whole = method == "PUT"
        if not self.resource.kinds:
            return self.shaped(lambda form: self.changed(seen, body, form, self.resource.table, whole=whole))

        def known(results: Results) -> Operation:
            (row,) = dictionaries(_page(results))
            return self.changed(seen, body, None, str(row["activitytypecode"]), whole=whole)

        return Operation(messages=(seen,), render=self.row, then=known)

    def shaped(self, make: Any) -> Operation:
        """An operation that a form shapes, which is read first; without one it is made at once."""
        name = self.resource.form
        if name is None:
            made: Operation = make(None)
            return made
        return Operation(
            messages=(asked_form(name),),
            render=self.row,
            then=lambda results: make(read_form(name, self.schema, _page(results))),
        )

    def created(self, body: Mapping[str, Any], form: Form | None) -> Operation:
        resource = self.resource
        self.check(form, body, body)
        table = resource.table
        if resource.kinds:
            given = body.get("type")
            kind = resource.kind(self.schema, given) if isinstance(given, str) else None
            if kind is None:
                kinds = ", ".join(resource.kinds)
                raise field_fault(fault("CrmFieldInvalid", message=f"type is one of {kinds}."), "type")
            table = kind.logical_name
        values = row_values(resource, self.schema, body)
        id = self.request.new_id()
        messages = (
            Create(record=Record(table=table, id=id, values=values)),
            Retrieve(ref=Ref(resource.table, id), query=self.query),
        )
        return Operation(messages=messages, render=lambda results: self.row(results, status=201, id=id))

    def changed(
        self, seen: Message, body: Mapping[str, Any], form: Form | None, table: str, *, whole: bool
    ) -> Operation:
        resource = self.resource
        if resource.kinds and body.get("type", table) != table:
            raise field_fault(
                fault("CrmFieldInvalid", message="The type of an activity does not change."), "type"
            )
        values = row_values(resource, self.schema, body)
        if whole:
            self.check(form, body, body)
            hidden = frozenset(
                each.name for each in form.fields.values() if not each.visible
            ) if form is not None else frozenset()  # fmt: skip
            values = {**blank_values(resource, self.schema, hidden, values), **values}
        else:
            self.check(form, body, {name: body.get(name, True) for name in resource.fields})
        update = Update(ref=Ref(table, self.route.id), record=Record(table=table, values=values))
        read = Retrieve(ref=self.ref, query=self.query)
        return Operation(messages=(seen, update, read), render=self.row)

    def check(self, form: Form | None, given: Mapping[str, Any], values: Mapping[str, Any]) -> None:
        if form is not None:
            form.check(self.resource, given, values)
            return
        for field in self.resource.fields.values():
            if self.resource.needs(self.schema, field) and values.get(field.name) in (None, ""):
                if field.column != "activitytypecode" and field.name not in values:
                    raise field_fault(fault("CrmFieldRequired", field=field.name), field.name)

    def row(self, results: Results, *, status: int = 200, id: str = "") -> Reply:
        """One row."""
        result = results[-1]
        if isinstance(result, Fault):
            raise result
        headers = (("ETag", write_tag(result.version)),) if result.version is not None else ()
        if result.unchanged:
            return Reply(status=304, headers=headers)
        (row,) = shown_rows(self.resource, _page(results))
        if status == 201:
            headers = (*headers, ("Location", f"{self.request.base}/{self.resource.path}/{id}"))
        return json_reply(row, status=status, headers=headers)

    def version(self, name: str) -> int | None:
        """The version that a conditional header names; ``*`` is any."""
        text = self.request.headers.get(name)
        if text is None or text.strip() == "*":
            return None
        match = _TAG.fullmatch(text.strip())
        if match is None:
            raise fault("InvalidHeader", name=name, value=text[:50])
        return int(match[1])

    # -- forms ---------------------------------------------------------------------------------------------------
    def on_form(self) -> Operation:
        name, tenant = self.route.name, self.request.tenant

        def shown(results: Results) -> Reply:
            return json_reply(shown_form(read_form(name, self.schema, _page(results)), self.schema, tenant))

        if self.request.method == "GET":
            return Operation(messages=(asked_form(name),), render=shown)
        body = read_object(self.request.headers, self.request.body)
        messages = changed_form(name, self.schema, body, tenant)
        return Operation(messages=(*messages, asked_form(name)), render=shown)

    # -- many rows -----------------------------------------------------------------------------------------------
    def on_bulk(self) -> Operation:
        body = read_object(self.request.headers, self.request.body)
        for name in body:
            if name not in ("action", "entity", "ids"):
                raise field_fault(fault("CrmFieldUnknown", field=name[:100], resource="bulk actions"), name)
        if body.get("action") != "delete":
            raise field_fault(fault("CrmFieldInvalid", message="The only bulk action is delete."), "action")
        names = BULK[self.route.name]
        if body.get("entity") not in names:
            raise field_fault(
                fault("CrmFieldInvalid", message=f"entity is one of {', '.join(names)}."), "entity"
            )
        ids = body.get("ids")
        if not isinstance(ids, list) or not 1 <= len(ids) <= MAX_BULK or not all(map(is_guid, ids)):
            raise field_fault(
                fault("CrmFieldInvalid", message=f"ids are between 1 and {MAX_BULK} ids of rows."), "ids"
            )
        table = all_resources()[body["entity"]].table
        query = Query(table=table, columns=())
        rows = [Ref(table, each.lower()) for each in ids]
        return Operation(
            alone=tuple((Retrieve(ref=each, query=query), Delete(ref=each)) for each in rows),
            render=lambda results: _outcomes([each.id for each in rows], results),
        )

    # -- what definitions tell -------------------------------------------------------------------------------------
    def on_openapi(self) -> Operation:
        names = tuple(FORMS.values())

        def described(results: Results) -> Reply:
            forms = {
                name: read_form(name, self.schema, _page((result,)))
                for name, result in zip(names, results, strict=True)
            }
            return json_reply(document(self.schema, self.request.base, forms))

        return Operation(messages=tuple(map(asked_form, names)), render=described)

    def on_pipelines(self) -> Operation:
        return self.listed([_pipeline(self.schema)])

    def on_pipeline(self) -> Operation:
        return self.one([_pipeline(self.schema)])

    def on_stages(self) -> Operation:
        return self.listed(_pipeline(self.schema)["stages"])

    def on_stage(self) -> Operation:
        return self.one(_pipeline(self.schema)["stages"])

    def listed(self, items: list[dict[str, Any]]) -> Operation:
        parameters = read_query(self.request.query)
        paging = read_paging(parameters)
        no_more(parameters)
        first = (paging.page - 1) * paging.size
        reply = _page_reply(items[first : first + paging.size], paging, len(items))
        return Operation(render=lambda _: reply)

    def one(self, items: list[dict[str, Any]]) -> Operation:
        found = next((item for item in items if item["id"] == self.route.id), None)
        if found is None:
            raise fault("ResourceNotFound", segment=self.route.id[:100])
        return Operation(render=lambda _: json_reply(found))


def _pipeline(schema: Schema) -> dict[str, Any]:
    """The one pipeline that there is: the sales stages that opportunities go through."""
    column = schema.tables["opportunity"].columns["salesstage"]
    id = column.metadata_id.lower()
    stages = [
        {
            "id": str(uuid5(UUID(id), str(option.value))),
            "pipelineId": id,
            "name": option.label,
            "value": option.value,
            "position": place,
        }
        for place, option in enumerate(column.options, 1)
    ]
    return {"id": id, "name": column.display_name or "Sales stage", "stages": stages}


def _outcomes(ids: list[str], results: Results) -> Reply:
    outcomes: list[dict[str, Any]] = []
    for id, result in zip(ids, results, strict=True):
        if isinstance(result, Fault):
            told = {"id": id, "status": status_of(result, row=id), "error": error_of(result, row=id)}
        else:
            told = {"id": id, "status": 204, "error": None}
        outcomes.append(told)
    done = sum(each["error"] is None for each in outcomes)
    return json_reply({"items": outcomes, "succeeded": done, "failed": len(outcomes) - done})


def _page_reply(items: list[Any], paging: Paging, total: int | None) -> Reply:
    return json_reply({"items": items, "page": paging.page, "size": paging.size, "total": total or 0})


def _page(results: Results) -> Page:
    result = results[-1]
    if not isinstance(result, Result) or result.page is None:
        raise TypeError("a page was promised")
    return result.page
