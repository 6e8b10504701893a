"""The keeper: a process beside several workers, for the work that only one process of a machine may do.

The keeper has the same configuration and the same `Core` as a worker, but it opens no port. It passes
messages between the workers, and does those duties of `Core` that only one process may do. Like a worker, it
gets orders from the parent process.
"""

from __future__ import annotations

import asyncio
import gc
import signal
import socket
from collections.abc import Callable

from dragoman.assembly.core import Core
from dragoman.errors import RequestFailed
from dragoman.seams.tasks import spawn
from dragoman.server.admin.orders import Orders as OperatorsOrders
from dragoman.server.orders import Message, Orders, receive
from dragoman.server.parent import Parent


def keep(gateway: Core, orders: socket.socket, ready: Callable[[], None]) -> None:
    """Run the keeper until the parent process sends an order (any of them) or has ended, or until SIGTERM.
    Then close the gateway. gateway: its `peers` must connect it with the workers. orders: the socket to the
    parent. ready: called once, when the keeper has started; not called if it is stopped before. Raises the
    errors of `Core.start`, such as ConfigError, if the gateway cannot start.
    """
    asyncio.run(_Keeping(gateway, orders).run(ready))


class _Keeping:
    def __init__(self, gateway: Core, orders: socket.socket) -> None:
        self._gateway = gateway
        gateway.discovering.active = True
        self._orders = orders
        self._read = Orders()
        self._parent: Parent | None = None
        self._early: list[Message] = []
        """The parent's messages about reloads that came while the gateway started."""
        self._ordered = OperatorsOrders(gateway)
        """Which providers and keys operators have disabled, for a worker that starts when no other worker is
        left to ask.
        """
        self._stopped = asyncio.Event()

    async def run(self, ready: Callable[[], None]) -> None:
        loop = asyncio.get_running_loop()
        loop.add_signal_handler(signal.SIGTERM, self._stop)
        try:
            loop.add_reader(self._orders, self._obey)
            await self._start()
            if not self._stopped.is_set():
                self._begin(ready)
                await self._stopped.wait()
            loop.remove_reader(self._orders)
        finally:
            await self._gateway.close()

    async def _start(self) -> None:
        try:
            await self._gateway.start()  # takes long if the database is away
        except RequestFailed:
            if not self._stopped.is_set():
                raise

    def _stop(self) -> None:
        """Stop the keeper. If the gateway is still being started, end the start."""
        self._stopped.set()
        if not self._gateway.started:
            spawn(self._gateway.close(), "ending the start")

    def _begin(self, ready: Callable[[], None]) -> None:
        gc.collect()
        gc.freeze()  # the objects that exist now stay: the garbage collector need not look through them
        gc.set_threshold(10_000, 20, 20)  # a start sets one that is far too large for what follows
        self._parent = Parent(self._orders, self._gateway.reloads)
        for message in self._early:
            self._parent.heard(message)
        ready()

    def _obey(self) -> None:
        """Read what the parent has sent: orders, each of which stops the keeper, and messages about reloads,
        which `_parent` handles. The keeper also stops if the parent has ended.
        """
        said = receive(self._orders)
        for one in self._read.feed(said):
            if isinstance(one, bytes):
                self._stop()
            elif self._parent is not None:
                self._parent.heard(one)
            else:
                self._early.append(one)
        if not said:
            asyncio.get_running_loop().remove_reader(self._orders)
            self._stop()
