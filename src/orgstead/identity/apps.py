"""Applications and users as the authorization server sees them, and which reply addresses fit."""

import hashlib
from base64 import urlsafe_b64encode
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import SplitResult, urlsplit

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

__all__ = [
    "AUTHORIZATION_CODE",
    "CLIENT_CREDENTIALS",
    "DEVICE_CODE",
    "GRANTS",
    "IMPLICIT",
    "PASSWORD",
    "REFRESH_TOKEN",
    "Application",
    "Certificate",
    "Secret",
    "User",
    "certificate_from_pem",
    "matching_redirect",
]

AUTHORIZATION_CODE: Final = "authorization_code"
CLIENT_CREDENTIALS: Final = "client_credentials"
DEVICE_CODE: Final = "device_code"
IMPLICIT: Final = "implicit"
PASSWORD: Final = "password"
REFRESH_TOKEN: Final = "refresh_token"
GRANTS: Final = frozenset(
    (AUTHORIZATION_CODE, CLIENT_CREDENTIALS, DEVICE_CODE, IMPLICIT, PASSWORD, REFRESH_TOKEN)
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Secret:
    """A client secret at rest: its argon2 hash and when it ends (unix seconds, None for never)."""

    hash: str
    expires: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Certificate:
    """A certificate credential: what an assertion names it by, and the key that checks the signature.

    ``thumbprint`` (SHA-1) and ``thumbprint_sha256`` are base64url without padding, as ``x5t`` and
    ``x5t#S256`` carry them: https://learn.microsoft.com/entra/identity-platform/certificate-credentials
    """

    thumbprint: str
    thumbprint_sha256: str
    public_key: str
    expires: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Application:
    """An app registration with its service principal.

    ``object_id`` is the service principal's: the ``oid`` of app-only tokens, which the organisation's
    application user carries. ``grants`` are names from ``GRANTS``.
    """

    client_id: str
    object_id: str
    display_name: str
    secrets: tuple[Secret, ...] = ()
    certificates: tuple[Certificate, ...] = ()
    redirect_uris: tuple[str, ...] = ()
    public: bool = False
    grants: frozenset[str] = field(default=GRANTS)
    enabled: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class User:
    """A person who can sign in.

    ``tokens_valid_from`` (unix seconds) revokes the refresh tokens of earlier sign-ins.
    """

    object_id: str
    upn: str
    display_name: str
    password_hash: str
    given_name: str = ""
    family_name: str = ""
    email: str = ""
    enabled: bool = True
    tokens_valid_from: float = 0.0


def certificate_from_pem(pem: str | bytes) -> Certificate:
    """Read the certificate that an application signs its assertions with.

    Raises ValueError when ``pem`` is no X.509 certificate or its key is not RSA.
    """
    data = pem.encode() if isinstance(pem, str) else pem
    certificate = x509.load_pem_x509_certificate(data)
    key = certificate.public_key()
    if not isinstance(key, RSAPublicKey):
        raise ValueError("a certificate credential needs an RSA key")
    der = certificate.public_bytes(Encoding.DER)
    return Certificate(
        # x5t is defined over SHA-1 (RFC 7515, 4.1.7); it names the certificate and proves nothing.
        thumbprint=_unpadded(hashlib.sha1(der, usedforsecurity=False).digest()),
        thumbprint_sha256=_unpadded(hashlib.sha256(der).digest()),
        public_key=key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode(),
        expires=certificate.not_valid_after_utc.timestamp(),
    )


def matching_redirect(wanted: str, registered: Iterable[str], *, public: bool) -> bool:
    """Whether a sign-in may be answered at ``wanted``.

    Scheme and host compare without case (the .NET clients write ``app://58145B91-…`` in lower case with a
    slash at the end), path and query exactly, an empty path as ``/``. For public clients the port of a
    loopback address over http is not compared.
    https://learn.microsoft.com/entra/identity-platform/reply-url#localhost-exceptions
    """
    # A reply address ends up in a Location header and in a Content-Security-Policy.
    if len(wanted) > 2048 or not wanted.isascii() or any(c <= " " or c in "\x7f;,'\"#" for c in wanted):
        return False
    address = _split(wanted)
    if address is None or address.scheme in ("", "data", "javascript"):
        return False
    return any(_same_address(address, _split(entry), public=public) for entry in registered)


def _same_address(one: SplitResult, other: SplitResult | None, *, public: bool) -> bool:
    if other is None:
        return False
    loopback = public and one.scheme == "http" and one.hostname in ("localhost", "127.0.0.1")
    return (
        one.scheme == other.scheme
        and one.username is None
        and one.hostname == other.hostname
        and (loopback or _port(one) == _port(other))
        and (one.path or "/") == (other.path or "/")
        and one.query == other.query
    )


def _split(text: str) -> SplitResult | None:
    try:
        address = urlsplit(text)
        return address if address.port != 0 else None
    except ValueError:
        return None


def _port(address: SplitResult) -> int | None:
    return address.port or {"http": 80, "https": 443}.get(address.scheme)


def _unpadded(data: bytes) -> str:
    return urlsafe_b64encode(data).rstrip(b"=").decode()
