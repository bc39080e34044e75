"""Where a bulk operation has got to, kept in a file, so that another process can go on."""

import os
import secrets
from pathlib import Path

import msgspec

from orgstead.client.errors import ConfigurationError

__all__ = ["Position", "row_id"]


class _Kept(msgspec.Struct):
    """What is in the file."""

    seed: str
    done: int


class Position:
    """A saved position: the rows from the first on that are written or refused, and what ids of new rows are made of.

    Give the same file and the same rows again to go on after an interruption: what was under way then is sent once more
    with the same ids, so that nothing is doubled. Raises ConfigurationError for a file that is none.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self.resumed = self.path.exists()
        kept = _Kept(seed=secrets.token_hex(10), done=0)
        if self.resumed:
            try:
                kept = msgspec.json.decode(self.path.read_bytes(), type=_Kept)
                bytes.fromhex(kept.seed)
            except (msgspec.DecodeError, ValueError):
                raise ConfigurationError(f"{self.path} is no position of a bulk operation") from None
        self.seed = kept.seed
        self.done = kept.done

    def save(self, done: int) -> None:
        """Note how many rows from the first on are through; the file is replaced as a whole."""
        self.done = done
        part = self.path.with_name(f"{self.path.name}.{os.getpid()}")
        part.write_bytes(msgspec.json.encode(_Kept(seed=self.seed, done=done)))
        part.replace(self.path)

    def clear(self) -> None:
        """Remove the file."""
        self.path.unlink(missing_ok=True)


def row_id(seed: str, index: int) -> str:
    """The id of a new row by its place, in the form for own uses (RFC 9562, 5.8): neighbours in an index."""
    value = int(seed, 16) << 48 | index & 0xFFFF_FFFF_FFFF
    value &= (1 << 128) - 1
    value = value & ~(0xF << 76) | 8 << 76
    value = value & ~(0x3 << 62) | 2 << 62
    text = f"{value:032x}"
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"
