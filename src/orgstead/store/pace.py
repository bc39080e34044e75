"""What ends a read on SQLite that takes too long: SQLite asks it every so many steps of its virtual machine."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import apsw

__all__ = ["STRIDES", "Budget", "Deadline", "Pace", "Turn"]

# SQLite counts steps per statement and from where the last run of the same text ended: a small stride keeps the
# error of a budget small.
STRIDES = 16
# How often a turn looks whether it is over: each time it may have to wait for other threads.
LOOKS = 4


class Deadline:
    """Ends a unit of work after so many seconds."""

    __slots__ = ("_end",)

    def __init__(self, seconds: float) -> None:
        self._end = time.monotonic() + seconds

    def __call__(self) -> bool:
        return time.monotonic() > self._end


class Budget:
    """Ends a unit of work after so many calls."""

    __slots__ = ("_left",)

    def __init__(self) -> None:
        self._left = STRIDES

    def __call__(self) -> bool:
        self._left -= 1
        return self._left <= 0


class Pace:
    """What ends a unit of work that takes too long: ``late`` is asked every ``stride`` steps."""

    __slots__ = ("_connection", "late", "stride")

    def __init__(self, connection: apsw.Connection, late: Callable[[], bool], stride: int) -> None:
        self._connection = connection
        self.late = late
        self.stride = stride
        connection.set_progress_handler(late, stride)

    @contextmanager
    def turn(self, steps: int) -> Iterator["Turn"]:
        """Statements in this block end after so many steps, too."""
        turn = Turn(self, steps)
        self._connection.set_progress_handler(turn, turn.stride)
        try:
            yield turn
        finally:
            self._connection.set_progress_handler(self.late, self.stride)


class Turn:
    """A progress handler that ends a statement after so many steps. ``late``: the unit of work is over, too."""

    __slots__ = ("_left", "_pace", "_since", "late", "stride")

    def __init__(self, pace: Pace, steps: int) -> None:
        self._pace = pace
        self.stride = min(max(1, steps // LOOKS), pace.stride)
        self._left = steps
        self._since = 0
        self.late = False

    def __call__(self) -> bool:
        self._left -= self.stride
        self._since += self.stride
        if self._since >= self._pace.stride:
            self._since = 0
            self.late = self._pace.late()
        return self.late or self._left <= 0
