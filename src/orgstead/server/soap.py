"""The doors of the SOAP services: which address is which, and HTTP around envelopes.

https://learn.microsoft.com/power-apps/developer/data-platform/org-service/overview
https://learn.microsoft.com/power-apps/developer/data-platform/discovery-service
"""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from urllib.parse import parse_qsl

from orgstead.config import Config
from orgstead.engine.context import Caller
from orgstead.engine.ids import new_id
from orgstead.errors import Fault, fault
from orgstead.server.callers import Callers
from orgstead.server.discovery import Discovery
from orgstead.server.http import Receive, Scope, Send, read_body, send_answer, send_parts
from orgstead.server.organization import OrganizationService, SoapReply, soap_version
from orgstead.server.visits import Visit
from orgstead.wire.soap.wsdl import DISCOVERY, ORGANIZATION, document

__all__ = ["Origin", "SoapDoor"]

ROOT = "/xrmservices/2011/"
SERVICES = {"organization.svc": ORGANIZATION, "discovery.svc": DISCOVERY}
GLOBAL = "/api/discovery/"
# Where clients of global discovery ask how to sign in.
CHALLENGE = "/api/aad/challenge"
XML = "text/xml; charset=utf-8"
# Faults of the HTTP request, not of what its envelope asks.
OF_HTTP = frozenset(
    {"ResourceNotFound", "MethodNotAllowed", "PayloadTooLarge", "UnsupportedMediaType", "RequestTimeout"}
)
RETRY_AFTER = "Retry-After"
KINDS = ("text/xml", "application/soap+xml")
COMMON = (("X-Content-Type-Options", "nosniff"), ("Cache-Control", "private"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """The address that a request came to, which tokens are for it, and how to say that one is missing."""

    address: str
    audiences: frozenset[str]
    challenge: Callable[[Fault], str]


class SoapDoor:
    """Answers below ``/XRMServices/2011/`` and ``/api/discovery/``."""

    def __init__(
        self, config: Config, callers: Callers, organization: OrganizationService, discovery: Discovery
    ) -> None:
        self._config = config
        self._callers = callers
        self._organization = organization
        self._discovery = discovery

    def owns(self, path: str) -> bool:
        """Whether a request to this path comes here. Such paths were those of Windows: in either case."""
        lowered = path.lower()
        return lowered.startswith((ROOT, GLOBAL)) or lowered == CHALLENGE

    def injected(self, path: str, headers: Mapping[str, str], error: Fault) -> SoapReply | None:
        """The answer to a request that fails on purpose; None for one whose answers are no envelopes.

        Faults of the service itself come as 500, whatever status the Web API has for them.
        """
        if not path.lower().startswith(ROOT):
            return None
        if error.status == 401:
            return SoapReply(status=401, content_type=XML)
        reply = self._organization.failed(error, soap_version(headers))
        status = error.status if error.status >= 500 else reply.status
        return SoapReply(status=status, content_type=reply.content_type, body=reply.body)

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
        extra = [*COMMON, ("x-ms-service-request-id", identifier), ("REQ_ID", identifier)]
        try:
            reply = await self._reply(scope, receive, raw, headers, origin, visit, extra)
        except Fault as error:
            if error.name == "Unauthenticated":
                extra.append(("WWW-Authenticate", origin.challenge(error)))
                await send_answer(send, 401, extra, b"")
                return
            reply = self._refused(error, dict(extra).get("Retry-After"))
        shown = [("Content-Type", reply.content_type), *extra]
        if reply.parts is None:
            visit.end()
            await send_answer(send, reply.status, shown, reply.body)
            return
        first = next(reply.parts) if reply.at_once else await asyncio.to_thread(next, reply.parts)
        visit.end()
        await send_parts(send, reply.status, shown, first, reply.parts, at_once=reply.at_once)

    def _refused(self, error: Fault, retry_after: str | None) -> SoapReply:
        """The answer to a request that comes to no envelope."""
        if retry_after is not None:
            error = Fault(error.kind, error.message, details={**error.details, RETRY_AFTER: retry_after})
        reply = self._organization.failed(error)
        if error.name in OF_HTTP:
            return SoapReply(status=error.status, content_type=reply.content_type, body=reply.body)
        return reply

    async def _caller(
        self,
        scope: Scope,
        headers: Mapping[str, str],
        origin: Origin,
        visit: Visit,
        extra: list[tuple[str, str]],
    ) -> Caller:
        """Who signed in, counted among what each may ask; raises Unauthenticated, UserNotFound, the limits."""
        caller = await self._callers.find(headers.get("authorization"), origin.audiences)
        visit.enter(caller, extra)
        if "orgstead" in scope:
            scope["orgstead"].user = caller.user_id
        return caller

    async def _reply(
        self,
        scope: Scope,
        receive: Receive,
        raw: str,
        headers: Mapping[str, str],
        origin: Origin,
        visit: Visit,
        extra: list[tuple[str, str]],
    ) -> SoapReply:
        method, lowered, address = scope["method"], raw.lower(), origin.address
        if lowered == CHALLENGE:
            raise fault("Unauthenticated")
        if lowered.startswith(GLOBAL):
            caller = await self._caller(scope, headers, origin, visit, extra)
            return await self._discovery.instances(method, raw[len(GLOBAL) :], scope, caller, address)
        name, _, rest = lowered[len(ROOT) :].partition("/")
        if name not in SERVICES or rest.strip("/") not in ("", "web", "mex"):
            raise fault("ResourceNotFound", segment=raw[:100])
        if method == "GET":
            text = document(SERVICES[name], _asked(scope), address)
            if text is None:
                # Who asks for nothing is told how to sign in.
                await self._caller(scope, headers, origin, visit, extra)
                text = document(SERVICES[name], {"wsdl": ""}, address) or ""
            return SoapReply(status=200, content_type=XML, body=text.encode())
        if method != "POST":
            raise fault("MethodNotAllowed", method=method, resource=raw[:100])
        caller = await self._caller(scope, headers, origin, visit, extra)
        kind = headers.get("content-type", "").partition(";")[0].strip().lower()
        if kind not in KINDS or headers.get("content-encoding", "identity").strip().lower() != "identity":
            raise fault("UnsupportedMediaType", value=headers.get("content-type", "")[:100])
        body = await read_body(receive, headers, self._config.max_body_bytes)
        visit.begin()
        if name == "discovery.svc":
            return await self._discovery.answer(body, headers, address, caller)
        return await self._organization.answer(body, headers, address, caller)


def _asked(scope: Scope) -> Mapping[str, str]:
    """The parameters of the query string, by their names in lower case."""
    text = scope["query_string"].decode("latin-1")
    return {key.lower(): value for key, value in parse_qsl(text, keep_blank_values=True)}
