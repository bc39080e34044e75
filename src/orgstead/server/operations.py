"""Requests of an OData service through the engine: one by one, in batches, in change sets. What differs from service
to service, reading requests and showing failures, is for those who derive from ``Operations``.
"""

import asyncio
from abc import ABC, abstractmethod
from bisect import bisect_right
from collections.abc import Callable, Mapping, Sequence
from http import HTTPStatus
from typing import Generic, Protocol, TypeVar
from urllib.parse import urlsplit

from orgstead.engine.context import Caller
from orgstead.engine.ids import new_id
from orgstead.engine.job import Job
from orgstead.engine.pipeline import Engine
from orgstead.errors import Fault, fault
from orgstead.model.messages import Message, Options, Result
from orgstead.model.plan import Plan, width
from orgstead.server.callers import IMPERSONATION
from orgstead.server.lanes import Lanes
from orgstead.wire.odatav4.batch import Answer, ChangeSet, Part, read_batch, write_batch
from orgstead.wire.odatav4.prefer import parse_prefer
from orgstead.wire.odatav4.reply import VERSION, Operation, Reply

__all__ = ["Asked", "Operations", "own_address"]

# Values that are written on the event loop: some milliseconds.
MAX_INLINE_CELLS = 60_000
ANNOTATED = 6


class Asked(Protocol):
    """What a request of any service has."""

    @property
    def method(self) -> str:
        """The method, in capitals."""

    @property
    def query(self) -> str:
        """The query string, still percent-encoded."""

    @property
    def headers(self) -> Mapping[str, str]:
        """The headers, by lower-case names."""

    @property
    def body(self) -> bytes:
        """The body."""


R = TypeVar("R", bound=Asked)
Read = TypeVar("Read")


class Operations(ABC, Generic[R]):
    """Runs the requests of one service."""

    def __init__(self, engine: Engine, lanes: Lanes) -> None:
        self._engine = engine
        self._lanes = lanes

    @property
    def engine(self) -> Engine:
        """What it asks."""
        return self._engine

    @abstractmethod
    async def decoded(self, request: R) -> Operation:
        """The operation that a request asks for."""

    @abstractmethod
    def failed(self, error: Exception, request: R | None, headers: Mapping[str, str]) -> Reply:
        """The answer that a failure is, of a request or (None) of what made none; ``headers`` are the request's."""

    @abstractmethod
    def part_of(self, part: Part, batch: R, pending: Mapping[str, tuple[int, str]]) -> R:
        """A part of a batch as a request of its own."""

    async def read_anew(self, read: Callable[[], Read]) -> Read:
        """What ``read`` makes of a request. What is unknown may have been made by another process a moment ago."""
        try:
            return read()
        except Fault as error:
            if error.status not in (400, 404) or not await asyncio.to_thread(self._engine.refresh):
                raise
        return read()

    async def single(self, request: R, caller: Caller) -> Reply:
        """Answer one request; raises its fault."""
        operation = await self.decoded(request)
        results = await self._lanes.run(Job(operation.messages, caller, operation.options))
        if operation.then is not None:
            operation = operation.then(results)
            results = await self._lanes.run(Job(operation.messages, caller, operation.options))
        if sum(map(_cells, results)) > MAX_INLINE_CELLS:
            return await asyncio.to_thread(operation.render, results)
        return operation.render(results)

    async def batch(self, request: R, caller: Caller, *, tells: bool) -> Reply:
        """Answer a batch. ``tells``: the status of one that stopped is that of the request that failed."""
        if request.method != "POST":
            raise fault("MethodNotAllowed", method=request.method, resource="$batch")
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
        status = failed if tells and failed and not keep_going else 200
        return Reply(status=status, headers=(("Content-Type", content_type), VERSION), body=body)

    async def _part(self, part: Part, batch: R, caller: Caller) -> Reply:
        request: R | None = None
        try:
            _check_part(part)
            request = self.part_of(part, batch, {})
            return await self.single(request, caller)
        except Exception as error:  # noqa: BLE001 - a part's failure is its answer
            return self.failed(error, request, part.headers)

    async def _change_set(
        self, change_set: ChangeSet, batch: R, caller: Caller
    ) -> tuple[Answer | Sequence[Answer], int]:
        """All of the parts, or none and the answer of the one that failed; with the status."""
        requests: list[R] = []
        operations: list[Operation] = []
        ends: list[int] = []
        pending: dict[str, tuple[int, str]] = {}
        part: Part | None = None
        try:
            messages: list[Message] = []
            for part in change_set.parts:
                _check_part(part)
                requests.append(self.part_of(part, batch, pending))
                operation = await self.decoded(requests[-1])
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
            place = bisect_right(ends, index) if index is not None else len(ends)
            culprit = change_set.parts[place] if index is not None else part
            asked = requests[place] if place < len(requests) else None
            reply = self.failed(error, asked, culprit.headers if culprit is not None else {})
            return _answer(reply, culprit.content_id if culprit is not None else None), reply.status
        return [
            _answer(reply, part.content_id) for reply, part in zip(replies, change_set.parts, strict=True)
        ], 200


def own_address(url: str, base: str) -> tuple[str, str]:
    """Path and query of the address of a part, which has to lead to the host of its batch; raises ResourceNotFound."""
    if url[:8].lower().startswith(("http://", "https://")):
        try:
            parts = urlsplit(url)
        except ValueError:
            raise fault("ResourceNotFound", segment=url[:100]) from None
        if parts.netloc.lower() != urlsplit(base).netloc.lower():
            # A part for another organisation is not for this one.
            raise fault("ResourceNotFound", segment=url[:100])
        url = parts.path + (f"?{parts.query}" if parts.query else "")
    path, _, query = url.partition("?")
    return path, query.partition("#")[0]


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
