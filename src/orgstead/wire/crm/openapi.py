"""The API described in OpenAPI 3.1, made from the table of resources and the definitions of their columns.

https://spec.openapis.org/oas/v3.1.0
"""

from collections.abc import Mapping
from typing import Any

from orgstead.model.schema import Schema
from orgstead.wire.crm.errors import HEADER
from orgstead.wire.crm.forms import Form
from orgstead.wire.crm.listing import DEFAULT_SIZE, MAX_PAGE, MAX_SIZE
from orgstead.wire.crm.resources import Field, Resource, all_resources

__all__ = ["document"]

INT32 = 2**31 - 1
MAX_BULK = 500
STRING: dict[str, Any] = {"type": "string"}
GUID: dict[str, Any] = {"type": "string", "format": "uuid"}
TAG = {"ETag": {"schema": STRING, "required": True}}
TAGS: dict[str, Any] = {"type": "string", "pattern": r'^(\*|(W/)?"[0-9]{1,18}")$'}


def document(schema: Schema, base: str, forms: Mapping[str, Form] | None = None) -> dict[str, Any]:
    """The document for the service at ``base``, with what ``forms`` by their names make of fields."""
    paths: dict[str, Any] = {}
    schemas: dict[str, Any] = {**_common()}
    for resource in all_resources().values():
        schemas[resource.title] = _row(resource, schema)
        schemas[f"{resource.title}Page"] = _page(resource.title)
        paths[f"/{resource.path}"] = _set(resource, schema)
        paths[f"/{resource.path}/{{id}}"] = _one(resource)
        if not resource.only_read:
            form = None if forms is None or resource.form is None else forms.get(resource.form)
            schemas[f"{resource.title}Values"] = _values(resource, schema, form, whole=True)
            schemas[f"{resource.title}Changes"] = _values(resource, schema, form, whole=False)
    for path in ("pipeline/forms/opportunities", "directory/forms/contacts", "directory/forms/organizations"):
        shown = _response(200, "The form.", "Form")
        paths[f"/{path}"] = {
            "get": _operation(f"get form {path}", shown),
            "put": _operation(f"put form {path}", shown, body="Form"),
        }
    for path, names in (
        ("pipeline", ["leads", "opportunities"]),
        ("directory", ["contacts", "organizations"]),
    ):
        asked = {"allOf": [_ref("BulkAction"), {"properties": {"entity": {"enum": names}}}]}
        done = _response(200, "What became of each row.", "BulkOutcome")
        paths[f"/{path}/bulk-actions"] = {"post": _operation(f"bulk {path}", done, body=asked)}
    for path, title in (
        ("pipelines", "Pipeline"),
        ("pipelines/opportunities", "Pipeline"),
        ("stages", "Stage"),
    ):
        schemas[f"{title}Page"] = _page(title)
        listed = _response(200, "A page.", f"{title}Page")
        paths[f"/pipeline/{path}"] = {"get": _operation(f"list {path}", listed, parameters=_paging())}
        found = _response(200, "One of them.", title)
        paths[f"/pipeline/{path}/{{id}}"] = {
            "parameters": [_id()],
            "get": _operation(f"get {path}", found),
        }
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "CRM as a Service",
            "version": "1",
            "description": "Leads, opportunities and their like.",
        },
        "servers": [{"url": base}],
        "security": [{"key": []}],
        "paths": paths,
        "components": {
            "schemas": schemas,
            "securitySchemes": {"key": {"type": "apiKey", "in": "header", "name": HEADER}},
        },
    }


