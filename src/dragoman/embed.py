"""One attempt at vectors: relayed where both sides speak one dialect, else translated, in as many requests as
the provider needs. Either the whole answer is delivered or none of it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import msgspec

from dragoman import ir
from dragoman.delivery import Delivery
from dragoman.dialects.batching import batches, estimated, joined
from dragoman.dialects.dialect import EmbedReply, WireRequest
from dragoman.dialects.loss import Report
from dragoman.errors import RequestFailed, WireError
from dragoman.exchange import AttemptRecord
from dragoman.routing.apis import lesson_of
from dragoman.upstreams.upstream import Call, Embeds, Upstream
from dragoman.upstreams.wire import WireUpstream, unreadable
from dragoman.wire.json import encode
from dragoman.wire.vectors import WIDTH
from dragoman.work import Headers, Work


class Embed:
    """One attempt. relayed: whether bytes pass. now: the monotonic clock."""

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
    ) -> None:
        self._work = work
        self._delivery = delivery
        self._upstream = upstream
        self._call = call
        self._record = record
        self._relayed = relayed
        self._now = now

    async def run(self) -> None:
        """Ask, and deliver the answer. Raises RequestFailed."""
        upstream = self._upstream
        if not isinstance(upstream, WireUpstream):
            await self._compute(upstream)
        elif self._relayed:
            await self._relay(upstream)
        else:
            await self._translate(upstream)

    async def _relay(self, upstream: WireUpstream) -> None:
        work, call = self._work, self._call
        relay = work.embedding.relay
        body = relay.request(work.wire, work.head, work.edits(call))
        raw, passed = await self._post(upstream, body, work.passed_headers)
        try:
            told = relay.response(work.wire, raw, work.shown)
        except WireError as error:
            raise unreadable(upstream.name, error) from error
        if told is None:
            answer = upstream.decode_vectors(raw, len(work.vectors.inputs))
            await self._deliver(joined((answer,), work.vectors, call.model), passed)
            return
        data, usage = told
        work.exchange.usage = usage
        self._record.first = self._now()
        await self._delivery.body(data, call, passed)

    async def _translate(self, upstream: WireUpstream) -> None:
        work, call = self._work, self._call
        work.exchange.phase = "encode"
        request = work.vectors
        asked = [
            (part, self._encoded(upstream, part, start))
            for start, part in batches(request, upstream.embedding, call.model)
        ]
        self._account()
        work.exchange.phase = "connect"
        answers: list[ir.EmbedResponse] = []
        for part, wire in asked:
            raw, _ = await self._post(upstream, encode(wire.body), wire.headers)
            answers.append(upstream.decode_vectors(raw, len(part.inputs)))
        await self._deliver(joined(answers, request, call.model), ())

    def _encoded(self, upstream: WireUpstream, part: ir.EmbedRequest, start: int) -> WireRequest:
        """A part of the request in the provider's words. start: where its inputs begin in the whole."""
        work, report = self._work, self._call.report
        report.moved = (lambda where: _moved(where, start)) if start else None
        try:
            return upstream.encode_vectors(part, self._call)
        except WireError as error:
            # Another deployment may be able to say it; if none is, the client is told where it is.
            locate = work.locate()
            fault = work.located(work.blamed(error), lambda where: locate(report.placed(where)))
            raise RequestFailed(msgspec.structs.replace(fault, kind="untranslatable")) from error

    async def _compute(self, upstream: Upstream) -> None:
        if not isinstance(upstream, Embeds):
            raise RequestFailed(NO_EMBEDDINGS)
        work, call = self._work, self._call
        call.watch.start()
        response = await upstream.embed(work.vectors, call)
        call.watch.stop()
        self._account()
        if response.usage is None:
            response = msgspec.structs.replace(response, usage=estimated(work.vectors, call.model))
        await self._deliver(response, ())

    async def _post(
        self, upstream: WireUpstream, body: bytes, headers: dict[str, str]
    ) -> tuple[bytes, Headers]:
        """The bytes of an answer, and its headers that may pass."""
        answer = await upstream.send(body, self._call, headers, stream=False, operation="embed")
        try:
            self._record.status = answer.status
            if answer.status >= 400:
                failed = await upstream.refused(answer)
                raise RequestFailed(_NO_ENDPOINT) if lesson_of(failed.fault) == "never" else failed
            raw = await answer.read()
        finally:
            answer.close()
        self._call.watch.stop()
        return raw, self._work.face.passes(answer.headers)

    def _account(self) -> None:
        """Note what has been lost by now, and refuse it in strict mode."""
        work = self._work
        work.exchange.losses, work.exchange.changes = self._call.report.located(work.locate())
        work.hold_strict()

    async def _deliver(self, response: ir.EmbedResponse, passed: Headers) -> None:
        work = self._work
        self._record.first = self._now()
        work.exchange.usage = response.usage
        wished, length = work.vectors.dimensions, len(response.vectors[0]) // WIDTH
        if wished is not None and length != wished:
            report = Report(work.face.name, "response")
            report.lose("dimensions", f"the model's vectors have {length} numbers")
            self._delivery.lost(report)
        shown = work.shown or response.model or self._call.model
        reply = EmbedReply(work.vectors, shown)
        await self._delivery.body(work.embedding.encode_response(response, reply), self._call, passed)


def _moved(where: str, start: int) -> str:
    """A place in a part of the inputs, in all of them."""
    if not where.startswith("inputs["):
        return where
    index, bracket, rest = where.removeprefix("inputs[").partition("]")
    return f"inputs[{int(index) + start}{bracket}{rest}"


NO_EMBEDDINGS: Final = ir.Fault(
    "unsupported",
    "This model's provider has no embeddings.",
    code="unsupported_value",
    param="model",
)
_NO_ENDPOINT: Final = ir.Fault(
    "not_implemented",
    "This model's provider has no endpoint for embeddings.",
    code="not_implemented",
    param="model",
    blame="upstream",
)
"""What a server says with a 404 that names nothing: another deployment may have one."""


def embedder(upstream: Upstream, face: str) -> Upstream | None:
    """Whoever of a provider gives vectors, in the dialect of the face if it can; None = it has none."""
    if isinstance(upstream, WireUpstream):
        return upstream.embedder(face)
    return upstream if isinstance(upstream, Embeds) else None
