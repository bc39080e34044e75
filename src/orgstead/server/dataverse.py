"""The adapter of the Web API: bytes in, operations through the engine, bytes out."""

import asyncio
from bisect import bisect_right
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import replace
from http import HTTPStatus
from urllib.parse import parse_qsl, urlsplit

import structlog

from orgstead.engine.context import Caller
from orgstead.engine.ids import new_id
from orgstead.engine.job import Job
from orgstead.engine.pipeline import Engine
from orgstead.errors import Fault, fault
from orgstead.model.apis import signature_of
from orgstead.model.messages import Message, Options, Result, Signature
from orgstead.model.plan import Plan, width
from orgstead.model.schema import Schema
from orgstead.model.types import is_guid
from orgstead.server.callers import IMPERSONATION
from orgstead.server.lanes import Lanes
from orgstead.server.observed import Unsupported
from orgstead.server.uploads import receive_upload
from orgstead.wire.odata.decode import decode
from orgstead.wire.odata.files import Upload, read_upload
from orgstead.wire.odata.headers import check_headers
from orgstead.wire.odata.names import Names
from orgstead.wire.odata.request import Request
from orgstead.wire.odata.response import failure
from orgstead.wire.odatav4.batch import Answer, ChangeSet, Part, read_batch, write_batch
from orgstead.wire.odatav4.prefer import parse_prefer
from orgstead.wire.odatav4.reply import VERSION, Operation, Reply

__all__ = ["VERSIONS", "Dataverse"]

log = structlog.get_logger()

VERSIONS = frozenset({"v9.0", "v9.1", "v9.2"})
ABOUT_DEFINITIONS = (
    "EntityDefinitions",
    "RelationshipDefinitions",
    "GlobalOptionSetDefinitions",
    "RetrieveMetadataChanges",
    "$metadata",
)
# Values that are written on the event loop: some milliseconds.
MAX_INLINE_CELLS = 60_000
# Headers of a batch that hold for the requests in it.
INHERITED = frozenset({"mscrm.solutionuniquename", "mscrm.suppresscallbackregistrationexpanderjob"})
ANNOTATED = 6
WHOLE = "@Microsoft.PowerApps.CDS.ErrorDetails"


