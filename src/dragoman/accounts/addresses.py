"""The address of a client: that of its connection, or what a trusted proxy says it is."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable
from typing import Final

_NETWORK: Final = 64
"""Bits of an IPv6 address that a client cannot choose: who has one address has the whole network."""
_MOST: Final = 32
"""The most entries of X-Forwarded-For that are read, from the right."""
_LONGEST: Final = 64


class Proxies:
    """The proxies whose X-Forwarded-For is believed. networks: addresses and networks."""

    def __init__(self, networks: Iterable[str] = ()) -> None:
        self._networks = tuple(ipaddress.ip_network(one, strict=False) for one in networks)

    def client_of(self, peer: str | None, forwarded: str | None) -> str | None:
        """The client's address, as limits count it: an IPv6 address by its /64 network. None = it has none,
        as on a Unix socket whose proxy does not state one.

        peer: the address of the connection's other end; None or "" = a Unix socket, which only programs of
        this machine can open, so it counts as a trusted proxy. forwarded: the header X-Forwarded-For; the
        last address in it that is not of a trusted proxy is the client's, because everything before it is
        whatever the client has sent.
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
    """An address as limits count it: an IPv6 address by its /64 network, without a zone; another text, such
    as a name, as it is. None = none.
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
    """The address in an entry of X-Forwarded-For, which may have a port; None = there is none."""
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
    """An address without its zone; an IPv4 address that is written as IPv6 as itself. Raises ValueError."""
    parsed = ipaddress.ip_address(address.partition("%")[0])
    return getattr(parsed, "ipv4_mapped", None) or parsed
