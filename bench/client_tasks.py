"""What ``bench.client`` measures: one task of one client in a process that holds nothing else."""

import json
import os
import resource
import ssl
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from itertools import islice
from typing import Any, Final, NamedTuple

COLUMNS: Final = ("name", "revenue", "numberofemployees", "telephone1", "createdon")
FAR: Final = 4_102_444_800


class Options(NamedTuple):
    """Where the server is, and how many rows are read or made."""

    url: str
    ca: str
    rows: int


def main() -> None:
    task, url, ca, rows = sys.argv[1:]
    options = Options(url=url, ca=ca, rows=int(rows))
    count, seconds = TASKS[task](options)
    assert count == options.rows, f"{count} rows instead of {options.rows}"
    usage = resource.getrusage(resource.RUSAGE_SELF)
    print(
        json.dumps(
            {"seconds": seconds, "memory": usage.ru_maxrss / 1024, "cpu": usage.ru_utime + usage.ru_stime}
        )
    )


def rows_of(count: int) -> Iterator[Mapping[str, Any]]:
    for number in range(count):
        yield {"name": f"Account {number:06}", "revenue": number * 1.25, "numberofemployees": number % 5000,
               "telephone1": f"555 {number:06}"}  # fmt: skip


# The imports lie in the functions: what one client brings with it is no weight of the other.
def ours(options: Options) -> Any:
    from orgstead.client import Client

    return Client(
        options.url, os.environ["BENCH_TOKEN"], verify=ssl.create_default_context(cafile=options.ca)
    )


class Credential:
    """A credential as Microsoft's client takes it."""

    def get_token(self, *scopes: str, **options: Any) -> Any:
        from azure.core.credentials import AccessToken

        return AccessToken(os.environ["BENCH_TOKEN"], FAR)


def theirs(options: Options) -> Any:
    from PowerPlatform.Dataverse.client import DataverseClient

    return DataverseClient(options.url, Credential())


def read_ours(options: Options) -> tuple[int, float]:
    with ours(options) as client:
        begun, count = time.perf_counter(), 0
        for row in client.query("account").select(*COLUMNS):
            count += bool(row["name"]) and row["revenue"] is not None
        return count, time.perf_counter() - begun


def read_theirs(options: Options) -> tuple[int, float]:
    with theirs(options) as client:
        begun, count = time.perf_counter(), 0
        for page in client.query.builder("account").select(*COLUMNS).execute_pages():
            for row in page:
                count += bool(row["name"]) and row["revenue"] is not None
        return count, time.perf_counter() - begun


def all_ours(options: Options) -> tuple[int, float]:
    with ours(options) as client:
        begun = time.perf_counter()
        rows = client.query("account").select(*COLUMNS).all()
        return len(rows), time.perf_counter() - begun


def all_theirs(options: Options) -> tuple[int, float]:
    with theirs(options) as client:
        begun = time.perf_counter()
        rows = list(client.query.builder("account").select(*COLUMNS).execute())
        return len(rows), time.perf_counter() - begun


def create_ours(options: Options) -> tuple[int, float]:
    with ours(options) as client:
        begun = time.perf_counter()
        done = client.bulk.create("account", rows_of(options.rows)).done
        return done, time.perf_counter() - begun


def create_theirs(options: Options) -> tuple[int, float]:
    with theirs(options) as client:
        begun = time.perf_counter()
        rows, done = rows_of(options.rows), 0
        # It sends what it is given in one request, and a request takes this many.
        while part := [dict(row) for row in islice(rows, 1000)]:
            done += len(client.records.create("account", part))
        return done, time.perf_counter() - begun


TASKS: Final[Mapping[str, Callable[[Options], tuple[int, float]]]] = {
    "create-theirs": create_theirs,
    "read-theirs": read_theirs,
    "read-ours": read_ours,
    "all-theirs": all_theirs,
    "all-ours": all_ours,
    "create-ours": create_ours,
}


if __name__ == "__main__":
    main()
