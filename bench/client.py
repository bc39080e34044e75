"""``python -m bench.client``: this project's client beside Microsoft's, on one server, in turn, in one run.

Every measurement is a process of its own: the seconds from before the first request to after the last row, and the most
memory that the process held, what it imports included. Both clients speak TLS to the same server, with the same token,
about the same rows of the same columns. Needs what the tests need.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Final

from bench.process import Process
from bench.servers import token
from orgstead.testing.plane import Plane

HERE: Final = Path(__file__).parent
TASKS: Final = ("create-theirs", "read-theirs", "read-ours", "all-theirs", "all-ours", "create-ours")


def main() -> None:
    options = arguments()
    with tempfile.TemporaryDirectory() as place, server(Path(place)) as process:
        compare(process, Path(place), options.rows, options.rounds)


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench.client", description=__doc__)
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--rounds", type=int, default=2, help="keep the best of so many (default 2)")
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
    command = [sys.executable, "-m", "bench.client_tasks", task, url, ca, str(rows)]
    environment = {**os.environ, "BENCH_TOKEN": bearer}
    done = subprocess.run(command, cwd=HERE.parent, env=environment, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"{task}: {done.stderr[-3000:]}")
    found: dict[str, float] = json.loads(done.stdout)
    return found


if __name__ == "__main__":
    try:
        main()
    except (OSError, RuntimeError) as error:
        sys.exit(f"bench: {error}")
