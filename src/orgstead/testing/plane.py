"""The admin plane of a running server as Python objects. ``GET /_orgstead/`` lists the addresses behind them.

Library: httpx2, as for everything else that speaks HTTP here.
"""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from types import TracebackType
from typing import Any, Literal

import httpx2

__all__ = ["Clock", "Faults", "Plane", "PlaneError", "Snapshots", "Throttle"]

TIMEOUT_SECONDS = 60.0


class PlaneError(Exception):
    """Why the plane did nothing. ``status`` is 0 when it could not be reached."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message


class Plane:
    """The admin plane of the server at ``url``. ``key`` is its admin key, where it has one."""

    def __init__(self, url: str, *, key: str | None = None, verify: Any = True) -> None:
        self.url = url.rstrip("/")
        headers = {"Authorization": f"Bearer {key}"} if key else {}
        self._client = httpx2.Client(headers=headers, verify=verify, timeout=TIMEOUT_SECONDS, trust_env=False)
        self.clock = Clock(self)
        self.faults = Faults(self)
        self.throttle = Throttle(self)
        self.snapshot = Snapshots(self)

    def __enter__(self) -> "Plane":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Give up the connections."""
        self._client.close()

    def call(
        self, method: str, path: str, body: Any = None, query: Mapping[str, object] | None = None
    ) -> Any:
        """What the plane answers to a request; options of the query that are None are left out. Raises PlaneError."""
        params = {name: str(value) for name, value in (query or {}).items() if value is not None}
        try:
            answer = self._client.request(method, f"{self.url}/_orgstead/{path}", json=body, params=params)
        except httpx2.HTTPError as error:
            raise PlaneError(0, "unreachable", f"There is no answer from {self.url}: {error}") from None
        if answer.status_code < 300:
            return answer.json()
        try:
            told = answer.json()["error"]
            raise PlaneError(answer.status_code, told["code"], told["message"])
        except (ValueError, KeyError, TypeError):
            text = f"{self.url} has no admin plane, or not for this caller (HTTP {answer.status_code})."
            raise PlaneError(answer.status_code, "no_plane", text) from None

    def reset(self, snapshot: str = "start") -> Mapping[str, Any]:
        """Go back to the state of the start or of a snapshot, to real time, without faults and throttling."""
        found: Mapping[str, Any] = self.call("POST", "reset", {"snapshot": snapshot})
        return found

    def seed(self, accounts: int = 0, contacts: int = 0, *, random: int = 1) -> None:
        """Add made-up rows: the same for the same ``random``."""
        self.call("POST", "seed", {"accounts": accounts, "contacts": contacts, "random": random})

    def requests(
        self, *, status: int | str | None = None, path: str | None = None, method: str | None = None,
        limit: int | None = None,
    ) -> Sequence[Mapping[str, Any]]:  # fmt: skip
        """The last requests, latest first: of a status (``404``, ``"4xx"``, ``"dropped"``), with a text in the path."""
        query = {"status": status, "path": path, "method": method, "limit": limit}
        found = self.call("GET", "requests", query=query)
        rows: Sequence[Mapping[str, Any]] = found["requests"]
        return rows

    def forget_requests(self) -> None:
        """Empty the request log."""
        self.call("DELETE", "requests")

    def unsupported(self) -> Mapping[str, int]:
        """What was asked for and is not supported, with how often."""
        return {row["message"]: row["count"] for row in self.call("GET", "unsupported")["unsupported"]}

    def health(self) -> Mapping[str, Any]:
        """Version, database, what is under way."""
        found: Mapping[str, Any] = self.call("GET", "health")
        return found


