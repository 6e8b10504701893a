"""Opens connections: looks up the host name, tries its addresses (RFC 8305), and does the TLS handshake. Also
makes the TLS contexts.
"""

from __future__ import annotations

import asyncio
import ipaddress
import socket
import ssl
from collections.abc import Awaitable, Callable
from functools import cache
from typing import Any, Final, TypeAlias, TypeVar

import aiohappyeyeballs

from dragoman.net.client import Origin
from dragoman.net.failures import ConnectTimeout, NotReached, meaning_of
from dragoman.net.h1.connection import Connection

_HEAD_START: Final = 0.25
"""Seconds after which the next address is tried, too, while the one before it has not answered (RFC 8305,
section 8).
"""
_KEPT: Final = 10.0
"""Seconds for which the addresses of a name are used again. The system does not tell how long they are valid.
"""
_MOST_SESSIONS: Final = 64

Address: TypeAlias = tuple[int, int, int, str, tuple[Any, ...]]
"""An entry of the list that `socket.getaddrinfo` returns."""
_Made = TypeVar("_Made", bound=asyncio.BaseProtocol)
Lookup: TypeAlias = Callable[[str, int], Awaitable[list[Address]]]
"""A function that looks up the addresses of a host and a port. It raises OSError if there are none."""


class Sessions(ssl.SSLContext):
    """A TLS context for clients that resumes the latest session with each host.

    asyncio and uvloop create the TLS object by `wrap_bio`, and have no parameter for a session.
    """

    _latest: dict[str, ssl.SSLSession]

    def wrap_bio(self, *args: Any, **options: Any) -> ssl.SSLObject:
        host = options.get("server_hostname")
        options.setdefault("session", self._known().get(host or ""))
        return super().wrap_bio(*args, **options)

    def remember(self, host: str, session: ssl.SSLSession | None) -> None:
        """Store a session, to be resumed at the next connection to the host, in place of an earlier one. None
        and a session that cannot be resumed are ignored. If `_MOST_SESSIONS` hosts have a session, all are
        removed first.
        """
        known = self._known()
        if session is not None and session.has_ticket:
            if len(known) >= _MOST_SESSIONS:
                known.clear()
            known[host] = session

    def _known(self) -> dict[str, ssl.SSLSession]:
        try:
            return self._latest
        except AttributeError:
            self._latest = {}
            return self._latest


