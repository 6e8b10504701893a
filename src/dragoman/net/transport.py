"""HTTP to configured providers, over aiohttp: pooled connections, no redirects, no cookies.

Every failure is a `RequestFailed`. If a connection ends before any byte of an answer, the request is sent
once more, but only for an idempotent method (RFC 9110, 9.2.2): providers charge for the others.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import ssl
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping
from io import BytesIO
from typing import Any, Final, TypeAlias

import aiohttp
import msgspec
from aiohttp import http_exceptions
from aiohttp.abc import AbstractStreamWriter
from multidict import CIMultiDict
from yarl import URL

from dragoman import ir
from dragoman.capacity.space import Share, Space
from dragoman.errors import RequestFailed
from dragoman.net.connector import Connector, is_head_too_large
from dragoman.routing.outcome import POOL_EXHAUSTED
from dragoman.routing.route import Timers
from dragoman.seams.deadlines import Deadline, Deadlines, Unlimited
from dragoman.wire.multipart import Pieces
from dragoman.wire.sse import ANSWER_TOO_LARGE

LARGEST_ANSWER = 128_000_000
"""The most bytes of an answer that is read whole. OpenAI's JSON of 2,048 vectors of 1,536 numbers has 97 MB.
"""
_AT_ONCE = 1_000_000
"""Bytes. A larger body is written in pieces of `_PIECE` bytes: copying it at once would block the event loop.
"""
_PIECE = 128 * 1024
CROWDED = ir.Fault(
    "overloaded",
    "The gateway has no memory left for the provider's response at the moment. Try again later.",
    code="answers_too_large_together",
    retry_after=5.0,
    blame="gateway",
)
"""The fault if the answers that are being read whole need too much memory together."""
_TURN = 1024 * 1024
"""The most bytes of an answer that are read before other tasks run. Bytes that have arrived, or are
decompressed from them, are read without any wait: 128 MB would block for a third of a second.
"""
_LINGER = 0.2
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_IDEMPOTENT = frozenset({"GET", "HEAD", "PUT", "DELETE", "OPTIONS"})
_POOL_RETRY = 5.0
"""Seconds for the header retry-after when all connections to a provider are in use."""

Reached = Callable[[str, str], None]
"""Called when a limit that fails no exchange is reached. Arguments: the limit's name, a detail to log."""


def untold(bound: str, detail: str) -> None:
    """A `Reached` that does nothing."""


class Pool(msgspec.Struct, frozen=True):
    """The settings for the connections to one provider. size: the most connections, 0 = no limit. keep_alive:
    seconds that an idle connection is kept. wait: the most seconds that a request waits for a connection,
    None = no limit.
    """

    size: int = 0
    keep_alive: float = 60.0
    wait: float | None = 30.0


class Slots:
    """Lets `pool.size` calls run at a time; others wait in order. name: the provider's, for errors."""

    def __init__(self, pool: Pool, deadlines: Deadlines, name: str) -> None:
        self._free = asyncio.Semaphore(pool.size)
        self._pool = pool
        self._deadlines = deadlines
        self._name = name

    async def take(self) -> None:
        """Wait until a call may start. Raises RequestFailed (`pool_exhausted`) after the pool's `wait`."""
        if not self._free.locked():
            await self._free.acquire()  # does not wait
            return
        try:
            with self._deadlines.within(self._pool.wait):
                await self._free.acquire()
        except TimeoutError:
            fault = ir.Fault(
                "overloaded",
                f"All {self._pool.size} connections to the {self._name} were busy for {self._pool.wait:g} s.",
                code=POOL_EXHAUSTED,
                retry_after=_POOL_RETRY,
                blame="gateway",
            )
            raise RequestFailed(fault) from None

    def give_back(self) -> None:
        self._free.release()


def failed(kind: ir.Kind, message: str, code: str) -> RequestFailed:
    """A RequestFailed (returned, not raised) that blames the provider."""
    return RequestFailed(ir.Fault(kind, message, code=code, blame="upstream"))


class _Body(aiohttp.Payload):
    """A request body that is being sent. deadline: moved to `patience` seconds from now with each piece,
    until it is set to None; patience None = never moved. sent: whether the whole body was sent.
    """

    _autoclose = True  # tells aiohttp that there is nothing to close

    def __init__(
        self, body: Pieces | Flow, value: Any, deadline: Deadline | Unlimited, patience: float | None
    ) -> None:
        super().__init__(value)
        self._size = body.size
        self._patience = patience
        self.deadline = None if patience is None else deadline
        self.sent = False

    def _push(self) -> None:
        if self.deadline is not None and self._patience is not None:
            self.deadline.push(self._patience)


