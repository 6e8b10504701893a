"""The connections of one process to the Valkey or Redis server that has the shared counters: one for
questions, one for recalls.

Nothing is sent twice, and a lost connection is not replaced here: the ledger has to know of the loss, because
the new connection may lead to another server.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator, Awaitable
from functools import cache
from importlib import resources
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, Final, TypeVar

import msgspec

from dragoman.accounts.shared.address import Address
from dragoman.accounts.shared.messages import Charged, Charges, Join, Joined, Reply, Request
from dragoman.errors import DragomanError

if TYPE_CHECKING:
    from valkey.asyncio.connection import AbstractConnection as Connection

T = TypeVar("T")
_OLDEST: Final = 7
"""The oldest major version of Redis: `PEXPIRE … GT` and `TIME` in scripts that write are from version 7."""

_YOUNG: Final = 10
_REFUSALS: Final = ("NOAUTH", "WRONGPASS", "Authentication required", "invalid username")
"""The beginnings of error messages about authentication for which the client library has no class."""
_TICKS: Final = 6
"""The number of parts into which the time for an answer is divided (`_in_time`)."""


class LinkFailed(DragomanError):
    """The server does not answer in time, the connection is lost, or the server answers with an error. The
    text says why, as a clause for people.
    """


class Unfit(LinkFailed):
    """The server answers, but the gateway cannot use it: it is too old or a cluster, or refuses the password
    or a command. The text says why.
    """


def installed() -> bool:
    """Whether the client library of the extra `valkey` is installed."""
    return find_spec("valkey") is not None


@cache
def _script(name: str) -> tuple[bytes, bytes]:
    """Return (the text of a Lua script, the SHA-1 by which the server calls it). name: of the script's file,
    without `.lua`. The text begins with that of store.lua.
    """
    folder = resources.files("dragoman.accounts.shared")
    text = (folder / "store.lua").read_bytes() + (folder / f"{name}.lua").read_bytes()
    return text, hashlib.sha1(text, usedforsecurity=False).hexdigest().encode()


class Link:
    """The two open connections to the server, made by `connect`. prefix: stands before all keys of the
    gateway on the server. patience: seconds for each answer. run: the id of the server process. version: the
    server's name and version, for people. young: whether the server had started less than 10 seconds before.
    `prepare` sets `run`, `version` and `young`; before, the texts are empty.
    """

    def __init__(self, connection: Connection, hearing: Connection, prefix: str, patience: float) -> None:
        self._connection = connection
        self._hearing = hearing
        self._prefix = prefix.encode()
        self._patience = patience
        self.run = ""
        self.version = ""
        self.young = False

    async def exchange(self, request: Request) -> Reply:
        """Send a process's reports and questions, and return the store's reply. Raises LinkFailed."""
        return await self._run("exchange", request, Reply)

    async def join(self, request: Join) -> Joined:
        """Register a process with the store. Returns the present epoch, and what the store knew of the
        process. If `Joined.forgotten` is True, the process is not registered yet: call this again with "" as
        `Join.epoch`. Raises LinkFailed.
        """
        return await self._run("join", request, Joined)

    async def charge(self, request: Charges) -> Charged:
        """Tell the store what a process that has ended has used. Returns the store's answer. Raises
        LinkFailed.
        """
        return await self._run("charge", request, Charged)

    async def _run(self, name: str, request: Any, reply: type[T]) -> T:
        answer = await self._call(b"EVALSHA", _script(name)[1], 0, self._prefix, _packed(request))
        return msgspec.msgpack.decode(answer, type=reply)

    async def counters(self) -> dict[str, tuple[int, int]]:
        """Return {name of a counter: (used, reserved)}, by all processes together, for all counters below the
        prefix on the server. Raises LinkFailed.
        """
        found: dict[str, tuple[int, int]] = {}
        start = self._prefix + b"c:"
        cursor: bytes = b"0"
        while True:
            cursor, keys = await self._call(b"SCAN", cursor, b"MATCH", _escaped(start) + b"*", b"COUNT", 500)
            asked = self._connection.pack_commands([(b"HMGET", key, b"b", b"t", b"f", b"v") for key in keys])
            await _guarded(self._connection.send_packed_command(asked))
            for key in keys:
                b, t, f, v = await _guarded(
                    asyncio.wait_for(self._connection.read_response(), self._patience)
                )
                used = max(int(b or 0) + int(t or 0), int(f or 0))
                found[key.removeprefix(start).decode()] = (used, int(v or 0))
            if cursor == b"0":
                return found

    async def recalls(self) -> AsyncIterator[list[tuple[str, int]]]:
        """Yield the recalls that the store publishes, as lists of (name of the counter, number of the
        recall): all processes shall give back what they do not need of this counter. The name "" = the store
        has lost its data, and a new epoch has begun. Raises LinkFailed when the connection ends.
        """
        while True:
            kind, _, data = (await _guarded(self._hearing.read_response()))[:3]
            if kind == b"message":
                yield msgspec.msgpack.decode(data, type=list[tuple[str, int]])

    async def _call(self, *words: Any) -> Any:
        return await _call(self._connection, self._patience, *words)

    async def prepare(self) -> None:
        """Check that the server can be used, and load the scripts. Sets `run`, `version` and `young`. Raises
        LinkFailed, or Unfit if the server can never be used.
        """
        told = _told(await self._call(b"INFO"))
        self.run = told.get("run_id", "")
        self.young = int(told.get("uptime_in_seconds", 0)) < _YOUNG
        self.version = f"{told.get('server_name', 'redis').capitalize()} " + told.get(
            "valkey_version", told.get("redis_version", "?")
        )
        if told.get("cluster_enabled") == "1" or told.get("redis_mode", told.get("server_mode")) == "cluster":
            raise Unfit(
                "it is a Cluster, in which the counters of one request may be on several servers: they could"
                " not be reserved all at once. Use a standalone server, or Sentinel"
            )
        version = told.get("redis_version", "0").partition(".")[0]
        if not version.isdecimal() or int(version) < _OLDEST:
            raise Unfit(f"{self.version} is too old: Redis 7 or Valkey 7.2 is needed")
        if told.get("role", "master") != "master":
            raise LinkFailed("it is a replica")
        for name in ("exchange", "join", "charge"):
            await self._call(b"SCRIPT", b"LOAD", _script(name)[0])

    async def listen(self) -> None:
        """Subscribe to recalls, so that `recalls` yields them. To be called before `join`: the store counts
        the processes that listen, and takes this one for one of them (join.lua). Raises LinkFailed.
        """
        await _call(self._hearing, self._patience, b"SUBSCRIBE", self._prefix + b"recall")

    async def close(self) -> None:
        """Close both connections, without waiting for the server."""
        for one in (self._connection, self._hearing):
            await one.disconnect(nowait=True)


async def connect(address: Address, *, password: str, ca: str | None, prefix: str, patience: float) -> Link:
    """Connect to the server (to the one that the Sentinels name, if there are any), check it and load the
    scripts. password: used if the address has none. ca: a file with the certificates that TLS trusts, None =
    the system's certificates. prefix: stands before all keys of the gateway on the server. patience: seconds
    for each answer. Raises LinkFailed, or Unfit if the server can never be used; ImportError without the
    extra `valkey`.
    """
    host, port = address.hosts[0] if address.hosts else ("", 0)
    if address.kind.startswith("sentinel"):
        host, port = await _master(address, ca, patience)
    pair = [_connection(address, (host, port), password, ca, patience) for _ in range(2)]
    link = Link(pair[0], pair[1], prefix, patience)
    try:
        for one in pair:
            await _guarded(_in_time(one.connect(), patience))  # type: ignore[no-untyped-call]
        await link.prepare()
    except BaseException:
        await link.close()
        raise
    return link


def _connection(
    address: Address, at: tuple[str, int], password: str, ca: str | None, patience: float
) -> Connection:
    from valkey.asyncio import Connection, SSLConnection, UnixDomainSocketConnection

    known: dict[str, Any] = {
        "db": address.database,
        "username": address.user or None,
        "password": address.password or password or None,
        "socket_timeout": None,  # `_call` bounds each answer, and recalls may take for ever
        "socket_connect_timeout": patience,
        "lib_name": "dragoman",
    }
    if address.kind == "unix":
        return UnixDomainSocketConnection(path=address.path, **known)
    if address.kind.endswith("tls"):
        return SSLConnection(
            host=at[0], port=at[1], socket_keepalive=True, ssl_ca_certs=ca, ssl_check_hostname=True, **known
        )
    return Connection(host=at[0], port=at[1], socket_keepalive=True, **known)


async def _master(address: Address, ca: str | None, patience: float) -> tuple[str, int]:
    """Ask the Sentinels in their order where the server is. Returns (host, port) from the first one that
    knows the server. ca, patience: as for `connect`. Raises LinkFailed if none does.
    """
    why = "no Sentinel answers"
    for at in address.hosts:
        connection = _connection(address._replace(database=0, user="", password=""), at, "", ca, patience)
        try:
            await _guarded(_in_time(connection.connect(), patience))  # type: ignore[no-untyped-call]
            asked = (b"SENTINEL", b"GET-MASTER-ADDR-BY-NAME", address.master)
            found = await _call(connection, patience, *asked)
        except LinkFailed as error:
            why = f"no Sentinel answers: {error}"
        else:
            if found:
                return found[0].decode(), int(found[1])
            why = f"the Sentinels do not know {address.master!r}"
        finally:
            await connection.disconnect(nowait=True)
    raise LinkFailed(why)


async def _call(connection: Connection, patience: float, *words: Any) -> Any:
    async def both() -> Any:
        await connection.send_command(*words)
        return await connection.read_response()

    return await _guarded(_in_time(both(), patience))


async def _in_time(work: Awaitable[T], patience: float) -> T:
    """Return the result of `work`. Raises TimeoutError after `patience` seconds; long stretches in which the
    event loop was busy hardly count. So an answer that came in while the loop was busy is still read.
    """
    loop = asyncio.get_running_loop()
    timers: list[asyncio.TimerHandle] = []
    async with asyncio.timeout(None) as limit:

        def tick() -> None:
            if len(timers) < _TICKS:
                timers.append(loop.call_later(patience / _TICKS, tick))
            else:
                limit.reschedule(loop.time())

        tick()
        try:
            return await work
        finally:
            timers[-1].cancel()


async def _guarded(work: Any) -> Any:
    """Return the result of `work`. Raises LinkFailed for any error of the server or the network; Unfit if the
    server refuses the user or the password, or does not permit a command.
    """
    from valkey.exceptions import AuthenticationError, NoPermissionError, ValkeyError

    try:
        return await work
    except TimeoutError:
        raise LinkFailed("it does not answer in time") from None
    except ValkeyError as error:
        why = " ".join(str(error).split())[:200]
        if isinstance(error, AuthenticationError | NoPermissionError) or why.startswith(_REFUSALS):
            raise Unfit(f"it refuses us: {why}") from None
        raise LinkFailed(why) from None
    except OSError as error:
        raise LinkFailed(error.strerror or str(error)) from None


def _told(info: bytes) -> dict[str, str]:
    """Return the answer of the command INFO as {name: value}."""
    lines = [line.partition(":") for line in info.decode("utf-8", "replace").splitlines()]
    return {name: value for name, _, value in lines if value}


def _escaped(pattern: bytes) -> bytes:
    """Return the text `pattern` as a pattern for the command SCAN that matches this text and no other."""
    return b"".join(b"\\" + bytes([one]) if one in b"*?[]^\\" else bytes([one]) for one in pattern)


def _packed(request: Any) -> bytes:
    return msgspec.msgpack.encode(request)
