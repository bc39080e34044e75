"""Definitions and tables change together: rows keep what they have, or nothing has happened."""

from collections.abc import Iterator, Mapping
from dataclasses import fields, is_dataclass, replace
from decimal import Decimal
from typing import Any, get_args

import pytest

from orgstead.errors import Fault
from orgstead.model.query import Query
from orgstead.model.record import Ref
from orgstead.model.schema import Choice, Column, ColumnType, Key, Option, Schema, Table
from orgstead.solutions.load import load_base
from orgstead.store.dialect import Dialect
from orgstead.store.dialect_postgres import PostgreSQL
from orgstead.store.dialect_sqlite import SQLite
from orgstead.store.forms import form
from orgstead.store.open import open_store
from tests.store.conftest import Open
from tests.store.store_pieces import (
    LONG,
    SMALL,
    Database,
    column,
    condition,
    grow,
    guid,
    ids,
    refusal,
    relationship,
    table,
    undone,
)  # fmt: skip


def plain(value: Any) -> Any:
    """A definition as plain values that compare by what is in them."""
    if is_dataclass(value):
        return {each.name: plain(getattr(value, each.name)) for each in fields(value)}
    if isinstance(value, Mapping):
        return {name: plain(item) for name, item in value.items()}
    return [plain(item) for item in value] if isinstance(value, tuple) else value


@pytest.fixture(scope="module")
def address(empty: Open) -> str:
    """A database that the tests of this module use one after another."""
    store, url = empty()
    store.close()
    return url


@pytest.fixture
def fresh(address: str) -> Iterator[Database]:
    """A database with one table, ``piece``, of a single row with a name."""
    store = open_store("", address) if address.startswith("postgres") else open_store(address)
    found = store.load_schema()
    nothing = replace(Schema.empty(), version=found.version + 1)
    schema = grow(nothing, table("piece"))
    with store.write() as unit:
        unit.migrate(found, nothing)
        unit.migrate(nothing, schema)
    database = Database(store, schema, address)
    database.add("piece", {"name": "kept", "versionnumber": 1})
    yield database
    store.close()


def _move(database: Database, new: Schema) -> None:
    with database.store.write() as unit:
        unit.migrate(database.schema, new)
    database.schema = new
    assert plain(database.store.load_schema()) == plain(new)
    assert database.store.schema_version() == new.version


def _with(
    database: Database, *columns: Column, without: tuple[str, ...] = (), keys: tuple[Key, ...] | None = None
) -> Schema:
    """The next schema, with these columns in ``piece``."""
    before = database.table("piece")
    kept = {name: each for name, each in before.columns.items() if name not in without}
    kept.update((each.name, each) for each in columns)
    return grow(database.schema, replace(before, columns=kept, keys=before.keys if keys is None else keys))


def _key(*columns: str) -> Key:
    name = "_".join(columns)
    return Key(logical_name=name, schema_name=name, metadata_id=guid(0), columns=columns)


def _row(database: Database, number: int = 1) -> dict[str, Any]:
    row = database.get("piece", guid(number))
    assert row is not None
    return row


def test_a_new_database_has_an_empty_schema(empty: Open) -> None:
    store, _ = empty()
    assert store.schema_version() == 0
    assert plain(store.load_schema()) == plain(Schema.empty())


def test_the_small_schema_is_loaded_as_it_was_saved(database: Database) -> None:
    assert plain(database.store.load_schema()) == plain(SMALL)
    assert database.store.schema_version() == SMALL.version


def test_the_shipped_schema_is_made_saved_loaded_and_holds_rows(empty: Open) -> None:
    store, url = empty()
    base = load_base()
    with store.write() as unit:
        unit.migrate(Schema.empty(), base)
    loaded = store.load_schema()
    assert plain(loaded) == plain(base)
    database = Database(store, loaded, url)
    (account,) = database.add(
        "account", {"name": "Contoso", "revenue": Decimal("1.0000"), "numberofemployees": 3}
    )
    (contact,) = database.add("contact", {"lastname": "Ünal", "parentcustomerid": Ref("account", account)})
    assert (database.get("account", account) or {})["revenue"] == Decimal("1.0000")
    assert ids(database, "contact", condition("lastname", "eq", "üNAL")) == [contact]
    assert ids(database, "contact", condition("parentcustomerid", "eq", account)) == [contact]
    with store.read() as unit:
        for kept in loaded.tables.values():
            assert unit.find(kept, {kept.primary_id: guid(0)}) == []
            assert unit.get(kept, guid(0)) is None
    assert database.ask(Query(table="account"))[0]["name"] == "Contoso"


