"""The way of an answer to its client: what is committed, and what is noted of it on the way.

Two commits. *Content* commits an answer to its attempt: until the first of it, anything may still fail over.
*Headers* are committed by the first content, or by the client's heartbeat when nothing came for too long;
from there a final failure is told in-band. This decides neither which attempt is next nor how an answer is
passed on, and never waits for anything but the client.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from dragoman import ir
from dragoman.dialects.loss import Change, Report
from dragoman.dialects.operation import Payload
from dragoman.dialects.streaming import StreamEncoder, TellsInPieces
from dragoman.engine.work import Headers, Work
from dragoman.errors import RequestFailed
from dragoman.exchange import AttemptRecord
from dragoman.routing.attempts import Attempts, FirstContent
from dragoman.seams.deadlines import UNLIMITED, Deadline, Unlimited
from dragoman.upstreams.answers import PART, AnswerLimits, silent, without_content
from dragoman.upstreams.upstream import Call
from dragoman.wire.header import header_value
from dragoman.wire.inert import inert_headers
from dragoman.wire.json import encode

log = logging.getLogger("dragoman.engine.delivery")

_CONTENT = FirstContent()
_ESTIMATED = Change(None, "$.usage", "estimated by the gateway: the provider sent no usage")
_SAYS_MORE = frozenset({ir.TextDelta, ir.ThinkDelta, ir.ArgsDelta})
"""What nearly all events of a stream are."""
_SAYS_NOTHING = frozenset({ir.Ping, ir.More, ir.Raw})


class Opening:
    """A stream up to its first content: it is held until then, and commits the answer to its attempt.

    After that it notes how long the stream says nothing, although something comes; it looks at the clock
    only when something came that says nothing. passed: as for `Delivery.begin`. name: what errors call the
    provider.
    """

    __slots__ = ("_begin", "_delivery", "_held", "_limits", "_name", "silent_since")

    def __init__(
        self,
        delivery: Delivery,
        call: Call,
        record: AttemptRecord,
        passed: Headers,
        *,
        limits: AnswerLimits,
        name: str,
    ) -> None:
        self._delivery = delivery
        self._begin = partial(delivery.begin, call, record, passed)
        self._limits = limits
        self._name = name
        self._held = bytearray()  # adding to it costs what is added, not what is held
        self.silent_since: float | None = None
        """To be None again when the stream that has begun says something."""

    async def add(self, data: bytes, *, content: bool) -> bytes:
        """The bytes to send now. content: whether there is some among them. Raises RequestFailed for more
        than may be held, and for a silence that is too long.

        Such an attempt fails instead of being committed to: as nothing of the answer is there, the next
        candidate may still give one.
        """
        if self._delivery.committed:
            if not content:
                self._stay_silent()
            return data
        self._held += data
        if content:
            await self._begin()
            data, self._held = bytes(self._held), bytearray()
            return data
        if len(self._held) > self._limits.opening:
            raise RequestFailed(without_content(self._name, self._limits.opening))
        return b""

    def _stay_silent(self) -> None:
        now, most = self._delivery.now(), self._limits.silence
        if self.silent_since is None:
            self.silent_since = now
        elif most is not None and now - self.silent_since > most:
            raise RequestFailed(silent(self._name, most))


class Ends:
    """Writes the last events of a stream, which repeat its long texts. The encoder gives such an event as a
    list of pieces, so that no long text is copied. Most streams have no such event.
    """

    __slots__ = ("_encoder", "_lines", "_work", "pieces")

    def __init__(self, work: Work, encoder: StreamEncoder) -> None:
        self._work = work
        self._lines = work.inbound.framing == "ndjson"
        self._encoder = encoder if isinstance(encoder, TellsInPieces) else None
        self.pieces: list[list[bytes]] = []
        """What is to be written, behind the bytes of `encoder.feed`."""
        if self._encoder is not None:
            self._encoder.pieces = self.pieces

    async def write(self, data: bytes) -> None:
        """Send these bytes and the pieces: lines whole, all else a part at a time."""
        client = self._work.client
        if data:
            await client.write(data)
        for event in self.pieces:
            if self._lines:
                await client.write(b"".join(event))
                continue
            for piece in event:
                for start in range(0, len(piece), PART):
                    await client.write(piece[start : start + PART])
        self.pieces.clear()

    async def last(self, data: bytes) -> bytes:
        """The bytes that are left to be sent at the end of the stream. An answer with a long text is kept
        before its last event is written. data: bytes that have not been sent.
        """
        encoder, turn = self._encoder, self._work.turn
        if encoder is None or encoder.ending is None:
            return data
        await self.write(data)
        encoder.end(stored=turn is None or await turn.kept(self._work, encoder.ending))
        if self._lines:
            return b"".join([piece for event in self.pieces for piece in event])
        await self.write(b"")
        return b""


class Delivery:
    """What the client of one exchange gets. All its attempts share it.

    round_: the attempts, which are told of a stream's first content. now: the monotonic clock.
    """

    def __init__(self, work: Work, round_: Attempts[Any], now: Callable[[], float]) -> None:
        self._work = work
        self._exchange = work.exchange
        self._round = round_
        self.now = now
        self.committed = False
        """Whether the answer is the running attempt's for good."""
        self.cost_so_far: Callable[[], ir.Usage] | None = None
        """Counts what the stream that has begun has cost by now; only for one that breaks off."""
        self._record: AttemptRecord
        self._success: int | None = None
        self._limit: Deadline | Unlimited = UNLIMITED
        self._due: float | None = None

    def begin_attempt(
        self,
        record: AttemptRecord,
        success: int | None,
        limit: Deadline | Unlimited,
        silence: float | None,
        total: float | None,
    ) -> None:
        """An attempt begins, and must leave the block of this limit in time.

        success: the status of a good answer whose own is not known, None = there is no HTTP. silence: seconds
        in which it must have content, None = in any. total: seconds for all of it.
        """
        self._record, self._success = record, success
        self._limit = UNLIMITED if silence is None else limit
        self._due = None if total is None else self.now() + total

    def _commit(self) -> None:
        """The answer is the running attempt's, whose limit is from now on the one for all of it."""
        self.committed = True
        if self._record.status is None:
            self._record.status = self._success
        if self._due is None:
            self._limit.rest()
        else:
            self._limit.push(self._due - self.now())

    async def begin(self, call: Call, record: AttemptRecord, passed: Headers) -> None:
        """A stream's headers, because its first content is there. passed: the upstream's that may pass, after
        the content type where it is the upstream's.
        """
        self._commit()
        exchange = self._exchange
        exchange.phase = "stream"
        self._round.on(_CONTENT, self.now())
        exchange.waited += call.watch.take()
        record.first = exchange.first = self.now()
        await self._work.client.begin(200, [*passed, *self._work.headers()])
        self._work.forget()

    async def body(self, body: bytes, call: Call, passed: Headers) -> None:
        """A whole answer as bytes."""
        self._commit()
        self._exchange.waited += call.watch.take()
        await self._work.client.answer(200, [*self._work.headers(), *passed], body)

    async def payload(self, payload: Payload, call: Call, passed: Headers) -> None:
        """A whole answer to an operation beside chat, which need not be JSON."""
        self._commit()
        self._exchange.waited += call.watch.take()
        stated = payload.kind or "application/json"
        kind = (b"content-type", header_value(stated))
        guard = () if stated.startswith("application/json") else inert_headers(stated)
        await self._work.client.answer(200, [kind, *self._work.headers(), *passed, *guard], payload.data)

    async def response(self, response: ir.Response, call: Call, record: AttemptRecord, size: int) -> None:
        """Send a whole answer in the client's protocol. size: bytes that it came in, 0 = not known."""
        record.first = self.now()
        face, reply = self._work.face, self._work.reply(Report(self._work.face.name, "response"))
        body = await self._work.step_of(size, lambda: encode(face.response.encode(response, reply)))
        self.counted(response.usage)
        self.lost(reply.report)
        await self.body(body, call, ())

    async def streamed(self, response: ir.Response, call: Call, record: AttemptRecord) -> None:
        """Send a whole answer as a stream, because the client asked for one."""
        work = self._work
        reply = work.reply(Report(work.face.name, "response"), relayed=True)
        encoder = work.face.stream.encoder(reply)
        work.ending = lambda fault: encoder.feed(ir.Error(fault))
        ends = Ends(work, encoder)
        events = list(ir.unfold(response))
        self.note(events)
        await self.begin(call, record, ())
        data = b"".join([encoder.feed(event) for event in events])
        if ends.pieces:
            await ends.write(data)
            data = b""
        self.lost(reply.report)
        await work.client.end(await ends.last(data))

    def counted(self, usage: ir.Usage | None) -> None:
        """Note what the answer cost, and whether that is an estimate."""
        exchange = self._exchange
        exchange.usage = usage
        if usage is not None and usage.estimated and _ESTIMATED not in exchange.changes:
            exchange.changes += (_ESTIMATED,)

    async def broken_off(self) -> None:
        """The exchange ends before its answer does: note what that has cost, as far as nobody states it."""
        work, cost = self._work, self.cost_so_far
        if cost is None:
            return
        try:
            self.counted(cost() if work.light else await work.step(cost))
        except Exception:  # whatever ended the exchange is what it has to tell
            log.exception("exchange %s: its usage could not be estimated", self._exchange.id)

    def note(self, batch: Sequence[ir.Event]) -> tuple[Sequence[ir.Event], bool, ir.Fault | None]:
        """Note what a batch tells: the events before an in-stream error, whether they hold something worth
        committing to, and the error.
        """
        speaks = False
        for place, event in enumerate(batch):
            kind = type(event)
            if kind in _SAYS_MORE:
                speaks = True
            elif isinstance(event, ir.Error):
                return batch[:place], speaks, event.fault
            elif isinstance(event, (ir.Tally, ir.Start)):
                if event.usage is not None:
                    self.counted(event.usage)
            elif kind not in _SAYS_NOTHING and not (
                isinstance(event, ir.Open) and isinstance(event.block, ir.Text)
            ):
                speaks = True
        return batch, speaks, None

    def lost(self, report: Report) -> None:
        """Note what the client's own protocol could not carry."""
        losses, changes = report.located(str)
        self._exchange.losses += losses
        self._exchange.changes += changes
