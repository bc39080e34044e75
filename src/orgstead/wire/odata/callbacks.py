"""Callback registrations: the filter that one states, and the row that one is told of, in the Web API's own form.

https://learn.microsoft.com/power-automate/dataverse/create-update-delete-trigger
"""

from typing import Any

import msgspec

from orgstead.languages.odata import MAX_BATCH_QUERY_CHARS, parse_filter
from orgstead.model.events import RowEvent
from orgstead.model.formatted import format_value
from orgstead.model.query import Query
from orgstead.model.schema import Table
from orgstead.wire.odata.encode import encode_rows
from orgstead.wire.odata.members import Annotations
from orgstead.wire.odata.names import Names
from orgstead.wire.odata.resolve import resolve

__all__ = ["MAX_BYTES", "encode_row_event", "read_condition"]

# A larger body goes without the row's columns.
MAX_BYTES = 256 * 1024
LOOKUP_TABLE = "@Microsoft.Dynamics.CRM.lookuplogicalname"
WITH_TABLES = Annotations(lookup_table=True)

_json = msgspec.json.Encoder(decimal_format="number")


def read_condition(text: str, table: Table, names: Names) -> Query:
    """The rows of a table that meet a filter, all of them without one. Raises ODataSyntax, PropertyNotFound…"""
    if not text.strip():
        return Query(table=table.logical_name)
    where = parse_filter(text.strip(), max_chars=MAX_BATCH_QUERY_CHARS)
    return resolve(names, Query(table=table.logical_name, where=where))


def encode_row_event(event: RowEvent, names: Names) -> tuple[bytes, bool]:
    """The body that tells of a row, and whether the row's columns were too much for it.

    What is null is left out; beside choices stand their labels, beside lookups the tables that they point at.
    """
    table = names.schema.tables[event.table]
    told: dict[str, Any] = {
        "ItemInternalId": event.id,
        "SdkMessage": event.message,
        "RunAsSystemUserId": event.user_id,
        "RowVersion": None if event.version is None else str(event.version),
    }
    small = _json.encode({table.primary_id: event.id, **told})
    if event.page is None:
        return small, False
    (row,) = encode_rows(event.page, names, WITH_TABLES)
    body = _json.encode({**_columns(row, table, names), **told})
    return (small, True) if len(body) > MAX_BYTES else (body, False)


def _columns(row: dict[str, Any], table: Table, names: Names) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, value in row.items():
        if value is None or name.startswith("@"):
            continue
        found[name] = value
        column = names.column(table, name)
        if column is not None and (column.is_choice or column.type == "multichoice"):
            kept = value if column.is_choice else tuple(map(int, value.split(",")))
            found[f"_{name}_label"] = format_value(column, kept)
        elif name.endswith(LOOKUP_TABLE):
            found[f"{name.removesuffix(f'_value{LOOKUP_TABLE}')}_type"] = names.set_of(value)
    return found
