"""What strangers send, changed by a fuzzer some thousand times, is read or refused with a coded fault."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

RUNS = 20_000


@pytest.mark.parametrize("reader", ["envelope", "fetchxml", "options", "batch"])
def test_no_input_is_an_accident(reader: str, tmp_path: Path) -> None:
    # By way of a shell, which is small: a process begins with the most memory that its parent ever had as its own.
    shell = ["sh", "-c", '"$@"; exit $?', "sh"]
    fuzzer = [sys.executable, "-m", "tests.fuzz.readers", reader, f"-runs={RUNS}", "-seed=20261127"]
    command = [*shell, *fuzzer]
    root = Path(__file__).parent.parent.parent
    path = os.pathsep.join(each for each in (os.environ.get("PYTHONPATH"), str(root)) if each)
    done = subprocess.run(
        [*command, f"-artifact_prefix={tmp_path}/"],
        cwd=root, env={**os.environ, "PYTHONPATH": path}, capture_output=True, text=True, timeout=280, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-4000:]
    assert f"Done {RUNS} runs" in done.stderr
