"""Two ways through a table on SQLite: along the order that was asked for, or by the indexes of an OR.

What somebody may see is an OR: their own rows, those of their units, those that are shared with them. SQLite takes the
indexes of an OR wherever it can, collects all that they lead to and sorts it, even when fifty rows were asked for in
the order of an index and every second one would do. Which way is shorter depends on how many rows there are of either
kind, and on all other conditions. So both are gone in turn, each time for more steps, until one ends; whichever did is
gone first the next time. That takes a few times as long as the shorter way, at most.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import lru_cache

import apsw

from orgstead.model.plan import AllOf, AnyOf, OneOf, Plan, Test, Verdict, Within
from orgstead.store.dialect_sqlite import SQLite
from orgstead.store.statements import Statements

__all__ = ["Pace", "Turn", "Ways", "has_two_ways"]

# Steps of SQLite's virtual machine for the first turn: so many, and so many for each row that was asked for.
FIRST_STEPS, ROW_STEPS = 20_000, 100
# The next turn is so many times as long.
LONGER = 4
# After how many steps a turn looks whether it is over.
STRIDE = 2_000
MAX_KEPT = 2048


class InOrder(SQLite):
    """The dialect of SQLite with an OR that no index is used for."""

    def either(self, parts: Sequence[str]) -> str:
        # https://www.sqlite.org/optoverview.html#disqualifying_where_clause_terms_using_unary_
        return f"+{super().either(parts)}"


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
        self._connection.set_progress_handler(turn, STRIDE)
        try:
            yield turn
        finally:
            self._connection.set_progress_handler(self.late, self.stride)


class Turn:
    """A progress handler that ends a statement after so many steps. ``late``: the unit of work is over, too."""

    __slots__ = ("_left", "_pace", "_since", "late")

    def __init__(self, pace: Pace, steps: int) -> None:
        self._pace = pace
        self._left = steps
        self._since = 0
        self.late = False

    def __call__(self) -> bool:
        self._left -= STRIDE
        self._since += STRIDE
        if self._since >= self._pace.stride:
            self._since = 0
            self.late = self._pace.late()
        return self.late or self._left <= 0


class Ways:
    """The statements of both ways, and which one ended first for which plan."""

    def __init__(self, usual: Statements) -> None:
        self._both = (Statements(InOrder()), usual)
        self._ended: dict[Plan, int] = {}

    def turns(self, plan: Plan, rows: int) -> Iterator[tuple[Statements, int]]:
        """The ways in turn, each with the steps that it has; whoever takes no more has come to the end."""
        way, steps = self._ended.get(plan, 0), FIRST_STEPS + ROW_STEPS * rows
        while True:
            self._keep(plan, way)
            yield self._both[way], steps
            way, steps = 1 - way, steps * LONGER

    def _keep(self, plan: Plan, way: int) -> None:
        if len(self._ended) >= MAX_KEPT:
            self._ended.clear()
        self._ended[plan] = way


@lru_cache(maxsize=4096)
def has_two_ways(plan: Plan) -> bool:
    """Whether the first rows in an order are asked for, under conditions one of which is an OR that indexes serve."""
    return plan.keyed and plan.limit is not None and plan.partition is None and _indexed(plan.where)


def _indexed(verdict: Verdict | None) -> bool:
    match verdict:
        case AllOf(items):
            return any(map(_indexed, items))
        case AnyOf(items):
            return len(items) > 1 and all(
                isinstance(item, OneOf | Within) or (isinstance(item, Test) and item.op == "eq")
                for item in items
            )
    return False
