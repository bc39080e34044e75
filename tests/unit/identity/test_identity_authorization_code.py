"""The authorization endpoint, the sign-in page, and redeeming codes."""

import base64
import hashlib
from collections.abc import Callable
from urllib.parse import parse_qsl, urlencode

import pytest

from orgstead.identity.development import (
    ADMIN_OBJECT_ID,
    ADMIN_UPN,
    CLIENT_ID,
    CLIENT_SECRET,
    PUBLIC_CLIENT_ID,
    TENANT_ID,
)
from tests.unit.identity.identity_site import ORG, Site, body, form, location

VERIFIER = "v" * 64
CHALLENGE = base64.urlsafe_b64encode(hashlib.sha256(VERIFIER.encode()).digest()).rstrip(b"=").decode()
REDIRECT = "http://localhost:54321"
SCOPE = f"{ORG}/user_impersonation openid profile offline_access"
AUTHORIZE = f"/{TENANT_ID}/oauth2/v2.0/authorize"
Fields = dict[str, str]


@pytest.fixture
def wish() -> Fields:
    """The parameters of an authorization request with PKCE."""
    return {
        "client_id": PUBLIC_CLIENT_ID,
        "response_type": "code",
        "redirect_uri": REDIRECT,
        "scope": SCOPE,
        "state": "st&te=1",
        "nonce": "n-1",
        "code_challenge": CHALLENGE,
        "code_challenge_method": "S256",
    }


@pytest.fixture
def redemption(site: Site, wish: Fields) -> Fields:
    """The fields that redeem a code that was just issued."""
    _, values = location(site.sign_in(site.ask("GET", AUTHORIZE, wish)))
    return {
        "grant_type": "authorization_code",
        "client_id": PUBLIC_CLIENT_ID,
        "code": values["code"],
        "redirect_uri": REDIRECT,
        "code_verifier": VERIFIER,
        "scope": SCOPE,
    }


def test_signing_in_brings_a_code_and_the_state_to_the_reply_address(site: Site, wish: Fields) -> None:
    target, values = location(site.sign_in(site.ask("GET", AUTHORIZE, wish)))
    assert target == REDIRECT
    assert values.keys() == {"code", "state"}
    assert values["state"] == "st&te=1"


def test_a_code_is_redeemed_for_access_id_and_refresh_tokens(site: Site, redemption: Fields) -> None:
    answer = site.tokens(redemption | {"client_info": "1"})
    access, identity = site.claims(answer["access_token"]), site.claims(answer["id_token"])
    assert (access["aud"], access["scp"], access["upn"]) == (ORG, "user_impersonation", ADMIN_UPN)
    assert (access["oid"], access["amr"], access["idtyp"]) == (ADMIN_OBJECT_ID, ["pwd"], "user")
    assert (identity["aud"], identity["nonce"], identity["ver"]) == (PUBLIC_CLIENT_ID, "n-1", "2.0")
    assert identity["preferred_username"] == ADMIN_UPN
    assert identity["iss"] == f"{ORG}/{TENANT_ID}/v2.0"
    assert answer["scope"] == f"{ORG}/user_impersonation openid profile"
    assert answer["refresh_token"]
    info = answer["client_info"]
    decoded = base64.urlsafe_b64decode(info + "=" * (-len(info) % 4))
    assert decoded == f'{{"uid":"{ADMIN_OBJECT_ID}","utid":"{TENANT_ID}"}}'.encode()


def test_a_code_works_once_and_its_second_use_revokes_what_came_of_it(site: Site, redemption: Fields) -> None:
    tokens = site.tokens(redemption)
    assert site.refused(redemption) == (400, "invalid_grant", 54005)
    renewal = {
        "grant_type": "refresh_token",
        "client_id": PUBLIC_CLIENT_ID,
        "refresh_token": tokens["refresh_token"],
    }
    assert site.refused(renewal) == (400, "invalid_grant", 50173)


