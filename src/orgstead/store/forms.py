"""How canonical values are kept: per column type, what goes into the database and what comes back.

Money is a whole number of ten-thousandths and a decimal a whole number in its column's last place where the
database has no exact decimals; multi-select choices are text such as ``;1;2;``.
"""

import json
from collections.abc import Callable
from decimal import Decimal
from typing import Any

from orgstead.errors import fault
from orgstead.model.schema import Column

__all__ = ["TABLE_SUFFIX", "decoder", "encoder", "json_array", "places", "read_choices"]

TABLE_SUFFIX = "__table"
INT64 = 2**63

Convert = Callable[[Any], Any]


def places(column: Column) -> int:
    """Decimal places that a column keeps."""
    return 4 if column.type == "money" else (10 if column.precision is None else column.precision)


def _scaled(column: Column) -> Convert:
    count = places(column)
    factor = Decimal(1).scaleb(count)

    def scale(value: Any) -> Any:
        number = Decimal(repr(value)) if isinstance(value, float) else Decimal(value)
        scaled = number * factor
        whole = int(scaled)
        if not -INT64 <= whole < INT64:
            raise fault("DecimalOutOfRange", column=column.name)
        # A comparison may be with more places than the column has: keep the fraction then.
        return whole if whole == scaled else float(scaled)

    return scale


def _unscaled(column: Column) -> Convert:
    # Multiplying by one unit of the last place keeps all places and is the fastest exact way.
    return Decimal(1).scaleb(-places(column)).__mul__


def _write_choices(value: Any) -> str:
    return f";{';'.join(map(str, sorted(value)))};"


def read_choices(value: str) -> tuple[int, ...]:
    """A multi-select choice out of its text."""
    return tuple(int(part) for part in value.strip(";").split(";"))


def encoder(column: Column | None) -> Convert | None:
    """What turns a canonical value into SQLite's form; None when it is the same."""
    if column is None:
        return None
    match column.type:
        case "money" | "decimal":
            return _scaled(column)
        case "boolean" | "managedproperty":
            return int
        case "multichoice":
            return _write_choices
        case "double":
            return float
        case "integer" | "bigint" | "choice" | "state" | "status":
            return _number
    return None


def _number(value: Any) -> Any:
    # A literal compared with a whole number may be a decimal or too large for the database.
    if isinstance(value, Decimal):
        value = int(value) if value == value.to_integral_value() else float(value)
    if isinstance(value, int) and not -INT64 <= value < INT64:
        return float(value)
    return value


def decoder(column: Column | None) -> Convert | None:
    """What turns SQLite's form into a canonical value; None when it is the same."""
    if column is None:
        return None
    match column.type:
        case "money" | "decimal":
            return _unscaled(column)
        case "boolean" | "managedproperty":
            return bool
        case "multichoice":
            return read_choices
    return None


def json_array(values: Any) -> str:
    """Values as the one parameter that SQLite's ``json_each`` takes apart."""
    return json.dumps(list(values))
