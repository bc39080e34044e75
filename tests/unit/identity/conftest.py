"""A server in development mode, made anew for each test."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from orgstead.identity import AuthorizationServer, KeyRing, MemoryDirectory, MemoryKeyStore, open_keys
from orgstead.identity.apps import Application, User
from orgstead.identity.development import (
    ADMIN_PASSWORD,
    ADMIN_UPN,
    CLIENT_ID,
    CLIENT_SECRET,
    PUBLIC_CLIENT_ID,
    development_applications,
    development_config,
    development_user,
)
from tests.unit.identity.identity_site import ORG, SCOPE, Clock, Site


@pytest.fixture(scope="session")
def keys() -> KeyRing:
    """One key ring for all tests: making an RSA key takes long."""
    return open_keys(MemoryKeyStore())


@pytest.fixture(scope="session")
def people() -> tuple[tuple[Application, ...], User]:
    """The development applications and user, hashed once."""
    return development_applications(), development_user()


@pytest.fixture
def make_site(keys: KeyRing, people: tuple[tuple[Application, ...], User]) -> Callable[..., Site]:
    """Make a server whose settings differ from development mode's in what is given."""

    def make(**settings: Any) -> Site:
        config = replace(development_config(own_urls=(ORG,)), **settings)
        clock = Clock()
        directory = MemoryDirectory(people[0], [people[1]])
        server = AuthorizationServer(directory, keys, clock, config)
        return Site(server=server, directory=directory, clock=clock, keys=keys, config=config)

    return make


@pytest.fixture
def site(make_site: Callable[..., Site]) -> Site:
    """A server in development mode."""
    return make_site()


@pytest.fixture
def confidential() -> dict[str, str]:
    """The form fields of a client credentials request."""
    return {
        "grant_type": "client_credentials",
        "client_id": CLIENT_ID,
        "client_secret": CLIENT_SECRET,
        "scope": SCOPE,
    }


@pytest.fixture
def ropc() -> dict[str, str]:
    """The form fields of a password request of the public client."""
    return {
        "grant_type": "password",
        "client_id": PUBLIC_CLIENT_ID,
        "username": ADMIN_UPN,
        "password": ADMIN_PASSWORD,
        "scope": f"{ORG}/user_impersonation openid offline_access",
    }
