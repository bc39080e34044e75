"""Puts a server and its admin plane together."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from orgstead.config import MEMORY, Config
from orgstead.engine.copies import Copies
from orgstead.identity.server import AuthorizationServer
from orgstead.server.admin import Admin
from orgstead.server.agents import AgentDoor
from orgstead.server.asgi import Application
from orgstead.server.blobs import BlobDoor
from orgstead.server.callers import Callers
from orgstead.server.connector import ConnectorDoor
from orgstead.server.crm import CrmDoor
from orgstead.server.dataverse import Dataverse
from orgstead.server.feed import Feed
from orgstead.server.finops import FinanceDoor
from orgstead.server.limits import Limits
from orgstead.server.observed import Unsupported
from orgstead.server.plane.clock import AdjustableClock
from orgstead.server.plane.gate import Gate
from orgstead.server.plane.guard import Guard
from orgstead.server.plane.injection import Injection
from orgstead.server.plane.metrics import Metrics
from orgstead.server.plane.organisation import Keeper, Resting, Seed
from orgstead.server.plane.plane import Plane
from orgstead.server.plane.requests import RequestLog
from orgstead.server.plane.watch import Watched
from orgstead.server.soap import SoapDoor

__all__ = ["with_plane"]


def with_plane(
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
    feed: Feed,
    *,
    clock: AdjustableClock,
    unsupported: Unsupported,
    background: Iterable[Resting],
    seed: Seed,
    collect: Callable[[str], Mapping[str, Any]],
) -> Application | Watched:
    """The application, behind its admin plane where there is one. ``background`` is all that works beside requests.

    ``collect`` makes a collection of requests for a program.
    """
    engine = dataverse.engine
    gate = Gate()
    keeper = Keeper(Copies(engine), gate, background, seed, starts=config.dev)
    admin = Admin(config, engine)
    application = Application(
        config,
        own_urls,
        dataverse,
        soap,
        finance,
        agents,
        connector,
        blobs,
        crm,
        authority,
        callers,
        limits,
        admin,
        feed,
        keeper,
    )
    guard = Guard(config, own_urls)
    if not guard.is_open:
        return application
    injection = Injection()
    plane = Plane(
        engine=engine,
        admin=admin,
        keeper=keeper,
        gate=gate,
        clock=clock,
        injection=injection,
        requests=RequestLog(),
        unsupported=unsupported,
        metrics=Metrics(lambda: gate.running, lambda: sum(rule.fired for rule in injection.listed())),
        database="postgresql" if config.database_url else "memory" if config.data == MEMORY else "sqlite",
        collect=collect,
        throttle=limits,
    )
    return Watched(application, plane, guard, callers, config)
