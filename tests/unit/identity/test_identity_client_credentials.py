"""The client credentials grant and client authentication."""

import base64
import datetime
import time
from collections.abc import Callable
from typing import Any
from urllib.parse import quote_plus

import jwt
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding

from orgstead.identity import Secret, certificate_from_pem, hash_secret
from orgstead.identity.development import (
    CLIENT_ID,
    CLIENT_OBJECT_ID,
    CLIENT_SECRET,
    PUBLIC_CLIENT_ID,
    TENANT_ID,
)
from tests.unit.identity.identity_site import ORG, SCOPE, Site, body

ASSERTION_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
Fields = dict[str, str]


def test_a_v2_answer_has_numbers_and_no_scope_for_an_application(site: Site, confidential: Fields) -> None:
    answer = site.tokens(confidential)
    assert (answer["token_type"], answer["expires_in"], answer["ext_expires_in"]) == ("Bearer", 3599, 3599)
    assert answer.keys() == {"token_type", "expires_in", "ext_expires_in", "access_token"}


def test_an_app_only_token_carries_the_claims_that_dataverse_reads(site: Site, confidential: Fields) -> None:
    claims = site.claims(site.tokens(confidential)["access_token"])
    assert claims["aud"] == ORG
    assert claims["iss"] == f"{ORG}/{TENANT_ID}/"
    assert claims["exp"] - claims["iat"] == 3599
    assert claims["nbf"] == claims["iat"] == int(site.clock())
    assert claims["appid"] == CLIENT_ID
    assert claims["appidacr"] == "1"
    assert claims["idtyp"] == "app"
    assert claims["oid"] == claims["sub"] == CLIENT_OBJECT_ID
    assert claims["tid"] == TENANT_ID
    assert claims["ver"] == "1.0"
    assert "scp" not in claims
    assert "upn" not in claims


def test_version_2_access_tokens_can_be_asked_for_by_configuration(
    make_site: Callable[..., Site], confidential: Fields
) -> None:
    site = make_site(access_token_version=2)
    claims = site.claims(site.tokens(confidential)["access_token"])
    assert (claims["azp"], claims["azpacr"], claims["ver"]) == (CLIENT_ID, "1", "2.0")
    assert claims["iss"] == f"{ORG}/{TENANT_ID}/v2.0"
    assert "appid" not in claims


def test_a_v1_answer_writes_numbers_as_text_and_repeats_the_resource(
    site: Site, confidential: Fields
) -> None:
    del confidential["scope"]
    answer = site.tokens(confidential | {"resource": f"{ORG}/"}, version=1)
    now = int(site.clock())
    assert answer["expires_in"] == answer["ext_expires_in"] == "3599"
    assert (answer["not_before"], answer["expires_on"]) == (str(now), str(now + 3599))
    assert answer["resource"] == f"{ORG}/"
    assert site.claims(answer["access_token"])["aud"] == f"{ORG}/"


@pytest.mark.parametrize(
    ("scope", "audience"),
    [
        (f"{ORG}/.default", ORG),
        (f"{ORG}//.default", f"{ORG}/"),
        ("https://ORG.example:443/.default", "https://ORG.example:443"),
        ("00000007-0000-0000-c000-000000000000/.default", "00000007-0000-0000-c000-000000000000"),
    ],
)
def test_the_audience_is_spelt_as_the_scope_spells_it(
    site: Site, confidential: Fields, scope: str, audience: str
) -> None:
    token = site.tokens(confidential | {"scope": scope})["access_token"]
    assert site.claims(token)["aud"] == audience


@pytest.mark.parametrize("tenant", [TENANT_ID.upper(), "common", "organizations", "orgstead.localhost"])
def test_the_one_tenant_has_several_names(site: Site, confidential: Fields, tenant: str) -> None:
    answer = site.ask("POST", f"/{tenant}/oauth2/v2.0/token", confidential)
    assert site.claims(body(answer)["access_token"])["tid"] == TENANT_ID


