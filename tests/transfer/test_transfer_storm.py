"""An import through faults on purpose, by a process that is killed again and again, ends with exactly its rows.

``STORM_ROWS=100000`` is the size that the project promises; 20,000 is what the suite has time for.
"""

import csv
import json
import os
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import pytest

from orgstead.client import Client, col, new_id
from orgstead.testing.plane import Plane
from tests.live import Live
from tests.transfer.conftest import environment

ROWS = int(os.environ.get("STORM_ROWS", "20000"))
KILLS = 3
SECONDS = 300 if ROWS <= 20_000 else ROWS / 40


def _file(path: Path, mark: str) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["lastname", "firstname", "gendercode", "birthdate", "creditlimit"])
        for number in range(ROWS):
            writer.writerow(
                [f"{mark} {number:07}", "Ada", "Female", "1990-02-03", f"{number}.{number % 100:02}"]
            )


def _done(state: Path) -> int:
    """How many rows are through, by the state file."""
    try:
        found: int = json.loads(state.read_bytes())["done"]
    except FileNotFoundError:
        return 0
    return found


def _faults(plane: Plane) -> None:
    plane.faults.add(status=503, rate=0.05, seed=1)
    plane.faults.add(drop="before", rate=0.01, seed=2)
    plane.faults.add(drop="after", rate=0.01, seed=3)


@pytest.mark.timeout(SECONDS)
def test_an_import_that_is_killed_in_a_storm_resumes_to_exactly_its_rows(
    client: Client, plane: Plane, live: Live, tmp_path: Path
) -> None:
    mark = f"storm {new_id()[:8]}"
    source = tmp_path / "people.csv"
    state = tmp_path / "people.csv.import-state"
    _file(source, mark)
    _faults(plane)
    command = [sys.executable, "-m", "orgstead", "data", "import", "contact", str(source), "--resume", "--json",
               "--chunk", "200"]  # fmt: skip
    for kill in range(1, KILLS + 1):
        plane.throttle.force(count=3, retry_after=1)
        importer = subprocess.Popen(
            command, env={**os.environ, **environment(live, tmp_path)}, stdout=subprocess.PIPE, text=True
        )
        while _done(state) < ROWS * kill // (KILLS + 1):
            with suppress(subprocess.TimeoutExpired):
                importer.wait(0.05)
                pytest.fail("the import has ended before it was killed")
        importer.send_signal(signal.SIGKILL)
        importer.communicate()
        assert _done(state) < ROWS
    plane.throttle.force(count=3, retry_after=1)
    last = subprocess.run(
        command,
        env={**os.environ, **environment(live, tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    report = json.loads(last.stdout)
    plane.faults.clear()
    assert (last.returncode, report["read"], report["written"], report["rejected"]) == (0, ROWS, ROWS, 0)
    assert report["skipped"] >= ROWS * KILLS // (KILLS + 1)
    assert client.query("contact").where(col("lastname").startswith(mark)).count() == ROWS
    names = {
        row["lastname"]
        for row in client.query("contact").select("lastname").where(col("lastname").startswith(mark))
    }
    assert len(names) == ROWS
    again = subprocess.run(
        command, env={**os.environ, **environment(live, tmp_path)}, capture_output=True, text=True, check=True
    )
    assert json.loads(again.stdout)["skipped"] == ROWS
    assert client.query("contact").where(col("lastname").startswith(mark)).count() == ROWS
