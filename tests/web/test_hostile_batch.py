"""Batches that lie about their shape, their addresses and their references: all or nothing."""

import json
import re
import time

import pytest

from tests.live import Live
from tests.web.hostile import API, Answer, Attacker

ID = "00000000-0000-4000-8000-000000000001"
END = "--b--\r\n"
NAMED = '{"name":"Batched"}'


@pytest.fixture(scope="module")
def attacker(live: Live) -> Attacker:
    return Attacker(live)


def part(line: str, body: str = "", *, id: str | None = None, extra: str = "", mark: str = "b") -> str:
    """One part: its request line without the protocol, its Content-ID and header lines of the request."""
    content_id = "" if id is None else f"Content-ID: {id}\r\n"
    kind = "Content-Type: application/json\r\n" if body else ""
    return (
        f"--{mark}\r\nContent-Type: application/http\r\nContent-Transfer-Encoding: binary\r\n{content_id}\r\n"
        f"{line} HTTP/1.1\r\n{extra}{kind}\r\n{body}\r\n"
    )


def change_set(*parts: str) -> str:
    inner = "".join(each.replace("--b\r\n", "--c\r\n", 1) for each in parts)
    return f"--b\r\nContent-Type: multipart/mixed; boundary=c\r\n\r\n{inner}--c--\r\n"


def send(
    attacker: Attacker, *parts: str, kind: str = "multipart/mixed; boundary=b", **headers: str
) -> Answer:
    body = "".join(parts) + END
    return attacker.ask("POST", "$batch", body.encode("utf-8"), content_type=kind, **headers)


def inner_statuses(answer: Answer) -> list[int]:
    return [int(found) for found in re.findall(r"HTTP/1\.1 (\d{3}) ", answer.text)]


CREATE = part("POST accounts", NAMED, id="1")


@pytest.mark.parametrize(
    "line",
    [
        "GET /api/data/v9.2/../../../_orgstead/unsupported",
        "GET http://localhost/_orgstead/unsupported",
        "GET /_orgstead/unsupported",
        "GET /healthz",
        "POST /common/oauth2/token",
        "POST http://localhost/common/oauth2/v2.0/token",
        "GET http://elsewhere.example/",
        "GET ftp://localhost/api/data/v9.2/WhoAmI",
        "GET file:///etc/passwd",
        "GET //localhost/api/data/v9.2/WhoAmI",
        "GET /api/data/v8.2/WhoAmI",
        "GET /api/data/v10.0/WhoAmI",
        "GET /api/data/WhoAmI",
        "GET %2fapi%2fdata%2fv9.2%2fWhoAmI",
        "GET /other/api/data/v9.2/WhoAmI",
        "GET ..",
        "GET %00",
        "GET %ff",
        "GET $1",
        "GET $batch",
        "POST $batch",
        "GET orgstead_credentials",
        "GET orgstead_applications",
        f"GET orgstead_grants({ID})",
        "GET systemusers?$expand=orgstead_credentials",
        f"MERGE accounts({ID})",
        "HEAD accounts",
        "OPTIONS accounts",
    ],
)
def test_a_part_does_not_reach_what_a_request_cannot(attacker: Attacker, line: str) -> None:
    answer = send(attacker, part(line), prefer="odata.continue-on-error")
    (status,) = inner_statuses(answer)
    assert 400 <= status < 500, answer
    assert '"code":"0x' in answer.text


