"""Rows of a page by their columns, and as the objects of a resource."""

from collections.abc import Iterator, Mapping
from typing import Any

from orgstead.model.plan import Output
from orgstead.model.record import Page
from orgstead.wire.crm.resources import Resource

__all__ = ["dictionaries", "shown_rows", "write_tag"]


def dictionaries(page: Page) -> Iterator[Mapping[str, Any]]:
    """The rows of a page as values by the names of their columns; what a lookup leads to is ``name/table``."""
    names = [_name(output) for output in page.plan.outputs]
    for row in page.rows:
        yield dict(zip(names, row, strict=False))


def shown_rows(resource: Resource, page: Page) -> list[dict[str, Any]]:
    """The rows of a page as objects: the id, then every field."""
    key = page.plan.source.table.primary_id
    columns = page.plan.source.table.columns
    shown = []
    for row in dictionaries(page):
        item: dict[str, Any] = {"id": row[key]}
        for field in resource.fields.values():
            value = row[field.column]
            if field.target is not None and columns[field.column].polymorphic:
                value = value if row[f"{field.column}/table"] == field.target else None
            item[field.name] = value
        shown.append(item)
    return shown


def write_tag(version: int) -> str:
    """The ETag of a version."""
    return f'W/"{version}"'


def _name(output: Output) -> str:
    if output.part in ("value", "id"):
        return output.name
    return f"{output.name}/{output.part}"
