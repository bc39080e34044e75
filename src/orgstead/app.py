"""The composition root: a configuration becomes an organisation, and an organisation a server."""

import asyncio
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from orgstead.collecting import collect
from orgstead.config import MEMORY, Config, ConfigError
from orgstead.engine import rules
from orgstead.engine.copies import PinnedBlobs
from orgstead.engine.datamanagement import exports as data_exports
from orgstead.engine.datamanagement import faulty as data_faulty
from orgstead.engine.datamanagement import messages as data_messages
from orgstead.engine.datamanagement import outcomes as data_outcomes
from orgstead.engine.datamanagement import packages as data_packages
from orgstead.engine.datamanagement import processing as data_processing
from orgstead.engine.datamanagement import status as data_status
from orgstead.engine.handlers import (
    bulk,
    changes,
    deletion,
    deliveries,
    downloads,
    emails,
    files,
    jobs,
    later,
    lists,
    merge,
    metadata,
    notes,
    organization,
    queues,
    retention,
    roles,
    sales,
    service,
    sharing,
    solutions,
    subscriptions,
    sweep,
    teams,
    times,
    tools,
)
from orgstead.engine.pipeline import Engine
from orgstead.engine.ports import Clock, Store
from orgstead.engine.steps import Steps
from orgstead.engine.timed import TimeLimit
from orgstead.extensions import functions, load_extensions, steps
from orgstead.filling import fill
from orgstead.founding import found_or_upgrade
from orgstead.identity import (
    AuthorizationServer,
    BearerVerifier,
    Certificates,
    FileKeyStore,
    IdentityConfig,
    KeyRing,
    MemoryKeyStore,
    ensure_certificates,
    open_keys,
)
from orgstead.identity.development import (
    ADMIN_PASSWORD,
    CLIENT_ID,
    CLIENT_SECRET,
    PUBLIC_CLIENT_ID,
    SUBSCRIPTION_KEY,
)
from orgstead.languages.fetchxml import parse_fetchxml, print_fetchxml
from orgstead.languages.segments import read_segment_query
from orgstead.server.addresses import LOOPBACK
from orgstead.server.agents import AgentDoor, Tools
from orgstead.server.asgi import Application
from orgstead.server.blobs import BlobDoor
from orgstead.server.callers import Callers
from orgstead.server.callouts import Callouts
from orgstead.server.connector import ConnectorDoor
from orgstead.server.courier import PATIENCE_SECONDS
from orgstead.server.crm import CrmDoor, Subscribers
from orgstead.server.datafiles import DataFileStore
from orgstead.server.dataverse import Dataverse
from orgstead.server.directory import RowDirectory
from orgstead.server.discovery import Discovery
from orgstead.server.feed import Feed
from orgstead.server.finops import FinanceDoor, FinanceOperations
from orgstead.server.housekeeping import Housekeeping
from orgstead.server.jobs import JobRunner
from orgstead.server.lanes import Lanes
from orgstead.server.limits import Limits
from orgstead.server.observed import Unsupported
from orgstead.server.organization import OrganizationService
from orgstead.server.outside import Endpoints
from orgstead.server.plane.build import with_plane
from orgstead.server.plane.clock import AdjustableClock
from orgstead.server.plane.watch import Watched
from orgstead.server.run import Listener, bind, collect_rarely
from orgstead.server.run import serve as listen
from orgstead.server.soap import SoapDoor
from orgstead.server.usage import rules_of
from orgstead.store.open import open_blobs, open_store

__all__ = ["Organisation", "build_application", "make_certificates", "open_organisation", "serve"]

