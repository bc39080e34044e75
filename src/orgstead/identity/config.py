"""The settings of the authorization server, one documented value each."""

from dataclasses import dataclass
from typing import Literal

__all__ = ["IdentityConfig"]


@dataclass(frozen=True, slots=True, kw_only=True)
class IdentityConfig:
    """What the authorization server needs to know about its organisation.

    Lifetimes and intervals are seconds; sizes are bytes. The lifetimes are those that Entra documents:
    an access token lives about an hour, a code ten minutes, a device code a quarter of an hour, a
    refresh token ninety days.
    https://learn.microsoft.com/entra/identity-platform/configurable-token-lifetimes
    """

    tenant_id: str
    """The GUID of the one tenant; also what ``common`` and ``organizations`` stand for."""

    tenant_names: tuple[str, ...] = ()
    """Domain names that may stand for the tenant in a path."""

    organization_name: str = "Orgstead"
    """Shown on the sign-in pages."""

    own_urls: tuple[str, ...] = ()
    """Every URL (scheme, host, port) that this server answers on, beside the one a request came to.
    A token is issued for these resources and no others."""

    development: bool = False
    """Allows the implicit grant to the applications that list it."""

    access_token_version: Literal[1, 2] = 1
    """The claims of access tokens. The resource decides in Entra, whichever endpoint was asked, and
    Dataverse asks for version 1. https://learn.microsoft.com/entra/identity-platform/access-tokens"""

    access_token_seconds: int = 3599
    code_seconds: int = 600
    device_seconds: int = 900
    device_interval: int = 5
    refresh_seconds: int = 90 * 24 * 3600
    sign_in_seconds: int = 900
    """How long a sign-in page may stay open before its form is refused."""

    max_body: int = 64 * 1024
    max_query: int = 16 * 1024
    max_codes: int = 10_000
    """Authorization codes that may be outstanding at once."""
    max_devices: int = 1_000
    """Device codes that may be outstanding at once."""
    max_failures: int = 10
    """Wrong passwords for one name in a row before it is locked for a minute."""
