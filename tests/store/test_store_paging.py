"""Pages in any order hold every row once, whatever is null, equal, added or removed meanwhile."""

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from orgstead.model.query import Aggregate, Field, Group, Query, ToOne
from orgstead.model.record import Ref
from tests.store.store_pieces import Database, ask, bind, condition, ids, order, pages

ORDERS = {
    "by id": (),
    "by id, falling": (order("thingid", True),),
    "by text": (order("text"),),
    "by text, falling": (order("text", True),),
    "by number": (order("whole"),),
    "by number, falling": (order("whole", True),),
    "by money": (order("price"),),
    "by decimal, falling": (order("fine", True),),
    "by double": (order("real"),),
    "by instant": (order("local"),),
    "by instant, falling": (order("local", True),),
    "by day, falling": (order("day", True),),
    "by yes and no": (order("yes"),),
    "by choice, falling": (order("colour", True),),
    "by choices": (order("colours"),),
    "by lookup": (order("madeby"),),
    "by polymorphic lookup, falling": (order("customerid", True),),
    "by guid": (order("token"),),
    "by two, up and down": (order("whole"), order("text", True)),
    "by two, down and up": (order("text", True), order("price")),
    "by three": (order("yes", True), order("whole"), order("local", True)),
    "by two and the id, falling": (order("yes"), order("whole", True), order("thingid", True)),
    "by a name elsewhere": (order("name", path=(ToOne("madeby", "maker"),)),),
    "by a name elsewhere, falling": (order("name", True, (ToOne("madeby", "maker"),)), order("whole")),
    "by a name two hops away": (order("name", path=(ToOne("madeby", "maker"), ToOne("parentid", "maker"))),),
}


@pytest.fixture(scope="module")
def many(database: Database) -> Database:
    """Rows with nulls and many equal values in each column."""
    top, other, *makers = database.fresh(5)
    with database.store.write() as unit:
        unit.insert(
            database.table("maker"),
            [
                {"makerid": top, "name": "Top"},
                {"makerid": other},
                *(
                    {"makerid": id, "name": f"m{n % 2}", "parentid": Ref("maker", top)}
                    for n, id in enumerate(makers)
                ),
            ],
        )
    rows: list[dict[str, Any]] = []
    for n in range(60):
        row: dict[str, Any] = {
            "text": ("a", "A", "b", "Bb", "ä", "")[n % 6],
            "whole": (3, -1, 3, 0)[n % 4],
            "price": Decimal(n % 5).quantize(Decimal("0.0001")),
            "fine": Decimal("0.0000000001") * (n % 3),
            "real": (0.1, 0.30000000000000004, -7.5)[n % 3],
            "local": f"2024-01-0{n % 4 + 1}T00:00:00Z",
            "day": f"2024-01-0{n % 2 + 1}",
            "yes": n % 2 == 0,
            "colour": (1, 2)[n % 2],
            "colours": ((1,), (1, 2))[n % 2],
            "token": makers[n % 3],
            "madeby": Ref("maker", (*makers, other)[n % 4]),
            "customerid": Ref(("maker", "tag")[n % 2], makers[n % 3]),
        }
        # Each column is null in some rows, in others than the next column.
        rows.append({name: value for place, (name, value) in enumerate(row.items()) if (n + place) % 7})
    database.add("thing", *rows)
    return database


@pytest.mark.parametrize("size", [1, 7, 60, 1000])
@pytest.mark.parametrize("by", ORDERS.values(), ids=ORDERS)
def test_pages_are_the_whole_cut_into_pieces(many: Database, by: Any, size: int) -> None:
    query = Query(table="thing", columns=("text", "whole"), order=by)
    whole = many.ask(query)
    found = pages(many, query, size)
    assert [row["thingid"] for page in found for row in page] == [row["thingid"] for row in whole]
    assert len({row["thingid"] for row in whole}) == 60
    assert [len(page) for page in found[:-1]] == [size] * (len(found) - 1)


def test_nulls_are_the_smallest_values_of_every_column(many: Database) -> None:
    for name in (
        "text",
        "whole",
        "price",
        "fine",
        "real",
        "local",
        "day",
        "yes",
        "colour",
        "colours",
        "token",
    ):
        for descending in (False, True):
            query = Query(table="thing", columns=(name,), order=(order(name, descending),))
            values = [row[name] for row in many.ask(query)]
            if descending:
                values.reverse()
            nulls = sum(value is None for value in values)
            assert nulls > 0
            assert values[:nulls] == [None] * nulls
            kept = [value.casefold() if isinstance(value, str) else value for value in values[nulls:]]
            # Where letters beyond ASCII go among the others is the database's affair.
            kept = [value for value in kept if value != "ä"]
            assert kept == sorted(kept)


