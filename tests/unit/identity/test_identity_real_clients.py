"""msal and azure-identity against the server over TLS, with the certificates of the local authority."""

import datetime
import hashlib
import html
import re
import ssl
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

import msal  # type: ignore[import-untyped]
import pytest
import requests
from azure.identity import CertificateCredential, ClientSecretCredential
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from orgstead.identity import (
    AuthorizationServer,
    BearerVerifier,
    Caller,
    KeyRing,
    MemoryDirectory,
    certificate_from_pem,
    ensure_certificates,
    own_audiences,
)
from orgstead.identity.apps import Application, User
from orgstead.identity.development import (
    ADMIN_PASSWORD,
    ADMIN_UPN,
    CLIENT_ID,
    CLIENT_SECRET,
    PUBLIC_CLIENT_ID,
    TENANT_ID,
    development_config,
)


@dataclass
class Live:
    """A server on a free port, and what a client has to know."""

    url: str
    ca: str
    directory: MemoryDirectory
    verifier: BearerVerifier
    requests: list[str]

    @property
    def authority(self) -> str:
        """The authority as msal takes it."""
        return f"{self.url}/{TENANT_ID}"

    @property
    def scope(self) -> list[str]:
        """The scope of the organisation."""
        return [f"{self.url}/.default"]

    def caller(self, answer: dict[str, Any]) -> Caller:
        """Who an answer's access token is for."""
        assert "access_token" in answer, answer
        return self.verifier.verify(answer["access_token"], own_audiences([self.url]))


