"""Requests of the Web API to messages.

``decode`` reads one request (alone, or a part of a batch) and answers an ``Operation``: the messages to run and
how to write what they answer. It runs nothing.
"""

from collections.abc import Sequence
from typing import Any

from orgstead.errors import fault
from orgstead.wire.odata.csdl import csdl
from orgstead.wire.odata.headers import check_headers
from orgstead.wire.odata.metadata import DEFINITION_SETS, read_definitions
from orgstead.wire.odata.metadata_changes import DEFINITION_ACTIONS, decode_change
from orgstead.wire.odata.metadata_expression import retrieve_metadata_changes
from orgstead.wire.odata.names import Names
from orgstead.wire.odata.reader import Reader
from orgstead.wire.odata.request import Request
from orgstead.wire.odata.resources import Resources
from orgstead.wire.odatav4.paths import Segment, parse_path
from orgstead.wire.odatav4.prefer import parse_prefer
from orgstead.wire.odatav4.reply import VERSION, Operation, Reply, json_reply

__all__ = ["decode"]

METADATA_CHANGES = "RetrieveMetadataChanges"
WITH_BODY = frozenset({"POST", "PATCH", "PUT"})


def decode(request: Request, names: Names) -> Operation:
    """The operation that a request asks for; raises faults for whatever does not make one."""
    check_headers(request.headers, body=request.method in WITH_BODY and bool(request.body))
    segments = parse_path(request.path)
    prefer = parse_prefer(request.headers.get("prefer", ""))
    decoder = Resources(request, names, prefer)
    if not segments:
        decoder.only("GET")
        decoder.no_options()
        return Operation(messages=(), render=lambda _: json_reply(_service_document(request.base, names)))
    first = segments[0]
    if first.name == "$metadata":
        decoder.only("GET")
        reply = _description(request, names, segments)
        return Operation(messages=(), render=lambda _: reply)
    if first.name.startswith("$") and first.name[1:].isdigit() and first.name[1:] not in request.pending:
        raise fault(
            "InvalidBatch",
            message=f"Content-ID Reference: '{first.name[:50]}' does not exist in the batch context.",
        )
    if first.name.startswith("$") and first.name[1:] in request.pending:
        return decoder.on_row(*decoder.earlier(first.name), segments[1:])
    if first.name in DEFINITION_SETS or first.name in DEFINITION_ACTIONS or first.name == METADATA_CHANGES:
        return _definitions(decoder, segments)
    if first.name in request.signatures and not names.has_set(first.name):
        return decoder.operation(segments, None)
    table = names.table(first.name)
    if first.called and (first.id is not None or first.pairs):
        return decoder.on_row(table, None, segments[1:], segment=first)
    if first.called:
        raise fault("ResourceNotFound", segment=first.name)
    return decoder.on_set(table, segments[1:])


def _description(request: Request, names: Names, segments: Sequence[Segment]) -> Reply:
    if len(segments) > 1 or segments[0].called:
        raise fault("ResourceNotFound", segment=segments[-1].name)
    annotations = False
    for pair in filter(None, request.query.split("&")):
        name, _, value = pair.partition("=")
        if name != "annotations" or value not in ("true", "false"):
            raise fault("ODataUnsupported", feature=f"The query option {pair[:100]} on $metadata")
        annotations = value == "true"
    told = tuple((name, each) for name, each in request.signatures.items() if not each.private)
    body = csdl(names, told, annotations)
    return Reply(status=200, headers=(("Content-Type", "application/xml"), VERSION), body=body)


def _definitions(reader: Reader, segments: Sequence[Segment]) -> Operation:
    """Definitions of tables, relationships and choices, and the actions that change them."""
    request, schema = reader.request, reader.names.schema
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
    return reader.operation_of((change.message,), lambda results: change.render(results[0]))


def _service_document(base: str, names: Names) -> dict[str, Any]:
    sets = [{"name": name, "kind": "EntitySet", "url": name} for name in names.sets()]
    return {"@odata.context": f"{base}$metadata", "value": sets}
