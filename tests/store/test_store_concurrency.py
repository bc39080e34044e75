"""Several at once: no lost update, no half of a write, no change number twice, one beginning for all."""

import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import psycopg
import pytest

from orgstead.engine.ports import Store
from orgstead.errors import Fault
from orgstead.model.query import Aggregate, Field, Query
from orgstead.model.schema import Schema
from orgstead.store.open import open_store
from tests.store.conftest import FILES, Open
from tests.store.store_pieces import (
    SMALL,
    Database,
    ask,
    column,
    condition,
    grow,
    guid,
    refusal,
    table,
    undone,
)

WRITERS = 6
ROUNDS = 15


def _at_once(work: Callable[[int], Any], count: int = WRITERS) -> list[Any]:
    """What ``count`` threads that start together make of ``work``."""
    barrier = threading.Barrier(count)

    def run(number: int) -> Any:
        barrier.wait()
        return work(number)

    with ThreadPoolExecutor(count) as pool:
        return list(pool.map(run, range(count)))


@contextmanager
def _again(url: str) -> Iterator[Store]:
    """The same database as another process would open it."""
    store = open_store("", url) if url.startswith("postgres") else open_store(url)
    try:
        yield store
    finally:
        store.close()


def test_change_numbers_of_several_writers_grow_and_are_never_the_same(any_database: Database) -> None:
    def work(number: int) -> list[int]:
        taken: list[int] = []
        for each in range(ROUNDS):
            with any_database.store.write() as unit:
                first = unit.next_version(each % 3 + 1)
                taken += range(first, first + each % 3 + 1)
                taken.append(unit.next_version())
        return taken

    before = _last(any_database)
    each = _at_once(work)
    everything = [number for taken in each for number in taken]
    assert len(everything) == len(set(everything))
    assert all(taken == sorted(taken) for taken in each)
    assert min(everything) > before
    assert _last(any_database) > max(everything)


def _last(database: Database) -> int:
    with database.store.write() as unit:
        return unit.next_version()


def test_change_numbers_of_two_stores_on_one_database_are_never_the_same(database: Database) -> None:
    with _again(database.url) as other:

        def work(number: int) -> list[int]:
            store, taken = (database.store, other)[number % 2], []
            for _ in range(ROUNDS):
                with store.write() as unit:
                    taken.append(unit.next_version())
            return taken

        everything = [number for taken in _at_once(work, 4) for number in taken]
    assert len(everything) == len(set(everything))


def test_numbers_of_a_transaction_that_was_undone_come_back_in_no_row(any_database: Database) -> None:
    kept = any_database.table("thing")
    with any_database.store.write() as unit:
        first = unit.next_version()
    with undone(any_database) as unit:
        lost = unit.next_version()
    (id,) = any_database.fresh()
    with any_database.store.write() as unit:
        unit.insert(kept, [{"thingid": id, "versionnumber": unit.next_version()}])
    assert lost > first
    assert (any_database.get("thing", id) or {})["versionnumber"] > first


@pytest.mark.parametrize("stores", [1, 2])
def test_of_two_writers_of_a_row_neither_loses_what_the_other_wrote(database: Database, stores: int) -> None:
    kept, (id,) = database.table("thing"), database.add("thing", {"whole": 0})
    with _again(database.url) as other:

        def work(number: int) -> None:
            store = (database.store, other)[number % stores]
            for _ in range(ROUNDS):
                with store.write() as unit:
                    row = unit.get(kept, id)
                    assert row is not None
                    unit.update(kept, id, {"whole": row["whole"] + 1})

        _at_once(work)
    assert (database.get("thing", id) or {})["whole"] == WRITERS * ROUNDS


def test_in_memory_no_update_is_lost_either(any_database: Database) -> None:
    kept, (id,) = any_database.table("thing"), any_database.add("thing", {"whole": 0})

    def work(number: int) -> None:
        for _ in range(ROUNDS):
            with any_database.store.write() as unit:
                unit.update(kept, id, {"whole": (unit.get(kept, id) or {})["whole"] + 1})

    _at_once(work)
    assert (any_database.get("thing", id) or {})["whole"] == WRITERS * ROUNDS


def test_a_version_that_was_checked_is_still_the_version_when_the_row_is_written(database: Database) -> None:
    kept, (id,) = database.table("thing"), database.add("thing", {"versionnumber": 0})

    def work(number: int) -> int:
        won = 0
        for expected in range(ROUNDS):
            with database.store.write() as unit:
                if (unit.get(kept, id) or {})["versionnumber"] == expected:
                    unit.update(kept, id, {"versionnumber": expected + 1})
                    won += 1
        return won

    assert sum(_at_once(work)) == (database.get("thing", id) or {})["versionnumber"]


