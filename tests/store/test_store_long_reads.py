"""A read that may be long is not done where others wait, and not for ever."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from orgstead.engine.ports import BudgetExceeded
from orgstead.model.plan import AllOf, Col, Like, Output, Param, Plan, Source
from orgstead.model.schema import Schema
from orgstead.store.sqlite import SQLiteStore
from tests.store.store_pieces import SMALL, Database, refusal

PLENTY = 900_000


def _matching(column: str) -> Plan:
    table = SMALL.tables["thing"]
    key = table.columns["thingid"]
    return Plan(
        source=Source("t0", table),
        outputs=(Output("thingid", Col("t0", key), key),),
        where=AllOf((Like(Col("t0", table.columns[column]), Param(0)),)),
    )


@pytest.fixture(params=["organisation.sqlite", ":memory:"])
def hasty(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Database]:
    """A database whose queries have no time."""
    path = request.param if request.param == ":memory:" else tmp_path / request.param
    store = SQLiteStore(path, query_seconds=0)
    with store.write() as unit:
        unit.migrate(Schema.empty(), SMALL)
    yield Database(store, SMALL, str(path))
    store.close()


@pytest.mark.parametrize(
    ("column", "pattern", "short"),
    [("text", "%a%", True), ("memo", "%a%", False), ("text", "%" + "a" * 200 + "%", False)],
    ids=["a word", "in a memo", "a long pattern"],
)
def test_matching_long_texts_does_not_count_as_short(
    hasty: Database, column: str, pattern: str, short: bool
) -> None:
    plan = _matching(column)
    with hasty.store.read(PLENTY) as unit:
        if short:
            assert unit.fetch(plan, [pattern]) == []
            assert unit.count(plan, [pattern], None) == 0
        else:
            for run in (lambda: unit.fetch(plan, [pattern]), lambda: unit.count(plan, [pattern], None)):
                with pytest.raises(BudgetExceeded):
                    run()


def test_a_query_that_takes_too_long_ends_with_a_fault(hasty: Database) -> None:
    hasty.add("thing", *({"text": "a" * 50} for _ in range(3000)))
    plan = _matching("text")

    def work() -> None:
        with hasty.store.read() as unit:
            for _ in range(500):
                unit.fetch(plan, ["%b%"])

    assert refusal(work) == "SqlTimeout"
    # The connection is good for more.
    with hasty.store.read(PLENTY) as unit:
        assert len(unit.fetch(plan, ["%a%"])) == 3000