def test_a_secret_may_come_by_http_basic_form_encoded_or_not(site: Site, confidential: Fields) -> None:
    secret = "p+q%2f:é ü"
    site.application(secrets=(Secret(hash=hash_secret(secret)),))
    del confidential["client_id"], confidential["client_secret"]
    for text in (quote_plus(secret), secret):
        header = base64.b64encode(f"{CLIENT_ID}:{text}".encode()).decode()
        answer = site.token(confidential, headers={"authorization": f"Basic {header}"})
        assert answer.status == 200, answer.body


def test_two_credentials_at_once_are_refused(site: Site, confidential: Fields) -> None:
    header = base64.b64encode(f"{CLIENT_ID}:{CLIENT_SECRET}".encode()).decode()
    refusal = site.refused(confidential, headers={"authorization": f"Basic {header}"})
    assert refusal == (400, "invalid_request", 9002313)
    assert site.refused(confidential | {"client_assertion": "x"}) == refusal


def test_a_wrong_basic_secret_is_answered_with_a_basic_challenge(site: Site, confidential: Fields) -> None:
    del confidential["client_secret"]
    header = base64.b64encode(f"{CLIENT_ID}:wrong".encode()).decode()
    answer = site.token(confidential, headers={"authorization": f"Basic {header}"})
    assert answer.status == 401
    assert dict(answer.headers)["WWW-Authenticate"].startswith("Basic ")


def test_any_of_several_secrets_works_until_it_expires(site: Site, confidential: Fields) -> None:
    later = site.clock() + 100
    old = Secret(hash=hash_secret("old"), expires=later)
    site.application(secrets=(old, Secret(hash=hash_secret("new"))))
    site.tokens(confidential | {"client_secret": "new"})
    site.tokens(confidential | {"client_secret": "old"})
    site.clock.now = later
    assert site.refused(confidential | {"client_secret": "old"}) == (401, "invalid_client", 7000222)
    site.tokens(confidential | {"client_secret": "new"})


def test_a_repeated_secret_is_not_hashed_again(site: Site, confidential: Fields) -> None:
    site.tokens(confidential)
    start = time.process_time()
    for _ in range(5):
        site.tokens(confidential)
    # Five argon2 hashes take far more computing than this, and a busy machine does not count.
    assert time.process_time() - start < 0.1


@pytest.mark.parametrize(
    ("change", "refusal"),
    [
        ({"grant_type": ""}, (400, "invalid_request", 900144)),
        (
            {"grant_type": "urn:ietf:params:oauth:grant-type:jwt-bearer"},
            (400, "unsupported_grant_type", 70003),
        ),
        ({"client_id": ""}, (400, "invalid_request", 900144)),
        ({"client_id": "nobody"}, (400, "unauthorized_client", 700016)),
        ({"client_secret": "wrong"}, (401, "invalid_client", 7000215)),
        ({"client_secret": "x" * 5000}, (401, "invalid_client", 7000215)),
        ({"client_secret": ""}, (401, "invalid_client", 7000218)),
        ({"client_id": PUBLIC_CLIENT_ID}, (401, "invalid_client", 700025)),
        ({"client_id": PUBLIC_CLIENT_ID, "client_secret": ""}, (401, "invalid_client", 7000218)),
        ({"scope": ""}, (400, "invalid_request", 900144)),
        ({"scope": "", "resource": ORG}, (400, "invalid_request", 901002)),
        ({"scope": "user_impersonation"}, (400, "invalid_scope", 70011)),
        ({"scope": f"{ORG}/user_impersonation"}, (400, "invalid_scope", 1002012)),
        ({"scope": f"{ORG}/.default openid"}, (400, "invalid_scope", 1002012)),
        ({"scope": "https://elsewhere.example/.default"}, (400, "invalid_resource", 500011)),
        ({"scope": f"{ORG}/.default https://elsewhere.example/.default"}, (400, "invalid_scope", 700022)),
        ({"resource": "https://elsewhere.example"}, (400, "invalid_target", 9010010)),
    ],
)
def test_a_malformed_request_gets_its_aadsts_error(
    site: Site, confidential: Fields, change: Fields, refusal: tuple[int, str, int]
) -> None:
    assert site.refused(confidential | change) == refusal


