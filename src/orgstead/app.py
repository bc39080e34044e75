"""The composition root: a configuration becomes an organisation, and an organisation a server."""

import asyncio
import gc
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from uuid import uuid4

from orgstead.config import MEMORY, Config, ConfigError
from orgstead.engine import rules
from orgstead.engine.callers import among
from orgstead.engine.context import SYSTEM
from orgstead.engine.copies import PinnedBlobs
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
    roles,
    sales,
    service,
    sharing,
    sweep,
    teams,
    times,
    tools,
)
from orgstead.engine.pipeline import Engine
from orgstead.engine.ports import Clock, Store
from orgstead.engine.steps import Steps
from orgstead.extensions import functions, load_extensions, steps
from orgstead.filling import fill
from orgstead.identity import (
    Application as Registration,
)
from orgstead.identity import (
    AuthorizationServer,
    BearerVerifier,
    Certificates,
    FileKeyStore,
    IdentityConfig,
    KeyRing,
    MemoryKeyStore,
    Secret,
    ensure_certificates,
    hash_secret,
    open_keys,
)
from orgstead.identity.development import (
    ADMIN_OBJECT_ID,
    ADMIN_PASSWORD,
    CLIENT_ID,
    CLIENT_SECRET,
    PUBLIC_CLIENT_ID,
    development_applications,
)
from orgstead.languages.fetchxml import parse_fetchxml, print_fetchxml
from orgstead.model.schema import Schema
from orgstead.server.addresses import LOOPBACK
from orgstead.server.asgi import Application
from orgstead.server.callers import Callers
from orgstead.server.callouts import Callouts
from orgstead.server.dataverse import Dataverse
from orgstead.server.directory import RowDirectory
from orgstead.server.feed import Feed
from orgstead.server.housekeeping import Housekeeping
from orgstead.server.jobs import JobRunner
from orgstead.server.lanes import Lanes
from orgstead.server.limits import Limits
from orgstead.server.observed import Unsupported
from orgstead.server.outside import Endpoints
from orgstead.server.plane.build import with_plane
from orgstead.server.plane.clock import AdjustableClock
from orgstead.server.plane.watch import Watched
from orgstead.server.run import Listener, bind
from orgstead.server.run import serve as listen
from orgstead.server.usage import rules_of
from orgstead.solutions.first import FirstIds, first_messages, user_messages
from orgstead.solutions.load import load_base
from orgstead.solutions.messages import message_rows
from orgstead.solutions.sample import sample_messages
from orgstead.solutions.security import privilege_messages, role_messages
from orgstead.solutions.upgrade import base_digest, with_missing
from orgstead.store.open import open_blobs, open_store

__all__ = ["Organisation", "build_application", "make_certificates", "open_organisation", "serve"]

# The setting that a founded organisation has: the digest of the shipped definitions.
FOUNDED = "base_digest"
MAX_PRIVILEGES = MAX_MESSAGES = 100_000
# New objects that hold others, such as rows, after which Python looks for cycles among them.
MANY_OBJECTS = 10_000

# Importing them registers what they handle.
REGISTERED = (
    bulk, changes, deletion, deliveries, downloads, emails, files, jobs, later, lists, merge, metadata, notes,
    organization, queues, roles, rules, sales, service, sharing, sweep, teams, times, tools,
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

    def close(self) -> None:
        """End what is under way to endpoints, and close the database."""
        self.callouts.close()
        self.store.close()


class KeptQueries:
    """Queries that are kept are FetchXML."""

    write = staticmethod(print_fetchxml)
    read = staticmethod(parse_fetchxml)


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
        shared=config.database_url is not None,
    )
    directory = RowDirectory(engine)
    if _digest(store) != base_digest():
        with store.alone():
            found = _digest(store)
            if found is None:
                _found(engine, directory, config)
            elif found != base_digest():
                _upgrade(engine)
        engine.schema = store.load_schema()
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


def _digest(store: Store) -> str | None:
    """Which shipped definitions the organisation was founded with or last brought up to; None before that."""
    with store.read() as unit:
        return unit.read_setting(FOUNDED)


