"""What the client makes of answers that are none of the Web API: a proxy's page, half an answer, a way to elsewhere."""

import asyncio
import json
from collections.abc import Iterator

import pytest

from orgstead.client import AsyncClient, Client, ServiceError, TransportError
from tests.stranger import Stranger, strange


@pytest.fixture(scope="module")
def stranger() -> Iterator[Stranger]:
    with strange() as made:
        yield made


@pytest.mark.parametrize(
    "body", [b"<html>Sign in</html>", b'{"value": [', b"[1]", b"[" * 100_000, b"", b"{}", b"\xff"]
)
def test_an_answer_that_is_none_is_an_error_of_the_client(stranger: Stranger, body: bytes) -> None:
    stranger.status, stranger.headers, stranger.body = 200, {}, body

    async def aside() -> None:
        async with AsyncClient(stranger.url, "token") as client:
            with pytest.raises(ServiceError):
                await client.odata("accounts").all()

    with Client(stranger.url, "token") as client:
        with pytest.raises(ServiceError, match=r"none of the Web API|describes no table"):
            client.odata("accounts").all()
        if len(body) > 2:
            with pytest.raises(ServiceError, match="is the address that of an organisation"):
                client.who_am_i()
    asyncio.run(aside())


def test_a_redirect_is_an_error_and_no_token_goes_there(stranger: Stranger) -> None:
    with strange() as elsewhere, Client(stranger.url, "token") as client:
        stranger.status, stranger.headers, stranger.body = 302, {"Location": f"{elsewhere.url}/in"}, b""
        with pytest.raises(ServiceError, match="points to") as failure:
            client.request("GET", "accounts")
        assert failure.value.status == 302
        assert elsewhere.asked == []


def test_a_page_that_leads_to_itself_is_an_error(stranger: Stranger) -> None:
    link = f"{stranger.url}/api/data/v9.2/accounts?$skiptoken=1"
    stranger.status, stranger.headers = 200, {}
    # The definition of a table and a page of its rows in one.
    table = {"LogicalName": "account", "EntitySetName": "accounts", "PrimaryIdAttribute": "accountid"}
    page = {"Attributes": [], "value": [{"accountid": "1"}], "@odata.nextLink": link}
    stranger.body = json.dumps(table | page).encode()
    with Client(stranger.url, "token") as client, pytest.raises(ServiceError, match="the same page again"):
        client.odata("accounts").all()


def test_an_answer_without_end_is_given_up(stranger: Stranger, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("orgstead.client.drive.MAX_ANSWER", 1000)
    stranger.status, stranger.headers, stranger.body = 200, {}, b"x" * 1001
    asked = len(stranger.asked)

    async def aside() -> None:
        async with AsyncClient(stranger.url, "token") as client:
            with pytest.raises(TransportError, match="more than 1,000 bytes"):
                await client.request("GET", "accounts")

    with (
        Client(stranger.url, "token") as client,
        pytest.raises(TransportError, match="more than 1,000 bytes"),
    ):
        client.request("GET", "accounts")
    asyncio.run(aside())
    # Whoever answers so once does so again.
    assert len(stranger.asked) == asked + 2
