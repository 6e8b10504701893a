"""What an attempt calls. An upstream answers `ir.Request`s with events; how is its own business.

The least that a third party writes is one method:

    class Echo:
        name = "echo"

        @asynccontextmanager
        async def chat(self, request, call):
            async def answer():
                yield [ir.Start("echo", model=request.model), ir.Open(0, ir.Text(""))]
                yield [ir.TextDelta(0, "hello")]
                yield [ir.Close(0), ir.Finish(ir.Stop("end")), ir.End()]
            yield answer()

Leaving the context ends the work at once, whatever the state. A failure is `RequestFailed` with a
fault, before the first batch or between two; a failure inside the answer may also be an `ir.Error` event.
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
"""Events in the order of `ir.GRAMMAR`; one item is what one read brought, so that it leaves in one write."""


async def collected(batches: Batches) -> ir.Response:
    """The whole answer of a stream. Raises RequestFailed for an error in it."""
    answer = ir.Fold()
    async for batch in batches:
        for event in batch:
            if type(event) is ir.Error:
                raise RequestFailed(event.fault)
            answer.add(event)
    return answer.response()


class Stopwatch:
    """Adds up the seconds that an attempt waits for its upstream. Stopping twice counts once."""

    __slots__ = ("_clock", "_seconds", "_since")

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._since: float | None = None
        self._seconds = 0.0

    def start(self) -> None:
        """The waiting begins."""
        if self._since is None:
            self._since = self._clock()

    def stop(self) -> None:
        """Something came."""
        if self._since is not None:
            self._seconds += self._clock() - self._since
            self._since = None

    def take(self) -> float:
        """The seconds since the last `take`; stops."""
        self.stop()
        seconds, self._seconds = self._seconds, 0.0
        return seconds


class Call(msgspec.Struct, frozen=True):
    """One attempt's surroundings.

    attempt: its id. model: the upstream's own name of the model. report: where losses go. watch: started
    by an upstream when it begins to wait, stopped when something came, so that the gateway's own time can
    be told from the upstream's. facts: what is known of the model. account: which of the provider's
    credentials. headers, body: what the configuration adds for this model. encoded: the request in the
    upstream's words where it has been written already (strict mode must know the losses before anything
    is sent). ready: what an upstream of one's own calls between naming its losses and beginning its work,
    in all but chat, whose context is entered then; raises RequestFailed where strict mode refuses it.
    client: the name of the key that asks, "" where nobody knows; an upstream that queues shares by it.
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


class Native(msgspec.Struct, frozen=True):
    """What an upstream that speaks no dialect takes as it is; the rest is emulated for it.

    tool_name: the pattern that a tool's whole name must match; it has to allow small letters, digits and `_`,
    ten of them at least, of which names are made that fit.
    """

    features: frozenset[Feature] = USUAL_FEATURES
    tool_name: str = r"(?s:.+)"


_ALL = Native()


def native(upstream: Upstream) -> Native:
    """What an upstream takes as it is: what it says, else everything."""
    stated: Native = getattr(upstream, "native", _ALL)
    return stated


class Upstream(Protocol):
    """The least that an upstream can do.

    One that cannot take everything that a request may hold says so in an attribute `native: Native`.
    """

    @property
    def name(self) -> str:
        """The provider's name in the configuration."""
        ...

    def chat(self, request: ir.Request, call: Call) -> AbstractAsyncContextManager[Batches]:
        """Answer one chat request as events, streamed when `request.stream` is true."""
        ...


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
"""What an upstream that speaks no dialect is asked for beside chat, if it has a method of that name. It takes
the operation's request in IR terms (`ir.EmbedRequest`, …) and a call, and gives the operation's answer; a
failure is `RequestFailed`. What it cannot do goes into `call.report` before it calls `call.ready()`, which
refuses it in strict mode; what it finds out later is refused when the work has been done. Usage of None is
estimated where it can be:

    async def count_tokens(self, request: ir.Request, call: Call) -> ir.TokenCount: ...
    async def embed(self, request: ir.EmbedRequest, call: Call) -> ir.EmbedResponse: ...
    async def draw(self, request: ir.ImageRequest, call: Call) -> ir.ImageResponse: ...
    async def speak(self, request: ir.SpeechRequest, call: Call) -> ir.SpeechResponse: ...
    async def transcribe(self, request: ir.TranscriptionRequest, call: Call) -> ir.TranscriptionResponse: ...
    async def moderate(self, request: ir.ModerationRequest, call: Call) -> ir.ModerationResponse: ...
    async def rerank(self, request: ir.RerankRequest, call: Call) -> ir.RerankResponse: ...

One whose models differ in what they can do says so in a method `performs(operation, model) -> bool`.
"""


def performer(upstream: Upstream, operation: Operation, model: str | None = None) -> Perform | None:
    """What an upstream of one's own does this with; None = it cannot. model: which of its models is asked."""
    performs = getattr(upstream, "performs", None)
    if model is not None and performs is not None and not performs(operation, model):
        return None
    found: Perform | None = getattr(upstream, METHODS[operation], None)
    return found
