"""How a body is handed over and an answer is written: heads that are checked, lengths that hold, one write
for head and body, and clients of HTTP/1.0.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from typing import Any, cast

import pytest

from dragoman.server import cycle as module
from dragoman.server.cycle import Cycle
from dragoman.server.head import Head
from dragoman.wire.headers import HeaderMap


class Wire:
    """A connection that remembers what was written."""

    def __init__(self) -> None:
        self.transport: Any = self
        self.state: Any = self
        self.default_headers = [(b"date", b"today")]
        self.tasks: set[asyncio.Task[Any]] = set()
        self.blocked: asyncio.Future[None] | None = None
        self.writes: list[bytes] = []
        self.closed = False
        self._answered = 0
        self.reads: list[bool] = []

    @property
    def written(self) -> bytes:
        return b"".join(self.writes)

    def write(self, data: bytes) -> None:
        self.writes.append(data)

    def writelines(self, parts: tuple[bytes, ...]) -> None:
        self.writes.append(b"".join(parts))

    def is_closing(self) -> bool:
        return self.closed

    def close(self) -> None:
        self.closed = True

    def pause_reading(self) -> None:
        self.reads.append(False)

    def resume_reading(self) -> None:
        self.reads.append(True)

    def answered(self) -> None:
        self._answered += 1

    def whole(self) -> int:
        return self._answered


async def done(waits: Awaitable[None] | None) -> None:
    """Wait for what a Channel's method returns."""
    if waits is not None:
        await waits


def cycle(
    method: str = "GET", version: str = "1.1", *, keep_alive: bool = True, expects: bool = False
) -> tuple[Cycle, Wire]:
    wire = Wire()
    headers = HeaderMap(())
    head = Head(
        *(method, "/", None, "", headers, (), version, None, None, {}),
        *("openai_chat", b"", "/", (), None, None, None),
    )
    one = Cycle(cast(Any, wire), head, headers, 0.0)
    one.keep_alive, one.expects = keep_alive, expects
    return one, wire


# --- Answers -----------------------------------------------------------------------------------------


async def test_a_whole_answer_is_one_write() -> None:
    one, wire = cycle()
    await done(one.whole(200, [(b"Content-Length", b"5")], b"hello"))
    assert wire.writes == [b"HTTP/1.1 200 OK\r\ndate: today\r\ncontent-length: 5\r\n\r\nhello"]
    assert (wire.whole(), one.begun, one.ended, wire.closed) == (1, True, True, False)


@pytest.mark.parametrize("size", [10, 300_000])
async def test_bodies_of_any_size(size: int) -> None:
    one, wire = cycle()
    await done(one.whole(200, [(b"content-length", b"%d" % size)], b"x" * size))
    assert wire.written.endswith(b"\r\n\r\n" + b"x" * size)


async def test_the_head_of_a_stream_goes_with_its_first_piece() -> None:
    one, wire = cycle()
    await done(one.begin(200, ()))
    assert wire.writes == []
    await done(one.write(b"hello"))
    await done(one.write(b"you"))
    await done(one.end(b""))
    head, *rest = wire.writes
    assert head.endswith(b"transfer-encoding: chunked\r\n\r\n5\r\nhello\r\n")
    assert rest == [b"3\r\nyou\r\n", b"0\r\n\r\n"]
    assert wire.whole() == 1


async def test_the_head_of_a_stream_without_content_does_not_wait() -> None:
    one, wire = cycle()
    await done(one.begin(200, ()))
    await asyncio.sleep(0)
    assert wire.written.startswith(b"HTTP/1.1 200 OK\r\n")
    await done(one.end(b"last"))
    assert wire.writes[1:] == [b"4\r\nlast\r\n0\r\n\r\n"]


async def test_a_stated_length() -> None:
    one, wire = cycle()
    await done(one.begin(200, [(b"content-length", b"5")]))
    await done(one.write(b"hel"))
    assert not wire.whole()
    await done(one.end(b"lo"))
    assert wire.written == b"HTTP/1.1 200 OK\r\ndate: today\r\ncontent-length: 5\r\n\r\nhello"
    assert wire.whole() == 1
    assert not wire.closed


async def test_chunks_where_no_length_is_stated() -> None:
    one, wire = cycle(keep_alive=False)
    await done(one.begin(200, ()))
    await done(one.write(b""))
    await done(one.write(b"hello"))
    await done(one.end(b""))
    assert wire.written.endswith(
        b"transfer-encoding: chunked\r\nconnection: close\r\n\r\n5\r\nhello\r\n0\r\n\r\n"
    )
    assert wire.closed


async def test_a_client_of_http_1_0_gets_no_chunks() -> None:
    one, wire = cycle(version="1.0", keep_alive=False)
    await done(one.begin(200, ()))
    await done(one.write(b"hel"))
    assert not wire.closed
    await done(one.end(b"lo"))
    assert wire.written == b"HTTP/1.1 200 OK\r\ndate: today\r\nconnection: close\r\n\r\nhello"
    assert wire.closed


@pytest.mark.parametrize(
    ("method", "status", "stated"),
    [("HEAD", 200, ()), ("HEAD", 200, ((b"content-length", b"1"),)), ("GET", 204, ()), ("GET", 304, ())],
)
async def test_what_has_no_body(method: str, status: int, stated: Any) -> None:
    one, wire = cycle(method)
    await done(one.whole(status, stated, b"x" if method == "HEAD" else b""))
    assert wire.written.endswith(b"\r\n\r\n")
    assert wire.whole()


