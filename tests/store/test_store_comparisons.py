"""Every comparison of a plan, with nulls among the rows, by operators that queries name."""

from collections.abc import Sequence
from decimal import Context, Decimal
from typing import Any

import pytest

from orgstead.errors import Fault
from orgstead.model.query import And, Field, Not, Or, Predicate, Query
from orgstead.model.record import Ref
from tests.store.store_pieces import Database, condition, guid, ids, names

EQUALITY = ("eq", "ne")
ORDER = ("lt", "le", "gt", "ge")
# Values in ascending order, per column. Rows are named by their place; the row named "-" has nothing.
ASCENDING: dict[str, Sequence[Any]] = {
    "text": ("", "10", "9", "apple", "banana", "bananas"),
    "memo": ("a", "b"),
    "whole": (-(2**31), -1, 0, 1, 2**31 - 1),
    "big": (-(2**63), -(2**53) - 1, -(2**53), 0, 2**53, 2**53 + 1, 2**63 - 1),
    "exact": tuple(
        map(Decimal, ("-100000000000.00", "-0.01", "0.00", "0.01", "9.90", "10.00", "100000000000.00"))
    ),
    "fine": tuple(map(Decimal, ("-900000000.0000000001", "0.0000000000", "0.0000000001", "1.0000000000"))),
    "real": (-1e11, -0.1, 0.0, 1e-20, 0.1, 0.30000000000000004, 1e11),
    "price": tuple(
        map(Decimal, ("-922337203685477.5808", "-0.0001", "0.0000", "0.0001", "922337203685477.5807"))
    ),
    "colour": (-3, 1, 2, 100000000),
    "statecode": (0, 1),
    "statuscode": (1, 2),
    "local": ("1753-01-01T00:00:00Z", "2024-02-28T23:59:59Z", "2024-02-29T00:00:00Z", "9999-12-31T23:59:59Z"),
    "day": ("0001-01-01", "1753-01-01", "2024-02-29", "2024-03-01", "9999-12-31"),
    "free": ("1753-01-01T00:00:00Z", "2024-02-29T00:00:00Z", "9999-12-31T23:59:59Z"),
}
EQUAL: dict[str, Sequence[Any]] = {
    "yes": (False, True),
    "token": (guid(1), guid(2)),
    "madeby": (Ref("maker", guid(1)), Ref("maker", guid(2))),
    "customerid": (Ref("maker", guid(1)), Ref("tag", guid(2))),
    "ownerid": (Ref("maker", guid(1)), Ref("thing", guid(2))),
    "kind": ("account", "contact"),
}
VALUES = {**ASCENDING, **EQUAL}
HOLDS = {
    "eq": lambda a, b: a == b,
    "ne": lambda a, b: a != b,
    "lt": lambda a, b: a < b,
    "le": lambda a, b: a <= b,
    "gt": lambda a, b: a > b,
    "ge": lambda a, b: a >= b,
}


@pytest.fixture(scope="module")
def filled(database: Database) -> Database:
    """Row ``n`` has the n-th value of every column that has so many."""
    rows = [
        {"name": str(place), **{name: each[place] for name, each in VALUES.items() if place < len(each)}}
        for place in range(max(map(len, VALUES.values())))
    ]
    database.add("thing", {"name": "-"}, *rows)
    return database


def _literal(value: Any) -> Any:
    return value.id if isinstance(value, Ref) else value


def _expected(name: str, operator: str, place: int) -> list[str]:
    """Rows without a value satisfy what is a negation and nothing else."""
    places = range(len(VALUES[name]))
    found = {str(other) for other in places if HOLDS[operator](other, place)}
    everything = {"-", *(str(row) for row in range(max(map(len, VALUES.values()))))}
    if operator == "ne":
        found |= everything - {str(other) for other in places}
    return sorted(found)


@pytest.mark.parametrize("name", VALUES)
def test_each_comparison_holds_for_the_right_rows_and_for_nulls_only_when_it_negates(
    filled: Database, name: str
) -> None:
    for place, value in enumerate(VALUES[name]):
        for operator in (*EQUALITY, *(ORDER if name in ASCENDING else ())):
            found = names(filled, condition(name, operator, _literal(value)))
            assert found == _expected(name, operator, place), (operator, value)


