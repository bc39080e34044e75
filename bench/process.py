"""A server as a child process: started, waited for, weighed, and ended by its own process id."""

import re
import subprocess
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

__all__ = ["Process"]


class Process:
    """A context: the server runs inside it. ``url`` is what ``pattern``'s first group matched."""

    url: str

    def __init__(
        self, command: Sequence[str], *, pattern: str, log: Path, cwd: Path, env: Mapping[str, str]
    ) -> None:
        self.command, self.pattern, self.log, self.cwd, self.env = command, pattern, log, cwd, env

    def __enter__(self) -> Self:
        with self.log.open("wb") as output:
            self.child = subprocess.Popen(
                self.command,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                cwd=self.cwd,
                env=self.env,
            )
        try:
            self.url = self.wait(60)
        except BaseException:
            self.end()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.end()

    def wait(self, seconds: float) -> str:
        limit = time.monotonic() + seconds
        while time.monotonic() < limit:
            printed = self.log.read_text(errors="replace")
            if found := re.search(self.pattern, printed):
                return found[1].rstrip("/")
            if self.child.poll() is not None:
                raise RuntimeError(
                    f"{self.command[0]} ended with {self.child.returncode}:\n{printed[-2000:]}"
                )
            time.sleep(0.05)
        raise RuntimeError(f"{self.command[0]} printed no address in {seconds:.0f} s: see {self.log}")

    def end(self) -> None:
        self.child.terminate()
        try:
            self.child.wait(20)
        except subprocess.TimeoutExpired:
            self.child.kill()
            self.child.wait()

    def memory(self) -> float:
        """The process's own resident memory now, in megabytes (10^6 bytes).

        Without pages of mapped files: they are the system's cache, counted once for each mapping, and taken back
        when others need the room.
        """
        status = Path(f"/proc/{self.child.pid}/status").read_text()
        found = re.findall(r"^Rss(?:Anon|Shmem):\s+(\d+) kB$", status, re.MULTILINE)
        return sum(map(int, found)) * 1024 / 1e6
