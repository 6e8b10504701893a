"""The interface of what answers an encoded chat request: one upstream, or one that is asked several times."""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager
from typing import Protocol

from dragoman import ir
from dragoman.upstreams.answers import AnswerLimits
from dragoman.upstreams.upstream import Batches, Call


class Answering(Protocol):
    """Answers chat requests. name: the provider's, for errors. limits: for the size of an answer."""

    @property
    def name(self) -> str: ...
    @property
    def limits(self) -> AnswerLimits: ...

    async def complete(self, request: ir.Request, call: Call) -> bytes | ir.Response:
        """The whole answer to one chat request; bytes are for `decode`. Raises RequestFailed."""
        ...

    def decode(self, body: bytes) -> ir.Response:
        """Decode the bytes that `complete` returned. Raises RequestFailed."""
        ...

    def chat(self, request: ir.Request, call: Call) -> AbstractAsyncContextManager[Batches]:
        """Answer one chat request as events, even if it asks for no stream. Raises RequestFailed."""
        ...
