"""LIKE patterns with character classes (``[a-c]``, ``[^x]``), for which no database's own LIKE will do.

A pattern is taken apart once and written as a regular expression: Python's for SQLite, PostgreSQL's for itself. Both
take time proportional to text times pattern whatever the pattern is, since a stranger chooses it.
https://learn.microsoft.com/power-apps/developer/data-platform/wildcard-characters
"""

import re
from collections.abc import Iterator
from functools import lru_cache

from orgstead.errors import fault

__all__ = ["bounded", "postgres_pattern", "python_pattern"]

# What a text column holds, which is also what LIKE takes on SQL Server (8,000 bytes), with a wildcard at each end.
# https://learn.microsoft.com/sql/t-sql/language-elements/like-transact-sql
MAX_PATTERN = 4_000

_CLASS = re.compile(r"\[(\^?)((?:\\.|[^\]\\])+)\]", re.DOTALL)
_NOTHING = "(?!)"


def bounded(pattern: str) -> str:
    """The pattern. Raises QueryTooComplex when it is too long: matching takes time proportional to its length."""
    # The engine has written each backslash twice.
    if len(pattern) > MAX_PATTERN + 2 and len(pattern.replace("\\\\", "\\")) > MAX_PATTERN + 2:
        raise fault("QueryTooComplex", limit=f"{MAX_PATTERN:,} characters in a pattern")
    return pattern


def _tokens(pattern: str) -> Iterator[tuple[str, str]]:
    """Kind and text of each part: ``any`` (a run), ``one``, ``text`` (one character), ``class`` and ``others``."""
    place = 0
    while place < len(pattern):
        character = pattern[place]
        found = _CLASS.match(pattern, place)
        if character == "\\" and place + 1 < len(pattern):
            yield "text", pattern[place + 1]
            place += 2
        elif found is not None:
            yield "others" if found[1] else "class", re.sub(r"\\(.)", r"\1", found[2], flags=re.DOTALL)
            place = found.end()
        else:
            yield {"%": "any", "_": "one"}.get(character, "text"), character
            place += 1


def _members(text: str) -> Iterator[tuple[str, str]]:
    """The ranges of a class, a single character as a range of one. A range that runs backwards holds nothing."""
    place = 0
    while place < len(text):
        if text[place + 1 : place + 2] == "-" and place + 2 < len(text):
            if text[place] <= text[place + 2]:
                yield text[place], text[place + 2]
            place += 3
        else:
            yield text[place], text[place]
            place += 1


def _literal(character: str) -> str:
    # Both dialects read a backslash before ASCII punctuation as that character.
    plain = not character.isascii() or character.isalnum() or not character.isprintable()
    return character if plain else f"\\{character}"


def _class(kind: str, text: str) -> str:
    inside = "".join(
        _literal(low) if low == high else f"{_literal(low)}-{_literal(high)}" for low, high in _members(text)
    )
    if not inside:
        return "." if kind == "others" else _NOTHING
    return f"[{'^' if kind == 'others' else ''}{inside}]"


def _one(kind: str, text: str) -> str:
    """A part that matches exactly one character."""
    if kind == "one":
        return "."
    return _literal(text) if kind == "text" else _class(kind, text)


@lru_cache(maxsize=256)
def python_pattern(pattern: str) -> re.Pattern[str]:
    """For ``fullmatch``. Between two runs the first match is always good enough: no way back, no explosion."""
    segments: list[list[str]] = [[]]
    for kind, text in _tokens(pattern):
        if kind == "any":
            segments.append([])
        else:
            segments[-1].append(_one(kind, text))
    first, *rest = ["".join(segment) for segment in segments]
    middle = "".join(f"(?>.*?{segment})" for segment in rest[:-1] if segment)
    last = f".*{rest[-1]}" if rest else ""
    return re.compile(f"{first}{middle}{last}", re.IGNORECASE | re.DOTALL)


@lru_cache(maxsize=256)
def postgres_pattern(pattern: str) -> str:
    """For ``~*``."""
    parts = (".*" if kind == "any" else _one(kind, text) for kind, text in _tokens(pattern))
    return f"^(?:{''.join(parts)})$"
