"""Requests that no honest client sends: each gets a coded refusal, changes nothing and leaves the server standing."""

import json

import pytest

from tests.live import Live
from tests.web.hostile import API, Attacker

# A cursor of another order: one value where there have to be two.
FORGED = (
    "%3Ccookie%20pagenumber=%222%22%20pagingcookie=%22%253ccookie%2520page%253d%25221%2522%253e%253cname%2520last%253d"
    "%2522x%2522%2520%252f%253e%253c%252fcookie%253e%22%20/%3E"
)
ID = "00000000-0000-4000-8000-000000000001"


@pytest.fixture(scope="module")
def attacker(live: Live) -> Attacker:
    return Attacker(live)


@pytest.mark.parametrize(
    "path",
    [
        "accounts(%00)",
        "accounts(x",
        "accounts)",
        "accounts(())",
        "accounts('')",
        "accounts(name=)",
        "accounts(name='x)",
        "accounts(accountid=1,accountid=2)",
        f"accounts({ID})(x)",
        f"accounts({ID})/name/name",
        f"accounts({ID})/$value",
        f"accounts({ID})/nosuch",
        "accounts/$nosuch",
        "accounts/..%2f..%2fetc%2fpasswd",
        "%2e%2e/%2e%2e/_orgstead/unsupported",
        "accounts%00",
        "/api/data/v9.3/accounts",
        "/api/data/v8.2/accounts",
        "/api/data/accounts",
        "$batch",
        "$metadata?x=1",
        "$metadata/x",
        "$5",
        "accounts/Microsoft.Dynamics.CRM.nosuch",
        "Microsoft.Dynamics.CRM.WhoAmI()/x",
        "WhoAmI(x='1')",
        "a" * 5000,
        "accounts(" + "9" * 5000 + ")",
        "%ff%fe",
        "accounts(name='%ff')",
        "orgstead_credentials",
        "orgstead_applications",
        "orgstead_grants",
    ],
)
def test_an_address_that_leads_nowhere_is_refused(attacker: Attacker, path: str) -> None:
    answer = attacker.ask("GET", path)
    assert answer.is_fault(), answer


