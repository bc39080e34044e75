"""The ASGI application: which adapter answers which address.

The Web API is dispatched from the raw path, because its addresses are a grammar of their own and its routes
depend on the schema; everything else is a handful of fixed routes.
"""

import asyncio
from collections.abc import Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import replace
from functools import partial
from typing import Any

import structlog

from orgstead.config import Config
from orgstead.engine.context import Caller
from orgstead.engine.ids import new_id
from orgstead.errors import Fault, fault
from orgstead.identity.bearer import InvalidToken, challenge
from orgstead.identity.request import Answer
from orgstead.identity.resources import own_audiences
from orgstead.identity.server import AuthorizationServer
from orgstead.server.admin import Admin
from orgstead.server.agents import AgentDoor
from orgstead.server.blobs import BlobDoor
from orgstead.server.callers import Callers
from orgstead.server.connector import ConnectorDoor
from orgstead.server.crm import CrmDoor
from orgstead.server.dataverse import VERSIONS, Dataverse
from orgstead.server.feed import RETRY_STREAM, Feed, Unanswered, wants_feed
from orgstead.server.finops import FinanceDoor
from orgstead.server.forms import Forms
from orgstead.server.http import (
    Receive,
    Scope,
    Send,
    body_parts,
    headers_of,
    origin_of,
    read_body,
    send_answer,
    send_events,
    send_stream,
)
from orgstead.server.limits import Limits
from orgstead.server.organization import SoapReply
from orgstead.server.soap import Origin, SoapDoor
from orgstead.server.visits import HINT, LEFT, Visit
from orgstead.wire.odata.files import CHUNK_BYTES
from orgstead.wire.odata.response import failure
from orgstead.wire.odatav4.reply import Reply, dump

__all__ = ["COMMON", "CORS", "Application"]

log = structlog.get_logger()

# What runs beside the requests.
Background = AbstractAsyncContextManager[Any]

API = "/api/data/"
PICTURE = "/Image/download.aspx"
MAX_FORM = 64 * 1024
# A page of any origin may call the API: what it may do is in the bearer token that it has to bring, never in a cookie.
# https://learn.microsoft.com/power-apps/developer/data-platform/oauth-cross-origin-resource-sharing-connect-single-page-application
SHOWN = (
    "Preference-Applied, OData-EntityId, OData-Version, Location, ETag, Retry-After, "
    "x-ms-service-request-id, req_id, x-ms-chunk-size, x-ms-file-size, x-ms-file-name, mimetype, Accept-Ranges, "
    f"Content-Range, Content-Disposition, {', '.join((*LEFT, HINT))}"
)
CORS = (("Access-Control-Allow-Origin", "*"), ("Access-Control-Expose-Headers", SHOWN))
ASKED = (
    "Authorization, Content-Type, Accept, Prefer, If-Match, If-None-Match, OData-Version, OData-MaxVersion, "
    "x-ms-client-request-id, MSCRM.SolutionUniqueName, MSCRM.MergeLabels, MSCRM.SuppressDuplicateDetection, "
    "Consistency, Range, Content-Range, x-ms-file-name, x-ms-transfer-mode, MSCRM.BypassCustomPluginExecution, "
    "MSCRM.SuppressCallbackRegistrationExpanderJob"
)
PREFLIGHT = (
    ("Access-Control-Allow-Methods", "GET, POST, PATCH, PUT, DELETE, OPTIONS"),
    ("Access-Control-Allow-Headers", ASKED),
    ("Access-Control-Max-Age", "3600"),
)
COMMON = (("X-Content-Type-Options", "nosniff"), ("Cache-Control", "no-cache"))