@pytest.mark.parametrize("descending", [False, True])
@pytest.mark.parametrize("name", ["whole", "text", "local", "price"])
def test_rows_that_come_and_go_between_pages_cost_no_other_row(
    database: Database, name: str, descending: bool
) -> None:
    values: dict[str, Any] = {
        "whole": 5,
        "text": "k",
        "local": "2024-06-01T00:00:00Z",
        "price": Decimal("5.0000"),
    }
    lower: dict[str, Any] = {
        "whole": 1,
        "text": "A",
        "local": "2023-06-01T00:00:00Z",
        "price": Decimal("1.0000"),
    }
    rows = [{"other": "moving", name: value} for value in (values[name], lower[name], None) for _ in range(8)]
    stay, gone, come = database.add("thing", *rows), [], []
    query = Query(
        table="thing",
        columns=(name,),
        where=condition("other", "eq", "moving"),
        order=(order(name, descending),),
    )

    def between(page: int) -> None:
        gone.append(stay[page * 3])
        with database.store.write() as unit:
            unit.delete(database.table("thing"), [gone[-1]])
        come.extend(
            database.add("thing", *({"other": "moving", name: v} for v in (values[name], lower[name], None)))
        )

    try:
        walked = [row["thingid"] for page in pages(database, query, 5, between) for row in page]
    finally:
        database_rows = ids(database, "thing", condition("other", "eq", "moving"))
        with database.store.write() as unit:
            unit.delete(database.table("thing"), database_rows)
    assert len(walked) == len(set(walked))
    assert set(stay) - set(gone) <= set(walked) <= {*stay, *come}


def test_the_row_of_the_cursor_may_be_gone(many: Database) -> None:
    made = many.add("thing", *({"other": "cursor", "whole": n} for n in (1, 2, 2, 3)))
    query = Query(
        table="thing", columns=("whole",), where=condition("other", "eq", "cursor"), order=(order("whole"),)
    )

    def between(page: int) -> None:
        with many.store.write() as unit:
            unit.delete(many.table("thing"), [made[page - 1]])

    walked = [row["thingid"] for page in pages(many, query, 1, between) for row in page]
    assert walked == made


def test_a_page_of_nothing_and_a_count_to_a_limit(many: Database) -> None:
    query = Query(table="thing", columns=("text",), count=True, where=condition("whole", "eq", 3))
    bound = bind(many.schema, query)
    assert bound.count_plan is not None
    with many.store.read() as unit:
        assert ask(unit, many.schema, query, limit=0) == []
        everything = len(ask(unit, many.schema, query))
        assert everything > 10
        assert unit.count(bound.count_plan, bound.params, None) == everything
        assert unit.count(bound.count_plan, bound.params, 10) == 10
        assert unit.count(bound.count_plan, bound.params, 1000) == everything


def test_groups_are_counted_off_page_by_page(many: Database) -> None:
    query = Query(
        table="thing",
        groups=(Group(field=Field("whole"), alias="w"), Group(field=Field("yes"), alias="y")),
        aggregates=(Aggregate(function="count", alias="n"),),
        order=(order("w", True), order("y")),
    )
    whole = many.ask(query)
    walked: list[dict[str, Any]] = []
    with many.store.read() as unit:
        for start in range(0, len(whole), 2):
            page = Query(
                table=query.table,
                groups=query.groups,
                aggregates=query.aggregates,
                order=query.order,
                after=(start,),
            )
            walked += ask(unit, many.schema, page, limit=2)
    assert walked == whole
    places = [(-1 if row["w"] is None else 10 - row["w"]) for row in whole]
    assert [place for place in places if place > 0] == sorted(place for place in places if place > 0)
    assert places[-1] == -1


_VALUES: dict[str, st.SearchStrategy[Any]] = {
    "text": st.sampled_from([None, "", "a", "A", "b", "Ä", "ä"]),
    "whole": st.sampled_from([None, -1, 0, 1]),
    "real": st.sampled_from([None, -0.0, 0.0, 0.1, 0.1 + 0.2, 1e11]),
    "price": st.sampled_from([None, Decimal("0.0000"), Decimal("0.0001"), Decimal("922337203685477.5807")]),
    "local": st.sampled_from([None, "1753-01-01T00:00:00Z", "9999-12-31T23:59:59Z"]),
}


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    rows=st.lists(st.fixed_dictionaries(_VALUES), max_size=12),
    by=st.lists(st.tuples(st.sampled_from(sorted(_VALUES)), st.booleans()), max_size=3),
    size=st.integers(1, 4),
)
def test_any_rows_in_any_order_are_walked_once(
    database: Database, rows: list[dict[str, Any]], by: list[tuple[str, bool]], size: int
) -> None:
    made = (
        database.add("maker")
        if not rows
        else database.add("thing", *({"other": "any", **row} for row in rows))
    )
    try:
        query = Query(
            table="thing",
            columns=("text",),
            where=condition("other", "eq", "any"),
            order=tuple(order(name, descending) for name, descending in by),
        )
        whole = [row["thingid"] for row in database.ask(query)]
        assert [row["thingid"] for page in pages(database, query, size) for row in page] == whole
        assert sorted(whole) == made
    finally:
        with database.store.write() as unit:
            unit.delete(database.table("thing"), made)