def _set(resource: Resource, schema: Schema) -> dict[str, Any]:
    title = resource.title
    filters = [
        _parameter(field.name, _shape(resource, schema, field), f"Rows whose {field.name} is this one.")
        for field in resource.fields.values()
    ]
    sort = _parameter("sort", STRING, "Names of fields, with a minus before those that descend.")
    search = _parameter("search", {"type": "string", "maxLength": 200}, "Rows that have this text in them.")
    id = _parameter("id", GUID, "The row with this id.")
    listed = _response(200, "A page of rows.", f"{title}Page")
    found: dict[str, Any] = {
        "get": _operation(
            f"list {resource.name}", listed, parameters=[*_paging(), search, sort, id, *filters]
        )
    }
    if not resource.only_read:
        headers = {**TAG, "Location": {"schema": {"type": "string", "format": "uri"}, "required": True}}
        made = _response(201, "The new row.", title, headers)
        found["post"] = _operation(f"create {resource.name}", made, body=f"{title}Values")
    return found


def _one(resource: Resource) -> dict[str, Any]:
    title = resource.title
    shown = _response(200, "The row.", title, TAG)
    matches = _parameter("If-Match", TAGS, "The version that the row must still have.", place="header")
    unless = _parameter("If-None-Match", TAGS, "The version that the client has.", place="header")
    unchanged = {"304": {"description": "The client has this version."}}
    found: dict[str, Any] = {
        "parameters": [_id()],
        "get": _operation(f"get {resource.name}", {**shown, **unchanged}, parameters=[unless]),
    }
    if not resource.only_read:
        body = f"{title}Values"
        gone = {"204": {"description": "The row is gone."}}
        found["put"] = _operation(f"replace {resource.name}", shown, body=body, parameters=[matches])
        found["patch"] = _operation(
            f"change {resource.name}", shown, body=f"{title}Changes", parameters=[matches]
        )
        found["delete"] = _operation(f"delete {resource.name}", gone, parameters=[matches])
    return found


def _operation(
    name: str, responses: dict[str, Any], *, body: Any = None, parameters: list[Any] | None = None
) -> dict[str, Any]:
    refused = {"description": "No key, or a wrong one.", "content": _json("Unauthorized")}
    failed = {"description": "What went wrong.", "content": _json("Failure")}
    made: dict[str, Any] = {
        "operationId": "".join(word.capitalize() for word in name.replace("/", " ").split()),
        "parameters": parameters or [],
        "responses": {**responses, "401": refused, "default": failed},
    }
    if body is not None:
        made["requestBody"] = {"required": True, "content": _json(body)}
    return made


def _response(
    status: int, description: str, name: str, headers: dict[str, Any] | None = None
) -> dict[str, Any]:
    made: dict[str, Any] = {"description": description, "content": _json(name)}
    return {str(status): {**made, "headers": headers} if headers else made}


def _json(name: Any) -> dict[str, Any]:
    return {"application/json": {"schema": _ref(name) if isinstance(name, str) else name}}


def _ref(name: str) -> dict[str, Any]:
    return {"$ref": f"#/components/schemas/{name}"}


def _parameter(name: str, shape: dict[str, Any], text: str, *, place: str = "query") -> dict[str, Any]:
    return {"name": name, "in": place, "required": False, "schema": shape, "description": text}


def _paging() -> list[dict[str, Any]]:
    page = {"type": "integer", "minimum": 1, "maximum": MAX_PAGE, "default": 1}
    size = {"type": "integer", "minimum": 1, "maximum": MAX_SIZE, "default": DEFAULT_SIZE}
    return [
        _parameter("page", page, "The page, from 1."),
        _parameter("size", size, "How many rows a page has."),
    ]


def _id() -> dict[str, Any]:
    return {"name": "id", "in": "path", "required": True, "schema": GUID}


def _shape(resource: Resource, schema: Schema, field: Field) -> dict[str, Any]:
    """The JSON Schema of the values of a field."""
    column = resource.column(schema, field)
    if field.target is not None:
        return dict(GUID)
    match column.type:
        case "choice" | "state" | "status":
            options = column.options
            told = ", ".join(f"{option.value}: {option.label}" for option in options)
            return {"type": "integer", "enum": [option.value for option in options], "description": told}
        case "integer" | "bigint":
            low, high = column.min, column.max
            return {
                "type": "integer",
                "minimum": -INT32 if low is None else int(low),
                "maximum": INT32 if high is None else int(high),
            }
        case "money" | "decimal" | "double":
            return {"type": "number"}
        case "boolean":
            return {"type": "boolean"}
        case "datetime":
            return {"type": "string", "format": "date" if column.date_only else "date-time"}
        case "entityname":
            return dict(STRING)
    return {"type": "string", "maxLength": column.max_length or (2000 if column.type == "memo" else 100)}


