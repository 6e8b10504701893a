"""One request on a connection of our own server: its body as it comes in, and its answer, which is written
straight into the connection. If possible, the head of an answer and the first bytes of its body are one
write.

The format of an answer's head is cached by the names of its headers. HTTP/1.0 has no chunked encoding: an
answer to such a client without content-length ends when the connection is closed (RFC 9112, section 6.3).
"""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import Awaitable, Callable
from typing import Any, Final, NamedTuple, Protocol

from uvicorn.protocols.http.httptools_impl import STATUS_LINE
from uvicorn.server import ServerState

from dragoman.engine.client import Headers
from dragoman.server.head import Head
from dragoman.server.link import Link, Message
from dragoman.wire.headers import HeaderMap

log = logging.getLogger("dragoman.server")
_NO_NAME: Final = re.compile(rb"[^!#$%&'*+.^_`|~0-9A-Za-z-]|^$")
_CONTINUE: Final = b"HTTP/1.1 100 Continue\r\n\r\n"
_FAILED: Final = (
    (b"content-type", b"text/plain; charset=utf-8"),
    (b"content-length", b"21"),
    (b"connection", b"close"),
)
_UNREAD: Final = 65_536
"""If more bytes of an incomplete body than this wait for the handler, nothing more is read from the socket.
"""
_PIECES: Final = 64
"""If more pieces of a body than this wait, they are joined: a piece takes more memory than its bytes."""
_COPIED: Final = 262_144
"""Bytes. If the last bytes of an answer are at most so many, they are joined with the head that has not been
written yet.
"""
_SIZES: Final = tuple([b"%x\r\n" % size for size in range(1024)])
"""The lines that precede chunks, by the size of the chunk. Most chunks are events of a stream and smaller
than 1024 bytes.
"""
_WITHOUT_BODY: Final = frozenset({204, 304})
_MOST_FORMS: Final = 512


class Wire(Protocol):
    """The connection of a Cycle: the part of `http.HttpProtocol` that a Cycle uses."""

    transport: asyncio.Transport
    state: ServerState
    """The state of the server: the headers that every answer gets, and the tasks of the handlers."""
    blocked: asyncio.Future[None] | None
    """A future that is done when the client has read enough for more to be written, or has disconnected; None
    = more may be written now.
    """

    def pause_reading(self) -> None: ...
    def resume_reading(self) -> None: ...

    def answered(self) -> None:
        """Tell the connection that the answer to its oldest request has been written completely."""
        ...


class _Form(NamedTuple):
    """The prepared head for all answers with the same header names in the same order. lines: a `bytes`
    format, into which the status line, the values of the headers, and further lines (b"" = none) are put.
    length: the index of the header content-length among the headers (of several, the last), None = it is not
    among them. connection: the indices of all headers named `connection`.
    """

    lines: bytes
    length: int | None
    connection: tuple[int, ...]


_forms: dict[tuple[bytes, ...], _Form] = {}
"""Cache: the prepared heads, by the names of the headers in their order. Most answers share a few of them."""


