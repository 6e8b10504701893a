"""Writes the answer to one HTTP request as uvicorn's cycle does, at half its cost.

Valid header names are remembered, and all values are validated in one search. An HTTP/1.0 client knows no
chunked encoding: an answer without a length ends with its connection (RFC 9112, section 6.3).
"""

from __future__ import annotations

import re
from typing import Any, Final

from uvicorn.protocols.http.httptools_impl import STATUS_LINE, RequestResponseCycle

_NO_NAME: Final = re.compile(rb"[^!#$%&'*+.^_`|~0-9A-Za-z-]|^$")
_NO_VALUE: Final = re.compile(rb"[\x00-\x08\x0a-\x1f\x7f]")
_WITHOUT_BODY: Final = frozenset({204, 304})
_MOST_NAMES: Final = 512

_names: dict[bytes, bytes] = {}
"""Cache: for each valid header name, as the application gives it, the start of its line (`name: `)."""


class Cycle(RequestResponseCycle):
    """One request and its answer, with a faster `send` than uvicorn's."""

    async def send(self, message: Any) -> None:
        """ASGI's `send`. Raises RuntimeError for an unexpected message, an invalid header, a wrong length."""
        if self.flow.write_paused and not self.disconnected:
            await self.flow.drain()
        if self.disconnected:
            return
        kind = message["type"]
        if kind == "http.response.body" and self.response_started and not self.response_complete:
            self._send_body(message.get("body", b""), last=not message.get("more_body", False))
        elif kind == "http.response.start" and not self.response_started:
            self._send_head(message["status"], message.get("headers", ()))
        else:
            raise RuntimeError(f"unexpected ASGI message {kind!r}")

    def _send_head(self, status: int, headers: Any) -> None:
        self.response_started = True
        self.waiting_for_100_continue = False
        lines, values = [STATUS_LINE[status]], []
        closes = False
        for name, value in (*self.default_headers, *headers):
            line = _names.get(name) or _line(name)
            lines += (line, value, b"\r\n")
            values.append(value)
            if line == b"content-length: ":
                self.expected_content_length = int(value)
                self.chunked_encoding = False
            elif line == b"connection: " and b"close" in value.lower():
                self.keep_alive = False
                closes = True
        if _NO_VALUE.search(b"".join(values)):
            raise RuntimeError("a header's value holds a control character")
        if self.chunked_encoding is None and self.scope["method"] != "HEAD" and status not in _WITHOUT_BODY:
            if self.scope["http_version"] == "1.0":
                self.keep_alive = False
            else:
                self.chunked_encoding = True
                lines.append(b"transfer-encoding: chunked\r\n")
        if not self.keep_alive and not closes:
            lines.append(b"connection: close\r\n")
        lines.append(b"\r\n")
        self.transport.write(b"".join(lines))

    def _send_body(self, body: bytes, *, last: bool) -> None:
        if self.scope["method"] == "HEAD":
            self.expected_content_length = 0
        elif self.chunked_encoding:
            chunk = b"%x\r\n%b\r\n" % (len(body), body) if body else b""
            if last:
                chunk += b"0\r\n\r\n"
            if chunk:
                self.transport.write(chunk)
        elif self.chunked_encoding is None:  # the connection's end ends this body, or the status has no body
            if body:
                self.transport.write(body)
        else:
            self.expected_content_length -= len(body)
            if self.expected_content_length < 0:
                raise RuntimeError("the body is longer than its stated length")
            self.transport.write(body)
        if last:
            if self.expected_content_length:
                raise RuntimeError("the body is shorter than its stated length")
            self.response_complete = True
            self.message_event.set()
            if not self.keep_alive:
                self.transport.close()
            self.on_response()


def _line(name: bytes) -> bytes:
    """The start of a header's line (`name: `), now cached. Raises RuntimeError for an invalid name."""
    if _NO_NAME.search(name):
        raise RuntimeError("a header's name holds what no name may hold")
    if len(_names) >= _MOST_NAMES:
        _names.clear()
    line = _names[name] = name.lower() + b": "
    return line
