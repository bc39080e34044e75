"""A profile as a credential: one function for each kind of sign-in."""

from collections.abc import Callable, Mapping

from orgstead.client import (
    SAMPLE_CLIENT_ID,
    Browser,
    ClientCertificate,
    ClientSecret,
    ConfigurationError,
    Connection,
    Credential,
    DeviceCode,
    Password,
    TokenStore,
    read_connection_string,
    read_environment,
)
from orgstead.client.sign_in import UserCredential
from orgstead.terminal.kept import Kept
from orgstead.terminal.profiles import Profile

__all__ = [
    "DEV_CLIENT_ID",
    "DEV_CLIENT_SECRET",
    "KINDS",
    "OPEN",
    "PASSWORD",
    "SECRET",
    "STRING",
    "connection_of",
]

# What a development organisation publishes; it listens on loopback only.
DEV_CLIENT_ID, DEV_CLIENT_SECRET = "0d365000-0000-4000-8000-0000000000c1", "orgstead-dev-secret"
# The names of a profile's secrets; those of refresh tokens are the credentials' own.
SECRET, PASSWORD, STRING = "client secret", "password", "connection string"


def _need(value: str | None, what: str) -> str:
    if not value:
        raise ConfigurationError(
            f"the profile has no {what}: make it anew with 'orgstead auth create --replace'"
        )
    return value


def _application(profile: Profile) -> str:
    return profile.client_id or SAMPLE_CLIENT_ID


def _dev(profile: Profile, store: TokenStore) -> Credential:
    return ClientSecret(client_id=DEV_CLIENT_ID, client_secret=DEV_CLIENT_SECRET)


def _secret(profile: Profile, store: TokenStore) -> Credential:
    secret = _need(store.get(SECRET), "client secret")
    return ClientSecret(client_id=_need(profile.client_id, "client id"), client_secret=secret)


def _certificate(profile: Profile, store: TokenStore) -> Credential:
    return ClientCertificate(
        client_id=_need(profile.client_id, "client id"),
        certificate=_need(profile.certificate, "certificate"),
        password=store.get(PASSWORD),
    )


def _password(profile: Profile, store: TokenStore) -> Credential:
    return Password(
        client_id=_application(profile),
        client_secret=store.get(SECRET),
        username=_need(profile.username, "user name"),
        password=_need(store.get(PASSWORD), "password"),
    )


def _device(profile: Profile, store: TokenStore) -> Credential:
    return DeviceCode(client_id=_application(profile), client_secret=store.get(SECRET), store=store)


def _browser(profile: Profile, store: TokenStore) -> Credential:
    return Browser(
        client_id=_application(profile),
        client_secret=store.get(SECRET),
        login_hint=profile.username,
        store=store,
    )


def _string(profile: Profile, store: TokenStore) -> Credential:
    return read_connection_string(_need(store.get(STRING), "connection string")).credential


def _environment(profile: Profile, store: TokenStore) -> Credential:
    return read_environment(url=profile.url).credential


KINDS: Mapping[str, Callable[[Profile, TokenStore], Credential]] = {
    "browser": _browser,
    "certificate": _certificate,
    "connection-string": _string,
    "dev": _dev,
    "device-code": _device,
    "environment": _environment,
    "password": _password,
    "secret": _secret,
}
"""The ways to sign in, by the name that a profile has for each."""


# These keep nothing that would have to be encrypted.
OPEN = frozenset({"dev", "environment"})


def connection_of(profile: Profile, store: TokenStore, *, ask: bool) -> Connection:
    """What a profile connects to and how; ``ask`` says whether a person may be asked to sign in.

    Raises ConfigurationError for one that lacks something.
    """
    make = KINDS.get(profile.kind)
    if make is None:
        raise ConfigurationError(f"a profile signs in by {', '.join(KINDS)}, not by {profile.kind[:40]!r}")
    credential = make(profile, store)
    if profile.tenant_id:
        credential.tenant_id = profile.tenant_id
    if profile.authority:
        credential.authority = profile.authority
    if isinstance(credential, UserCredential) and not ask:
        credential.prompt = "never"
    if profile.kind in OPEN:
        return Connection(url=profile.url, credential=credential)
    kept = Kept(inner=credential, store=store, tenant_id=credential.tenant_id, authority=credential.authority)
    return Connection(url=profile.url, credential=kept)
