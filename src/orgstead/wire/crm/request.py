"""A request to the REST API, what is asked of the engine for it, and an answer."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec

from orgstead.errors import Fault
from orgstead.model.messages import Message, Result

__all__ = ["JSON_TYPE", "Operation", "Reply", "Request", "Results", "dump", "json_reply"]

JSON_TYPE = "application/json"

_encoder = msgspec.json.Encoder(decimal_format="number")

Results = Sequence[Result | Fault]


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """A request below the base path. Header names are lower case.

    ``path`` and ``query`` are still percent-encoded; ``base`` is the address of the service without a slash at its
    end; ``address`` is scheme and host alone.
    """

    method: str
    path: str
    query: str
    headers: Mapping[str, str]
    body: bytes
    base: str
    address: str
    tenant: str
    new_id: Callable[[], str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """An answer."""

    status: int
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes = b""


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """Messages, and how to write their results.

    They run as one; those of ``alone`` run one group after another, and failures are among the results. ``then`` makes
    the results into the operation whose answer is the answer.
    """

    render: Callable[[Results], Reply]
    messages: tuple[Message, ...] = ()
    alone: tuple[tuple[Message, ...], ...] = ()
    then: "Callable[[Results], Operation] | None" = field(default=None)


def dump(value: Any) -> bytes:
    """JSON with decimals as exact numbers."""
    return _encoder.encode(value)


def json_reply(value: Any, *, status: int = 200, headers: tuple[tuple[str, str], ...] = ()) -> Reply:
    """An answer with a JSON body."""
    return Reply(status=status, headers=(("Content-Type", JSON_TYPE), *headers), body=dump(value))
