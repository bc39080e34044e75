"""The composition root: a configuration becomes an organisation, and an organisation a server."""

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from orgstead.config import Config
from orgstead.engine import handlers, rules
from orgstead.engine.pipeline import Engine
from orgstead.engine.ports import Clock, Store
from orgstead.identity import (
    AuthorizationServer, BearerVerifier, Certificates, Directory, FileKeyStore, IdentityConfig, KeyRing, MemoryKeyStore,
    ensure_certificates, open_keys,
)
from orgstead.server.admin import Admin
from orgstead.server.asgi import Application
from orgstead.server.callers import Callers
from orgstead.server.dataverse import Dataverse
from orgstead.server.lanes import Lanes
from orgstead.server.observed import Unsupported
from orgstead.server.run import Listener, bind
from orgstead.server.run import serve as listen
from orgstead.solutions.first import found_organisation, open_directory
from orgstead.store.open import MEMORY, open_store

__all__ = ["Organisation", "build_application", "open_organisation", "serve"]

# Importing them registers what they handle.
REGISTERED = (handlers, rules)


@dataclass(frozen=True, slots=True, kw_only=True)
class Organisation:
    """An open organisation: its data, its users and applications, and its keys."""

    config: Config
    store: Store
    engine: Engine
    directory: Directory
    keys: KeyRing

    def close(self) -> None:
        """Close the database."""
        self.store.close()


def open_organisation(config: Config, *, clock: Clock = time.time) -> Organisation:
    """Open the organisation that a configuration names, founding it when it is not there yet.

    Raises Fault when the database cannot be opened.
    """
    store = open_store(config.data, config.database_url)
    engine = Engine(store, clock)
    found_organisation(engine, config)
    keys = open_keys(MemoryKeyStore() if config.data == MEMORY else FileKeyStore(Path(config.data) / "keys"))
    return Organisation(
        config=config, store=store, engine=engine, directory=open_directory(engine, config), keys=keys
    )


def build_application(
    organisation: Organisation, own_urls: Sequence[str], *, clock: Clock = time.time
) -> Application:
    """The ASGI application of an organisation that answers on ``own_urls`` (scheme, host, port)."""
    config, engine = organisation.config, organisation.engine
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
    lanes = Lanes(engine, inline=config.database_url is None)
    return Application(
        config,
        urls,
        Dataverse(engine, lanes, unsupported),
        authority,
        Callers(engine, verifier, clock),
        Admin(config, engine, unsupported),
    )


def serve(config: Config) -> None:
    """Open the organisation and answer until the process is told to stop."""
    organisation = open_organisation(config)
    try:
        http = Listener(socket=bind(config.host, config.http_port))
        certificates = make_certificates(config)
        https = Listener(
            socket=bind(config.host, config.https_port),
            certificate=certificates.certificate,
            key=certificates.key,
        )
        hosts = {"localhost", "127.0.0.1", config.host} if config.dev else {config.host}
        urls = [f"http://{host}:{http.port}" for host in sorted(hosts)]
        urls += [f"https://{host}:{https.port}" for host in sorted(hosts)]
        application = build_application(organisation, urls)
        if not config.silent:
            print(greeting(config, http.port, https.port, certificates), flush=True)
        asyncio.run(listen(application, [http, https]))
    finally:
        organisation.close()
