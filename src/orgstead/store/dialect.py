"""What differs between databases, in one place each.

SQLite folds ASCII letters by its NOCASE collation; where more is needed the registered function
``casefold`` is written into the text.
"""

from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import Any

from orgstead.model.plan import Agg, Operand
from orgstead.model.schema import Column
from orgstead.store.forms import Convert, decoder, encoder, json_array, places

__all__ = ["Dialect", "SQLite"]


class Dialect:
    """The text and the conversions of one database; the base has what they share."""

    placeholder = "?"
    ascending = "ASC"
    descending = "DESC"
    table_suffix = ""
    name_type = "TEXT"

    def encoder(self, column: Column | None) -> Convert | None:
        """Canonical value to the database's form."""
        raise NotImplementedError

    def decoder(self, column: Column | None, of: Operand) -> Convert | None:
        """The database's form to a canonical value."""
        raise NotImplementedError

    def many(self, column: Column | None, encode: Convert | None) -> Convert:
        """Values to the form of one array-like parameter."""
        raise NotImplementedError

    def folded(self, text: str) -> str:
        """Text folded beyond ASCII."""
        raise NotImplementedError

    def like(self, text: str, pattern: str, *, wide: bool, classes: bool) -> str:
        """A case-insensitive LIKE with a backslash as escape character."""
        raise NotImplementedError

    def member(self, text: str, values: str, column: Column | None, fold: bool) -> str:
        """Whether the operand is one of the values of a ``many`` parameter."""
        raise NotImplementedError

    def holds(self, text: str, values: str) -> str:
        """Whether a multi-select choice has one of the values."""
        raise NotImplementedError

    def average(self, text: str, of: Operand) -> str:
        """The mean, in a form that ``decoder`` makes exact."""
        raise NotImplementedError

    def shifted(self, text: str, minutes: str) -> str:
        """An instant moved by minutes."""
        raise NotImplementedError

    def date_part(self, text: str, part: str, first_month: int) -> str:
        """A part of a date as a whole number."""
        raise NotImplementedError

    def typed_root(self, root: str) -> str:
        """The parameter that a recursion starts from."""
        return root

    def column_type(self, column: Column) -> str:
        """The type and collation of a column in DDL."""
        raise NotImplementedError

    def rescale(self, table: str, column: str, places: int) -> Sequence[str]:
        """What moves the values of a decimal column to another number of places."""
        raise NotImplementedError


class SQLite(Dialect):
    """SQLite 3.51 and later."""

    table_suffix = " WITHOUT ROWID"

    def encoder(self, column: Column | None) -> Convert | None:
        return encoder(column)

    def decoder(self, column: Column | None, of: Operand) -> Convert | None:
        if not isinstance(of, Agg):
            return decoder(column)
        if of.function == "avg":
            return _mean(column)
        return None if of.function.startswith("count") else decoder(column)

    def many(self, column: Column | None, encode: Convert | None) -> Convert:
        if encode is None:
            return json_array
        return lambda values: json_array([encode(value) for value in values])

    def folded(self, text: str) -> str:
        return f"casefold({text})"

    def like(self, text: str, pattern: str, *, wide: bool, classes: bool) -> str:
        if classes:
            return f"like_classes({text}, {pattern})"
        if wide:
            text, pattern = f"casefold({text})", f"casefold({pattern})"
        return f"{text} LIKE {pattern} ESCAPE '\\'"

    def member(self, text: str, values: str, column: Column | None, fold: bool) -> str:
        return f"{text} IN (SELECT {'casefold(value)' if fold else 'value'} FROM json_each({values}))"

    def holds(self, text: str, values: str) -> str:
        return f"EXISTS (SELECT 1 FROM json_each({values}) AS v WHERE instr({text}, ';' || v.value || ';'))"

    def average(self, text: str, of: Operand) -> str:
        return f"sum({text}) || '/' || count({text})"

    def shifted(self, text: str, minutes: str) -> str:
        return f"strftime('%Y-%m-%dT%H:%M:%SZ', {text}, {minutes} || ' minutes')"

    def date_part(self, text: str, part: str, first_month: int) -> str:
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
                return f"((({month} + {12 - first_month}) % 12) / 3 + 1)"
            case "fiscal-year":
                return f"({year} - ({month} < {first_month}))"
            case _:
                return year

    def rescale(self, table: str, column: str, places: int) -> Sequence[str]:
        factor = 10 ** abs(places)
        change = f"{column} * {factor}" if places > 0 else f"CAST(round({column} * 1.0 / {factor}) AS INTEGER)"
        return [f"UPDATE {table} SET {column} = {change} WHERE {column} IS NOT NULL"]

    def column_type(self, column: Column) -> str:
        match column.type:
            case "string" | "memo":
                return "TEXT COLLATE NOCASE"
            case "integer" | "bigint" | "boolean" | "managedproperty" | "choice" | "state" | "status" | "decimal" | "money":
                return "INTEGER"
            case "double":
                return "REAL"
            case "image":
                return "BLOB"
            case _:
                return "TEXT"


def _mean(column: Column | None) -> Callable[[Any], Any]:
    def mean(value: str) -> Any:
        total, _, count = value.partition("/")
        if column is not None and column.type == "double":
            return float(total) / int(count)
        average = Decimal(total) / int(count)
        if column is not None and column.type in ("money", "decimal"):
            scaled = average.scaleb(-places(column))
            return scaled.quantize(Decimal(1).scaleb(-max(places(column), 4)))
        return average.quantize(Decimal("0.0000000001")).normalize() + 0

    return mean
