"""Rows as an aligned table: the first rows settle the widths, the rest follows as it comes."""

import re
import shutil
import sys
import unicodedata
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from decimal import Decimal
from itertools import chain, islice
from typing import Any

import click

__all__ = ["Amount", "lines", "one_line", "pairs", "settled", "write_table"]

# So many rows settle the widths of the columns, and which columns there are.
SETTLE = 200
WIDEST = 60
NARROWEST = 8
_ID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")

Row = Mapping[str, Any]


def settled(
    rows: Iterator[Row], columns: Sequence[str] | None
) -> tuple[Sequence[str], Iterator[Row], list[Row]]:
    """The columns, all rows, and those of them that settled it.

    Without ``columns`` they are those of the first rows; a later row with another one raises ClickException.
    """
    first = list(islice(rows, SETTLE))
    if columns is not None:
        return columns, chain(first, rows), first
    found = list(dict.fromkeys(chain.from_iterable(first)))
    return found, chain(first, _same(rows, frozenset(found))), first


def _same(rows: Iterator[Row], known: frozenset[str]) -> Iterator[Row]:
    for row in rows:
        if not row.keys() <= known:
            strange = next(each for each in row if each not in known)
            raise click.ClickException(
                f"A later row has the column {strange!r}, too: name the columns that you want, or ask for --jsonl."
            )
        yield row


def write_table(rows: Iterator[Row], columns: Sequence[str] | None, text: Callable[[Any], str]) -> None:
    """Print rows; ``text`` makes the text of a value."""
    head, every, first = settled(rows, columns)
    if not first:
        return
    right = frozenset(name for name in head if all(_is_number(row.get(name)) for row in first))
    shown = [[one_line(text(row.get(name))) for name in head] for row in first]
    widths = [max(_width(name), *(_width(row[place]) for row in shown)) for place, name in enumerate(head)]
    narrow = sys.stdout.isatty()
    if narrow:
        least = [
            max([min(NARROWEST, width), *(_width(text) for text in texts if name in right or _is_id(text))])
            for name, width, texts in zip(head, widths, zip(*shown, strict=True), strict=True)
        ]
        widths = _fitted(widths, shutil.get_terminal_size().columns, least)
    write = sys.stdout.write
    write(_joined(head, head, widths, right, narrow))
    write("  ".join("-" * width for width in widths) + "\n")
    for row in every:
        write(_joined([one_line(text(row.get(name))) for name in head], head, widths, right, narrow))


class Amount(str):
    """A number as people read it."""

    __slots__ = ()


def _is_number(value: Any) -> bool:
    return value is None or (
        isinstance(value, int | float | Decimal | Amount) and not isinstance(value, bool)
    )


def _is_id(text: str) -> bool:
    return not text or _ID.fullmatch(text) is not None


def one_line(text: str) -> str:
    """A text in one line, without what steers a terminal."""
    if text.isprintable():
        return text
    return "".join(
        each if each.isprintable() else " " if each.isspace() else "\N{REPLACEMENT CHARACTER}"
        for each in text
    )


def lines(text: str) -> str:
    """A text in its lines, without what steers a terminal."""
    return "\n".join(map(one_line, text.split("\n")))


def _width(text: str) -> int:
    """How many columns of a terminal a text takes."""
    if text.isascii():
        return len(text)
    return sum(
        0 if unicodedata.combining(each) else 2 if unicodedata.east_asian_width(each) in "WF" else 1
        for each in text
    )


def _fitted(widths: Sequence[int], room: int, least: Sequence[int]) -> list[int]:
    """Narrower columns where a terminal is too narrow: the widest give first, none below its least width.

    Half an id is none, and half a number is another one: such columns do not fit, rather than lie.
    """
    made = [max(min(width, WIDEST, room // 2), few) for width, few in zip(widths, least, strict=True)]
    while sum(made) + 2 * (len(made) - 1) > room:
        giving = [place for place in range(len(made)) if made[place] > least[place]]
        if not giving:
            break
        made[max(giving, key=lambda place: made[place])] -= 1
    return made


def _joined(
    row: Sequence[str], head: Sequence[str], widths: Sequence[int], right: frozenset[str], narrow: bool
) -> str:
    parts = []
    for name, text, width in zip(head, row, widths, strict=True):
        shown = _cut(text, width) if narrow and _width(text) > width else text
        space = " " * (width - _width(shown))
        parts.append(space + shown if name in right else shown + space)
    return "  ".join(parts).rstrip() + "\n"


def _cut(text: str, width: int) -> str:
    while text and _width(text) > width - 1:
        text = text[:-1]
    return f"{text}…"


def pairs(items: Iterable[tuple[str, str]], always: frozenset[str] = frozenset()) -> str:
    """Names and values, one pair to a line; without those that have none, but for ``always``."""
    held = [(name, value) for name, value in items if value or name in always]
    width = max((len(name) for name, _ in held), default=0)
    return "\n".join(f"{name:<{width}}  {one_line(value)}".rstrip() for name, value in held)