# Importing them registers what they handle.
REGISTERED = (
    bulk, changes, data_exports, data_faulty, data_messages, data_outcomes, data_packages, data_processing,
    data_status, deletion, deliveries, downloads, emails, files, jobs, later, lists, merge, metadata, notes,
    organization, queues, retention, roles, rules, sales, service, sharing, solutions, subscriptions, sweep, teams,
    times, tools,
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Organisation:
    """An open organisation: its data, its users and applications, its keys and its clock."""

    config: Config
    store: Store
    engine: Engine
    directory: RowDirectory
    keys: KeyRing
    callouts: Callouts
    clock: AdjustableClock

    def hurry(self, seconds: float) -> None:
        """The server ends: wait for functions and endpoints for no longer than so many seconds from now."""
        self.engine.limit.end_within(seconds)
        self.callouts.end_within(seconds)

    def close(self) -> None:
        """End what is under way to endpoints, and close the database."""
        self.callouts.close()
        self.store.close()


class KeptQueries:
    """Queries that are kept are FetchXML."""

    write = staticmethod(print_fetchxml)
    read = staticmethod(parse_fetchxml)
    read_segment = staticmethod(read_segment_query)


def open_organisation(config: Config, *, clock: Clock = time.time) -> Organisation:
    """Open the organisation that a configuration names, founding it when it is not there yet.

    Raises Fault when the database cannot be opened, ConfigError for settings that are none.
    """
    load_extensions(config.extensions)
    store = open_store(config.data, config.database_url)
    blobs = PinnedBlobs(open_blobs(config.data, config.files), store.snapshots)
    callouts = _callouts(config)
    adjustable = AdjustableClock(clock)
    engine = Engine(
        store,
        adjustable,
        blobs=blobs,
        queries=KeptQueries(),
        functions=functions(),
        steps=Steps(steps()),
        outside=Endpoints(callouts),
        limit=TimeLimit(config.step_seconds),
        data_files=DataFileStore(),
        shared=config.database_url is not None,
    )
    directory = RowDirectory(engine)
    found_or_upgrade(engine, directory, config)
    keys = open_keys(MemoryKeyStore() if config.data == MEMORY else FileKeyStore(Path(config.data) / "keys"))
    return Organisation(
        config=config,
        store=store,
        engine=engine,
        directory=directory,
        keys=keys,
        callouts=callouts,
        clock=adjustable,
    )


def _callouts(config: Config) -> Callouts:
    """The client that calls endpoints. Raises ConfigError."""
    allowed = (*config.callouts_allowed, *(LOOPBACK if config.dev else ()))
    try:
        return Callouts(allowed, authorities=config.callouts_ca)
    except OSError as error:
        raise ConfigError(f"callouts_ca: {config.callouts_ca} holds no certificates ({error}).") from error
    except ValueError as error:
        raise ConfigError(f"callouts_allowed: {error}.") from error


def build_application(organisation: Organisation, own_urls: Sequence[str]) -> Application | Watched:
    """The ASGI application of an organisation that answers on ``own_urls`` (scheme, host, port)."""
    config, engine, clock = organisation.config, organisation.engine, organisation.clock
    urls = (*own_urls, *((config.base_url,) if config.base_url else ()))
    identity = IdentityConfig(
        tenant_id=config.tenant_id,
        tenant_names=config.tenant_names,
        own_urls=urls,
        development=config.dev,
    )
    authority = AuthorizationServer(organisation.directory, organisation.keys, clock, identity)
    verifier = BearerVerifier(organisation.keys, config.tenant_id, clock)
    unsupported = Unsupported()
    # Only a file never waits: a database in memory is one connection, and a server is far away.
    inline = config.database_url is None and config.data != MEMORY
    lanes = Lanes(engine, inline=inline)
    # What is kept for a second is kept for a real one, wherever the clock stands.
    callers = Callers(engine, verifier, time.monotonic, inline=inline)
    jobs = JobRunner(
        engine,
        lanes,
        alone=config.database_url is None,
        real=clock.real,
        callouts=organisation.callouts,
    )
    organization = OrganizationService(engine, lanes, callers, unsupported)
    dataverse = Dataverse(engine, lanes, unsupported)
    blobs = BlobDoor(config, engine, lanes, clock, organisation.keys.derive("data management blobs"))
    subscribers = Subscribers(
        engine, callers, time.monotonic, published=SUBSCRIPTION_KEY if config.dev else None, inline=inline
    )
    return with_plane(
        config,
        urls,
        dataverse,
        SoapDoor(config, callers, organization, Discovery(lanes, organization)),
        FinanceDoor(config, callers, FinanceOperations(engine, lanes, unsupported), blobs),
        AgentDoor(config, callers, _tools(config.mcp)),
        ConnectorDoor(config, engine, lanes, callers),
        blobs,
        CrmDoor(config, engine, lanes, subscribers, unsupported),
        authority,
        callers,
        Limits(rules_of(config), clock),
        Feed(engine, shared=config.database_url is not None),
        clock=clock,
        unsupported=unsupported,
        background=(jobs,),
        seed=partial(fill, engine),
        collect=partial(collect, config, urls, dataverse),
    )


def _tools(allow: str) -> Callable[[Any], Tools] | None:
    """What makes the tools for agents, or None without the extra ``mcp``.

    They take as long to import as the rest of the server together, and are not before somebody asks for them.
    """
    if find_spec("mcp") is None:
        return None
    return lambda application: import_module("orgstead.actions.mounted").mounted(allow, application)


def make_certificates(config: Config) -> Certificates:
    """The TLS certificate of a server, made by the local authority in its data directory (or renewed)."""
    directory = Path(tempfile.mkdtemp(prefix="orgstead-")) if config.data == MEMORY else Path(config.data)
    return ensure_certificates(directory / "certificates", (*config.tls_hosts, *_hosts(config)))


def _hosts(config: Config) -> tuple[str, ...]:
    unspecified = ("0.0.0.0", "::", "")
    return () if config.host in unspecified else (config.host,)


def serve(config: Config, announce: Callable[[str], None]) -> None:
    """Open the organisation and answer until the process is told to stop.

    ``announce`` gets the text that tells a person what is here, once the sockets listen.
    """
    organisation = open_organisation(config)
    try:
        certificates = make_certificates(config)
        http = Listener(socket=bind(config.host, config.http_port))
        https = Listener(
            socket=bind(config.host, config.https_port),
            certificate=certificates.certificate,
            key=certificates.key,
        )
        hosts = sorted({*_hosts(config), *config.tls_hosts, "localhost", "127.0.0.1"})
        urls = [f"http://{host}:{http.port}" for host in hosts] + [
            f"https://{host}:{https.port}" for host in hosts
        ]
        application = build_application(organisation, urls)
        announce(_greeting(config, http.port, https.port, certificates))
        collect_rarely()
        with Housekeeping(organisation.engine, days=config.history_days):
            asyncio.run(_answer(organisation, application, [http, https]))
    finally:
        organisation.close()


async def _answer(
    organisation: Organisation, application: Application | Watched, listeners: Sequence[Listener]
) -> None:
    def stop() -> None:
        application.stop()
        organisation.hurry(PATIENCE_SECONDS)

    async with application.background:
        await listen(application, listeners, on_stop=stop)


def _greeting(config: Config, http: int, https: int, certificates: Certificates) -> str:
    host = "localhost" if config.dev else config.host
    lines = [f"Orgstead listens on http://{host}:{http} and https://{host}:{https}"]
    lines.append(f"  data                {(config.database_url and 'PostgreSQL') or config.data}")
    lines.append(f"  trust for TLS       {certificates.authority}")
    if config.dev:
        # Credentials of one's own are not printed.
        secret = "(your own)" if config.client_id and config.client_secret else CLIENT_SECRET
        lines += [
            f"  tenant              {config.tenant_id}",
            f"  client id, secret   {config.client_id or CLIENT_ID} {secret}",
            f"  public client id    {PUBLIC_CLIENT_ID}",
            f"  administrator       {config.admin_upn} {'(your own)' if config.admin_password else ADMIN_PASSWORD}",
            f"  subscription key    {SUBSCRIPTION_KEY}",
        ]
    return "\n".join(lines)
