"""What stands before the server: it notes requests, lets faults happen, and answers the admin plane."""

import asyncio
import re
import time
from collections.abc import Awaitable, Mapping
from contextlib import suppress
from typing import Any

import msgspec
import structlog

from orgstead.config import Config
from orgstead.engine.ids import new_id
from orgstead.errors import Fault
from orgstead.server.asgi import COMMON, CORS, Application
from orgstead.server.callers import Callers
from orgstead.server.crm import crm_base
from orgstead.server.finops import is_finance
from orgstead.server.http import (
    Receive,
    Scope,
    Send,
    headers_of,
    origin_of,
    read_body,
    send_answer,
)
from orgstead.server.plane.answers import Call, Refused, refusal
from orgstead.server.plane.guard import Guard
from orgstead.server.plane.injection import Rule
from orgstead.server.plane.plane import Plane
from orgstead.server.plane.requests import Note
from orgstead.server.plane.routes import PLANE, find_route, read_query
from orgstead.wire.crm.errors import failure as crm_failure
from orgstead.wire.finops.errors import failure as finance_failure
from orgstead.wire.odata.response import failure
from orgstead.wire.odatav4.reply import dump

__all__ = ["Watched"]

log = structlog.get_logger()

PROBES = frozenset({"/healthz", "/readyz"})
MAX_BODY = 64 * 1024
DROP = "orgstead.drop"
_ERROR_CODE = re.compile(rb"<ErrorCode>(-?\d{1,10})</ErrorCode>")


