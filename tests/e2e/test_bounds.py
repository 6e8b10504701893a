"""Hostile clients of a running gateway: each bound holds, is told in the face's form, and counted (5.33).

What an attack may cost others is measured beside it: the longest wait of a client that asks for its health.
"""

from __future__ import annotations

import asyncio
import gc
import json
import time
import tracemalloc
from contextlib import suppress
from typing import Any

import pytest

from tests.e2e import stubs
from tests.e2e.calls import CHAT, HELLO, MODELS
from tests.e2e.conftest import Provide, up
from tests.e2e.house import BODY
from tests.e2e.stubs import Said
from tests.e2e.test_backpressure import MB, Flood, flooding
from tests.e2e.test_server import until

PATHS = {
    "openai": CHAT,
    "anthropic": "/v1/messages",
    "gemini": "/v1beta/models/x:generateContent",
    "ollama": "/api/chat",
}


# --- Heads -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("face", PATHS)
async def test_an_endless_header_is_refused_while_it_comes_in_and_in_the_faces_form(
    house: Any, face: str
) -> None:
    site = await house()
    line = await site.line()
    await line.send(f"POST {PATHS[face]} HTTP/1.1\r\nhost: 127.0.0.1\r\nx: ".encode())
    async with site.unharmed():
        await line.flood(b"x" * 16_000, 64 * MB)
        status, headers, body = await line.answer()
    assert status == 431
    assert line.sent < 8 * MB  # what the buffers of two kernels hold
    told = json.loads(body)
    if face == "anthropic":
        assert told["type"] == "error"
    else:
        assert "error" in told
    assert "64000 bytes" in body.decode()
    assert headers["connection"] == "close"
    (exchange,) = [exchange for exchange in site.exchanges if exchange.status == 431]
    assert headers["x-request-id"] == exchange.request_id
    assert exchange.end == "client/head/headers_too_large"
    assert site.counts["headers_too_large"] == 1
    await line.ended()


async def test_the_bounds_of_a_head_are_exact(house: Any) -> None:
    site = await house(max_head=8000, max_headers=20, max_url=1000)
    for url, headers, expected in (
        ("/health?" + "q" * 992, [], 200),
        ("/health?" + "q" * 993, [], 414),
        ("/health", [f"x{n}: y" for n in range(19)], 200),
        ("/health", [f"x{n}: y" for n in range(20)], 431),
        ("/health", [f"x{n}: {'y' * 2000}" for n in range(3)], 200),
        ("/health", [f"x{n}: {'y' * 2000}" for n in range(4)], 431),
    ):
        line = await site.line()
        await line.send("\r\n".join([f"GET {url} HTTP/1.1", "host: localhost", *headers, "", ""]).encode())
        assert (await line.answer())[0] == expected, (url[:20], len(headers))


async def test_a_body_beside_a_head_is_not_counted_as_one(house: Any) -> None:
    site = await house(max_head=4096)
    body = json.dumps({"model": "simulate/echo", "messages": HELLO, "user": "u" * 50_000}).encode()
    line = await site.line()
    await line.send(b"POST %b HTTP/1.1\r\nhost: 127.0.0.1\r\n" % CHAT.encode())
    await line.send(b"content-type: application/json\r\ncontent-length: %d\r\n\r\n" % len(body) + body)
    assert (await line.answer())[0] == 200


