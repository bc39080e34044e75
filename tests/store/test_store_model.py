"""Random rows and random questions: both databases answer what a few lines of Python answer."""

import re
from collections.abc import Iterator
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import HealthCheck, given, reject, settings
from hypothesis import strategies as st

from orgstead.engine.ports import Store
from orgstead.model.query import (
    Aggregate,
    And,
    Condition,
    Exists,
    Field,
    Group,
    Not,
    Or,
    Predicate,
    Query,
    ToMany,
    ToOne,
)
from orgstead.model.record import Ref
from orgstead.model.schema import Schema
from orgstead.store.open import open_store
from tests.store.store_pieces import SMALL, Database, ask, guid, undone

Row = dict[str, Any]

# Letters of which all agree whether they are the same, with what is special to patterns and to SQL.
LETTERS = "aAbBäÄéÉжЖ0%_\\['-😀 "
TEXT = st.text(LETTERS, max_size=4)
# Of these letters all agree on the order as well.
PLAIN = st.text("abcABC019", max_size=3)
MAKERS = tuple(guid(number) for number in range(1, 4))
WHOLE = st.sampled_from((-(2**31), -2, -1, 0, 1, 2, 2**31 - 1))
EXACT = st.sampled_from(
    tuple(map(Decimal, ("-100000000000.00", "-0.01", "0.00", "0.01", "1.00", "100000000000.00")))
)
PRICE = st.sampled_from(
    tuple(map(Decimal, ("-922337203685477.5808", "-0.0001", "0.0000", "1.0000", "922337203685477.5807")))
)
REAL = st.sampled_from((-1e11, -0.5, 0.0, 0.1, 0.30000000000000004, 1.0, 2.0, 1e11))
LOCAL = st.sampled_from(
    ("1753-01-01T00:00:00Z", "2024-02-29T23:59:59Z", "2024-03-01T00:00:00Z", "9999-12-31T23:59:59Z")
)
DAY = st.sampled_from(("1753-01-01", "2024-02-29", "2024-03-01", "9999-12-31"))
COLOURS = st.sets(st.sampled_from((-3, 1, 2, 11, 100000000)), min_size=1, max_size=3)
NUMBERS = st.one_of(
    WHOLE,
    EXACT,
    PRICE,
    REAL,
    st.sampled_from((2**63, -(2**70), 10**40, Decimal("0.5"), Decimal("0.005"), 0.25)),
)

TYPES: dict[str, st.SearchStrategy[Any]] = {
    "text": TEXT,
    "other": PLAIN,
    "whole": WHOLE,
    "second": WHOLE,
    "exact": EXACT,
    "price": PRICE,
    "real": REAL,
    "yes": st.booleans(),
    "colours": COLOURS.map(lambda found: tuple(sorted(found))),
    "local": LOCAL,
    "day": DAY,
    "madeby": st.sampled_from(MAKERS).map(lambda id: Ref("maker", id)),
    "customerid": st.builds(Ref, st.sampled_from(("maker", "tag")), st.sampled_from(MAKERS)),
}
LITERALS: dict[str, st.SearchStrategy[Any]] = {
    **TYPES,
    **dict.fromkeys(("whole", "second", "exact", "price", "real"), NUMBERS),
    "madeby": st.sampled_from(MAKERS),
    "customerid": st.sampled_from(MAKERS),
    "colours": COLOURS.map(lambda found: ",".join(map(str, sorted(found)))),
}
ORDERED = ("other", "whole", "second", "exact", "price", "real", "local", "day")
PAIRS = (
    ("whole", "second"),
    ("exact", "price"),
    ("whole", "real"),
    ("price", "second"),
    ("local", "day"),
    ("local", "local"),
)


def _compared(name: str) -> st.SearchStrategy[Condition]:
    value = LITERALS[name]
    kinds = [
        st.builds(lambda v: Condition(Field(name), "eq", (v,)), st.none() | value),
        st.builds(lambda v: Condition(Field(name), "ne", (v,)), st.none() | value),
        st.builds(lambda op: Condition(Field(name), op), st.sampled_from(("null", "not-null"))),
    ]
    if name != "colours":
        several = st.lists(st.none() | value, max_size=3).map(tuple)
        kinds.append(
            st.builds(lambda op, v: Condition(Field(name), op, v), st.sampled_from(("in", "not-in")), several)
        )
    if name in ORDERED:
        kinds += [
            st.builds(
                lambda op, v: Condition(Field(name), op, (v,)),
                st.sampled_from(("lt", "le", "gt", "ge")),
                value,
            ),
            st.builds(
                lambda op, a, b: Condition(Field(name), op, (a, b)),
                st.sampled_from(("between", "not-between")),
                value,
                value,
            ),
        ]
    return st.one_of(kinds)


