"""Performs an operation other than chat (embeddings, images, speech, transcripts, moderations, rerankings,
counts) without relaying it: at a provider of any protocol, in as many requests as needed, or at a custom
upstream. `pass_on` relays such an operation.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

import msgspec

from dragoman import ir
from dragoman.dialects.addressed import added, addressed
from dragoman.dialects.emulate import emulate
from dragoman.dialects.forms import unknown_files
from dragoman.dialects.loss import Report
from dragoman.dialects.operation import (
    AnswerDecoder,
    AnswerEncoder,
    AnyOperationCodec,
    AnyProviderSide,
    OperationReply,
    Outcome,
    Outgoing,
    Payload,
)
from dragoman.dialects.request import Operation, WireRequest
from dragoman.engine.asked import blamed
from dragoman.engine.attempt import Attempt
from dragoman.engine.client import Headers
from dragoman.engine.places import located, locator
from dragoman.engine.spent import note_answer, note_measures, note_parts, used
from dragoman.errors import RequestFailed, WireError
from dragoman.net.transport import Answer
from dragoman.routing.apis import lesson_of
from dragoman.upstreams.backend import OwnUpstream, begin, over_http
from dragoman.upstreams.form import is_success, unreadable
from dragoman.upstreams.wire import WireUpstream
from dragoman.wire.header import header_value
from dragoman.wire.json import encode

NAMES: Final[dict[Operation, str]] = {
    "count": "token counting",
    "embed": "embeddings",
    "image": "images",
    "speech": "speech",
    "transcription": "transcription",
    "moderation": "moderation",
    "rerank": "reranking",
}
"""The names of the operations in error messages."""
_SESSIONS: Final = "realtime sessions in this protocol"


async def operate(attempt: Attempt) -> None:
    """Perform the operation at the upstream, and deliver its answer. Raises RequestFailed for a failure."""
    asked = attempt.asked
    attempt.delivery.failing = (
        told_in_band if asked.streamed else None
    )  # a heartbeat may have begun the stream
    for name in unknown_files(asked.wire.fields, codec_of(attempt).client.members):
        attempt.call.report.lose(name, "a file id is valid only with its own provider")
    if isinstance(attempt.backend, OwnUpstream):
        await _perform(attempt, attempt.backend)
    else:
        await _translate(attempt, over_http(attempt.backend))


def codec_of(attempt: Attempt) -> AnyOperationCodec:
    """Return the codec of the attempt's operation in the client's protocol. Must not be called for a chat,
    which has no such codec.
    """
    codec = attempt.asked.codec
    assert codec is not None, "chat is no operation beside chat"
    return codec


# --- An upstream made in code ---------------------------------------------------------------------------


async def _perform(attempt: Attempt, own: OwnUpstream) -> None:
    asked, call = attempt.asked, attempt.call
    operation = asked.inbound.operation
    perform = own.performer(operation, call.model)
    if perform is None:
        raise RequestFailed(lacking(operation))
    begin(call)
    request = await asked.decoded()
    if asked.prompts:
        request = await asked.step(_prompted, attempt, own, request)

    def account() -> None:
        attempt.note_losses(locator(asked))

    response = await perform(request, msgspec.structs.replace(call, ready=account))
    call.watch.stop()
    account()
    operation_answer = OperationAnswer(attempt)
    await operation_answer.deliver(await operation_answer.joined(codec_of(attempt).provider, (response,)))


# --- A provider of another protocol --------------------------------------------------------------------


async def _translate(attempt: Attempt, upstream: WireUpstream) -> None:
    exchange, asked = attempt.exchange, attempt.asked
    exchange.phase = "encode"
    side = upstream.codec(asked.inbound.operation)
    request = await _readable(attempt, upstream, side)
    requests = await asked.step(_requests, attempt, upstream, side, request)
    exchange.phase = "connect"
    operation_answer = OperationAnswer(attempt)
    answers: list[Outcome] = []
    for part, outgoing, headers in requests:
        try:
            answer = await send(attempt, upstream, outgoing, headers)
        except RequestFailed:
            note_parts(attempt.asked, attempt.record, answers, len(requests))
            raise
        try:
            pieces = operation_answer.pieces(answer, upstream, side, part) if len(requests) == 1 else None
            if pieces is not None:
                await pieces.run()
                return
            payload = await operation_answer.read(answer, upstream)
            answers.append(await asked.steps.run(len(payload.data), side.decode, payload, part))
        except WireError as error:
            raise unreadable(upstream.name, error) from error
        finally:
            answer.close()
    await operation_answer.deliver(await operation_answer.joined(side, answers))


async def _readable(attempt: Attempt, upstream: WireUpstream, side: AnyProviderSide) -> Any:
    """Return the request, with the bytes of those media whose URL the provider does not read. For a count, it
    is the prompt in the form for its provider (`_prompted`).
    """
    asked = attempt.asked
    request = await asked.decoded()
    if asked.prompts:
        return await asked.step(_prompted, attempt, upstream, await attempt.media.inline(asked, upstream))
    return await attempt.media.read(asked, None if side.unread is None else side.unread(request), request)


def _prompted(attempt: Attempt, upstream: WireUpstream | OwnUpstream, inlined: ir.Request) -> ir.Request:
    """Return a prompt whose tokens are to be counted, in the form for its provider: features that the
    provider lacks are emulated, but no seals (signatures and encrypted reasoning) are restored. inlined: the
    request with fetched media. Raises RequestFailed if the provider uses another protocol than the client,
    and the request cannot be translated.
    """
    asked, call = attempt.asked.with_request(inlined), attempt.call
    portable = asked.face.request.check_portable
    try:
        if portable is not None and not attempt.same_protocol:
            portable(asked.wire)
    except WireError as error:
        raise RequestFailed(blamed(error)) from error
    request = asked.readable(attempt.deployment.provider, call.report)
    request = msgspec.structs.replace(request, max_output=None)
    return emulate(request, upstream.native, call.facts, upstream.quirks, call.report).request


def _requests(
    attempt: Attempt, upstream: WireUpstream, side: AnyProviderSide, request: Any
) -> list[tuple[Any, Outgoing, dict[str, str]]]:
    """Return the provider's requests. The list has, for each part into which the request is split: the part,
    its outgoing request, and its headers. Raises RequestFailed if the provider's protocol cannot express a
    part, or if strict mode forbids its losses.
    """
    requests: list[tuple[Any, Outgoing, dict[str, str]]] = []
    told: Mapping[str, dict[str, Any]] = {}
    if request.extra is not None:
        names, others = attempt.addressees(codec_of(attempt).client.members)
        request, told = addressed(request, names, others, attempt.call.report)
    for start, part in side.split(request, attempt.call.model):
        wire = _encoded(attempt, upstream, told, part, start)
        body = wire.file or wire.fields or encode(wire.body)
        requests.append((part, Outgoing(wire.path, body, wire.params, wire.query), wire.headers))
    attempt.note_losses(locator(attempt.asked))
    return requests


def _encoded(
    attempt: Attempt,
    upstream: WireUpstream,
    told: Mapping[str, dict[str, Any]],
    part: Any,
    start: int,
) -> WireRequest:
    """Return a part of the request in the provider's protocol. told: the members that the client has sent for
    this provider only, as {name of the provider or of its protocol: members}. start: the index of the part's
    first input in the whole request. Raises RequestFailed if the protocol cannot express the part.
    """
    asked, report = attempt.asked, attempt.call.report
    operation = asked.inbound.operation
    report.moved = (lambda where: _moved(where, start)) if start else None
    try:
        wire = upstream.encode_operation(operation, part, attempt.call)
        if told and not (wire.fields or wire.file):
            theirs = upstream.dialect.operations.get(operation)
            wire.body = added(
                wire.body,
                told,
                frozenset() if theirs is None else theirs.client.members,
                client=codec_of(attempt).client.members,
                configured=attempt.call.body or {},
                unasked=upstream.codec(operation).unasked(part),
                spelling=upstream.dialect.spelling,
            )
    except WireError as error:
        # Another deployment may support it. If none does, the client gets this place.
        locate = locator(asked)
        fault = located(asked, blamed(error), lambda where: locate(report.placed(where)))
        raise RequestFailed(fault.changed(kind="untranslatable")) from error
    return wire


def _moved(where: str, start: int) -> str:
    if not where.startswith("inputs["):
        return where
    index, bracket, rest = where.removeprefix("inputs[").partition("]")
    return f"inputs[{int(index) + start}{bracket}{rest}"


async def send(
    attempt: Attempt, upstream: WireUpstream, outgoing: Outgoing, headers: dict[str, str]
) -> Answer:
    """Send a request, set the status in the attempt's record, and return the answer, which the caller must
    close. Raises RequestFailed if there is no answer or the answer is an error. If the error says that the
    provider has no endpoint for the operation, its fault has the kind `not_implemented`.
    """
    operation = attempt.asked.inbound.operation
    answer = await upstream.ask(outgoing, attempt.call, headers, operation)
    upstream.headed(answer, attempt.call)
    attempt.record.status = answer.status
    if is_success(answer):
        return answer
    try:
        failed = await upstream.refused(answer, operation)
    finally:
        answer.close()
    raise RequestFailed(_no_endpoint(operation)) if lesson_of(failed.fault) == "never" else failed


# --- The answer ----------------------------------------------------------------------------------------


class OperationAnswer:
    """Reads and delivers the answer of one attempt, which may consist of the answers to several requests."""

    def __init__(self, attempt: Attempt) -> None:
        self._attempt = attempt
        self._size = 0
        """How many bytes of answers were received."""

    def pieces(
        self, answer: Answer, upstream: WireUpstream, side: AnyProviderSide, part: Any
    ) -> Pieces | None:
        """Return an object that passes the answer on piece by piece; None = at least one of the two protocols
        cannot do this with this answer, so the answer has to be read and written as a whole. part: the only
        part of the request.
        """
        client = codec_of(self._attempt).client
        if side.decoder is None or client.encoder is None or client.unread is not None:
            return None
        decoder = side.decoder(part, answer.headers.get("content-type", ""), upstream.limits.event)
        if decoder is None:
            return None
        reply = self._reply(decoder.begun)
        encoder = client.encoder(decoder.begun, reply)
        if encoder is None:
            return None
        return Pieces(self._attempt, answer, upstream, side, decoder, encoder, reply)

    async def read(self, answer: Answer, upstream: WireUpstream) -> Payload:
        """Read the whole body of one of the provider's answers, and return it undecoded. Stops the attempt's
        stopwatch. Raises WireError for too many JSON values, and RequestFailed for too many bytes or a broken
        connection.
        """
        raw = await answer.read()
        self._attempt.call.watch.stop()
        kind = answer.headers.get("content-type", "")
        upstream.limits.hold(raw, self._attempt.asked.inbound.operation)
        self._size += len(raw)
        return Payload(raw, kind)

    async def joined(self, side: AnyProviderSide, answers: Sequence[Outcome]) -> Outcome:
        """Return one answer, joined from the provider's answers to the parts of the request."""
        asked, model = self._attempt.asked, self._attempt.call.model
        joined: Outcome = await self._step(side.join, answers, asked.request, model)
        return joined

    async def deliver(self, response: Outcome, passed: Headers = ()) -> None:
        """Send a whole answer in the client's protocol, as a stream if the client wants one and the protocol
        can write the answer as one, and record its usage and losses. Media of which the client wants the
        bytes are downloaded first; a failed download leaves the URL. passed: the upstream's headers for the
        client.
        """
        attempt, asked, delivery = self._attempt, self._attempt.asked, self._attempt.delivery
        client = codec_of(attempt).client
        if client.unread is not None:
            response = await attempt.media.try_read(client.unread(response, asked.request), response)
        attempt.record.first = delivery.now()
        if asked.streamed and client.encode_stream is not None:
            await self._count(response)
            reply = self._reply(response)
            data = client.encode_stream(response, reply)
            delivery.lost(reply.report)
            delivery.failing = told_in_band
            await delivery.begin(attempt.call, passed)
            await delivery.end(data)
            return
        await self._count(response)
        payload = await self._step(self._encoded, response)
        await delivery.payload(payload, attempt.call, passed)

    def _step(self, step: Callable[..., Any], *args: Any) -> Any:
        asked = self._attempt.asked
        return asked.steps.run(max(asked.weight, self._size), step, *args)

    async def _count(self, response: Outcome) -> None:
        """Record the usage of an answer, and its amounts in other units."""
        attempt, rates = self._attempt, self._attempt.rates()
        attempt.delivery.counted(used(attempt.asked, response.usage, rates))
        await self._step(note_answer, attempt.asked.request, response, attempt.record, rates)

    def _encoded(self, response: Outcome) -> Payload:
        reply = self._reply(response)
        payload = codec_of(self._attempt).client.encode(response, reply)
        self._attempt.delivery.lost(reply.report)
        return payload

    def _reply(self, response: Outcome) -> OperationReply[Any]:
        attempt, exchange = self._attempt, self._attempt.exchange
        return OperationReply(
            attempt.asked.request,
            Report(attempt.asked.face.name, "response"),
            attempt.shown or response.model or attempt.call.model,
            exchange.id.removeprefix("ex_"),
            int(exchange.created),
        )


