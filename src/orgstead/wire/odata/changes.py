"""Change tracking on the Web API: ``Prefer: odata.track-changes``, delta links and their tokens.

https://learn.microsoft.com/power-apps/developer/data-platform/use-change-tracking-synchronize-data-external-systems
"""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any
from urllib.parse import quote

from orgstead.errors import fault
from orgstead.languages.windows import next_window, read_window
from orgstead.model.messages import Changes, Execute, Result, Window
from orgstead.model.schema import Table
from orgstead.wire.odata.contexts import context_of
from orgstead.wire.odata.encode import encode_page
from orgstead.wire.odata.reader import Reader
from orgstead.wire.odata.response import Shape
from orgstead.wire.odatav4.reply import Operation, Reply, json_reply

__all__ = ["changes_of"]


def changes_of(reader: Reader, table: Table) -> Operation | None:
    """The operation of a request for what has changed; None for any other request.

    Raises ODataUnsupported for an option that does not go with it, InvalidDeltaToken.
    """
    if "deltatoken" not in reader.request.query and not reader.prefer.track_changes:
        return None
    options, query = reader.options(table, tracking=True)
    if options.deltatoken is None and not reader.prefer.track_changes:
        return None
    for name in (*options.given, *options.custom):
        if name not in ("$select", "$deltatoken", "$skiptoken"):
            raise fault("ODataUnsupported", feature=f"The query option {name} with change tracking")
    token = Window() if options.deltatoken is None else read_window(options.deltatoken)
    if options.skiptoken is not None and token.until is None:
        raise fault("InvalidDeltaToken")
    query = reader.paged(query, options)
    context = context_of(reader.names.set_of(table.logical_name), options, query)
    message = Execute(name="RetrieveEntityChanges", parameters={"query": query, "window": token})
    shape = reader.shape(context, options)
    return reader.operation_of((message,), partial(_render, shape, table, token, _bare(reader)))


def _bare(reader: Reader) -> str:
    """The request's address without its tokens."""
    link, _, query = reader.link().partition("?")
    kept = [part for part in query.split("&") if part and "deltatoken=" not in part.lower()]
    return f"{link}?{'&'.join(kept)}" if kept else link


def _render(shape: Shape, table: Table, token: Window, address: str, results: Sequence[Result]) -> Reply:
    (result,) = results
    changes: Changes = result.value
    context = f"{shape.base}$metadata#{shape.context}"
    body: dict[str, Any] = {"@odata.context": context if changes.first else f"{context}/$delta"}
    link = (
        f"{address}{'&' if '?' in address else '?'}$deltatoken={quote(next_window(changes, token), safe='')}"
    )
    if changes.complete:
        body["@odata.deltaLink"] = link
    elif changes.last_deleted is not None:
        body["@odata.nextLink"] = link
    elif changes.page is not None:
        body["@odata.nextLink"] = shape.continued(link, changes.page)
    rows = [] if changes.page is None else encode_page(changes.page, shape.names, shape.annotations, shape)
    body["value"] = [*rows, *(_gone(shape, table, id) for id in changes.deleted)]
    return json_reply(body, headers=shape.applied())


def _gone(shape: Shape, table: Table, id: str) -> Mapping[str, str]:
    context = f"{shape.base}$metadata#{shape.names.set_of(table.logical_name)}/$deletedEntity"
    return {"@odata.context": context, "id": id, "reason": "deleted"}
