"""Copies of a database: what comes back is what was there, to the letter, with tables that have changed meanwhile."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from orgstead.errors import Fault
from orgstead.model.schema import Schema
from tests.store.store_pieces import SMALL, Database, column, grow, ids, table
from tests.store.test_store_values import ODD_TEXTS, VALUES

MARK = "the first number after it"


def everything(database: Database) -> dict[str, list[Any]]:
    return {
        name: [database.get(name, id) for id in sorted(ids(database, name))]
        for name in database.schema.tables
    }


def restore(database: Database, name: str, reload: Callable[[], None] = lambda: None) -> None:
    database.store.snapshots.restore(name, forgotten=MARK, reload=reload)
    database.schema = database.store.load_schema()


def migrate(database: Database, new: Schema) -> None:
    with database.store.write() as unit:
        unit.migrate(database.schema, new)
    database.schema = database.store.load_schema()


@pytest.fixture
def filled(any_database: Database) -> Database:
    """Rows with values of every type, odd ones among them."""
    found = any_database
    if found.schema.tables.keys() != SMALL.tables.keys():
        migrate(found, replace(SMALL, version=found.schema.version + 1))
    found.clear(*found.schema.tables)
    deepest = max(map(len, VALUES.values()))
    rows = [
        {name: values[number % len(values)] for name, values in VALUES.items()} for number in range(deepest)
    ]
    found.add("thing", *rows, *({"text": text} for text in ODD_TEXTS), {})
    return found


def test_every_value_comes_back_as_it_was(filled: Database) -> None:
    before = everything(filled)
    filled.store.snapshots.save("all")
    things = filled.table("thing")
    for change in (
        {"text": "Other"},
        {"price": 1},
        {"picture": b"other"},
        {"memo": None},
        {"customerid": None},
    ):
        with filled.store.write() as unit:
            for id in ids(filled, "thing"):
                unit.update(things, id, change)
        restore(filled, "all")
        assert everything(filled) == before


@pytest.mark.parametrize(
    ("name", "was", "becomes"),
    [
        ("text", "straße", "STRASSE"), ("text", "abc", "ABC"), ("real", 0.0, -0.0),
        ("memo", "a" * 90_000, "a" * 89_999 + "A"),
    ],
)  # fmt: skip
def test_a_change_that_compares_as_none_is_taken_back_too(
    filled: Database, name: str, was: Any, becomes: Any
) -> None:
    (id,) = filled.add("thing", {name: was})
    filled.store.snapshots.save("one")
    with filled.store.write() as unit:
        unit.update(filled.table("thing"), id, {name: becomes})
    restore(filled, "one")
    assert repr(filled.get("thing", id)[name]) == repr(was)  # type: ignore[index]


def test_rows_that_are_new_and_rows_that_have_gone(filled: Database) -> None:
    before = everything(filled)
    filled.store.snapshots.save("all")
    filled.clear("thing")
    filled.add("thing", {"text": "new"})
    filled.add("maker", {})
    restore(filled, "all")
    assert everything(filled) == before
    filled.clear("thing")
    filled.store.snapshots.save("none")
    restore(filled, "all")
    restore(filled, "none")
    assert ids(filled, "thing") == []


def test_a_column_that_came_back_as_another_type_and_a_table_that_went(filled: Database) -> None:
    schema = filled.schema
    first = grow(schema, table("boat", column("depth", "integer"), column("later")))
    migrate(filled, first)
    filled.add("boat", {"depth": 3, "later": "x"})
    before = everything(filled)
    filled.store.snapshots.save("boats")
    versions = {filled.schema.version}
    migrate(filled, grow(filled.schema, table("boat", column("later"))))
    migrate(filled, grow(filled.schema, table("boat", column("later"), column("depth", max_length=50))))
    filled.add("boat", {"depth": "deep"})
    without = {name: each for name, each in filled.schema.tables.items() if name != "tag"}
    migrate(filled, replace(filled.schema, tables=without, version=filled.schema.version + 1))
    filled.store.snapshots.save("other")
    versions.add(filled.schema.version)
    for _ in range(2):
        restore(filled, "boats")
        assert everything(filled) == before
        assert filled.schema.version > max(versions)
        versions.add(filled.schema.version)
        restore(filled, "other")
        assert "tag" not in filled.schema.tables
        assert [row["depth"] for row in everything(filled)["boat"] if row["later"] is None] == ["deep"]
        assert filled.schema.version > max(versions)
        versions.add(filled.schema.version)
    restore(filled, "boats")
    # What is saved of definitions is what the tables are: the next change finds them so.
    migrate(filled, replace(schema, version=filled.schema.version + 1))


def test_numbers_go_on_and_settings_go_back(filled: Database) -> None:
    store = filled.store

    def number() -> int:
        with store.write() as unit:
            return unit.next_version()

    with store.write() as unit:
        unit.write_setting("kept", "1")
    store.snapshots.save("here")
    with store.write() as unit:
        unit.write_setting("kept", "2")
        unit.write_setting("more", "3")
    last = number()
    version = store.schema_version()
    restore(filled, "here")
    with store.read() as unit:
        assert (unit.read_setting("kept"), unit.read_setting("more")) == ("1", None)
        mark = int(unit.read_setting(MARK) or 0)
    assert store.schema_version() == version
    assert last < mark <= store.horizon()
    assert number() > mark
    with store.write() as unit:
        unit.write_setting("kept", None)


def test_reload_is_called_when_all_is_there_and_nobody_has_written(filled: Database) -> None:
    filled.store.snapshots.save("here")
    (id,) = filled.add("thing", {"text": "gone"})
    seen: list[Any] = []
    restore(filled, "here", lambda: seen.append(filled.get("thing", id)))
    assert seen == [None]


def test_a_copy_that_is_not_there_changes_nothing(filled: Database) -> None:
    before = everything(filled)
    for work in (lambda: restore(filled, "nowhere"), lambda: filled.store.snapshots.remove("nowhere")):
        with pytest.raises(LookupError):
            work()
    assert everything(filled) == before


def test_a_copy_takes_the_place_of_an_older_one_and_goes(filled: Database) -> None:
    snapshots = filled.store.snapshots
    for each in snapshots.listed():
        snapshots.remove(each.name)
    for name in ("a-1", "b_2"):
        snapshots.save(name)
    filled.add("thing", {"text": "newer"})
    snapshots.save("a-1")
    held = snapshots.held("thing")
    assert held == set(ids(filled, "thing"))
    shown = {each.name: each for each in snapshots.listed()}
    assert {"a-1", "b_2"} == shown.keys()
    assert shown["a-1"].taken >= shown["b_2"].taken > 1_500_000_000
    assert min(each.bytes for each in shown.values()) > 1_000
    assert snapshots.size() > 10_000
    for name in shown:
        snapshots.remove(name)
    assert (list(snapshots.listed()), snapshots.held("thing")) == ([], set())


def test_names_that_are_taken_literally(filled: Database) -> None:
    assert filled.store.snapshots.held("no such table") == set()
    with pytest.raises((LookupError, ValueError, Fault)):
        restore(filled, 'x"; DROP TABLE thing; --')
    assert ids(filled, "thing") != []
