"""Sends an answer to its client, decides when an attempt is final, and records usage and losses. An attempt
is one call of a provider; it is final when no other attempt may answer in its place.

There are two points of no return. The first *content* makes the attempt final: before it, another deployment
may still be called; after it, only to continue a broken stream. The first *headers* are sent with the first
content, or with a heartbeat after a long silence: after them, a final failure is sent inside the stream
(audio is cut off instead). This module does not choose the next attempt.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import partial
from typing import Any

import msgspec

from dragoman import ir
from dragoman.capacity.heavy import MEDIUM
from dragoman.dialects.dialect import Dialect
from dragoman.dialects.loss import Change, Report
from dragoman.dialects.operation import Payload
from dragoman.dialects.reply import Reply
from dragoman.dialects.streaming import Ending
from dragoman.engine.asked import AnswerContext, Asked, Inbound, Turn
from dragoman.engine.client import Client, Headers
from dragoman.engine.ends import Ends
from dragoman.engine.joint import Joint
from dragoman.engine.meter import Meter
from dragoman.engine.report import answer_headers, usd
from dragoman.engine.steps import CONTINUING
from dragoman.exchange import AttemptRecord, Exchange
from dragoman.routing.route import Deployment
from dragoman.seams.deadlines import UNLIMITED, Deadline, Unlimited
from dragoman.upstreams.upstream import Call
from dragoman.wire.header import header_value
from dragoman.wire.inert import inert_headers
from dragoman.wire.json import encode

log = logging.getLogger("dragoman.engine.delivery")

_ESTIMATED = Change(None, "$.usage", "estimated by the gateway: the provider sent no usage")
_SAYS_NOTHING = frozenset({ir.Ping, ir.Raw})


class Running(msgspec.Struct, frozen=True):
    """What a delivery needs to know about the running attempt. success: the HTTP status of a good answer, for
    attempts that record no status themselves; None = the upstream does not use HTTP. opening: the time limit
    until the first content. At the first content, `Delivery` changes it into the time limit of the whole
    attempt. None = there is no separate limit until the first content. joint: joins the answer to what the
    client was told before; None = the stream is not continued.
    """

    record: AttemptRecord
    deployment: Deployment
    success: int | None
    opening: Deadline | Unlimited | None
    joint: Joint | None = None


class Delivery:
    """Sends the answer of one exchange. All attempts of the exchange share it, except those of a race
    (attempts that run at the same time), each of which has its own (`Contender`). now: returns monotonic
    seconds.
    """

    asked: Asked | None = None
    """The request; None until it has been decoded."""
    committed = False
    """Whether an attempt is final, so that no other attempt can answer from the beginning."""
    cost_so_far: Callable[[], ir.Usage] | None = None
    """Estimates the usage of the running stream if it breaks off; None = there is no estimate."""
    failing: Callable[[ir.Fault], bytes] | None = None
    """Returns the bytes that tell a failure inside the running stream. None = in a chat, the face's encoder
    makes them; in another operation, the stream cannot carry a failure.
    """
    ends: Ends | None = None
    """Writes the last events of the running stream; None = no stream has been prepared."""
    running: Running | None = None
    """The running attempt, or the latest one; None = there was none."""
    meter: Meter | None = None
    """Accounts for the exchange; None = nothing is accounted for."""
    patience: Deadline | Unlimited = UNLIMITED
    """A time limit for all attempts together. It ends when an attempt is final, so that a client which reads
    slowly does not reach it.
    """

    def __init__(
        self, exchange: Exchange, inbound: Inbound, client: Client, now: Callable[[], float]
    ) -> None:
        self.client = client
        self.now = now
        self._exchange = exchange
        self._inbound = inbound

    @property
    def face(self) -> Dialect:
        """The client's protocol, or the protocol in which the body turned out to be written."""
        return self._inbound.face if self.asked is None else self.asked.face

    @property
    def turn(self) -> Turn | None:
        """The request's `Turn`, which may store the answer; None = the request has no turn."""
        return self._inbound.turn if self.asked is None else self.asked.turn

    def expect(self, asked: Asked) -> None:
        """Set the decoded request. If it asks for a stream, heartbeats may be sent from now on."""
        self.asked, self._inbound = asked, asked.inbound
        if asked.streamed:
            self.client.expect_stream()

    async def without_model(self, asked: Asked, response: ir.Response, now: Callable[[], float]) -> None:
        """Send an answer that no model has given, as a whole or as a stream, as the client asked. If the
        request's turn keeps answers, it stores this one before. now: returns Unix seconds. Raises
        RequestFailed if the answer cannot be added to its conversation.
        """
        model = asked.exchange.asked
        reply = asked.reply(Report(self.face.name), model=model, now=now)
        if not asked.streamed:
            told = self.face.response.encode(response, reply)
            stored = await self._kept_as(told, reply)
            await self.answer(200, (), encode(stored))
            return
        encoder = self.face.stream.encoder(reply)
        ends = self.open_ends(encoder, reply)
        await self.client.begin(200, ())
        data = b"".join([encoder.feed(event) for event in ir.unfold(response)])
        await self.end(await ends.last(data))

    # --- Attempts ----------------------------------------------------------------------------------

    def _commit(self) -> Running:
        """Make the running attempt final, and return it. Sets its HTTP status if it has none. Its time limit
        is from now on that of the whole attempt, and `patience` ends.
        """
        running = self.running
        assert running is not None
        self.committed = True
        self.patience.lift()
        if running.record.status is None:
            running.record.status = running.success
        if (opening := running.opening) is not None:
            total = running.deployment.timers.total
            if total is None:
                opening.rest()
            else:
                opening.push(running.record.started + total - self.now())
        return running

    def _headers(self, closing: int | None = None) -> list[tuple[bytes, bytes]]:
        """Return the gateway's own headers. closing: the status of a whole answer; the exchange is accounted
        for before the headers are made, so that they include the cost. None = the headers are those of a
        stream.
        """
        assert self.asked is not None
        meter = self.meter
        if meter is None:
            return answer_headers(self._exchange, report=self.asked.wished.report)
        if closing is not None:
            meter.close(closing)
        return meter.headers(answer_headers(self._exchange, report=self.asked.wished.report))

    def passed(self, headers: Mapping[str, str]) -> Headers:
        """Return those headers of an upstream's answer that the client gets too: the ones that the client's
        protocol lists for this. The upstream's own rate limits are left out if this gateway's limits apply to
        the exchange.
        """
        limited = self.meter is not None and self.meter.applied is not None
        return self.face.headers.passed(headers, limits=not limited)

    # --- The last bytes ----------------------------------------------------------------------------

    def answer(self, status: int, headers: Headers, body: bytes) -> Awaitable[None]:
        """Account for the exchange at once, and return an awaitable that sends its whole answer."""
        if self.meter is not None:
            self.meter.close(status)
        return self.client.answer(status, headers, body)

    def end(self, data: bytes = b"") -> Awaitable[None]:
        """Account for the exchange at once, and return an awaitable that sends the last bytes of its stream.
        If the client of a chat wanted a report (`x-dragoman-report`), `_cost_comment` is sent before them.
        """
        self._closing()
        if (asked := self.asked) is not None and asked.wished.report and asked.codec is None:
            data = self._cost_comment() + data
        return self.client.end(data)

    def _cost_comment(self) -> bytes:
        """Return the cost of the answer as a comment in a stream of server-sent events; b"" = the cost is not
        known, or the stream has another form.
        """
        cost, face = self._exchange.cost, self.face
        if cost is None or self._inbound.framing != "sse" or face.stream.framing != "sse":
            return b""
        return b": x-dragoman-cost: %s\n\n" % usd(cost)

    def _closing(self) -> None:
        """Account for the exchange, before the last events of its stream are sent. If the client disconnects
        after that, the usage does not change.
        """
        self.cost_so_far = None
        if self.meter is not None:
            self.meter.close()

    # --- Whole answers -----------------------------------------------------------------------------

    def body(self, body: bytes, call: Call, passed: Headers) -> Awaitable[None]:
        """Make the attempt final and account for the exchange at once. Return an awaitable that sends the
        JSON body of a whole answer, with the status 200. passed: the upstream's headers for the client.
        """
        self._commit()
        self._exchange.waited += call.watch.take()
        headers = self._headers(200)
        headers += passed
        return self.client.answer(200, headers, body)

    def payload(self, payload: Payload, call: Call, passed: Headers) -> Awaitable[None]:
        """Make the attempt final and account for the exchange at once. Return an awaitable that sends a whole
        answer of an operation other than chat, with the status 200 and the payload's content type ("" =
        JSON). passed: the upstream's headers for the client.
        """
        self._commit()
        self._exchange.waited += call.watch.take()
        stated = payload.kind or "application/json"
        kind = (b"content-type", header_value(stated))
        guard = () if stated.startswith("application/json") else inert_headers(stated)
        return self.client.answer(200, [kind, *self._headers(200), *passed, *guard], payload.data)

    async def response(self, response: ir.Response, reply: Reply, call: Call, size: int) -> None:
        """Send a whole answer in the IR as one body, and record its usage and losses. The attempt becomes
        final. If the request's turn keeps answers, the turn stores this one before; a turn that `hears` must
        have got it from the caller (`heard`). size: how many bytes the upstream's answer has, 0 = unknown.
        Raises RequestFailed if the answer cannot be added to its conversation.
        """
        assert self.asked is not None
        assert self.running is not None
        self.running.record.first = self.now()
        self.counted(response.usage)
        self.running.record.tier = response.tier
        encoder, steps = self.face.response.encode, self.asked.steps
        if self.turn is not None and self.turn.keeps:
            told = await self._kept_as(await steps.run(size, encoder, response, reply), reply)
            body = await steps.run(size, encode, told)
            del told  # free its texts while the client reads
        elif size < MEDIUM:
            body = encode(encoder(response, reply))
        else:
            body = await steps.run(size, lambda: encode(encoder(response, reply)))
        self.lost(reply.report)
        await self.body(body, call, ())

    # --- Streams -----------------------------------------------------------------------------------

    async def begin(self, call: Call, passed: Headers) -> None:
        """Send a stream's headers, if no heartbeat has sent them, because its first content has come. The
        attempt becomes final, and the request's body is freed. passed: the upstream's headers for the client;
        the first may be a content type.
        """
        assert self.asked is not None
        running, exchange = self._commit(), self._exchange
        exchange.phase = "stream"
        exchange.waited += call.watch.take()
        running.record.first = exchange.first = self.now()
        await self.client.begin(200, [*passed, *self._headers()])
        self.asked.said.forget()

    def resumed(self) -> None:
        """Record that the running attempt, which continues a stream, has its first content. The attempt
        becomes final.
        """
        running = self._commit()
        running.record.first = self.now()
        self._exchange.phase = "stream"

    def open_ends(self, teller: Any, reply: Reply) -> Ends:
        """Set `ends` to a writer for the last events of a new stream, and return it. teller: the stream's
        encoder or relay.
        """
        self.ends = Ends(
            self.client,
            teller,
            partial(self.kept, reply=reply),
            waits=self.turn is not None and self.turn.keeps,
            lines=self._inbound.framing == "ndjson",
            closing=self._closing,
        )
        return self.ends

    async def streamed(self, response: ir.Response, reply: Reply, call: Call) -> None:
        """Send a whole answer as the stream that the client asked for, and record its usage and losses. The
        attempt becomes final. If the request's turn `hears` or keeps answers, it gets the answer before the
        last bytes are sent. Raises RequestFailed if the answer cannot be added to its conversation.
        """
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
        await self.end(await ends.last(data))

    # --- Keeping the answer ------------------------------------------------------------------------

    async def _kept_as(self, told: dict[str, Any], reply: Reply) -> dict[str, Any]:
        """Let the request's turn store a whole answer, the JSON object `told`. Return `told`; if
        the client must be told that the answer was not stored (`Turn.kept`), a copy of `told` with
        `"store": false`.
        """
        return told if await self.kept(Ending(told), reply) else {**told, "store": False}

    async def kept(self, ending: Ending, reply: Reply) -> bool:
        """If the request's turn keeps answers, let it store the answer; if there is a running
        attempt, this makes it final. Return False if the client must be told that the answer was
        not stored (`Turn.kept`), otherwise True. Raises RequestFailed if the answer cannot be added
        to its conversation.
        """
        turn = self.turn
        if turn is None or not turn.keeps:
            return True
        if self.running is not None and not self.client.begun:
            self._commit()  # a stream did so when it began; one that has failed has no attempt any more
        return await turn.kept(self._answer(reply), ending)

    async def heard(self, response: ir.Response, reply: Reply) -> None:
        """Give the whole answer in the IR to the request's turn, if the turn `hears`. Call this before the
        last bytes are sent.
        """
        if self.turn is not None and self.turn.hears:
            await self.turn.heard(self._answer(reply), response)

    def _answer(self, reply: Reply) -> AnswerContext:
        assert self.asked is not None
        deployment = None if self.running is None else self.running.deployment
        return AnswerContext(self._exchange, reply, deployment, self.asked.steps, self.asked.weight)

    # --- Failures ----------------------------------------------------------------------------------

    def last_words(self, fault: ir.Fault) -> bytes:
        """Return the bytes that tell the client a failure inside its stream, with the request's id. Must not
        be called before `expect`.
        """
        fault = fault.known_as(self._exchange.request_id)
        if self.failing is not None:
            return self.failing(fault)
        assert self.asked is not None
        return self.face.stream.encoder(self.asked.reply(Report(self.face.name))).feed(ir.Error(fault))

    async def fail(self, fault: ir.Fault) -> None:
        """Send the final failure, with the request's id. If no headers were sent yet, the request's turn is
        told, and the client gets a whole error answer. Otherwise the failure is sent inside the stream;
        nothing is sent if the stream cannot carry it (audio).
        """
        exchange, client, asked = self._exchange, self.client, self.asked
        fault = fault.known_as(exchange.request_id)
        if not client.begun:
            if self.turn is not None:
                self.turn.failed()
            errors = self._inbound.errors or self.face.errors
            status, headers, body = errors.encode(fault, exchange.request_id)
            named = [(name.encode(), value.encode()) for name, value in headers.items()]
            if exchange.answered:
                named.extend(self._headers(status))
            elif self.meter is not None:
                self.meter.close(status)
                named = self.meter.headers(named)
            await self.answer(status, named, body)
            return
        failing, ends = self.failing, self.ends
        if failing is None:
            if asked is None or asked.codec is not None:
                return  # audio cannot carry an error: the connection is cut
            reply = asked.reply(Report(self.face.name))
            encoder = self.face.stream.encoder(reply)
            ends = self.open_ends(encoder, reply)
            data = encoder.feed(ir.Error(fault))
        else:
            data = failing(fault)
        await self.end(data if ends is None else await ends.last(data))

    async def broken_off(self) -> None:
        """Record the usage of an answer that breaks off, as `cost_so_far` estimates it; without that function
        nothing is recorded. An error in the estimate is only logged.
        """
        cost, asked = self.cost_so_far, self.asked
        if cost is None or asked is None:
            return
        try:
            self.counted(cost() if asked.light else await asked.step(cost))
        except Exception:  # this error must not hide the one that ended the exchange
            log.exception("exchange %s: its usage could not be estimated", self._exchange.id)

    def release(self) -> None:
        """Account for the exchange, if that was not done yet. Remove references that lead back to this
        delivery, so that its memory is freed without the garbage collector.
        """
        if self.meter is not None:
            self.meter.close(gone=self.client.gone)
        self.cost_so_far = self.failing = self.ends = self.meter = None

    # --- Records -----------------------------------------------------------------------------------

    def counted(self, usage: ir.Usage | None) -> None:
        """Record the usage of the answer so far, in the exchange and in the record of the running attempt, in
        place of an earlier one; None = unknown. For a stream that may be continued, the record gets only what
        this attempt has stated itself. An estimate is also recorded as a change.
        """
        exchange = self._exchange
        exchange.usage = usage
        if (running := self.running) is not None:
            if (joint := running.joint) is None:
                running.record.usage = usage
            elif (
                joint.stated is not None
            ):  # None before the next attempt, which continues the answer, states any
                running.record.usage = joint.stated
        if usage is not None and usage.estimated and _ESTIMATED not in exchange.changes:
            exchange.changes += (_ESTIMATED,)

    def note(self, batch: Sequence[ir.Event]) -> tuple[Sequence[ir.Event], bool, ir.Fault | None]:
        """Record the usage and the service tier that events state. Returns (the events before the first error
        event, whether one of them makes the attempt final, the fault of that error event). If there is no
        error event, all events are returned, and the fault is None.
        """
        speaks = False
        for place, event in enumerate(batch):
            kind = type(event)
            if kind in CONTINUING:
                speaks = True
            elif isinstance(event, ir.Error):
                return batch[:place], speaks, event.fault
            elif isinstance(event, (ir.Tally, ir.Start)):
                if event.usage is not None:
                    self.counted(event.usage.after(self._exchange.usage, final=False))
                if kind is ir.Start:
                    self._tiered(event)
            elif kind is ir.More:
                self._tiered(event)
            elif kind not in _SAYS_NOTHING and not (isinstance(event, ir.Open) and _is_empty(event.block)):
                speaks = True
        return batch, speaks, None

    def _tiered(self, event: Any) -> None:
        """Record the service tier that an event (`ir.Start` or `ir.More`) states, if it states one."""
        if event.tier is not None and self.running is not None:
            self.running.record.tier = event.tier

    def lost(self, report: Report) -> None:
        """Add the losses and changes of encoding the answer for the client to those of the exchange."""
        losses, changes = report.located(str)
        self._exchange.losses += losses
        self._exchange.changes += changes


def _is_empty(block: ir.Block) -> bool:
    """Whether a block that opens counts as empty. Such a block does not make the attempt final, so another
    one can still answer. A text block always counts as empty; a thinking block if it has no text, summary,
    seal or redacted content; no other block.
    """
    if isinstance(block, ir.Thinking):
        return not (block.text or block.summary or block.sealed or block.redacted)
    return isinstance(block, ir.Text)
