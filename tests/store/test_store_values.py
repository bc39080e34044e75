"""What is written is what is read: every type of column, its extremes, and no value at all."""

import math
import re
from collections.abc import Callable
from datetime import datetime
from decimal import Decimal
from functools import partial
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from orgstead.engine.ports import UnitOfWork
from orgstead.errors import Fault
from orgstead.model.query import Query
from orgstead.model.record import Ref
from orgstead.model.types import coerce
from tests.store.store_pieces import LONG, Database, column, condition, guid, ids, refusal

VALUES: dict[str, tuple[Any, ...]] = {
    "text": ("", " ", "a", "Straße", "x" * 4000, "trailing  ", "\t\r\n"),
    "memo": ("", "two\nlines", "ä" * 100_000, "😀" * 1000),
    "whole": (0, 1, -1, 2**31 - 1, -(2**31)),
    "big": (0, 2**53 + 1, 2**63 - 1, -(2**63)),
    "exact": tuple(
        map(Decimal, ("0.00", "0.01", "-0.01", "100000000000.00", "-100000000000.00", "12345678901.23"))
    ),
    "fine": tuple(
        map(Decimal, ("0.0000000000", "0.0000000001", "-123456789.0123456789", "900000000.9999999999"))
    ),
    "none": tuple(map(Decimal, ("0", "-1", "100000000000"))),
    "real": (0.0, 0.1, -1e11, 1e11, 1 / 3, 5e-324, 1e-300, 123456.789012345),
    "price": tuple(map(Decimal, ("0.0000", "0.0001", "922337203685477.5807", "-922337203685477.5808"))),
    "yes": (True, False),
    "colour": (1, -3, 100000000, 2**31 - 1),
    "colours": ((1,), (1, 2), (-3, 1, 2, 100000000)),
    "statecode": (0, 1),
    "statuscode": (1, 2),
    "local": ("1753-01-01T00:00:00Z", "2024-02-29T23:59:59Z", "9999-12-31T23:59:59Z"),
    "day": ("0001-01-01", "1753-01-01", "2024-02-29", "9999-12-31"),
    "free": ("1753-01-01T00:00:00Z", "2024-03-31T02:30:00Z", "9999-12-31T23:59:59Z"),
    "madeby": (Ref("maker", guid(1)), Ref("maker", "ffffffff-ffff-ffff-ffff-ffffffffffff")),
    "customerid": (Ref("maker", guid(1)), Ref("tag", guid(1))),
    "ownerid": (Ref("maker", guid(1)), Ref("thing", guid(2))),
    "token": (guid(0), "00000000-0000-0000-0000-000000000000", "ffffffff-ffff-ffff-ffff-ffffffffffff"),
    "picture": (b"\x00", bytes(range(256)), b"\\x00", b"x" * 1_000_000),
    "kind": ("account", "a" * 128),
    "select": ("from",),
    f"{LONG}_1": (1,),
    f"{LONG}_2": (Ref("tag", guid(7)), Ref("maker", guid(7))),
}
ODD_TEXTS = (
    "'", '"', "''; DROP TABLE thing; --", "%", "_", "\\", "\\%", "[", "[a-z]", "]", "{}", '{"a"}', "NULL", "null",
    "\n", "\r\n",
    "\t", "\x01", "\x7f", "\u200b", "\ufeff", "\uffff", "😀", "👩‍👩‍👧", "é", "e\u0301", "ﬁ", "İ", "ß", "日本語",
    "\U0010ffff",
    "$1", "?1", ":x", "{x}", "%s", "%(a)s", "0x00", "1e5", "true",
)  # fmt: skip


@pytest.mark.parametrize(
    ("name", "value"),
    [pytest.param(n, v, id=f"{n[:20]}-{i}") for n, each in VALUES.items() for i, v in enumerate(each)],
)
def test_a_value_comes_back_as_it_was_written(any_database: Database, name: str, value: Any) -> None:
    (id,) = any_database.add("thing", {name: value})
    row = any_database.get("thing", id)
    assert row is not None
    assert row[name] == value
    assert type(row[name]) is type(value)
    if isinstance(value, Decimal):
        assert str(row[name]) == str(value)
    (asked,) = any_database.ask(Query(table="thing", columns=(name,), where=condition("thingid", "eq", id)))
    if isinstance(value, Ref):
        assert (asked[name], asked.get(f"{name}__table", "maker")) == (value.id, value.table)
    else:
        assert asked[name] == value
        assert type(asked[name]) is type(value)