def _nullable(shape: dict[str, Any]) -> dict[str, Any]:
    made = {**shape, "type": [shape["type"], "null"]}
    if "enum" in shape:
        made["enum"] = [*shape["enum"], None]
    return made


def _row(resource: Resource, schema: Schema) -> dict[str, Any]:
    fields = {field.name: _nullable(_shape(resource, schema, field)) for field in resource.fields.values()}
    return {
        "type": "object",
        "properties": {"id": GUID, **fields},
        "required": ["id", *fields],
        "additionalProperties": False,
    }


def _values(resource: Resource, schema: Schema, form: Form | None, *, whole: bool) -> dict[str, Any]:
    """What is written: all of a row, or some of it. A form says what is needed and what is not to be given."""
    fields: dict[str, Any] = {}
    needed = []
    for field in resource.fields.values():
        said = None if form is None else form.fields.get(field.name)
        if field.only_read or (said is not None and not said.visible):
            continue
        shape = _shape(resource, schema, field)
        must = resource.needs(schema, field) if said is None else said.required
        if field.column == "activitytypecode":
            shape, must = {"type": "string", "enum": list(resource.kinds)}, False
            fields[field.name] = shape
            continue
        if must and shape["type"] == "string":
            shape = {**shape, "minLength": 1}
        fields[field.name] = shape if must else _nullable(shape)
        if said is not None:
            fields[field.name]["title"] = said.label
        if must:
            needed.append(field.name)
    made: dict[str, Any] = {"type": "object", "properties": fields, "additionalProperties": False}
    return {**made, "required": needed} if whole and needed else made


def _page(title: str) -> dict[str, Any]:
    counts = {name: {"type": "integer", "minimum": 0} for name in ("page", "size", "total")}
    return {
        "type": "object",
        "properties": {"items": {"type": "array", "items": _ref(title)}, **counts},
        "required": ["items", *counts],
        "additionalProperties": False,
    }


def _object(**properties: dict[str, Any]) -> dict[str, Any]:
    return {"type": "object", "properties": properties, "required": list(properties)}


def _common() -> dict[str, Any]:
    error = {**_object(code=STRING, message=STRING), "additionalProperties": False}
    error["properties"] = {**error["properties"], "field": STRING}
    field = _object(id=STRING, label={"type": "string", "minLength": 1, "maxLength": 200})
    flags = {"required": {"type": "boolean"}, "visible": {"type": "boolean"}, "type": STRING}
    field["properties"] = {**field["properties"], **flags}
    outcome = _object(id=GUID, status={"type": "integer"}, error={"anyOf": [_ref("Error"), {"type": "null"}]})
    stage = _object(
        id=GUID, pipelineId=GUID, name=STRING, value={"type": "integer"}, position={"type": "integer"}
    )
    return {
        "Error": error,
        "Failure": _object(error=_ref("Error")),
        "Unauthorized": _object(statusCode={"type": "integer"}, message=STRING),
        "FormField": field,
        "Form": {
            **_object(fields={"type": "array", "items": _ref("FormField")}),
            "properties": {
                "id": STRING,
                "tenantId": GUID,
                "fields": {"type": "array", "items": _ref("FormField")},
            },
        },
        "BulkAction": _object(
            action={"const": "delete"},
            entity=STRING,
            ids={"type": "array", "items": GUID, "minItems": 1, "maxItems": MAX_BULK},
        ),
        "BulkOutcome": _object(
            items={"type": "array", "items": outcome},
            succeeded={"type": "integer"},
            failed={"type": "integer"},
        ),
        "Stage": stage,
        "Pipeline": _object(id=GUID, name=STRING, stages={"type": "array", "items": _ref("Stage")}),
    }
