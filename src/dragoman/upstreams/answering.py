"""Whatever answers a chat that has been put into words: one upstream, or one that is asked several times."""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager
from typing import Protocol

from dragoman import ir
from dragoman.upstreams.answers import AnswerLimits
from dragoman.upstreams.upstream import Batches, Call


class Answering(Protocol):
    """Answers chat requests. limits: how much an answer may be."""

    @property
    def name(self) -> str: ...
    @property
    def limits(self) -> AnswerLimits: ...

    async def complete(self, request: ir.Request, call: Call) -> bytes | ir.Response:
        """The whole answer to one chat request, for `decode` where it is bytes. Raises RequestFailed."""
        ...

    def decode(self, body: bytes) -> ir.Response:
        """A whole answer of `complete`."""
        ...

    def chat(self, request: ir.Request, call: Call) -> AbstractAsyncContextManager[Batches]:
        """Answer one chat request as events. Calls `call.ready` before the answer is waited for."""
        ...
