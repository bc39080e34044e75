"""The door of the REST API that a subscription key opens.

https://teamswork.app/crmapi
https://learn.microsoft.com/azure/api-management/api-management-subscriptions
"""

import asyncio
from collections.abc import Callable, Mapping

import structlog

from orgstead.config import Config
from orgstead.engine.context import Caller
from orgstead.engine.ids import new_id
from orgstead.engine.job import Job
from orgstead.engine.pipeline import Engine
from orgstead.engine.subscriptions import APPLICATION, SubscriptionKeys, opens, read_keys
from orgstead.errors import Fault, fault
from orgstead.model.messages import Message, Result
from orgstead.server.callers import Callers
from orgstead.server.http import Receive, Scope, Send, read_body, send_answer
from orgstead.server.lanes import Lanes
from orgstead.server.observed import Unsupported
from orgstead.server.soap import Origin
from orgstead.server.visits import LEFT, Visit
from orgstead.wire.crm.decode import decode, find_route
from orgstead.wire.crm.errors import HEADER, failure
from orgstead.wire.crm.request import Operation, Reply, Request

__all__ = ["CrmDoor", "Subscribers", "crm_base"]

log = structlog.get_logger()

COMMON = (("X-Content-Type-Options", "nosniff"), ("Cache-Control", "no-store"))
# Another process's new key is known, and its old one gone, after this many seconds at the latest.
KEEP_SECONDS = 1.0


def crm_base(config: Config, path: str) -> str | None:
    """The base path that a path lies below; None when it is not one of this API."""
    for base in (config.crm_path, config.crm_us_path, config.crm_eu_path):
        if base and (path == base or path.startswith(f"{base}/")):
            return base
    return None


class Subscribers:
    """Knows the keys. ``published`` is one that is no secret; None outside of development mode."""

    def __init__(
        self,
        engine: Engine,
        callers: Callers,
        clock: Callable[[], float],
        *,
        published: str | None,
        inline: bool,
    ) -> None:
        self._engine = engine
        self._callers = callers
        self._clock = clock
        self._published = published
        self._inline = inline
        self._people = -1
        self._read = 0.0
        self._keys: SubscriptionKeys | None = None

    async def find(self, headers: Mapping[str, str]) -> Caller:
        """Who has the key of a request; raises SubscriptionKeyMissing, SubscriptionKeyInvalid, UserDisabled."""
        presented = headers.get(HEADER.lower(), "")
        if not presented:
            raise fault("SubscriptionKeyMissing")
        if not opens(await self._known(), presented):
            raise fault("SubscriptionKeyInvalid")
        caller = await self._callers.of_application(APPLICATION)
        if not caller.enabled:
            raise fault("UserDisabled", user=caller.user_id)
        return caller

    async def _known(self) -> SubscriptionKeys:
        people, now = self._engine.people, self._clock()
        keys = self._keys
        if keys is None or people != self._people or not 0 <= now - self._read < KEEP_SECONDS:
            keys = self._load() if self._inline else await asyncio.to_thread(self._load)
            self._keys, self._people, self._read = keys, people, now
        return keys

    def _load(self) -> SubscriptionKeys:
        with self._engine.store.read() as unit:
            return read_keys(unit).with_published(self._published)


class CrmDoor:
    """HTTP around the REST API."""

    def __init__(
        self, config: Config, engine: Engine, lanes: Lanes, subscribers: Subscribers, unsupported: Unsupported
    ) -> None:
        self._config = config
        self._engine = engine
        self._lanes = lanes
        self._subscribers = subscribers
        self._unsupported = unsupported

    def owns(self, path: str) -> bool:
        """Whether a request to this path comes here."""
        return crm_base(self._config, path) is not None

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
        base = crm_base(self._config, raw) or ""
        address = f"{origin.address}{base}"
        try:
            caller = await self._subscribers.find(headers)
            visit.enter(caller, extra)
            if "orgstead" in scope:
                scope["orgstead"].user = caller.user_id
            limit = self._config.max_body_bytes
            body = b"" if scope["method"] in ("GET", "DELETE") else await read_body(receive, headers, limit)
            visit.begin()
            request = Request(
                method=scope["method"],
                path=raw[len(base) :],
                query=scope["query_string"].decode("latin-1"),
                headers=headers,
                body=body,
                base=address,
                address=origin.address,
                tenant=self._config.tenant_id,
                new_id=new_id,
            )
            reply = await self._reply(request, caller)
        except Fault as error:
            reply = failure(error, base=address)
        visit.end()
        shown = [pair for pair in extra if pair[0] not in LEFT]
        await send_answer(send, reply.status, (*reply.headers, *shown), reply.body)

    async def _reply(self, request: Request, caller: Caller) -> Reply:
        allow: str | None = None
        row: str | None = None
        try:
            route = find_route(request.path)
            allow, row = ", ".join(route.methods), route.id or None
            operation = decode(request, route, self._engine.schema)
            return await self._run(operation, caller)
        except Exception as error:
            known = error if isinstance(error, Fault) else fault("Unexpected")
            if known is not error:
                log.error("unexpected failure", exc_info=error)
            self._unsupported.note(known)
            return failure(known, row=row, allow=allow if known.status == 405 else None)

    async def _run(self, operation: Operation, caller: Caller) -> Reply:
        if operation.alone:
            outcomes = [await self._one(messages, caller) for messages in operation.alone]
            return operation.render(outcomes)
        results = await self._lanes.run(Job(operation.messages, caller))
        if operation.then is not None:
            return await self._run(operation.then(results), caller)
        return operation.render(results)

    async def _one(self, messages: tuple[Message, ...], caller: Caller) -> Result | Fault:
        """What became of one of many, whatever became of the others."""
        try:
            return (await self._lanes.run(Job(messages, caller)))[-1]
        except Fault as error:
            return error
