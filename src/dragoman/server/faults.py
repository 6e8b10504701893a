"""Errors of the server itself, error answers, and the headers that HTTP requires in some of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final, TypeAlias

from dragoman import ir
from dragoman.dialects.table import DIALECTS
from dragoman.net.codings import TAKEN, UNKNOWN
from dragoman.wire.header import header_value

if TYPE_CHECKING:
    from dragoman.exchange import Exchange
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
    """Return the headers that HTTP or the WebSocket protocol asks for in the answer for an error (RFC 9110,
    RFC 6455), such as `allow` for 405; [] = there are none. endpoint: that of the request, None = none was
    found, so `allow` is missing.
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


ErrorAnswer: TypeAlias = tuple[int, Sequence[tuple[bytes, bytes]], bytes]
"""The status, headers and body of an error answer."""


def error_answer(fault: ir.Fault, endpoint: Endpoint | None, exchange: Exchange) -> ErrorAnswer:
    """Return the status, headers and body of the answer for an error, in the form `endpoint.errors`; if that
    or `endpoint` is None, in the form of the protocol `exchange.face`. The headers are those of the protocol
    and those of `standing`, without content-type and content-length.
    """
    errors = None if endpoint is None else endpoint.errors
    errors = errors or DIALECTS[exchange.face].errors
    status, extra, body = errors.encode(fault, exchange.request_id)
    if fault.blame == "client" and fault.status in _OF_HTTP:
        status = fault.status
    named = [(name.encode(), header_value(value)) for name, value in extra.items()]
    return status, [*named, *standing(fault, endpoint)], body


_OF_HTTP: Final = frozenset({408, 412, 414, 426, 431, 505})
"""If a fault for which the client is to blame states one of these statuses, the answer has this status. In
all other cases the protocol's form decides the status, usually by the kind of the fault.
"""
