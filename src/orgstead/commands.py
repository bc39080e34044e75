"""What the commands do, with the server's parts: only here does the command line need the server extra."""

import logging
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import msgspec
import structlog

from orgstead.app import Organisation, make_certificates, open_organisation, serve
from orgstead.config import Config
from orgstead.engine.context import SYSTEM
from orgstead.engine.subscriptions import KEYS, read_keys, renew_key
from orgstead.filling import fill
from orgstead.identity import AuthorizationServer, Certificates, development_config
from orgstead.identity.development import CLIENT_ID, CLIENT_SECRET
from orgstead.model.messages import Execute

__all__ = ["certify", "fill", "first_keys", "is_founded", "open_quietly", "rotate_key", "run", "sign"]


def run(config: Config, announce: Callable[[str], None]) -> None:
    """Serve until told to stop."""
    level = getattr(logging, config.log_level.upper(), logging.INFO)
    renderer = (
        structlog.processors.JSONRenderer()
        if config.log_format == "json"
        else structlog.dev.ConsoleRenderer()
    )
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso"),
            structlog.processors.format_exc_info,
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.PrintLoggerFactory(),
    )
    serve(config, announce)


@contextmanager
def open_quietly(config: Config) -> Iterator[Organisation]:
    """An open organisation, closed at the end."""
    organisation = open_organisation(config)
    try:
        yield organisation
    finally:
        organisation.close()


def certify(config: Config) -> Certificates:
    """The local certificate authority and the server's certificate."""
    return make_certificates(config)


def is_founded(config: Config) -> bool:
    """Whether the directory of the data is one that an organisation has its keys in."""
    return (Path(config.data) / "keys").is_dir()


def first_keys(organisation: Organisation) -> dict[str, str] | None:
    """The primary and the secondary subscription key, made now; None when one of them has been made before."""
    with organisation.store.write() as unit:
        if read_keys(unit).made:
            return None
        return {name: renew_key(unit, name) for name in KEYS}


def rotate_key(organisation: Organisation, name: str) -> str:
    """A new primary or secondary subscription key."""
    message = Execute(name="RegenerateSubscriptionKey", parameters={"Name": name})
    (result,) = organisation.engine.run([message], SYSTEM)
    key: str = result.value["Key"]
    return key


def sign(config: Config, url: str) -> str:
    """A bearer token of the development application for the server at ``url``."""
    with open_quietly(replace(config, silent=True)) as organisation:
        server = AuthorizationServer(
            organisation.directory, organisation.keys, time.time, development_config(own_urls=(url,))
        )
        body = (
            f"grant_type=client_credentials&client_id={config.client_id or CLIENT_ID}"
            f"&client_secret={config.client_secret or CLIENT_SECRET}&resource={url}"
        )
        answer = server.answer(
            method="POST",
            path=f"/{config.tenant_id}/oauth2/token",
            base_url=url,
            query=b"",
            headers={"content-type": "application/x-www-form-urlencoded"},
            body=body.encode(),
        )
    if answer is None or answer.status != 200:
        raise RuntimeError("the token was refused")
    text: str = msgspec.json.decode(answer.body)["access_token"]
    return text
