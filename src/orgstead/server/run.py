"""Listening: HTTP and HTTPS sockets, one event loop, an orderly end."""

import asyncio
import contextlib
import gc
import signal
import socket
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import uvicorn

from orgstead.server.protocol import HEAD_SECONDS, bounded

__all__ = ["Listener", "bind", "collect_rarely", "serve"]

BACKLOG = 2048
# New objects that hold others, such as rows, after which Python looks for cycles among them.
MANY_OBJECTS = 10_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Listener:
    """A bound socket and, for HTTPS, the files of its certificate."""

    socket: socket.socket
    certificate: Path | None = None
    key: Path | None = None

    @property
    def port(self) -> int:
        """The port that the socket got."""
        return int(self.socket.getsockname()[1])


def bind(host: str, port: int) -> socket.socket:
    """A listening TCP socket; port 0 takes a free one. Raises OSError."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # With the protocol named, asyncio turns Nagle's algorithm off on accepted connections.
    made = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        made.bind((host, port))
        made.listen(BACKLOG)
    except OSError as error:
        made.close()
        raise OSError(error.errno, f"Cannot listen on port {port}: {error.strerror}", host) from error
    made.setblocking(False)
    return made


def collect_rarely() -> None:
    """Let collections leave out what is here for good, the schema above all, and wait for more than a page of rows."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(MANY_OBJECTS)


class _Server(uvicorn.Server):
    """Leaves the process's signals to ``serve``, which ends all listeners together."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


async def serve(
    app: Any,
    listeners: Sequence[Listener],
    *,
    max_connections: int = 1000,
    head_seconds: float = HEAD_SECONDS,
    on_stop: Callable[[], None] = lambda: None,
) -> None:
    """Answer on all listeners until SIGINT or SIGTERM, then let what runs finish.

    ``on_stop`` ends what would not finish by itself; ``head_seconds`` is how long a request may take to arrive up to
    its body.
    """
    protocol = bounded(head_seconds)
    servers = [_Server(_config(app, listener, max_connections, protocol)) for listener in listeners]

    def stop() -> None:
        on_stop()
        for server in servers:
            server.should_exit = True

    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop)
    running = asyncio.gather(
        *(
            server.serve(sockets=[listener.socket])
            for server, listener in zip(servers, listeners, strict=True)
        )
    )
    try:
        await asyncio.shield(running)
    except asyncio.CancelledError:
        # Whoever cancels wants an orderly end, too.
        stop()
        await running
        raise


def _config(app: Any, listener: Listener, max_connections: int, protocol: type[Any]) -> uvicorn.Config:
    return uvicorn.Config(
        app,
        http=protocol,
        loop="asyncio",
        lifespan="off",
        interface="asgi3",
        access_log=False,
        log_config=None,
        server_header=False,
        date_header=True,
        proxy_headers=False,
        limit_concurrency=max_connections,
        timeout_keep_alive=75,
        timeout_graceful_shutdown=10,
        backlog=BACKLOG,
        h11_max_incomplete_event_size=64 * 1024,
        ssl_certfile=None if listener.certificate is None else str(listener.certificate),
        ssl_keyfile=None if listener.key is None else str(listener.key),
    )
