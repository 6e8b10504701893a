"""One attempt at an operation beside chat (vectors, pictures, speech, transcripts, judgements, rankings):
relayed where both sides speak one dialect, else translated, in as many requests as the provider needs.

An answer is delivered whole or not at all. What a provider sends as a stream to a client of its own dialect
passes piece by piece; the first piece commits the answer to this attempt.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing
from typing import Any, Final

import msgspec

from dragoman import ir
from dragoman.dialects.emulate import emulate
from dragoman.dialects.forms import unknown_files
from dragoman.dialects.loss import Report
from dragoman.dialects.operation import AnyProviderSide, OperationReply, Outcome, Outgoing, Payload
from dragoman.dialects.request import PROMPTED, Operation, WireRequest
from dragoman.engine.delivery import Delivery
from dragoman.engine.translate import claim_of, fetch_media
from dragoman.engine.work import Headers, Work
from dragoman.errors import RequestFailed, WireError
from dragoman.exchange import AttemptRecord
from dragoman.net.fetch import Fetcher
from dragoman.net.transport import Answer
from dragoman.routing.apis import lesson_of
from dragoman.upstreams.answers import PART, AnswerLimits, Parts
from dragoman.upstreams.upstream import Call, Upstream, performer
from dragoman.upstreams.wire import WireUpstream, is_success, streams, unreadable
from dragoman.wire.json import encode
from dragoman.wire.sse import ErrorFrame, SSECutter, SSESplitter

NAMES: Final[dict[Operation, str]] = {
    "count": "token counting",
    "embed": "embeddings",
    "image": "images",
    "speech": "speech",
    "transcription": "transcription",
    "moderation": "moderation",
    "rerank": "reranking",
}
"""What people call the operations."""
_SOUND: Final = ("audio/", "application/octet-stream")
_DONE: Final = b"[DONE]"
_FAILED: Final = 502
"""The status of a failure that is told where none can be stated."""


class Operating:
    """One attempt. relayed: whether bytes pass. now: the monotonic clock. fetcher: reads what requests and
    answers name by an address.
    """

    def __init__(
        self,
        work: Work,
        delivery: Delivery,
        *,
        upstream: Upstream,
        call: Call,
        record: AttemptRecord,
        relayed: bool,
        now: Callable[[], float],
        fetcher: Fetcher,
    ) -> None:
        self._fetcher = fetcher
        self._work = work
        self._delivery = delivery
        self._upstream = upstream
        self._call = call
        self._record = record
        self._relayed = relayed
        self._now = now
        self._ends = (_DONE, *(f'"{word}"'.encode() for word in work.codec.ends))
        self._ended = False
        self._size = 0
        """Bytes of the answers that have come whole."""

    async def run(self) -> None:
        """Ask, and deliver the answer. Raises RequestFailed."""
        upstream, work = self._upstream, self._work
        work.ending = told_in_band if work.streams else None  # a heartbeat may have begun the stream
        if self._relayed and isinstance(upstream, WireUpstream):
            await self._relay(upstream)
            return
        for name in unknown_files(work.wire.fields, work.codec.client.members):
            self._call.report.lose(name, "a file id is valid only with its own provider")
        if isinstance(upstream, WireUpstream):
            await self._translate(upstream)
        else:
            await self._perform(upstream)

    async def _relay(self, upstream: WireUpstream) -> None:
        work, call = self._work, self._call
        relay = work.codec.relay
        assert relay is not None
        outgoing = await work.step(lambda: relay.request(work.wire, work.head, work.edits(call)))
        answer = await self._ask(upstream, outgoing, work.wire.headers)
        try:
            passed = work.face.headers.passed(answer.headers)
            if self._flows(answer):
                await self._pass(answer, passed, upstream.limits)
                return
            payload = await self._read(answer, upstream)
        except WireError as error:
            raise unreadable(upstream.name, error) from error
        finally:
            answer.close()
        told: tuple[Payload, ir.Usage | None] | None = None
        response: Outcome | None = None
        try:
            size = len(payload.data)
            if not work.streams:
                told = await work.step_of(size, relay.response, work.wire, payload, work.shown)
            if told is None:  # it is no stream, or not what was asked for
                response = await work.step_of(size, work.codec.provider.decode, payload, work.job)
        except WireError as error:
            raise unreadable(upstream.name, error) from error
        if response is not None:
            await self._deliver(await self._joined(work.codec.provider, (response,)), passed)
            return
        assert told is not None
        self._record.first = self._now()
        payload, work.exchange.usage = told
        await self._delivery.payload(payload, call, passed)

    def _flows(self, answer: Answer) -> bool:
        """Whether an answer passes as it comes. Raises WireError for events where nobody asked for any."""
        work = self._work
        if streams(answer):
            if not work.streams and not work.codec.sound:
                raise WireError("the provider sent a stream, which was not requested")
            return True
        kind = answer.headers.get("content-type", "")
        return work.codec.sound and not work.streams and kind.startswith(_SOUND)

    async def _pass(self, answer: Answer, passed: Headers, limits: AnswerLimits) -> None:
        """Pass a stream as it is: sound as it comes, events one by one. Raises WireError for what is none."""
        work = self._work
        kind = answer.headers.get("content-type", "application/octet-stream").encode("latin-1", "replace")
        events = kind.startswith(b"text/event-stream")
        work.ending = told_in_band if events else None
        async with aclosing(self._events(answer, limits) if events else _pieces(answer)) as pieces:
            async for piece in pieces:
                if not self._delivery.committed:
                    await self._delivery.begin(self._call, self._record, [(b"content-type", kind), *passed])
                await work.client.write(piece)
        if not self._delivery.committed:
            raise WireError("the response is empty")
        await work.client.end()

    async def _events(self, answer: Answer, limits: AnswerLimits) -> AsyncGenerator[bytes, None]:
        """A stream's whole events, from the first that says something. They are looked at for what they tell
        of usage, failure and their end; what came before a failure in the same read is part of the answer.
        Raises RequestFailed, WireError.
        """
        cutter, splitter = SSECutter(limits.event), SSESplitter(limits.event)
        spoke = False
        parts = Parts()
        while chunk := await (parts.next() if parts.more else answer.chunk()):
            if len(chunk) > PART:
                chunk = parts.first(chunk)
            good: list[bytes] = []
            failed: RequestFailed | WireError | None = None
            try:
                for event in cutter.feed(chunk):
                    limits.hold(event, self._work.operation)
                    if self._seen(
                        splitter.feed(event)
                    ):  # a comment alone is the provider's heartbeat, not ours
                        spoke = True
                        good.append(event)
            except (RequestFailed, WireError) as error:
                failed = error
            if good:
                yield b"".join(good)
            if failed is not None:
                raise failed
        rest = b"".join(cutter.close())
        limits.hold(rest, self._work.operation)
        told = self._seen([*splitter.feed(rest), *splitter.close()])
        if (spoke or told) and self._work.streams and not self._ended:  # a vendor's own ends in its own way
            raise RequestFailed(_BROKEN)
        if told:
            yield rest + b"\n\n"

    def _seen(self, frames: Sequence[bytes]) -> bool:
        """Whether there are any. Raises RequestFailed where one tells a failure."""
        work = self._work
        relay = work.codec.relay
        assert relay is not None
        for frame in frames:
            work.exchange.usage = relay.seen(frame) or work.exchange.usage
            self._ended = self._ended or any(word in frame for word in self._ends)
            if isinstance(frame, ErrorFrame):  # in other words than the codec knows
                raise RequestFailed(work.face.errors.decode(_FAILED, {}, frame))
        return bool(frames)

    async def _translate(self, upstream: WireUpstream) -> None:
        work = self._work
        work.exchange.phase = "encode"
        codec = upstream.codec(work.operation)
        readable = await self._readable(upstream, codec)
        asked = await work.step(self._asked, upstream, codec, readable)
        work.exchange.phase = "connect"
        answers: list[Outcome] = []
        for part, outgoing, headers in asked:
            answer = await self._ask(upstream, outgoing, headers)
            try:
                payload = await self._read(answer, upstream)
                size = len(payload.data)
                answers.append(await work.step_of(size, codec.decode, payload, part))
            except WireError as error:
                raise unreadable(upstream.name, error) from error
            finally:
                answer.close()
        await self._deliver(await self._joined(codec, answers))

    def _asked(
        self, upstream: WireUpstream, codec: AnyProviderSide, request: Any
    ) -> list[tuple[Any, Outgoing, dict[str, str]]]:
        """The requests that this takes: each part, what is sent for it, and its headers."""
        asked: list[tuple[Any, Outgoing, dict[str, str]]] = []
        for start, part in codec.split(request, self._call.model):
            wire = self._encoded(upstream, part, start)
            asked.append((part, Outgoing(wire.path, wire.fields or encode(wire.body)), wire.headers))
        self._account()
        return asked

    async def _readable(self, upstream: WireUpstream, codec: AnyProviderSide) -> Any:
        """The request, with the bytes of what its provider does not read at its address."""
        if self._work.operation in PROMPTED:
            return await self._prompt(upstream)
        job = await self._work.step(self._job)
        if codec.unread is None or not (reading := codec.unread(job)).media:
            return job
        try:
            claim = claim_of(self._work, self._fetcher)
            return reading.fill(await self._fetcher.read(reading.media, claim))
        except RequestFailed as failed:
            raise RequestFailed(self._work.located(failed.fault)) from failed

    def _job(self) -> Any:
        return self._work.job

    async def _prompt(self, upstream: WireUpstream) -> ir.Request:
        """A chat request as its provider would be asked it, but for what would be put back or cut off, and
        for the bound of an answer, which some protocols make every request state.
        """
        work = self._work
        await work.step(work.decoded)
        await fetch_media(work, upstream, self._fetcher)
        return await work.step(self._prompted, upstream)

    def _prompted(self, upstream: WireUpstream) -> ir.Request:
        work, call = self._work, self._call
        try:
            if work.face.request.check_portable is not None and upstream.dialect is not work.face:
                work.face.request.check_portable(work.wire)
        except WireError as error:
            raise RequestFailed(work.blamed(error)) from error
        request = work.readable(work.deployment.provider, call.report)
        request = msgspec.structs.replace(request, max_output=None)
        return emulate(request, upstream.dialect.abilities, call.facts, upstream.quirks, call.report).request

    async def _fetched(self, response: Outcome) -> Outcome:
        """An answer with the bytes that its client asked for, where the provider named their address. What
        cannot be read stays as it is, for the client to read or to be told: it has been paid for.
        """
        work = self._work
        if (
            work.codec.client.unread is None
            or not (reading := work.codec.client.unread(response, work.job)).media
        ):
            return response
        claim = claim_of(work, self._fetcher)
        fetched: Outcome = reading.fill(await self._fetcher.try_read(reading.media, claim))
        return fetched

    def _encoded(self, upstream: WireUpstream, part: Any, start: int) -> WireRequest:
        """A part of the request in the provider's words. start: where its inputs begin in the whole."""
        work, report = self._work, self._call.report
        report.moved = (lambda where: _moved(where, start)) if start else None
        try:
            return upstream.encode_operation(work.operation, part, self._call)
        except WireError as error:
            # Another deployment may be able to say it; if none is, the client is told where it is.
            locate = work.locate()
            fault = work.located(work.blamed(error), lambda where: locate(report.placed(where)))
            raise RequestFailed(msgspec.structs.replace(fault, kind="untranslatable")) from error

    async def _perform(self, upstream: Upstream) -> None:
        work, call = self._work, self._call
        perform = performer(upstream, work.operation, call.model)
        if perform is None:
            raise RequestFailed(lacking(work.operation))
        call.watch.start()
        work.exchange.connected()
        job = await work.step(self._job)
        response = await perform(job, msgspec.structs.replace(call, ready=self._account))
        call.watch.stop()
        self._account()
        await self._deliver(await self._joined(work.codec.provider, (response,)))

    async def _ask(self, upstream: WireUpstream, outgoing: Outgoing, headers: dict[str, str]) -> Answer:
        """An answer that is none of failure. The caller closes it."""
        answer = await upstream.ask(outgoing, self._call, headers, self._work.operation)
        self._record.status = answer.status
        if is_success(answer):
            return answer
        try:
            failed = await upstream.refused(answer)
        finally:
            answer.close()
        raise (
            RequestFailed(_no_endpoint(self._work.operation))
            if lesson_of(failed.fault) == "never"
            else failed
        )

    async def _read(self, answer: Answer, upstream: WireUpstream) -> Payload:
        """A whole answer. Raises WireError for one of too many values."""
        raw = await answer.read()
        self._call.watch.stop()
        kind = answer.headers.get("content-type", "")
        upstream.limits.hold(raw, self._work.operation)
        self._size += len(raw)
        return Payload(raw, kind)

    def _account(self) -> None:
        """Note what has been lost by now, and refuse it in strict mode."""
        work = self._work
        work.exchange.account(*self._call.report.located(work.locate()))
        work.hold_strict()

    async def _joined(self, codec: AnyProviderSide, answers: Sequence[Outcome]) -> Outcome:
        work, size = self._work, max(self._work.weight, self._size)
        joined: Outcome = await work.step_of(size, codec.join, answers, work.job, self._call.model)
        return joined

    async def _deliver(self, response: Outcome, passed: Headers = ()) -> None:
        """An answer in the client's words. passed: the upstream's headers that may pass."""
        work, codec = self._work, self._work.codec
        response = await self._fetched(response)
        self._record.first = self._now()
        if work.streams and codec.client.encode_stream is not None:
            work.exchange.usage = response.usage
            reply = self._reply(response)
            data = codec.client.encode_stream(response, reply)
            self._delivery.lost(reply.report)
            work.ending = told_in_band
            await self._delivery.begin(self._call, self._record, passed)
            await work.client.end(data)
            return
        size = max(work.weight, self._size)
        payload, work.exchange.usage = await work.step_of(size, self._encoded_answer, response)
        await self._delivery.payload(payload, self._call, passed)

    def _encoded_answer(self, response: Outcome) -> tuple[Payload, ir.Usage | None]:
        """An answer in the client's words, and what it cost."""
        reply = self._reply(response)
        payload = self._work.codec.client.encode(response, reply)
        self._delivery.lost(reply.report)
        return payload, response.usage

    def _reply(self, response: Outcome) -> OperationReply[Any]:
        work = self._work
        return OperationReply(
            work.job,
            Report(work.face.name, "response"),
            work.shown or response.model or self._call.model,
            work.exchange.id.removeprefix("ex_"),
            int(work.exchange.created),
        )


