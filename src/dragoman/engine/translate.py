"""Translating: an attempt in which both codecs meet at the IR.

On the way there: seals of earlier turns, media that the provider does not read itself, truncation, emulation,
the provider's encoder. On the way back: its decoder, the steps, the hooks, those who keep something of the
answer, the client's encoder. One task does both ways, so that the client's reading pace reaches the upstream.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import msgspec

from dragoman import ir
from dragoman.dialects.addressed import added, addressed
from dragoman.dialects.emulate import Emulation, emulate
from dragoman.dialects.estimate import EstimateUsage, Overheard, cost_so_far
from dragoman.dialects.identify import Identify
from dragoman.dialects.loss import Report
from dragoman.dialects.pieces import Joined, joined
from dragoman.dialects.quirks import STANDARD
from dragoman.dialects.shorten import shortened
from dragoman.dialects.table import DIALECTS
from dragoman.dialects.unknown import in_words
from dragoman.engine.delivery import Delivery, Ends, Opening
from dragoman.engine.runtime import Runtime
from dragoman.engine.sealing import Gathered, Keeper, Sealing
from dragoman.engine.steps import Step, through, whole
from dragoman.engine.work import Work
from dragoman.errors import RequestFailed, WireError
from dragoman.exchange import AttemptRecord
from dragoman.net.fetch import Claim, Fetcher
from dragoman.state.recall import Scope
from dragoman.upstreams.answers import DEFAULT_LIMITS
from dragoman.upstreams.several import Question, Several
from dragoman.upstreams.upstream import Call, Upstream, collected, native
from dragoman.upstreams.wire import WireUpstream
from dragoman.verify.check import CheckOutput

_STREAM = {"stream": True}
_HEARD_EVENTS = 500
_FOR_THE_RECORD = "requested for the gateway's own records; the client does not receive it"


class Translating:
    """One attempt that goes through the IR. seals: what remembers those of the exchange, None = nothing."""

    def __init__(
        self,
        runtime: Runtime,
        work: Work,
        delivery: Delivery,
        *,
        upstream: Upstream,
        call: Call,
        record: AttemptRecord,
        seals: Sealing | None,
    ) -> None:
        self._runtime = runtime
        self._now = runtime.seams.monotonic
        self._work = work
        self._delivery = delivery
        self._upstream = upstream
        self._limits = upstream.limits if isinstance(upstream, WireUpstream) else DEFAULT_LIMITS
        self._call = call
        self._record = record
        self._seals = seals
        self._keeper: Keeper | None = None
        self._pieces: Joined | None = None

    async def run(self) -> None:
        """Ask, and deliver the answer. Raises RequestFailed."""
        work, upstream, seals, report = self._work, self._upstream, self._seals, self._call.report
        light = work.light
        if not light:
            await work.step(work.decoded)
        await fetch_media(work, upstream, self._runtime.fetcher)
        self._pieces = self._readable() if light else await work.step(self._readable)
        request = self._pieces.request
        if seals is not None and not work.unsealed:
            scope = Scope(work.deployment.provider, work.deployment.model)
            request = await seals.restored(request, scope, report)
            self._keeper = seals.keeper(upstream, scope)
        emulation = self._put(request) if light else await work.step(self._put, request)
        work.exchange.phase = "connect"
        if not isinstance(upstream, WireUpstream):
            self._call.watch.start()
            work.exchange.connected()
        translate = self._stream if work.streams else self._whole
        counted = () if isinstance(self._upstream, Several) else self._counted(emulation.request)
        steps = [*counted, *client_steps(work, self._now, emulation)]
        await translate(emulation.request, steps)

    def _readable(self) -> Joined:
        """The request as its provider can read it, its thoughts in one piece each."""
        work = self._work
        return joined(work.readable(work.deployment.provider, self._call.report))

    def _put(self, request: ir.Request) -> Emulation:
        """The request as its upstream is asked it, in its words if it has any of its own."""
        work, upstream, call = self._work, self._upstream, self._call
        try:
            own = isinstance(upstream, WireUpstream) and upstream.dialect is work.face
            if (
                work.face.request.questions is not None
                and not own
                and (parts := work.face.request.questions(request))
            ):
                self._upstream = Several(upstream, [self._question(part) for part in parts])
                self._keeper = None  # an answer to several questions is none that a later turn goes on from
                self._account()
                return Emulation(request)
            if work.face.request.check_portable is not None and not own:
                work.face.request.check_portable(work.wire)
            emulation, self._call = self._written(request)
        except WireError as error:
            # Another deployment may be able to say it; if none is, the client is told where it is.
            locate = self._locate()
            fault = work.located(work.blamed(error), lambda where: locate(call.report.placed(where)))
            fault = msgspec.structs.replace(fault, kind="untranslatable")
            raise RequestFailed(fault) from error
        self._account()
        return emulation

    def _written(self, request: ir.Request) -> tuple[Emulation, Call]:
        """One question with what the target lacks made of what it has; the call with it in the upstream's
        words. Raises WireError.
        """
        work, upstream, call = self._work, self._upstream, self._call
        window = work.deployment.window or work.deployment.facts.context
        if not (isinstance(upstream, WireUpstream) and upstream.dialect.name == request.dialect):
            request = in_words(request)
        request, told = self._addressed(shortened(request, window, work.deployment.model, call.report))
        emulation = self._emulate(request)
        if isinstance(upstream, WireUpstream):
            encoded = upstream.encode(emulation.request, call)
            if told:
                encoded.body = added(
                    encoded.body,
                    told,
                    upstream.dialect.request.members,
                    client=work.face.request.members,
                    configured=call.body or {},
                )
            call = msgspec.structs.replace(call, encoded=encoded)
        return emulation, call

    def _question(self, request: ir.Request) -> Question:
        emulation, call = self._written(request)
        return Question(emulation.request, call, next(iter(self._counted(emulation.request)), None))

    def _addressed(self, request: ir.Request) -> tuple[ir.Request, Mapping[str, dict[str, Any]]]:
        """The request without what is addressed to providers by their names, and what is for this one."""
        if request.extra is None:
            return request, {}
        upstream = self._upstream
        names = {self._work.deployment.provider}
        if isinstance(upstream, WireUpstream):
            names.add(upstream.dialect.name)
        names -= self._work.face.request.members
        others = {*self._runtime.upstreams, *DIALECTS} - names - self._work.face.request.members
        return addressed(request, names, others, self._call.report)

    def _counted(self, request: ir.Request) -> Sequence[EstimateUsage]:
        """What fills in the usage of an answer that may come without it, where its client is to be told."""
        work = self._work
        if work.streams and not work.brief.stream_usage:
            return ()
        return (EstimateUsage(request, work.deployment.model),)

    def _account(self) -> None:
        """Note what has been lost by now, and refuse it in strict mode.

        A provider's encoder knows before anything is sent. An upstream of our own may know only once it
        has looked at the request, which is before it has computed anything.
        """
        exchange, work = self._work.exchange, self._work
        exchange.account(*self._call.report.located(self._locate()))
        work.hold_strict()

    def _locate(self) -> Callable[[str], str]:
        """A place of the request that is sent, in the client's own words."""
        locate = self._work.face.locator(self._work.wire)
        if self._pieces is not None:
            locate = self._pieces.located(locate)
        return locate if self._seals is None else self._seals.located(locate)

    def _emulate(self, request: ir.Request) -> Emulation:
        upstream, call = self._upstream, self._call
        if not isinstance(upstream, WireUpstream):
            return emulate(request, native(upstream), call.facts, STANDARD, call.report)
        if request.stream and not request.stream_usage and upstream.quirks.stream_options:
            # For the exchange's record; whether the client is told is decided where its answer is written.
            if upstream.dialect.relay.ask_usage(_STREAM):
                place = "stream_options.include_usage"
                if request.stream_usage is False:
                    call.report.change("stream_usage", place, _FOR_THE_RECORD)
                else:
                    call.report.add(place, _FOR_THE_RECORD)
            request = msgspec.structs.replace(request, stream_usage=True)
        return emulate(request, upstream.dialect.abilities, call.facts, upstream.quirks, call.report)

    async def _whole(self, request: ir.Request, steps: Sequence[Step]) -> None:
        work, upstream, call = self._work, self._upstream, self._call
        size = 0
        if isinstance(upstream, WireUpstream):
            answer = await upstream.complete(request, call)
            if isinstance(answer, bytes):
                size = len(answer)
                answer = await work.step_of(size, upstream.decode, answer)
            response = answer
        else:
            async with upstream.chat(request, call) as batches:
                self._account()
                response = await collected(batches)
        call.watch.stop()
        if response.error is not None and not response.candidates:
            raise RequestFailed(response.error)
        # Where nobody stated what it cost, the request is counted, however short the answer is.
        response = await work.step_of(max(work.weight, size), whole, steps, response)
        hooks = self._runtime.hooks
        if hooks.need_events:
            response = await hooks.after(work.exchange, response)
        if self._keeper is not None:
            await self._keeper.keep(response)
        if work.turn is not None and work.turn.hears:
            await work.turn.heard(work, response)
        await self._delivery.response(response, call, self._record, size)

    async def _stream(self, request: ir.Request, steps: Sequence[Step]) -> None:
        work, hooks, delivery, call = self._work, self._runtime.hooks, self._delivery, self._call
        reply = work.reply(Report(work.face.name, "response"))
        encoder = work.face.stream.encoder(reply)
        ends = Ends(work, encoder)
        feed, pieces = encoder.feed, ends.pieces
        work.ending = lambda fault: feed(ir.Error(fault))
        watched, keeper = hooks.need_events, self._keeper
        heard = Gathered() if work.turn is not None and work.turn.hears else None
        upstream = self._upstream
        opening = Opening(delivery, call, self._record, (), limits=self._limits, name=upstream.name)
        counts = bool(steps) and not work.light  # at the end, where nobody stated what it cost
        spoken: Overheard[Sequence[ir.Event]] = Overheard(_HEARD_EVENTS)
        async with upstream.chat(request, call) as batches:
            self._account()
            delivery.cost_so_far = partial(self._so_far, request, spoken)
            async for arrived in batches:
                spoken.hear(arrived)
                batch = (
                    await work.step(through, steps, arrived)
                    if counts and arrived and type(arrived[-1]) is ir.End
                    else through(steps, arrived)
                )
                if watched:
                    batch = await hooks.events(work.exchange, batch)
                if keeper is not None and keeper.watch(batch):
                    await keeper.keep_streamed()  # before its client gets the last of it
                if heard is not None:
                    await self._listen(heard, batch)
                batch, speaks, fault = delivery.note(batch)
                data = b"".join(map(feed, batch))
                if pieces:
                    await ends.write(await opening.add(data, content=True))
                    data, speaks = b"", True
                if speaks and delivery.committed:
                    opening.silent_since = None
                else:
                    data = await opening.add(data, content=speaks)
                if fault is not None:
                    if data:
                        await work.client.write(data)
                    raise RequestFailed(fault)
                if delivery.committed and batch and isinstance(batch[-1], ir.End):
                    delivery.lost(reply.report)
                    await work.client.end(await ends.last(data))  # what may follow the end is of no account
                    return
                if data:
                    await work.client.write(data)
        delivery.lost(reply.report)
        if not delivery.committed:
            raise RequestFailed(
                ir.Fault("upstream", "The provider's response ended without any content.", blame="upstream")
            )
        await work.client.end()

    def _so_far(self, request: ir.Request, heard: Overheard[Sequence[ir.Event]]) -> ir.Usage:
        """The likely usage of a stream that has broken off."""
        work = self._work
        events = (event for batch in heard.parts for event in batch)
        return cost_so_far(request, work.deployment.model, events, heard.share, work.exchange.usage)

    async def _listen(self, heard: Gathered, batch: Sequence[ir.Event]) -> None:
        """Let the turn have the whole answer, before its client gets the last of it."""
        heard.add(batch)
        if (turn := self._work.turn) is not None and batch and isinstance(batch[-1], ir.End):
            await turn.heard(self._work, heard.response())


