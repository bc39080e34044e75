"""The adapter of the Organization Service: envelopes in, operations through the engine, envelopes out.

https://learn.microsoft.com/power-apps/developer/data-platform/org-service/overview
"""

import asyncio
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TypeVar

import structlog

from orgstead.engine.context import Caller
from orgstead.engine.ids import new_id
from orgstead.engine.job import Job
from orgstead.engine.pipeline import Engine
from orgstead.errors import Fault, fault
from orgstead.model.apis import signature_of
from orgstead.model.messages import Message, Result, Signature
from orgstead.model.schema import Schema
from orgstead.server.callers import Callers
from orgstead.server.lanes import Lanes
from orgstead.server.observed import Unsupported
from orgstead.wire.soap.answers import Many, Operation, Response, execute_pieces, operation_pieces
from orgstead.wire.soap.ask import Context
from orgstead.wire.soap.decode import decode, decode_request
from orgstead.wire.soap.envelope import SERVICES, SOAP11, SOAP12, Envelope, close, open_, read_envelope
from orgstead.wire.soap.faults import fault_envelope, fault_values
from orgstead.wire.soap.many import Item, multiple_response, transaction_response
from orgstead.wire.soap.pieces import Piece
from orgstead.wire.soap.xml import Element

__all__ = ["OrganizationService", "SoapReply", "soap_version"]

log = structlog.get_logger()

# Bodies that are read, and answers that are written, on the event loop: some milliseconds.
MAX_INLINE_BYTES = 64 * 1024
MAX_INLINE_ROWS = 250
PART = 512 * 1024
Read = TypeVar("Read", Operation | Many, tuple[str, Operation | Many])
CONTENT_TYPES = {SOAP11: "text/xml; charset=utf-8", SOAP12: "application/soap+xml; charset=utf-8"}


@dataclass(frozen=True, slots=True, kw_only=True)
class SoapReply:
    """An answer: whole, or (``parts``) a part at a time.

    A part takes a thread, or, ``at_once``, no more than a millisecond or two.
    """

    status: int
    content_type: str
    body: bytes = b""
    parts: Iterator[bytes] | None = None
    at_once: bool = False


