"""The settings of a server: one frozen value, read once from the command line and the environment.

Every setting is also the environment variable ``ORGSTEAD_<NAME>``. Development mode has fixed, published
credentials and is therefore allowed on loopback addresses only.
"""

import ipaddress
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Final
from uuid import UUID

__all__ = ["LIMITS", "MEMORY", "Config", "ConfigError", "read_config", "redacted"]

MEMORY: Final = ":memory:"
DEVELOPMENT_TENANT: Final = "0d365000-0000-4000-8000-000000000001"
MIN_KEY = 16
BASE_PATH = re.compile(r"(?:/[A-Za-z0-9][A-Za-z0-9._~-]{0,63}){1,4}")
# First words of paths that lead elsewhere.
TAKEN = frozenset(
    {"api", "blob", "data", "healthz", "image", "metadata", "readyz", "xrmservices", "_orgstead"}
)
TRUE = frozenset({"1", "true", "yes", "on"})
FALSE = frozenset({"0", "false", "no", "off"})
LIMITS: Final = ("auto", "on", "count", "off")
MAX_LIMIT: Final = 10_000_000
MAX_WINDOW: Final = 86_400
MAX_DAYS: Final = 36_500


class ConfigError(ValueError):
    """A setting that cannot be: the message names it and says what would be right."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """What a server needs to know. Raises ConfigError when the settings do not fit together."""

    data: str = ".orgstead"
    """The directory of the database, keys and certificates; ``:memory:`` leaves nothing behind."""

    host: str = "127.0.0.1"
    """The address to listen on."""

    http_port: int = 5365
    """The port of HTTP; 0 takes a free one."""

    https_port: int = 5366
    """The port of HTTPS; 0 takes a free one."""

    database_url: str | None = None
    """``postgresql://…`` instead of the SQLite file in ``data``."""

    files: str | None = None
    """Where the content of files lies: a directory, which several processes share, or ``s3://bucket/prefix?endpoint=…``.

    By default it is ``files`` in ``data``.
    """

    extensions: str | None = None
    """A directory of Python files whose functions answer custom APIs. What lies there runs as the server itself."""

    dev: bool = True
    """Development mode: fixed credentials, the admin plane. On loopback addresses only."""

    sample: bool = False
    """Fill a new organisation with sample rows."""

    silent: bool = False
    """Print nothing at start."""

    base_url: str | None = None
    """Scheme and host that clients use where it is not the address they connect to: behind a proxy."""

    authority_url: str | None = None
    """Scheme and host of the sign-in endpoints where they are not the API's own."""

    trusted_proxies: tuple[str, ...] = ()
    """Addresses of proxies whose X-Forwarded-Proto and X-Forwarded-Host count."""

    tls_hosts: tuple[str, ...] = ()
    """Further names and addresses that the server's certificate is for."""

    callouts_allowed: tuple[str, ...] = ()
    """What webhooks may call, even without TLS, beside public addresses over TLS: host names, ``host:port``, networks.

    Development mode allows this machine.
    """

    callouts_ca: str | None = None
    """A file of certificate authorities (PEM) that endpoints of webhooks may be certified by, beside the system's."""

    history_days: int = 30
    """How many days system jobs that have ended, and deliveries of webhooks, are kept; 0 keeps them for ever."""

    step_seconds: int = 120
    """How long a Python function may run that is a step or answers a custom API, in seconds."""

    max_body_bytes: int = 32 * 1024 * 1024
    """The largest body of a request, in bytes."""

    max_batch_bytes: int = 128 * 1024 * 1024
    """The largest body of a batch, in bytes."""

    connector_max_bytes: int = 2 * 1024 * 1024 * 1024
    """The largest file that is enqueued for a recurring data job, in bytes."""

    limits: str = "auto"
    """Service protection: ``on``, ``count`` (tells what is left, refuses nothing), ``off``; ``auto`` is ``count`` in
    development mode and ``on`` outside of it."""

    limit_requests: int = 6_000
    """Requests of a user in the window; 0 is no limit."""

    limit_execution_seconds: int = 1_200
    """Combined execution time of a user's requests in the window, in seconds; 0 is no limit."""

    limit_concurrent: int = 52
    """Requests of a user at a time; 0 is no limit."""

    limit_window_seconds: int = 300
    """The sliding window of service protection, in seconds."""

    limit_exempt: tuple[str, ...] = ()
    """Ids of users, and client ids of applications, that service protection leaves alone."""

    mcp: str = "read"
    """What agents may do at ``/api/mcp``, each with the privileges of its own token: ``off``, ``read``, ``write`` (and
    read), ``delete`` (and both)."""

    crm_path: str = "/crm"
    """The base path of CRM as a Service; empty for none."""

    crm_us_path: str = "/us/crm"
    """The base path of its region US, which leads to the same organisation; empty for none."""

    crm_eu_path: str = "/eu/crm"
    """The base path of its region EU, which leads to the same organisation; empty for none."""

    tenant_id: str = DEVELOPMENT_TENANT
    """The GUID of the tenant."""

    tenant_names: tuple[str, ...] = ("orgstead.localhost",)
    """Domain names that stand for the tenant in addresses."""

    organization_name: str = "Orgstead"
    """What the organisation is called."""

    admin_upn: str = "admin@orgstead.localhost"
    """The principal name of the first administrator."""

    admin_password: str | None = None
    """The first administrator's password; development mode has one of its own."""

    client_id: str | None = None
    """The id of the first application; development mode has one of its own."""

    client_secret: str | None = None
    """The first application's secret; development mode has one of its own."""

    admin_key: str | None = None
    """The key of the admin plane, at least 16 characters; outside development mode there is no plane without one."""

    log_format: str = "console"
    """``console`` or ``json``."""

    log_level: str = "info"
    """``debug``, ``info``, ``warning`` or ``error``."""

    def __post_init__(self) -> None:
        if self.dev and not _loopback(self.host):
            raise ConfigError(
                f"Development mode has published passwords and is only for loopback addresses, not {self.host}: "
                "use --no-dev, and set admin_password or client_id and client_secret."
            )
        if not self.dev and not self.admin_password and not (self.client_id and self.client_secret):
            raise ConfigError(
                "Outside development mode nothing has a default secret: set ORGSTEAD_ADMIN_PASSWORD, or "
                "ORGSTEAD_CLIENT_ID and ORGSTEAD_CLIENT_SECRET (or the same names with _FILE)."
            )
        for name in ("http_port", "https_port"):
            if not 0 <= getattr(self, name) <= 65535:
                raise ConfigError(f"{name} must be between 0 and 65535.")
        if not _guid(self.tenant_id):
            raise ConfigError("tenant_id must be a GUID.")
        self._check_limits()
        if not 0 <= self.history_days <= MAX_DAYS:
            raise ConfigError(f"history_days must be between 0 and {MAX_DAYS}.")
        if not 1 <= self.step_seconds <= MAX_WINDOW:
            raise ConfigError(f"step_seconds must be between 1 and {MAX_WINDOW}.")
        if self.connector_max_bytes < 1:
            raise ConfigError("connector_max_bytes must be at least 1.")
        for name in ("crm_path", "crm_us_path", "crm_eu_path"):
            path = getattr(self, name)
            if path and (not BASE_PATH.fullmatch(path) or path.split("/")[1].lower() in TAKEN):
                raise ConfigError(
                    f"{name} must be a path such as /crm, without a slash at its end, that nothing else is at."
                )
        if self.mcp not in ("off", "read", "write", "delete"):
            raise ConfigError("mcp must be off, read, write or delete.")
        if self.admin_key is not None and (len(self.admin_key) < MIN_KEY or not self.admin_key.isprintable()):
            raise ConfigError(f"admin_key must have at least {MIN_KEY} characters, all of them printable.")
        if self.log_format not in ("console", "json"):
            raise ConfigError("log_format must be console or json.")

    def _check_limits(self) -> None:
        if self.limits not in LIMITS:
            raise ConfigError(f"limits must be one of {', '.join(LIMITS)}.")
        for name in ("limit_requests", "limit_execution_seconds", "limit_concurrent"):
            if not 0 <= getattr(self, name) <= MAX_LIMIT:
                raise ConfigError(f"{name} must be between 0 and {MAX_LIMIT}.")
        if not 1 <= self.limit_window_seconds <= MAX_WINDOW:
            raise ConfigError(f"limit_window_seconds must be between 1 and {MAX_WINDOW}.")
        if not all(map(_guid, self.limit_exempt)):
            raise ConfigError("limit_exempt must be GUIDs of users and applications.")


