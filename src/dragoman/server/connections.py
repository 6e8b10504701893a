"""Counts the connections of clients, and limits how many there are and how long they keep the server waiting.

One timer checks all connections once a second (docs/decisions/0006). A connection whose client is too slow to
send is ended by its protocol object (`Served`), or by the reader of a body (`server.bodies`). This module
ends a connection whose client does not read its answer. It also ends connections that wait for their clients:
to make room for a new connection when a limit is reached, and when the requests whose handlers have not begun
take too much memory. The limits are settings (`config.serving`).
"""

from __future__ import annotations

import asyncio
import ipaddress
import sys
from collections import Counter
from collections.abc import Callable
from typing import Final, Protocol

from dragoman import ir
from dragoman.capacity.space import Space
from dragoman.config.serving import Server
from dragoman.seams.clock import SYSTEM
from dragoman.server.faults import CROWDED

_TICK = 1.0
"""Seconds between two checks of all connections."""
_RESERVED = 64
"""File descriptors that are left for other things than connections of clients: the listening socket, files,
the database, the model process.
"""
_MOST_DESCRIPTORS = 65_536
"""The highest file descriptor limit that is requested. Some systems allow billions, and then make tables of
that size.
"""
_FEWEST = 16
"""The smallest connection limit, for all addresses together or for one address, that is computed if the
setting for the limit is missing.
"""
_WITHOUT_LIMIT = 10_000
"""The connection limit if `max_connections` is not set, and the number of file descriptors of a process is
unlimited or not known.
"""
_LOCAL: Final = "a local socket"

Reached = Callable[[str, str], None]
"""Counts and logs that a limit was reached. Arguments: the limit's name, a detail for the log."""


class Served(Protocol):
    """The protocol object of one client connection, HTTP or WebSocket, as `Connections` uses it."""

    transport: asyncio.Transport
    peer: Peer

    def idle_since(self) -> float | None:
        """Return since when the connection has waited for its client, in seconds of `SYSTEM.monotonic`. None
        = it does not wait, for example because a request runs; or it has waited too briefly to be ended for
        others.
        """

    def look(self, now: float) -> None:
        """End the connection if its client has sent nothing, or too little, for too long. A client that waits
        for an answer, or is silent between two WebSocket messages, is left alone. `Connections` calls this
        once a second. now: the time of `SYSTEM.monotonic`.
        """

    def abandon(self) -> None:
        """End the connection now, without an answer to its requests, because room is needed for others."""


class Upgraded(Served, Protocol):
    """The HTTP protocol object of a connection whose client has asked for a WebSocket. all_connections: the
    Connections to which it belongs.
    """

    all_connections: Connections

    def refuse(self, fault: ir.Fault) -> None:
        """Answer with an error over HTTP in place of the WebSocket, and read nothing more from the client."""


class Peer:
    """The client of one connection: the address under which the connection is counted (`_address`), and the
    seconds that the client has left to read its answer.

    The client has a budget of `write_timeout` seconds; 0 = no limit. The budget falls while writing is paused
    because the client reads too slowly, and while a closing connection has bytes that the client has not
    read. It rises by one second for each `min_rate` bytes that the client reads, up to `write_timeout`. If
    `min_rate` is 0, any byte that is read gives `write_timeout` seconds back. Each new pause begins with a
    full budget.
    """

    __slots__ = ("_left", "_patience", "_rate", "_seen_at", "_waiting", "address", "kept", "paused")

    def __init__(self, address: str, settings: Server) -> None:
        self.address = address
        self.paused = False
        """Whether writing is paused, because the client reads too slowly."""
        self.kept = 0
        """The bytes of requests whose handlers have not begun (`Connections.keep`)."""
        self._patience = float(settings.write_timeout)
        self._rate = settings.min_rate
        self._left = self._patience
        self._waiting = 0
        self._seen_at = 0.0

    def resumed(self) -> None:
        """Record that the client has read most of the written bytes: writing is no longer paused. The next
        pause begins with a full budget.
        """
        self.paused = False
        self._waiting = 0

    def stalls(self, transport: asyncio.Transport, now: float) -> bool:
        """Bring the client's budget up to date, and return whether the connection must be ended: writing is
        paused or the connection is closing, written bytes wait to be read, and the budget is used up. False
        if `write_timeout` is 0. now: the time of `SYSTEM.monotonic`.
        """
        if not (self.paused or transport.is_closing()):
            self._waiting = 0
            return False
        waiting = transport.get_write_buffer_size()
        if not self._waiting:
            self._left = self._patience
        else:
            read = max(0, self._waiting - waiting)
            earned = read / self._rate if self._rate else self._patience * (read > 0)
            self._left = min(self._patience, self._left + earned - (now - self._seen_at))
        self._waiting, self._seen_at = waiting, now
        return bool(self._patience) and waiting > 0 and self._left <= 0


