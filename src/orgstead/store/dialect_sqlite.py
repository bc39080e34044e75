"""SQLite 3.51 and later.

Money is a whole number of ten-thousandths and a decimal a whole number in its column's last place: SQLite has no
exact decimals. Its NOCASE collation folds ASCII letters; where more is needed the registered function ``casefold``
is written into the text, which is slower, so only when a value has letters beyond ASCII.
"""

import json
import math
from collections.abc import Sequence
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal
from typing import Any

from orgstead.errors import fault
from orgstead.model.plan import Agg, Comparison, Operand
from orgstead.model.schema import Column
from orgstead.store.dialect import Dialect
from orgstead.store.forms import TEXT, WHOLE, WIDE, Convert, mean, places, read_choices, tame, write_choices

__all__ = ["EXACT", "NOWHERE", "SQLite", "last_places"]

INT64 = 2**63
EXACT = frozenset({"money", "decimal"})
# What makes a literal between two whole numbers one of them, with the same result of the comparison.
ROUNDING = {"gt": ROUND_FLOOR, "le": ROUND_FLOOR, "ge": ROUND_CEILING, "lt": ROUND_CEILING}
# Equal to no whole number.
NOWHERE = 0.5


class SQLite(Dialect):
    """The text and the conversions of SQLite."""

    table_suffix = " WITHOUT ROWID"

    def wide(self, params: Sequence[Any]) -> bool:
        """Whether a text has letters beyond ASCII."""
        for value in params:
            if isinstance(value, str):
                if not value.isascii():
                    return True
            elif isinstance(value, tuple) and any(
                isinstance(item, str) and not item.isascii() for item in value
            ):
                return True
        return False

    def wide_keys(self, params: Sequence[Any]) -> bool:
        """Never: NOCASE, the collation of the indexes, folds ASCII alone."""
        return False

    # -- values --------------------------------------------------------------------------------------------------
    def writer(self, column: Column) -> Convert | None:
        match column.type:
            case "money" | "decimal":
                return _kept(column)
            case "boolean" | "managedproperty":
                return int
            case "multichoice":
                return write_choices
            case "double":
                return float
            case "string" | "memo" | "entityname":
                return _text
        return None

    def encoder(self, column: Column | None, op: Comparison = "eq") -> Convert | None:
        if column is None:
            return _loose
        if column.type in EXACT or column.type in WHOLE:
            return _compared(column, op)
        if column.type == "double":
            return _real
        return self.writer(column)

    def decoder(self, column: Column | None, of: Operand) -> Convert | None:
        if isinstance(of, Agg):
            if of.function.startswith("count"):
                return None
            if of.function == "avg":
                return mean(column, places(column) if column is not None and column.type in EXACT else 0)
        if column is None:
            return None
        match column.type:
            case "money" | "decimal":
                # Multiplying by one unit of the last place keeps all places and is the fastest exact way.
                return Decimal(1).scaleb(-places(column)).__mul__
            case "boolean" | "managedproperty":
                return bool
            case "multichoice":
                return read_choices
        return None

    def many(self, column: Column | None) -> Convert:
        encode = self.encoder(column)
        if encode is None:
            return lambda values: json.dumps(list(values), ensure_ascii=False)
        return lambda values: json.dumps([encode(value) for value in values], ensure_ascii=False)

    def like_encoder(self, *, classes: bool) -> Convert:
        return _text

    # -- text ----------------------------------------------------------------------------------------------------
    def placeholder(self, number: int) -> str:
        return f"?{number}"

    def aligned(self, left: str, a: Column, right: str, b: Column) -> tuple[str, str]:
        if a.type == "datetime" and a.date_only != b.date_only:
            midnight = " || 'T00:00:00Z'"
            return (
                f"({left}{midnight})" if a.date_only else left,
                f"({right}{midnight})" if b.date_only else right,
            )
        if "entityname" in (a.type, b.type) and a.type != b.type:
            return f"{left} COLLATE NOCASE", right
        scale, other = (places(c) if c.type in EXACT else 0 for c in (a, b))
        if scale < other:
            return f"({left} * {10 ** (other - scale)})", right
        return left, f"({right} * {10 ** (scale - other)})" if other < scale else right

    def folded(self, text: str) -> str:
        return f"casefold({text})"

    def like(self, text: str, pattern: str, *, wide: bool, classes: bool) -> str:
        if classes:
            return f"like_classes({text}, {pattern})"
        if wide:
            text, pattern = f"casefold({text})", f"casefold({pattern})"
        return f"{text} LIKE {pattern} ESCAPE '\\'"

    def member(self, text: str, values: str, *, fold: bool) -> str:
        return f"{text} IN (SELECT {'casefold(value)' if fold else 'value'} FROM json_each({values}))"

    def holds(self, text: str, values: str) -> str:
        return f"EXISTS (SELECT 1 FROM json_each({values}) AS v WHERE instr({text}, ';' || v.value || ';'))"

    def average(self, text: str, column: Column | None) -> str:
        return f"sum({text}) || '/' || count({text})"

    def mean(self, text: str, column: Column | None) -> str:
        if column is not None and column.type in EXACT:
            return f"(avg({text}) / {10 ** places(column)})"
        return f"avg({text})"

    def shifted(self, text: str, minutes: str) -> str:
        # Null past the year 9999: local time then stops where UTC does.
        return f"coalesce(strftime('%Y-%m-%dT%H:%M:%SZ', {text}, {minutes} || ' minutes'), {text})"

    def date_part(self, text: str, part: str, first_month: int, months: int) -> str:
        month, year = f"CAST(strftime('%m', {text}) AS INTEGER)", f"CAST(strftime('%Y', {text}) AS INTEGER)"
        match part:
            case "day":
                return f"CAST(strftime('%d', {text}) AS INTEGER)"
            case "week":
                # Week 1 holds the first of January; weeks start on Sunday.
                return f"((strftime('%j', {text}) - 1 + strftime('%w', {text}, 'start of year')) / 7 + 1)"
            case "month":
                return month
            case "quarter":
                return f"(({month} + 2) / 3)"
            case "fiscal-period":
                return f"((({month} + {12 - first_month}) % 12) / {months} + 1)"
            case "fiscal-year":
                return f"({year} - ({month} < {first_month}))"
            case _:
                return year

    # -- tables --------------------------------------------------------------------------------------------------
    def column_type(self, column: Column) -> str:
        if column.type in TEXT:
            return "TEXT COLLATE NOCASE"
        if column.type in WHOLE or column.type in ("boolean", "managedproperty", "decimal", "money"):
            return "INTEGER"
        return {"double": "REAL", "image": "BLOB"}.get(column.type, "TEXT")

    def rescale(self, table: str, column: str, before: Column, after: Column) -> Sequence[str]:
        shift = places(after) - places(before)
        factor = 10 ** abs(shift)
        # Whole numbers throughout: a detour through a float would lose the last places of large values.
        rest, half = f"{column} % {factor}", factor // 2
        up = f"CASE WHEN {rest} >= {half} THEN 1 WHEN {rest} <= -{half} THEN -1 ELSE 0 END"
        change = f"{column} * {factor}" if shift > 0 else f"{column} / {factor} + {up}"
        return [f"UPDATE {table} SET {column} = {change} WHERE {column} IS NOT NULL"]

    def rescale_guard(self, table: str, column: str, before: Column, after: Column) -> str | None:
        shift = places(after) - places(before)
        if shift <= 0:
            return None
        most = (INT64 - 1) // 10**shift
        return f"SELECT 1 FROM {table} WHERE {column} > {most} OR {column} < -{most} LIMIT 1"

    def redate(self, table: str, column: str, after: Column) -> Sequence[str]:
        change = f"substr({column}, 1, 10)" if after.date_only else f"{column} || 'T00:00:00Z'"
        return [f"UPDATE {table} SET {column} = {change} WHERE {column} IS NOT NULL"]


