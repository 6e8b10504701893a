"""The interface of a client, as the engine sees it: without the client's protocol and connection."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

Headers = Sequence[tuple[bytes, bytes]]


class Client(Protocol):
    """Sends the answer to the client. Each write waits while the client reads slowly."""

    @property
    def begun(self) -> bool:
        """Whether headers have been sent, by an answer or by a heartbeat, so that a failure must be sent
        inside the stream.
        """
        ...

    @property
    def gone(self) -> bool:
        """Whether the client has disconnected, so that an error in the stream would not be read."""
        ...

    async def answer(self, status: int, headers: Headers, body: bytes) -> None:
        """Send a whole answer. Its content type is JSON, unless the first header in `headers` is a content
        type.
        """
        ...

    def expect_stream(self) -> None:
        """Take note that the answer will be a stream. From now on, heartbeats may be sent while there is no
        data; the first one sends the headers, if they have not been sent.
        """
        ...

    async def begin(self, status: int, headers: Headers) -> None:
        """Send a stream's headers, unless headers have been sent already. The first header in `headers` may
        be the content type; otherwise it is the one of the client's stream format.
        """
        ...

    async def write(self, data: bytes) -> None:
        """Send the next bytes of a stream."""
        ...

    async def end(self, data: bytes = b"") -> None:
        """Send the last bytes of a stream (b"" = none), and end the stream."""
        ...