def test_a_code_expires_after_ten_minutes(site: Site, redemption: Fields) -> None:
    site.clock.now += 600
    assert site.refused(redemption) == (400, "invalid_grant", 70008)


@pytest.mark.parametrize(
    ("change", "refusal"),
    [
        ({"code": "unknown"}, (400, "invalid_grant", 70000)),
        ({"code": ""}, (400, "invalid_request", 900144)),
        ({"code_verifier": "w" * 64}, (400, "invalid_grant", 501481)),
        ({"code_verifier": ""}, (400, "invalid_grant", 501481)),
        ({"redirect_uri": "http://localhost:1"}, (400, "invalid_client", 500112)),
        ({"redirect_uri": ""}, (400, "invalid_request", 900144)),
        ({"client_id": CLIENT_ID, "client_secret": CLIENT_SECRET}, (400, "invalid_grant", 700005)),
        ({"client_secret": "x"}, (401, "invalid_client", 700025)),
        ({"scope": "https://elsewhere.example/.default"}, (400, "invalid_resource", 500011)),
    ],
)
def test_a_wrong_redemption_is_refused_and_leaves_the_code(
    site: Site, redemption: Fields, change: Fields, refusal: tuple[int, str, int]
) -> None:
    assert site.refused(redemption | change) == refusal
    site.tokens(redemption)


def test_a_plain_challenge_is_compared_as_it_is(site: Site, wish: Fields) -> None:
    wish |= {"code_challenge": VERIFIER, "code_challenge_method": "plain"}
    _, values = location(site.sign_in(site.ask("GET", AUTHORIZE, wish)))
    fields = {
        "grant_type": "authorization_code",
        "client_id": PUBLIC_CLIENT_ID,
        "code": values["code"],
        "redirect_uri": REDIRECT,
        "code_verifier": VERIFIER,
    }
    assert site.claims(site.tokens(fields)["access_token"])["aud"] == ORG


def test_a_verifier_without_a_challenge_is_refused(site: Site, wish: Fields) -> None:
    del wish["code_challenge"], wish["code_challenge_method"]
    _, values = location(site.sign_in(site.ask("GET", AUTHORIZE, wish)))
    fields = {
        "grant_type": "authorization_code",
        "client_id": PUBLIC_CLIENT_ID,
        "code": values["code"],
        "redirect_uri": REDIRECT,
        "scope": SCOPE,
    }
    assert site.refused(fields | {"code_verifier": VERIFIER}) == (400, "invalid_grant", 501481)
    site.tokens(fields)


def test_a_confidential_application_redeems_with_its_secret(site: Site, wish: Fields) -> None:
    wish |= {"client_id": CLIENT_ID, "redirect_uri": "http://localhost"}
    _, values = location(site.sign_in(site.ask("GET", AUTHORIZE, wish)))
    fields = {
        "grant_type": "authorization_code",
        "client_id": CLIENT_ID,
        "code": values["code"],
        "redirect_uri": "http://localhost",
        "code_verifier": VERIFIER,
    }
    assert site.refused(fields) == (401, "invalid_client", 7000218)
    answer = site.tokens(fields | {"client_secret": CLIENT_SECRET})
    assert site.claims(answer["access_token"])["appidacr"] == "1"


def test_version_1_signs_in_for_a_resource(site: Site) -> None:
    wish = {
        "client_id": PUBLIC_CLIENT_ID,
        "response_type": "code",
        "redirect_uri": "app://58145b91-0c36-4500-8554-080854f2ac97/",
        "resource": f"{ORG}/",
    }
    target, values = location(site.sign_in(site.ask("GET", f"/{TENANT_ID}/oauth2/authorize", wish)))
    assert target == wish["redirect_uri"]
    fields = {
        "grant_type": "authorization_code",
        "client_id": PUBLIC_CLIENT_ID,
        "code": values["code"],
        "redirect_uri": wish["redirect_uri"],
        "resource": f"{ORG}/",
    }
    answer = site.tokens(fields, version=1)
    assert (answer["resource"], answer["scope"], answer["expires_in"]) == (
        f"{ORG}/",
        "user_impersonation",
        "3599",
    )
    identity = site.claims(answer["id_token"])
    assert (identity["unique_name"], identity["ver"]) == (ADMIN_UPN, "1.0")
    assert answer["refresh_token"]


