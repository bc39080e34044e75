"""Sums beyond 64 bits on SQLite, whose own ``sum`` refuses them.

A question is asked in this way only when it has failed in the usual one, which is faster. The upper and the lower half
of each value are added up on their own. What comes out is a text of digits that sorts and compares as the number does.
"""

from typing import Any

from orgstead.model.plan import Agg, Comparison, Operand
from orgstead.model.schema import Column
from orgstead.store.dialect_sqlite import EXACT, NOWHERE, SQLite, last_places
from orgstead.store.forms import WHOLE, Convert, tame

__all__ = ["LargerSums"]

HALF = 32
MASK = 2**HALF - 1
# Makes the upper half positive, and 19 digits long whatever is added up; the lower one has 10.
BIAS = 2**62
UPPER, LOWER = 19, 10
DIGITS = UPPER + LOWER
# No sum of a table is beyond these.
LARGEST = 2**92


class LargerSums(SQLite):
    """The dialect of SQLite with other sums of whole numbers, money and decimals."""

    def total(self, text: str, column: Column | None) -> str:
        if not _exact(column):
            return super().total(text, column)
        low = f"sum({text} & {MASK})"
        high = f"sum({text} >> {HALF}) + ({low} >> {HALF}) + {BIAS}"
        digits = f"printf('%0{UPPER}d%0{LOWER}d', {high}, {low} & {MASK})"
        return f"CASE WHEN count({text}) THEN {digits} END"

    def total_encoder(self, column: Column | None, op: Comparison) -> Convert | None:
        if column is None or not _exact(column):
            return super().total_encoder(column, op)

        def encode(value: Any) -> Any:
            number = tame(value)
            if number is None:
                return None
            units = last_places(number, column, op)
            return NOWHERE if units is None else _digits(max(-LARGEST, min(units, LARGEST)))

        return encode

    def average(self, text: str, column: Column | None) -> str:
        return f"{self.total(text, column)} || '/' || count({text})"

    def decoder(self, column: Column | None, of: Operand) -> Convert | None:
        usual = super().decoder(column, of)
        if not isinstance(of, Agg) or of.function not in ("sum", "avg") or not _exact(column):
            return usual
        convert = usual or int
        if of.function == "sum":
            return lambda digits: convert(_number(digits))
        return lambda text: convert(f"{_number(text[:DIGITS])}{text[DIGITS:]}")


def _exact(column: Column | None) -> bool:
    return column is not None and (column.type in EXACT or column.type in WHOLE)


def _digits(number: int) -> str:
    return f"{(number >> HALF) + BIAS:0{UPPER}d}{number & MASK:0{LOWER}d}"


def _number(digits: str) -> int:
    return (int(digits[:UPPER]) - BIAS << HALF) + int(digits[UPPER:])
