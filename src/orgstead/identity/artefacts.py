"""One-time artefacts: made at random, kept under a keyed hash, bounded in number. And sealed form values."""

import base64
import hashlib
import hmac
import json
import secrets
from collections.abc import Mapping

from orgstead.identity.errors import refuse
from orgstead.identity.keys import KeyRing
from orgstead.identity.ports import Clock, Directory, Grant

__all__ = ["CODE", "DEVICE", "DEVICE_POLL", "REFRESH", "REVOKED", "SPENT", "USER_CODE", "Artefacts", "Sealer"]

# Kinds of grants, the first half of their address.
CODE = "code"
DEVICE = "device"
DEVICE_POLL = "device_poll"
REFRESH = "refresh"
REVOKED = "revoked"
SPENT = "spent"
USER_CODE = "user_code"

PURGE_SECONDS = 300.0


class Artefacts:
    """Codes and tokens that work once."""

    def __init__(self, directory: Directory, keys: KeyRing, clock: Clock) -> None:
        self._directory = directory
        self._key = keys.derive("artefacts")
        self._clock = clock
        self._purge_at = 0.0

    def new(self, kind: str, data: Mapping[str, str], *, seconds: float, limit: int = 0) -> str:
        """Make and keep an artefact. Raises OAuthError (AADSTS90055) when ``limit`` are outstanding."""
        token = secrets.token_urlsafe(48)
        self.keep(kind, token, data, seconds=seconds, limit=limit)
        return token

    def keep(self, kind: str, token: str, data: Mapping[str, str], *, seconds: float, limit: int = 0) -> None:
        """Keep an artefact whose text the caller made. Raises OAuthError as ``new`` does."""
        now = self._clock()
        if now >= self._purge_at:
            # What has expired stays for a while, so that its holder learns that it expired.
            self._purge_at = now + PURGE_SECONDS
            self._directory.purge_grants(now - 2 * PURGE_SECONDS)
        if limit and self._directory.count_grants(kind, now) >= limit:
            raise refuse(90055)
        self._directory.put_grant(kind, self._hash(token), data, now + seconds)

    def peek(self, kind: str, token: str) -> Grant | None:
        """Return an artefact, expired or not, and leave it."""
        return self._directory.peek_grant(kind, self._hash(token))

    def take(self, kind: str, token: str) -> Grant | None:
        """Remove and return an artefact, once."""
        return self._directory.take_grant(kind, self._hash(token))

    def update(self, kind: str, token: str, data: Mapping[str, str]) -> bool:
        """Replace the data of an artefact; False when it is gone."""
        return self._directory.update_grant(kind, self._hash(token), data)

    def expired(self, grant: Grant) -> bool:
        """Whether a grant came too late."""
        return grant.expires <= self._clock()

    def spend(self, token: str, family: str, *, seconds: float) -> None:
        """Remember that a code or refresh token was used, to notice a second use of it."""
        self.keep(SPENT, token, {"family": family}, seconds=seconds)

    def revoke_if_spent(self, token: str, *, seconds: float) -> bool:
        """Whether ``token`` was used before; if so, all that came of its sign-in is revoked.

        A second use means that somebody else holds a copy: https://www.rfc-editor.org/rfc/rfc9700#section-4.14.2
        """
        spent = self.peek(SPENT, token)
        if spent is None:
            return False
        self.revoke(spent.data["family"], seconds=seconds)
        return True

    def revoke(self, family: str, *, seconds: float) -> None:
        """Revoke all that came of a sign-in."""
        self.keep(REVOKED, family, {}, seconds=seconds)

    def revoked(self, family: str) -> bool:
        """Whether the refresh tokens of a sign-in were revoked."""
        return self.peek(REVOKED, family) is not None

    def _hash(self, token: str) -> str:
        return hmac.new(self._key, token.encode("utf-8", "replace"), hashlib.sha256).hexdigest()


class Sealer:
    """Values that travel through a form and come back unchanged, of this server and in time."""

    def __init__(self, keys: KeyRing, clock: Clock) -> None:
        self._key = keys.derive("sealed forms")
        self._clock = clock

    def seal(self, purpose: str, values: Mapping[str, str], *, seconds: float) -> str:
        """Encode and sign ``values`` for ``purpose``; readable by whoever holds the text."""
        content = {"p": purpose, "e": self._clock() + seconds, "v": dict(values)}
        body = base64.urlsafe_b64encode(json.dumps(content, separators=(",", ":")).encode()).decode()
        return f"{body}.{self._sign(body)}"

    def open(self, purpose: str, text: str) -> dict[str, str] | None:
        """The values, or None when the text was not sealed here for ``purpose`` or is too old."""
        body, _, signature = text.rpartition(".")
        if not hmac.compare_digest(self._sign(body).encode(), signature.encode("utf-8", "replace")):
            return None
        content = json.loads(base64.urlsafe_b64decode(body))
        if content["p"] != purpose or content["e"] <= self._clock():
            return None
        values: dict[str, str] = content["v"]
        return values

    def _sign(self, body: str) -> str:
        return hmac.new(self._key, body.encode("utf-8", "replace"), hashlib.sha256).hexdigest()
