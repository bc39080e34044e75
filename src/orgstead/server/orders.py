"""Throttling on demand: requests that are refused because somebody who tests a client says so."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, get_args

from orgstead.server.usage import Kind

__all__ = ["Order", "Orders"]

KINDS: Final = frozenset(get_args(Kind))
MAX_ORDERS = 100


@dataclass(slots=True, kw_only=True)
class Order:
    """Refuse requests: ``count`` more, those until a time, or all; of a user, or of everybody."""

    kind: Kind
    user: str | None
    count: int | None
    until: float | None
    retry_after: int | None

    def wait(self, now: float) -> int:
        """After how many seconds a client is told to come again."""
        if self.retry_after is not None:
            return self.retry_after
        return 1 if self.until is None else max(1, math.ceil(self.until - now))


class Orders:
    """The orders that stand, in the order in which they came."""

    def __init__(self) -> None:
        # Without any, a request costs one look at it.
        self.standing: list[Order] = []

    def add(
        self,
        kind: Kind,
        now: float,
        *,
        count: int | None,
        seconds: float | None,
        user: str | None,
        retry_after: int | None,
    ) -> None:
        """Take an order.

        Raises ValueError for a kind that there is not, numbers that say nothing, and one order too many.
        """
        if kind not in KINDS:
            raise ValueError(f"There is no limit {kind}: {', '.join(sorted(KINDS))}.")
        if count is not None and count < 1:
            raise ValueError("count is at least 1.")
        if seconds is not None and not 0 < seconds < math.inf:
            raise ValueError("seconds is more than 0.")
        if retry_after is not None and retry_after < 0:
            raise ValueError("retry_after is not less than 0.")
        self._expire(now)
        if len(self.standing) >= MAX_ORDERS:
            raise ValueError(f"There are {MAX_ORDERS} orders to refuse requests: clear them first.")
        until = None if seconds is None else now + seconds
        self.standing.append(Order(kind=kind, user=user, count=count, until=until, retry_after=retry_after))

    def strike(self, user: str, now: float) -> Order | None:
        """The first order that is meant for a request of a user; one that is of so many counts it."""
        self._expire(now)
        for order in self.standing:
            if order.user is None or order.user == user:
                if order.count is not None:
                    order.count -= 1
                    if not order.count:
                        self.standing.remove(order)
                return order
        return None

    def clear(self) -> None:
        """Forget all orders."""
        self.standing.clear()

    def shown(self, now: float) -> Sequence[Mapping[str, Any]]:
        """The orders as JSON has them."""
        self._expire(now)
        return [
            {
                "kind": each.kind,
                "user": each.user,
                "count": each.count,
                "seconds": None if each.until is None else round(each.until - now, 3),
                "retry_after": each.wait(now),
            }
            for each in self.standing
        ]

    def _expire(self, now: float) -> None:
        self.standing = [each for each in self.standing if each.until is None or each.until > now]
