"""Ways to get a token without a person: a secret, a certificate, or a token from elsewhere.

Each is given as ``credential=`` to a client. ``sign_in`` has those that need a person.
"""

import base64
import inspect
import secrets
import time
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec

from orgstead.client.errors import ConfigurationError
from orgstead.client.flow import Call, Flow
from orgstead.client.retry import Retry
from orgstead.client.tokens import Token, Where, form_request, token_of

__all__ = [
    "AzureCredential", "ClientCertificate", "ClientSecret", "Credential", "GivenToken", "credential_of",
]  # fmt: skip

ASSERTION = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
ASSERTION_SECONDS = 600


@dataclass(kw_only=True)
class Credential(ABC):
    """A way to get tokens. ``tenant_id`` and ``authority`` are asked of the service when they are not given."""

    tenant_id: str | None = None
    authority: str | None = None

    needs_authority = True

    @abstractmethod
    def token(self, where: Where, retry: Retry) -> Flow[Token]:
        """Get a new token. Raises CredentialError when the authority refuses."""

    @property
    def key(self) -> str:
        """What tells the holder of this credential from others, without a secret."""
        return type(self).__name__


@dataclass(kw_only=True)
class ClientSecret(Credential):
    """An application by its secret.

    https://learn.microsoft.com/entra/identity-platform/v2-oauth2-client-creds-grant-flow
    """

    client_id: str
    client_secret: str = field(repr=False)

    def token(self, where: Where, retry: Retry) -> Flow[Token]:
        """Get a new token. Raises CredentialError: AADSTS7000215 for a wrong secret."""
        form = {
            "grant_type": "client_credentials",
            "client_id": self.client_id,
            "client_secret": self.client_secret,
            "scope": where.scope,
        }
        return token_of((yield from form_request(where.endpoint("token"), form, retry, idempotent=True)))


@dataclass(kw_only=True)
class ClientCertificate(Credential):
    """An application by its certificate: PEM or PKCS #12, with the private key; needs the extra ``crypto``.

    ``certificate`` is the path of a file, or its bytes.
    https://learn.microsoft.com/entra/identity-platform/certificate-credentials
    """

    client_id: str
    certificate: str | Path | bytes = field(repr=False)
    password: str | None = field(default=None, repr=False)

    def token(self, where: Where, retry: Retry) -> Flow[Token]:
        """Get a new token. Raises CredentialError, and ConfigurationError for a certificate that cannot be read."""
        endpoint = where.endpoint("token")
        form = {
            "grant_type": "client_credentials",
            "client_id": self.client_id,
            "client_assertion_type": ASSERTION,
            "client_assertion": (yield Call(lambda: self._assertion(endpoint))),
            "scope": where.scope,
        }
        return token_of((yield from form_request(endpoint, form, retry, idempotent=True)))

    def _assertion(self, audience: str) -> str:
        try:
            from cryptography.hazmat.primitives import hashes
            from cryptography.hazmat.primitives.asymmetric import padding, rsa
        except ImportError:
            raise ConfigurationError("a certificate needs the extra crypto: orgstead[crypto]") from None
        key, certificate = read_certificate(self.certificate, self.password)
        if not isinstance(key, rsa.RSAPrivateKey):
            raise ConfigurationError("the key of the certificate is not one of RSA")
        now = int(time.time())
        thumbprint = certificate.fingerprint(hashes.SHA256())
        parts = (
            {"alg": "PS256", "typ": "JWT", "x5t#S256": _base64url(thumbprint)},
            {
                "aud": audience, "iss": self.client_id, "sub": self.client_id, "jti": secrets.token_hex(16),
                "nbf": now, "iat": now, "exp": now + ASSERTION_SECONDS,
            },
        )  # fmt: skip
        text = ".".join(_base64url(msgspec.json.encode(part)) for part in parts)
        mask = padding.PSS(mgf=padding.MGF1(hashes.SHA256()), salt_length=padding.PSS.DIGEST_LENGTH)
        return f"{text}.{_base64url(key.sign(text.encode(), mask, hashes.SHA256()))}"


def read_certificate(source: str | Path | bytes, password: str | None) -> tuple[Any, Any]:
    """The private key and the certificate of a file of PEM or PKCS #12; raises ConfigurationError."""
    from cryptography import x509
    from cryptography.hazmat.primitives.serialization import load_pem_private_key, pkcs12

    secret = password.encode() if password else None
    try:
        content = source if isinstance(source, bytes) else Path(source).read_bytes()
        if b"-----BEGIN" in content:
            return load_pem_private_key(content, secret), x509.load_pem_x509_certificate(content)
        key, certificate, _ = pkcs12.load_key_and_certificates(content, secret)
    except (OSError, ValueError, TypeError) as error:
        raise ConfigurationError(f"the certificate cannot be read: {error}") from None
    if key is None or certificate is None:
        raise ConfigurationError("the file does not hold both a certificate and its private key")
    return key, certificate


def _base64url(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).rstrip(b"=").decode()


@dataclass(kw_only=True)
class GivenToken(Credential):
    """A token that is there, or a function (or coroutine function) that answers one each time it is asked."""

    source: str | Callable[[], Any] = field(repr=False)

    needs_authority = False

    def token(self, where: Where, retry: Retry) -> Flow[Token]:
        """Get the token; raises what the function raises."""
        source = self.source
        if isinstance(source, str):
            return Token(source)
        # It may answer another one at any time, so it is never kept.
        return Token(str((yield Call(source))), expires=0.0)


@dataclass(kw_only=True)
class AzureCredential(Credential):
    """Anything with ``get_token(scope)``, which may be a coroutine function, as azure-identity's credentials have.

    https://learn.microsoft.com/python/api/azure-core/azure.core.credentials.tokencredential
    """

    credential: Any = field(repr=False)

    needs_authority = False

    def token(self, where: Where, retry: Retry) -> Flow[Token]:
        """Get a token; raises what the credential raises."""
        found = yield Call(lambda: self.credential.get_token(where.scope))
        return Token(found.token, float(found.expires_on))


def credential_of(given: Any) -> Credential:
    """What was given as a credential, as one. Raises ConfigurationError for what is none."""
    if isinstance(given, Credential):
        return given
    if isinstance(given, str):
        if not given or not given.isprintable() or " " in given:
            raise ConfigurationError("a token is one word of printable characters")
        return GivenToken(source=given)
    if hasattr(given, "get_token"):
        return AzureCredential(credential=given)
    if callable(given) and not inspect.isclass(given):
        return GivenToken(source=given)
    raise ConfigurationError(
        f"{type(given).__name__} is no credential: give one of this package, one of azure-identity, a token, "
        "or a function that answers tokens"
    )
