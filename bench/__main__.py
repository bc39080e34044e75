"""``python -m bench NAME…``: run benchmarks against all servers in turn and print the table of ratios."""

import argparse
import sys
from contextlib import ExitStack
from pathlib import Path
from typing import Final

from bench import connector as connected
from bench import deliveries as told
from bench import own, report, special, wrk
from bench.operations import OPERATIONS, Operation
from bench.process import Process
from bench.segments import segments
from bench.servers import SERVERS, Server
from bench.soap import soap
from bench.special import Bench

WORK: Final = Path(__file__).with_name(".work")
SPECIAL: Final = {
    "walk": special.walk,
    "aggregate": own.aggregate,
    "restricted": own.restricted,
    "delta": own.delta,
    "upsert": own.upsert,
    "load": special.load,
    "soap": soap,
    "segments": segments,
    "deliveries": told.deliveries,
    "connector": connected.connector,
}
# Before rows are written that are nobody's but the administrator's.
FIRST: Final = ("aggregate", "restricted")
NAMES: Final = (*FIRST, *OPERATIONS, *(name for name in SPECIAL if name not in FIRST))


def main() -> None:
    options = arguments()
    names = [name for name in NAMES if name in options.names or "all" in options.names]
    run = report.Run(rows=options.rows)
    wrk.require()
    with ExitStack() as stack:
        benches = []
        for name in options.only:
            server = SERVERS[name](WORK / name)
            process = stack.enter_context(server.running(options.rows))
            benches.append(bench(server, process, options))
        for name in names:
            if name in SPECIAL:
                try:
                    SPECIAL[name](benches, run)
                except (OSError, RuntimeError) as error:
                    run.notes.append(f"{name} failed: {error}.")
                    print(f"{name}: {error}", file=sys.stderr)
                continue
            run.lines.append(measure(OPERATIONS[name], benches, options.rows))
            if name == "page" and "ceiling" in options.only:
                special.driver(
                    WORK,
                    options.seconds,
                    options.rounds,
                    run.lines[-1],
                    run,
                )
        run.memory = {each.name: each.process.memory() for each in benches}
    print(report.render(run))
    if options.write:
        print(f"written to {report.write(run)}", file=sys.stderr)


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument(
        "names", nargs="+", choices=[*NAMES, "all"], metavar="NAME", help=", ".join([*NAMES, "all"])
    )
    parser.add_argument(
        "--rows", type=int, default=100_000, help="accounts, and as many contacts (default 100,000)"
    )
    parser.add_argument(
        "--only", type=servers, default=list(SERVERS), help="servers by name, with commas between"
    )
    parser.add_argument("--seconds", type=int, default=5, choices=range(1, 61), metavar="1..60")
    parser.add_argument("--warmup", type=int, default=2, choices=range(11), metavar="0..10")
    parser.add_argument(
        "--rounds", type=int, default=1, choices=range(1, 6), metavar="1..5", help="keep the best"
    )
    parser.add_argument("--write", action="store_true", help="keep the table in bench/RESULTS.md")
    options = parser.parse_args()
    if not 10_000 <= options.rows <= 1_000_000:
        parser.error("--rows is between 10,000 and 1,000,000")
    return options


def servers(text: str) -> list[str]:
    names = text.split(",")
    if unknown := set(names) - set(SERVERS):
        raise argparse.ArgumentTypeError(
            f"no server {', '.join(sorted(unknown))}: there are {', '.join(SERVERS)}"
        )
    return [name for name in SERVERS if name in names]


def bench(server: Server, process: Process, options: argparse.Namespace) -> Bench:
    return Bench(
        name=server.name,
        spelling=server.spelling,
        process=process,
        authorization=server.authorization(process.url),
        work=server.work,
        rows=options.rows,
        seconds=options.seconds,
        warmup=options.warmup,
        rounds=options.rounds,
    )


def measure(operation: Operation, benches: list[Bench], count: int) -> report.Line:
    rates: dict[str, wrk.Rate | str] = {}
    for each in benches * benches[0].rounds:
        best = rates.get(each.name)
        try:
            requests = each.signed(operation.requests(each.spelling, count))
            operation.check(wrk.once(each.process.url, requests[0]))
            rate = each.burst(requests, operation.connections)
            if not isinstance(best, wrk.Rate) or rate.per_second > best.per_second:
                rates[each.name] = rate
        except (AssertionError, OSError, RuntimeError) as error:
            rates[each.name] = str(error)
            print(f"{operation.name}, {each.name}: {error}", file=sys.stderr)
    print(f"{operation.name}: {special.told(rates)}", file=sys.stderr)
    return report.Line(
        title=operation.title,
        connections=operation.connections,
        rates=rates,
        of_peer=operation.of_peer,
        of_ceiling=operation.of_ceiling,
    )


if __name__ == "__main__":
    try:
        main()
    except (OSError, RuntimeError) as error:
        sys.exit(f"bench: {error}")
