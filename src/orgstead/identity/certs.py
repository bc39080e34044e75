"""A local certificate authority and a server certificate for TLS on one's own machine.

Several Dynamics clients refuse plain http. The authority is limited by name constraints to the names that
it was made for, so that trusting it lets nobody imitate other sites; a new name therefore needs a new
authority, which the result tells. https://www.rfc-editor.org/rfc/rfc5280#section-4.2.1.10
"""

import contextlib
import ipaddress
import os
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

__all__ = ["Certificates", "ensure_certificates"]

AUTHORITY_DAYS = 3650
# The longest life that clients accept of a server certificate: https://support.apple.com/HT211025
LEAF_DAYS = 397
RENEW_DAYS = 30
LOCAL_NAMES = ("localhost", "*.localhost", "127.0.0.1", "::1")

_Address = ipaddress.IPv4Address | ipaddress.IPv6Address
_LABEL = re.compile(r"(?!-)[a-z0-9_-]{1,63}(?<!-)", re.ASCII)


@dataclass(frozen=True, slots=True, kw_only=True)
class Certificates:
    """Paths of PEM files: what clients trust, and what the server serves.

    ``new_authority`` is true when the authority was just made: whoever trusted an older one has to trust it.
    """

    authority: Path
    certificate: Path
    key: Path
    new_authority: bool


@dataclass(frozen=True, slots=True)
class _Pair:
    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey


def ensure_certificates(
    directory: Path, hosts: Iterable[str] = (), *, now: Callable[[], datetime] = lambda: datetime.now(UTC)
) -> Certificates:
    """Make or renew ``ca.pem``, ``ca.key``, ``server.pem`` and ``server.key`` in ``directory``.

    The server certificate is for localhost and its subdomains, 127.0.0.1, ::1 and ``hosts`` (names,
    wildcards, IP addresses). Files are kept while they fit together, cover the hosts and have thirty days to
    go. Keys are readable by their owner only. Raises ValueError for a host that is neither a name nor an
    address.

    OpenSSL matches no wildcard directly below a top-level name, so ``*.localhost`` serves other clients only:
    name such a host in ``hosts``, which needs no new authority.
    """
    names = list(dict.fromkeys(_general_name(host) for host in (*LOCAL_NAMES, *hosts)))
    directory.mkdir(parents=True, exist_ok=True, mode=0o700)
    moment = now().replace(microsecond=0)
    authority = _load(directory / "ca.pem", directory / "ca.key")
    new_authority = authority is None or not _fresh(authority, moment) or not _permits(authority, names)
    if authority is None or new_authority:
        authority = _make_authority(names, moment)
        _save(authority, directory / "ca.pem", directory / "ca.key")
    leaf = _load(directory / "server.pem", directory / "server.key")
    if leaf is None or not _fresh(leaf, moment) or not _covers(leaf, authority, names):
        leaf = _make_leaf(authority, names, moment)
        _save(leaf, directory / "server.pem", directory / "server.key", chain=authority.certificate)
    return Certificates(
        authority=directory / "ca.pem",
        certificate=directory / "server.pem",
        key=directory / "server.key",
        new_authority=new_authority,
    )


def _general_name(host: str) -> x509.DNSName | x509.IPAddress:
    text = host.strip().lower().removeprefix("[").removesuffix("]").rstrip(".")
    with contextlib.suppress(ValueError):
        return x509.IPAddress(ipaddress.ip_address(text))
    with contextlib.suppress(UnicodeError):
        text = text.encode("idna").decode()
    if len(text) > 253 or not all(_LABEL.fullmatch(part) for part in text.removeprefix("*.").split(".")):
        raise ValueError(f"{host!r} is neither a host name nor an IP address")
    return x509.DNSName(text)


