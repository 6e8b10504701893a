"""HTTP to configured providers, over aiohttp: pooled, never redirected, no cookies.

Every failure is a `RequestFailed` whose fault says which timer or which step it was; nothing of aiohttp
leaves here. What a request names goes through `fetch`, never through here.

A request is sent again when its connection ends before any byte of an answer, but only if its method is
idempotent (RFC 9110, 9.2.2): providers bill for the others, and `routing.attempts` decides about model calls.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import ssl
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping
from io import BytesIO
from typing import Any, Final

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

LARGEST_ANSWER = 128_000_000
"""Bytes of one answer that is read whole. 2,048 vectors of 1,536 numbers are 97 MB as OpenAI writes them."""
TOO_LARGE = "answer_too_large"
"""The code of an answer that is larger than its bound."""
_AT_ONCE = 1_000_000
"""Bytes of a body that is written at once. A larger one goes in pieces, each when there is room for it, so
that nobody waits while it is copied.
"""
CROWDED = ir.Fault(
    "overloaded",
    "The gateway has no memory left for the provider's response at the moment. Try again later.",
    code="answers_too_large_together",
    retry_after=5.0,
    blame="gateway",
)
"""What is said where the answers that are read at once take too much memory together."""
_TURN = 1024 * 1024
"""Bytes of an answer after which others have their turn. What is there already is read without any wait, and
a compressed answer is all there as soon as its first kilobytes are: 128 MB take a third of a second.
"""
_PIECE = 128 * 1024
"""Bytes of a large body that are handed on together. The next wait until the provider has taken them."""
_LINGER = 0.2
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_IDEMPOTENT = frozenset({"GET", "HEAD", "PUT", "DELETE", "OPTIONS"})
_POOL_RETRY = 5.0
"""Seconds after which a client may ask again when all connections are taken."""

Reached = Callable[[str, str], None]
"""Told of a bound that was reached where no exchange ends by it: its name, and a detail for the log."""


def untold(bound: str, detail: str) -> None:
    """Nobody is told."""


class Pool(msgspec.Struct, frozen=True):
    """Connections to one provider.

    size: at most so many, 0 = no limit; keep_alive: idle seconds; wait: the longest that a request waits
    for one of them, in seconds, None = no limit.
    """

    size: int = 0
    keep_alive: float = 60.0
    wait: float | None = 30.0


class Slots:
    """The right to a connection, for as many requests at once as a pool has. Those that wait go in order."""

    def __init__(self, pool: Pool, deadlines: Deadlines, name: str) -> None:
        self._free = asyncio.Semaphore(pool.size)
        self._pool = pool
        self._deadlines = deadlines
        self._name = name

    async def take(self) -> None:
        """Wait for a connection. Raises RequestFailed (`pool_exhausted`) after the pool's time."""
        if not self._free.locked():
            await self._free.acquire()  # at once
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
        """Let the next one have it."""
        self._free.release()


def failed(kind: ir.Kind, message: str, code: str) -> RequestFailed:
    """A fault of the way to the upstream."""
    return RequestFailed(ir.Fault(kind, message, code=code, blame="upstream"))


class _Upload(aiohttp.Payload):
    """A body in pieces on its way out. Nothing of it is joined; it can be sent again.

    deadline: put off by `patience` seconds with each piece that has gone, None = by nothing any more.
    """

    _autoclose = True  # there is nothing to close

    def __init__(self, body: Pieces, deadline: Deadline | Unlimited, patience: float | None) -> None:
        super().__init__(body)
        self._size = body.size
        self._patience = patience
        self.deadline: Deadline | Unlimited | None = deadline
        self.sent = False

    async def write(self, writer: AbstractStreamWriter) -> None:
        """Send all of it."""
        for part in self._value.parts:
            view = memoryview(part)
            for start in range(0, len(view), _PIECE):
                await writer.write(view[start : start + _PIECE])
                if self.deadline is not None and self._patience is not None:
                    self.deadline.push(self._patience)
        self.sent = True

    def decode(self, encoding: str = "utf-8", errors: str = "strict") -> str:
        """The whole as text, as aiohttp wants it of every payload."""
        return b"".join(self._value.parts).decode(encoding, errors)


