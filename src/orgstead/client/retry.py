"""When a request is sent again: what may be repeated, after how long, and when to give up.

https://learn.microsoft.com/power-apps/developer/data-platform/api-limits#how-to-handle-service-protection-api-limit-errors
https://www.rfc-editor.org/rfc/rfc9110#section-9.2.2
"""

import random
from dataclasses import dataclass

from orgstead.client.errors import DynamicsError, ServiceError, TransportError

__all__ = ["UNCERTAIN", "Retry"]

# The service has not begun with what it answers by these.
_REFUSED = frozenset({429})
# It may or may not have begun with what it, or somebody between, answers by these.
UNCERTAIN = frozenset({408, 502, 503, 504})


@dataclass(frozen=True, slots=True, kw_only=True)
class Retry:
    """How patient a client is.

    ``budget``: seconds that one call may spend on waiting, in all; a wait that would exceed it is not begun. ``first``
    and ``longest``: the seconds of the first back-off, which doubles each time, and its bound. What is waited for is
    between half of that and all of it by chance, so that many clients do not come back at one moment. ``Retry-After``
    wins over both. ``Retry(budget=0)`` never repeats anything.
    """

    budget: float = 120.0
    first: float = 0.5
    longest: float = 30.0

    def wait(self, error: DynamicsError, attempt: int, *, idempotent: bool, spent: float) -> float | None:
        """The seconds to wait before the next try, or None when there is none; ``attempt`` counts from 0.

        What is not idempotent is repeated only when the service provably did not begin with it: when the connection
        could not be made, or it answered 429.
        """
        match error:
            case TransportError():
                if not error.transient or (error.maybe_applied and not idempotent):
                    return None
                asked = None
            case ServiceError(status=status):
                if status not in _REFUSED and not (status in UNCERTAIN and idempotent):
                    return None
                asked = error.retry_after
            case _:
                return None
        seconds = asked
        if seconds is None:
            seconds = min(self.first * 2**attempt, self.longest) * random.uniform(0.5, 1.0)
        return seconds if spent + seconds <= self.budget else None
