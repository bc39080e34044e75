"""The tools inside of another ASGI application whose Web API they use, without a network between. Needs ``mcp``."""

from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any

import httpx2

from orgstead.actions.mcp_http import Clients, McpOverHttp, Receive, Scope, Send, refuse

__all__ = ["mounted"]


def mounted(allow: str, application: Any) -> Callable[[Scope, Receive, Send, str], Awaitable[None]]:
    """Answers requests with the tools, each with the token that it brings, by the Web API of the application.

    It trusts the application to have checked the token.
    """
    http = httpx2.AsyncClient(transport=httpx2.ASGITransport(_lowered(application)), timeout=120)
    clients = Clients(http, allow_http=True)
    tools = McpOverHttp(clients, "", allow=allow)
    return partial(_answer, clients, tools)


def _lowered(application: Any) -> Any:
    """The application, with names of headers as ASGI wants them: it may spell them as clients on the network do."""

    async def run(scope: Scope, receive: Receive, send: Send) -> None:
        async def told(message: Any) -> None:
            if "headers" in message:
                headers = [(bytes(name).lower(), value) for name, value in message["headers"]]
                message = {**message, "headers": headers}
            await send(message)

        await application(scope, receive, told)

    return run


async def _answer(
    clients: Clients, tools: McpOverHttp, scope: Scope, receive: Receive, send: Send, origin: str
) -> None:
    authorization = dict(scope["headers"]).get(b"authorization", b"").decode("latin-1")
    client = clients.of(origin, authorization)
    if client is None:
        await refuse(send, 401, "Bring a token: Authorization: Bearer …", ("www-authenticate", "Bearer"))
        return
    await tools.answer(client, scope, receive, send)