@pytest.mark.parametrize(
    "parts",
    [
        (part("PATCH $2", NAMED, id="1"), part("POST accounts", NAMED, id="2")),
        (
            part("POST accounts", '{"primarycontactid@odata.bind":"$2"}', id="1"),
            part("POST contacts", '{"parentcustomerid_account@odata.bind":"$1"}', id="2"),
        ),
        (part("POST accounts", '{"parentaccountid@odata.bind":"$1"}', id="1"),),
        (CREATE, part("PATCH $1/primarycontactid", NAMED)),
        (CREATE, part("PATCH $1(x)", NAMED)),
        (CREATE, part("PATCH $11", NAMED)),
        (CREATE, part("POST $1/contact_customer_accounts/$ref", '{"@odata.id":"$3"}')),
        (CREATE, part("POST accounts", '{"primarycontactid@odata.bind":"$1"}')),
        (CREATE, part(f"DELETE accounts({ID})", id="2"), part("PATCH $2", NAMED)),
        (CREATE, part("POST accounts", '{"primarycontactid@odata.bind":"/orgstead_grants(1)"}')),
        (CREATE, part(f"PATCH accounts({ID})", NAMED, extra='If-Match: W/"1"\r\n')),
        (CREATE, part(f"PATCH accounts({ID})", NAMED, extra="If-Match: x\r\n")),
        (CREATE, part("POST accounts", NAMED, extra="Prefer: odata.maxpagesize=x\r\n")),
        (CREATE, part("POST accounts", NAMED, extra="MSCRMCallerID: " + ID + "\r\n")),
        (
            CREATE,
            part("POST accounts", NAMED, extra="Content-Type: text/xml\r\n").replace(
                "json\r\n\r\n", "x\r\n\r\n"
            ),
        ),
        (CREATE, part("POST accounts", '{"name":"x"')),
        (CREATE, part("POST accounts", '{"name":"x"}trailing')),
        (CREATE, part("POST accounts", '{"numberofemployees":1e99}')),
        (CREATE, part("POST accounts", '{"nosuch":1}')),
        (CREATE, part("POST accounts/Microsoft.Dynamics.CRM.CreateMultiple", '{"Targets":[]}')),
        (CREATE, part("GET accounts")),
        (CREATE, "--c\r\nContent-Type: multipart/mixed; boundary=d\r\n\r\n--d\r\n--d--\r\n"),
        (CREATE, "--c\r\nContent-Type: text/plain\r\n\r\nhello\r\n"),
        (CREATE, part("HELLO accounts", NAMED)),
        (CREATE, part("POST accounts", NAMED).replace("HTTP/1.1", "HTTP/2")),
        (CREATE, part("POST accounts", NAMED, extra="x" * 17_000 + ": y\r\n")),
        (CREATE, part("POST accounts", NAMED, extra="".join(f"x{n}: y\r\n" for n in range(150)))),
        (CREATE, part("POST accounts", NAMED, extra="no colon\r\n")),
    ],
    ids=range(28),
)
def test_a_change_set_is_done_whole_or_not_at_all(attacker: Attacker, parts: tuple[str, ...]) -> None:
    before = attacker.count("accounts"), attacker.count("contacts")
    for headers in ({}, {"prefer": "odata.continue-on-error"}):
        answer = send(attacker, change_set(*parts), **headers)
        assert answer.status == 200 or 400 <= answer.status < 500, answer
        statuses = inner_statuses(answer) or [answer.status]
        assert all(400 <= status < 500 for status in statuses), answer
        assert '"code":"0x' in answer.text
    assert (attacker.count("accounts"), attacker.count("contacts")) == before


def test_a_content_id_is_known_in_its_own_change_set_only(attacker: Attacker) -> None:
    before = attacker.count("accounts")
    other = change_set(part("PATCH $1", '{"name":"Other"}'))
    answer = send(
        attacker, change_set(CREATE), other, part("PATCH $1", NAMED), prefer="odata.continue-on-error"
    )
    assert inner_statuses(answer) == [204, 400, 400]
    assert attacker.count("accounts") == before + 1


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        (
            "multipart/mixed; boundary=b",
            "--b\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n" + CREATE + END,
        ),
        ("multipart/mixed; boundary=b", "--b\r\nContent-Type: multipart/mixed\r\n\r\n" + CREATE + END),
        ("multipart/mixed; boundary=b", change_set(CREATE).replace("--c--", "--c") + END),
        ("multipart/mixed; boundary=b", (CREATE + END).replace("\r\n", "\r")),
        ("multipart/mixed; boundary=b", (CREATE + END).replace("--b", "-- b")),
        ("multipart/mixed; boundary=b", CREATE),
        ("multipart/mixed; boundary=b", CREATE + "--b-\r\n"),
        ("multipart/mixed; boundary=b", "\0" * 1_000_000),
        ("multipart/mixed; boundary=b", "--b\r\n" * 100_000 + END),
        ("multipart/mixed; boundary=b", change_set() * 1001 + CREATE),
        ("multipart/mixed; boundary=" + "x" * 300, CREATE + END),
        ('multipart/mixed; boundary=""', CREATE + END),
        ('multipart/mixed; boundary="b', CREATE + END),
        ("multipart/form-data; boundary=b", CREATE + END),
        ("application/json; boundary=b", CREATE + END),
        ("", CREATE + END),
    ],
    ids=range(16),
)
def test_a_batch_without_its_boundaries_does_nothing(attacker: Attacker, kind: str, body: str) -> None:
    before = attacker.count("accounts")
    answer = attacker.ask("POST", "$batch", body.encode(), content_type=kind)
    assert answer.is_fault(), answer
    assert attacker.count("accounts") == before


@pytest.mark.parametrize("boundary", [".*", "(a+)+", "b'()+_,-./:=?", "--", "b--", "\xe9"])
def test_a_boundary_is_text_and_no_pattern(attacker: Attacker, boundary: str) -> None:
    before = attacker.count("accounts")
    body = (CREATE + END).replace("--b", f"--{boundary}")
    decoy = "--xx\r\nContent-Type: application/http\r\n\r\nPOST accounts HTTP/1.1\r\n\r\n{}\r\n--xx--\r\n"
    kind = f'multipart/mixed; boundary="{boundary}"'
    answer = attacker.ask("POST", "$batch", (decoy + body).encode(), content_type=kind)
    made = attacker.count("accounts") - before
    assert made == (1 if answer.status == 200 else 0)


