"""Refresh tokens at rest: a file, encrypted.

AES-256-GCM by the package ``cryptography`` (the extra ``crypto``). Without a key of yours the key lies in a file of its
own beside the tokens, readable by its owner alone: that keeps the tokens out of backups and copies of the one file, and
is no protection from whoever may read both.
"""

import base64
import contextlib
import os
import secrets
import threading
from pathlib import Path

import msgspec

from orgstead.client.errors import ConfigurationError

__all__ = ["TokenStore", "write_private"]

NONCE = 12
PRIVATE = 0o600


class TokenStore:
    """Refresh tokens by the names of their holders, in the file ``path``.

    ``key`` is 32 bytes, or their base64 text. Raises ConfigurationError for another key than the file was written with,
    for a file that is none, and where the extra is missing.
    """

    def __init__(self, path: str | Path, *, key: bytes | str | None = None) -> None:
        self.path = Path(path)
        self._given = key
        self._lock = threading.Lock()

    def __repr__(self) -> str:
        return f"TokenStore({str(self.path)!r})"

    def get(self, name: str) -> str | None:
        """The token of a holder, or None."""
        with self._lock:
            return self._read().get(name)

    def set(self, name: str, token: str | None) -> None:
        """Keep a token, or with None forget it."""
        with self._lock:
            held = self._read()
            if token is None:
                held.pop(name, None)
            else:
                held[name] = token
            nonce = secrets.token_bytes(NONCE)
            sealed = self._cipher().encrypt(nonce, msgspec.json.encode(held), None)
            self.path.parent.mkdir(parents=True, exist_ok=True)
            write_private(self.path, nonce + sealed)

    def _read(self) -> dict[str, str]:
        try:
            content = self.path.read_bytes()
        except FileNotFoundError:
            return {}
        cipher = self._cipher()
        from cryptography.exceptions import InvalidTag

        try:
            return msgspec.json.decode(
                cipher.decrypt(content[:NONCE], content[NONCE:], None), type=dict[str, str]
            )
        except (InvalidTag, ValueError, msgspec.DecodeError):
            raise ConfigurationError(
                f"{self.path} was not written with this key, or is no file of tokens"
            ) from None

    def _cipher(self) -> "AESGCM":  # type: ignore[name-defined] # noqa: F821
        try:
            from cryptography.hazmat.primitives.ciphers.aead import AESGCM
        except ImportError:
            raise ConfigurationError("keeping tokens needs the extra crypto: orgstead[crypto]") from None
        return AESGCM(self._key())

    def _key(self) -> bytes:
        given = self._given
        if given is None:
            beside = self.path.with_name(self.path.name + ".key")
            if not beside.exists():
                beside.parent.mkdir(parents=True, exist_ok=True)
                with contextlib.suppress(FileExistsError):
                    write_private(beside, base64.b64encode(secrets.token_bytes(32)), new=True)
            given = beside.read_text("ascii")
        try:
            key = base64.b64decode(given) if isinstance(given, str) else given
        except ValueError:
            key = b""
        if len(key) != 32:
            raise ConfigurationError("the key of a token store is 32 bytes, or their base64 text")
        return key


def write_private(path: Path, content: bytes, *, new: bool = False) -> None:
    """Write a file that its owner alone may read, whole or not at all."""
    if new:
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, PRIVATE)
        with os.fdopen(handle, "wb") as file:
            file.write(content)
        return
    part = path.with_name(f"{path.name}.{secrets.token_hex(4)}")
    handle = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, PRIVATE)
    with os.fdopen(handle, "wb") as file:
        file.write(content)
    part.replace(path)
