"""How a person reads a value: the text that Dataverse calls the formatted value (English, United States)."""

from collections.abc import Callable, Mapping
from typing import Any

from orgstead.model.schema import Column

__all__ = ["format_value"]


def format_value(column: Column, value: Any, *, symbol: str = "$") -> str | None:
    """The formatted value of a canonical value, or None where Dataverse gives none (plain text, GUIDs).

    ``symbol`` is the currency's. Lookups are formatted with the name of their target by the caller, who has it.
    https://learn.microsoft.com/power-apps/developer/data-platform/webapi/query/select-columns#formatted-values
    """
    if value is None:
        return None
    formatter = _FORMAT.get(column.type)
    if formatter is None:
        return None
    if column.type == "money":
        sign, amount = ("-" if value < 0 else ""), abs(value)
        return f"{sign}{symbol}{amount:,.{2 if column.precision is None else column.precision}f}"
    return formatter(column, value)


def _label(column: Column, value: Any) -> str | None:
    number = int(value)
    return next((option.label for option in column.options if option.value == number), None)


def _yes_no(column: Column, value: Any) -> str:
    return _label(column, value) or ("Yes" if value else "No")


def _when(column: Column, value: str) -> str:
    # Canonical text has every part at its place.
    day = f"{int(value[5:7])}/{int(value[8:10])}/{int(value[:4])}"
    if column.date_only or column.format == "DateOnly":
        return day
    hour = int(value[11:13])
    return f"{day} {hour % 12 or 12}:{value[14:16]} {'AM' if hour < 12 else 'PM'}"


_FORMAT: Mapping[str, Callable[[Column, Any], str | None]] = {
    "integer": lambda column, value: f"{value:,}",
    "bigint": lambda column, value: f"{value:,}",
    "decimal": lambda column, value: f"{value:,.{2 if column.precision is None else column.precision}f}",
    "double": lambda column, value: f"{value:,.{2 if column.precision is None else column.precision}f}",
    "money": lambda column, value: None,
    "boolean": _yes_no,
    "managedproperty": _yes_no,
    "choice": _label,
    "state": _label,
    "status": _label,
    "multichoice": lambda column, value: "; ".join(filter(None, (_label(column, item) for item in value))),
    "datetime": _when,
    "entityname": lambda column, value: str(value),
}
