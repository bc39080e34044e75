"""Calls out to endpoints, against servers that behave badly in every way."""

import asyncio
import socket
import ssl
import struct
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager, suppress
from pathlib import Path

import pytest

from orgstead.errors import Fault
from orgstead.identity.certs import Certificates, ensure_certificates
from orgstead.model.endpoints import TIMED_OUT, Answered
from orgstead.server.callouts import (
    ENDED,
    FAILED,
    MALFORMED,
    MAX_ANSWER,
    MAX_EXCERPT,
    REFUSED,
    TLS_FAILED,
    Callouts,
)

Behaviour = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
# Long enough for anything on this machine; what times out has less.
PATIENCE = 30.0
SHORT = 0.3


async def read_request(reader: asyncio.StreamReader) -> bytes:
    """The head of a request; its body is read too."""
    head = await reader.readuntil(b"\r\n\r\n")
    length = next(
        int(line.partition(b":")[2])
        for line in head.split(b"\r\n")
        if line.lower().startswith(b"content-length")
    )
    return head + await reader.readexactly(length)


def answering(answer: bytes) -> Behaviour:
    async def behave(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            await read_request(reader)
            writer.write(answer)
            await writer.drain()

    return behave


class Server:
    """A server on loopback that runs in a loop of its own; what arrived, and over how many connections."""

    def __init__(self, behave: Behaviour, tls: ssl.SSLContext | None = None) -> None:
        self.behave = behave
        self.tls = tls
        self.connections = 0
        self.closed = threading.Event()
        self.port = 0
        self._writers: list[asyncio.StreamWriter] = []
        self._tasks: list[asyncio.Task[None]] = []

    async def _handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        self._writers.append(writer)
        task = asyncio.current_task()
        assert task is not None
        self._tasks.append(task)
        with suppress(asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError):
            await self.behave(reader, writer)
        self.closed.set()
        writer.close()

    @asynccontextmanager
    async def run(self) -> AsyncIterator[None]:
        """Serve as long as the block runs."""
        server = await asyncio.start_server(self._handle, "127.0.0.1", 0, ssl=self.tls, backlog=512)
        self.port = server.sockets[0].getsockname()[1]
        try:
            yield
        finally:
            for _ in range(5):
                # Python loses a connection that it has accepted when its server is closed in the next turn.
                await asyncio.sleep(0)
            server.close()
            # Connections that are being accepted are no tasks of ours, and end by themselves.
            while others := asyncio.all_tasks() - {asyncio.current_task()}:
                for task in self._tasks:
                    task.cancel()
                await asyncio.wait(others, timeout=0.1)
            for writer in self._writers:
                writer.transport.abort()
            for writer in self._writers:
                with suppress(OSError):
                    await writer.wait_closed()
            for _ in range(3):
                # Sockets are closed in a turn of their own.
                await asyncio.sleep(0)


@contextmanager
def serving(behave: Behaviour, tls: ssl.SSLContext | None = None) -> Iterator[Server]:
    """A server that runs in a thread."""
    server, ready, loop = Server(behave, tls), threading.Event(), asyncio.new_event_loop()
    end = asyncio.Event()

    async def main() -> None:
        async with server.run():
            ready.set()
            await end.wait()

    thread = threading.Thread(target=lambda: loop.run_until_complete(main()))
    thread.start()
    ready.wait()
    try:
        yield server
    finally:
        loop.call_soon_threadsafe(end.set)
        thread.join()
        loop.close()


@pytest.fixture
def callouts() -> Iterator[Callouts]:
    with Callouts(["127.0.0.0/8"]) as made:
        yield made


def post(callouts: Callouts, server: Server, *, body: bytes = b"{}", timeout: float = PATIENCE) -> Answered:
    url = f"http://127.0.0.1:{server.port}/hook?code=1"
    return callouts.post_from_thread(url, body, [("Content-Type", "application/json")], timeout=timeout)


# -- what is sent and answered -----------------------------------------------------------------------------------
def test_a_post_arrives_with_its_headers_and_the_answer_is_told(callouts: Callouts) -> None:
    arrived: list[bytes] = []

    async def behave(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        arrived.append(await read_request(reader))
        writer.write(b"HTTP/1.1 202 Accepted\r\nContent-Length: 6\r\n\r\nth\xc3\xa9\x00\xff")

    with serving(behave) as server:
        answered = callouts.post_from_thread(
            f"http://127.0.0.1:{server.port}/a%20b?code=x",
            '{"é":1}'.encode(),
            [("Content-Type", "application/json"), ("x-ms-dynamics-organization", "Größe")],
            timeout=PATIENCE,
        )
    head, _, body = arrived[0].partition(b"\r\n\r\n")
    lines = head.decode().split("\r\n")
    assert lines[0] == "POST /a%20b?code=x HTTP/1.1"
    assert {
        "Content-Type: application/json",
        "x-ms-dynamics-organization: Größe",
        "content-length: 8",
    } <= set(lines)
    assert body == '{"é":1}'.encode()
    assert (answered.status, answered.error, answered.excerpt) == (202, None, "thé��")
    assert answered.good
    assert 0 < answered.seconds < PATIENCE


@pytest.mark.parametrize("status", [302, 307, 400, 401, 404, 500, 502, 503, 504])
def test_any_other_status_is_told_and_a_redirect_is_not_followed(callouts: Callouts, status: int) -> None:
    with serving(answering(OK)) as other:
        answer = (
            f"HTTP/1.1 {status} X\r\nLocation: http://127.0.0.1:{other.port}/\r\nContent-Length: 2\r\n\r\nno"
        )
        with serving(answering(answer.encode())) as server:
            answered = post(callouts, server)
        assert (answered.status, answered.good, answered.excerpt) == (status, False, "no")
        assert other.connections == 0


def test_connections_are_kept_and_used_again(callouts: Callouts) -> None:
    with serving(answering(OK)) as server:
        assert [post(callouts, server).status for _ in range(5)] == [200] * 5
        assert server.connections == 1


def test_a_kept_connection_that_was_closed_meanwhile_is_no_failure(callouts: Callouts) -> None:
    async def behave(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_request(reader)
        writer.write(OK)
        # The next request on this connection has no answer.
        await read_request(reader)

    with serving(behave) as server:
        assert [post(callouts, server).status for _ in range(4)] == [200] * 4
        assert server.connections == 4


def test_it_posts_from_a_loop_as_well(callouts: Callouts) -> None:
    async def run(url: str) -> list[Answered]:
        return await asyncio.gather(*(callouts.post(url, b"", (), timeout=PATIENCE) for _ in range(50)))

    with serving(answering(OK)) as server:
        answers = asyncio.run(run(f"http://127.0.0.1:{server.port}/"))
    assert [answer.status for answer in answers] == [200] * 50


# -- servers that misbehave --------------------------------------------------------------------------------------
async def hang(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.read(-1)


async def pause(seconds: float) -> None:
    """What makes a dribble of a flood."""
    with suppress(TimeoutError):
        await asyncio.wait_for(asyncio.Event().wait(), seconds)


async def dribble_head(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\nX: ")
    while True:
        writer.write(b"x")
        await writer.drain()
        await pause(0.01)


async def dribble_body(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n")
    while True:
        writer.write(b"x")
        await writer.drain()
        await pause(0.01)


async def inform(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while True:
        writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        await writer.drain()
        await pause(0.001)


@pytest.mark.parametrize("behave", [hang, dribble_head, dribble_body, inform])
def test_the_whole_exchange_is_bounded_in_time_and_the_connection_is_cut(
    callouts: Callouts, behave: Behaviour
) -> None:
    with serving(behave) as server:
        answered = post(callouts, server, timeout=SHORT)
        assert (answered.status, answered.error, answered.passing) == (None, TIMED_OUT, True)
        assert SHORT <= answered.seconds < PATIENCE
        assert server.closed.wait(PATIENCE)


def test_a_server_that_ends_waits_for_no_answer(callouts: Callouts) -> None:
    with serving(hang) as server:
        callouts.end_within(0.0)
        answered = callouts.post_from_thread(
            f"http://127.0.0.1:{server.port}/", b"", (), timeout=2 * PATIENCE
        )
        assert (answered.error, answered.passing) == (ENDED, True)
        assert server.closed.wait(PATIENCE)


def test_a_body_that_nobody_reads_is_bounded_in_time(callouts: Callouts) -> None:
    async def deaf(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await asyncio.Event().wait()

    with serving(deaf) as server:
        answered = post(callouts, server, body=b"x" * 50_000_000, timeout=SHORT)
    assert answered.error == TIMED_OUT


@pytest.mark.parametrize(
    "head", [b"Content-Length: 2147483648", b"Transfer-Encoding: chunked", b"Connection: close"]
)
def test_of_an_endless_answer_only_the_beginning_is_read(callouts: Callouts, head: bytes) -> None:
    sent = 0

    async def behave(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal sent
        await read_request(reader)
        writer.write(b"HTTP/1.1 200 OK\r\n" + head + b"\r\n\r\n")
        piece = b"a" * 65_536
        while True:
            writer.write(b"10000\r\n" + piece + b"\r\n" if b"chunked" in head else piece)
            await writer.drain()
            sent += len(piece)

    with serving(behave) as server:
        answered = post(callouts, server)
        assert (answered.status, answered.excerpt) == (200, "a" * MAX_EXCERPT)
        assert server.closed.wait(PATIENCE)
    # What lies in the buffers of both ends of a connection, and no more.
    assert sent < 100 * MAX_ANSWER


def resetting(after: bytes) -> Behaviour:
    async def behave(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_request(reader)
        writer.write(after)
        await writer.drain()
        # Closing resets the connection.
        linger = struct.pack("ii", 1, 0)
        writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)

    return behave


@pytest.mark.parametrize(
    "after", [b"", b"HTTP/1.1 200 OK\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nab"]
)
def test_a_reset_is_a_failure_that_may_pass(callouts: Callouts, after: bytes) -> None:
    with serving(resetting(after)) as server:
        answered = post(callouts, server)
    assert (answered.status, answered.error in (FAILED, MALFORMED), answered.passing) == (None, True, True)


@pytest.mark.parametrize(
    "answer",
    [b"220 smtp.example ESMTP\r\n", b"HTTP/1.1 abc\r\n\r\n", b"\x16\x03\x01\x00",
     b"HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n",
     b"HTTP/1.1 200 OK\r\nX: " + b"x" * 1_000_000, b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n"],
)  # fmt: skip
def test_what_is_no_http_is_malformed(callouts: Callouts, answer: bytes) -> None:
    async def behave(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_request(reader)
        writer.write(answer)

    with serving(behave) as server:
        answered = post(callouts, server)
    assert (answered.status, answered.error) == (None, MALFORMED)


def test_a_port_where_nobody_listens_is_a_failure_that_may_pass(callouts: Callouts) -> None:
    with serving(hang) as server:
        pass
    answered = post(callouts, server)
    assert (answered.error, answered.passing) == (FAILED, True)


def test_a_server_that_hangs_keeps_no_other_waiting(callouts: Callouts) -> None:
    async def run() -> None:
        with serving(hang) as hanging, serving(answering(OK)) as well:
            bad, good = (f"http://127.0.0.1:{each.port}/" for each in (hanging, well))
            stuck = [asyncio.ensure_future(callouts.post(bad, b"", (), timeout=PATIENCE)) for _ in range(200)]
            answers = await asyncio.gather(
                *(callouts.post(good, b"", (), timeout=PATIENCE) for _ in range(100))
            )
            assert [answer.status for answer in answers] == [200] * 100
            assert not any(task.done() for task in stuck)
            for task in stuck:
                task.cancel()
            await asyncio.gather(*stuck, return_exceptions=True)

    asyncio.run(run())


@pytest.mark.parametrize("header", [("X", "a\r\nY: b"), ("X\r\nY", "b"), ("a b", "c"), ("X", "\0")])
def test_headers_that_would_break_out_are_not_sent(callouts: Callouts, header: tuple[str, str]) -> None:
    with serving(answering(OK)) as server:
        url = f"http://127.0.0.1:{server.port}/"
        assert callouts.post_from_thread(url, b"", [header], timeout=PATIENCE).error == REFUSED


def test_closing_cuts_what_is_under_way() -> None:
    with Callouts(["127.0.0.0/8"]) as callouts, serving(hang) as server:
        ended = threading.Event()

        def call() -> None:
            with suppress(BaseException):
                post(callouts, server)
            ended.set()

        threading.Thread(target=call, daemon=True).start()
        while not server.connections:
            assert not ended.wait(0.01)
        callouts.close()
        assert ended.wait(PATIENCE)
        with pytest.raises(RuntimeError):
            post(callouts, server)


# -- addresses ---------------------------------------------------------------------------------------------------
def resolving(*addresses: str) -> Callable[[str, int], Sequence[str]]:
    return lambda host, port: addresses


@pytest.mark.parametrize("address", ["127.0.0.1", "10.0.0.1", "169.254.169.254", "::1", "::ffff:127.0.0.1"])
def test_a_name_that_leads_inside_is_refused_before_anything_is_sent(address: str) -> None:
    with serving(answering(OK)) as server, Callouts(resolve=resolving(address)) as callouts:
        answered = callouts.post_from_thread(f"https://a.example:{server.port}/", b"", (), timeout=PATIENCE)
        assert (answered.error, answered.passing, server.connections) == (REFUSED, False, 0)


def test_of_several_addresses_only_those_that_are_allowed_are_tried() -> None:
    asked: list[str] = []

    def resolve(host: str, port: int) -> Sequence[str]:
        asked.append(host)
        return ["10.0.0.1", "127.0.0.1"]

    with (
        serving(answering(OK)) as server,
        Callouts([f"127.0.0.1:{server.port}"], resolve=resolve) as callouts,
    ):
        url = f"http://a.example:{server.port}/"
        assert callouts.post_from_thread(url, b"", (), timeout=PATIENCE).error == REFUSED, (
            "http needs the name"
        )
        with Callouts(["a.example"], resolve=resolving("127.0.0.1")) as named:
            assert named.post_from_thread(url, b"", (), timeout=PATIENCE).status == 200
    assert asked == []


def test_a_name_is_looked_up_again_for_each_connection_and_the_checked_address_is_used() -> None:
    answers = iter([["127.0.0.1"], ["10.0.0.1"]])
    close = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
    with (
        serving(answering(close)) as server,
        Callouts(
            [f"127.0.0.1:{server.port}", "b.example"], resolve=lambda host, port: next(answers)
        ) as callouts,
    ):
        url = f"http://b.example:{server.port}/"
        assert callouts.post_from_thread(url, b"", (), timeout=PATIENCE).status == 200
        assert callouts.post_from_thread(url, b"", (), timeout=SHORT).status is None
        assert server.connections == 1


def test_a_name_that_nobody_knows_is_a_failure_that_may_pass() -> None:
    def resolve(host: str, port: int) -> Sequence[str]:
        raise OSError("no such name")

    with Callouts(resolve=resolve) as callouts:
        answered = callouts.post_from_thread("https://a.example/", b"", (), timeout=PATIENCE)
    assert (answered.error, answered.passing) == (FAILED, True)


def test_a_look_up_that_hangs_holds_up_nobody_else() -> None:
    hold = threading.Event()

    def resolve(host: str, port: int) -> Sequence[str]:
        if host == "slow.example":
            hold.wait(PATIENCE)
        return ["127.0.0.1"]

    async def run(callouts: Callouts, port: int) -> None:
        slow = [
            asyncio.ensure_future(callouts.post("http://slow.example/", b"", (), timeout=PATIENCE))
            for _ in range(100)
        ]
        answered = await callouts.post(f"http://quick.example:{port}/", b"", (), timeout=PATIENCE)
        assert answered.status == 200
        assert not any(task.done() for task in slow)
        for task in slow:
            task.cancel()
        await asyncio.gather(*slow, return_exceptions=True)
        hold.set()

    with (
        serving(answering(OK)) as server,
        Callouts(["slow.example", "quick.example"], resolve=resolve) as callouts,
    ):
        asyncio.run(run(callouts, server.port))


# -- TLS ---------------------------------------------------------------------------------------------------------
@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return ensure_certificates(tmp_path_factory.mktemp("certificates"), ["good.example"])


@pytest.fixture
def secure(certificates: Certificates) -> Iterator[Server]:
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(certificates.certificate, certificates.key)
    with serving(answering(OK), tls) as server:
        yield server


def test_a_certificate_of_an_unknown_authority_fails_for_good(secure: Server) -> None:
    with Callouts(["127.0.0.0/8"], resolve=resolving("127.0.0.1")) as callouts:
        answered = callouts.post_from_thread(
            f"https://good.example:{secure.port}/", b"", (), timeout=PATIENCE
        )
    assert (answered.error, answered.passing) == (TLS_FAILED, False)


def test_an_authority_may_be_added_and_the_name_is_checked(
    secure: Server, certificates: Certificates
) -> None:
    authorities = str(Path(certificates.certificate).parent / "ca.pem")
    with Callouts(["127.0.0.0/8"], authorities=authorities, resolve=resolving("127.0.0.1")) as callouts:
        good = callouts.post_from_thread(f"https://good.example:{secure.port}/", b"", (), timeout=PATIENCE)
        bad = callouts.post_from_thread(f"https://bad.example:{secure.port}/", b"", (), timeout=PATIENCE)
    assert (good.status, good.excerpt) == (200, "ok")
    assert (bad.status, bad.error) == (None, TLS_FAILED)


def test_a_server_that_speaks_no_tls_fails(callouts: Callouts) -> None:
    with serving(answering(OK)) as server:
        answered = callouts.post_from_thread(f"https://127.0.0.1:{server.port}/", b"", (), timeout=SHORT)
    assert answered.status is None


def test_what_may_not_be_called_is_refused_when_it_is_registered() -> None:
    with Callouts() as callouts, pytest.raises(Fault) as refused:
        callouts.check_url("https://127.0.0.1/")
    assert refused.value.name == "InvalidEndpoint"
