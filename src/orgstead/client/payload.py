"""Rows as the service takes them: lookups bound, related rows nested, values exact.

https://learn.microsoft.com/power-apps/developer/data-platform/webapi/create-entity-web-api
"""

from collections.abc import Mapping
from typing import Any

from orgstead.client.errors import ConfigurationError
from orgstead.client.flow import Flow
from orgstead.client.literals import Ref, key_text
from orgstead.client.record import Record, Shapes
from orgstead.client.session import Session
from orgstead.client.shapes import shape_of
from orgstead.client.values import plain

__all__ = ["UnknownTable", "payload", "written"]


class UnknownTable(Exception):
    """A table whose entity set is not known yet."""

    def __init__(self, table: str) -> None:
        super().__init__(table)
        self.table = table


def payload(session: Session, data: Mapping[str, Any]) -> Flow[dict[str, Any]]:
    """The JSON of a row.

    Values are as ``plain`` takes them; a ``Ref`` binds a lookup by its navigation property, a list of them binds
    several rows, mappings and lists of mappings are related rows that are made along with it. Raises
    ConfigurationError for what is no value, NotFoundError for a table of a reference that does not exist.
    """
    while True:
        try:
            return written(data, session.shapes)
        except UnknownTable as unknown:
            table = unknown.table
        yield from shape_of(session, table)


def written(data: Mapping[str, Any], shapes: Shapes, depth: int = 0) -> dict[str, Any]:
    """The JSON of a row. Raises UnknownTable for a reference to a table that is not among the shapes."""
    if not isinstance(data, Mapping):
        raise ConfigurationError(f"a row is a mapping of columns to values, not {type(data).__name__}")
    if depth > 10:
        raise ConfigurationError("rows are nested more than 10 deep")
    made: dict[str, Any] = {}
    # What was read may be sent back; a lookup is written by its navigation property only.
    read = isinstance(data, Record)
    for name, value in data.items():
        kind = type(value)
        if (kind is str or kind is int or value is None) and not read:
            made[name] = value
        elif isinstance(value, Ref):
            made[f"{name.removesuffix('@odata.bind')}@odata.bind"] = _address(value, shapes)
        elif isinstance(value, Mapping):
            made[name] = written(value, shapes, depth + 1)
        elif isinstance(value, list | tuple) and value and isinstance(value[0], Mapping | Ref):
            if all(isinstance(each, Ref) for each in value):
                made[f"{name.removesuffix('@odata.bind')}@odata.bind"] = [
                    _address(each, shapes) for each in value
                ]
            else:
                made[name] = [written(each, shapes, depth + 1) for each in value]
        elif not (read and name[:1] == "_" and name.endswith("_value")):
            made[name] = plain(value)
    return made


def _address(ref: Ref, shapes: Shapes) -> str:
    shape = shapes.get(ref.table)
    if shape is None:
        raise UnknownTable(ref.table)
    return f"/{shape.set}({key_text(ref.key)})"
