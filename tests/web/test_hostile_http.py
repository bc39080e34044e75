"""HTTP itself as a weapon: framing that lies, targets that climb, headers that come back, and random requests."""

import asyncio
import json
import random
import re
import socket
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlencode, urlsplit

import pytest

from orgstead.app import build_application, open_organisation
from orgstead.config import Config
from orgstead.identity.development import CLIENT_ID, CLIENT_SECRET, PUBLIC_CLIENT_ID, TENANT_ID
from tests.live import Live
from tests.web.hostile import API, SECONDS, Attacker

ID = "00000000-0000-4000-8000-000000000001"
ORIGIN = "http://localhost:5365"
# At random, of each seed: a second or two.
REQUESTS = 5_000


@pytest.fixture(scope="module")
def attacker(live: Live) -> Attacker:
    return Attacker(live)


def heard(attacker: Attacker, data: bytes, *, half: bool = False) -> bytes:
    """All that the server says to these bytes; ``half`` ends the sending side first."""
    address = urlsplit(attacker.live.http)
    with socket.create_connection((address.hostname or "", address.port or 0), SECONDS) as connection:
        parts = []
        with suppress(BrokenPipeError, ConnectionResetError):
            connection.sendall(data)
            if half:
                connection.shutdown(socket.SHUT_WR)
            while part := connection.recv(65536):
                parts.append(part)
    return b"".join(parts)


def statuses(said: bytes) -> list[int]:
    return [int(found) for found in re.findall(rb"HTTP/1\.1 (\d{3}) ", said)]


def post(attacker: Attacker, rest: str) -> bytes:
    """A request to make an account, up to whatever frames its body."""
    return (
        f"POST {API}accounts HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer {attacker.token}\r\n"
        f"connection: close\r\ncontent-type: application/json\r\n{rest}"
    ).encode("latin-1")


@pytest.mark.parametrize(
    "rest",
    [
        "transfer-encoding: chunked\r\n\r\n5\r\n{}\r\n0\r\n\r\n",
        "transfer-encoding: chunked\r\n\r\nFFFFFFFFFFFFFFFFFF\r\n{}\r\n0\r\n\r\n",
        "transfer-encoding: chunked\r\n\r\n-2\r\n{}\r\n0\r\n\r\n",
        "transfer-encoding: chunked\r\n\r\n0x2\r\n{}\r\n0\r\n\r\n",
        "transfer-encoding: chunked\r\ncontent-length: 4\r\n\r\n2\r\n{}\r\n0\r\n\r\n",
        "content-length: 4\r\ntransfer-encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n",
        "transfer-encoding: gzip\r\n\r\n2\r\n{}\r\n0\r\n\r\n",
        "transfer-encoding: xchunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n",
        "transfer-encoding: chunked\r\ntransfer-encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n",
        "content-length: +2\r\n\r\n{}",
        "content-length: 0x2\r\n\r\n{}",
        "content-length: 2, 2\r\n\r\n{}",
        "content-length: 2\r\ncontent-length: 2\r\n\r\n{}",
        "content-length : 2\r\n\r\n{}",
        "content-length: " + "9" * 10_000 + "\r\n\r\n{}",
        "x-a: b\r\n c\r\ncontent-length: 2\r\n\r\n{}",
        "x-a: b\rc: d\r\ncontent-length: 2\r\n\r\n{}",
        "x-a: b\0c\r\ncontent-length: 2\r\n\r\n{}",
        "x a: b\r\ncontent-length: 2\r\n\r\n{}",
        ": b\r\ncontent-length: 2\r\n\r\n{}",
    ],
)
def test_a_body_that_is_framed_in_two_ways_or_none_makes_no_row(attacker: Attacker, rest: str) -> None:
    before = attacker.count("accounts")
    assert statuses(heard(attacker, post(attacker, rest), half=True)) == [400]
    assert attacker.count("accounts") == before


def test_a_body_that_ends_early_makes_no_row(attacker: Attacker) -> None:
    before = attacker.count("accounts")
    for rest in ("content-length: 20\r\n\r\n{}", "transfer-encoding: chunked\r\n\r\n2\r\n{}\r\n"):
        assert statuses(heard(attacker, post(attacker, rest), half=True)) in ([], [400])
    assert attacker.count("accounts") == before
    assert attacker.alive()