def test_v1_needs_a_resource(site: Site, confidential: Fields) -> None:
    assert site.refused(confidential, version=1) == (400, "invalid_request", 900144)


def test_another_tenant_is_not_found(site: Site, confidential: Fields) -> None:
    answer = site.ask("POST", "/0d365000-0000-4000-8000-00000000ffff/oauth2/v2.0/token", confidential)
    assert (answer.status, body(answer)["error"], body(answer)["error_codes"]) == (
        400,
        "invalid_request",
        [90002],
    )


def test_a_disabled_application_is_refused(site: Site, confidential: Fields) -> None:
    site.application(enabled=False)
    assert site.refused(confidential) == (400, "unauthorized_client", 7000112)


def test_a_grant_that_the_application_does_not_list_is_refused(site: Site, confidential: Fields) -> None:
    site.application(grants=frozenset({"password"}))
    assert site.refused(confidential) == (400, "unauthorized_client", 70001)


def test_an_error_has_every_member_that_entra_sends(site: Site) -> None:
    correlation = "6f9619ff-8b86-d011-b42d-00cf4fc964ff"
    answer = site.token({}, headers={"client-request-id": correlation})
    values = body(answer)
    assert values.keys() == {
        "error",
        "error_description",
        "error_codes",
        "timestamp",
        "trace_id",
        "correlation_id",
        "error_uri",
    }
    first, trace, second, stamp = values["error_description"].split("\r\n")
    assert first.startswith("AADSTS900144: ")
    assert "'grant_type'" in first
    assert trace == f"Trace ID: {values['trace_id']}"
    assert second == f"Correlation ID: {correlation}"
    assert stamp == f"Timestamp: {values['timestamp']}" == "Timestamp: 2027-01-15 08:00:00Z"
    assert values["error_uri"].endswith("?code=900144")
    assert dict(answer.headers)["Cache-Control"] == "no-store"


def test_the_form_field_names_of_the_marketing_sample_are_understood(site: Site, ropc: Fields) -> None:
    fields = {
        "clientId": CLIENT_ID,
        "clientSecret": CLIENT_SECRET,
        "authEndPointUrl": "https://login.example/common/oauth2/token",
        "username": ropc["username"],
        "password": ropc["password"],
        "resource": ORG,
    }
    answer = site.ask("POST", "/common/oauth2/token", fields)
    assert site.claims(body(answer)["access_token"])["upn"] == ropc["username"]


# Certificates


