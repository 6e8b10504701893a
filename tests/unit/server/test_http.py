"""Heads that are repeated: the handler gets the same as if each was parsed. Everything else that this
protocol does is tested over sockets: tests/e2e/test_http.py, test_old_http.py, test_bounds.py,
test_bounds_ahead.py.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from itertools import pairwise
from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st
from uvicorn.server import ServerState

from dragoman.config.serving import Server
from dragoman.server.connections import Connections
from dragoman.server.head import Arrival, Head
from dragoman.server.http import HttpProtocol
from dragoman.wire.headers import HeaderMap

Seen = list[tuple[str, str, dict[str, str], bytes]]
HEAD = b"POST /v1/chat HTTP/1.1\r\nhost: x\r\nContent-Length: %d\r\nauthorization: Bearer key\r\n\r\n"


class App:
    """An application that notes each request and answers it at once. read: how many heads it was given."""

    def __init__(self, *, hasty: bool = False) -> None:
        """`hasty`: it answers before the body has come."""
        self.seen: Seen = []
        self.heads = 0
        self._hasty = hasty

    def read(self, method: str, path: str, raw: bytes, search: bytes, fields: Any, **_: Any) -> Head:
        self.heads += 1
        more: Any = ((), "1.1", None, None, {}, "openai_chat", b"", path, (), None, None, None)
        return Head(method, path, None, search.decode(), HeaderMap(fields), *more)

    async def serve(self, arrival: Arrival, channel: Any) -> None:
        body = arrival.link.body
        if self._hasty:
            body = b""
        elif body is None:
            body, more = b"", True
            while more:
                message = await arrival.receive()
                if message["type"] == "http.disconnect":
                    return
                body, more = body + message["body"], message["more_body"]
        self.seen.append((arrival.head.method, arrival.head.path, dict(arrival.headers), body))
        channel.whole(200, [(b"content-length", b"2")], b"ok")
        arrival.link.close()

    def refuse(self, fault: Any, **_: Any) -> Any:
        return 400, [], fault.code.encode()


class Socket:
    def __init__(self) -> None:
        self.written = b""
        self.closed = False

    def write(self, data: bytes) -> None:
        self.written += data

    def is_closing(self) -> bool:
        return self.closed

    def close(self) -> None:
        self.closed = True

    abort = write_eof = close

    def can_write_eof(self) -> bool:
        return True

    def get_write_buffer_size(self) -> int:
        return 0

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        return {"peername": ("127.0.0.1", 4), "sockname": ("127.0.0.1", 5)}.get(name, default)

    def pause_reading(self) -> None: ...

    resume_reading = pause_reading


class Config:
    root_path = ""


async def served(
    reads: Sequence[bytes], *, remembers: bool = True, hasty: bool = False
) -> tuple[App, Socket]:
    """What an application gets, and its client, of these reads on one connection."""
    app, socket = App(hasty=hasty), Socket()
    connections = Connections(Server(), lambda *_: None)
    protocol = HttpProtocol(
        cast(Any, app),
        connections,
        config=cast(Any, Config()),
        server_state=ServerState(),
        app_state={},
    )
    protocol.connection_made(cast(Any, socket))
    for read in reads:
        if not remembers:
            protocol._known = None
        protocol.data_received(read)
        await asyncio.sleep(0)
        await asyncio.sleep(0)
    for _ in range(20):  # requests of one read are answered one after another
        await asyncio.sleep(0)
    protocol.connection_lost(None)
    for _ in range(5):
        await asyncio.sleep(0)
    return app, socket


async def test_a_repeated_head_is_read_once() -> None:
    bodies = [b"{}", b"", b"{}", b"x" * 5000, b"{}"]
    app, socket = await served([HEAD % len(body) + body for body in bodies])
    assert [body for *_, body in app.seen] == bodies
    assert [headers["content-length"] for _, _, headers, _ in app.seen] == ["2", "0", "2", "5000", "2"]
    assert socket.written.count(b"HTTP/1.1 200 OK") == len(bodies)
    assert app.heads == 2  # of the first, after which the connection may end, and of the second


async def test_a_repeated_head_is_read_once_when_its_body_comes_in_pieces() -> None:
    bodies = [b"{}", b"x" * 5000, b"yz", b"x" * 300_000]
    reads: list[bytes] = []
    for body in bodies:
        reads += [HEAD % len(body) + body[:1], body[1:-1], body[-1:]]
    app, socket = await served([read for read in reads if read])
    assert [body for *_, body in app.seen] == bodies
    assert [headers["content-length"] for _, _, headers, _ in app.seen] == ["2", "5000", "2", "300000"]
    assert socket.written.count(b"HTTP/1.1 200 OK") == len(bodies)
    assert app.heads == 2


async def test_a_repeated_head_is_read_once_before_long_bodies() -> None:
    bodies = [b"x" * 200_000] * 4
    app, _ = await served([HEAD % len(body) + body for body in bodies])
    assert [body for *_, body in app.seen] == bodies
    assert app.heads == 2


async def test_what_follows_a_body_in_pieces_is_the_next_request() -> None:
    usual = HEAD % 2 + b"{}"
    first, then = HEAD % 5 + b"ab", b"cde" + usual + usual
    app, socket = await served([usual, usual, usual, first, then, usual])
    assert [body for *_, body in app.seen] == [b"{}"] * 3 + [b"abcde"] + [b"{}"] * 3
    assert socket.written.count(b"HTTP/1.1 200 OK") == 7


CHUNKED = b"POST /v1/chat HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n"
OTHERS = [
    b"GET /v1/models HTTP/1.1\r\nhost: x\r\n\r\n",
    b"POST /v1/chat HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n",
    b"POST /v1/chat HTTP/1.1\r\nhost: x\r\nexpect: 100-continue\r\ncontent-length: 1\r\n\r\na",
    b"POST /v1/chat HTTP/1.1\r\nhost: y\r\ncontent-length: 4\r\nauthorization: Bearer key\r\n\r\nbody",
    b"\r\nPOST /v1/chat HTTP/1.1\r\nhost: x\r\ncontent-length:3 \r\n\r\nabc",
    b"POST /v1/chat HTTP/1.1\r\nhost: x\r\nx-a: content-length: 9\r\ncontent-length: 003\r\n\r\nabc",
    HEAD % 2 + b"{}" + HEAD % 3 + b"[1]",
    HEAD % 2 + b"{}" + b"\r\n",  # the parser skips empty lines
    HEAD % 4 + b"\r\n{}",
    HEAD % 8 + b"\r\n\r\nabcd" + HEAD % 2 + b"{}",
    CHUNKED + b"1b\r\n\r\ncontent-length: 0\r\n\r\nabcd\r\n0\r\n\r\n",
    CHUNKED + b"1b\r\n\r\ncontent-length: 2\r\n\r\n{}",
    HEAD % 1 + b"{}",  # one byte too many: the beginning of another request
    HEAD.replace(b"%d", b"+2") + b"{}",
    HEAD.replace(b"%d", b"2\r\ncontent-length: 3") + b"{}a",
    HEAD.replace(b"%d", b"\xb2") + b"{}",
    HEAD % 2,
    b"{}",
]
"""Requests of other forms, wrong ones and parts among them."""


@pytest.mark.parametrize("other", OTHERS)
async def test_what_only_resembles_is_parsed(other: bytes) -> None:
    usual = HEAD % 2 + b"{}"
    reads = [usual, usual, usual, other, usual, usual]
    fast, slow = await served(reads), await served(reads, remembers=False)
    assert fast[0].seen == slow[0].seen
    assert _undated(fast[1].written) == _undated(slow[1].written)


@given(
    st.lists(
        st.one_of(
            st.sampled_from(OTHERS),
            st.binary(max_size=20).map(lambda body: HEAD % len(body) + body),
            st.sampled_from([HEAD % 2 + b"{}", HEAD % 2 + b"{}"]),
        ),
        max_size=8,
    ),
    st.lists(st.integers(0, 600), max_size=6).map(sorted),
    st.booleans(),
)
def test_any_sequence_gives_what_parsing_gives(requests: list[bytes], cuts: list[int], hasty: bool) -> None:
    async def both() -> None:
        whole = b"".join(requests)
        pieces = [whole[start:end] for start, end in pairwise([0, *cuts, len(whole)])]
        for reads in (requests, pieces, halved(requests)):
            kept = [read for read in reads if read]
            fast = await served(kept, hasty=hasty)
            slow = await served(kept, remembers=False, hasty=hasty)
            assert fast[0].seen == slow[0].seen
            assert _undated(fast[1].written) == _undated(slow[1].written)

    asyncio.run(both())


def halved(requests: list[bytes]) -> list[bytes]:
    """Each request in two reads, the first of which ends behind its head or within its body."""
    reads: list[bytes] = []
    for number, request in enumerate(requests):
        at = request.find(b"\r\n\r\n") + 4 + number % 3
        reads += [request[:at], request[at:]]
    return reads


def _undated(written: bytes) -> list[bytes]:
    return [line for line in written.split(b"\r\n") if not line.startswith(b"date:")]
