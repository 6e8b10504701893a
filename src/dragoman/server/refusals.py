"""Errors for HTTP requests that no handler sees, being invalid, too large, too slow or too fragmented, and
those limits that are no settings.
"""

from __future__ import annotations

from typing import Final

from dragoman import ir

MOST_AHEAD = 64
"""The most unanswered requests of one connection. A single read may bring thousands of them."""
CHUNKS = 4096
"""The most chunks of one body that may have any size."""
LEAST_CHUNK = 16
"""Bytes that the chunks of a body with more of them must have on average: each costs more than its bytes."""


class Refused(Exception):
    """Raised by a callback of the HTTP parser to refuse the request."""

    def __init__(self, fault: ir.Fault) -> None:
        super().__init__(fault.message)
        self.fault = fault


def trailers_too_large(limit: int) -> ir.Fault:
    """The error: the trailers of a body have more than `limit` bytes."""
    return _too_large(431, f"The trailers are larger than {limit} bytes.", "headers_too_large")


def headers_too_large(limit: int) -> ir.Fault:
    """The error: the head of a request has more than `limit` bytes."""
    return _too_large(431, f"The request headers are larger than {limit} bytes.", "headers_too_large")


def too_many_headers(limit: int) -> ir.Fault:
    """The error: a request has more than `limit` headers."""
    return _too_large(431, f"The request has more than {limit} headers.", "headers_too_large")


def url_too_long(limit: int) -> ir.Fault:
    """The error: a URL has more than `limit` bytes."""
    return _too_large(414, f"The URL is longer than {limit} bytes.", "url_too_long")


def _too_large(status: int, message: str, code: str) -> ir.Fault:
    return ir.Fault("too_large", message, code=code, status=status)


INVALID: Final = ir.Fault("invalid_request", "Invalid HTTP request received.", code="invalid_http")
PIPELINED: Final = ir.Fault(
    "invalid_request",
    f"More than {MOST_AHEAD} pipelined requests wait for their responses on this connection.",
    code="too_many_pipelined",
)
SMALL_CHUNKS: Final = ir.Fault(
    "invalid_request",
    f"The request body has more than {CHUNKS} chunks of fewer than {LEAST_CHUNK} bytes on average.",
    code="chunks_too_small",
)
HEAD_TIMEOUT: Final = ir.Fault(
    "timeout", "The request headers did not arrive in time.", code="request_timeout", status=408
)
NO_WEBSOCKET: Final = ir.Fault(
    "invalid_request", "A WebSocket must be opened by a GET request without a body.", code="invalid_http"
)
LARGE_HANDSHAKE: Final = ir.Fault(
    "too_large", "The headers are too large.", code="headers_too_large", status=431
)