def test_a_schema_that_does_not_change_changes_nothing(fresh: Database) -> None:
    _move(fresh, fresh.schema.evolve())
    assert _row(fresh)["name"] == "kept"


def test_a_table_is_added_and_dropped_and_added_anew_without_its_rows(fresh: Database) -> None:
    other = table("other", column("ref", "lookup", targets=("piece",)), keys=[("name",)])
    with_other = grow(fresh.schema, other, relationships=[relationship("other", "ref", "piece")])
    _move(fresh, with_other)
    (id,) = fresh.add("other", {"name": "o", "ref": Ref("piece", guid(1))})
    assert fresh.get("other", id) is not None
    _move(fresh, fresh.schema.evolve(tables={"other": None}, one_to_many={"piece_other_ref": None}))
    with pytest.raises(Fault), fresh.store.read() as unit:
        unit.get(other, id)
    _move(fresh, grow(fresh.schema, table("other")))
    assert ids(fresh, "other") == []
    assert _row(fresh)["name"] == "kept"


NEW_COLUMNS = (
    (column("c", "string"), "ä"),
    (column("c", "memo"), "x"),
    (column("c", "integer"), 7),
    (column("c", "bigint"), 2**63 - 1),
    (column("c", "decimal", precision=3), Decimal("1.234")),
    (column("c", "double"), 0.5),
    (column("c", "money"), Decimal("1.2345")),
    (column("c", "boolean"), True),
    (column("c", "choice"), 3),
    (column("c", "multichoice"), (1, 2)),
    (column("c", "datetime", behavior="UserLocal"), "2024-01-01T00:00:00Z"),
    (column("c", "datetime", behavior="DateOnly"), "2024-01-01"),
    (column("c", "lookup", targets=("piece",)), Ref("piece", guid(1))),
    (column("c", "customer", targets=("piece", "other")), Ref("other", guid(1))),
    (column("c", "uniqueidentifier"), guid(5)),
    (column("c", "image"), b"\x00\x01"),
    (column("c", "entityname"), "account"),
)


@pytest.mark.parametrize(("new", "value"), NEW_COLUMNS, ids=lambda each: getattr(each, "type", None))
def test_a_column_is_added_empty_written_and_dropped(fresh: Database, new: Column, value: Any) -> None:
    _move(fresh, _with(fresh, new))
    assert _row(fresh)["c"] is None
    with fresh.store.write() as unit:
        unit.update(fresh.table("piece"), guid(1), {"c": value})
    assert _row(fresh)["c"] == value
    _move(fresh, _with(fresh, without=("c",)))
    assert _row(fresh) == {"pieceid": guid(1), "name": "kept", "versionnumber": 1}
    _move(fresh, _with(fresh, new))
    assert _row(fresh)["c"] is None


