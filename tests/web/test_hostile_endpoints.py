"""Endpoints that hang, reset, redirect, are out of order or never stop talking, and one among them that is well."""

import socket
import struct
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from tests.live import served
from tests.receiver import receiving
from tests.web.test_crash_deliveries import Organisation

ROWS = 40
# What is read of an answer is far less; the rest is what the system holds on the way.
MOST_SENT = 32 * 1024 * 1024
FLOOD = b"HTTP/1.1 200 OK\r\nContent-Length: 2147483648\r\n\r\n"
RESET = struct.pack("ii", 1, 0)

Behaviour = Callable[[socket.socket], None]


@contextmanager
def listening(behave: Behaviour) -> Iterator[str]:
    """An endpoint that does with each connection what a test says; its URL."""
    listener = socket.create_server(("127.0.0.1", 0), backlog=256)

    def accept() -> None:
        with suppress(OSError):
            while True:
                connection, _ = listener.accept()
                threading.Thread(target=handle, args=(connection,), daemon=True).start()

    def handle(connection: socket.socket) -> None:
        with connection, suppress(OSError):
            connection.recv(65_536)
            behave(connection)

    thread = threading.Thread(target=accept, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}/"
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        thread.join()


def test_an_endpoint_that_is_well_is_told_whatever_others_do(tmp_path: Path) -> None:
    ended, sent = threading.Event(), Counter[str]()

    def hang(connection: socket.socket) -> None:
        ended.wait(120)

    def reset(connection: socket.socket) -> None:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)

    def unavailable(connection: socket.socket) -> None:
        connection.sendall(b"HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n")

    def flood(connection: socket.socket) -> None:
        connection.sendall(FLOOD)
        total = 0
        with suppress(OSError):
            while total <= MOST_SENT:
                total += connection.send(b"x" * 65_536)
        sent["most"] = max(sent["most"], total)
        sent["floods"] += 1

    with receiving() as good, receiving() as elsewhere, served(tmp_path) as (live, server):

        def redirect(connection: socket.socket) -> None:
            to = elsewhere.url.encode()
            connection.sendall(b"HTTP/1.1 307 Go\r\nLocation: %s\r\nContent-Length: 0\r\n\r\n" % to)

        organisation = Organisation(live)
        with (
            listening(hang) as one, listening(reset) as two, listening(unavailable) as three,
            listening(flood) as four, listening(redirect) as five,
        ):  # fmt: skip
            for url in (one, two, three, four, five, good.url):
                organisation.register(url)
            made = {organisation.post("accounts", {"name": f"Told {number}"}) for number in range(ROWS)}
            good.wait(ROWS, 60)
            assert {post.id for post in good.posts} == made
            # Whoever refuses is done with; a flood is a success of which only the beginning was read.
            state = "asyncoperations?$select=statuscode&$filter=statuscode eq"
            while (
                len(organisation.get(f"{state} 30")) < 2 * ROWS or len(organisation.get(f"{state} 31")) < ROWS
            ):
                pass
            server.terminate()
            assert server.wait(timeout=30) == 0
            ended.set()
    assert elsewhere.posts == []
    assert sent["floods"] >= ROWS
    assert sent["most"] <= MOST_SENT
