"""The telling: the way of an answer to its client, what is committed of it, and what is noted on the way.

Two commits. *Content* commits an answer to its attempt: until the first of it, anything may still fail over.
*Headers* are committed by the first content, or by the client's heartbeat when nothing came for too long;
from there a final failure is told in-band. This decides neither which attempt is next nor how an answer is
passed on, and never waits for anything but the client and those who keep the answer.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from dragoman import ir
from dragoman.dialects.dialect import Dialect
from dragoman.dialects.loss import Change, Report
from dragoman.dialects.operation import Payload
from dragoman.dialects.reply import Reply
from dragoman.dialects.streaming import Ending
from dragoman.engine.asked import Answer, Asked, Inbound, Turn
from dragoman.engine.client import Client, Headers
from dragoman.engine.ends import Ends
from dragoman.engine.report import answer_headers
from dragoman.exchange import AttemptRecord, Exchange
from dragoman.routing.attempts import Attempts, FirstContent
from dragoman.routing.route import Deployment
from dragoman.seams.deadlines import UNLIMITED, Deadline, Unlimited
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


class Delivery:
    """What the client of one exchange gets. All its attempts share it. now: the monotonic clock."""

    def __init__(
        self, exchange: Exchange, inbound: Inbound, client: Client, now: Callable[[], float]
    ) -> None:
        self.client = client
        self.now = now
        self.asked: Asked | None = None
        """What was asked, as soon as it is known."""
        self.committed = False
        """Whether the answer is the running attempt's for good."""
        self.cost_so_far: Callable[[], ir.Usage] | None = None
        """Counts what the stream that has begun has cost by now; only for one that breaks off."""
        self.failing: Callable[[ir.Fault], bytes] | None = None
        """How the stream that has begun tells that it has failed; None = as its protocol usually does."""
        self.ends: Ends | None = None
        """Writes the last events of the stream that has begun."""
        self._exchange = exchange
        self._inbound = inbound
        self._round: Attempts[Any]
        self._record: AttemptRecord
        self._deployment: Deployment | None = None
        self._success: int | None = None
        self._limit: Deadline | Unlimited = UNLIMITED
        self._due: float | None = None

    @property
    def face(self) -> Dialect:
        """The client's protocol."""
        return self._inbound.face if self.asked is None else self.asked.face

    @property
    def turn(self) -> Turn | None:
        """What keeps the answer."""
        return self._inbound.turn

    def expect(self, asked: Asked) -> None:
        """The request has been read: from now on a client that asked for a stream is told of silence."""
        self.asked = asked
        if asked.streamed:
            self.client.expect_stream()

    async def without_model(self, asked: Asked, response: ir.Response, now: Callable[[], float]) -> None:
        """Send an answer that no model gave. now: Unix seconds."""
        model = asked.exchange.asked
        reply = asked.reply(Report(self.face.name), model=model, now=now)
        if not asked.streamed:
            told = self.face.response.encode(response, reply)
            stored = await self._kept_as(told, reply)
            await self.client.answer(200, (), encode(stored))
            return
        encoder = self.face.stream.encoder(reply)
        ends = self.open_ends(encoder, reply)
        await self.client.begin(200, ())
        data = b"".join([encoder.feed(event) for event in ir.unfold(response)])
        await self.client.end(await ends.last(data))

    # --- Attempts ----------------------------------------------------------------------------------

    def begin_round(self, round_: Attempts[Any]) -> None:
        """Attempts begin. They are told of a stream's first content."""
        self._round = round_

    def begin_attempt(
        self,
        record: AttemptRecord,
        deployment: Deployment,
        success: int | None,
        *,
        limit: Deadline | Unlimited,
        silence: float | None,
        total: float | None,
    ) -> None:
        """An attempt begins, and must leave the block of this limit in time.

        success: the status of a good answer whose own is not known, None = there is no HTTP. silence: seconds
        in which it must have content, None = in any. total: seconds for all of it.
        """
        self._record, self._deployment, self._success = record, deployment, success
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

    def _headers(self) -> list[tuple[bytes, bytes]]:
        return answer_headers(self._exchange, report=self._inbound.headers.get("x-dragoman-report") == "1")

    # --- Whole answers -----------------------------------------------------------------------------

    async def body(self, body: bytes, call: Call, passed: Headers) -> None:
        """Send a whole answer as bytes. passed: the upstream's headers that may pass."""
        self._commit()
        self._exchange.waited += call.watch.take()
        await self.client.answer(200, [*self._headers(), *passed], body)

    async def payload(self, payload: Payload, call: Call, passed: Headers) -> None:
        """Send a whole answer to an operation beside chat, which need not be JSON."""
        self._commit()
        self._exchange.waited += call.watch.take()
        stated = payload.kind or "application/json"
        kind = (b"content-type", header_value(stated))
        guard = () if stated.startswith("application/json") else inert_headers(stated)
        await self.client.answer(200, [kind, *self._headers(), *passed, *guard], payload.data)

    async def response(self, response: ir.Response, reply: Reply, call: Call, size: int) -> None:
        """Send a whole answer in the client's protocol. size: bytes that it came in, 0 = not known."""
        assert self.asked is not None
        self._record.first = self.now()
        self.counted(response.usage)
        encoder, steps = self.face.response.encode, self.asked.steps
        if self.turn is not None and self.turn.keeps:
            told = await self._kept_as(await steps.run(size, encoder, response, reply), reply)
            body = await steps.run(size, encode, told)
            del told  # its texts may be copies, which nobody needs while the client reads
        else:
            body = await steps.run(size, lambda: encode(encoder(response, reply)))
        self.lost(reply.report)
        await self.body(body, call, ())

    # --- Streams -----------------------------------------------------------------------------------

    async def begin(self, call: Call, passed: Headers) -> None:
        """Send a stream's headers, because its first content is there. passed: the upstream's that may pass,
        after the content type where it is the upstream's.
        """
        assert self.asked is not None
        self._commit()
        exchange = self._exchange
        exchange.phase = "stream"
        self._round.on(_CONTENT, self.now())
        exchange.waited += call.watch.take()
        self._record.first = exchange.first = self.now()
        await self.client.begin(200, [*passed, *self._headers()])
        self.asked.said.forget()

    def open_ends(self, teller: Any, reply: Reply) -> Ends:
        """What writes the last events of the stream that `teller` (an encoder or a relay) tells."""
        self.ends = Ends(
            self.client,
            teller,
            partial(self.kept, reply=reply),
            waits=self.turn is not None and self.turn.keeps,
            lines=self._inbound.framing == "ndjson",
        )
        return self.ends

    async def streamed(self, response: ir.Response, reply: Reply, call: Call) -> None:
        """Send a whole answer as a stream, because the client asked for one."""
        encoder = self.face.stream.encoder(reply)
        self.failing = lambda fault: encoder.feed(ir.Error(fault))
        ends = self.open_ends(encoder, reply)
        events = list(ir.unfold(response))
        self.note(events)
        await self.heard(response, reply)
        await self.begin(call, ())
        data = b"".join([encoder.feed(event) for event in events])
        if ends.pieces:
            await ends.write(data)
            data = b""
        self.lost(reply.report)
        await self.client.end(await ends.last(data))

    # --- Those who keep the answer -----------------------------------------------------------------

    async def _kept_as(self, told: dict[str, Any], reply: Reply) -> dict[str, Any]:
        """A whole answer as it is sent, which says where it could not be kept."""
        return told if await self.kept(Ending(told), reply) else {**told, "store": False}

    async def kept(self, ending: Ending, reply: Reply) -> bool:
        """Have the answer kept as its client reads it. False = it was to be kept, and could not be."""
        turn = self.turn
        if turn is None or not turn.keeps:
            return True
        if self._deployment is not None:
            self._commit()
        return await turn.kept(self._answer(reply), ending)

    async def heard(self, response: ir.Response, reply: Reply) -> None:
        """Have the whole answer heard in IR terms, before its client gets the last of it."""
        if self.turn is not None and self.turn.hears:
            await self.turn.heard(self._answer(reply), response)

    def _answer(self, reply: Reply) -> Answer:
        assert self.asked is not None
        return Answer(self._exchange, reply, self._deployment, self.asked.steps, self.asked.weight)

    # --- Failures ----------------------------------------------------------------------------------

    def last_words(self, fault: ir.Fault) -> bytes:
        """How the client of a stream is told of a failure. The answer is not kept."""
        if self.failing is not None:
            return self.failing(fault)
        assert self.asked is not None
        return self.face.stream.encoder(self.asked.reply(Report(self.face.name))).feed(ir.Error(fault))

    async def fail(self, fault: ir.Fault) -> None:
        """Tell the failure that ends the exchange: whole before the answer has begun, in-band afterwards."""
        exchange, client, asked = self._exchange, self.client, self.asked
        if not client.begun:
            if self.turn is not None:
                self.turn.failed()
            status, headers, body = self.face.errors.encode(fault, exchange.request_id)
            named = [(name.encode(), value.encode()) for name, value in headers.items()]
            if exchange.answered:
                named.extend(self._headers())
            await client.answer(status, named, body)
            return
        failing, ends = self.failing, self.ends
        if failing is None:
            if asked is None or asked.codec is not None:
                return  # a sound that breaks off cannot say so: the connection is cut
            reply = asked.reply(Report(self.face.name))
            encoder = self.face.stream.encoder(reply)
            ends = self.open_ends(encoder, reply)
            data = encoder.feed(ir.Error(fault))
        else:
            data = failing(fault)
        await client.end(data if ends is None else await ends.last(data))

    async def broken_off(self) -> None:
        """The exchange ends before its answer does: note what that has cost, as far as nobody states it."""
        cost, asked = self.cost_so_far, self.asked
        if cost is None or asked is None:
            return
        try:
            self.counted(cost() if asked.light else await asked.step(cost))
        except Exception:  # whatever ended the exchange is what it has to tell
            log.exception("exchange %s: its usage could not be estimated", self._exchange.id)

    # --- What is noted -----------------------------------------------------------------------------

    def counted(self, usage: ir.Usage | None) -> None:
        """Note what the answer cost, and whether that is an estimate."""
        exchange = self._exchange
        exchange.usage = usage
        if usage is not None and usage.estimated and _ESTIMATED not in exchange.changes:
            exchange.changes += (_ESTIMATED,)

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