PLACES = {"contains": ("%", "%"), "begins-with": ("", "%"), "ends-with": ("%", ""), "like": ("", "")}
PATTERNS = st.lists(
    st.sampled_from((*LETTERS, "%", "_", "[ab]", "[^a]", "[Ä-É]", "[%]", "[_]", "[[]", "[a")), max_size=4
).map("".join)
CONDITIONS: st.SearchStrategy[Condition] = st.one_of(
    st.sampled_from(sorted(TYPES)).flatmap(_compared),
    st.builds(
        lambda op, v: Condition(Field("text"), op, (v,)),
        st.sampled_from(
            (
                "contains",
                "not-contains",
                "begins-with",
                "not-begin-with",
                "ends-with",
                "not-end-with",
                "like",
                "not-like",
            )
        ),
        PATTERNS,
    ),
    st.builds(
        lambda op, v: Condition(Field("colours"), op, tuple(v)),
        st.sampled_from(("contain-values", "not-contain-values")),
        COLOURS,
    ),
    st.builds(
        lambda op, pair: Condition(Field(pair[0]), op, (Field(pair[1]),)),
        st.sampled_from(("eq", "ne", "lt", "le", "gt", "ge")),
        st.sampled_from(PAIRS),
    ),
    st.builds(
        lambda op, v: Condition(Field("whole", (ToOne("madeby", "maker"),)), op, (v,)),
        st.sampled_from(("eq", "ne", "lt", "ge")),
        NUMBERS,
    ),
)
PREDICATES: st.SearchStrategy[Predicate] = st.recursive(
    CONDITIONS,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3).map(lambda items: And(tuple(items))),
        st.lists(inner, max_size=3).map(lambda items: Or(tuple(items))),
        inner.map(Not),
    ),
    max_leaves=6,
)
ROWS = st.lists(st.fixed_dictionaries({}, optional=TYPES), min_size=1, max_size=10)

NEGATIONS = {
    "ne": "eq", "not-null": "null", "not-in": "in", "not-between": "between", "not-contains": "contains",
    "not-begin-with": "begins-with", "not-end-with": "ends-with", "not-like": "like",
    "not-contain-values": "contain-values",
}  # fmt: skip
MAKER_WHOLE = dict(zip(MAKERS, (1, None, -2), strict=True))


def _value(row: Row, field: Field) -> Any:
    if field.path:
        ref = row.get("madeby")
        return MAKER_WHOLE[ref.id] if ref else None
    return _plain(row.get(field.name))


def _plain(value: Any) -> Any:
    """What two values have in common when they are equal."""
    if isinstance(value, Ref):
        return value.id
    if isinstance(value, str):
        # A day is its midnight.
        return (f"{value}T00:00:00Z" if re.fullmatch(r"\d{4}-\d\d-\d\d", value) else value).casefold()
    if isinstance(value, float):
        return Decimal(repr(value))
    return value


def _like(pattern: str) -> re.Pattern[str]:
    parts = []
    for kind in re.findall(r"\[\^?[^\]]+\]|.", pattern, re.DOTALL):
        if len(kind) > 1:
            inverted, inside = kind[1] == "^", kind[2:-1] if kind[1] == "^" else kind[1:-1]
            inside = re.sub(r"([\\\[])", r"\\\1", inside)
            parts.append(f"[{'^' if inverted else ''}{inside}]")
        else:
            parts.append({"%": ".*", "_": "."}.get(kind, re.escape(kind)))
    try:
        return re.compile("".join(parts), re.IGNORECASE | re.DOTALL)
    except re.error:
        # A range that ends before it begins: not part of this model.
        reject()