@pytest.mark.parametrize(
    ("before", "after", "value", "expected"),
    [
        (
            column("c", "decimal", precision=2),
            column("c", "decimal", precision=4),
            Decimal("-1.25"),
            Decimal("-1.2500"),
        ),
        (
            column("c", "decimal", precision=4),
            column("c", "decimal", precision=2),
            Decimal("1.2345"),
            Decimal("1.23"),
        ),
        (
            column("c", "decimal", precision=4),
            column("c", "decimal", precision=2),
            Decimal("-1.2350"),
            Decimal("-1.24"),
        ),
        (
            column("c", "decimal", precision=1),
            column("c", "decimal", precision=0),
            Decimal("0.5"),
            Decimal(1),
        ),
        (
            column("c", "decimal", precision=1),
            column("c", "decimal", precision=0),
            Decimal("-0.4"),
            Decimal(0),
        ),
        (
            column("c", "decimal", precision=2),
            column("c", "decimal", precision=1),
            Decimal("99999999999.99"),
            Decimal("100000000000.0"),
        ),
        (
            column("c", "money", precision=2),
            column("c", "money", precision=4),
            Decimal("1.2345"),
            Decimal("1.2345"),
        ),
        (column("c", max_length=10), column("c", max_length=4000), "a" * 10, "a" * 10),
        (column("c", max_length=4000), column("c", "memo", max_length=100_000), "a", "a"),
        (
            column("c", "datetime", behavior="UserLocal"),
            column("c", "datetime", behavior="TimeZoneIndependent"),
            "2024-01-01T23:00:00Z",
            "2024-01-01T23:00:00Z",
        ),
        (
            column("c", "datetime", behavior="UserLocal"),
            column("c", "datetime", behavior="DateOnly"),
            "2024-01-01T23:59:59Z",
            "2024-01-01",
        ),
        (
            column("c", "datetime", behavior="DateOnly"),
            column("c", "datetime", behavior="UserLocal"),
            "9999-12-31",
            "9999-12-31T00:00:00Z",
        ),
        (
            column("c", "lookup", targets=("piece",)),
            column("c", "lookup", targets=("piece", "other")),
            Ref("piece", guid(1)),
            Ref("piece", guid(1)),
        ),
        (
            column("c", "lookup", targets=("piece", "other")),
            column("c", "lookup", targets=("other",)),
            Ref("other", guid(1)),
            Ref("other", guid(1)),
        ),
        (
            column("c", "lookup", targets=("piece", "other")),
            column("c", "lookup", targets=("other",)),
            Ref("piece", guid(1)),
            None,
        ),
        (
            column("c", "choice", options=(Option(1, "One"),)),
            column("c", "choice", options=(Option(1, "Uno"), Option(2, "Due"))),
            1,
            1,
        ),
        (column("c", "integer"), column("c", "choice", options=(Option(1, "One"),)), 1, 1),
        (column("c", "money"), column("c", "decimal", precision=4), Decimal("1.2345"), Decimal("1.2345")),
        (
            column("c", "lookup", targets=("piece",)),
            column("c", "uniqueidentifier"),
            Ref("piece", guid(1)),
            guid(1),
        ),
    ],
)
def test_a_column_that_changes_keeps_its_values_in_their_new_form(
    fresh: Database, before: Column, after: Column, value: Any, expected: Any
) -> None:
    _move(fresh, _with(fresh, before))
    fresh.add("piece", {"name": "other", "c": None}, {"name": "third", "c": value})
    with fresh.store.write() as unit:
        unit.update(fresh.table("piece"), guid(1), {"c": value})
    _move(fresh, _with(fresh, after))
    for number in (1, 3):
        row = _row(fresh, number)
        assert row["c"] == expected
        assert str(row["c"]) == str(expected)
    assert _row(fresh, 2)["c"] is None
    with fresh.store.write() as unit:
        unit.update(fresh.table("piece"), guid(2), {"c": expected})
    assert _row(fresh, 2)["c"] == expected


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (column("c", "string"), column("c", "integer")),
        (column("c", "integer"), column("c", "string")),
        (column("c", "image"), column("c", "memo")),
        (column("c", "double"), column("c", "integer")),
        (column("c", "integer"), column("c", "double")),
        (column("c", "boolean"), column("c", "datetime", behavior="UserLocal")),
        # These have one type in SQLite, but their values are kept in different ways.
        (column("c", "decimal", precision=10), column("c", "money")),
        (column("c", "integer"), column("c", "decimal", precision=2)),
        (column("c", "integer"), column("c", "bigint")),
        (column("c", "integer"), column("c", "boolean")),
        (column("c", "lookup", targets=("piece",)), column("c", "datetime", behavior="DateOnly")),
        (column("c", "multichoice"), column("c", "entityname")),
    ],
    ids=lambda each: each.type,
)
def test_another_type_is_refused_and_leaves_tables_and_definitions_as_they_were(
    fresh: Database, before: Column, after: Column
) -> None:
    _move(fresh, _with(fresh, before))
    refused = grow(_with(fresh, after, column("d")), table("new"))
    with pytest.raises(Fault) as caught, fresh.store.write() as unit:
        unit.migrate(fresh.schema, refused)
    assert caught.value.name == "NotSupported"
    assert plain(fresh.store.load_schema()) == plain(fresh.schema)
    assert _row(fresh)["c"] is None
    _move(fresh, grow(_with(fresh, column("d")), table("new")))


@pytest.mark.parametrize("dialect", [SQLite(), PostgreSQL()], ids=lambda each: type(each).__name__)
def test_columns_that_take_each_others_values_have_one_type_in_the_database(dialect: Dialect) -> None:
    plain = [column("c", type) for type in get_args(ColumnType)]
    days = column("c", "datetime", behavior="DateOnly")
    kinds = [*plain, days, *(column("c", "decimal", precision=count) for count in range(11))]
    types: dict[str, set[str]] = {}
    for each in kinds:
        types.setdefault(form(each), set()).add(dialect.column_type(each))
    assert {name: found for name, found in types.items() if len(found) > 1} == {}


