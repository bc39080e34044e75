"""Connection strings and environments as Dynamics developers have them."""

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orgstead.client import (
    Browser,
    Client,
    ClientCertificate,
    ClientSecret,
    ConfigurationError,
    Password,
    read_connection_string,
    read_environment,
)
from tests.live import Live

ID = "51f81489-12ee-4a9e-aaae-a2591f45987d"
URL = "https://contoso.crm.dynamics.com"


@pytest.mark.parametrize("url", ["Url", "ServiceUri", "Service Uri", "Server", "URL"])
@pytest.mark.parametrize("client", ["ClientId", "AppId", "ApplicationId", "clientid"])
@pytest.mark.parametrize("word", ["ClientSecret", "Secret", "client secret"])
@pytest.mark.parametrize("kind", ["AuthType", "AuthenticationType", "authtype", None])
def test_a_secret_is_read_under_every_name(url: str, client: str, word: str, kind: str | None) -> None:
    parts = [f"{url}={URL}", f" {client} = {ID}", f"{word}=a=b'c"] + (
        [f"{kind}=ClientSecret"] if kind else []
    )
    for order in (parts, parts[::-1]):
        found = read_connection_string(";".join(order) + ";")
        assert found.url == URL
        assert isinstance(found.credential, ClientSecret)
        assert (found.credential.client_id, found.credential.client_secret) == (ID, "a=b'c")
        assert "a=b" not in repr(found)


@pytest.mark.parametrize("user", ["Username", "UserName", "User Name", "UserId", "user id"])
@pytest.mark.parametrize("kind", ["OAuth", "Office365", "oauth"])
def test_a_password_is_read_under_every_name(user: str, kind: str) -> None:
    text = f"AuthType={kind};Url={URL};{user}=ada@contoso.com;Password='s;e\"c''r';RequireNewInstance=true"
    found = read_connection_string(f"{text};SkipDiscovery=true;Integrated Security=false;HomeRealmUri=")
    assert isinstance(found.credential, Password)
    assert (found.credential.username, found.credential.password) == ("ada@contoso.com", "s;e\"c'r")
    assert found.credential.client_id == ID


def test_a_sign_in_in_a_browser_is_read(tmp_path: Path) -> None:
    store = tmp_path / "tokens"
    found = read_connection_string(
        f"AuthType=OAuth;Url={URL};AppId={ID};RedirectUri=app://58145B91-0C36-4500-8554-080854F2AC97;"
        f"LoginPrompt=never;TokenCacheStorePath={store};UserName=ada@contoso.com"
    )
    assert isinstance(found.credential, Browser)
    assert (found.credential.prompt, found.credential.login_hint) == ("never", "ada@contoso.com")
    assert found.credential.redirect_uri == "http://localhost"
    assert found.credential.store is not None
    assert found.credential.store.path == store
    other = read_connection_string(f"Url={URL};AuthType=OAuth;ReplyUrl=http://localhost:8000").credential
    assert isinstance(other, Browser)
    assert other.redirect_uri == "http://localhost:8000"


def test_a_certificate_is_read_from_a_file(tmp_path: Path) -> None:
    file = tmp_path / "a.pfx"
    file.write_bytes(b"x")
    text = f"AuthType=Certificate;Url={URL};ClientId={ID};CertThumbprint=AA;CertificateStoreName={file}"
    found = read_connection_string(text).credential
    assert isinstance(found, ClientCertificate)
    assert found.certificate == file


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("", "Url"), ("AuthType=ClientSecret", "Url"), (f"Url={URL};Nonsense=1", "Nonsense"), (f"Url={URL};x", "'='"),
        (f"Url={URL};AuthType=AD;Domain=x", "AD"), (f"Url={URL};AuthType=IFD", "IFD"),
        (f"Url={URL};AuthType=ClientSecret;ClientId={ID}", "ClientSecret"),
        (f"Url={URL};AuthType=ClientSecret;ClientSecret=hidden", "ClientId"),
        (f"Url={URL};AuthType=OAuth;Password=hidden", "Username"),
        (f"Url={URL};AuthType=OAuth;LoginPrompt=Sometimes", "LoginPrompt"),
        (f"Url={URL};ClientSecret='hidden", "quote"),
        (f"Url={URL};AuthType=Certificate;ClientId={ID};Thumbprint=AA;StoreName=My", "StoreName"),
    ],
)  # fmt: skip
def test_what_cannot_be_used_is_named_without_its_secrets(text: str, word: str) -> None:
    with pytest.raises(ConfigurationError, match=word) as failure:
        read_connection_string(text)
    assert "hidden" not in str(failure.value)


