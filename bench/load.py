"""The bare driver in-process: what fetching and encoding a page, and inserting rows, cost by themselves.

``python -m bench.load FILE SECONDS`` prints the milliseconds of a page from the ceiling's tables, ``… own`` from
Orgstead's own: the same columns of the same table, the same bytes.
"""

import shutil
import sys
import time
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from statistics import median
from typing import Any

import apsw
import msgspec

from bench import rows, tables
from bench.ceiling import PAGE_SQL, PAGED, shape
from bench.operations import PAGE_COLUMNS, PAGE_SIZE

__all__ = ["inserted_per_second", "own_page_milliseconds", "page_milliseconds"]

LOADED = 100_000


def page_milliseconds(file: Path, seconds: int) -> float:
    """The median cost of one page of 5,000 × 10 columns: apsw's rows, encoded by msgspec."""
    connection = tables.connect(file)
    answer, encode = shape("Driven", ["@odata.context", "value"]), msgspec.json.Encoder().encode
    return _median(
        connection,
        lambda: encode(
            answer("accounts", [PAGED(*row) for row in connection.execute(PAGE_SQL, (PAGE_SIZE,))])
        ),
        seconds,
    )


def own_page_milliseconds(file: Path, seconds: int) -> float:
    """The same from Orgstead's own table: exact amounts, and the currency that comes with them."""
    connection = tables.connect(file)
    # As Orgstead opens it.
    connection.execute("PRAGMA mmap_size = 268435456")
    answer = shape("Driven", ["@odata.context", "value"])
    encode = msgspec.json.Encoder(decimal_format="number").encode
    row = shape("Own", ["@odata.etag", *PAGE_COLUMNS, "_transactioncurrencyid_value", "accountid"])
    names = [*PAGE_COLUMNS, "transactioncurrencyid", "accountid"]
    sql = f"""SELECT 'W/"' || versionnumber || '"', {", ".join(names)} FROM account ORDER BY accountid LIMIT ?"""
    # Written out, as fast as it gets: the amount is the only value that has to be made.
    places = [f"v{index}" for index in range(len(names) + 1)]
    values = [
        f"{place} * unit" if index == names.index("revenue") + 1 else place
        for index, place in enumerate(places)
    ]
    made: Callable[[Any], list[Any]] = eval(
        f"lambda rows: [row({', '.join(values)}) for {', '.join(places)} in rows]",
        {"row": row, "unit": Decimal("0.0001")},
    )

    def page() -> bytes:
        return encode(answer("accounts", made(connection.execute(sql, (PAGE_SIZE,)))))

    return _median(connection, page, seconds)


def _median(connection: apsw.Connection, page: Callable[[], bytes], seconds: int) -> float:
    page()
    taken: list[float] = []
    while sum(taken) < seconds:
        taken.append(timed(page))
    connection.close()
    return median(taken) * 1000


def inserted_per_second(work: Path) -> float:
    """Rows a second when 100,000 accounts are inserted in one transaction under five indexes."""
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir(parents=True)
    file = work / "load.sqlite"
    tables.fill(file, 0)
    connection = tables.connect(file)
    made = [tuple(row.values()) for row in rows.accounts(LOADED)]

    def load() -> None:
        with connection:
            connection.executemany(tables.insert("accounts", rows.ACCOUNT), made)

    taken = timed(load)
    connection.close()
    shutil.rmtree(work)
    return LOADED / taken


def timed(work: Callable[[], object]) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


if __name__ == "__main__":
    measure = own_page_milliseconds if sys.argv[3:] == ["own"] else page_milliseconds
    print(measure(Path(sys.argv[1]), int(sys.argv[2])))