def _make_authority(names: list[x509.DNSName | x509.IPAddress], now: datetime) -> _Pair:
    key = ec.generate_private_key(ec.SECP256R1())
    # The date tells apart authorities in a list of trusted ones.
    name = x509.Name(
        [
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, "Orgstead"),
            x509.NameAttribute(NameOID.COMMON_NAME, f"Orgstead local authority {now:%Y-%m-%d %H:%M:%S}"),
        ]
    )
    builder = (
        _builder(name, name, key, now, timedelta(days=AUTHORITY_DAYS))
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_key_usage(authority=True), critical=True)
        .add_extension(
            x509.NameConstraints(permitted_subtrees=_subtrees(names), excluded_subtrees=None), critical=True
        )
    )
    return _Pair(builder.sign(key, hashes.SHA256()), key)


def _make_leaf(authority: _Pair, names: list[x509.DNSName | x509.IPAddress], now: datetime) -> _Pair:
    key = ec.generate_private_key(ec.SECP256R1())
    life = min(timedelta(days=LEAF_DAYS), authority.certificate.not_valid_after_utc - now)
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    issuer_key = x509.AuthorityKeyIdentifier.from_issuer_public_key(authority.key.public_key())
    builder = (
        _builder(subject, authority.certificate.subject, key, now, life)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_key_usage(authority=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .add_extension(issuer_key, critical=False)
    )
    return _Pair(builder.sign(authority.key, hashes.SHA256()), key)


def _builder(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePrivateKey, now: datetime, life: timedelta
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        # An hour back, for clients whose clock is behind.
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now - timedelta(hours=1) + life)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    )


def _key_usage(*, authority: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not authority,
        key_cert_sign=authority,
        crl_sign=authority,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def _subtrees(names: list[x509.DNSName | x509.IPAddress]) -> list[x509.GeneralName]:
    subtrees: list[x509.GeneralName] = [x509.IPAddress(ipaddress.ip_network("127.0.0.0/8"))]
    for name in names:
        if isinstance(name, x509.DNSName):
            subtrees.append(x509.DNSName(name.value.removeprefix("*.")))
        elif isinstance(name.value, _Address) and name.value not in ipaddress.ip_network("127.0.0.0/8"):
            subtrees.append(x509.IPAddress(ipaddress.ip_network(name.value)))
    return list(dict.fromkeys(subtrees))


def _permits(authority: _Pair, names: list[x509.DNSName | x509.IPAddress]) -> bool:
    try:
        constraints = authority.certificate.extensions.get_extension_for_class(x509.NameConstraints).value
    except x509.ExtensionNotFound:
        return False
    return set(_subtrees(names)) <= set(constraints.permitted_subtrees or ())


def _covers(leaf: _Pair, authority: _Pair, names: list[x509.DNSName | x509.IPAddress]) -> bool:
    try:
        leaf.certificate.verify_directly_issued_by(authority.certificate)
        covered = leaf.certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except (InvalidSignature, ValueError, TypeError, x509.ExtensionNotFound):
        return False
    return set(names) <= set(covered)


def _fresh(pair: _Pair, now: datetime) -> bool:
    certificate = pair.certificate
    return (
        certificate.not_valid_before_utc
        <= now
        <= certificate.not_valid_after_utc - timedelta(days=RENEW_DAYS)
    )


def _load(certificate_path: Path, key_path: Path) -> _Pair | None:
    """The certificate and its key; None when one is missing, is damaged or does not belong to the other."""
    try:
        certificate = x509.load_pem_x509_certificate(certificate_path.read_bytes())
        key = load_pem_private_key(key_path.read_bytes(), password=None)
    except (FileNotFoundError, ValueError, TypeError):
        return None
    if not isinstance(key, ec.EllipticCurvePrivateKey) or key.public_key() != certificate.public_key():
        return None
    return _Pair(certificate, key)


def _save(
    pair: _Pair, certificate_path: Path, key_path: Path, *, chain: x509.Certificate | None = None
) -> None:
    key = pair.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    certificates = [pair.certificate] if chain is None else [pair.certificate, chain]
    _write(key_path, key, mode=0o600)
    _write(certificate_path, b"".join(c.public_bytes(Encoding.PEM) for c in certificates), mode=0o644)


def _write(path: Path, data: bytes, *, mode: int) -> None:
    draft = path.with_name(f"{path.name}.{os.getpid()}.new")
    draft.unlink(missing_ok=True)
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    draft.replace(path)