class _Upload(_Body):
    """A body in pieces, which are never joined. It can be sent a second time."""

    async def write(self, writer: AbstractStreamWriter) -> None:
        for part in self._value.parts:
            view = memoryview(part)
            for start in range(0, len(view), _PIECE):
                await writer.write(view[start : start + _PIECE])
                self._push()
        self.sent = True

    def decode(self, encoding: str = "utf-8", errors: str = "strict") -> str:
        """The whole body as text; aiohttp requires this method of every payload."""
        return b"".join(self._value.parts).decode(encoding, errors)


class Flow(msgspec.Struct, frozen=True):
    """A request body that is passed on while it comes in. size: its bytes, None = unknown."""

    pieces: AsyncIterator[bytes]
    size: int | None = None


Sendable: TypeAlias = bytes | Pieces | Flow | None


class _Stream(_Body):
    """A `Flow`. It can be sent only once. The deadline rests while this waits for the flow's next piece."""

    async def write(self, writer: AbstractStreamWriter) -> None:
        self._rest()
        async for piece in self._value:
            self._push()
            await writer.write(piece)
            self._rest()
        self._push()
        self.sent = True

    def _rest(self) -> None:
        if self.deadline is not None:
            self.deadline.rest()

    def decode(self, encoding: str = "utf-8", errors: str = "strict") -> str:
        """Return "": the pieces are not kept."""
        return ""


class Answer:
    """A provider's response whose head has come. name: the provider's, for errors. largest: the most bytes
    for `read`. watch: the deadline of the response's head; it becomes the idle deadline, because the same
    task also reads the body. upload: the request's body, None = it was not sent in pieces. space: counts the
    bytes of all answers that are read whole, until they are closed; None = does not count them. slots:
    `close` gives a slot back to them; None = this call holds none.
    """

    __slots__ = (
        *("_deadlines", "_largest", "_name", "_response", "_share", "_space", "_timers"),
        *("_turn", "_upload", "_watch"),
        *("headers", "slots", "status"),
    )

    def __init__(
        self,
        response: aiohttp.ClientResponse,
        name: str,
        timers: Timers,
        deadlines: Deadlines,
        *,
        largest: int,
        watch: Deadline | Unlimited,
        upload: _Body | None = None,
        space: Space | None = None,
    ) -> None:
        self._space = space
        self._share: Share | None = None
        self._response = response
        self._largest = largest
        self._turn = 0  # bytes read since other tasks have run
        self._upload = upload
        self.slots: Slots | None = None
        self._name = name
        self._timers = timers
        self._deadlines = deadlines
        self._watch: Deadline | Unlimited | None = watch if isinstance(watch, Deadline) else None
        self.status = response.status
        self.headers: Mapping[str, str] = response.headers

    async def read(self) -> bytes:
        """The whole body. Raises RequestFailed if it has, decompressed, more bytes than its limit
        (`answer_too_large`), if there is no memory left for it beside other answers
        (`answers_too_large_together`), and as `chunk`.
        """
        content = self._response.content
        data = await self.chunk()
        if (not data or content.at_eof()) and len(data) <= self._largest:
            return data
        if self._space is not None:
            self._share = Share(self._space)
        whole = BytesIO()  # its `getvalue` makes no copy
        while data:
            if whole.tell() + len(data) > self._largest:
                raise failed(
                    "upstream",
                    f"The {self._name} sent a response of more than {self._largest} bytes.",
                    ANSWER_TOO_LARGE,
                )
            if self._share is not None:
                self._share.take(len(data))
            whole.write(data)
            data = b"" if content.at_eof() else await self.chunk()
        return whole.getvalue()

    async def finish(self) -> None:
        """Read the few bytes after a stream's last event, so that the connection can be used again: for at
        most 0.2 s and without errors.
        """
        with contextlib.suppress(aiohttp.ClientError, OSError, TimeoutError), self._deadlines.within(_LINGER):
            while await self._response.content.readany():
                pass

    async def chunk(self) -> bytes:
        """The bytes of the body that have arrived since the last read; if there are none, waits for some. b""
        = the end. Raises RequestFailed if none come within the idle time, which runs only in this method, or
        if the connection breaks.
        """
        watch = self._watch
        if watch is None:
            watch = self._watch = self._deadlines.within(self._timers.idle)
        elif self._timers.idle is not None:
            watch.push(self._timers.idle)
        try:
            if self._turn > _TURN:
                self._turn = 0
                await asyncio.sleep(0)
            data = await self._response.content.readany()
            self._turn += len(data)
            return data
        except asyncio.CancelledError as error:
            try:
                watch.__exit__(asyncio.CancelledError, error, None)
            except TimeoutError:
                raise _idle(self._name, self._timers) from None
            raise
        except (aiohttp.ClientError, OSError) as error:
            raise _broken(self._name, error) from error
        finally:
            watch.rest()

    def close(self) -> None:
        """End the call. The connection is used again if the whole request was sent and the answer read."""
        if self._watch is not None:
            self._watch.lift()
        if self._share is not None:
            self._share.free()
        if (slots := self.slots) is not None:
            self.slots = None
            slots.give_back()
        if self._response.content.at_eof() and (self._upload is None or self._upload.sent):
            self._response.release()
        else:
            self._response.close()


