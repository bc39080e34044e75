"""Every way to sign in, at a live server; and that no secret shows anywhere."""

import datetime
import logging
import sqlite3
import ssl
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from azure.identity import ClientSecretCredential
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from orgstead.client import (
    Browser,
    ClientCertificate,
    ClientSecret,
    ConfigurationError,
    CredentialError,
    DeviceCode,
    Password,
    RefreshToken,
    Retry,
    TokenStore,
    UnauthorizedError,
    read_connection_string,
)
from orgstead.identity.apps import certificate_from_pem
from orgstead.identity.development import ADMIN_PASSWORD, ADMIN_UPN, CLIENT_ID
from orgstead.testing.plane import Plane
from tests.client.conftest import Make, secret
from tests.client.person import Person
from tests.live import Live, served

ALICE = "alice's secret"


@pytest.fixture
def person(live: Live) -> Iterator[Person]:
    made = Person(live)
    yield made
    made.close()


@pytest.fixture
def plane(live: Live) -> Iterator[Plane]:
    """The live server's clock and faults; both are put back."""
    with Plane(live.http) as made:
        yield made
        made.clock.resume()
        made.faults.clear()


def test_a_secret_signs_in_and_the_service_says_where(make: Make, live: Live) -> None:
    assert make().who_am_i()["UserId"]
    assert make(live.http).who_am_i()["UserId"]
    told = secret(live, tenant_id=live.tenant_id, authority=live.https)
    assert make(credential=told).who_am_i()["UserId"]


def test_a_wrong_secret_is_told_by_its_number_and_never_shown(
    make: Make, live: Live, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG, "orgstead.client")
    wrong = ClientSecret(client_id=live.client_id, client_secret=ALICE)
    client = make(credential=wrong)
    with pytest.raises(CredentialError, match="AADSTS7000215") as failure:
        client.who_am_i()
    assert failure.value.error == "invalid_client"
    assert failure.value.codes == (7000215,)
    assert failure.value.correlation_id
    shown = (
        f"{wrong!r} {client.inner if hasattr(client, 'inner') else client!r} {failure.value!r} {caplog.text}"
    )
    assert ALICE not in shown
    assert "client_secret" not in repr(wrong)


