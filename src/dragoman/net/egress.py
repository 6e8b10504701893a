"""Decides to which addresses a request may make the gateway connect (for an image by URL, for example): to
public addresses (`is_public`), and to those that the operator allows.

The connection uses exactly the addresses that were resolved and checked here, on every redirect. So changing
a name's address between the check and its use has no effect.
"""

from __future__ import annotations

import ipaddress
import re
import socket
from collections.abc import Iterable
from typing import TYPE_CHECKING

from dragoman.errors import DragomanError
from dragoman.net.resolver import Resolver

if TYPE_CHECKING:
    from aiohttp.abc import AbstractResolver, ResolveResult

_GLOBAL = ipaddress.ip_network("2000::/3")
"""All global IPv6 unicast addresses that IANA has assigned:
https://www.iana.org/assignments/ipv6-address-space
"""
_DOCUMENTATION = ipaddress.ip_network("3fff::/20")  # RFC 9637, unknown to most Python versions
_PLATFORMS = frozenset({ipaddress.ip_address("168.63.129.16")})
"""Global unicast addresses at which a cloud provider offers internal services to its machines. Azure:
https://learn.microsoft.com/azure/virtual-network/what-is-ip-address-168-63-129-16. Other clouds use networks
that are not global (169.254/16, 100.64/10, 192.0.0/24, fd00::/8).
"""
_ISATAP = frozenset({0x00005EFE, 0x02005EFE})
"""The first halves of interface identifiers whose second half is an IPv4 address (RFC 5214, section 6.1)."""
_NAT64 = ipaddress.ip_network("64:ff9b::/96")
# Older Python versions call parts of this block global; RFC 6890 reserves all of it for protocols.
_PROTOCOLS = ipaddress.ip_network("192.0.0.0/24")
_NUMBER = re.compile(r"\d+|0x[0-9a-f]*", re.IGNORECASE)


class EgressRefused(DragomanError):
    """The gateway may not connect to the host of a URL in a request. The message names the host, not the
    addresses that were looked up for it.
    """


def is_public(address: str) -> bool:
    """Whether an IP address is public: global unicast, and not an internal address of a cloud (`_PLATFORMS`).
    A zone (`%eth0`) is ignored. Raises ValueError if `address` is not an IP address.

    If an IPv4 address is embedded in an IPv6 address (IPv4-mapped, 6to4, Teredo, 64:ff9b::/96), the IPv4
    address alone decides. For an ISATAP address, both the IPv6 and the IPv4 address must be public.
    """
    ip = ipaddress.ip_address(address.partition("%")[0])
    if isinstance(ip, ipaddress.IPv6Address):
        inner = ip.ipv4_mapped or ip.sixtofour or (ip.teredo[1] if ip.teredo else None)
        if inner is None and ip in _NAT64:
            inner = ipaddress.IPv4Address(int(ip) & 0xFFFFFFFF)
        if inner is not None:
            return is_public(str(inner))
        # Python's tables miss some addresses outside of 2000::/3: forms with an embedded IPv4 address
        # (::127.0.0.1, ::ffff:0:127.0.0.1, a network's own NAT64), site-local addresses, unassigned ones.
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
    """Whether the last label of this host is a number, decimal or hexadecimal; a dot at the end is ignored.
    Some systems read such a host as an IPv4 address: `127.1`, `2130706433`, `0177.0.0.1`, `0x7f.1`.

    https://url.spec.whatwg.org/#ends-in-a-number-checker
    """
    return _NUMBER.fullmatch(host.removesuffix(".").rpartition(".")[2]) is not None


class GuardedResolver:
    """Resolves host names. It refuses a name if at least one of the name's addresses is not permitted (see
    `permits`). It has the methods of `aiohttp.abc.AbstractResolver`.

    allow: host names (each for itself, without its subdomains), IP addresses or networks that requests may
    use although they are not public. inner: the resolver that does the look-up; None = a new `Resolver`.
    """

    def __init__(self, allow: Iterable[str] = (), inner: Resolver | AbstractResolver | None = None) -> None:
        self._inner = inner or Resolver()
        self._hosts: set[str] = set()
        self._networks: list[ipaddress.IPv4Network | ipaddress.IPv6Network] = []
        for entry in allow:
            try:
                self._networks.append(ipaddress.ip_network(entry, strict=False))
            except ValueError:
                self._hosts.add(entry.lower().rstrip("."))

    def permits(self, host: str, address: str) -> bool:
        """Whether a request with a URL of this `host` may connect to the IP address `address`: the address is
        public (`is_public`), or `allow` contains the host or the address. Raises ValueError if `address` is
        not an IP address.
        """
        if is_public(address) or host.lower().rstrip(".") in self._hosts:
            return True
        ip = ipaddress.ip_address(address.partition("%")[0])
        return any(ip in network for network in self._networks)

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        """Return the IP addresses of `host` as aiohttp's dicts, whose `host` is an address and whose `port`
        is the given one. family: only addresses of this family; AF_UNSPEC = all. Raises EgressRefused if at
        least one of the addresses is not permitted; and the errors of `inner`: with a `Resolver`, Unresolved
        if the look-up takes too long or cannot begin, and OSError if the name has no address.
        """
        found = await self._inner.resolve(host, port, family)
        if not all(self.permits(host, entry["host"]) for entry in found):
            raise EgressRefused(f"URLs in requests may not lead to {host}")
        return found

    async def close(self) -> None:
        await self._inner.close()