class Transport:
    """The connection pool of one provider. It must be made and closed within the running event loop. ca_file:
    PEM certificates that replace the system's, None = the system's. verify_tls: False = certificates are not
    checked. proxy: the URL of an HTTP proxy, None = no proxy. name: the provider's, for errors. max_answer:
    the most bytes of an answer that is read whole, decompressed. space: as for `Answer`.
    """

    def __init__(
        self,
        pool: Pool | None = None,
        *,
        ca_file: str | None = None,
        verify_tls: bool = True,
        proxy: str | None = None,
        deadlines: Deadlines | None = None,
        name: str | None = None,
        max_answer: int = LARGEST_ANSWER,
        reached: Reached = untold,
        space: Space | None = None,
    ) -> None:
        self._space = space
        self._name = "provider" if name is None else f"provider {name!r}"
        self._max_answer = max_answer
        pool = pool or Pool()
        tls: ssl.SSLContext | bool = verify_tls
        if ca_file is not None and verify_tls:
            tls = ssl.create_default_context(cafile=ca_file)
        self._proxy = proxy
        self._deadlines = deadlines or Deadlines(asyncio.get_running_loop())
        self._slots = Slots(pool, self._deadlines, self._name) if pool.size else None
        self._connector = Connector(
            surprised=lambda: reached("unasked_answer", f"by the {self._name}"),
            limit=0,
            keepalive_timeout=pool.keep_alive,
            ssl=tls,
        )
        self._session = aiohttp.ClientSession(
            connector=self._connector,
            cookie_jar=aiohttp.DummyCookieJar(),
            timeout=aiohttp.ClientTimeout(total=None),
            trust_env=False,
        )
        self._limits: dict[float | None, aiohttp.ClientTimeout] = {}

    def send(
        self, method: str, url: URL, headers: CIMultiDict[str], body: Sendable, timers: Timers
    ) -> Coroutine[Any, Any, Answer]:
        """Send a request to the provider, and return its answer when the head has come; the caller closes it.
        Raises RequestFailed. headers: all of them; aiohttp adds only missing accept, accept-encoding and
        user-agent. body: each piece that the provider takes restarts the time for the first byte.
        """
        sending = self._send(method, url, headers, body, timers)
        return sending if self._slots is None else _in_turn(self._slots, sending)

    async def _send(
        self, method: str, url: URL, headers: CIMultiDict[str], body: Sendable, timers: Timers
    ) -> Answer:
        name = self._name
        limits = self._limits.get(timers.connect)
        if limits is None:
            limits = aiohttp.ClientTimeout(total=None, sock_connect=timers.connect)
            self._limits[timers.connect] = limits
        upload: _Body | None = None
        response: aiohttp.ClientResponse | None = None
        try:
            with self._deadlines.within(timers.first_byte) as deadline:
                if isinstance(body, bytes) and len(body) > _AT_ONCE:
                    body = Pieces([body], len(body))
                if isinstance(body, Pieces):
                    upload = _Upload(body, body, deadline, timers.first_byte)
                elif isinstance(body, Flow):
                    upload = _Stream(body, body.pieces, deadline, timers.first_byte)
                again = method in _IDEMPOTENT and not isinstance(body, Flow)
                while response is None:
                    try:
                        response = await self._session.request(
                            method,
                            url,
                            data=upload or body,
                            headers=headers,
                            allow_redirects=False,
                            timeout=limits,
                            proxy=self._proxy,
                        )
                    except aiohttp.ClientConnectorError:
                        raise
                    except (aiohttp.ServerDisconnectedError, aiohttp.ClientOSError):
                        # A kept connection may have died without notice, and the other idle ones with it.
                        self._connector.drop_idle()
                        if not again:
                            raise
                        again = False
        except (aiohttp.ClientError, OSError) as error:  # a TimeoutError is an OSError
            raise _unanswered(name, timers, error) from error
        finally:
            if upload is not None:
                upload.deadline = None
        if response.status in _REDIRECTS:
            response.close()
            raise failed(
                "upstream",
                f"The {name} responded with a redirect; correct its base_url.",
                "upstream_redirected",
            )
        return Answer(
            response,
            name,
            timers,
            self._deadlines,
            largest=self._max_answer,
            watch=deadline,
            upload=upload,
            space=self._space,
        )

    async def close(self) -> None:
        await self._session.close()


