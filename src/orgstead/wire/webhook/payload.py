"""What a webhook is posted: the execution context of a message as JSON, and headers that say what it is about.

https://learn.microsoft.com/power-apps/developer/data-platform/use-webhooks
https://learn.microsoft.com/dotnet/api/microsoft.xrm.sdk.remoteexecutioncontext
"""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote

import msgspec

from orgstead.model.events import Event
from orgstead.model.record import Ref
from orgstead.model.schema import Schema
from orgstead.wire.webhook.values import Writer, date_of, pairs

__all__ = ["MAX_BYTES", "Payload", "encode"]

# A larger body goes without its larger members.
MAX_BYTES = 256 * 1024
DROPPED = ("ParentContext", "InputParameters", "PreEntityImages", "PostEntityImages")
# Events in whose midst an event happened, at most.
MAX_PARENTS = 8
STEP = "sdkmessageprocessingstep"
NO_SANDBOX = 1
# What may stand in a header as it is.
PLAIN = " !#$&'()*+,/:;=?@[]"

_JSON = msgspec.json.Encoder(decimal_format="number")


@dataclass(frozen=True, slots=True, kw_only=True)
class Payload:
    """The body of a post, and its headers beside those that prove who is calling."""

    body: bytes
    headers: tuple[tuple[str, str], ...]


def encode(event: Event, schema: Schema) -> Payload:
    """The payload of an event."""
    context = _context(event, schema, MAX_PARENTS)
    body = _written(context)
    headers = [
        ("Content-Type", "application/json; charset=utf-8"),
        ("x-request-id", event.request_id or event.operation_id),
        ("x-ms-dynamics-organization", _header(event.organization_name.lower())),
        ("x-ms-dynamics-entity-name", _header(event.table)),
        ("x-ms-dynamics-request-name", _header(event.message)),
        ("x-ms-correlation-request-id", event.correlation_id),
    ]
    if len(body) > MAX_BYTES:
        body = _written({name: value for name, value in context.items() if name not in DROPPED})
        headers.append(("x-ms-dynamics-msg-size-exceeded", "true"))
    return Payload(body=body, headers=tuple(headers))


def _written(context: dict[str, Any]) -> bytes:
    # A slash stands in texts only, and the serialiser of data contracts escapes it.
    return _JSON.encode(context).replace(b"/", b"\\/")


def _header(text: str) -> str:
    return quote(text, safe=PLAIN)[:1000]


def _context(event: Event, schema: Schema, parents: int) -> dict[str, Any]:
    writer = Writer(schema, event.message)
    created = datetime.fromtimestamp(event.created_on, UTC)
    parent = event.parent if parents else None
    return {
        "BusinessUnitId": event.business_unit_id,
        "CorrelationId": event.correlation_id,
        "Depth": event.depth,
        "InitiatingUserAzureActiveDirectoryObjectId": event.initiating_object_id,
        "InitiatingUserId": event.initiating_user_id,
        "InputParameters": pairs(
            (name, writer.parameter(name, value)) for name, value in event.inputs.items()
        ),
        "IsExecutingOffline": False,
        "IsInTransaction": event.in_transaction,
        "IsOfflinePlayback": False,
        "IsolationMode": NO_SANDBOX,
        "MessageName": event.message,
        "Mode": event.mode,
        "OperationCreatedOn": date_of(created, "+0000"),
        "OperationId": event.operation_id,
        "OrganizationId": event.organization_id,
        "OrganizationName": event.organization_name,
        "OutputParameters": pairs(
            (name, writer.parameter(name, value)) for name, value in event.outputs.items()
        ),
        "OwningExtension": {**writer.reference(Ref(STEP, event.step_id)), "Name": event.step_name or None},
        "ParentContext": None if parent is None else _context(parent, schema, parents - 1),
        "PostEntityImages": pairs(
            (alias, writer.entity(image, formatted=True)) for alias, image in event.post_images.items()
        ),
        "PreEntityImages": pairs(
            (alias, writer.entity(image, formatted=True)) for alias, image in event.pre_images.items()
        ),
        "PrimaryEntityId": event.id,
        "PrimaryEntityName": event.table,
        "RequestId": event.request_id,
        "SecondaryEntityName": event.secondary,
        "SharedVariables": pairs((name, writer.value(value)) for name, value in event.shared.items()),
        "Stage": event.stage,
        "UserAzureActiveDirectoryObjectId": event.user_object_id,
        "UserId": event.user_id,
    }
