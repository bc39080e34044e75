"""Access tokens between commands: kept encrypted with the profile's secrets, and renewed by one process at a time.

A refresh token may work only once, and using it twice may end the sign-in; so what renews it holds a lock.
https://www.rfc-editor.org/rfc/rfc9700#section-4.14.2
"""

import contextlib
import os
from collections.abc import Callable
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from typing import Any

import msgspec

from orgstead.client import Credential, TokenStore
from orgstead.client.flow import Call, Flow
from orgstead.client.retry import Retry
from orgstead.client.tokens import Token, Where

__all__ = ["Kept"]

NAME = "access token"


class _Access(msgspec.Struct):
    value: str
    expires: float


@dataclass(kw_only=True)
class Kept(Credential):
    """A credential whose tokens are kept in ``store``, for the next command."""

    inner: Credential
    store: TokenStore = field(repr=False)
    _answered: str | None = field(default=None, repr=False, init=False)
    _ready: Token | None = field(default=None, repr=False, init=False)

    @property
    def needs_authority(self) -> bool:  # type: ignore[override]
        """Not while a token that is kept will do: nobody has to be asked where to sign in."""
        self._ready = self._found()
        return self._ready is None and self.inner.needs_authority

    @property
    def key(self) -> str:
        """That of the credential itself."""
        return self.inner.key

    def token(self, where: Where, retry: Retry) -> Flow[Token]:
        """Get the token that is kept, or a new one; raises what the credential raises."""
        ready, self._ready = self._ready, None
        if ready is not None:
            self._answered = ready.value
            return ready
        release: Callable[[], None] = yield Call(lambda: _lock(self.store.path))
        try:
            # Whoever held the lock before has got one for all.
            found: Token | None = yield Call(self._found)
            if found is None:
                found = yield from self.inner.token(where, retry)
                yield Call(lambda: self._keep(found))
        finally:
            release()
        self._answered = found.value
        return found

    def _found(self) -> Token | None:
        """The token that is kept, unless it was answered before: then it was refused, or is about to expire."""
        text = self.store.get(NAME)
        if text is None:
            return None
        try:
            kept = msgspec.json.decode(text, type=_Access)
        except msgspec.DecodeError:
            return None
        token = Token(kept.value, kept.expires)
        return token if token.fresh and token.value != self._answered else None

    def _keep(self, token: Token) -> None:
        if token.expires is not None:
            text = msgspec.json.encode(_Access(value=token.value, expires=token.expires)).decode()
            # Where nothing can be written every command gets a token of its own.
            with contextlib.suppress(OSError):
                self.store.set(NAME, text)


def _lock(path: Path) -> Callable[[], None]:
    """Wait for the lock beside a file; answers what releases it."""
    if not path.name:  # secrets in memory are nobody else's
        return lambda: None
    try:
        locks: Any = import_module("fcntl")
    except ImportError:  # Windows has none of these, and is served as well as it was
        return lambda: None
    try:
        handle = os.open(path.with_name(f"{path.name}.lock"), os.O_RDWR | os.O_CREAT, 0o600)
    except OSError:  # nothing can be written here, so nothing can be taken from anybody
        return lambda: None
    with contextlib.suppress(OSError):  # a file system without locks
        locks.flock(handle, locks.LOCK_EX)
    return lambda: os.close(handle)
