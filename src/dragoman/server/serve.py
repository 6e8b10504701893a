"""Runs the application under uvicorn in one process, with one event loop.

At the first stop signal, running requests may finish, for at most the configured time (`server.drain`, but at
least a second). After SIGTERM the port first stays open for a while (`server.drain_delay`), so that load
balancers notice the stop. The second signal ends everything at once. The configuration is loaded again at
SIGHUP, and whenever `config.watch` says so: for example after a change of its files or of the entries in the
database. If there are several workers, the parent process gets the signals and watches the files, and sends
orders to each worker.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import logging
import signal
import socket
import sys
import threading
from collections.abc import Callable, Generator, Sequence
from types import FrameType
from typing import Final

import uvicorn
from uvicorn.config import STARTUP_FAILURE

from dragoman.assembly.core import Core
from dragoman.config.watch import Watch
from dragoman.errors import ConfigError, DragomanError, RequestFailed
from dragoman.seams.tasks import spawn
from dragoman.server.admin.api import AdminApi
from dragoman.server.app import App
from dragoman.server.doors import Doors, Opened
from dragoman.server.last_signals import STOPS, settle
from dragoman.server.link import OVERDUE
from dragoman.server.orders import CLOSE, DRAIN, END, Message, Orders, receive
from dragoman.server.parent import Parent
from dragoman.server.uvicorn_options import uvicorn_options

log = logging.getLogger("dragoman.server")

_BACKLOG = 2048
_SPARE: Final = 10
"""Seconds after the drain time at which uvicorn itself ends the wait, if `_wait_tasks_to_complete` does not.
"""
_HANGUP: Final[signal.Signals | None] = getattr(signal, "SIGHUP", None)
"""The signal SIGHUP; None on Windows, which does not have it."""
_LONGEST_PAUSE: Final = 60.0
"""The most seconds that `watch` sleeps; then it looks whether the configuration in force has other settings
for it.
"""


class CannotListen(DragomanError):
    """Raised if the gateway cannot listen on an address, for example because the address is in use."""


def listen(host: str, port: int) -> socket.socket:
    """Return a new listening socket. host: a name or an IP address; IPv6 if it contains a colon, otherwise
    IPv4. port: 0 = any free port. Raises CannotListen.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    try:
        if sys.platform != "win32":  # on Windows this option would let two servers share a port
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, port))
        listener.listen(_BACKLOG)
    except OSError as error:
        listener.close()
        raise CannotListen(f"cannot listen on {host}:{port}: {error.strerror}") from error
    return listener


