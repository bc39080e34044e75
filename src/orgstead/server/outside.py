"""Endpoints as the engine knows them: packed by their wires, called by the client that may call out."""

from typing import Protocol

from orgstead.model.endpoints import CALL_SECONDS, Answered, Endpoint, Parcel
from orgstead.model.events import Event, RowEvent
from orgstead.model.query import Query
from orgstead.model.schema import Schema, Table
from orgstead.wire.odata.callbacks import encode_row_event, read_condition
from orgstead.wire.odata.names import Names
from orgstead.wire.webhook.addresses import address
from orgstead.wire.webhook.payload import encode

__all__ = ["Caller", "Endpoints"]

MAX_CONDITIONS = 1024


class Caller(Protocol):
    """What can post, and knows where to."""

    def check_url(self, url: str) -> None:
        """Raises InvalidEndpoint for an address that may not be called."""

    def post_from_thread(
        self, url: str, body: bytes, headers: tuple[tuple[str, str], ...], *, timeout: float
    ) -> Answered:
        """Post and wait."""


class Endpoints:
    """The endpoints of an organisation: ``engine.ports.Outside``."""

    def __init__(self, caller: Caller) -> None:
        self._caller = caller
        # Of the schema that was asked for last: its names, and the conditions that were read with them.
        self._known: tuple[Names, dict[tuple[str, str], Query]] | None = None

    def check(self, endpoint: Endpoint) -> None:
        """Raises InvalidEndpoint for an endpoint that could not, or may not, be called."""
        url, _ = address(endpoint)
        self._caller.check_url(url)

    def pack(self, event: Event, schema: Schema) -> Parcel:
        """What an endpoint is told of an event."""
        payload = encode(event, schema)
        return Parcel(body=payload.body.decode(), headers=payload.headers)

    def pack_row(self, event: RowEvent, schema: Schema) -> Parcel:
        """What an endpoint is told of a row."""
        names, _ = self._of(schema)
        body, shortened = encode_row_event(event, names)
        headers = [
            ("Content-Type", "application/json; charset=utf-8"),
            ("x-request-id", event.operation_id),
            ("x-ms-correlation-request-id", event.correlation_id),
        ]
        if shortened:
            headers.append(("x-ms-dynamics-msg-size-exceeded", "true"))
        return Parcel(body=body.decode(), headers=tuple(headers))

    def condition(self, table: Table, text: str, schema: Schema) -> Query:
        """Rows of a table that meet an OData filter, with all of their columns; raises the faults of the language."""
        names, known = self._of(schema)
        found = known.get((table.logical_name, text))
        if found is None:
            found = read_condition(text, table, names)
            if len(known) < MAX_CONDITIONS:
                known[table.logical_name, text] = found
        return found

    def post(self, endpoint: Endpoint, parcel: Parcel) -> Answered:
        """Post to an endpoint and wait, in a thread that may wait, for what becomes of it."""
        url, headers = address(endpoint)
        return self._caller.post_from_thread(
            url, parcel.body.encode(), (*parcel.headers, *headers), timeout=CALL_SECONDS
        )

    def _of(self, schema: Schema) -> tuple[Names, dict[tuple[str, str], Query]]:
        known = self._known
        if known is None or known[0].schema is not schema:
            known = self._known = (Names(schema), {})
        return known
