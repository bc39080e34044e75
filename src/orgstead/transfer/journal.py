"""What an import has got through, in a file beside its source: whoever is interrupted goes on, and doubles nothing."""

import hashlib
import os
from pathlib import Path

import msgspec

from orgstead.client import ConfigurationError, Position

__all__ = ["Journal", "fingerprint"]

PIECE = 1024 * 1024


class _Kept(msgspec.Struct):
    """What is in the file; the first two are those of a position."""

    seed: str
    done: int
    about: str = ""
    finished: bool = False
    rejected: int = 0


def fingerprint(path: Path, *settings: object) -> str:
    """What an import is about: the bytes of its file, and what was said of it."""
    made = hashlib.sha256(msgspec.json.encode([str(each) for each in settings]))
    with path.open("rb") as file:
        while piece := file.read(PIECE):
            made.update(piece)
    return made.hexdigest()


class Journal(Position):
    """A position that knows what it is of. Raises ConfigurationError for a file that is none."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self.about = ""
        self.finished = False
        self.rejected = 0
        if self.resumed:
            try:
                kept = msgspec.json.decode(path.read_bytes(), type=_Kept)
            except msgspec.DecodeError:
                raise ConfigurationError(f"{path} is no state of an import") from None
            self.about, self.finished, self.rejected = kept.about, kept.finished, kept.rejected

    def save(self, done: int) -> None:
        """Note how many rows from the first on are through; the file is replaced as a whole, and on the disk."""
        self.done = done
        kept = _Kept(
            seed=self.seed,
            done=done,
            about=self.about,
            finished=self.finished,
            rejected=self.rejected,
        )
        part = self.path.with_name(f"{self.path.name}.{os.getpid()}")
        with part.open("wb") as file:
            file.write(msgspec.json.encode(kept))
            file.flush()
            os.fsync(file.fileno())
        part.replace(self.path)

    def finish(self, rejected: int) -> None:
        """Note that all is through."""
        self.finished, self.rejected = True, rejected
        self.save(self.done)
