"""The tools over streamable HTTP: stand-alone, or behind an address of another server. Needs the extra ``mcp``.

Every request stands for itself: there are no sessions that could be taken over, and nothing is kept but connections.
https://modelcontextprotocol.io/specification/2025-11-25/basic/transports
"""

import asyncio
import hashlib
import re
import socket
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from typing import Any

import httpx2
import uvicorn
from mcp.server.streamable_http_manager import StreamableHTTPSessionManager
from mcp.server.transport_security import TransportSecuritySettings

from orgstead.actions.action import Action
from orgstead.actions.mcp_server import make_server
from orgstead.actions.toolkit import TOOLKIT
from orgstead.client import AsyncClient, Credential, GivenToken, Retry

__all__ = ["Clients", "McpOverHttp", "refuse", "serve"]

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]

MAX_BODY = 1024 * 1024
MAX_KEPT = 64
# An agent waits for its answer, and can wait a while itself.
PATIENCE = Retry(budget=20.0)
BEARER = re.compile(r"bearer +([\x21-\x7e]{1,16384})", re.IGNORECASE)
CLIENT = "orgstead.client"
LOCAL = ("127.0.0.1:*", "localhost:*", "[::1]:*")


class Clients:
    """A client for each token that requests bring: each acts with its caller's privileges and no others.

    ``own`` is the credential for requests without a token, or None to refuse them. Clients share connections and are
    kept for a while, since each knows the tables that it has asked about.
    """

    def __init__(
        self, http: httpx2.AsyncClient, *, own: Credential | None = None, allow_http: bool = False
    ) -> None:
        self._http = http
        self._own = own
        self._allow_http = allow_http
        self._kept: OrderedDict[tuple[str, str], AsyncClient] = OrderedDict()

    def of(self, url: str, authorization: str) -> AsyncClient | None:
        """The client of a request by its Authorization header, None when it may not be answered."""
        found = BEARER.fullmatch(authorization.strip())
        if found is None:
            if authorization or self._own is None:
                return None
            return self._get(url, "", self._own)
        digest = hashlib.sha256(found[1].encode()).hexdigest()
        return self._get(url, digest, GivenToken(source=found[1]))

    def _get(self, url: str, holder: str, credential: Credential) -> AsyncClient:
        key = (url, holder)
        client = self._kept.pop(key, None)
        if client is None:
            client = AsyncClient(
                url, credential, http=self._http, retry=PATIENCE, allow_http=self._allow_http
            )
        self._kept[key] = client
        while len(self._kept) > MAX_KEPT:
            self._kept.popitem(last=False)
        return client

    async def close(self) -> None:
        """Close the connections."""
        await self._http.aclose()


class McpOverHttp:
    """An ASGI application that answers POST on one address with the tools."""

    def __init__(
        self,
        clients: Clients,
        url: str,
        *,
        path: str = "/mcp",
        allow: str = "read",
        actions: Mapping[str, Action[Any, Any]] = TOOLKIT,
        hosts: tuple[str, ...] = LOCAL,
    ) -> None:
        self._clients = clients
        self._url = url
        self._path = path
        self._server = make_server(lambda request: request.scope[CLIENT], allow=allow, actions=actions)
        # A page in a browser must not reach a server on this machine by having its own name point here.
        self._security = TransportSecuritySettings(
            enable_dns_rebinding_protection=True,
            allowed_hosts=list(hosts),
            allowed_origins=[f"{scheme}://{host}" for scheme in ("http", "https") for host in hosts],
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request of a server of its own."""
        if scope["type"] != "http":
            return
        if scope["path"] != self._path:
            await refuse(send, 404, f"The tools are at {self._path}.")
            return
        authorization = dict(scope["headers"]).get(b"authorization", b"").decode("latin-1")
        client = self._clients.of(self._url, authorization)
        if client is None:
            await refuse(send, 401, "Bring a token: Authorization: Bearer …", ("www-authenticate", "Bearer"))
            return
        await self.answer(client, scope, receive, send, self._security)

    async def answer(
        self,
        client: AsyncClient,
        scope: Scope,
        receive: Receive,
        send: Send,
        security: TransportSecuritySettings | None = None,
    ) -> None:
        """Answer a request with the tools of a client."""
        if scope["method"] != "POST":
            # There is nothing that the server would tell by itself, and there are no sessions to end.
            await refuse(send, 405, "The tools are called by POST.", ("allow", "POST"))
            return
        manager = StreamableHTTPSessionManager(
            app=self._server,
            json_response=True,
            stateless=True,
            security_settings=security,
            max_request_body_size=MAX_BODY,
        )
        async with manager.run():
            await manager.handle_request({**scope, CLIENT: client}, receive, send)


def serve(
    found: tuple[str, Credential | None],
    *,
    host: str,
    port: int,
    allow: str,
    actions: Mapping[str, Action[Any, Any]],
    announce: Callable[[str], None],
) -> None:
    """Answer at ``/mcp`` until the process is told to stop; port 0 takes a free one.

    ``found`` is the organisation, and the credential of requests without a token or None. Raises ConfigurationError
    for an address that is none, OSError when the port cannot be had.
    """
    url, own = found
    asyncio.run(
        _serve(Clients(httpx2.AsyncClient(timeout=120), own=own), url, host, port, allow, actions, announce)
    )


async def _serve(
    clients: Clients,
    url: str,
    host: str,
    port: int,
    allow: str,
    actions: Mapping[str, Action[Any, Any]],
    announce: Callable[[str], None],
) -> None:
    shown = f"[{host}]" if ":" in host else host
    hosts = LOCAL if host in ("127.0.0.1", "localhost", "::1") else (shown, f"{shown}:*", *LOCAL)
    application = McpOverHttp(clients, url, allow=allow, actions=actions, hosts=hosts)
    config = uvicorn.Config(
        application, log_config=None, access_log=False, server_header=False, lifespan="off", limit_concurrency=200,
        timeout_graceful_shutdown=10,
    )  # fmt: skip
    with socket.create_server(
        (host, port), family=socket.AF_INET6 if ":" in host else socket.AF_INET
    ) as listening:
        announce(f"The tools are at http://{shown}:{listening.getsockname()[1]}/mcp")
        try:
            await uvicorn.Server(config).serve(sockets=[listening])
        finally:
            await clients.close()


async def refuse(send: Send, status: int, text: str, *headers: tuple[str, str]) -> None:
    """Answer with a text."""
    body = text.encode()
    raw = [(name.encode(), value.encode()) for name, value in headers]
    raw += [(b"content-type", b"text/plain; charset=utf-8"), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": status, "headers": raw})
    await send({"type": "http.response.body", "body": body})
