"""The client as the engine sees it, without its protocol and its connection."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

Headers = Sequence[tuple[bytes, bytes]]


class Client(Protocol):
    """Receives the answer. Each write waits while the client reads slowly."""

    @property
    def begun(self) -> bool:
        """Whether headers have been sent, so a failure must be sent inside the stream."""
        ...

    @property
    def gone(self) -> bool:
        """Whether the client has disconnected, so that nobody would read a last error in the stream."""
        ...

    async def answer(self, status: int, headers: Headers, body: bytes) -> None:
        """Send a whole answer. It is JSON, unless the first of the headers is a content type."""
        ...

    def expect_stream(self) -> None:
        """Expect a stream: from now on, heartbeats are sent while there is no data."""
        ...

    async def begin(self, status: int, headers: Headers) -> None:
        """Send a stream's headers, unless they have been sent. The first one may be the content type."""
        ...

    async def write(self, data: bytes) -> None:
        """Send more of a stream."""
        ...

    async def end(self, data: bytes = b"") -> None:
        """Send the last bytes of a stream."""
        ...
