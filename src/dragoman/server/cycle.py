"""Writes the answer to one HTTP request as uvicorn's cycle does, at half its cost.

The form of a head is remembered by its header names, and all values are validated in one search. An HTTP/1.0
client knows no chunked encoding: an answer without a length ends with its connection (RFC 9112, section 6.3).
"""

from __future__ import annotations

import re
from typing import Any, Final, NamedTuple

from uvicorn.protocols.http.httptools_impl import STATUS_LINE, RequestResponseCycle

_NO_NAME: Final = re.compile(rb"[^!#$%&'*+.^_`|~0-9A-Za-z-]|^$")
_NO_VALUE: Final = re.compile(rb"[\x00-\x08\x0a-\x1f\x7f]")
_WITHOUT_BODY: Final = frozenset({204, 304})
_MOST_FORMS: Final = 512


class _Form(NamedTuple):
    """The lines of a head with certain header names, as a format that takes the values. length: the place of
    the header content-length, None = there is none. connection: the places of the headers connection.
    """

    lines: bytes
    length: int | None
    connection: tuple[int, ...]


_forms: dict[tuple[bytes, ...], _Form] = {}
"""Cache: forms by the header names in order, as the application gives them. Most answers share a few."""


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
        sent = (*self.default_headers, *headers)
        names, values = zip(*sent, strict=True) if sent else ((), ())
        form = _forms.get(names) or _form(names)
        if _NO_VALUE.search(b"".join(values)):
            raise RuntimeError("a header's value holds a control character")
        if form.length is not None:
            self.expected_content_length = int(values[form.length])
            self.chunked_encoding = False
        closes = any(b"close" in values[at].lower() for at in form.connection)
        if closes:
            self.keep_alive = False
        more = b""
        if self.chunked_encoding is None and self.scope["method"] != "HEAD" and status not in _WITHOUT_BODY:
            if self.scope["http_version"] == "1.0":
                self.keep_alive = False
            else:
                self.chunked_encoding = True
                more = b"transfer-encoding: chunked\r\n"
        if not self.keep_alive and not closes:
            more += b"connection: close\r\n"
        self.transport.write(STATUS_LINE[status] + form.lines % values + more + b"\r\n")

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


def _form(names: tuple[bytes, ...]) -> _Form:
    """The form of a head with these names, now cached. Raises RuntimeError for an invalid name."""
    if any(map(_NO_NAME.search, names)):
        raise RuntimeError("a header's name holds what no name may hold")
    lower = [name.lower() for name in names]
    if len(_forms) >= _MOST_FORMS:
        _forms.clear()
    made = _forms[names] = _Form(
        b"".join([name.replace(b"%", b"%%") + b": %b\r\n" for name in lower]),
        max((at for at, name in enumerate(lower) if name == b"content-length"), default=None),
        tuple(at for at, name in enumerate(lower) if name == b"connection"),
    )
    return made