class Pieces:
    """Translates one answer piece by piece, as it comes. The first bytes for the client make the attempt
    final.
    """

    def __init__(
        self,
        attempt: Attempt,
        answer: Answer,
        upstream: WireUpstream,
        side: AnyProviderSide,
        *coders: Any,
    ) -> None:
        self._attempt = attempt
        self._answer = answer
        self._upstream = upstream
        self._side = side
        self._decoder: AnswerDecoder[Any]
        self._encoder: AnswerEncoder[Any]
        self._reply: OperationReply[Any]
        self._decoder, self._encoder, self._reply = coders

    async def run(self) -> None:
        """Send the answer. Raises RequestFailed for a failure, and WireError for an answer that cannot be
        read. If no bytes have been sent to the client, another attempt may follow.
        """
        attempt, delivery, answer = self._attempt, self._attempt.delivery, self._answer
        events = self._encoder.kind.startswith("text/event-stream")
        delivery.failing = told_in_band if events else None
        limits, operation = self._upstream.limits, attempt.asked.inbound.operation
        while chunk := await answer.chunk():
            limits.hold(chunk, operation)
            for piece in self._decoder.feed(chunk):
                await self._write(self._encoder.feed(piece))
        response = self._side.join((self._decoder.close(),), self._reply.request, attempt.call.model)
        delivery.counted(response.usage)
        note_answer(self._reply.request, response, attempt.record, attempt.rates())
        data = self._encoder.close(response)
        delivery.lost(self._reply.report)
        if not delivery.committed:
            await self._begin()
        await delivery.end(data)

    async def _write(self, data: bytes) -> None:
        if not data:
            return
        if not self._attempt.delivery.committed:
            await note_begun(self._attempt)
            await self._begin()
        await self._attempt.delivery.client.write(data)

    async def _begin(self) -> None:
        kind = header_value(self._encoder.kind)
        await self._attempt.delivery.begin(self._attempt.call, [(b"content-type", kind)])


