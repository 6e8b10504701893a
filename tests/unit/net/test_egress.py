"""The tricks by which a request could make the gateway talk to its own network."""

from __future__ import annotations

import socket

import pytest
from aiohttp.abc import AbstractResolver, ResolveResult

from dragoman.net.egress import EgressRefused, GuardedResolver, ends_in_a_number, is_public


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1",
        "127.1.2.3",
        "0.0.0.0",
        "10.0.0.1",
        "172.16.0.1",
        "192.168.1.1",
        "169.254.169.254",
        "100.64.0.1",
        "192.0.0.8",
        "198.18.0.1",
        "224.0.0.1",
        "240.0.0.1",
        "255.255.255.255",
        "::1",
        "::",
        "::127.0.0.1",
        "::ffff:127.0.0.1",
        "::ffff:169.254.169.254",
        "64:ff9b::7f00:1",
        "64:ff9b:1::1",
        "2002:7f00:1::",
        "2001:0:4136:e378:8000:63bf:80ff:fffe",  # Teredo that hides 127.0.0.1
        "fe80::1%eth0",
        "fc00::1",
        "fec0::1",
        "ff02::1",
        "2001:db8::1",
        "168.63.129.16",  # Azure's platform
        "::ffff:168.63.129.16",
        "64:ff9b::a83f:8110",
        "2002:a83f:8110::1",
        "100.100.100.200",  # Alibaba's metadata
        "192.0.0.192",  # Oracle's
        "fd00:ec2::254",  # Amazon's
        "fd20:ce::254",  # Google's
        "::ffff:0:7f00:1",  # translated by the host itself (RFC 7915)
        "2a01:4f8::5efe:a00:1",  # ISATAP that hides 10.0.0.1
        "2a01:4f8::200:5efe:a00:1",
        "3fff::1",
        "4000::1",
        "5f00::1",
    ],
)
def test_no_address_of_our_own_network_is_public(address: str) -> None:
    assert not is_public(address)


@pytest.mark.parametrize(
    "address",
    ["8.8.8.8", "1.1.1.1", "2606:4700:4700::1111", "::ffff:8.8.8.8", "2002:808:808::", "168.63.129.17"],
)
def test_global_unicast_is_public(address: str) -> None:
    assert is_public(address)


class Names(AbstractResolver):
    """Answers each look-up of a name with the next of its addresses."""

    def __init__(self, *addresses: list[str]) -> None:
        self._addresses = list(addresses)

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        found = self._addresses.pop(0)
        return [
            ResolveResult(hostname=host, host=address, port=port, family=socket.AF_INET, proto=0, flags=0)
            for address in found
        ]

    async def close(self) -> None:
        return None


async def test_a_name_is_refused_when_any_of_its_addresses_is_out_of_bounds() -> None:
    guard = GuardedResolver(inner=Names(["8.8.8.8", "127.0.0.1"]))
    with pytest.raises(EgressRefused, match=r"sneaky\.example"):
        await guard.resolve("sneaky.example", 80)


async def test_a_name_that_rebinds_is_judged_by_what_is_connected_to() -> None:
    guard = GuardedResolver(inner=Names(["8.8.8.8"], ["127.0.0.1"]))
    assert [found["host"] for found in await guard.resolve("rebind.example", 80)] == ["8.8.8.8"]
    with pytest.raises(EgressRefused):
        await guard.resolve("rebind.example", 80)


@pytest.mark.parametrize("name", ["127.1", "0x7f.1", "2130706433", "localhost", "0"])
async def test_spellings_of_loopback_that_only_the_system_understands_are_refused(name: str) -> None:
    with pytest.raises((EgressRefused, OSError)):
        await GuardedResolver().resolve(name, 80)


async def test_the_operator_may_open_a_host_or_a_network() -> None:
    by_name = GuardedResolver(["files.internal"], Names(["10.0.0.9"]))
    assert (await by_name.resolve("files.internal", 80))[0]["host"] == "10.0.0.9"
    by_network = GuardedResolver(["10.0.0.0/8"], Names(["10.0.0.9"], ["192.168.0.1"]))
    assert (await by_network.resolve("other.internal", 80))[0]["host"] == "10.0.0.9"
    with pytest.raises(EgressRefused):
        await by_network.resolve("other.internal", 80)


@pytest.mark.parametrize(
    "host", ["127.1", "2130706433", "0177.0.0.1", "0", "0x7f.1", "0X7F", "0x", "127.0.0.1.", "a.1", "٣"]
)
def test_a_host_that_some_reader_takes_for_an_address_is_no_name(host: str) -> None:
    assert ends_in_a_number(host)


@pytest.mark.parametrize("host", ["example.com", "1.example", "0x7f.example.", "3com", "a.0xg", "", "."])
def test_a_name_is_a_name(host: str) -> None:
    assert not ends_in_a_number(host)
