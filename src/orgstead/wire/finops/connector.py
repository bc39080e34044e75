"""The connector of Finance and Operations: addresses, bodies and answers of enqueue, dequeue, download and ack.

https://learn.microsoft.com/dynamics365/fin-ops-core/dev-itpro/data-entities/recurring-integrations#integration-rest-apis
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl, unquote

import msgspec

from orgstead.errors import fault
from orgstead.model.messages import Execute
from orgstead.model.types import is_guid

__all__ = ["ConnectorRequest", "acknowledged", "answer_of_dequeue", "owns", "read_address", "sent_headers"]

# A language may stand before it, as in addresses of the service.
_ADDRESS = re.compile(r"/(?:[a-z]{2}(?:-[a-z]{2,4})?/)?api/connector/([a-z]+)/([^/]+)/?", re.IGNORECASE)
_PREFIX = re.compile(r"/(?:[a-z]{2}(?:-[a-z]{2,4})?/)?api/connector(?:/|$)", re.IGNORECASE)
METHODS: Mapping[str, str] = {
    "enqueue": "POST",
    "dequeue": "GET",
    "download": "GET",
    "ack": "POST",
    "file": "GET",
    "errors": "GET",
}
MAX_TEXT = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class ConnectorRequest:
    """What an address of the connector asks for: ``verb``, the id in the path, and the query by lower-case names."""

    verb: str
    id: str
    query: Mapping[str, str]


def owns(path: str) -> bool:
    """Whether a path, as it was sent, is one of the connector's."""
    return _PREFIX.match(path) is not None


def read_address(method: str, path: str, query: str) -> ConnectorRequest:
    """The request of an address. Raises ResourceNotFound, MethodNotAllowed, ODataSyntax for a query that is none."""
    match = _ADDRESS.fullmatch(path)
    verb = match[1].lower() if match is not None else ""
    if match is None or verb not in METHODS:
        raise fault("ResourceNotFound", segment=path[:100])
    if method != METHODS[verb]:
        raise fault("MethodNotAllowed", method=method, resource=f"/api/connector/{verb}")
    # Clients write the id with braces, or without.
    id = unquote(match[2]).strip().strip("{}").lower()
    try:
        pairs = parse_qsl(query, keep_blank_values=True, max_num_fields=20, errors="strict")
    except (UnicodeDecodeError, ValueError):
        raise fault("ODataSyntax", message="The query string is not valid.") from None
    return ConnectorRequest(verb=verb, id=id[:100], query={name.lower(): value for name, value in pairs})


def sent_headers(headers: Mapping[str, str]) -> dict[str, str | None]:
    """What a file that is sent brings in its headers. Raises InvalidHeader for an identifier that is too long."""
    identifier = headers.get("x-ms-dyn-externalidentifier")
    if identifier is not None and (len(identifier) > MAX_TEXT or not identifier.isprintable()):
        raise fault("InvalidHeader", name="x-ms-dyn-externalidentifier", value=identifier[:50])
    kind = headers.get("content-type", "").partition(";")[0].strip()
    return {"ExternalIdentifier": identifier, "ContentType": kind[:100] or None}


def answer_of_dequeue(lent: Mapping[str, Any], activity: str, origin: str) -> bytes:
    """The JSON of a message that is lent."""
    there = lent["Content"] is not None
    correlation = lent["CorrelationId"]
    location = (
        f"{origin}/api/connector/download/{activity}?correlation-id={correlation}&blob={lent['Content']}"
    )
    return msgspec.json.encode({
        "CorrelationId": correlation,
        "PopReceipt": lent["PopReceipt"],
        "DownloadLocation": location if there else None,
        "IsDownLoadFileExist": there,
        "FileDownLoadErrorMessage": "" if there else "No file was uploaded: there were no records to export.",
        "LastDequeueDateTime": lent["LastDequeued"],
    })  # fmt: skip


def acknowledged(body: bytes, activity: str, application: str) -> Execute:
    """The message that a body of ack asks for: the answer of dequeue, ``{"MessageId": …}``, or an id alone.

    Raises InvalidPayload.
    """
    try:
        value = (
            msgspec.json.decode(body) if body.strip()[:1] in (b"{", b'"') else body.decode("utf-8").strip()
        )
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise fault("InvalidPayload", message="the body of ack is the answer of dequeue.") from None
    given: dict[str, Any] = {"Job": activity, "Application": application}
    if isinstance(value, str) and is_guid(value.strip("{}")):
        return Execute(name="AckDataMessage", parameters={**given, "MessageId": value})
    if not isinstance(value, dict):
        raise fault("InvalidPayload", message="the body of ack is the answer of dequeue.")
    folded = {str(name).lower(): each for name, each in value.items()}
    for name in ("MessageId", "CorrelationId", "PopReceipt"):
        each = folded.get(name.lower())
        if each is not None and not isinstance(each, str):
            raise fault("InvalidPayload", message=f"{name} is a text.")
        given[name] = each or None
    if not given["MessageId"] and not given["CorrelationId"]:
        raise fault(
            "InvalidPayload", message="the body of ack has a CorrelationId and a PopReceipt, or a MessageId."
        )
    if not given["MessageId"] and not given["PopReceipt"]:
        given["MessageId"], given["CorrelationId"] = None, given["CorrelationId"]
    return Execute(name="AckDataMessage", parameters=given)
