"""The interface of an object that answers chat requests: an upstream as a `Backend`, or `Several`, which asks
an upstream several questions.
"""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager
from typing import Protocol

from dragoman import ir
from dragoman.upstreams.answers import AnswerLimits
from dragoman.upstreams.upstream import Batches, Call


class Answering(Protocol):
    """Answers chat requests. name: the provider's name, for errors. limits: how large an answer may be."""

    @property
    def name(self) -> str: ...
    @property
    def limits(self) -> AnswerLimits: ...

    async def complete(self, request: ir.Request, call: Call) -> bytes | ir.Response:
        """Return the complete answer to a chat request: either as bytes, for `decode`, or already decoded.
        Raises RequestFailed if the upstream refuses the request, fails, or does not answer. Raises WireError
        if the request still has to be encoded for the upstream, and cannot be.
        """

    def decode(self, body: bytes) -> ir.Response:
        """Decode the bytes that `complete` returned. Raises RequestFailed if they are invalid or exceed the
        limits.
        """

    def chat(self, request: ir.Request, call: Call) -> AbstractAsyncContextManager[Batches]:
        """Answer a chat request. Entering the context sends the request and gives the answer's events in
        batches, whether or not the request asks for a stream. Raises the errors of `complete`, RequestFailed
        and WireError, before the first events or between two batches. A failure after the first events may
        instead be an `ir.Error` event.
        """
