"""Finds the address by which limits count a client: the address of its connection, or the one that a trusted
proxy states in the header X-Forwarded-For.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable
from typing import Final

_NETWORK: Final = 64
"""The prefix length of the network by which an IPv6 client is counted. A client usually has such a network
for itself, and can choose the other bits of its address.
"""
_MOST: Final = 32
"""The most entries of X-Forwarded-For that are read, from the right."""
_LONGEST: Final = 64


class Proxies:
    """The trusted proxies: the header X-Forwarded-For is used only if the request comes from one of them, or
    over a Unix socket. networks: their IP addresses and networks (`10.0.0.0/8`); none = the header is never
    used, over a Unix socket neither. Raises ValueError for a text that is neither an address nor a network.
    """

    def __init__(self, networks: Iterable[str] = ()) -> None:
        self._networks = tuple(ipaddress.ip_network(one, strict=False) for one in networks)

    def client_of(self, peer: str | None, forwarded: str | None) -> str | None:
        """Return the address by which limits count the client: an IPv6 address as its /64 network. None = the
        client has no known address, as on a Unix socket without a proxy that states one.

        peer: the address of the connection's other end; None or "" = a Unix socket. forwarded: the value of
        X-Forwarded-For. It is used only if there are trusted proxies, and the peer is one of them or a Unix
        socket. Its entries are read from the right, at most 32, up to the first address that is not a trusted
        proxy's, or to an entry that is not an IP address. The last address that was read is the client's; if
        none was read, the peer's.
        """
        if not self._networks or not forwarded or not self._trusts(peer):
            return subject_of(peer)
        entries = forwarded.rsplit(",", _MOST)[-_MOST:]
        last = peer
        for entry in reversed(entries):
            address = _address(entry)
            if address is None:
                break  # the entries to the left of an invalid one cannot be believed
            last = address
            if not self._trusts(address):
                break
        return subject_of(last)

    def _trusts(self, address: str | None) -> bool:
        if not address:
            return True
        try:
            parsed = _plain(address)
        except ValueError:
            return False
        return any(parsed.version == one.version and parsed in one for one in self._networks)


def subject_of(address: str | None) -> str | None:
    """Return an address as limits count it: an IPv6 address as its /64 network, without its zone (`%eth0`);
    an IPv4 address, also in the form `::ffff:10.0.0.1`, as IPv4; a text that is not an IP address, unchanged.
    Returns None for None and "".
    """
    if not address:
        return None
    try:
        parsed = _plain(address)
    except ValueError:
        return address
    if parsed.version == 4:
        return str(parsed)
    return str(ipaddress.ip_network((int(parsed), _NETWORK), strict=False))


def _address(entry: str) -> str | None:
    """Return the IP address in one entry of X-Forwarded-For, without the port that the entry may have; None =
    the entry has no valid address, or has more than 64 characters.
    """
    text = entry.strip()
    if len(text) > _LONGEST:
        return None
    if text.startswith("["):
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        text = text.partition(":")[0]
    try:
        return str(_plain(text))
    except ValueError:
        return None


def _plain(address: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address:
    """Parse an IP address, without its zone (`%eth0`). An IPv4 address that is written as IPv6
    (`::ffff:10.0.0.1`) becomes an IPv4 address. Raises ValueError for any other text.
    """
    parsed = ipaddress.ip_address(address.partition("%")[0])
    return getattr(parsed, "ipv4_mapped", None) or parsed