@pytest.fixture(scope="module")
def certificate() -> tuple[bytes, bytes]:
    """A certificate with its key, and alone."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "client")])
    now = datetime.datetime.now(datetime.UTC)
    made = (
        x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
        .serial_number(1).not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=9)).sign(key, hashes.SHA256())
    )  # fmt: skip
    pem = made.public_bytes(serialization.Encoding.PEM)
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8,
        serialization.BestAvailableEncryption(ALICE.encode()),
    )  # fmt: skip
    return private + pem, pem


def test_a_certificate_signs_in_by_file_and_by_thumbprint(
    tmp_path: Path, make: Make, certificate: tuple[bytes, bytes]
) -> None:
    both, pem = certificate
    held = tmp_path / "certificates"
    held.mkdir()
    file = held / "mine.pem"
    file.write_bytes(both)
    (held / "other.pem").write_text("-----BEGIN NOTHING-----")
    data = tmp_path / "data"
    data.mkdir()
    with served(data) as (live, _):
        kept = msgspec.json.encode([certificate_from_pem(pem)]).decode()
        with sqlite3.connect(data / "organisation.sqlite") as database:
            database.execute("UPDATE orgstead_application SET certificates = ? WHERE ispublic = 0", [kept])
        database.close()
        trusting = {"verify": ssl.create_default_context(cafile=live.ca)}
        mine = ClientCertificate(client_id=CLIENT_ID, certificate=file, password=ALICE)
        assert make(live.https, mine, **trusting).who_am_i()["UserId"]
        assert ALICE not in repr(mine)
        thumbprint = x509.load_pem_x509_certificate(pem).fingerprint(hashes.SHA1()).hex(":").upper()
        text = (
            f"AuthType=Certificate;Url={live.https};AppId={CLIENT_ID};Thumbprint={thumbprint};"
            f"StoreName={held};Password={ALICE}"
        )
        assert made_from(make, text, **trusting).who_am_i()["UserId"]
        wrong = ClientCertificate(client_id=CLIENT_ID, certificate=file, password="wrong")
        with pytest.raises(ConfigurationError, match="cannot be read"):
            make(live.https, wrong, **trusting).who_am_i()


def test_a_name_and_a_password_sign_in(make: Make, live: Live) -> None:
    assert make(credential=Password(username=ADMIN_UPN, password=ADMIN_PASSWORD)).who_am_i()["UserId"]
    wrong = Password(username="nobody@orgstead.localhost", password=ALICE)
    with pytest.raises(CredentialError, match=r"AADSTS50126|AADSTS50034") as failure:
        make(credential=wrong).who_am_i()
    assert ALICE not in f"{failure.value} {wrong!r}"


def test_a_code_entered_on_another_device_signs_in(make: Make, person: Person) -> None:
    assert make(credential=DeviceCode(tell=person.enters)).who_am_i()["UserId"]


def test_a_browser_signs_in_and_comes_back(make: Make, person: Person) -> None:
    assert make(credential=Browser(open=person.opens)).who_am_i()["UserId"]
    assert "code_challenge_method=S256" in person.opened[0]


def test_a_browser_to_which_nobody_comes_is_given_up(make: Make) -> None:
    with pytest.raises(CredentialError, match="nobody") as failure:
        make(credential=Browser(timeout=0.1, open=lambda url: None)).who_am_i()
    assert failure.value.error == "timeout"
    with pytest.raises(ConfigurationError, match="localhost"):
        make(credential=Browser(redirect_uri="http://elsewhere.example", open=pytest.fail)).who_am_i()


def test_who_declines_is_not_signed_in(make: Make, person: Person) -> None:
    with pytest.raises(CredentialError) as failure:
        make(credential=Browser(open=person.declines)).who_am_i()
    assert failure.value.error == "access_denied"


def test_who_has_signed_in_stays_so_from_an_encrypted_file(
    make: Make, person: Person, tmp_path: Path, plane: Plane
) -> None:
    store = TokenStore(tmp_path / "tokens")
    client = make(credential=DeviceCode(tell=person.enters, store=store))
    user = client.who_am_i()["UserId"]
    written = store.path.read_bytes()
    (kept,) = store._read().values()
    assert kept.encode() not in written
    assert store.path.stat().st_mode & 0o077 == 0
    # Another program goes on from the file, without the person, and after a long time too.
    plane.clock.advance(hours=30)
    again = DeviceCode(tell=pytest.fail, store=TokenStore(tmp_path / "tokens"), prompt="never")
    assert make(credential=again).who_am_i()["UserId"] == user
    # What was used is replaced.
    assert store._read().values() != {kept}
    with pytest.raises(ConfigurationError, match="key"):
        TokenStore(tmp_path / "tokens", key=bytes(32)).get("any")


def test_nobody_is_asked_where_that_is_not_allowed(make: Make) -> None:
    with pytest.raises(CredentialError) as failure:
        make(credential=Browser(prompt="never", open=pytest.fail)).who_am_i()
    assert failure.value.error == "login_required"
    with pytest.raises(CredentialError):
        make(credential=RefreshToken(refresh_token="spent")).who_am_i()


def test_a_refresh_token_from_elsewhere_signs_in(make: Make, person: Person, tmp_path: Path) -> None:
    store = TokenStore(tmp_path / "tokens")
    make(credential=DeviceCode(tell=person.enters, store=store)).who_am_i()
    (token,) = store._read().values()
    assert make(credential=RefreshToken(refresh_token=token)).who_am_i()["UserId"]


def test_a_token_that_is_refused_is_replaced_once(make: Make, plane: Plane) -> None:
    client = make()
    client.who_am_i()
    plane.forget_requests()
    plane.faults.add(status=401, count=1)
    assert client.who_am_i()["UserId"]
    asked = [row["path"] for row in plane.requests() if "token" in row["path"]]
    assert len(asked) <= 1
    plane.faults.add(status=401, count=2)
    with pytest.raises(UnauthorizedError):
        client.who_am_i()


def test_credentials_of_azure_identity_sign_in(make: Make, trusted: Live) -> None:
    options = {"authority": trusted.https, "disable_instance_discovery": True}
    arguments = (trusted.tenant_id, trusted.client_id, trusted.client_secret)
    assert make(credential=ClientSecretCredential(*arguments, **options)).who_am_i()["UserId"]


def test_asynchronous_credentials_belong_to_the_asynchronous_client(make: Make, live: Live) -> None:
    async def token() -> str:
        return held

    held = token_of(make)
    client = make(credential=token)
    if make.colour == "async":  # type: ignore[attr-defined]
        assert client.who_am_i()["UserId"]
    else:
        with pytest.raises(TypeError, match="AsyncClient"):
            client.who_am_i()


def test_a_token_or_a_function_for_tokens_is_a_credential(make: Make) -> None:
    held = token_of(make)
    assert make(credential=held).who_am_i()["UserId"]
    asked: list[int] = []
    client = make(credential=lambda: asked.append(1) or held)
    client.who_am_i()
    client.who_am_i()
    assert len(asked) == 2
    assert held not in repr(client.inner if hasattr(client, "inner") else client)
    with pytest.raises(UnauthorizedError):
        make(credential="no.token.atall").who_am_i()
    for nothing in (None, 5, "two words", str):
        with pytest.raises(ConfigurationError):
            make(credential=nothing) if nothing is not None else make(credential=object())


def token_of(make: Make) -> str:
    """A token of the application."""
    client = make()
    client.who_am_i()
    inner = client.inner if hasattr(client, "inner") else client
    value: str = inner._session._token.value
    return value


def made_from(make: Make, text: str, **options: Any) -> Any:
    """A client of a connection string, in the colour of the run."""
    connection = read_connection_string(text)
    return make(connection.url, connection.credential, **options)


def test_a_token_goes_out_on_tls_or_loopback_only(make: Make) -> None:
    for url in (
        "http://crm.example",
        "http://10.0.0.1",
        "ftp://localhost",
        "https://",
        "https://u:p@crm.example",
    ):
        with pytest.raises(ConfigurationError):
            make(url, "token")
    make("http://crm.example", "token", allow_http=True)
    make("http://127.0.0.1:1", "token")
    make("contoso.crm.dynamics.com", "token")


def test_a_service_that_names_no_authority_is_told_so(make: Make, live: Live) -> None:
    with pytest.raises(ConfigurationError, match="does not say"):
        make(f"{live.http}", version="9", retry=Retry(budget=0)).request("GET", "x")
