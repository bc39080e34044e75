"""Sign-in under attack: forged and foreign tokens, stolen codes, addresses that are not registered, brute force."""

import base64
import hashlib
import json
import re
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import jwt
import pytest
import requests
from starlette.testclient import TestClient

from orgstead.app import Organisation, build_application, open_organisation
from orgstead.config import Config
from orgstead.identity.development import (
    ADMIN_PASSWORD,
    CLIENT_ID,
    CLIENT_SECRET,
    PUBLIC_CLIENT_ID,
    TENANT_ID,
)
from tests.live import Live
from tests.web.hostile import Answer, Attacker

ORIGIN = "http://localhost:5365"
UPN = "admin@orgstead.localhost"
TOKEN = f"/{TENANT_ID}/oauth2/v2.0/token"
AUTHORIZE = f"/{TENANT_ID}/oauth2/v2.0/authorize"
FORM = "application/x-www-form-urlencoded"
OTHER = "00000000-0000-4000-8000-000000000001"
VERIFIER = "v" * 50
CHALLENGE = base64.urlsafe_b64encode(hashlib.sha256(VERIFIER.encode()).digest()).rstrip(b"=").decode()


@pytest.fixture(scope="module")
def attacker(live: Live) -> Attacker:
    return Attacker(live)


@pytest.fixture
def organisation(tmp_path: Path) -> Iterator[Organisation]:
    """An organisation whose keys the test holds."""
    opened = open_organisation(Config(data=str(tmp_path)))
    yield opened
    opened.close()


def form(attacker: Attacker, path: str, fields: Mapping[str, str] | bytes, **headers: str) -> Answer:
    body = fields if isinstance(fields, bytes) else urlencode(fields).encode()
    return attacker.ask("POST", path, body, **{"content_type": FORM, "authorization": "", **headers})


def own(attacker: Attacker, **changed: str) -> dict[str, str]:
    return {
        "grant_type": "client_credentials",
        "client_id": CLIENT_ID,
        "client_secret": CLIENT_SECRET,
        "scope": f"{attacker.live.http}/.default",
        **changed,
    }


def is_refusal(answer: Answer) -> bool:
    """Whether this is an error in OAuth's shape, with one of Entra's codes."""
    said = json.loads(answer.text)
    text = said["error_description"]
    return (
        answer.status in (400, 401, 405, 414)
        and re.fullmatch("[a-z_]+", said["error"]) is not None
        and re.match(r"AADSTS\d+: ", text) is not None
        and len(answer.text) < 5_000
        and "access_token" not in said
    )


def test_a_signed_token_opens_only_what_it_was_made_for(organisation: Organisation) -> None:
    key = organisation.keys.signing
    with TestClient(build_application(organisation, [ORIGIN]), base_url=ORIGIN) as client:
        fields = {"grant_type": "client_credentials", "client_id": CLIENT_ID, "client_secret": CLIENT_SECRET}
        made = client.post(TOKEN, data={**fields, "scope": f"{ORIGIN}/.default"}).json()["access_token"]
        claims: dict[str, Any] = jwt.decode(made, options={"verify_signature": False})

        def status(changed: Mapping[str, Any], *, without: str = "", algorithm: str = "RS256") -> int:
            said = {name: value for name, value in {**claims, **changed}.items() if name != without}
            signed: Any = key.private if algorithm != "HS256" else b"orgstead-" * 8
            token = jwt.encode(said, signed, algorithm, headers={"kid": key.kid})
            answer = client.get("/api/data/v9.2/WhoAmI", headers={"authorization": f"Bearer {token}"})
            if answer.status_code == 401:
                assert answer.json()["error"]["code"] == "0x80044302"
                assert answer.headers["www-authenticate"].startswith("Bearer authorization_uri=")
            return answer.status_code

        now = int(time.time())
        assert status({}) == 200
        assert status({"exp": now - 1}) == 401
        assert status({"exp": now - 10**9}) == 401
        assert status({"nbf": now + 3600}) == 401
        assert status({"tid": OTHER}) == 401
        assert status({"aud": "https://elsewhere.example"}) == 401
        assert status({"aud": f"{ORIGIN}.elsewhere.example"}) == 401
        assert status({"aud": f"{ORIGIN}@elsewhere.example"}) == 401
        assert status({"aud": CLIENT_ID}) == 401
        assert status({}, without="tid") == 401
        assert status({}, without="appid") == 401
        assert status({}, algorithm="RS512") == 401
        assert status({}, algorithm="PS256") == 401
        assert status({}, algorithm="HS256") == 401
        # A signature of ours for somebody who is nobody here.
        assert status({"oid": OTHER, "appid": OTHER}) == 403


