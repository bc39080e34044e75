"""How canonical values are kept: what both databases have in common.

Multi-select choices are text such as ``;1;2;``; money and decimals are exact numbers with the places of their
column, in whatever way the database has them.
"""

from collections.abc import Callable, Iterable, Mapping
from decimal import Context, Decimal
from typing import Any

from orgstead.model.schema import Column

__all__ = [
    "CHOICES", "NUMBERS", "TABLE_SUFFIX", "TEXT", "WHOLE", "WIDE", "Convert", "form", "kind", "mean", "places",
    "read_choices", "row_decoder", "tame", "write_choices",
]  # fmt: skip

TABLE_SUFFIX = "__table"

TEXT = frozenset({"string", "memo"})
CHOICES = frozenset({"choice", "state", "status"})
WHOLE = CHOICES | {"integer", "bigint"}
NUMBERS = WHOLE | {"decimal", "money", "double"}

Convert = Callable[[Any], Any]

# No column holds a number beyond these; farther literals compare as these do.
_LARGEST, _SMALLEST = Decimal("1E30"), Decimal("1E-30")
# For arithmetic that must not round.
WIDE = Context(prec=60)


def places(column: Column) -> int:
    """Decimal places that a column keeps."""
    return 4 if column.type == "money" else (10 if column.precision is None else column.precision)


def kind(column: Column) -> str:
    """What a column can be compared with: columns of its own kind."""
    if column.type in NUMBERS:
        return "number"
    if column.type in TEXT or column.type == "entityname":
        return "text"
    if column.is_lookup or column.type in ("uniqueidentifier", "file"):
        return "guid"
    return "boolean" if column.type == "managedproperty" else column.type


def form(column: Column) -> str:
    """What the values of a column are kept as: columns of one form take each other's values as they are."""
    match column.type:
        case "integer" | "choice" | "state" | "status":
            return "integer"
        case "decimal" | "money":
            return f"decimal {places(column)}"
        case "datetime":
            return "date" if column.date_only else "datetime"
        case "bigint" | "double" | "entityname":
            return column.type
    return kind(column)


def tame(value: int | float | Decimal) -> Decimal | None:
    """A number of any size as a decimal that compares in the same way and does not cost more than it is worth.

    None, which is unknown in every comparison, for what is not a number.
    """
    if isinstance(value, int) and abs(value) > 10**30:
        return _LARGEST if value > 0 else -_LARGEST
    number = Decimal(repr(value)) if isinstance(value, float) else Decimal(value)
    if number.is_nan():
        return None
    if number.is_infinite() or (number and number.adjusted() > 30):
        return _LARGEST.copy_sign(number)
    if number and number.adjusted() < -30:
        return _SMALLEST.copy_sign(number)
    return WIDE.plus(number)


def write_choices(value: Any) -> str:
    """A multi-select choice as its text."""
    return f";{';'.join(map(str, sorted(value)))};"


def read_choices(value: str) -> tuple[int, ...]:
    """A multi-select choice out of its text."""
    return tuple(int(part) for part in value.strip(";").split(";"))


def mean(column: Column | None, scale: int = 0) -> Convert:
    """What divides ``sum/count``; the sum is in units of ``scale`` decimal places.

    Money and decimals keep at least four places, other exact numbers up to ten.
    """

    def divide(value: str) -> Any:
        total, _, count = value.partition("/")
        if column is not None and column.type == "double":
            return float(total) / int(count)
        average = WIDE.divide(Decimal(total), Decimal(int(count)))
        if column is not None and column.type in ("money", "decimal"):
            unit = Decimal(1).scaleb(-max(places(column), 4))
            return average.scaleb(-scale, WIDE).quantize(unit, context=WIDE)
        return average.quantize(Decimal("0.0000000001"), context=WIDE).normalize(WIDE) + 0

    return divide


def row_decoder(
    count: int, decoders: Mapping[int, Callable[[Any], Any]]
) -> Callable[[Iterable[Any]], list[Any]]:
    """What turns the driver's rows into rows of canonical values.

    Where anything has to be converted it is one comprehension with the conversions written out; its source
    is made of numbers only.
    """
    if not decoders:
        return list
    scope: dict[str, Any] = {f"d{index}": decode for index, decode in decoders.items()}
    names = [f"v{index}" for index in range(count)]
    values = [f"None if {v} is None else d{i}({v})" if i in decoders else v for i, v in enumerate(names)]
    source = f"lambda rows: [({', '.join(values)},) for {', '.join(names)}, in rows]"
    made: Callable[[Iterable[Any]], list[Any]] = eval(source, scope)
    return made
