"""Reply addresses, signing keys, and input that is not what it should be."""

import stat
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from orgstead.identity import FileKeyStore, KeyRing, MemoryKeyStore, certificate_from_pem, open_keys
from orgstead.identity.apps import matching_redirect
from orgstead.identity.development import PUBLIC_REDIRECTS, TENANT_ID
from orgstead.identity.errors import KINDS
from orgstead.identity.keys import new_key_pem
from tests.unit.identity.identity_site import ORG, Site


@pytest.mark.parametrize(
    "address",
    [
        "http://localhost",
        "http://localhost/",
        "http://LOCALHOST:1",
        "http://localhost:65535/",
        "http://127.0.0.1:8400",
        "app://58145B91-0C36-4500-8554-080854F2AC97",
        "app://58145b91-0c36-4500-8554-080854f2ac97/",
    ],
)
def test_the_public_client_is_answered_at(address: str) -> None:
    assert matching_redirect(address, PUBLIC_REDIRECTS, public=True)


@pytest.mark.parametrize(
    "address",
    [
        "",
        "localhost",
        "https://localhost:1",
        "http://localhost/callback",
        "http://localhost?x=1",
        "http://localhost:80000",
        "http://localhost:x",
        "http://user@localhost",
        "http://localhost#x",
        "http://localhost.evil.example",
        "http://localhost:1\\@evil.example",
        "http://[::1]",
        "http://[",
        "http://löcalhost",
        "app://58145B91-0C36-4500-8554-080854F2AC97/x",
        "app://another",
        "http://localhost;script-src *",
        "http://localhost/" + "x" * 3000,
    ],
)
def test_the_public_client_is_not_answered_at(address: str) -> None:
    assert not matching_redirect(address, PUBLIC_REDIRECTS, public=True)


def test_a_confidential_client_is_answered_at_its_port_only() -> None:
    registered = ["http://localhost:3000/back", "https://app.example/a?b=c", "nonsense://[", "data:x"]
    assert matching_redirect("http://localhost:3000/back", registered, public=False)
    assert matching_redirect("https://APP.example:443/a?b=c", registered, public=False)
    assert not matching_redirect("http://localhost:3001/back", registered, public=False)
    assert not matching_redirect("https://app.example/A?b=c", registered, public=False)
    assert not matching_redirect("https://app.example/a", registered, public=False)
    assert not matching_redirect("data:x", registered, public=False)


@given(st.text(max_size=60))
def test_no_text_gets_past_an_address_without_its_host(text: str) -> None:
    wanted = f"https://{text}"
    if matching_redirect(wanted, ["https://app.example/back"], public=False):
        assert wanted.lower().replace(":443", "").replace(":0443", "") == "https://app.example/back"


@given(st.text(max_size=80))
def test_matching_never_raises(text: str) -> None:
    matching_redirect(text, [text, "http://localhost"], public=True)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)
@given(query=st.binary(max_size=60), body=st.binary(max_size=80))
def test_no_bytes_make_an_endpoint_fail(site: Site, query: bytes, body: bytes) -> None:
    for rest in ("token", "devicecode", "authorize", "signin", "logout"):
        for method in ("GET", "POST"):
            answer = site.server.answer(
                method=method,
                path=f"/{TENANT_ID}/oauth2/{rest}",
                base_url=ORG,
                query=query,
                headers={"content-type": "application/x-www-form-urlencoded"},
                body=body,
            )
            assert answer is not None
            assert answer.status in (200, 400, 401, 405)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)
@given(header=st.text(max_size=60), name=st.sampled_from(["authorization", "cookie", "client-request-id"]))
def test_no_header_makes_the_token_endpoint_fail(
    site: Site, confidential: dict[str, str], name: str, header: str
) -> None:
    answer = site.token(confidential, headers={name: header})
    assert answer.status in (200, 400, 401)
    basic = site.token({"grant_type": "password"}, headers={"authorization": f"Basic {header}"})
    assert basic.status in (400, 401)


@pytest.mark.parametrize(
    ("body", "content_type", "text"),
    [
        (b"grant_type=password", "application/json", b"AADSTS900144"),
        (b'{"grant_type":"password"}', "", b"AADSTS900144"),
        (b"grant_type=a&grant_type=b", "application/x-www-form-urlencoded", b"comes twice"),
        (b"grant_type=%ff", "application/x-www-form-urlencoded", b"AADSTS9002313"),
        (b"grant_type=%00", "application/x-www-form-urlencoded", b"NUL"),
        (b"&".join(b"a%d=1" % n for n in range(200)), "application/x-www-form-urlencoded", b"AADSTS9002313"),
        (b"a=" + b"x" * 70_000, "application/x-www-form-urlencoded", b"longer than 65536 bytes"),
    ],
)
def test_a_body_that_is_no_form_is_refused(site: Site, body: bytes, content_type: str, text: bytes) -> None:
    answer = site.server.answer(
        method="POST",
        path=f"/{TENANT_ID}/oauth2/v2.0/token",
        base_url=ORG,
        query=b"",
        headers={"content-type": content_type},
        body=body,
    )
    assert answer is not None
    assert answer.status == 400
    assert text in answer.body


def test_a_query_that_is_too_long_is_refused(site: Site) -> None:
    answer = site.ask("GET", f"/{TENANT_ID}/oauth2/v2.0/authorize?x={'y' * 20_000}")
    assert answer.status == 414


def test_every_error_has_a_status_and_an_oauth_name() -> None:
    for number, kind in KINDS.items():
        assert kind.status in (400, 401, 405, 414, 429), number
        assert kind.error.replace("_", "").isalpha(), number


def test_a_file_store_keeps_its_key_to_itself(tmp_path: Path) -> None:
    store = FileKeyStore(tmp_path / "keys")
    first = open_keys(store)
    assert open_keys(store).signing.kid == first.signing.kid
    files = list((tmp_path / "keys").iterdir())
    assert [file.name for file in files] == ["0001.pem"]
    assert stat.S_IMODE(files[0].stat().st_mode) == 0o600
    assert stat.S_IMODE((tmp_path / "keys").stat().st_mode) == 0o700


def test_the_first_key_stays_when_two_processes_start_at_once(tmp_path: Path) -> None:
    one, two = new_key_pem(), new_key_pem()
    store = FileKeyStore(tmp_path)
    assert store.add_first(one) == [one]
    assert store.add_first(two) == [one]


def test_a_later_file_signs_and_the_earlier_one_verifies(tmp_path: Path) -> None:
    store = FileKeyStore(tmp_path)
    old = open_keys(store)
    (tmp_path / "0002.pem").write_text(new_key_pem())
    new = open_keys(store)
    assert new.signing.kid != old.signing.kid
    assert set(new.public) == {new.signing.kid, old.signing.kid}


def test_derived_secrets_are_the_same_in_every_process_with_the_key() -> None:
    pem = new_key_pem()
    one, two = open_keys(MemoryKeyStore([pem])), open_keys(MemoryKeyStore([pem]))
    assert one.derive("a") == two.derive("a") != one.derive("b")


def test_a_key_that_is_no_rsa_key_is_refused() -> None:
    with pytest.raises(ValueError, match="at least one"):
        KeyRing([])
    with pytest.raises(ValueError, match="PEM"):
        open_keys(MemoryKeyStore(["nonsense"]))
    with pytest.raises(ValueError, match="PEM"):
        certificate_from_pem("nonsense")
