"""Autonumber columns: a text made of a running number, random letters and the date.

https://learn.microsoft.com/power-apps/developer/data-platform/create-auto-number-attributes
"""

import re
import secrets
import string
from datetime import datetime
from functools import lru_cache

from orgstead.engine.hooks import Change, hook
from orgstead.engine.registry import Call
from orgstead.model.schema import Column, Table

__all__ = ["number_rows"]

FIRST = 1000
_PART = re.compile(r"\{(SEQNUM|RANDSTRING|DATETIMEUTC):([^}]*)\}")
_ALPHABET = string.ascii_uppercase + string.digits
_DATE = {"yyyy": "%Y", "yy": "%y", "MM": "%m", "dd": "%d", "HH": "%H", "hh": "%I", "mm": "%M", "ss": "%S"}


@lru_cache(maxsize=4096)
def _numbered(table: Table) -> tuple[Column, ...]:
    return tuple(column for column in table.stored if column.autonumber)


@hook("Create", stage=20, applies=lambda table: bool(_numbered(table)), ahead=True)
def number_rows(call: Call, change: Change) -> None:
    """Fill autonumber columns that the caller left empty."""
    for column in _numbered(change.table):
        if change.values.get(column.name) is None:
            parts = _PART.split(column.autonumber or "")
            # Text, kind, argument, text, kind, argument… text.
            for index in range(1, len(parts), 3):
                parts[index] = _fill(call, change, column, parts[index], parts[index + 1])
                parts[index + 1] = ""
            change.values[column.name] = "".join(parts)


def _fill(call: Call, change: Change, column: Column, kind: str, argument: str) -> str:
    if kind == "DATETIMEUTC":
        pattern = re.sub("|".join(_DATE), lambda match: _DATE[match[0]], argument)
        return datetime.strptime(call.now, "%Y-%m-%dT%H:%M:%SZ").strftime(pattern)
    width = int(argument) if argument.isdigit() else 4
    if kind == "RANDSTRING":
        return "".join(secrets.choice(_ALPHABET) for _ in range(min(width, 6)))
    name = f"autonumber:{change.table.logical_name}.{column.name}"
    number = int(call.unit.read_setting(name) or FIRST)
    call.unit.write_setting(name, str(number + 1))
    return f"{number:0{min(width, 16)}d}"