class OrganizationService:
    """Answers requests to ``/XRMServices/2011/Organization.svc``."""

    def __init__(self, engine: Engine, lanes: Lanes, callers: Callers, unsupported: Unsupported) -> None:
        self._engine = engine
        self._lanes = lanes
        self._callers = callers
        self._unsupported = unsupported
        self._shipped = engine.registry.signatures()
        self._schema: Schema | None = None
        self._signatures: Mapping[str, Signature] = {}

    def context(self, address: str) -> Context:
        """What reading requests needs to know at this moment."""
        schema = self._engine.schema
        if self._schema is not schema:
            self._signatures = {
                **self._shipped,
                **{name: signature_of(api) for name, api in schema.apis.items()},
            }
            self._schema = schema
        return Context(schema, self._signatures, new_id, address)

    async def answer(self, body: bytes, headers: Mapping[str, str], origin: str, caller: Caller) -> SoapReply:
        """Answer one request; every failure is an answer, too."""
        envelope: Envelope | None = None
        try:
            if len(body) > MAX_INLINE_BYTES:
                envelope = await asyncio.to_thread(read_envelope, body)
            else:
                envelope = read_envelope(body)
            caller = await self._callers.acting(caller, {**headers, **envelope.acting})
            return await self._run(envelope, origin, caller)
        except Exception as error:  # noqa: BLE001 - the last line: nothing leaves as a bare 500
            version = envelope.version if envelope is not None else soap_version(headers)
            relates_to = envelope.message_id if envelope is not None else None
            return self.failed(error, version, relates_to)

    def failed(self, error: Exception, version: str = SOAP11, relates_to: str | None = None) -> SoapReply:
        """The answer that a failure is."""
        index = error.index if isinstance(error, _InTransaction) else None
        known = self._known(error)
        text = fault_envelope(
            known, version, activity=new_id(), now=self._now(), index=index, relates_to=relates_to
        )
        return SoapReply(status=500, content_type=CONTENT_TYPES[version], body=text.encode())

    def _known(self, error: Exception) -> Fault:
        if isinstance(error, _InTransaction):
            return self._known(error.cause)
        if not isinstance(error, Fault):
            log.error("unexpected failure", exc_info=error)
            error = fault("Unexpected")
        self._unsupported.note(error)
        return error

    def _now(self) -> str:
        return datetime.fromtimestamp(self._engine.clock(), UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")

    # -- operations ----------------------------------------------------------------------------------------------
    async def _run(self, envelope: Envelope, origin: str, caller: Caller) -> SoapReply:
        name, found = await self._decoded(lambda: decode(envelope.operation, self.context(origin)))
        response, large = await self._response(found, origin, caller)
        schema = self._engine.schema
        pieces = (
            execute_pieces(response, schema)
            if name == "Execute"
            else operation_pieces(name, response, schema)
        )
        action = f"{SERVICES}/IOrganizationService/{name}Response"
        parts = _parts(envelope, action, pieces)
        kind = CONTENT_TYPES[envelope.version]
        if large:
            # Rows are made into text some at a time; definitions are trees.
            at_once = isinstance(found, Operation) and bool(found.messages)
            return SoapReply(status=200, content_type=kind, parts=parts, at_once=at_once)
        return SoapReply(status=200, content_type=kind, body=b"".join(parts))

    async def _decoded(self, read: Callable[[], Read]) -> Read:
        """What a request asks for. What is unknown may have been made by another process a moment ago."""
        try:
            found = read()
        except Fault as error:
            if error.status not in (400, 404) or not await asyncio.to_thread(self._engine.refresh):
                raise
            return read()
        operation = found[1] if isinstance(found, tuple) else found
        if isinstance(operation, Operation) and not operation.messages:
            # Read without asking the database: what is shown has to be what stands.
            if await asyncio.to_thread(self._engine.refresh):
                return read()
        return found

    async def _response(self, found: Operation | Many, origin: str, caller: Caller) -> tuple[Response, bool]:
        """The response, and whether it takes long to write."""
        if isinstance(found, Operation):
            response, results = await self._single(found, caller)
            return response, not found.messages or any(map(_large, results))
        if found.together:
            return await self._transaction(found, origin, caller), True
        return await self._multiple(found, origin, caller), True

    async def _single(self, operation: Operation, caller: Caller) -> tuple[Response, Sequence[Result]]:
        results = await self._lanes.run(Job(operation.messages, caller, operation.options))
        if operation.then is not None:
            operation = operation.then(results)
            results = await self._lanes.run(Job(operation.messages, caller, operation.options))
        return operation.render(results), results

    async def _nested(self, request: Element, origin: str) -> Operation:
        found = await self._decoded(lambda: decode_request(request, self.context(origin), nested=True))
        if not isinstance(found, Operation):
            raise TypeError("requests among requests are refused")
        return found

    async def _multiple(self, many: Many, origin: str, caller: Caller) -> Response:
        """Requests one by one, each with a transaction of its own."""
        items: list[Item] = []
        for index, request in enumerate(many.requests):
            # Others have their turn between the requests.
            await asyncio.sleep(0)
            try:
                response, _ = await self._single(await self._nested(request, origin), caller)
            except Exception as error:  # noqa: BLE001 - a request's failure is its answer
                values = fault_values(self._known(error), activity=new_id(), now=self._now())
                items.append(Item(index=index, fault=values))
                if not many.continue_on_error:
                    break
            else:
                items.append(Item(index=index, response=response))
        return multiple_response(items, return_responses=many.return_responses)

    async def _transaction(self, many: Many, origin: str, caller: Caller) -> Response:
        """Requests in one transaction: all of them, or none and the fault of the one that failed."""
        operations: list[Operation] = []
        messages: list[Message] = []
        owners: list[int] = []
        for index, request in enumerate(many.requests):
            try:
                operation = await self._nested(request, origin)
                if operation.then is not None:
                    raise fault("NotSupported", feature="Such a request in a transaction")
            except Fault as error:
                raise _InTransaction(error, index) from error
            operations.append(operation)
            messages += operation.messages
            owners += [index] * len(operation.messages)
        try:
            results = await self._lanes.run(Job(messages, caller, many.options)) if messages else []
        except Fault as error:
            if error.index is None:
                raise
            raise _InTransaction(error, owners[error.index]) from error
        responses, start = [], 0
        for operation in operations:
            end = start + len(operation.messages)
            responses.append(operation.render(results[start:end]))
            start = end
        return transaction_response(responses, return_responses=many.return_responses)


class _InTransaction(Exception):
    """The failure of the request at a place in a transaction."""

    def __init__(self, cause: Fault, index: int) -> None:
        super().__init__(cause.message)
        self.cause = cause
        self.index = index


def soap_version(headers: Mapping[str, str]) -> str:
    """The version of SOAP that a request says it is."""
    return SOAP12 if "application/soap+xml" in headers.get("content-type", "").lower() else SOAP11


def _large(result: Result) -> bool:
    page = result.page if result.page is not None else getattr(result.value, "page", None)
    return page is not None and len(page.rows) > MAX_INLINE_ROWS


def _parts(envelope: Envelope, action: str, pieces: Iterator[Piece]) -> Iterator[bytes]:
    """The answer in parts of some size."""
    held, size = [open_(envelope.version, envelope.message_id, action).encode()], 0
    for piece in pieces:
        held.append(piece if isinstance(piece, bytes) else piece.encode())
        size += len(piece)
        if size >= PART:
            yield b"".join(held)
            held, size = [], 0
    held.append(close().encode())
    yield b"".join(held)