class Connections:
    """The open connections of clients to one application (`server.app.App`) in this process. settings: the
    server's settings, which have the limits. reached: called when a limit is reached. bodies: the memory that
    request bodies and WebSocket messages share, None = a new Space. descriptors: how many files and sockets
    the process may open, None = ask the system.

    Attributes: `limit` = the most connections; `limit_per_address` = the most connections of one address.
    """

    def __init__(
        self,
        settings: Server,
        reached: Reached,
        bodies: Space | None = None,
        *,
        descriptors: int | None = None,
    ) -> None:
        self.settings = settings
        self.bodies = bodies or Space(settings.body_space, CROWDED)
        self.reached = reached
        self.limit = connection_limit(settings, descriptors)
        self.limit_per_address = address_limit(settings, self.limit)
        self._shared = [ipaddress.ip_network(entry, strict=False) for entry in settings.shared_addresses]
        self._open: set[Served] = set()
        self._by_address: Counter[str] = Counter()
        self._space = int(settings.head_space)
        self._kept = 0
        self._loop: asyncio.AbstractEventLoop | None = None
        self._timer: asyncio.TimerHandle | None = None

    def state(self) -> dict[str, int]:
        """Return {"open": the number of open connections, "limit": the most that may be open}."""
        return {"open": len(self._open), "limit": self.limit}

    def peer(self, host: str | None) -> Peer:
        """Return a Peer for a new connection. host: the client's IP address; None = the connection is on a
        Unix socket.
        """
        return Peer(_address(host), self.settings)

    def admit(self, served: Served) -> bool:
        """Add a new connection, and return True. If its address has as many connections as an address may
        have, idle connections of this address are ended first. If all addresses together have as many as they
        may have, idle connections of any address are ended first. If none is idle, nothing is added, and the
        result is False; the caller must refuse the connection. An address that several clients share
        (`shared_addresses`), and the Unix socket, have no limit for the address.
        """
        address = served.peer.address
        if self._by_address[address] >= self.limit_per_address and not self._is_shared(address):
            if not self._make_room(address):
                self.reached("connections_of_address", f"by {address}")
                return False
        elif len(self._open) >= self.limit and not self._make_room():
            self.reached("connections", f"({self.limit} are busy)")
            return False
        self._open.add(served)
        self._by_address[address] += 1
        if self._timer is None:
            self._loop = asyncio.get_running_loop()
            self._timer = self._loop.call_later(_TICK, self._look)
        return True

    def hand_over(self, served: Served, successor: Served) -> None:
        """Make `successor` the protocol object of the connection whose protocol object was `served`, because
        the connection becomes a WebSocket. Raises KeyError if `served` is not counted.
        """
        self._open.remove(served)
        self._open.add(successor)

    def leave(self, served: Served) -> None:
        """Stop counting a connection and its bytes (`Peer.kept`), because the connection has ended or is
        about to be ended. Does nothing if the connection is not counted.
        """
        if served in self._open:
            self._open.remove(served)
            self._kept -= served.peer.kept
            served.peer.kept = 0
            address = served.peer.address
            self._by_address[address] -= 1
            if not self._by_address[address]:
                del self._by_address[address]

    def keep(self, served: Served, size: int) -> None:
        """Set how many bytes a connection takes for requests whose handlers have not begun: incomplete heads,
        and requests that wait for the answers to earlier requests. size: these bytes. If all connections
        together then take more than `head_space`, some that take such bytes may be ended, also this one. Does
        nothing if the connection is not counted.
        """
        if served not in self._open:
            return
        peer = served.peer
        more = size - peer.kept
        peer.kept = size
        self._kept += more
        if more > 0 and size < self._kept > self._space:
            self._make_space(served)

    def _make_space(self, newest: Served) -> None:
        self.reached("heads_too_large_together", f"by {newest.peer.address}")
        waiting = [
            (since, index, served)
            for index, served in enumerate(self._open)
            if served.peer.kept and served is not newest and (since := served.idle_since()) is not None
        ]
        waiting.sort()
        for _, _, served in waiting:
            self.leave(served)
            served.abandon()
            if self._kept <= self._space * 3 // 4:
                return
        if newest.peer.kept < self._kept > self._space:  # all other connections run requests
            self.leave(newest)
            newest.abandon()

    def _make_room(self, address: str | None = None) -> bool:
        """End one idle connection and up to `limit` / 32 more. Connections of the address with the most
        connections are ended first, and among connections of one address those that have been idle longest.
        address: only connections of this address may be ended; None = those of any address. Returns True, or
        False if no such connection was idle.
        """
        idle = [
            (-self._by_address[served.peer.address], since, index, served)
            for index, served in enumerate(self._open)
            if (since := served.idle_since()) is not None and address in {None, served.peer.address}
        ]
        if not idle:
            return False
        idle.sort()
        self.reached("idle_connections", f"({len(self._open)} connections are open)")
        for _, _, _, served in idle[: 1 + self.limit // 32]:
            self.leave(served)
            served.abandon()
        return True

    def _is_shared(self, address: str) -> bool:
        if address == _LOCAL:
            return True
        network = ipaddress.ip_network(address)
        return any(network.version == one.version and network.subnet_of(one) for one in self._shared)  # type: ignore[arg-type]

    def _look(self) -> None:
        """Check every connection: end it if its client does not read, else call its `look`. Set the timer for
        the next check, if any connection is left.
        """
        assert self._loop is not None
        now = SYSTEM.monotonic()
        for served in list(self._open):
            if served.peer.stalls(served.transport, now):
                self.reached("write_timeout", f"by {served.peer.address}")
                served.transport.abort()
            else:
                served.look(now)
        self._timer = self._loop.call_later(_TICK, self._look) if self._open else None


def _address(host: str | None) -> str:
    """Return the address under which a connection is counted: the IPv4 address, also if it is written as an
    IPv6 address; for any other IPv6 address its /64 network, in which a client may choose addresses freely;
    for a Unix socket `_LOCAL`. host: the client's IP address; None, or not an IP address = a Unix socket.
    """
    try:
        ip = ipaddress.ip_address((host or "").partition("%")[0])
    except ValueError:
        return _LOCAL
    if isinstance(ip, ipaddress.IPv6Address):
        if ip.ipv4_mapped is None:
            return str(ipaddress.ip_network((ip, 64), strict=False))
        ip = ip.ipv4_mapped
    return str(ip)


def connection_limit(settings: Server, descriptors: int | None = None) -> int:
    """Return how many client connections one worker process may have open: `max_connections`. If it is not
    set: half of (`descriptors` - 64), but at least 16. The 64 (`_RESERVED`) are left for other files.

    descriptors: how many files and sockets the process may open, None = ask the system. If the system has no
    limit, or does not say, the result is 10,000.
    """
    if settings.max_connections is not None:
        return settings.max_connections
    usable = (descriptors or descriptor_limit() or 2 * _WITHOUT_LIMIT + _RESERVED) - _RESERVED
    return max(_FEWEST, usable // 2)  # a request may need a second connection, to its provider


def address_limit(settings: Server, limit: int) -> int:
    """Return how many connections one address may have: `max_connections_per_address`; if this is not set, a
    quarter of `limit`, but at least 16. limit: how many connections all addresses together may have.
    """
    return settings.max_connections_per_address or max(_FEWEST, limit // 4)


def descriptor_limit() -> int | None:
    """Return how many files and sockets this process may open. None = there is no limit, or the system
    (Windows) does not say.
    """
    if sys.platform == "win32":
        return None
    import resource

    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return None if soft == resource.RLIM_INFINITY else soft


def raise_descriptor_limit() -> int | None:
    """Raise the number of files and sockets that this process and its children may open, to the most that the
    system allows, but to at most 65,536. A higher limit stays. If the system refuses the change, the old
    limit stays. Returns the limit from now on; None = there is no limit, or the system (Windows) does not
    say.
    """
    if sys.platform == "win32":
        return None
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = _MOST_DESCRIPTORS if hard == resource.RLIM_INFINITY else min(hard, _MOST_DESCRIPTORS)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
        except (OSError, ValueError):  # macOS has a kernel limit below the hard limit that it tells
            return soft
    return descriptor_limit()