class Clock:
    """The clock of the organisation."""

    def __init__(self, plane: Plane) -> None:
        self._plane = plane

    def now(self) -> datetime:
        """What time it is there."""
        return datetime.fromisoformat(self.shown()["now"])

    def shown(self) -> Mapping[str, Any]:
        """The time, how far it is off, and whether it stands still."""
        found: Mapping[str, Any] = self._plane.call("GET", "clock")
        return found

    def set(self, now: datetime | str, *, frozen: bool = False) -> datetime:
        """Make it that time. A time without a zone is one of UTC."""
        when = datetime.fromisoformat(now) if isinstance(now, str) else now
        when = when if when.tzinfo is not None else when.replace(tzinfo=UTC)
        found = self._plane.call("PUT", "clock", {"now": when.isoformat(), "frozen": frozen})
        return datetime.fromisoformat(found["now"])

    def freeze(self) -> datetime:
        """Let it stand still."""
        return self.set(self.now(), frozen=True)

    def advance(self, seconds: float = 0.0, **parts: float) -> datetime:
        """Move it on by seconds, or by ``minutes``, ``hours``, ``days``, ``weeks`` as timedelta has them."""
        moved = timedelta(seconds=seconds, **parts).total_seconds()
        return datetime.fromisoformat(self._plane.call("POST", "clock/advance", {"seconds": moved})["now"])

    def resume(self) -> None:
        """Go back to real time."""
        self._plane.call("DELETE", "clock")


class Faults:
    """Faults on purpose."""

    def __init__(self, plane: Plane) -> None:
        self._plane = plane

    def add(
        self, *, status: int | None = None, code: str | None = None, message: str | None = None,
        retry_after: int | None = None, latency: float | None = None, drop: Literal["before", "after"] | None = None,
        method: str | None = None, path: str | None = None, table: str | None = None, user: str | None = None,
        rate: float | None = None, count: int | None = None, seed: int | None = None,
    ) -> int:  # fmt: skip
        """Add a rule; its number. ``latency`` is in seconds; the request log tells which rule struck what."""
        given = {name: value for name, value in locals().items() if name != "self" and value is not None}
        id: int = self._plane.call("POST", "faults", given)["id"]
        return id

    def listed(self) -> Sequence[Mapping[str, Any]]:
        """The rules, with how often each has interfered."""
        rows: Sequence[Mapping[str, Any]] = self._plane.call("GET", "faults")["faults"]
        return rows

    def remove(self, id: int) -> None:
        """Forget a rule."""
        self._plane.call("DELETE", f"faults/{id}")

    def clear(self) -> None:
        """Forget all rules."""
        self._plane.call("DELETE", "faults")


class Throttle:
    """The service protection limits."""

    def __init__(self, plane: Plane) -> None:
        self._plane = plane

    def force(
        self, kind: str = "requests", *, count: int | None = None, seconds: float | None = None,
        user: str | None = None, retry_after: int | None = None,
    ) -> Mapping[str, Any]:  # fmt: skip
        """Refuse the next ``count`` requests, those of so many seconds, or all until ``clear``.

        Of the user with an id, or of everybody; ``retry_after`` seconds is what is answered.
        """
        given = {name: value for name, value in locals().items() if name != "self" and value is not None}
        found: Mapping[str, Any] = self._plane.call("POST", "throttle", given)
        return found

    def shown(self) -> Mapping[str, Any]:
        """What is counted, and what is forced."""
        found: Mapping[str, Any] = self._plane.call("GET", "throttle")
        return found

    def clear(self) -> None:
        """Refuse nothing that was not earned, and forget what was counted."""
        self._plane.call("DELETE", "throttle")


class Snapshots:
    """States of the organisation by name."""

    def __init__(self, plane: Plane) -> None:
        self._plane = plane

    def save(self, name: str) -> Mapping[str, Any]:
        """Keep the state of now, in place of an older one of that name."""
        found: Mapping[str, Any] = self._plane.call("PUT", f"snapshots/{name}")
        return found

    def restore(self, name: str) -> Mapping[str, Any]:
        """Go back to a state. The clock and the rules stay; ``reset`` takes them back, too."""
        found: Mapping[str, Any] = self._plane.call("POST", f"snapshots/{name}/restore")
        return found

    def remove(self, name: str) -> None:
        """Forget a state."""
        self._plane.call("DELETE", f"snapshots/{name}")

    def listed(self) -> Sequence[Mapping[str, Any]]:
        """The states that there are."""
        rows: Sequence[Mapping[str, Any]] = self._plane.call("GET", "snapshots")["snapshots"]
        return rows
