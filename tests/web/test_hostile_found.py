"""What an attack has found once stays mended."""

import pytest

from tests.live import Live
from tests.web.hostile import API, Attacker


@pytest.fixture(scope="module")
def attacker(live: Live) -> Attacker:
    return Attacker(live)


def part(line: str) -> bytes:
    head = "Content-Type: application/http\r\nContent-Transfer-Encoding: binary\r\n\r\n"
    return f"--b\r\n{head}{line} HTTP/1.1\r\n\r\n\r\n--b--\r\n".encode()


def batch(attacker: Attacker, body: bytes) -> tuple[int, str]:
    answer = attacker.ask("POST", "$batch", body, content_type="multipart/mixed; boundary=b")
    return answer.status, answer.text


def test_requests_far_ahead_of_their_answers_end_the_connection(attacker: Attacker) -> None:
    answer = attacker.raw(b"GET /healthz HTTP/1.1\r\nhost: localhost\r\n\r\n" * 100_000)
    # Some are answered; then the connection ends, long before all have been.
    assert answer.text.count("HTTP/1.1 200") < 1000
    assert attacker.alive()


def test_a_trailer_is_no_header(attacker: Attacker) -> None:
    before = attacker.count("accounts")
    answer = attacker.raw(
        f"POST {API}accounts HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n"
        "transfer-encoding: chunked\r\nconnection: close\r\n\r\n"
        f"2\r\n{{}}\r\n0\r\nAuthorization: Bearer {attacker.token}\r\n\r\n".encode()
    )
    assert answer.status in (0, 400, 401)
    assert attacker.count("accounts") == before


@pytest.mark.parametrize(
    "line",
    [
        "GET " + "a" * 1_000_000,
        "GET http://[/api/data/v9.2/accounts",
        "GET /api/data/v9.99/WhoAmI",
        "GET /api/data/v9.2%2fWhoAmI",
        "GET http://elsewhere.example/api/data/v9.2/WhoAmI",
    ],
    ids=["long", "broken", "version", "escaped", "elsewhere"],
)
def test_an_address_in_a_batch_is_as_any_other(attacker: Attacker, line: str) -> None:
    status, text = batch(attacker, part(line))
    assert 400 <= status < 500
    assert '"code":"0x' in text
    assert "UserId" not in text


@pytest.mark.parametrize("host", ['a, error="x"', "evil/x?", "a b", "a\r\nhost: b", "", "a:b", "[::1"])
def test_a_host_is_a_host(attacker: Attacker, host: str) -> None:
    answer = attacker.raw(f"GET {API}WhoAmI HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\n\r\n".encode())
    assert answer.status == 400, answer
    answer = attacker.raw(f"GET {API}WhoAmI HTTP/1.1\r\nconnection: close\r\n\r\n".encode())
    assert answer.status == 400, answer


def test_a_body_of_millions_of_nothings_is_refused_at_once(attacker: Attacker) -> None:
    answer = attacker.ask("POST", "accounts", b"[" + b"[]," * 5_000_000 + b"[]]")
    assert answer.is_fault(), answer


@pytest.mark.parametrize(
    "headers",
    [
        {"content_encoding": "gzip"},
        {"content_encoding": "br"},
        {"content_type": "application/json; charset=utf-16"},
        {"content_type": "application/json; charset=latin-1"},
    ],
)
def test_a_body_in_another_coding_is_refused(attacker: Attacker, headers: dict[str, str]) -> None:
    assert attacker.ask("POST", "accounts", b"{}", **headers).status == 415


@pytest.mark.parametrize(
    "body",
    [
        {"primarycontactid": {"lastname": "A"}, "primarycontactid@odata.bind": "contacts(ID)"},
        {"primarycontactid@odata.bind": "contacts(ID)", "primarycontactid": {"lastname": "A"}},
        {"primarycontactid@odata.bind": "systemusers(ID)"},
        {"parentaccountid@odata.bind": "contacts(ID)"},
    ],
)
def test_a_lookup_is_bound_once_and_to_its_own_table(attacker: Attacker, body: dict[str, object]) -> None:
    contact = attacker.ask("POST", "contacts", {"lastname": "B"}, prefer="return=representation").text
    id = contact.partition('"contactid":"')[2][:36]
    said = {
        name: value.replace("ID", id) if isinstance(value, str) else value for name, value in body.items()
    }
    before = attacker.count("accounts")
    assert attacker.ask("POST", "accounts", {"name": "Bound", **said}).status in (400, 404)
    assert attacker.count("accounts") == before


def test_options_on_a_batch_are_refused(attacker: Attacker) -> None:
    answer = attacker.ask(
        "POST", "$batch?$filter=x", part("GET WhoAmI"), content_type="multipart/mixed; boundary=b"
    )
    assert answer.is_fault(), answer


def test_a_large_form_is_refused_in_the_shape_of_oauth(attacker: Attacker) -> None:
    body = b"a" * 100_000
    answer = attacker.ask("POST", f"/{attacker.live.tenant_id}/oauth2/v2.0/token", body)
    assert answer.status == 413
    assert '"error":"invalid_request"' in answer.text
