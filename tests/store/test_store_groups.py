"""Groups and aggregates: exact numbers stay exact, nulls count as SQL has it."""

from decimal import Decimal
from typing import Any

import pytest

from orgstead.errors import Fault
from orgstead.model.plan import Agg, Col, Output, Plan, Sort, Source
from orgstead.model.query import Aggregate, Field, Group, Order, Query, ToOne
from orgstead.model.record import Ref
from tests.store.store_pieces import Database, condition

ROWS: tuple[dict[str, Any], ...] = (
    {"text": "a", "whole": 1, "big": 2**53 + 1, "exact": Decimal("0.10"), "fine": Decimal("0.0000000001"), "real": 0.1,
     "price": Decimal("0.0001"), "yes": True, "colour": 1, "local": "2024-01-02T00:00:00Z", "day": "2024-01-02"},
    {"text": "a", "whole": 2, "big": 2**53 + 1, "exact": Decimal("0.20"), "fine": Decimal("0.0000000002"), "real": 0.2,
     "price": Decimal("922337203685.4775"), "yes": False, "colour": 1, "local": "2024-01-01T00:00:00Z",
     "day": "2024-01-03"},
    {"text": "b", "whole": 2, "exact": Decimal("-0.30"), "price": Decimal("1.0000"), "yes": True, "colour": 2},
    {"text": "b"},
    {"whole": 7, "real": 2.5},
)  # fmt: skip


@pytest.fixture(scope="module")
def grouped(database: Database) -> Database:
    maker, other = database.add("maker", {"name": "M"}, {"name": "N"})
    lookups = [Ref("maker", maker), Ref("maker", maker), Ref("tag", maker), None, Ref("maker", other)]
    database.add(
        "thing",
        *(
            {**row, "madeby": ref if ref and ref.table == "maker" else None, "customerid": ref}
            for row, ref in zip(ROWS, lookups, strict=True)
        ),
    )
    return database


def _aggregate(database: Database, function: Any, name: str | None, **more: Any) -> Any:
    field = None if name is None else Field(name)
    query = Query(table="thing", aggregates=(Aggregate(function=function, alias="x", field=field),), **more)
    ((value,),) = [tuple(row.values()) for row in database.ask(query)]
    return value


@pytest.mark.parametrize(
    ("function", "name", "expected"),
    [
        ("count", None, 5),
        ("count", "text", 4),
        ("countcolumn", "text", 4),
        ("countcolumn", "picture", 0),
        ("countdistinct", "text", 2),
        ("countdistinct", "whole", 3),
        ("countdistinct", "customerid", 2),
        ("sum", "whole", 12),
        ("sum", "big", 2**54 + 2),
        ("sum", "exact", Decimal("0.00")),
        ("sum", "fine", Decimal("0.0000000003")),
        ("sum", "price", Decimal("922337203686.4776")),
        ("sum", "none", None),
        ("avg", "whole", Decimal(3)),
        ("avg", "big", Decimal(2**53 + 1)),
        ("avg", "exact", Decimal(0)),
        ("avg", "fine", Decimal("0.0000000002")),
        ("avg", "price", Decimal("307445734562.1592")),
        ("avg", "none", None),
        ("min", "whole", 1),
        ("max", "whole", 7),
        ("min", "big", 2**53 + 1),
        ("min", "exact", Decimal("-0.30")),
        ("max", "exact", Decimal("0.20")),
        ("max", "fine", Decimal("0.0000000002")),
        ("max", "price", Decimal("922337203685.4775")),
        ("min", "real", 0.1),
        ("max", "real", 2.5),
        ("min", "text", "a"),
        ("max", "text", "b"),
        ("min", "yes", False),
        ("max", "yes", True),
        ("max", "colour", 2),
        ("min", "local", "2024-01-01T00:00:00Z"),
        ("max", "local", "2024-01-02T00:00:00Z"),
        ("min", "day", "2024-01-02"),
        ("max", "none", None),
    ],
)
def test_an_aggregate_over_all_rows(
    grouped: Database, function: str, name: str | None, expected: Any
) -> None:
    value = _aggregate(grouped, function, name)
    assert value == expected
    if expected is not None and function != "avg":
        assert type(value) is type(expected)


