"""Looks up the host names in clients' requests, in separate threads.

The system's look-up blocks a thread while a name server does not answer. The event loop has few threads for
look-ups (uvloop has four), so one request with four such names would stop the look-ups for all configured
providers. Here the number of threads is limited, one client (`CLIENT` of the running task) may use at most a
quarter of them (but at least one), and a request waits for a look-up only for a limited time.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from contextlib import suppress
from contextvars import ContextVar
from threading import Thread
from typing import TYPE_CHECKING, Any, TypeAlias

from dragoman.capacity.shares import Shares
from dragoman.errors import DragomanError

if TYPE_CHECKING:
    from aiohttp.abc import ResolveResult

CLIENT: ContextVar[str] = ContextVar("CLIENT", default="")
"""The name of the client for which the running task looks up host names. All tasks with the same name, also
with "", share one client's part of the threads.
"""

_Info: TypeAlias = tuple[Any, ...]
_Lookup: TypeAlias = Callable[..., list[_Info]]
_LONGEST = 253
"""The most characters of a host name (RFC 1035, section 2.3.4, without the length bytes)."""
_FLAGS = socket.AI_ADDRCONFIG


class Unresolved(DragomanError):
    """A host name was not looked up. busy: True = the look-up did not begin, because no thread was free for
    this client in time, or the system could not start one; False = the look-up took too long.
    """

    def __init__(self, message: str, *, busy: bool) -> None:
        super().__init__(message)
        self.busy = busy


class Resolver:
    """Looks up the host names of requests, with the methods of `aiohttp.abc.AbstractResolver`.

    threads: the most look-ups at a time; one that has exceeded its time counts until it really ends. One
    client may have a quarter of them, at least one. seconds: the most for the wait for a thread and the
    look-up together, None = no limit. lookup: a function like `socket.getaddrinfo`; it is called in a thread
    of its own.
    """

    def __init__(
        self, threads: int = 16, seconds: float | None = 5.0, lookup: _Lookup = socket.getaddrinfo
    ) -> None:
        self._threads = Shares(threads, max(1, threads // 4))
        self._seconds = seconds
        self._lookup = lookup

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        """Return the addresses of a host name, each with `port`. family: only addresses of this family;
        AF_UNSPEC = all. Raises Unresolved if the wait for a thread and the look-up take too long together, or
        if the system cannot start a thread; OSError if the name has no address or more than 253 characters;
        and what else `lookup` raises.
        """
        if len(host.removesuffix(".")) > _LONGEST:
            raise OSError(socket.EAI_NONAME, "the host name is too long")
        client = CLIENT.get()
        begun = False
        try:
            async with asyncio.timeout(self._seconds):
                await self._threads.take(client)
                begun = True
                found = await self._begun(client, host, port, family)
        except TimeoutError:
            raise Unresolved(f"{host} could not be looked up (DNS) in time", busy=not begun) from None
        return [_result(host, info) for info in found]

    async def close(self) -> None:
        """Do nothing: running look-ups end by themselves, and the process does not wait for them at its
        exit.
        """

    def _begun(
        self, client: str, host: str, port: int, family: socket.AddressFamily
    ) -> asyncio.Future[list[_Info]]:
        """Start a look-up in a new thread. Returns a future for its result or error. The caller has taken a
        place for the client in `_threads`; it is given back when the look-up has ended, or at once if this
        raises. Raises Unresolved (busy) if the system cannot start a thread.
        """
        loop = asyncio.get_running_loop()
        future: asyncio.Future[list[_Info]] = loop.create_future()

        def end(found: list[_Info], error: BaseException | None) -> None:
            self._threads.give_back(client)
            if future.done():
                return
            if error is not None:
                future.set_exception(error)
            else:
                future.set_result(found)

        def run() -> None:
            found: list[_Info] = []
            failed: BaseException | None = None
            try:
                found = self._lookup(host, port, family, socket.SOCK_STREAM, 0, _FLAGS)
            except Exception as error:  # noqa: BLE001 - passed on to the waiting task
                failed = error
            with suppress(RuntimeError):  # the event loop is closed
                loop.call_soon_threadsafe(end, found, failed)

        try:
            Thread(target=run, name="dragoman-resolver", daemon=True).start()  # the exit does not wait for it
        except RuntimeError as error:  # the system cannot start another thread
            self._threads.give_back(client)
            raise Unresolved(f"no free thread to look up {host} (DNS)", busy=True) from error
        return future


def _result(host: str, info: _Info) -> ResolveResult:
    family, _, proto, _, address = info
    ip = address[0]
    if family == socket.AF_INET6 and address[3] and "%" not in ip:
        ip = f"{ip}%{address[3]}"  # a link-local address needs its link
    return {
        "hostname": host,
        "host": ip,
        "port": address[1],
        "family": family,
        "proto": proto,
        "flags": socket.AI_NUMERICHOST | socket.AI_NUMERICSERV,
    }