@pytest.mark.parametrize(
    "header",
    [
        "", "Bearer", "Bearer ", "Bearer  ", "bearer x", "Bearer x y", "Bearer .", "Bearer ..", "Bearer a.b.c.d",
        "Bearer null", "Bearer {}", "Bearer \xff", "Token x", "Basic YWRtaW46YWRtaW4=", "Bearer,Bearer x",
        "Bearer " + "e30." * 3, "Bearer e30.e30.e30", "Bearer W10.e30.e30", "Bearer " + "A" * 60_000, "Negotiate x",
    ],
    ids=lambda text: repr(text[:30]),
)  # fmt: skip
def test_whoever_is_not_signed_in_is_told_where_to(attacker: Attacker, header: str) -> None:
    for path in ("WhoAmI", "accounts", "", "$metadata", "EntityDefinitions", "nosuch", "accounts(%00)"):
        answer = attacker.ask("GET", path, authorization=header)
        assert answer.status == 401, (path, answer)
        assert answer.is_fault()
    for method in ("POST", "PATCH", "DELETE", "PUT"):
        assert attacker.ask(method, "accounts", {"name": "x"}, authorization=header).status == 401


def test_a_token_counts_in_its_header_only(attacker: Attacker) -> None:
    token = attacker.token
    for path in (f"WhoAmI?access_token={token}", f"WhoAmI?Authorization=Bearer%20{token}", "WhoAmI"):
        answer = attacker.ask(
            "GET", path, authorization="", cookie=f"access_token={token}; Authorization={token}"
        )
        assert answer.status == 401
    body = attacker.ask(
        "POST", "accounts", f"access_token={token}".encode(), authorization="", content_type=FORM
    )
    assert body.status == 401


@pytest.mark.parametrize(
    "body",
    [
        b"", b"&", b"=", b"&&&===", b"grant_type", b"grant_type=",
        b"\0" * 1000, b"grant_type=%", b"grant_type=%zz",
        b"grant_type=%ff", b"grant_type=\xff", b"grant_type=%00", b"grant_type=a&grant_type=b",
        b"client_id=a&client_id=b",
        b"a&" * 20_000,
        b"&".join(b"a%d=1" % n for n in range(101)), b"grant_type=" + b"x" * 60_000, b"{}", b'{"grant_type":"p"}',
        b"grant_type=%ed%a0%80", b"grant_type=client_credentials;client_id=x", b"<xml/>",
    ],
    ids=lambda text: repr(text[:30]),
)  # fmt: skip
def test_a_form_that_is_none_is_refused_as_oauth_refuses(attacker: Attacker, body: bytes) -> None:
    for path in (TOKEN, "/common/oauth2/token", "/common/oauth2/v2.0/devicecode"):
        answer = form(attacker, path, body)
        assert is_refusal(answer), (path, answer)


@pytest.mark.parametrize("name", ["grant_type", "client_id", "client_secret", "scope"])
@pytest.mark.parametrize(
    "value",
    ["", "x" * 5_000, "\xe9\u202e", "\r\nset-cookie: a=b", "' or 1=1 --", "${7*7}", "<script>", OTHER, "*"],
)
def test_one_wrong_field_gets_no_token(attacker: Attacker, name: str, value: str) -> None:
    if (name, value) == ("client_secret", "x" * 5_000):
        assert form(attacker, TOKEN, own(attacker, client_secret=value)).status == 401
        return
    answer = form(attacker, TOKEN, own(attacker, **{name: value}))
    assert is_refusal(answer), answer


@pytest.mark.parametrize(
    "scope",
    [
        "https://elsewhere.example/.default", "//.default", "/.default", "..", "a b c", "openid", "offline_access",
        "http://localhost.elsewhere.example/.default", "{0}/.default https://elsewhere.example/.default",
        "{0}/../.default", "{0}/user_impersonation", "{0}/.default openid", "{0}@elsewhere.example/.default",
        "{0}#/.default", "{0}?/.default", "{0}%2f.default", "*/.default", "x" * 20_000, "{0}/.default " * 400,
    ],
    ids=lambda text: repr(text[:30]),
)  # fmt: skip
def test_a_token_is_made_for_this_organisation_only(attacker: Attacker, scope: str) -> None:
    answer = form(attacker, TOKEN, own(attacker, scope=scope.format(attacker.live.http)))
    if answer.status == 200:
        said = jwt.decode(json.loads(answer.text)["access_token"], options={"verify_signature": False})
        assert said["aud"].rstrip("/") == attacker.live.http
    else:
        assert is_refusal(answer), answer


@pytest.mark.parametrize(
    "header", ["Basic", "Basic x", "Basic !!!", "Basic /zr/", "Basic YTpi", "Basic YQA6Yg=="]
)
def test_credentials_by_basic_that_are_none_are_refused(attacker: Attacker, header: str) -> None:
    fields = {"grant_type": "client_credentials", "scope": f"{attacker.live.http}/.default"}
    assert is_refusal(form(attacker, TOKEN, fields, authorization=header))


