"""Hostile clients on a WebSocket: each bound of a message and of its memory holds, and is counted."""

from __future__ import annotations

import asyncio
import json
import tracemalloc
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from typing import Any
from urllib.parse import urlsplit

import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed

from tests.e2e.house import BODY, Line
from tests.e2e.test_backpressure import MB
from tests.e2e.test_server import until


async def test_pings_are_not_answered_into_memory(house: Any) -> None:
    """A client that sends pings and reads no pongs is read no further, and cut off in the end."""
    site = await house(write_timeout="1s", heartbeat=0)
    parts = urlsplit(site.base)
    line = await site.line()
    line.writer.transport.pause_reading()
    await line.send(
        b"GET /v1/responses HTTP/1.1\r\nhost: %b\r\nupgrade: websocket\r\nconnection: upgrade\r\n"
        b"sec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
        % parts.netloc.encode()
    )
    await until(lambda: bool(site.gateway.requests))
    ping = b"\x89\xfd\0\0\0\0" + b"p" * 125
    tracemalloc.start()
    try:
        async with asyncio.timeout(60):
            while site.gateway.requests and line.sent < 200 * MB:
                await line.send(ping * 500)
                await asyncio.sleep(0)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert not site.gateway.requests
    assert peak < 5 * MB
    assert site.counts["write_timeout"] == 1


