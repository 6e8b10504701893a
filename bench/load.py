"""The load generator: many keep-alive connections on one event loop, and every answer checked.

It runs on the core that the process under test does not have, beside the fake provider, so it is a raw
asyncio protocol. An answer counts only when its status, its size, its number of events and its last bytes are
those of an answer that was read in full before the run (checks.py): a wrong answer must not look fast.

Three shapes: `Closed` keeps a fixed number of requests in flight; `Arrivals` sends at random moments of a
fixed mean rate whatever comes back, and counts from the moment a request was due, so that a stall is not
hidden; `Series` sends a known number, one after another.
"""

from __future__ import annotations

import asyncio
import random
import signal
import time
from array import array
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import cycle, repeat
from typing import cast

import httptools

TAIL = 16
"""Bytes at an answer's end that are compared."""


class LoadError(Exception):
    """The run cannot be counted: an answer was wrong, or the connection failed."""


@dataclass(frozen=True, slots=True)
class Expected:
    """What every answer of a run must be. size: bytes of the body; frames: server-sent events in it."""

    status: int
    size: int
    frames: int
    tail: bytes


@dataclass(frozen=True, slots=True)
class Shot:
    """One request, ready to be written, and the answer that it must get (None: do not check, see `ask`)."""

    port: int
    request: bytes
    expected: Expected | None = None


@dataclass(slots=True)
class Count:
    """What has arrived. latencies: seconds, one for each whole answer; wrong: the first reason, if any."""

    answers: int = 0
    frames: int = 0
    reads: int = 0
    latencies: array[float] = field(default_factory=lambda: array("d"))
    wrong: str | None = None


class Connection(asyncio.Protocol):
    """One keep-alive connection: writes a request, counts its answer, tells `done`."""

    def __init__(self, shots: Iterator[Shot], count: Count, done: Callable[[Connection], None]) -> None:
        """`shots`: one for each request, without end."""
        self._shots = shots
        self._count = count
        self._done = done
        self._parser = httptools.HttpResponseParser(self)
        self._started = 0.0
        self._size = 0
        self._frames = 0
        self._tail = b""
        self.busy = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Part of asyncio.Protocol."""
        self._transport = cast("asyncio.Transport", transport)

    def fire(self, due: float) -> None:
        """Send the request; its latency counts from `due` (seconds of time.perf_counter)."""
        self._started = due
        self._size = self._frames = 0
        self._tail = b""
        self.busy = True
        self._shot = next(self._shots)
        self._transport.write(self._shot.request)

    def close(self) -> None:
        """Leave, in the middle of an answer if need be."""
        self.busy = False
        self._transport.abort()

    def data_received(self, data: bytes) -> None:
        """Part of asyncio.Protocol."""
        self._count.reads += 1
        self._parser.feed_data(data)

    def connection_lost(self, exc: Exception | None) -> None:
        """Part of asyncio.Protocol: a connection may be lost only where it is left."""
        if self.busy:
            self.busy = False
            self._count.wrong = self._count.wrong or f"the connection was lost within an answer: {exc}"
            self._done(self)

    def on_body(self, body: bytes) -> None:
        """Part of httptools: some of the answer's body."""
        self._size += len(body)
        ends = body.count(b"\n\n")
        if body[0] == 10 and self._tail[-1:] == b"\n":  # an event's end that was cut in two
            ends += 1
        self._frames += ends
        self._count.frames += ends
        self._tail = body[-TAIL:] if len(body) >= TAIL else (self._tail + body)[-TAIL:]

    def on_message_complete(self) -> None:
        """Part of httptools: the answer is whole."""
        count = self._count
        count.latencies.append(time.perf_counter() - self._started)
        count.answers += 1
        self.busy = False
        expected = self._shot.expected
        if expected is not None:
            got = Expected(self._parser.get_status_code(), self._size, self._frames, self._tail)
            if got != expected:
                count.wrong = count.wrong or f"expected {expected}, got {got}"
        self._done(self)


