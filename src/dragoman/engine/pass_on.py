"""Relays an operation other than chat: the client's own body, and the provider's own answer.

A stream, and sound that was not requested as a stream, are passed piece by piece; the first piece makes the
attempt final. Any other answer is passed as a whole. It is translated if it does not have the form that the
client requested.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from typing import Final

from dragoman import ir
from dragoman.dialects.failure import STREAM_BROKEN
from dragoman.dialects.operation import Outcome, Payload
from dragoman.engine.attempt import Attempt
from dragoman.engine.client import Headers
from dragoman.engine.operate import OperationAnswer, codec_of, note_begun, send, told_in_band
from dragoman.engine.spent import is_stated, note_measures, used
from dragoman.errors import RequestFailed, WireError
from dragoman.net.transport import Answer
from dragoman.upstreams.answers import PART, AnswerLimits, Parts
from dragoman.upstreams.backend import over_http
from dragoman.upstreams.form import streams, unreadable
from dragoman.wire.sse import ErrorFrame, SSECutter, SSESplitter

_SOUND: Final = ("audio/", "application/octet-stream")
_DONE: Final = b"[DONE]"
_FAILED: Final = 502
"""The status with which an error inside a stream is read, because such an error has no HTTP status."""


async def pass_on(attempt: Attempt) -> None:
    """Send the request to an upstream of the client's protocol, and pass its answer on. Raises RequestFailed
    for a failure.
    """
    asked, call, upstream = attempt.asked, attempt.call, over_http(attempt.backend)
    attempt.delivery.failing = (
        told_in_band if asked.streamed else None
    )  # a heartbeat may have begun the stream
    codec = codec_of(attempt)
    relay = codec.relay
    assert relay is not None
    outgoing = await asked.step(lambda: relay.request(asked.wire, asked.said.head, attempt.edits()))
    answer = await send(attempt, upstream, outgoing, asked.wire.headers)
    operation_answer = OperationAnswer(attempt)
    try:
        passed = attempt.delivery.passed(answer.headers)
        if _flows(attempt, answer):
            await _Passage(attempt, answer, upstream.limits).run(passed)
            return
        payload = await operation_answer.read(answer, upstream)
    except WireError as error:
        raise unreadable(upstream.name, error) from error
    finally:
        answer.close()
    told: tuple[Payload, ir.Usage | None] | None = None
    response: Outcome | None = None
    try:
        size, run = len(payload.data), asked.steps.run
        if not asked.streamed:
            told = await run(size, relay.response, asked.wire, payload, attempt.shown)
        if told is None:  # the answer is no stream, or not in the requested form
            response = await run(size, codec.provider.decode, payload, asked.request)
    except WireError as error:
        raise unreadable(upstream.name, error) from error
    if response is not None:
        joined = await operation_answer.joined(codec.provider, (response,))
        await operation_answer.deliver(joined, passed)
        return
    assert told is not None
    attempt.record.first = attempt.delivery.now()
    payload, usage = told
    rates = attempt.rates()
    attempt.delivery.counted(used(asked, usage, rates))
    if attempt.delivery.meter is not None and not is_stated(usage):
        await asked.step(note_measures, asked, attempt.record, rates)
    await attempt.delivery.payload(payload, call, passed)


def _flows(attempt: Attempt, answer: Answer) -> bool:
    """Whether the answer is passed piece by piece (see the module). Raises WireError for a stream that was
    not requested, unless the operation's answer is sound.
    """
    streamed, sound = attempt.asked.streamed, codec_of(attempt).sound
    if streams(answer):
        if not streamed and not sound:
            raise WireError("the provider sent a stream, which was not requested")
        return True
    return sound and not streamed and answer.headers.get("content-type", "").startswith(_SOUND)


class _Passage:
    """Passes the body of one answer unchanged: sound as it comes, a stream of server-sent events in pieces of
    complete events, without the provider's heartbeats.
    """

    def __init__(self, attempt: Attempt, answer: Answer, limits: AnswerLimits) -> None:
        self._attempt = attempt
        self._answer = answer
        self._limits = limits
        self._codec = codec = codec_of(attempt)
        self._ends = (_DONE, *(f'"{word}"'.encode() for word in codec.ends))
        self._ended = False

    async def run(self, passed: Headers) -> None:
        """Pass the answer on. passed: the upstream's headers for the client. Raises RequestFailed if the
        stream fails or states a failure, and WireError if it is empty or has malformed events.
        """
        attempt, delivery = self._attempt, self._attempt.delivery
        stated = self._answer.headers.get("content-type", "application/octet-stream")
        kind = stated.encode("latin-1", "replace")
        events = kind.startswith(b"text/event-stream")
        delivery.failing = told_in_band if events else None
        async with aclosing(self._events() if events else self._pieces()) as pieces:
            async for piece in pieces:
                if not delivery.committed:
                    await note_begun(attempt)
                    await delivery.begin(attempt.call, [(b"content-type", kind), *passed])
                await delivery.client.write(piece)
        if not delivery.committed:
            raise WireError("the response is empty")
        await delivery.end()

    async def _pieces(self) -> AsyncGenerator[bytes, None]:
        while chunk := await self._answer.chunk():
            yield chunk

    async def _events(self) -> AsyncGenerator[bytes, None]:
        """Yield the stream in pieces of complete events, without events that have no data. Events before an
        error are yielded. Raises WireError for a malformed event, and RequestFailed for an error event, or if
        the stream that the client requested ends without its last event.
        """
        limits, answer, operation = self._limits, self._answer, self._attempt.asked.inbound.operation
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
                    limits.hold(event, operation)
                    # an event with only a comment is the provider's heartbeat, which is not passed
                    if self._seen(splitter.feed(event)):
                        spoke = True
                        good.append(event)
            except (RequestFailed, WireError) as error:
                failed = error
            if good:
                yield b"".join(good)
            if failed is not None:
                raise failed
        rest = b"".join(cutter.close())
        limits.hold(rest, operation)
        told = self._seen([*splitter.feed(rest), *splitter.close()])
        if (spoke or told) and self._attempt.asked.streamed and not self._ended:
            raise RequestFailed(STREAM_BROKEN)  # another vendor may end its stream in its own way
        if told:
            yield rest + b"\n\n"

    def _seen(self, frames: Sequence[bytes]) -> bool:
        """Record the usage that events state, and whether one of them ends the stream. frames: the data of
        each event. Returns whether there are any frames. Raises RequestFailed if a frame states a failure.
        """
        relay = self._codec.relay
        assert relay is not None
        for frame in frames:
            if (usage := relay.seen(frame)) is not None:
                self._attempt.delivery.counted(usage)
            self._ended = self._ended or any(word in frame for word in self._ends)
            if isinstance(frame, ErrorFrame):  # an error in a form that the codec does not know
                raise RequestFailed(self._attempt.asked.face.errors.decode(_FAILED, {}, frame))
        return bool(frames)
