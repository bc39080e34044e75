"""Connections of calls out: each to an address that was checked, cut at once when a call is over that went wrong."""

import asyncio
import socket
import ssl
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpcore2

from orgstead.server.addresses import Allowed

__all__ = ["Lookup", "Network", "RefusedAddress", "Resolve", "resolve"]

Resolve = Callable[[str, int], Sequence[str]]

# Addresses of a host that are tried, and how long each but the last has.
MAX_ADDRESSES, ADDRESS_SECONDS = 4, 5.0
# Look-ups of host names at a time; each name has one under way.
RESOLVERS = 16


class RefusedAddress(Exception):
    """No address of a host may be connected to."""


def resolve(host: str, port: int) -> Sequence[str]:
    """The addresses of a host, as the system tells them; raises OSError."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(address[0]) for *_, address in found))


class Lookup:
    """Looks host names up in threads, each name once at a time, so that one that hangs holds one thread."""

    def __init__(self, resolve: Resolve) -> None:
        self._resolve = resolve
        self._threads = ThreadPoolExecutor(RESOLVERS, thread_name_prefix="lookup")
        self._running: dict[tuple[str, int], asyncio.Future[Sequence[str]]] = {}

    async def find(self, host: str, port: int) -> Sequence[str]:
        """The addresses of a host; raises OSError."""
        key = (host, port)
        running = self._running.get(key)
        if running is None:
            loop = asyncio.get_running_loop()
            running = self._running[key] = loop.run_in_executor(self._threads, self._look, host, port)
            running.add_done_callback(lambda done: self._forget(key, done))
        return await asyncio.shield(running)

    def _look(self, host: str, port: int) -> Sequence[str]:
        try:
            return self._resolve(host, port)
        except UnicodeError as error:
            raise OSError(str(error)) from error

    def _forget(self, key: tuple[str, int], done: "asyncio.Future[Sequence[str]]") -> None:
        del self._running[key]
        if not done.cancelled():
            # Whoever asked may be gone.
            done.exception()

    def close(self) -> None:
        """Leave what is under way alone."""
        self._threads.shutdown(wait=False, cancel_futures=True)


class Network(httpcore2.AsyncNetworkBackend):
    """Connects to exactly the address that has been checked; ``plain``: connections without TLS."""

    def __init__(self, allowed: Allowed, lookup: Lookup, *, plain: bool) -> None:
        self._allowed = allowed
        self._lookup = lookup
        self._plain = plain

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore2.AsyncNetworkStream:
        """A connection to an address of ``host`` that is allowed; raises RefusedAddress when there is none."""
        try:
            found = await self._lookup.find(host, port)
        except OSError as error:
            raise httpcore2.ConnectError(str(error)) from error
        may = [each for each in found if self._allowed.may_connect(host, each, port, plain=self._plain)]
        if not may:
            raise RefusedAddress(host)
        may = may[:MAX_ADDRESSES]
        for address in may[:-1]:
            try:
                async with asyncio.timeout(ADDRESS_SECONDS):
                    return await _connect(address, port)
            except (httpcore2.ConnectError, TimeoutError):
                continue
        return await _connect(may[-1], port)


async def _connect(address: str, port: int) -> "_Stream":
    loop = asyncio.get_running_loop()
    reader = _Reader(loop=loop)
    protocol = asyncio.StreamReaderProtocol(reader, loop=loop)
    try:
        transport, _ = await loop.create_connection(lambda: protocol, address, port)
    except OSError as error:
        raise httpcore2.ConnectError(str(error)) from error
    return _Stream(reader, asyncio.StreamWriter(transport, protocol, reader, loop))


class _Reader(asyncio.StreamReader):
    """Knows whether something has arrived that nobody has read."""

    waiting = 0

    def feed_data(self, data: Any) -> None:
        self.waiting += len(data)
        super().feed_data(data)

    async def take(self, most: int) -> bytes:
        """Some bytes, or none at the end."""
        data = await self.read(most)
        self.waiting -= len(data)
        return data


class _Stream(httpcore2.AsyncNetworkStream):
    """A connection. Time is bounded around the whole call, not here."""

    def __init__(self, reader: _Reader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    async def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        """Some bytes, or none at the end; raises ReadError."""
        try:
            return await self._reader.take(max_bytes)
        except OSError as error:
            raise httpcore2.ReadError(str(error)) from error

    async def write(self, buffer: bytes, timeout: float | None = None) -> None:
        """Write all of it; raises WriteError."""
        try:
            self._writer.write(buffer)
            await self._writer.drain()
        except OSError as error:
            raise httpcore2.WriteError(str(error)) from error

    async def aclose(self) -> None:
        """Cut the connection: an end that reads nothing would keep it from closing."""
        self._writer.transport.abort()

    async def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore2.AsyncNetworkStream:
        """Speak TLS from here on; raises ConnectError."""
        try:
            await self._writer.start_tls(ssl_context, server_hostname=server_hostname)
        except OSError as error:
            await self.aclose()
            raise httpcore2.ConnectError(str(error)) from error
        except BaseException:
            await self.aclose()
            raise
        return self

    def get_extra_info(self, info: str) -> Any:
        """What is known of the connection; ``is_readable``: it has ended, or said something unasked."""
        if info == "is_readable":
            reader = self._reader
            gone = self._writer.transport.is_closing() or reader.at_eof() or reader.exception() is not None
            return gone or reader.waiting > 0
        return self._writer.get_extra_info(info)
