"""Counts the connections of clients and ends those that are too many, or that keep the server waiting.

One timer checks all connections once a second (decision 6). A connection's protocol object (`Served`) ends it
when the client is too slow to send. This module ends idle connections when there is no room for a new one or
for heads, and those whose client does not read its answer. The limits are settings (`config.serving`).
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
"""File descriptors that are not for connections: of the listener, files, the database, the model process."""
_MOST_DESCRIPTORS = 65_536
"""The highest file descriptor limit that is requested. Some systems allow billions, and size tables by it."""
_FEWEST = 16
"""The least connection limit, in all and for one address, that is computed from the descriptor limit."""
_WITHOUT_LIMIT = 10_000
"""The connection limit where the system tells no file descriptor limit."""
_LOCAL: Final = "a local socket"

Reached = Callable[[str, str], None]
"""Counts and logs that a limit was reached. Arguments: the limit's name, a detail for the log."""


class Served(Protocol):
    """The protocol object of one client connection, HTTP or WebSocket, as `Connections` uses it."""

    transport: asyncio.Transport
    peer: Peer

    def idle_since(self) -> float | None:
        """When this connection began to wait for its client, on the clock `SYSTEM.monotonic`; None = a
        request runs, or has just begun to come in.
        """

    def look(self, now: float) -> None:
        """End the connection if the client has kept it waiting for too long. Called at each check."""

    def abandon(self) -> None:
        """End the connection at once, to make room for another."""


class Upgraded(Served, Protocol):
    """The HTTP protocol object of a connection whose client asks for a WebSocket."""

    all_connections: Connections

    def refuse(self, fault: ir.Fault) -> None:
        """Answer with an error over HTTP, and read nothing more."""


class Peer:
    """The client of one connection: its address, and how long its answers stay unread.

    A client has a budget of seconds to read. It falls while written bytes wait, and rises by one second for
    each `min_rate` bytes that the client reads, up to `write_timeout`. If `min_rate` is 0, any byte fills it.
    """

    __slots__ = ("_left", "_patience", "_rate", "_seen_at", "_waiting", "address", "kept", "paused")

    def __init__(self, address: str, settings: Server) -> None:
        self.address = address
        self.paused = False
        """Whether writing waits, because the client reads too slowly."""
        self.kept = 0
        """Bytes of requests whose handlers have not begun (`Connections.keep`)."""
        self._patience = float(settings.write_timeout)
        self._rate = settings.min_rate
        self._left = self._patience
        self._waiting = 0
        self._seen_at = 0.0

    def resumed(self) -> None:
        """Note that the client has read most of the written bytes: its budget is full again."""
        self.paused = False
        self._waiting = 0

    def stalls(self, transport: asyncio.Transport, now: float) -> bool:
        """Whether the client has left its answer unread for too long at `now`: its budget, which this call
        updates, is used up. False without `write_timeout`.
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
    """All client connections of one server process; `limit` is how many there may be. reached: called when a
    limit is reached. bodies: the memory that request bodies and WebSocket messages share, None = a new Space.
    descriptors: how many files and sockets the process may open, None = ask the system.
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
        """The number of open connections (`open`), and how many there may be (`limit`)."""
        return {"open": len(self._open), "limit": self.limit}

    def peer(self, host: str | None) -> Peer:
        """The Peer of a new connection. host: the client's IP address, None for a Unix socket."""
        return Peer(_address(host), self.settings)

    def admit(self, served: Served) -> bool:
        """Add a new connection, ending idle ones to make room. False = no room: the caller refuses it."""
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
        """Replace a connection's protocol object `served` with `successor`: it becomes a WebSocket."""
        self._open.remove(served)
        self._open.add(successor)

    def leave(self, served: Served) -> None:
        """Count a connection and its bytes no more: it has ended, or is being ended."""
        if served in self._open:
            self._open.remove(served)
            self._kept -= served.peer.kept
            served.peer.kept = 0
            address = served.peer.address
            self._by_address[address] -= 1
            if not self._by_address[address]:
                del self._by_address[address]

    def keep(self, served: Served, size: int) -> None:
        """Set how many bytes (`size`) a connection holds for requests whose handler has not begun: incomplete
        heads, and requests that wait for earlier answers. If all connections together then hold more than
        `head_space`, the others that wait for their clients are ended, the longest wait first, until a
        quarter of the space is free. If it is still too much, this one is ended, unless it alone holds bytes.
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
        """End one idle connection and up to a thirty-second of `limit` more, those of the address with the
        most connections first, then the longest idle. address: only its connections; None = of all addresses.
        Returns False if none was idle.
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
        """Check every connection, and set the timer for the next check if there are connections."""
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
    """The address under which a connection is counted: IPv4, the /64 network of IPv6 (in which a client may
    choose addresses freely), or _LOCAL for a Unix socket.
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
    """How many client connections a worker accepts: the setting, or half of the usable file descriptors.

    descriptors: how many files and sockets the process may open, None = ask the system.
    """
    if settings.max_connections is not None:
        return settings.max_connections
    usable = (descriptors or descriptor_limit() or 2 * _WITHOUT_LIMIT + _RESERVED) - _RESERVED
    return max(_FEWEST, usable // 2)  # a request may need a second connection, to its provider


def address_limit(settings: Server, limit: int) -> int:
    """How many connections one address may have: as set, or a quarter of `limit` (of all), at least 16."""
    return settings.max_connections_per_address or max(_FEWEST, limit // 4)


def descriptor_limit() -> int | None:
    """How many files and sockets this process may open; None if there is no limit or none is told."""
    if sys.platform == "win32":
        return None
    import resource

    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return None if soft == resource.RLIM_INFINITY else soft


def raise_descriptor_limit() -> int | None:
    """Raise the number of files and sockets that this process and its children may open to what the system
    allows, at most 65,536. Returns the limit from now on; None if there is none or none is told.
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
