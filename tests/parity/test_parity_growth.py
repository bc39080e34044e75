"""Rows that go in leave nothing behind in memory, however many they are."""

import gc
import tracemalloc
from itertools import count
from uuid import UUID

from tests.parity.conftest import Web

CRM = "Microsoft.Dynamics.CRM."
ROWS = 250


def test_memory_does_not_grow_with_the_rows_that_go_in(web: Web) -> None:
    numbers = count(1)

    def send(calls: int) -> None:
        for _ in range(calls):
            targets = [
                {
                    "@odata.id": f"accounts({UUID(int=(each << 64) + 1)})",
                    "name": f"Row {each}",
                    "numberofemployees": each,
                }
                for each in (next(numbers) for _ in range(ROWS))
            ]
            assert web.call("POST", f"accounts/{CRM}UpsertMultiple", {"Targets": targets}).status == 204

    send(12)
    gc.collect()
    tracemalloc.start()
    try:
        send(4)
        gc.collect()
        before, _ = tracemalloc.get_traced_memory()
        send(24)
        gc.collect()
        after, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    # A reference kept for each of the 6,000 rows would be more than this.
    assert after - before < 24 * ROWS * 30
