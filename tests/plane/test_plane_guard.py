"""Who may come to the admin plane, and what strangers can send it."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from starlette.testclient import TestClient

from orgstead.app import build_application
from orgstead.config import Config, ConfigError, redacted
from tests.parity.conftest import ORIGIN
from tests.plane.conftest import PlaneWeb

KEY = "a key of sixteen characters"
OUTSIDE = {"dev": False, "admin_password": "a password"}


@pytest.mark.parametrize(
    ("headers", "code"),
    [
        # A page that has its own name point at this machine.
        ({"host": "evil.example:5365"}, "foreign_host"),
        ({"host": "evil.example"}, "foreign_host"),
        ({"host": "localhost.evil.example"}, "foreign_host"),
        ({"host": "127.0.0.1.evil.example"}, "foreign_host"),
        ({"host": "notlocalhost"}, "foreign_host"),
        ({"host": "192.168.1.5:5365"}, "foreign_host"),
        ({"host": "evil.example", "origin": "http://evil.example"}, "foreign_host"),
        # A page of somewhere else, or of another port.
        ({"origin": "https://evil.example"}, "foreign_origin"),
        ({"origin": "null"}, "foreign_origin"),
        ({"origin": "http://localhost:3000"}, "foreign_origin"),
        ({"origin": "https://localhost:5365"}, "foreign_origin"),
        ({"origin": ""}, "foreign_origin"),
        ({"sec-fetch-site": "cross-site"}, "foreign_origin"),
        ({"sec-fetch-site": "same-site"}, "foreign_origin"),
        # A form, which needs nobody's permission.
        ({"content-type": "application/x-www-form-urlencoded"}, "not_json"),
        ({"content-type": "text/plain"}, "not_json"),
        ({"content-type": "multipart/form-data; boundary=x"}, "not_json"),
        ({"content-type": "text/plain; application/json"}, "not_json"),
    ],
)
def test_no_page_in_a_browser_resets_an_organisation(
    web: PlaneWeb, headers: dict[str, str], code: str
) -> None:
    web.make("accounts", name="Mine")
    for method, path in (("POST", "reset"), ("PUT", "snapshots/x"), ("DELETE", "clock"), ("GET", "requests")):
        answer = web.client.request(method, f"/_orgstead/{path}", headers=headers)
        assert answer.status_code == (415 if code == "not_json" else 403)
        assert answer.json()["error"]["code"] == code
        assert "access-control-allow-origin" not in answer.headers
    assert web.names() == ["Mine"]
    assert [each["name"] for each in web.plane("GET", "snapshots")["snapshots"]] == ["start"]


def test_a_page_of_another_origin_gets_no_permission_either(web: PlaneWeb) -> None:
    asked = {"origin": "https://evil.example", "access-control-request-method": "POST"}
    answer = web.client.options("/_orgstead/reset", headers=asked)
    assert answer.status_code == 403
    assert not any(name.startswith("access-control") for name in answer.headers)


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"host": "127.0.0.1:5365"},
        {"host": "[::1]:5365"},
        {"host": "crm.localhost"},
        {"origin": ORIGIN, "sec-fetch-site": "same-origin"},
        {"origin": "http://127.0.0.1:99", "host": "127.0.0.1:99"},
        {"sec-fetch-site": "none"},
        {"content-type": "application/json; charset=utf-8"},
    ],
)
def test_this_machine_and_pages_of_the_server_itself_may(web: PlaneWeb, headers: dict[str, str]) -> None:
    web.make("accounts", name="Mine")
    assert web.client.post("/_orgstead/reset", headers=headers).status_code == 200
    assert web.names() == []


def test_the_plane_lists_what_there_is_and_says_how_it_is_asked(web: PlaneWeb) -> None:
    paths = {(each["method"], each["path"]) for each in web.plane("GET", "")["paths"]}
    assert ("POST", "/_orgstead/reset") in paths
    assert all(each["what"].endswith(".") or "; " in each["what"] for each in web.plane("GET", "")["paths"])
    for method, path in paths:
        # Each is there: whatever it says to an empty request, it is not that there is no such path.
        answer = web.client.request(method, path.replace("{name}", "none").replace("{id}", "0"))
        told = answer.json() if "json" in answer.headers.get("content-type", "") else {}
        assert answer.status_code < 500 or told["error"]["code"] == "no_limits"
        assert told.get("error", {}).get("code") not in ("unknown_path", "wrong_method"), path
    assert web.plane("GET", "nothing", status=404)["error"]["code"] == "unknown_path"
    assert web.plane("GET", "reset", status=405)["error"]["code"] == "wrong_method"
    assert web.plane("PATCH", "clock", status=405)["error"]["code"] == "wrong_method"
    assert web.client.get("/_orgstead").json() == web.plane("GET", "")
    assert web.client.head("/_orgstead/health").content == b""


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"{", 400),
        (b"\xff\xfe", 400),
        (b'{"snapshot": "start"', 400),
        (b'{"snapshot": null}', 400),
        (b'{"snapshot": {"a": 1}}', 400),
        (b'{"snap": "start"}', 400),
        (b"[" * 50_000, 400),
        (b'{"snapshot":' * 5_000, 400),
        (b" " * 70_000, 413),
    ],
)
def test_bodies_that_are_none_are_refused(web: PlaneWeb, body: bytes, status: int) -> None:
    web.make("accounts", name="Mine")
    answer = web.client.post("/_orgstead/reset", content=body, headers={"content-type": "application/json"})
    assert answer.status_code == status
    assert answer.json()["error"]["message"]
    assert web.names() == ["Mine"]


@pytest.mark.parametrize(
    "query",
    [
        "limit=-1", "limit=1001", "limit=x", "limit=1&limit=2", "limit=²", "colour=red", "a=%ff",
        "&".join("abcdefghijklmnopqrstu"),
    ],
)  # fmt: skip
def test_options_that_are_none_are_refused(web: PlaneWeb, query: str) -> None:
    assert web.plane("GET", f"requests?{query}", status=400)["error"]["code"] == "bad_query"


# -- the key -----------------------------------------------------------------------------------------------------------
@pytest.fixture(scope="module")
def outside(new_organisation: Callable[..., Any]) -> Iterator[TestClient]:
    """An organisation outside of development mode whose plane has a key."""
    organisation = new_organisation(**OUTSIDE, admin_key=KEY)
    with TestClient(build_application(organisation, [ORIGIN]), base_url=ORIGIN) as client:
        yield client
    organisation.close()


@pytest.mark.parametrize(
    "given",
    [
        None, "", "Bearer", "Bearer ", f"Bearer {KEY[:-1]}", f"Bearer {KEY}x", f"Basic {KEY}", KEY, "Bearer \xe4",
        f"Bearer {KEY.upper()}",
    ],
)  # fmt: skip
def test_outside_development_mode_the_plane_wants_its_key(outside: TestClient, given: str | None) -> None:
    headers = {} if given is None else {"authorization": given.encode("latin-1")}
    for method, path in (("GET", ""), ("GET", "requests"), ("PUT", "snapshots/x"), ("GET", "nothing")):
        answer = outside.request(method, f"/_orgstead/{path}", headers=headers)
        assert (answer.status_code, answer.headers["www-authenticate"]) == (401, "Bearer")
        assert KEY not in answer.text


def test_with_its_key_the_plane_is_there_for_any_host_but_for_no_page(outside: TestClient) -> None:
    headers = {"authorization": f"Bearer {KEY}", "host": "crm.example"}
    assert outside.put("/_orgstead/snapshots/x", headers=headers).status_code == 201
    assert outside.post("/_orgstead/snapshots/x/restore", headers=headers).status_code == 200
    assert outside.get("/_orgstead/metrics", headers=headers).status_code == 200
    foreign = {**headers, "origin": "https://evil.example"}
    assert outside.post("/_orgstead/snapshots/x/restore", headers=foreign).status_code == 403


def test_outside_development_mode_there_is_no_start_to_go_back_to(outside: TestClient) -> None:
    answer = outside.post("/_orgstead/reset", headers={"authorization": f"Bearer {KEY}"})
    assert (answer.status_code, answer.json()["error"]["code"]) == (409, "no_start")


def test_outside_development_mode_there_is_no_plane_without_a_key(
    new_organisation: Callable[..., Any],
) -> None:
    organisation = new_organisation(**OUTSIDE)
    with TestClient(build_application(organisation, [ORIGIN]), base_url=ORIGIN) as client:
        for path in ("/_orgstead/", "/_orgstead/health", "/_orgstead/reset", "/_orgstead/unsupported"):
            assert {client.get(path).status_code, client.post(path).status_code} == {404}
        assert client.get("/healthz").status_code == 200
    organisation.close()


def test_a_key_counts_in_development_mode_too(new_organisation: Callable[..., Any]) -> None:
    organisation = new_organisation(admin_key=KEY)
    with TestClient(build_application(organisation, [ORIGIN]), base_url=ORIGIN) as client:
        assert client.post("/_orgstead/reset").status_code == 401
        assert client.post("/_orgstead/reset", headers={"authorization": f"Bearer {KEY}"}).status_code == 200
    organisation.close()


@pytest.mark.parametrize(
    "key", ["", "fifteen letters", "x" * 15, "sixteen letters\n", "line\r\nline\r\nline\r\n"]
)
def test_a_key_that_is_too_short_or_cannot_be_sent_is_refused(key: str) -> None:
    with pytest.raises(ConfigError, match="admin_key"):
        Config(admin_key=key)


def test_the_key_is_never_shown() -> None:
    assert KEY not in str(redacted(Config(admin_key=KEY)))


def test_an_organisation_that_is_too_large_is_not_copied_unasked(
    new_organisation: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("orgstead.server.plane.organisation.MAX_START_BYTES", 1_000)
    organisation = new_organisation()
    with TestClient(build_application(organisation, [ORIGIN]), base_url=ORIGIN) as client:
        web = PlaneWeb(client, organisation)
        web.make("accounts", name="Mine")
        told = web.plane("POST", "reset", status=409)["error"]
        assert (told["code"], "too many to copy unasked" in told["message"]) == ("no_start", True)
        assert web.names() == ["Mine"]
    organisation.close()