@pytest.mark.parametrize("sent", [b"toolong", b"shor"])
async def test_a_length_that_is_not_kept_fails(sent: bytes) -> None:
    for whole in (True, False):
        one, wire = cycle()
        stated = [(b"content-length", b"5")]
        if not whole:
            await done(one.begin(200, stated))
        with pytest.raises(RuntimeError, match="than its stated length"):
            await done(one.whole(200, stated, sent) if whole else one.end(sent))
        assert not wire.whole()


@pytest.mark.parametrize("name", [b"a b", b"", b"a:", b"x\n"])
async def test_no_name_splits_an_answer(name: bytes) -> None:
    one, wire = cycle()
    with pytest.raises(RuntimeError, match="a header's name"):
        await done(one.begin(200, [(name, b"x")]))
    assert wire.written == b""
    assert not one.begun


async def test_a_connection_that_the_application_closes() -> None:
    one, wire = cycle()
    await done(one.whole(200, [(b"connection", b"Close"), (b"content-length", b"0")], b""))
    assert wire.written.count(b"onnection") == 1
    assert wire.closed


async def test_calls_out_of_order_fail() -> None:
    one, _ = cycle()
    with pytest.raises(RuntimeError, match="has not begun"):
        await done(one.end(b""))
    await done(one.begin(200, ()))
    with pytest.raises(RuntimeError, match="has begun"):
        await done(one.begin(200, ()))
    await done(one.end(b""))
    with pytest.raises(RuntimeError, match="has ended"):
        await done(one.write(b"x"))
    with pytest.raises(RuntimeError, match="has ended"):
        await done(one.end(b""))


async def test_a_client_that_has_gone_is_sent_nothing() -> None:
    one, wire = cycle()
    one.drop()
    await done(one.begin(200, ()))
    await done(one.write(b"x"))
    await done(one.end(b""))
    await done(one.whole(200, (), b"x"))
    assert wire.written == b""


async def test_writes_wait_for_a_slow_reader() -> None:
    one, wire = cycle()
    await done(one.begin(200, ()))
    wire.blocked = asyncio.get_running_loop().create_future()
    writing = [asyncio.ensure_future(done(one.write(piece))) for piece in (b"a", b"b")]
    await asyncio.sleep(0.01)
    assert b"1\r\na" not in wire.written
    writing[0].cancel()  # it must not take the wait of the other with it
    await asyncio.sleep(0.01)
    assert not writing[1].done()
    blocked, wire.blocked = wire.blocked, None
    blocked.set_result(None)
    await writing[1]
    assert wire.written.endswith(b"1\r\nb\r\n")


async def test_a_name_with_a_percent_sign_is_no_format() -> None:
    one, wire = cycle()
    await done(one.whole(200, [(b"x-%b%d%%", b"50%"), (b"content-length", b"0")], b""))
    assert b"\r\nx-%b%d%%: 50%\r\n" in wire.written


async def test_names_that_providers_make_up_are_not_remembered_for_ever() -> None:
    for number in range(2000):
        one, _ = cycle()
        await done(one.whole(200, [(b"x-%d" % number, b"1")], b""))
    assert len(module._forms) <= 512


@pytest.mark.parametrize("begun", [True, False])
async def test_a_handler_that_ends_without_an_answer(begun: bool) -> None:
    one, wire = cycle()
    if begun:
        await done(one.begin(200, ()))
        await done(one.write(b"half"))
    one.close()
    assert wire.closed
    assert wire.written.startswith(b"HTTP/1.1 200 " if begun else b"HTTP/1.1 500 ")
    assert not wire.written.endswith(b"0\r\n\r\n")


# --- Bodies ------------------------------------------------------------------------------------------


async def test_a_body_that_has_come_in_needs_no_receive() -> None:
    one, _ = cycle("POST")
    one.feed(b"on")
    one.feed(b"e")
    before = one.body
    one.complete_body()
    assert (before, one.body) == (None, b"one")
    assert await one.receive() == {"type": "http.request", "body": b"one", "more_body": False}
    assert one.body is None


async def test_a_body_is_received_piece_by_piece() -> None:
    one, wire = cycle("POST")
    for piece, last in ((b"a" * 70_000, False), (b"b", False), (b"", True)):
        receiving = asyncio.ensure_future(one.receive())
        await asyncio.sleep(0)
        assert not receiving.done()
        if piece:
            one.feed(piece)
        if last:
            one.complete_body()
        assert await receiving == {"type": "http.request", "body": piece, "more_body": not last}
    assert wire.reads == [True, False, True, True]
    gone = asyncio.ensure_future(one.receive())
    await asyncio.sleep(0)
    assert not gone.done()
    one.drop()
    assert await gone == {"type": "http.disconnect"}


async def test_a_client_is_told_to_go_on_once() -> None:
    one, wire = cycle("POST", expects=True)
    one.feed(b"a")
    await one.receive()
    one.feed(b"b")
    await one.receive()
    assert wire.writes == [b"HTTP/1.1 100 Continue\r\n\r\n"]
    early, wire = cycle("POST", expects=True)
    await done(early.whole(401, [(b"content-length", b"0")], b""))
    assert (await early.receive())["type"] == "http.disconnect"
    assert b"100 Continue" not in wire.written


async def test_small_pieces_are_joined() -> None:
    one, _ = cycle("POST")
    for number in range(1000):
        one.feed(b"%d," % number)
        assert len(one._came) <= 65
    one.complete_body()
    assert one.body == b"".join(b"%d," % number for number in range(1000))
