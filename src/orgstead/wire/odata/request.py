"""A request of the Web API, and what it asks for."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from orgstead.model.messages import Message, Options, Result, Signature
from orgstead.wire.odata.response import Reply

__all__ = ["Operation", "Request"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """A request below the API's root. Header names are lower case.

    ``path`` and ``query`` are still percent-encoded; ``base`` is the API's root as the client addressed it,
    with a slash at its end; ``signatures`` the actions and functions that can be called.
    """

    method: str
    path: str
    query: str
    headers: Mapping[str, str]
    body: bytes
    base: str
    signatures: Mapping[str, Signature]
    new_id: Callable[[], str]
    pending: Mapping[str, tuple[int, str]] = field(default_factory=dict)
    in_batch: bool = False


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