async def test_silent_sockets_make_room_for_others(house: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dragoman.server.websocket_protocol._BRIEFLY", 0.2)
    site = await house(max_connections=3)
    async with AsyncExitStack() as opened:
        url = site.base.replace("http", "ws") + "/v1/responses"
        sockets = [await opened.enter_async_context(connect(url)) for _ in range(3)]
        assert await (await site.line()).refused() == (503, "too_many_connections")
        await asyncio.sleep(0.3)
        await site.healthy()
        await until(lambda: len(site.gateway.requests) == 2)
        await asyncio.wait_for(sockets[0].wait_closed(), 60)


async def test_sockets_of_sessions_that_have_not_begun_make_room_at_once(house: Any) -> None:
    site = await house(max_connections=2)
    url = site.base.replace("http", "ws") + "/v1/realtime?intent=transcription"
    async with connect(url) as first, connect(url):
        await site.healthy()
        await asyncio.wait_for(first.wait_closed(), 60)
        assert first.close_code == 1013


async def test_messages_ahead_wait_in_the_network(house: Any) -> None:
    """One read may hold thousands of small messages: they wait as the bytes that they are."""
    site = await house()
    async with connect(site.base.replace("http", "ws") + "/v1/responses") as socket:
        frame = b"\x81\x82\0\0\0\0{}"
        tracemalloc.start()
        try:
            socket.transport.write(frame * 30_000)
            for _ in range(20):
                assert json.loads(await asyncio.wait_for(socket.recv(), 60))["type"] == "error"
            assert tracemalloc.get_traced_memory()[1] < 8 * MB
        finally:
            tracemalloc.stop()


async def test_a_message_in_endless_fragments_ends(house: Any) -> None:
    site = await house()
    async with connect(site.base.replace("http", "ws") + "/v1/responses") as socket:
        socket.transport.write(b"\x01\x80\0\0\0\0" + b"\x00\x80\0\0\0\0" * 20_000)
        await asyncio.wait_for(socket.wait_closed(), 60)
    assert socket.close_code == 1009
    assert site.counts["websocket_fragments"] == 1


HANDSHAKE = (
    b"GET /v1/responses HTTP/1.1\r\nhost: 127.0.0.1\r\nupgrade: websocket\r\nconnection: upgrade\r\n"
    b"sec-websocket-version: 13\r\nsec-websocket-key: YWFhYWFhYWFhYWFhYWFhYQ==\r\n\r\n"
)


async def _opened(site: Any) -> Line:
    line: Line = await site.line()
    await line.send(HANDSHAKE)
    assert b" 101 " in await line.reader.readuntil(b"\r\n\r\n")
    return line


async def _half(site: Any, size: int) -> Line:
    """A socket on which half of a message has been sent."""
    line = await _opened(site)
    await line.send(b"\x81\xff" + (2 * size).to_bytes(8) + b"\0\0\0\0" + b" " * size)
    return line


async def test_messages_of_sockets_count_in_what_bodies_take_together(house: Any) -> None:
    site = await house(body_space="500kB", max_body="1MB")
    first = await _half(site, 300_000)
    await asyncio.sleep(0.2)
    second = await _half(site, 300_000)
    await second.ended()
    assert site.counts == {"bodies_too_large_together": 1}
    first.writer.transport.abort()
    await asyncio.sleep(0.2)
    third = await _half(site, 300_000)  # what the first held is free
    await asyncio.sleep(0.2)
    assert not third.reader.at_eof()
    assert site.counts == {"bodies_too_large_together": 1}


async def test_a_message_that_stands_still_ends_its_socket(house: Any) -> None:
    site = await house(body_timeout="1s", min_rate=0)
    line = await _half(site, 1000)
    await line.ended()
    assert site.counts == {"request_timeout": 1}


async def test_answered_messages_give_their_memory_back(house: Any) -> None:
    site = await house(body_space="300kB", max_body="1MB")
    async with connect(site.base.replace("http", "ws") + "/v1/chat/completions") as socket:
        for _ in range(6):
            await socket.send(BODY.decode() + " " * 200_000)
            while "usage" not in (text := await socket.recv()) and "error" not in text:
                pass
            assert "error" not in text
    assert site.counts == {}


async def test_values_of_messages_count_too(house: Any) -> None:
    site = await house(body_space="2MB", max_body="1MB")
    holder = await _half(site, 50_000)
    await asyncio.sleep(0.2)
    async with connect(site.base.replace("http", "ws") + "/v1/chat/completions") as socket:
        await socket.send(json.dumps({"model": "simulate/echo", "stop": [[]] * 40_000}))
        with pytest.raises(ConnectionClosed) as closed:
            await socket.recv()
    assert closed.value.rcvd is not None
    assert closed.value.rcvd.code == 1013
    assert not holder.reader.at_eof()
    assert site.counts == {"bodies_too_large_together": 1}


async def test_a_socket_that_only_answers_pings_stays_open(house: Any) -> None:
    """Control frames are no message: a socket that is idle has none that stands still."""
    site = await house(body_timeout="1s", heartbeat="200ms")
    async with connect(site.base.replace("http", "ws") + "/v1/chat/completions", ping_interval=0.1) as socket:
        await asyncio.sleep(2.5)
        await socket.send(BODY.decode())
        assert "error" not in json.loads(await asyncio.wait_for(socket.recv(), 60))
    assert site.counts == {}


async def test_control_frames_keep_no_memory(house: Any) -> None:
    site = await house(body_space="300kB", max_body="1MB")
    await _half(site, 200_000)
    async with connect(site.base.replace("http", "ws") + "/v1/chat/completions") as socket:
        socket.transport.write((b"\x8a\xfd\0\0\0\0" + b"p" * 125) * 2_000)
        await asyncio.wait_for(await socket.ping(), 60)
    assert site.counts == {}


async def test_a_message_that_makes_progress_may_take_its_time(house: Any) -> None:
    """`min_rate` 0: any byte of the message is progress, also with control frames between its frames."""
    site = await house(body_timeout="2s", min_rate=0)
    async with connect(site.base.replace("http", "ws") + "/v1/chat/completions") as socket:

        async def slowly() -> AsyncIterator[str]:
            for at in range(0, len(BODY), 20):
                yield BODY.decode()[at : at + 20]
                await asyncio.sleep(1)
                await socket.ping()

        await socket.send(slowly())
        assert "error" not in json.loads(await asyncio.wait_for(socket.recv(), 60))
    assert site.counts == {}


async def test_pings_are_no_progress_of_a_message(house: Any) -> None:
    site = await house(body_timeout="1s", min_rate=0)
    async with connect(site.base.replace("http", "ws") + "/v1/responses", ping_interval=0.2) as socket:
        socket.transport.write(b"\x01\x82\0\0\0\0{ ")
        await asyncio.wait_for(socket.wait_closed(), 60)
    assert socket.close_code == 1008
    assert site.counts == {"request_timeout": 1}


async def test_a_message_that_has_sent_much_may_not_stand_still_for_longer(house: Any) -> None:
    site = await house(body_timeout="1s", min_rate="1kB")
    line = await _half(site, 100_000)
    begun = asyncio.get_running_loop().time()
    assert (await line.ended())[:4] == b"\x88\x24" + (1008).to_bytes(2)
    assert asyncio.get_running_loop().time() - begun < 10
    assert site.counts == {"request_timeout": 1}


async def test_the_beginning_of_a_frame_after_a_message_is_in_time_too(house: Any) -> None:
    site = await house(body_timeout="1s", min_rate=0)
    async with connect(site.base.replace("http", "ws") + "/v1/chat/completions") as socket:
        size = len(BODY).to_bytes(2)
        socket.transport.write(b"\x81\xfe" + size + b"\0\0\0\0" + BODY + b"\x81")
        await asyncio.wait_for(socket.wait_closed(), 60)
    assert socket.close_code == 1008
    assert site.counts == {"request_timeout": 1}


@pytest.mark.parametrize(
    ("frames", "code"),
    [
        (b"\x81\xff" + (2 * MB).to_bytes(8) + b"\0\0\0\0" + b" " * 300_000, 1009),
        (b"\x81\x81\0\0\0\0\xff" + b"\x8a\x80\0\0\0\0" * 50_000, 1007),
        (b"\xc1\x81\0\0\0\0 " + b" " * 300_000, 1002),  # compressed, which was not agreed on
        (b"\x81\x01 " + b" " * 300_000, 1002),  # not masked
        (b"\x83\x81\0\0\0\0 " + b" " * 300_000, 1002),  # a reserved opcode
        (b"\x80\x81\0\0\0\0 " + b" " * 300_000, 1002),  # continues nothing
        (b"\x09\x81\0\0\0\0 " + b" " * 300_000, 1002),  # a ping in fragments
        (b"\x88\x82\0\0\0\0\x03\xed" + b" " * 300_000, 1002),  # 1005 may not be sent
        (b"\x88\x81\0\0\0\0 " + b" " * 300_000, 1002),  # half a code
        (b"\x88\x83\0\0\0\0\x03\xe8\xff" + b" " * 300_000, 1007),
    ],
)
async def test_a_socket_that_fails_tells_why(house: Any, frames: bytes, code: int) -> None:
    """The close frame arrives although more bytes came in than were read."""
    site = await house(max_body="1MB")
    line = await _opened(site)
    await line.send(frames)
    told = await line.ended()
    assert (told[:1], int.from_bytes(told[2:4])) == (b"\x88", code)


async def test_an_invalid_message_just_before_a_close_is_no_fault_of_ours(
    house: Any, caplog: pytest.LogCaptureFixture
) -> None:
    site = await house()
    line = await _opened(site)
    await line.send(b"\x81\x81\0\0\0\0\xff\x88\x82\0\0\0\0\x03\xe8")
    assert (await line.ended())[:4] == b"\x88\x02\x03\xe8"
    await until(lambda: not site.gateway.requests)
    assert not [record for record in caplog.records if record.levelname == "ERROR"]


async def test_frames_that_come_with_the_handshake_are_read(house: Any) -> None:
    site = await house()
    line = await site.line()
    await line.send(HANDSHAKE + b"\x89\x82\0\0\0\0ab" + b"\x81\x82\0\0\0\0{}")
    assert b" 101 " in await asyncio.wait_for(line.reader.readuntil(b"\r\n\r\n"), 60)
    assert await asyncio.wait_for(line.reader.readexactly(4), 60) == b"\x8a\x02ab"
    assert (await asyncio.wait_for(line.reader.readexactly(1), 60)) == b"\x81"


async def test_an_idle_socket_that_makes_room_is_closed(house: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dragoman.server.websocket_protocol._BRIEFLY", 0.2)
    site = await house(max_connections=1)
    line = await _opened(site)
    await asyncio.sleep(0.3)
    await site.healthy()
    assert (await line.ended())[2:4] == (1013).to_bytes(2)