def holds(row: Row, predicate: Predicate) -> bool:
    """Whether a row satisfies a predicate: the whole meaning of nulls and case in a page."""
    match predicate:
        case And(items):
            return all(holds(row, item) for item in items)
        case Or(items):
            return any(holds(row, item) for item in items)
        case Not(item):
            return not holds(row, item)
        case Exists():
            raise TypeError("not part of this model")
    if predicate.operator in NEGATIONS:
        return not holds(row, replace(predicate, operator=NEGATIONS[predicate.operator]))
    mine = _value(row, predicate.field)
    others = [_value(row, each) if isinstance(each, Field) else _plain(each) for each in predicate.values]
    if predicate.field.name == "colours" and predicate.operator == "eq":
        others = [each and tuple(map(int, each.split(","))) for each in others]
    literally_null = any(each is None for each in predicate.values)
    match predicate.operator:
        case "null":
            return mine is None
        case "eq" if literally_null:
            return mine is None
        case "in":
            return mine in others if mine is not None else literally_null
    if mine is None or any(other is None for other in others):
        return False
    match predicate.operator:
        case "eq":
            return bool(mine == others[0])
        case "lt":
            return bool(mine < others[0])
        case "le":
            return bool(mine <= others[0])
        case "gt":
            return bool(mine > others[0])
        case "ge":
            return bool(mine >= others[0])
        case "between":
            return bool(others[0] <= mine <= others[1])
        case "contains" | "begins-with" | "ends-with" | "like":
            before, after = PLACES[predicate.operator]
            return _like(f"{before}{predicate.values[0]}{after}").fullmatch(str(row["text"])) is not None
        case "contain-values":
            return bool({*mine} & {*others})
    raise TypeError(predicate.operator)


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory, postgres_database: str) -> Iterator[dict[str, Database]]:
    """Both databases with the same makers."""
    stores: dict[str, Store] = {
        "sqlite": open_store(str(tmp_path_factory.mktemp("model"))),
        "postgres": open_store("", postgres_database),
    }
    databases = {name: Database(store, SMALL, name) for name, store in stores.items()}
    for database in databases.values():
        with database.store.write() as unit:
            unit.migrate(Schema.empty(), SMALL)
            unit.insert(
                SMALL.tables["maker"],
                [{"makerid": id, "name": id, "whole": n} for id, n in MAKER_WHOLE.items()],
            )
    yield databases
    for store in stores.values():
        store.close()


@settings(max_examples=150, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(rows=ROWS, predicates=st.lists(PREDICATES, min_size=1, max_size=8))
def test_both_databases_find_the_rows_that_satisfy_a_predicate(
    both: dict[str, Database], rows: list[Row], predicates: list[Predicate]
) -> None:
    for name, database in both.items():
        with undone(database) as unit:
            unit.insert(SMALL.tables["thing"], [{"thingid": guid(n), **row} for n, row in enumerate(rows)])
            for predicate in predicates:
                found = ask(unit, SMALL, Query(table="thing", columns=("thingid",), where=predicate))
                expected = [guid(n) for n, row in enumerate(rows) if holds(row, predicate)]
                assert [row["thingid"] for row in found] == expected, (name, predicate)


@settings(max_examples=60, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(rows=ROWS, predicate=PREDICATES, every=st.booleans())
def test_both_databases_find_the_rows_whose_relatives_satisfy_a_predicate(
    both: dict[str, Database], rows: list[Row], predicate: Predicate, every: bool
) -> None:
    where = Exists(ToMany("maker_thing_madeby"), predicate, every=every)
    expected = []
    for maker in MAKERS:
        verdicts = [holds(row, predicate) for row in rows if row.get("madeby") == Ref("maker", maker)]
        if all(verdicts) if every else any(verdicts):
            expected.append(maker)
    for name, database in both.items():
        with undone(database) as unit:
            unit.insert(SMALL.tables["thing"], [{"thingid": guid(n), **row} for n, row in enumerate(rows)])
            found = ask(unit, SMALL, Query(table="maker", columns=("makerid",), where=where))
            assert [row["makerid"] for row in found] == expected, name


@settings(max_examples=60, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(
    rows=ROWS,
    by=st.sampled_from(("other", "yes", "whole", "day")),
    of=st.sampled_from(("second", "exact", "local")),
)
def test_both_databases_group_and_aggregate_alike(
    both: dict[str, Database], rows: list[Row], by: str, of: str
) -> None:
    functions = ("countcolumn", "countdistinct", "min", "max") + (("sum",) if of != "local" else ())
    query = Query(
        table="thing",
        groups=(Group(field=Field(by), alias="by"),),
        aggregates=(
            Aggregate(function="count", alias="count"),
            *(Aggregate(function=function, alias=function, field=Field(of)) for function in functions),  # type: ignore[arg-type]
        ),
    )
    groups: dict[Any, list[Any]] = {}
    for row in rows:
        groups.setdefault(_plain(row.get(by)), []).append(row.get(of))
    expected = {}
    for key, values in groups.items():
        kept = [value for value in values if value is not None]
        expected[key] = {
            "count": len(values),
            "countcolumn": len(kept),
            "countdistinct": len(set(kept)),
            "min": min(kept, default=None),
            "max": max(kept, default=None),
            **({"sum": sum(kept) if kept else None} if "sum" in functions else {}),
        }
    for name, database in both.items():
        with undone(database) as unit:
            unit.insert(SMALL.tables["thing"], [{"thingid": guid(n), **row} for n, row in enumerate(rows)])
            found = {_plain(row.pop("by")): row for row in ask(unit, SMALL, query)}
            assert found == expected, name
