"""From options, a profile or the environment to a client: the one way in for every command."""

import logging
import os
import ssl
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import wraps
from typing import Any, TypeVar

import click

from orgstead.client import (
    AsyncClient,
    Client,
    ConfigurationError,
    Credential,
    DynamicsError,
    GivenToken,
    Retry,
    TransportError,
    read_connection_string,
    read_environment,
)
from orgstead.client.tokens import check_address
from orgstead.terminal.credentials import connection_of
from orgstead.terminal.profiles import Profiles

__all__ = ["PATIENCE", "Target", "aimed", "connected", "target", "to_connect"]

F = TypeVar("F", bound=Callable[..., Any])
# Seconds to go on knocking where nobody answers.
NOBODY_THERE = 1.0


class _Patience(Retry):
    """Waits for a service that asks for patience, and not for long where there is none."""

    def wait(self, error: DynamicsError, attempt: int, *, idempotent: bool, spent: float) -> float | None:
        if isinstance(error, TransportError) and not error.maybe_applied and spent > NOBODY_THERE:
            return None
        return super().wait(error, attempt, idempotent=idempotent, spent=spent)


PATIENCE = _Patience()
"""How patient a command is: as the client's own, but for servers that are not there."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """An organisation and a way to sign in. ``source`` says where it was found, ``ca`` is a file of certificates."""

    url: str
    credential: Credential
    source: str
    ca: str | None = None
    allow_http: bool = False
    acting_for: str | None = None

    def client(self, **options: Any) -> Client:
        """A client; ``options`` are those of ``Client``. Raises ConfigurationError."""
        made = Client(self.url, self.credential, **self._options(options))
        return made if self.acting_for is None else made.acting_for(self.acting_for)

    def async_client(self, **options: Any) -> AsyncClient:
        """The client for event loops. Raises ConfigurationError."""
        made = AsyncClient(self.url, self.credential, **self._options(options))
        return made if self.acting_for is None else made.acting_for(self.acting_for)

    def _options(self, options: Mapping[str, Any]) -> dict[str, Any]:
        trust: dict[str, Any] = {}
        if self.ca is not None:
            try:
                trust["verify"] = ssl.create_default_context(cafile=self.ca)
            except (OSError, ssl.SSLError) as error:
                raise ConfigurationError(
                    f"the certificates to trust, {self.ca}, cannot be read: {error}"
                ) from None
        return {"retry": PATIENCE, "allow_http": self.allow_http, **trust, **options}


def target(
    *,
    profile: str | None = None,
    url: str | None = None,
    token: str | None = None,
    connection_string: str | None = None,
    acting_for: str | None = None,
    credential: Credential | None = None,
) -> Target:
    """What to connect to, and how.

    In this order: a connection string; a token or ``credential`` for ``url``; the profile of that name, or of
    ``ORGSTEAD_PROFILE``; ``url`` with the profile of that address, or the credential of the environment; the profile
    that is selected; the environment. Raises ConfigurationError, which says what to do, when there is none of these.
    """
    return replace(_found(profile, url, token, connection_string, credential), acting_for=acting_for)


def _found(
    profile: str | None,
    url: str | None,
    token: str | None,
    connection_string: str | None,
    credential: Credential | None,
) -> Target:
    if connection_string:
        made = read_connection_string(connection_string)
        return Target(url=url or made.url, credential=made.credential, source="a connection string")
    named = profile or os.environ.get("ORGSTEAD_PROFILE")
    if not token and not named and credential is None:
        token = os.environ.get("ORGSTEAD_TOKEN")
    given = GivenToken(source=token) if token else credential
    profiles = Profiles()
    chosen = _chosen(profiles, named, url)
    if given is not None:
        return _with(given, chosen, profiles, url, "a token" if token else "options")
    if chosen is not None:
        return _of_profile(profiles, chosen)
    return _of_environment(url, profiles)


def _chosen(profiles: Profiles, named: str | None, url: str | None) -> str | None:
    """The profile that was named, or is for the address, or is selected."""
    selected = profiles.selected
    if named:
        if url and _origin(url) != _origin(profiles.get(named).url):
            raise ConfigurationError(
                f"profile {named!r} is for {profiles.get(named).url}: leave out --url, or the profile"
            )
        return named
    if url:
        fitting = [name for name, each in profiles.all().items() if _origin(each.url) == _origin(url)]
        return selected if selected in fitting else next(iter(fitting), None)
    if selected is not None:
        _agree(selected, profiles.get(selected).url)
    return selected


def _with(
    credential: Credential, chosen: str | None, profiles: Profiles, url: str | None, source: str
) -> Target:
    """A credential that was given, for the organisation of a profile or an address."""
    if chosen is not None:
        profile = profiles.get(chosen)
        return Target(
            url=profile.url,
            credential=credential,
            source=source,
            ca=profile.ca,
            allow_http=profile.allow_http,
        )
    address = url or _address()
    if not address:
        raise ConfigurationError("which organisation? Give --url, or set DATAVERSE_URL")
    return Target(url=address, credential=credential, source=source)


def _of_profile(profiles: Profiles, name: str) -> Target:
    profile = profiles.get(name)
    made = connection_of(profile, profiles.secrets(name), ask=sys.stderr.isatty())
    return Target(
        url=made.url,
        credential=made.credential,
        source=f"profile {name}",
        ca=profile.ca,
        allow_http=profile.allow_http,
    )


def _of_environment(url: str | None, profiles: Profiles) -> Target:
    try:
        made = read_environment(url=url)
    except ConfigurationError as error:
        if url is None and (known := sorted(profiles.all())):
            raise ConfigurationError(
                f"no profile is selected: 'orgstead auth select NAME' selects one of {', '.join(known)}"
            ) from None
        raise ConfigurationError(
            f"{error}. Or keep a profile: orgstead auth create --url {url or 'https://org12345.crm.dynamics.com'}"
        ) from None
    return Target(url=made.url, credential=made.credential, source="the environment")


def _address() -> str | None:
    return os.environ.get("DATAVERSE_URL") or os.environ.get("POWER_PLATFORM_URL")


def _origin(url: str) -> str:
    return check_address(url, allow_http=True).lower()


def _agree(selected: str, url: str) -> None:
    """Which of two organisations is meant is nothing to guess."""
    address = _address()
    if text := os.environ.get("DATAVERSE_CONNECTION_STRING"):
        address = read_connection_string(text).url
    if address and _origin(address) != _origin(url):
        raise ConfigurationError(
            f"the environment names {address}, and the selected profile {selected!r} is for {url}: "
            f"say which with --url or --profile, or set ORGSTEAD_PROFILE"
        )


def _verbose(context: click.Context, option: click.Parameter, wanted: bool) -> None:
    if wanted:
        log = logging.getLogger("orgstead.client")
        handler = logging.StreamHandler()
        log.addHandler(handler)
        log.setLevel(logging.DEBUG)
        context.call_on_close(lambda: log.removeHandler(handler))


_OPTIONS = (
    click.option(
        "--profile", metavar="NAME", help="The profile to use [ORGSTEAD_PROFILE; else the selected one]."
    ),
    click.option(
        "--url",
        "--environment",
        "-env",
        "url",
        metavar="URL",
        help="The organisation: with the profile of this address, or the credentials of the environment.",
    ),
    click.option("--token", help="A bearer token, instead of credentials [ORGSTEAD_TOKEN]."),
    click.option("--connection-string", metavar="TEXT", help="All of it as Dynamics developers write it."),
    click.option("--as", "acting_for", metavar="USERID", help="Act for this user, by the systemuserid."),
    click.option(
        "--verbose",
        "-v",
        is_flag=True,
        expose_value=False,
        callback=_verbose,
        help="Say what is sent, on standard error.",
    ),
)


def to_connect(command: F) -> F:
    """Give a command the options to connect, which are the parameters of ``target``."""
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


def aimed(command: F) -> F:
    """Give a command the options to connect, and as its argument ``aim`` a ``Target``."""

    @wraps(command)
    def run(*arguments: Any, **given: Any) -> Any:
        names = ("profile", "url", "token", "connection_string", "acting_for")
        asked = {name: given.pop(name) for name in names}
        return command(*arguments, aim=target(**asked), **given)

    return to_connect(run)  # type: ignore[return-value]


def connected(command: F) -> F:
    """Give a command the options to connect, and as its argument ``client`` a ``Client``, closed at the end."""

    @wraps(command)
    def run(*arguments: Any, aim: Target, **given: Any) -> Any:
        with aim.client() as client:
            return command(*arguments, client=client, **given)

    return aimed(run)  # type: ignore[return-value]