@pytest.mark.parametrize(
    "query",
    [
        "$filter=",
        "$filter=name",
        "$filter=name eq",
        "$filter=name eq 'x",
        "$filter=" + "(" * 5000 + "name eq 'x'" + ")" * 5000,
        "$filter=" + "not " * 5000 + "(name eq 'x')",
        "$filter=" + " or ".join(f"name eq '{n}'" for n in range(1000)),
        "$filter=name in (" + ",".join(f"'{n}'" for n in range(5000)) + ")",
        "$filter=numberofemployees eq " + "9" * 5000,
        "$filter=revenue gt 1e999999999",
        "$filter=revenue gt -" + "0." + "1" * 5000,
        "$filter=createdon gt 9999999-01-01",
        "$filter=accountid eq x",
        "$filter=contains(name,1)",
        "$filter=contains(name)",
        "$filter=nosuch(name,'x')",
        "$filter=name eq null eq null",
        "$filter=contact_customer_accounts/any(c:" * 60 + "1" + ")" * 60,
        "$filter=contact_customer_accounts/any(c:d/name eq 'x')",
        "$filter=Microsoft.Dynamics.CRM.LastXDays(PropertyName='createdon',PropertyValue=999999999999)",
        "$filter=Microsoft.Dynamics.CRM.In(PropertyName='name')",
        "$orderby=" + ",".join(["name"] * 500) + ",nosuch",
        "$orderby=name sideways",
        "$select=" + ",".join(f"nosuch{n}" for n in range(4000)),
        "$top=-1",
        "$top=99999999999999999999",
        "$top=x",
        "$count=2",
        "$expand=" + "primarycontactid($expand=parentcustomerid_account($expand=" * 20 + "x" + "))" * 20,
        "$expand=" + ",".join(["primarycontactid"] * 200),
        "$expand=nosuch",
        "$apply=groupby((name)",
        "$apply=" + "filter(name eq 'x')/" * 600 + "aggregate($count as n)",
        "$skiptoken=x",
        "$skiptoken=" + "A" * 30000,
        "$skiptoken=" + FORGED,
        "$filter=name eq @p&@p=@p",
        "$filter=%00",
        "$filter=name eq '%00'",
        "$filter=name eq '%ed%a0%80'",
        "$filter=%C0%AE",
        "$unknown=1",
        "$select=name&$select=name",
        "$deltatoken=1",
        "$expand=orgstead_credentials",
    ],
)
def test_a_query_that_makes_no_sense_or_too_much_work_is_refused(attacker: Attacker, query: str) -> None:
    answer = attacker.ask("GET", "accounts?" + query.replace(" ", "%20"))
    assert answer.is_fault(), answer
    assert attacker.alive()


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"[]",
        b"null",
        b"1",
        b'"x"',
        b"\xff\xfe",
        b"\xef\xbb\xbf{}x",
        b'{"name":NaN}',
        b'{"name":"\\ud800"}',
        b'{"name":"a\\u0000b"}',
        b'{"revenue":1e400}',
        b'{"revenue":' + b"9" * 100_000 + b"}",
        b'{"numberofemployees":1.5}',
        b'{"numberofemployees":true}',
        b'{"numberofemployees":99999999999}',
        b'{"name":{"a":1}}',
        b'{"name":["a"]}',
        b'{"":1}',
        b'{"@odata.bind":1}',
        b'{"name@odata.bind":"/accounts(1)"}',
        b'{"primarycontactid@odata.bind":5}',
        b'{"primarycontactid@odata.bind":"http://elsewhere.example/api/data/v9.2/contacts(x)"}',
        b'{"primarycontactid@odata.bind":"/orgstead_credentials(00000000-0000-4000-8000-000000000001)"}',
        b'{"primarycontactid":5}',
        b'{"primarycontactid":{"nosuch":1}}',
        b'{"contact_customer_accounts":5}',
        b'{"contact_customer_accounts":[5]}',
        b'{"_primarycontactid_value":"x"}',
        b'{"accountid":"x"}',
        b'{"accountid":5}',
        b'{"createdby@odata.bind":[]}',
        b'{"ownerid@odata.bind":"/accounts(00000000-0000-4000-8000-000000000001)"}',
        b'{"entityimage":"not base64!"}',
        b'{"birthdate":"2020-13-45"}',
        b'{"@odata.type":5}',
        b'{"@odata.type":"Microsoft.Dynamics.CRM.contact"}',
        json.dumps({"name": "x" * 1_000_000}).encode(),
        b'{"a":' * 20_000 + b"1" + b"}" * 20_000,
        b"[" * 200_000,
    ],
    ids=lambda body: repr(body[:40]),
)
def test_a_body_that_is_no_account_is_refused_and_makes_none(attacker: Attacker, body: bytes) -> None:
    before = attacker.count("accounts")
    answer = attacker.ask("POST", "accounts", body)
    if body == b"":
        # Nothing said is an account without a name, as in Dataverse.
        assert answer.status == 204
        return
    assert answer.is_fault(), answer
    assert attacker.count("accounts") == before


@pytest.mark.parametrize("depth", [3, 40])
def test_rows_within_rows_have_a_floor(attacker: Attacker, depth: int) -> None:
    body: dict[str, object] = {"lastname": "Deepest"}
    for level in range(depth):
        if level % 2:
            body = {"lastname": "Deep", "parentcustomerid_account": body}
        else:
            body = {"name": "Deep", "primarycontactid": body}
    before = attacker.count("contacts")
    answer = attacker.ask("POST", "contacts" if depth % 2 == 0 else "accounts", body)
    if depth == 3:
        assert answer.status == 204, answer
    else:
        assert answer.is_fault(), answer
        assert attacker.count("contacts") == before


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("if_match", "x"),
        ("if_match", 'W/"'),
        ("if_match", "9" * 5000),
        ("if_none_match", '"a","b"'),
        ("prefer", "odata.maxpagesize=x"),
        ("prefer", "odata.maxpagesize=0"),
        ("prefer", "odata.maxpagesize=-5"),
        ("prefer", "x" * 6000),
        ("odata_maxversion", "1"),
        ("accept", "application/json;odata.metadata=full"),
        ("mscrmcallerid", ID),
    ],
)
def test_a_header_that_makes_no_sense_is_refused(attacker: Attacker, name: str, value: str) -> None:
    answer = attacker.ask("GET", "accounts?$select=name&$top=1", **{name: value})
    assert answer.is_fault(), answer


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("TRACE", "accounts"),
        ("OPTIONS", "accounts"),
        ("PROPFIND", "accounts"),
        ("DELETE", "accounts"),
        ("PUT", "accounts"),
        ("PATCH", "accounts"),
        ("POST", f"accounts({ID})"),
        ("POST", "WhoAmI"),
        ("GET", "accounts/Microsoft.Dynamics.CRM.CreateMultiple"),
        ("DELETE", "$metadata"),
        ("POST", ""),
        ("GET", "$batch"),
        ("DELETE", "EntityDefinitions"),
    ],
)
def test_a_method_that_a_resource_does_not_take_is_refused(
    attacker: Attacker, method: str, path: str
) -> None:
    answer = attacker.ask(method, path, {} if method in ("POST", "PUT", "PATCH") else None)
    assert answer.is_fault(), answer


