"""The simulator as an upstream. It sends its answers with the delays and failures that the plan of the
request states (see `Plan`).

It obeys the timers of a call, so that timeouts can be tested without a provider.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import aclosing, asynccontextmanager
from typing import Final

import msgspec

from dragoman import ir
from dragoman.dialects.failure import kind_of_status
from dragoman.errors import RequestFailed, WireError
from dragoman.upstreams.counts import above, hold_to_counts
from dragoman.upstreams.simulate import picture, sound
from dragoman.upstreams.simulate.answer import drafted, events, spoken
from dragoman.upstreams.simulate.judging import judged, ranked
from dragoman.upstreams.simulate.plan import Plan, told
from dragoman.upstreams.simulate.plan import plan as planned
from dragoman.upstreams.simulate.vectors import LENGTH, MOST, vector
from dragoman.upstreams.upstream import Batches, Call

_DAY: Final = 86_400.0
_BATCH: Final = 16
"""The number of tokens in a batch of a stream without delays, which is about what one read from a fast
provider contains.
"""
_WHOLE: Final = 10_000
"""The number of tokens in a batch of an answer that is not streamed. Other tasks run between two batches."""
_MOST_NUMBERS: Final = 1_000_000
"""The most floats in all vectors of one request: 2,048 inputs with 488 floats each."""
_MOST_LETTERS: Final = 16_384
"""The most characters of a text for speech, as for the embedded voice. OpenAI's API takes 4,096."""
_MOST_PICTURES: Final = 10
"""The most images of one request, as in OpenAI's API."""
_MOST_DOCUMENTS: Final = 10_000
"""The most documents of one rerank request, as in Cohere's API."""
_MOST_JUDGED: Final = 2_048
"""The most inputs of one moderation request."""

_KINDS: Final[dict[int, ir.Kind]] = {404: "model_not_found", 503: "unavailable"}
_TOO_LONG: Final = "string_above_max_length"
_CODES: Final = {401: "invalid_api_key", 404: "model_not_found", 429: "rate_limit_exceeded"}