def assertions(attacker: Attacker) -> dict[str, str]:
    audience = f"{attacker.live.http}{TOKEN}"
    claims = {"iss": CLIENT_ID, "sub": CLIENT_ID, "aud": audience, "exp": int(time.time()) + 60, "jti": "1"}
    head = base64.urlsafe_b64encode(b'{"alg":"none","typ":"JWT"}').rstrip(b"=").decode()
    middle = base64.urlsafe_b64encode(json.dumps(claims).encode()).rstrip(b"=").decode()
    return {
        "nothing": "x",
        "dots": "..",
        "none": f"{head}.{middle}.",
        "a shared secret": jwt.encode(claims, "s" * 40, "HS256", headers={"x5t": "AAAA"}),
        "the client's secret": jwt.encode(claims, CLIENT_SECRET * 3, "HS256"),
        "an access token": attacker.token,
        "long": "A" * 30_000,
    }


def test_a_client_that_proves_itself_by_nothing_gets_nothing(attacker: Attacker) -> None:
    for name, assertion in assertions(attacker).items():
        fields = {
            "grant_type": "client_credentials",
            "client_id": CLIENT_ID,
            "scope": f"{attacker.live.http}/.default",
            "client_assertion_type": "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
            "client_assertion": assertion,
        }
        assert is_refusal(form(attacker, TOKEN, fields)), name
        assert is_refusal(form(attacker, TOKEN, {**fields, "client_secret": CLIENT_SECRET})), name


def test_a_public_client_gets_no_token_of_its_own(attacker: Attacker) -> None:
    fields = own(attacker, client_id=PUBLIC_CLIENT_ID)
    assert is_refusal(form(attacker, TOKEN, fields))
    del fields["client_secret"]
    assert is_refusal(form(attacker, TOKEN, fields))


@pytest.mark.parametrize(
    "address",
    [
        "http://elsewhere.example", "http://localhost@elsewhere.example", "http://localhost.elsewhere.example",
        "http://elsewhere.example#http://localhost", "http://elsewhere.example\\@localhost", "http://localhost\\@x",
        "https://localhost:1", "//localhost", "localhost", "http://localhost:99999", "http://localhost:0", "http://[::1",
        "javascript:alert(1)", "data:text/html,x", "http://localhost\r\nset-cookie: a=b", "http://localhost%0d%0ax",
        "http://localhost#x", "http://localhost/..", "http://user@localhost", "http://localhost;x", "http://127.0.0.2",
        "app://other", "http://\u2028localhost", "http://localhost\0", "http://loc\u00adalhost", "x" * 5_000,
    ],
    ids=lambda text: repr(text[:30]),
)  # fmt: skip
def test_nobody_is_sent_to_an_address_that_is_not_registered(attacker: Attacker, address: str) -> None:
    for response_type in ("code", "nosuch", ""):
        asked = {
            "client_id": PUBLIC_CLIENT_ID,
            "response_type": response_type,
            "redirect_uri": address,
            "scope": "openid",
            "state": "\r\nset-cookie: a=b",
        }
        answer = requests.get(
            f"{attacker.live.http}{AUTHORIZE}", params=asked, allow_redirects=False, timeout=10
        )
        assert answer.status_code == 400
        assert "location" not in answer.headers
        assert "set-cookie" not in answer.headers
    bye = {"client_id": PUBLIC_CLIENT_ID, "post_logout_redirect_uri": address}
    gone = requests.get(
        f"{attacker.live.http}/common/oauth2/logout", params=bye, allow_redirects=False, timeout=10
    )
    assert "location" not in gone.headers


def code(attacker: Attacker, **changed: str) -> str:
    """An authorization code, as a person's browser would get it by the sign-in page."""
    session = requests.Session()
    asked = {
        "client_id": PUBLIC_CLIENT_ID,
        "response_type": "code",
        "redirect_uri": "http://localhost",
        "scope": f"{attacker.live.http}/.default offline_access",
        "code_challenge": CHALLENGE,
        "code_challenge_method": "S256",
        **changed,
    }
    page = session.get(f"{attacker.live.http}{AUTHORIZE}", params=asked, timeout=10)
    (context,) = re.findall(r'name="ctx" value="([^"]*)"', page.text)
    answer = session.post(
        f"{attacker.live.http}/{TENANT_ID}/oauth2/signin",
        data={"ctx": context, "username": UPN, "password": ADMIN_PASSWORD},
        allow_redirects=False,
        timeout=10,
    )
    return parse_qs(urlsplit(answer.headers["location"]).query)["code"][0]


