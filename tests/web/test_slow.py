"""Connections that say little, or too much, do not stay."""

import asyncio
import socket
from typing import Any

import pytest

from orgstead.server.run import Listener, bind, serve


async def hello(scope: Any, receive: Any, send: Any) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"5")]})
    await send({"type": "http.response.body", "body": b"hello"})


@pytest.mark.parametrize(
    ("said", "answered"),
    [
        (b"", b""),
        (b"GET / HT", b""),
        (b"GET / HTTP/1.1\r\nhost: x\r\nx-slow: ", b""),
        (b"GET / HTTP/1.1\r\nhost: x\r\n\r\nGET / HTTP/1.1\r\nx", b"HTTP/1.1 200"),
        (b"GET /" + b"a" * 200_000, b"HTTP/1.1 4"),
        (b"GET / HTTP/1.1\r\n" + b"x-large: " + b"a" * 200_000, b"HTTP/1.1 431"),
    ],
    ids=["nothing", "a word", "half a head", "half of a second", "a long address", "a long header"],
)
def test_a_request_that_does_not_arrive_is_not_waited_for(said: bytes, answered: bytes) -> None:
    async def talk() -> bytes:
        listener = Listener(socket=bind("127.0.0.1", 0))
        running = asyncio.create_task(serve(hello, [listener], head_seconds=0.3))
        reader, writer = await asyncio.open_connection("127.0.0.1", listener.port)
        writer.write(said)
        heard = await asyncio.wait_for(reader.read(), 20)
        writer.close()
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        return heard

    assert asyncio.run(talk()).startswith(answered)


def test_a_port_in_use_is_said() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        with pytest.raises(OSError, match="Cannot listen on port"):
            bind("127.0.0.1", taken.getsockname()[1])