class Application:
    """One organisation's server."""

    def __init__(
        self,
        config: Config,
        own_urls: Sequence[str],
        dataverse: Dataverse,
        soap: SoapDoor,
        finance: FinanceDoor,
        agents: AgentDoor,
        connector: ConnectorDoor,
        blobs: BlobDoor,
        crm: CrmDoor,
        authority: AuthorizationServer,
        callers: Callers,
        limits: Limits,
        admin: Admin,
        feed: Feed,
        background: Background,
    ) -> None:
        self._config = config
        self._own_urls = tuple(own_urls)
        self._dataverse = dataverse
        self._soap = soap
        self._finance = finance
        self._agents = agents
        self._connector = connector
        self._blobs = blobs
        self._crm = crm
        self._forms = Forms(dataverse, callers, limits)
        self._authority = authority
        self._callers = callers
        self.limits = limits
        self._admin = admin
        self._feed = feed
        self.background = background
        self._trusted = frozenset(config.trusted_proxies)
        self._signing_in = asyncio.Semaphore(4)
        self._audiences: dict[str, frozenset[str]] = {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request; other kinds of ASGI scopes are refused."""
        if scope["type"] != "http":
            if scope["type"] == "lifespan":
                await self._lifespan(receive, send)
                return
            raise NotImplementedError(scope["type"])
        raw = scope["raw_path"].decode("latin-1")
        try:
            headers = headers_of(scope)
            origin = origin_of(scope, headers, base_url=self._config.base_url, trusted=self._trusted)
            if raw == PICTURE and scope["method"] == "GET":
                path, query = self._dataverse.picture(scope["query_string"].decode("latin-1"))
                raw, scope = f"{API}v9.2/{path}", {**scope, "query_string": query.encode(), "picture": True}
            if raw.startswith(API):
                with Visit(self.limits) as visit:
                    await self._api(scope, receive, send, raw, headers, origin, visit)
            elif self._soap.owns(raw):
                with Visit(self.limits) as visit:
                    await self._soap.answer(scope, receive, send, raw, headers, self._at(origin), visit)
            elif self._connector.owns(raw):
                await self._connector.answer(scope, receive, send, raw, headers, self._at(origin))
            elif self._finance.owns(raw):
                with Visit(self.limits) as visit:
                    await self._finance.answer(scope, receive, send, raw, headers, self._at(origin), visit)
            elif self._crm.owns(raw):
                with Visit(self.limits) as visit:
                    await self._crm.answer(scope, receive, send, raw, headers, self._at(origin), visit)
            elif self._blobs.owns(raw):
                await self._blobs.answer(scope, receive, send, raw, headers)
            elif self._agents.owns(raw):
                await self._agents.answer(self, scope, receive, send, headers, self._at(origin))
            else:
                await self._other(scope, receive, send, raw, headers, origin)
        except ConnectionResetError:
            log.info("client went away", path=raw)
        except Fault as error:
            reply = failure(error)
            await send_answer(send, reply.status, (*reply.headers, *COMMON), reply.body)

    def injected(self, scope: Scope, path: str, error: Fault) -> SoapReply | None:
        """The answer of a SOAP service that fails on purpose; None at the address of something else."""
        return self._soap.injected(path, headers_of(scope), error)

    async def _lifespan(self, receive: Receive, send: Send) -> None:
        """Work in the background for as long as whoever embeds the application says."""
        await receive()
        async with self.background:
            await send({"type": "lifespan.startup.complete"})
            await receive()
        await send({"type": "lifespan.shutdown.complete"})

    async def _api(
        self,
        scope: Scope,
        receive: Receive,
        send: Send,
        raw: str,
        headers: Mapping[str, str],
        origin: str,
        visit: Visit,
    ) -> None:
        version, _, path = raw[len(API) :].partition("/")
        identifier = new_id()
        if "orgstead" in scope:
            scope["orgstead"].request_id = identifier
        extra = [*COMMON, *CORS, ("x-ms-service-request-id", identifier), ("REQ_ID", identifier)]
        if "x-ms-client-request-id" in headers:
            extra.append(("x-ms-client-request-id", headers["x-ms-client-request-id"][:100]))
        if scope["method"] == "OPTIONS" and "access-control-request-method" in headers:
            await send_answer(send, 204, (*PREFLIGHT, *extra), b"")
            return
        try:
            if version not in VERSIONS:
                raise fault("ResourceNotFound", segment=version[:100])
            caller = await self._callers.find(headers.get("authorization"), self.audiences(origin))
            visit.enter(caller, extra)
            caller = await self._callers.acting(caller, headers)
            if "orgstead" in scope:
                scope["orgstead"].user = caller.user_id
            if wants_feed(scope["method"], headers):
                # Streams stay for hours, and have a bound of their own.
                visit.leave()
                await self._follow(scope, receive, send, path, headers, f"{origin}{API}{version}/", extra)
                return
            asked = (scope["method"], path, scope["query_string"].decode("latin-1"), headers)
            upload = self._dataverse.upload(*asked, f"{origin}{API}{version}/")
            if upload is not None:
                visit.begin()
                parts = body_parts(receive, CHUNK_BYTES)
                reply = await self._dataverse.receive(upload, parts, headers, caller)
                await send_answer(send, reply.status, (*reply.headers, *extra), reply.body)
                return
            limit = self._config.max_batch_bytes if path.startswith("$batch") else self._config.max_body_bytes
            body = (
                await read_body(receive, headers, limit) if scope["method"] not in ("GET", "DELETE") else b""
            )
        except Unanswered as error:
            reply = error.reply
        except Fault as error:
            if error.name == "Unauthenticated":
                extra.append(("WWW-Authenticate", self._challenge(origin, error)))
            if error.name == "TooManyStreams":
                extra.append(("Retry-After", RETRY_STREAM))
            reply = failure(error)
        else:
            visit.begin()
            reply = await self._dataverse.answer(
                scope["method"],
                path,
                scope["query_string"].decode("latin-1"),
                headers,
                body,
                f"{origin}{API}{version}/",
                caller,
            )
        stream = reply.stream
        if stream is not None:
            if scope.get("picture"):
                # Here, and only here, browsers show what they get.
                extra = [("Content-Type", dict(reply.headers)["mimetype"]), *extra]
                reply = replace(
                    reply, headers=tuple(each for each in reply.headers if each[0] != "Content-Type")
                )
            pieces = stream()
            try:
                first = await asyncio.to_thread(next, pieces, None)
            except Fault as error:
                reply = failure(error)
            else:
                visit.end()
                headed = (*reply.headers, *extra)
                await send_stream(send, reply.status, headed, first, pieces, reply.length)
                return
        visit.end()
        await send_answer(send, reply.status, (*reply.headers, *extra), reply.body)

    async def _follow(
        self,
        scope: Scope,
        receive: Receive,
        send: Send,
        path: str,
        headers: Mapping[str, str],
        base: str,
        extra: Sequence[tuple[str, str]],
    ) -> None:
        """Answer with a stream of changes; raises Unanswered, and faults, before it has begun."""
        origin = base.partition(API)[0]
        asked = {**headers, "accept": "application/json"}
        asked["prefer"] = ", ".join(filter(None, (headers.get("prefer"), "odata.track-changes")))

        async def ask(query: str, caller: Caller) -> Reply:
            return await self._dataverse.answer("GET", path, query, asked, b"", base, caller)

        async def who() -> Caller:
            caller = await self._callers.find(headers.get("authorization"), self.audiences(origin))
            return await self._callers.acting(caller, headers)

        query = scope["query_string"].decode("latin-1")
        async with self._feed.open(self._feed.token(headers, query), query, ask, who) as stream:
            if "orgstead" in scope:
                # It has no end that anybody could wait for.
                scope["orgstead"].leave()
            await send_events(send, receive, extra, stream)

    def stop(self) -> None:
        """End what would go on for ever, so that the server can end."""
        self._feed.close()

    def audiences(self, origin: str) -> frozenset[str]:
        """The audiences that a token may be for: the address the request came to, and the configured ones."""
        found = self._audiences.get(origin)
        if found is None:
            if len(self._audiences) > 256:
                self._audiences.clear()
            found = self._audiences[origin] = own_audiences((origin, *self._own_urls))
        return found

    def _at(self, origin: str) -> Origin:
        """What another door has to know of the address that a request came to."""
        return Origin(
            address=origin, audiences=self.audiences(origin), challenge=partial(self._challenge, origin)
        )

    def _challenge(self, origin: str, error: Fault) -> str:
        authority = self._config.authority_url or origin
        reason = InvalidToken("refused", error.hint) if error.hint else None
        return challenge(authority, self._config.tenant_id, origin, reason)

    async def _other(
        self, scope: Scope, receive: Receive, send: Send, raw: str, headers: Mapping[str, str], origin: str
    ) -> None:
        method, path = scope["method"], scope["path"]
        answer = await self._admin.answer(method, path, headers, origin)
        if answer is None and self._authority.owns(path):
            answer = await self._sign_in(scope, receive, headers, origin)
        if answer is None:
            answer = await self._forms.answer(method, path, scope["query_string"], headers, self._at(origin))
        if answer is None:
            raise fault("ResourceNotFound", segment=raw[:100])
        await send_answer(send, answer.status, answer.headers, b"" if method == "HEAD" else answer.body)

    async def _sign_in(
        self, scope: Scope, receive: Receive, headers: Mapping[str, str], origin: str
    ) -> Answer | None:
        method = scope["method"]
        try:
            body = await read_body(receive, headers, MAX_FORM) if method == "POST" else b""
            # Passwords and signatures cost much processor: not on the event loop, and only a few at once.
            async with self._signing_in:
                return await asyncio.to_thread(
                    self._authority.answer,
                    method=method,
                    path=scope["path"],
                    base_url=origin,
                    query=scope["query_string"],
                    headers=headers,
                    body=body,
                )
        except Fault as error:
            # In the shape of https://www.rfc-editor.org/rfc/rfc6749#section-5.2
            busy = error.status >= 500 or error.name == "StoreBusy"
            said = {
                "error": "temporarily_unavailable" if busy else "invalid_request",
                "error_description": error.message,
            }
            return Answer(
                status=503 if busy else error.status,
                headers=(("Content-Type", "application/json"), ("Cache-Control", "no-store")),
                body=dump(said),
            )
