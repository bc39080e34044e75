"""msal and azure-identity sign in at a live server, and the Web API takes their tokens."""

import datetime
from pathlib import Path

import msal  # type: ignore[import-untyped]
import pytest
import requests
from azure.core.exceptions import ClientAuthenticationError
from azure.identity import ClientSecretCredential

from orgstead.identity.development import PUBLIC_CLIENT_ID
from tests.vendor.conftest import Live


def ask(live: Live, token: str) -> requests.Response:
    return requests.get(
        f"{live.https}/api/data/v9.2/WhoAmI", headers={"Authorization": f"Bearer {token}"}, timeout=10
    )


def authority(live: Live) -> str:
    return f"{live.https}/{live.tenant_id}"


def test_msal_signs_an_application_in_by_its_secret(trusted: Live) -> None:
    app = msal.ConfidentialClientApplication(
        trusted.client_id, client_credential=trusted.client_secret, authority=authority(trusted),
        instance_discovery=False,
    )  # fmt: skip
    answer = app.acquire_token_for_client([f"{trusted.https}/.default"])
    assert "access_token" in answer, answer
    assert ask(trusted, answer["access_token"]).json()["UserId"]
    # The second one comes out of msal's own cache.
    assert app.acquire_token_for_client([f"{trusted.https}/.default"])["token_source"] == "cache"


def test_a_wrong_secret_is_entras_own_error(trusted: Live) -> None:
    app = msal.ConfidentialClientApplication(
        trusted.client_id, client_credential="wrong", authority=authority(trusted), instance_discovery=False
    )
    answer = app.acquire_token_for_client([f"{trusted.https}/.default"])
    assert answer["error"] == "invalid_client"
    assert "AADSTS7000215" in answer["error_description"]
    credential = ClientSecretCredential(
        trusted.tenant_id,
        trusted.client_id,
        "wrong",
        authority=trusted.https,
        disable_instance_discovery=True,
    )
    with pytest.raises(ClientAuthenticationError, match="AADSTS7000215"):
        credential.get_token(f"{trusted.https}/.default")


def test_azure_identity_signs_an_application_in(trusted: Live) -> None:
    credential = ClientSecretCredential(
        trusted.tenant_id,
        trusted.client_id,
        trusted.client_secret,
        authority=trusted.https,
        disable_instance_discovery=True,
    )
    token = credential.get_token(f"{trusted.https}/.default")
    assert datetime.datetime.fromtimestamp(token.expires_on) > datetime.datetime.now()
    assert ask(trusted, token.token).status_code == 200


def test_msal_starts_a_device_code_that_a_person_confirms_in_a_browser(trusted: Live) -> None:
    app = msal.PublicClientApplication(
        PUBLIC_CLIENT_ID, authority=authority(trusted), instance_discovery=False
    )
    flow = app.initiate_device_flow([f"{trusted.https}/user_impersonation"])
    assert flow["user_code"]
    assert requests.get(flow["verification_uri"], timeout=10).status_code == 200


def test_a_client_finds_the_authority_from_the_challenge(trusted: Live) -> None:
    answer = requests.get(f"{trusted.https}/api/data/v9.2/WhoAmI", timeout=10)
    assert answer.status_code == 401
    challenge = answer.headers["WWW-Authenticate"]
    found = challenge.partition("authorization_uri=")[2].split(",")[0].strip().strip('"')
    assert found.startswith(trusted.https)
    known = requests.get(
        found.replace("/oauth2/authorize", "/v2.0/.well-known/openid-configuration"), timeout=10
    ).json()
    assert known["token_endpoint"].startswith(trusted.https)


@pytest.mark.parametrize("token", ["garbage", "a.b.c", ""])
def test_a_token_that_is_none_is_challenged(trusted: Live, token: str) -> None:
    answer = ask(trusted, token)
    assert answer.status_code == 401
    assert "authorization_uri" in answer.headers["WWW-Authenticate"]
    assert answer.json()["error"]["code"].startswith("0x")


def test_the_certificate_is_made_by_the_authority_that_is_told(live: Live) -> None:
    assert Path(live.ca).read_text("ascii").startswith("-----BEGIN CERTIFICATE-----")
    with pytest.raises(requests.exceptions.SSLError):
        requests.get(f"{live.https}/healthz", timeout=10)
    assert requests.get(f"{live.https}/healthz", timeout=10, verify=live.ca).text == "ok"