class SimulateUpstream:
    """The simulator. The model's name instructs it; in chat, the user's text can instruct it, too.

    name: the provider's name, in the configuration and in faults. seed: decides the random numbers of all
    answers; a seed in a chat or image request is used instead. first_token: seconds before an answer begins.
    token_interval: seconds between two tokens of a chat answer. An instruction may replace these two times.
    sleep: waits for a number of seconds.
    """

    def __init__(
        self,
        name: str = "simulate",
        *,
        seed: int = 0,
        first_token: float = 0.0,
        token_interval: float = 0.0,
        sleep: Callable[[float], Awaitable[object]] = asyncio.sleep,
    ) -> None:
        self.name = name
        self._seed = seed
        self._first_token = first_token
        self._token_interval = token_interval
        self._sleep = sleep

    @asynccontextmanager
    async def chat(self, request: ir.Request, call: Call) -> AsyncIterator[Batches]:
        if any(kind != "text" for kind in (request.output and request.output.modalities) or ()):
            message = f"{self.name} generates only text."
            raise RequestFailed(
                ir.Fault("unsupported", message, code="unsupported_modality", param="output.modalities")
            )
        plan, said = told(self._planned(call.model), request)
        hold_to_counts(request)
        try:
            candidates = drafted(request, plan, said, self._seed_of(request.sampling.seed))
        except WireError as error:
            raise _invalid(error) from error
        interval = self._token_interval if plan.rate is None else 1 / plan.rate
        # A whole answer is sent after its last token.
        await self._begin(plan, call, 0.0 if request.stream else interval * spoken(candidates))
        size = _WHOLE if not request.stream else 1 if interval else _BATCH
        said_events = events(msgspec.structs.replace(request, model=call.model), candidates)
        pause = interval if request.stream else 0.0
        async with aclosing(self._batches(said_events, plan, size, pause, call)) as batches:
            yield batches

    def _seed_of(self, stated: int | None) -> int:
        return self._seed if stated is None else stated

    async def embed(self, request: ir.EmbedRequest, call: Call) -> ir.EmbedResponse:
        length = request.dimensions or LENGTH
        if length > MOST:
            message = f"{self.name} has embeddings of at most {MOST} dimensions."
            raise _invalid(WireError(message, "dimensions", "integer_above_max_value"))
        if length * len(request.inputs) > _MOST_NUMBERS:
            raise above("inputs", f"{_MOST_NUMBERS // length} inputs", "array_above_max_length")
        await self._pretend(call)
        vectors: list[bytes] = []
        for item in request.inputs:
            vectors.append(vector(item, length, self._seed))
            await asyncio.sleep(0)  # lets other tasks run after each vector
        return ir.EmbedResponse(tuple(vectors), model=call.model)

    async def draw(self, request: ir.ImageRequest, call: Call) -> ir.ImageResponse:
        if request.output not in {None, "png"}:
            message = f"{self.name} generates png images, not {request.output}."
            raise RequestFailed(ir.Fault("unsupported", message, code="unsupported_value", param="output"))
        try:
            width, height = picture.size_of(request)
        except WireError as error:
            raise _invalid(error) from error
        await self._pretend(call)
        seed = self._seed_of(request.seed)
        count = request.count or 1
        if count > _MOST_PICTURES:
            raise above("count", f"{_MOST_PICTURES}", "integer_above_max_value")
        drawn: list[ir.Picture] = []
        for index in range(count):
            data = picture.drawn(request, (width, height), seed, index)
            drawn.append(ir.Picture(data, kind="image/png"))
            await asyncio.sleep(0)
        return ir.ImageResponse(tuple(drawn), call.model, told={"size": f"{width}x{height}"})

    async def speak(self, request: ir.SpeechRequest, call: Call) -> ir.SpeechResponse:
        output = request.output or "mp3"
        if output not in sound.KINDS:
            message = f"{self.name} speaks {', '.join(sound.KINDS)}, not {output[:64]}."
            raise RequestFailed(ir.Fault("unsupported", message, code="unsupported_value", param="output"))
        if len(request.text) > _MOST_LETTERS or sound.length(request, output) > sound.MOST:
            raise above("text", f"{_MOST_LETTERS} letters and {sound.MOST} bytes of sound", _TOO_LONG)
        await self._pretend(call)
        data = sound.spoken(request, output, self._seed)
        return ir.SpeechResponse(data, output, sound.KINDS[output], sound.RATE, call.model)

    async def transcribe(self, request: ir.TranscriptionRequest, call: Call) -> ir.TranscriptionResponse:
        await self._pretend(call)
        # All bytes of the recording are read, which takes time: in a thread, so that the event loop goes on.
        return await asyncio.to_thread(sound.written, request, call.model, self._seed)

    async def moderate(self, request: ir.ModerationRequest, call: Call) -> ir.ModerationResponse:
        if len(request.inputs) > _MOST_JUDGED:
            raise above("inputs", f"{_MOST_JUDGED} inputs", "array_above_max_length")
        await self._pretend(call)
        return await asyncio.to_thread(judged, request, call.model)

    async def rerank(self, request: ir.RerankRequest, call: Call) -> ir.RerankResponse:
        if len(request.documents) > _MOST_DOCUMENTS:
            raise above("documents", f"{_MOST_DOCUMENTS} documents", "array_above_max_length")
        await self._pretend(call)
        return await asyncio.to_thread(ranked, request, call.model)

    async def _pretend(self, call: Call) -> None:
        """Wait as the model's name says, or else `first_token` seconds. Raises RequestFailed if the name is
        not a valid instruction or says that the request fails, or if the wait is longer than the call's timer
        `first_byte`.
        """
        await self._begin(self._planned(call.model), call)

    def _planned(self, model: str) -> Plan:
        try:
            return planned(model)
        except ValueError as error:
            raise RequestFailed(
                ir.Fault("model_not_found", str(error), code="model_not_found", param="model")
            ) from error

    async def _begin(self, plan: Plan, call: Call, writing: float = 0.0) -> None:
        """Wait as long as the plan says (by default `first_token`), and `writing` seconds longer; for ever if
        `plan.silence` is 0. If the call's timer `first_byte` is shorter, wait until it has run out, and raise
        RequestFailed. Also raise RequestFailed, after the wait, if the plan says that the request fails.
        """
        wait = writing + (self._first_token if plan.wait is None else plan.wait)
        if plan.silence == 0:
            wait = math.inf
        limit = call.timers.first_byte
        if limit is not None and wait > limit:
            await self._sleep(limit)
            raise RequestFailed(
                self._fault("timeout", f"did not start to respond within {limit:g} s.", "first_byte_timeout")
            )
        await self._rest(wait)
        if plan.status is not None:
            raise RequestFailed(_refusal(plan.status, plan.retry_after, self.name))

    async def _rest(self, seconds: float) -> None:
        while math.isinf(seconds):
            await self._sleep(_DAY)
        await self._sleep(seconds)

    async def _batches(
        self, said: Iterator[ir.Event], plan: Plan, size: int, interval: float, call: Call
    ) -> AsyncGenerator[Sequence[ir.Event], None]:
        """Yield the events in batches of `size` tokens, with `interval` seconds between two batches. If the
        answer has more than `plan.die` tokens, it ends with an error event after these. If the answer has
        more than `plan.silence` tokens, nothing is sent after these, and RequestFailed is raised when the
        call's timer `idle` has run out (never if there is no such timer).
        """
        batch: list[ir.Event] = []
        count = 0
        for event in said:
            if isinstance(event, _DELTAS):
                if count == plan.die:
                    message = "ended the stream early, as it was told to."
                    yield [*batch, ir.Error(self._fault("upstream", message, "connection_broken"))]
                    return
                silent = count == plan.silence
                if batch and count and (silent or count % size == 0):
                    yield batch
                    batch = []
                    await (self._fall_silent(call) if silent else self._rest(interval))
                count += 1
            batch.append(event)
        yield batch

    async def _fall_silent(self, call: Call) -> None:
        limit = call.timers.idle
        await self._rest(math.inf if limit is None else limit)
        raise RequestFailed(self._fault("timeout", f"sent no data for {limit:g} s.", "idle_timeout"))

    def _fault(self, kind: ir.Kind, message: str, code: str) -> ir.Fault:
        return ir.Fault(kind, f"The provider {self.name!r} {message}", code=code, blame="upstream")


_DELTAS: Final = (ir.TextDelta, ir.ArgsDelta, ir.ThinkDelta, ir.RefusalDelta)


def _invalid(error: WireError) -> RequestFailed:
    return RequestFailed(ir.Fault("invalid_request", error.message, code=error.code, param=error.path))


def _refusal(status: int, retry_after: float | None, name: str) -> ir.Fault:
    kind = _KINDS.get(status) or kind_of_status(status)
    if retry_after is None and status in {429, 503, 529}:
        retry_after = 1.0
    message = f"The provider {name!r} fails with {status} as it was told to."
    blame: Final = "client" if kind in {"invalid_request", "too_large"} else "upstream"
    return ir.Fault(
        kind, message, code=_CODES.get(status), status=status, retry_after=retry_after, blame=blame
    )
