"""Requests of ``/data`` to messages.

``decode`` reads one request (alone, or a part of a batch) and answers an ``Operation``; it runs nothing.
https://learn.microsoft.com/dynamics365/fin-ops-core/dev-itpro/data-entities/odata
"""

from orgstead.errors import fault
from orgstead.wire.finops.csdl import csdl
from orgstead.wire.finops.names import Names
from orgstead.wire.finops.request import Request, read_level
from orgstead.wire.finops.resources import Resources
from orgstead.wire.odatav4.body import check_body
from orgstead.wire.odatav4.paths import parse_path
from orgstead.wire.odatav4.reply import VERSION, Operation, Reply, json_reply

__all__ = ["decode"]

WITH_BODY = frozenset({"POST", "PATCH", "PUT"})


def decode(request: Request, names: Names) -> Operation:
    """The operation that a request asks for; raises faults for whatever does not make one."""
    if request.method in WITH_BODY and request.body:
        check_body(request.headers)
    version = request.headers.get("odata-maxversion", "4.0").strip()
    if version not in ("4.0", "4.01"):
        raise fault("InvalidHeader", name="OData-MaxVersion", value=version[:50])
    segments = parse_path(request.path, nameless=True)
    reader = Resources(request, names)
    if not segments:
        reader.only("GET")
        reply = _service(request, names)
        return Operation(messages=(), render=lambda _: reply)
    first = segments[0]
    if first.name == "$metadata":
        reader.only("GET")
        if len(segments) > 1 or first.called:
            raise fault("ResourceNotFound", segment=segments[-1].name)
        reader.no_options()
        reply = Reply(status=200, headers=(("Content-Type", "application/xml"), VERSION), body=csdl(names))
        return Operation(messages=(), render=lambda _: reply)
    if first.name.startswith("$"):
        return reader.on_row(*reader.earlier(first.name), segments[1:])
    if len(segments) == 2 and reader.is_action(segments[1]) and not first.called:
        return reader.on_action(first.name, segments[1], None)
    entity = names.entity(first.name)
    if not first.called:
        return reader.on_set(entity, segments[1:])
    return reader.on_row(entity, reader.reference(entity, first), segments[1:])


def _service(request: Request, names: Names) -> Reply:
    """The service document: all collections."""
    format = None
    for part in filter(None, request.query.split("&")):
        name, _, value = part.partition("=")
        if name not in ("$format", "%24format"):
            raise fault("ODataUnsupported", feature=f"The query option {name[:100]} on the service document")
        format = value.replace("%3B", ";").replace("%3b", ";").replace("%2F", "/").replace("%2f", "/")
    level = read_level(request.headers, format)
    head = {} if level == "none" else {"@odata.context": f"{request.base}$metadata"}
    sets = [{"name": name, "kind": "EntitySet", "url": name} for name in sorted(names.entities)]
    return json_reply({**head, "value": sets}, kind=f"application/json; odata.metadata={level}")
