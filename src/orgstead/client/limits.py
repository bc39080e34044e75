"""How many requests may be under way at once: found out, instead of found by hitting it.

https://learn.microsoft.com/power-apps/developer/data-platform/api-limits
https://learn.microsoft.com/power-apps/developer/data-platform/send-parallel-requests
"""

from collections.abc import Mapping
from dataclasses import dataclass

__all__ = ["Window"]

# Less than this share of the requests of the sliding window left: slower.
SCARCE = 0.1
BACK_OFF = 0.5
# The service has room for more while fewer wait than the first, and for less when more wait than the second.
FEW_WAITING, MANY_WAITING = 2.0, 4.0


@dataclass(slots=True)
class Window:
    """Additive increase, multiplicative decrease, as TCP does it, and TCP Vegas' way to notice a queue.

    ``size`` is how many may be under way now: it grows by one for each round of answers as long as more at once is not
    just waiting longer, is halved when the service refuses one for the limits' sake, and shrinks before that when the
    service says that little is left. ``x-ms-dop-hint`` is where it starts, ``largest`` where it ends. ``not_before`` is
    the time until when nobody sends anything, for Retry-After is about all requests of a user.
    """

    largest: int = 16
    size: float = 2.0
    not_before: float = 0.0
    _most: int = 0
    _hinted: bool = False
    _halved: float = -1.0
    _least: float = 0.0

    def answered(self, status: int, headers: Mapping[str, str], now: float, wait: float | None) -> None:
        """Learn from an answer at the time ``now``; ``wait`` is its Retry-After in seconds."""
        if status == 429:
            self.not_before = max(self.not_before, now + (wait or 0.0))
            self._shrink(now)
            return
        if wait is not None and status == 503:
            self.not_before = max(self.not_before, now + wait)
        if not self._hinted and (hint := _number(headers, "x-ms-dop-hint")):
            self._hinted = True
            self.size = float(max(1, min(hint, self.largest)))
        left = _number(headers, "x-ms-ratelimit-burst-remaining-xrm-requests")
        if left is not None:
            self._most = max(self._most, left)
            if left < self._most * SCARCE:
                self._shrink(now)

    def paced(self, seconds: float) -> None:
        """Learn from a piece of work that took so long, of many alike.

        The least time is that of work alone at the service; what took longer was waiting, together with as many others
        as the ratio says.
        """
        self._least = min(self._least, seconds) if self._least else seconds
        waiting = self.size * (1 - self._least / max(seconds, 1e-6))
        if waiting < FEW_WAITING:
            self.size = min(self.size + 1 / self.size, float(self.largest))
        elif waiting > MANY_WAITING:
            self.size = max(self.size - 1 / self.size, 1.0)

    def lost(self, now: float) -> None:
        """Learn from a request without an answer."""
        self._shrink(now)

    def wait(self, now: float) -> float:
        """The seconds until something may be sent."""
        return max(self.not_before - now, 0.0)

    def _shrink(self, now: float) -> None:
        # The requests that were under way together tell the same news.
        if now - self._halved > 1.0:
            self._halved = now
            self.size = max(self.size * BACK_OFF, 1.0)


def _number(headers: Mapping[str, str], name: str) -> int | None:
    text = headers.get(name, "")
    return int(text) if text.isdigit() else None
