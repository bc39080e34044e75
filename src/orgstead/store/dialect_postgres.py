"""PostgreSQL 14 and later, in a database with the encoding UTF8.

Values travel as text in both directions: the driver's own text loaders are the fastest that were measured, and GUIDs
and dates are then in their canonical form at once. Every parameter is cast to its column's type, so that a text means
the same whatever values come.
"""

from collections.abc import Sequence
from decimal import Decimal
from typing import Any

from orgstead.errors import fault
from orgstead.model.plan import Agg, Comparison, Operand
from orgstead.model.schema import Column
from orgstead.store.dialect import Dialect
from orgstead.store.forms import (
    NUMBERS,
    TEXT,
    WHOLE,
    Convert,
    mean,
    places,
    read_choices,
    tame,
    write_choices,
)
from orgstead.store.patterns import postgres_pattern

__all__ = ["COLLATIONS", "FOLDED", "PostgreSQL", "array"]

# Text columns: case does not matter, accents do. A collation that does not see all differences cannot match patterns:
# there another one is written into the text, "C" where ASCII is all that has to be folded.
FOLDED, EXACT = "orgstead_text", "orgstead_pattern"
COLLATIONS = (
    f"CREATE COLLATION IF NOT EXISTS {FOLDED} (provider = icu, locale = 'und-u-ks-level2', deterministic = false)",
    f"CREATE COLLATION IF NOT EXISTS {EXACT} (provider = icu, locale = 'und')",
)
TECHNICAL = 'text COLLATE "C"'
INT64 = 2**63

# A btree entry holds 2,704 bytes, and a character takes up to four.
INDEXED_LENGTH = 600


class PostgreSQL(Dialect):
    """The text and the conversions of PostgreSQL."""

    name_type = TECHNICAL
    lock = " FOR UPDATE"
    claim = " FOR UPDATE SKIP LOCKED"

    def wide(self, params: Sequence[Any]) -> bool:
        """Whether a number is no int8: columns of whole numbers are then compared as numeric, past their indexes."""
        for value in params:
            if isinstance(value, int):
                if not -INT64 <= value < INT64:
                    return True
            elif isinstance(value, float | Decimal):
                return True
        return False

    # -- values --------------------------------------------------------------------------------------------------
    def writer(self, column: Column) -> Convert:
        match column.type:
            case "double":
                return _real
            case "boolean" | "managedproperty":
                return _boolean
            case "image":
                return _binary
            case "multichoice":
                return _choices
            case kind if kind in NUMBERS:
                return _printed
        return _text

    def encoder(self, column: Column | None, op: Comparison = "eq") -> Convert:
        if column is None:
            return _any
        return _number if column.type in NUMBERS else self.writer(column)

    def decoder(self, column: Column | None, of: Operand) -> Convert | None:
        if isinstance(of, Agg):
            if of.function.startswith("count"):
                return None
            if of.function == "avg":
                return mean(column)
            if of.function == "sum" and column is not None and column.type in WHOLE:
                return int
        if column is None:
            return None
        if column.type == "datetime" and not column.date_only:
            return _instant
        return read_choices if column.type == "multichoice" else None

    def many(self, column: Column | None) -> Convert:
        if column is None or column.type in WHOLE:
            return _whole_array
        encode = self.encoder(column)
        return lambda values: array([encode(value) for value in values])

    def like_encoder(self, *, classes: bool) -> Convert:
        return _regex if classes else _text

    # -- text ----------------------------------------------------------------------------------------------------
    def placeholder(self, number: int) -> str:
        return f"${number}"

    def typed(self, placeholder: str, column: Column | None, *, many: bool, wide: bool) -> str:
        if column is None:
            return placeholder
        kind = _type(column).partition(" ")[0]
        if column.type in WHOLE:
            # Equal to one of a list: what is not a whole number of 64 bits is dropped from the list.
            kind = "numeric" if wide and not many else "int8"
        return f"{placeholder}::{kind.partition('(')[0]}{'[]' if many else ''}"

    def typed_number(self, placeholder: str) -> str:
        return f"{placeholder}::numeric"

    def order(self, text: str, *, descending: bool, nullable: bool) -> str:
        direction, nulls = ("DESC", " NULLS LAST") if descending else ("ASC", " NULLS FIRST")
        return f"{text} {direction}{nulls if nullable else ''}"

    def aligned(self, left: str, a: Column, right: str, b: Column) -> tuple[str, str]:
        if "entityname" in (a.type, b.type) and a.type != b.type:
            return f"{left} COLLATE {FOLDED}", right
        return left, right

    def like(self, text: str, pattern: str, *, wide: bool, classes: bool) -> str:
        collation = EXACT if wide else '"C"'
        return f"{text} COLLATE {collation} {'~*' if classes else 'ILIKE'} {pattern}::text"

    def member(self, text: str, values: str, *, fold: bool) -> str:
        return f"{text} = ANY({values})"

    def holds(self, text: str, values: str) -> str:
        return f"EXISTS (SELECT 1 FROM unnest({values}::int8[]) AS v WHERE position(';' || v || ';' IN {text}) > 0)"

    def average(self, text: str, column: Column | None) -> str:
        return f"sum({text})::text || '/' || count({text})"

    def extreme(self, function: str, text: str, column: Column | None) -> str:
        kind = _type(column) if column is not None else ""
        if kind == "boolean":
            return f"bool_{'and' if function == 'min' else 'or'}({text})"
        return f'{function}({text}::text COLLATE "C")::uuid' if kind == "uuid" else f"{function}({text})"

    def shifted(self, text: str, minutes: str) -> str:
        left = f"timestamptz '9999-12-31T23:59:59Z' - {text}"
        return f"({text} + LEAST(make_interval(mins => {minutes}::int4), {left}))"

    def date_part(self, text: str, part: str, first_month: int, months: int) -> str:
        def piece(name: str, of: str = text) -> str:
            return f"extract({name} FROM {of})::int4"

        match part:
            case "week":
                # Week 1 holds the first of January; weeks start on Sunday.
                first = piece("dow", f"date_trunc('year', {text})")
                return f"(({piece('doy')} - 1 + {first}) / 7 + 1)"
            case "fiscal-period":
                return f"((({piece('month')} + {12 - first_month}) % 12) / {months} + 1)"
            case "fiscal-year":
                return f"({piece('year')} - ({piece('month')} < {first_month})::int4)"
            case _:
                return piece(part)

    # -- tables --------------------------------------------------------------------------------------------------
    def column_type(self, column: Column) -> str:
        return _type(column)

    def index_key(self, text: str) -> str:
        return f"{text} NULLS FIRST"

    def indexable(self, column: Column) -> bool:
        return column.type not in TEXT or (column.max_length or 100) <= INDEXED_LENGTH

    def rescale(self, table: str, column: str, before: Column, after: Column) -> Sequence[str]:
        count = places(after)
        return [
            f"ALTER TABLE {table} ALTER COLUMN {column} TYPE numeric(38, {count}) USING round({column}, {count})"
        ]

    def redate(self, table: str, column: str, after: Column) -> Sequence[str]:
        # The session's time zone is UTC.
        return [f"ALTER TABLE {table} ALTER COLUMN {column} TYPE {_type(after)}"]