def test_a_chunked_body_beyond_the_limit_is_refused_while_it_comes(attacker: Attacker) -> None:
    chunk = b"100000\r\n" + b" " * 0x100000 + b"\r\n"
    said = heard(attacker, post(attacker, "transfer-encoding: chunked\r\n\r\n") + chunk * 40)
    # The connection may be reset before the answer is read, as there is more to send.
    assert statuses(said) in ([413], [])
    assert attacker.alive()


def test_a_large_body_of_a_stranger_is_not_waited_for(attacker: Attacker) -> None:
    head = f"POST {API}accounts HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n"
    assert statuses(heard(attacker, f"{head}content-length: 30000000\r\n\r\n".encode())) == [401]


def test_requests_in_one_breath_are_answered_in_their_order(attacker: Attacker) -> None:
    asked = "".join(
        f"{method} {path} HTTP/1.1\r\nhost: localhost\r\n{last}\r\n"
        for method, path, last in (
            ("GET", "/healthz", ""),
            ("GET", "/nosuch", ""),
            ("HEAD", "/", ""),
            ("PUT", f"/{TENANT_ID}/oauth2/token", ""),
            ("GET", f"{API}WhoAmI", "connection: close\r\n"),
        )
    )
    assert statuses(heard(attacker, asked.encode())) == [200, 404, 200, 405, 401]


@pytest.mark.parametrize("upgrade", ["websocket", "h2c", "TLS/1.2"])
def test_nobody_is_upgraded_to_another_protocol(attacker: Attacker, upgrade: str) -> None:
    ask = (
        f"GET {API}WhoAmI HTTP/1.1\r\nhost: localhost\r\nconnection: upgrade, close\r\nupgrade: {upgrade}\r\n"
        "sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\nsec-websocket-version: 13\r\n\r\n"
    )
    assert statuses(heard(attacker, ask.encode(), half=True)) in ([401], [400])


@pytest.mark.parametrize("method", ["CONNECT", "TRACE", "OPTIONS", "PROPFIND", "PRI", "get", "G", "GE\tT"])
@pytest.mark.parametrize("target", ["*", "localhost:80", "/", f"http://elsewhere.example{API}WhoAmI"])
def test_methods_of_other_servers_do_nothing_here(attacker: Attacker, method: str, target: str) -> None:
    ask = (
        f"{method} {target} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n"
        f"authorization: Bearer {attacker.token}\r\n\r\n"
    )
    (status,) = statuses(heard(attacker, ask.encode(), half=True))
    assert status in (400, 404, 405)


@pytest.mark.parametrize("name", ["x-http-method-override", "x-http-method", "x-method-override"])
def test_a_header_does_not_change_the_method(attacker: Attacker, name: str) -> None:
    made = json.loads(
        attacker.ask("POST", "accounts", {"name": "Stays"}, prefer="return=representation").text
    )
    path = f"accounts({made['accountid']})"
    assert attacker.ask("GET", path, **{name: "DELETE"}).status == 200
    assert attacker.ask("POST", path, {"name": "Other"}, **{name: "PATCH"}).is_fault()
    assert json.loads(attacker.ask("GET", path).text)["@odata.etag"] == made["@odata.etag"]


