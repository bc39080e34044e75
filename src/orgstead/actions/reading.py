"""Any table: described, searched, queried, read.

https://learn.microsoft.com/power-apps/developer/data-platform/webapi/query-metadata-web-api
https://learn.microsoft.com/power-apps/developer/data-platform/webapi/query/sql
"""

import base64
import re
from collections.abc import Iterable, Mapping
from typing import Annotated, Any

from msgspec import Meta, field

from orgstead.actions.action import Parameters, Result, Steps, action
from orgstead.actions.common import Fields, RowLimit, Title, deep_link, literally, readable
from orgstead.actions.failures import Refusal
from orgstead.client import Condition, NotFoundError, ServiceError, col
from orgstead.client.answers import body_of
from orgstead.client.definitions import NAMESPACE, label_of
from orgstead.client.literals import guid, name, query_text

__all__ = [
    "Describe", "DescribeOutput", "GetRecord", "GetRecordOutput", "ReadQuery", "ReadQueryOutput", "Search",
    "SearchOutput", "describe", "get_record", "read_query", "search",
]  # fmt: skip

MAX_TABLES = 200
MAX_OPTIONS = 50
CURSOR = re.compile(r"[a-z_][a-z0-9_]{0,127}\?.{1,16000}", re.DOTALL)
TABLE = "Logical name of the table, such as account, contact, lead, opportunity or incident (a case)."
FROM = re.compile(r"\bfrom\s+(?:\[?dbo\]?\s*\.\s*)?\[?(\w+)\]?", re.IGNORECASE)
# What a row is looked up by, beside its primary name.
SEARCHED: Mapping[str, tuple[str, ...]] = {
    "account": ("name", "accountnumber", "emailaddress1"),
    "contact": ("fullname", "emailaddress1"),
    "lead": ("fullname", "subject", "companyname", "emailaddress1"),
    "opportunity": ("name",),
    "incident": ("title", "ticketnumber"),
    "systemuser": ("fullname", "internalemailaddress"),
}


class Describe(Parameters, frozen=True):
    """Nothing for the tables, or a table for its columns."""

    table: Annotated[str | None, Meta(description=f"{TABLE} Without it, tables are listed.")] = None
    search: Annotated[
        Title | None, Meta(description="Only tables, or columns, whose name or label contains this.")
    ] = None


class DescribeOutput(Result, frozen=True):
    """Tables, or the columns of one; ``left_out`` is how many more tables there are."""

    tables: list[Fields] = field(default_factory=list)
    columns: list[Fields] = field(default_factory=list)
    left_out: int = 0


@action("Describe tables and columns", reads=True)
def describe(crm: Any, asked: Describe) -> Steps[DescribeOutput]:
    """Tell which tables there are, or which columns a table has: type, label, choices, where lookups lead.

    Columns say whether a row must have them and whether they can be written. Call it before queries and writes that
    use names you have not seen yet, and with ``search`` where there are many.
    """
    wanted = (asked.search or "").lower()
    if asked.table is None:
        tables = [
            {"name": each.name, "label": each.label}
            for each in (yield crm.tables.list())
            if wanted in each.name or wanted in each.label.lower()
        ]
        tables.sort(key=lambda each: str(each["name"]))
        shown = tables[:MAX_TABLES]
        return DescribeOutput(success=True, tables=shown, left_out=len(tables) - len(shown))
    table = name(asked.table).lower()
    options = yield from _options(crm, table)
    targets = yield from _cast(crm, table, "Lookup", "Targets")
    columns = []
    for each in (yield crm.tables.columns(table)):
        told = not each.raw.get("AttributeOf") and each.type != "Virtual"
        if told and (wanted in each.name or wanted in each.label.lower()):
            line = {"name": each.name, "type": each.type, "label": each.label, "writable": each.writable}
            if each.required:
                line["required"] = True
            if each.name in options:
                line["options"] = options[each.name]
            if each.name in targets:
                line["targets"] = targets[each.name].get("Targets") or []
            columns.append(line)
    return DescribeOutput(success=True, columns=columns)


def _options(crm: Any, table: str) -> Steps[dict[str, list[Fields]]]:
    """The choices of every column of a table."""
    made: dict[str, list[Fields]] = {}
    for kind in ("Picklist", "MultiSelectPicklist", "State", "Status"):
        for column, each in (yield from _cast(crm, table, kind, expand="OptionSet")).items():
            options = ((each.get("OptionSet") or {}).get("Options") or [])[:MAX_OPTIONS]
            made[column] = [{"value": one["Value"], "label": label_of(one.get("Label"))} for one in options]
    return made


def _cast(
    crm: Any, table: str, kind: str, *more: str, expand: str | None = None
) -> Steps[dict[str, Mapping[str, Any]]]:
    query = query_text({"$select": ",".join(("LogicalName", *more)), "$expand": expand})
    base = f"EntityDefinitions(LogicalName='{table}')/Attributes/{NAMESPACE}{kind}AttributeMetadata"
    answer = yield crm.request("GET", f"{base}?{query}")
    return {each["LogicalName"]: each for each in body_of(answer)["value"]}


class GetRecord(Parameters, frozen=True):
    """Which row."""

    table: Annotated[str, Meta(description=TABLE)]
    record_id: Annotated[str, Meta(description="Id of the row: a GUID.")]
    select: Annotated[
        list[str] | None, Meta(description="Only these columns; without it, all that have a value.")
    ] = None


