"""What the authorization server needs from storage, as Protocols."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from orgstead.identity.apps import Application, User

__all__ = ["Clock", "Directory", "Grant", "KeyStore"]

Clock = Callable[[], float]
"""The time in unix seconds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Grant:
    """A one-time artefact at rest: an authorization code, a refresh token, a device code, a mark of use.

    ``data`` holds text only, so that any store keeps it as one JSON column; ``expires`` is unix seconds.
    """

    data: Mapping[str, str]
    expires: float


class Directory(Protocol):
    """Applications, users and outstanding grants.

    Grants are addressed by ``(kind, key_hash)``; the hash is made by the server, so that nobody who reads
    the rows can use a code or token. A store returns an expired grant until it is purged, since the
    server answers "expired" and "unknown" differently.
    """

    def application(self, client_id: str) -> Application | None:
        """The application with this client id, compared without case."""

    def application_by_object_id(self, object_id: str) -> Application | None:
        """The application whose service principal has this id."""

    def user(self, upn: str) -> User | None:
        """The user with this principal name, compared without case."""

    def user_by_id(self, object_id: str) -> User | None:
        """The user with this object id."""

    def put_grant(self, kind: str, key_hash: str, data: Mapping[str, str], expires: float) -> None:
        """Keep a grant, replacing one with the same address."""

    def take_grant(self, kind: str, key_hash: str) -> Grant | None:
        """Remove and return a grant; of any number of callers at once, one gets it."""

    def peek_grant(self, kind: str, key_hash: str) -> Grant | None:
        """Return a grant and leave it."""

    def update_grant(self, kind: str, key_hash: str, data: Mapping[str, str]) -> bool:
        """Replace the data of a grant and keep its end; False when there is none."""

    def count_grants(self, kind: str, now: float) -> int:
        """How many grants of a kind have not expired."""

    def purge_grants(self, now: float) -> int:
        """Remove what expired before ``now`` and return how many grants that were."""


class KeyStore(Protocol):
    """Where the signing keys are kept, as unencrypted PKCS#8 PEM texts."""

    def read(self) -> Sequence[str]:
        """All keys, the one that signs first; empty before the first start."""

    def add_first(self, pem: str) -> Sequence[str]:
        """Keep ``pem`` if there is no key yet, atomically, and return what is kept now."""
