"""The parser of one connection's requests: what it finds, what it refuses, and which upgrades it ignores."""

from __future__ import annotations

import gc
import weakref
from typing import Any

import httptools
import pytest

from dragoman.config.serving import Server
from dragoman.server import refusals
from dragoman.server.request_parser import RequestParser

HEAD = b"POST /a%%20b?c=1 HTTP/1.1\r\nHost: x\r\n%b\r\n"
SOCKET = b"GET / HTTP/1.1\r\nHost: x\r\nConnection: keep-alive, Upgrade\r\nUpgrade: WebSocket\r\n\r\n"


class Connection:
    """Notes what it is told, and begins every request unless it asks for a WebSocket."""

    def __init__(self, **limits: Any) -> None:
        self.pending = 0
        self.lines: list[str] = []
        self.raises: Exception | None = None
        self.parser = RequestParser(self, Server(**limits))

    def head_began(self) -> None:
        self.lines.append("began")

    def head_came(self) -> None:
        parser = self.parser
        if parser.asks_upgrade() and (parser.asks_socket() or parser.ignore_upgrade()):
            return
        if self.raises is not None:
            raise self.raises
        self.lines.append(f"{parser.method} {parser.target().path} {parser.version}")

    def on_chunk_header(self) -> None:
        self.lines.append("chunk")

    def on_body(self, body: bytes) -> None:
        self.lines.append(f"body {body.decode()}")

    def on_message_complete(self) -> None:
        if not self.parser.upgrades:
            self.lines.append("complete")

    def feed(self, data: bytes) -> bytes | None:
        self.pending += len(data)
        return self.parser.feed(data)


def test_a_request_is_told_part_by_part() -> None:
    one = Connection()
    for piece in (
        b"POST /a%2",
        b"0b?c=1 HTTP/1.1\r\nHo",
        b"st: x\r\ncontent-length: 4\r\n\r\n{",
        b"1}",
        b"\n",
    ):
        assert one.feed(piece) is None
    assert one.lines == ["began", "POST /a b 1.1", "body {", "body 1}", "body \n", "complete"]
    assert one.parser.target() == ("/a b", b"/a%20b", b"c=1")
    assert one.parser.headers == [(b"host", b"x"), (b"content-length", b"4")]
    assert one.parser.stays


def test_a_trailer_is_no_header() -> None:
    one = Connection()
    one.feed(HEAD % b"Transfer-Encoding: chunked\r\n" + b"1\r\nx\r\n0\r\nx-role: admin\r\n\r\n")
    assert one.lines[2:] == ["chunk", "body x", "chunk", "complete"]
    assert b"x-role" not in dict(one.parser.headers)


@pytest.mark.parametrize(
    ("limits", "more", "code", "told"),
    [
        ({"max_url": 5}, b"", "url_too_long", "The URL is longer than 5 bytes."),
        ({"max_headers": 1}, b"a: b\r\n", "headers_too_large", "The request has more than 1 headers."),
        ({"max_head": 40}, b"a: b\r\n", "headers_too_large", "The request headers are larger than 40 bytes."),
    ],
)
def test_a_head_has_its_limits(limits: dict[str, int], more: bytes, code: str, told: str) -> None:
    one = Connection(**limits)
    with pytest.raises(refusals.Refused) as refused:
        one.feed(HEAD % (more + b"content-length: 20\r\n") + b"x" * 20)
    assert (refused.value.fault.code, refused.value.fault.message) == (code, told)
    assert one.parser.in_head


def test_what_is_too_large_between_and_after_requests() -> None:
    one = Connection(max_head=50)
    assert one.parser.too_large(between=True) is refusals.INVALID
    assert one.parser.too_large(between=False).message == "The trailers are larger than 50 bytes."


@pytest.mark.parametrize(
    "data", [b"\x16\x03\x01\x02\x00", b"GET / HTTP/2.0\r\nhost: x\r\n\r\n", b"GET / HTTP/1.1\r\n\r\n"]
)
def test_what_is_no_request_is_refused(data: bytes) -> None:
    with pytest.raises(refusals.Refused):
        Connection().feed(data)


