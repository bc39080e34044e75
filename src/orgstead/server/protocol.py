"""HTTP/1.1 on a connection, with bounds on the time and the size of what comes before a body.

uvicorn waits for the first request of a connection, and for the rest of one that has begun, without end: a few hundred
connections that say nothing would keep everybody else out. And it takes headers of any size.

It also writes the head of an answer and its body one by one, each by a call to the system that costs as much as
reading the row: here what is written in one turn of the event loop leaves together.
"""

import asyncio
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

__all__ = ["HEAD_SECONDS", "bounded"]

HEAD_SECONDS = 30.0
# Dataverse takes addresses of 32 KB, and 64 KB in a batch.
MAX_HEAD = 128 * 1024
MAX_PIPELINED = 32
# Larger pieces leave at once: joining them would copy them.
MAX_JOINED = 64 * 1024
TOO_LARGE = b"HTTP/1.1 431 Request Header Fields Too Large\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"


class _Joined:
    """A transport that sends what is written in one turn of the event loop together."""

    def __init__(self, transport: asyncio.Transport, loop: asyncio.AbstractEventLoop) -> None:
        self._transport = transport
        self._loop = loop
        self._held: list[bytes] = []

    def write(self, data: bytes) -> None:
        """Send, at the latest when this turn of the loop ends."""
        if len(data) > MAX_JOINED:
            self._flush()
            self._transport.write(data)
            return
        if not self._held:
            self._loop.call_soon(self._flush)
        self._held.append(data)

    def _flush(self) -> None:
        if self._held:
            data = b"".join(self._held)
            self._held.clear()
            self._transport.write(data)

    def close(self) -> None:
        """Send what is held, and close."""
        self._flush()
        self._transport.close()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)


def bounded(seconds: float) -> type[HttpToolsProtocol]:
    """A protocol that closes a connection when the head of its next request takes longer, or is larger."""

    class Protocol(HttpToolsProtocol):
        _late: asyncio.TimerHandle | None = None
        _size = 0
        _headed = False
        _expected = True

        def connection_made(self, transport: Any) -> None:
            super().connection_made(_Joined(transport, self.loop))  # type: ignore[arg-type]
            self._wait()

        def data_received(self, data: bytes) -> None:
            self._size += len(data)
            super().data_received(data)
            if self._late is not None and self._size > MAX_HEAD:
                self.transport.write(TOO_LARGE)
                self._close()
            elif self._expected and self._late is None:
                # Most heads come whole; the clock runs for the others only.
                self._wait()

        def on_message_begin(self) -> None:
            self._headed = False
            self._expected = True
            super().on_message_begin()
            # For whoever is asked to let a client feel that.
            self.scope["extensions"] = {"orgstead.drop": {"abort": self.transport.abort}}

        def on_header(self, name: bytes, value: bytes) -> None:
            # What comes behind a body would count as a header of a request that is under way.
            if self._headed:
                raise ValueError("trailers are not taken")
            super().on_header(name, value)

        def on_headers_complete(self) -> None:
            # uvicorn reads on at every answer: who sends without end and reads nothing would fill the memory.
            if len(self.pipeline) >= MAX_PIPELINED:
                raise ValueError("too many requests ahead of their answers")
            self._headed = True
            self._expected = False
            self._come()
            super().on_headers_complete()

        def connection_lost(self, exc: Exception | None) -> None:
            self._come()
            super().connection_lost(exc)

        def _wait(self) -> None:
            self._size = 0
            self._late = self.loop.call_later(seconds, self._close)

        def _come(self) -> None:
            if self._late is not None:
                self._late.cancel()
                self._late = None

        def _close(self) -> None:
            self._come()
            self.transport.close()

    return Protocol