async def fetch_media(work: Work, upstream: Upstream, fetcher: Fetcher) -> None:
    """Media named by an address become bytes, where the provider does not read them there itself."""
    if not isinstance(upstream, WireUpstream):
        return
    reads = upstream.dialect.abilities.reads
    if reads is None and upstream.quirks.media_urls:
        if upstream.dialect is work.face:
            return
        reads = _is_address
    try:
        work.request = await fetcher.inline(work.request, reads, claim_of(work, fetcher))
    except RequestFailed as failed:
        raise RequestFailed(work.located(failed.fault)) from failed


def _is_address(media: ir.Media) -> bool:
    """Whether some server may read a medium at its address; the fetcher says what is wrong with another."""
    return media.url is None or media.url.startswith(("http://", "https://", "data:"))


def claim_of(work: Work, fetcher: Fetcher) -> Claim:
    """What the exchange holds of the room for fetched media. Whoever runs its attempts closes it."""
    if work.fetched is None:
        work.fetched = fetcher.claim(work.exchange.client or "")
    return work.fetched


def client_steps(work: Work, now: Callable[[], float], emulation: Emulation | None = None) -> Sequence[Step]:
    """What happens to the answer of an attempt, in order. Most answers need none of it. now: monotonic."""
    steps: list[Step] = []
    if emulation is not None and (restorer := emulation.restorer()) is not None:
        steps.append(restorer)
    if work.request.tools:
        steps.append(Identify(work.exchange.id.removeprefix("ex_")))
    if work.form is not None:
        steps.append(CheckOutput(work.form, now))
    return steps