@pytest.mark.parametrize("piece", [b"a:b\r\n", b"a:\r\n", b"/" * 64, b"\r\n"], ids=repr)
async def test_memory_does_not_follow_what_a_head_sends(house: Any, piece: bytes) -> None:
    site = await house()
    await site.healthy()
    start = {b"/": b"GET ", b"\r": b""}.get(piece[:1], b"GET /health HTTP/1.1\r\n")
    gc.collect()
    tracemalloc.start()
    try:
        lines = [await site.line() for _ in range(20)]
        async with site.unharmed():
            for line in lines:
                await line.send(start)
                await line.flood(piece * (16_000 // len(piece)), 8 * MB)
        assert tracemalloc.get_traced_memory()[1] < 20 * MB
    finally:
        tracemalloc.stop()
    for line in lines:
        assert (await line.answer())[0] in (400, 414, 431)


async def test_trailers_are_bounded_and_dropped(house: Any) -> None:
    site = await house({"auth": {"keys": ["right-key-of-a-test"]}})
    start = b"POST /v1/chat/completions HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-type: application/json\r\n"
    chunked = b"transfer-encoding: chunked\r\n"
    right = b"authorization: Bearer right-key-of-a-test\r\n"
    wrong = b"authorization: Bearer wrong-key-of-a-test\r\n"
    chunk = b"%x\r\n%b\r\n0\r\n" % (len(BODY), BODY)
    line = await site.line()
    await line.send(start + wrong + chunked + b"\r\n" + chunk + right + b"\r\n")
    assert (await line.answer())[0] == 401
    line = await site.line()
    await line.send(start + right + chunked + b"\r\n" + chunk + wrong + b"x-request-id: mine\r\n\r\n")
    status, headers, _ = await line.answer()
    assert (status, headers["x-request-id"] == "mine") == (200, False)
    await line.send(start + right + chunked + b"\r\n" + chunk)  # the connection goes on
    await line.flood(b"a: b\r\n" * 2000, 8 * MB)
    assert await line.refused() == (431, "headers_too_large")
    assert site.gateway.requests == set()
    assert site.gateway.exchanges == set()


async def test_endless_extensions_of_a_chunk_are_refused(house: Any) -> None:
    site = await house()
    line = await site.line()
    await line.send(
        b"POST /v1/chat/completions HTTP/1.1\r\nhost: 127.0.0.1\r\ntransfer-encoding: chunked\r\n"
    )
    await line.send(b"content-type: application/json\r\n\r\n5;")
    await line.flood(b"x" * 16_000, 8 * MB)
    assert (await line.answer())[0] == 431


async def test_what_earlier_requests_are_owed_goes_first(house: Any) -> None:
    site = await house({"providers": {"simulate": {"first_token": "300ms"}}}, max_head=8000)
    line = await site.line()
    start = b"POST /v1/chat/completions HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-type: application/json\r\n"
    await line.send(start + b"content-length: %d\r\n\r\n" % len(BODY) + BODY)
    await until(lambda: bool(site.gateway.requests))
    await line.send(b"GET /health HTTP/1.1\r\nx: " + b"y" * 10_000)
    status, _, body = await line.answer()
    assert (status, "choices" in json.loads(body)) == (200, True)
    assert await line.ended() == b""


async def test_requests_ahead_are_bounded(house: Any) -> None:
    """One read may hold thousands of requests, each of which costs more than its bytes."""
    site = await house()
    line = await site.line()
    tracemalloc.start()
    try:
        await line.send(b"GET /health HTTP/1.1\r\nhost: localhost\r\n\r\n" * 9000)
        answers = (await line.ended()).count(b"HTTP/1.1 200 OK")
        assert tracemalloc.get_traced_memory()[1] < 5 * MB
    finally:
        tracemalloc.stop()
    assert 8 <= answers <= 64


# --- Upgrades ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("framed", ["length", "chunked"])
@pytest.mark.parametrize("cut", [0, 1], ids=["together", "apart"])
async def test_an_upgrade_that_is_not_taken_is_ignored(house: Any, framed: str, cut: int) -> None:
    """As curl --http2 and Java's client ask for it (RFC 9110, section 7.8)."""
    site = await house()
    line = await site.line()
    length = (
        b"content-length: %d\r\n" % len(BODY) if framed == "length" else b"transfer-encoding: chunked\r\n"
    )
    head = (
        b"POST /v1/chat/completions HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: Upgrade, HTTP2-Settings\r\n"
        b"Upgrade: h2c\r\nHTTP2-Settings: AAEAAEAAAAIAAAABAAMAAABkAAQBAAAAAAUAAEAA\r\n"
        b"Content-Type: application/json\r\n" + length + b"\r\n"
    )
    body = BODY if framed == "length" else b"%x\r\n%b\r\n0\r\n\r\n" % (len(BODY), BODY)
    for _ in range(2):  # the connection can be used again
        await line.send(head + (b"" if cut else body))
        if cut:
            await asyncio.sleep(0.05)
            await line.send(body)
        status, _, answer = await line.answer()
        assert (status, "choices" in json.loads(answer)) == (200, True)
    await line.send(head + body + b"GET /health HTTP/1.1\r\nhost: localhost\r\n\r\n")
    assert (await line.answer())[0] == 200
    assert (await line.answer())[0] == 200


async def test_connect_is_refused_and_what_follows_is_not_read(house: Any) -> None:
    site = await house()
    line = await site.line()
    await line.send(b"CONNECT a.example:443 HTTP/1.1\r\nhost: 127.0.0.1\r\n\r\nGET /health HTTP/1.1\r\n\r\n")
    answer = await line.ended()
    assert answer.count(b"HTTP/1.1 ") == 1
    assert answer.startswith(b"HTTP/1.1 4")


# --- Silence -----------------------------------------------------------------------------------------------


async def test_silence_ends(house: Any) -> None:
    site = await house(head_timeout="200ms", keep_alive="300ms")
    silent, half, after = await site.line(), await site.line(), await site.line()
    await half.send(b"POST /v1/messages HTTP/1.1\r\nhost: 127.0.0.1\r\nx-o")
    await after.send(b"GET /health HTTP/1.1\r\nhost: 127.0.0.1\r\n\r\n")
    assert (await after.answer())[0] == 200
    await after.send(b"G")
    assert await silent.ended(3) == b""
    status, _, body = await half.answer()
    assert (status, json.loads(body)["type"]) == (408, "error")
    assert (await after.answer())[0] == 408
    for line in (half, after):
        assert await line.ended(3) == b""
    resting = await site.line()
    await resting.send(b"GET /health HTTP/1.1\r\nhost: 127.0.0.1\r\n\r\n")
    assert (await resting.answer())[0] == 200
    assert await resting.ended(3) == b""
    assert site.counts["silent_connection"] == 1
    assert site.counts["request_timeout"] == 2
    assert len(site.gateway.requests) == 0


async def test_a_drip_is_silence(house: Any) -> None:
    """One byte at a time keeps no body open: only a rate does."""
    site = await house(body_timeout="400ms", min_rate=1000)
    start = b"POST /v1/chat/completions HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-type: application/json\r\n"
    line = await site.line()
    await line.send(start + b"content-length: 5000\r\n\r\n")
    began = time.perf_counter()
    while not line.reader._buffer and time.perf_counter() - began < 60:
        await line.send(b" ")
        await asyncio.sleep(0.05)
    assert await line.refused() == (408, "request_timeout")
    steady = await site.line()
    await steady.send(start + b"content-length: %d\r\n\r\n" % len(BODY))
    for at in range(0, len(BODY), 8):
        await steady.send(BODY[at : at + 8])
        await asyncio.sleep(0.002)
    assert (await steady.answer())[0] == 200


async def test_bodies_have_a_bound_together(house: Any) -> None:
    """Many clients with large bodies take no more memory than one is allowed, and one alone has its room."""
    site = await house(body_space="150kB", max_body="1MB")
    start = b"POST /v1/chat/completions HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-type: application/json\r\n"
    large = BODY + b" " * 200_000
    first, second = await site.line(), await site.line()
    await first.send(start + b"content-length: %d\r\n\r\n" % len(large) + large[:140_000])
    await until(lambda: len(site.gateway.requests) == 1)
    await asyncio.sleep(0.1)
    await second.send(start + b"content-length: %d\r\n\r\n" % len(large) + large[:40_000])
    status, headers, body = await second.answer()
    assert (status, json.loads(body)["error"]["code"]) == (503, "bodies_too_large_together")
    assert headers["retry-after"] == "5"
    await first.send(large[140_000:])
    assert (await first.answer())[0] == 200
    third = await site.line()
    await third.send(start + b"content-length: %d\r\n\r\n" % len(large) + large[:50_000])
    await asyncio.sleep(0.05)
    await third.send(large[50_000:])
    assert (await third.answer())[0] == 200
    assert site.counts == {"bodies_too_large_together": 1}


async def test_a_body_that_nobody_waits_for_ends(house: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """After an early answer, such as one to a wrong key, the rest of the body keeps no connection open."""
    monkeypatch.setattr("dragoman.server.http._LATE", 0.2)
    site = await house({"auth": {"keys": ["right-key-of-a-test"]}})
    line = await site.line()
    await line.send(
        b"POST /v1/chat/completions HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-length: 50000000\r\n\r\n"
    )
    assert (await line.answer())[0] == 401
    ended = asyncio.ensure_future(line.ended(5))
    while not ended.done():
        await line.send(b" ")
        await asyncio.sleep(0.05)
    assert await ended == b""
    assert site.counts["body_after_answer"] == 1


# --- Connections -------------------------------------------------------------------------------------------


async def test_idle_connections_make_room_for_others(house: Any) -> None:
    site = await house(max_connections=20)
    silent = [await site.line() for _ in range(20)]
    for line in silent[10:]:
        await line.send(b"GET /health HTTP/1.1\r\nx")
    async with site.unharmed():
        await asyncio.sleep(0.3)
        silent += [await site.line() for _ in range(60)]
        await asyncio.sleep(0.1)
    assert site.counts["idle_connections"] > 10
    assert "connections" not in site.counts


async def test_where_all_are_busy_a_newcomer_is_told_so(house: Any) -> None:
    site = await house({"providers": {"simulate": {"first_token": "1s"}}}, max_connections=3)
    start = b"POST /v1/chat/completions HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-type: application/json\r\n"
    busy = [await site.line() for _ in range(3)]
    for line in busy:
        await line.send(start + b"content-length: %d\r\n\r\n" % len(BODY) + BODY)
    await until(lambda: len(site.gateway.requests) == 3)
    line = await site.line()
    status, headers, body = await line.answer()
    assert (status, json.loads(body)["error"]["code"]) == (503, "too_many_connections")
    assert headers["retry-after"] == "1"
    assert site.counts["connections"] == 1
    for line in busy:
        assert (await line.answer())[0] == 200


async def test_requests_that_wait_for_their_bodies_make_room(
    house: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dragoman.server.http._BRIEFLY", 0.2)
    site = await house(max_connections=3)
    start = b"POST /v1/chat/completions HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-type: application/json\r\n"
    held = [await site.line() for _ in range(3)]
    for line in held:
        await line.send(start + b"content-length: 500\r\n\r\n ")
    await until(lambda: len(site.gateway.requests) == 3)
    assert await (await site.line()).refused() == (503, "too_many_connections")
    await asyncio.sleep(0.3)
    assert await site.healthy() < 1
    await until(lambda: len(site.gateway.requests) == 2)


async def test_one_address_has_its_share(house: Any) -> None:
    site = await house(max_connections_per_address=2, shared_addresses=["10.0.0.0/8"])
    start = b"POST /v1/chat/completions HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-type: application/json\r\n"
    busy = [await site.line() for _ in range(2)]
    for line in busy:
        await line.send(start + b"content-length: 500\r\n\r\n")
    await until(lambda: len(site.gateway.requests) == 2)
    assert await (await site.line()).refused() == (503, "too_many_connections")
    assert site.counts["connections_of_address"] == 1
    shared = await house(max_connections_per_address=2)  # loopback is shared by default
    lines = [await shared.line() for _ in range(5)]
    for line in lines:
        await line.send(b"GET /health HTTP/1.1\r\nhost: localhost\r\n\r\n")
        assert (await line.answer())[0] == 200


# --- Readers -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("drips", [False, True], ids=["reads nothing", "reads in drips"])
async def test_a_reader_that_does_not_read_frees_the_provider(house: Any, *, drips: bool) -> None:
    flood = Flood("openai_chat", 200 * MB)
    async with flooding(flood) as provider:
        site = await house(up(provider.url), write_timeout="500ms", min_rate=100_000)
        body = json.dumps({"model": MODELS["openai_chat"], "messages": HELLO, "stream": True}).encode()
        line = await site.line()
        line.writer.transport.pause_reading()
        start = b"POST /v1/chat/completions HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-type: application/json\r\n"
        await line.send(start + b"content-length: %d\r\n\r\n" % len(body) + body)
        await until(lambda: flood.written > MB)
        raw = line.writer.get_extra_info("socket")
        for _ in range(100):
            if drips and site.gateway.requests:
                await asyncio.sleep(0.05)
                with suppress(OSError):
                    raw._sock.recv(100)
            else:
                await until(lambda: not site.gateway.requests)
        await until(lambda: not site.gateway.requests)
    assert flood.written < 100 * MB
    assert site.counts["write_timeout"] == 1
    assert site.exchanges[-1].end == "client/stream"


async def test_a_reader_that_reads_slowly_but_steadily_gets_everything(house: Any) -> None:
    flood = Flood("openai_chat", 40 * MB)
    async with flooding(flood) as provider:
        site = await house(up(provider.url), write_timeout="300ms", min_rate=1000)
        body = json.dumps({"model": MODELS["openai_chat"], "messages": HELLO, "stream": True}).encode()
        line = await site.line()
        start = b"POST /v1/chat/completions HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-type: application/json\r\n"
        await line.send(start + b"connection: close\r\ncontent-length: %d\r\n\r\n" % len(body) + body)
        count = 0
        while data := await asyncio.wait_for(line.reader.read(1_000_000), 60):
            count += data.count(b"~")
            await asyncio.sleep(0.02)
    assert count == flood.size
    assert "write_timeout" not in site.counts


# --- Honest clients ----------------------------------------------------------------------------------------


async def test_usual_clients_reach_no_bound(house: Any, provide: Provide) -> None:
    provider = await provide(stubs.openai_chat(Said()))
    site = await house(up(provider.url))
    line = await site.line()
    start = b"POST /v1/chat/completions HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-type: application/json\r\n"
    body = json.dumps({"model": "up/gpt-4o", "messages": HELLO}).encode()
    for _ in range(3):
        await line.send(start + b"content-length: %d\r\n\r\n" % len(body) + body)
        assert (await line.answer())[0] == 200
    assert site.counts == {}


async def test_values_count_in_what_bodies_take_together(house: Any) -> None:
    """A body of small values takes twenty times its size in memory, as long as its request runs."""
    site = await house(body_space="2MB", max_body="1MB", max_values=100_000)
    bias = {str(token): 1 for token in range(40_000)}
    many = {"model": "simulate/echo", "messages": HELLO, "logit_bias": bias}
    alone = await site.line()
    body = json.dumps(many).encode()
    start = b"POST /v1/chat/completions HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-type: application/json\r\n"
    await alone.send(start + b"content-length: %d\r\n\r\n" % len(body) + body)
    assert (await alone.answer())[0] == 200  # one alone has its room
    holder = await site.line()
    await holder.send(start + b"content-length: 100000\r\n\r\n" + b" " * 50_000)
    await until(lambda: len(site.gateway.requests) == 1)
    await asyncio.sleep(0.1)
    second = await site.line()
    await second.send(start + b"content-length: %d\r\n\r\n" % len(body) + body)
    assert await second.refused() == (503, "bodies_too_large_together")
