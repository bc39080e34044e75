"""Queries in other languages: raw OData, FetchXML with its paging cookies, and SQL.

https://learn.microsoft.com/power-apps/developer/data-platform/fetchxml/page-results
https://learn.microsoft.com/power-apps/developer/data-platform/webapi/query/sql
"""

import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, TypeVar
from urllib.parse import unquote
from xml.etree import ElementTree

from orgstead.client.errors import ConfigurationError
from orgstead.client.flow import Emit, Flow, Stream
from orgstead.client.literals import query_text
from orgstead.client.query import ANNOTATIONS
from orgstead.client.record import Page, Record, Shape
from orgstead.client.rows import Rows, linked_pages
from orgstead.client.session import Session
from orgstead.client.shapes import shape_of, with_navigation

__all__ = ["FetchXml", "OData", "Sql"]

D = TypeVar("D")
COOKIE = "@Microsoft.Dynamics.CRM.fetchxmlpagingcookie"
MORE = "@Microsoft.Dynamics.CRM.morerecords"
PAGING = 'odata.include-annotations="Microsoft.Dynamics.CRM.fetchxmlpagingcookie,Microsoft.Dynamics.CRM.morerecords"'
MAX_FETCH = 1_000_000
_SET = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_FROM = re.compile(r"\bfrom\s+(?:\[?dbo\]?\s*\.\s*)?\[?(\w+)\]?", re.IGNORECASE)


class OData(Rows[D]):
    """The rows at a path below the root, as it is written: ``accounts?$select=name&$filter=…``.

    What stands for itself in a query goes out as it is: percent-encode values (``#``, ``&``, ``+``) yourself.
    """

    def __init__(self, driver: D, session: Session, path: str, headers: Mapping[str, str]) -> None:
        super().__init__(driver, session)
        self._path = path
        self._headers = headers

    def _pages(self) -> Stream[Page]:
        first = _SET.match(self._path)
        shape = None
        if first is not None and not first[0][0].isupper():
            shape = yield from shape_of(self._session, first[0])
            rest = self._path[first.end() :]
            if rest.startswith(("(", "/")):
                shape = None  # what a function or a navigation property leads to is another table
            elif "$expand=" in rest:
                shape = yield from with_navigation(self._session, first[0])
        yield from linked_pages(self._session, self._path.replace(" ", "%20"), shape, self._headers)


class FetchXml(Rows[D]):
    """The rows of a FetchXML query, along its paging cookies.

    A query with ``top`` or ``page`` is a single page. Raises ConfigurationError for what is no FetchXML.
    """

    def __init__(self, driver: D, session: Session, xml: str, size: int | None, annotations: bool) -> None:
        super().__init__(driver, session)
        if len(xml) > MAX_FETCH or "<!" in xml:
            raise ConfigurationError("a FetchXML query has no declarations and at most a million characters")
        try:
            self._fetch = ElementTree.fromstring(xml)
        except ElementTree.ParseError as error:
            raise ConfigurationError(f"the FetchXML cannot be read: {error}") from None
        entity = self._fetch.find("entity")
        if self._fetch.tag != "fetch" or entity is None or not entity.get("name"):
            raise ConfigurationError("a FetchXML query is <fetch><entity name='…'>…</entity></fetch>")
        self._entity = entity
        self._size = size
        self._annotations = annotations

    def _pages(self) -> Stream[Page]:
        shape = yield from self._shape()
        headers = {"Prefer": ANNOTATIONS if self._annotations else PAGING}
        number, cookie = 1, ""
        alone = self._fetch.get("top") is not None or self._fetch.get("page") is not None
        while True:
            text = query_text({"fetchXml": self._text(number, cookie, alone)})
            body = yield from self._session.json(f"{shape.set}?{text}", headers=headers)
            rows = [Record(row, shape, self._session.shapes) for row in body["value"]]
            yield Emit(Page(rows=rows, total=body.get("@odata.count")))
            cookie = _inner_cookie(str(body.get(COOKIE) or ""))
            if alone or not (body.get(MORE) or cookie):
                return
            number += 1

    def _text(self, number: int, cookie: str, alone: bool) -> str:
        if alone:
            return ElementTree.tostring(self._fetch, "unicode")
        added = {"page": str(number)}
        if self._size is not None:
            added["count"] = str(self._size)
        if cookie:
            added["paging-cookie"] = cookie
        made = ElementTree.Element("fetch", {**self._fetch.attrib, **added})
        made.extend(self._fetch)
        return ElementTree.tostring(made, "unicode")

    def _shape(self) -> Flow[Shape]:
        """The shape of the entity, with the aliases of the query."""
        shape = yield from shape_of(self._session, self._entity.get("name", ""))
        types = dict(shape.types)
        for place in (self._entity, *self._entity.iter("link-entity")):
            table = shape
            prefix = ""
            if place.tag == "link-entity":
                table = yield from shape_of(self._session, place.get("name", ""))
                prefix = f"{place.get('alias') or ''}."
            for column in place.findall("attribute"):
                kind = _kind(column, table.types)
                types[column.get("alias") or f"{prefix}{column.get('name')}"] = kind
            if place.find("all-attributes") is not None and prefix:
                types |= {f"{prefix}{column}": kind for column, kind in table.types.items()}
        return replace(shape, types=types)


def _kind(column: Any, types: Mapping[str, str]) -> str:
    if column.get("aggregate") in ("count", "countcolumn") or column.get("dategrouping"):
        return ""
    return types.get(column.get("name", ""), "")


def _inner_cookie(text: str) -> str:
    """The cookie to send back, out of the XML that came: it is percent-encoded twice in there."""
    if not text:
        return ""
    try:
        found = ElementTree.fromstring(text).get("pagingcookie", "")
    except ElementTree.ParseError:
        return ""
    return unquote(unquote(found))


class Sql(Rows[D]):
    """The rows of a SELECT statement; the service compiles it and reads only."""

    def __init__(
        self, driver: D, session: Session, statement: str, size: int | None, annotations: bool
    ) -> None:
        super().__init__(driver, session)
        found = _FROM.search(statement)
        if found is None:
            raise ConfigurationError("the statement is SELECT … FROM a table")
        self._statement = statement
        self._table = found[1]
        self._size = size
        self._annotations = annotations

    def _pages(self) -> Stream[Page]:
        shape = yield from shape_of(self._session, self._table)
        preferences = [f"odata.maxpagesize={self._size}"] if self._size is not None else []
        preferences += [ANNOTATIONS] if self._annotations else []
        headers = {"Prefer": ",".join(preferences)} if preferences else {}
        path = f"{shape.set}?{query_text({'sql': self._statement})}"
        yield from linked_pages(self._session, path, shape, headers)
