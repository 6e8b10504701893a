"""Reads the answers on one HTTP/1.1 connection, without IO: bytes in, head and body out.

The framing is httptools' (llhttp, in its strict mode: a length beside chunks, two lengths, a bare line feed
and a folded header are errors). This module adds the limits that llhttp does not have, and it decides when a
connection may be used again. The specification: RFC 9112.
"""

from __future__ import annotations

from typing import Final

import httptools

from dragoman.net.failures import HeadTooLarge, Malformed
from dragoman.wire.headers import HeaderMap

MAX_HEAD: Final = 65_536
"""The most bytes of an answer's head, of its trailers, or of one chunk's size line with its extensions."""
MAX_HEADERS: Final = 256
"""The most headers of an answer, trailers included."""
MAX_INTERIM: Final = 32
"""The most interim answers (100, 102, 103) before the final one. Servers send one or two."""
_WITHOUT_BODY: Final = frozenset({204, 304})
_SWITCHING: Final = 101
_NEVER_A_BODY: Final = frozenset({_SWITCHING, 205})


class AnswerReader:
    """Reads one answer after another. `begin` comes before each request, `feed` and `eof` bring what arrives.

    status, headers: of the final answer, once `headed` is true; interim answers are left out. pieces: the
    body's bytes that have arrived; the caller takes them out of the list. held: the sum of their lengths;
    the caller subtracts what it takes. complete: the body has ended. reusable: a next request may be sent on
    the connection; only meaningful when `complete`. surplus: bytes came that belong to no request.
    """

    __slots__ = (
        *("_bare", "_interim", "_lines", "_parser", "_skips", "_unmoved", "_until_close"),
        *("complete", "headed", "headers", "held", "pieces", "reusable", "status", "surplus"),
    )

    def __init__(self) -> None:
        self._parser: httptools.HttpResponseParser | None = httptools.HttpResponseParser(self)
        self.complete = True  # no request is running
        self.surplus = False
        self.headed = self.reusable = False
        self.status = 0
        self.headers = HeaderMap(())
        self.pieces: list[bytes] = []
        self.held = 0
        self._lines: list[tuple[bytes, bytes]] = []
        self._bare = self._skips = self._until_close = False
        self._interim = self._unmoved = 0

    def begin(self, *, bodiless: bool = False) -> None:
        """Expect the answer to a new request. bodiless: it will have no body (the method is HEAD)."""
        self.complete = self.headed = self.reusable = self._until_close = False
        self._bare = bodiless
        self._interim = self._unmoved = 0
        self.pieces = []
        self.held = 0

    def feed(self, data: bytes) -> None:
        """Take received bytes. Raises Malformed (HeadTooLarge); the connection is then of no more use."""
        parser = self._parser
        if not data or parser is None:
            return
        if self.complete:
            self._excess()
            return
        self._unmoved += len(data)
        try:
            parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            return  # nobody has asked for another protocol: whoever reads the status decides
        except httptools.HttpParserError as error:
            if self.surplus or self.complete:  # the answer is whole; what is wrong came after it
                self._excess()
                return
            cause = error.__context__
            raise (cause if isinstance(cause, Malformed) else Malformed()) from error
        if self._unmoved > MAX_HEAD:
            raise HeadTooLarge

    def eof(self) -> None:
        """The server sends nothing more, by its own word: that ends a body without a length."""
        if self.headed and self._until_close:
            self.complete = True

    def close(self) -> None:
        """Drop the parser, which holds this reader: nothing will be fed any more."""
        self._parser = None

    def _excess(self) -> None:
        self.surplus = True
        self.reusable = False

    # Called by the parser ------------------------------------------------------------------------------

    def on_message_begin(self) -> None:
        if self.complete:
            self._excess()
            return
        self._skips = False
        self._lines = []

    def on_header(self, name: bytes, value: bytes) -> None:
        # Those behind the head are trailers, which nothing here needs.
        self._lines.append((name.lower(), value))

    def on_headers_complete(self) -> None:
        parser, lines = self._parser, self._lines
        if self.complete or parser is None:
            return
        if len(lines) > MAX_HEADERS:
            raise HeadTooLarge
        if self._unmoved > MAX_HEAD and sum([len(name) + len(value) + 4 for name, value in lines]) > MAX_HEAD:
            raise HeadTooLarge
        self._unmoved = 0
        status = parser.get_status_code()
        if 100 <= status < 200 and status != _SWITCHING:
            self._interim += 1
            if self._interim > MAX_INTERIM:
                raise Malformed
            self._skips = True
            return
        self.headers = headers = HeaderMap(lines)
        coded = "transfer-encoding" in headers
        if coded:
            codings = [value.strip().lower() for name, value in lines if name == b"transfer-encoding"]
            if codings != [b"chunked"]:
                raise Malformed  # no other coding was offered
        self.status = status
        self._bare = self._bare or status in _WITHOUT_BODY
        self._until_close = not coded and "content-length" not in headers
        self.reusable = parser.should_keep_alive() and (self._bare or not self._until_close)
        self.headed = True
        if (self._bare and status not in _WITHOUT_BODY) or status in _NEVER_A_BODY:
            # The parser does not know it (the request was HEAD): it would read the next answer as a body.
            self.complete, self.reusable = True, False

    def on_body(self, body: bytes) -> None:
        if self.complete:
            self._excess()
            return
        self._unmoved = 0
        self.pieces.append(body)
        self.held += len(body)

    def on_chunk_complete(self) -> None:
        self._unmoved = 0

    def on_message_complete(self) -> None:
        self._unmoved = 0
        if not self._skips:
            self.complete = True