@given(st.text(max_size=60).filter(lambda text: "\0" not in text))
def test_any_secret_survives_quotes(secret: str) -> None:
    quoted = "'" + secret.replace("'", "''") + "'"
    text = f"Url={URL};ClientId={ID};Secret={quoted};AuthType=ClientSecret"
    if not secret:
        return
    found = read_connection_string(text).credential
    assert isinstance(found, ClientSecret)
    assert found.client_secret == secret


@pytest.mark.parametrize("family", ["", "AZURE_", "POWER_PLATFORM_"])
def test_each_family_of_variables_is_read(family: str) -> None:
    found = read_environment(
        {
            "DATAVERSE_URL": URL, f"{family}CLIENT_ID": ID, f"{family}CLIENT_SECRET": "hidden",
            f"{family}TENANT_ID": "t", "SOLUTION_NAME": "x",
        }
    )  # fmt: skip
    assert isinstance(found.credential, ClientSecret)
    assert (found.url, found.credential.client_id, found.credential.tenant_id) == (URL, ID, "t")
    assert "hidden" not in repr(found)


def test_families_are_not_mixed_and_others_than_secrets_are_read() -> None:
    mixed = {"DATAVERSE_URL": URL, "CLIENT_ID": "one", "AZURE_CLIENT_ID": "two", "AZURE_CLIENT_SECRET": "s"}
    found = read_environment(mixed).credential
    assert isinstance(found, ClientSecret)
    assert found.client_id == "two"
    password = {
        "POWER_PLATFORM_URL": URL,
        "AZURE_CLIENT_ID": ID,
        "AZURE_USERNAME": "u",
        "AZURE_PASSWORD": "p",
    }
    assert isinstance(read_environment(password).credential, Password)
    file = {"DATAVERSE_URL": URL, "AZURE_CLIENT_ID": ID, "AZURE_CLIENT_CERTIFICATE_PATH": "a.pem"}
    assert isinstance(read_environment(file | {"AZURE_AUTHORITY_HOST": "h"}).credential, ClientCertificate)
    whole = {"DATAVERSE_CONNECTION_STRING": f"Url={URL};AppId={ID};Secret=s"}
    assert read_environment(whole).url == URL


@pytest.mark.parametrize("environment", [{}, {"DATAVERSE_URL": URL}, {"CLIENT_ID": ID, "CLIENT_SECRET": "s"}])
def test_an_environment_that_lacks_something_is_told_what(environment: dict[str, str]) -> None:
    with pytest.raises(ConfigurationError, match=r"DATAVERSE_URL|CLIENT_ID"):
        read_environment(environment)


def test_a_client_of_a_connection_string_and_of_the_environment_works(
    live: Live, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = (
        f"AuthType=ClientSecret;Url={live.http};ClientId={live.client_id};ClientSecret={live.client_secret}"
    )
    with Client.from_connection_string(text) as client:
        assert client.who_am_i()["UserId"]
    values: dict[str, Any] = {
        "DATAVERSE_URL": live.http, "TENANT_ID": live.tenant_id, "CLIENT_ID": live.client_id,
        "CLIENT_SECRET": live.client_secret,
    }  # fmt: skip
    for name, value in values.items():
        monkeypatch.setenv(name, value)
    with Client.from_environment() as client:
        assert client.who_am_i()["UserId"]
