"""The upstream side of an exchange while it runs.

A flight owns the attempts: it drives `routing.attempts`, calls one upstream after another, and hands what
comes to the client. Whether frames are relayed or translated is decided for each attempt. Its client's
reading pace reaches the upstream, because one task does both; when the client goes, the task is
cancelled, and with it the upstream call.

Two commits. *Content* commits an answer to its attempt: until the first of it, anything may still
fail over. *Headers* are committed by the first content, or by the client's heartbeat when nothing
came for too long; from there a final failure is told in-band.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from typing import Any

import msgspec

from dragoman import ir, sealing
from dragoman.dialects.dialect import Reply, StreamRelay, TellsFailure
from dragoman.dialects.emulate import Emulation, emulate
from dragoman.dialects.estimate import EstimateUsage
from dragoman.dialects.identify import Identify
from dragoman.dialects.loss import Report
from dragoman.dialects.quirks import STANDARD
from dragoman.dialects.shorten import shortened
from dragoman.errors import DragomanError, RequestFailed, WireError
from dragoman.exchange import AttemptRecord
from dragoman.hooks import EndedByHook
from dragoman.routing import attempts as machine
from dragoman.routing.outcome import for_client, refuses_seals
from dragoman.routing.route import Deployment
from dragoman.runtime import Runtime
from dragoman.sealing import Gathered, Keeper, Sealing
from dragoman.state.recall import Scope
from dragoman.steps import Step, through, whole
from dragoman.transport import Answer
from dragoman.upstreams.upstream import Call, Stopwatch, Upstream, collected, native
from dragoman.upstreams.wire import SPLITTERS, WireUpstream, streams, unreadable
from dragoman.verify.check import CheckOutput
from dragoman.wire.json import encode
from dragoman.work import Work

log = logging.getLogger("dragoman.flight")

_BEGIN = machine.Begin()
_SAYS_MORE = frozenset({ir.TextDelta, ir.ThinkDelta, ir.ArgsDelta})
"""What nearly all events of a stream are."""
_SAYS_NOTHING = frozenset({ir.Ping, ir.More, ir.Raw})
_STREAM = {"stream": True}


class Candidate(msgspec.Struct, frozen=True):
    """A deployment with one of its provider's credentials."""

    deployment: Deployment
    account: int