def trusting(
    *,
    ca_file: str | None = None,
    verify: bool = True,
    client_cert: str | None = None,
    client_key: str | None = None,
) -> Sessions:
    """Return a TLS context for connections to a provider, with TLS 1.2 or newer.

    ca_file: a file with PEM certificates that replace the system's, None = the system's; ignored if `verify`
    is False. verify: False = the provider's certificate and its host name are not checked. client_cert: a PEM
    file with the client certificate for the provider, None = none. client_key: the file with its key, None =
    the key is in the same file; ignored without `client_cert`. Raises OSError for a file that cannot be read,
    ssl.SSLError for one that is not valid.
    """
    context = Sessions(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(["http/1.1"])
    if not verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    elif ca_file is not None:
        context.load_verify_locations(cafile=ca_file)
    else:
        context.load_default_certs()
    if client_cert is not None:
        # Without a password, OpenSSL would ask for the passphrase of an encrypted key at the terminal.
        context.load_cert_chain(client_cert, client_key, password="")
    return context


@cache
def trusting_the_system() -> Sessions:
    """Return the TLS context that is shared by all providers without TLS settings; it trusts the
    system's certificates. It is made once, at the first call: loading certificates takes 25 ms.
    """
    return trusting()


class Dialer:
    """Opens connections to one provider. tls: the context for https; None = `trusting_the_system`. lookup:
    finds the addresses of a name; None = the system's look-up. The addresses are used again for `_KEPT`
    seconds, but not after a failure to connect. permits: returns whether a connection to (host, IP address)
    is allowed; None = all are. If at least one address of a host is not allowed, no connection to the host is
    opened. Connections use exactly the addresses that were checked.
    """

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        tls: Sessions | None = None,
        lookup: Lookup | None = None,
        permits: Callable[[str, str], bool] | None = None,
    ) -> None:
        self._loop = loop
        self._tls = tls
        self._lookup = lookup or self._system
        self._permits = permits
        self._known: dict[tuple[str, int], tuple[float, list[Address]]] = {}
        self._looking: dict[tuple[str, int], asyncio.Task[list[Address]]] = {}
        """The running look-ups. All requests that need the same name wait for the same look-up."""

    async def dial(self, origin: Origin, seconds: float | None, make: Callable[[], _Made]) -> _Made:
        """Open a connection, and return the protocol object that `make` has created for it. seconds: the time
        for look-up, connection and TLS together, None = no limit. Raises ConnectTimeout after this time;
        NotReached if one of the steps fails, or if at least one address of the host is not allowed.
        """
        limit = asyncio.timeout(seconds)
        try:
            async with limit:
                return await self._dialed(origin, make)
        except (OSError, UnicodeError) as error:  # also of TLS, and of a name that cannot be looked up
            raise (ConnectTimeout() if limit.expired() else NotReached(meaning_of(error))) from error

    def learn(self, origin: Origin, connection: Connection) -> None:
        """Store the TLS session of a connection, so that later connections to the origin's host resume it.
        Does nothing for a connection without TLS, if the session cannot be resumed, or if it was stored
        before.
        """
        secure = connection.secure
        if secure is not None and not connection.learnt and (session := secure.session) is not None:
            connection.learnt = session.has_ticket
            self._context().remember(origin.host, session)

    def _context(self) -> Sessions:
        if self._tls is None:
            self._tls = trusting_the_system()
        return self._tls

    async def _dialed(self, origin: Origin, make: Callable[[], _Made]) -> _Made:
        addresses = await self._addresses(origin)
        if self._permits is not None and not all(self._permits(origin.host, one[4][0]) for one in addresses):
            raise PermissionError("an address of the host is not allowed")
        try:
            opened = await aiohappyeyeballs.start_connection(
                addresses, happy_eyeballs_delay=_HEAD_START, interleave=1, loop=self._loop
            )
        except OSError:
            self._known.pop((origin.host, origin.port), None)  # the name may have moved
            raise
        try:
            opened.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            secure: dict[str, Any] = {}
            if origin.scheme == "https":
                secure = {"ssl": self._context(), "server_hostname": origin.host}
            _, connection = await self._loop.create_connection(make, sock=opened, **secure)
        except BaseException:
            opened.close()
            raise
        return connection

    async def _addresses(self, origin: Origin) -> list[Address]:
        key = (origin.host, origin.port)
        known = self._known.get(key)
        if known is not None and known[0] >= self._loop.time():
            addresses = known[1]
        else:
            looking = self._looking.get(key)
            if looking is None:
                looking = self._looking[key] = self._loop.create_task(self._look_up(key))
                looking.add_done_callback(_noticed)
            addresses = await asyncio.shield(looking)  # a cancelled caller does not end it for the others
        if len(addresses) > 1:  # each connection begins with another address
            addresses.append(addresses.pop(0))
        return list(addresses)

    async def _look_up(self, key: tuple[str, int]) -> list[Address]:
        try:
            addresses = await self._lookup(*key)
            if not addresses:
                raise socket.gaierror(socket.EAI_NONAME, "the name has no address")
            self._known[key] = (self._loop.time() + _KEPT, addresses)
            return addresses
        finally:
            del self._looking[key]

    async def _system(self, host: str, port: int) -> list[Address]:
        try:
            number = ipaddress.ip_address(host.partition("%")[0])
        except ValueError:
            flags = socket.AI_ADDRCONFIG
        else:
            if "%" not in host:
                family = socket.AF_INET if number.version == 4 else socket.AF_INET6
                place: tuple[Any, ...] = (host, port) if number.version == 4 else (host, port, 0, 0)
                return [(family, socket.SOCK_STREAM, socket.IPPROTO_TCP, "", place)]
            flags = socket.AI_NUMERICHOST
        found = await self._loop.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, proto=socket.IPPROTO_TCP, flags=flags
        )
        return list(found)


def _noticed(looking: asyncio.Task[list[Address]]) -> None:
    """Retrieve the exception of a failed look-up. Perhaps no task waits for it any more, and then asyncio
    would log that it was never retrieved.
    """
    if not looking.cancelled():
        looking.exception()
