"""Rows of a page to JSON-ready values.

Without annotations a page is encoded by one comprehension that is written out per plan, because a page of 5,000
rows is the case that everybody waits for; with annotations it is made column by column (``annotated``). Rows with
expanded collections are put together place by place.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import lru_cache
from typing import Any, Protocol

from orgstead.model.formatted import format_value
from orgstead.model.plan import Child, Nested, Output, Plan, placed_children, width
from orgstead.model.record import Page
from orgstead.model.schema import Column
from orgstead.wire.odata.annotated import annotated_rows
from orgstead.wire.odata.members import (
    ATTRIBUTE,
    FORMATTED,
    LOOKUP_TABLE,
    NAVIGATION,
    PLAIN,
    Annotations,
    conversion,
    property_name,
    wire_value,
)
from orgstead.wire.odata.names import Names
from orgstead.wire.odatav4.rows import Place, is_plain, row_maker

__all__ = ["encode_page", "encode_rows"]


class Links(Protocol):
    """Absolute addresses, which only the request knows."""

    def address(self, table: str, id: str) -> str:
        """The address of a row."""

    def nested_link(self, path: str, trail: Sequence[str], page: Page) -> str:
        """The address of the next page of an expanded collection at ``path``; ``trail`` names the expands to it."""


def encode_page(
    page: Page,
    names: Names,
    annotations: Annotations = PLAIN,
    links: Links | None = None,
    *,
    nulls: bool = True,
) -> list[Any]:
    """The rows of a page as values that JSON can be made of, expands included; without ``nulls``, what is null is
    left out."""
    plan = page.plan
    if annotations is PLAIN and not page.children:
        plain = _plain(plan, nulls)
        if plain is not None:
            return plain(page.rows)
    elif is_plain(plan.children, plan.nested):
        return annotated_rows(page, names, annotations, nulls=nulls)
    rows = encode_rows(page, names, annotations, links)
    return (
        rows if nulls else [{name: value for name, value in row.items() if value is not None} for row in rows]
    )


def encode_rows(
    page: Page, names: Names, annotations: Annotations = PLAIN, links: Links | None = None
) -> list[dict[str, Any]]:
    """The rows of a page as dictionaries, expands included."""
    return _Encoder(names, annotations, page.labels, links).rows(page)


@lru_cache(maxsize=2048)
def _plain(plan: Plan, nulls: bool) -> Callable[[Sequence[Any]], list[Any]] | None:
    """What makes the rows of this plan; None for one that has expanded collections or answers references."""
    return row_maker(plan, _places, nulls=nulls)


def _places(output: Output) -> Sequence[Place]:
    if output.part == "version":
        return (Place(name="@odata.etag", source="f'W/\"{{}}\"'"),)
    if output.part in ("value", "id"):
        return (Place(name=property_name(output), convert=conversion(output)),)
    return ()


class _Encoder:
    """Puts rows together place by place."""

    def __init__(
        self,
        names: Names,
        annotations: Annotations,
        labels: Mapping[str, Mapping[str, str]],
        links: Links | None,
    ) -> None:
        self.names = names
        self.links = links
        self.annotations = annotations
        self.labels = labels

    def rows(self, page: Page, trail: tuple[str, ...] = ()) -> list[dict[str, Any]]:
        """The rows of a page; ``trail`` are the names of the expands that led to it."""
        plan = page.plan
        children = list(zip((child for child, _ in placed_children(plan)), page.children, strict=True))
        return [self.row(plan, row, children, trail) for row in page.rows]

    def row(
        self,
        plan: Plan,
        row: Sequence[Any],
        children: list[tuple[Child, Mapping[str, Page]]],
        trail: tuple[str, ...],
    ) -> dict[str, Any]:
        left = iter(children)
        item = self.values(plan.source.table.logical_name, plan.outputs, row, 0)
        # Only a plan with children keeps its primary key under a name that is surely there.
        table = plan.source.table
        self.collections(item, table.logical_name, plan.children, left, item.get(table.primary_id), trail)
        self.nested(item, plan.nested, row, len(plan.outputs), left, trail)
        return item

    def nested(
        self,
        item: dict[str, Any],
        parts: Sequence[Nested],
        row: Sequence[Any],
        start: int,
        left: Iterator[tuple[Child, Mapping[str, Page]]],
        trail: tuple[str, ...],
    ) -> None:
        for part in parts:
            below = (*trail, part.name)
            inner = self.values(part.table.logical_name, part.outputs, row, start)
            id = inner.get(part.table.primary_id)
            self.collections(inner, part.table.logical_name, part.children, left, id, below)
            self.nested(inner, part.nested, row, start + len(part.outputs), left, below)
            if id is None:
                item[part.name] = None
            elif part.refs_only:
                item[part.name] = self.reference(part.table.logical_name, id)
            else:
                item[part.name] = inner
            start += width(part)

    def more(self, parent: str, id: str, trail: Sequence[str], page: Page) -> str:
        """The address of the next page of an expanded collection."""
        if self.links is None:
            raise TypeError("expanded pages need an address")
        return self.links.nested_link(f"{self.names.address(parent, id)}/{trail[-1]}", trail, page)

    def reference(self, table: str, id: str) -> dict[str, str]:
        if self.links is None:
            raise TypeError("references need an address")
        return {"@odata.id": self.links.address(table, id)}

    def collections(
        self,
        item: dict[str, Any],
        parent: str,
        children: Sequence[Child],
        left: Iterator[tuple[Child, Mapping[str, Page]]],
        id: str | None,
        trail: tuple[str, ...],
    ) -> None:
        for _ in children:
            child, pages = next(left)
            below = (*trail, child.name)
            page = pages.get(id) if id is not None else None
            found = self.rows(page, below) if page is not None else []
            if child.refs_only:
                table = child.plan.source.table
                found = [self.reference(table.logical_name, each[table.primary_id]) for each in found]
            if child.count:
                item[f"{child.name}@odata.count"] = len(found)
            item[child.name] = found
            if page is not None and page.after is not None and id is not None:
                item[f"{child.name}@odata.nextLink"] = self.more(parent, id, below, page)

    def values(self, table: str, outputs: Sequence[Output], row: Sequence[Any], start: int) -> dict[str, Any]:
        item: dict[str, Any] = {}
        for index, output in enumerate(outputs, start):
            value = row[index]
            if output.part == "version":
                item["@odata.etag"] = f'W/"{value}"'
            elif output.part in ("value", "id"):
                name = property_name(output)
                column = output.column
                if value is not None and column is not None and self.annotations is not PLAIN:
                    if self.annotations.attribute and output.name != column.name:
                        item[f"{name}@{ATTRIBUTE}"] = column.name
                    if column.is_lookup:
                        target = row[index + 1] if column.polymorphic else column.targets[0]
                        self.lookup(item, table, name, output, value, target)
                    elif self.annotations.formatted:
                        text = self.label(column, value)
                        if text is not None:
                            item[f"{name}@{FORMATTED}"] = text
                item[name] = wire_value(output, value)
        return item

    def label(self, column: Column, value: Any) -> str | None:
        """The formatted value of anything but a lookup; a table's name reads as its display name."""
        if column.type == "entityname":
            table = self.names.schema.tables.get(value)
            return table.display_name if table is not None else None
        return format_value(column, value)

    def lookup(
        self, item: dict[str, Any], table: str, name: str, output: Output, value: str, target: str
    ) -> None:
        column = output.column
        if self.annotations.navigation and column is not None and output.name == column.name:
            navigation = self.names.lookup_navigation(table, output.name, target)
            if navigation is not None:
                item[f"{name}@{NAVIGATION}"] = navigation
        if self.annotations.lookup_table:
            item[f"{name}@{LOOKUP_TABLE}"] = target
        if self.annotations.formatted:
            label = self.labels.get(target, {}).get(value)
            if label is not None:
                item[f"{name}@{FORMATTED}"] = label
