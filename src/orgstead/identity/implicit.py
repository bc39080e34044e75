"""Tokens straight from the authorization endpoint: the implicit and hybrid flows, in development mode only.

https://learn.microsoft.com/entra/identity-platform/v2-oauth2-implicit-grant-flow
"""

from orgstead.identity.apps import IMPLICIT, Application
from orgstead.identity.errors import refuse
from orgstead.identity.resources import Target
from orgstead.identity.services import Call, Services
from orgstead.identity.tokens import SignIn, half_hash

__all__ = ["allow_implicit", "implicit_values"]


def allow_implicit(services: Services, app: Application, kinds: frozenset[str]) -> None:
    """Raises OAuthError (AADSTS700051, AADSTS700054) unless the application may have tokens this way."""
    if services.config.development and IMPLICIT in app.grants:
        return
    if "token" in kinds:
        raise refuse(700051)
    if "id_token" in kinds:
        raise refuse(700054)


def implicit_values(
    call: Call, services: Services, sign_in: SignIn, target: Target, *, kinds: frozenset[str], code: str
) -> dict[str, str]:
    """The ``access_token`` and ``id_token`` members of an authorization answer."""
    values: dict[str, str] = {}
    hashes = {"c_hash": half_hash(code)} if code else {}
    if "token" in kinds:
        token = services.minter.access_token(sign_in, target, call.base_url)
        hashes["at_hash"] = half_hash(token)
        values |= {
            "access_token": token,
            "token_type": "Bearer",
            "expires_in": str(services.config.access_token_seconds),
            "scope": " ".join(target.permissions) if call.version == 1 else target.scope_text,
        }
    if "id_token" in kinds:
        values["id_token"] = services.minter.id_token(
            sign_in, call.base_url, version=call.version, oidc=target.oidc, hashes=hashes
        )
    return values
