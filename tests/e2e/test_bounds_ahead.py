"""Hostile clients without a key: heads together, requests ahead of answers that nobody reads, tiny chunks."""

from __future__ import annotations

import asyncio
import json
import socket
import tracemalloc
from typing import Any
from urllib.parse import urlsplit

import pytest

from tests.e2e.calls import CHAT
from tests.e2e.house import BODY, House
from tests.e2e.test_server import until

KEY = "right-key-of-a-test"
KEYED = {"auth": {"keys": [KEY]}}
PREFLIGHT = (
    b"OPTIONS /v1/x HTTP/1.1\r\nhost: 127.0.0.1\r\norigin: http://127.0.0.1\r\n"
    b"access-control-request-headers: " + b"a" * 1000 + b"\r\n\r\n"
)
START = (
    f"POST {CHAT} HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-type: application/json\r\n"
    "transfer-encoding: chunked\r\n"
).encode()


async def deaf(site: House) -> socket.socket:
    """A connection with the smallest of buffers, of a client that reads only what its test reads."""
    parts = urlsplit(site.base)
    bare = socket.socket()
    site._stack.callback(bare.close)
    bare.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
    bare.setblocking(False)
    await asyncio.get_running_loop().sock_connect(bare, (parts.hostname, parts.port))
    return bare


async def unread(site: House, line: socket.socket) -> int:
    """Ask until the gateway answers no more, as the client reads nothing. Returns how many were asked."""
    asked = 0
    while True:
        finished = len(site.exchanges)
        await asyncio.get_running_loop().sock_sendall(line, PREFLIGHT * 8)
        asked += 8
        try:
            await until(lambda: len(site.exchanges) >= finished + 8, seconds=1)  # noqa: B023
        except TimeoutError:
            return asked


async def test_heads_together_take_a_bounded_space(house: Any) -> None:
    site = await house(KEYED, head_space=100_000)
    lines = [await site.line() for _ in range(6)]
    for line in lines:
        await line.send(b"GET /health HTTP/1.1\r\nhost: localhost\r\nx: " + b"a" * 30_000)
        await asyncio.sleep(0.05)
    assert await lines[0].ended() == b""
    assert site.counts["heads_too_large_together"] >= 1
    await site.healthy()
    await lines[-1].send(b"\r\n\r\n")  # the newest have their room
    assert (await lines[-1].answer())[0] == 200


async def test_a_refused_url_is_not_kept_while_its_connection_lingers(house: Any) -> None:
    site = await house(KEYED)
    await site.healthy()
    tracemalloc.start()
    try:
        lines = [await site.line() for _ in range(40)]
        for line in lines:
            await line.send(b"GET /" + b"a" * 60_000)
            assert await line.refused() == (414, "url_too_long")
            site.exchanges.clear()
        assert tracemalloc.get_traced_memory()[0] < 1_500_000
    finally:
        tracemalloc.stop()


async def test_who_reads_no_answers_makes_room_for_a_newcomer(house: Any) -> None:
    site = await house(KEYED, max_connections=2)
    for _ in range(2):
        await unread(site, await deaf(site))
    assert site.gateway.connections()["open"] == 2
    await site.healthy()
    assert site.counts["idle_connections"] == 1


async def test_who_reads_them_late_gets_all_of_them(house: Any) -> None:
    site = await house(KEYED)
    line = await deaf(site)
    asked = await unread(site, line)
    heard = b""
    async with asyncio.timeout(60):
        while heard.count(b"HTTP/1.1 204") < asked:
            heard += await asyncio.get_running_loop().sock_recv(line, 65_536)


async def test_requests_ahead_take_a_bounded_space(house: Any) -> None:
    """Each costs some kilobytes, and an idle client of such a kind makes room for the others."""
    site = await house(KEYED, head_space=64_000)
    for _ in range(5):
        await unread(site, await deaf(site))
    assert site.counts["heads_too_large_together"] >= 1
    assert site.gateway.connections()["open"] < 5
    await site.healthy()


async def test_tiny_chunks_are_refused(house: Any) -> None:
    site = await house(KEYED)
    line = await site.line()
    await line.send(START + f"authorization: Bearer {KEY}\r\n\r\n".encode() + b"1\r\n \r\n" * 5000)
    assert await line.refused() == (400, "chunks_too_small")
    assert site.counts["chunks_too_small"] == 1


async def test_small_chunks_are_taken(house: Any) -> None:
    site = await house(KEYED)
    body = json.dumps({**json.loads(BODY), "user": "u" * 60_000}).encode()
    chunks = [b"%x\r\n%b\r\n" % (len(body[n : n + 12]), body[n : n + 12]) for n in range(0, 36_000, 12)]
    rest = body[36_000:]
    line = await site.line()
    await line.send(START + f"authorization: Bearer {KEY}\r\n\r\n".encode() + b"".join(chunks))
    await line.send(b"%x\r\n%b\r\n0\r\n\r\n" % (len(rest), rest))
    assert (await line.answer())[0] == 200


@pytest.mark.parametrize("later", [False, True], ids=["together", "later"])
async def test_the_chunks_after_an_early_answer_are_not_parsed(house: Any, later: bool) -> None:
    site = await house(KEYED)
    line = await site.line()
    await line.send(START + b"\r\n" + (b"" if later else b"5\r\nhello\r\n"))
    assert await line.refused() == (401, "invalid_api_key")
    await line.send(b"5\r\nhello\r\n")
    assert await line.ended() == b""
    await line.send(b"0\r\n\r\nGET /health HTTP/1.1\r\nhost: localhost\r\n\r\n")
    await asyncio.sleep(0.1)
    assert [exchange.status for exchange in site.exchanges] == [401]


async def test_an_invalid_url_leaves_the_earlier_answer_alone(house: Any) -> None:
    site = await house(KEYED)
    line = await site.line()
    host = b"host: localhost\r\n\r\n"
    await line.send(b"GET /health HTTP/1.1\r\n" + host + b"GET ftp://a.example/ HTTP/1.1\r\n" + host)
    answers = await line.ended()
    assert answers.startswith(b"HTTP/1.1 200")
    assert answers.count(b"HTTP/1.1 ") == 1


async def test_the_fields_of_a_query_are_bounded(house: Any) -> None:
    site = await house(KEYED)
    line = await site.line()
    await line.send(b"GET /v1beta/models?" + b"&a=" * 4000 + b" HTTP/1.1\r\nhost: localhost\r\n\r\n")
    status, _, body = await line.answer()
    assert status == 400
    assert b"256 fields" in body
    assert site.counts["too_many_query_fields"] == 1