def _text(value: str) -> str:
    if "\x00" in value:
        raise fault("InvalidArgument", message="A text with a null character matches nothing.")
    return value


def _kept(column: Column) -> Convert:
    factor = Decimal(1).scaleb(places(column))

    def keep(value: Any) -> int:
        number = Decimal(repr(value)) if isinstance(value, float) else Decimal(value)
        whole = int(number * factor)
        if not -INT64 <= whole < INT64:
            raise fault("DecimalOutOfRange", column=column.name)
        return whole

    return keep


def last_places(number: Decimal, column: Column, op: Comparison) -> int | None:
    """A literal in units of a column's last place, for which the comparison holds where it holds for the literal.

    None when it would have to be equal and lies between two of them.
    """
    units = number.scaleb(places(column) if column.type in EXACT else 0, WIDE)
    whole = units.to_integral_value(ROUNDING.get(op))
    return int(whole) if op in ROUNDING or whole == units else None


def _compared(column: Column, op: Comparison) -> Convert:
    whole = column.type in WHOLE

    def compare(value: Any) -> Any:
        if whole and value.__class__ is int and -INT64 <= value < INT64:
            return value
        number = tame(value)
        if number is None:
            return None
        units = last_places(number, column, op)
        if units is None:
            return NOWHERE
        # Beyond all that a column holds.
        return units if -INT64 <= units < INT64 else math.copysign(math.inf, units)

    return compare


def _real(value: Any) -> float | None:
    number = tame(value)
    return None if number is None else float(number)


def _loose(value: Any) -> Any:
    """A number in a form that SQLite takes whatever its size; anything else as it is."""
    if isinstance(value, bool):
        return int(value)
    if isinstance(value, int):
        return value if -INT64 <= value < INT64 else _real(value)
    if isinstance(value, Decimal):
        number = tame(value)
        if number is None or number != number.to_integral_value():
            return _real(value)
        return _loose(int(number))
    if isinstance(value, str):
        return _text(value)
    return _real(value) if isinstance(value, float) else value
