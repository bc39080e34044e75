"""Sums beyond 64 bits are as exact as those within, wherever a question has them."""

from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pytest

from orgstead.model import plan as plans
from orgstead.model.plan import Agg, Col, Output, Param, Plan, Source
from orgstead.model.query import Aggregate, Field, Group, Order, Predicate, Query
from orgstead.store.forms import WIDE
from tests.store.store_pieces import Database, condition

MOST = 2**63 - 1
LARGE: dict[str, tuple[Any, ...]] = {
    "big": (MOST, MOST, -5, MOST),
    "price": tuple(map(Decimal, ("922337203685477.5807", "922337203685477.5807", "-0.0001"))),
    "fine": tuple(map(Decimal, ("-900000000.9999999999", "-900000000.9999999999", "0.0000000001"))),
    "none": (Decimal(-MOST), Decimal(-MOST), Decimal(MOST), Decimal(-MOST)),
}
# Places that a mean keeps at most.
PLACES = {"big": 10, "price": 4, "fine": 10, "none": 4}
GROUPS = {
    "a": (MOST, MOST),
    "b": (MOST, MOST - 1),
    "c": (1, 2),
    "d": (None,),
    "e": (-MOST, -MOST, -2),
    "f": (-1,),
}


@pytest.fixture
def empty_table(database: Database) -> Iterator[Database]:
    """The small organisation, whose table ``thing`` is empty before and after."""
    yield database
    database.clear("thing")


@pytest.mark.parametrize("name", LARGE)
def test_sums_and_means_beyond_64_bits_are_exact(empty_table: Database, name: str) -> None:
    values = LARGE[name]
    empty_table.add("thing", *({name: value} for value in values), {})
    aggregates = tuple(
        Aggregate(function=function, alias=function, field=Field(name)) for function in ("sum", "avg", "max")
    )
    (row,) = empty_table.ask(Query(table="thing", aggregates=aggregates))
    total = sum(values)
    assert (type(row["sum"]), str(row["sum"])) == (type(values[0]), str(total))
    unit = Decimal(1).scaleb(-PLACES[name])
    assert row["avg"] == WIDE.divide(Decimal(total), Decimal(len(values))).quantize(unit, context=WIDE)
    assert row["max"] == max(values)


@pytest.fixture
def grouped(empty_table: Database) -> Database:
    for text, values in GROUPS.items():
        money = [None if value is None else Decimal(value).scaleb(-4) for value in values]
        empty_table.add(
            "thing",
            *({"text": text, "big": a, "price": b, "real": 1.5} for a, b in zip(values, money, strict=True)),
        )
    return empty_table


def _ask(database: Database, by: Order, having: Predicate | None = None) -> list[dict[str, Any]]:
    return database.ask(
        Query(
            table="thing",
            groups=(Group(field=Field("text"), alias="t"),),
            aggregates=(
                Aggregate(function="sum", alias="s", field=Field("big")),
                Aggregate(function="sum", alias="p", field=Field("price")),
                Aggregate(function="sum", alias="r", field=Field("real")),
                Aggregate(function="avg", alias="v", field=Field("real")),
            ),
            having=having,
            order=(by,),
        )
    )


def test_groups_are_ordered_by_sums_beyond_64_bits(grouped: Database) -> None:
    ascending = _ask(grouped, Order(Field("s")))
    assert [row["t"] for row in ascending] == ["d", "e", "f", "c", "b", "a"]
    assert [row["s"] for row in ascending] == [None, -2 * MOST - 2, -1, 3, 2 * MOST - 1, 2 * MOST]
    assert [row["p"] for row in ascending[1:]] == [Decimal(row["s"]).scaleb(-4) for row in ascending[1:]]
    assert [row["r"] for row in ascending] == [1.5, 4.5, 1.5, 3.0, 3.0, 3.0]
    assert {row["v"] for row in ascending} == {1.5}
    assert _ask(grouped, Order(Field("p"), True)) == ascending[::-1]


@pytest.mark.parametrize(
    ("operator", "literal", "expected"),
    [
        ("eq", 2 * MOST, "a"),
        ("ne", 2 * MOST, "defcb"),
        ("gt", 2 * MOST - 1, "a"),
        ("ge", 2 * MOST - 1, "ba"),
        ("gt", 2 * MOST - Decimal("0.5"), "a"),
        ("lt", 2 * MOST - Decimal("0.5"), "efcb"),
        ("eq", 2 * MOST - Decimal("0.5"), ""),
        ("le", 3, "efc"),
        ("lt", Decimal("-2.5"), "e"),
        ("lt", Decimal("1E40"), "efcba"),
        ("gt", Decimal("-1E40"), "efcba"),
    ],
)
def test_groups_are_filtered_by_sums_beyond_64_bits(
    grouped: Database, operator: str, literal: int | Decimal, expected: str
) -> None:
    for name, unit in (("s", Decimal(1)), ("p", Decimal("0.0001"))):
        having = condition(name, operator, WIDE.multiply(Decimal(literal), unit))
        assert "".join(row["t"] for row in _ask(grouped, Order(Field("s")), having)) == expected, name


def test_a_transaction_goes_on_after_a_sum_beyond_64_bits(empty_table: Database) -> None:
    source = Source("t0", empty_table.table("thing"))
    text, big = (Col("t0", source.table.columns[name]) for name in ("text", "big"))
    total = Agg("sum", big)
    plan = Plan(
        source=source,
        outputs=(Output("s", total, big.column),),
        groups=(text,),
        having=plans.Test("gt", total, Param(0, big.column)),
    )
    made = empty_table.fresh(2)
    with empty_table.store.write() as unit:
        unit.insert(source.table, [{"thingid": id, "text": "many", "big": 2**62} for id in made])
        assert unit.count(plan, (2**62,), None) == 1
        assert list(unit.fetch(plan, (MOST,))) == [(2**63,)]
        unit.update(source.table, made[0], {"big": 1})
    with empty_table.store.read() as unit:
        assert list(unit.fetch(plan, (0,))) == [(2**62 + 1,)]