class Closed:
    """A fixed number of requests in flight: each answer sends the next request at once."""

    def __init__(self, shots: Sequence[Shot], concurrency: int, spread: float = 0.0) -> None:
        """`shots`: asked in turn by each connection, which begin at different ones; all to one port.

        spread: seconds over which the first requests are sent, so that streams do not march in step.
        """
        self.count = Count()
        self._shots = shots
        self._concurrency = concurrency
        self._spread = spread
        self._finishing = False
        self._over = asyncio.Event()
        self._connections: list[Connection] = []

    async def start(self) -> None:
        """Open the connections and send the first requests."""
        for i in range(self._concurrency):
            start = i % len(self._shots)
            turn = cycle((*self._shots[start:], *self._shots[:start]))
            connection = await _connect(self._shots[0].port, turn, self.count, self._again)
            self._connections.append(connection)
            if self._spread:
                due = i * self._spread / self._concurrency
                asyncio.get_running_loop().call_later(due, self._again, connection)
        if self._spread:
            await asyncio.sleep(self._spread)
        else:
            for connection in self._connections:
                self._again(connection)

    async def finish(self, timeout: float = 30.0) -> None:
        """Send nothing more, wait (seconds) for the answers that are on their way, and leave.

        Raises LoadError when any answer of the whole run was wrong, TimeoutError when one does not come.
        """
        self._finishing = True
        async with asyncio.timeout(timeout):
            await self._over.wait()
        self.leave()

    def leave(self) -> None:
        """Leave all connections, in the middle of an answer if need be. Raises LoadError as `finish` does."""
        for connection in self._connections:
            connection.close()
        _no_wrong(self.count)

    def _again(self, connection: Connection) -> None:
        if not self._finishing and self.count.wrong is None:
            connection.fire(time.perf_counter())
        elif self.count.wrong is not None or not any(other.busy for other in self._connections):
            self._over.set()


class Series:
    """A known number of requests on one connection, each sent when the answer before it is whole."""

    def __init__(self, shot: Shot, number: int) -> None:
        self.count = Count()
        self._shot = shot
        self._left = number
        self._over = asyncio.Event()

    async def run(self, timeout: float = 120.0) -> None:
        """Ask them all.

        Raises LoadError when an answer was wrong, TimeoutError when they are not all there in time (seconds).
        """
        connection = await _connect(self._shot.port, repeat(self._shot), self.count, self._again)
        try:
            self._again(connection)
            async with asyncio.timeout(timeout):
                await self._over.wait()
        finally:
            connection.close()
        _no_wrong(self.count)

    def _again(self, connection: Connection) -> None:
        if self._left and self.count.wrong is None:
            self._left -= 1
            connection.fire(time.perf_counter())
        else:
            self._over.set()


class Arrivals:
    """Requests at the moments of a Poisson process, whatever the answers do (an open loop).

    The event loop's timers have 1 ms, far too coarse for thousands of arrivals a second: the moments come
    from the process's interval timer (SIGALRM), which has microseconds.
    """

    def __init__(self, shot: Shot, rate: float, connections: int = 128, seed: int = 1) -> None:
        """`rate`: requests a second on average. `seed`: of the arrivals; equal seeds give equal moments."""
        self.count = Count()
        self._shot = shot
        self._rate = rate
        self._connections = connections
        self._random = random.Random(seed)
        self._idle: deque[Connection] = deque()
        self._waiting: deque[float] = deque()
        self._all: list[Connection] = []
        self._due = 0.0

    async def start(self) -> None:
        """Open the connections and let requests arrive."""
        for _ in range(self._connections):
            turn = repeat(self._shot)
            self._all.append(await _connect(self._shot.port, turn, self.count, self._free))
        self._idle.extend(self._all)
        asyncio.get_running_loop().add_signal_handler(signal.SIGALRM, self._arrive)
        self._due = time.perf_counter()
        self._arrive()

    def leave(self) -> None:
        """No more arrivals; leave all connections. Raises LoadError when any answer was wrong."""
        signal.setitimer(signal.ITIMER_REAL, 0)
        asyncio.get_running_loop().remove_signal_handler(signal.SIGALRM)
        for connection in self._all:
            connection.close()
        _no_wrong(self.count)

    def _arrive(self) -> None:
        while self._due <= (now := time.perf_counter()):
            if self._idle:
                self._idle.popleft().fire(self._due)
            else:
                self._waiting.append(self._due)
            self._due += self._random.expovariate(self._rate)
        signal.setitimer(signal.ITIMER_REAL, max(self._due - now, 1e-6))

    def _free(self, connection: Connection) -> None:
        if self._waiting:
            connection.fire(self._waiting.popleft())
        else:
            self._idle.append(connection)