@pytest.mark.parametrize("name", VALUES)
def test_null_is_found_by_null_and_by_equality_with_nothing(filled: Database, name: str) -> None:
    without = _expected(name, "ne", -1)
    without = sorted(set(without) - {str(place) for place in range(len(VALUES[name]))})
    having = sorted(str(place) for place in range(len(VALUES[name])))
    assert names(filled, condition(name, "null")) == without
    assert names(filled, condition(name, "eq", None)) == without
    assert names(filled, condition(name, "not-null")) == having
    assert names(filled, condition(name, "ne", None)) == having
    for operator in ORDER:
        assert names(filled, condition(name, operator, None)) == []


@pytest.mark.parametrize("name", VALUES)
def test_in_finds_each_of_its_values_and_not_in_the_rest_with_the_nulls(filled: Database, name: str) -> None:
    chosen = [_literal(value) for value in VALUES[name][:2]]
    everything = names(filled, None)
    assert names(filled, condition(name, "in", *chosen)) == ["0", "1"]
    assert names(filled, condition(name, "not-in", *chosen)) == sorted({*everything} - {"0", "1"})
    assert names(filled, condition(name, "in")) == []
    assert names(filled, condition(name, "not-in")) == everything
    without = names(filled, condition(name, "null"))
    assert names(filled, condition(name, "in", chosen[0], None)) == sorted({"0", *without})


@pytest.mark.parametrize("name", ASCENDING)
def test_between_has_both_of_its_ends(filled: Database, name: str) -> None:
    low, high = VALUES[name][0], VALUES[name][1]
    assert names(filled, condition(name, "between", low, high)) == ["0", "1"]
    assert names(filled, condition(name, "between", high, low)) == []
    assert names(filled, condition(name, "not-between", low, high)) == sorted(
        {*names(filled, None)} - {"0", "1"}
    )


@pytest.mark.parametrize(
    ("predicate", "expected"),
    [
        (And(()), ["-", "0", "1", "2", "3", "4", "5", "6"]),
        (Or(()), []),
        (Not(Or(())), ["-", "0", "1", "2", "3", "4", "5", "6"]),
        (Not(condition("whole", "gt", 0)), ["-", "0", "1", "2", "5", "6"]),
        (Not(Not(condition("whole", "gt", 0))), ["3", "4"]),
        (And((condition("whole", "ge", 0), condition("yes", "null"))), ["2", "3", "4"]),
        (Or((condition("whole", "gt", 0), condition("yes", "eq", True))), ["1", "3", "4"]),
        (Not(And((condition("whole", "ge", 0), condition("yes", "null")))), ["-", "0", "1", "5", "6"]),
        (Not(Or((condition("whole", "gt", 0), Not(condition("whole", "null"))))), ["-", "5", "6"]),
    ],
)
def test_and_or_not_divide_the_rows_in_two_whatever_is_null(
    filled: Database, predicate: Predicate, expected: list[str]
) -> None:
    assert names(filled, predicate) == expected
    assert sorted(names(filled, Not(predicate)) + expected) == names(filled, None)


HUGE = 10**400
FAR: tuple[Any, ...] = (
    2**31 + 1,
    2**63,
    2**64,
    10**30,
    HUGE,
    1e300,
    float("inf"),
    Decimal("1E+5000"),
    Decimal("Infinity"),
)


@pytest.mark.parametrize("name", ["whole", "big", "exact", "fine", "real", "price", "colour", "statecode"])
def test_numbers_too_large_for_a_column_compare_as_numbers(filled: Database, name: str) -> None:
    everything, having = names(filled, None), names(filled, condition(name, "not-null"))
    largest = max(abs(value) for value in VALUES[name])
    for far in (far for far in FAR if far > largest):
        for operator, expected in (("lt", having), ("le", having), ("gt", []), ("ge", []), ("eq", [])):
            assert names(filled, condition(name, operator, far)) == expected, (operator, far)
        for operator, expected in (("gt", having), ("ge", having), ("lt", []), ("le", []), ("eq", [])):
            assert names(filled, condition(name, operator, -far)) == expected, (operator, -far)
        assert names(filled, condition(name, "ne", far)) == everything
        assert names(filled, condition(name, "in", far, -far)) == []
        assert names(filled, condition(name, "not-in", far)) == everything
        assert names(filled, condition(name, "between", -far, far)) == having


