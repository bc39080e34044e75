"""Results as the answers of ``/data``: pages, rows, counts, values.

https://docs.oasis-open.org/odata/odata-json-format/v4.0/errata03/os/odata-json-format-v4.0-errata03-os-complete.html
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from functools import lru_cache
from typing import Any
from urllib.parse import quote

from orgstead.languages.paging import write_cookie
from orgstead.model.dataentities import DataEntity, DataField
from orgstead.model.messages import Result
from orgstead.model.plan import Col, Output, Plan, placed_children, width
from orgstead.model.record import Page
from orgstead.wire.finops.names import NAMESPACE, Names
from orgstead.wire.finops.values import edm_type, shown, write_tag
from orgstead.wire.odatav4.reply import VERSION, Reply, dump, json_reply
from orgstead.wire.odatav4.rows import Place, row_maker

__all__ = ["Expanded", "Shape", "key_text"]

Rows = Callable[[Sequence[Any]], list[Any]]
# Types that JSON's own values do not tell.
# https://docs.oasis-open.org/odata/odata-json-format/v4.0/errata03/os/odata-json-format-v4.0-errata03-os-complete.html#_Toc453766629
TOLD = frozenset({"Edm.String", "Edm.Boolean"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Expanded:
    """A navigation property in an answer: its name, what it leads to, the fields that are shown of it."""

    name: str
    entity: DataEntity
    fields: tuple[DataField, ...]
    many: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """What an answer needs of its request.

    ``base`` is the service's root, ``link`` the request's address without ``$skiptoken``, ``level`` how much metadata
    is asked for, ``context`` what follows ``$metadata#``; ``page_size`` how many rows a page was preferred to have.
    """

    base: str
    link: str
    level: str
    context: str
    names: Names
    entity: DataEntity
    fields: tuple[DataField, ...]
    expanded: tuple[Expanded, ...] = ()
    page_size: int | None = None

    @property
    def kind(self) -> str:
        """The content type."""
        return f"application/json; odata.metadata={self.level}"

    def headed(self, context: str) -> dict[str, Any]:
        """The beginning of an answer: its context, unless no metadata is wanted."""
        return {} if self.level == "none" else {"@odata.context": f"{self.base}$metadata#{context}"}

    def collection(self, results: Sequence[Result]) -> Reply:
        """A page of rows."""
        page = _page(results)
        body = self.headed(self.context)
        if page.total is not None:
            body["@odata.count"] = page.total
        body["value"] = self.rows(page)
        if page.after is not None:
            body["@odata.nextLink"] = _continued(self.link, page)
        applied = (("Preference-Applied", f"odata.maxpagesize={self.page_size}"),) if self.page_size else ()
        return json_reply(body, kind=self.kind, headers=applied)

    def count(self, results: Sequence[Result]) -> Reply:
        """A count as plain text."""
        text = str(_page(results).total or 0)
        return Reply(status=200, headers=(("Content-Type", "text/plain"), VERSION), body=text.encode())

    def row(self, results: Sequence[Result], *, status: int = 200) -> Reply:
        """One row; 304 when it is the version that the client has."""
        result = results[-1]
        if result.unchanged and result.version is not None:
            return Reply(status=304, headers=(VERSION, ("ETag", write_tag(result.version))))
        page = _page(results)
        (row,) = self.rows(page)
        headers: list[tuple[str, str]] = []
        if result.version is not None:
            headers.append(("ETag", write_tag(result.version)))
        if status == 201:
            headers.append(("Location", self.address(self.entity, page)))
        body = dump(row)
        if self.level != "none":
            # The row is one JSON object: the context goes in front of its first property.
            context = dump(f"{self.base}$metadata#{self.context}/$entity")
            body = b'{"@odata.context":' + context + b"," + body[1:]
        return Reply(status=status, headers=(("Content-Type", self.kind), VERSION, *headers), body=body)

    def created(self, results: Sequence[Result]) -> Reply:
        """A new row."""
        return self.row(results, status=201)

    def nothing(self, results: Sequence[Result]) -> Reply:
        """Done, with nothing to say."""
        return Reply(status=204)

    def made(self, results: Sequence[Result]) -> Reply:
        """A new row, of which nothing but its address is wanted."""
        address = self.address(self.entity, _page(results))
        headers = (VERSION, ("Location", address), ("OData-EntityId", address))
        return Reply(status=204, headers=(*headers, ("Preference-Applied", "return=minimal")))

    def property(self, results: Sequence[Result], field: DataField, *, raw: bool = False) -> Reply:
        """One value of a row."""
        (row,) = _dictionaries(_page(results), self.entity, (field,), ())
        value = row[field.name]
        if raw:
            text = value if isinstance(value, str) else dump(value).decode()
            return Reply(status=200, headers=(("Content-Type", "text/plain"), VERSION), body=text.encode())
        return json_reply({**self.headed(self.context), "value": value}, kind=self.kind)

    def reached(self, results: Sequence[Result]) -> Reply:
        """The row at the end of a single-valued navigation property, out of an expanded parent; 204 without one."""
        (row,) = self.rows(_page(results))
        (through,) = self.expanded
        inner = row[through.name]
        if inner is None:
            return Reply(status=204)
        context = f"{through.entity.collection}/$entity"
        return json_reply({**self.headed(context), **inner}, kind=self.kind)

    # -- rows ----------------------------------------------------------------------------------------------------
    def rows(self, page: Page) -> list[Any]:
        """The rows of a page as values that JSON can be made of."""
        if self.level != "full" and not self.expanded:
            made = _maker(page.plan, self.entity, self.fields, self.level)
            return made(page.rows)
        rows = _dictionaries(page, self.entity, self.fields, self.expanded, more=self.more)
        if self.level == "none":
            return [_bare(row) for row in rows]
        return [self.told(self.entity, self.fields, row) for row in rows] if self.level == "full" else rows

    def more(self, row: Mapping[str, Any], name: str, page: Page) -> str:
        """The address of the next page of an expanded collection."""
        address = f"{self.base}{self.entity.collection}({key_text(self.entity, row)})/{name}"
        return _continued(address, page)

    def told(self, entity: DataEntity, fields: Sequence[DataField], row: Mapping[str, Any]) -> dict[str, Any]:
        """A row with all that can be said of it: its type, its address, the types of its values."""
        told: dict[str, Any] = {"@odata.type": f"#{NAMESPACE}{entity.name}"}
        if "@odata.etag" in row:
            told["@odata.etag"] = row["@odata.etag"]
        if all(name in row for name in entity.key):
            key = f"{entity.collection}({key_text(entity, row)})"
            told |= {"@odata.id": f"{self.base}{key}", "@odata.editLink": key}
            for name in self.names.navigations(entity):
                told[f"{name}@odata.associationLink"] = f"{self.base}{key}/{name}/$ref"
                told[f"{name}@odata.navigationLink"] = f"{self.base}{key}/{name}"
        for field in fields:
            kind = edm_type(field)
            if kind not in TOLD:
                told[f"{field.name}@odata.type"] = f"#{kind.removeprefix('Edm.')}"
            told[field.name] = row[field.name]
        for each in self.expanded if entity is self.entity else ():
            inner = row[each.name]
            if each.many:
                told[each.name] = [self.told(each.entity, each.fields, item) for item in inner]
                told |= {name: row[name] for name in row if name == f"{each.name}@odata.nextLink"}
            else:
                told[each.name] = None if inner is None else self.told(each.entity, each.fields, inner)
        return told

    def address(self, entity: DataEntity, page: Page) -> str:
        """The address of the one row of a page."""
        (row,) = _dictionaries(page, entity, entity.key_fields, ())
        return f"{self.base}{entity.collection}({key_text(entity, row)})"


def _bare(row: dict[str, Any]) -> dict[str, Any]:
    """A row without its tags, and without those of what is nested in it."""
    bare: dict[str, Any] = {}
    for name, value in row.items():
        if name == "@odata.etag":
            continue
        if isinstance(value, dict):
            value = _bare(value)
        elif isinstance(value, list):
            value = [_bare(item) for item in value]
        bare[name] = value
    return bare


def key_text(entity: DataEntity, row: Mapping[str, Any]) -> str:
    """The key of a row as addresses have it: ``dataAreaId='usmf',CustomerAccount='US-001'``."""
    parts = ((field, _key_value(field, row[field.name])) for field in entity.key_fields)
    return ",".join(f"{field.name}={value}" for field, value in parts)


def _key_value(field: DataField, value: Any) -> str:
    if field.enum is not None:
        return f"{NAMESPACE}{field.enum.name}'{value}'"
    if field.kind == "String":
        doubled = str(value).replace("'", "''")
        return f"'{quote(doubled, safe='')}'"
    if isinstance(value, bool):
        return "true" if value else "false"
    return f"{value:f}" if isinstance(value, Decimal) else str(value)


# -- rows ------------------------------------------------------------------------------------------------------------
@lru_cache(maxsize=1024)
def _maker(plan: Plan, entity: DataEntity, fields: tuple[DataField, ...], level: str) -> Rows:
    """What makes the rows of a plan without expands."""
    made = row_maker(plan, _placed(fields, tag=level != "none"))
    if made is None:
        raise TypeError("a plan without expands is plain")
    return made


def _placed(fields: Sequence[DataField], *, tag: bool = True) -> Callable[[Output], Sequence[Place]]:
    by_column: dict[str, list[Place]] = {}
    for field in fields:
        by_column.setdefault(field.column, []).append(shown(field))

    def placed(output: Output) -> Sequence[Place]:
        if output.part == "version":
            return (Place(name="@odata.etag", convert=write_tag),) if tag else ()
        if output.part == "value" or (output.part == "id" and output.name in by_column):
            return by_column.get(output.name, ())
        return ()

    return placed


def _dictionaries(
    page: Page,
    entity: DataEntity,
    fields: Sequence[DataField],
    expanded: Sequence[Expanded],
    *,
    more: Callable[[Mapping[str, Any], str, Page], str] | None = None,
) -> list[dict[str, Any]]:
    """The rows of a page, place by place, with what is nested in them."""
    plan: Plan = page.plan
    places = _places(plan.outputs, fields, 0)
    through = {each.name: each for each in expanded}
    children = [
        (through[child.name], place, pages)
        for (child, place), pages in zip(placed_children(plan), page.children, strict=True)
    ]
    nested = []
    start = len(plan.outputs)
    for part in plan.nested:
        names = [output.name if output.part in ("value", "id") else "" for output in part.outputs]
        at = start + names.index(part.table.primary_id)
        nested.append((through[part.name], at, _places(part.outputs, through[part.name].fields, start)))
        start += width(part)
    rows: list[dict[str, Any]] = []
    for values in page.rows:
        row = _row(values, places)
        for each, at, inner in nested:
            row[each.name] = None if values[at] is None else _row(values, inner)
        for each, at, pages in children:
            found = pages.get(values[at])
            row[each.name] = [] if found is None else _dictionaries(found, each.entity, each.fields, ())
            if found is not None and found.after is not None and more is not None:
                row[f"{each.name}@odata.nextLink"] = more(row, each.name, found)
        rows.append(row)
    return rows


def _places(
    outputs: Sequence[Output], fields: Sequence[DataField], start: int
) -> list[tuple[int, Place, Callable[[Any], Any]]]:
    placed = _placed(fields)
    return [
        (index, place, _convert(place))
        for index, output in enumerate(outputs, start)
        for place in placed(output)
    ]


def _convert(place: Place) -> Callable[[Any], Any]:
    if place.source is not None:
        made: Callable[[Any], Any] = eval(f"lambda value: {place.source.replace('{}', 'value')}")
        return made
    return place.convert or (lambda value: value)


def _row(values: Sequence[Any], places: Sequence[tuple[int, Place, Callable[[Any], Any]]]) -> dict[str, Any]:
    return {
        place.name: place.null if values[index] is None else convert(values[index])
        for index, place, convert in places
    }


def _page(results: Sequence[Result]) -> Page:
    page = results[-1].page
    if page is None:
        raise TypeError("a page was promised")
    return page


def _continued(address: str, page: Page) -> str:
    names = [sort.of.column.name if isinstance(sort.of, Col) else "value" for sort in page.plan.order]
    cookie = write_cookie(page.number + 1, names, page.after or ())
    return f"{address}{'&' if '?' in address else '?'}$skiptoken={quote(cookie, safe='')}"