@pytest.mark.parametrize("name", VALUES)
def test_null_comes_back_as_null_and_takes_the_place_of_a_value(any_database: Database, name: str) -> None:
    (id,) = any_database.add("thing", {name: VALUES[name][0]})
    with any_database.store.write() as unit:
        assert unit.update(any_database.table("thing"), id, {name: None})
    row = any_database.get("thing", id)
    assert row is not None
    assert row[name] is None
    (other,) = any_database.add("thing", {name: None})
    empty = any_database.get("thing", other)
    assert empty is not None
    assert {name: value for name, value in empty.items() if value is not None} == {"thingid": other}


@pytest.mark.parametrize("name", VALUES)
def test_an_update_writes_what_an_insert_writes(any_database: Database, name: str) -> None:
    (id,) = any_database.add("thing", {})
    for value in VALUES[name]:
        with any_database.store.write() as unit:
            assert unit.update(any_database.table("thing"), id, {name: value})
            read = unit.get(any_database.table("thing"), id)
        assert read is not None
        assert read[name] == value
        assert any_database.get("thing", id) == read


def test_many_rows_in_one_insert_keep_their_own_columns_and_values(any_database: Database) -> None:
    rows = [{name: value} for name, each in VALUES.items() for value in each]
    rows += [{name: each[0] for name, each in VALUES.items()}] * 3 + [{}] * 3
    made = any_database.add("thing", *rows)
    for id, row in zip(made, rows, strict=True):
        kept = any_database.get("thing", id)
        assert kept is not None
        assert {name: value for name, value in kept.items() if value is not None} == {"thingid": id, **row}


@pytest.mark.parametrize("text", ODD_TEXTS)
def test_odd_text_is_kept_found_and_matched_as_it_is(any_database: Database, text: str) -> None:
    whole = f"before{text}after"
    # Wildcards stand for themselves in brackets.
    literal = re.sub(r"[%_\[]", lambda found: f"[{found[0]}]", text)
    (id,) = any_database.add("thing", {"text": whole, "other": text, "memo": text})
    row = any_database.get("thing", id)
    assert row is not None
    assert (row["text"], row["other"], row["memo"]) == (whole, text, text)
    for name, operator, value in (
        ("text", "eq", whole),
        ("text", "in", whole),
        ("other", "eq", text),
        ("memo", "eq", text),
        ("text", "contains", literal),
        ("text", "begins-with", f"before{literal}"),
        ("text", "ends-with", f"{literal}after"),
    ):
        assert id in ids(any_database, "thing", condition(name, operator, value)), (name, operator)
    with any_database.store.read() as unit:
        assert unit.find(any_database.table("thing"), {"text": whole}, 10_000).count(id) == 1


@pytest.mark.parametrize("text", ["a\x00b", "\x00", "a\ud800", "\udfff"])
def test_text_that_no_database_takes_is_refused_by_a_coded_fault(any_database: Database, text: str) -> None:
    kept = any_database.table("thing")
    for name in ("text", "memo"):
        with pytest.raises(Fault) as caught:
            coerce(kept.columns[name], text, "thing")
        assert caught.value.name == "InvalidValue"


@pytest.mark.parametrize("text", ["a\ud800", "a\x00b", "\x00"])
@pytest.mark.parametrize("operator", ["eq", "ne", "in", "lt", "like", "contains"])
def test_a_question_with_text_that_no_database_takes_is_a_coded_fault(
    any_database: Database, operator: str, text: str
) -> None:
    for name in ("text", "memo"):
        question = condition(name, operator, text)
        assert refusal(partial(ids, any_database, "thing", question)) == "InvalidArgument"