@pytest.mark.parametrize(
    "path",
    [
        f"{API}%2e%2e/%2e%2e/%2e%2e/_orgstead/unsupported",
        f"{API}../../../_orgstead/unsupported",
        f"{API}..%2f..%2f..%2fhealthz",
        f"{API}..;/healthz",
        f"{API}accounts%2e",
        f"{API}accounts%0d%0aX-Evil:%20y",
        f"{API}accounts;a=b",
        f"{API}%61ccounts%00",
        f"{API}acc%C0%AFounts",
        f"{API}%u0061ccounts",
        f"{API}accounts%252f",
        f"{API}%zz",
        f"{API}%",
        f"{API}accounts(%27%29",
        f"{API}accounts({ID})%2f%2e%2e",
        f"{API}accounts(name='a''b",
        f"{API}accounts(name='%27')",
        f"{API}accounts({ID},{ID})",
        f"{API}accounts({ID[:-1]})",
        f"{API}accounts({ID}0)",
        f"{API}accounts({{{ID})",
        f"{API}contacts(accountid={ID})",
        "/api/data/v9.2%2faccounts",
        "/api/data/V9.2/accounts",
        "/api/data//v9.2/accounts",
        "/api/data/v9.2.0/accounts",
        "/api/data/v9.%32%00/accounts",
        "/./api/data/v9.2/accounts",
        "//api/data/v9.2/accounts",
        "/_orgstead/..%2fapi%2fdata%2fv9.2%2faccounts",
    ],
)
def test_an_address_that_climbs_or_hides_leads_to_nothing(attacker: Attacker, path: str) -> None:
    answer = attacker.ask("GET", path)
    assert 400 <= answer.status < 500, answer
    assert "Evil" not in answer.text.partition("{")[0]


@pytest.mark.parametrize("letter", ["\xff", "\xe9", "\x7f", "\x01", "\0"])
def test_raw_bytes_in_an_address_are_no_address(attacker: Attacker, letter: str) -> None:
    for path in (f"/{letter}", f"{API}{letter}", f"{API}accounts?$filter={letter}"):
        ask = f"GET {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n".encode("latin-1")
        # Bytes above ASCII end the parse; DEL is a character that the grammar of an address may know.
        assert statuses(heard(attacker, ask, half=True)) in ([400], [401], [404])


def test_what_a_client_sends_comes_back_in_headers_only_as_one_line(attacker: Attacker) -> None:
    evil = "a%0d%0aset-cookie:%20b=c"
    sign_in = f"/common/oauth2/v2.0/authorize?client_id={PUBLIC_CLIENT_ID}"
    sign_out = f"/common/oauth2/logout?client_id={PUBLIC_CLIENT_ID}&post_logout_redirect_uri="
    for data in (
        f"GET {API}WhoAmI HTTP/1.1\r\nhost: localhost\r\nx-ms-client-request-id: {evil}{'x' * 5000}\r\n",
        f"GET {API}accounts?$top=1 HTTP/1.1\r\nhost: localhost\r\nprefer: include-annotations={evil}\r\n",
        f"GET {API}{evil} HTTP/1.1\r\nhost: localhost\r\n",
        f"GET {sign_in}&redirect_uri={evil}&state={evil} HTTP/1.1\r\nhost: localhost\r\n",
        f"GET {sign_in}&redirect_uri=http://localhost&state={evil}&response_type=x HTTP/1.1\r\nhost: localhost\r\n",
        f"GET {sign_out}http://localhost/{evil} HTTP/1.1\r\nhost: localhost\r\n",
    ):
        sent = f"{data}authorization: Bearer {attacker.token}\r\nconnection: close\r\n\r\n".encode()
        head, _, _ = heard(attacker, sent).partition(b"\r\n\r\n")
        lines = head.split(b"\r\n")
        assert b"\r" not in b"".join(lines)
        assert b"\n" not in b"".join(lines)
        assert not any(line.lower().startswith(b"set-cookie: b") for line in lines), head
        assert all(len(line) < 2000 for line in lines)


def test_addresses_in_answers_name_no_host_that_was_only_forwarded(attacker: Attacker) -> None:
    for name in ("x-forwarded-host", "x-original-host", "forwarded", "x-host"):
        answer = attacker.ask(
            "GET", "accounts?$select=name", prefer="odata.maxpagesize=1", **{name: "elsewhere.example"}
        )
        assert answer.status == 200
        assert "elsewhere" not in answer.text
        asked = (
            f"GET {API}WhoAmI HTTP/1.1\r\nhost: localhost\r\n{name}: elsewhere.example\r\n"
            "connection: close\r\n\r\n"
        )
        said = heard(attacker, asked.encode())
        assert statuses(said) == [401]
        assert b"authorization_uri=http://localhost/" in said
        assert b"elsewhere" not in said


