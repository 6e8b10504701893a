"""Where the gateway may connect to.

Origins that the operator configured are trusted, loopback included. Everything that a request names (an
image by URL) must be global unicast, judged by the address that is actually connected to, on every hop:
names are resolved here and the connection uses just these addresses, so a name that changes its mind
between check and use gains nothing.
"""

from __future__ import annotations

import ipaddress
import re
import socket
from collections.abc import Iterable

from aiohttp.abc import AbstractResolver, ResolveResult

from dragoman.errors import DragomanError
from dragoman.net.resolver import Resolver

_GLOBAL = ipaddress.ip_network("2000::/3")
"""All IPv6 unicast that IANA has given out: https://www.iana.org/assignments/ipv6-address-space"""
_DOCUMENTATION = ipaddress.ip_network("3fff::/20")  # RFC 9637, younger than most Pythons
_PLATFORMS = frozenset({ipaddress.ip_address("168.63.129.16")})
"""Addresses of global unicast behind which a cloud's own services answer each of its machines. Azure:
https://learn.microsoft.com/azure/virtual-network/what-is-ip-address-168-63-129-16
Those of other clouds lie in networks that are not global (169.254/16, 100.64/10, 192.0.0/24, fd00::/8).
"""
_ISATAP = frozenset({0x00005EFE, 0x02005EFE})
"""The first half of an interface identifier whose other half is an IPv4 address (RFC 5214, section 6.1)."""
_NAT64 = ipaddress.ip_network("64:ff9b::/96")
# Older Pythons call parts of this block global; RFC 6890 reserves all of it for protocols.
_PROTOCOLS = ipaddress.ip_network("192.0.0.0/24")
_NUMBER = re.compile(r"\d+|0x[0-9a-f]*", re.IGNORECASE)


class EgressRefused(DragomanError):
    """An address that requests may not reach. The message names the host, never the address behind it."""


def is_public(address: str) -> bool:
    """Whether an IP address is global unicast; one that embeds an IPv4 address is judged by that too."""
    ip = ipaddress.ip_address(address.partition("%")[0])
    if isinstance(ip, ipaddress.IPv6Address):
        inner = ip.ipv4_mapped or ip.sixtofour or (ip.teredo[1] if ip.teredo else None)
        if inner is None and ip in _NAT64:
            inner = ipaddress.IPv4Address(int(ip) & 0xFFFFFFFF)
        if inner is not None:
            return is_public(str(inner))
        # What lies outside, Python's tables miss in part: forms that embed an IPv4 address (::127.0.0.1,
        # ::ffff:0:127.0.0.1, a network's own NAT64), site-local ones, whatever is not given out yet.
        if ip not in _GLOBAL or ip in _DOCUMENTATION:
            return False
        if int(ip) >> 32 & 0xFFFFFFFF in _ISATAP and not is_public(
            str(ipaddress.IPv4Address(int(ip) & 0xFFFFFFFF))
        ):
            return False
    elif ip in _PROTOCOLS or ip in _PLATFORMS:
        return False
    return ip.is_global and not (ip.is_multicast or ip.is_reserved or ip.is_unspecified or ip.is_loopback)


def ends_in_a_number(host: str) -> bool:
    """Whether some readers take a host for an IPv4 address: `127.1`, `2130706433`, `0177.0.0.1`, `0x7f.1`.

    No name ends so: https://url.spec.whatwg.org/#ends-in-a-number-checker
    """
    return _NUMBER.fullmatch(host.removesuffix(".").rpartition(".")[2]) is not None


class GuardedResolver(AbstractResolver):
    """Resolves names and refuses those with any address that is not global unicast.

    allow: host names or networks that the operator opened to requests. inner: who looks names up.
    """

    def __init__(self, allow: Iterable[str] = (), inner: AbstractResolver | None = None) -> None:
        self._inner = inner or Resolver()
        self._hosts: set[str] = set()
        self._networks: list[ipaddress.IPv4Network | ipaddress.IPv6Network] = []
        for entry in allow:
            try:
                self._networks.append(ipaddress.ip_network(entry, strict=False))
            except ValueError:
                self._hosts.add(entry.lower().rstrip("."))

    def permits(self, host: str, address: str) -> bool:
        """Whether a request that names `host` may connect to `address`."""
        if is_public(address) or host.lower().rstrip(".") in self._hosts:
            return True
        ip = ipaddress.ip_address(address.partition("%")[0])
        return any(ip in network for network in self._networks)

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        """The addresses to connect to. Raises EgressRefused when one of them is out of bounds."""
        found = await self._inner.resolve(host, port, family)
        if not all(self.permits(host, entry["host"]) for entry in found):
            raise EgressRefused(f"URLs in requests may not lead to {host}")
        return found

    async def close(self) -> None:
        """Close the inner resolver."""
        await self._inner.close()