def _upgrade(engine: Engine) -> None:
    """Put in what this version ships and an older one did not: definitions, privileges, what the first roles hold."""
    store = engine.store
    with store.write() as unit:
        current = store.load_schema()
        new = with_missing(current, load_base())
        # What has changed by it is not noted one by one: whoever keeps definitions reads them all again.
        unit.migrate(current, replace(new, history={}, forgotten=new.version))
    schema = engine.schema = store.load_schema()
    privileges = schema.tables["privilege"]
    with store.read() as unit:
        ids = unit.find(privileges, {}, MAX_PRIVILEGES)
        known = {row[0] for row in unit.fetch(among(privileges, privileges.primary_id, "name"), [tuple(ids)])}
        there = set(unit.find(schema.tables["role"], {"parentroleid": None}, MAX_PRIVILEGES))
        told = {
            id
            for name in ("sdkmessage", "sdkmessagefilter")
            for id in unit.find(schema.tables[name], {}, MAX_MESSAGES)
        }
    messages = [*privilege_messages(schema, known), *message_rows(schema, engine.messages.values(), told)]
    if not known:
        messages += role_messages(schema, there)
    engine.run(messages, SYSTEM)
    with store.write() as unit:
        unit.write_setting(FOUNDED, base_digest())


def _found(engine: Engine, directory: RowDirectory, config: Config) -> None:
    """Make a new organisation: tables, first rows, whoever may sign in, sample rows.

    It takes several transactions; the mark at the end says that all are done. What an earlier attempt left without
    it is removed.
    """
    base = load_base()
    with engine.store.write() as unit:
        left = engine.store.load_schema()
        if left.version:
            cleared = replace(Schema.empty(), version=left.version + 1)
            unit.migrate(left, cleared)
            left, base = cleared, replace(base, version=left.version + 2)
        unit.migrate(left, base)
    engine.schema = engine.store.load_schema()
    base = engine.schema
    founder = replace(
        SYSTEM,
        user_id=FirstIds.system_user,
        business_unit_id=FirstIds.business_unit,
        organization_id=FirstIds.organization,
        currency_id=FirstIds.currency,
    )
    engine.run(
        [*first_messages(config.organization_name), *message_rows(base, engine.messages.values())], founder
    )
    engine.run([*privilege_messages(base), *role_messages(base)], founder)
    password = config.admin_password or (ADMIN_PASSWORD if config.dev else None)
    if password:
        engine.run(
            list(
                user_messages(
                    FirstIds.administrator,
                    upn=config.admin_upn,
                    object_id=ADMIN_OBJECT_ID,
                    first_name=config.organization_name,
                    last_name="Administrator",
                )
            ),
            founder,
        )
        directory.set_password(FirstIds.administrator, hash_secret(password))
    for registration in _registrations(config):
        directory.add_application(registration)
        if not registration.public:
            engine.run(
                list(
                    user_messages(
                        FirstIds.application_user,
                        upn=f"app_{registration.client_id}@{config.tenant_names[0] if config.tenant_names else 'apps'}",
                        object_id=registration.object_id,
                        first_name="#",
                        last_name=registration.display_name,
                        application_id=registration.client_id,
                    )
                ),
                founder,
            )
    if config.sample:
        engine.run(list(sample_messages()), replace(founder, user_id=FirstIds.administrator))
    with engine.store.write() as unit:
        unit.write_setting(organization.TENANT, config.tenant_id)
        unit.write_setting(FOUNDED, base_digest())


def _registrations(config: Config) -> Iterator[Registration]:
    """The applications that a new organisation knows."""
    if config.client_id and config.client_secret:
        yield Registration(
            client_id=config.client_id,
            object_id=str(uuid4()),
            display_name="First application",
            secrets=(Secret(hash=hash_secret(config.client_secret)),),
        )
    if config.dev:
        confidential, public = development_applications()
        if not config.client_id:
            yield confidential
        yield public


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
    jobs = JobRunner(engine, lanes, alone=config.database_url is None, callouts=organisation.callouts)
    return with_plane(
        config,
        urls,
        Dataverse(engine, lanes, unsupported),
        authority,
        callers,
        Limits(rules_of(config), clock),
        Feed(engine, shared=config.database_url is not None),
        clock=clock,
        unsupported=unsupported,
        background=(jobs,),
        seed=partial(fill, engine),
    )


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
        _collect_rarely()
        with Housekeeping(organisation.engine):
            asyncio.run(_answer(application, [http, https]))
    finally:
        organisation.close()


def _collect_rarely() -> None:
    """Let collections leave out what is here for good, the schema above all, and wait for more than a page of rows."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(MANY_OBJECTS)


async def _answer(application: Application | Watched, listeners: Sequence[Listener]) -> None:
    async with application.background:
        await listen(application, listeners, on_stop=application.stop)


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
        ]
    return "\n".join(lines)
