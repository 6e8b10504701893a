"""Whose address a limit counts."""

from __future__ import annotations

import pytest

from dragoman.accounts.addresses import Proxies, subject_of

TRUSTED = Proxies(["10.0.0.0/8", "2001:db8:ffff::/48", "192.0.2.1"])


@pytest.mark.parametrize(
    ("peer", "forwarded", "client"),
    [
        ("203.0.113.7", None, "203.0.113.7"),
        ("203.0.113.7", "198.51.100.1", "203.0.113.7"),  # nobody whose word counts
        ("10.1.2.3", None, "10.1.2.3"),
        ("10.1.2.3", "", "10.1.2.3"),
        ("10.1.2.3", "198.51.100.1", "198.51.100.1"),
        ("10.1.2.3", "6.6.6.6, 198.51.100.1", "198.51.100.1"),  # the client has sent the first one
        ("10.1.2.3", "6.6.6.6, 198.51.100.1, 10.9.9.9, 192.0.2.1", "198.51.100.1"),
        ("10.1.2.3", "10.9.9.9", "10.9.9.9"),  # a client in the proxies' own network
        ("10.1.2.3", "198.51.100.1:4711", "198.51.100.1"),
        ("10.1.2.3", "[2001:db8::7]:443", "2001:db8::/64"),
        ("10.1.2.3", "6.6.6.6, unknown, 10.9.9.9", "10.9.9.9"),
        ("10.1.2.3", "unknown", "10.1.2.3"),
        ("10.1.2.3", "x" * 5000, "10.1.2.3"),
        ("::ffff:10.1.2.3", "198.51.100.1", "198.51.100.1"),
        ("2001:db8:ffff::1", "2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("", "198.51.100.1", "198.51.100.1"),  # a Unix socket
        (None, "198.51.100.1", "198.51.100.1"),
        (None, None, None),
        ("", "junk", None),
    ],
)
def test_a_trusted_proxy_says_who_its_client_is(
    peer: str | None, forwarded: str | None, client: str | None
) -> None:
    assert TRUSTED.client_of(peer, forwarded) == client


def test_without_trusted_proxies_the_header_says_nothing() -> None:
    assert Proxies().client_of("10.1.2.3", "198.51.100.1") == "10.1.2.3"
    assert Proxies().client_of("", "198.51.100.1") is None


@pytest.mark.parametrize(
    ("address", "counted"),
    [
        ("203.0.113.7", "203.0.113.7"),
        ("2001:db8:1:2:aaaa:bbbb:cccc:dddd", "2001:db8:1:2::/64"),
        ("::ffff:203.0.113.7", "203.0.113.7"),
        ("fe80::1%eth0", "fe80::/64"),
        ("localhost", "localhost"),
        ("", None),
        (None, None),
    ],
)
def test_an_ipv6_client_is_its_network(address: str | None, counted: str | None) -> None:
    assert subject_of(address) == counted


def test_a_header_of_many_proxies_is_read_from_the_right() -> None:
    many = ", ".join(["6.6.6.6"] * 10_000 + ["198.51.100.1"])
    assert TRUSTED.client_of("10.0.0.1", many) == "198.51.100.1"
    assert TRUSTED.client_of("10.0.0.1", ", ".join(["10.0.0.2"] * 1000)) == "10.0.0.2"
