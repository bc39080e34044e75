"""Rows of a page with annotations, made column by column.

A page of thousands of rows with everything that is known of them is what reports and synchronisation ask for.
https://learn.microsoft.com/power-apps/developer/data-platform/webapi/query/select-columns#formatted-values
"""

from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from itertools import repeat
from typing import Any

import msgspec
from msgspec import UNSET

from orgstead.model.formatted import formatter
from orgstead.model.plan import Nested, Output, width
from orgstead.model.record import Page
from orgstead.model.schema import Column
from orgstead.wire.odata.members import (
    ATTRIBUTE,
    FORMATTED,
    LOOKUP_TABLE,
    NAVIGATION,
    Annotations,
    conversion,
    property_name,
)
from orgstead.wire.odata.names import Names

__all__ = ["annotated_rows"]

Values = Sequence[Any]


def annotated_rows(page: Page, names: Names, annotations: Annotations, *, nulls: bool) -> list[Any]:
    """The rows of a page without expanded collections and references; without ``nulls``, what is null is left out."""
    if not page.rows:
        return []
    plan = page.plan
    columns = _Columns(names, annotations, page.labels, list(zip(*page.rows, strict=True)), nulls=nulls)
    return columns.rows(plan.source.table.logical_name, plan.outputs, plan.nested, 0)


@lru_cache(maxsize=1024)
def _shape(members: tuple[str, ...]) -> Callable[..., Any]:
    """What makes one row of the values of its members; those that are not set are not written."""
    fields = [f"f{index}" for index in range(len(members))]
    return msgspec.defstruct("Row", fields, rename=dict(zip(fields, members, strict=True)), gc=False)


class _Columns:
    """Makes members of rows out of columns of values."""

    def __init__(
        self,
        names: Names,
        annotations: Annotations,
        labels: Mapping[str, Mapping[str, str]],
        columns: Sequence[Values],
        *,
        nulls: bool,
    ) -> None:
        self.names = names
        self.annotations = annotations
        self.labels = labels
        self.columns = columns
        self.nulls = nulls

    def rows(self, table: str, outputs: Sequence[Output], nested: Sequence[Nested], start: int) -> list[Any]:
        """The rows out of the columns from ``start`` on."""
        members: dict[str, Values] = {}
        for index, output in enumerate(outputs, start):
            if output.part == "version":
                members["@odata.etag"] = [f'W/"{version}"' for version in self.columns[index]]
            elif output.part in ("value", "id"):
                self.add(members, table, output, index)
        start += len(outputs)
        for part in nested:
            found = self.rows(part.table.logical_name, part.outputs, part.nested, start)
            named = [output.name if output.part in ("value", "id") else "" for output in part.outputs]
            ids = self.columns[start + named.index(part.table.primary_id)]
            inner = [None if id is None else row for id, row in zip(ids, found, strict=True)]
            members[part.name] = self.shown(inner)
            start += width(part)
        return list(map(_shape(tuple(members)), *members.values()))

    def shown(self, values: Values) -> Values:
        """Values as they are, or without what is null."""
        return values if self.nulls else [UNSET if value is None else value for value in values]

    def add(self, members: dict[str, Values], table: str, output: Output, index: int) -> None:
        """Add a column and what is said of it."""
        column, values, name = output.column, self.columns[index], property_name(output)
        asked = self.annotations
        if column is not None:
            if asked.attribute and output.name != column.name:
                members[f"{name}@{ATTRIBUTE}"] = _where(values, column.name)
            if column.is_lookup:
                self.add_lookup(members, table, name, output, column, index)
            elif asked.formatted:
                formatted = self.formatted(column, values)
                if formatted is not None:
                    members[f"{name}@{FORMATTED}"] = formatted
        convert = conversion(output)
        if convert is not None:
            values = [None if value is None else convert(value) for value in values]
        members[name] = self.shown(values)

    def formatted(self, column: Column, values: Values) -> Values | None:
        """The formatted values of anything but a lookup; a table's name reads as its display name."""
        if column.type == "entityname":
            tables = self.names.schema.tables
            return [tables[value].display_name if value in tables else UNSET for value in values]
        make = formatter(column)
        if make is None:
            return None
        if all(values) or None not in values:
            return [UNSET if text is None else text for text in make(values)]
        given = iter(make([value for value in values if value is not None]))
        return [UNSET if value is None else _set(next(given)) for value in values]

    def add_lookup(
        self, members: dict[str, Values], table: str, name: str, output: Output, column: Column, index: int
    ) -> None:
        """Add what is said of a lookup: the navigation property along it, the table at its end, the name there."""
        values, asked = self.columns[index], self.annotations
        # Some lead to tables that are not here, and hold nothing.
        only = column.targets[0] if column.targets else ""
        targets: Values = _where(values, only)
        if column.polymorphic:
            towards = self.columns[index + 1]
            targets = [UNSET if id is None else target for id, target in zip(values, towards, strict=True)]
        if asked.navigation and output.name == column.name:
            along = {each: self.navigation(table, output.name, each) for each in set(targets)}
            members[f"{name}@{NAVIGATION}"] = list(map(along.__getitem__, targets))
        if asked.lookup_table:
            members[f"{name}@{LOOKUP_TABLE}"] = targets
        if asked.formatted and column.polymorphic:
            members[f"{name}@{FORMATTED}"] = [
                _set(self.labels.get(target, {}).get(id)) for id, target in zip(values, targets, strict=True)
            ]
        elif asked.formatted:
            labels = self.labels.get(only, {})
            named = {id: label for id, label in labels.items() if label is not None}
            members[f"{name}@{FORMATTED}"] = list(map(named.get, values, repeat(UNSET)))

    def navigation(self, table: str, lookup: str, target: Any) -> Any:
        """The navigation property from a table towards another."""
        return UNSET if target is UNSET else _set(self.names.lookup_navigation(table, lookup, target))


def _set(value: Any) -> Any:
    return UNSET if value is None else value


def _where(values: Values, text: str) -> Values:
    """The same text for each value that is there."""
    return [UNSET if value is None else text for value in values]
