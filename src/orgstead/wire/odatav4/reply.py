"""Answers before anything of HTTP's transport is added to them."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from orgstead.model.messages import Message, Options, Result

__all__ = ["JSON_TYPE", "VERSION", "Operation", "Reply", "dump", "json_reply"]

JSON_TYPE = "application/json; odata.metadata=minimal"
VERSION = ("OData-Version", "4.0")

_encoder = msgspec.json.Encoder(decimal_format="number")


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """An answer.

    ``stream`` makes a large body a part at a time, ``length`` bytes in all; ``body`` is empty then.
    """

    status: int
    headers: tuple[tuple[str, str], ...] = (VERSION,)
    body: bytes = b""
    stream: Callable[[], Iterator[bytes]] | None = None
    length: int = 0


def dump(value: Any) -> bytes:
    """JSON with decimals as exact numbers."""
    return _encoder.encode(value)


def json_reply(
    value: Any, *, status: int = 200, headers: Sequence[tuple[str, str]] = (), kind: str = JSON_TYPE
) -> Reply:
    """An answer with a JSON body."""
    return Reply(status=status, headers=(("Content-Type", kind), VERSION, *headers), body=dump(value))


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """Messages, the options of their run, and how to write their results.

    ``table`` is that of a row it makes. ``then`` makes the results into the operation whose answer is the answer.
    """

    messages: tuple[Message, ...]
    render: Callable[[Sequence[Result]], Reply]
    options: Options = Options()
    table: str | None = None
    then: "Callable[[Sequence[Result]], Operation] | None" = None
