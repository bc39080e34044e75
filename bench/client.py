"""``python -m bench.client``: this project's client beside Microsoft's, on one server, in turn, in one run.

Every measurement is a process of its own: the seconds from before the first request to after the last row, and the most
memory that the process held, what it imports included. Both clients speak TLS to the same server, with the same token,
about the same rows of the same columns. Needs what the tests need.
"""

import argparse
import json
import os
import resource
import ssl
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from itertools import islice
from pathlib import Path
from typing import Any, Final

from bench.process import Process
from bench.servers import token
from orgstead.testing.plane import Plane

HERE: Final = Path(__file__).parent
COLUMNS: Final = ("name", "revenue", "numberofemployees", "telephone1", "createdon")
# A page of the service, which is also what Microsoft's client walks by.
FAR: Final = 4_102_444_800


def main() -> None:
    options = arguments()
    if options.task:
        measure(options)
        return
    with tempfile.TemporaryDirectory() as place, server(Path(place)) as process:
        compare(process, Path(place), options.rows, options.rounds)


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench.client", description=__doc__)
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--rounds", type=int, default=2, help="keep the best of so many (default 2)")
    parser.add_argument("--task", choices=[*TASKS], help=argparse.SUPPRESS)
    parser.add_argument("--url", help=argparse.SUPPRESS)
    parser.add_argument("--ca", help=argparse.SUPPRESS)
    return parser.parse_args()


def server(place: Path) -> Process:
    options = ["--http-port", "0", "--https-port", "0", "--no-sample", "--data", str(place / "data")]
    return Process(
        [sys.executable, "-m", "orgstead", "serve", *options],
        pattern=r"(https://\S+)",
        log=place / "log.txt",
        cwd=HERE.parent,
        env=dict(os.environ),
    )


def compare(process: Process, place: Path, rows: int, rounds: int) -> None:
    ca = str(place / "data" / "certificates" / "ca.pem")
    os.environ["SSL_CERT_FILE"] = os.environ["REQUESTS_CA_BUNDLE"] = ca
    http = next(word for word in process.log.read_text().split() if word.startswith("http://"))
    bearer = token(http)  # the server takes a token for either of its addresses
    best: dict[str, dict[str, float]] = {}
    for _ in range(rounds):
        for name in TASKS:
            if name.startswith("create"):
                with Plane(http) as plane:
                    plane.reset()
            got = run(name, process.url, ca, bearer, rows)
            if name not in best or got["seconds"] < best[name]["seconds"]:
                best[name] = got
            print(
                f"{name}: {got['seconds']:.1f} s, {got['cpu']:.1f} s of CPU, {got['memory']:.0f} MB",
                file=sys.stderr,
            )
    print("| what | Orgstead's client | Microsoft's | times faster | of its CPU | of its memory |")
    print("|---|---|---|---|---|---|")
    for what, title in TITLES.items():
        mine, other = best[f"{what}-ours"], best[f"{what}-theirs"]
        ratios = [
            other["seconds"] / mine["seconds"],
            *(mine[each] / other[each] for each in ("cpu", "memory")),
        ]
        print(
            f"| {title.format(rows=f'{rows:,}')} | {mine['seconds']:.1f} s, {mine['memory']:.0f} MB "
            f"| {other['seconds']:.1f} s, {other['memory']:.0f} MB "
            f"| {ratios[0]:.1f} | {ratios[1]:.0%} | {ratios[2]:.0%} |"
        )


TITLES: Final = {
    "read": "read {rows} rows, page by page",
    "all": "read {rows} rows into memory",
    "create": "bulk create of {rows} rows",
}


def run(task: str, url: str, ca: str, bearer: str, rows: int) -> dict[str, float]:
    command = [
        sys.executable,
        "-m",
        "bench.client",
        "--task",
        task,
        "--url",
        url,
        "--ca",
        ca,
        "--rows",
        str(rows),
    ]
    environment = {**os.environ, "BENCH_TOKEN": bearer}
    done = subprocess.run(command, cwd=HERE.parent, env=environment, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"{task}: {done.stderr[-3000:]}")
    found: dict[str, float] = json.loads(done.stdout)
    return found


def measure(options: argparse.Namespace) -> None:
    count, seconds = TASKS[options.task](options)
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
def ours(options: argparse.Namespace) -> Any:
    from orgstead.client import Client

    return Client(
        options.url, os.environ["BENCH_TOKEN"], verify=ssl.create_default_context(cafile=options.ca)
    )


class Credential:
    """A credential as Microsoft's client takes it."""

    def get_token(self, *scopes: str, **options: Any) -> Any:
        from azure.core.credentials import AccessToken

        return AccessToken(os.environ["BENCH_TOKEN"], FAR)


def theirs(options: argparse.Namespace) -> Any:
    from PowerPlatform.Dataverse.client import DataverseClient

    return DataverseClient(options.url, Credential())


def read_ours(options: argparse.Namespace) -> tuple[int, float]:
    with ours(options) as client:
        begun, count = time.perf_counter(), 0
        for row in client.query("account").select(*COLUMNS):
            count += bool(row["name"]) and row["revenue"] is not None
        return count, time.perf_counter() - begun


def read_theirs(options: argparse.Namespace) -> tuple[int, float]:
    with theirs(options) as client:
        begun, count = time.perf_counter(), 0
        for page in client.query.builder("account").select(*COLUMNS).execute_pages():
            for row in page:
                count += bool(row["name"]) and row["revenue"] is not None
        return count, time.perf_counter() - begun


def all_ours(options: argparse.Namespace) -> tuple[int, float]:
    with ours(options) as client:
        begun = time.perf_counter()
        rows = client.query("account").select(*COLUMNS).all()
        return len(rows), time.perf_counter() - begun


def all_theirs(options: argparse.Namespace) -> tuple[int, float]:
    with theirs(options) as client:
        begun = time.perf_counter()
        rows = list(client.query.builder("account").select(*COLUMNS).execute())
        return len(rows), time.perf_counter() - begun


def create_ours(options: argparse.Namespace) -> tuple[int, float]:
    with ours(options) as client:
        begun = time.perf_counter()
        done = client.bulk.create("account", rows_of(options.rows)).done
        return done, time.perf_counter() - begun


def create_theirs(options: argparse.Namespace) -> tuple[int, float]:
    with theirs(options) as client:
        begun = time.perf_counter()
        rows, done = rows_of(options.rows), 0
        # It sends what it is given in one request, and a request takes this many.
        while part := [dict(row) for row in islice(rows, 1000)]:
            done += len(client.records.create("account", part))
        return done, time.perf_counter() - begun


TASKS: Final[Mapping[str, Callable[[argparse.Namespace], tuple[int, float]]]] = {
    "create-theirs": create_theirs,
    "read-theirs": read_theirs,
    "read-ours": read_ours,
    "all-theirs": all_theirs,
    "all-ours": all_ours,
    "create-ours": create_ours,
}


if __name__ == "__main__":
    try:
        main()
    except (OSError, RuntimeError) as error:
        sys.exit(f"bench: {error}")
