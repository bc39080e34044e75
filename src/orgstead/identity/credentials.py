"""Checking secrets and passwords: argon2 at rest, remembered results, and a lock after repeated failures."""

import hashlib
import secrets
from functools import cache
from threading import Lock

from argon2 import PasswordHasher
from argon2.exceptions import Argon2Error, InvalidHashError

from orgstead.identity.ports import Clock

__all__ = ["CredentialChecker", "Throttle", "hash_secret"]

_HASHER = PasswordHasher()

MAX_SECRET = 1024
MAX_REMEMBERED = 4096
LOCK_SECONDS = 60.0


def hash_secret(secret: str) -> str:
    """The argon2id hash under which a client secret or a password is kept."""
    return _HASHER.hash(secret)


@cache
def _nobody() -> str:
    return hash_secret(secrets.token_hex(16))


class CredentialChecker:
    """Compares a presented secret with its hash, once per process and pair.

    Argon2 is slow on purpose (tens of milliseconds), which a password should cost and a service's token
    call should not, so results are remembered under a keyed hash whose key never leaves the process.
    """

    def __init__(self) -> None:
        self._key = secrets.token_bytes(32)
        self._lock = Lock()
        self._results: dict[bytes, bool] = {}

    def matches(self, stored_hash: str | None, presented: str) -> bool:
        """Whether ``presented`` is the secret of ``stored_hash``; None never matches, in the same time."""
        if len(presented) > MAX_SECRET:
            return False
        # An unknown name is compared too, so that both answers take the same time.
        stored = stored_hash or _nobody()
        text = stored.encode() + b"\0" + presented.encode("utf-8", "surrogatepass")
        name = hashlib.blake2b(text, key=self._key, digest_size=32).digest()
        known = self._results.get(name)
        if known is None:
            known = self._compare(stored, presented)
            with self._lock:
                if len(self._results) >= MAX_REMEMBERED:
                    self._results.clear()
                self._results[name] = known
        return known and stored_hash is not None

    def _compare(self, stored: str, presented: str) -> bool:
        try:
            return _HASHER.verify(stored, presented)
        except (Argon2Error, InvalidHashError, UnicodeError):
            return False


class Throttle:
    """Locks a name for a minute after too many failures in a row, in this process.

    Entra locks for a minute after ten: https://learn.microsoft.com/entra/identity/authentication/howto-password-smart-lockout
    """

    def __init__(self, clock: Clock, max_failures: int) -> None:
        self._clock = clock
        self._max = max_failures
        self._lock = Lock()
        self._failures: dict[str, tuple[int, float]] = {}

    def locked(self, name: str) -> bool:
        """Whether ``name`` has to wait."""
        count, last = self._failures.get(name.lower(), (0, 0.0))
        return count >= self._max and self._clock() - last < LOCK_SECONDS

    def failed(self, name: str) -> None:
        """Count a failure; failures more than a minute apart do not add up."""
        now = self._clock()
        with self._lock:
            count, last = self._failures.pop(name.lower(), (0, now))
            if len(self._failures) >= MAX_REMEMBERED:
                self._failures.pop(next(iter(self._failures)))
            self._failures[name.lower()] = (count + 1 if now - last < LOCK_SECONDS else 1, now)

    def succeeded(self, name: str) -> None:
        """Forget the failures of ``name``."""
        with self._lock:
            self._failures.pop(name.lower(), None)
