"""The password grant and the refresh grant."""

import pytest

from orgstead.identity.development import (
    ADMIN_UPN,
    CLIENT_ID,
    CLIENT_SECRET,
    PUBLIC_CLIENT_ID,
)
from tests.unit.identity.identity_site import ORG, Site

Fields = dict[str, str]


def renewal(token: str, **more: str) -> Fields:
    """The fields of a refresh request."""
    return {"grant_type": "refresh_token", "client_id": PUBLIC_CLIENT_ID, "refresh_token": token} | more


def test_a_password_brings_tokens_of_the_user(site: Site, ropc: Fields) -> None:
    answer = site.tokens(ropc)
    claims = site.claims(answer["access_token"])
    assert (claims["upn"], claims["scp"], claims["appidacr"]) == (ADMIN_UPN, "user_impersonation", "0")
    assert site.claims(answer["id_token"])["aud"] == PUBLIC_CLIENT_ID
    assert "client_info" not in answer


def test_without_openid_and_offline_access_there_is_an_access_token_only(site: Site, ropc: Fields) -> None:
    answer = site.tokens(ropc | {"scope": f"{ORG}/.default"})
    assert {"id_token", "refresh_token"}.isdisjoint(answer)
    assert answer["scope"] == f"{ORG}/user_impersonation {ORG}/.default"


def test_openid_scopes_alone_mean_this_organisation(site: Site, ropc: Fields) -> None:
    answer = site.tokens(ropc | {"scope": "openid profile"})
    assert site.claims(answer["access_token"])["aud"] == ORG


def test_a_confidential_application_needs_its_secret_beside_the_password(site: Site, ropc: Fields) -> None:
    ropc |= {"client_id": CLIENT_ID}
    assert site.refused(ropc) == (401, "invalid_client", 7000218)
    site.tokens(ropc | {"client_secret": CLIENT_SECRET})


@pytest.mark.parametrize(
    ("change", "refusal"),
    [
        ({"username": ""}, (400, "invalid_request", 900144)),
        ({"password": ""}, (400, "invalid_request", 900144)),
        ({"password": "wrong"}, (400, "invalid_grant", 50126)),
        ({"username": "nobody@orgstead.localhost"}, (400, "invalid_grant", 50126)),
        ({"username": "\x01é" * 900}, (400, "invalid_grant", 50126)),
        ({"scope": ""}, (400, "invalid_request", 900144)),
        ({"scope": f"{ORG}/fly_to_the_moon"}, (400, "invalid_scope", 70011)),
    ],
)
def test_a_wrong_password_request_is_refused(
    site: Site, ropc: Fields, change: Fields, refusal: tuple[int, str, int]
) -> None:
    assert site.refused(ropc | change) == refusal


def test_a_name_is_locked_after_ten_wrong_passwords_even_for_the_right_one(site: Site, ropc: Fields) -> None:
    for _ in range(10):
        site.refused(ropc | {"password": "wrong"})
    assert site.refused(ropc) == (400, "invalid_grant", 50053)
    assert site.refused(ropc | {"username": ADMIN_UPN.upper()}) == (400, "invalid_grant", 50053)
    site.clock.now += 60
    site.tokens(ropc)


def test_a_disabled_user_is_told_so_only_with_the_right_password(site: Site, ropc: Fields) -> None:
    site.change_user(enabled=False)
    assert site.refused(ropc) == (400, "invalid_grant", 50057)
    assert site.refused(ropc | {"password": "wrong"}) == (400, "invalid_grant", 50126)


def test_a_refresh_token_is_answered_with_the_next_one(site: Site, ropc: Fields) -> None:
    first = site.tokens(ropc)["refresh_token"]
    second = site.tokens(renewal(first))
    assert site.claims(second["access_token"])["aud"] == ORG
    assert second["id_token"]
    third = site.tokens(renewal(second["refresh_token"], scope=f"{ORG}/.default"))
    assert len({first, second["refresh_token"], third["refresh_token"]}) == 3


def test_using_a_refresh_token_twice_ends_the_sign_in(site: Site, ropc: Fields) -> None:
    first = site.tokens(ropc)["refresh_token"]
    second = site.tokens(renewal(first))["refresh_token"]
    assert site.refused(renewal(first)) == (400, "invalid_grant", 70000)
    assert site.refused(renewal(second)) == (400, "invalid_grant", 50173)
    site.tokens(ropc)


def test_a_refresh_token_can_bring_a_token_for_another_resource(site: Site, ropc: Fields) -> None:
    token = site.tokens(ropc)["refresh_token"]
    other = "00000015-0000-0000-c000-000000000000"
    answer = site.tokens(renewal(token, scope=f"{other}/.default"))
    assert site.claims(answer["access_token"])["aud"] == other


def test_version_1_refreshes_without_and_with_a_resource(site: Site, ropc: Fields) -> None:
    del ropc["scope"]
    first = site.tokens(ropc | {"resource": f"{ORG}/"}, version=1)
    second = site.tokens(renewal(first["refresh_token"]), version=1)
    assert second["resource"] == f"{ORG}/"
    third = site.tokens(renewal(second["refresh_token"], resource=ORG), version=1)
    assert third["resource"] == ORG
    assert site.tokens(renewal(third["refresh_token"]))["scope"] == f"{ORG}/user_impersonation"


def test_a_refresh_token_belongs_to_its_application(site: Site, ropc: Fields) -> None:
    token = site.tokens(ropc)["refresh_token"]
    other = renewal(token, client_id=CLIENT_ID, client_secret=CLIENT_SECRET)
    assert site.refused(other) == (400, "invalid_grant", 70000)
    site.tokens(renewal(token))


@pytest.mark.parametrize("token", ["", "unknown", "é\x01"])
def test_an_unknown_refresh_token_is_refused(site: Site, token: str) -> None:
    assert site.refused(renewal(token)) == (
        (400, "invalid_grant", 70000) if token else (400, "invalid_request", 900144)
    )


def test_a_refresh_token_dies_after_ninety_days_of_disuse(site: Site, ropc: Fields) -> None:
    token = site.tokens(ropc)["refresh_token"]
    site.clock.now += 90 * 24 * 3600
    assert site.refused(renewal(token)) == (400, "invalid_grant", 700082)


def test_revoking_a_users_tokens_ends_refreshing(site: Site, ropc: Fields) -> None:
    token = site.tokens(ropc)["refresh_token"]
    site.change_user(tokens_valid_from=site.clock() + 1)
    assert site.refused(renewal(token)) == (400, "invalid_grant", 50173)


def test_disabling_a_user_ends_refreshing(site: Site, ropc: Fields) -> None:
    token = site.tokens(ropc)["refresh_token"]
    site.change_user(enabled=False)
    assert site.refused(renewal(token)) == (400, "invalid_grant", 50057)


def test_nothing_that_opens_a_door_is_stored(site: Site, ropc: Fields) -> None:
    token = site.tokens(ropc)["refresh_token"]
    stored = repr(vars(site.directory))
    assert token not in stored
    assert ropc["password"] not in stored


def test_what_has_expired_is_purged_when_new_artefacts_are_made(site: Site, ropc: Fields) -> None:
    site.tokens(ropc)
    site.clock.now += 91 * 24 * 3600
    site.tokens(ropc)
    assert site.directory.purge_grants(site.clock()) == 0
    assert site.directory.count_grants("refresh", site.clock()) == 1