def test_an_upgrade_to_anything_else_is_passed_over() -> None:
    one = Connection()
    more = b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\ncontent-length: 2\r\n"
    assert one.feed(HEAD % more + b"{}" + b"GET /next HTTP/1.1\r\nhost: x\r\n\r\n") is None
    assert one.lines == [
        *("began", "began", "POST /a b 1.1", "body {}", "complete"),
        *("began", "GET /next 1.1", "complete"),
    ]


def test_a_request_with_an_upgrade_is_refused_like_any_other() -> None:
    """Its fault must not get lost behind the exception by which the parser tells of the upgrade."""
    one = Connection()
    with pytest.raises(refusals.Refused) as refused:
        one.feed(b"GET http://[ HTTP/1.1\r\nHost: x\r\nConnection: upgrade\r\nUpgrade: h2c\r\n\r\n")
    assert refused.value.fault is refusals.INVALID


def test_a_websocket_ends_the_requests() -> None:
    one = Connection()
    assert one.feed(SOCKET + b"frames") == b"frames"
    assert one.parser.asks_socket()
    assert one.parser.written().lower() == SOCKET.lower()
    old = Connection()
    assert old.feed(SOCKET.replace(b"1.1", b"1.0")) is None, "HTTP/1.0 has no upgrades"
    assert old.lines[2:] == ["GET / 1.0", "complete"]


def test_a_tunnel_is_no_upgrade() -> None:
    one = Connection()
    with pytest.raises(refusals.Refused):
        one.feed(b"CONNECT up.example:443 HTTP/1.1\r\nhost: up.example:443\r\n\r\nhello")
    assert not one.parser.upgrades


def test_a_mistake_of_our_own_is_no_refusal() -> None:
    one = Connection()
    one.raises = ValueError("ours")
    with pytest.raises(httptools.HttpParserCallbackError):
        one.feed(HEAD % b"")


def test_an_ended_parser_forgets_its_head_and_its_connection() -> None:
    one = Connection()
    one.feed(b"GET /secret HTTP/1.1\r\nauthorization: Bear")
    one.parser.forget()
    assert (one.parser.url, one.parser.headers, one.parser.method) == (b"", [], "-")
    assert one.feed(b"er x\r\n\r\n") is None
    gone = weakref.ref(one)
    gc.disable()
    try:
        del one
        assert gone() is None
    finally:
        gc.enable()


@pytest.mark.parametrize(
    ("target", "path", "host"),
    [
        (b"http://up.example/a%20b?c=1", b"/a%20b?c=1", b"up.example"),
        (b"HTTPS://up.example:8080/a", b"/a", b"up.example:8080"),
        (b"http://[::1]:80/a", b"/a", b"[::1]:80"),
        (b"http://up.example", b"/", b"up.example"),
        (b"http://up.example?a=b", b"/?a=b", b"up.example"),
    ],
)
@pytest.mark.parametrize("more", [b"", b"Connection: upgrade\r\nUpgrade: h2c\r\n"])
def test_the_host_of_a_complete_url_counts_more_than_the_header(
    target: bytes, path: bytes, host: bytes, more: bytes
) -> None:
    one = Connection()
    assert one.feed(b"GET %b HTTP/1.1\r\nHost: x\r\n%b\r\n" % (target, more)) is None
    assert one.parser.url == path
    assert [value for name, value in one.parser.headers if name == b"host"] == [host]
    old = Connection()
    old.feed(b"GET %b HTTP/1.0\r\n\r\n" % target)
    assert old.parser.headers == [(b"host", host)]


def test_a_websocket_is_asked_for_by_its_path() -> None:
    one = Connection()
    one.feed(SOCKET.replace(b"GET / ", b"GET http://up.example/v1/responses "))
    assert one.parser.written().startswith(b"GET /v1/responses HTTP/1.1\r\nhost: up.example\r\n")


@pytest.mark.parametrize(
    "target",
    [
        b"ftp://x/a",
        b"http:///a",
        b"http://user@x/a",
        b"http://x:y/a",
        b"/a#b",
        b"http://x/a#b",
        b"a://b",
    ],
)
def test_a_target_that_is_none_is_refused(target: bytes) -> None:
    one = Connection()
    with pytest.raises(refusals.Refused) as refused:
        one.feed(b"GET %b HTTP/1.1\r\nHost: x\r\n\r\n" % target)
    assert refused.value.fault.code == "invalid_http"
    assert not [line for line in one.lines if line != "began"]
