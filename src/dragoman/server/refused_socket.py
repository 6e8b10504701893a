"""Refuses the handshakes of WebSockets, under any ASGI server."""

from __future__ import annotations

from typing import Final

from dragoman.engine.client import Headers
from dragoman.server.link import AsgiScope, Send

_EXTENSION: Final = "websocket.http.response"
_POLICY: Final = 1008
"""The close code for a handshake that is refused without an HTTP answer (RFC 6455, section 7.4.1)."""


def answers_handshakes(scope: AsgiScope) -> bool:
    """Whether the server can answer the handshake of this scope with an HTTP response. Servers state it by an
    extension: https://asgi.readthedocs.io/en/latest/extensions.html#websocket-denial-response
    """
    return _EXTENSION in (scope.get("extensions") or ())


async def refuse_handshake(send: Send, status: int, headers: Headers, body: bytes, *, answers: bool) -> None:
    """Refuse a handshake that was not accepted. headers: for the answer, besides the type and the length of
    `body`, which is JSON; their names may have capitals. answers: whether the server can answer with an HTTP
    response (`answers_handshakes`). False = close the WebSocket instead; the server then writes an answer
    with the status 403, and the client does not get the other arguments.
    """
    if not answers:
        await send({"type": "websocket.close", "code": _POLICY})
        return
    plain = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(body))]
    stated = [(name.lower(), value) for name, value in headers]
    await send({"type": f"{_EXTENSION}.start", "status": status, "headers": [*plain, *stated]})
    await send({"type": f"{_EXTENSION}.body", "body": body})
