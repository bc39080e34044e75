"""Files that are there whole or not at all, whatever happens while they come."""

import os
import re
import shutil
from pathlib import Path
from typing import IO, BinaryIO

__all__ = ["Landing", "Received", "landed", "safe_name"]

JOURNAL = ".orgstead-received"
# Of what has been received, this many are remembered: many more than a queue lends again.
REMEMBERED = 20_000
CHUNK = 1024 * 1024
_UNSAFE = re.compile(r"[^A-Za-z0-9._-]+")


def safe_name(text: str) -> str:
    """A text as the name of a file, without anything that leads elsewhere."""
    return _UNSAFE.sub("_", text).strip("._")[:120] or "file"


class Landing:
    """A file that comes in beside its name, and takes it when it is whole and on the disk."""

    def __init__(self, target: Path) -> None:
        self.target = target
        self._part = target.with_name(f".{target.name}.part")
        self.file: BinaryIO = self._part.open("w+b")
        self._landed = False

    def finish(self) -> int:
        """Give the file its name, for good; its size in bytes."""
        self.file.flush()
        os.fsync(self.file.fileno())
        size = self.file.seek(0, 2)
        self.file.close()
        self._part.replace(self.target)
        self._landed = True
        _settle(self.target.parent)
        return size

    def abandon(self) -> None:
        """Leave nothing behind; after ``finish`` nothing happens."""
        if not self._landed:
            self.file.close()
            self._part.unlink(missing_ok=True)


def _settle(folder: Path) -> None:
    """Make a change of names last, where the system knows how."""
    try:
        handle = os.open(folder, os.O_RDONLY)
    except OSError:
        return
    try:
        os.fsync(handle)
    except OSError:
        pass
    finally:
        os.close(handle)


class Received:
    """What a folder has received before, so that a message that comes again is not received twice.

    It is remembered beside the files, because whoever works on them may have moved them away.
    """

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._path = folder / JOURNAL
        lines = self._path.read_text("utf-8").splitlines() if self._path.exists() else []
        if len(lines) > 2 * REMEMBERED:
            self._rewrite(lines := lines[-REMEMBERED:])
        self._known = dict(line.split("\t", 1) for line in lines if "\t" in line)

    def _rewrite(self, lines: list[str]) -> None:
        landing = Landing(self._path)
        landing.file.write("".join(f"{line}\n" for line in lines).encode())
        landing.finish()

    def get(self, key: str) -> str | None:
        """The name of the file that was received under a key."""
        return self._known.get(key)

    def add(self, key: str, name: str) -> None:
        """Remember a key, for good."""
        with self._path.open("ab") as file:
            # A line that was cut off must not swallow this one.
            file.write(f"\n{key}\t{name}\n".encode() if file.tell() else f"{key}\t{name}\n".encode())
            file.flush()
            os.fsync(file.fileno())
        self._known[key] = name


def landed(target: Path, source: IO[bytes]) -> int:
    """Write a file out of another; its size in bytes."""
    landing = Landing(target)
    try:
        shutil.copyfileobj(source, landing.file, CHUNK)
        return landing.finish()
    finally:
        landing.abandon()
