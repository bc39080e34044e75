"""The RSA keys that sign tokens, the JSON Web Key Set that publishes them, and what is derived from them."""

import hashlib
import json
import os
from base64 import urlsafe_b64encode
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)

from orgstead.identity.ports import KeyStore

__all__ = ["FileKeyStore", "KeyRing", "SigningKey", "new_key_pem", "open_keys"]

KEY_BITS = 2048


@dataclass(frozen=True, slots=True, kw_only=True)
class SigningKey:
    """An RSA key pair and its id: the RFC 7638 thumbprint of the public half."""

    kid: str
    private: rsa.RSAPrivateKey = field(repr=False)

    @property
    def public(self) -> rsa.RSAPublicKey:
        """The half that verifies."""
        return self.private.public_key()


class KeyRing:
    """The signing key and its predecessors, which still verify what they signed."""

    def __init__(self, keys: Sequence[SigningKey]) -> None:
        if not keys:
            raise ValueError("a key ring needs at least one key")
        self.signing = keys[0]
        self.public = {key.kid: key.public for key in keys}
        der = self.signing.private.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
        self._root = hashlib.sha256(b"orgstead identity" + der).digest()

    def derive(self, purpose: str) -> bytes:
        """A 32-byte secret for one purpose, the same in every process that holds these keys."""
        return hashlib.blake2b(purpose.encode(), key=self._root, digest_size=32).digest()

    def jwks(self, issuer: str) -> dict[str, Any]:
        """The key set document; ``issuer`` is what Entra adds to each key.

        https://www.rfc-editor.org/rfc/rfc7517#section-5
        """
        return {
            "keys": [{"use": "sig", "kid": k, **_jwk(v), "issuer": issuer} for k, v in self.public.items()]
        }


def new_key_pem() -> str:
    """Make an RSA key and return it as an unencrypted PKCS#8 PEM text."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=KEY_BITS)
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()


def open_keys(store: KeyStore) -> KeyRing:
    """Load the keys of ``store``, making the first one on the first start.

    Raises ValueError when the store holds something that is not an RSA key.
    """
    pems = store.read() or store.add_first(new_key_pem())
    return KeyRing([_signing_key(pem) for pem in pems])


class FileKeyStore:
    """Keys as PEM files of a directory that only its owner can read.

    Every ``*.pem`` file is a key; the last by name signs. To rotate, add a file that sorts later.
    """

    FIRST = "0001.pem"

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    def read(self) -> Sequence[str]:
        """See ``KeyStore.read``."""
        return [path.read_text("ascii") for path in sorted(self._directory.glob("*.pem"), reverse=True)]

    def add_first(self, pem: str) -> Sequence[str]:
        """See ``KeyStore.add_first``."""
        self._directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        target = self._directory / self.FIRST
        draft = self._directory / f"{self.FIRST}.{os.getpid()}"
        draft.unlink(missing_ok=True)
        with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(pem.encode("ascii"))
            file.flush()
            os.fsync(file.fileno())
        try:
            # A link appears whole or not at all, and fails where another process was first.
            os.link(draft, target)
        except FileExistsError:
            pass
        except OSError:
            # A file system without links: two first starts at the same instant are left to chance.
            if not target.exists():
                draft.replace(target)
        finally:
            draft.unlink(missing_ok=True)
        return self.read()


def _signing_key(pem: str) -> SigningKey:
    key = load_pem_private_key(pem.encode(), password=None)
    if not isinstance(key, rsa.RSAPrivateKey):
        raise ValueError("a signing key has to be an RSA key")
    members = json.dumps(_jwk(key.public_key()), sort_keys=True, separators=(",", ":")).encode()
    return SigningKey(kid=_base64(hashlib.sha256(members).digest()), private=key)


def _jwk(key: rsa.RSAPublicKey) -> dict[str, str]:
    numbers = key.public_numbers()
    return {"kty": "RSA", "n": _number(numbers.n), "e": _number(numbers.e)}


def _number(value: int) -> str:
    return _base64(value.to_bytes((value.bit_length() + 7) // 8, "big"))


def _base64(data: bytes) -> str:
    return urlsafe_b64encode(data).rstrip(b"=").decode()
