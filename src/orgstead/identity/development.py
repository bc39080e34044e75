"""The fixed, published values of development mode: one tenant, one secret, one administrator.

They are no secret and must never be used on an address that others can reach.
"""

from typing import Final

from orgstead.identity.apps import Application, Secret, User
from orgstead.identity.config import IdentityConfig
from orgstead.identity.credentials import hash_secret
from orgstead.identity.memory import MemoryDirectory

__all__ = [
    "ADMIN_PASSWORD",
    "ADMIN_UPN",
    "CLIENT_ID",
    "CLIENT_SECRET",
    "PUBLIC_CLIENT_ID",
    "SUBSCRIPTION_KEY",
    "TENANT_ID",
    "development_applications",
    "development_config",
    "development_directory",
    "development_user",
]

TENANT_ID: Final = "0d365000-0000-4000-8000-000000000001"
CLIENT_ID: Final = "0d365000-0000-4000-8000-0000000000c1"
CLIENT_SECRET: Final = "orgstead-dev-secret"
ADMIN_UPN: Final = "admin@orgstead.localhost"
ADMIN_PASSWORD: Final = "orgstead-dev-password"
SUBSCRIPTION_KEY: Final = "orgstead-dev-key"
PUBLIC_CLIENT_ID: Final = "51f81489-12ee-4a9e-aaae-a2591f45987d"
"""The id that Microsoft's samples use."""

CLIENT_OBJECT_ID: Final = "0d365000-0000-4000-8000-0000000000c2"
PUBLIC_CLIENT_OBJECT_ID: Final = "0d365000-0000-4000-8000-0000000000c3"
ADMIN_OBJECT_ID: Final = "0d365000-0000-4000-8000-0000000000a1"

# http://localhost stands for every port. The last two are the reply addresses of Microsoft's .NET samples and of
# its Postman environment: https://learn.microsoft.com/power-apps/developer/data-platform/webapi/setup-postman-environment
PUBLIC_REDIRECTS: Final = (
    "http://localhost",
    "http://127.0.0.1",
    "app://58145B91-0C36-4500-8554-080854F2AC97",
    "https://localhost",
)


def development_config(*, own_urls: tuple[str, ...] = ()) -> IdentityConfig:
    """The settings of development mode for a server that answers on ``own_urls``."""
    domain = ADMIN_UPN.partition("@")[2]
    return IdentityConfig(tenant_id=TENANT_ID, tenant_names=(domain,), own_urls=own_urls, development=True)


def development_applications() -> tuple[Application, Application]:
    """The confidential and the public application."""
    confidential = Application(
        client_id=CLIENT_ID,
        object_id=CLIENT_OBJECT_ID,
        display_name="Orgstead development application",
        secrets=(Secret(hash=hash_secret(CLIENT_SECRET)),),
        redirect_uris=("http://localhost", "https://localhost", "https://oauth.pstmn.io/v1/callback"),
    )
    public = Application(
        client_id=PUBLIC_CLIENT_ID,
        object_id=PUBLIC_CLIENT_OBJECT_ID,
        display_name="Dynamics sample client",
        redirect_uris=PUBLIC_REDIRECTS,
        public=True,
    )
    return confidential, public


def development_user() -> User:
    """The administrator."""
    return User(
        object_id=ADMIN_OBJECT_ID,
        upn=ADMIN_UPN,
        display_name="Orgstead Administrator",
        given_name="Orgstead",
        family_name="Administrator",
        email=ADMIN_UPN,
        password_hash=hash_secret(ADMIN_PASSWORD),
    )


def development_directory() -> MemoryDirectory:
    """A directory in memory with all of them."""
    return MemoryDirectory(development_applications(), [development_user()])