async def _pieces(answer: Answer) -> AsyncGenerator[bytes, None]:
    """An answer as it comes."""
    while chunk := await answer.chunk():
        yield chunk


def _moved(where: str, start: int) -> str:
    """A place in a part of the inputs, in all of them."""
    if not where.startswith("inputs["):
        return where
    index, bracket, rest = where.removeprefix("inputs[").partition("]")
    return f"inputs[{int(index) + start}{bracket}{rest}"


def told_in_band(fault: ir.Fault) -> bytes:
    """A failure as the last event of a stream that has begun, as OpenAI's operations tell it."""
    error = {"type": fault.kind, "code": fault.code, "message": fault.message, "param": fault.param}
    return b"event: error\ndata: " + encode({"type": "error", "error": error}) + b"\n\n"


def lacking(operation: Operation) -> ir.Fault:
    """Nobody behind a model's name can do this."""
    return ir.Fault(
        "unsupported",
        f"This model's provider does not offer {NAMES[operation]}.",
        code="unsupported_value",
        param="model",
    )


_BROKEN: Final = ir.Fault(
    "upstream",
    "The provider's stream ended before the response was complete.",
    code="stream_broken",
    blame="upstream",
)
"""What becomes of a stream that ends without its last event."""


def _no_endpoint(operation: Operation) -> ir.Fault:
    """What a server says with a 404 that names nothing: another deployment may have one."""
    return ir.Fault(
        "not_implemented",
        f"This model's provider has no endpoint for {NAMES[operation]}.",
        code="not_implemented",
        param="model",
        blame="upstream",
    )


def able(upstream: Upstream, operation: Operation, face: str, model: str) -> Upstream | None:
    """Whoever of a provider can do this with a model, in the dialect of the face if it can; None = nobody."""
    if isinstance(upstream, WireUpstream):
        return upstream.able(operation, face)
    return upstream if performer(upstream, operation, model) is not None else None
