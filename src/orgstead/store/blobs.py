"""Where the content of files lies: a directory, or memory.

A piece of content is written once under its key and never changed, so that whoever reads needs no lock.
"""

import os
from collections.abc import Iterator
from pathlib import Path

from orgstead.errors import fault

__all__ = ["DirectoryBlobs", "MemoryBlobs"]

UNFINISHED = ".part"


class DirectoryBlobs:
    """Pieces as files of a directory that several processes may share."""

    def __init__(self, directory: Path) -> None:
        self._root = directory

    def put(self, key: str, data: bytes) -> None:
        """Write a piece; it is there, whole, or not at all, and survives a loss of power."""
        path = self._path(key)
        unfinished = path.with_suffix(UNFINISHED)
        try:
            path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            with unfinished.open("wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            unfinished.rename(path)
            _settle(path.parent)
        except OSError as error:
            unfinished.unlink(missing_ok=True)
            raise fault(
                "StoreFailure", hint=f"A piece of a file cannot be written: {error.strerror}."
            ) from error

    def get(self, key: str, start: int, length: int) -> bytes:
        """``length`` bytes of a piece from ``start``; raises StoreFailure when it is not there."""
        try:
            with self._path(key).open("rb") as file:
                file.seek(start)
                return file.read(length)
        except OSError as error:
            raise fault(
                "StoreFailure", hint=f"A piece of a file cannot be read: {error.strerror}."
            ) from error

    def delete(self, key: str) -> None:
        """Remove a piece, if it is there."""
        path = self._path(key)
        for each in (path, path.with_suffix(UNFINISHED)):
            each.unlink(missing_ok=True)

    def older(self, than: float) -> Iterator[str]:
        """Keys of the pieces that were written before a time, in seconds since 1970."""
        for path in self._root.glob("??/*"):
            try:
                if path.stat().st_mtime < than:
                    yield path.stem
            except FileNotFoundError:
                continue

    def _path(self, key: str) -> Path:
        # The last digits of an id are random, the first ones are a time.
        return self._root / key[-2:] / key


def _settle(directory: Path) -> None:
    """Make a renamed file's new name last."""
    handle = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


class MemoryBlobs:
    """Pieces of an organisation that leaves nothing behind."""

    def __init__(self) -> None:
        self._pieces: dict[str, bytes] = {}

    def put(self, key: str, data: bytes) -> None:
        """Keep a piece."""
        self._pieces[key] = data

    def get(self, key: str, start: int, length: int) -> bytes:
        """``length`` bytes of a piece from ``start``; raises StoreFailure when it is not there."""
        piece = self._pieces.get(key)
        if piece is None:
            raise fault("StoreFailure", hint="A piece of a file is not there.")
        return piece[start : start + length]

    def delete(self, key: str) -> None:
        """Remove a piece, if it is there."""
        self._pieces.pop(key, None)

    def older(self, than: float) -> Iterator[str]:
        """Nothing: what is kept here ends with the process."""
        return iter(())