def _type(column: Column) -> str:
    match column.type:
        case "string" | "memo":
            return f"text COLLATE {FOLDED}"
        case "integer" | "choice" | "state" | "status":
            return "int4"
        case "decimal" | "money":
            return f"numeric(38, {places(column)})"
        case "datetime":
            return "date" if column.date_only else "timestamptz"
    return _TYPES.get(column.type, TECHNICAL)


_TYPES = {
    "bigint": "int8", "double": "float8", "boolean": "boolean", "managedproperty": "boolean", "image": "bytea",
    "lookup": "uuid", "customer": "uuid", "owner": "uuid", "uniqueidentifier": "uuid", "file": "uuid",
}  # fmt: skip


def _text(value: str) -> bytes:
    try:
        encoded = value.encode()
    except UnicodeEncodeError:
        raise fault("InvalidArgument", message="A text with an unpaired surrogate matches nothing.") from None
    # The driver hands text over as C does, to which it would end here.
    if b"\x00" in encoded:
        raise fault("InvalidArgument", message="A text with a null character matches nothing.")
    return encoded


def _printed(value: Any) -> bytes:
    return str(value).encode()


def _real(value: Any) -> bytes:
    return repr(float(value)).encode()


def _boolean(value: Any) -> bytes:
    return b"t" if value else b"f"


def _binary(value: bytes) -> bytes:
    return b"\\x" + value.hex().encode()


def _choices(value: Any) -> bytes:
    return write_choices(value).encode()


def _number(value: Any) -> bytes | None:
    if isinstance(value, int):
        return str(int(value)).encode() if -INT64 <= value < INT64 else str(tame(value)).encode()
    number = tame(value)
    return None if number is None else str(number).encode()


def _any(value: Any) -> bytes | None:
    if isinstance(value, str):
        return _text(value)
    return _boolean(value) if isinstance(value, bool) else _number(value)


def _regex(value: str) -> bytes:
    return _text(postgres_pattern(value))


def _instant(value: str) -> str:
    return f"{value[:10]}T{value[11:19]}Z"


def _whole_array(values: Any) -> bytes:
    numbers = (tame(value) for value in values)
    return array(
        [
            str(int(number)).encode()
            for number in numbers
            if number is not None and number == number.to_integral_value() and -INT64 <= number < INT64
        ]
    )


def array(values: Sequence[bytes | None]) -> bytes:
    """Values in the form of a PostgreSQL array, each in the quotes that make anything a plain value."""
    quoted = (
        b"NULL" if value is None else b'"' + value.replace(b"\\", b"\\\\").replace(b'"', b'\\"') + b'"'
        for value in values
    )
    return b"{" + b",".join(quoted) + b"}"
