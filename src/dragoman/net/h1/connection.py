"""One HTTP/1.1 connection to a provider: an asyncio protocol around `reader.AnswerReader`."""

from __future__ import annotations

import asyncio
import select
import ssl
from collections.abc import Callable
from functools import partial
from typing import Final, cast

from dragoman.net.failures import Disconnected, Failure, Malformed, Truncated, meaning_of
from dragoman.net.h1.reader import AnswerReader

Surprised = Callable[[], None]
"""Called when a connection is closed because it has read bytes that no request asked for."""

_HELD: Final = 262_144
"""Bytes of an answer that may wait to be taken. If more wait, reading from the socket is paused."""
_COPIED: Final = 65_536
"""Bytes. With a request body up to this size, head and body are written together."""


class Connection(asyncio.Protocol):
    """Sends one request after another and reads their answers. It does not know about pools.

    The caller calls `send`; then it awaits `arrival` until the reader has the head, and after that whenever
    `take` returns None. After b"" it asks `reusable`.

    reader: has the status and the headers of the answer. opened: when it was opened, in the loop's time.
    rested: when its latest request ended, in the loop's time; the pool sets it. secure: its TLS object, None
    = it is not encrypted. learnt: whether its TLS session has been stored; the dialer sets it. surprised:
    called when the connection is closed because it has read bytes that no request asked for.
    """

    __slots__ = (
        *("_failure", "_held_back", "_loop", "_may_write", "_surprised", "_transport", "_unread", "_waiter"),
        *("learnt", "opened", "reader", "rested", "secure"),
    )

    def __init__(self, loop: asyncio.AbstractEventLoop, surprised: Surprised) -> None:
        self.reader = AnswerReader()
        self.opened = self.rested = loop.time()
        self.secure: ssl.SSLObject | None = None
        self.learnt = False
        self._loop = loop
        self._surprised = surprised
        self._transport: asyncio.Transport | None = None
        self._failure: Failure | None = None
        self._waiter: asyncio.Future[None] | None = None
        self._may_write: asyncio.Future[None] | None = None
        self._held_back = False
        self._unread: Callable[[], object] = list

    # What its owner does -------------------------------------------------------------------------------

    def send(self, head: bytes, body: bytes = b"", *, bodiless: bool = False) -> None:
        """Send a request's head and the bytes of its body, without waiting. body: b"" = the request has no
        body, or `write` sends it. bodiless: True = the answer will have no body (the method is HEAD). If the
        connection has ended, nothing is raised here; `arrival` raises the Failure later.
        """
        transport = self._transport
        assert transport is not None
        self.reader.begin(bodiless=bodiless)
        if len(body) <= _COPIED:
            transport.write(head + body)
        else:
            transport.writelines((head, body))

    async def write(self, data: bytes | memoryview) -> None:
        """Send a piece of a body, and wait until there is room for the next one. Raises a copy of the Failure
        that has ended the connection. If the connection ends during the wait, only the next call raises.
        """
        if self._failure is not None:
            raise self._failed()
        assert self._transport is not None
        self._transport.write(data)
        if self._may_write is not None:
            await asyncio.shield(self._may_write)

    def take(self) -> bytes | None:
        """Return the bytes of the body that have arrived since the last call, not decompressed; b"" = the
        body has ended, None = await `arrival` first.
        """
        reader = self.reader
        pieces = reader.pieces
        if not pieces:
            return b"" if reader.complete else None
        data = pieces.pop()
        if pieces:
            data = b"".join((*pieces, data))
            pieces.clear()
        reader.held = 0
        if self._held_back:
            self._held_back = False
            if self._failure is None and self._transport is not None:
                self._transport.resume_reading()
        return data

    def arrival(self) -> asyncio.Future[None]:
        """Return a future that completes when bytes have arrived and the answer's head is complete, or when
        the connection ends. The future itself never has an exception: call this again if `take` still returns
        None. If the connection has ended already, raises a copy of the Failure that has ended it. Only one
        task may wait.
        """
        if self._failure is not None:
            raise self._failed()
        self._waiter = waiter = self._loop.create_future()
        return waiter

    def reusable(self) -> bool:
        """Whether another request may be sent: the answer was read completely, nothing came after it, and
        both sides keep the connection open.
        """
        reader = self.reader
        return reader.reusable and reader.complete and not reader.pieces and self._failure is None

    def alive(self) -> bool:
        """Whether an idle connection may be used. False if the socket has anything to read, its end included,
        even if the event loop has not read it yet.
        """
        transport = self._transport
        return (
            self._failure is None
            and transport is not None
            and not transport.is_closing()
            and not self._unread()
        )

    def _failed(self) -> Failure:
        """Return a copy of the failure, for one of the tasks that use the connection. Each of them needs its
        own, because raising changes the traceback.
        """
        failure = self._failure
        assert failure is not None
        copy = type(failure)(failure.meaning)
        copy.__cause__ = failure.__cause__
        return copy

    def fail(self, error: Failure) -> None:
        """End the connection now. From now on, `arrival` and `write` raise a copy of this failure; if the
        connection has failed before, of the first failure. The task that waits in `arrival` is woken.
        """
        if self._failure is None:
            self._failure = error
        self.abort()
        self._wake()

    def abort(self) -> None:
        """Close the connection now. A waiting task is woken when the event loop reports the end of the
        connection; after that, `arrival` and `write` raise a Failure.
        """
        if self._transport is not None:
            self._transport.abort()

    def _wake(self) -> None:
        waiter = self._waiter
        if waiter is not None:
            self._waiter = None
            if not waiter.done():
                waiter.set_result(None)

    # What the event loop calls -------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # uvloop's is no subclass of it
        self.secure = transport.get_extra_info("ssl_object")
        if (opened := transport.get_extra_info("socket")) is not None:
            self._unread = _watching(opened.fileno())

    def data_received(self, data: bytes) -> None:
        reader = self.reader
        try:
            reader.feed(data)
        except Malformed as error:
            self.fail(error.with_traceback(None))
            return
        if reader.surplus:
            self._surprised()
            self.abort()
        elif reader.held > _HELD and reader.pieces and not self._held_back and self._transport is not None:
            self._held_back = True
            self._transport.pause_reading()
        waiter = self._waiter
        if waiter is not None and reader.headed:  # as `_wake`
            self._waiter = None
            if not waiter.done():
                waiter.set_result(None)

    def eof_received(self) -> None:
        self._end(None if self._ended_properly() else EOFError())

    def connection_lost(self, exc: Exception | None) -> None:
        # A proper end has come as `eof_received` before: without it, the connection was cut, perhaps by us.
        self._end(exc or EOFError())
        if self._may_write is not None:
            self.resume_writing()
        self.reader.close()

    def _ended_properly(self) -> bool:
        """Whether the server itself has ended the stream of bytes. Always True without TLS, and if the answer
        is already complete. Otherwise TLS's own message for the end must have come (close_notify; RFC 9112,
        section 9.8), because an attacker on the way can end the TCP connection.
        """
        if self.secure is None or self.reader.complete:
            return True
        try:
            return not self.secure.read(1)
        except ssl.SSLZeroReturnError:
            return True
        except ssl.SSLError:
            return False

    def _end(self, error: Exception | None) -> None:
        """Record that no more bytes will arrive, and wake the waiting task. A failure that was recorded
        before stays. error: why; None = the server has ended the connection properly.
        """
        reader = self.reader
        if self._failure is None:
            if error is None:
                reader.eof()
            kind = Truncated if reader.headed and not reader.complete else Disconnected
            # A new object that was never raised: a traceback would hold this connection and its request.
            self._failure = kind(None if isinstance(error, EOFError | None) else meaning_of(error))
        self._wake()

    def pause_writing(self) -> None:
        self._may_write = self._loop.create_future()

    def resume_writing(self) -> None:
        waiter, self._may_write = self._may_write, None
        if waiter is not None and not waiter.done():
            waiter.set_result(None)


def _watching(descriptor: int) -> Callable[[], object]:
    """Return a function that returns a true value if this socket has bytes to read or the other side has
    closed it. The function never waits.
    """
    if not hasattr(select, "poll"):  # Windows
        return lambda: select.select([descriptor], [], [], 0)[0]
    poll = select.poll()
    poll.register(descriptor, select.POLLIN)
    return partial(poll.poll, 0)
