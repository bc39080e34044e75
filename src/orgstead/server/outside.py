"""Endpoints as the engine knows them: packed by their wire, called by the client that may call out."""

from typing import Protocol

from orgstead.model.endpoints import CALL_SECONDS, Answered, Endpoint, Parcel
from orgstead.model.events import Event
from orgstead.model.schema import Schema
from orgstead.wire.webhook.addresses import address
from orgstead.wire.webhook.payload import encode

__all__ = ["Caller", "Endpoints"]


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

    def check(self, endpoint: Endpoint) -> None:
        """Raises InvalidEndpoint for an endpoint that could not, or may not, be called."""
        url, _ = address(endpoint)
        self._caller.check_url(url)

    def pack(self, event: Event, schema: Schema) -> Parcel:
        """What an endpoint is told of an event."""
        payload = encode(event, schema)
        return Parcel(body=payload.body.decode(), headers=payload.headers)

    def post(self, endpoint: Endpoint, parcel: Parcel) -> Answered:
        """Post to an endpoint and wait, in a thread that may wait, for what becomes of it."""
        url, headers = address(endpoint)
        return self._caller.post_from_thread(
            url, parcel.body.encode(), (*parcel.headers, *headers), timeout=CALL_SECONDS
        )