@pytest.mark.parametrize("method", ["HEAD", "OPTIONS"])
def test_what_asks_about_a_resource_gets_no_body_and_does_nothing(attacker: Attacker, method: str) -> None:
    before = attacker.count("accounts")
    for path in (f"{API}accounts", f"{API}accounts({ID})", "/healthz", "/", f"/{TENANT_ID}/oauth2/token"):
        ask = (
            f"{method} {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n"
            f"authorization: Bearer {attacker.token}\r\n\r\n"
        )
        said = heard(attacker, ask.encode())
        (status,) = statuses(said)
        assert status < 500
        if method == "HEAD":
            assert said.partition(b"\r\n\r\n")[2] == b""
    assert attacker.count("accounts") == before


def test_the_admin_plane_takes_no_other_words(attacker: Attacker) -> None:
    for method in ("POST", "PUT", "PATCH", "TRACE"):
        assert attacker.ask(method, "/_orgstead/unsupported").status == 405
    for path in ("nothing", "snapshot", "snapshots/a/b", "unsupported/x", "%2e%2e/healthz", "<script>"):
        answer = attacker.ask("GET", f"/_orgstead/{path}")
        assert answer.status in (400, 404), path


def test_two_hundred_connections_that_stay_keep_nobody_out(attacker: Attacker) -> None:
    address = urlsplit(attacker.live.http)
    where = (address.hostname or "", address.port or 0)
    started = time.monotonic()
    idle = [socket.create_connection(where, SECONDS) for _ in range(200)]
    try:
        for number, connection in enumerate(idle):
            # Some say nothing, some stop within a head, some within a body.
            connection.sendall(
                (b"", b"GET / HTTP/1.1\r\nx", post(attacker, "content-length: 9\r\n\r\n{"))[number % 3]
            )
        with ThreadPoolExecutor(40) as pool:
            answers = list(pool.map(lambda _: attacker.ask("GET", "WhoAmI").status, range(200)))
        assert set(answers) == {200}
        assert time.monotonic() - started < 20
    finally:
        for connection in idle:
            connection.close()
    assert attacker.alive()


# -- requests at random -------------------------------------------------------------------------------------------


class Direct:
    """An organisation of its own, asked through its ASGI door without a network."""

    def __init__(self, data: Path) -> None:
        self.organisation = open_organisation(Config(data=str(data), sample=True))
        self.application = build_application(self.organisation, [ORIGIN])
        self.loop = asyncio.new_event_loop()
        form = {
            "grant_type": "client_credentials",
            "client_id": CLIENT_ID,
            "client_secret": CLIENT_SECRET,
            "scope": f"{ORIGIN}/.default",
        }
        kind = {"content-type": "application/x-www-form-urlencoded"}
        answer = self.ask("POST", f"/{TENANT_ID}/oauth2/v2.0/token", urlencode(form).encode(), kind)
        self.authorization = f"Bearer {json.loads(answer[1])['access_token']}"

    def ask(self, method: str, target: str, body: bytes, headers: Mapping[str, str]) -> tuple[int, bytes]:
        """Status and body of the answer; whatever the application raises is raised here."""
        path, _, query = target.partition("?")
        incoming: list[dict[str, Any]] = [{"type": "http.request", "body": body, "more_body": False}]
        sent: list[Any] = []

        async def receive() -> Any:
            return incoming.pop() if incoming else {"type": "http.disconnect"}

        async def send(message: Any) -> None:
            sent.append(message)

        scope = {
            "type": "http",
            "method": method,
            "raw_path": path.encode("latin-1"),
            "path": unquote(path),
            "query_string": query.encode("latin-1"),
            "headers": [(b"host", b"localhost:5365")]
            + [(name.encode(), value.encode("latin-1")) for name, value in headers.items()],
            "scheme": "http",
            "client": ("127.0.0.1", 1),
            "server": ("localhost", 5365),
        }
        self.loop.run_until_complete(self.application(scope, receive, send))
        return sent[0]["status"], b"".join(message.get("body", b"") for message in sent[1:])

    def close(self) -> None:
        """End the loop and close the database."""
        self.loop.close()
        self.organisation.close()


@pytest.fixture
def direct(tmp_path: Path) -> Iterator[Direct]:
    made = Direct(tmp_path)
    yield made
    made.close()


