"""The API's side: checking bearer tokens, and the challenge that tells a client where to get one."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import jwt

from orgstead.identity.keys import KeyRing
from orgstead.identity.ports import Clock
from orgstead.identity.resources import canonical_url

__all__ = ["BearerVerifier", "Caller", "InvalidToken", "challenge"]

MAX_TOKEN = 16 * 1024
# The clocks of two servers of one organisation may differ by this much.
SKEW_SECONDS = 300
_SIGNATURE_ONLY: Any = {f"verify_{name}": False for name in ("aud", "exp", "iat", "iss", "jti", "nbf", "sub")}


@dataclass(frozen=True, slots=True, kw_only=True)
class Caller:
    """Who calls, as a valid token says.

    ``object_id`` is the user's, or the service principal's when ``app_only``; ``audience`` is canonical.
    """

    object_id: str
    application_id: str
    tenant_id: str
    app_only: bool
    upn: str
    name: str
    scopes: frozenset[str]
    roles: frozenset[str]
    audience: str
    not_before: int
    expires: int
    claims: Mapping[str, Any] = field(repr=False)


class InvalidToken(Exception):
    """Why a token is refused: ``code`` is one word for logs and tests, ``message`` a sentence for people."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


class BearerVerifier:
    """Verifies access tokens of this server and remembers those it verified.

    A remembered token costs a digest, a look-up and three comparisons. Two generations of the cache make it
    least-recently-used within a factor of two, without a lock on the way of a hit.
    """

    def __init__(self, keys: KeyRing, tenant_id: str, clock: Clock, *, cache_size: int = 4096) -> None:
        self._keys = keys
        self._tenant = tenant_id.lower()
        self._clock = clock
        self._half = max(cache_size // 2, 1)
        self._young: dict[bytes, Caller] = {}
        self._old: dict[bytes, Caller] = {}

    def verify(self, token: str, audience_hosts: frozenset[str]) -> Caller:
        """Return the caller of a token (without the word Bearer).

        ``audience_hosts`` comes from ``own_audiences``: it is compared in canonical form. Raises
        InvalidToken with the code malformed, signature, issuer, not_access, not_yet_valid, expired or
        audience.
        """
        digest = hashlib.sha256(token.encode("utf-8", "replace")).digest()
        caller = self._young.get(digest)
        if caller is None:
            caller = self._old.get(digest) or self._check(token)
            self._remember(digest, caller)
        now = self._clock()
        if now >= caller.expires:
            raise InvalidToken("expired", "The token has expired.")
        if now + SKEW_SECONDS < caller.not_before:
            raise InvalidToken("not_yet_valid", "The token is not valid yet.")
        if caller.audience not in audience_hosts:
            raise InvalidToken(
                "audience", f"The token is for '{caller.audience}', not for this organisation."
            )
        return caller

    def _remember(self, digest: bytes, caller: Caller) -> None:
        if len(self._young) >= self._half:
            self._old, self._young = self._young, {}
        self._young[digest] = caller

    def _check(self, token: str) -> Caller:
        if len(token) > MAX_TOKEN:
            raise InvalidToken("malformed", f"A token has at most {MAX_TOKEN} characters.")
        try:
            kid = jwt.get_unverified_header(token).get("kid")
            key = self._keys.public.get(kid) if isinstance(kid, str) else None
            if key is None:
                raise InvalidToken("signature", "The token was not signed by this server.")
            claims = jwt.decode(token, key, algorithms=["RS256"], options=_SIGNATURE_ONLY)
        except jwt.InvalidSignatureError as error:
            raise InvalidToken("signature", "The signature of the token is wrong.") from error
        except (jwt.PyJWTError, ValueError, RecursionError) as error:
            raise InvalidToken("malformed", "The token is not a well-formed JWT.") from error
        # The signature proves that this server wrote the claims; what is left is which kind of token it is.
        if str(claims.get("tid", "")).lower() != self._tenant:
            raise InvalidToken("issuer", "The token was issued for another tenant.")
        application = claims.get("appid") or claims.get("azp")
        if application is None:
            raise InvalidToken("not_access", "The token is an ID token, not an access token.")
        return Caller(
            object_id=claims["oid"],
            application_id=application,
            tenant_id=claims["tid"],
            app_only=claims["idtyp"] == "app",
            upn=claims.get("upn") or claims.get("preferred_username") or "",
            name=claims.get("name", ""),
            scopes=frozenset(claims.get("scp", "").split()),
            roles=frozenset(claims.get("roles", ())),
            audience=canonical_url(claims["aud"]),
            not_before=claims["nbf"],
            expires=claims["exp"],
            claims=claims,
        )


def challenge(authority: str, tenant_id: str, resource: str, fault: InvalidToken | None = None) -> str:
    """The value of ``WWW-Authenticate`` on a 401.

    ``authority`` and ``resource`` are ``scheme://host[:port]``. The .NET client splits at commas, wants one
    ``=`` in each part, and takes both values without quotes; the RFC 6750 members are added for a bad token.
    https://github.com/microsoft/PowerPlatform-DataverseServiceClient (AuthorityResolver)
    """
    parts = [
        f"authorization_uri={authority.rstrip('/')}/{tenant_id}/oauth2/authorize",
        f"resource_id={resource.rstrip('/')}/",
    ]
    if fault is not None:
        text = "".join(c if " " <= c <= "~" and c not in '"\\' else "'" for c in fault.message)
        parts += ['error="invalid_token"', f'error_description="{text}"']
    return "Bearer " + ", ".join(parts)