class Watched:
    """An application with its admin plane."""

    def __init__(
        self, inner: Application, plane: Plane, guard: Guard, callers: Callers, config: Config
    ) -> None:
        self._inner = inner
        self._plane = plane
        self._guard = guard
        self._callers = callers
        self._config = config
        self._trusted = frozenset(config.trusted_proxies)
        self.background = inner.background
        self.limits = inner.limits
        self.stop = inner.stop

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http" or scope["path"] in PROBES:
            await self._inner(scope, receive, send)
            return
        if scope["path"].startswith(PLANE[:-1]) and scope["path"][len(PLANE) - 1 :][:1] in ("", "/"):
            await self._steer(scope, receive, send)
            return
        plane = self._plane
        note = Note(plane.clock(), scope["method"], scope["raw_path"], scope["query_string"])
        scope["orgstead"] = note
        began = time.perf_counter()

        def tell(message: Any) -> Awaitable[None]:
            if note.status == 0:
                note.status = message["status"]
            elif note.status >= 400 and note.code is None:
                note.code = _code(message.get("body", b""))
            return send(message)

        try:
            if plane.injection.active:
                await self._disturbed(scope, receive, tell, note)
            else:
                await self._pass(scope, receive, tell, note)
        finally:
            note.leave()
            seconds = time.perf_counter() - began
            note.milliseconds = 1000 * seconds
            plane.requests.add(note)
            plane.metrics.note(note.method, note.status, seconds)

    async def _pass(self, scope: Scope, receive: Receive, send: Send, note: Note) -> None:
        gate = self._plane.gate
        if gate.closed:
            await gate.opened()
        note.enter(gate)
        await self._inner(scope, receive, send)

    # -- faults on purpose ---------------------------------------------------------------------------------------
    async def _disturbed(self, scope: Scope, receive: Receive, send: Send, note: Note) -> None:
        path = note.path.decode("latin-1")
        rule = await self._rule(scope, path)
        if rule is None:
            await self._pass(scope, receive, send, note)
            return
        note.injected = rule.id
        if rule.asked.latency:
            await asyncio.sleep(rule.asked.latency)
        if rule.asked.drop == "after":

            async def swallow(message: Any) -> None:
                return None

            await self._pass(scope, receive, swallow, note)
        if rule.asked.drop is not None:
            await _drop(scope, receive)
            return
        given = rule.failure()
        if given is None:
            await self._pass(scope, receive, send, note)
            return
        error, headers = given
        if path.startswith("/api/") or is_finance(path):
            identifier = note.request_id = new_id()
            reply = finance_failure(error) if is_finance(path) else failure(error)
            own = (*COMMON, *CORS, ("x-ms-service-request-id", identifier), ("REQ_ID", identifier))
            await send_answer(send, reply.status, (*reply.headers, *headers, *own), reply.body)
            return
        if crm_base(self._config, path) is not None:
            identifier = note.request_id = new_id()
            refused = crm_failure(error)
            told = (*refused.headers, *headers, *COMMON, ("x-ms-request-id", identifier))
            await send_answer(send, refused.status, told, refused.body)
            return
        if seconds := dict(headers).get("Retry-After"):
            error.details["Retry-After"] = seconds
        envelope = self._inner.injected(scope, path, error)
        if envelope is not None:
            identifier = note.request_id = new_id()
            told = (("Content-Type", envelope.content_type), ("x-ms-service-request-id", identifier))
            await send_answer(send, envelope.status, (*told, *COMMON, *headers), envelope.body)
            return
        # Elsewhere it is the authorization server that fails: https://www.rfc-editor.org/rfc/rfc6749#section-5.2
        said = {
            "error": "temporarily_unavailable"
            if error.status >= 500 or error.status == 429
            else "invalid_request",
            "error_description": error.message,
        }
        kind = (("Content-Type", "application/json"), ("Cache-Control", "no-store"))
        await send_answer(send, error.status, (*kind, *headers), dump(said))

    async def _rule(self, scope: Scope, path: str) -> Rule | None:
        tables = self._plane.engine.schema.tables

        def segment(name: str) -> str:
            table = tables.get(name)
            return name if table is None or table.entity_set is None else table.entity_set

        fitting = [rule for rule in self._plane.injection.active if rule.fits(scope["method"], path, segment)]
        if any(rule.asked.user is not None for rule in fitting):
            user = await self._user(scope)
            fitting = [rule for rule in fitting if rule.asked.user is None or rule.asked.user.lower() == user]
        return self._plane.injection.strike(fitting)

    async def _user(self, scope: Scope) -> str | None:
        """Who asks; None when that cannot be told."""
        with suppress(Fault):
            headers = headers_of(scope)
            origin = origin_of(scope, headers, base_url=self._config.base_url, trusted=self._trusted)
            found = await self._callers.find(headers.get("authorization"), self._inner.audiences(origin))
            return (await self._callers.acting(found, headers)).user_id
        return None

    # -- the plane -----------------------------------------------------------------------------------------------
    async def _steer(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            answer = await self._answer(scope, receive)
        except ConnectionResetError:
            return
        except Refused as error:
            answer = refusal(error)
        except Fault as error:
            hint = f" {error.hint}" if error.hint else ""
            answer = refusal(Refused(error.status, error.name, error.message + hint))
        except Exception as error:
            log.error("the admin plane failed", exc_info=error)
            answer = refusal(Refused(500, "unexpected", "The admin plane failed; the server's log says why."))
        body = b"" if scope["method"] == "HEAD" else answer.body
        await send_answer(send, answer.status, answer.headers, body)

    async def _answer(self, scope: Scope, receive: Receive) -> Any:
        headers = headers_of(scope)
        self._guard.check(self._origins(scope, headers), headers)
        found, places = find_route(scope["method"], scope["path"][len(PLANE) :])
        body = await read_body(receive, headers, MAX_BODY) if found.method in ("POST", "PUT") else b""
        if body and "content-type" not in headers:
            raise Refused(415, "not_json", "The admin plane takes bodies of the type application/json.")
        return await found.run(self._plane, Call(places, read_query(scope["query_string"]), body))

    def _origins(self, scope: Scope, headers: Mapping[str, str]) -> tuple[str, ...]:
        """Where a page of this server's own comes from."""
        seen = origin_of(scope, headers, base_url=self._config.base_url, trusted=self._trusted)
        return seen, f"{scope['scheme']}://{headers.get('host', '')}"


async def _drop(scope: Scope, receive: Receive) -> None:
    """End the connection without an answer. Raises ConnectionAbortedError where that cannot be done."""
    extension = scope.get("extensions", {}).get(DROP)
    if extension is None:
        raise ConnectionAbortedError("dropped on purpose")
    extension["abort"]()
    while (await receive())["type"] != "http.disconnect":
        pass


def _code(body: bytes) -> str | None:
    """The code, or the kind, in the body of a failure, of an OData or SOAP service or of the authorization server."""
    if told := _ERROR_CODE.search(body):
        return f"0x{int(told[1]) & 0xFFFFFFFF:08x}"
    try:
        error = msgspec.json.decode(body)["error"]
        code = error["code"] or error["innererror"]["type"] if isinstance(error, dict) else error
    except (msgspec.DecodeError, KeyError, TypeError, UnicodeDecodeError):
        return None
    return code[:100] if isinstance(code, str) else None
