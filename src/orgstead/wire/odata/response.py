"""Results to answers: status, headers, JSON."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from orgstead.errors import Fault
from orgstead.languages.odata import print_query
from orgstead.languages.paging import write_cookie
from orgstead.model.messages import Result
from orgstead.model.plan import Col, Plan
from orgstead.model.query import Expand, Query, ToOne
from orgstead.model.record import Page, Record, Ref
from orgstead.wire.odata.encode import encode_page, encode_rows
from orgstead.wire.odata.errors import fault_body
from orgstead.wire.odata.members import Annotations, wire_value
from orgstead.wire.odata.names import Names
from orgstead.wire.odatav4.prefer import Prefer
from orgstead.wire.odatav4.reply import JSON_TYPE, VERSION, Reply, dump, json_reply

__all__ = ["Shape", "failure"]

COUNT_ANNOTATION = "Microsoft.Dynamics.CRM.totalrecordcount"
COUNT_CAPPED = "Microsoft.Dynamics.CRM.totalrecordcountlimitexceeded"
PAGING_COOKIE = "Microsoft.Dynamics.CRM.fetchxmlpagingcookie"
MORE_RECORDS = "Microsoft.Dynamics.CRM.morerecords"


def failure(error: Fault, *, annotations: bool = False) -> Reply:
    """The answer that a fault is."""
    return Reply(
        status=error.status,
        headers=(("Content-Type", JSON_TYPE), VERSION),
        body=fault_body(error, annotations=annotations),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """What an answer needs of its request: where addresses start, names, preferences.

    ``base`` is the API's root; ``context`` what follows ``$metadata#``; ``link`` the request's address without
    ``$skiptoken``, for next links.
    """

    base: str
    names: Names
    prefer: Prefer
    annotations: Annotations
    context: str = ""
    link: str = ""
    expands: tuple[Expand, ...] = ()

    def applied(self) -> tuple[tuple[str, str], ...]:
        """The Preference-Applied header, if any preference was applied."""
        return (("Preference-Applied", self.prefer.applied),) if self.prefer.applied else ()

    def address(self, table: str, id: str) -> str:
        """The absolute address of a row."""
        return self.base + self.names.address(table, id)

    def collection(self, results: Sequence[Result]) -> Reply:
        """A page of rows."""
        page = _page(results)
        body: dict[str, Any] = {"@odata.context": f"{self.base}$metadata#{self.context}"}
        if page.total is not None:
            body["@odata.count"] = page.total
        self.count_annotations(body, page)
        body["value"] = encode_page(page, self.names, self.annotations, self)
        if page.after is not None:
            body["@odata.nextLink"] = self.next_link(page)
        return json_reply(body, headers=self.applied())

    def fetched(self, results: Sequence[Result], *, links: bool) -> Reply:
        """A page of the rows of a query in another language; ``links``: its next page has an address.

        https://learn.microsoft.com/power-apps/developer/data-platform/fetchxml/page-results#paging-cookie-examples
        """
        page = _page(results)
        body: dict[str, Any] = {"@odata.context": f"{self.base}$metadata#{self.context}"}
        if page.total is not None:
            body["@odata.count"] = page.total
        self.count_annotations(body, page)
        if page.after is not None and page.plan.keyed and not links and self.prefer.wants(PAGING_COOKIE):
            cookie = write_cookie(page.number + 1, _cursor_names(page.plan), page.after)
            body[f"@{PAGING_COOKIE}"] = cookie
        if not links and self.prefer.wants(MORE_RECORDS):
            body[f"@{MORE_RECORDS}"] = page.after is not None
        body["value"] = encode_page(page, self.names, self.annotations, self, nulls=False)
        if links and page.after is not None:
            body["@odata.nextLink"] = self.next_link(page)
        return json_reply(body, headers=self.applied())

    def count_annotations(self, body: dict[str, Any], page: Page) -> None:
        """The annotations about the number of rows, where they are asked for."""
        if self.prefer.annotations:
            if self.prefer.wants(COUNT_ANNOTATION):
                body[f"@{COUNT_ANNOTATION}"] = -1 if page.total is None else page.total
            if self.prefer.wants(COUNT_CAPPED):
                body[f"@{COUNT_CAPPED}"] = page.capped

    def next_link(self, page: Page) -> str:
        """The address of the next page."""
        return self.continued(self.link, page)

    def continued(self, address: str, page: Page) -> str:
        """An address with the cookie that leads to the page after this one."""
        return _with_cookie(address, page)

    def nested_link(self, path: str, trail: Sequence[str], page: Page) -> str:
        """The address of the next page of an expanded collection, with the options that the expand had."""
        expand = _find_expand(self.expands, trail)
        options = ""
        if expand is not None:
            options = print_query(
                Query(
                    table="",
                    columns=expand.columns,
                    where=expand.where,
                    order=expand.order,
                    expand=expand.expand,
                )
            )
        return _with_cookie(f"{self.base}{path}?{options}" if options else f"{self.base}{path}", page)

    def count(self, results: Sequence[Result]) -> Reply:
        """A count as plain text."""
        text = str(_page(results).total or 0)
        return Reply(status=200, headers=(("Content-Type", "text/plain"), VERSION), body=text.encode())

    def entity(self, results: Sequence[Result]) -> Reply:
        """One row; 304 when it is the version that the client has."""
        (result,) = results
        if result.unchanged:
            return Reply(status=304, headers=(VERSION, ("ETag", f'W/"{result.version}"')))
        return self._row(result, 200)

    def written(self, results: Sequence[Result]) -> Reply:
        """A created or changed row: its address, or the row itself when it was asked for."""
        (result,) = results
        if result.page is not None:
            return self._row(result, 201 if result.created else 200)
        if result.ref is None:
            return Reply(status=204)
        address = self.address(result.ref.table, result.ref.id)
        headers = [VERSION, ("OData-EntityId", address)]
        if result.created:
            headers.insert(1, ("Location", address))
        return Reply(status=204, headers=(*headers, *self.applied()))

    def _row(self, result: Result, status: int) -> Reply:
        page = result.page
        if page is None or result.ref is None:
            raise TypeError("a row was promised")
        (row,) = encode_page(page, self.names, self.annotations, self)
        headers: list[tuple[str, str]] = [("Content-Type", JSON_TYPE), VERSION, *self.applied()]
        if result.version is not None:
            headers.append(("ETag", f'W/"{result.version}"'))
        if result.created:
            address = self.address(result.ref.table, result.ref.id)
            headers += [("Location", address), ("OData-EntityId", address)]
        context = dump(f"{self.base}$metadata#{self.context}/$entity")
        # The row is one JSON object: the context goes in front of its first property.
        body = b'{"@odata.context":' + context + b"," + dump(row)[1:]
        return Reply(status=status, headers=tuple(headers), body=body)

    def nothing(self, results: Sequence[Result]) -> Reply:
        """Done, with nothing to say."""
        return Reply(status=204)

    def property(self, results: Sequence[Result], name: str) -> Reply:
        """One value of a row; 204 when it is null."""
        value, table, id = _single_value(results, name)
        if value is None:
            return Reply(status=204)
        set_name = self.names.set_of(table)
        context = f"{self.base}$metadata#{set_name}({id})/{name}"
        return json_reply({"@odata.context": context, "value": value})

    def raw_value(self, results: Sequence[Result], name: str) -> Reply:
        """One value of a row as text, or as bytes for an image; 204 when it is null."""
        value, _, _ = _single_value(results, name, raw=True)
        if value is None:
            return Reply(status=204)
        if isinstance(value, bytes):
            return Reply(
                status=200, headers=(("Content-Type", "application/octet-stream"), VERSION), body=value
            )
        text = value if isinstance(value, str) else dump(value).decode()
        return Reply(status=200, headers=(("Content-Type", "text/plain"), VERSION), body=text.encode())

    def expanded(self, results: Sequence[Result], name: str, *, reference: bool = False) -> Reply:
        """The row at the end of a to-one navigation property, out of an expanded parent; 204 when there is none."""
        (result,) = results
        page = result.page
        if page is None:
            raise TypeError("a row was promised")
        (row,) = encode_rows(page, self.names, self.annotations, self)
        inner = row[name]
        if inner is None:
            return Reply(status=204)
        if reference:
            return json_reply(
                {"@odata.context": f"{self.base}$metadata#$ref", "@odata.id": inner["@odata.id"]}
            )
        return json_reply({"@odata.context": f"{self.base}$metadata#{self.context}/$entity", **inner})

    def references(self, results: Sequence[Result]) -> Reply:
        """The addresses of a page of rows."""
        page = _page(results)
        table = page.plan.source.table
        rows = encode_rows(page, self.names, links=self)
        body: dict[str, Any] = {
            "@odata.context": f"{self.base}$metadata#Collection($ref)",
            "value": [{"@odata.id": self.address(table.logical_name, row[table.primary_id])} for row in rows],
        }
        if page.after is not None:
            body["@odata.nextLink"] = self.next_link(page)
        return json_reply(body)

    def value(self, results: Sequence[Result], type_name: str) -> Reply:
        """What an action or a function answers: the properties of its response type, or nothing."""
        (result,) = results
        if result.page is not None:
            return self.row_of(result.page)
        if result.value is None:
            return Reply(status=204)
        if isinstance(result.value, Ref):
            context = f"{self.names.set_of(result.value.table)}/$entity"
            return json_reply(
                {"@odata.context": f"{self.base}$metadata#{context}", **self.named(result.value)}
            )
        answer = self.plain(result.value)
        body = answer if isinstance(answer, Mapping) else {"value": answer}
        return json_reply(
            {"@odata.context": f"{self.base}$metadata#{type_name}", **body}, headers=self.applied()
        )

    def row_of(self, page: Page) -> Reply:
        """A row that an action answers as an entity."""
        (row,) = encode_rows(page, self.names, self.annotations, self)
        table = page.plan.source.table
        context = f"{self.base}$metadata#{table.entity_set}/$entity"
        body = {
            "@odata.context": context,
            "@odata.type": f"#Microsoft.Dynamics.CRM.{table.logical_name}",
            **row,
        }
        return json_reply(body, headers=self.applied())

    def plain(self, value: Any) -> Any:
        """What a message answers, with the rows in it as entities of their type."""
        match value:
            case Ref():
                return self.named(value)
            case Record():
                return {
                    **self.named(Ref(value.table, value.id) if value.id else value.table),
                    **dict(self.given(value.table, name, each) for name, each in value.values.items()),
                }
            case Mapping():
                return {name: self.plain(each) for name, each in value.items()}
            case list() | tuple():
                return [self.plain(each) for each in value]
        return value

    def given(self, table: str, name: str, value: Any) -> tuple[str, Any]:
        """A value as a client would send it: a lookup as a bind."""
        if not isinstance(value, Ref):
            return name, self.plain(value)
        for navigation in self.names.navigations(self.names.schema.tables[table]).values():
            link = navigation.link
            if isinstance(link, ToOne) and (link.lookup, link.target) == (name, value.table):
                return f"{navigation.name}@odata.bind", f"/{self.names.address(value.table, value.id)}"
        return name, value.id

    def named(self, row: Ref | str) -> dict[str, Any]:
        """A row that only its id is told of, or just its table."""
        table = row if isinstance(row, str) else row.table
        typed = {"@odata.type": f"#Microsoft.Dynamics.CRM.{table}"}
        if isinstance(row, str):
            return typed
        return {**typed, self.names.schema.tables[table].primary_id: row.id}


# What the service leaves readable in a skip token.
_COOKIE_SAFE = "/%=*()-_.!~'"


def _with_cookie(link: str, page: Page) -> str:
    cookie = write_cookie(page.number + 1, _cursor_names(page.plan), page.after or ())
    return f"{link}{'&' if '?' in link else '?'}$skiptoken={quote(cookie, safe=_COOKIE_SAFE)}"


def _find_expand(expands: Sequence[Expand], trail: Sequence[str]) -> Expand | None:
    """The expand at the end of a trail of names: as the client wrote it."""
    found = None
    for name in trail:
        found = next((each for each in expands if each.name == name), None)
        if found is None:
            return None
        expands = found.expand
    return found


def _page(results: Sequence[Result]) -> Page:
    page = results[-1].page
    if page is None:
        raise TypeError("a page was promised")
    return page


def _cursor_names(plan: Plan) -> list[str]:
    if not plan.keyed:
        return ["offset"]
    return [sort.of.column.name if isinstance(sort.of, Col) else "value" for sort in plan.order]


def _single_value(results: Sequence[Result], name: str, *, raw: bool = False) -> tuple[Any, str, str]:
    (result,) = results
    page = result.page
    if page is None or result.ref is None:
        raise TypeError("a row was promised")
    (row,) = page.rows
    for output, value in zip(page.plan.outputs, row, strict=False):
        if output.part == "value" and name in (output.name, f"_{output.name}_value"):
            shown = value if raw and isinstance(value, bytes) else wire_value(output, value)
            return shown, result.ref.table, result.ref.id
    raise KeyError(name)