class SlowReader(asyncio.Protocol):
    """Reads one answer at a steady number of bytes a second, however fast it is sent."""

    def __init__(self, shot: Shot, rate: float) -> None:
        self._shot = shot
        self._rate = rate
        self._parser = httptools.HttpResponseParser(self)
        self._loop = asyncio.get_running_loop()
        self._behind = 0.0
        self.size = 0
        self.tail = b""
        self.done: asyncio.Future[int] = self._loop.create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Part of asyncio.Protocol: send the request."""
        self._transport = cast("asyncio.Transport", transport)
        self._behind = self._loop.time()
        self._transport.write(self._shot.request)

    def data_received(self, data: bytes) -> None:
        """Part of asyncio.Protocol: read no more until these bytes are due."""
        self._parser.feed_data(data)
        self._behind = max(self._behind, self._loop.time() - 0.1) + len(data) / self._rate
        wait = self._behind - self._loop.time()
        if wait > 0 and not self._transport.is_closing():
            self._transport.pause_reading()
            self._loop.call_later(wait, self._transport.resume_reading)

    def connection_lost(self, exc: Exception | None) -> None:
        """Part of asyncio.Protocol."""
        if not self.done.done():
            self.done.set_exception(LoadError(f"the connection was lost after {self.size} bytes: {exc}"))

    def on_body(self, body: bytes) -> None:
        """Part of httptools: some of the answer's body."""
        self.size += len(body)
        self.tail = (self.tail + body)[-TAIL:]

    def on_message_complete(self) -> None:
        """Part of httptools: the answer is whole."""
        self.done.set_result(self._parser.get_status_code())

    def close(self) -> None:
        """Leave."""
        self._transport.abort()


async def slow_reader(shot: Shot, rate: float) -> SlowReader:
    """Connect a slow reader of `rate` bytes a second; its `done` becomes the answer's status."""
    loop = asyncio.get_running_loop()
    _, reader = await loop.create_connection(lambda: SlowReader(shot, rate), "127.0.0.1", shot.port)
    return reader


@dataclass(slots=True)
class Reply:
    """One whole answer, read at leisure. seconds: from the request to the answer's end."""

    status: int
    body: bytes
    seconds: float


class _Asking(asyncio.Protocol):
    def __init__(self, shot: Shot) -> None:
        self._shot = shot
        self._parser = httptools.HttpResponseParser(self)
        self._body = bytearray()
        self._started = time.perf_counter()
        self.reply: asyncio.Future[Reply] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._transport.write(self._shot.request)

    def data_received(self, data: bytes) -> None:
        self._parser.feed_data(data)

    def connection_lost(self, exc: Exception | None) -> None:
        if not self.reply.done():
            self.reply.set_exception(LoadError(f"the connection was lost before the answer's end: {exc}"))

    def on_body(self, body: bytes) -> None:
        self._body += body

    def on_message_complete(self) -> None:
        seconds = time.perf_counter() - self._started
        self.reply.set_result(Reply(self._parser.get_status_code(), bytes(self._body), seconds))
        self._transport.close()


async def ask(shot: Shot, timeout: float = 30.0) -> Reply:
    """Send one request and read its answer whole. Raises LoadError, OSError or TimeoutError (seconds)."""
    loop = asyncio.get_running_loop()
    _, asking = await loop.create_connection(lambda: _Asking(shot), "127.0.0.1", shot.port)
    return await asyncio.wait_for(asking.reply, timeout)


def _no_wrong(count: Count) -> None:
    if count.wrong is not None:
        raise LoadError(count.wrong)


async def _connect(
    port: int, shots: Iterator[Shot], count: Count, done: Callable[[Connection], None]
) -> Connection:
    loop = asyncio.get_running_loop()
    _, connection = await loop.create_connection(lambda: Connection(shots, count, done), "127.0.0.1", port)
    return connection
