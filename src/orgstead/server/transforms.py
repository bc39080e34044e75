"""Runs style sheets over files in a process of their own, and ends it when it takes too long."""

import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from orgstead.errors import fault
from orgstead.wire.finops.files import transform

__all__ = ["MAX_SECONDS", "MAX_SOURCE", "transformed"]

MAX_SECONDS = 120
# A transformation holds its source and its result as trees, which are ten times as large as their texts.
MAX_SOURCE = 128 * 1024 * 1024
# The program starts, and writes what it has made, in wall time.
SLACK = 3


@contextmanager
def transformed(
    source: IO[bytes], style_sheet: bytes, *, seconds: int = MAX_SECONDS, most: int = MAX_SOURCE
) -> Iterator[IO[bytes]]:
    """A file as an XSLT 1.0 style sheet makes it of ``source``, which is gone after the block.

    ``seconds`` bounds its processor time, ``most`` the bytes of the source. Raises DataTransformFailed.
    """
    with tempfile.TemporaryDirectory(prefix="orgstead-") as name:
        folder = Path(name)
        sheet, before, after = folder / "sheet.xsl", folder / "source.xml", folder / "result.xml"
        sheet.write_bytes(style_sheet)
        with before.open("wb") as file:
            shutil.copyfileobj(source, file, 1_048_576)
        program = [sys.executable, "-I", "-B", str(Path(transform.__file__))]
        try:
            done = subprocess.run(
                [*program, str(sheet), str(before), str(after), str(seconds), str(most)],
                stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
                cwd=folder, env={"LC_ALL": "C.UTF-8"}, timeout=seconds * SLACK, check=False,
            )  # fmt: skip
        except subprocess.TimeoutExpired:
            raise fault("DataTransformFailed", reason=f"it took more than {seconds} seconds") from None
        if done.returncode < 0:
            raise fault(
                "DataTransformFailed", reason=f"it needs more than {seconds} seconds or too much room"
            )
        if done.returncode:
            reason = done.stderr.decode("utf-8", "replace").strip().rpartition("\n")[2]
            raise fault("DataTransformFailed", reason=reason[:300].rstrip(".") or "it gives no reason")
        with after.open("rb") as file:
            yield file
