"""What differs between databases, in one place each: ``dialect_sqlite`` and ``dialect_postgres``."""

from collections.abc import Sequence
from typing import Any

from orgstead.model.plan import Comparison, Operand
from orgstead.model.schema import Column
from orgstead.store.forms import Convert

__all__ = ["Dialect"]


class Dialect:
    """The text and the conversions of one database.

    A text has two variants, and ``wide`` tells which one the values of a plan ask for. Column None means that the
    value is no column's: a limit, a pattern, the name of a table.
    """

    table_suffix = ""
    name_type = "TEXT"
    # What is written behind the reading of a whole row in a transaction that is going to write it.
    lock = ""
    claim = ""

    def wide(self, params: Sequence[Any]) -> bool:
        """Whether these values need the second variant of a text."""
        raise NotImplementedError

    def wide_keys(self, params: Sequence[Any]) -> bool:
        """The same for values by which rows are found: these must compare as the indexes of keys do."""
        return self.wide(params)

    # -- values --------------------------------------------------------------------------------------------------
    def writer(self, column: Column) -> Convert | None:
        """Canonical value to what is kept; None when it is the same. Raises faults of range."""
        raise NotImplementedError

    def encoder(self, column: Column | None, op: Comparison = "eq") -> Convert | None:
        """Canonical value, or a literal of any size, to what stands on the right of this comparison."""
        raise NotImplementedError

    def total_encoder(self, column: Column | None, op: Comparison) -> Convert | None:
        """The same for what the sum of a column is compared with."""
        return self.encoder(column, op)

    def decoder(self, column: Column | None, of: Operand) -> Convert | None:
        """The database's form to a canonical value; None when it is the same."""
        raise NotImplementedError

    def many(self, column: Column | None) -> Convert:
        """Values to the form of one array-like parameter."""
        raise NotImplementedError

    def like_encoder(self, *, classes: bool) -> Convert:
        """What a pattern is made into."""
        raise NotImplementedError

    # -- text ----------------------------------------------------------------------------------------------------
    def placeholder(self, number: int) -> str:
        """The parameter of this number, counted from 1."""
        raise NotImplementedError

    def typed(self, placeholder: str, column: Column | None, *, many: bool, wide: bool) -> str:
        """The parameter with its type where the database wants to be told."""
        return placeholder

    def typed_number(self, placeholder: str) -> str:
        """A parameter compared with an aggregate or a part of a date."""
        return placeholder

    def either(self, parts: Sequence[str]) -> str:
        """Whether one of the conditions holds."""
        return f"({' OR '.join(parts)})"

    def order(self, text: str, *, descending: bool, nullable: bool) -> str:
        """A sort key; nulls are the smallest."""
        return f"{text} {'DESC' if descending else 'ASC'}"

    def aligned(self, left: str, a: Column, right: str, b: Column) -> tuple[str, str]:
        """Two columns of one kind in forms that compare."""
        return left, right

    def folded(self, text: str) -> str:
        """Text folded beyond ASCII."""
        return text

    def like(self, text: str, pattern: str, *, wide: bool, classes: bool) -> str:
        """A case-insensitive LIKE with a backslash as escape character."""
        raise NotImplementedError

    def member(self, text: str, values: str, *, fold: bool) -> str:
        """Whether the operand is one of the values of a ``many`` parameter."""
        raise NotImplementedError

    def holds(self, text: str, values: str) -> str:
        """Whether a multi-select choice has one of the values."""
        raise NotImplementedError

    def total(self, text: str, column: Column | None) -> str:
        """The sum."""
        return f"sum({text})"

    def average(self, text: str, column: Column | None) -> str:
        """The mean as ``sum/count``, which ``decoder`` makes exact."""
        raise NotImplementedError

    def mean(self, text: str, column: Column | None) -> str:
        """The mean as a number to sort and compare by."""
        return f"avg({text})"

    def extreme(self, function: str, text: str, column: Column | None) -> str:
        """``min`` or ``max``."""
        return f"{function}({text})"

    def shifted(self, text: str, minutes: str) -> str:
        """An instant moved by minutes, but not beyond the last one there is."""
        raise NotImplementedError

    def date_part(self, text: str, part: str, first_month: int, months: int) -> str:
        """A part of a date as a whole number."""
        raise NotImplementedError

    # -- tables --------------------------------------------------------------------------------------------------
    def column_type(self, column: Column) -> str:
        """The type and collation of a column in DDL."""
        raise NotImplementedError

    def index_key(self, text: str) -> str:
        """A column in an index that serves an order."""
        return text

    def indexable(self, column: Column) -> bool:
        """Whether an index takes every value of the column."""
        return True

    def rescale(self, table: str, column: str, before: Column, after: Column) -> Sequence[str]:
        """What moves the values of a decimal column to another number of places."""
        raise NotImplementedError

    def rescale_guard(self, table: str, column: str, before: Column, after: Column) -> str | None:
        """A query that finds a row when a value has no room for the places it would get."""
        return None

    def redate(self, table: str, column: str, after: Column) -> Sequence[str]:
        """What turns instants into calendar dates, or back."""
        raise NotImplementedError
