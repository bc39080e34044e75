"""Requests about queries themselves, and about what has changed since.

https://learn.microsoft.com/dotnet/api/microsoft.crm.sdk.messages.fetchxmltoqueryexpressionrequest
https://learn.microsoft.com/dotnet/api/microsoft.xrm.sdk.messages.retrieveentitychangesrequest
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from orgstead.errors import fault
from orgstead.languages.fetchxml import parse_fetchxml, print_fetchxml
from orgstead.languages.paging import read_inner, write_inner
from orgstead.languages.queryexpression import print_query_expression
from orgstead.languages.windows import next_window, read_window
from orgstead.model.messages import Changes, Execute, Result, Window
from orgstead.model.query import Query
from orgstead.model.record import Page, Ref
from orgstead.model.schema import Schema
from orgstead.wire.soap.answers import Operation, Response
from orgstead.wire.soap.ask import Ask
from orgstead.wire.soap.beside import cursor_names
from orgstead.wire.soap.definitions import answered
from orgstead.wire.soap.pieces import Piece, entity_letters, table_names
from orgstead.wire.soap.registry import request
from orgstead.wire.soap.rows import entities
from orgstead.wire.soap.write import Scope, Typed, element
from orgstead.wire.soap.xml import escape

__all__ = ["ChangedRows"]

MAX_PAGE = 5000
SPLIT = "|"


@request("FetchXmlToQueryExpression")
def _to_query_expression(ask: Ask) -> Operation:
    query = parse_fetchxml(str(ask.needed("FetchXml")))
    return answered(ask, ("Query", Typed(("xrm", "QueryExpression"), print_query_expression(query))))


@request("QueryExpressionToFetchXml")
def _to_fetchxml(ask: Ask) -> Operation:
    query = ask.needed("Query", ("xrm", "QueryBase"))
    if not isinstance(query, Query):
        raise ask.wrong("Query", "QueryBase")
    return answered(ask, ("FetchXml", print_fetchxml(query)))


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangedRows:
    """A page of what has changed in a table, as BusinessEntityChanges."""

    changes: Changes
    window: Window
    table: str

    def pieces(self, tag: str, scope: Scope, schema: Schema) -> Iterator[Piece]:
        """The changes as the value of a result."""
        scope, said = scope.with_("xrm71")
        c, page = scope.known["xrm71"], self.changes.page
        yield f'<{tag}{said} i:type="{c}:BusinessEntityChanges"><{c}:Changes>'
        yield from self.changed(c, page, scope, schema)
        for id in self.changes.deleted:
            item = element(f"{c}:RemovedItem", Ref(self.table, id), ("xrm", "EntityReference"), scope)
            yield (
                f'<{c}:anyType i:type="{c}:RemovedOrDeletedItem">{item}'
                f"<{c}:Type>RemoveOrDeleted</{c}:Type></{c}:anyType>"
            )
        token = next_window(self.changes, self.window)
        more, cookie = not self.changes.complete, f'<{c}:PagingCookie i:nil="true"/>'
        if more:
            inner = ""
            if page is not None and page.after is not None:
                inner = write_inner(page.number, cursor_names(page.plan), page.after)
            cookie = f"<{c}:PagingCookie>{escape(f'{token}{SPLIT}{inner}')}</{c}:PagingCookie>"
        yield (
            f"</{c}:Changes><{c}:DataToken>{escape(token)}</{c}:DataToken>"
            f'<{c}:GlobalMetadataVersion i:nil="true"/>'
            f"<{c}:MoreRecords>{'true' if more else 'false'}</{c}:MoreRecords>{cookie}"
            f"<{c}:RecordCountLessThanMarv>0</{c}:RecordCountLessThanMarv></{tag}>"
        )

    def changed(self, c: str, page: Page | None, scope: Scope, schema: Schema) -> Iterator[str]:
        """Rows that are new or changed."""
        if page is None:
            return
        own = scope.name("xrm", "Entity")
        for text in entities(page, table_names(schema), entity_letters(scope)):
            inner = text.removeprefix(f"<{own}>").removesuffix(f"</{own}>")
            yield (
                f'<{c}:anyType i:type="{c}:NewOrUpdatedItem"><{c}:NewOrUpdatedEntity>{inner}'
                f"</{c}:NewOrUpdatedEntity><{c}:Type>NewOrUpdated</{c}:Type></{c}:anyType>"
            )


@request("RetrieveEntityChanges")
def _retrieve_entity_changes(ask: Ask) -> Operation:
    table = ask.table(str(ask.needed("EntityName")))
    version, columns = ask.text("DataVersion"), ask.columns("Columns")
    page: Any = ask.value("PageInfo", ("xrm", "PagingInfo")) or {}
    ask.flag("GetGlobalMetadataVersion")
    ask.finish()
    query = Query(table=table.logical_name, columns=columns)
    if not isinstance(page, dict):
        raise ask.wrong("PageInfo", "PagingInfo")
    if page.get("Count"):
        query = replace(query, page_size=min(max(int(page["Count"]), 1), MAX_PAGE))
    window = Window() if version is None else read_window(version)
    cookie = page.get("PagingCookie")
    if cookie:
        token, _, inner = str(cookie).partition(SPLIT)
        window = read_window(token)
        if window.until is None:
            raise fault("InvalidPagingCookie")
        if inner:
            query = replace(
                query, after=read_inner(inner), page_number=max(int(page.get("PageNumber") or 2), 2)
            )
    parameters = {"query": query, "window": window}

    def render(results: Sequence[Result]) -> Response:
        changed = ChangedRows(changes=results[0].value, window=window, table=table.logical_name)
        return Response(name="RetrieveEntityChanges", results=(("EntityChanges", changed),))

    message = Execute(name="RetrieveEntityChanges", parameters=parameters)
    return Operation(messages=(message,), render=render, options=ask.options)
