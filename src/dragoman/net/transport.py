"""HTTP requests and WebSockets to configured providers: timers, limits and errors around an HTTP client
(`net.client`).

A failure of a request becomes a `RequestFailed`, whose fault names the timer or the step that failed. An
answer with an error status is no failure here: it is returned. A redirect is a failure. URLs in clients'
requests are not called here, but in `fetch`.

A request is sent once more if its connection ended before the head of the answer was complete, its method is
idempotent (RFC 9110, 9.2.2), and its body can be sent again. Requests with other methods are not repeated
here, because providers charge for them: `routing.attempts` decides about model calls.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Coroutine, Mapping
from io import BytesIO
from typing import TYPE_CHECKING, Any

import msgspec

from dragoman import ir
from dragoman.capacity.space import Share, Space
from dragoman.errors import RequestFailed
from dragoman.net.client import Client, ClientName, Flow, Head, Incoming, Patience, Sendable
from dragoman.net.failures import ConnectTimeout, Disconnected, Failure, HeadTooLarge, NotReached
from dragoman.net.h1.client import HTTPClient
from dragoman.net.h1.dial import Dialer, trusting
from dragoman.routing.outcome import POOL_EXHAUSTED
from dragoman.routing.route import Timers
from dragoman.seams.deadlines import UNLIMITED, Deadline, Deadlines, Unlimited
from dragoman.wire.multipart import Pieces
from dragoman.wire.sse import ANSWER_TOO_LARGE

if TYPE_CHECKING:
    from dragoman.net.websocket import Socket

LARGEST_ANSWER = 128_000_000
"""The default for the most bytes of an answer that is read into memory as a whole. OpenAI's JSON of 2,048
vectors of 1,536 numbers has 97 MB.
"""
_AT_ONCE = 1_000_000
"""Bytes. A larger body is written in pieces, because copying it at once would block the event loop."""
CROWDED = ir.Fault(
    "overloaded",
    "The gateway has no memory left for the provider's response at the moment. Try again later.",
    code="answers_too_large_together",
    retry_after=5.0,
    blame="gateway",
)
"""The fault if answers that are being read as a whole need too much memory together."""
_TURN = 1024 * 1024
"""After this many bytes of an answer have been read, other tasks get a turn. Bytes that have already arrived
are read and decompressed without waiting: 128 MB would block for a third of a second.
"""
_LINGER = 0.2
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_IDEMPOTENT = frozenset({"GET", "HEAD", "PUT", "DELETE", "OPTIONS"})
_POOL_RETRY = 5.0
"""The seconds in the header retry-after when all connections to a provider are in use."""

Reached = Callable[[str, str], None]
"""Called when a limit that does not fail an exchange is reached. Arguments: the limit's name, and a detail
for the log.
"""


def untold(bound: str, detail: str) -> None:
    """Do nothing: the default for the parameter `reached` of `Transport`."""


class Pool(msgspec.Struct, frozen=True):
    """The settings for the connections to one provider. size: the most connections in use at a time (by
    requests and open WebSockets), 0 = no limit. keep_alive: seconds after which an idle connection is closed.
    wait: the most seconds that a request waits while `size` connections are in use, None = no limit. max_age:
    seconds after its opening from which a connection gets no new request, None = no limit; aiohttp's client
    ignores it.
    """

    size: int = 0
    keep_alive: float = 60.0
    wait: float | None = 30.0
    max_age: float | None = None


class Slots:
    """Lets at most `pool.size` calls to a provider run at a time; the others wait, first come, first served.
    An open WebSocket counts as a call. pool: its `size` must not be 0. name: the words for the provider in
    errors, such as "provider 'openai'".
    """

    def __init__(self, pool: Pool, deadlines: Deadlines, name: str) -> None:
        self._free = asyncio.Semaphore(pool.size)
        self._pool = pool
        self._deadlines = deadlines
        self._name = name

    async def take(self) -> None:
        """Wait until a call may start. The caller must call `give_back` when the call has ended. Raises
        RequestFailed (`pool_exhausted`) if the wait takes longer than the pool's `wait` seconds.
        """
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
    """Return (not raise) a RequestFailed whose fault has this kind, message and code and blames the
    provider.
    """
    return RequestFailed(ir.Fault(kind, message, code=code, blame="upstream"))


class Terms(msgspec.Struct, frozen=True):
    """Values that are the same for all answers of a provider. name: the words for the provider in errors,
    such as "provider 'openai'". largest: the most bytes of an answer that is read as a whole. deadlines: the
    table for the time limits. space: the memory that is shared by all answers that are read as a whole; an
    answer's bytes count until it is closed, but an answer that arrives in one piece does not count. None = no
    common limit.
    """

    name: str
    largest: int
    deadlines: Deadlines
    space: Space | None


class Answer(msgspec.Struct, eq=False):
    """A provider's answer whose head has come. Its status may be an error.

    headers: a look-up needs the name in lower case. _terms: the terms of its transport. _idle: the most
    seconds without bytes of the body, None = no limit. _watch: the deadline for the wait for the answer's
    head; `chunk` uses it again for each wait for bytes of the body. A deadline cancels the task that created
    it, so the task that sent the request must also read the body. _share: the memory that `read` has taken,
    None = none. slots: where `close` gives a slot back; None = this call has no slot.
    """

    status: int
    headers: Mapping[str, str]
    _incoming: Incoming
    _terms: Terms
    _idle: float | None
    _watch: Deadline | Unlimited
    _share: Share | None = None
    _turn: int = 0
    """Bytes that were read since other tasks last had a turn."""
    slots: Slots | None = None

    async def read(self, largest: int | None = None) -> bytes:
        """Return the rest of the body, decompressed: all of it if `chunk` was not called before. largest:
        another limit in bytes, which applies if it is lower than `Terms.largest`; None = only `Terms.largest`
        applies. The body's memory in `Terms.space` is given back by `close`.

        Raises RequestFailed if the decompressed body has more bytes than its limit (`answer_too_large`), if
        other answers leave no memory for it (`answers_too_large_together`), if no bytes come within the idle
        time, or if the connection breaks or the body is not valid.
        """
        incoming, terms = self._incoming, self._terms
        most = terms.largest if largest is None else min(largest, terms.largest)
        try:
            data = incoming.take()
        except Failure as error:
            raise _broken(terms.name, error) from error
        if data is None:
            data = await self.chunk()
        if (not data or incoming.ended) and len(data) <= most:
            return data
        if terms.space is not None:
            self._share = Share(terms.space)
        whole = BytesIO()  # its `getvalue` makes no copy
        while data:
            if whole.tell() + len(data) > most:
                raise failed(
                    "upstream",
                    f"The {terms.name} sent a response of more than {most} bytes.",
                    ANSWER_TOO_LARGE,
                )
            if self._share is not None:
                self._share.take(len(data))
            whole.write(data)
            data = b"" if incoming.ended else await self.chunk()
        return whole.getvalue()

    async def finish(self) -> None:
        """Read the rest of a stream's body and drop it, so that the connection can be used again. Gives up
        after 0.2 s, and raises no errors of the connection. The caller still has to call `close`.
        """
        incoming = self._incoming
        if incoming.ended:
            return
        with contextlib.suppress(Failure, TimeoutError), self._terms.deadlines.within(_LINGER):
            while (data := incoming.take()) != b"":
                if data is None:
                    await incoming.arrival()

    async def chunk(self) -> bytes:
        """Return the next bytes of the body, decompressed; if none have arrived since the last read, wait for
        some. b"" = the end. Raises RequestFailed if none come within the idle time, which runs only in this
        method, or if the connection breaks or the body is not valid.
        """
        incoming = self._incoming
        try:
            if self._turn > _TURN:
                self._turn = 0
                await asyncio.sleep(0)
            take = incoming.take
            data = take()
            if data is None:
                watch, idle = self._watch, self._idle
                if idle is not None:
                    if watch is UNLIMITED:
                        watch = self._watch = self._terms.deadlines.within(idle)
                    else:
                        watch.push(idle)
                try:
                    while data is None:
                        await incoming.arrival()
                        data = take()
                except asyncio.CancelledError as error:
                    try:
                        watch.__exit__(asyncio.CancelledError, error, None)
                    except TimeoutError:
                        raise _silent(self._terms.name, idle) from None
                    raise
                finally:
                    watch.rest()
        except Failure as error:
            raise _broken(self._terms.name, error) from error
        self._turn += len(data)
        return data

    def close(self) -> None:
        """End the call: give back its slot and its memory. The connection is used again only if the request
        was sent completely, the answer was read completely and the provider keeps the connection open;
        otherwise it is closed.
        """
        self._watch.lift()
        if self._share is not None:
            self._share.free()
        if (slots := self.slots) is not None:
            self.slots = None
            slots.give_back()
        self._incoming.release()


class Transport:
    """The connection pool of one provider. Create and close it within the running event loop.

    pool: None = the defaults of `Pool`. ca_file: a PEM file with the certificates to trust in place of the
    system's. client_cert, client_key: PEM files with our certificate and its key; client_key None = the key
    is in the certificate's file. The constructor raises OSError or ssl.SSLError for a file that it cannot
    use. verify_tls: False = the provider's certificate is not checked. proxy: the URL of an HTTP proxy; with
    a proxy, aiohttp's client is used, whatever `client` says. client: "own" = our client (`h1`), "aiohttp" =
    aiohttp's. deadlines: the table for the time limits; None = a new one. name: the provider's name, which
    errors contain in place of its address; None = errors say "provider". max_answer: the most bytes of an
    answer that is read as a whole, decompressed. reached: called with "unasked_answer" when a connection is
    closed because it has read bytes that no request asked for (with aiohttp's client, also too many interim
    answers). space: the memory that answers of all providers share while they are read as a whole (`Terms`);
    None = no common limit.
    """

    def __init__(
        self,
        pool: Pool | None = None,
        *,
        ca_file: str | None = None,
        verify_tls: bool = True,
        client_cert: str | None = None,
        client_key: str | None = None,
        proxy: str | None = None,
        client: ClientName = "own",
        deadlines: Deadlines | None = None,
        name: str | None = None,
        max_answer: int = LARGEST_ANSWER,
        reached: Reached = untold,
        space: Space | None = None,
    ) -> None:
        name = "provider" if name is None else f"provider {name!r}"
        pool = pool or Pool()
        deadlines = deadlines or Deadlines(asyncio.get_running_loop())
        self._terms = Terms(name, max_answer, deadlines, space)
        self._slots = Slots(pool, deadlines, name) if pool.size else None
        tls = None
        if not verify_tls or ca_file is not None or client_cert is not None:
            tls = trusting(ca_file=ca_file, verify=verify_tls, client_cert=client_cert, client_key=client_key)

        def surprised() -> None:
            reached("unasked_answer", f"by the {name}")

        self._tls, self._proxied = tls, proxy is not None
        self._dialer: Dialer | None = None
        if client == "aiohttp" or proxy is not None:
            from dragoman.net.aio import AiohttpClient

            self._client: Client = AiohttpClient(tls, proxy=proxy, idle=pool.keep_alive, surprised=surprised)
        else:
            dialer = Dialer(asyncio.get_running_loop(), tls)
            self._client = HTTPClient(dialer, idle=pool.keep_alive, age=pool.max_age, surprised=surprised)

    def send(
        self, head: Head, body: Sendable, timers: Timers, added: Mapping[str, str] | None = None
    ) -> Coroutine[Any, Any, Answer]:
        """Return a coroutine that sends a request to the provider and returns its answer when the head has
        come; the caller closes the answer. An answer with an error status is returned, too. The coroutine
        raises RequestFailed if no answer comes, if the answer is a redirect, or if no slot of the pool gets
        free in time; and ValueError for what cannot be sent (`net.client.Client.request`).

        head: with all headers that the provider needs. The client adds those that HTTP requires, and accept
        and accept-encoding if they are missing; aiohttp's client also adds user-agent. body: if it is sent in
        pieces, each piece that the provider takes starts the time limit for the first byte again, and the
        limit pauses while the client's next piece has not arrived; bytes above 1 MB are sent in pieces, too.
        timers: `connect` and `first_byte` apply here, `idle` when the answer is read; `total` is not used.
        added: more headers for this request, with other names than those in `head`; None = none.
        """
        sending = self._send(head, body, timers, added)
        return sending if self._slots is None else _in_turn(self._slots, sending)

    async def _send(
        self, head: Head, body: Sendable, timers: Timers, added: Mapping[str, str] | None
    ) -> Answer:
        terms, client, connect = self._terms, self._client, timers.connect
        patience: Patience | None = None
        try:
            with terms.deadlines.within(timers.first_byte) as deadline:
                if isinstance(body, bytes) and len(body) > _AT_ONCE:
                    body = Pieces([body], len(body))
                if body is not None and not isinstance(body, bytes):
                    patience = Patience(deadline, timers.first_byte)
                try:
                    incoming = await client.request(head, body, added, connect=connect, patience=patience)
                except Disconnected:
                    # A kept connection may have died without notice. The other idle ones may be dead, too.
                    client.drop_idle()
                    if head.method not in _IDEMPOTENT or isinstance(body, Flow):
                        raise
                    incoming = await client.request(head, body, added, connect=connect, patience=patience)
        except Failure as error:
            raise _unanswered(terms.name, timers, error) from error
        except TimeoutError as error:
            raise _late(terms.name, timers) from error
        finally:
            if patience is not None:
                patience.end()
        if incoming.status in _REDIRECTS:
            incoming.release()
            raise failed(
                "upstream",
                f"The {terms.name} responded with a redirect; correct its base_url.",
                "upstream_redirected",
            )
        return Answer(incoming.status, incoming.headers, incoming, terms, timers.idle, deadline)

    async def websocket(self, head: Head, timers: Timers, largest: int) -> Socket:
        """Open a WebSocket to the provider; the caller closes it. It takes one of the `pool.size` slots while
        it is open. head: its URL is an http or https URL. timers: `connect` and `first_byte` limit the
        opening; the others are not used. largest: the most bytes of one message from the provider.

        Raises Refused if the provider answers with an HTTP status other than 101, ValueError for what
        cannot be sent, and RequestFailed for other failures. With a proxy, it always raises
        RequestFailed (`realtime_over_proxy`).
        """
        from dragoman.net.websocket import connect  # few gateways have realtime sessions

        terms, slots = self._terms, self._slots
        if self._proxied:
            text = f"The {terms.name} is behind an HTTP proxy, over which no realtime sessions are opened."
            raise RequestFailed(ir.Fault("unsupported", text, "realtime_over_proxy", blame="gateway"))
        if slots is not None:
            await slots.take()
        done = _nothing if slots is None else slots.give_back
        try:
            dialer = self._dialer = self._dialer or Dialer(asyncio.get_running_loop(), self._tls)
            with terms.deadlines.within(timers.first_byte):
                return await connect(
                    dialer, head.url, head.headers, seconds=timers.connect, largest=largest, done=done
                )
        except BaseException as error:
            done()
            if isinstance(error, Failure):
                raise _unanswered(terms.name, timers, error) from error
            if isinstance(error, TimeoutError):
                raise _late(terms.name, timers) from error
            raise

    async def close(self) -> None:
        await self._client.close()


def _nothing() -> None:
    """Do nothing: the `done` of a WebSocket that has no slot to give back."""


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


def _late(name: str, timers: Timers) -> RequestFailed:
    text = f"The {name} did not start to respond within {timers.first_byte:g} s."
    return failed("timeout", text, "first_byte_timeout")


def _silent(name: str, idle: float | None) -> RequestFailed:
    return failed("timeout", f"The {name} sent no data for {idle:g} s.", "idle_timeout")


def _unanswered(name: str, timers: Timers, error: Failure) -> RequestFailed:
    if isinstance(error, ConnectTimeout):
        return failed(
            "timeout",
            f"The connection to the {name} was not established within {timers.connect:g} s.",
            "connect_timeout",
        )
    if isinstance(error, NotReached):
        return failed("unavailable", f"The {name} was not reached: {error.meaning}", "connect_failed")
    return _broken(name, error)


def _broken(name: str, error: Failure) -> RequestFailed:
    if isinstance(error, HeadTooLarge):
        return failed(
            "upstream", f"The {name} sent response headers that are too large.", "answer_head_too_large"
        )
    return failed("upstream", f"The connection to the {name} was lost: {error.meaning}", "connection_broken")