class Dataverse:
    """Answers requests below ``/api/data/v9.x/``."""

    def __init__(self, engine: Engine, lanes: Lanes, unsupported: Unsupported) -> None:
        self._engine = engine
        self._lanes = lanes
        self._unsupported = unsupported
        self._names = Names(engine.schema)
        self._shipped: Mapping[str, Signature] = {
            name: handler.signature
            for name, handler in engine.registry.handlers.items()
            if handler.signature is not None
        }
        self._signatures = {**self._shipped, **_custom(engine.schema)}

    @property
    def engine(self) -> Engine:
        """What it asks."""
        return self._engine

    @property
    def unsupported(self) -> Unsupported:
        """What was asked for in vain."""
        return self._unsupported

    def names(self, schema: Schema) -> Names:
        """The name tables of the current schema."""
        if self._names.schema is not schema:
            self._names = Names(schema)
            self._signatures = {**self._shipped, **_custom(schema)}
        return self._names

    async def answer(
        self,
        method: str,
        path: str,
        query: str,
        headers: Mapping[str, str],
        body: bytes,
        base: str,
        caller: Caller,
    ) -> Reply:
        """Answer one request; every failure is an answer, too."""
        request = Request(
            method=method,
            path=path,
            query=query,
            headers=headers,
            body=body,
            base=base,
            signatures=self._signatures,
            new_id=new_id,
        )
        try:
            if path.strip("/") == "$batch":
                return await self._batch(request, caller)
            return await self._single(request, caller)
        except Exception as error:  # noqa: BLE001 - the last line: nothing leaves as a bare 500
            return self._failed(error, headers)

    def upload(
        self, method: str, path: str, query: str, headers: Mapping[str, str], base: str
    ) -> Upload | None:
        """The upload that a request is, known before its body is read; raises faults for one that cannot be."""
        if method != "PATCH" or "/" not in path.strip("/") or path.startswith(ABOUT_DEFINITIONS):
            return None
        request = Request(
            method=method,
            path=path,
            query=query,
            headers=headers,
            body=b"",
            base=base,
            signatures=self._signatures,
            new_id=new_id,
        )
        return read_upload(request, self.names(self._engine.schema))

    def picture(self, query: str) -> tuple[str, str]:
        """Path and query of the column that an address of an image names; raises ResourceNotFound.

        https://learn.microsoft.com/power-apps/developer/data-platform/image-column-data#download-url
        """
        given = {name.lower(): value for name, value in parse_qsl(query)}
        table = self._engine.schema.tables.get(given.get("entity", "").lower())
        id, column = given.get("id", "").lower(), given.get("attribute", "").lower()
        if (
            table is None
            or not is_guid(id)
            or column not in table.columns
            or table.columns[column].type != "image"
        ):
            raise fault("ResourceNotFound", segment="download.aspx")
        full = given.get("full", "").lower() == "true"
        return f"{table.entity_set}({id})/{column}/$value", "size=full" if full else ""

    async def receive(
        self, upload: Upload, parts: AsyncIterator[bytes], headers: Mapping[str, str], caller: Caller
    ) -> Reply:
        """Take an upload; every failure is an answer, too."""
        try:
            return await receive_upload(self._lanes, caller, upload, parts)
        except ConnectionResetError:
            raise
        except Exception as error:  # noqa: BLE001 - the last line: nothing leaves as a bare 500
            return self._failed(error, headers)

    async def _single(self, request: Request, caller: Caller) -> Reply:
        operation = await self._decoded(request)
        results = await self._lanes.run(Job(operation.messages, caller, operation.options))
        if operation.then is not None:
            operation = operation.then(results)
            results = await self._lanes.run(Job(operation.messages, caller, operation.options))
        if sum(map(_cells, results)) > MAX_INLINE_CELLS:
            return await asyncio.to_thread(operation.render, results)
        return operation.render(results)

    async def _decoded(self, request: Request) -> Operation:
        """The operation. What is unknown may have been made by another process a moment ago."""
        if request.path.strip("/").startswith(ABOUT_DEFINITIONS):
            # Read without asking the database: what is shown has to be what stands.
            await asyncio.to_thread(self._engine.refresh)
            # The answer is made while the request is read, and it can be large.
            return await asyncio.to_thread(self._decode, request)
        try:
            return self._decode(request)
        except Fault as error:
            if error.status not in (400, 404) or not await asyncio.to_thread(self._engine.refresh):
                raise
        return self._decode(request)

    def _decode(self, request: Request) -> Operation:
        names = self.names(self._engine.schema)
        if request.signatures is not self._signatures:
            request = replace(request, signatures=self._signatures)
        return decode(request, names)

    def _failed(self, error: Exception, headers: Mapping[str, str]) -> Reply:
        if not isinstance(error, Fault):
            log.error("unexpected failure", exc_info=error)
            error = fault("Unexpected")
        self._unsupported.note(error)
        try:
            annotations = parse_prefer(headers.get("prefer", "")).wants(WHOLE)
        except Fault:
            annotations = False
        return failure(error, annotations=annotations)

    # -- batches -------------------------------------------------------------------------------------------------
    async def _batch(self, request: Request, caller: Caller) -> Reply:
        if request.method != "POST":
            raise fault("MethodNotAllowed", method=request.method, resource="$batch")
        check_headers(request.headers, body=False)
        if request.query:
            raise fault("ODataUnsupported", feature=f"The query option {request.query[:100]} on $batch")
        items = read_batch(request.headers.get("content-type", ""), request.body)
        keep_going = parse_prefer(request.headers.get("prefer", "")).continue_on_error
        answers: list[Answer | Sequence[Answer]] = []
        failed = 0
        for item in items:
            # Others have their turn between the parts.
            await asyncio.sleep(0)
            if isinstance(item, ChangeSet):
                answer, status = await self._change_set(item, request, caller)
            else:
                reply = await self._part(item, request, caller)
                answer, status = _answer(reply, item.content_id), reply.status
            answers.append(answer)
            if status >= 400:
                failed = failed or status
                if not keep_going:
                    break
        content_type, body = write_batch(answers)
        # The status of a batch that stopped is that of the request that failed.
        status = failed if failed and not keep_going else 200
        return Reply(status=status, headers=(("Content-Type", content_type), VERSION), body=body)

    async def _part(self, part: Part, batch: Request, caller: Caller) -> Reply:
        try:
            _check_part(part)
            return await self._single(_request(part, batch, {}), caller)
        except Exception as error:  # noqa: BLE001 - a part's failure is its answer
            return self._failed(error, part.headers)

    async def _change_set(
        self, change_set: ChangeSet, batch: Request, caller: Caller
    ) -> tuple[Answer | Sequence[Answer], int]:
        """All of the parts, or none and the answer of the one that failed; with the status."""
        operations: list[Operation] = []
        ends: list[int] = []
        pending: dict[str, tuple[int, str]] = {}
        part: Part | None = None
        try:
            messages: list[Message] = []
            for part in change_set.parts:
                _check_part(part)
                operation = await self._decoded(_request(part, batch, pending))
                if not operation.messages:
                    raise fault("InvalidBatch", message="A change set holds changes only.")
                operations.append(operation)
                messages.extend(operation.messages)
                ends.append(len(messages))
                if part.content_id is not None and operation.table is not None:
                    pending[part.content_id] = (len(messages) - 1, operation.table)
            options = _common([operation.options for operation in operations])
            results: list[Result] = await self._lanes.run(Job(messages, caller, options)) if messages else []
            replies = [
                op.render(results[end - len(op.messages) : end])
                for op, end in zip(operations, ends, strict=True)
            ]
        except Exception as error:  # noqa: BLE001 - a change set's failure is its answer
            index = getattr(error, "index", None)
            culprit = change_set.parts[bisect_right(ends, index)] if index is not None else part
            headers = culprit.headers if culprit is not None else {}
            reply = self._failed(error, headers)
            return _answer(reply, culprit.content_id if culprit is not None else None), reply.status
        return [
            _answer(reply, part.content_id) for reply, part in zip(replies, change_set.parts, strict=True)
        ], 200


