"""Reads the answers on one HTTP/1.1 connection, without IO: bytes in, head and body out.

httptools finds where heads and bodies end (llhttp, in its strict mode: a length beside chunks, two lengths, a
bare line feed and a folded header are errors). This module adds limits that llhttp does not have, and decides
when a connection may be used again. The specification: RFC 9112.
"""

from __future__ import annotations

from typing import Final

import httptools

from dragoman.net.failures import HeadTooLarge, Malformed
from dragoman.wire.headers import HeaderMap

MAX_HEAD: Final = 65_536
"""The most bytes of an answer's head, and of its trailers. A chunk's size line that goes on after so many
bytes fails too.
"""
MAX_HEADERS: Final = 256
"""The most headers in the head of an answer, and the most trailers; a repeated one counts each time."""
MAX_INTERIM: Final = 32
"""The most interim answers (100, 102, 103) before the final answer. Servers send one or two."""
_SWITCHING: Final = 101
_CODING: Final = b"transfer-encoding"
_WITHOUT_BODY: Final = frozenset({204, 304})
_LAST: Final = frozenset({_SWITCHING, 205})
"""Statuses of answers that count as having no body, whatever their headers say. The connection is not used
again after them.
"""


class AnswerReader:
    """Reads one answer after another. Call `begin` before each request, `feed` with the bytes that arrive,
    and `eof` when the server has ended the connection properly.

    status, headers: of the final answer, once `headed` is true; interim answers are skipped. headed: whether
    the head of the final answer is complete. pieces: the bytes of the body that have arrived; the caller
    takes all of them out of the list, and sets `held` to 0. held: about how many bytes have arrived for an
    unfinished head, or for the `pieces` that have not been taken. complete: whether the body has ended; True
    also before the first request. reusable: whether a next request may be sent on the connection; valid only
    when `complete`. surplus: whether bytes came that belong to no request; it stays True, so the caller must
    close the connection.
    """

    __slots__ = (
        *("_bare", "_came", "_interim", "_parser", "_repeated", "_skips"),
        *("complete", "headed", "headers", "held", "pieces", "reusable", "status", "surplus"),
        *("on_body", "on_header"),
    )

    def __init__(self) -> None:
        self.complete = True  # no request is running
        self.surplus = False
        self.headed = self.reusable = False
        self.status = 0
        self.headers = HeaderMap(())
        self.held = 0
        self._bare = self._skips = False
        self._interim = 0
        pieces: list[bytes] = []
        came: dict[bytes, bytes] = {}
        repeated: list[tuple[bytes, bytes]] = []

        def on_header(name: bytes, value: bytes) -> None:
            """Store a header under its lower-case name. An earlier header of the same name moves to
            `repeated`.
            """
            name = name.lower()
            if name in came:
                repeated.append((name, came[name]))
            came[name] = value

        self.pieces = pieces
        self._came, self._repeated = came, repeated
        # What the parser calls most often: the first takes no Python code, the second no attributes.
        self.on_body = pieces.append
        self.on_header = on_header
        self._parser = httptools.HttpResponseParser(self)

    def begin(self, *, bodiless: bool = False) -> None:
        """Prepare for the answer to a new request. bodiless: whether the answer will have no body (the method
        is HEAD).
        """
        self.complete = self.headed = self.reusable = False
        self._bare = bodiless
        self._interim = self.held = 0
        self.pieces.clear()

    def feed(self, data: bytes) -> None:
        """Process received bytes. Raises HeadTooLarge for a head, trailers or a chunk's size line above the
        limits, Malformed for other invalid bytes; the connection cannot be used after that. Bytes that belong
        to no request raise nothing: they set `surplus`.
        """
        if self.complete:
            if data:
                self._excess()
            return
        self.held += len(data)
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            return  # nobody has asked for another protocol: whoever reads the status decides
        except httptools.HttpParserError as error:
            if self.surplus or self.complete:  # the answer is complete; the invalid bytes came after it
                self._excess()
                if self._bare:
                    self.pieces.clear()
                return
            cause = error.__context__
            raise (cause if isinstance(cause, Malformed) else Malformed()) from error
        if self.pieces:
            if self._bare:
                self.pieces.clear()
                self._excess()
        elif self.held > MAX_HEAD and not self.complete:
            raise HeadTooLarge

    def eof(self) -> None:
        """Record that the server has ended the connection properly. This completes an answer whose headers do
        not say where the body ends; any other unfinished answer stays incomplete.
        """
        headers = self.headers
        if self.headed and "content-length" not in headers and "transfer-encoding" not in headers:
            self.complete = True

    def close(self) -> None:
        """Release the parser, which has a reference to this reader. `feed` must not be called after that."""
        del self._parser

    def _excess(self) -> None:
        self.surplus = True
        self.reusable = False

    # Called by the parser, as are `on_header` and `on_body` ----------------------------------------------

    def on_message_begin(self) -> None:
        if self.complete:
            self._excess()
            raise Malformed  # ends the parsing: this is the answer to no request
        self._skips = False
        self._came.clear()
        if self._repeated:
            self._repeated.clear()

    def on_headers_complete(self) -> None:
        parser, came, repeated = self._parser, self._came, self._repeated
        self._bound(measured=self.held > MAX_HEAD)
        self.held = 0
        status = parser.get_status_code()
        if 100 <= status < 200 and status != _SWITCHING:
            self._interim += 1
            if self._interim > MAX_INTERIM:
                raise Malformed
            self._skips = True
            return
        coding = came.get(_CODING)
        if coding is not None and (
            coding.strip().lower() != b"chunked" or any(name == _CODING for name, _ in repeated)
        ):
            raise Malformed  # no other coding was offered
        self.headers = HeaderMap((*repeated, *came.items()) if repeated else came)
        came.clear()  # what comes now are trailers
        if repeated:
            repeated.clear()
        self.status = status
        self.headed = True
        self.reusable = parser.should_keep_alive()
        if status in _LAST or (self._bare and status not in _WITHOUT_BODY):
            # The parser does not know it (the request was HEAD): it would read the next answer as a body.
            self._bare = self.complete = True
            self.reusable = False

    def on_message_complete(self) -> None:
        if self._skips:
            return
        if self._came:
            self._bound(measured=True)
        self.complete = True

    def _bound(self, *, measured: bool) -> None:
        """Raise HeadTooLarge if more than MAX_HEADERS headers or trailers have come. measured: True = also if
        they have more than MAX_HEAD bytes together.
        """
        came, repeated = self._came, self._repeated
        if len(came) + len(repeated) > MAX_HEADERS:
            raise HeadTooLarge
        if measured:
            size = sum([len(name) + len(value) + 4 for name, value in (*came.items(), *repeated)])
            if size > MAX_HEAD:
                raise HeadTooLarge
