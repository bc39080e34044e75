"""The last requests, for whoever wants to see what a client really sent. No header and no body is kept."""

import re
from collections import deque
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

__all__ = ["Note", "RequestLog"]

MAX_KEPT = 1_000
MAX_TEXT = 2_000
# Values of the query that let somebody in.
_SECRET = re.compile(
    r"((?:^|[?&])[^=&]*(?:token|secret|password|assertion|signature|code|state|nonce|key|sig|hint)[^=&]*=)[^&]*",
    re.IGNORECASE,
)


class Note:
    """What is known of a request: filled in by whoever finds it out, on the way."""

    __slots__ = ("code", "injected", "leave", "milliseconds", "request_id", "status", "user", "what", "when")

    def __init__(self, when: float, what: tuple[str, str, bytes]) -> None:
        self.when = when
        self.what = what
        self.milliseconds = 0.0
        # 0 as long as nothing has been answered, and for ever when the connection was dropped.
        self.status = 0
        self.user: str | None = None
        self.request_id: str | None = None
        self.code: str | None = None
        # The rule that interfered.
        self.injected: int | None = None
        # An answer without end lets go, so that nobody waits for it.
        self.leave: Any = None

    def shown(self) -> Mapping[str, Any]:
        """The note as JSON has it."""
        method, path, query = self.what
        text = path[:MAX_TEXT]
        if query:
            text += "?" + _SECRET.sub(r"\1…", query[:MAX_TEXT].decode("latin-1"))
        return {
            "time": datetime.fromtimestamp(self.when, UTC)
            .isoformat(timespec="milliseconds")
            .replace("+00:00", "Z"),
            "method": method[:20],
            "path": text,
            "status": self.status or None,
            "ms": round(self.milliseconds, 2),
            "user": self.user,
            "request_id": self.request_id,
            "code": self.code,
            "injected": self.injected,
        }


class RequestLog:
    """Notes of the last requests that ended, bounded."""

    def __init__(self) -> None:
        self._notes: deque[Note] = deque(maxlen=MAX_KEPT)
        self.add = self._notes.append

    def listed(
        self, *, status: str = "", path: str = "", method: str = "", limit: int = MAX_KEPT
    ) -> Iterator[Note]:
        """Notes, latest first: of a status or a class of them (``4xx``), with a text in the path, of a method."""
        for note in reversed(self._notes):
            if limit <= 0:
                return
            if status and not _is(note.status, status.lower()):
                continue
            if (method and note.what[0] != method.upper()) or (path and path not in note.what[1]):
                continue
            limit -= 1
            yield note

    def clear(self) -> None:
        """Forget them."""
        self._notes.clear()


def _is(status: int, wanted: str) -> bool:
    text = str(status) if status else "dropped"
    return text == wanted or (wanted.endswith("xx") and text[0] == wanted[:1])
