"""What answers of the Web API hold; what is none of its answers, such as the page of a proxy, is said to be none."""

from typing import Any

import msgspec

from orgstead.client.errors import ServiceError
from orgstead.client.flow import Answer
from orgstead.client.values import PageBody, decode, decode_page

__all__ = ["body_of", "not_redirected", "onward", "page_in"]

SHOWN = 80


def body_of(answer: Answer) -> dict[str, Any]:
    """The object that an answer holds. Raises ServiceError for an answer that holds none."""
    try:
        found = decode(answer.content)
    except (msgspec.DecodeError, RecursionError):
        raise _none(answer) from None
    if not isinstance(found, dict):
        raise _none(answer)
    return found


def page_in(answer: Answer) -> PageBody:
    """The page that an answer holds, its rows still as texts. Raises ServiceError for an answer that holds none."""
    try:
        return decode_page(answer.content)
    except (msgspec.DecodeError, RecursionError):
        raise _none(answer) from None


def onward(link: str | None, here: str) -> str | None:
    """The address of the next page. Raises ServiceError for one that leads to this page again, and so on for ever."""
    if link is not None and link == here:
        raise ServiceError("the service's link to the next page leads to the same page again", status=200)
    return link


def not_redirected(answer: Answer) -> None:
    """Raise ServiceError for an answer that points elsewhere: a token is sent nowhere but where it is for."""
    if 300 <= answer.status < 400 and answer.status != 304:
        raise ServiceError(
            f"the service points to {answer.headers.get('location', 'nowhere')[:SHOWN]!r}, where no token is sent: "
            "is the address that of an organisation?",
            status=answer.status,
        )


def _none(answer: Answer) -> ServiceError:
    text = answer.content[:SHOWN].decode("utf-8", "replace").strip()
    return ServiceError(
        f"the answer is none of the Web API, it begins with {text!r}: is the address that of an organisation?",
        status=answer.status,
        request_id=answer.headers.get("x-ms-service-request-id", ""),
    )
