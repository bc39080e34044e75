"""The door of Finance and Operations: data entities at ``/data``, their descriptions at ``/metadata``.

https://learn.microsoft.com/dynamics365/fin-ops-core/dev-itpro/data-entities/odata
"""

import asyncio
from collections.abc import Mapping
from dataclasses import replace
from functools import partial

import structlog

from orgstead.config import Config
from orgstead.engine.context import Caller
from orgstead.engine.ids import new_id
from orgstead.engine.pipeline import Engine
from orgstead.errors import Fault, fault
from orgstead.model.schema import Schema
from orgstead.server.blobs import BlobDoor
from orgstead.server.callers import Callers
from orgstead.server.http import Receive, Scope, Send, read_body, send_answer
from orgstead.server.lanes import Lanes
from orgstead.server.observed import Unsupported
from orgstead.server.operations import Operations, own_address
from orgstead.server.soap import Origin
from orgstead.server.visits import LEFT, Visit
from orgstead.wire.finops.decode import decode
from orgstead.wire.finops.descriptions import describe
from orgstead.wire.finops.errors import failure
from orgstead.wire.finops.names import NAMESPACE, Names
from orgstead.wire.finops.request import Request
from orgstead.wire.odatav4.batch import Part
from orgstead.wire.odatav4.reply import Operation, Reply

__all__ = ["FinanceDoor", "FinanceOperations", "is_finance"]

log = structlog.get_logger()

DATA, METADATA = "/data", "/metadata"
COMMON = (("X-Content-Type-Options", "nosniff"), ("Cache-Control", "no-cache"))
# Headers of a batch that hold for the requests in it.
INHERITED = frozenset({"accept", "odata-maxversion", "odata-version"})


def is_finance(path: str) -> bool:
    """Whether a path is one of data entities: its first word in any case, what follows in its own."""
    head = path[1:].partition("/")[0].lower()
    return path.startswith("/") and f"/{head}" in (DATA, METADATA)


class FinanceOperations(Operations[Request]):
    """Answers requests for data entities."""

    def __init__(self, engine: Engine, lanes: Lanes, unsupported: Unsupported) -> None:
        super().__init__(engine, lanes)
        self._unsupported = unsupported
        self._actions = engine.registry.signatures(entities=True)
        self._names = Names(engine.schema, self._actions)

    def names(self, schema: Schema) -> Names:
        """The names of the current schema."""
        if self._names.schema is not schema:
            self._names = Names(schema, self._actions)
        return self._names

    async def answer(self, request: Request, caller: Caller, *, described: bool) -> Reply:
        """Answer one request, or (``described``) one for descriptions; every failure is an answer, too."""
        try:
            if described:
                # Read without asking the database: what is shown has to be what stands.
                await asyncio.to_thread(self._engine.refresh)
                return await asyncio.to_thread(describe, request, self.names(self._engine.schema))
            if request.path.strip("/") == "$batch":
                return await self.batch(request, caller, tells=False)
            return await self.single(request, caller)
        except Exception as error:  # noqa: BLE001 - the last line: nothing leaves as a bare 500
            return self.failed(error, request, request.headers)

    async def decoded(self, request: Request) -> Operation:
        """The operation of a request."""
        if request.path.strip("/") in ("", "$metadata"):
            await asyncio.to_thread(self._engine.refresh)
            return await asyncio.to_thread(self._decode, request)
        return await self.read_anew(lambda: self._decode(request))

    def _decode(self, request: Request) -> Operation:
        return decode(request, self.names(self._engine.schema))

    def failed(self, error: Exception, request: Request | None, headers: Mapping[str, str]) -> Reply:
        """The answer that a failure is."""
        if not isinstance(error, Fault):
            log.error("unexpected failure", exc_info=error)
            error = fault("Unexpected")
        self._unsupported.note(error)
        if request is None:
            return failure(error)
        collection = request.path.strip("/").partition("/")[0].partition("(")[0].partition("%28")[0]
        if collection.startswith("$") and collection[1:] in request.pending:
            collection = request.pending[collection[1:]][1]
        entity = self._names.entities.get(collection)
        # An action writes no row of its data entity.
        target = entity.target if entity is not None and NAMESPACE not in request.path else None
        return failure(error, method=request.method, address=request.address, target=target)

    def part_of(self, part: Part, batch: Request, pending: Mapping[str, tuple[int, str]]) -> Request:
        """A part as a request of its own; its address may begin at the host or at the service."""
        path, query = own_address(part.url, batch.base)
        if path.startswith("/"):
            head, _, path = path[1:].partition("/")
            if head.lower() != "data":
                raise fault("ResourceNotFound", segment=part.url[:100])
        inherited = {name: value for name, value in batch.headers.items() if name in INHERITED}
        inherited.pop("accept", None) if "multipart" in inherited.get("accept", "") else None
        return replace(
            batch,
            method=part.method,
            path=path,
            query=query,
            headers={**inherited, **part.headers},
            body=part.body,
            pending=dict(pending),
            in_batch=True,
        )


class FinanceDoor:
    """HTTP around ``/data`` and ``/metadata``."""

    def __init__(
        self, config: Config, callers: Callers, operations: FinanceOperations, blobs: BlobDoor
    ) -> None:
        self._config = config
        self._blobs = blobs
        self._callers = callers
        self._operations = operations

    def owns(self, path: str) -> bool:
        """Whether a request to this path comes here."""
        return is_finance(path)

    async def answer(
        self,
        scope: Scope,
        receive: Receive,
        send: Send,
        raw: str,
        headers: Mapping[str, str],
        origin: Origin,
        visit: Visit,
    ) -> None:
        """Answer one request."""
        identifier = new_id()
        extra = [*COMMON, ("x-ms-request-id", identifier), ("Request-Id", identifier)]
        if "orgstead" in scope:
            scope["orgstead"].request_id = identifier
        try:
            reply = await self._reply(scope, receive, raw, headers, origin, visit, extra)
        except Fault as error:
            if error.name == "Unauthenticated":
                extra.append(("WWW-Authenticate", origin.challenge(error)))
            reply = failure(error, method=scope["method"], address=f"{origin.address}{raw}")
        visit.end()
        shown = [pair for pair in extra if pair[0] not in LEFT]
        await send_answer(send, reply.status, (*reply.headers, *shown), reply.body)

    async def _reply(
        self,
        scope: Scope,
        receive: Receive,
        raw: str,
        headers: Mapping[str, str],
        origin: Origin,
        visit: Visit,
        extra: list[tuple[str, str]],
    ) -> Reply:
        head, _, path = raw[1:].partition("/")
        caller = await self._callers.find(headers.get("authorization"), origin.audiences)
        visit.enter(caller, extra)
        caller = await self._callers.acting(caller, headers)
        if "orgstead" in scope:
            scope["orgstead"].user = caller.user_id
        limit = self._config.max_batch_bytes if path.startswith("$batch") else self._config.max_body_bytes
        body = b"" if scope["method"] in ("GET", "DELETE") else await read_body(receive, headers, limit)
        visit.begin()
        request = Request(
            method=scope["method"],
            path=path,
            query=scope["query_string"].decode("latin-1"),
            headers=headers,
            body=body,
            base=f"{origin.address}/{head.lower()}/",
            company=caller.company,
            new_id=new_id,
            link=partial(self._blobs.address, origin.address),
        )
        return await self._operations.answer(request, caller, described=head.lower() == "metadata")
