"""Who may read and set secured columns: to whoever may not read one, it has no value.

https://learn.microsoft.com/power-apps/developer/data-platform/column-level-security
https://learn.microsoft.com/power-platform/admin/field-level-security
"""

from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Any, Literal

from orgstead.engine.context import Caller
from orgstead.errors import fault
from orgstead.model.schema import Table

__all__ = ["CREATE", "READ", "UPDATE", "check_columns", "hidden", "seen"]

READ, CREATE, UPDATE = 1, 2, 4


@lru_cache(maxsize=4096)
def _guarded(table: Table) -> Mapping[str, str]:
    """The secured columns of a table and what is made of them, each with the column whose permissions count."""
    found: dict[str, str] = {}
    for column in table.columns.values():
        for name in (column.name, column.base_of, column.attribute_of):
            if name is not None and name in table.columns and table.columns[name].secured:
                found[column.name] = name
    return found


def _may(caller: Caller, table: Table, column: str, permission: int) -> bool:
    return bool(caller.rights.columns.get((table.logical_name, column), 0) & permission)


def hidden(caller: Caller, table: Table, name: str) -> bool:
    """Whether the caller may not read a column."""
    if caller.administrator:
        return False
    column = _guarded(table).get(name)
    return column is not None and not _may(caller, table, column, READ)


def seen(caller: Caller, table: Table, row: Mapping[str, Any]) -> Mapping[str, Any]:
    """The values of a stored row that the caller may read."""
    if caller.administrator or not _guarded(table):
        return row
    return {name: value for name, value in row.items() if not hidden(caller, table, name)}


def check_columns(
    caller: Caller, table: Table, names: Iterable[str], event: Literal["Create", "Update"]
) -> None:
    """Raise ColumnCreateDenied or ColumnUpdateDenied for a secured column that the caller may not set."""
    if caller.administrator:
        return
    guarded = _guarded(table)
    if not guarded:
        return
    for name in names:
        column = guarded.get(name)
        if column is None:
            continue
        if event == "Create" and not _may(caller, table, column, CREATE):
            raise fault("ColumnCreateDenied", column=name, table=table.logical_name)
        if event == "Update" and not _may(caller, table, column, UPDATE):
            raise fault("ColumnUpdateDenied", column=name, table=table.logical_name)