@pytest.mark.parametrize("text", ["a\ud800", "a\x00b", "\x00"])
@pytest.mark.parametrize("name", ["text", "memo", "kind"])
def test_writing_text_that_no_database_takes_is_a_coded_fault_and_writes_nothing(
    any_database: Database, name: str, text: str
) -> None:
    thing = any_database.table("thing")
    (kept,) = any_database.add("thing", {name: "kept"})
    new, other = any_database.fresh(2)
    works: tuple[Callable[[UnitOfWork], object], ...] = (
        lambda unit: unit.insert(thing, [{"thingid": new, name: text}]),
        lambda unit: unit.insert(thing, [{"thingid": other, name: "good"}, {"thingid": new, name: text}]),
        lambda unit: unit.update(thing, kept, {name: text}),
        lambda unit: unit.find(thing, {name: text}),
    )
    for work in works:
        with pytest.raises(Fault) as caught, any_database.store.write() as unit:
            work(unit)
        assert caught.value.name == "InvalidArgument"
    assert any_database.get("thing", new) is any_database.get("thing", other) is None
    assert (any_database.get("thing", kept) or {})[name] == "kept"


def test_a_decimal_is_kept_to_its_last_place_or_refused_never_rounded(any_database: Database) -> None:
    precise = column("fine", "decimal", precision=10)
    value = coerce(precise, Decimal(100_000_000_000), "thing")
    (id,) = any_database.fresh()
    with any_database.store.write() as unit:
        outcome = refusal(lambda: unit.insert(any_database.table("thing"), [{"thingid": id, "fine": value}]))
    # SQLite has 64 bits for all places together, which is said rather than hidden.
    assert outcome in (None, "DecimalOutOfRange")
    assert (any_database.get("thing", id) or {"fine": None})["fine"] == (None if outcome else value)


def test_a_double_is_the_same_to_the_last_bit(any_database: Database) -> None:
    numbers = [math.nextafter(0.1, 1), math.nextafter(1e11, 0), math.pi, 2.0**53 - 1, -0.0]
    made = any_database.add("thing", *({"real": number} for number in numbers))
    for id, number in zip(made, numbers, strict=True):
        row = any_database.get("thing", id)
        assert row is not None
        assert row["real"] == number


_EPOCH = datetime(1753, 1, 1)
_TEXTS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00"), max_size=60)
_ROWS: st.SearchStrategy[dict[str, Any]] = st.fixed_dictionaries(
    {},
    optional={
        "text": _TEXTS,
        "memo": _TEXTS,
        "whole": st.integers(-(2**31), 2**31 - 1),
        "big": st.integers(-(2**63), 2**63 - 1),
        "exact": st.decimals(-(10**11), 10**11, places=2),
        "fine": st.decimals(-900_000_000, 900_000_000, places=10),
        "price": st.decimals("-922337203685477.5808", "922337203685477.5807", places=4),
        "real": st.floats(-1e11, 1e11),
        "yes": st.booleans(),
        "colours": st.sets(st.integers(-(2**31), 2**31 - 1), min_size=1, max_size=5).map(
            lambda s: tuple(sorted(s))
        ),
        "local": st.datetimes(min_value=_EPOCH).map(lambda when: when.strftime("%Y-%m-%dT%H:%M:%SZ")),
        "day": st.dates(min_value=_EPOCH.date()).map(lambda day: day.isoformat()),
        "token": st.uuids().map(str),
        "picture": st.binary(max_size=60),
        "customerid": st.builds(Ref, st.sampled_from(["maker", "tag"]), st.uuids().map(str)),
    },
)


@settings(max_examples=50, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rows=st.lists(_ROWS, min_size=1, max_size=20))
def test_any_rows_come_back_as_they_were_written(any_database: Database, rows: list[dict[str, Any]]) -> None:
    made = any_database.add("thing", *rows)
    with any_database.store.read() as unit:
        kept = [unit.get(any_database.table("thing"), id) for id in made]
    for row, read in zip(rows, kept, strict=True):
        assert read is not None
        assert {name: value for name, value in read.items() if value is not None and name != "thingid"} == row
