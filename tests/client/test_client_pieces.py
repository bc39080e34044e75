"""What no server shows: the pace of bulk work, patience, the file of tokens, and the types that a reader sees."""

import asyncio
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path

import httpx2
import pytest
from hypothesis import given
from hypothesis import strategies as st
from mypy import api

from orgstead.client import ConfigurationError, Retry, ServiceError, TokenStore, TransportError
from orgstead.client.drive import AsyncDriver, SyncDriver
from orgstead.client.errors import retry_after, service_error
from orgstead.client.flow import Flow, Pause, Start
from orgstead.client.limits import Window
from orgstead.client.tokens import challenged

BURST = "x-ms-ratelimit-burst-remaining-xrm-requests"


def test_more_goes_out_at_once_as_long_as_that_is_not_just_waiting_longer() -> None:
    window = Window(largest=10)
    for _ in range(200):
        window.paced(1.0)
    assert window.size == 10
    busy = Window(largest=64)
    for _ in range(500):
        # A service that works on three at a time.
        busy.paced(max(busy.size / 3, 1.0))
    assert 3 <= busy.size <= 9


def test_little_that_is_left_slows_down_before_the_limit_is_hit() -> None:
    window = Window(size=8)
    window.answered(200, {BURST: "6000"}, 0.0, None)
    assert window.size == 8
    window.answered(200, {BURST: "100"}, 10.0, None)
    window.answered(200, {BURST: "90"}, 10.5, None)
    assert window.size == 4
    window.answered(429, {}, 20.0, 30.0)
    assert (window.size, window.wait(25.0), window.wait(51.0)) == (2, 25.0, 0.0)


def test_the_service_may_say_how_many_it_likes() -> None:
    window = Window(largest=16)
    window.answered(200, {"x-ms-dop-hint": "12"}, 0.0, None)
    window.answered(200, {"x-ms-dop-hint": "3"}, 0.0, None)
    assert window.size == 12
    narrow = Window(largest=4)
    narrow.answered(200, {"x-ms-dop-hint": "50"}, 0.0, None)
    assert narrow.size == 4


@given(
    attempt=st.integers(0, 40), spent=st.floats(0, 200), asked=st.none() | st.floats(0, 500),
    idempotent=st.booleans(), status=st.sampled_from([400, 404, 408, 412, 429, 500, 502, 503, 504]),
)  # fmt: skip
def test_patience_has_an_end_and_what_may_be_doubled_is_not_repeated(
    attempt: int, spent: float, status: int, asked: float | None, idempotent: bool
) -> None:
    error = ServiceError("x", status=status, retry_after=asked)
    seconds = Retry(budget=100, first=0.5, longest=30).wait(
        error, attempt, idempotent=idempotent, spent=spent
    )
    if status in (400, 404, 412, 500) or (status != 429 and not idempotent):
        assert seconds is None
    if seconds is not None:
        assert spent + seconds <= 100
        assert seconds == asked if asked is not None else 0.25 <= seconds <= 30
    lost = TransportError("x", maybe_applied=True)
    assert (Retry().wait(lost, 0, idempotent=idempotent, spent=0) is None) == (not idempotent)
    assert Retry().wait(TransportError("x", maybe_applied=False), 0, idempotent=False, spent=0) is not None


def test_retry_after_is_read_in_both_of_its_forms() -> None:
    later = datetime.now(UTC) + timedelta(seconds=90)
    assert 80 < (retry_after({"retry-after": format_datetime(later, usegmt=True)}) or 0) <= 90
    assert retry_after({"retry-after": "7"}) == 7
    assert retry_after({"retry-after": "-7"}) == 0
    assert retry_after({"retry-after": "soon"}) is None
    assert retry_after({}) is None


@given(st.integers(400, 599), st.binary(max_size=80))
def test_any_failure_becomes_an_error_of_its_status(status: int, content: bytes) -> None:
    error = service_error(status, {"x-ms-service-request-id": "r"}, content)
    assert (error.status, error.request_id) == (status, "r")
    assert str(status) in str(error)


def test_a_challenge_names_authority_and_tenant_on_tls_only() -> None:
    text = "Bearer authorization_uri=https://login.microsoftonline.com/t-1/oauth2/authorize, resource_id=https://x/"
    assert challenged(text, allow_http=False) == ("https://login.microsoftonline.com", "t-1")
    assert challenged('Bearer authorization_uri="https://a/b"', allow_http=False) == ("https://a", "b")
    assert challenged("Basic realm=x", allow_http=False) is None
    with pytest.raises(ConfigurationError, match="plain http"):
        challenged("Bearer authorization_uri=http://evil.example/t/oauth2/authorize", allow_http=False)


def test_a_file_of_tokens_opens_with_its_own_key_only(tmp_path: Path) -> None:
    store = TokenStore(tmp_path / "deep" / "tokens", key=bytes(range(32)))
    store.set("one", "secret one")
    store.set("two", "secret two")
    store.set("one", None)
    assert (store.get("one"), store.get("two")) == (None, "secret two")
    assert b"secret" not in store.path.read_bytes()
    assert "secret" not in repr(store)
    for key in (bytes(32), b"short", "no base64 at all"):
        with pytest.raises(ConfigurationError, match="key"):
            TokenStore(store.path, key=key).get("two")
    store.path.write_bytes(b"x")
    with pytest.raises(ConfigurationError):
        store.get("two")


def broken() -> Flow[None]:
    """A conversation that ends badly while another one waits beside it."""

    def waiting() -> Flow[None]:
        yield Pause(1000)

    yield Start(waiting(), None)
    raise LookupError("over")


def test_what_runs_beside_a_conversation_ends_with_it() -> None:
    with httpx2.Client() as http, pytest.raises(LookupError):
        SyncDriver(http).run(broken())

    async def asynchronous() -> None:
        async with httpx2.AsyncClient() as http:
            await AsyncDriver(http).run(broken())

    with pytest.raises(LookupError):
        asyncio.run(asynchronous())


TYPES = """
from collections.abc import AsyncIterator, Iterator, Coroutine
from typing import Any, assert_type
from orgstead.client import AsyncClient, BulkResult, Client, Page, Record, Upserted

def sync(client: Client) -> None:
    assert_type(client.records.create("account", {}, id="x"), str)
    assert_type(client.records.find("account", "x"), Record | None)
    assert_type(client.records.upsert("account", "x", {}), Upserted)
    assert_type(client.bulk.create("account", []), BulkResult)
    assert_type(client.query("account").select("name").all(), list[Record])
    assert_type(client.query("account").pages(), Iterator[Page])
    for row in client.query("account").top(1):
        assert_type(row, Record)
    client.records.create("account")  # wrong

async def asynchronous(client: AsyncClient) -> None:
    assert_type(await client.records.create("account", {}, id="x"), str)
    assert_type(client.query("account").pages(), AsyncIterator[Page])
    async for row in client.query("account").top(1):
        assert_type(row, Record)
    for each in client.query("account"):  # wrong
        pass
"""


def test_both_colours_have_exact_types(tmp_path: Path) -> None:
    file = tmp_path / "typed.py"
    file.write_text(TYPES)
    said, _, _ = api.run(["--strict", "--cache-dir", str(tmp_path), "--no-error-summary", str(file)])
    wrong = [number for number, line in enumerate(TYPES.splitlines(), start=1) if line.endswith("# wrong")]
    found = sorted({int(line.split(":")[1]) for line in said.splitlines() if ": error:" in line})
    assert found == wrong, said