def test_sums_and_means_of_doubles_are_doubles(grouped: Database) -> None:
    assert _aggregate(grouped, "sum", "real") == pytest.approx(2.8)
    assert _aggregate(grouped, "avg", "real") == pytest.approx(2.8 / 3)


@pytest.mark.parametrize("function", ["min", "max"])
def test_the_least_and_greatest_ids_are_ids(grouped: Database, function: str) -> None:
    pick = {"min": min, "max": max}[function]
    found = [row["customerid"] for row in grouped.ask(Query(table="thing", columns=("customerid",)))]
    assert _aggregate(grouped, function, "customerid") == pick(id for id in found if id)
    assert _aggregate(grouped, function, "thingid") == pick(
        row["thingid"] for row in grouped.ask(Query(table="thing", columns=()))
    )


def test_aggregates_over_no_rows_are_nothing_and_counts_are_zero(grouped: Database) -> None:
    nothing = condition("whole", "eq", 1000)
    for function, expected in (("count", 0), ("countcolumn", 0), ("countdistinct", 0), ("sum", None), ("avg", None),
                               ("min", None), ("max", None)):  # fmt: skip
        assert _aggregate(grouped, function, "whole", where=nothing) == expected


def _groups(database: Database, *groups: Group, **more: Any) -> list[tuple[Any, ...]]:
    count = Aggregate(function="count", alias="n")
    return [
        tuple(row.values())
        for row in database.ask(Query(table="thing", groups=groups, aggregates=(count,), **more))
    ]


def test_null_is_a_group_of_its_own_and_comes_first(grouped: Database) -> None:
    by = Group(field=Field("text"), alias="t")
    assert _groups(grouped, by, order=(Order(Field("t")),)) == [(None, 1), ("a", 2), ("b", 2)]
    assert _groups(grouped, by, order=(Order(Field("t"), True),)) == [("b", 2), ("a", 2), (None, 1)]


def test_groups_by_several_columns_and_by_a_column_elsewhere(grouped: Database) -> None:
    by = (Group(field=Field("yes"), alias="y"), Group(field=Field("colour"), alias="c"))
    order = (Order(Field("y")), Order(Field("c")))
    assert _groups(grouped, *by, order=order) == [(None, None, 2), (False, 1, 1), (True, 1, 1), (True, 2, 1)]
    elsewhere = Group(field=Field("name", (ToOne("madeby", "maker"),)), alias="m")
    assert _groups(grouped, elsewhere, order=(Order(Field("m")),)) == [(None, 2), ("M", 2), ("N", 1)]


def test_a_polymorphic_lookup_makes_a_group_per_table_it_points_at(grouped: Database) -> None:
    rows = _groups(grouped, Group(field=Field("customerid"), alias="c"))
    assert sorted((str(table), count) for _, table, count in rows) == [
        ("None", 1), ("maker", 1), ("maker", 2), ("tag", 1)
    ]  # fmt: skip


def test_groups_whose_texts_differ_by_case_only_are_one(database: Database) -> None:
    made = database.add("thing", *({"other": text} for text in ("x", "X", "x", "y", "ß")))
    rows = _groups(database, Group(field=Field("other"), alias="o"), where=condition("thingid", "in", *made))
    assert sorted((text.lower(), count) for text, count in rows) == [("x", 3), ("y", 1), ("ß", 1)]
    with database.store.write() as unit:
        unit.delete(database.table("thing"), made)


