"""The last requests, for whoever wants to see what a client really sent. No header and no body is kept."""

import re
from collections import deque
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any
from urllib.parse import unquote_plus

from orgstead.server.plane.gate import Gate

__all__ = ["Note", "RequestLog"]

MAX_KEPT = 1_000
MAX_TEXT = 2_000
# Parameters whose values let somebody in: names that hold one of these, and those that are one of the others.
_SECRET = re.compile(
    r"token|secret|passw|passphrase|pwd|assertion|saml|jwt|signature|code|state|nonce|key|sig|hint|credential|auth"
    r"|ticket|session|cookie|(?:^|[._-])(?:pass|pin|sid|otp|wresult)$",
    re.IGNORECASE,
)
# A token that stands anywhere.
_TOKEN = re.compile(r"eyJ[\w.%-]{20,}")


class Note:
    """What is known of a request: filled in by whoever finds it out, on the way."""

    __slots__ = (
        "_gate",
        "code",
        "injected",
        "method",
        "milliseconds",
        "path",
        "query",
        "request_id",
        "status",
        "user",
        "when",
    )

    def __init__(self, when: float, method: str, path: bytes, query: bytes) -> None:
        self.when = when
        self.method = method
        self.path = path
        self.query = query
        self.milliseconds = 0.0
        # 0 as long as nothing has been answered, and for ever when the connection was dropped.
        self.status = 0
        self.user: str | None = None
        self.request_id: str | None = None
        self.code: str | None = None
        # The rule that interfered.
        self.injected: int | None = None
        self._gate: Gate | None = None

    def enter(self, gate: Gate) -> None:
        """Count as running from now on; the gate has to be open."""
        gate.running += 1
        self._gate = gate

    def leave(self) -> None:
        """Count as running no more: at the end, or when there will be none, so that nobody waits for it."""
        if self._gate is not None:
            self._gate.leave()
            self._gate = None

    def shown(self) -> Mapping[str, Any]:
        """The note as JSON has it."""
        text = _bare(self.path[:MAX_TEXT].decode("latin-1"))
        if self.query:
            parts = map(_masked, self.query[:MAX_TEXT].decode("latin-1").split("&"))
            text += "?" + _bare("&".join(parts))
        return {
            "time": datetime.fromtimestamp(self.when, UTC)
            .isoformat(timespec="milliseconds")
            .replace("+00:00", "Z"),
            "method": self.method[:20],
            "path": text,
            "status": self.status or None,
            "ms": round(self.milliseconds, 2),
            "user": self.user,
            "request_id": self.request_id,
            "code": self.code,
            "injected": self.injected,
        }


def _masked(part: str) -> str:
    """A parameter without its value if that is a secret: by its name as the server reads it."""
    name, equals, _ = part.partition("=")
    return f"{name}{equals}…" if equals and _SECRET.search(unquote_plus(name)) else part


def _bare(text: str) -> str:
    return _TOKEN.sub("eyJ…", text)


class RequestLog:
    """Notes of the last requests that ended, bounded."""

    def __init__(self) -> None:
        self._notes: deque[Note] = deque(maxlen=MAX_KEPT)
        self.add = self._notes.append

    def listed(
        self, *, status: str = "", path: str = "", method: str = "", limit: int = MAX_KEPT
    ) -> Iterator[Note]:
        """Notes, latest first: of a status or a class of them (``4xx``), with a text in the path, of a method."""
        part = path.encode("utf-8", "replace")
        for note in reversed(self._notes):
            if limit <= 0:
                return
            if status and not _is(note.status, status.lower()):
                continue
            if (method and note.method != method.upper()) or part not in note.path:
                continue
            limit -= 1
            yield note

    def clear(self) -> None:
        """Forget them."""
        self._notes.clear()


def _is(status: int, wanted: str) -> bool:
    text = str(status) if status else "dropped"
    return text == wanted or (wanted.endswith("xx") and text[0] == wanted[:1])
