"""What stands in an Entity beside its own columns: lists of parties, and rows that are related to it.

Parties come as an expand of the row, rows that are related to it as the pages of queries of their own.

https://learn.microsoft.com/power-apps/developer/data-platform/activityparty-entity
https://learn.microsoft.com/dotnet/api/microsoft.xrm.sdk.messages.retrieverequest.relatedentitiesquery
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from orgstead.languages.paging import write_inner
from orgstead.model.parties import PARTICIPATION
from orgstead.model.plan import Col, Plan, placed_children
from orgstead.model.query import Expand, ToMany
from orgstead.model.record import Page
from orgstead.model.schema import Schema, Table
from orgstead.wire.soap.contracts import NAMESPACES
from orgstead.wire.soap.rows import Beside, Letters, entities
from orgstead.wire.soap.xml import escape

__all__ = [
    "PARTIES", "Linked", "beside", "collection_facts", "cursor_names", "linked_rows", "parties_of", "party_columns",
]  # fmt: skip

PARTIES = "parties"
# What a table says about rows that another version of it has seen: nothing is replicated here.
MARV = -1
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Linked:
    """The rows that a relationship leads to from one row; ``role`` is which end of it that row is, if it was said.

    ``columns`` are the party lists that are shown.
    """

    relationship: str
    role: str | None
    page: Page
    columns: tuple[str, ...] = ()


def beside(
    page: Page, columns: tuple[str, ...], tables: Mapping[str, str], letters: Letters
) -> Beside | None:
    """The party lists beside each row of a page; None when there are none."""
    if not page.children:
        return None
    # The only expand of a query of this service.
    ((_, place),) = placed_children(page.plan)
    (pages,) = page.children
    more = [_parties(pages.get(row[place]), columns, tables, page.labels, letters) for row in page.rows]
    return more, [""] * len(more)


def _parties(
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


def linked_rows(found: Sequence[Linked], tables: Mapping[str, str], letters: Letters) -> str:
    """The RelatedEntities of a row: what each relationship leads to, with the relationship as its key."""
    a, b = letters.xrm, letters.pairs
    pair = f"{a}:KeyValuePairOfRelationshipEntityCollectionX_PsK4FkN"
    spaces = f'xmlns:{b}="{NAMESPACES["pairs"]}"'
    text = ""
    for each in found:
        role = f"{a}:PrimaryEntityRole"
        said = f"<{role}>{each.role}</{role}>" if each.role else f'<{role} i:nil="true"/>'
        text += (
            f"<{pair}><{b}:key {spaces}>{said}<{a}:SchemaName>{escape(each.relationship)}</{a}:SchemaName></{b}:key>"
            f"<{b}:value {spaces}>{_collection(each.page, tables, letters, each.columns)}</{b}:value></{pair}>"
        )
    return text


def _collection(
    page: Page, tables: Mapping[str, str], letters: Letters, columns: tuple[str, ...] = ()
) -> str:
    """An EntityCollection, whole."""
    rows = "".join(entities(page, tables, letters, beside(page, columns, tables, letters)))
    return f"<{letters.xrm}:Entities>{rows}</{letters.xrm}:Entities>{collection_facts(page, letters.xrm)}"


def collection_facts(page: Page, a: str) -> str:
    """The members of an EntityCollection behind its rows; ``a`` is the prefix of its namespace."""
    cookie = f'<{a}:PagingCookie i:nil="true"/>'
    if page.after is not None:
        text = escape(write_inner(page.number, cursor_names(page.plan), page.after))
        cookie = f"<{a}:PagingCookie>{text}</{a}:PagingCookie>"
    return (
        f"<{a}:EntityName>{escape(page.plan.source.table.logical_name)}</{a}:EntityName>"
        f"<{a}:MinActiveRowVersion>{MARV}</{a}:MinActiveRowVersion>"
        f"<{a}:MoreRecords>{'true' if page.after is not None else 'false'}</{a}:MoreRecords>{cookie}"
        f"<{a}:RecordCountLessThanMarv>{MARV}</{a}:RecordCountLessThanMarv>"
        f"<{a}:TotalRecordCount>{-1 if page.total is None else page.total}</{a}:TotalRecordCount>"
        f"<{a}:TotalRecordCountLimitExceeded>{'true' if page.capped else 'false'}"
        f"</{a}:TotalRecordCountLimitExceeded>"
    )


def cursor_names(plan: Plan) -> list[str]:
    """The names of the columns that a page goes by."""
    if not plan.keyed:
        return ["offset"]
    return [sort.of.column.name if isinstance(sort.of, Col) else "value" for sort in plan.order]