class _Server(uvicorn.Server):
    """uvicorn's server, which also drains, ends or reloads the gateway at signals or at the parent's orders.
    ready, orders, draining: the arguments of `serve`. doors: opens the further ways in for operators. admin:
    the endpoints for operators; if there are several workers, its orders are joined at the start.
    """

    def __init__(
        self,
        config: uvicorn.Config,
        gateway: Core,
        *,
        ready: Callable[[], None],
        orders: socket.socket | None,
        draining: Callable[[int, float], None],
        doors: Doors,
        admin: AdminApi,
    ) -> None:
        super().__init__(config)
        self._doors = doors
        self._gateway = gateway
        gateway.discovering.active = True
        self._admin = admin
        self._ready = ready
        self._draining = draining
        self._orders = orders
        self._read = Orders()
        self._parent: Parent | None = None
        self._early: list[Message] = []
        """The parent's messages about reloads that came while the gateway started."""
        self._loop: asyncio.AbstractEventLoop | None = None
        self._answers = False
        """Whether `ready` was called."""
        self._told = False
        """Whether `draining` was called."""

    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None]:
        """Handle stop signals in the block, if this is the main thread. At the end of the block, a gateway
        that has answered ignores further ones (`last_signals.settle`). If the start was ended, the earlier
        handlers come back, and get the signals.
        """
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        before = {number: signal.signal(number, self.handle_exit) for number in STOPS}
        try:
            yield
        finally:
            if self._answers:
                settle()
            else:
                for number, handler in before.items():
                    signal.signal(number, handler)
        if not self._answers:
            for captured in reversed(self._captured_signals):
                signal.raise_signal(captured)

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        self._loop = asyncio.get_running_loop()
        if self._orders is not None:
            self._loop.add_reader(self._orders, self._obey, self._orders)
        await self._start()  # takes long if the database is away
        await super().startup(sockets)
        if self.should_exit:
            return  # it was stopped meanwhile
        await self._doors.open()
        gc.collect()
        gc.freeze()  # the objects that exist now stay: the garbage collector need not look through them again
        gc.set_threshold(10_000, 20, 20)
        if self._orders is not None:
            self._parent = Parent(self._orders, self._gateway.reloads)
            for message in self._early:
                self._parent.heard(message)
        else:
            spawn(watch(self._gateway), "watching the configuration")
            if _HANGUP is not None and threading.current_thread() is threading.main_thread():
                signal.signal(_HANGUP, self._hung_up)
        if self._gateway.workers > 1:
            spawn(self._admin.orders.join(), "orders of operators")
        if not self.should_exit:
            self._answers = True
            self._ready()

    async def _start(self) -> None:
        """Start the gateway before uvicorn asks the application for it: uvicorn would log a ConfigError with
        its traceback. Raises ConfigError; SystemExit for any other error, which is logged.
        """
        try:
            await self._gateway.start()
        except RequestFailed:
            pass  # closed while it started: the server ends next
        except ConfigError:
            raise
        except Exception as error:
            log.exception("the gateway cannot start")
            raise SystemExit(STARTUP_FAILURE) from error

    async def on_tick(self, counter: int) -> bool:
        ended = await super().on_tick(counter)
        self._doors.tick(self.server_state.default_headers)
        return ended

    async def _wait_tasks_to_complete(self) -> None:
        """Wait until all requests have ended, at most for the drain time (`server.drain`, but at least one
        second). Then cancel those that still run. uvicorn calls this when it stops.
        """
        longest = max(1.0, float(self._gateway.config.server.drain))
        try:
            async with asyncio.timeout(longest):
                await super()._wait_tasks_to_complete()
        except TimeoutError:
            running = len(self._gateway.requests)
            log.warning(
                "the drain time (server.drain) of %g s is over; requests that are cut: %d", longest, running
            )
            for task in list(self.server_state.tasks):
                task.cancel(OVERDUE)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        await super().shutdown(sockets)
        self._doors.close()  # so that operators can look on while it drains

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        if self._orders is not None and sig == signal.SIGINT:
            return  # Ctrl-C reaches the parent as well, and the parent decides
        self.force_exit |= self._gateway.draining.begun  # the second signal, of whichever kind
        delay = self._delay() if sig == signal.SIGTERM else 0.0
        self._gateway.draining.begin(delay)
        self._captured_signals.append(sig)
        if self._loop is None:
            self.should_exit = True
        else:  # not here: the signal may interrupt code that is writing
            self._loop.call_soon_threadsafe(self._leave, delay)

    def _hung_up(self, sig: int, frame: FrameType | None) -> None:
        """Handle SIGHUP: start a reload of the configuration. The process does not end."""
        if self._loop is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._reload_soon)

    def _reload_soon(self) -> None:
        spawn(self._gateway.reload(), "reloading")

    def _leave(self, delay: float) -> None:
        """Close the port after `delay` seconds; the server then stops when the running requests have ended,
        or the drain time is over. The first call calls `draining`. If `force_exit` is set, stop at once
        instead. If the gateway is still being started, end the start.
        """
        if not self.started:
            spawn(self._gateway.close(), "ending the start")
            self._close()
            return
        if not self._told:
            self._told = True
            self._draining(len(self._gateway.requests), delay)
        if self.force_exit:
            self._gateway.hurry()
            self._close()
            return
        if delay:
            asyncio.get_running_loop().call_later(delay, self._close)
        else:
            self._close()

    def _close(self) -> None:
        self.should_exit = True

    def _delay(self) -> float:
        """Return the seconds for which the port stays open after a SIGTERM."""
        return self._gateway.draining.delay(self._gateway.config.server.drain_delay)

    def _obey(self, orders: socket.socket) -> None:
        """Read the orders and messages that the parent has sent, and carry them out. If the parent has ended,
        do the same as for the order CLOSE: close the port at once, and stop after the running requests.
        """
        said = receive(orders)
        stops = set() if said else {CLOSE}
        for one in self._read.feed(said):
            if isinstance(one, bytes):
                stops.add(one)
            elif self._parent is not None:
                self._parent.heard(one)
            else:
                self._early.append(one)
        if not said:
            asyncio.get_running_loop().remove_reader(orders)
        if stops:
            if self._parent is not None:
                self._parent.give_up()
            delay = self._delay() if DRAIN in stops else 0.0
            self._gateway.draining.begin(delay)
            self.force_exit |= END in stops
            self._leave(delay)


async def watch(gateway: Core) -> None:
    """Load the gateway's configuration again whenever `config.watch` says so; run until cancelled. It says so
    if the files have changed (unless `reload.watch` is off), if the entries in the database have changed, and
    if the time `reload.poll` has passed.
    """
    monotonic = gateway.seams.monotonic
    loaded = gateway.loaded
    looking = Watch(loaded, monotonic())
    while True:
        await asyncio.sleep(min(looking.pause, _LONGEST_PAUSE))
        if await asyncio.to_thread(looking.look, monotonic()):
            await gateway.reloads.reload(quiet=True)
        if gateway.loaded is not loaded:
            loaded = gateway.loaded
            looking.follow(loaded)


def serve(
    gateway: Core,
    listener: socket.socket,
    ready: Callable[[], None],
    *,
    doors: Sequence[Opened] = (),
    orders: socket.socket | None = None,
    draining: Callable[[int, float], None] = lambda _running, _delay: None,
) -> None:
    """Serve on `listener` until a signal or an order ends this.

    ready: called once, when requests can be answered; never if a stop comes before that. doors: further ways
    in for operators. orders: a worker's socket to the parent, which sends the orders DRAIN, CLOSE or END
    (`server.orders`), and messages about reloads; if the parent closes it, this counts as CLOSE. None = this
    is the only process, and signals stop or reload it. draining: called when a stop begins; its arguments are
    the number of running requests, and the seconds for which the port stays open. Raises ConfigError if the
    start finds a mistake in the settings, SystemExit if it fails otherwise (the reason is logged).

    In the main thread, SIGINT and SIGTERM stop the gateway. If one comes before `ready` was called, the
    handlers of the caller get it at the end; otherwise `last_signals.settle` was called at the end.
    """
    app = App(gateway)
    config = uvicorn.Config(
        app,
        **uvicorn_options(app),
        loop="auto",
        log_level="warning",
        backlog=_BACKLOG,
        timeout_graceful_shutdown=max(1, int(gateway.config.server.drain)) + _SPARE,
    )
    server = _Server(
        config,
        gateway,
        ready=ready,
        orders=orders,
        draining=draining,
        doors=Doors(app, doors, config),
        admin=app.admin,
    )
    server.run(sockets=[listener])