def test_one_setting_is_counted_up_by_everybody(database: Database) -> None:
    def work(number: int) -> list[int]:
        taken = []
        for _ in range(ROUNDS):
            with database.store.write() as unit:
                taken.append(int(unit.read_setting("counter") or 0) + 1)
                unit.write_setting("counter", str(taken[-1]))
        return taken

    everything = [number for taken in _at_once(work) for number in taken]
    assert sorted(everything) == list(range(1, WRITERS * ROUNDS + 1))


def test_of_those_who_want_the_same_key_one_has_it(any_database: Database) -> None:
    kept, made = any_database.table("order"), any_database.fresh(WRITERS)

    def work(number: int) -> str:
        try:
            with any_database.store.write() as unit:
                if unit.find(kept, {"name": "wanted"}):
                    return "found"
                unit.insert(kept, [{"orderid": made[number], "name": "Wanted" if number % 2 else "wanted"}])
        except Fault as error:
            return error.name
        return "won"

    outcomes = _at_once(work)
    assert outcomes.count("won") == 1
    assert set(outcomes) <= {"won", "found", "DuplicateKey"}
    with any_database.store.read() as unit:
        assert len(unit.find(kept, {"name": "WANTED"}, 10)) == 1


def test_readers_see_all_of_a_transaction_or_nothing(any_database: Database) -> None:
    kept = any_database.table("thing")
    made = any_database.add("thing", *({"other": "sum", "second": 100} for _ in range(10)))
    query = Query(
        table="thing",
        where=condition("other", "eq", "sum"),
        aggregates=(
            Aggregate(function="sum", alias="sum", field=Field("second")),
            Aggregate(function="count", alias="rows"),
        ),
    )
    done = threading.Event()

    def work(number: int) -> set[tuple[Any, ...]]:
        if number == 0:
            try:
                for each in range(40):
                    with any_database.store.write() as unit:
                        unit.update(kept, made[each % 10], {"second": 100 - each})
                        unit.update(kept, made[(each + 1) % 10], {"second": 100 + each})
                        unit.update(kept, made[(each + 2) % 10], {"second": 100})
                        others = [made[(each + n) % 10] for n in range(3, 10)]
                        for id in others:
                            unit.update(kept, id, {"second": 100})
            finally:
                done.set()
            return set()
        seen: set[tuple[Any, ...]] = set()
        while not done.is_set():
            seen.update(tuple(row.values()) for row in any_database.ask(query))
        return seen

    sums = set().union(*_at_once(work, 4))
    assert sums <= {(1000, 10)}


def test_a_reader_waits_for_no_writer_and_sees_what_was_committed(database: Database) -> None:
    kept, (id,) = database.table("thing"), database.add("thing", {"text": "before"})
    with database.store.write() as unit:
        unit.update(kept, id, {"text": "after"})
        with ThreadPoolExecutor(1) as pool:
            row = pool.submit(database.get, "thing", id).result(timeout=30)
        assert row is not None
        assert row["text"] == "before"
    assert (database.get("thing", id) or {})["text"] == "after"


def test_a_row_that_is_being_deleted_is_written_by_nobody_else(database: Database) -> None:
    kept, (id,) = database.table("thing"), database.add("thing", {"text": "a"})

    def work(number: int) -> bool:
        with database.store.write() as unit:
            if number == 0:
                return bool(unit.delete(kept, [id]))
            return unit.update(kept, id, {"text": str(number)})

    assert _at_once(work)[0]
    assert database.get("thing", id) is None


def test_rows_written_in_opposite_orders_end_in_a_coded_fault_at_worst(database: Database) -> None:
    kept, made = database.table("thing"), database.add("thing", {"whole": 0}, {"whole": 0})

    def count_up(ids: list[str]) -> None:
        with database.store.write() as unit:
            for id in ids:
                unit.update(kept, id, {"whole": (unit.get(kept, id) or {})["whole"] + 1})

    def work(number: int) -> list[str | None]:
        return [refusal(lambda: count_up(made if number else made[::-1])) for _ in range(2)]

    outcomes = [outcome for each in _at_once(work, 2) for outcome in each]
    assert set(outcomes) <= {None, "StoreBusy"}
    assert [(database.get("thing", id) or {})["whole"] for id in made] == [outcomes.count(None)] * 2
    assert outcomes.count(None) > 0


