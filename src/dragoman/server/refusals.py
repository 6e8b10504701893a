"""The errors for HTTP requests that the server refuses while it reads or parses them, and the limits for such
requests that are not settings.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

from dragoman import ir
from dragoman.wire.headers import members

MOST_AHEAD = 64
"""The most unanswered requests of one connection."""
CHUNKS = 4096
"""The number of chunks above which a body's chunks must have `LEAST_CHUNK` bytes on average."""
LEAST_CHUNK = 16
"""Bytes that chunks must have on average in a body of more than `CHUNKS` chunks."""


class Refused(Exception):
    """Raised to refuse a request with `fault`: by a callback of the HTTP parser, and by `RequestParser.feed`
    for bytes that are no valid request.
    """

    def __init__(self, fault: ir.Fault) -> None:
        super().__init__(fault.message)
        self.fault = fault


def headers_too_large(message: str) -> ir.Fault:
    """Return the error (431) for headers or trailers over a limit. message: the text for the client."""
    return ir.Fault("too_large", message, "headers_too_large", status=431)


INVALID: Final = ir.Fault("invalid_request", "Invalid HTTP request received.", "invalid_http")
NO_HOST: Final = ir.Fault("invalid_request", "The request has no Host header.", "invalid_http")
HOSTS: Final = ir.Fault("invalid_request", "The request has more than one Host header.", "invalid_http")
BAD_HOST: Final = ir.Fault("invalid_request", "The Host header of the request is not valid.", "invalid_http")
VERSION: Final = ir.Fault(
    "not_implemented",
    "The request has another version of HTTP than 1.0 and 1.1.",
    "unsupported_http_version",
    status=505,
)
FRAMING: Final = ir.Fault(
    "invalid_request", "The Transfer-Encoding header of the request is not valid.", "invalid_http"
)
CODING: Final = ir.Fault(
    "not_implemented",
    "The request has a transfer coding other than chunked. Compress the body with Content-Encoding instead.",
    "unsupported_transfer_encoding",
)
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

_VERSIONS: Final = frozenset({"1.0", "1.1"})
_LOOKED_AT: Final = frozenset({b"host", b"transfer-encoding"})
_HOST: Final = re.compile(rb"(?:\[[0-9A-Za-z:._~!$&'()*+,;=%-]+\]|[0-9A-Za-z._~!$&'()*+,;=%-]*)(?::[0-9]*)?")
"""A host with or without a port, as RFC 3986, section 3.2.2, writes it. The host may be empty: a client sends
an empty Host header if the URL has no host (RFC 9112, section 3.2).
"""


def is_host(value: bytes) -> bool:
    """Whether this is a host with or without a port, as a Host header or a URL has it; b"" is one, too."""
    return _HOST.fullmatch(value) is not None


def of_head(version: str, headers: Sequence[tuple[bytes, bytes]]) -> ir.Fault | None:
    """Return the error for a head that is refused because of its version of HTTP, its Host header (RFC 9112,
    section 3.2) or its Transfer-Encoding header (section 6.1); None = these are valid.

    version: "1.1", for example. headers: (name, value) pairs with lower-case names. Exactly one Host header
    is required; in HTTP/1.0 it may be missing. The Transfer-Encoding header may be missing; otherwise there
    must be only one, with the value `chunked`: a body in another coding would be read as if it was not
    encoded.
    """
    if version not in _VERSIONS:
        return VERSION
    looked_at = [one for one in headers if one[0] in _LOOKED_AT]  # of most heads the host alone
    hosts = [value for name, value in looked_at if name == b"host"]
    if len(hosts) != 1 and (hosts or version == "1.1"):
        return HOSTS if hosts else NO_HOST
    if hosts and not is_host(hosts[0].strip()):
        return BAD_HOST
    if len(looked_at) == len(hosts):
        return None
    codings = [value.strip().lower() for name, value in looked_at if name == b"transfer-encoding"]
    if codings == [b"chunked"]:
        return None
    applied = members(b",".join(codings).decode("latin-1"))
    known = applied.count("chunked") == 1 and applied[-1] == "chunked" and len(applied) > 1
    return CODING if known else FRAMING
