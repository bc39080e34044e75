"""Two ways through a table on SQLite: along the order that was asked for, or by the indexes of an OR.

What somebody may see is an OR: their own rows, those of their units, those that are shared with them. SQLite takes the
indexes of an OR wherever it can, collects all that they lead to and sorts it, even when fifty rows were asked for in
the order of an index and every second one would do. Which way is shorter depends on how many rows there are of either
kind, and on all other conditions. So both are gone in turn, each time for more steps, until one ends; whichever did is
gone first the next time. That takes a few times as long as the shorter way, at most.
"""

from collections.abc import Iterator, Sequence
from functools import lru_cache

from orgstead.model.plan import AllOf, AnyOf, OneOf, Plan, Test, Verdict, Within
from orgstead.store.dialect_sqlite import SQLite
from orgstead.store.statements import Statements

__all__ = ["Ways", "has_two_ways"]

# Steps of SQLite's virtual machine for the first turn: so many, some milliseconds along an index, and so many for each
# row that was asked for.
FIRST_STEPS, ROW_STEPS = 80_000, 100
# The next turn is so many times as long.
LONGER = 4
MAX_KEPT = 2048


class InOrder(SQLite):
    """The dialect of SQLite with an OR that no index is used for."""

    def either(self, parts: Sequence[str]) -> str:
        # https://www.sqlite.org/optoverview.html#disqualifying_where_clause_terms_using_unary_
        return f"+{super().either(parts)}"


class Ways:
    """The statements of both ways, and which one ended first for which plan, in how many steps."""

    def __init__(self, usual: Statements) -> None:
        self._both = (Statements(InOrder()), usual)
        self._ended: dict[Plan, tuple[int, int]] = {}

    def turns(self, plan: Plan, rows: int) -> Iterator[tuple[Statements, int]]:
        """The ways in turn, each with the steps that it has; whoever takes no more has come to the end."""
        least = FIRST_STEPS + ROW_STEPS * rows
        way, steps = self._ended.get(plan, (0, least))
        steps = max(steps, least)
        while True:
            self._keep(plan, way, steps)
            yield self._both[way], steps
            way, steps = 1 - way, steps * LONGER

    def _keep(self, plan: Plan, way: int, steps: int) -> None:
        if len(self._ended) >= MAX_KEPT:
            self._ended.clear()
        self._ended[plan] = way, steps


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
