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
from aiohttp.resolver import ThreadedResolver

from dragoman.errors import DragomanError

_NAT64 = ipaddress.ip_network("64:ff9b::/96")
# Older Pythons call parts of this block global; RFC 6890 reserves all of it for protocols.
_PROTOCOLS = ipaddress.ip_network("192.0.0.0/24")
_NAT64_LOCAL = ipaddress.ip_network("64:ff9b:1::/48")
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
        # IPv4-compatible (::127.0.0.1) and site-local forms are not global in any table of Python's.
        if ip in _NAT64_LOCAL or int(ip) >> 32 == 0 or ip.is_site_local:
            return False
    elif ip in _PROTOCOLS:
        return False
    return ip.is_global and not (ip.is_multicast or ip.is_reserved or ip.is_unspecified or ip.is_loopback)


def ends_in_a_number(host: str) -> bool:
    """Whether some readers take a host for an IPv4 address: `127.1`, `2130706433`, `0177.0.0.1`, `0x7f.1`.

    No name ends so: https://url.spec.whatwg.org/#ends-in-a-number-checker
    """
    return _NUMBER.fullmatch(host.removesuffix(".").rpartition(".")[2]) is not None


class GuardedResolver(AbstractResolver):
    """Resolves names and refuses those with any address that is not global unicast.

    allow: host names or networks that the operator opened to requests.
    """

    def __init__(self, allow: Iterable[str] = (), inner: AbstractResolver | None = None) -> None:
        self._inner = inner
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
        inner = self._inner or ThreadedResolver()
        found = await inner.resolve(host, port, family)
        if not all(self.permits(host, entry["host"]) for entry in found):
            raise EgressRefused(f"requests may not reach {host}")
        return found

    async def close(self) -> None:
        """Close the inner resolver."""
        if self._inner is not None:
            await self._inner.close()