class GetRecordOutput(Result, frozen=True):
    """The row; numbers of choices and ids of lookups have a label beside them."""

    record: Fields | None = None
    deep_link: str | None = None


@action("Get a row", reads=True)
def get_record(crm: Any, asked: GetRecord) -> Steps[GetRecordOutput]:
    """Read one row of any table by its id, with labels for choices and lookups, and a link to its form."""
    found = yield crm.records.retrieve(
        asked.table, asked.record_id, select=asked.select or (), annotations=True
    )
    return GetRecordOutput(
        success=True, record=readable(found), deep_link=deep_link(crm, found.table, guid(asked.record_id))
    )


class ReadQuery(Parameters, frozen=True):
    """A query, or the place where one goes on."""

    querytext: Annotated[
        str,
        Meta(
            min_length=1,
            max_length=16_000,
            description="SELECT statement over one organisation's tables, by logical names: SELECT name, revenue FROM "
            "account WHERE statecode = 0 ORDER BY revenue DESC. With JOIN, GROUP BY, COUNT, SUM and LIKE.",
        ),
    ]
    records_per_page: RowLimit = 50
    cursor: Annotated[
        str | None, Meta(description="next_cursor of the answer before, for the rows after it.")
    ] = None


class ReadQueryOutput(Result, frozen=True):
    """A page of rows; ``next_cursor`` is there when there are more."""

    rows: list[Fields] = field(default_factory=list)
    next_cursor: str | None = None


@action("Run a query", reads=True)
def read_query(crm: Any, asked: ReadQuery) -> Steps[ReadQueryOutput]:
    """Run a SELECT statement, a page of rows at a time. It reads only.

    Choices and lookups have a label beside them. Select the columns that you need: rows of all columns are large.
    """
    if asked.cursor is not None:
        path = _place(asked.cursor)
    else:
        found = FROM.search(asked.querytext)
        if found is None:
            raise Refusal("querytext is SELECT … FROM a table.")
        table = yield crm.tables.get(found[1].lower())
        path = f"{table.set}?{query_text({'sql': asked.querytext})}"
    preferences = f'odata.maxpagesize={asked.records_per_page},odata.include-annotations="*"'
    answer = yield crm.request("GET", path, headers={"Prefer": preferences})
    body = body_of(answer)
    return ReadQueryOutput(
        success=True,
        rows=[readable(row) for row in body["value"]],
        next_cursor=_cursor(body.get("@odata.nextLink")),
    )


def _cursor(link: str | None) -> str | None:
    """What is after the root in a link, as one word."""
    if not link:
        return None
    path = link.partition("/api/data/")[2].partition("/")[2]
    return base64.urlsafe_b64encode(path.encode()).decode().rstrip("=")


def _place(cursor: str) -> str:
    """The path that a cursor stands for. Raises Refusal."""
    try:
        path = base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True).decode(
            "ascii"
        )
    except ValueError:
        path = ""
    if not CURSOR.fullmatch(path):
        raise Refusal("The cursor is none: give next_cursor as it came, or leave it out to begin again.")
    return path


class Search(Parameters, frozen=True):
    """What to look for, and where."""

    search_term: Annotated[Title, Meta(description="Part of a name, number or e-mail address, in any case.")]
    tables: Annotated[
        Annotated[list[str], Meta(max_length=20)] | None,
        Meta(description="Tables by logical name. Without it: those of sales and service, and users."),
    ] = None
    records_per_table: Annotated[int, Meta(ge=1, le=50, description="Rows of each table at most.")] = 5


class SearchOutput(Result, frozen=True):
    """The rows that were found; ``passed_over`` names tables that could not be searched, and why."""

    matches: list[Fields] = field(default_factory=list)
    passed_over: list[str] = field(default_factory=list)


@action("Search rows by name", reads=True)
def search(crm: Any, asked: Search) -> Steps[SearchOutput]:
    """Find rows by a part of their name, number or e-mail address across accounts, contacts, leads, opportunities,
    cases and users, or other tables, and answer table, id and name of each.
    """
    matches: list[Fields] = []
    passed_over: list[str] = []
    for table in asked.tables or SEARCHED:
        try:
            matches += yield from _matches(
                crm, name(table).lower(), asked.search_term, asked.records_per_table
            )
        except ServiceError as error:
            if asked.tables is not None or not isinstance(error, NotFoundError):
                passed_over.append(f"{table}: {error.message}")
    return SearchOutput(success=True, matches=matches, passed_over=passed_over)


def _matches(crm: Any, table: str, term: str, most: int) -> Steps[list[Fields]]:
    columns = SEARCHED.get(table)
    if columns is None:
        info = yield crm.tables.get(table)
        if info.title is None:
            return []
        columns = (info.title,)
    query = crm.query(table).select(*columns).where(_any(columns, term)).order_by(columns[0]).top(most)
    found = yield query.all()
    return [
        {
            "table": table,
            "id": row.id,
            "name": row[columns[0]] or "",
            **{column: row[column] for column in columns[1:] if row[column]},
        }
        for row in found
    ]


def _any(columns: Iterable[str], term: str) -> Condition:
    made: Condition | None = None
    for column in columns:
        one = col(column).contains(literally(term))
        made = one if made is None else made | one
    assert made is not None
    return made