@pytest.mark.parametrize(
    "data",
    [
        b"GET\r\n\r\n",
        b"GET / HTTP/9.9\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"GET " + API.encode() + b"accounts HTTP/1.1\r\nhost: x\r\nbad header\r\n\r\n",
        b"POST " + API.encode() + b"accounts HTTP/1.1\r\nhost: x\r\ncontent-length: -1\r\n\r\n",
        b"POST "
        + API.encode()
        + b"accounts HTTP/1.1\r\nhost: x\r\ncontent-length: 5\r\ncontent-length: 6\r\n\r\nhello",
        b"POST " + API.encode() + b"accounts HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\nZZ\r\n",
        b"GET /" + b"a" * 200_000 + b" HTTP/1.1\r\nhost: x\r\n\r\n",
        b"GET / HTTP/1.1\r\nhost: x\r\n" + b"x-a: b\r\n" * 5000 + b"connection: close\r\n\r\n",
    ],
    ids=lambda data: repr(data[:30]),
)
def test_what_is_not_http_is_not_answered_as_a_success(attacker: Attacker, data: bytes) -> None:
    # A half-open connection is closed from this side, so that a server that waits for more is not waited for.
    answer = attacker.raw(data + b"\r\n\r\n")
    assert answer.status == 0 or 400 <= answer.status < 500, answer
    assert attacker.alive()


def test_a_body_beyond_the_limit_is_refused_before_it_is_read(attacker: Attacker) -> None:
    head = (
        f"POST {API}accounts HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer {attacker.token}\r\n"
        "content-type: application/json\r\nconnection: close\r\ncontent-length: 99999999999\r\n\r\n"
    )
    assert attacker.raw(head.encode()).status == 413


def test_what_comes_back_in_headers_cannot_split_them(attacker: Attacker) -> None:
    answer = attacker.raw(
        f"GET {API}WhoAmI HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer {attacker.token}\r\n"
        "x-ms-client-request-id: a\rSet-Cookie: b=c\r\nconnection: close\r\n\r\n".encode()
    )
    assert "Set-Cookie: b=c" not in answer.text.splitlines()


@pytest.mark.parametrize("table", ["orgstead_credential", "orgstead_application", "orgstead_grant"])
def test_private_tables_are_nowhere(attacker: Attacker, table: str) -> None:
    for method, path, body in (
        ("GET", f"{table}s", None),
        ("GET", f"EntityDefinitions(LogicalName='{table}')", None),
        ("GET", f"EntityDefinitions(LogicalName='{table}')/Attributes", None),
        ("POST", f"{table}s", {}),
        ("GET", f"systemusers?$expand={table}_systemuser", None),
        ("DELETE", f"{table}s({ID})", None),
        ("DELETE", f"EntityDefinitions(LogicalName='{table}')", None),
        (
            "POST",
            "accounts/Microsoft.Dynamics.CRM.CreateMultiple",
            {"Targets": [{"@odata.type": f"Microsoft.Dynamics.CRM.{table}"}]},
        ),
    ):
        assert attacker.ask(method, path, body).is_fault(), (method, path)
    listed = attacker.ask("GET", "EntityDefinitions?$select=LogicalName").text
    assert table not in listed
    assert table not in attacker.ask("GET", "$metadata").text
    assert f"{table}s" not in attacker.ask("GET", "").text