@pytest.fixture(params=FILES)
def untouched(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The address of a database that nobody has opened yet."""
    if request.param == "sqlite":
        return str(tmp_path / "data")
    new: Callable[[], str] = request.getfixturevalue("new_postgres_database")
    return new()


def test_threads_that_open_an_empty_database_at_once_all_succeed(untouched: str) -> None:
    def work(number: int) -> int:
        with _again(untouched) as mine:
            with mine.write() as unit:
                unit.write_setting(f"thread {number}", "here")
            return mine.schema_version()

    assert _at_once(work, 5) == [0] * 5
    with _again(untouched) as mine, mine.read() as unit:
        assert [unit.read_setting(f"thread {number}") for number in range(5)] == ["here"] * 5


def test_threads_that_open_and_close_an_empty_file_at_once_all_succeed(tmp_path: Path) -> None:
    # Often: the first one makes the file in next to no time.
    for file in range(40):

        def work(number: int, url: str = str(tmp_path / str(file))) -> None:
            open_store(url).close()

        assert _at_once(work) == [None] * WRITERS


_OPENER = """
import sys
from orgstead.store.open import open_store
url, name = sys.argv[1:]
print("ready", flush=True)
sys.stdin.readline()
store = open_store("", url) if url.startswith("postgres") else open_store(url)
with store.write() as unit:
    unit.write_setting(name, "here")
    print(unit.next_version(), flush=True)
store.close()
"""


def test_processes_that_open_an_empty_database_at_once_all_succeed(untouched: str) -> None:
    started = [
        subprocess.Popen(
            [sys.executable, "-c", _OPENER, untouched, f"process {number}"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for number in range(3)
    ]
    for process in started:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
    for process in started:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    answers = [process.communicate(timeout=60) for process in started]
    assert [process.returncode for process in started] == [0, 0, 0], answers
    assert len({int(out) for out, _ in answers}) == 3
    with _again(untouched) as store, store.read() as unit:
        assert [unit.read_setting(f"process {number}") for number in range(3)] == ["here"] * 3


def _found(store: Store) -> None:
    with store.write() as unit:
        unit.migrate(Schema.empty(), SMALL)


def test_of_two_who_found_an_organisation_at_once_one_does(empty: Open) -> None:
    _, url = empty()

    def work(number: int) -> str:
        with _again(url) as mine:
            return refusal(lambda: _found(mine)) or "won"

    assert sorted(_at_once(work, 3)) == ["StoreBusy", "StoreBusy", "won"]
    with _again(url) as mine:
        assert set(mine.load_schema().tables) == set(SMALL.tables)


def test_a_store_goes_on_after_another_has_changed_the_tables(empty: Open) -> None:
    store, url = empty()
    first = grow(Schema.empty(), table("piece"))
    with store.write() as unit:
        unit.migrate(Schema.empty(), first)
    mine = Database(store, first, url)
    mine.add("piece", {"name": "a"})
    query = Query(table="piece", columns=("name",))
    for _ in range(3):
        assert [row["name"] for row in mine.ask(query)] == ["a"]
        assert mine.get("piece", guid(1)) is not None
    with _again(url) as other:
        schema = other.load_schema()
        piece = schema.tables["piece"]
        second = grow(schema, replace(piece, columns={**piece.columns, "extra": column("extra")}))
        with other.write() as unit:
            unit.migrate(schema, second)
        for _ in range(3):
            assert [row["name"] for row in mine.ask(query)] == ["a"]
            assert mine.get("piece", guid(1)) is not None
        assert store.schema_version() == second.version
        mine.schema = store.load_schema()
        mine.used = 10
        mine.add("piece", {"name": "b", "extra": "e"})
        with other.read() as unit:
            rows = ask(unit, second, Query(table="piece", columns=("extra",), order=()))
        assert sorted(str(row["extra"]) for row in rows) == ["None", "e"]


def test_a_store_goes_on_when_the_server_has_ended_its_connections(postgres_url: str, empty: Open) -> None:
    store, url = empty()
    with store.write() as unit:
        unit.migrate(Schema.empty(), SMALL)
    mine = Database(store, SMALL, url)
    (id,) = mine.add("thing", {"text": "a"})
    if url.startswith("postgres"):
        with psycopg.connect(postgres_url, autocommit=True) as administrator:
            administrator.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s",
                (url.rpartition("/")[2],),
            )
    assert (mine.get("thing", id) or {})["text"] == "a"
    with store.write() as unit:
        assert unit.update(mine.table("thing"), id, {"text": "b"})
    assert (mine.get("thing", id) or {})["text"] == "b"
