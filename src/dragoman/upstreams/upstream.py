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

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Any, Protocol, TypeAlias

import msgspec

from dragoman import ir
from dragoman.dialects.dialect import WireRequest
from dragoman.dialects.facts import UNKNOWN, Facts
from dragoman.dialects.loss import Report

Batches: TypeAlias = AsyncIterator[Sequence[ir.Event]]
"""Events in the order of `ir.GRAMMAR`; one item is what one read brought, so that it leaves in one write."""


class Timers(msgspec.Struct, frozen=True):
    """Seconds; None = no limit. Each has its own code when it runs out.

    connect: until a connection is there. first_byte: from sending the request to the first byte of the
    answer. idle: between two reads of a stream. total: the whole attempt; streams have none by default.
    """

    connect: float | None = 10.0
    first_byte: float | None = 600.0
    idle: float | None = 300.0
    total: float | None = None


class Call(msgspec.Struct, frozen=True):
    """One attempt's surroundings.

    attempt: its id. model: the upstream's own name of the model. report: where losses go. facts: what is
    known of the model. account: which of the provider's credentials. headers, body: what the
    configuration adds for this model. encoded: the request in the upstream's words where it has been
    written already (the strict mode must know the losses before anything is sent).
    """

    attempt: str
    model: str
    report: Report
    timers: Timers = Timers()
    facts: Facts = UNKNOWN
    account: int = 0
    headers: Mapping[str, str] | None = None
    body: Mapping[str, Any] | None = None
    encoded: WireRequest | None = None


class Upstream(Protocol):
    """The least that an upstream can do."""

    @property
    def name(self) -> str:
        """The provider's name in the configuration."""
        ...

    def chat(self, request: ir.Request, call: Call) -> AbstractAsyncContextManager[Batches]:
        """Answer one chat request as events, streamed when `request.stream` is true."""
        ...


class Completes(Upstream, Protocol):
    """An upstream that can answer whole. Without this its stream is folded."""

    async def complete(self, request: ir.Request, call: Call) -> ir.Response:
        """Answer one chat request whole."""
        ...