# A connection prepares a statement that comes for the second time, and a pool has several connections.
OFTEN = 10


def _write(database: Database, value: Any, times: int = 1) -> list[Any]:
    """What ``c`` is after each of so many updates and inserts."""
    piece, found = database.table("piece"), []
    for _ in range(times):
        with database.store.write() as unit:
            unit.update(piece, guid(1), {"c": value})
        (made,) = database.add("piece", {"c": value})
        found += [_row(database)["c"], (database.get("piece", made) or {})["c"]]
    return found


def test_the_time_of_day_is_kept_once_a_calendar_date_has_become_an_instant(fresh: Database) -> None:
    _move(fresh, _with(fresh, column("c", "datetime", behavior="DateOnly")))
    _write(fresh, "2024-01-01", OFTEN)
    _move(fresh, _with(fresh, column("c", "datetime", behavior="UserLocal")))
    assert _write(fresh, "2024-05-05T13:14:15Z") == ["2024-05-05T13:14:15Z"] * 2


def test_a_column_that_comes_back_with_another_type_takes_values_of_that_type(fresh: Database) -> None:
    for each, value in NEW_COLUMNS:
        _move(fresh, _with(fresh, each))
        assert _write(fresh, value, OFTEN) == [value] * 2 * OFTEN
        _move(fresh, _with(fresh, without=("c",)))


def test_places_that_a_value_has_no_room_for_are_refused_and_nothing_has_happened(fresh: Database) -> None:
    _move(fresh, _with(fresh, column("c", "decimal", precision=2)))
    with fresh.store.write() as unit:
        unit.update(fresh.table("piece"), guid(1), {"c": Decimal("100000000000.00")})
    outcome = refusal(lambda: _move(fresh, _with(fresh, column("c", "decimal", precision=10))))
    # SQLite has 64 bits for all places together.
    assert outcome in (None, "DecimalOutOfRange")
    assert plain(fresh.store.load_schema()) == plain(fresh.schema)
    assert _row(fresh)["c"] == Decimal(100_000_000_000)


def test_a_key_is_added_enforced_and_dropped(fresh: Database) -> None:
    _move(fresh, _with(fresh, column("c", "integer"), keys=(_key("name", "c"),)))
    fresh.add("piece", {"name": "a", "c": 1}, {"name": "a", "c": 2})
    with pytest.raises(Fault) as caught:
        fresh.add("piece", {"name": "A", "c": 1})
    assert caught.value.name == "DuplicateKey"
    _move(fresh, _with(fresh, keys=()))
    fresh.add("piece", {"name": "A", "c": 1})


def test_a_key_over_rows_that_share_its_values_is_refused_by_its_name(fresh: Database) -> None:
    _move(fresh, _with(fresh, column(LONG, "integer")))
    fresh.add(
        "piece", {"name": "a", LONG: 1}, {"name": "b", LONG: 2}, {"name": "A", LONG: 1}, {"name": None}, {}
    )
    refused = _with(fresh, column("d"), keys=(_key("versionnumber"), _key("name", LONG)))
    with pytest.raises(Fault) as caught, fresh.store.write() as unit:
        unit.migrate(fresh.schema, refused)
    assert caught.value.name == "DuplicateKey"
    assert f"name, {LONG}" in caught.value.message
    assert "piece" in caught.value.message
    assert plain(fresh.store.load_schema()) == plain(fresh.schema)
    with fresh.store.write() as unit:
        unit.delete(fresh.table("piece"), [guid(4)])
    _move(fresh, _with(fresh, column("d"), keys=(_key("versionnumber"), _key("name", LONG))))


def test_a_key_with_a_very_long_name_is_named_by_its_fault(fresh: Database) -> None:
    name = "key_" + "n" * 90
    key = Key(logical_name=name, schema_name=name, metadata_id=guid(0), columns=("name", "versionnumber"))
    _move(fresh, _with(fresh, keys=(key,)))
    with pytest.raises(Fault) as caught:
        fresh.add("piece", {"name": "KEPT", "versionnumber": 1})
    assert caught.value.name == "DuplicateKey"
    assert "name, versionnumber" in caught.value.message


