"""Functions that users wrote, each for so long and no longer.

A function runs in a thread of its own, so that whoever waits for it can go on without it. When its time is over it
loses its hold on the transaction and an exception is raised where it is. Python has no way to end a thread that waits
inside of a call of the system or of a library in C: such a thread is left behind, and can do no more harm than to be
there. https://learn.microsoft.com/power-apps/developer/data-platform/analyze-performance
"""

import ctypes
import math
import threading
import time
from collections.abc import Callable
from contextvars import ContextVar, copy_context
from types import TracebackType
from typing import Generic, TypeVar

import structlog

from orgstead.errors import fault

__all__ = ["Hold", "TimeIsUp", "TimeLimit"]

log = structlog.get_logger()

T = TypeVar("T")

# How long a function may take to end that was told that its time is over, and how often it is told.
GRACE_SECONDS, AGAIN_SECONDS = 1.0, 0.05
# How often whoever waits looks whether the server ends.
LOOK_SECONDS = 0.25
# Threads that may be left behind; whatever comes then fails at once.
MAX_LEFT = 32

# When the time of the function that a thread is running is over.
_deadline: ContextVar[float] = ContextVar("deadline", default=math.inf)


class TimeIsUp(BaseException):
    """Raised inside of a function whose time is over; no ``except Exception`` of its own catches it."""


class Hold:
    """A function's hold on the transaction that it runs in: as a context manager it uses it, until it has lost it."""

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._lost = False

    def __enter__(self) -> None:
        self._lock.acquire()
        if self._lost:
            self._lock.release()
            raise TimeIsUp

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._lock.release()

    def lose(self) -> None:
        """Let the function do nothing more; waits for what it is just doing."""
        with self._lock:
            self._lost = True


class TimeLimit:
    """How long functions may run, in seconds; those that another one has set off share its time."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._end = math.inf
        self._left: list[threading.Thread] = []

    def end_within(self, seconds: float) -> None:
        """The server ends: no function runs for longer than so many seconds from now."""
        self._end = time.monotonic() + seconds

    def run(self, name: str, function: Callable[[Hold], T]) -> T:
        """What a function answers; whatever it raises goes through.

        Raises FunctionTimedOut when its time is over, StoreBusy when the server ends.
        """
        self._left = [thread for thread in self._left if thread.is_alive()]
        if len(self._left) >= MAX_LEFT:
            hint = f"{MAX_LEFT} functions before it have not come to an end yet."
            raise fault("FunctionTimedOut", hint=hint)
        deadline = min(_deadline.get(), time.monotonic() + self._seconds)
        running: _Running[T] = _Running(function)
        context = copy_context()
        context.run(_deadline.set, deadline)
        thread = threading.Thread(target=context.run, args=(running.run,), name="function", daemon=True)
        thread.start()
        while thread.is_alive() and (left := min(deadline, self._end) - time.monotonic()) > 0:
            thread.join(min(left, LOOK_SECONDS))
        if thread.is_alive():
            self._cut(name, thread, running.hold)
            if deadline > self._end:
                raise fault("StoreBusy", hint="The server ends.")
            raise fault("FunctionTimedOut", hint=f"{name} ran for longer than it may.")
        return running.outcome()

    def _cut(self, name: str, thread: threading.Thread, hold: Hold) -> None:
        """Let a function go no further."""
        # From here on it is outside of the engine, whose own work is never cut in the middle.
        hold.lose()
        end = time.monotonic() + GRACE_SECONDS
        while thread.is_alive() and time.monotonic() < end:
            _raise_in(thread)
            thread.join(AGAIN_SECONDS)
        if thread.is_alive():
            self._left.append(thread)
        log.warning("a function ran for too long", name=name, ended=not thread.is_alive())


class _Running(Generic[T]):
    """A function on its way, and what it came to."""

    def __init__(self, function: Callable[[Hold], T]) -> None:
        self._function = function
        self.hold = Hold()
        self._answer: list[T] = []
        self._error: BaseException | None = None

    def run(self) -> None:
        try:
            try:
                self._answer.append(self._function(self.hold))
            except BaseException as error:  # noqa: BLE001 - it is raised where somebody waits for it
                self._error = error
        except TimeIsUp:
            # It had just ended.
            return

    def outcome(self) -> T:
        if self._error is not None:
            raise self._error
        return self._answer[0]


def _raise_in(thread: threading.Thread) -> None:
    """Raise TimeIsUp in a thread, as soon as it runs Python again.

    https://docs.python.org/3/c-api/threads.html#c.PyThreadState_SetAsyncExc
    """
    if thread.ident is not None:
        where, what = ctypes.c_ulong(thread.ident), ctypes.py_object(TimeIsUp)
        ctypes.pythonapi.PyThreadState_SetAsyncExc(where, what)
