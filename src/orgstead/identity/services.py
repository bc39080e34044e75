"""What every grant works with, and the one request that it works on."""

import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass

from orgstead.identity.apps import Application, User
from orgstead.identity.artefacts import Artefacts, Sealer
from orgstead.identity.config import IdentityConfig
from orgstead.identity.credentials import CredentialChecker, Throttle
from orgstead.identity.errors import refuse
from orgstead.identity.keys import KeyRing
from orgstead.identity.ports import Clock, Directory
from orgstead.identity.request import Request
from orgstead.identity.resources import Target, own_audiences, read_target
from orgstead.identity.tokens import Minter

__all__ = ["Call", "Services", "check_user", "known_application", "target_of"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Services:
    """The parts of one authorization server."""

    directory: Directory
    keys: KeyRing
    clock: Clock
    config: IdentityConfig
    minter: Minter
    artefacts: Artefacts
    sealer: Sealer
    checker: CredentialChecker
    throttle: Throttle


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """A request to one endpoint: its protocol ``version`` (1 or 2), the ``tenant`` as the path spells it,
    and the ``params`` of the query or the form, under their standard names."""

    request: Request
    version: int
    tenant: str
    params: Mapping[str, str]

    @property
    def base_url(self) -> str:
        """``scheme://host[:port]`` as the caller wrote it."""
        return self.request.base_url

    def need(self, name: str) -> str:
        """The value of a parameter. Raises OAuthError (AADSTS900144) when it is missing or empty."""
        value = self.params.get(name, "")
        if not value:
            raise refuse(900144, name=name)
        return value


def known_application(services: Services, client_id: str) -> Application:
    """The enabled application with this id. Raises OAuthError (AADSTS700016, AADSTS7000112)."""
    app = services.directory.application(client_id)
    if app is None:
        raise refuse(700016, app=client_id[:200], tenant=services.config.tenant_id)
    if not app.enabled:
        raise refuse(7000112, app=app.client_id)
    return app


def check_user(services: Services, upn: str, password: str) -> User:
    """The user with this name and password.

    Raises OAuthError: AADSTS50126 for a wrong name and a wrong password alike, AADSTS50053 while the name is
    locked, AADSTS50057 when the account is disabled.
    """
    user = services.directory.user(upn)
    # One account is counted once, however its name is spelt: databases find it by more spellings than one.
    counted = user.object_id if user is not None else unicodedata.normalize("NFKC", upn).casefold()
    if services.throttle.locked(counted):
        raise refuse(50053)
    if not services.checker.matches(user.password_hash if user else None, password) or user is None:
        services.throttle.failed(counted)
        raise refuse(50126)
    services.throttle.succeeded(counted)
    if not user.enabled:
        raise refuse(50057)
    return user


def target_of(call: Call, services: Services, params: Mapping[str, str], *, app_only: bool = False) -> Target:
    """What ``params`` ask a token for. Raises OAuthError as ``read_target`` does."""
    return read_target(
        params,
        version=call.version,
        home=call.base_url,
        own=own_audiences((call.base_url, *services.config.own_urls)),
        tenant=services.config.tenant_id,
        app_only=app_only,
    )
