"""Rows by what they are related to: tests of existence over 1:N and N:N, and expanded rows in their own order."""

from typing import Any

import pytest

from orgstead.model.plan import AllOf, Col, Joined, Output, Plan, Sort, Source
from orgstead.model.plan import Test as Comparison
from orgstead.model.query import (
    And,
    Condition,
    Exists,
    Expand,
    Field,
    Not,
    Or,
    Predicate,
    Query,
    ToMany,
    ToOne,
)
from orgstead.model.record import Ref
from tests.store.store_pieces import Database, ask, children, condition, guid, names, order

BY_MAKER = ToMany("maker_thing_madeby")
CUSTOMER = ToMany("maker_thing_customerid")
TAGS, THINGS = ToMany("thing_tag"), ToMany("thing_tag", reverse=True)
PARTS = ToMany("thing_thing_parentid")


@pytest.fixture(scope="module")
def related(database: Database) -> Database:
    """Makers A (two things), B (one), C (none); tags red (on a1, b1), blue (on a1), none (on nothing)."""
    a, b, c = database.add("maker", {"name": "A", "whole": 1}, {"name": "B"}, {"name": "C", "whole": 3})
    red, blue, _ = database.add(
        "tag", {"name": "red", "whole": 1}, {"name": "blue", "whole": 2}, {"name": "none"}
    )
    a1, a2, b1, _, _ = database.add(
        "thing",
        {"name": "a1", "madeby": Ref("maker", a), "whole": 1, "customerid": Ref("tag", a)},
        {"name": "a2", "madeby": Ref("maker", a), "whole": 2, "customerid": Ref("maker", a)},
        {"name": "b1", "madeby": Ref("maker", b), "customerid": Ref("maker", a)},
        {"name": "x1", "madeby": Ref("maker", guid(0xDEAD))},
        {"name": "x2", "customerid": Ref("maker", c), "whole": 5},
    )
    with database.store.write() as unit:
        unit.update(database.table("thing"), a2, {"parentid": Ref("thing", a1)})
        unit.update(database.table("thing"), b1, {"parentid": Ref("thing", a1)})
    database.add(
        "thing_tag",
        {"thingid": a1, "tagid": red},
        {"thingid": a1, "tagid": blue},
        {"thingid": b1, "tagid": red},
    )
    return database


@pytest.mark.parametrize(
    ("table", "predicate", "expected"),
    [
        ("maker", Exists(BY_MAKER), ["A", "B"]),
        ("maker", Not(Exists(BY_MAKER)), ["C"]),
        ("maker", Exists(BY_MAKER, condition("whole", "gt", 1)), ["A"]),
        ("maker", Exists(BY_MAKER, condition("whole", "null")), ["B"]),
        ("maker", Exists(BY_MAKER, condition("whole", "ge", 0), every=True), ["A", "C"]),
        ("maker", Exists(BY_MAKER, condition("whole", "gt", 1), every=True), ["C"]),
        ("maker", Exists(BY_MAKER, condition("whole", "ne", 1), every=True), ["B", "C"]),
        ("maker", Exists(CUSTOMER), ["A", "C"]),
        ("maker", Exists(CUSTOMER, condition("name", "eq", "A1")), []),
        ("thing", Exists(TAGS), ["a1", "b1"]),
        ("thing", Exists(TAGS, condition("name", "eq", "BLUE")), ["a1"]),
        ("thing", Exists(TAGS, condition("whole", "eq", 1), every=True), ["a2", "b1", "x1", "x2"]),
        ("tag", Exists(THINGS), ["blue", "red"]),
        ("tag", Exists(THINGS, condition("name", "eq", "b1")), ["red"]),
        ("tag", Exists(THINGS, Exists(TAGS, condition("name", "eq", "blue"))), ["blue", "red"]),
        ("maker", Exists(BY_MAKER, Exists(TAGS, condition("name", "eq", "red"))), ["A", "B"]),
        ("maker", Exists(BY_MAKER, Not(Exists(TAGS))), ["A"]),
        ("thing", Exists(PARTS), ["a1"]),
        (
            "thing",
            Exists(BY_MAKER, condition("name", "eq", "a2"), path=(ToOne("madeby", "maker"),)),
            ["a1", "a2"],
        ),
        (
            "maker",
            Exists(
                BY_MAKER, Condition(Field("whole", alias="t"), "eq", (Field("whole", alias=None),)), alias="t"
            ),
            ["A"],
        ),
        (
            "maker",
            Exists(BY_MAKER, Condition(Field("whole", (ToOne("madeby", "maker"),)), "eq", (1,))),
            ["A"],
        ),
        ("maker", And((Exists(BY_MAKER), Not(Exists(CUSTOMER)))), ["B"]),
        (
            "maker",
            Or((Exists(CUSTOMER, condition("whole", "eq", 5)), condition("name", "eq", "b"))),
            ["B", "C"],
        ),
        ("thing", condition("name", "eq", "a", path=(ToOne("madeby", "maker"),)), ["a1", "a2"]),
        ("thing", condition("name", "null", path=(ToOne("madeby", "maker"),)), ["x1", "x2"]),
        ("thing", condition("whole", "ne", 1, path=(ToOne("madeby", "maker"),)), ["b1", "x1", "x2"]),
        ("thing", condition("name", "eq", "A", path=(ToOne("customerid", "maker"),)), ["a2", "b1"]),
        (
            "thing",
            condition("name", "eq", "A", path=(ToOne("parentid", "thing"), ToOne("madeby", "maker"))),
            ["a2", "b1"],
        ),
    ],
)
def test_rows_are_found_by_their_relatives(
    related: Database, table: str, predicate: Predicate, expected: list[str]
) -> None:
    assert names(related, predicate, table) == expected
    assert names(related, Not(predicate), table) == sorted(set(names(related, None, table)) - set(expected))


