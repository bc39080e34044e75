"""One request and its repetitions: what every call of the client goes through."""

import logging
import time
from collections.abc import Collection

from orgstead.client.errors import DynamicsError, ThrottledError, TransportError, retry_after, service_error
from orgstead.client.flow import Answer, Flow, Pause, Request
from orgstead.client.limits import Window
from orgstead.client.retry import UNCERTAIN, Retry

__all__ = ["exchange"]

log = logging.getLogger("orgstead.client")


def exchange(
    request: Request,
    retry: Retry,
    *,
    idempotent: bool,
    window: Window | None = None,
    accepted: Collection[int] = (),
) -> Flow[tuple[Answer, bool]]:
    """Send until an answer is no failure; also answers whether an earlier try may have been applied.

    ``accepted`` names statuses that are answers whatever they say. Raises ServiceError and TransportError, whose
    ``maybe_applied`` tells of all tries together.
    """
    begun = time.monotonic()
    attempt = 0
    uncertain = False
    while True:
        if window is not None:
            yield from _turn(window, retry, begun)
        failure: DynamicsError
        try:
            answer: Answer = yield request
        except TransportError as error:
            uncertain = error.maybe_applied = uncertain or error.maybe_applied
            if window is not None:
                window.lost(time.monotonic())
            failure = error
        else:
            if window is not None:
                window.answered(answer.status, answer.headers, time.monotonic(), retry_after(answer.headers))
            if answer.status < 400 or answer.status in accepted:
                return answer, uncertain
            uncertain = uncertain or answer.status in UNCERTAIN
            failure = service_error(answer.status, answer.headers, answer.content, maybe_applied=uncertain)
        spent = time.monotonic() - begun
        seconds = retry.wait(failure, attempt, idempotent=idempotent, spent=spent)
        if seconds is None:
            raise failure
        attempt += 1
        log.info("%s %s again in %.1f s: %s", request.method, request.url.partition("?")[0], seconds, failure)
        yield Pause(seconds)


def _turn(window: Window, retry: Retry, begun: float) -> Flow[None]:
    """Wait as long as the service has asked everybody to; raises ThrottledError when that is beyond the budget."""
    while (pause := window.wait(time.monotonic())) > 0:
        if time.monotonic() - begun + pause > retry.budget:
            raise ThrottledError(
                "the service has asked to be left alone for longer than may be waited",
                status=429,
                retry_after=pause,
            )
        yield Pause(pause)
