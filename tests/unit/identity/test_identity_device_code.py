"""The device code grant and its page."""

from collections.abc import Callable
from typing import Any

import pytest

from orgstead.identity.development import (
    ADMIN_PASSWORD,
    ADMIN_UPN,
    CLIENT_ID,
    CLIENT_SECRET,
    PUBLIC_CLIENT_ID,
    TENANT_ID,
)
from tests.unit.identity.identity_site import ORG, Site, body, form

PAGE = "/common/oauth2/deviceauth"
NEW_GRANT = "urn:ietf:params:oauth:grant-type:device_code"
Fields = dict[str, Any]


@pytest.fixture
def device(site: Site) -> Fields:
    """A device authorization answer."""
    fields = {"client_id": PUBLIC_CLIENT_ID, "scope": f"{ORG}/.default openid offline_access"}
    answer = site.ask("POST", f"/{TENANT_ID}/oauth2/v2.0/devicecode", fields)
    assert answer.status == 200
    return body(answer)


@pytest.fixture
def poll(device: Fields) -> Fields:
    """The fields with which the device polls."""
    return {"grant_type": NEW_GRANT, "client_id": PUBLIC_CLIENT_ID, "device_code": device["device_code"]}


def enter(site: Site, code: str) -> bytes:
    """Enter a code on the page and return the next page."""
    action, hidden = form(site.ask("GET", PAGE))
    return site.ask("POST", action, hidden | {"user_code": code}).body


def approve(site: Site, code: str, **more: str) -> bytes:
    """Enter a code, sign in, and return the last page."""
    action, hidden = form(site.ask("GET", PAGE))
    page = site.ask("POST", action, hidden | {"user_code": code})
    return site.sign_in(page, **more).body


def test_the_answer_tells_the_person_where_to_go(device: Fields) -> None:
    assert device["verification_uri"] == f"{ORG}{PAGE}"
    assert (device["expires_in"], device["interval"]) == (900, 5)
    assert device["verification_uri"] in device["message"]
    assert device["user_code"] in device["message"]


def test_version_1_writes_text_and_another_name_for_the_address(site: Site) -> None:
    fields = {"client_id": PUBLIC_CLIENT_ID, "resource": ORG}
    answer = body(site.ask("POST", f"/{TENANT_ID}/oauth2/devicecode", fields))
    assert (answer["expires_in"], answer["interval"]) == ("900", "5")
    assert answer["verification_url"] == f"{ORG}{PAGE}"
    approve(site, answer["user_code"])
    grant = {"grant_type": "device_code", "client_id": PUBLIC_CLIENT_ID, "code": answer["device_code"]}
    assert site.tokens(grant, version=1)["resource"] == ORG


def test_a_device_gets_tokens_once_the_person_has_signed_in(site: Site, device: Fields, poll: Fields) -> None:
    assert site.refused(poll) == (400, "authorization_pending", 70016)
    assert b"You are signed in" in approve(site, device["user_code"].lower())
    answer = site.tokens(poll | {"client_info": "1"})
    assert site.claims(answer["access_token"])["upn"] == ADMIN_UPN
    assert answer.keys() >= {"id_token", "refresh_token", "client_info"}
    assert site.refused(poll) == (400, "bad_verification_code", 70018)


def test_polling_too_fast_is_told_to_slow_down(site: Site, poll: Fields) -> None:
    site.refused(poll)
    site.clock.now += 1
    assert site.refused(poll)[1] == "slow_down"
    site.clock.now += 5
    assert site.refused(poll)[1] == "authorization_pending"


def test_a_device_code_expires_after_a_quarter_of_an_hour(site: Site, device: Fields, poll: Fields) -> None:
    site.clock.now += 900
    assert site.refused(poll) == (400, "expired_token", 70019)
    assert b"has expired" in enter(site, device["user_code"])


def test_cancelling_ends_the_polling(site: Site, device: Fields, poll: Fields) -> None:
    assert b"Sign-in cancelled" in approve(site, device["user_code"], action="cancel")
    assert site.refused(poll) == (400, "authorization_declined", 65004)


def test_a_code_can_be_used_by_one_browser_only(site: Site, device: Fields, poll: Fields) -> None:
    approve(site, device["user_code"])
    assert b"has expired" in enter(site, device["user_code"])
    site.tokens(poll)


def test_the_page_names_the_application_before_the_password(site: Site, device: Fields) -> None:
    assert b"Dynamics sample client" in enter(site, f" {device['user_code'][:4]}-{device['user_code'][4:]} ")


def test_the_page_takes_a_code_from_its_address(site: Site) -> None:
    assert b'value="ABC&lt;"' in site.ask("GET", f"{PAGE}?otc=ABC%3C").body


def test_a_wrong_password_asks_again(site: Site, device: Fields, poll: Fields) -> None:
    action, hidden = form(site.ask("GET", PAGE))
    page = site.ask("POST", action, hidden | {"user_code": device["user_code"]})
    page = site.sign_in(page, password="wrong")
    assert b'role="alert"' in page.body
    assert b"You are signed in" in site.sign_in(page).body
    site.tokens(poll)


@pytest.mark.parametrize("code", ["", "WRONGCODE", "<script>", "é" * 500])
def test_a_wrong_code_asks_again(site: Site, code: str) -> None:
    page = enter(site, code)
    assert b"wrong or has expired" in page
    assert b"<script>" not in page


def test_the_page_refuses_a_form_of_another_site(site: Site, device: Fields, poll: Fields) -> None:
    forged = {"user_code": device["user_code"], "username": ADMIN_UPN, "password": ADMIN_PASSWORD}
    assert b"AADSTS" not in site.ask("POST", PAGE, forged | {"action": "sign-in"}).body
    assert b'role="alert"' in site.ask("POST", PAGE, forged | {"action": "sign-in", "ctx": "x.y"}).body
    assert site.refused(poll)[1] == "authorization_pending"


def test_a_device_code_belongs_to_its_application(site: Site, device: Fields, poll: Fields) -> None:
    approve(site, device["user_code"])
    other = poll | {"client_id": CLIENT_ID, "client_secret": CLIENT_SECRET}
    assert site.refused(other) == (400, "bad_verification_code", 70018)
    site.tokens(poll)


def test_no_more_codes_are_handed_out_than_the_limit(make_site: Callable[..., Site]) -> None:
    site = make_site(max_devices=1)
    fields = {"client_id": PUBLIC_CLIENT_ID, "scope": f"{ORG}/.default"}
    path = f"/{TENANT_ID}/oauth2/v2.0/devicecode"
    assert site.ask("POST", path, fields).status == 200
    answer = site.ask("POST", path, fields)
    assert (answer.status, body(answer)["error"]) == (429, "temporarily_unavailable")
    site.clock.now += 900
    assert site.ask("POST", path, fields).status == 200


@pytest.mark.parametrize(
    "change", [{"client_id": "nobody"}, {"scope": ""}, {"scope": "https://no.example/x"}]
)
def test_a_malformed_device_request_is_refused(site: Site, change: Fields) -> None:
    fields = {"client_id": PUBLIC_CLIENT_ID, "scope": f"{ORG}/.default"} | change
    answer = site.ask("POST", f"/{TENANT_ID}/oauth2/v2.0/devicecode", fields)
    assert answer.status == 400
    assert body(answer)["error_description"].startswith("AADSTS")
