"""Translates a chat through the IR: to another protocol, to the same one with changes, or for an upstream
that takes requests in the IR (a custom one, for example).

Request: download media that the provider does not read by URL, restore the seals of earlier turns, encode
(`wording`). Answer: the provider's decoder, the steps, the hooks, the parts that store the answer, the
client's encoder. One task does both directions, so a client that reads slowly also slows the upstream.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Final

from dragoman import ir
from dragoman.capacity.heavy import MEDIUM
from dragoman.dialects.estimate import (
    EstimateUsage,
    Overheard,
    cost_so_far,
    is_incomplete,
    said_so_far,
    whole_cost,
)
from dragoman.dialects.loss import Report
from dragoman.engine.attempt import Attempt
from dragoman.engine.gathering import Gathered
from dragoman.engine.growth import Growth
from dragoman.engine.joint import Announced
from dragoman.engine.opening import Opening
from dragoman.engine.sealing import Keeper
from dragoman.engine.steps import CONTINUING, Step, through, whole
from dragoman.engine.wording import Wording, worded
from dragoman.errors import RequestFailed

_HEARD_EVENTS: Final = 500
_EVENTS_PER_TOKEN: Final = 0.02
"""The fewest events of a stream for each of its tokens. It is far below 1, because some providers send long
parts of a text in one event.
"""
_NOTHING_SAID: Final = ir.Fault(
    "upstream", "The provider's response ended without any content.", blame="upstream"
)


async def translate(attempt: Attempt) -> None:
    """Send the translated chat and deliver the answer. Raises RequestFailed if the request cannot be
    translated, if the upstream refuses it or fails, if the answer has no content, or if a step, a hook or a
    limit ends the answer.
    """
    asked, exchange = attempt.asked, attempt.exchange
    exchange.phase = "encode"
    await asked.decoded()
    wording = await worded(attempt)
    exchange.phase = "connect"
    keeper = None
    if attempt.seals is not None and not asked.sealless and wording.alone:
        keeper = attempt.seals.keeper(attempt.backend, attempt.scope)
    report = Report(asked.face.name, "response")
    restorer = None if wording.emulation is None else wording.emulation.restorer(report)
    steps = [*wording.counted, *attempt.steps(restorer)]
    if not asked.streamed:
        await _whole(attempt, wording, steps, keeper, report)
    elif attempt.joint is None:
        await _Stream(attempt, wording, steps, keeper, report).run()
    else:
        await _joint(attempt, wording, steps, keeper, report).run()


def _joint(
    attempt: Attempt, wording: Wording, steps: Sequence[Step], keeper: Keeper | None, report: Report
) -> _Stream:
    """Return the stream of an attempt whose answer another attempt may continue: a new stream; or, if this
    attempt itself continues an answer, the stream that has begun this answer (with a report of its own).
    """
    joint = attempt.joint
    assert joint is not None
    if not attempt.record.continues:
        restored = wording.emulation is None or wording.emulation.undo is not None
        joint.begin(excluded=restored or not wording.alone)
        joint.stream = stream = _Stream(attempt, wording, [*steps, joint], keeper, report)
        return stream
    if not wording.counted:  # the sum of the usages needs that of each attempt
        steps = [EstimateUsage(wording.request, attempt.deployment.model), *steps]
    begun: _Stream = joint.stream
    begun.resume(attempt, wording, [*steps, joint])
    return begun


async def _whole(
    attempt: Attempt, wording: Wording, steps: Sequence[Step], keeper: Keeper | None, report: Report
) -> None:
    asked, delivery, backend, size = attempt.asked, attempt.delivery, wording.backend, 0
    response = await backend.complete(wording.request, wording.call)
    if isinstance(response, bytes):  # replaced by the decoded answer, to free the bytes
        size = len(response)
        if size < MEDIUM:
            response = backend.decode(response)
        else:
            response = await asked.steps.run(size, backend.decode, response)
    wording.call.watch.stop()
    if response.error is not None and not response.candidates:
        raise RequestFailed(response.error, response.usage)
    # A missing usage is estimated from the request, too, which may be longer than the answer.
    weight = max(asked.weight, size) if is_incomplete(response.usage) else size
    if weight < MEDIUM:
        response = whole(steps, response)
    else:
        response = await asked.steps.run(weight, whole, steps, response)
    hooks = attempt.runtime.hooks
    if hooks.need_events:
        response = await hooks.after(attempt.exchange, response)
    if keeper is not None:
        await keeper.keep(response)
    reply = attempt.reply(report)
    if asked.turn is not None:
        await delivery.heard(response, reply)
    await delivery.response(response, reply, wording.call, size)


class _Stream:
    """Passes one stream: from the upstream's events to the client's bytes."""

    def __init__(
        self,
        attempt: Attempt,
        wording: Wording,
        steps: Sequence[Step],
        keeper: Keeper | None,
        report: Report,
    ) -> None:
        self._attempt = attempt
        self._wording = wording
        self._steps = steps
        self._keeper = keeper
        asked, delivery = attempt.asked, attempt.delivery
        self._reply = attempt.reply(report)
        if attempt.joint is not None:
            attempt.joint.report = self._reply.report
        self._encoder = encoder = asked.face.stream.encoder(self._reply)
        self._ends = delivery.open_ends(encoder, self._reply)
        delivery.failing = lambda fault: encoder.feed(ir.Error(fault))
        self._hears = asked.turn is not None and asked.turn.hears
        self._gathered = Gathered() if self._hears or keeper is not None else None
        self._heard: Overheard[Sequence[ir.Event]] = Overheard(_HEARD_EVENTS)

    def resume(self, attempt: Attempt, wording: Wording, steps: Sequence[Step]) -> None:
        """Let another attempt continue the stream that this object has begun. From now on no seals are
        stored, because the new provider writes only the end of the answer.
        """
        self._attempt = attempt
        self._wording = wording
        self._steps = steps
        self._keeper = None
        self._heard = Overheard(_HEARD_EVENTS)

    async def run(self) -> None:
        """Call the upstream, and pass the answer to its end as it comes, in batches of events. Raises
        RequestFailed if the upstream fails, if the answer has no content, or if a step, a hook or a limit
        ends it.
        """
        attempt, backend, call = self._attempt, self._wording.backend, self._wording.call
        delivery, ends, feed, heard = attempt.delivery, self._ends, self._encoder.feed, self._heard
        client, gathered = delivery.client, self._gathered
        emulation = self._wording.emulation
        # Hooks may wait, and calls may come out of texts.
        waits = attempt.runtime.hooks.need_events or (emulation is not None and emulation.divides)
        write, growth = (
            client.write,
            Growth(delivery.meter, attempt.deployment.name, self._said, first=_EVENTS_PER_TOKEN),
        )
        opening = Opening(delivery, call, (), limits=backend.limits, name=backend.name)
        async with backend.chat(self._wording.request, call) as batches:
            delivery.cost_so_far = partial(self._cost, cost_so_far)
            coming = Announced(batches, delivery.resumed) if attempt.record.continues else batches
            async for arrived in coming:
                if heard.length < heard.most:  # as `heard.hear` does it, which would be a call for each event
                    heard.parts.append(arrived)
                heard.length += len(arrived)
                if heard.length > growth.at:
                    await growth.look(heard.length)
                if arrived and not waits and CONTINUING.issuperset(map(type, arrived)):
                    # Nearly all events only continue texts, and nothing but the steps may read them.
                    batch = through(self._steps, arrived) if self._steps else arrived
                    if gathered is not None:
                        gathered.go_on(batch)
                    data = feed(batch[0]) if len(batch) == 1 else b"".join(map(feed, batch))
                    if data and delivery.committed and not ends.pieces:
                        opening.silent_since = None
                        await write(data)
                    else:
                        await self._send(data, opening, speaks=bool(batch))
                elif await self._take(arrived, opening):
                    return
        delivery.lost(self._reply.report)
        if not delivery.committed:
            raise RequestFailed(_NOTHING_SAID)
        await delivery.end()

    async def _take(self, arrived: Sequence[ir.Event], opening: Opening) -> bool:
        """Pass a batch of any events to the client. Returns whether the answer has ended and was sent. Raises
        RequestFailed for a failure that the batch states, or that comes from passing it.
        """
        delivery, feed = self._attempt.delivery, self._encoder.feed
        batch, speaks, fault = delivery.note(await self._behind_steps(arrived))
        data = b"".join(map(feed, batch))
        ended = bool(batch) and type(batch[-1]) is ir.End and fault is None
        data = await self._send(data, opening, speaks=speaks, ended=ended)
        if ended and delivery.committed:
            if delivery.meter is not None and is_incomplete(self._stated()):
                # Its client need not be told a usage, but it is accounted for.
                asked, cost = self._attempt.asked, partial(self._cost, whole_cost)
                delivery.counted(cost() if asked.light else await asked.step(cost))
            delivery.lost(self._reply.report)
            await delivery.end(await self._ends.last(data))  # bytes after the end are ignored
            return True
        if fault is not None:
            raise RequestFailed(fault)
        return False

    async def _send(self, data: bytes, opening: Opening, *, speaks: bool, ended: bool = False) -> bytes:
        """Send an encoded batch, or hold it back if there was no content yet. speaks: whether the batch has
        content. ended: whether the answer ends with the batch. Then, if the attempt is final, the bytes are
        not sent but returned for the caller to send; in all other cases the result has no meaning.
        """
        delivery, ends = self._attempt.delivery, self._ends
        if ends.pieces:
            await ends.write(await opening.add(data, content=True))
            data, speaks = b"", True
        if speaks and delivery.committed:
            opening.silent_since = None
        else:
            data = await opening.add(data, content=speaks)
        if data and not (ended and delivery.committed):
            await delivery.client.write(data)
        return data

    async def _behind_steps(self, arrived: Sequence[ir.Event]) -> Sequence[ir.Event]:
        """Return the events after the steps and hooks. When a candidate of the answer has finished, its seals
        are stored before its events are returned. Before the end of the answer is returned, the request's
        turn gets the answer, if the turn `hears`.
        """
        attempt = self._attempt
        if self._counts(arrived):
            batch = await attempt.asked.step(through, self._steps, arrived)
        else:
            batch = through(self._steps, arrived)
            self._steps = [step for step in self._steps if step.takes]
        hooks = attempt.runtime.hooks
        if hooks.need_events:
            batch = await hooks.events(attempt.exchange, batch)
        gathered = self._gathered
        if gathered is not None:
            finished = gathered.add(batch)
            if finished and self._keeper is not None:
                await self._keeper.keep(gathered.response())  # before the client gets the last bytes
            if self._hears and batch and isinstance(batch[-1], ir.End):
                await attempt.delivery.heard(gathered.response(), self._reply)
        return batch

    def _counts(self, arrived: Sequence[ir.Event]) -> bool:
        """Whether the steps may have to count the tokens of a large request: the answer ends with these
        events, and one of the steps estimates a usage that the provider has not stated.
        """
        if self._attempt.asked.light or not arrived or type(arrived[-1]) is not ir.End:
            return False
        return EstimateUsage in map(type, self._steps)

    def _said(self) -> int:
        """Return the estimated number of output tokens so far."""
        events = (event for batch in self._heard.parts for event in batch)
        return said_so_far(self._attempt.deployment.model, events, self._heard.share)

    def _stated(self) -> ir.Usage | None:
        """Return the latest usage that the attempt's stream has stated; None = it has stated none."""
        joint = self._attempt.joint
        return self._attempt.exchange.usage if joint is None else joint.stated

    def _cost(self, estimated: Callable[..., ir.Usage]) -> ir.Usage:
        """Return the usage of the answer; for a continued answer, of all its attempts together, and
        `joint.stated` gets that of this attempt. estimated: `whole_cost` for a complete stream, `cost_so_far`
        for one that breaks off; it estimates what the stream has not stated.
        """
        attempt, heard, joint = self._attempt, self._heard, self._attempt.joint
        events = (event for batch in heard.parts for event in batch)
        model = attempt.deployment.model
        cost = estimated(self._wording.request, model, events, heard.share, self._stated())
        if joint is None:
            return cost
        joint.stated = cost
        return joint.total(cost)
