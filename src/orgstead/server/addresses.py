"""Which addresses may be called out to: public ones over TLS, and what the operator allows beside them.

A URL that somebody registers must not lead to the machine itself, its neighbours, or the metadata service of a cloud.
https://cheatsheetseries.owasp.org/cheatsheets/Server_Side_Request_Forgery_Prevention_Cheat_Sheet.html
https://www.rfc-editor.org/rfc/rfc6890
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from urllib.parse import SplitResult, urlsplit

from orgstead.errors import Fault, fault

__all__ = ["LOOPBACK", "Allowed", "check_url", "read_allowed"]

# What development mode allows.
LOOPBACK = ("localhost", "127.0.0.0/8", "::1/128")

# An address inside of an address of the sixth version.
NAT64 = IPv6Network("64:ff9b::/96")
COMPATIBLE = IPv6Network("::/96")
# Not to be routed between networks, or ways into networks of one's own.
CLOSED = tuple(
    ip_network(each)
    for each in (
        "192.0.0.0/24", "192.88.99.0/24", "64:ff9b:1::/48", "2001::/23", "2002::/16", "3fff::/20", "5f00::/16",
        "fec0::/10",
    )
)  # fmt: skip
_ENTRY = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[^:\[\]/]+)(?::(\d{1,5}))?")

IPAddress = IPv4Address | IPv6Address


@dataclass(frozen=True, slots=True, kw_only=True)
class Allowed:
    """What may be called although it is not public, or is called without TLS: host names and networks.

    Each with the port that it is allowed at, or None for every port.
    """

    names: frozenset[tuple[str, int | None]] = frozenset()
    networks: tuple[tuple[IPv4Network | IPv6Network, int | None], ...] = ()

    def name(self, host: str, port: int) -> bool:
        """Whether a host is allowed by its name."""
        host = host.lower().rstrip(".")
        return (host, None) in self.names or (host, port) in self.names

    def address(self, address: IPAddress, port: int) -> bool:
        """Whether an address is allowed."""
        found = _plain(address)
        return any(
            found.version == network.version and found in network and at in (None, port)
            for network, at in self.networks
        )

    def may_connect(self, host: str, address: str, port: int, *, plain: bool) -> bool:
        """Whether the address that a host name led to may be connected to; ``plain``: without TLS."""
        try:
            found = ip_address(address)
        except ValueError:
            return False
        if self.name(host, port) or self.address(found, port):
            return True
        return not plain and _public(found)


def read_allowed(entries: Iterable[str]) -> Allowed:
    """What a setting allows: host names, ``host:port``, addresses, networks. Raises ValueError for what is none."""
    names: set[tuple[str, int | None]] = set()
    networks: list[tuple[IPv4Network | IPv6Network, int | None]] = []
    for entry in entries:
        try:
            networks.append((ip_network(entry), None))
            continue
        except ValueError:
            found = _ENTRY.fullmatch(entry)
        if found is None or "/" in entry:
            raise ValueError(f"{entry!r} is neither a host name, host:port nor a network")
        host, port = found[1].strip("[]"), None if found[2] is None else int(found[2])
        if port is not None and not 1 <= port <= 65535:
            raise ValueError(f"{entry!r} has no such port")
        try:
            networks.append((ip_network(host), port))
        except ValueError:
            names.add((host.lower().rstrip("."), port))
    return Allowed(names=frozenset(names), networks=tuple(networks))


def check_url(url: str, allowed: Allowed) -> SplitResult:
    """The parts of a URL that may be called, as far as it can be told without looking up its host name.

    Raises InvalidEndpoint.
    """
    try:
        parts = urlsplit(url)
        port = parts.port or (443 if parts.scheme == "https" else 80)
    except ValueError:
        raise _refused("its url is none") from None
    host = parts.hostname
    if parts.scheme not in ("http", "https") or not host or not url.isascii():
        raise _refused("its url is an absolute one of http or https")
    address = _literal(host)
    known = allowed.name(host, port) or (address is not None and allowed.address(address, port))
    if known:
        return parts
    if parts.scheme == "http":
        raise _refused(
            f"http is only for hosts that callouts_allowed names, and {host[:200]} is not one: use https"
        )
    if address is not None and not _public(address):
        raise _refused(f"{host[:200]} is not a public address, and callouts_allowed does not name it")
    return parts


def _refused(reason: str) -> Fault:
    return fault("InvalidEndpoint", reason=reason)


def _literal(host: str) -> IPAddress | None:
    try:
        return ip_address(host)
    except ValueError:
        return None


def _plain(address: IPAddress) -> IPAddress:
    """The address that is meant by one of the sixth version that holds one of the fourth."""
    if isinstance(address, IPv6Address):
        if address.ipv4_mapped is not None:
            return address.ipv4_mapped
        within = address in NAT64 or (address in COMPATIBLE and int(address) > 0xFFFF)
        if within:
            return IPv4Address(int(address) & 0xFFFFFFFF)
    return address


def _public(address: IPAddress) -> bool:
    found = _plain(address)
    special = (
        found.is_private or found.is_loopback or found.is_link_local or found.is_multicast or found.is_reserved
        or found.is_unspecified or not found.is_global
    )  # fmt: skip
    return not special and not any(found.version == net.version and found in net for net in CLOSED)
