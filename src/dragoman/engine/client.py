"""Whoever waits for an answer, as the engine sees it: no protocol of models, no connection."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

Headers = Sequence[tuple[bytes, bytes]]


class Client(Protocol):
    """Whoever waits for the answer. Writing waits while the client reads slowly."""

    @property
    def begun(self) -> bool:
        """Whether headers have been sent: a failure is then told in-band."""
        ...

    async def answer(self, status: int, headers: Headers, body: bytes) -> None:
        """Send a whole answer: JSON, unless the first header states its content type."""
        ...

    def expect_stream(self) -> None:
        """Expect a stream: from now on silence is filled with heartbeats."""
        ...

    async def begin(self, status: int, headers: Headers) -> None:
        """Send the headers of a stream, the first of which may be its content type. Later calls are
        ignored.
        """
        ...

    async def write(self, data: bytes) -> None:
        """Send more of a stream."""
        ...

    async def end(self, data: bytes = b"") -> None:
        """Send the last bytes of a stream."""
        ...
