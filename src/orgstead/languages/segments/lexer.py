"""Segment queries to tokens."""

import re
from dataclasses import dataclass
from typing import Literal

from orgstead.errors import Fault, fault

__all__ = ["MAX_LENGTH", "Token", "tokens", "wrong"]

# What the column that keeps a query takes.
MAX_LENGTH = 100_000

Kind = Literal["name", "text", "number", "symbol", "end"]

_TOKEN = re.compile(
    r"""\s*(?:
        (?P<name>[A-Za-z_][A-Za-z0-9_]*)
      | (?P<number>\d+(?:\.\d+)?)
      | (?P<text>'(?:[^']|'')*')
      | (?P<symbol>==|!=|>=|<=|&&|\|\||[><().,+\-*/!])
    )""",
    re.VERBOSE | re.ASCII,
)


@dataclass(frozen=True, slots=True)
class Token:
    """A piece of a query and the place where it stands. The text of a ``text`` is without its quotes."""

    kind: Kind
    text: str
    at: int

    def says(self, word: str) -> bool:
        """Whether it is this word, in any letter case, or this symbol."""
        return self.kind in ("name", "symbol") and self.text.upper() == word


def wrong(at: int, reason: str) -> Fault:
    """The fault of a query that cannot be read, with the place (from 1) where."""
    return fault("InvalidSegmentQuery", at=at + 1, reason=reason)


def tokens(text: str) -> list[Token]:
    """The tokens of a query, an ``end`` last; raises InvalidSegmentQuery."""
    if len(text) > MAX_LENGTH:
        raise wrong(MAX_LENGTH, f"a query has at most {MAX_LENGTH:,} characters")
    found: list[Token] = []
    place, length = 0, len(text.rstrip())
    while place < length:
        match = _TOKEN.match(text, place)
        if match is None:
            at = place + len(text[place:]) - len(text[place:].lstrip())
            raise wrong(at, f"{text[at : at + 20]!r} was not expected")
        kind: Kind = match.lastgroup  # type: ignore[assignment]
        value = match[kind]
        at = match.start(kind)
        if kind == "text":
            value = value[1:-1].replace("''", "'")
        found.append(Token(kind, value, at))
        place = match.end()
    found.append(Token("end", "", length))
    return found