@pytest.mark.parametrize(
    "new",
    [
        column("c", "datetime", behavior="DateOnly"),
        column("c", "lookup", targets=("piece",)),
        column("c", "customer", targets=("piece", "other")),
        column("c", "decimal", precision=2),
        column("c", "choice"),
        column("c", "uniqueidentifier"),
    ],
    ids=lambda each: each.type,
)
def test_columns_of_many_types_make_a_key(fresh: Database, new: Column) -> None:
    value = {each.type: made for each, made in NEW_COLUMNS}[new.type]
    value = "2024-01-01" if new.date_only else Decimal("1.23") if new.type == "decimal" else value
    _move(fresh, _with(fresh, new, keys=(_key("c"),)))
    fresh.add("piece", {"c": value}, {"c": None})
    with pytest.raises(Fault) as caught:
        fresh.add("piece", {"c": value})
    assert caught.value.name == "DuplicateKey"
    with fresh.store.read() as unit:
        assert len(unit.find(fresh.table("piece"), {"c": value})) == 1


def test_a_key_goes_with_its_column(fresh: Database) -> None:
    _move(fresh, _with(fresh, column("c"), keys=(_key("c"),)))
    _move(fresh, _with(fresh, without=("c",), keys=()))
    assert "c" not in _row(fresh)


def test_the_name_column_may_grow_beyond_what_an_index_takes_and_back(fresh: Database) -> None:
    for length in (100, 4000, 100):
        _move(fresh, _with(fresh, column("name", max_length=length)))
        with fresh.store.write() as unit:
            unit.update(fresh.table("piece"), guid(1), {"name": "😀" * length if length > 100 else "n"})
    assert _row(fresh)["name"] == "n"


def test_global_choices_are_saved_changed_and_removed(fresh: Database) -> None:
    choice = Choice(
        name="pick", metadata_id=guid(1), options=(Option(1, "One", color="#fff"), Option(-2, "Zwö"))
    )
    _move(fresh, fresh.schema.evolve(choices={"pick": choice}))
    _move(fresh, fresh.schema.evolve(choices={"pick": replace(choice, options=())}))
    _move(fresh, fresh.schema.evolve(choices={"pick": None}))
    assert fresh.store.load_schema().choices == {}


def test_a_schema_that_is_no_longer_the_newest_is_refused(fresh: Database) -> None:
    stale = fresh.schema
    _move(fresh, _with(fresh, column("c")))
    for new in (stale.evolve(), Schema.empty()):
        with pytest.raises(Fault) as caught, fresh.store.write() as unit:
            unit.migrate(stale, new)
        assert caught.value.name == "StoreBusy"
    assert plain(fresh.store.load_schema()) == plain(fresh.schema)


def test_a_migration_that_is_undone_leaves_tables_and_definitions_as_they_were(fresh: Database) -> None:
    new = grow(_with(fresh, column("c"), without=("versionnumber",)), table("other"))
    with undone(fresh) as unit:
        unit.migrate(fresh.schema, new)
        unit.insert(new.tables["other"], [{"otherid": guid(1), "name": "gone"}])
    assert plain(fresh.store.load_schema()) == plain(fresh.schema)
    assert _row(fresh) == {"pieceid": guid(1), "name": "kept", "versionnumber": 1}
    _move(fresh, new)
    assert ids(fresh, "other") == []


def test_rows_are_written_in_the_transaction_that_makes_their_table(empty: Open) -> None:
    store, url = empty()
    schema = grow(Schema.empty(), table("piece", column("where"), keys=[("where",)]))
    with store.write() as unit:
        unit.migrate(Schema.empty(), schema)
        unit.insert(schema.tables["piece"], [{"pieceid": guid(1), "where": "here"}])
    assert (Database(store, schema, url).get("piece", guid(1)) or {})["where"] == "here"


def test_a_table_with_very_many_columns_is_made_and_filled(empty: Open) -> None:
    store, url = empty()
    wide: Table = table("wide", *(column(f"c{number}", "integer") for number in range(900)))
    schema = grow(Schema.empty(), wide)
    with store.write() as unit:
        unit.migrate(Schema.empty(), schema)
    database = Database(store, schema, url)
    values = {f"c{number}": number for number in range(900)}
    (id,) = database.add("wide", values)
    row = database.get("wide", id)
    assert row is not None
    assert {name: row[name] for name in values} == values
    assert database.ask(Query(table="wide"))[0]["c899"] == 899
