"""The interface of upstreams. An upstream answers an `ir.Request` with events.

The smallest upstream of a third party has one method:

    class Echo:
        name = "echo"

        @asynccontextmanager
        async def chat(self, request, call):
            async def answer():
                yield [ir.Start("echo", model=request.model), ir.Open(0, ir.Text(""))]
                yield [ir.TextDelta(0, "hello")]
                yield [ir.Close(0), ir.Finish(ir.Stop("end")), ir.End()]
            yield answer()

Leaving the context cancels the work at once. A failure is a `RequestFailed` with a fault, raised before the
first batch or between two batches; a failure within the answer may also be an `ir.Error` event.
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
"""Events in the order of `ir.GRAMMAR`. One item holds the events of one read, perhaps none."""


async def collected(batches: Batches) -> ir.Response:
    """The whole answer that the events of a stream make. Raises RequestFailed if an `ir.Error` is
    among them.
    """
    answer = ir.Fold()
    async for batch in batches:
        for event in batch:
            if type(event) is ir.Error:
                raise RequestFailed(event.fault)
            answer.add(event)
    return answer.response()


class Stopwatch(msgspec.Struct, eq=False):
    """Adds up the seconds in which an attempt waits for its upstream: the times between `start` and `stop`.
    clock: returns monotonic seconds.
    """

    _clock: Callable[[], float]
    _since: float | None = None
    _seconds: float = 0.0
    answered: float | None = None
    """When the head of the upstream's (last) answer came; None = none has, or it has no head."""

    def headed(self) -> None:
        """Note the time at which the head of an answer (its status and headers) has come."""
        self.answered = self._clock()

    def start(self) -> None:
        """The attempt begins to wait: measure from now on. If the stopwatch already measures, nothing
        changes.
        """
        if self._since is None:
            self._since = self._clock()

    def stop(self) -> None:
        """The upstream has sent something: stop measuring. If the stopwatch does not measure, nothing
        changes.
        """
        if self._since is not None:
            self._seconds += self._clock() - self._since
            self._since = None

    def take(self) -> float:
        """Stop, and return the seconds that were measured since the last `take`."""
        if self._since is not None:
            self.stop()
        seconds, self._seconds = self._seconds, 0.0
        return seconds


class Call(msgspec.Struct, frozen=True):
    """The context of one attempt.

    attempt: the attempt's id. model: the upstream's own name of the model. report: collects losses (what the
    upstream cannot be told). watch: measures the waiting for the upstream; a custom upstream may ignore it.
    timers: how long to wait for the upstream. facts: what is known about the model. account: the index of the
    provider's credential. headers, body: what the configuration adds to requests for this model. encoded: the
    chat request in the upstream's protocol, None = not encoded yet. ready: raises RequestFailed if strict
    mode refuses the reported losses; a custom upstream calls it before its work, except for chat, where the
    gateway calls it when the context of `chat` is entered. client: the name of the client's key, "" =
    unknown; an upstream with a queue shares it fairly between clients. once: the client's `Idempotency-Key`,
    None = the client sent none.
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
    """The features that a custom upstream supports itself. The gateway emulates all others.

    tool_name: a regular expression that a whole tool name must match; names that do not match are replaced.
    It must match the replacements: names of at least ten small letters, digits and `_`. formats_alone:
    whether a request may have either a form of the answer (a schema, JSON) or tools, not both.
    """

    features: frozenset[Feature] = USUAL_FEATURES
    tool_name: str = r"(?s:.+)"
    formats_alone: bool = False


def native(upstream: Upstream) -> Native:
    """The features that the upstream states in its attribute `native`. Without this attribute, the usual ones
    (`Native()`).
    """
    stated: Native = getattr(upstream, "native", Native())
    return stated


class Upstream(Protocol):
    """What every upstream has. An upstream may state its features in an attribute `native: Native`; without
    this attribute, it has the usual ones (`Native()`).
    """

    @property
    def name(self) -> str:
        """The provider's name: the first part of `provider/model`."""

    def chat(self, request: ir.Request, call: Call) -> AbstractAsyncContextManager[Batches]:
        """The answer to a chat request as events, streamed when `request.stream` is true."""


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
    """The upstream's method for an operation other than chat. None = it has no such method, or not for
    `model`.
    """
    performs = getattr(upstream, "performs", None)
    if model is not None and performs is not None and not performs(operation, model):
        return None
    found: Perform | None = getattr(upstream, METHODS[operation], None)
    return found
