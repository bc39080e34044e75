"""Requests of the Organization Service to operations.

``decode`` reads the operation in an envelope's body; ``decode_request`` one OrganizationRequest, be it that of Execute
or one of many. They run nothing.
"""

from collections.abc import Callable, Mapping
from typing import Any

from orgstead.errors import fault
from orgstead.model.record import Ref
from orgstead.wire.soap import bulk, crud, customize, definitions, queries
from orgstead.wire.soap.actions import call
from orgstead.wire.soap.answers import Many, Operation
from orgstead.wire.soap.ask import Ask, Context, operation_parts
from orgstead.wire.soap.contracts import NAMESPACES
from orgstead.wire.soap.envelope import SERVICES
from orgstead.wire.soap.primitives import EMPTY_ID
from orgstead.wire.soap.read import Reader
from orgstead.wire.soap.registry import REQUESTS
from orgstead.wire.soap.xml import XSI, Element, local, malformed, stated_type

__all__ = ["OPERATIONS", "decode", "decode_request"]

# Importing them registers what they read.
REGISTERED = (bulk, crud, customize, definitions, queries)
CRM = NAMESPACES["crm"]
TYPE = f"{{{XSI}}}type"


def decode(operation: Element, context: Context) -> tuple[str, Operation | Many]:
    """The operation in a body, and its name. Raises SoapMalformed, UnknownMessage and what reading it raises."""
    name = local(operation)
    if operation.tag != f"{{{SERVICES}}}{name}" or name not in OPERATIONS:
        raise malformed(f"<{name}> is no operation of the Organization Service")
    return name, OPERATIONS[name](operation_parts(operation), context)


def decode_request(request: Element, context: Context, *, nested: bool = False) -> Operation | Many:
    """An OrganizationRequest by its name, or by its type. ``nested``: it may not hold requests itself."""
    parts = Reader(context.schema).parts(request)
    type = stated_type(request) if request.get(TYPE) is not None and not _foreign(request) else None
    name = (parts["RequestName"].text or "").strip() if "RequestName" in parts else ""
    if not name:
        stated = type[1] if type is not None else (request.get(TYPE) or "").rpartition(":")[2]
        name = stated.removesuffix("Request") if stated != "OrganizationRequest" else ""
    if not name:
        raise malformed("an OrganizationRequest needs a RequestName")
    for each in parts:
        if each not in ("Parameters", "RequestId", "RequestName", "ExtensionData"):
            raise malformed(f"<{each}> is no member of OrganizationRequest")
    given = Reader(context.schema).parameters(parts.get("Parameters"))
    ask = Ask(name, context, given)
    read = REQUESTS.get(name)
    found: Operation | Many
    if read is not None:
        found = read(ask)
    else:
        signature = context.signatures.get(name)
        if signature is None:
            raise fault("NotSupported", feature=f"The message {name[:100]}")
        found = call(ask, signature, custom=name in context.schema.apis)
    if nested and isinstance(found, Many):
        raise fault("InvalidArgument", message=f"{name} may not be among the requests of another request.")
    return found


def _foreign(request: Element) -> bool:
    """Whether a request states a class of the product's own messages, which the contracts do not list."""
    prefix, _, _ = (request.get(TYPE) or "").rpartition(":")
    return request.nsmap.get(prefix or None) == CRM


# -- the service's own operations ------------------------------------------------------------------------------------
def _id(parts: Mapping[str, Element], table: str, id: str, context: Context) -> Ref:
    """The row that a name of a table and an id say."""
    reader = Reader(context.schema)
    return Ref(reader.table(parts.get(table)).logical_name, reader.id(parts.get(id)) or EMPTY_ID)


def _run(
    name: str, context: Context, given: Mapping[str, Element], known: Mapping[str, Any]
) -> Operation | Many:
    return REQUESTS[name](Ask(name, context, given, known))


def _named(parts: Mapping[str, Element], **names: str) -> dict[str, Element]:
    """Parts under the names of parameters."""
    return {names[name]: part for name, part in parts.items() if name in names}


def _create(parts: Mapping[str, Element], context: Context) -> Operation | Many:
    return _run("Create", context, _named(parts, entity="Target"), {})


def _update(parts: Mapping[str, Element], context: Context) -> Operation | Many:
    return _run("Update", context, _named(parts, entity="Target"), {})


def _retrieve(parts: Mapping[str, Element], context: Context) -> Operation | Many:
    target = _id(parts, "entityName", "id", context)
    return _run("Retrieve", context, _named(parts, columnSet="ColumnSet"), {"Target": target})


def _delete(parts: Mapping[str, Element], context: Context) -> Operation | Many:
    return _run("Delete", context, {}, {"Target": _id(parts, "entityName", "id", context)})


def _retrieve_multiple(parts: Mapping[str, Element], context: Context) -> Operation | Many:
    return _run("RetrieveMultiple", context, _named(parts, query="Query"), {})


def _tie(name: str) -> Callable[[Mapping[str, Element], Context], Operation | Many]:
    def read(parts: Mapping[str, Element], context: Context) -> Operation | Many:
        given = _named(parts, relationship="Relationship", relatedEntities="RelatedEntities")
        return _run(name, context, given, {"Target": _id(parts, "entityName", "entityId", context)})

    return read


def _execute(parts: Mapping[str, Element], context: Context) -> Operation | Many:
    if "request" not in parts:
        raise malformed("Execute needs a request")
    return decode_request(parts["request"], context)


OPERATIONS: Mapping[str, Callable[[Mapping[str, Element], Context], Operation | Many]] = {
    "Create": _create,
    "Retrieve": _retrieve,
    "Update": _update,
    "Delete": _delete,
    "Execute": _execute,
    "Associate": _tie("Associate"),
    "Disassociate": _tie("Disassociate"),
    "RetrieveMultiple": _retrieve_multiple,
}
