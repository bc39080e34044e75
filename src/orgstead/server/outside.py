"""Endpoints as the engine knows them: packed by their wires, called by the client that may call out."""

import threading
import time
from collections.abc import Callable
from typing import Protocol

from orgstead.errors import fault
from orgstead.model.endpoints import CALL_SECONDS, LEFT_ALONE, TIMED_OUT, Answered, Endpoint, Parcel
from orgstead.model.events import Event, RowEvent
from orgstead.model.query import Query
from orgstead.model.schema import Schema, Table
from orgstead.server.breaker import Breaker
from orgstead.server.callouts import ENDED
from orgstead.wire.odata.callbacks import encode_row_event, read_condition
from orgstead.wire.odata.names import Names
from orgstead.wire.webhook.addresses import address
from orgstead.wire.webhook.payload import encode

__all__ = ["Caller", "Endpoints"]

MAX_CONDITIONS = 1024
# Calls for whose answers operations wait, on SQLite with all writes: so many in a row that took too long, and an
# endpoint is not called for a while.
TIMEOUTS, FIRST_PAUSE, LONGEST_PAUSE = 3, 60.0, 600.0


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

    def __init__(self, caller: Caller, clock: Callable[[], float] = time.monotonic) -> None:
        self._caller = caller
        self._slow = Breaker(clock, failures=TIMEOUTS, first=FIRST_PAUSE, longest=LONGEST_PAUSE)
        self._trying: set[str] = set()
        self._lock = threading.Lock()
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
        """Post to an endpoint and wait, in a thread that may wait, for what becomes of it.

        One that has not answered in time again and again is left alone for a while, and then tried once. Raises
        StoreBusy when the server ends meanwhile.
        """
        url, headers = address(endpoint)
        # Whoever repairs an endpoint need not wait.
        key = f"{endpoint.id} {url}"
        if not self._begin(key):
            return Answered(error=LEFT_ALONE, passing=True)
        slow = False
        try:
            answered = self._caller.post_from_thread(
                url, parcel.body.encode(), (*parcel.headers, *headers), timeout=CALL_SECONDS
            )
            slow = answered.error == TIMED_OUT
        finally:
            self._end(key, slow=slow)
        if answered.error == ENDED:
            raise fault("StoreBusy", hint="The server ends.")
        return answered

    def _begin(self, key: str) -> bool:
        """Whether an endpoint may be called now."""
        with self._lock:
            state = self._slow.state(key)
            if state == "open" or (state == "half-open" and key in self._trying):
                return False
            if state == "half-open":
                self._trying.add(key)
            return True

    def _end(self, key: str, *, slow: bool) -> None:
        with self._lock:
            self._trying.discard(key)
            self._slow.note(key, well=not slow)

    def _of(self, schema: Schema) -> tuple[Names, dict[tuple[str, str], Query]]:
        known = self._known
        if known is None or known[0].schema is not schema:
            known = self._known = (Names(schema), {})
        return known