def test_a_row_that_a_lookup_points_at_is_read_in_the_same_row(related: Database) -> None:
    query = Query(
        table="thing",
        columns=("name",),
        order=(order("name"),),
        expand=(
            Expand(link=ToOne("madeby", "maker"), name="madeby", columns=("name", "whole")),
            Expand(link=ToOne("customerid", "maker"), name="customer", columns=("name",)),
        ),
    )
    found = [(r["name"], r["madeby.name"], r["madeby.whole"], r["customer.name"]) for r in related.ask(query)]
    assert found == [
        ("a1", "A", 1, None),
        ("a2", "A", 1, "A"),
        ("b1", "B", None, "A"),
        ("x1", None, None, None),
        ("x2", None, None, "C"),
    ]
    assert [row["madeby.makerid"] is None for row in related.ask(query)] == [False, False, False, True, True]


def _expanded(related: Database, table: str, expand: Expand) -> dict[str, list[str]]:
    """Names of the expanded rows by the name of their parent."""
    key = related.table(table).primary_id
    by_id = {row[key]: row["name"] for row in related.ask(Query(table=table, columns=("name",)))}
    found = children(related, Query(table=table, columns=("name",), expand=(expand,)))
    return {by_id[id]: [row["name"] for row in rows] for id, rows in found.items()}


@pytest.mark.parametrize(
    ("more", "expected"),
    [
        ({"order": (order("name"),)}, {"A": ["a1", "a2"], "B": ["b1"], "C": []}),
        ({"order": (order("name", True),)}, {"A": ["a2", "a1"], "B": ["b1"], "C": []}),
        ({"order": (order("whole", True),), "top": 1}, {"A": ["a2"], "B": ["b1"], "C": []}),
        ({"where": condition("whole", "lt", 2)}, {"A": ["a1"], "B": [], "C": []}),
        ({"where": Exists(TAGS), "order": (order("name"),)}, {"A": ["a1"], "B": ["b1"], "C": []}),
        (
            {"order": (order("name", path=(ToOne("parentid", "thing"),)),), "top": 1},
            {"A": ["a1"], "B": ["b1"], "C": []},
        ),
    ],
)
def test_the_many_side_is_read_for_all_parents_with_an_order_and_a_limit_of_its_own(
    related: Database, more: dict[str, Any], expected: dict[str, list[str]]
) -> None:
    expand = Expand(link=BY_MAKER, name="things", columns=("name",), **more)
    assert _expanded(related, "maker", expand) == expected


def test_the_other_end_of_n_to_n_is_read_for_all_parents(related: Database) -> None:
    tags = Expand(link=TAGS, name="tags", columns=("name",), order=(order("whole", True),))
    assert _expanded(related, "thing", tags) == {
        "a1": ["blue", "red"],
        "a2": [],
        "b1": ["red"],
        "x1": [],
        "x2": [],
    }
    things = Expand(link=THINGS, name="things", columns=("name",), order=(order("name"),), top=1)
    assert _expanded(related, "tag", things) == {"red": ["a1"], "blue": ["a1"], "none": []}


def test_a_polymorphic_lookup_hangs_rows_on_the_table_it_points_at_only(related: Database) -> None:
    customers = Expand(link=CUSTOMER, name="things", columns=("name",), order=(order("name"),))
    assert _expanded(related, "maker", customers) == {"A": ["a2", "b1"], "B": [], "C": ["x2"]}


def test_the_first_of_many_is_joined_once(related: Database) -> None:
    maker, thing = Source("t0", related.table("maker")), Source("t1", related.table("thing"))
    name, key = Col("t0", maker.table.columns["name"]), Col("t0", maker.table.columns["makerid"])
    first = Joined("first", thing, (Comparison("eq", Col("t1", thing.table.columns["madeby"]), key),))
    plan = Plan(
        source=maker,
        outputs=(
            Output("maker", name, name.column),
            Output("thing", Col("t1", thing.table.columns["name"]), thing.table.columns["name"]),
        ),
        joins=(first,),
        where=AllOf(()),
        order=(Sort(name),),
    )
    with related.store.read() as unit:
        assert [tuple(row) for row in unit.fetch(plan, ())] == [("A", "a1"), ("B", "b1")]


def test_two_thousand_parents_are_asked_for_at_once(database: Database) -> None:
    makers = database.add("maker", *({"name": f"p{n}"} for n in range(2000)))
    things = database.add("thing", *({"name": "c", "madeby": Ref("maker", id)} for id in makers[::2]))
    try:
        query = Query(
            table="maker",
            columns=("name",),
            where=condition("name", "begins-with", "p"),
            expand=(Expand(link=BY_MAKER, name="things", columns=("name",), top=1),),
        )
        found = children(database, query)
        assert sorted(id for id, rows in found.items() if rows) == makers[::2]
        assert sorted(found) == makers
        with database.store.read() as unit:
            assert (
                len(
                    ask(
                        unit, database.schema, Query(table="maker", where=condition("makerid", "in", *makers))
                    )
                )
                == 2000
            )
    finally:
        with database.store.write() as unit:
            assert unit.delete(database.table("thing"), things) == 1000
            assert unit.delete(database.table("maker"), makers) == 2000
