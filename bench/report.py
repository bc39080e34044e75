"""The table of ratios, and ``RESULTS.md``, which keeps the last one of each number of rows."""

import os
import platform
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Final

from bench.wrk import Rate

__all__ = ["Line", "Run", "render", "write"]

FILE: Final = Path(__file__).with_name("RESULTS.md")
HEAD: Final = """# Results

The last run at each number of rows, by `python -m bench all --rows N --write`. Read the ratios: absolute
figures drift with the machine. `README.md` beside this file says what each line does.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One operation: the rate of each server that ran it (or why it could not), and the two aims."""

    title: str
    connections: int
    rates: Mapping[str, Rate | str]
    of_peer: float | None = None
    of_ceiling: float | None = None
    unit: str = ""


@dataclass(slots=True, kw_only=True)
class Run:
    """Everything that one run measured."""

    rows: int
    lines: list[Line] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    memory: dict[str, float] = field(default_factory=dict)


def render(run: Run) -> str:
    """The section of one run, as Markdown."""
    table = [
        ["operation", "conn.", "CAP/s", "ceiling/s", "Orgstead/s", "p50 ms", "p99 ms", "÷ CAP", "÷ ceiling"],
        *(row(line) for line in run.lines),
    ]
    if run.memory:
        weights = [f"{run.memory[name]:.0f} MB" if name in run.memory else "–" for name in ORDER]
        table.append(["own memory after the runs (aim ≤ 250 MB)", "", *weights, "", "", "", ""])
    body = [
        f"## {run.rows:,} rows",
        "",
        f"{datetime.now(UTC):%Y-%m-%d}, {machine()}.",
        "",
        *aligned(table),
        "",
    ]
    body += [f"- {note}" for note in run.notes]
    return "\n".join(body).rstrip() + "\n"


ORDER: Final = ("cap", "ceiling", "orgstead")


def row(line: Line) -> list[str]:
    cells = [line.title, str(line.connections)]
    for name in ORDER:
        rate = line.rates.get(name)
        cells.append(
            "–"
            if rate is None
            else "failed"
            if isinstance(rate, str)
            else figure(rate.per_second) + line.unit
        )
    ours = line.rates.get("orgstead")
    measured = isinstance(ours, Rate)
    cells += [f"{ours.median:.2f}", f"{ours.slowest_hundredth:.2f}"] if isinstance(ours, Rate) else ["–", "–"]
    return [
        *cells,
        ratio(line, "cap", line.of_peer, measured),
        ratio(line, "ceiling", line.of_ceiling, measured),
    ]


def ratio(line: Line, other: str, aim: float | None, measured: bool) -> str:
    wanted = "" if aim is None else f" (aim {aim:g})"
    ours, theirs = line.rates.get("orgstead"), line.rates.get(other)
    if not isinstance(ours, Rate) or not isinstance(theirs, Rate):
        return f"–{wanted}"
    got = ours.per_second / theirs.per_second
    missed = " **missed**" if aim is not None and got < aim else ""
    return f"{got:.2f}{wanted}{missed}"


def figure(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.1f}"


def aligned(table: Sequence[Sequence[str]]) -> list[str]:
    widths = [max(len(line[i]) for line in table) for i in range(len(table[0]))]
    lines = [
        "| " + " | ".join(c.ljust(w) for c, w in zip(line, widths, strict=True)) + " |" for line in table
    ]
    return [lines[0], "|" + "|".join("-" * (w + 2) for w in widths) + "|", *lines[1:]]


def machine() -> str:
    """The machine and the versions that matter, in a sentence."""
    found = re.search(r"^model name\s*:\s*(.+)$", Path("/proc/cpuinfo").read_text(), re.MULTILINE)
    memory = re.search(r"^MemTotal:\s+(\d+)", Path("/proc/meminfo").read_text())
    parts = [
        f"{os.cpu_count()} × {found[1] if found else platform.machine()}",
        f"{int(memory[1]) / 2**20:.0f} GiB" if memory else "",
        f"{platform.system()} {platform.release()}",
        f"Python {platform.python_version()}",
        *(f"{name} {version(name)}" for name in ("apsw", "msgspec", "uvicorn", "httptools")),
    ]
    return ", ".join(part for part in parts if part)


def version(name: str) -> str:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return "absent"


def write(run: Run) -> Path:
    """Put the run's section into ``RESULTS.md`` in place of the last one with as many rows."""
    sections: dict[int, str] = {}
    if FILE.exists():
        for text in re.split(r"^(?=## )", FILE.read_text(), flags=re.MULTILINE)[1:]:
            found = re.match(r"## ([\d,]+) rows", text)
            if found:
                sections[int(found[1].replace(",", ""))] = text.rstrip() + "\n"
    sections[run.rows] = render(run)
    FILE.write_text("\n".join([HEAD, *(sections[count] for count in sorted(sections))]))
    return FILE