class Flight:
    """One round of attempts for one exchange."""

    def __init__(self, runtime: Runtime, work: Work) -> None:
        self._runtime = runtime
        self._work = work
        self._exchange = work.exchange
        self._now = runtime.seams.monotonic
        self._committed = False
        self._sealing: Sealing | None = None
        self._keeper: Keeper | None = None
        self._heard: Gathered | None = None
        self._round: machine.Attempts[Candidate] = machine.Attempts(
            self._candidates(), runtime.policy, runtime.seams.uniform
        )

    async def run(self) -> None:
        """Carry out the machine's commands until an answer is delivered. Raises RequestFailed at the end."""
        round_ = self._round
        commands = round_.on(_BEGIN, self._now())
        while commands:
            command = commands.pop(0)
            if isinstance(command, machine.Start):
                fault = await self._ask(command.candidate)
                if fault is None:
                    return
                commands = round_.on(machine.Failed(fault), self._now())
            elif isinstance(command, machine.WakeAt):
                self._exchange.phase = "route"
                pause = max(0.0, command.at - self._now())
                await asyncio.sleep(pause)
                self._exchange.waited += pause
                commands = round_.on(machine.Timer(), self._now())
            else:
                raise RequestFailed(for_client(command.fault, named_by_client=self._work.names_deployment))

    def _candidates(self) -> Sequence[Candidate]:
        accounts = self._runtime.accounts
        return [
            Candidate(deployment, account)
            for deployment in self._work.route.deployments
            for account in range(accounts(deployment.provider))
        ]

    async def _ask(self, candidate: Candidate) -> ir.Fault | None:
        """One candidate in the protocol that suits; again where a refusal says what was wrong with that.

        None = the answer is delivered.
        """
        asked: list[Upstream] = []
        upstream, model = self._upstream(candidate.deployment), candidate.deployment.model
        plain = False  # whether the model has been asked again because it has nothing to seal
        while True:
            asked.append(upstream)
            fault = await self._attempt(candidate, upstream)
            if fault is None or self._committed or not isinstance(upstream, WireUpstream):
                return fault
            if refuses_seals(fault) and self._work.unseal():
                continue
            if not plain and upstream.learns_thoughtless(model, fault):
                plain = True
                continue
            if not upstream.learns(model, fault):
                return fault
            upstream = self._upstream(candidate.deployment)
            if upstream in asked:
                return fault

    def _upstream(self, deployment: Deployment) -> Upstream:
        upstream, work = self._runtime.upstreams[deployment.provider], self._work
        if not isinstance(upstream, WireUpstream):
            return upstream
        return upstream.spoken(
            work.face.name, deployment.model, deployment.facts, lambda: work.request, work.route.api
        )

    async def _attempt(self, candidate: Candidate, upstream: Upstream) -> ir.Fault | None:
        """One call. None = the answer is delivered; a fault = it failed, whether or not content went out."""
        work, exchange, deployment = self._work, self._exchange, candidate.deployment
        facts = deployment.facts
        if isinstance(upstream, WireUpstream):
            facts = upstream.facts(deployment.model, facts)
        relayed = work.can_relay(upstream, facts)
        record = AttemptRecord(
            f"{exchange.id}-{len(exchange.attempts) + 1}",
            deployment.name,
            _tail(upstream, candidate.account),
            "relay" if relayed else "translate",
            self._now(),
        )
        exchange.attempts.append(record)
        work.deployment = deployment
        exchange.phase, exchange.mode, exchange.answered = "connect", record.mode, deployment.name
        exchange.losses = exchange.changes = ()  # what an earlier attempt could not carry, this one may
        call = Call(
            attempt=record.id,
            model=deployment.model,
            report=Report(upstream.dialect.name if isinstance(upstream, WireUpstream) else upstream.name),
            watch=(watch := Stopwatch(self._now)),
            timers=deployment.timers,
            facts=facts,
            account=candidate.account,
            headers=deployment.headers,
            body=deployment.body,
        )
        limit = self._runtime.deadlines.within(deployment.timers.total)
        try:
            with limit:
                if relayed and isinstance(upstream, WireUpstream):
                    await self._relay(upstream, call, record)
                else:
                    await self._translate(upstream, call, record)
        except EndedByHook:
            raise  # somebody decided, and no other attempt may undo it
        except RequestFailed as failed:
            fault = failed.fault
            if isinstance(upstream, WireUpstream):
                fault = upstream.discreet(fault, call)
            else:
                fault = work.located(fault)  # an upstream of our own speaks of the request in IR terms
            record.fault, record.status = fault, fault.status
            return fault
        except Exception as error:
            if limit.expired:
                text = f"{deployment.name} took longer than {deployment.timers.total:g} s."
                record.fault = ir.Fault("timeout", text, code="total_timeout", blame="upstream")
            elif isinstance(error, DragomanError) or self._exchange.phase == "encode":
                raise
            elif self._committed and isinstance(error, OSError):
                raise  # the way to the client broke, which no other attempt would mend
            else:  # an answer that nobody expected, or other people's code: no reason for not trying the next
                log.exception("the attempt at %s failed", deployment.name)
                text = f"The upstream {upstream.name!r} failed."
                record.fault = ir.Fault("upstream", text, code="upstream_failed", blame="upstream")
            return record.fault
        finally:
            exchange.waited += watch.take()
            record.ended = self._now()
        return None

    # Relay: the same dialect on both sides, bytes pass with named edits -----------------------------

    async def _relay(self, upstream: WireUpstream, call: Call, record: AttemptRecord) -> None:
        work, face = self._work, self._work.face
        streamed = work.streams
        edits = work.edits(call)
        if streamed:
            edits = {**face.relay.ask_usage(work.wire.body), **edits}
        if face.stateless is not None:
            edits |= face.stateless(work.wire.body, call.facts, upstream.quirks)
        body = face.relay.request(work.head, edits)
        answer = await upstream.send(body, call, work.passed_headers, stream=streamed)
        try:
            record.status = answer.status
            if answer.status >= 400:
                raise await upstream.refused(answer)
            reply = work.reply(call.report, relayed=True)
            if streamed and not answer.headers.get("content-type", "").startswith("application/json"):
                await self._relay_stream(upstream, answer, reply, record, call)
                return
            if not streamed and streams(answer):
                response = await upstream.collect(answer)
                call.watch.stop()
                await self._deliver_response(whole(self._steps(), response), call, record)
                return
            raw = await answer.read()
            call.watch.stop()
            record.first = self._now()
            try:
                data, usage = face.relay.response(raw, reply)
            except WireError as error:
                raise unreadable(upstream.name, error) from error
            if streamed:
                await self._deliver_events(upstream.decode(data), reply, call)
                return
            self._exchange.usage = usage
            await self._deliver(data, call, face.passes(answer.headers))
        finally:
            answer.close()

    async def _relay_stream(
        self, upstream: WireUpstream, answer: Answer, reply: Reply, record: AttemptRecord, call: Call
    ) -> None:
        relay = self._work.face.relay.stream(reply)
        self._work.ending = relay.fail if isinstance(relay, TellsFailure) else None
        splitter, client = SPLITTERS[upstream.dialect.framing](), self._work.client
        passed = self._work.face.passes(answer.headers)
        held = b""
        try:
            while True:
                chunk = await answer.chunk()
                data, broken = _passed(relay, splitter.feed(chunk) if chunk else splitter.close())
                if not chunk and broken is None:
                    data, broken = _closed(relay, data)
                if not self._committed:
                    held += data
                    data = b""
                    # Content counts although an error came in the same read: reads are no boundaries.
                    if relay.content or (broken is None and (relay.done or not chunk)):
                        await self._commit(call, record, passed)
                        data = held
                if broken is not None:
                    if data:
                        await client.write(data)
                    raise broken
                if relay.done or not chunk:
                    break
                if data:
                    await client.write(data)
        except WireError as error:
            raise unreadable(upstream.name, error) from error
        finally:
            self._exchange.usage = relay.usage
        await client.end(data)
        await answer.finish()  # what may follow the protocol's own end is of no account

    # Translate: both codecs meet at the IR -----------------------------------------------------------

    async def _translate(self, upstream: Upstream, call: Call, record: AttemptRecord) -> None:
        work = self._work
        self._exchange.phase = "encode"
        seals = self._seals(upstream)
        await self._fetch_media(upstream)
        request, self._keeper = work.readable(work.deployment.provider, call.report), None
        if seals is not None and not work.unsealed:
            scope = Scope(work.deployment.provider, work.deployment.model)
            request = await seals.restored(request, scope, call.report)
            self._keeper = seals.keeper(upstream, scope)
        window = work.deployment.window or work.deployment.facts.context
        request = shortened(request, window, work.deployment.model, call.report)
        emulation = self._emulate(upstream, request, call)
        try:
            own = isinstance(upstream, WireUpstream) and upstream.dialect is work.face
            if work.face.portable is not None and not own:
                work.face.portable(work.wire)
            if isinstance(upstream, WireUpstream):
                call = msgspec.structs.replace(call, encoded=upstream.encode(emulation.request, call))
        except WireError as error:
            # Another deployment may be able to say it; if none is, the client is told where it is.
            locate = self._locate()
            fault = work.located(work.blamed(error), lambda where: locate(call.report.placed(where)))
            fault = msgspec.structs.replace(fault, kind="untranslatable")
            raise RequestFailed(fault) from error
        self._account(call)
        self._exchange.phase = "connect"
        if not isinstance(upstream, WireUpstream):
            call.watch.start()
        translate = self._translate_stream if work.streams else self._translate_whole
        steps = [*self._counted(upstream, emulation.request), *self._steps(emulation)]
        await translate(upstream, emulation.request, steps, call, record)

    def _seals(self, upstream: Upstream) -> Sealing | None:
        """What remembers the seals of this exchange; None where there is nothing to find or to keep."""
        vault = self._runtime.vault
        if vault is not None and self._sealing is None:
            self._sealing = sealing.begin(vault, self._exchange.client or "", upstream, self._work.request)
        return self._sealing

    def _counted(self, upstream: Upstream, request: ir.Request) -> Sequence[Step]:
        """What fills in the usage of an answer that may come without it, where its client is to be told."""
        work = self._work
        if work.streams:
            sure = isinstance(upstream, WireUpstream) and not upstream.dialect.relay.ask_usage(_STREAM)
            if sure or not work.brief.stream_usage:
                return ()
        return (EstimateUsage(request, work.deployment.model),)

    def _steps(self, emulation: Emulation | None = None) -> Sequence[Step]:
        """What happens to the answer of this attempt, in order. Most answers need none of it."""
        steps: list[Step] = []
        if emulation is not None and (restorer := emulation.restorer()) is not None:
            steps.append(restorer)
        if self._work.request.tools:
            steps.append(Identify(self._exchange.id.removeprefix("ex_")))
        if self._work.form is not None:
            steps.append(CheckOutput(self._work.form, self._now))
        return steps

    def _account(self, call: Call) -> None:
        """Note what has been lost by now, and refuse it in strict mode.

        A provider's encoder knows before anything is sent. An upstream of our own may know only once it
        has looked at the request, which is before it has computed anything.
        """
        exchange, work = self._exchange, self._work
        exchange.losses, exchange.changes = call.report.located(self._locate())
        work.hold_strict()

    def _locate(self) -> Callable[[str], str]:
        """A place of the request that is sent, in the client's own words."""
        locate = self._work.face.located(self._work.wire)
        return locate if self._sealing is None else self._sealing.located(locate)

    async def _fetch_media(self, upstream: Upstream) -> None:
        """Media named by an address become bytes, where the provider does not read them there itself."""
        if not isinstance(upstream, WireUpstream):
            return
        reads = upstream.dialect.reads
        if reads is None and upstream.quirks.media_urls:
            return
        try:
            self._work.request = await self._runtime.fetcher.inline(self._work.request, reads)
        except RequestFailed as failed:
            raise RequestFailed(self._work.located(failed.fault)) from failed

    def _emulate(self, upstream: Upstream, request: ir.Request, call: Call) -> Emulation:
        if not isinstance(upstream, WireUpstream):
            return emulate(request, native(upstream), call.facts, STANDARD, call.report)
        if request.stream and not request.stream_usage and upstream.quirks.stream_options:
            # For the exchange's record; whether the client is told is decided where its answer is written.
            request = msgspec.structs.replace(request, stream_usage=True)
        return emulate(request, upstream.dialect, call.facts, upstream.quirks, call.report)

    async def _translate_whole(
        self,
        upstream: Upstream,
        request: ir.Request,
        steps: Sequence[Step],
        call: Call,
        record: AttemptRecord,
    ) -> None:
        if isinstance(upstream, WireUpstream):
            response = await upstream.complete(request, call)
        else:
            async with upstream.chat(request, call) as batches:
                self._account(call)
                response = await collected(batches)
        call.watch.stop()
        if response.error is not None and not response.candidates:
            raise RequestFailed(response.error)
        response = await self._runtime.hooks.after(self._exchange, whole(steps, response))
        if self._keeper is not None:
            await self._keeper.keep(response)
        turn = self._work.turn
        if turn is not None and turn.hears:
            await turn.heard(self._work, response)
        await self._deliver_response(response, call, record)

    async def _translate_stream(
        self,
        upstream: Upstream,
        request: ir.Request,
        steps: Sequence[Step],
        call: Call,
        record: AttemptRecord,
    ) -> None:
        work, hooks = self._work, self._runtime.hooks
        reply = work.reply(Report(work.face.name, "response"))
        feed = work.face.stream_encoder(reply).feed
        work.ending = lambda fault: feed(ir.Error(fault))
        watched = hooks.need_events
        self._heard = Gathered() if work.turn is not None and work.turn.hears else None
        listening = self._keeper is not None or self._heard is not None
        held = b""
        async with upstream.chat(request, call) as batches:
            self._account(call)
            async for arrived in batches:
                batch = through(steps, arrived) if steps else arrived
                if watched:
                    batch = await hooks.events(self._exchange, batch)
                if listening:
                    await self._listen(batch)
                batch, speaks, fault = self._watch(batch)
                data = b"".join(map(feed, batch))
                if not self._committed:
                    held += data
                    data = b""
                    if speaks:
                        await self._commit(call, record, ())
                        data = held
                if fault is not None:
                    if data:
                        await work.client.write(data)
                    raise RequestFailed(fault)
                if self._committed and batch and isinstance(batch[-1], ir.End):
                    self._lost(reply.report)
                    await work.client.end(data)  # what may follow the end is of no account
                    return
                if data:
                    await work.client.write(data)
        self._lost(reply.report)
        if not self._committed:
            raise RequestFailed(
                ir.Fault("upstream", "The upstream ended its answer without any content.", blame="upstream")
            )
        await work.client.end()

    async def _listen(self, batch: Sequence[ir.Event]) -> None:
        """Let those follow who keep something of the answer, before its client gets the last of it."""
        keeper, heard, turn = self._keeper, self._heard, self._work.turn
        if keeper is not None and keeper.watch(batch):
            await keeper.keep_streamed()
        if heard is not None and turn is not None:
            heard.add(batch)
            if batch and isinstance(batch[-1], ir.End):
                await turn.heard(self._work, heard.response())

    def _watch(self, batch: Sequence[ir.Event]) -> tuple[Sequence[ir.Event], bool, ir.Fault | None]:
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
                self._exchange.usage = event.usage or self._exchange.usage
            elif kind not in _SAYS_NOTHING and not (
                isinstance(event, ir.Open) and isinstance(event.block, ir.Text)
            ):
                speaks = True
        return batch, speaks, None

    async def _deliver_events(self, response: ir.Response, reply: Reply, call: Call) -> None:
        """A whole answer to a client that asked for a stream."""
        encoder = self._work.face.stream_encoder(reply)
        self._work.ending = lambda fault: encoder.feed(ir.Error(fault))
        events = list(ir.unfold(whole(self._steps(), response)))
        self._watch(events)
        await self._commit(call, self._exchange.attempts[-1], ())
        await self._work.client.end(b"".join([encoder.feed(event) for event in events]))

    async def _deliver_response(self, response: ir.Response, call: Call, record: AttemptRecord) -> None:
        """A whole answer in IR terms, in the client's."""
        record.first = self._now()
        face, reply = self._work.face, self._work.reply(Report(self._work.face.name, "response"))
        body = encode(face.encode_response(response, reply))
        self._exchange.usage = response.usage
        self._lost(reply.report)
        await self._deliver(body, call, ())

    # To the client -----------------------------------------------------------------------------------

    def _lost(self, report: Report) -> None:
        losses, changes = report.located(str)
        self._exchange.losses += losses
        self._exchange.changes += changes

    async def _deliver(self, body: bytes, call: Call, passed: Sequence[tuple[bytes, bytes]]) -> None:
        self._committed = True
        self._exchange.waited += call.watch.take()
        await self._work.client.answer(200, [*self._work.headers(), *passed], body)

    async def _commit(self, call: Call, record: AttemptRecord, passed: Sequence[tuple[bytes, bytes]]) -> None:
        self._committed = True
        exchange = self._exchange
        exchange.phase = "stream"
        self._round.on(machine.FirstContent(), self._now())
        exchange.waited += call.watch.take()
        record.first = exchange.first = self._now()
        await self._work.client.begin(200, [*self._work.headers(), *passed])
        self._work.forget()


def _closed(relay: StreamRelay, data: bytes) -> tuple[bytes, RequestFailed | None]:
    """These bytes and the relay's last ones, and the fault of a stream that broke off."""
    try:
        return data + relay.close(), None
    except RequestFailed as failed:
        return data, failed


def _passed(relay: StreamRelay, frames: list[bytes]) -> tuple[bytes, RequestFailed | WireError | None]:
    """The bytes to send for these frames, and the error that ended them: the upstream's own, or a frame that
    cannot be read.
    """
    pieces: list[bytes] = []
    try:
        for frame in frames:
            pieces.append(relay.feed(frame))  # noqa: PERF401  (what came before an error must survive it)
    except (RequestFailed, WireError) as failed:
        return b"".join(pieces), failed
    return b"".join(pieces), None


def _tail(upstream: Any, account: int) -> str | None:
    accounts = getattr(upstream, "accounts", ())
    return accounts[account].tail if account < len(accounts) else None
