"""What service protection allows a user, and what a user has asked for in the window of time that it looks at.

https://learn.microsoft.com/power-apps/developer/data-platform/api-limits#how-the-system-enforces-service-protection-api-limits
"""

import math
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal

from orgstead.config import Config
from orgstead.errors import Fault, fault

__all__ = ["Kind", "Rules", "Usage", "rules_of"]

Kind = Literal["requests", "execution", "concurrency"]
Mode = Literal["on", "count", "off"]

MODES: Final[Mapping[str, Mode]] = {"on": "on", "count": "count", "off": "off"}
# Execution time is kept by so many slices of the window.
SLICES: Final = 300
# Sums of times are off by less: whoever comes exactly when told is not too early.
GRAIN_SECONDS: Final = 1e-6


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """What a user may ask for in a window; 0 is no limit.

    ``mode`` is ``on``, ``count`` (nothing is refused, what is left is told) or ``off``. ``exempt`` are ids of users
    and of applications that are neither counted nor refused.
    """

    mode: Mode = "on"
    requests: int = 6_000
    execution_seconds: int = 1_200
    concurrent: int = 52
    window_seconds: int = 300
    exempt: frozenset[str] = frozenset()

    def exceeded(self, kind: Kind) -> Fault:
        """The fault of going beyond a limit."""
        if kind == "requests":
            return fault("RequestLimitExceeded", limit=self.requests, seconds=self.window_seconds)
        if kind == "execution":
            milliseconds = f"{self.execution_seconds * 1000:,}"
            return fault("ExecutionTimeExceeded", limit=milliseconds, seconds=self.window_seconds)
        return fault("ConcurrencyLimitExceeded", limit=self.concurrent)


def rules_of(config: Config) -> Rules:
    """The rules that the settings say."""
    return Rules(
        mode=MODES.get(config.limits, "count" if config.dev else "on"),
        requests=config.limit_requests,
        execution_seconds=config.limit_execution_seconds,
        concurrent=config.limit_concurrent,
        window_seconds=config.limit_window_seconds,
        exempt=frozenset(id.lower() for id in config.limit_exempt),
    )


class Usage:
    """What one user has asked for. Its size is bounded by the number of requests that the rules allow."""

    __slots__ = ("_rules", "asked", "queue", "queued", "refused", "running", "seen", "slices", "spent")

    def __init__(self, rules: Rules) -> None:
        self._rules = rules
        # When the latest requests came, as many as there may be: the oldest decides whether another one fits.
        self.asked: deque[float] = deque(maxlen=rules.requests)
        # Execution time: the slice of the window, the seconds, when the last of them ended.
        self.slices: deque[tuple[int, float, float]] = deque()
        self.spent = 0.0
        self.running = 0
        # How many of those that were too many at a time are still to come again, and when the last one was told to.
        self.queue = 0.0
        self.queued = 0.0
        self.refused = 0
        self.seen = 0.0

    def ask(self, now: float) -> Kind | None:
        """Count a request; the limit that it goes beyond, if any."""
        rules, asked, slices = self._rules, self.asked, self.slices
        self.seen = now
        before = now - rules.window_seconds + GRAIN_SECONDS
        while asked and asked[0] <= before:
            asked.popleft()
        if slices:
            self._expire(before)
        too_many = rules.requests and len(asked) >= rules.requests
        asked.append(now)
        if too_many:
            return "requests"
        if rules.execution_seconds and self.spent >= rules.execution_seconds:
            return "execution"
        if rules.concurrent and self.running >= rules.concurrent:
            return "concurrency"
        return None

    def spend(self, seconds: float, now: float) -> None:
        """Count execution time that has just ended."""
        slices, index = self.slices, int(now * SLICES / self._rules.window_seconds)
        self.seen = now
        self.spent += seconds
        if slices and slices[-1][0] == index:
            seconds += slices.pop()[1]
        slices.append((index, seconds, now))

    def left(self) -> tuple[int | None, float | None]:
        """Requests and seconds of execution that are left; None where there is no limit."""
        rules = self._rules
        return (
            rules.requests - len(self.asked) if rules.requests else None,
            max(0.0, rules.execution_seconds - self.spent) if rules.execution_seconds else None,
        )

    def wait(self, kind: Kind, now: float) -> int:
        """After how many whole seconds what is too much now will be no more.

        The page has no formula: it says that the time grows with what was asked for.
        """
        rules, wait = self._rules, 0.0
        if kind == "concurrency":
            # As many are asked to come again in a second as have room at a time.
            self.queue = max(0.0, self.queue - (now - self.queued) * rules.concurrent) + 1
            self.queued = now
            wait = self.queue / rules.concurrent
        if rules.requests and len(self.asked) >= rules.requests:
            wait = max(wait, self.asked[0] + rules.window_seconds - now)
        if rules.execution_seconds:
            spent = self.spent
            for _, seconds, ended in self.slices:
                if spent < rules.execution_seconds:
                    break
                spent -= seconds
                wait = max(wait, ended + rules.window_seconds - now)
        return min(max(1, math.ceil(wait - GRAIN_SECONDS)), rules.window_seconds)

    def look(self, now: float) -> None:
        """Forget what is older than the window."""
        before = now - self._rules.window_seconds + GRAIN_SECONDS
        while self.asked and self.asked[0] <= before:
            self.asked.popleft()
        self._expire(before)

    def _expire(self, before: float) -> None:
        slices = self.slices
        while slices and slices[0][2] <= before:
            self.spent -= slices.popleft()[1]
        if not slices:
            # Sums of fractions leave dust.
            self.spent = 0.0
