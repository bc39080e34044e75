"""Which addresses may be called out to."""

import pytest

from orgstead.errors import Fault
from orgstead.server.addresses import LOOPBACK, check_url, read_allowed

NOTHING = read_allowed(())
PUBLIC = ("8.8.8.8", "1.1.1.1", "2606:4700:4700::1111", "::ffff:8.8.8.8", "64:ff9b::808:808")
INTERNAL = (
    "127.0.0.1", "127.255.0.1", "0.0.0.0", "10.1.2.3", "172.16.0.1", "172.31.255.255", "192.168.1.1",
    "169.254.169.254", "100.64.0.1", "100.127.255.255", "192.0.0.8", "192.0.2.1", "198.18.0.1", "198.51.100.1",
    "203.0.113.1", "192.88.99.1", "224.0.0.1", "239.255.255.250", "240.0.0.1", "255.255.255.255", "::", "::1",
    "fe80::1", "fe80::1%eth0", "fc00::1", "fd12:3456::1", "fec0::1", "ff02::1", "2001:db8::1", "2001::1",
    "2002:7f00:1::1", "100::1", "3fff::1", "::ffff:127.0.0.1", "::ffff:10.0.0.1", "::ffff:169.254.169.254",
    "::127.0.0.1", "::10.0.0.1", "64:ff9b::7f00:1", "64:ff9b::a00:1", "64:ff9b:1::7f00:1",
)  # fmt: skip


@pytest.mark.parametrize("address", PUBLIC)
def test_public_addresses_are_connected_to_over_tls_only(address: str) -> None:
    assert NOTHING.may_connect("a.example", address, 443, plain=False)
    assert not NOTHING.may_connect("a.example", address, 80, plain=True)


@pytest.mark.parametrize("address", INTERNAL)
def test_no_other_address_is_connected_to(address: str) -> None:
    assert not NOTHING.may_connect("a.example", address, 443, plain=False)


@pytest.mark.parametrize("text", ["not an address", "", "1.2.3", "0x7f000001"])
def test_what_is_no_address_is_not_connected_to(text: str) -> None:
    assert not NOTHING.may_connect("a.example", text, 443, plain=False)


def test_what_is_allowed_is_connected_to_by_its_name_its_network_and_its_port() -> None:
    allowed = read_allowed(
        ["Receiver", "other:8080", "10.1.0.0/16", "192.168.0.7:9000", "[fd00::5]:7000", "fd01::/64"]
    )
    may = [
        ("receiver", "10.9.9.9", 80), ("receiver", "10.9.9.9", 1234), ("other", "127.0.0.1", 8080),
        ("x", "10.1.2.3", 1),         ("x", "::ffff:10.1.2.3", 1), ("x", "192.168.0.7", 9000),
        ("x", "fd00::5", 7000), ("x", "fd01::9", 1),
    ]  # fmt: skip
    assert all(allowed.may_connect(host, address, port, plain=True) for host, address, port in may)
    not_ = [
        ("other", "127.0.0.1", 8081), ("x", "10.2.0.1", 80), ("x", "192.168.0.7", 9001), ("x", "fd00::5", 1),
        ("notreceiver", "10.9.9.9", 80), ("receiver.evil.example", "10.9.9.9", 80),
    ]  # fmt: skip
    assert not any(allowed.may_connect(host, address, port, plain=False) for host, address, port in not_)


@pytest.mark.parametrize(
    "entry", ["", "a:b", "a:0", "a:70000", "10.0.0.0/99", "http://a", "a/b", "10.1.2.3/16"]
)
def test_what_allows_nothing_is_refused_by_name(entry: str) -> None:
    with pytest.raises(ValueError, match=r"is neither a host name|no such port"):
        read_allowed([entry])


@pytest.mark.parametrize(
    "url",
    [
        "https://a.example/hook?x=1",
        "https://8.8.8.8/",
        "https://[2606:4700:4700::1111]:8443/",
        "HTTPS://A.example",
    ],
)
def test_https_urls_of_public_hosts_may_be_registered(url: str) -> None:
    check_url(url, NOTHING)


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("http://a.example/", "callouts_allowed"),
        ("http://8.8.8.8/", "callouts_allowed"),
        ("https://127.0.0.1/", "not a public address"),
        ("https://[::1]/", "not a public address"),
        ("https://169.254.169.254/latest", "not a public address"),
        ("https://[::ffff:10.0.0.1]/", "not a public address"),
        ("ftp://a.example/", "http or https"),
        ("file:///etc/passwd", "http or https"),
        ("https:///nowhere", "http or https"),
        ("https://a.example:70000/", "is none"),
        ("https://[::1/", "is none"),
        ("//a.example/", "http or https"),
        ("https://é.example/", "http or https"),
        ("", "http or https"),
    ],
)
def test_other_urls_are_refused_with_the_reason(url: str, said: str) -> None:
    with pytest.raises(Fault) as refused:
        check_url(url, NOTHING)
    assert refused.value.name == "InvalidEndpoint"
    assert said in refused.value.message


@pytest.mark.parametrize(
    "url", ["http://localhost:9/", "http://127.0.0.1:9/", "http://[::1]:9/", "https://localhost/"]
)
def test_development_allows_this_machine(url: str) -> None:
    check_url(url, read_allowed(LOOPBACK))
    with pytest.raises(Fault):
        check_url("http://10.0.0.1/", read_allowed(LOOPBACK))