class Flow(msgspec.Struct, frozen=True):
    """A body that is passed on while it comes in. size: its bytes, None = not known before its end."""

    pieces: AsyncIterator[bytes]
    size: int | None = None


class _Stream(aiohttp.Payload):
    """A body on its way through. It is sent once.

    deadline: as `_Upload`'s; while the next piece is waited for, it is not the provider that keeps silent.
    """

    _autoclose = True  # whoever gave it ends it

    def __init__(self, flow: Flow, deadline: Deadline | Unlimited, patience: float | None) -> None:
        super().__init__(flow.pieces)
        self._size = flow.size
        self._patience = patience
        self.deadline: Deadline | Unlimited | None = deadline
        self.sent = False

    async def write(self, writer: AbstractStreamWriter) -> None:
        """Send all of it."""
        self._rest()
        async for piece in self._value:
            self._push()
            await writer.write(piece)
            self._rest()
        self._push()
        self.sent = True

    def _rest(self) -> None:
        if self.deadline is not None and self._patience is not None:
            self.deadline.rest()

    def _push(self) -> None:
        if self.deadline is not None and self._patience is not None:
            self.deadline.push(self._patience)

    def decode(self, encoding: str = "utf-8", errors: str = "strict") -> str:
        """Nothing: what has gone through is kept nowhere."""
        return ""


