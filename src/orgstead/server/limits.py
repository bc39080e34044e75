"""Service protection: how much one user may ask of one server process in a window of time.

Nothing here knows of HTTP: whoever takes requests asks ``admit`` for each, and says when its execution begins and ends.
A batch, a message for many rows or an ExecuteMultiple is one request; the time that it takes counts whole. What is
refused counts as asked, too, so that whoever goes on regardless waits the longer.

Not for several threads: requests are admitted on the event loop.

https://learn.microsoft.com/power-apps/developer/data-platform/api-limits
"""

import math
import os
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from orgstead.errors import Fault
from orgstead.server.orders import Orders
from orgstead.server.usage import Kind, Rules, Usage

__all__ = ["Limits", "Pass", "Refusal"]

MAX_USERS = 10_000
# How many requests at a time are advised, for each processor and at most.
PER_PROCESSOR, MOST_AT_A_TIME = 4, 52
# A clock that is set back by less goes on from where it was; by more, it is another time.
STEP_SECONDS = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """A request that is not taken: why, and after how many seconds it may come again.

    What is left is as in ``Pass``.
    """

    fault: Fault
    retry_after: int
    requests_left: int | None = None
    seconds_left: float | None = None


class Pass:
    """A request that is taken.

    ``requests_left`` and ``seconds_left`` are what the user may still ask for when it comes, itself counted as a
    request; None where that is not limited.
    """

    __slots__ = ("_began", "_limits", "_usage", "requests_left", "seconds_left")

    def __init__(
        self,
        limits: "Limits | None" = None,
        usage: Usage | None = None,
        requests_left: int | None = None,
        seconds_left: float | None = None,
    ) -> None:
        self._limits = limits
        self._usage = usage
        self._began: float | None = None
        self.requests_left = requests_left
        self.seconds_left = seconds_left

    def begin(self) -> None:
        """Its execution begins: all of it is here."""
        if self._limits is not None:
            self._began = self._limits.timer()

    def end(self) -> None:
        """Its execution has ended, and counts. Once is enough."""
        if self._began is not None and self._limits is not None and self._usage is not None:
            self._usage.spend(self._limits.timer() - self._began, self._limits.now())
            self._began = None

    def leave(self) -> None:
        """Its answer has been sent, or never will be: it is under way no more. Once is enough."""
        if self._usage is not None:
            self.end()
            self._usage.running -= 1
            self._usage = None


# Of a request that nobody counts.
FREE: Final = Pass()


class Limits:
    """Counts what each user asks of this process, and refuses what is too much.

    ``clock`` is in seconds and says what lies in the window; it may be set. ``timer`` measures execution. What is kept
    is bounded: so many users, of each as many times as there may be requests.
    """

    def __init__(
        self,
        rules: Rules,
        clock: Callable[[], float] = time.time,
        timer: Callable[[], float] = time.perf_counter,
    ) -> None:
        self.rules = rules
        # How many requests at a time a client is advised to have under way.
        self.hint = str(min(rules.concurrent or MOST_AT_A_TIME, PER_PROCESSOR * (os.cpu_count() or 1)))
        self.timer = timer
        self._clock = clock
        self._latest = -math.inf
        self._users: OrderedDict[str, Usage] = OrderedDict()
        self._orders = Orders()

    def admit(self, user: str, application: str | None = None) -> Pass | Refusal:
        """Take a request of a user who has signed in, or refuse it. ``application`` is whose user it is, if any.

        Whoever acts for others asks in their own name. A Pass has to be told when the request leaves.
        """
        rules = self.rules
        if self._orders.standing:
            now = self._clock()
            order = self._orders.strike(user, now)
            if order is not None:
                return Refusal(fault=rules.exceeded(order.kind), retry_after=order.wait(now))
        if rules.mode == "off" or user in rules.exempt or application in rules.exempt:
            return FREE
        now = self.now()
        usage = self._usage(user, now)
        too_much = usage.ask(now)
        if too_much is not None:
            usage.refused += 1
            if rules.mode == "on":
                requests_left, seconds_left = usage.left()
                return Refusal(
                    fault=rules.exceeded(too_much),
                    retry_after=usage.wait(too_much, now),
                    requests_left=requests_left,
                    seconds_left=seconds_left,
                )
        usage.running += 1
        return Pass(self, usage, *usage.left())

    def force(
        self,
        kind: Kind,
        *,
        count: int | None = None,
        seconds: float | None = None,
        user: str | None = None,
        retry_after: int | None = None,
    ) -> None:
        """Refuse requests on demand, whether limits are on or off.

        The next ``count``, those of the next ``seconds``, or with neither all until ``clear``; of the user with an id,
        or of everybody. ``retry_after`` in seconds is what is answered; by default what is left of ``seconds``, or 1.
        What is refused so is not counted.

        Raises ValueError for a kind that there is not, numbers that say nothing, and one order too many.
        """
        now = self._clock()
        self._orders.add(kind, now, count=count, seconds=seconds, user=user, retry_after=retry_after)

    def clear(self) -> None:
        """Refuse nothing on demand any more."""
        self._orders.clear()

    def forget(self) -> None:
        """Let everybody begin anew."""
        self._users.clear()

    def snapshot(self, most: int = 100) -> Mapping[str, Any]:
        """The rules, the orders to refuse and, of those who asked last, what they have used: as JSON has it.

        In the mode ``count``, ``refused`` is what would have been.
        """
        rules, now, users = self.rules, self.now(), []
        for id in list(reversed(self._users))[:most]:
            usage = self._users[id]
            usage.look(now)
            requests_left, seconds_left = usage.left()
            users.append(
                {
                    "user": id,
                    "requests": len(usage.asked),
                    "requests_left": requests_left,
                    "execution_seconds": round(usage.spent, 3),
                    "execution_seconds_left": None if seconds_left is None else round(seconds_left, 3),
                    "concurrent": usage.running,
                    "refused": usage.refused,
                }
            )
        return {
            "mode": rules.mode,
            "requests": rules.requests,
            "execution_seconds": rules.execution_seconds,
            "concurrent": rules.concurrent,
            "window_seconds": rules.window_seconds,
            "forced": self._orders.shown(self._clock()),
            "users": users,
        }

    def now(self) -> float:
        """The time, which does not go back while anything is kept."""
        now = self._clock()
        if now < self._latest:
            if self._latest - now < STEP_SECONDS:
                return self._latest
            # What is kept lies in what is now the future.
            self._users.clear()
        self._latest = now
        return now

    def _usage(self, user: str, now: float) -> Usage:
        users = self._users
        usage = users.get(user)
        if usage is None:
            if len(users) >= MAX_USERS:
                users.popitem(last=False)
            usage = users[user] = Usage(self.rules)
            usage.seen = now
        else:
            users.move_to_end(user)
        # Two may go where one comes, so that only those stay who have asked for something in the window.
        for _ in range(2):
            first = next(iter(users))
            oldest = users[first]
            if oldest is usage:
                break
            if oldest.running:
                users.move_to_end(first)
            elif oldest.seen + self.rules.window_seconds <= now:
                del users[first]
            else:
                break
        return usage
