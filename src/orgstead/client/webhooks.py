"""Receiving webhooks: what the service posts, checked and read.

https://learn.microsoft.com/power-apps/developer/data-platform/use-webhooks
"""

import hmac
import re
from collections.abc import Awaitable, Callable, Iterable, Mapping, MutableMapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from inspect import isawaitable
from typing import Any
from urllib.parse import parse_qs

import msgspec

from orgstead.client.literals import Ref
from orgstead.client.values import decode

__all__ = ["Event", "EventRow", "WebhookReceiver", "read_event"]

MAX_BODY = 4 * 1024 * 1024
MAX_DEPTH = 40
_DATE = re.compile(r"/Date\((-?\d+)([+-]\d{4})?\)/")

Handler = Callable[["Event"], Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class EventRow:
    """A row as an event tells it: its columns as plain values, lookups as ``Ref``, choices as numbers."""

    table: str
    id: str
    values: Mapping[str, Any]
    formatted: Mapping[str, str] = field(default_factory=dict, repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """What happened: the execution context of a message, in plain values.

    ``message`` is its name (``Create``), ``table`` and ``id`` what it was about, ``stage`` and ``mode`` when it was
    told; ``operation_id`` is the same when it is told twice. ``inputs``, ``outputs``, ``shared`` and the images are
    what the step was registered with. ``trimmed`` says that the service left inputs, outputs and images out because
    they were too large. ``raw`` is all of it as it came.
    https://learn.microsoft.com/dotnet/api/microsoft.xrm.sdk.remoteexecutioncontext
    """

    message: str
    table: str
    id: str
    stage: int
    mode: int
    depth: int
    user_id: str
    initiating_user_id: str
    organization_id: str
    organization_name: str
    correlation_id: str
    operation_id: str
    operation_created_on: datetime | None
    inputs: Mapping[str, Any]
    outputs: Mapping[str, Any]
    shared: Mapping[str, Any]
    pre_images: Mapping[str, Any]
    post_images: Mapping[str, Any]
    trimmed: bool = False
    raw: Mapping[str, Any] = field(repr=False)

    @property
    def target(self) -> EventRow | Ref | None:
        """The row of a create or update, the reference of a delete, or None."""
        found = self.inputs.get("Target")
        return found if isinstance(found, EventRow | Ref) else None


def read_event(content: bytes, *, trimmed: bool = False) -> Event:
    """The event in a body. Raises ValueError for what is none."""
    try:
        body = decode(content)
    except (msgspec.DecodeError, RecursionError):
        body = None
    if not isinstance(body, dict) or not isinstance(body.get("MessageName"), str):
        raise ValueError("the body is no execution context")
    created = _plain(body.get("OperationCreatedOn"), 0)
    return Event(
        message=body["MessageName"],
        table=str(body.get("PrimaryEntityName") or ""),
        id=str(body.get("PrimaryEntityId") or ""),
        stage=int(body.get("Stage") or 0),
        mode=int(body.get("Mode") or 0),
        depth=int(body.get("Depth") or 0),
        user_id=str(body.get("UserId") or ""),
        initiating_user_id=str(body.get("InitiatingUserId") or ""),
        organization_id=str(body.get("OrganizationId") or ""),
        organization_name=str(body.get("OrganizationName") or ""),
        correlation_id=str(body.get("CorrelationId") or ""),
        operation_id=str(body.get("OperationId") or ""),
        operation_created_on=created if isinstance(created, datetime) else None,
        inputs=_pairs(body.get("InputParameters"), 0),
        outputs=_pairs(body.get("OutputParameters"), 0),
        shared=_pairs(body.get("SharedVariables"), 0),
        pre_images=_pairs(body.get("PreEntityImages"), 0),
        post_images=_pairs(body.get("PostEntityImages"), 0),
        trimmed=trimmed,
        raw=body,
    )


def _pairs(value: Any, depth: int) -> dict[str, Any]:
    """The list of keys and values that .NET writes a dictionary as."""
    if not isinstance(value, list):
        return {}
    pairs = (each for each in value if isinstance(each, dict))
    return {str(_member(each, "key")): _plain(_member(each, "value"), depth + 1) for each in pairs}


def _member(pair: Mapping[str, Any], name: str) -> Any:
    return pair.get(name, pair.get(name.capitalize()))


def _plain(value: Any, depth: int) -> Any:
    if depth > MAX_DEPTH:
        raise ValueError("the context is nested too deeply")
    match value:
        case str():
            return _time(value)
        case list():
            return [_plain(each, depth + 1) for each in value]
        case {"LogicalName": str(table), "Attributes": attributes}:
            values = _pairs(attributes, depth)
            formatted = {key: str(each) for key, each in _pairs(value.get("FormattedValues"), depth).items()}
            return EventRow(table=table, id=str(value.get("Id") or ""), values=values, formatted=formatted)
        case {"LogicalName": str(table), "Id": str(id)}:
            return Ref(table, id)
        case {"Entities": list(rows)}:
            return [_plain(each, depth + 1) for each in rows]
        case {"Value": inner} if not value.keys() - {"Value", "__type"}:
            money = str(value.get("__type", "")).startswith("Money:") and inner is not None
            return Decimal(inner) if money else _plain(inner, depth + 1)
        case dict():
            return {name: _plain(each, depth + 1) for name, each in value.items() if name != "__type"}
    return value


def _time(text: str) -> Any:
    found = _DATE.fullmatch(text)
    if found is None:
        return text
    try:
        return datetime.fromtimestamp(int(found[1]) / 1000, UTC)
    except (OverflowError, OSError, ValueError):
        return text


class WebhookReceiver:
    """An application that takes webhooks: of ASGI by itself, of WSGI as ``receiver.wsgi``.

    ``key`` is what the service proves itself with: as ``code`` in the query (the webhook key), or with ``header`` as
    the value of that header. It is compared in constant time. ``handle`` is called with each ``Event``; under ASGI it
    may be a coroutine function. What it raises goes to the server that runs this, which answers 500, and the service
    may post again; a wrong key is a 401, a body that is no event a 400, one above 4 MB a 413, another method a 405.
    Raises ValueError for an empty key.
    """

    def __init__(self, handle: Handler, *, key: str, header: str | None = None) -> None:
        if not key:
            raise ValueError("without a key anybody could post events")
        self._handle = handle
        self._key = key.encode()
        self._header = header.lower() if header is not None else None

    def _refusal(self, method: str, query: str, headers: Mapping[str, str]) -> int | None:
        given = headers.get(self._header, "") if self._header else (parse_qs(query).get("code") or [""])[0]
        if not hmac.compare_digest(given.encode("utf-8", "surrogateescape"), self._key):
            return 401
        if method != "POST":
            return 405
        length = headers.get("content-length", "")
        return 413 if length.isdigit() and int(length) > MAX_BODY else None

    async def __call__(
        self,
        scope: MutableMapping[str, Any],
        receive: Callable[[], Awaitable[MutableMapping[str, Any]]],
        send: Callable[[MutableMapping[str, Any]], Awaitable[None]],
    ) -> None:
        """The ASGI application."""
        if scope["type"] == "lifespan":
            while (await receive())["type"] != "lifespan.shutdown":
                await send({"type": "lifespan.startup.complete"})
            await send({"type": "lifespan.shutdown.complete"})
            return
        if scope["type"] != "http":
            return
        headers = {
            name.decode("latin-1").lower(): value.decode("latin-1") for name, value in scope["headers"]
        }
        status = self._refusal(scope["method"], scope["query_string"].decode("latin-1"), headers)
        if status is None:
            status = await self._take(receive, headers)
        await send(
            {
                "type": "http.response.start",
                "status": status,
                "headers": [(b"content-length", b"0")],
            }
        )
        await send({"type": "http.response.body", "body": b""})

    async def _take(
        self, receive: Callable[[], Awaitable[MutableMapping[str, Any]]], headers: Mapping[str, str]
    ) -> int:
        body = bytearray()
        more = True
        while more:
            message = await receive()
            if message["type"] == "http.disconnect":
                return 400
            body += message.get("body", b"")
            if len(body) > MAX_BODY:
                return 413
            more = message.get("more_body", False)
        try:
            event = read_event(bytes(body), trimmed=_trimmed(headers))
        except ValueError:
            return 400
        found = self._handle(event)
        if isawaitable(found):
            await found
        return 200

    def wsgi(self, environ: Mapping[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        """The WSGI application."""
        headers = {
            key.removeprefix("HTTP_").replace("_", "-").lower(): str(value)
            for key, value in environ.items()
            if key.startswith("HTTP_") or key == "CONTENT_LENGTH"
        }
        status = self._refusal(environ["REQUEST_METHOD"], environ.get("QUERY_STRING", ""), headers)
        if status is None:
            length = headers.get("content-length", "")
            body = environ["wsgi.input"].read(int(length) if length.isdigit() else 0)
            try:
                event = read_event(body, trimmed=_trimmed(headers))
            except ValueError:
                status = 400
            else:
                self._handle(event)
                status = 200
        start_response(f"{status} {_REASONS[status]}", [("Content-Length", "0")])
        return [b""]


def _trimmed(headers: Mapping[str, str]) -> bool:
    return "x-ms-dynamics-msg-size-exceeded" in headers


_REASONS = {
    200: "OK",
    400: "Bad Request",
    401: "Unauthorized",
    405: "Method Not Allowed",
    413: "Content Too Large",
}
