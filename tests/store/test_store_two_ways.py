"""The first rows in an order under an OR: the same whether few rows or many satisfy it, asked once or again."""

from contextlib import nullcontext
from typing import Any

import pytest

from orgstead.engine.ports import BudgetExceeded
from orgstead.model.query import Or, Query
from orgstead.model.record import Ref
from tests.store.store_pieces import Database, ask, condition, guid, order

# More than a first turn looks at, whichever way it goes.
MANY = 12_000
MINE, OURS, OTHERS = guid(901), guid(902), guid(903)
QUERY = Query(
    table="thing",
    columns=("name",),
    where=Or((condition("ownerid", "eq", MINE), condition("madeby", "eq", OURS))),
    order=(order("name"),),
)


def rows(of: str) -> list[dict[str, Any]]:
    """Rows of somebody else's, but for those of ``of`` every so often."""
    kinds = {"few": (4_000, 3_000), "many": (2, 3), "none": (MANY, MANY)}[of]
    return [
        {
            "name": f"{of} {number:05d}",
            "ownerid": Ref("maker", MINE if number % kinds[0] == 1 else OTHERS),
            "madeby": Ref("maker", OURS if number % kinds[1] == 2 else OTHERS),
        }
        for number in range(MANY)
        if of != "none" or number > 2
    ]


def wanted(made: list[dict[str, Any]], limit: int) -> list[str]:
    return sorted(row["name"] for row in made if row["ownerid"].key == MINE or row["madeby"].key == OURS)[
        :limit
    ]


@pytest.mark.parametrize("kinds", [("few", "many"), ("many", "few"), ("none", "few")], ids=" then ".join)
def test_the_first_rows_of_an_or_do_not_depend_on_how_many_there_are(
    any_database: Database, kinds: tuple[str, str]
) -> None:
    for kind in kinds:
        any_database.clear("thing")
        made = rows(kind)
        any_database.add("thing", *made)
        for limit in (20, 5_000):
            for _ in range(2):
                with any_database.store.read() as unit:
                    found = [row["name"] for row in ask(unit, any_database.schema, QUERY, limit=limit)]
                assert found == wanted(made, limit)


def test_a_budget_holds_for_both_ways_together(any_database: Database) -> None:
    made = rows("many")
    any_database.clear("thing")
    any_database.add("thing", *made)
    found: list[str] = []
    counts_steps = not any_database.url.startswith("postgresql")
    ending = pytest.raises(BudgetExceeded) if counts_steps else nullcontext()
    with ending, any_database.store.read(30_000) as unit:
        found = [row["name"] for row in ask(unit, any_database.schema, QUERY, limit=5_000)]
    assert found == ([] if counts_steps else wanted(made, 5_000))
