"""Runs the application under uvicorn: one process, one event loop, a drain at the end.

The first signal to stop lets what runs finish, up to the configured time, while readiness says no; SIGTERM
leaves the port open for a while, so that load balancers notice. The second signal ends all at once. One of
several workers is told so by its parent instead, and drains as well when the parent has gone. SIGHUP ends
nothing: the files of secrets are read again.
"""

from __future__ import annotations

import asyncio
import gc
import signal
import socket
import sys
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from types import FrameType
from typing import TYPE_CHECKING, Final

import uvicorn

from dragoman.errors import DragomanError
from dragoman.seams.tasks import spawn
from dragoman.server.app import App
from dragoman.server.http import served

if TYPE_CHECKING:
    from dragoman.assembly.core import Core
    from dragoman.config.reread import Reading

_BACKLOG = 2048
_HANGUP: Final[signal.Signals | None] = getattr(signal, "SIGHUP", None)
"""Windows has none."""

DRAIN: Final = b"d"
"""A parent's order: leave the port open until load balancers have noticed, finish what runs, and end."""
CLOSE: Final = b"c"
"""A parent's order: close the port, finish what runs, and end."""
END: Final = b"e"
"""A parent's order: end at once."""
REREAD: Final = b"r"
"""A parent's order: read the files of secrets again."""


class CannotListen(DragomanError):
    """The address is taken or not ours."""


def listen(host: str, port: int) -> socket.socket:
    """A listening socket. port 0 takes a free one. Raises CannotListen."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    try:
        if sys.platform != "win32":  # there it would let two servers share a port
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, port))
        listener.listen(_BACKLOG)
    except OSError as error:
        listener.close()
        raise CannotListen(f"cannot listen on {host}:{port}: {error.strerror}") from error
    return listener


class _Server(uvicorn.Server):
    """Tells the gateway when it is to drain, and somebody when it is ready."""

    def __init__(
        self,
        config: uvicorn.Config,
        gateway: Core,
        *,
        ready: Callable[[], None],
        orders: socket.socket | None,
        draining: Callable[[int, float], None],
        reread: Callable[[Sequence[Reading]], None],
    ) -> None:
        super().__init__(config)
        self._gateway = gateway
        self._ready = ready
        self._draining = draining
        self._reread = reread
        self._orders = orders
        self._loop: asyncio.AbstractEventLoop | None = None

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        if self._orders is not None:
            await self._obey_first(self._orders)
        await super().startup(sockets)
        # What serving needs is there and stays: the collector need not look through it again and again.
        gc.collect()
        gc.freeze()
        gc.set_threshold(10_000, 20, 20)
        self._loop = asyncio.get_running_loop()
        if self._orders is not None:
            self._loop.add_reader(self._orders, self._obey, self._orders)
        elif _HANGUP is not None and threading.current_thread() is threading.main_thread():
            signal.signal(_HANGUP, self._hung_up)
        if not self.should_exit:
            self._ready()

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        if self._orders is not None and sig == signal.SIGINT:
            return  # Ctrl-C reaches the parent as well, which decides what it means
        self.force_exit |= self._gateway.draining  # whichever signal it is
        delay = self._gateway.drain_delay if sig == signal.SIGTERM else 0.0
        self._gateway.stopping(delay)
        self._captured_signals.append(sig)  # uvicorn's, which raises them again at the end
        if self._loop is None:
            self.should_exit = True
        else:  # not here: a signal interrupts whatever writes just now
            self._loop.call_soon_threadsafe(self._leave, delay)

    def _hung_up(self, sig: int, frame: FrameType | None) -> None:
        """SIGHUP, which ends no server: its operator has changed files of secrets, or closed a terminal."""
        if self._loop is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._reread_soon)

    def _reread_soon(self) -> None:
        spawn(self._reread_secrets(), "reading secrets again")

    async def _reread_secrets(self) -> None:
        self._reread(await self._gateway.reread_secrets())

    def _leave(self, delay: float) -> None:
        """Close the port after so many seconds, and end when what runs has finished."""
        if self.force_exit:
            self._gateway.hurry()
            self._close()
            return
        running = len(self._gateway.requests)
        if running or delay:
            self._draining(running, delay)
        if delay:
            asyncio.get_running_loop().call_later(delay, self._close)
        else:
            self._close()

    def _close(self) -> None:
        self.should_exit = True

    async def _obey_first(self, orders: socket.socket) -> None:
        """Read secrets again before the first request, if that is what the parent has said by now."""
        with suppress(BlockingIOError):
            if orders.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT) == REREAD:
                orders.recv(1)
                await self._reread_secrets()

    def _obey(self, orders: socket.socket) -> None:
        """Do what the parent says, or drain without it."""
        said = orders.recv(16)
        if REREAD in said:
            self._reread_soon()
            if not said.strip(REREAD):
                return
        if not said:
            asyncio.get_running_loop().remove_reader(orders)
        delay = self._gateway.drain_delay if DRAIN in said else 0.0
        self._gateway.stopping(delay)
        self.force_exit |= END in said
        self._leave(delay)


def serve(
    gateway: Core,
    listener: socket.socket,
    ready: Callable[[], None],
    *,
    orders: socket.socket | None = None,
    draining: Callable[[int, float], None] = lambda _running, _delay: None,
    reread: Callable[[Sequence[Reading]], None] = lambda _readings: None,
) -> None:
    """Serve until a signal says stop. ready: called once, when requests are answered.

    draining: called with how many requests a signal leaves to be finished, and for how many seconds the port
    stays open, where there is any of both.

    reread: called with what came of each secret that stands in a file, after SIGHUP has had them read again.

    orders: of a worker's parent: DRAIN, CLOSE, END or REREAD, and SIGHUP is none of ours then; when it ends,
    the parent has gone, which means CLOSE.
    """
    app = App(gateway)
    config = uvicorn.Config(
        app,
        **served(app),
        loop="auto",
        log_level="warning",
        backlog=_BACKLOG,
        timeout_graceful_shutdown=max(1, int(gateway.config.server.drain)),
    )
    server = _Server(config, gateway, ready=ready, orders=orders, draining=draining, reread=reread)
    server.run(sockets=[listener])