def test_form_post_brings_the_code_in_a_form_that_needs_no_script(site: Site, wish: Fields) -> None:
    page = site.sign_in(site.ask("GET", AUTHORIZE, wish | {"response_mode": "form_post"}))
    action, hidden = form(page)
    assert action == REDIRECT
    assert hidden.keys() == {"code", "state"}
    assert "<button>Continue</button>" in page.body.decode()
    policy = dict(page.headers)["Content-Security-Policy"]
    assert f"form-action {REDIRECT}" in policy
    assert "'unsafe-inline'" not in policy


def test_fragment_brings_the_code_behind_a_hash(site: Site, wish: Fields) -> None:
    answer = site.sign_in(site.ask("GET", AUTHORIZE, wish | {"response_mode": "fragment"}))
    assert dict(answer.headers)["Location"].startswith(f"{REDIRECT}#code=")


def test_a_request_may_be_posted_beside_a_query(site: Site, wish: Fields) -> None:
    scope = wish.pop("scope")
    _, values = location(site.sign_in(site.ask("POST", f"{AUTHORIZE}?{urlencode({'scope': scope})}", wish)))
    assert values["code"]


def test_without_a_reply_address_the_registered_one_is_used(site: Site, wish: Fields) -> None:
    del wish["redirect_uri"]
    target, values = location(site.sign_in(site.ask("GET", AUTHORIZE, wish)))
    assert target == "http://localhost"
    fields = {
        "grant_type": "authorization_code",
        "client_id": PUBLIC_CLIENT_ID,
        "code": values["code"],
        "code_verifier": VERIFIER,
    }
    site.tokens(fields)


# The page


def test_the_sign_in_page_is_locked_down_and_labelled(site: Site, wish: Fields) -> None:
    page = site.ask("GET", AUTHORIZE, wish | {"login_hint": 'x"><script>@example.org'})
    headers, text = dict(page.headers), page.body.decode()
    policy = headers["Content-Security-Policy"]
    assert policy.startswith("default-src 'none'; style-src 'sha256-")
    assert "frame-ancestors 'none'" in policy
    assert f"form-action 'self' {REDIRECT}" in policy
    assert "script" not in policy
    assert (headers["X-Frame-Options"], headers["Referrer-Policy"]) == ("DENY", "no-referrer")
    assert headers["Cache-Control"] == "no-store"
    assert "<script" not in text
    assert 'value="x&quot;&gt;&lt;script&gt;@example.org"' in text
    assert '<html lang="en">' in text
    for name in ("username", "password"):
        assert f'<label for="{name}">' in text
        assert f'id="{name}"' in text


def test_the_style_matches_the_hash_in_the_policy(site: Site, wish: Fields) -> None:
    page = site.ask("GET", AUTHORIZE, wish)
    style = page.body.decode().partition("<style>")[2].partition("</style>")[0]
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    assert f"'sha256-{digest}'" in dict(page.headers)["Content-Security-Policy"]


def test_the_cookie_is_bound_to_the_host_over_https(site: Site, wish: Fields) -> None:
    cookie = dict(site.ask("GET", AUTHORIZE, wish).headers)["Set-Cookie"]
    assert cookie.startswith("__Host-orgstead-sign-in=")
    assert cookie.endswith("; Path=/; HttpOnly; SameSite=Lax; Secure")


def test_plain_http_works_too(site: Site, wish: Fields) -> None:
    site.base = "http://localhost:5365"
    _, values = location(site.sign_in(site.ask("GET", AUTHORIZE, wish)))
    assert values["code"]
    assert "orgstead-sign-in" in site.cookies


