"""A directory and a key store in memory: for tests, and for a server that leaves nothing behind."""

from collections.abc import Iterable, Mapping, Sequence
from threading import Lock

from orgstead.identity.apps import Application, User
from orgstead.identity.ports import Grant

__all__ = ["MemoryDirectory", "MemoryKeyStore"]


class MemoryDirectory:
    """A ``Directory`` in dictionaries, safe to use from several threads."""

    def __init__(self, applications: Iterable[Application] = (), users: Iterable[User] = ()) -> None:
        self._lock = Lock()
        self._applications: dict[str, Application] = {}
        self._users: dict[str, User] = {}
        self._grants: dict[tuple[str, str], Grant] = {}
        for application in applications:
            self.add_application(application)
        for user in users:
            self.add_user(user)

    def add_application(self, application: Application) -> None:
        """Register an application, or replace the one with its client id."""
        self._applications[application.client_id.lower()] = application

    def add_user(self, user: User) -> None:
        """Add a user, or replace the one with this principal name."""
        self._users[user.upn.lower()] = user

    def application(self, client_id: str) -> Application | None:
        """See ``Directory.application``."""
        return self._applications.get(client_id.lower())

    def application_by_object_id(self, object_id: str) -> Application | None:
        """See ``Directory.application_by_object_id``."""
        found = (a for a in self._applications.values() if a.object_id.lower() == object_id.lower())
        return next(found, None)

    def user(self, upn: str) -> User | None:
        """See ``Directory.user``."""
        return self._users.get(upn.lower())

    def user_by_id(self, object_id: str) -> User | None:
        """See ``Directory.user_by_id``."""
        found = (u for u in self._users.values() if u.object_id.lower() == object_id.lower())
        return next(found, None)

    def put_grant(self, kind: str, key_hash: str, data: Mapping[str, str], expires: float) -> None:
        """See ``Directory.put_grant``."""
        with self._lock:
            self._grants[kind, key_hash] = Grant(data=dict(data), expires=expires)

    def take_grant(self, kind: str, key_hash: str) -> Grant | None:
        """See ``Directory.take_grant``."""
        with self._lock:
            return self._grants.pop((kind, key_hash), None)

    def peek_grant(self, kind: str, key_hash: str) -> Grant | None:
        """See ``Directory.peek_grant``."""
        with self._lock:
            return self._grants.get((kind, key_hash))

    def update_grant(self, kind: str, key_hash: str, data: Mapping[str, str]) -> bool:
        """See ``Directory.update_grant``."""
        with self._lock:
            old = self._grants.get((kind, key_hash))
            if old is None:
                return False
            self._grants[kind, key_hash] = Grant(data=dict(data), expires=old.expires)
            return True

    def count_grants(self, kind: str, now: float) -> int:
        """See ``Directory.count_grants``."""
        with self._lock:
            return sum(1 for (k, _), grant in self._grants.items() if k == kind and grant.expires > now)

    def purge_grants(self, now: float) -> int:
        """See ``Directory.purge_grants``."""
        with self._lock:
            dead = [key for key, grant in self._grants.items() if grant.expires <= now]
            for key in dead:
                del self._grants[key]
            return len(dead)


class MemoryKeyStore:
    """A ``KeyStore`` that forgets its keys with the process."""

    def __init__(self, pems: Iterable[str] = ()) -> None:
        self._lock = Lock()
        self._pems = list(pems)

    def read(self) -> Sequence[str]:
        """See ``KeyStore.read``."""
        return tuple(self._pems)

    def add_first(self, pem: str) -> Sequence[str]:
        """See ``KeyStore.add_first``."""
        with self._lock:
            if not self._pems:
                self._pems.append(pem)
            return tuple(self._pems)