@pytest.fixture(scope="module")
def credential() -> tuple[rsa.RSAPrivateKey, str]:
    """An RSA key and a self-signed certificate of it that is valid on the tests' clock."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "daemon")])
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(datetime.datetime(2026, 1, 1))
        .not_valid_after(datetime.datetime(2028, 1, 1))
        .sign(key, hashes.SHA256())
    )
    return key, certificate.public_bytes(Encoding.PEM).decode()


@pytest.fixture
def assertion(site: Site, credential: tuple[rsa.RSAPrivateKey, str]) -> Callable[..., Fields]:
    """Make the fields of a certificate request, with claims and header changed as given."""
    key, pem = credential
    registered = certificate_from_pem(pem)
    site.application(certificates=(registered,), secrets=())

    def make(
        claims: dict[str, Any] | None = None,
        header: dict[str, str] | None = None,
        algorithm: str = "RS256",
        signer: rsa.RSAPrivateKey = key,
    ) -> Fields:
        now = int(site.clock())
        values = {
            "aud": f"{ORG}/{TENANT_ID}/oauth2/v2.0/token",
            "iss": CLIENT_ID,
            "sub": CLIENT_ID,
            "jti": "1",
            "nbf": now,
            "exp": now + 600,
        } | (claims or {})
        text = jwt.encode(values, signer, algorithm, headers=header or {"x5t": registered.thumbprint})
        return {
            "grant_type": "client_credentials",
            "client_id": CLIENT_ID,
            "scope": SCOPE,
            "client_assertion_type": ASSERTION_TYPE,
            "client_assertion": text,
        }

    return make


@pytest.mark.parametrize("algorithm", ["RS256", "PS256"])
def test_a_certificate_assertion_is_as_good_as_a_secret(
    site: Site, assertion: Callable[..., Fields], algorithm: str
) -> None:
    claims = site.claims(site.tokens(assertion(algorithm=algorithm))["access_token"])
    assert (claims["appid"], claims["appidacr"]) == (CLIENT_ID, "2")


def test_a_certificate_may_be_named_by_sha_256_padded_or_by_a_hex_kid(
    site: Site, assertion: Callable[..., Fields], credential: tuple[rsa.RSAPrivateKey, str]
) -> None:
    known = certificate_from_pem(credential[1])
    sha1 = base64.urlsafe_b64decode(known.thumbprint + "==").hex().upper()
    for header in (
        {"x5t#S256": known.thumbprint_sha256 + "="},
        {"x5t": known.thumbprint + "="},
        {"kid": sha1},
    ):
        site.tokens(assertion(header=header))


@pytest.mark.parametrize(
    ("claims", "number"),
    [
        ({"iss": "another"}, 700021),
        ({"iss": PUBLIC_CLIENT_ID, "sub": PUBLIC_CLIENT_ID}, 700021),
        ({"aud": "https://elsewhere.example/token"}, 700023),
        ({"aud": 5}, 700023),
        ({"exp": 1_700_000_000}, 700024),
        ({"exp": "soon"}, 700024),
        ({"exp": None}, 700024),
        ({"nbf": 1_900_000_000}, 700024),
    ],
)
def test_an_assertion_with_a_wrong_claim_is_refused(
    site: Site, assertion: Callable[..., Fields], claims: dict[str, Any], number: int
) -> None:
    assert site.refused(assertion(claims)) == (401, "invalid_client", number)


def test_an_assertion_of_another_key_or_certificate_is_refused(
    site: Site, assertion: Callable[..., Fields], keys: Any
) -> None:
    assert site.refused(assertion(signer=keys.signing.private)) == (401, "invalid_client", 700027)
    assert site.refused(assertion(header={"x5t": "unknown"})) == (401, "invalid_client", 700027)


def test_an_assertion_of_an_expired_certificate_is_refused(
    site: Site, assertion: Callable[..., Fields]
) -> None:
    site.clock.now = datetime.datetime(2028, 1, 2, tzinfo=datetime.UTC).timestamp()
    assert site.refused(assertion()) == (401, "invalid_client", 700027)


@pytest.mark.parametrize("text", ["x", "a.b.c", "e30.e30.e30", "." * 40, "é.é.é", "x" * 40_000])
def test_an_assertion_that_is_no_jwt_is_refused(
    site: Site, assertion: Callable[..., Fields], text: str
) -> None:
    status, error, number = site.refused(assertion() | {"client_assertion": text})
    assert (status, error) == (401, "invalid_client")
    assert number in (50027, 700027)


def test_an_unsigned_assertion_is_refused(site: Site, assertion: Callable[..., Fields]) -> None:
    fields = assertion()
    parts = fields["client_assertion"].split(".")
    header = base64.urlsafe_b64encode(b'{"alg":"none","typ":"JWT"}').rstrip(b"=").decode()
    fields["client_assertion"] = f"{header}.{parts[1]}."
    assert site.refused(fields)[0] == 401


def test_an_assertion_type_other_than_jwt_is_refused(site: Site, assertion: Callable[..., Fields]) -> None:
    assert site.refused(assertion() | {"client_assertion_type": "saml"}) == (400, "invalid_request", 90013)
