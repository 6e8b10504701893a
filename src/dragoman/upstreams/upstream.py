"""The interface of upstreams. An upstream answers an `ir.Request` with events.

The smallest custom upstream has one method:

    class Echo:
        name = "echo"

        @asynccontextmanager
        async def chat(self, request, call):
            async def answer():
                yield [ir.Start("echo", model=request.model), ir.Open(0, ir.Text(""))]
                yield [ir.TextDelta(0, "hello")]
                yield [ir.Close(0), ir.Finish(ir.Stop("end")), ir.End()]
            yield answer()

Leaving the context must cancel the work at once. A failure is a `RequestFailed` with a fault, raised before
the first batch or between two batches. A failure after the answer has begun may also be an `ir.Error` event.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Any, Final, Protocol, TypeAlias

import msgspec

from dragoman import ir
from dragoman.dialects.dialect import USUAL_FEATURES, Feature
from dragoman.dialects.facts import UNKNOWN, Facts
from dragoman.dialects.loss import Report
from dragoman.dialects.operation import Outcome
from dragoman.dialects.request import Operation, WireRequest
from dragoman.errors import RequestFailed
from dragoman.routing.route import Timers

Batches: TypeAlias = AsyncIterator[Sequence[ir.Event]]
"""Events in the order of `ir.GRAMMAR`. One item contains the events that came together, for example in one
read; it may be empty.
"""


async def collected(batches: Batches) -> ir.Response:
    """Return the answer that the events of a stream form; if the last events are missing, what has come.
    Raises RequestFailed at the first `ir.Error`, with the fault of this event. Also raises what `batches`
    raises.
    """
    answer = ir.Fold()
    async for batch in batches:
        for event in batch:
            if type(event) is ir.Error:
                raise RequestFailed(event.fault)
            answer.add(event)
    return answer.response()


class Stopwatch(msgspec.Struct, eq=False):
    """Adds up the seconds in which an attempt waits for its upstream, from each `start` to the next `stop` or
    `take`. _clock: returns monotonic seconds.
    """

    _clock: Callable[[], float]
    _since: float | None = None
    _seconds: float = 0.0
    answered: float | None = None
    """When the head of the upstream's latest answer came, in monotonic seconds; None = no head came, or the
    upstream's answers have none.
    """

    def headed(self) -> None:
        """Record that the head of an answer (its status and headers) has just come."""
        self.answered = self._clock()

    def start(self) -> None:
        """Start measuring, because the attempt begins to wait. Do nothing if the stopwatch already
        measures.
        """
        if self._since is None:
            self._since = self._clock()

    def stop(self) -> None:
        """Stop measuring, because the upstream has sent something. Do nothing if the stopwatch does not
        measure.
        """
        if self._since is not None:
            self._seconds += self._clock() - self._since
            self._since = None

    def take(self) -> float:
        """Stop measuring, and return the seconds that were measured since the last `take`."""
        if self._since is not None:
            self.stop()
        seconds, self._seconds = self._seconds, 0.0
        return seconds


class Call(msgspec.Struct, frozen=True):
    """The context of one attempt.

    attempt: the id of the attempt. model: the name that the upstream uses for the model. report: collects
    losses (values that the upstream cannot be told). watch: measures how long the attempt waits for the
    upstream; a custom upstream may ignore it. timers: how long to wait for the upstream. facts: the known
    facts about the model. account: the index of the credential among the provider's accounts. headers, body:
    the headers and the body fields that the configuration adds to requests for this model, None = none.
    encoded: the chat request in the upstream's protocol, None = not encoded. ready: raises RequestFailed if
    strict mode refuses the reported losses. A custom upstream calls it before its work, except for chat,
    where the gateway calls it when the context of `chat` is entered. client: the name of the client's key, ""
    = unknown. once: the value for the header `Idempotency-Key`, which differs between clients with keys of
    their own (`engine/idempotency.py`); None = this upstream gets none.
    """

    attempt: str
    model: str
    report: Report
    watch: Stopwatch
    timers: Timers = Timers()
    facts: Facts = UNKNOWN
    account: int = 0
    headers: Mapping[str, str] | None = None
    body: Mapping[str, Any] | None = None
    encoded: WireRequest | None = None
    ready: Callable[[], None] = lambda: None
    client: str = ""
    once: str | None = None


class Native(msgspec.Struct, frozen=True):
    """The features that a custom upstream supports itself. The gateway emulates other features where it can.

    features: the names of these features. tool_name: a regular expression that must match a complete tool
    name. A name that does not match is replaced by a similar name that matches. The last name that is tried
    is `t_` and eight hexadecimal digits, so the expression must match such names. formats_alone: True = a
    request may have either a form of the answer (a schema, JSON) or tools, not both.
    """

    features: frozenset[Feature] = USUAL_FEATURES
    tool_name: str = r"(?s:.+)"
    formats_alone: bool = False


def native(upstream: Upstream) -> Native:
    """Return the features that the upstream states in its attribute `native`; without this attribute, the
    usual features (`Native()`).
    """
    stated: Native = getattr(upstream, "native", Native())
    return stated


class Upstream(Protocol):
    """The attributes that every upstream has. An upstream may also state its features in an attribute
    `native: Native`; without this attribute, it has the usual features (`Native()`).
    """

    @property
    def name(self) -> str:
        """The provider's name: the first part of `provider/model`. But in the argument `upstreams` of a
        gateway, the key in the mapping is this part.
        """

    def chat(self, request: ir.Request, call: Call) -> AbstractAsyncContextManager[Batches]:
        """Answer a chat request. Entering the context gives the events of the answer in batches. If
        `request.stream` is True, events are given as soon as they exist; if it is False, they may all come at
        the end.
        """


Perform: TypeAlias = Callable[[Any, Call], Awaitable[Outcome]]

METHODS: Final[Mapping[Operation, str]] = {
    "count": "count_tokens",
    "embed": "embed",
    "image": "draw",
    "speech": "speak",
    "transcription": "transcribe",
    "moderation": "moderate",
    "rerank": "rerank",
}
"""The methods by which a custom upstream supports operations other than chat; each is optional. A method
takes the operation's request (`ir.EmbedRequest`, …) and a call, and returns the operation's response; a
failure is `RequestFailed`. It reports losses in `call.report` before it calls `call.ready()`, which refuses
them in strict mode; losses that are found later are refused after the work. A usage of None is estimated for
embeddings and speech:

    async def count_tokens(self, request: ir.Request, call: Call) -> ir.TokenCount: ...
    async def embed(self, request: ir.EmbedRequest, call: Call) -> ir.EmbedResponse: ...
    async def draw(self, request: ir.ImageRequest, call: Call) -> ir.ImageResponse: ...
    async def speak(self, request: ir.SpeechRequest, call: Call) -> ir.SpeechResponse: ...
    async def transcribe(self, request: ir.TranscriptionRequest, call: Call) -> ir.TranscriptionResponse: ...
    async def moderate(self, request: ir.ModerationRequest, call: Call) -> ir.ModerationResponse: ...
    async def rerank(self, request: ir.RerankRequest, call: Call) -> ir.RerankResponse: ...

If only some of its models support an operation, it has a method `performs(operation, model) -> bool`.
"""


def performer(upstream: Upstream, operation: Operation, model: str | None = None) -> Perform | None:
    """Return the upstream's method for an operation. None = it has no such method, or says (`performs`) that
    it does not support the operation for `model`, or `METHODS` does not have the operation (`chat`, `models`,
    `realtime`). model: None = any model; then `performs` is not asked.
    """
    if operation not in METHODS:
        return None
    performs = getattr(upstream, "performs", None)
    if model is not None and performs is not None and not performs(operation, model):
        return None
    found: Perform | None = getattr(upstream, METHODS[operation], None)
    return found
