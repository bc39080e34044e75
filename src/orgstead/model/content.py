"""The content of a file as a value: what it is called, and how to get at its bytes."""

import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

__all__ = ["Content", "ContentReader", "Piece", "Pieces"]


class Pieces(Protocol):
    """Where pieces of content lie."""

    def get(self, key: str, start: int, length: int) -> bytes:
        """``length`` bytes of a piece from ``start``, fewer at its end."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Piece:
    """A stretch of a file: where it lies, its first byte's place in the file, its length, and its name in an upload."""

    key: str
    start: int
    length: int
    block: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Content:
    """A file that can be read. Its bytes are fetched when they are wanted, outside of any transaction."""

    id: str
    name: str
    mime: str
    size: int
    pieces: Sequence[Piece]
    source: Pieces

    def read(self, start: int, length: int) -> bytes:
        """Some bytes, fewer at the end."""
        return b"".join(self.chunks(start, start + length))

    def chunks(self, start: int, end: int) -> Iterator[bytes]:
        """The bytes from ``start`` up to ``end``, a piece at a time."""
        for piece in self.pieces:
            first, last = max(start, piece.start), min(end, piece.start + piece.length)
            if first < last:
                yield self.source.get(piece.key, first - piece.start, last - first)


class ContentReader(io.RawIOBase):
    """A file as what the standard library reads from, at any place and without a transaction."""

    def __init__(self, content: Content) -> None:
        super().__init__()
        self._content = content
        self._place = 0

    def readable(self) -> bool:
        """It is."""
        return True

    def seekable(self) -> bool:
        """It is."""
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Go to a place; the new one."""
        start = {io.SEEK_SET: 0, io.SEEK_CUR: self._place, io.SEEK_END: self._content.size}[whence]
        self._place = max(0, start + offset)
        return self._place

    def tell(self) -> int:
        """The place."""
        return self._place

    def readinto(self, buffer: Any) -> int:
        """Fill a buffer with the next bytes; how many there were."""
        data = self._content.read(self._place, len(buffer))
        buffer[: len(data)] = data
        self._place += len(data)
        return len(data)
