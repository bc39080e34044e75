"""The page of a row at the address of deep links: what it shows, to whom, and that nothing in it comes alive."""

import ssl
from collections.abc import Iterator
from typing import Any

import httpx2
import pytest

from orgstead.client import Client, new_id
from tests.client.conftest import secret
from tests.live import Live, live

__all__ = ["live"]

NOBODY = "00000000-0000-4000-8000-000000000001"


@pytest.fixture(scope="module")
def client(live: Live) -> Iterator[Client]:
    with Client(live.https, secret(live), verify=ssl.create_default_context(cafile=live.ca)) as made:
        yield made


@pytest.fixture(scope="module")
def web(live: Live) -> Iterator[httpx2.Client]:
    with httpx2.Client(base_url=live.https, verify=ssl.create_default_context(cafile=live.ca)) as made:
        yield made


@pytest.fixture(scope="module")
def bearer(client: Client) -> dict[str, str]:
    client.who_am_i()
    return {"Authorization": f"Bearer {client._driver.run(client._session.token())}"}


def form(web: httpx2.Client, table: str, id: str, headers: Any = None, **more: str) -> httpx2.Response:
    query = {"etn": table, "id": id, "pagetype": "entityrecord", **more}
    return web.get("/main.aspx", params=query, headers=headers)


def test_a_row_is_shown_to_whoever_may_see_it(
    web: httpx2.Client, client: Client, bearer: dict[str, str]
) -> None:
    contact = client.records.create("contact", {"firstname": "Ada", "lastname": "Thorn"})
    id = client.records.create(
        "account",
        {"name": "Blue Heron", "industrycode": 1, "primarycontactid@odata.bind": f"/contacts({contact})"},
    )
    page = form(web, "account", id, bearer)
    assert page.status_code == 200
    assert "<h1>Account: Blue Heron</h1>" in page.text
    assert "<th>Primary Contact<td>Ada Thorn" in page.text
    assert "<th>Industry<td>Accounting" in page.text
    assert f"/api/data/v9.2/accounts({id})" in page.text
    assert form(web, "ACCOUNT", f"{{{id.upper()}}}", bearer).status_code == 200


def test_values_are_text_and_nothing_else(web: httpx2.Client, client: Client, bearer: dict[str, str]) -> None:
    id = client.records.create(
        "account", {"name": "<script>alert(1)</script>\"'&", "description": "</table><img src=x>"}
    )
    page = form(web, "account", id, bearer)
    assert "<script" not in page.text
    assert "<img" not in page.text
    assert "&lt;script&gt;" in page.text
    policy = page.headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert page.headers["Cache-Control"] == "no-store"
    assert page.headers["X-Content-Type-Options"] == "nosniff"


def test_without_a_token_the_page_tells_how_to_ask_and_nothing_of_what_is_there(
    web: httpx2.Client, client: Client
) -> None:
    id = client.records.create("account", {"name": "Secret Heron"})
    there, missing = form(web, "account", id), form(web, "account", NOBODY)
    assert there.status_code == missing.status_code == 401
    assert there.text.replace(id, NOBODY) == missing.text
    assert "Secret Heron" not in there.text
    assert "/api/data/v9.2/" in there.text
    assert form(web, "no_such_table", id).text.replace("no_such_table", "account") == there.text


@pytest.mark.parametrize("token", ["Bearer x.y.z", "Basic eDp5", "Bearer"])
def test_a_token_that_is_none_shows_nothing(web: httpx2.Client, client: Client, token: str) -> None:
    id = client.records.create("account", {"name": "Secret Heron"})
    page = form(web, "account", id, {"Authorization": token})
    assert page.status_code == 401
    assert "authorization_uri=" in page.headers["WWW-Authenticate"]
    assert "Secret" not in page.text


def test_a_row_that_its_caller_may_not_see_is_not_shown(
    web: httpx2.Client, client: Client, bearer: dict[str, str]
) -> None:
    id = client.records.create("account", {"name": "Secret Heron"})
    nobody = client.records.create("systemuser", {
        "firstname": "No", "lastname": "Roles", "internalemailaddress": f"{new_id()}@example.org",
        "domainname": f"{new_id()}@example.org",
        "businessunitid@odata.bind": f"/businessunits({client.who_am_i()['BusinessUnitId']})",
    })  # fmt: skip
    page = form(web, "account", id, bearer | {"MSCRMCallerID": nobody})
    assert page.status_code == 403
    assert "Secret" not in page.text


@pytest.mark.parametrize(
    ("table", "id", "more", "status"),
    [
        ("account", NOBODY, {}, 404),
        ("no_such_table", NOBODY, {}, 404),
        ("account", "1", {}, 400),
        ("account", "", {}, 400),
        ("", NOBODY, {}, 400),
        ("<script>", NOBODY, {}, 400),
        ("account)/x(", NOBODY, {}, 400),
        ("account", NOBODY, {"pagetype": "entitylist"}, 501),
        ("account", NOBODY, {"extraqs": "x"}, 501),
    ],
)
def test_what_is_no_row_has_a_page_that_says_so(
    web: httpx2.Client, bearer: dict[str, str], table: str, id: str, more: dict[str, str], status: int
) -> None:
    page = form(web, table, id, bearer, **more)
    assert page.status_code == status
    assert page.headers["Content-Type"] == "text/html; charset=utf-8"
    assert "<script" not in page.text


def test_a_form_is_read_only(web: httpx2.Client, bearer: dict[str, str]) -> None:
    path = f"/main.aspx?etn=account&id={NOBODY}&pagetype=entityrecord"
    assert web.post(path, headers=bearer).status_code == 405
    head = web.head(path)
    assert (head.status_code, head.content) == (401, b"")
    assert web.get("/main.aspx?" + "&".join(f"a{n}=1" for n in range(200))).status_code == 501
