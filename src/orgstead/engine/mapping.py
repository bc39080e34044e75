"""Rows that are made from other rows: which columns they take over, as ``maps.toml`` says.

https://learn.microsoft.com/power-apps/developer/data-platform/customize-entity-attribute-mappings
"""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from functools import cache
from importlib.resources import files
from typing import Any

from orgstead.engine.columns import seen
from orgstead.engine.context import Caller
from orgstead.model.record import Ref
from orgstead.model.schema import Table

__all__ = ["LINES", "EntityMap", "entity_map", "taken_over"]

# The lines of documents, each with the lookup to its document.
LINES: Mapping[str, str] = {
    "opportunityproduct": "opportunityid",
    "quotedetail": "quoteid",
    "salesorderdetail": "salesorderid",
    "invoicedetail": "invoiceid",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class EntityMap:
    """What ``target`` takes over from ``source``; ``lines`` are the tables of lines on either side."""

    source: str
    target: str
    link: str | None = None
    same: tuple[str, ...] = ()
    renamed: Mapping[str, str] = field(default_factory=dict)
    lines: tuple[str, str] | None = None


@cache
def _maps() -> Mapping[tuple[str, str], EntityMap]:
    found: dict[tuple[str, str], EntityMap] = {}
    for row in tomllib.loads(files("orgstead.engine").joinpath("maps.toml").read_text("utf-8"))["map"]:
        lines = tuple(row.pop("lines", ()))
        each = EntityMap(**{**row, "same": tuple(row["same"])}, lines=(lines[0], lines[1]) if lines else None)
        found[each.source, each.target] = each
    return found


def entity_map(source: str, target: str) -> EntityMap | None:
    """The map between two tables, if rows of one are made from rows of the other."""
    return _maps().get((source, target))


def taken_over(caller: Caller, source: Table, row: Mapping[str, Any], target: Table) -> dict[str, Any]:
    """Values for a new row of ``target`` out of what the caller may read of a stored one; empty without a map."""
    found = entity_map(source.logical_name, target.logical_name)
    if found is None:
        return {}
    values: dict[str, Any] = {}
    for name, value in seen(caller, source, row).items():
        same = name if any(fnmatchcase(name, pattern) for pattern in found.same) else None
        column = target.columns.get(found.renamed.get(name, same or ""))
        if value is None or column is None or not column.stored or not column.create:
            continue
        # A twin of an amount is worked out anew, and an address of its own has its own id.
        if column.base_of is None and not column.name.endswith("addressid"):
            values[column.name] = value
    if found.link is not None and found.link in target.columns:
        link = target.columns[found.link]
        id = row[source.primary_id]
        values[found.link] = Ref(source.logical_name, id) if link.is_lookup else id
    return values
