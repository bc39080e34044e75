"""How a person reads a value: the text that Dataverse calls the formatted value (English, United States)."""

from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache, partial
from itertools import repeat
from typing import Any

from orgstead.model.schema import Column

__all__ = ["format_value", "formatter"]

Format = Callable[[Sequence[Any]], Sequence[str | None]]


def format_value(column: Column, value: Any, *, symbol: str = "$") -> str | None:
    """The formatted value of a canonical value, or None where Dataverse gives none (plain text, GUIDs).

    ``symbol`` is the currency's. Lookups are formatted with the name of their target by the caller, who has it.
    https://learn.microsoft.com/power-apps/developer/data-platform/webapi/query/select-columns#formatted-values
    """
    if value is None:
        return None
    make = formatter(column, symbol=symbol)
    return None if make is None else make((value,))[0]


@lru_cache(maxsize=8192)
def formatter(column: Column, *, symbol: str = "$") -> Format | None:
    """What formats many values of a column at a time, as ``format_value`` does one; None where Dataverse gives none.

    None of the values is None. A choice that is no longer among the options has no text.
    """
    match column.type:
        case "integer" | "bigint":
            return partial(_numbers, ",")
        case "decimal" | "double":
            return partial(_numbers, f",.{_places(column)}f")
        case "money":
            return partial(_amounts, symbol, f",.{_places(column)}f")
        case "boolean" | "managedproperty":
            labels = _labels(column)
            return partial(_each, {False: labels.get(0) or "No", True: labels.get(1) or "Yes"}.get)
        case "choice" | "state" | "status":
            return partial(_each, _labels(column).get)
        case "multichoice":
            return partial(_each, partial(_several, _labels(column)))
        case "datetime":
            return partial(_repeated, _day if column.date_only or column.format == "DateOnly" else _when)
        case "entityname":
            return partial(_each, str)
    return None


def _places(column: Column) -> int:
    return 2 if column.precision is None else column.precision


def _each(function: Callable[[Any], str | None], values: Sequence[Any]) -> Sequence[str | None]:
    return list(map(function, values))


def _repeated(function: Callable[[Any], str | None], values: Sequence[Any]) -> Sequence[str | None]:
    # Rows are often made many at a time: of their dates few differ.
    known = {value: function(value) for value in set(values)}
    return list(map(known.__getitem__, values))


def _numbers(how: str, values: Sequence[Any]) -> Sequence[str]:
    return list(map(format, values, repeat(how)))


def _amounts(symbol: str, how: str, values: Sequence[Any]) -> Sequence[str]:
    texts = [f"{symbol}{text}" for text in map(format, values, repeat(how))]
    if f"{symbol}-" not in "".join(texts):
        return texts
    # A sum that is rounded to nothing may have a sign.
    return [f"{'-' if value < 0 else ''}{symbol}{abs(value):{how}}" for value in values]


def _labels(column: Column) -> Mapping[int, str]:
    return {option.value: option.label for option in column.options}


def _several(labels: Mapping[int, str], values: Any) -> str:
    return "; ".join(filter(None, map(labels.get, values)))


# Canonical text has every part at its place.
_HOURS = {f"{hour:02}": (f"{hour % 12 or 12}", "AM" if hour < 12 else "PM") for hour in range(24)}


def _day(value: str) -> str:
    return _date(value[:10])


def _when(value: str) -> str:
    hour, half = _HOURS[value[11:13]]
    return f"{_date(value[:10])} {hour}:{value[14:16]} {half}"


@lru_cache(maxsize=4096)
def _date(value: str) -> str:
    return f"{int(value[5:7])}/{int(value[8:10])}/{int(value[:4])}"
