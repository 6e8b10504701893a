"""uvicorn's HTTP protocol with three additions: first-byte time, disconnects without a task, JSON errors.

The overhead that we report begins at the request's first byte, not when a handler is scheduled: waiting
in the event loop's queue is our time too.
"""

from __future__ import annotations

import json
from typing import Any

from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

from dragoman.seams import SYSTEM
from dragoman.server.link import EXTENSION, Link


class HttpProtocol(HttpToolsProtocol):
    """Passed to uvicorn as `http=`."""

    _link: Link | None = None

    def on_message_begin(self) -> None:
        """A request's first byte: stamp it."""
        super().on_message_begin()
        self._link = link = Link(SYSTEM.monotonic())
        scope: Any = self.scope
        scope["extensions"] = {EXTENSION: link}

    def connection_lost(self, exc: Exception | None) -> None:
        """The client has gone: cancel the work that is still done for it."""
        super().connection_lost(exc)
        if self._link is not None:
            self._link.drop()

    def send_400_response(self, msg: str) -> None:
        """What is no HTTP at all gets the same JSON error as everything else."""
        error = {"message": msg, "type": "invalid_request_error", "param": None, "code": "invalid_http"}
        body = json.dumps({"error": error}).encode()
        head = b"content-type: application/json\r\nconnection: close\r\ncontent-length: %d\r\n\r\n" % len(
            body
        )
        self.transport.write(STATUS_LINE[400] + head + body)
        self.transport.close()