def redeem(attacker: Attacker, code: str, **changed: str) -> Answer:
    return form(
        attacker,
        TOKEN,
        {
            "grant_type": "authorization_code",
            "client_id": PUBLIC_CLIENT_ID,
            "code": code,
            "redirect_uri": "http://localhost",
            "code_verifier": VERIFIER,
            **changed,
        },
    )


def test_a_stolen_code_is_worth_nothing(attacker: Attacker) -> None:
    for changed in (
        {"code_verifier": "w" * 50},
        {"code_verifier": ""},
        {"code_verifier": CHALLENGE},
        {"redirect_uri": "http://localhost:1/x"},
        {"client_id": CLIENT_ID, "client_secret": CLIENT_SECRET},
        {"scope": "https://elsewhere.example/.default"},
    ):
        assert is_refusal(redeem(attacker, code(attacker), **changed)), changed


def test_a_code_is_worth_one_token(attacker: Attacker) -> None:
    mine = code(attacker)
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: redeem(attacker, mine), range(8)))
    assert sum(answer.status == 200 for answer in answers) == 1
    assert all(answer.status == 200 or is_refusal(answer) for answer in answers)


def test_a_refresh_token_serves_its_own_client_only(attacker: Attacker) -> None:
    said = json.loads(redeem(attacker, code(attacker)).text)
    fields = {"grant_type": "refresh_token", "refresh_token": said["refresh_token"]}
    other = {"client_id": CLIENT_ID, "client_secret": CLIENT_SECRET}
    assert is_refusal(form(attacker, TOKEN, {**fields, **other}))
    for wrong in (
        said["access_token"],
        said["refresh_token"] + "x",
        said["refresh_token"][:-1],
        "x" * 20_000,
        "",
    ):
        assert is_refusal(
            form(attacker, TOKEN, {**fields, "client_id": PUBLIC_CLIENT_ID, "refresh_token": wrong})
        )
    assert attacker.ask("GET", "WhoAmI", authorization=f"Bearer {said['refresh_token']}").status == 401
    if "id_token" in said:
        assert attacker.ask("GET", "WhoAmI", authorization=f"Bearer {said['id_token']}").status == 401


@pytest.mark.parametrize("context", ["", "x", "a.b.c", "\xff", "A" * 30_000])
def test_the_sign_in_form_is_taken_from_its_own_browser_only(attacker: Attacker, context: str) -> None:
    fields = {"ctx": context, "username": UPN, "password": ADMIN_PASSWORD}
    answer = form(attacker, f"/{TENANT_ID}/oauth2/signin", fields)
    assert answer.status == 400
    assert "code=" not in answer.text


def test_what_a_stranger_writes_does_not_become_a_page(attacker: Attacker) -> None:
    evil = "\"'><script>alert(1)</script>"
    for path in (
        f"{AUTHORIZE}?" + urlencode({"client_id": PUBLIC_CLIENT_ID, "response_type": "code", "scope": "openid",
                                     "redirect_uri": "http://localhost", "login_hint": evil, "state": evil}),
        f"{AUTHORIZE}?" + urlencode({"client_id": evil}),
        f"{AUTHORIZE}?" + urlencode({"client_id": PUBLIC_CLIENT_ID, "redirect_uri": evil}),
        "/common/oauth2/deviceauth?" + urlencode({"user_code": evil, "otc": evil}),
        "/?" + urlencode({"x": evil}),
    ):  # fmt: skip
        assert "<script>alert" not in attacker.ask("GET", path).text, path


def test_guessing_a_password_ends_after_ten_guesses(attacker: Attacker) -> None:
    fields = {
        "grant_type": "password",
        "client_id": PUBLIC_CLIENT_ID,
        "scope": f"{attacker.live.http}/.default",
        "username": "victim@orgstead.localhost",
    }
    answers = [form(attacker, TOKEN, {**fields, "password": f"guess {n}"}) for n in range(14)]
    assert all(map(is_refusal, answers))
    codes = [re.findall(r"AADSTS(\d+)", answer.text)[0] for answer in answers]
    assert codes == ["50126"] * 10 + ["50053"] * 4
    # Nobody else is locked out by it.
    assert form(attacker, TOKEN, {**fields, "username": UPN, "password": ADMIN_PASSWORD}).status == 200


def test_guesses_in_a_crowd_keep_nobody_waiting(attacker: Attacker) -> None:
    with ThreadPoolExecutor(9) as pool:
        guesses = [
            pool.submit(form, attacker, TOKEN, own(attacker, client_secret=f"guess {n}")) for n in range(8)
        ]
        started = time.monotonic()
        assert attacker.alive()
        assert time.monotonic() - started < 5
        assert all(is_refusal(guess.result()) for guess in guesses)
