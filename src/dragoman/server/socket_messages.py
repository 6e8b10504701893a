"""Makes request bodies from the text messages of WebSocket clients, for each protocol that is served over
WebSockets.

Responses API (Open Responses 2026-04-24, WebSocket): a message is `{"type": "response.create", ...request
body}`. OpenAI's clients add a `stream_id` if they run several conversations on one socket.
https://www.openresponses.org/specification#websocket, https://platform.openai.com/docs/guides/websocket-mode.
Chat Completions API: no such protocol is published, so here a message is a request body, and each chunk of
the answer is a message.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

import msgspec

from dragoman import ir
from dragoman.errors import WireError
from dragoman.wire.json import decode_head, encode_head

_LONGEST_STREAM_ID = 256
"""The most bytes of a `stream_id` as JSON, which every message of the answer repeats."""
_NOTICES: Final = frozenset({b'"response.processed"'})
"""Types (as JSON) of messages that need no answer: with them Codex reports that it has handled an answer."""
_YES: Final = msgspec.Raw(b"true")
_BOOLEAN: Final = frozenset({b"true", b"false", b"null"})


class SocketRequest(msgspec.Struct, frozen=True):
    """The request in a client's message. body: the request's body. prefix: the JSON fields with which each
    message of the answer begins, such as `"stream_id":"a",`; b"" = none. fault: the error to send instead of
    an answer; None = the message is valid.
    """

    body: bytes = b""
    prefix: bytes = b""
    fault: ir.Fault | None = None


class SocketFormat(msgspec.Struct, frozen=True):
    """How the messages of one protocol are read and written on a WebSocket.

    read: returns the request in a message, or None if the message needs no answer. Its second argument is the
    number of levels of nested JSON that are allowed. error: JSON fields that are put into an error message in
    addition to its status, headers and `error`, such as `"type":"error",`; b"" = none.
    """

    read: Callable[[str, int], SocketRequest | None]
    error: bytes = b""


def read_chat(message: str, _max_depth: int) -> SocketRequest:
    """Return the request in a message of the Chat Completions API: the message itself is the body. The engine
    checks it.
    """
    return SocketRequest(message.encode())


def read_response(message: str, max_depth: int) -> SocketRequest | None:
    """Return the request in a `response.create` message: the message without `type`, `stream_id`,
    `background` and `stream_options`, and with `"stream": true`, also if it says `"stream": false`. A message
    that is not a JSON object, has another type, has `"background": true`, or has an invalid value in one of
    these fields gives a request with a fault. None = the message is one of `_NOTICES`, which need no answer.
    """
    try:
        head = decode_head(message.encode(), max_depth)
    except WireError as error:
        return SocketRequest(fault=ir.Fault("invalid_request", error.message, error.code, error.path or None))
    prefix = bytes(head.pop("stream_id", b"null"))
    if prefix != b"null" and (prefix[:1] != b'"' or len(prefix) > _LONGEST_STREAM_ID):
        return _refused("stream_id", f"a string of at most {_LONGEST_STREAM_ID} bytes")
    prefix = b"" if prefix == b"null" else b'"stream_id":%b,' % prefix
    kind = bytes(head.pop("type", b"null"))
    if kind in _NOTICES:
        return None
    if kind != b'"response.create"':
        return _refused("type", "'response.create'", prefix)
    if bytes(head.pop("background", b"null")) not in (b"null", b"false"):
        return _refused("background", "false: background responses are not possible on a WebSocket", prefix)
    if bytes(head.pop("stream", b"null")) not in _BOOLEAN:
        return _refused("stream", "true: responses on a WebSocket are always streamed", prefix)
    if bytes(head.pop("stream_options", b"null"))[:1] not in b"{n":
        return _refused("stream_options", "an object", prefix)
    head["stream"] = _YES
    return SocketRequest(encode_head(head), prefix)


def _refused(member: str, expected: str, prefix: bytes = b"") -> SocketRequest:
    message = f"Invalid '{member}': expected {expected}."
    return SocketRequest(prefix=prefix, fault=ir.Fault("invalid_request", message, "invalid_value", member))


SOCKET_FORMATS: Final[Mapping[str, SocketFormat]] = {
    "/responses": SocketFormat(read_response, b'"type":"error",'),
    "/chat/completions": SocketFormat(read_chat),
}
"""For each path with WebSockets, without /v1, the format of their messages. Paths of realtime sessions are
not among them.
"""
