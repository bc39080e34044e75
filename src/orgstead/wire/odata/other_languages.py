"""Questions to a set in other languages than OData: FetchXML, SQL, and the FetchXML of a saved query.

https://learn.microsoft.com/power-apps/developer/data-platform/fetchxml/retrieve-data?tabs=webapi
https://learn.microsoft.com/power-apps/developer/data-platform/webapi/query/sql
https://learn.microsoft.com/power-apps/developer/data-platform/webapi/retrieve-and-execute-predefined-queries
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial

from orgstead.errors import fault
from orgstead.languages.fetchxml import parse_fetchxml
from orgstead.languages.odata import split_options
from orgstead.languages.paging import read_cookie
from orgstead.languages.sql import parse_sql
from orgstead.model.messages import Result, Retrieve, RetrieveMultiple
from orgstead.model.query import Query
from orgstead.model.record import Ref
from orgstead.model.schema import Table
from orgstead.model.types import is_guid
from orgstead.wire.odata.contexts import columns_context
from orgstead.wire.odata.reader import Reader
from orgstead.wire.odatav4.reply import Operation, Reply

__all__ = ["in_other_language"]

# Where the rows of saved queries are.
SAVED: Mapping[str, str] = {"savedQuery": "savedquery", "userQuery": "userquery"}
LANGUAGES = ("fetchXml", "sql", *SAVED)


def in_other_language(reader: Reader, table: Table) -> Operation | None:
    """The operation of a request for rows whose question is in no ``$`` option; None for any other request.

    Raises the faults of the language, FetchXmlEntity for a question about another table, ODataUnsupported for an
    option that does not go with it.
    """
    text = reader.request.query
    if not any(name.lower() in text.lower() for name in LANGUAGES):
        return None
    given, aliases, custom = split_options(text, max_chars=reader.longest_query)
    name = next((name for name in LANGUAGES if name in custom), None)
    if name is None:
        return None
    allowed = {name, "$count", *(("$skiptoken",) if name == "sql" else ())}
    for other in (*given, *aliases, *custom):
        if other not in allowed:
            raise fault("ODataUnsupported", feature=f"The query option {other[:100]} together with {name}")
    count = given.get("$count", "false")
    if count not in ("true", "false"):
        raise fault(
            "ODataSyntax", message=f"Invalid value '{count[:50]}' for $count: it must be true or false."
        )
    if reader.prefer.track_changes:
        raise fault("ODataUnsupported", feature=f"Prefer: odata.track-changes together with {name}")
    if name in SAVED:
        return _saved(reader, table, SAVED[name], custom[name], count == "true")
    if name == "sql":
        return _sql(reader, table, custom[name], count == "true", given.get("$skiptoken"))
    return _fetch(reader, table, custom[name], count == "true")


def _fetch(reader: Reader, table: Table, text: str, count: bool) -> Operation:
    query = parse_fetchxml(text)
    if query.page_size is None and query.top is None:
        query = replace(query, page_size=reader.prefer.page_size)
    return _operation(reader, table, replace(query, count=True) if count else query, links=False)


def _sql(reader: Reader, table: Table, text: str, count: bool, token: str | None) -> Operation:
    query = replace(parse_sql(text), count=count, page_size=reader.prefer.page_size)
    if token is not None:
        number, after = read_cookie(token)
        query = replace(query, page_number=number, after=after)
    return _operation(reader, table, query, links=True)


def _operation(reader: Reader, table: Table, query: Query, *, links: bool) -> Operation:
    if query.table != table.logical_name:
        raise fault("FetchXmlEntity", given=query.table[:100], expected=table.logical_name)
    context = columns_context(reader.names.set_of(table.logical_name), query, table)
    render = partial(reader.shape(context).fetched, links=links)
    return reader.operation_of((RetrieveMultiple(query=query),), render)


def _saved(reader: Reader, table: Table, kept_in: str, id: str, count: bool) -> Operation:
    """The FetchXML of a row, which has to be read before it can be asked."""
    id = id.strip("'{}")
    if not is_guid(id):
        raise fault("InvalidGuid", value=id[:100])
    query = Query(table=kept_in, columns=("fetchxml",))

    def then(results: Sequence[Result]) -> Operation:
        page = results[0].page
        places = (
            {} if page is None else {output.name: place for place, output in enumerate(page.plan.outputs)}
        )
        text = None if page is None else page.rows[0][places["fetchxml"]]
        if not text:
            raise fault("FetchXmlMalformed", reason="the saved query has none")
        return _fetch(reader, table, text, count)

    operation = reader.operation_of((Retrieve(ref=Ref(kept_in, id.lower()), query=query),), _never)
    return replace(operation, then=then)


def _never(results: Sequence[Result]) -> Reply:
    raise TypeError("a saved query is asked, not shown")
