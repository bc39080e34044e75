"""The content of a file as a value: what it is called, and how to get at its bytes."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

__all__ = ["Content", "Piece", "Pieces"]


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