async def note_begun(attempt: Attempt) -> None:
    """Record in the attempt how many pictures, characters, … the request asks for, for an answer that states
    no usage or breaks off. Must be called before the answer begins, because the request's body is freed then.
    Does nothing if nothing is accounted for.
    """
    if attempt.delivery.meter is not None:
        asked, rates = attempt.asked, attempt.rates()
        await asked.step(note_measures, asked, attempt.record, rates, made=True)


def told_in_band(fault: ir.Fault) -> bytes:
    """Return the server-sent event (`event: error`) that tells a failure inside a stream, in the form of
    OpenAI's operations, as bytes with the empty line that ends it.
    """
    error = {"type": fault.kind, "code": fault.code, "message": fault.message, "param": fault.param}
    if fault.error_id is not None:
        error["error_id"] = fault.error_id
    return b"event: error\ndata: " + encode({"type": "error", "error": error}) + b"\n\n"


def lacking(operation: Operation) -> ir.Fault:
    """Return the fault for a model none of whose deployments has an endpoint for this operation (for
    `realtime`: no sessions in the client's protocol).
    """
    return ir.Fault(
        "unsupported",
        f"This model's provider does not offer {NAMES.get(operation, _SESSIONS)}.",
        code="unsupported_value",
        param="model",
    )


def _no_endpoint(operation: Operation) -> ir.Fault:
    """Return the fault for a provider without an endpoint for this operation. Another deployment may have
    one.
    """
    return ir.Fault(
        "not_implemented",
        f"This model's provider has no endpoint for {NAMES[operation]}.",
        code="not_implemented",
        param="model",
        blame="upstream",
    )
