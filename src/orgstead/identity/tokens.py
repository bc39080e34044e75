"""Minting: access tokens, ID tokens, ``client_info`` and the answer of a token endpoint.

https://learn.microsoft.com/entra/identity-platform/access-token-claims-reference
https://learn.microsoft.com/entra/identity-platform/id-token-claims-reference
"""

import hashlib
import json
import secrets
from base64 import urlsafe_b64encode
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import jwt

from orgstead.identity.apps import Application, User
from orgstead.identity.config import IdentityConfig
from orgstead.identity.keys import KeyRing
from orgstead.identity.ports import Clock
from orgstead.identity.request import Answer, json_answer
from orgstead.identity.resources import Target

__all__ = [
    "ASSERTION",
    "NO_CREDENTIAL",
    "SECRET",
    "Minter",
    "SignIn",
    "client_info",
    "half_hash",
    "token_answer",
]

# The values of appidacr and azpacr: how the client authenticated.
NO_CREDENTIAL = "0"
SECRET = "1"
ASSERTION = "2"


@dataclass(frozen=True, slots=True, kw_only=True)
class SignIn:
    """Who is behind a token: an application, and a user unless it acts for itself.

    ``credential`` is how the application authenticated, ``auth_time`` when the user did (unix seconds).
    """

    application: Application
    credential: str
    user: User | None = None
    nonce: str = ""
    auth_time: int = 0


class Minter:
    """Signs tokens with the signing key of a ring."""

    def __init__(self, keys: KeyRing, clock: Clock, config: IdentityConfig) -> None:
        self._keys = keys
        self._clock = clock
        self._config = config

    def issuer(self, base_url: str, version: int) -> str:
        """The issuer of tokens of a version: ``https://<host>/<tenant>/`` or ``…/<tenant>/v2.0``."""
        return f"{base_url}/{self._config.tenant_id}/" + ("v2.0" if version == 2 else "")

    def access_token(self, sign_in: SignIn, target: Target, base_url: str) -> str:
        """An access token for ``target``, app-only when there is no user."""
        version = self._config.access_token_version
        app, user = sign_in.application, sign_in.user
        claims: dict[str, Any] = {
            "aud": target.audience,
            **self._frame(base_url, version),
            ("azp" if version == 2 else "appid"): app.client_id,
            ("azpacr" if version == 2 else "appidacr"): sign_in.credential,
        }
        if user is None:
            claims |= {"idtyp": "app", "idp": claims["iss"], "oid": app.object_id, "sub": app.object_id}
        else:
            claims |= {
                "acr": "1",
                "amr": ["pwd"],
                "idtyp": "user",
                "scp": " ".join(target.permissions),
                "sub": _pairwise(user.object_id, target.audience),
                **_person(user, version),
            }
            if version == 1:
                claims["upn"] = user.upn
        return self._sign(claims)

    def id_token(
        self, sign_in: SignIn, base_url: str, *, version: int, oidc: frozenset[str], hashes: Mapping[str, str]
    ) -> str:
        """An ID token for the application; ``hashes`` are ``at_hash`` and ``c_hash`` where they apply."""
        user = sign_in.user
        assert user is not None, "an ID token tells of a user"
        claims: dict[str, Any] = {
            "aud": sign_in.application.client_id,
            **self._frame(base_url, version),
            "auth_time": sign_in.auth_time,
            "sub": _pairwise(user.object_id, sign_in.application.client_id),
            **_person(user, version),
            **hashes,
        }
        if version == 1:
            claims |= {"amr": ["pwd"], "upn": user.upn}
        if "email" in oidc and user.email:
            claims["email"] = user.email
        if sign_in.nonce:
            claims["nonce"] = sign_in.nonce
        return self._sign(claims)

    def _frame(self, base_url: str, version: int) -> dict[str, Any]:
        now = int(self._clock())
        return {
            "iss": self.issuer(base_url, version),
            "iat": now,
            "nbf": now,
            "exp": now + self._config.access_token_seconds,
            "tid": self._config.tenant_id,
            "uti": secrets.token_urlsafe(16),
            "ver": f"{version}.0",
        }

    def _sign(self, claims: Mapping[str, Any]) -> str:
        key = self._keys.signing
        return jwt.encode(dict(claims), key.private, algorithm="RS256", headers={"kid": key.kid})


def token_answer(
    minter: Minter,
    sign_in: SignIn,
    target: Target,
    *,
    base_url: str,
    version: int,
    now: int,
    lifetime: int,
    refresh_token: str = "",
    wants_client_info: bool = False,
    tenant_id: str,
) -> Answer:
    """The 200 answer of a token endpoint, in the shape of its version.

    Version 1 writes numbers as text and repeats the resource:
    https://learn.microsoft.com/previous-versions/azure/active-directory/azuread-dev/v1-protocols-oauth-code
    """
    values: dict[str, Any] = {"token_type": "Bearer", "expires_in": lifetime, "ext_expires_in": lifetime}
    if version == 1:
        values = {name: str(value) for name, value in values.items()}
        values |= {"expires_on": str(now + lifetime), "not_before": str(now), "resource": target.audience}
    if sign_in.user is not None:
        values["scope"] = " ".join(target.permissions) if version == 1 else target.scope_text
    values["access_token"] = minter.access_token(sign_in, target, base_url)
    if refresh_token:
        values["refresh_token"] = refresh_token
    if sign_in.user is not None:
        if version == 1 or "openid" in target.oidc:
            values["id_token"] = minter.id_token(
                sign_in, base_url, version=version, oidc=target.oidc, hashes={}
            )
        if wants_client_info:
            values["client_info"] = client_info(sign_in.user.object_id, tenant_id)
    return json_answer(200, values)


def client_info(object_id: str, tenant_id: str) -> str:
    """What MSAL makes its accounts from: base64url JSON of the user's and the tenant's id."""
    return _base64(json.dumps({"uid": object_id, "utid": tenant_id}, separators=(",", ":")).encode())


def half_hash(text: str) -> str:
    """``at_hash`` or ``c_hash``: https://openid.net/specs/openid-connect-core-1_0.html#HybridIDToken"""
    return _base64(hashlib.sha256(text.encode()).digest()[:16])


def _person(user: User, version: int) -> dict[str, str]:
    person = {
        "name": user.display_name,
        "given_name": user.given_name,
        "family_name": user.family_name,
        "oid": user.object_id,
        ("preferred_username" if version == 2 else "unique_name"): user.upn,
    }
    return {name: value for name, value in person.items() if value}


def _pairwise(object_id: str, audience: str) -> str:
    return _base64(hashlib.sha256(f"{object_id}\n{audience}".lower().encode()).digest())


def _base64(data: bytes) -> str:
    return urlsafe_b64encode(data).rstrip(b"=").decode()
