"""One request of the Web API on its way through service protection: what a client is told of it.

https://learn.microsoft.com/power-apps/developer/data-platform/api-limits#http-response-headers
"""

from types import TracebackType

from orgstead.engine.context import Caller
from orgstead.server.limits import Limits, Pass, Refusal

__all__ = ["HINT", "LEFT", "Visit"]

# The headers that tell what is left: of requests, and of execution time in seconds.
LEFT = ("x-ms-ratelimit-burst-remaining-xrm-requests", "x-ms-ratelimit-time-remaining-xrm-requests")
# How many requests at a time a client does best with.
# https://learn.microsoft.com/power-apps/developer/data-platform/send-parallel-requests
HINT = "x-ms-dop-hint"


class Visit:
    """As a context manager it leaves, however the request ends."""

    __slots__ = ("_limits", "_pass")

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._pass: Pass | None = None

    def __enter__(self) -> "Visit":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.leave()

    def enter(self, caller: Caller, headers: list[tuple[str, str]]) -> None:
        """Come in as whoever has signed in; the headers of the answer tell what is left.

        Raises RequestLimitExceeded, ExecutionTimeExceeded and ConcurrencyLimitExceeded, with Retry-After among the
        headers.
        """
        headers.append((HINT, self._limits.hint))
        admitted = self._limits.admit(caller.user_id, caller.application_id)
        if admitted.requests_left is not None:
            headers.append((LEFT[0], str(admitted.requests_left)))
        if admitted.seconds_left is not None:
            # In the service's own form: 1,200.00
            headers.append((LEFT[1], f"{admitted.seconds_left:,.2f}"))
        if isinstance(admitted, Refusal):
            headers.append(("Retry-After", str(admitted.retry_after)))
            raise admitted.fault
        self._pass = admitted

    def begin(self) -> None:
        """The request is here whole: its execution begins."""
        if self._pass is not None:
            self._pass.begin()

    def end(self) -> None:
        """The answer is made."""
        if self._pass is not None:
            self._pass.end()

    def leave(self) -> None:
        """The answer has been sent, or goes on for as long as the client likes."""
        if self._pass is not None:
            self._pass.leave()
