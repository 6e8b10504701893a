"""Errors of the server itself, and the headers that HTTP requires in the answers for some errors."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from dragoman import ir
from dragoman.net.codings import TAKEN, UNKNOWN

if TYPE_CHECKING:
    from dragoman.server.endpoint import Endpoint
CROWDED: Final = ir.Fault(
    "unavailable",
    "The gateway has no memory left for this request body at the moment. Try again later.",
    "bodies_too_large_together",
    retry_after=5.0,
    blame="gateway",
)
FULL: Final = ir.Fault(
    "unavailable",
    "The gateway has reached its connection limit. Try again later.",
    "too_many_connections",
    retry_after=1.0,
    blame="gateway",
)
OVERLOADED: Final = ir.Fault(
    "unavailable",
    "The gateway has reached its limit of requests at a time. Try again later.",
    "too_many_requests_together",
    retry_after=1.0,
    blame="gateway",
)

UPGRADE_MISSING: Final = ir.Fault(
    "invalid_request",
    "This WebSocket handshake has no 'Upgrade: websocket' header: a proxy removed it. For "
    "nginx, set proxy_http_version 1.1, and proxy_set_header for Upgrade and Connection.",
    "upgrade_missing",
    status=426,
)

UPGRADE_NEEDED: Final = ir.Fault(
    "invalid_request", "Realtime sessions need a WebSocket at this path.", "upgrade_required", status=426
)

WRONG_VERSION: Final = ir.Fault(
    "invalid_request",
    "A WebSocket handshake needs the header 'Sec-WebSocket-Version: 13'.",
    "invalid_http",
    status=426,
)


def standing(fault: ir.Fault, endpoint: Endpoint | None) -> list[tuple[bytes, bytes]]:
    """Return the headers that RFC 9110 requires in the answer for an error, such as `allow` for 405; [] =
    none. endpoint: that of the request, None = the request has none.
    """
    if fault.kind == "authentication":
        return [(b"www-authenticate", b'Bearer realm="dragoman"')]
    if fault.kind == "method_not_allowed" and endpoint is not None:
        return [(b"allow", ", ".join(endpoint.methods).encode())]
    if fault in (UPGRADE_MISSING, UPGRADE_NEEDED):
        return [(b"upgrade", b"websocket"), (b"connection", b"upgrade")]
    if fault == WRONG_VERSION:
        return [(b"upgrade", b"websocket"), (b"sec-websocket-version", b"13")]
    if fault.code == UNKNOWN:
        return [(b"accept-encoding", ", ".join(TAKEN).encode())]
    return []