@pytest.mark.parametrize(
    ("having", "expected"),
    [
        (condition("s", "gt", 2), ["a", None]),
        (condition("s", "ge", 3), ["a", None]),
        (condition("s", "lt", 10**30), ["a", "b", None]),
        (condition("s", "eq", 2.0), ["b"]),
        (condition("n", "gt", 1), ["a", "b"]),
        (condition("n", "ge", 1.5), ["a", "b"]),
        (condition("n", "lt", 10**30), ["a", "b", None]),
        (condition("m", "eq", Decimal("0.20")), ["a"]),
        (condition("m", "gt", -0.25), ["a"]),
        (condition("p", "gt", Decimal("100.5")), ["a"]),
        (condition("v", "gt", Decimal("0.1")), ["a"]),
        (condition("d", "eq", 1), ["b", None]),
    ],
)
def test_groups_are_filtered_by_their_aggregates(
    grouped: Database, having: Any, expected: list[str | None]
) -> None:
    def aggregate(function: Any, alias: str, name: str) -> Aggregate:
        return Aggregate(function=function, alias=alias, field=Field(name))

    query = Query(
        table="thing",
        groups=(Group(field=Field("text"), alias="t"),),
        aggregates=(
            Aggregate(function="count", alias="n"),
            aggregate("sum", "s", "whole"),
            aggregate("max", "m", "exact"),
            aggregate("sum", "p", "price"),
            aggregate("avg", "v", "exact"),
            aggregate("countdistinct", "d", "whole"),
        ),
        having=having,
    )
    assert sorted((row["t"] for row in grouped.ask(query)), key=str, reverse=True) == sorted(
        expected, key=str, reverse=True
    )


@pytest.mark.parametrize("function", ["sum", "avg", "min", "max", "countdistinct"])
def test_groups_are_ordered_by_their_aggregates(grouped: Database, function: Any) -> None:
    for name in ("whole", "price", "exact", "real"):
        query = Query(
            table="thing",
            groups=(Group(field=Field("text"), alias="t"),),
            aggregates=(Aggregate(function=function, alias="x", field=Field(name)),),
            order=(Order(Field("x")), Order(Field("t"))),
        )
        values = [row["x"] for row in grouped.ask(query)]
        assert values == sorted(values, key=lambda value: (value is not None, value or 0))


def test_the_number_of_groups_is_counted(grouped: Database) -> None:
    source = Source("t0", grouped.table("thing"))
    text = Col("t0", source.table.columns["text"])
    plan = Plan(source=source, outputs=(Output("t", text, text.column),), groups=(text,))
    with grouped.store.read() as unit:
        assert unit.count(plan, (), None) == 3
        assert unit.count(plan, (), 2) == 2
        assert sorted(map(str, unit.fetch(plan, ()))) == ["('a',)", "('b',)", "(None,)"]


def test_distinct_rows_are_each_given_once(grouped: Database) -> None:
    source = Source("t0", grouped.table("thing"))
    whole, text = (Col("t0", source.table.columns[name]) for name in ("whole", "text"))
    plan = Plan(
        source=source,
        outputs=(Output("t", text, text.column), Output("w", whole, whole.column)),
        distinct=True,
        order=(Sort(text), Sort(whole, True)),
    )
    with grouped.store.read() as unit:
        assert list(unit.fetch(plan, ())) == [(None, 7), ("a", 2), ("a", 1), ("b", 2), ("b", None)]
        assert unit.count(plan, (), None) == 5


@pytest.mark.parametrize("name", ["picture", "colours"])
def test_the_least_of_what_has_no_order_is_a_coded_fault(grouped: Database, name: str) -> None:
    source = Source("t0", grouped.table("thing"))
    column = source.table.columns[name]
    plan = Plan(source=source, outputs=(Output("x", Agg("min", Col("t0", column)), column),))
    with pytest.raises(Fault) as caught, grouped.store.read() as unit:
        unit.fetch(plan, ())
    assert caught.value.name == "IncompatibleTypes"