def _custom(schema: Schema) -> dict[str, Signature]:
    return {name: signature_of(api) for name, api in schema.apis.items()}


def _cells(result: Result) -> int:
    """How many values a result shows, those with annotations counted as what they cost."""
    page = result.page if result.page is not None else getattr(result.value, "page", None)
    if page is None:
        return 0
    plan: Plan = page.plan
    across = len(plan.outputs) + sum(map(width, plan.nested))
    below = sum(
        len(inner.rows) * len(inner.plan.outputs) for pages in page.children for inner in pages.values()
    )
    return (len(page.rows) * across + below) * (ANNOTATED if page.labels or page.children else 1)


def _check_part(part: Part) -> None:
    """Refuse a part that wants to run as somebody else than its batch; raises ODataUnsupported."""
    for name in IMPERSONATION:
        if part.headers.get(name):
            raise fault("ODataUnsupported", feature=f"The header {name} in a part of a batch")


def _common(options: Sequence[Options]) -> Options:
    """One set of options for a change set: labels if anybody wants them, the first solution named."""
    return Options(
        address=next((each.address for each in options if each.address), ""),
        labels=any(each.labels for each in options),
        solution=next((each.solution for each in options if each.solution), None),
    )


def _request(part: Part, batch: Request, pending: Mapping[str, tuple[int, str]]) -> Request:
    """A part as a request of its own. Headers of the batch hold for its parts unless they say otherwise."""
    url = part.url
    if url[:8].lower().startswith(("http://", "https://")):
        try:
            parts = urlsplit(url)
        except ValueError:
            raise fault("ResourceNotFound", segment=part.url[:100]) from None
        if parts.netloc.lower() != urlsplit(batch.base).netloc.lower():
            # A part for another organisation is not for this one.
            raise fault("ResourceNotFound", segment=part.url[:100])
        url = parts.path + (f"?{parts.query}" if parts.query else "")
    path, _, query = url.partition("?")
    if path.startswith("/"):
        prefix, _, rest = path.partition("/api/data/")
        version, _, path = rest.partition("/")
        if prefix or version not in VERSIONS:
            raise fault("ResourceNotFound", segment=part.url[:100])
    inherited = {name: value for name, value in batch.headers.items() if name in INHERITED}
    return replace(
        batch,
        method=part.method,
        path=path,
        query=query.partition("#")[0],
        headers={**inherited, **part.headers},
        body=part.body,
        pending=dict(pending),
        in_batch=True,
    )


def _answer(reply: Reply, content_id: str | None) -> Answer:
    headers = (
        [*reply.headers, ("x-ms-service-request-id", new_id())] if reply.status >= 400 else reply.headers
    )
    return Answer(
        status=reply.status,
        reason=HTTPStatus(reply.status).phrase,
        headers=headers,
        body=reply.body if reply.stream is None else b"".join(reply.stream()),
        content_id=content_id,
    )
