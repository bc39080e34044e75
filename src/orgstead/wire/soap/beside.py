"""What stands in an Entity beside its own columns: lists of parties, and rows that are related to it.

https://learn.microsoft.com/power-apps/developer/data-platform/activityparty-entity
https://learn.microsoft.com/dotnet/api/microsoft.xrm.sdk.messages.retrieverequest.relatedentitiesquery
"""

from collections.abc import Mapping, Sequence
from typing import Any

from orgstead.model.parties import PARTICIPATION
from orgstead.model.plan import Child, placed_children
from orgstead.model.query import Expand, ToMany
from orgstead.model.record import Page
from orgstead.model.schema import Schema, Table
from orgstead.wire.soap.contracts import NAMESPACES
from orgstead.wire.soap.rows import Beside, Letters, entities
from orgstead.wire.soap.xml import escape

__all__ = ["PARTIES", "RELATED", "beside", "parties_of", "party_columns"]

PARTIES = "parties"
# Expands of related rows are called by their relationship behind this.
RELATED = "related:"
PARTY = "activityparty"
MASK = "participationtypemask"


def party_columns(table: Table, columns: Sequence[str] | None) -> tuple[str, ...]:
    """The party lists among the columns that are asked for (None: all)."""
    return tuple(
        name
        for name, column in table.columns.items()
        if column.type == "partylist" and name in PARTICIPATION and (columns is None or name in columns)
    )


def parties_of(table: Table, schema: Schema) -> Expand | None:
    """The parties of an activity, nested under ``PARTIES``; None for a table that has none."""
    relationship = schema.lookup_relationship(PARTY, "activityid", table.logical_name)
    if relationship is None:
        return None
    return Expand(link=ToMany(relationship.schema_name), name=PARTIES)


def beside(
    page: Page, columns: tuple[str, ...], tables: Mapping[str, str], letters: Letters
) -> Beside | None:
    """The text beside each row of a page; None when there is none of it."""
    if not page.children:
        return None
    found = list(zip(placed_children(page.plan), page.children, strict=True))
    more, related = [], []
    for row in page.rows:
        attributes = linked = ""
        for (child, place), pages in found:
            inner = pages.get(row[place])
            if child.name == PARTIES:
                attributes += _parties(child, inner, columns, tables, page.labels, letters)
            else:
                linked += _related(child, inner, tables, page.labels, letters)
        more.append(attributes)
        related.append(linked)
    return more, related


def _parties(
    child: Child,
    page: Page | None,
    columns: tuple[str, ...],
    tables: Mapping[str, str],
    labels: Any,
    letters: Letters,
) -> str:
    """The party lists of a row, as attributes; those without a party are left out."""
    if page is None:
        return ""
    place = next(i for i, each in enumerate(page.plan.outputs) if each.name == MASK and each.part == "value")
    a, b = letters.xrm, letters.pairs
    text = ""
    for name in columns:
        rows = [row for row in page.rows if row[place] == PARTICIPATION[name]]
        if rows:
            held = _collection(_part(page, rows, labels), tables, letters)
            text += (
                f"<{a}:KeyValuePairOfstringanyType><{b}:key>{escape(name)}</{b}:key>"
                f'<{b}:value i:type="{a}:EntityCollection">{held}</{b}:value></{a}:KeyValuePairOfstringanyType>'
            )
    return text


def _part(page: Page, rows: Sequence[Any], labels: Any) -> Page:
    return Page(plan=page.plan, rows=rows, labels=labels)


def _related(
    child: Child, page: Page | None, tables: Mapping[str, str], labels: Any, letters: Letters
) -> str:
    """The rows that a relationship leads to, with the relationship as their key."""
    a, b = letters.xrm, letters.pairs
    shown = page if page is not None else Page(plan=child.plan, rows=())
    pair = f"{a}:KeyValuePairOfRelationshipEntityCollectionX_PsK4FkN"
    return (
        f'<{pair}><{b}:key xmlns:{b}="{NAMESPACES["pairs"]}"><{a}:PrimaryEntityRole i:nil="true"/>'
        f"<{a}:SchemaName>{escape(child.name.removeprefix(RELATED))}</{a}:SchemaName></{b}:key>"
        f'<{b}:value xmlns:{b}="{NAMESPACES["pairs"]}">'
        f"{_collection(_part(shown, shown.rows, labels), tables, letters)}</{b}:value></{pair}>"
    )


def _collection(page: Page, tables: Mapping[str, str], letters: Letters) -> str:
    """A small EntityCollection, whole."""
    a = letters.xrm
    rows = "".join(entities(page, tables, letters))
    return (
        f"<{a}:Entities>{rows}</{a}:Entities>"
        f"<{a}:EntityName>{escape(page.plan.source.table.logical_name)}</{a}:EntityName>"
        f"<{a}:MinActiveRowVersion>-1</{a}:MinActiveRowVersion><{a}:MoreRecords>false</{a}:MoreRecords>"
        f'<{a}:PagingCookie i:nil="true"/><{a}:RecordCountLessThanMarv>-1</{a}:RecordCountLessThanMarv>'
        f"<{a}:TotalRecordCount>-1</{a}:TotalRecordCount>"
        f"<{a}:TotalRecordCountLimitExceeded>false</{a}:TotalRecordCountLimitExceeded>"
    )