@pytest.fixture(scope="module")
def ca_directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the certificates are kept."""
    return tmp_path_factory.mktemp("tls")


@pytest.fixture
def live(
    keys: KeyRing,
    people: tuple[tuple[Application, ...], User],
    ca_directory: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[Live]:
    """The server behind a threaded HTTPS server."""
    made = ensure_certificates(ca_directory)
    # It comes before what a session was told, where a developer has set it.
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(made.authority))
    directory = MemoryDirectory(people[0], [people[1]])
    server = AuthorizationServer(directory, keys, time.time, development_config())
    seen: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        # Small answers in two packets would otherwise wait for the other side.
        disable_nagle_algorithm = True

        def respond(self) -> None:
            path, _, query = self.path.partition("?")
            seen.append(f"{self.command} {path}")
            answer = server.answer(
                method=self.command,
                path=unquote(path),
                base_url=f"https://{self.headers['Host']}",
                query=query.encode(),
                headers={name.lower(): value for name, value in self.headers.items()},
                body=self.rfile.read(int(self.headers.get("Content-Length") or 0)),
            )
            self.send_response(404 if answer is None else answer.status)
            for name, value in () if answer is None else answer.headers:
                self.send_header(name, value)
            content = b"" if answer is None else answer.body
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        do_GET = do_POST = respond

        def log_message(self, *_: object) -> None:
            """Keep the tests' output quiet."""

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(made.certificate, made.key)
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as http:
        http.daemon_threads = True
        http.socket = context.wrap_socket(http.socket, server_side=True)
        thread = threading.Thread(target=http.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield Live(
            url=f"https://localhost:{http.server_port}",
            ca=str(made.authority),
            directory=directory,
            verifier=BearerVerifier(keys, TENANT_ID, time.time),
            requests=seen,
        )
        http.shutdown()
        thread.join()


@pytest.fixture
def browser(live: Live) -> Iterator[requests.Session]:
    """A browser that trusts the local authority and follows no redirects."""
    with requests.Session() as session:
        session.verify = live.ca
        yield session


@pytest.fixture(scope="module")
def credential() -> tuple[str, str]:
    """A private key and a self-signed certificate, as PEM."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "daemon")])
    now = datetime.datetime.now(datetime.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .sign(key, hashes.SHA256())
    )
    private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
    return private, certificate.public_bytes(Encoding.PEM).decode()


class OnPort443:
    """What a bound port 443 would do: msal asks for the user realm without the port of the authority."""

    def __init__(self, live: Live) -> None:
        self._live = live
        self._session = requests.Session()
        self._session.verify = live.ca

    def _at_port(self, url: str) -> str:
        return url.replace("https://localhost/", f"{self._live.url}/")

    def get(self, url: str, **more: Any) -> requests.Response:
        """As ``requests.Session.get``."""
        return self._session.get(self._at_port(url), **more)

    def post(self, url: str, **more: Any) -> requests.Response:
        """As ``requests.Session.post``."""
        return self._session.post(self._at_port(url), **more)

    def close(self) -> None:
        """As ``requests.Session.close``."""
        self._session.close()


def fields(page: str) -> tuple[str, dict[str, str]]:
    """The action and the hidden fields of a page's form."""
    action = re.search(r'action="([^"]*)"', page)
    assert action, page
    hidden = re.findall(r'type="hidden" name="([^"]*)" value="([^"]*)"', page)
    return html.unescape(action[1]), {name: html.unescape(value) for name, value in hidden}


def sign_in(browser: requests.Session, live: Live, page: requests.Response) -> requests.Response:
    """Fill in the sign-in page."""
    action, hidden = fields(page.text)
    given = hidden | {"username": ADMIN_UPN, "password": ADMIN_PASSWORD, "action": "sign-in"}
    return browser.post(live.url + action, data=given, allow_redirects=False)


def register_certificate(live: Live, pem: str) -> None:
    """Add a certificate to the confidential application, in place of its secrets."""
    application = live.directory.application(CLIENT_ID)
    assert application is not None
    certificates = (certificate_from_pem(pem),)
    live.directory.add_application(replace(application, certificates=certificates, secrets=()))


def test_msal_with_a_secret_gets_a_token_and_caches_it(live: Live) -> None:
    app = msal.ConfidentialClientApplication(
        CLIENT_ID, CLIENT_SECRET, live.authority, instance_discovery=False, verify=live.ca
    )
    caller = live.caller(app.acquire_token_for_client(live.scope))
    assert caller.app_only
    assert caller.application_id == CLIENT_ID
    assert app.acquire_token_for_client(live.scope)["token_source"] == "cache"


def test_msal_with_a_wrong_secret_reads_the_error_codes(live: Live) -> None:
    app = msal.ConfidentialClientApplication(
        CLIENT_ID, "wrong", live.authority, instance_discovery=False, verify=live.ca
    )
    answer = app.acquire_token_for_client(live.scope)
    assert (answer["error"], answer["error_codes"]) == ("invalid_client", [7000215])


@pytest.mark.parametrize("named_by_sha_1", [False, True])
def test_msal_with_a_certificate(live: Live, credential: tuple[str, str], *, named_by_sha_1: bool) -> None:
    private, public = credential
    register_certificate(live, public)
    der = x509.load_pem_x509_certificate(public.encode()).public_bytes(Encoding.DER)
    given = (
        {"thumbprint": hashlib.sha1(der).hexdigest()} if named_by_sha_1 else {"public_certificate": public}
    )
    app = msal.ConfidentialClientApplication(
        CLIENT_ID,
        {"private_key": private, **given},
        live.authority,
        instance_discovery=False,
        verify=live.ca,
    )
    assert live.caller(app.acquire_token_for_client(live.scope)).claims["appidacr"] == "2"


@pytest.mark.filterwarnings("ignore:This API has been deprecated for public client flows:DeprecationWarning")
def test_msal_with_a_user_name_and_password(live: Live) -> None:
    client = OnPort443(live)
    app = msal.PublicClientApplication(
        PUBLIC_CLIENT_ID, authority=live.authority, instance_discovery=False, http_client=client
    )
    answer = app.acquire_token_by_username_password(ADMIN_UPN, ADMIN_PASSWORD, live.scope)
    assert live.caller(answer).upn == ADMIN_UPN
    assert answer["id_token_claims"]["preferred_username"] == ADMIN_UPN
    assert any("/common/userrealm/" in line for line in live.requests)
    client.close()


@pytest.mark.filterwarnings("ignore:response_mode='form_post' is recommended")
def test_msal_with_an_authorization_code_and_then_silently(live: Live, browser: requests.Session) -> None:
    app = msal.PublicClientApplication(
        PUBLIC_CLIENT_ID, authority=live.authority, instance_discovery=False, verify=live.ca
    )
    flow = app.initiate_auth_code_flow(live.scope, redirect_uri="http://localhost:50505")
    page = browser.get(flow["auth_uri"])
    done = sign_in(browser, live, page)
    answer = dict(parse_qsl(urlsplit(done.headers["Location"]).query))
    tokens = app.acquire_token_by_auth_code_flow(flow, answer)
    assert live.caller(tokens).upn == ADMIN_UPN

    (account,) = app.get_accounts()
    assert account["username"] == ADMIN_UPN
    assert app.acquire_token_silent(live.scope, account)["token_source"] == "cache"
    fresh = app.acquire_token_silent(live.scope, account, force_refresh=True)
    assert fresh["token_source"] == "identity_provider"
    assert live.caller(fresh).upn == ADMIN_UPN


def test_msal_with_form_post_as_a_web_application(live: Live, browser: requests.Session) -> None:
    app = msal.ConfidentialClientApplication(
        CLIENT_ID, CLIENT_SECRET, live.authority, instance_discovery=False, verify=live.ca
    )
    flow = app.initiate_auth_code_flow(live.scope, redirect_uri="http://localhost", response_mode="form_post")
    _, answer = fields(sign_in(browser, live, browser.get(flow["auth_uri"])).text)
    assert live.caller(app.acquire_token_by_auth_code_flow(flow, answer)).upn == ADMIN_UPN


def test_msal_with_a_device_code(live: Live, browser: requests.Session) -> None:
    app = msal.PublicClientApplication(
        PUBLIC_CLIENT_ID, authority=live.authority, instance_discovery=False, verify=live.ca
    )
    flow = app.initiate_device_flow(live.scope)
    action, hidden = fields(browser.get(flow["verification_uri"]).text)
    page = browser.post(live.url + action, data=hidden | {"user_code": flow["user_code"]})
    assert "You are signed in" in sign_in(browser, live, page).text
    answer = app.acquire_token_by_device_flow(flow)
    assert live.caller(answer).upn == ADMIN_UPN
    assert [account["username"] for account in app.get_accounts()] == [ADMIN_UPN]


def test_msal_asks_this_server_for_instance_discovery_when_told_to(live: Live) -> None:
    app = msal.ConfidentialClientApplication(
        CLIENT_ID,
        CLIENT_SECRET,
        live.authority,
        instance_discovery=f"{live.url}/common/discovery/instance",
        verify=live.ca,
    )
    live.caller(app.acquire_token_for_client(live.scope))
    assert "GET /common/discovery/instance" in live.requests


def test_msal_is_told_that_a_tenant_does_not_exist(live: Live) -> None:
    authority = f"{live.url}/5b6e6f3c-0000-0000-0000-000000000000"
    with pytest.raises(ValueError, match="authority configuration"):
        msal.ConfidentialClientApplication(
            CLIENT_ID, CLIENT_SECRET, authority, instance_discovery=False, verify=live.ca
        )


def test_azure_identity_with_a_secret(live: Live) -> None:
    with ClientSecretCredential(
        TENANT_ID,
        CLIENT_ID,
        CLIENT_SECRET,
        authority=live.url,
        disable_instance_discovery=True,
        connection_verify=live.ca,
    ) as client:
        token = client.get_token(f"{live.url}/.default")
    assert live.caller({"access_token": token.token}).application_id == CLIENT_ID
    assert token.expires_on == pytest.approx(time.time() + 3599, abs=30)


def test_azure_identity_with_a_certificate(live: Live, credential: tuple[str, str]) -> None:
    register_certificate(live, credential[1])
    with CertificateCredential(
        TENANT_ID,
        CLIENT_ID,
        certificate_data="".join(credential).encode(),
        authority=live.url,
        disable_instance_discovery=True,
        connection_verify=live.ca,
    ) as client:
        token = client.get_token(f"{live.url}/.default")
    assert live.caller({"access_token": token.token}).claims["appidacr"] == "2"