SECRETS = frozenset({"admin_key", "admin_password", "client_secret", "database_url"})


def read_config(given: Mapping[str, Any], environment: Mapping[str, str] = os.environ) -> Config:
    """The configuration out of options (None: not given) and the environment.

    A variable ``ORGSTEAD_<NAME>_FILE`` names a file that holds the value. Raises ConfigError.
    """
    values: dict[str, Any] = {}
    for field in fields(Config):
        option = given.get(field.name)
        if option is not None:
            values[field.name] = option
            continue
        text = _from_environment(field.name, environment)
        if text is not None:
            values[field.name] = _typed(field.name, field.default, text)
    return Config(**values)


def _from_environment(name: str, environment: Mapping[str, str]) -> str | None:
    variable = f"ORGSTEAD_{name.upper()}"
    if variable in environment:
        return environment[variable]
    path = environment.get(f"{variable}_FILE")
    if path is None:
        return None
    try:
        return Path(path).read_text("utf-8").strip()
    except OSError as error:
        raise ConfigError(f"{variable}_FILE: {error.strerror}.") from error


def _typed(name: str, default: Any, text: str) -> Any:
    if isinstance(default, bool):
        if text.lower() in TRUE | FALSE:
            return text.lower() in TRUE
        raise ConfigError(f"ORGSTEAD_{name.upper()} must be true or false.")
    if isinstance(default, int):
        if text.isdigit():
            return int(text)
        raise ConfigError(f"ORGSTEAD_{name.upper()} must be a whole number.")
    if isinstance(default, tuple):
        return tuple(part.strip() for part in text.split(",") if part.strip())
    return text


def redacted(config: Config) -> Mapping[str, Any]:
    """The settings by name, secrets hidden."""
    shown = {field.name: getattr(config, field.name) for field in fields(Config)}
    return {name: "…" if name in SECRETS and value else value for name, value in shown.items()}


def _guid(text: str) -> bool:
    try:
        UUID(text)
    except ValueError:
        return False
    return True


def _loopback(host: str) -> bool:
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