async def _in_turn(slots: Slots, sending: Coroutine[Any, Any, Answer]) -> Answer:
    with contextlib.closing(sending):
        await slots.take()
        try:
            answer = await sending
        except BaseException:
            slots.give_back()
            raise
    answer.slots = slots
    return answer


def _idle(name: str, timers: Timers) -> RequestFailed:
    return failed("timeout", f"The {name} sent no data for {timers.idle:g} s.", "idle_timeout")


def _unanswered(name: str, timers: Timers, error: Exception) -> RequestFailed:
    if isinstance(error, aiohttp.ConnectionTimeoutError):
        return failed(
            "timeout",
            f"The connection to the {name} was not established within {timers.connect:g} s.",
            "connect_timeout",
        )
    if isinstance(error, TimeoutError):
        return failed(
            "timeout",
            f"The {name} did not start to respond within {timers.first_byte:g} s.",
            "first_byte_timeout",
        )
    if isinstance(error, aiohttp.ClientConnectorError):
        return failed("unavailable", f"The {name} was not reached: {reason(error)}", "connect_failed")
    return _broken(name, error)


def _broken(name: str, error: Exception) -> RequestFailed:
    if is_head_too_large(error):
        return failed(
            "upstream", f"The {name} sent response headers that are too large.", "answer_head_too_large"
        )
    return failed("upstream", f"The connection to the {name} was lost: {reason(error)}", "connection_broken")


def reason(error: Any) -> str:
    """Why a connection failed with this error, as a short text without addresses of our own network."""
    cause = getattr(error, "os_error", None) or error.__cause__ or error
    number = getattr(cause, "errno", None) or 0
    if number > 0 and not isinstance(cause, ssl.SSLError):  # TLS errors have numbers of their own
        return os.strerror(number)  # asyncio's own text would name the address
    said = _PYTHON_WORDS.sub("", str(getattr(cause, "strerror", None) or ""))
    return said or _in_words(error, cause)


_PYTHON_WORDS: Final = re.compile(r"^\[[A-Z0-9: _]*\] | \(_ssl\.c:\d+\)$")
"""Matches the beginning and the end that Python adds to the text of a TLS error."""


def _in_words(*errors: Any) -> str:
    """The text of the first row in _MEANINGS whose class one of these errors has."""
    for kind, words in _MEANINGS:
        if any(isinstance(error, kind) for error in errors):
            return words
    return "the reason is unknown"


_MEANINGS: Final[tuple[tuple[type[BaseException], str], ...]] = (
    (http_exceptions.ContentEncodingError, "the response is not compressed as its headers say"),
    (aiohttp.ServerDisconnectedError, "it was closed before a response arrived"),
    (aiohttp.ClientPayloadError, "it was closed in the middle of the response"),
    (http_exceptions.TransferEncodingError, "it was closed in the middle of the response"),
    (http_exceptions.ContentLengthError, "it was closed in the middle of the response"),
    (aiohttp.ClientHttpProxyError, "the proxy refused it"),
    (aiohttp.ClientResponseError, "the response is not valid HTTP"),
    (http_exceptions.HttpProcessingError, "the response is not valid HTTP"),
    (EOFError, "it was closed before a response arrived"),
    (ConnectionError, "it was reset"),
    (TimeoutError, "it took too long"),
    (OSError, "none of its IP addresses can be reached"),
)
"""Classes of errors, each with its meaning as text."""