@pytest.mark.parametrize("name", ["whole", "big", "exact", "fine", "real", "price", "colour"])
def test_numbers_with_more_places_than_a_column_compare_as_numbers(filled: Database, name: str) -> None:
    above = sorted(str(place) for place, value in enumerate(VALUES[name]) if value > 0)
    below = sorted(str(place) for place, value in enumerate(VALUES[name]) if value <= 0)
    for literal in (Decimal("0.000000000000000000001"), Decimal("1E-5000"), 1e-40):
        assert names(filled, condition(name, "gt", literal)) == above
        assert names(filled, condition(name, "le", literal)) == below
        assert names(filled, condition(name, "eq", literal)) == []
        assert names(filled, condition(name, "in", literal)) == []


def test_a_fraction_lies_between_whole_numbers(filled: Database) -> None:
    for half in (0.5, Decimal("0.5")):
        assert names(filled, condition("whole", "lt", half)) == ["0", "1", "2"]
        assert names(filled, condition("whole", "ge", half)) == ["3", "4"]
        assert names(filled, condition("whole", "eq", half)) == []
        assert names(filled, condition("big", "gt", half)) == ["4", "5", "6"]
    assert names(filled, condition("whole", "eq", Decimal("1.000"))) == ["3"]
    assert names(filled, condition("whole", "in", 1.0, Decimal(-1))) == ["1", "3"]
    assert names(filled, condition("exact", "eq", 9.9)) == ["4"]
    assert names(filled, condition("exact", "eq", 10)) == ["5"]
    assert names(filled, condition("real", "eq", Decimal("0.1"))) == ["4"]


@pytest.mark.parametrize(
    ("name", "unit"),
    [
        ("big", Decimal(1)),
        ("price", Decimal("0.0001")),
        ("exact", Decimal("0.01")),
        ("fine", Decimal("0.0000000001")),
        ("none", Decimal(1)),
    ],
)
def test_literals_between_the_largest_values_of_a_column_are_compared_exactly(
    database: Database, name: str, unit: Decimal
) -> None:
    exactly = Context(prec=100)
    whole = (-(2**63), -(2**62) - 1, -(2**53) - 1, 0, 1, 2**62 + 1, 2**63 - 2, 2**63 - 1)
    values = [exactly.multiply(Decimal(each), unit) for each in whole]
    made = database.add("thing", *({name: int(each) if name == "big" else each} for each in values))
    mine = condition("thingid", "in", *made)
    for each in whole:
        for part in map(
            Decimal, ("0", "0.5", "0.9999999999999999999999999", "0.0000000000000000000000001", "-1")
        ):
            literal = exactly.multiply(exactly.add(Decimal(each), part), unit)
            for operator, holds in HOLDS.items():
                expected = [id for id, value in zip(made, values, strict=True) if holds(value, literal)]
                asked = And((mine, condition(name, operator, literal)))
                assert ids(database, "thing", asked) == expected, (operator, literal)
            equal = [id for id, value in zip(made, values, strict=True) if value == literal]
            assert ids(database, "thing", And((mine, condition(name, "in", literal, unit / 2)))) == equal
    with database.store.write() as writing:
        writing.delete(database.table("thing"), made)


