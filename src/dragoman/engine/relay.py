"""Relaying: an attempt in the client's own dialect. Frames pass with named edits, and nothing is decoded that
does not have to be. An answer that comes otherwise than it was asked for, streamed or whole, is translated.

One task reads and writes, so that the client's reading pace reaches the upstream.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import partial
from typing import Final

import msgspec

from dragoman import ir
from dragoman.capacity.heavy import MEDIUM
from dragoman.dialects.estimate import EstimateUsage, Overheard, cost_so_far, whole_cost
from dragoman.dialects.loss import Change
from dragoman.dialects.pieces import joined
from dragoman.dialects.relay import StreamRelay, TellsFailure
from dragoman.dialects.reply import Reply
from dragoman.dialects.request import WireRequest
from dragoman.engine.delivery import Delivery, Opening
from dragoman.engine.sealing import Sealing
from dragoman.engine.steps import whole
from dragoman.engine.translate import client_steps
from dragoman.engine.work import Inbound, Work
from dragoman.errors import RequestFailed, WireError
from dragoman.exchange import AttemptRecord
from dragoman.net.transport import Answer
from dragoman.state.recall import Scope
from dragoman.upstreams.answers import PART, TOO_DEEP, AnswerLimits, Parts
from dragoman.upstreams.upstream import Call
from dragoman.upstreams.wire import SPLITTERS, WireUpstream, is_success, streams, unreadable
from dragoman.wire.json import decode_both

_STREAM: Final = {"stream": True}
_COUNTED_BYTES: Final = 1_000_000
"""Bytes of a request that are kept until its stream ends, to count them where the provider does not."""
_HEARD_BYTES: Final = 65_536
_USAGE: Final = "stream_options.include_usage"
_WHY: Final = "requested for the gateway's own records; the client does not receive it"
_TOLD: Final = (Change(None, f"$.{_USAGE}", _WHY),)
_TOLD_ANYWAY: Final = (Change(f"$.{_USAGE}", f"$.{_USAGE}", _WHY),)


class Relaying:
    """One attempt that passes bytes. now: the monotonic clock. seals: what remembers those of earlier
    answers, which a relay leaves behind; None = there are none.
    """

    def __init__(
        self,
        work: Work,
        delivery: Delivery,
        *,
        upstream: WireUpstream,
        call: Call,
        record: AttemptRecord,
        now: Callable[[], float],
        seals: Sealing | None = None,
    ) -> None:
        self._seals = seals
        self._work = work
        self._delivery = delivery
        self._upstream = upstream
        self._call = call
        self._record = record
        self._now = now

    async def run(self) -> None:
        """Ask, and deliver the answer. Raises RequestFailed."""
        work, face = self._work, self._work.face
        streamed = work.streams
        upstream, call, record = self._upstream, self._call, self._record
        if self._seals is not None:
            await self._name_left_behind(self._seals)
        body = self._body() if work.light else await work.step(self._body)
        answer = await upstream.send(body, call, work.wire.headers, stream=streamed)
        try:
            record.status = answer.status
            if not is_success(answer):
                raise await upstream.refused(answer)
            reply = work.reply(call.report, relayed=True)
            if streamed and not answer.headers.get("content-type", "").startswith("application/json"):
                await self._stream(answer, reply)
                return
            if not streamed and streams(answer):
                response = await upstream.collect(answer)
                call.watch.stop()
                response = await work.step(self._finished, response)
                await self._delivery.response(response, call, record, 0)
                return
            raw = await answer.read()
            call.watch.stop()
            record.first = self._now()
            try:
                if len(raw) < MEDIUM:
                    data, usage = self._told(raw, reply)
                else:
                    data, usage = await work.step_of(len(raw), self._told, raw, reply)
            except WireError as error:
                raise unreadable(upstream.name, error) from error
            if streamed:
                size = max(work.weight, len(data))
                response = await work.step_of(size, lambda: self._finished(upstream.decode(data)))
                await self._delivery.streamed(response, call, record)
                return
            if usage is None:  # then the request is counted, too
                data, usage = await work.step_of(max(work.weight, len(raw)), self._filled, raw, data)
            self._delivery.counted(usage)
            await self._delivery.body(data, call, face.headers.passed(answer.headers))
        finally:
            answer.close()

    def _body(self) -> bytes:
        """What the upstream is sent: the client's own words, with the named edits."""
        work, face, call = self._work, self._work.face, self._call
        edits = work.edits(call)
        if work.streams and (asking := face.relay.ask_usage(work.wire.body)):
            edits = {**asking, **edits}
            options = work.wire.body.get("stream_options") or {}
            work.exchange.changes += _TOLD_ANYWAY if options.get("include_usage") is False else _TOLD
        if face.request.unstored is not None:
            asked = work.wire.written or work.wire.body
            unstored, changes = face.request.unstored(asked, call.facts, self._upstream.quirks)
            edits |= unstored
            work.exchange.changes += changes
        return face.relay.request(work.head, edits)

    async def _name_left_behind(self, seals: Sealing) -> None:
        work, report = self._work, self._call.report
        pieces = await work.step(joined, await work.step(work.decoded))
        await seals.left_behind(
            pieces.request, Scope(work.deployment.provider, work.deployment.model), report
        )
        work.exchange.account(*report.located(pieces.located(work.locate())))
        work.hold_strict()

    def _told(self, raw: bytes, reply: Reply) -> tuple[bytes, ir.Usage | None]:
        """A whole answer for the client, and what it cost. Raises WireError."""
        self._upstream.limits.hold_relayed(raw)
        return self._work.face.relay.response(raw, reply)

    def _filled(self, raw: bytes, data: bytes) -> tuple[bytes, ir.Usage | None]:
        """Put an estimate into a whole answer that states no usage. An answer that cannot be read stays as it
        is: its client judges it. raw: as it came; data: as it is sent.
        """
        work = self._work
        try:
            decoded = self._upstream.decode(raw)
        except RequestFailed:
            return data, None
        response = EstimateUsage(work.request, work.deployment.model).whole(decoded)
        if response.usage is None or not response.usage.estimated:
            return data, response.usage
        return work.face.relay.fill(data, response.usage), response.usage

    def _finished(self, response: ir.Response) -> ir.Response:
        """An answer that came in another form than it was asked for, as its client gets it."""
        work = self._work
        steps = [EstimateUsage(work.request, work.deployment.model), *client_steps(work, self._now)]
        return whole(steps, response)

    def _estimate(self, inbound: Inbound, heard: Overheard[bytes]) -> ir.Usage:
        """The likely usage of a stream that has ended without any."""
        model, events = self._work.deployment.model, self._heard_events(heard)
        return whole_cost(self._asked(inbound), model, events, heard.share)

    def _so_far(self, inbound: Inbound, heard: Overheard[bytes], relay: StreamRelay) -> ir.Usage:
        """The likely usage of a stream that has broken off."""
        model, events = self._work.deployment.model, self._heard_events(heard)
        return cost_so_far(self._asked(inbound), model, events, heard.share, relay.usage)

    def _asked(self, inbound: Inbound) -> ir.Request | int:
        """The request of a stream that has begun; its size where it was too large to be kept."""
        size = self._work.weight
        if size <= _COUNTED_BYTES:
            with suppress(WireError):
                body, _ = decode_both(inbound.body, inbound.max_depth)
                wire = WireRequest("chat", body, path=inbound.path, params=dict(inbound.params))
                return self._work.face.request.decode(wire)
        return size

    def _heard_events(self, heard: Overheard[bytes]) -> Iterator[ir.Event]:
        upstream = self._upstream
        decoder = upstream.dialect.stream.decoder(upstream.quirks)
        splitter = SPLITTERS[upstream.dialect.stream.framing](upstream.limits.event)
        with suppress(WireError, RequestFailed):
            for frame in splitter.feed(b"".join(heard.parts)):
                yield from decoder.feed(frame)

    def _overheard(self, relay: StreamRelay) -> Overheard[bytes]:
        """What listens to a stream, to estimate its usage: of one that breaks off for the record, of one
        that ends without any where its client is told some.
        """
        work = self._work
        inbound = work.inbound  # which the answer's beginning lets go of
        if work.weight > _COUNTED_BYTES:
            inbound = msgspec.structs.replace(inbound, body=b"")
        heard: Overheard[bytes] = Overheard(_HEARD_BYTES)
        if work.brief.stream_usage or not work.face.relay.ask_usage(_STREAM):
            relay.estimate = partial(self._estimate, inbound, heard)
        self._delivery.cost_so_far = partial(self._so_far, inbound, heard, relay)
        return heard

    async def _stream(self, answer: Answer, reply: Reply) -> None:
        work, delivery = self._work, self._delivery
        relay = work.face.relay.stream(reply)
        work.ending = relay.fail if isinstance(relay, TellsFailure) else None
        upstream, client = self._upstream, work.client
        limits = upstream.limits
        splitter = SPLITTERS[upstream.dialect.stream.framing](limits.event)
        passed = work.face.headers.passed(answer.headers)
        heard = self._overheard(relay)
        parts = Parts()
        opening = Opening(delivery, self._call, self._record, passed, limits=limits, name=upstream.name)
        try:
            while True:
                more = parts.more
                chunk = await (parts.next() if more else answer.chunk())
                if not more:
                    heard.hear(chunk)
                if len(chunk) > PART:
                    chunk = parts.first(chunk)
                data, broken = _passed(relay, splitter.feed(chunk) if chunk else splitter.close(), limits)
                if not chunk and broken is None:
                    data, broken = _closed(relay, data)
                if not delivery.committed:
                    # Content counts although an error came in the same read: reads are no boundaries.
                    content = relay.content or (broken is None and (relay.done or not chunk))
                    data = await opening.add(data, content=content)
                elif data:
                    opening.silent_since = None
                else:
                    await opening.add(data, content=False)
                if broken is not None:
                    if data:
                        await client.write(data)
                    raise broken
                if relay.done or not chunk:
                    break
                if data:
                    await client.write(data)
        except WireError as error:
            raise unreadable(self._upstream.name, error) from error
        finally:
            delivery.counted(relay.usage)
        await client.end(data)
        await answer.finish()  # what may follow the protocol's own end is of no account


def _closed(relay: StreamRelay, data: bytes) -> tuple[bytes, RequestFailed | None]:
    """These bytes and the relay's last ones, and the fault of a stream that broke off."""
    try:
        return data + relay.close(), None
    except RequestFailed as failed:
        return data, failed


def _passed(
    relay: StreamRelay, frames: list[bytes], limits: AnswerLimits
) -> tuple[bytes, RequestFailed | WireError | None]:
    """The bytes to send for these frames, and the error that ended them: the upstream's own, or a frame that
    cannot be read.
    """
    pieces: list[bytes] = []
    unsuspicious = limits.unsuspicious
    try:
        for frame in frames:
            if len(frame) > unsuspicious:
                limits.hold_relayed(frame)
            pieces.append(relay.feed(frame))
    except (RequestFailed, WireError) as failed:
        return b"".join(pieces), failed
    except RecursionError:
        return b"".join(pieces), WireError(TOO_DEEP)
    return b"".join(pieces), None
