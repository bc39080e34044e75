"""The benchmarks that are more than one request repeated: the walk, the load, the bare driver."""

import json
import shutil
import subprocess
import sys
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from bench import load as driven
from bench import operations, report, wrk
from bench.process import Process
from bench.spelling import Spelling

__all__ = ["Bench", "driver", "load", "told", "walk"]

DEPTH: Final = 1000
TURNS: Final = 3
LOADED: Final = 100_000
ROOT: Final = Path(__file__).parents[1]


@dataclass(frozen=True, slots=True, kw_only=True)
class Bench:
    """A running server with all that sending it requests takes."""

    name: str
    spelling: Spelling
    process: Process
    authorization: tuple[str, str]
    work: Path
    rows: int
    seconds: int
    warmup: int
    rounds: int

    def signed(self, requests: Iterable[wrk.Request]) -> list[wrk.Request]:
        """The requests with this server's authorization."""
        return [replace(request, headers=(*request.headers, self.authorization)) for request in requests]

    def burst(self, requests: Sequence[wrk.Request], connections: int) -> wrk.Rate:
        """What ``wrk`` measures with them."""
        return wrk.burst(
            self.process.url,
            requests,
            connections=connections,
            seconds=self.seconds,
            warmup=self.warmup,
            work=self.work,
        )


def walk(benches: Sequence[Bench], run: report.Run) -> None:
    """Page 1 against page 1,000 of the same walk in the order of names."""
    first: dict[str, wrk.Rate | str] = {}
    deep: dict[str, wrk.Rate | str] = {}
    size = operations.walk_size(run.rows)
    for each in benches:
        try:
            near, far = ends(each, size)
            # In turn and more than once: the two are compared with each other, and the machine drifts.
            pairs = [(each.burst([near], 1), each.burst([far], 1)) for _ in range(TURNS)]
            first[each.name] = min((pair[0] for pair in pairs), key=lambda rate: rate.median)
            deep[each.name] = min((pair[1] for pair in pairs), key=lambda rate: rate.median)
        except (OSError, RuntimeError, KeyError) as error:
            first[each.name] = deep[each.name] = repr(error)
            run.notes.append(f"{each.name} did not get to the end of the walk: {error}.")
            print(f"walk, {each.name}: {error!r}", file=sys.stderr)
    for title, rates in (("page 1", first), ("page 1,000", deep)):
        run.lines.append(
            report.Line(title=f"{title} of a walk by {size}, ordered by name", connections=1, rates=rates)
        )
        print(f"walk, {title}: {told(rates)}", file=sys.stderr)
    for name in first:
        near_rate, far_rate = first[name], deep[name]
        if isinstance(near_rate, wrk.Rate) and isinstance(far_rate, wrk.Rate):
            times = far_rate.median / near_rate.median
            run.notes.append(f"{name}: page 1,000 costs {times:.2f} times page 1.")


def ends(each: Bench, size: int) -> tuple[wrk.Request, wrk.Request]:
    """The requests of page 1 and of page 1,000, reached by the server's own links."""
    path = f"/accounts?{operations.walk_query(each.spelling)}"
    if each.name == "cap":
        # Its links are an offset and come only past its own limit, so the same offset is asked for.
        near, far = each.signed(
            each.spelling.get(f"{path}&$top={size}&$skip={skip}") for skip in (0, size * (DEPTH - 1))
        )
        return near, far
    prefer = ("Prefer", f"odata.maxpagesize={size}")
    [near] = each.signed([each.spelling.get(path, prefer)])
    far = near
    for _ in range(DEPTH - 1):
        answer = wrk.once(each.process.url, far)
        if answer.status != 200:
            raise RuntimeError(f"{answer.status}: {answer.body[:500]!r}")
        parts = urlsplit(json.loads(answer.body)["@odata.nextLink"])
        far = replace(near, path=f"{parts.path}?{parts.query}")
    return near, far


def load(benches: Sequence[Bench], run: report.Run) -> None:
    """100,000 accounts over HTTP in calls of 1,000, one by one; and by the driver and the seed command."""
    rates: dict[str, wrk.Rate | str] = {}
    for each in benches:
        calls = each.signed(operations.bulk(each.spelling, run.rows))
        began = time.perf_counter()
        taken: list[float] = []
        for turn in range(LOADED // operations.BULKED):
            started = time.perf_counter()
            answer = wrk.once(each.process.url, calls[turn % len(calls)])
            taken.append((time.perf_counter() - started) * 1000)
            if answer.status // 100 != 2:
                rates[each.name] = f"{answer.status}: {answer.body[:500]!r}"
                print(f"load, {each.name}: {rates[each.name]}", file=sys.stderr)
                break
        else:
            taken.sort()
            rates[each.name] = wrk.Rate(
                per_second=LOADED / (time.perf_counter() - began),
                median=taken[len(taken) // 2],
                slowest_hundredth=taken[-1],
            )
    print(f"load: {told(rates)}", file=sys.stderr)
    run.lines.append(
        report.Line(
            title="100,000 rows in calls of 1,000", connections=1, rates=rates, of_peer=2.5, unit=" rows"
        )
    )
    bare = driven.inserted_per_second(benches[0].work / "load")
    run.notes.append(f"The bare driver inserts {bare:,.0f} rows/s in one transaction under five indexes.")
    if any(each.name == "orgstead" for each in benches):
        run.notes.append(seeded(benches[-1].work / "seed"))


def seeded(data: Path) -> str:
    command = [sys.executable, "-m", "orgstead", "seed", "--data", str(data), "--accounts", str(LOADED)]
    shutil.rmtree(data, ignore_errors=True)
    began = time.perf_counter()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, timeout=1800)
    taken = time.perf_counter() - began
    rate = LOADED / taken
    return f"`orgstead seed --accounts {LOADED}` took {taken:.1f} s: {rate:,.0f} rows/s, start included."


def driver(work: Path, seconds: int, rounds: int, page: report.Line, run: report.Run) -> None:
    """A page of 5,000 by the bare driver, beside what the servers' pages have just taken.

    The ceiling's table has floats for amounts; Orgstead's own has exact ones and answers their currency, too.
    """
    plain = _bare(work / "ceiling" / "run" / "ceiling.sqlite", seconds, rounds)
    run.notes.append(f"The bare driver fetches and encodes a page of 5,000 × 10 columns in {plain:.2f} ms.")
    own = work / "orgstead" / "run" / "organisation.sqlite"
    exact = _bare(own, seconds, rounds, "own") if "orgstead" in page.rates else plain
    if "orgstead" in page.rates:
        run.notes.append(
            f"From Orgstead's own table, with exact amounts and their currency, in {exact:.2f} ms."
        )
    for name, rate in page.rates.items():
        if isinstance(rate, wrk.Rate):
            took, bare = rate.median, exact if name == "orgstead" else plain
            run.notes.append(
                f"{name}: that page over HTTP takes {took:.2f} ms, {took / bare:.2f} times as long."
            )


def _bare(file: Path, seconds: int, rounds: int, *more: str) -> float:
    # A process of its own, as the servers are: this one's many live objects would burden its collector.
    command = [sys.executable, "-m", "bench.load", str(file), str(seconds), *more]
    return min(
        float(subprocess.run(command, capture_output=True, text=True, check=True, cwd=ROOT).stdout)
        for _ in range(rounds)
    )


def told(rates: dict[str, wrk.Rate | str]) -> str:
    """The rates in a line, for the progress that goes to the error output."""
    return ", ".join(
        f"{name} {rate.per_second:,.1f}/s" if isinstance(rate, wrk.Rate) else f"{name} failed"
        for name, rate in rates.items()
    )