@pytest.mark.parametrize(
    "body",
    [
        "--b\r\nContent-Type: application/http\r\n\r\nGET a" + " " * 1_000_000 + "x\r\n\r\n" + END,
        "--b\r\nContent-Type: application/http\r\n\r\nGET" + " " * 1_000_000 + "\r\n\r\n" + END,
        "--b\r\nContent-Type: application/http\r\n\r\nGET a" + " HTTP/1.1" * 100_000 + "x\r\n\r\n" + END,
        "--b\r\nContent-Type: application/http\r\n\r\n" + "\r\n \t" * 300_000 + END,
        "--bb\r\n" * 200_000,
        ("x--b" * 300_000) + END,
        "--b_" * 400_000,
        part("GET accounts(" + "'" * 1_000_000 + ")") + END,
        part("GET accounts?" + "$filter=1&" * 100_000) + END,
        part("GET accounts?$filter=" + "(" * 60_000) + END,
        part("PATCH accounts(name='" + "x" * 500_000 + "')", NAMED) + END,
        part("POST accounts", '{"primarycontactid@odata.bind":"' + "$" * 1_000_000 + '"}') + END,
        part("POST accounts", "[" * 1_000_000) + END,
        part("GET accounts", extra="Prefer: " + "a=b," * 4_000 + "\r\n") + END,
        part("GET accounts", extra="If-Match: " + "9" * 16_000 + "\r\n") + END,
    ],
    ids=range(15),
)
def test_no_text_of_a_batch_keeps_the_server_busy(attacker: Attacker, body: str) -> None:
    started = time.monotonic()
    answer = attacker.ask("POST", "$batch", body.encode(), content_type="multipart/mixed; boundary=b")
    assert 400 <= answer.status < 500, answer.text[:500]
    assert '"code":"0x' in answer.text
    assert time.monotonic() - started < 5


def test_a_part_runs_as_the_caller_of_the_batch(attacker: Attacker) -> None:
    mine = json.loads(attacker.ask("GET", "WhoAmI").text)["UserId"]
    for extra in (
        "Authorization: Bearer x\r\n",
        "Host: elsewhere.example\r\n",
        "X-HTTP-Method-Override: DELETE\r\n",
    ):
        answer = send(attacker, part("GET WhoAmI", extra=extra))
        assert inner_statuses(answer) == [200]
        assert mine in answer.text
        assert "elsewhere" not in answer.text
    assert send(attacker, part("GET WhoAmI", extra=f"Authorization: Bearer {attacker.token}\r\n"),
                authorization="").status == 401  # fmt: skip


def test_a_batch_of_a_thousand_is_answered_and_one_more_is_not(attacker: Attacker) -> None:
    answer = send(attacker, *[part("GET WhoAmI")] * 1000)
    assert inner_statuses(answer) == [200] * 1000
    assert send(attacker, *[part("GET WhoAmI")] * 1001).is_fault()
    before = attacker.count("accounts")
    assert send(attacker, *[change_set(*[CREATE] * 501)] * 2).is_fault()
    assert attacker.count("accounts") == before


def test_a_batch_stops_at_its_first_failure_unless_it_is_told_to_go_on(attacker: Attacker) -> None:
    before = attacker.count("accounts")
    parts = [CREATE, part("POST accounts", '{"nosuch":1}'), CREATE]
    assert inner_statuses(send(attacker, *parts)) == [204, 400]
    assert attacker.count("accounts") == before + 1
    assert inner_statuses(send(attacker, *parts, prefer="odata.continue-on-error")) == [204, 400, 204]
    assert attacker.count("accounts") == before + 3


def test_a_batch_beyond_the_limit_is_refused_before_it_is_read(attacker: Attacker) -> None:
    head = (
        f"POST {API}$batch HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer {attacker.token}\r\n"
        "content-type: multipart/mixed; boundary=b\r\nconnection: close\r\ncontent-length: 999999999\r\n\r\n"
    )
    assert attacker.raw(head.encode()).status == 413


@pytest.mark.parametrize("path", ["$batch/x", "accounts/$batch", "$batch()", "%24batch/", "$BATCH"])
def test_a_batch_has_one_address(attacker: Attacker, path: str) -> None:
    before = attacker.count("accounts")
    answer = attacker.ask("POST", path, (CREATE + END).encode(), content_type="multipart/mixed; boundary=b")
    assert answer.is_fault(), answer
    assert attacker.count("accounts") == before
