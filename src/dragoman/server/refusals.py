"""The errors for HTTP requests that are refused before a handler is called. Also those limits for such
requests that are not settings.
"""

from __future__ import annotations

from typing import Final

from dragoman import ir

MOST_AHEAD = 64
"""The most unanswered requests of one connection. A single read may bring thousands of them."""
CHUNKS = 4096
"""The number of chunks above which a body's chunks must have `LEAST_CHUNK` bytes on average."""
LEAST_CHUNK = 16
"""Bytes that chunks must have on average in a body of more than `CHUNKS` chunks."""


class Refused(Exception):
    """Raised by a callback of the HTTP parser to refuse the request with this fault."""

    def __init__(self, fault: ir.Fault) -> None:
        super().__init__(fault.message)
        self.fault = fault


def headers_too_large(message: str) -> ir.Fault:
    """Return the error (431) for headers or trailers over a limit. message: the text for the client."""
    return ir.Fault("too_large", message, "headers_too_large", status=431)


INVALID: Final = ir.Fault("invalid_request", "Invalid HTTP request received.", "invalid_http")
HOSTS: Final = ir.Fault("invalid_request", "The request has more than one Host header.", "invalid_http")
PIPELINED: Final = ir.Fault(
    "invalid_request",
    f"More than {MOST_AHEAD} pipelined requests wait for their responses on this connection.",
    "too_many_pipelined",
)
SMALL_CHUNKS: Final = ir.Fault(
    "invalid_request",
    f"The request body has more than {CHUNKS} chunks of fewer than {LEAST_CHUNK} bytes on average.",
    "chunks_too_small",
)
HEAD_TIMEOUT: Final = ir.Fault(
    "timeout", "The request headers did not arrive in time.", "request_timeout", status=408
)
NO_WEBSOCKET: Final = ir.Fault(
    "invalid_request", "A WebSocket must be opened by a GET request without a body.", "invalid_http"
)
LARGE_HANDSHAKE: Final = headers_too_large("The headers are too large.")
