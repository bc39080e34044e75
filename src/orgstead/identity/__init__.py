"""The authorization server: OAuth 2.0 and OpenID Connect as Entra shapes them, without a web framework.

``AuthorizationServer.answer`` takes a request and returns an ``Answer``; ``BearerVerifier`` checks the tokens
that it issued; ``ensure_certificates`` makes the local certificate authority that TLS needs.
"""

from orgstead.identity.apps import Application, Certificate, Secret, User, certificate_from_pem
from orgstead.identity.bearer import BearerVerifier, Caller, InvalidToken, challenge
from orgstead.identity.certs import Certificates, ensure_certificates
from orgstead.identity.config import IdentityConfig
from orgstead.identity.credentials import hash_secret
from orgstead.identity.development import development_config, development_directory
from orgstead.identity.keys import FileKeyStore, KeyRing, open_keys
from orgstead.identity.memory import MemoryDirectory, MemoryKeyStore
from orgstead.identity.ports import Clock, Directory, Grant, KeyStore
from orgstead.identity.request import Answer, Request
from orgstead.identity.resources import own_audiences
from orgstead.identity.server import AuthorizationServer

__all__ = [
    "Answer",
    "Application",
    "AuthorizationServer",
    "BearerVerifier",
    "Caller",
    "Certificate",
    "Certificates",
    "Clock",
    "Directory",
    "FileKeyStore",
    "Grant",
    "IdentityConfig",
    "InvalidToken",
    "KeyRing",
    "KeyStore",
    "MemoryDirectory",
    "MemoryKeyStore",
    "Request",
    "Secret",
    "User",
    "certificate_from_pem",
    "challenge",
    "development_config",
    "development_directory",
    "ensure_certificates",
    "hash_secret",
    "open_keys",
    "own_audiences",
]