def test_a_wrong_password_shows_the_page_again_with_the_name(site: Site, wish: Fields) -> None:
    page = site.sign_in(site.ask("GET", AUTHORIZE, wish), password="wrong")
    text = page.body.decode()
    assert page.status == 200
    assert 'role="alert"' in text
    assert f'value="{ADMIN_UPN}"' in text
    assert "wrong" not in text.partition("<form")[2].replace("is wrong", "")
    _, values = location(site.sign_in(page))
    assert values["code"]


def test_cancelling_tells_the_application(site: Site, wish: Fields) -> None:
    target, values = location(site.sign_in(site.ask("GET", AUTHORIZE, wish), action="cancel"))
    assert target == REDIRECT
    assert (values["error"], values["state"]) == ("access_denied", "st&te=1")
    assert values["error_description"].startswith("AADSTS65004")


def test_a_form_from_another_browser_is_refused(site: Site, wish: Fields) -> None:
    page = site.ask("GET", AUTHORIZE, wish)
    site.cookies = {"__Host-orgstead-sign-in": "A" * 43}
    assert site.sign_in(page).status == 400
    site.cookies = {}
    answer = site.sign_in(page)
    assert answer.status == 400
    assert b"AADSTS50089" in answer.body


def test_a_form_is_refused_when_it_is_old_or_altered(site: Site, wish: Fields) -> None:
    page = site.ask("GET", AUTHORIZE, wish)
    _, hidden = form(page)
    assert site.sign_in(page, ctx="A" + hidden["ctx"]).status == 400
    assert site.sign_in(page, ctx="é.é").status == 400
    site.clock.now += 900
    assert site.sign_in(page).status == 400


def test_too_many_wrong_passwords_lock_the_name_for_a_minute(site: Site, wish: Fields) -> None:
    page = site.ask("GET", AUTHORIZE, wish)
    for _ in range(10):
        page = site.sign_in(page, password="wrong")
    assert b"locked" in site.sign_in(page).body
    site.clock.now += 60
    assert site.sign_in(page).status == 302


# Requests that are wrong


@pytest.mark.parametrize(
    ("change", "number"),
    [
        ({"client_id": ""}, 900144),
        ({"client_id": "nobody"}, 700016),
        ({"redirect_uri": "https://evil.example"}, 50011),
        ({"redirect_uri": "http://localhost.evil.example"}, 50011),
        ({"redirect_uri": "http://localhost:1@evil.example"}, 50011),
        ({"redirect_uri": "//evil.example"}, 50011),
        ({"redirect_uri": "http://localhost:99999999"}, 50011),
        ({"redirect_uri": "http://localhost\r\nX: y"}, 50011),
        ({"redirect_uri": "javascript:alert(1)"}, 50011),
    ],
)
def test_a_doubtful_reply_address_is_told_to_the_person_only(
    site: Site, wish: Fields, change: Fields, number: int
) -> None:
    answer = site.ask("GET", AUTHORIZE, wish | change)
    assert answer.status == 400
    assert f"AADSTS{number}".encode() in answer.body
    assert "Location" not in dict(answer.headers)


@pytest.mark.parametrize(
    ("change", "error", "number"),
    [
        ({"response_type": ""}, "invalid_request", 900144),
        ({"response_type": "device"}, "unsupported_response_type", 70005),
        ({"response_mode": "carrier_pigeon"}, "invalid_request", 70007),
        ({"code_challenge": "short"}, "invalid_request", 501491),
        ({"code_challenge_method": "S512"}, "invalid_request", 501491),
        ({"code_challenge": ""}, "invalid_request", 50147),
        ({"scope": ""}, "invalid_request", 900144),
        ({"scope": "https://elsewhere.example/.default"}, "invalid_resource", 500011),
        ({"prompt": "none"}, "login_required", 50058),
    ],
)
def test_any_other_mistake_is_told_to_the_application(
    site: Site, wish: Fields, change: Fields, error: str, number: int
) -> None:
    target, values = location(site.ask("GET", AUTHORIZE, wish | change))
    assert target == REDIRECT
    assert values["error"] == error
    assert values["error_description"].startswith(f"AADSTS{number}:")
    assert values["state"] == "st&te=1"


