"""A circuit breaker per key: what does not answer is left alone for a while, and then tried once."""

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

__all__ = ["Breaker"]

# So many failures in a row open it.
FAILURES = 5
# How long it stays open, in seconds: twice as long after each trial that fails.
FIRST_PAUSE, LONGEST_PAUSE = 5.0, 300.0
# Keys whose failures are remembered; of more, those that failed longest ago are forgotten.
MAX_KEYS = 10_000


@dataclass(slots=True)
class _Trouble:
    failures: int = 0
    pause: float = 0.0
    until: float = 0.0


class Breaker:
    """Closed, a key has all the room there is; open, none; half open, room for one trial.

    ``clock`` gives seconds that only grow. So many ``failures`` in a row open it, for ``first`` seconds, and for
    twice as long after each trial that fails, up to ``longest``.
    """

    def __init__(
        self,
        clock: Callable[[], float],
        *,
        failures: int = FAILURES,
        first: float = FIRST_PAUSE,
        longest: float = LONGEST_PAUSE,
        max_keys: int = MAX_KEYS,
    ) -> None:
        self._clock = clock
        self._failures = failures
        self._first, self._longest = first, longest
        self._max_keys = max_keys
        self._troubles: OrderedDict[str, _Trouble] = OrderedDict()

    def state(self, key: str) -> str:
        """``closed``, ``open`` or ``half-open``."""
        trouble = self._troubles.get(key)
        if trouble is None or trouble.failures < self._failures:
            return "closed"
        return "open" if self._clock() < trouble.until else "half-open"

    def room(self, key: str, most: int) -> int:
        """How many calls there may be at a time, of ``most``."""
        state = self.state(key)
        if state == "closed":
            return most
        return min(1, most) if state == "half-open" else 0

    def note(self, key: str, *, well: bool) -> None:
        """Note how a call went."""
        if well:
            self._troubles.pop(key, None)
            return
        # Calls that began before it opened say nothing about the time since.
        if self.state(key) == "open":
            return
        trouble = self._troubles.setdefault(key, _Trouble())
        self._troubles.move_to_end(key)
        trouble.failures += 1
        if trouble.failures >= self._failures:
            trouble.pause = min(trouble.pause * 2 or self._first, self._longest)
            trouble.until = self._clock() + trouble.pause
        if len(self._troubles) > self._max_keys:
            self._troubles.popitem(last=False)