SETS = ["accounts", "contacts", "tasks", "activitypointers", "systemusers", "opportunities", "nosuch"]
STEPS = [
    "$count", "$ref", "$value", "name", "revenue", "entityimage", "statecode", "_primarycontactid_value",
    "primarycontactid", "parentaccountid", "Account_Tasks", "ownerid", "accountleads_association", "createdby",
    "Attributes", "Attributes(LogicalName='name')", "Microsoft.Dynamics.CRM.PicklistAttributeMetadata", "OptionSet",
    "Keys", "Microsoft.Dynamics.CRM.CreateMultiple", "Microsoft.Dynamics.CRM.UpsertMultiple", "WhoAmI()",
]  # fmt: skip
ROOTS = [
    "WhoAmI", "RetrieveVersion()", "$metadata", "$batch", "EntityDefinitions", "EntityDefinitions(LogicalName='task')",
    "RelationshipDefinitions", "GlobalOptionSetDefinitions", "CreateOptionSet", "InsertOptionValue", "PublishXml",
    "RetrieveMetadataChanges(Query=@p)", "RetrieveCurrentOrganization(AccessType=@p)", "accounts(accountnumber='x')",
]  # fmt: skip
OPTIONS = [
    "$select=name", "$select=*", "$select=ownerid", "$select=", "$filter=name eq null",
    "$filter=contains(name,'%25_[')",
    "$filter=revenue in (1,2.5,null)", "$filter=numberofemployees gt 1.5", "$filter=createdon lt 0001-01-01",
    "$filter=not (donotemail eq true)", f"$filter=_ownerid_value eq {ID}", f"$filter=accountid eq '{ID}'",
    "$filter=Account_Tasks/any(t:t/subject eq 'a')", "$filter=primarycontactid/fullname ne 'x'", "$filter=@p",
    "$filter=Microsoft.Dynamics.CRM.LastXYears(PropertyName='createdon',PropertyValue=99999)",
    "$filter=Microsoft.Dynamics.CRM.Between(PropertyName='revenue',PropertyValues=['x','y'])",
    f"$filter=Microsoft.Dynamics.CRM.Under(PropertyName='accountid',PropertyValue='{ID}')",
    "$filter=Microsoft.Dynamics.CRM.InFiscalPeriodAndYear(PropertyName='createdon',PropertyValue1=1,PropertyValue2=9)",
    "$orderby=name desc,revenue", "$orderby=primarycontactid/fullname", "$orderby=entityimage", "$top=0", "$top=-1",
    "$count=true", "$expand=primarycontactid", "$expand=ownerid($select=name)", "$expand=*",
    "$expand=Account_Tasks($select=subject;$top=2;$orderby=subject;$filter=subject eq null)",
    "$expand=parentaccountid($expand=primarycontactid($expand=Contact_Tasks))",
    "$expand=Attributes($select=LogicalName)",
    "$apply=groupby((name,statecode),aggregate($count as n))", "$apply=aggregate(revenue with average as a)",
    "$apply=filter(statecode eq 0)/groupby((createdon))", "$skiptoken=x", "$deltatoken=1", "$skip=1", "$search=x",
    "$compute=name as x", "$format=json", "@p='x'", "@p={}", '@p={"Criteria":5}', "fetchXml=<fetch/>", "sql=select",
    f"$id=accounts({ID})", "annotations=true", "LabelLanguages=1033",
]  # fmt: skip
BODIES = [
    b"", b"{}", b"[]", b"null", b'{"name":"x"}', b'{"name":5}', b'{"revenue":1e400}', b'{"revenue":-0.00001}',
    b'{"numberofemployees":99999999999}', b'{"statecode":1}', b'{"statuscode":2}', b'{"statecode":"Active"}',
    b'{"primarycontactid@odata.bind":"/contacts(%s)"}' % ID.encode(), b'{"primarycontactid@odata.bind":"$1"}',
    b'{"primarycontactid":{"lastname":"x"}}', b'{"Account_Tasks":[{"subject":"a"}]}', b'{"Account_Tasks":[5]}',
    b'{"accountid":"x"}', b'{"value":5}', b'{"@odata.id":"accounts(%s)"}' % ID.encode(), b'{"@odata.id":5}',
    b'{"Targets":[]}', b'{"Targets":[{"@odata.type":"Microsoft.Dynamics.CRM.account","name":"z"}]}',
    b'{"overriddencreatedon":"2020-13-01"}', b'{"name":"\\ud800"}', b'{"entityimage":"AAAA"}', b'{"exchangerate":0}',
    b'{"@odata.type":"Microsoft.Dynamics.CRM.StringAttributeMetadata","SchemaName":"new_a","MaxLength":1e99}',
    b'{"Name":"new_x","OptionSetType":"Picklist","Options":[{"Value":1e30}]}', b'{"OptionSetName":"x","Value":"y"}',
    b'{"KeyAttributes":["name"],"SchemaName":"new_k"}', b'{"DisplayName":5}', b'{"ParameterXml":5}',
]  # fmt: skip
HEADERS = [
    ("prefer", "return=representation"), ("prefer", 'odata.include-annotations="*"'), ("prefer", "odata.maxpagesize=1"),
    ("prefer", "odata.maxpagesize=\xb2"), ("prefer", ',,="'), ("if-match", "*"), ("if-match", 'W/"5"'),
    ("if-match", ""), ("if-match", 'W/"\xb2"'), ("if-none-match", "*"), ("if-none-match", "null"),
    ("accept", "text/xml"),
    ("accept", "application/json;odata.metadata=none"), ("odata-maxversion", "4.0"), ("content-type", "text/plain"),
    ("mscrm.solutionuniquename", "'"), ("mscrmcallerid", ID), ("range", "bytes=0-5"), ("content-encoding", "x"),
]  # fmt: skip
NOISE = [
    *"()'\"/$@,;=:.*&?% -0e[]{}\\<>",
    "%00",
    "%ff",
    "%27",
    "%2F",
    "%2e",
    "%C0%AF",
    "%ED%A0%80",
    "null",
    "\xe9",
]


