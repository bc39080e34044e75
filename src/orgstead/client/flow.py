"""Conversations without I/O: generators that yield steps and are sent what came of them.

Everything that the client does is written once, as such a generator. ``drive`` holds the two ways to run one: on this
thread, or on an event loop; ``methods`` makes of a generator method what a caller sees.
"""

from collections.abc import Callable, Generator, Mapping
from contextlib import closing
from dataclasses import dataclass, field
from typing import Any, BinaryIO, Generic, TypeVar

__all__ = [
    "Answer", "Call", "Done", "Emit", "Flow", "Next", "Once", "Pause", "Pull", "Request", "Source", "Start", "Step",
    "Stream", "Stretch", "collected",
]  # fmt: skip

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Stretch:
    """``length`` bytes of an open file from ``start``: a body that is read while it is sent."""

    file: BinaryIO
    start: int
    length: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """A request to be sent as it is; it is answered with an ``Answer``, or a ``TransportError`` is thrown.

    Headers and content may hold secrets and are not shown. ``into`` is an open file that becomes the body of a 200,
    from its beginning; the answer has no content then.
    """

    method: str
    url: str
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    content: bytes | Stretch | None = field(default=None, repr=False)
    timeout: float | None = None
    into: BinaryIO | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What came back; ``headers`` are looked up without regard to case."""

    status: int
    headers: Mapping[str, str] = field(repr=False)
    content: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Pause:
    """Wait for so many seconds."""

    seconds: float


@dataclass(frozen=True, slots=True)
class Call:
    """Call a function that may block, or that may answer an awaitable; what it answers is sent."""

    function: Callable[[], Any]


@dataclass(frozen=True, slots=True)
class Once:
    """Run a conversation while nobody else runs one under the same name."""

    name: str
    flow: "Callable[[], Flow[Any]]"


@dataclass(frozen=True, slots=True)
class Start:
    """Run a conversation beside this one; ``Next`` answers what came of it, with its tag."""

    flow: "Flow[Any]"
    tag: Any


@dataclass(frozen=True, slots=True)
class Next:
    """Wait until a conversation that was started has ended; a ``Done`` is sent."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Done:
    """What came of a conversation: its value, or what it raised."""

    tag: Any
    value: Any = None
    error: Exception | None = None


@dataclass(slots=True)
class Source:
    """An iterable, or an asynchronous one, that is read in parts."""

    iterable: Any
    iterator: Any = None


@dataclass(frozen=True, slots=True)
class Pull:
    """Read up to so many of a source; a list is sent, an empty one at the end."""

    source: Source
    count: int


@dataclass(frozen=True, slots=True)
class Emit(Generic[T]):
    """Hand a value to whoever iterates."""

    value: T


Step = Request | Pause | Call | Once | Start | Next | Pull
Flow = Generator[Step, Any, T]
Stream = Generator[Step | Emit[T], Any, None]


def collected(stream: Stream[T], enough: int | None = None) -> Flow[list[T]]:
    """What a conversation emits, as a list; ends it when there is enough."""
    found: list[T] = []
    with closing(stream):
        sent: Any = None
        error: BaseException | None = None
        while enough is None or len(found) < enough:
            try:
                step = stream.send(sent) if error is None else stream.throw(error)
            except StopIteration:
                break
            sent, error = None, None
            if isinstance(step, Emit):
                found.append(step.value)
                continue
            try:
                sent = yield step
            except Exception as raised:  # noqa: BLE001 - the conversation decides
                error = raised
    return found