def test_finding_by_a_value_takes_the_same_values_as_a_comparison(filled: Database) -> None:
    table = filled.table("thing")
    with filled.store.read() as unit:
        for name, each in VALUES.items():
            for value in each:
                (found,) = unit.find(table, {name: value})
                assert (unit.get(table, found) or {})[name] == value
        for far in FAR:
            for name in ("real", "price", "exact") if far > 2**32 else ("whole",):
                assert unit.find(table, {name: far}) == []
                assert unit.find(table, {name: -far}) == []
        assert len(unit.find(table, {"text": None}, 100)) == len(
            ids(filled, "thing", condition("text", "null"))
        )
        assert len(unit.find(table, {}, 3)) == 3
        assert unit.find(table, {"text": "APPLE", "whole": 1, "yes": None}) == unit.find(table, {"name": "3"})
        assert unit.find(table, {"customerid": Ref("tag", guid(1))}) == []


def test_columns_are_compared_with_columns(database: Database) -> None:
    made = database.add(
        "thing",
        {
            "name": "c1",
            "whole": 1,
            "second": 1,
            "exact": Decimal("1.00"),
            "price": Decimal("1.0000"),
            "real": 1.0,
        },
        {
            "name": "c2",
            "whole": 1,
            "second": 2,
            "exact": Decimal("1.50"),
            "price": Decimal("1.5001"),
            "real": 1.5,
        },
        {
            "name": "c3",
            "whole": 1,
            "text": "Ab",
            "other": "aB",
            "day": "2024-01-02",
            "local": "2024-01-02T00:00:00Z",
        },
        {"name": "c4", "text": "Ab", "other": "ac", "day": "2024-01-02", "local": "2024-01-02T00:00:01Z"},
    )
    mine = condition("thingid", "in", *made)

    def found(name: str, operator: str, other: str) -> list[str]:
        return names(database, And((mine, condition(name, operator, Field(other)))))

    assert found("whole", "eq", "second") == ["c1"]
    assert found("whole", "lt", "second") == ["c2"]
    assert found("whole", "ne", "second") == ["c2", "c3", "c4"]
    assert found("exact", "eq", "price") == ["c1"]
    assert found("exact", "lt", "price") == ["c2"]
    assert found("price", "gt", "exact") == ["c2"]
    assert found("exact", "eq", "real") == ["c1", "c2"]
    assert found("whole", "lt", "fine") == []
    assert found("text", "eq", "other") == ["c3"]
    assert found("text", "lt", "other") == ["c4"]
    assert found("day", "eq", "local") == ["c3"]
    assert found("day", "lt", "local") == ["c4"]
    assert found("local", "gt", "day") == ["c4"]
    with pytest.raises(Fault) as caught:
        found("whole", "eq", "text")
    assert caught.value.name == "IncompatibleTypes"
    with database.store.write() as unit:
        unit.delete(database.table("thing"), made)


def test_several_choices_are_found_by_any_and_by_all_of_their_values(database: Database) -> None:
    made = database.add(
        "thing",
        {"name": "none"},
        {"name": "one", "colours": (1,)},
        {"name": "two", "colours": (1, 2)},
        {"name": "blue", "colours": (-3, 2)},
        {"name": "eleven", "colours": (11, 100000000)},
    )
    mine = condition("thingid", "in", *made)

    def found(operator: str, *values: Any) -> list[str]:
        return names(database, And((mine, condition("colours", operator, *values))))

    assert found("contain-values", 1) == ["one", "two"]
    assert found("contain-values", 1, 2) == ["blue", "one", "two"]
    assert found("contain-values", 3) == []
    assert found("contain-values", -3, 11) == ["blue", "eleven"]
    assert found("contain-values", 10**40) == []
    assert found("contain-values") == []
    assert found("not-contain-values", 1) == ["blue", "eleven", "none"]
    assert found("eq", 1) == ["one"]
    assert found("eq", "1,2") == ["two"]
    assert found("in", 2, 1) == ["two"]
    assert found("ne", "1,2") == ["blue", "eleven", "none", "one"]
    assert found("null") == ["none"]
    with database.store.write() as unit:
        unit.delete(database.table("thing"), made)


def test_a_polymorphic_lookup_is_found_by_its_id_whatever_table_it_points_at(filled: Database) -> None:
    (row,) = filled.ask(
        Query(table="thing", columns=("customerid",), where=condition("customerid", "eq", guid(2)))
    )
    assert (row["customerid"], row["customerid__table"]) == (guid(2), "tag")
