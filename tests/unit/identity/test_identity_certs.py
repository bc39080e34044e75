"""The local certificate authority."""

import ipaddress
import socket
import ssl
import stat
import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509

from orgstead.identity import Certificates, ensure_certificates


def names(made: Certificates) -> set[str]:
    """The names and addresses that a server certificate is for."""
    certificate = x509.load_pem_x509_certificate(made.certificate.read_bytes())
    found = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    return {str(name.value) for name in found}


def handshake(made: Certificates, host: str, version: ssl.TLSVersion) -> str | None:
    """Connect to a server with the certificate as ``host`` and return the protocol that was agreed."""
    serving = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    serving.load_cert_chain(made.certificate, made.key)
    trusting = ssl.create_default_context(cafile=str(made.authority))
    trusting.minimum_version = trusting.maximum_version = version
    here, there = socket.socketpair()

    def serve() -> None:
        try:
            with serving.wrap_socket(there, server_side=True) as secured:
                secured.recv(1)
        except OSError:
            there.close()

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        with trusting.wrap_socket(here, server_hostname=host) as secured:
            return secured.version()
    finally:
        here.close()
        thread.join()


def test_the_certificate_is_for_this_machine_and_the_given_hosts(tmp_path: Path) -> None:
    made = ensure_certificates(
        tmp_path / "tls", ["CRM.example.", "*.crm.example", "10.1.2.3", "bücher.example"]
    )
    assert names(made) == {
        *("localhost", "*.localhost", "127.0.0.1", "::1"),
        *("crm.example", "*.crm.example", "10.1.2.3", "xn--bcher-kva.example"),
    }
    assert made.new_authority


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "::1", "crm.example", "org1.localhost"])
def test_clients_that_trust_the_authority_connect(tmp_path: Path, host: str, version: ssl.TLSVersion) -> None:
    made = ensure_certificates(tmp_path, ["crm.example", "org1.localhost"])
    assert handshake(made, host, version) == ("TLSv1.2" if version == ssl.TLSVersion.TLSv1_2 else "TLSv1.3")


def test_another_host_is_not_covered(tmp_path: Path) -> None:
    with pytest.raises(ssl.SSLCertVerificationError):
        handshake(ensure_certificates(tmp_path), "elsewhere.example", ssl.TLSVersion.TLSv1_3)


def test_keys_are_for_their_owner_only(tmp_path: Path) -> None:
    made = ensure_certificates(tmp_path / "tls")
    for key in (made.key, made.authority.with_name("ca.key")):
        assert stat.S_IMODE(key.stat().st_mode) == 0o600
    assert {path.name for path in made.key.parent.iterdir()} == {
        "ca.pem",
        "ca.key",
        "server.pem",
        "server.key",
    }


def test_lives_and_constraints_are_what_clients_accept(tmp_path: Path) -> None:
    made = ensure_certificates(tmp_path, ["crm.example"])
    leaf = x509.load_pem_x509_certificate(made.certificate.read_bytes())
    authority = x509.load_pem_x509_certificate(made.authority.read_bytes())
    assert leaf.not_valid_after_utc - leaf.not_valid_before_utc == timedelta(days=397)
    assert authority.not_valid_after_utc - authority.not_valid_before_utc == timedelta(days=3650)
    limits = authority.extensions.get_extension_for_class(x509.NameConstraints)
    assert limits.critical
    assert set(limits.value.permitted_subtrees or ()) == {
        x509.DNSName("localhost"),
        x509.DNSName("crm.example"),
        x509.IPAddress(ipaddress.ip_network("127.0.0.0/8")),
        x509.IPAddress(ipaddress.ip_network("::1/128")),
    }


def test_a_second_call_changes_nothing(tmp_path: Path) -> None:
    first = ensure_certificates(tmp_path, ["crm.example"])
    before = {path: path.read_bytes() for path in tmp_path.iterdir()}
    second = ensure_certificates(tmp_path, ["crm.example"])
    assert {path: path.read_bytes() for path in tmp_path.iterdir()} == before
    assert (first.new_authority, second.new_authority) == (True, False)
    ensure_certificates(tmp_path)
    assert {path: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_a_certificate_near_its_end_is_renewed_under_the_same_authority(tmp_path: Path) -> None:
    made = ensure_certificates(tmp_path)
    authority, leaf = made.authority.read_bytes(), made.certificate.read_bytes()
    ensure_certificates(tmp_path, now=lambda: datetime.now(UTC) + timedelta(days=360))
    assert made.certificate.read_bytes() == leaf
    later = ensure_certificates(tmp_path, now=lambda: datetime.now(UTC) + timedelta(days=370))
    assert later.certificate.read_bytes() != leaf
    assert later.authority.read_bytes() == authority
    assert not later.new_authority


def test_a_new_host_needs_a_new_authority_and_says_so(tmp_path: Path) -> None:
    old = ensure_certificates(tmp_path).authority.read_bytes()
    made = ensure_certificates(tmp_path, ["crm.example"])
    assert made.new_authority
    assert made.authority.read_bytes() != old
    assert handshake(made, "crm.example", ssl.TLSVersion.TLSv1_3) == "TLSv1.3"


@pytest.mark.parametrize("name", ["ca.pem", "ca.key", "server.pem", "server.key"])
@pytest.mark.parametrize("content", [None, b"", b"nonsense"])
def test_damaged_or_missing_files_are_made_again(tmp_path: Path, name: str, content: bytes | None) -> None:
    ensure_certificates(tmp_path)
    if content is None:
        (tmp_path / name).unlink()
    else:
        (tmp_path / name).write_bytes(content)
    made = ensure_certificates(tmp_path)
    assert made.new_authority == name.startswith("ca")
    assert handshake(made, "localhost", ssl.TLSVersion.TLSv1_3) == "TLSv1.3"


@pytest.mark.parametrize(
    "host", ["", "a b", "-x.example", "http://crm.example", "crm.example:443", "x" * 300, "*"]
)
def test_what_is_no_host_is_refused_before_a_file_is_written(tmp_path: Path, host: str) -> None:
    with pytest.raises(ValueError, match="neither a host name nor an IP address"):
        ensure_certificates(tmp_path / "tls", [host])
    assert not (tmp_path / "tls").exists()
