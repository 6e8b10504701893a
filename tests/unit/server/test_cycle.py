"""How an answer is written: heads that are checked, lengths that hold, and clients of HTTP/1.0."""

from __future__ import annotations

import asyncio
import logging
from typing import Any, cast

import pytest

from dragoman.server import cycle as module
from dragoman.server.cycle import Cycle

LOG = logging.getLogger("test")


class Wire:
    """A connection that remembers what was written."""

    def __init__(self) -> None:
        self.written = b""
        self.closed = False

    def write(self, data: bytes) -> None:
        self.written += data

    def close(self) -> None:
        self.closed = True


class Free:
    write_paused = False


def cycle(
    method: str = "GET", version: str = "1.1", *, keep_alive: bool = True
) -> tuple[Cycle, Wire, list[str]]:
    wire, answered = Wire(), list[str]()
    made = Cycle(
        scope=cast("Any", {"method": method, "http_version": version}),
        transport=cast("Any", wire),
        flow=cast("Any", Free()),
        logger=LOG,
        access_logger=LOG,
        access_log=False,
        default_headers=[(b"date", b"today")],
        message_event=asyncio.Event(),
        expect_100_continue=False,
        keep_alive=keep_alive,
        on_response=lambda: answered.append("yes"),
    )
    return made, wire, answered


def head(*headers: tuple[bytes, bytes], status: int = 200) -> dict[str, Any]:
    return {"type": "http.response.start", "status": status, "headers": headers}


def body(data: bytes = b"", *, more: bool = False) -> dict[str, Any]:
    return {"type": "http.response.body", "body": data, "more_body": more}


async def test_a_stated_length() -> None:
    one, wire, answered = cycle()
    await one.send(head((b"Content-Length", b"5")))
    await one.send(body(b"hel", more=True))
    assert not answered
    await one.send(body(b"lo"))
    assert wire.written == b"HTTP/1.1 200 OK\r\ndate: today\r\ncontent-length: 5\r\n\r\nhello"
    assert answered == ["yes"]
    assert not wire.closed


async def test_chunks_where_no_length_is_stated() -> None:
    one, wire, _ = cycle(keep_alive=False)
    await one.send(head())
    for data in (b"hello", b""):
        await one.send(body(data, more=True))
    await one.send(body())
    assert wire.written.endswith(
        b"transfer-encoding: chunked\r\nconnection: close\r\n\r\n5\r\nhello\r\n0\r\n\r\n"
    )
    assert wire.closed


async def test_a_client_of_http_1_0_gets_no_chunks() -> None:
    one, wire, _ = cycle(version="1.0", keep_alive=False)
    await one.send(head())
    await one.send(body(b"hel", more=True))
    assert not wire.closed
    await one.send(body(b"lo"))
    assert wire.written == b"HTTP/1.1 200 OK\r\ndate: today\r\nconnection: close\r\n\r\nhello"
    assert wire.closed


@pytest.mark.parametrize(("method", "status"), [("HEAD", 200), ("GET", 204), ("GET", 304)])
async def test_what_has_no_body(method: str, status: int) -> None:
    one, wire, answered = cycle(method)
    await one.send(head(status=status))
    await one.send(body(b"x" if method == "HEAD" else b""))
    assert wire.written.endswith(b"date: today\r\n\r\n")
    assert answered


@pytest.mark.parametrize("sent", [b"toolong", b"shor"])
async def test_a_length_that_is_not_kept_fails(sent: bytes) -> None:
    one, _, answered = cycle()
    await one.send(head((b"content-length", b"5")))
    with pytest.raises(RuntimeError, match="than its stated length"):
        await one.send(body(sent))
    assert not answered


@pytest.mark.parametrize(
    "header",
    [(b"a b", b"x"), (b"", b"x"), (b"a:", b"x"), (b"x", b"a\r\nb: c"), (b"x", b"a\x00"), (b"x\n", b"a")],
)
async def test_no_header_splits_an_answer(header: tuple[bytes, bytes]) -> None:
    one, wire, _ = cycle()
    with pytest.raises(RuntimeError, match="a header's"):
        await one.send(head(header))
    assert wire.written == b""


async def test_a_connection_that_the_application_closes() -> None:
    one, wire, _ = cycle()
    await one.send(head((b"connection", b"Close"), (b"content-length", b"0")))
    await one.send(body())
    assert wire.written.count(b"onnection") == 1
    assert wire.closed


@pytest.mark.parametrize("messages", [[body()], [head(), head()], [head(), body(), body()]])
async def test_messages_out_of_order_fail(messages: list[dict[str, Any]]) -> None:
    one, _, _ = cycle()
    *before, last = messages
    for message in before:
        await one.send(message)
    with pytest.raises(RuntimeError, match="unexpected ASGI message"):
        await one.send(last)


async def test_a_client_that_has_gone_is_sent_nothing() -> None:
    one, wire, _ = cycle()
    one.disconnected = True
    await one.send(head())
    assert wire.written == b""


async def test_a_name_with_a_percent_sign_is_no_format() -> None:
    one, wire, _ = cycle()
    await one.send(head((b"x-%b%d%%", b"50%")))
    assert b"\r\nx-%b%d%%: 50%\r\n" in wire.written


async def test_names_that_providers_make_up_are_not_remembered_for_ever() -> None:
    for number in range(2000):
        one, _, _ = cycle()
        await one.send(head((b"x-%d" % number, b"1")))
    assert len(module._forms) <= 512
