"""The bare driver in-process: what fetching and encoding a page, and inserting rows, cost by themselves.

``python -m bench.load FILE SECONDS`` prints the milliseconds of a page.
"""

import shutil
import sys
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median

import msgspec

from bench import rows, tables
from bench.ceiling import PAGE_SQL, PAGED, shape
from bench.operations import PAGE_SIZE

__all__ = ["inserted_per_second", "page_milliseconds"]

LOADED = 100_000


def page_milliseconds(file: Path, seconds: int) -> float:
    """The median cost of one page of 5,000 × 10 columns: apsw's rows, encoded by msgspec."""
    connection = tables.connect(file)
    answer, encode = shape("Driven", ["@odata.context", "value"]), msgspec.json.Encoder().encode

    def page() -> bytes:
        return encode(answer("accounts", [PAGED(*row) for row in connection.execute(PAGE_SQL, (PAGE_SIZE,))]))

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
    print(page_milliseconds(Path(sys.argv[1]), int(sys.argv[2])))