class Answer:
    """An aiohttp response with our timers.

    largest: bytes that `read` takes. watch: the deadline of its head, which goes on as that of its silence:
    whoever asked also reads. upload: the body in pieces that is answered. space: what all answers
    that are read whole may take together until they are closed, None = any.
    """

    __slots__ = (
        *("_deadlines", "_largest", "_name", "_response", "_share", "_slots", "_space", "_timers"),
        *("_turn", "_upload", "_watch"),
        *("headers", "status"),
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
        upload: _Upload | _Stream | None = None,
        space: Space | None = None,
    ) -> None:
        self._space = space
        self._share: Share | None = None
        self._response = response
        self._largest = largest
        self._turn = 0  # bytes since others had theirs
        self._upload = upload
        self._slots: Slots | None = None
        self._name = name
        self._timers = timers
        self._deadlines = deadlines
        self._watch: Deadline | Unlimited | None = watch if isinstance(watch, Deadline) else None
        self.status = response.status
        self.headers: Mapping[str, str] = response.headers

    async def read(self) -> bytes:
        """The whole body. Raises RequestFailed as soon as it is larger than the bound (`answer_too_large`),
        or does not fit beside the answers to other requests (`answers_too_large_together`).

        What counts is the body as it is after decompression, which aiohttp does in pieces of 256 KiB.
        """
        content = self._response.content
        data = await self.chunk()
        if (not data or content.at_eof()) and len(data) <= self._largest:
            return data
        if self._space is not None:
            self._share = Share(self._space)
        whole = BytesIO()  # which gives its bytes away without a copy
        while data:
            if whole.tell() + len(data) > self._largest:
                raise failed(
                    "upstream",
                    f"The {self._name} sent a response of more than {self._largest} bytes.",
                    TOO_LARGE,
                )
            if self._share is not None:
                self._share.take(len(data))
            whole.write(data)
            data = b"" if content.at_eof() else await self.chunk()
        return whole.getvalue()

    async def finish(self) -> None:
        """Read what little follows the last that matters, so that the connection can be used again.

        Whatever happens to it now harms nobody.
        """
        with contextlib.suppress(aiohttp.ClientError, OSError, TimeoutError), self._deadlines.within(_LINGER):
            while await self._response.content.readany():
                pass

    async def chunk(self) -> bytes:
        """What has arrived since the last read, b"" at the end.

        The idle time counts only while somebody waits here: a client that reads slowly is not the
        upstream's silence.
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

    def holds(self, slots: Slots) -> None:
        """Give the right to a connection back to these when the call ends."""
        self._slots = slots

    def close(self) -> None:
        """End the call now. A connection that was read to its end goes back to the pool, unless some of the
        body has not gone yet.
        """
        if self._watch is not None:
            self._watch.lift()
        if self._share is not None:
            self._share.free()
        if (slots := self._slots) is not None:
            self._slots = None
            slots.give_back()
        if self._response.content.at_eof() and (self._upload is None or self._upload.sent):
            self._response.release()
        else:
            self._response.close()


class Transport:
    """The pooled session of one provider. Made inside a running loop; close it there.

    ca_file: PEM certificates to trust instead of the system's. verify_tls: whether certificates are
    checked at all. proxy: an HTTP proxy to go through. name: what errors call the provider, as clients must
    not learn addresses of our network. max_answer: bytes of an answer that is read whole, decompressed.
    reached: told of bounds that end no exchange. space: as `Answer`'s, for all providers.
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
        self,
        method: str,
        url: URL,
        headers: CIMultiDict[str],
        body: bytes | Pieces | Flow | None,
        timers: Timers,
    ) -> Coroutine[Any, Any, Answer]:
        """Call a configured provider. Raises RequestFailed; the caller closes the answer.

        headers: complete. aiohttp adds what is missing of accept, accept-encoding and user-agent. body: one
        in pieces is not joined, and the first byte is waited for anew with each that the provider takes.
        """
        if self._slots is None:
            return self._send(method, url, headers, body, timers)
        return self._send_in_turn(method, url, headers, body, timers)

    async def _send_in_turn(
        self,
        method: str,
        url: URL,
        headers: CIMultiDict[str],
        body: bytes | Pieces | Flow | None,
        timers: Timers,
    ) -> Answer:
        slots = self._slots
        assert slots is not None
        await slots.take()
        try:
            answer = await self._send(method, url, headers, body, timers)
        except BaseException:
            slots.give_back()
            raise
        answer.holds(slots)
        return answer

    async def _send(
        self,
        method: str,
        url: URL,
        headers: CIMultiDict[str],
        body: bytes | Pieces | Flow | None,
        timers: Timers,
    ) -> Answer:
        name = self._name
        limits = self._limits.get(timers.connect)
        if limits is None:
            limits = aiohttp.ClientTimeout(total=None, sock_connect=timers.connect)
            self._limits[timers.connect] = limits
        upload: _Upload | _Stream | None = None
        response: aiohttp.ClientResponse | None = None
        try:
            with self._deadlines.within(timers.first_byte) as deadline:
                if isinstance(body, bytes) and len(body) > _AT_ONCE:
                    body = Pieces([body], len(body))
                if isinstance(body, Pieces):
                    upload = _Upload(body, deadline, timers.first_byte)
                elif isinstance(body, Flow):
                    upload = _Stream(body, deadline, timers.first_byte)
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
                        # A connection that was kept may have died unnoticed; the others may be as dead.
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
        """Close all connections."""
        await self._session.close()


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
    """Why a connection failed, in words, without addresses of our own network."""
    cause = getattr(error, "os_error", None) or error.__cause__ or error
    number = getattr(cause, "errno", None) or 0
    if number > 0 and not isinstance(cause, ssl.SSLError):  # whose numbers are no system's
        return os.strerror(number)  # asyncio's own text names the address
    said = _OURS.sub("", str(getattr(cause, "strerror", None) or ""))
    return said or _in_words(error, cause)


_OURS: Final = re.compile(r"^\[[A-Z0-9: _]*\] | \(_ssl\.c:\d+\)$")
"""What Python adds to the words of its TLS library."""


def _in_words(*errors: Any) -> str:
    """What our HTTP client's errors mean. Their names are its own, and nobody else's."""
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
"""The first that fits counts."""
