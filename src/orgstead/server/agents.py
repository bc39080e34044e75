"""The door for agents: ``/api/mcp`` answers with the tools of the Model Context Protocol, as the caller.

The tools are clients of the Web API like any other, and none of the server's: whoever composes the server gives them.
https://learn.microsoft.com/power-apps/maker/data-platform/data-platform-mcp
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from orgstead.config import Config
from orgstead.errors import Fault, fault
from orgstead.server.callers import Callers
from orgstead.server.http import Receive, Scope, Send, read_body, send_answer
from orgstead.server.soap import Origin
from orgstead.wire.odata.response import failure

__all__ = ["AgentDoor", "Tools"]

PATH = "/api/mcp"
MAX_BODY = 1024 * 1024
COMMON = (("X-Content-Type-Options", "nosniff"), ("Cache-Control", "no-store"))

Tools = Callable[[Scope, Receive, Send, str], Awaitable[None]]
"""Answers a request at an address, with the token that the request brings."""


class AgentDoor:
    """Lets in who has a token that is good. ``make`` makes the tools for the application that they ask."""

    def __init__(self, config: Config, callers: Callers, make: Callable[[Any], Tools] | None) -> None:
        self._open = config.mcp != "off"
        self._callers = callers
        self._make = make
        self._tools: Tools | None = None

    def owns(self, path: str) -> bool:
        """Whether a request to this path comes here."""
        return self._open and path.rstrip("/") == PATH

    async def answer(
        self,
        application: Any,
        scope: Scope,
        receive: Receive,
        send: Send,
        headers: Mapping[str, str],
        origin: Origin,
    ) -> None:
        """Answer one request."""
        extra = list(COMMON)
        try:
            if self._make is None:
                raise fault("NotSupported", feature="The Model Context Protocol without the extra mcp")
            caller = await self._callers.find(headers.get("authorization"), origin.audiences)
            if not caller.enabled:
                raise fault("UserDisabled", user=caller.user_id)
            if "orgstead" in scope:
                scope["orgstead"].user = caller.user_id
            body = await read_body(receive, headers, MAX_BODY) if scope["method"] == "POST" else b""
        except Fault as error:
            if error.name == "Unauthenticated":
                extra.append(("WWW-Authenticate", origin.challenge(error)))
            reply = failure(error)
            await send_answer(send, reply.status, (*reply.headers, *extra), reply.body)
            return
        if self._tools is None:
            self._tools = await asyncio.to_thread(self._make, application)
        await self._tools(scope, _replayed(body, receive), send, origin.address)


def _replayed(body: bytes, receive: Receive) -> Receive:
    """The body once more, and then whatever comes."""
    told = False

    async def again() -> Any:
        nonlocal told
        if told:
            return await receive()
        told = True
        return {"type": "http.request", "body": body, "more_body": False}

    return again