class Cycle(Link):
    """One request on a connection, and its answer. It is both the Link and the Channel of the request's
    handler.

    wire: the connection. head: the request's head, or the head of an earlier request on the connection, if
    these heads differ only in content-length. headers: those of this request. began: when the first byte of
    the request came in, in monotonic seconds. keep_alive: whether the connection stays open after the answer.
    expects: whether the client still waits for our consent before it sends the body (`Expect: 100-continue`).
    complete: whether the body has come in completely. begun: whether the head of the answer has been written,
    or waits to be written with the first bytes of the body. ended: whether the answer has been written
    completely.
    """

    __slots__ = (
        *("_came", "_chunked", "_held", "_left", "_size", "_taken", "_told", "_waiter", "_wire"),
        *("begun", "complete", "ended", "expects", "head", "headers", "keep_alive"),
    )

    def __init__(self, wire: Wire, head: Head, headers: HeaderMap, began: float) -> None:
        Link.__init__(self, began)
        self._wire = wire
        self._came: list[bytes] = []  # of the body, and was not taken
        self._size = 0  # of these pieces
        self._waiter: asyncio.Future[None] | None = None
        self._chunked: bool | None = None  # None: the body has no length, or there is none, or it has ended
        self._left = 0
        self._held = b""
        self._taken = self._told = self.complete = self.begun = self.ended = self.expects = False
        self.head = head
        self.headers = headers
        self.keep_alive = True

    # --- The body --------------------------------------------------------------------------------------

    @property
    def came(self) -> int:
        """How many bytes of the body have come in that the handler has not received yet."""
        return self._size if self.body is None else len(self.body)

    def feed(self, body: bytes) -> None:
        """Add a piece of the body that has come in, for the next call of `receive`. If more than `_UNREAD`
        bytes then wait for the handler, stop reading from the connection. A piece that comes in after the
        answer has ended is dropped.
        """
        if self.ended:
            return
        self._came.append(body)
        self._size += len(body)
        if len(self._came) > _PIECES:
            self._came = [b"".join(self._came)]
        if self._size > _UNREAD:
            self._wire.pause_reading()
        if self._waiter is not None:
            self._wake()

    def complete_body(self) -> None:
        """Record that the body has come in completely. If the handler has not received any of it, `Link.body`
        becomes the complete body; b"" = the request has none.
        """
        self.complete = True
        if not self._taken:
            self.body = self._take()
        if self._waiter is not None:
            self._wake()

    async def receive(self) -> Message:
        """Return the next message, as ASGI's `receive` does: `http.request` with all bytes of the body that
        have come in since the last call; or `http.disconnect` if the client has disconnected or the answer
        has ended. Wait while there is neither. After the end of the body, a further call waits for the
        disconnect or the end of the answer. If `expects` is set, the first call asks the client for the body
        (100 Continue).
        """
        if self.expects and not self._wire.transport.is_closing():
            self._wire.transport.write(_CONTINUE)
        self.expects = False
        while not (self._came or self.lost or self.ended or (self.complete and not self._told)):
            self._wire.resume_reading()
            self._waiter = asyncio.get_running_loop().create_future()
            await self._waiter
        if self.lost or self.ended:
            return {"type": "http.disconnect"}
        body, self.body = self.body, None
        if body is None:
            body = self._take()
        self._taken = True
        self._told = self.complete
        return {"type": "http.request", "body": body, "more_body": not self.complete}

    def _take(self) -> bytes:
        came, self._came, self._size = self._came, [], 0
        return came[0] if len(came) == 1 else b"".join(came)

    def drop(self) -> None:
        """Record that the client has disconnected. Cancel the handler's task if `running` is set (`Link`). A
        waiting `receive` returns `http.disconnect`, unless it is cancelled with its task.
        """
        super().drop()
        self._wake()

    def _wake(self) -> None:
        waiter, self._waiter = self._waiter, None
        if waiter is not None and not waiter.done():
            waiter.set_result(None)

    # --- The answer ------------------------------------------------------------------------------------

    def whole(self, status: int, headers: Headers, body: bytes) -> Awaitable[None] | None:
        """Write a complete answer (see `Channel`). For HEAD, the body is not sent. Raises RuntimeError, at
        once or when the result is awaited: for an invalid header name, if the answer has begun already, and
        if the body is not as long as its content-length (not for HEAD).
        """
        if self.lost:
            return None
        if self._wire.blocked is not None:
            return self._later(self.whole, status, headers, body)
        self._held = self._begun(status, headers)
        if self._left == len(body) and self._chunked is False and self.head.method != "HEAD":
            self._left = 0
            self._finish(body)
        else:
            self._last(body)
        return None

    def begin(self, status: int, headers: Headers) -> Awaitable[None] | None:
        """Take the status and the headers of an answer (see `Channel`). They are sent together with the first
        piece of the body, if this is written in the same turn of the event loop; otherwise they are sent
        alone in the next turn. Raises RuntimeError for an invalid header name, and if the answer has begun
        already.
        """
        if self.lost:
            return None
        if self._wire.blocked is not None:
            return self._later(self.begin, status, headers)
        self._held = self._begun(status, headers)
        asyncio.get_running_loop().call_soon(self._flush)
        return None

    def write(self, data: bytes) -> Awaitable[None] | None:
        """Write the next piece of the body (see `Channel`); b"" = do nothing. For HEAD, the body is not sent.
        Raises RuntimeError, at once or when the result is awaited: if the body becomes longer than its
        content-length (not for HEAD), and if the answer has not begun or has ended.
        """
        if self.lost or not data:
            return None
        wire = self._wire
        if wire.blocked is not None:
            return self._later(self.write, data)
        if self._chunked:
            size = len(data)
            data = self._held + (_SIZES[size] if size < 1024 else b"%x\r\n" % size) + data + b"\r\n"
        elif self.begun and not self.ended:
            data = self._held + self._within(data)
        else:
            raise RuntimeError("the answer has ended, or it has not begun")
        self._held = b""
        wire.transport.write(data)
        return None

    def end(self, data: bytes) -> Awaitable[None] | None:
        """Write the last piece of the body (see `Channel`). For HEAD, the body is not sent. Raises
        RuntimeError, at once or when the result is awaited: if the body is not as long as its content-length
        (not for HEAD), and if the answer has not begun or has ended.
        """
        if self.lost:
            return None
        if self._wire.blocked is not None:
            return self._later(self.end, data)
        self._last(data)
        return None

    async def _later(self, write: Callable[..., Awaitable[None] | None], *what: Any) -> None:
        """Wait until the client has read enough of the bytes written before, or has disconnected. Then call
        `write`, one of the writing methods, with the arguments `what`.
        """
        while (blocked := self._wire.blocked) is not None and not self.lost:
            await asyncio.shield(blocked)
        write(*what)

    def _begun(self, status: int, headers: Headers) -> bytes:
        """Begin the answer, and return the bytes of its head, which the caller must write. Decides whether
        the body has a stated length, is sent in chunks, or ends with the connection. Raises RuntimeError for
        an invalid header name, and if the answer has begun already.
        """
        if self.begun:
            raise RuntimeError("the answer has begun")
        sent = (*self._wire.state.default_headers, *headers)
        names, values = zip(*sent) if sent else ((), ())  # noqa: B905  # all are pairs
        form = _forms.get(names) or _form(names)
        self.begun = True
        self.expects = False
        more = b""
        if form.length is not None:
            self._left = int(values[form.length])
            self._chunked = False
        elif self.head.method != "HEAD" and status not in _WITHOUT_BODY:
            if self.head.version == "1.0":
                self.keep_alive = False
            else:
                self._chunked = True
                more = b"transfer-encoding: chunked\r\n"
        if form.connection and any(b"close" in values[at].lower() for at in form.connection):
            self.keep_alive = False
        elif not self.keep_alive:
            more += b"connection: close\r\n"
        return form.lines % (STATUS_LINE[status], *values, more)

    def _within(self, data: bytes) -> bytes:
        """Return the bytes to write for a piece of a body that is not sent in chunks: b"" if the request is
        HEAD, else the piece itself. Raises RuntimeError if the body becomes longer than its content-length.
        """
        if self.head.method == "HEAD":
            self._left = 0
            return b""
        if self._chunked is False:
            self._left -= len(data)
            if self._left < 0:
                raise RuntimeError("the body is longer than its stated length")
        return data

    def _last(self, data: bytes) -> None:
        if self.ended or not self.begun:
            raise RuntimeError("the answer has ended, or it has not begun")
        if self._chunked:
            self._finish(b"%x\r\n%b\r\n0\r\n\r\n" % (len(data), data) if data else b"0\r\n\r\n")
            return
        data = self._within(data)
        if self._left:
            raise RuntimeError("the body is shorter than its stated length")
        self._finish(data)

    def _finish(self, data: bytes) -> None:
        """Write the last bytes of the answer, after the head if it is not written yet. Then close
        the connection unless `keep_alive` is set, and at last tell the connection that this request
        has been answered.
        """
        held, self._held = self._held, b""
        transport = self._wire.transport
        if len(data) <= _COPIED:
            transport.write(held + data)
        else:
            transport.writelines((held, data))
        self.ended = True
        self._chunked = None
        if self._waiter is not None:
            self._wake()
        if not self.keep_alive:
            transport.close()
        self._wire.answered()

    def _flush(self) -> None:
        held, self._held = self._held, b""
        if held and not self.lost and not self._wire.transport.is_closing():
            self._wire.transport.write(held)

    def close(self) -> None:
        """Record that the handler has ended (see `Link`). If the answer has begun but not ended, the
        connection is closed, so that the client sees an incomplete answer. If no answer has begun, the client
        gets an error (500). If the client has disconnected, nothing is sent.
        """
        if self.task is not None:
            self._wire.state.tasks.discard(self.task)
        Link.close(self)
        if self.ended or self.lost:
            return
        log.error("a handler ended without completing its response")
        self._flush()
        if self.begun:
            self._wire.transport.close()
        else:
            self._held = self._begun(500, _FAILED)
            self._last(b"Internal Server Error")


def _form(names: tuple[bytes, ...]) -> _Form:
    """Create and cache the prepared head for answers with these header names. Raises RuntimeError if a name
    is not valid.
    """
    if any(map(_NO_NAME.search, names)):
        raise RuntimeError("a header's name holds what no name may hold")
    lower = [name.lower() for name in names]
    if len(_forms) >= _MOST_FORMS:
        _forms.clear()
    made = _forms[names] = _Form(
        b"".join([b"%b", *[name.replace(b"%", b"%%") + b": %b\r\n" for name in lower], b"%b\r\n"]),
        max((at for at, name in enumerate(lower) if name == b"content-length"), default=None),
        tuple(at for at, name in enumerate(lower) if name == b"connection"),
    )
    return made