def bent(text: str, dice: random.Random) -> str:
    """Mostly the text as it is, else with a few letters gone, foreign or repeated."""
    if dice.random() > 0.2:
        return text
    for _ in range(dice.randint(1, 3)):
        at = dice.randrange(len(text) + 1)
        kind = dice.random()
        if kind < 0.4:
            text = text[:at] + text[at + 1 :]
        elif kind < 0.8:
            text = text[:at] + dice.choice(NOISE) + text[at:]
        else:
            text = text[:at] + text[max(0, at - 8) : at] * dice.randint(1, 4) + text[at:]
    return text


def address(dice: random.Random, row: str) -> str:
    start = dice.choice([*SETS, *ROOTS, "accounts", "accounts", row, row, f"accounts({ID})"])
    path = "/".join([start, *dice.sample(STEPS, dice.choice([0, 0, 0, 1, 1, 2]))])
    options = "&".join(dice.sample(OPTIONS, dice.choice([0, 1, 1, 1, 2, 3])))
    whole = f"{API}{bent(path, dice)}" + (f"?{bent(options, dice)}" if options else "")
    return whole.replace(" ", "%20")


@pytest.mark.parametrize("seed", range(4))
def test_no_request_at_random_is_answered_by_a_failure(direct: Direct, seed: int) -> None:
    dice = random.Random(seed)
    plain = {"authorization": direct.authorization}
    rows = json.loads(direct.ask("GET", f"{API}accounts?$select=name", b"", plain)[1])["value"]
    for asked in range(REQUESTS):
        method = dice.choice(["GET", "GET", "GET", "POST", "POST", "PATCH", "PUT", "DELETE", "HEAD", "MERGE"])
        target = address(dice, f"accounts({dice.choice(rows)['accountid']})")
        body = dice.choice(BODIES) if method in ("POST", "PATCH", "PUT") else b""
        headers = {**plain, "content-type": "application/json"}
        headers |= dict(dice.sample(HEADERS, dice.choice([0, 0, 1, 2])))
        status, said = direct.ask(method, target, body, headers)
        case = (seed, asked, method, target, body, headers)
        # 501 says, with its code, that something is not supported.
        assert status < 500 or status == 501, case
        if status >= 400:
            error = json.loads(said)["error"]
            assert re.fullmatch("0x[0-9a-f]{8}", error["code"]), case
            assert error["message"], case
