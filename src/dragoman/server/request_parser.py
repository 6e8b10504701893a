"""Parses the HTTP/1 requests of one connection with httptools, and holds their heads to the limits of
`config.serving`.

https://www.rfc-editor.org/rfc/rfc9110, https://www.rfc-editor.org/rfc/rfc9112
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final, NamedTuple, Protocol
from urllib.parse import unquote

import httptools

from dragoman import ir
from dragoman.config.serving import Server
from dragoman.server import refusals
from dragoman.wire.headers import HeaderMap, members

_ABSOLUTE: Final = re.compile(rb"(?i:https?)://([^/?#]*)(.*)", re.DOTALL)


class Receiver(Protocol):
    """Gets what is parsed: the part of the connection (`http.HttpProtocol`) that a parser calls. Any of
    the methods may raise Refused; `RequestParser.feed` then raises it, too.
    """

    pending: int
    """Bytes that have come in since the last complete head, piece of a body, or message."""

    def head_began(self) -> None:
        """Called at the first byte of a request."""

    def head_came(self) -> None:
        """Called when a head is complete and valid, and within the limits."""

    def on_chunk_header(self) -> None:
        """Called at the beginning of a chunk of a body."""

    def on_body(self, body: bytes) -> None:
        """Called with a piece of a body."""

    def on_message_complete(self) -> None:
        """Called at the end of a request. It is also called after a head whose upgrade is ignored
        (`RequestParser.ignore_upgrade`), before this head is parsed again.
        """


class Target(NamedTuple):
    """What a request asks for. raw: the path as it was sent, percent-encoded; path: the same, decoded. query:
    the query string without `?`, b"" = none.
    """

    path: str
    raw: bytes
    query: bytes


class RequestParser:
    """Parses the requests of one connection, one after another. httptools calls the methods whose names begin
    with `on_`.

    url, headers: of the latest request, as far as they have come in; the names of headers are in lower case.
    When the head is complete, a target with scheme and host has become its path, and Host its host.
    in_head: whether the head of the latest request is incomplete. upgrades: whether this head is about to be
    parsed again without its Upgrade header (`ignore_upgrade`). max_head: the most bytes of a head.
    """

    def __init__(self, receiver: Receiver, settings: Server) -> None:
        self._receiver: Receiver | None = receiver
        self.max_head = int(settings.max_head)
        self._max_headers = settings.max_headers
        self._max_url = int(settings.max_url)
        self.url = b""
        self.headers: list[tuple[bytes, bytes]] = []
        self.in_head = self.upgrades = False
        self._parser: httptools.HttpRequestParser | None = self._made()

    def _made(self) -> httptools.HttpRequestParser:
        parser = httptools.HttpRequestParser(self)
        # The first request of several that come in at once is answered even if it closes the connection.
        parser.set_dangerous_leniencies(lenient_data_after_close=True)
        return parser

    def feed(self, data: bytes | memoryview) -> bytes | None:
        """Parse bytes that have come in. Returns None, or, if the connection stops to speak HTTP after a head
        (WebSocket, CONNECT), those of the bytes that follow this head. Raises Refused for a request that is
        invalid, over a limit, or refused by a method of the connection; and HttpParserCallbackError if such a
        method has raised anything else. After `end` or `forget`, does nothing and returns None.
        """
        if self._parser is None:
            return None
        try:
            self._parser.feed_data(data)
            return None
        except httptools.HttpParserUpgrade as upgrade:
            rest = bytes(data[upgrade.args[0] :])
        except httptools.HttpParserError as error:
            if isinstance(cause := error.__context__, refusals.Refused):
                raise refusals.Refused(cause.fault) from None
            if isinstance(error, httptools.HttpParserCallbackError):
                raise
            raise refusals.Refused(refusals.INVALID) from None
        # Not where the exception is handled: it would become the context of one that is raised here.
        return self.feed(self._without_upgrade(rest)) if self.upgrades else rest

    def _without_upgrade(self, rest: bytes) -> bytes:
        """Return the bytes to parse again: the latest head without its Upgrade header (RFC 9110, section
        7.8), and `rest`. Also replaces the parser, because httptools' parser stops after a head with this
        header. rest: the bytes after the head that have come in already.
        """
        self.upgrades = False
        headers = [header for header in self.headers if header[0] != b"upgrade"]
        head = self.written(headers)
        self._parser = self._made()
        return head + rest

    def written(self, headers: list[tuple[bytes, bytes]] | None = None) -> bytes:
        """Return the latest head as bytes, written again from its parts. headers: those to write in place of
        the head's own; None = its own. Must not be called after `end` or `forget`.
        """
        assert self._parser is not None
        line = b"%b %b HTTP/%b\r\n" % (self._parser.get_method(), self.url, self.version.encode())
        lines = [b"%b: %b\r\n" % header for header in (self.headers if headers is None else headers)]
        return b"".join([line, *lines, b"\r\n"])

    def end(self) -> None:
        """Parse nothing any more: from now on, `feed` does nothing. The latest URL and headers stay."""
        self._parser = None  # it may hold a long part of a header, and refers to the connection
        self._receiver = None

    def forget(self) -> None:
        """Parse nothing any more (`end`). If the latest head is incomplete, also drop its URL and headers."""
        self.end()
        if self.in_head:
            self.headers.clear()
            self.url = b""

    # --- What has come in --------------------------------------------------------------------------------

    @property
    def method(self) -> str:
        """The method of the latest request, such as "GET"; "-" = it is not known, because no part of the URL
        has come in, or after `end`.
        """
        return "-" if self._parser is None or not self.url else self._parser.get_method().decode("ascii")

    @property
    def version(self) -> str:
        """The version of HTTP of the latest request ("1.1")."""
        assert self._parser is not None
        return self._parser.get_http_version()

    @property
    def stays(self) -> bool:
        """Whether the connection may stay open after the latest request: False if the client asks to close
        it, and always False for HTTP/1.0.
        """
        assert self._parser is not None
        return self.version != "1.0" and self._parser.should_keep_alive()

    def target(self) -> Target:
        """Return the path and query that the latest request asks for. Raises Refused for an invalid URL, for
        a URL without a path, and for a URL of another scheme than http and https.
        """
        if b"://" in self.url and not self.url.startswith(b"/"):
            raise refusals.Refused(refusals.INVALID)
        try:
            url = httptools.parse_url(self.url)
            path = url.path.decode("ascii")
        except (httptools.HttpParserError, AttributeError, UnicodeDecodeError):
            raise refusals.Refused(refusals.INVALID) from None
        return Target(unquote(path) if "%" in path else path, url.path, url.query or b"")

    def asks_upgrade(self) -> bool:
        """Whether the latest head asks for an upgrade, or for a tunnel (CONNECT)."""
        assert self._parser is not None
        return self._parser.should_upgrade()

    def asks_socket(self) -> bool:
        """Whether the upgrade that the latest head asks for is a WebSocket. False in HTTP/1.0, and if the
        header Upgrade names anything besides `websocket`.
        """
        if self.version == "1.0":
            return False
        headers = HeaderMap(self.headers)
        named, wished = members(headers.get("connection", "")), members(headers.get("upgrade", ""))
        return "upgrade" in named and wished == ["websocket"]

    def ignore_upgrade(self) -> bool:
        """Decide that `feed` parses the latest head, which asks for an upgrade, again without its Upgrade
        header, and return True (also the value of `upgrades`). False = the method is CONNECT; then nothing is
        parsed again.
        """
        self.upgrades = self.method != "CONNECT"
        return self.upgrades

    def fits(self) -> bool:
        """Whether the URL and the number of headers of the latest request are within their limits, as far as
        they have come in. The total size of the head is not checked here.
        """
        return len(self.url) <= self._max_url and len(self.headers) <= self._max_headers

    def too_large(self, *, between: bool) -> ir.Fault:
        """Return the error for too many bytes or headers. It names the limit of the part that is coming in:
        URL, headers or trailers. between: True = the latest request has come in completely, and the bytes
        belong to no request; then the result is `refusals.INVALID`.
        """
        if not self.in_head:
            if between:
                return refusals.INVALID  # too many empty lines between two requests
            return refusals.headers_too_large(f"The trailers are larger than {self.max_head} bytes.")
        if len(self.url) > self._max_url or not self.headers:
            text = f"The URL is longer than {self._max_url} bytes."
            return ir.Fault("too_large", text, "url_too_long", status=414)
        if len(self.headers) > self._max_headers:
            return refusals.headers_too_large(f"The request has more than {self._max_headers} headers.")
        return refusals.headers_too_large(f"The request headers are larger than {self.max_head} bytes.")

    # --- Called by httptools -----------------------------------------------------------------------------

    def on_message_begin(self) -> None:
        """Drop the URL and headers of the request before, and tell the connection (`head_began`)."""
        self.url = b""
        self.headers = []
        self.in_head = True
        assert self._receiver is not None
        self._receiver.head_began()

    def on_url(self, url: bytes) -> None:
        """Add a part of the URL."""
        self.url += url

    def on_header(self, name: bytes, value: bytes) -> None:
        """Add a header, with its name in lower case. Drop a trailer, which must not replace a header (RFC
        9110, section 6.5.1).
        """
        if self.in_head:
            self.headers.append((name.lower(), value))

    def on_headers_complete(self) -> None:
        """Check a complete head, and tell the connection (`head_came`). Raises Refused if the head is over a
        limit or invalid, or if the connection refuses it.
        """
        receiver = self._receiver
        assert receiver is not None
        if not self.fits():
            raise refusals.Refused(self.too_large(between=False))
        if (wrong := refusals.of_head(self.version, self.headers)) is not None:
            raise refusals.Refused(wrong)
        if receiver.pending > self.max_head:  # usually most of these bytes are the body
            size = len(self.url) + sum([len(name) + len(value) + 4 for name, value in self.headers])
            if size > self.max_head:
                raise refusals.Refused(self.too_large(between=False))
        if not self.url.startswith(b"/"):
            self._to_origin_form()
        if b"#" in self.url:  # no request has it; proxies read it in different ways
            raise refusals.Refused(refusals.INVALID)
        receiver.head_came()  # may raise; the state must still say that the head is incomplete then
        if not self.upgrades:
            self.in_head = False

    def _to_origin_form(self) -> None:
        """If the latest head has a complete URL as its target (`GET http://HOST/PATH`), replace the target by
        the path and query, and the header Host by the URL's host, which counts more (RFC 9112, section
        3.2.2). Raises Refused for a URL of another scheme than http and https, without a host, or with a
        user.
        """
        if self.method == "CONNECT" or (found := _ABSOLUTE.fullmatch(self.url)) is None:
            return
        host, rest = found[1], found[2]
        if not host or not refusals.is_host(host):
            raise refusals.Refused(refusals.INVALID)
        others = [header for header in self.headers if header[0] != b"host"]
        self.headers = [(b"host", host), *others]
        self.url = rest if rest.startswith(b"/") else b"/" + rest

    @property
    def on_chunk_header(self) -> Callable[[], None]:
        """The method `on_chunk_header` of the connection. A property, so that httptools calls the
        connection's method directly, which saves time for each chunk.
        """
        assert self._receiver is not None
        return self._receiver.on_chunk_header

    @property
    def on_body(self) -> Callable[[bytes], None]:
        """The method `on_body` of the connection; a property as `on_chunk_header` is."""
        assert self._receiver is not None
        return self._receiver.on_body

    @property
    def on_message_complete(self) -> Callable[[], None]:
        """The method `on_message_complete` of the connection; a property as `on_chunk_header` is."""
        assert self._receiver is not None
        return self._receiver.on_message_complete
