"""The door of the connector: files straight to where content lies, then one short transaction.

It counts nobody's requests: the service does not throttle what is enqueued.
https://learn.microsoft.com/dynamics365/fin-ops-core/dev-itpro/data-entities/recurring-integrations
"""

import asyncio
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import quote

import msgspec

from orgstead.config import Config
from orgstead.engine.context import Caller
from orgstead.engine.ids import new_id
from orgstead.engine.job import Job
from orgstead.engine.pipeline import Engine
from orgstead.errors import Fault, fault
from orgstead.model.content import Content
from orgstead.model.messages import Execute
from orgstead.server.callers import Callers
from orgstead.server.http import (
    Receive,
    Scope,
    Send,
    body_parts,
    read_body,
    send_answer,
    send_parts,
    send_stream,
)
from orgstead.server.lanes import Lanes
from orgstead.server.soap import Origin
from orgstead.wire.finops.connector import (
    ConnectorRequest,
    acknowledged,
    answer_of_dequeue,
    owns,
    read_address,
    sent_headers,
)
from orgstead.wire.finops.error_file import error_columns, error_lines
from orgstead.wire.odata.response import failure

__all__ = ["ConnectorDoor"]

COMMON = (("X-Content-Type-Options", "nosniff"), ("Cache-Control", "no-store"))
JSON = (("Content-Type", "application/json; charset=utf-8"),)
PIECE_BYTES = 4 * 1024 * 1024
MAX_ACK = 64 * 1024


class ConnectorDoor:
    """Lets the applications of recurring data jobs exchange files."""

    def __init__(self, config: Config, engine: Engine, lanes: Lanes, callers: Callers) -> None:
        self._config = config
        self._engine = engine
        self._lanes = lanes
        self._callers = callers

    def owns(self, path: str) -> bool:
        """Whether a request to this path comes here."""
        return owns(path)

    async def answer(
        self, scope: Scope, receive: Receive, send: Send, raw: str, headers: Mapping[str, str], origin: Origin
    ) -> None:
        """Answer one request."""
        extra = [*COMMON, ("x-ms-service-request-id", new_id())]
        try:
            asked = read_address(scope["method"], raw, scope["query_string"].decode("latin-1"))
            caller, application = await self._callers.with_application(
                headers.get("authorization"), origin.audiences
            )
            if "orgstead" in scope:
                scope["orgstead"].user = caller.user_id
            await self._answer(asked, receive, send, headers, caller, application, origin.address, extra)
        except Fault as error:
            if error.name == "Unauthenticated":
                extra.append(("WWW-Authenticate", origin.challenge(error)))
            reply = failure(error)
            await send_answer(send, reply.status, (*reply.headers, *extra), reply.body)

    async def _answer(
        self,
        asked: ConnectorRequest,
        receive: Receive,
        send: Send,
        headers: Mapping[str, str],
        caller: Caller,
        application: str,
        address: str,
        extra: list[tuple[str, str]],
    ) -> None:
        given = {"Job": asked.id, "Application": application}
        match asked.verb:
            case "enqueue":
                id = await self._enqueue(asked, receive, headers, caller, given)
                await send_answer(send, 200, (*JSON, *extra), msgspec.json.encode(id))
            case "dequeue":
                lent = await self._run(caller, "DequeueDataMessage", given)
                if lent is None:
                    await send_answer(send, 204, extra, b"")
                    return
                await send_answer(send, 200, (*JSON, *extra), answer_of_dequeue(lent, asked.id, address))
            case "ack":
                body = await read_body(receive, headers, MAX_ACK)
                (result,) = await self._lanes.run(Job((acknowledged(body, asked.id, application),), caller))
                await send_answer(send, 200, (*JSON, *extra), msgspec.json.encode(result.value))
            case "download":
                given["CorrelationId"] = asked.query.get("correlation-id", "")
                await self._send(send, await self._run(caller, "OpenDataDownload", given), extra)
            case "file":
                content = await self._run(caller, "OpenDataMessageFile", {"MessageId": asked.id})
                await self._send(send, content, extra)
            case _:
                await self._send_errors(send, caller, asked.id, extra)

    async def _run(self, caller: Caller, name: str, parameters: Mapping[str, Any]) -> Any:
        (result,) = await self._lanes.run(Job((Execute(name=name, parameters=parameters),), caller))
        return result.value

    async def _enqueue(
        self,
        asked: ConnectorRequest,
        receive: Receive,
        headers: Mapping[str, str],
        caller: Caller,
        given: Mapping[str, Any],
    ) -> str:
        """Write a file that comes in, and note it once it is there; what fails between leaves no row behind."""
        given = {**given, "Entity": asked.query.get("entity"), "Company": asked.query.get("company")}
        brought = sent_headers(headers)
        limit = self._config.connector_max_bytes
        length = headers.get("content-length", "")
        if length.isdigit() and int(length) > limit:
            raise fault("PayloadTooLarge", limit=limit)
        # Before the first byte is kept for somebody who may not send it.
        await self._run(caller, "AdmitDataMessage", given)
        pieces: list[tuple[str, int]] = []
        size = 0
        blobs = self._engine.blobs
        try:
            async for part in body_parts(receive, PIECE_BYTES):
                size += len(part)
                if size > limit:
                    raise fault("PayloadTooLarge", limit=limit)
                key = new_id()
                pieces.append((key, len(part)))
                await asyncio.to_thread(blobs.put, key, part)
            parameters = {**given, **brought, "Name": asked.query.get("filename"), "Pieces": pieces}
            id: str = await self._run(caller, "EnqueueDataMessage", parameters)
        except Fault:
            for key, _ in pieces:
                await asyncio.to_thread(blobs.delete, key)
            raise
        return id

    async def _send_errors(self, send: Send, caller: Caller, id: str, extra: list[tuple[str, str]]) -> None:
        parts = self._errors(caller, id)
        name, first = await asyncio.to_thread(next, parts)
        headers = (
            ("Content-Type", "text/csv; charset=utf-8"),
            (
                "Content-Disposition",
                f"attachment; filename*=UTF-8''{quote(f'errors of {name}.csv', safe='')}",
            ),
            *extra,
        )
        await send_parts(send, 200, headers, first, (part for _, part in parts))

    def _errors(self, caller: Caller, id: str) -> Iterator[tuple[str, bytes]]:
        """The name of a message's file, and lines of what is wrong with it, a page at a time."""
        place: Any = None
        columns: list[str] = []
        more = True
        while more:
            parameters = {"MessageId": id, "After": place}
            (result,) = self._engine.run(
                [Execute(name="ListDataMessageErrors", parameters=parameters)], caller
            )
            page = result.value
            first = place is None
            if first:
                columns = error_columns(page)
            yield page["Name"] or "", error_lines(page, columns, first=first)
            place = page["Next"]
            more = place is not None

    async def _send(self, send: Send, content: Content, extra: list[tuple[str, str]]) -> None:
        parts: Iterator[bytes] = content.chunks(0, content.size)
        first = await asyncio.to_thread(next, parts, None)
        headers = (
            ("Content-Type", content.mime),
            ("Content-Disposition", f"attachment; filename*=UTF-8''{quote(content.name, safe='')}"),
            *extra,
        )
        await send_stream(send, 200, headers, first, parts, content.size)