def test_no_more_codes_are_handed_out_than_the_limit(make_site: Callable[..., Site], wish: Fields) -> None:
    site = make_site(max_codes=1)
    location(site.sign_in(site.ask("GET", AUTHORIZE, wish)))
    _, values = location(site.sign_in(site.ask("GET", AUTHORIZE, wish)))
    assert values["error"] == "temporarily_unavailable"


# Implicit and hybrid


def test_the_implicit_grant_of_version_1_works_in_development_mode(site: Site) -> None:
    wish = {
        "client_id": PUBLIC_CLIENT_ID,
        "response_type": "token",
        # What the published Postman environment sends.
        "redirect_uri": "https://localhost",
        "resource": ORG,
        "state": "s",
    }
    answer = site.sign_in(site.ask("GET", "/common/oauth2/authorize", wish))
    target = dict(answer.headers)["Location"]
    values = dict(parse_qsl(target.partition("#")[2]))
    assert target.startswith("https://localhost#access_token=")
    assert (values["token_type"], values["expires_in"], values["state"]) == ("Bearer", "3599", "s")
    assert site.claims(values["access_token"])["scp"] == "user_impersonation"


def test_the_hybrid_flow_binds_the_code_to_the_id_token(site: Site, wish: Fields) -> None:
    wish |= {"response_type": "code id_token", "response_mode": "form_post"}
    _, hidden = form(site.sign_in(site.ask("GET", AUTHORIZE, wish)))
    identity = site.claims(hidden["id_token"])
    half = hashlib.sha256(hidden["code"].encode()).digest()[:16]
    assert identity["c_hash"] == base64.urlsafe_b64encode(half).rstrip(b"=").decode()
    assert identity["nonce"] == "n-1"


def test_the_implicit_grant_is_refused_outside_development_mode(
    make_site: Callable[..., Site], wish: Fields
) -> None:
    site = make_site(development=False)
    for kind, number in (("token", 700051), ("id_token", 700054)):
        _, values = location(site.ask("GET", AUTHORIZE, wish | {"response_type": kind}))
        assert values["error"] == "unsupported_response_type"
        assert values["error_description"].startswith(f"AADSTS{number}:")


def test_tokens_never_travel_in_a_query(site: Site, wish: Fields) -> None:
    _, values = location(
        site.ask("GET", AUTHORIZE, wish | {"response_type": "token", "response_mode": "query"})
    )
    assert values["error_description"].startswith("AADSTS70007:")


def test_an_id_token_needs_a_nonce(site: Site, wish: Fields) -> None:
    del wish["nonce"]
    _, values = location(site.ask("GET", AUTHORIZE, wish | {"response_type": "id_token"}))
    assert values["error_description"].startswith("AADSTS900144:")


# Signing out


def test_signing_out_returns_only_to_a_registered_address(site: Site) -> None:
    path = f"/{TENANT_ID}/oauth2/v2.0/logout"
    fields = {"client_id": PUBLIC_CLIENT_ID, "post_logout_redirect_uri": "http://localhost:99/"}
    assert dict(site.ask("GET", path, fields).headers)["Location"] == "http://localhost:99/"
    for change in ({"post_logout_redirect_uri": "https://evil.example"}, {"client_id": ""}):
        answer = site.ask("GET", path, fields | change)
        assert answer.status == 200
        assert "Location" not in dict(answer.headers)


def test_a_body_is_json_only_where_programs_read_it(site: Site) -> None:
    assert "error" in body(site.ask("POST", f"/{TENANT_ID}/oauth2/v2.0/token"))
    page = site.ask("GET", "/nowhere/oauth2/v2.0/authorize")
    assert b"AADSTS90002" in page.body
    assert dict(page.headers)["Content-Type"].startswith("text/html")
