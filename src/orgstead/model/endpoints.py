"""Endpoints outside of the organisation, what is sent to them and what they answer.

https://learn.microsoft.com/power-apps/developer/data-platform/register-web-hook
"""

from dataclasses import dataclass, field

__all__ = ["CALL_SECONDS", "LEFT_ALONE", "TIMED_OUT", "Answered", "Endpoint", "Parcel"]

# What a call may take, its answer included.
# https://learn.microsoft.com/power-apps/developer/data-platform/use-webhooks
CALL_SECONDS = 60.0
# The error of a call that took longer.
TIMED_OUT = "it did not answer in time"
# The error of a call that was not made, because those before it took longer.
LEFT_ALONE = "it did not answer in time again and again, and is left alone for a while"


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """A row of ``serviceendpoint``; ``authentication`` is its authtype, ``secret`` what proves who is calling.

    Without an authentication it is a row of ``callbackregistration``, whose URL itself is the secret.
    """

    id: str
    name: str
    url: str = field(repr=False)
    authentication: int | None
    secret: str | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Parcel:
    """What is posted to an endpoint: a JSON text and headers of its own."""

    body: str
    headers: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Answered:
    """What became of a call: the status of the answer, or (``status`` None) what went wrong without one.

    ``passing`` says that trying again may help; ``seconds`` is how long it took, ``excerpt`` the beginning of the
    answer's text.
    """

    status: int | None = None
    error: str | None = None
    passing: bool = False
    seconds: float = 0.0
    excerpt: str = ""

    @property
    def reason(self) -> str:
        """Why the endpoint has not taken it, in words."""
        return self.error or f"it answered with the status {self.status}"

    @property
    def good(self) -> bool:
        """Whether the endpoint has taken it: any 2xx."""
        return self.status is not None and 200 <= self.status < 300
