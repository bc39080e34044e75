"""The one clock of a server: real time, unless somebody has set it."""

import math
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

__all__ = ["EARLIEST", "LATEST", "AdjustableClock"]

# What every date type that a client may have can hold, with room on both sides.
EARLIEST = datetime(1980, 1, 1, tzinfo=UTC).timestamp()
LATEST = datetime(2200, 1, 1, tzinfo=UTC).timestamp()


class AdjustableClock:
    """Seconds since 1970: those of ``real``, moved by an offset, or standing still."""

    def __init__(self, real: Callable[[], float] = time.time) -> None:
        self._real = real
        self._offset = 0.0
        self._frozen: float | None = None

    @property
    def real(self) -> Callable[[], float]:
        """The real time, whatever has been set."""
        return self._real

    def __call__(self) -> float:
        """The time now."""
        return self._real() + self._offset if self._frozen is None else self._frozen

    def set(self, now: float, *, frozen: bool = False) -> None:
        """Make it ``now``, and run on from there or stand still. Raises ValueError outside of EARLIEST to LATEST."""
        # Written so that what is no number fails, too.
        if not EARLIEST <= now <= LATEST:
            raise ValueError("The clock can be set to times from 1980 to 2199.")
        self._offset = now - self._real()
        self._frozen = now if frozen else None

    def advance(self, seconds: float) -> None:
        """Move it on, or back, and let it run or stand as it does. Raises ValueError as ``set`` does."""
        if not math.isfinite(seconds):
            raise ValueError("The clock is advanced by a number of seconds.")
        self.set(self() + seconds, frozen=self._frozen is not None)

    def resume(self) -> None:
        """Go back to real time."""
        self._offset, self._frozen = 0.0, None

    def shown(self) -> Mapping[str, Any]:
        """The time with a fraction, how far it is off, and whether it stands."""
        now = self()
        return {
            "now": datetime.fromtimestamp(now, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            "offset_seconds": round(now - self._real(), 3),
            "frozen": self._frozen is not None,
        }
