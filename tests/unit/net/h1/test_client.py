"""Requests over pooled connections: each answer goes to its own request, whatever servers do."""

from __future__ import annotations

import asyncio
import gzip
import random
import tracemalloc
import zlib
from collections.abc import AsyncIterator, Callable
from contextlib import suppress

import brotli
import pytest
from multidict import CIMultiDict
from yarl import URL

from dragoman.net.client import Flow, Head
from dragoman.net.failures import (
    Disconnected,
    Failure,
    HeadTooLarge,
    Malformed,
    NotDecoded,
    NotReached,
    Truncated,
)
from dragoman.net.h1.client import head
from dragoman.wire.multipart import Pieces
from tests.unit.net.h1.peer import HEADERS, OK, Peer, Serve, ask, calling, friendly, piece, serving

MIB = 1024 * 1024


# The request -------------------------------------------------------------------------------------------


def test_the_head_has_the_headers_in_order_and_what_is_missing() -> None:
    headers = CIMultiDict({"Authorization": "Bearer k", "accept": "text/plain", "connection": "close"})
    assert head("POST", "/v1/chat?a=b", "example.com", headers) == (
        b"POST /v1/chat?a=b HTTP/1.1\r\nhost: example.com\r\n"
        b"Authorization: Bearer k\r\naccept: text/plain\r\naccept-encoding: gzip, zstd, br, deflate\r\n"
    )


def test_an_own_host_header_wins() -> None:
    assert b"host: other\r\n" in head("GET", "/", "example.com", CIMultiDict({"Host": "other"}))


@pytest.mark.parametrize("value", ["a\r\nx: y", "a\nb", "a\rb", "a\x00b", "a\x7fb"])
def test_a_value_cannot_make_another_header(value: str) -> None:
    with pytest.raises(ValueError, match="not allowed"):
        head("GET", "/", "example.com", CIMultiDict({"x": value}))


@pytest.mark.parametrize("name", ["a b", "a:b", "", "a\r\nb", "é"])
def test_a_name_must_be_a_token(name: str) -> None:
    with pytest.raises(ValueError, match="name of a header"):
        head("GET", "/", "example.com", CIMultiDict({name: "x"}))


async def pieces(*parts: bytes) -> AsyncIterator[bytes]:
    for part in parts:
        yield part
        await asyncio.sleep(0)


@pytest.mark.parametrize(
    ("body", "frame", "read"),
    [
        (b"hello", b"content-length: 5\r\n", b"hello"),
        (b"", b"content-length: 0\r\n", b""),
        (None, b"content-length: 0\r\n", b""),
        (Pieces([b"he", b"llo"], 5), b"content-length: 5\r\n", b"hello"),
        ("flow", b"transfer-encoding: chunked\r\n", b"hello"),
        ("stated", b"content-length: 5\r\n", b"hello"),
        (bytes(300_000), b"content-length: 300000\r\n", bytes(300_000)),
    ],
)
async def test_every_body_is_framed(body: object, frame: bytes, read: bytes) -> None:
    got: list[tuple[bytes, bytes]] = []

    async def serve(peer: Peer) -> None:
        while True:
            got.append(await peer.request())
            await peer.say(OK)

    if isinstance(body, str):
        body = Flow(pieces(b"he", b"", b"llo"), None if body == "flow" else 5)
    async with serving(serve) as server, calling() as client:
        answer = await client.request(Head("POST", server.url, HEADERS), body)  # type: ignore[arg-type]
        assert await piece(answer) == b"ok"
        assert answer.ended
        answer.release()
        assert await ask(client, server.url) == (200, b"ok")
        assert len(server.peers) == 1
    assert got[0][1] == read
    assert got[0][0].count(frame) == 1
    assert (b"content-length" in got[0][0]) + (b"transfer-encoding" in got[0][0]) == 1


async def test_get_has_no_frame() -> None:
    got: list[bytes] = []

    async def serve(peer: Peer) -> None:
        got.append((await peer.request())[0])
        await peer.say(OK)

    async with serving(serve) as server, calling() as client:
        await ask(client, server.url, "GET", None)
    assert b"content-length" not in got[0]
    assert b"transfer-encoding" not in got[0]


@pytest.mark.parametrize("parts", [[b"12345", b"6"], [b"1234"]])
async def test_a_body_of_another_size_than_stated_ends_the_connection(parts: list[bytes]) -> None:
    async with serving(friendly) as server, calling() as client:
        with pytest.raises(Failure):
            await client.request(Head("POST", server.url, HEADERS), Flow(pieces(*parts), 5))
        assert await ask(client, server.url) == (200, b"1 2")


@pytest.mark.parametrize("target", ["/a b", "/p?q= HTTP/1.1", "/\x00", "/é", ""])
def test_a_target_cannot_make_another_request(target: str) -> None:
    with pytest.raises(ValueError, match="target"):
        head("GET", target, "example.com", CIMultiDict())


async def own_failure() -> AsyncIterator[bytes]:
    yield b"x"
    raise Truncated


async def own_end() -> AsyncIterator[bytes]:
    yield b"x"
    left = asyncio.get_running_loop().create_future()
    left.cancel()
    await left


@pytest.mark.parametrize("source", [own_failure, own_end])
@pytest.mark.parametrize("early", [True, False])
async def test_a_body_whose_source_fails_ends_its_connection(
    source: Callable[[], AsyncIterator[bytes]], early: bool
) -> None:
    """Or the next request would become a part of the body."""

    async def serve(peer: Peer) -> None:
        if peer.number == 0:
            await peer.reader.readuntil(b"x")
            await peer.say(OK if early else b"")
            await peer.reader.read(100)
        else:
            await friendly(peer)

    async with serving(serve) as server, calling() as client:
        with suppress(Failure):
            answer = await asyncio.wait_for(
                client.request(Head("POST", server.url, HEADERS), Flow(source())), 3.0
            )
            with suppress(Failure):
                await piece(answer)
            answer.release()
        assert await ask(client, server.url) == (200, b"1 2")


async def test_headers_of_one_request_are_written_for_it_alone() -> None:
    got: list[bytes] = []

    async def serve(peer: Peer) -> None:
        while True:
            got.append((await peer.request())[0])
            await peer.say(OK)

    shared = Head("POST", URL(), HEADERS)
    async with serving(serve) as server, calling() as client:
        shared.url = server.url
        for added in ({"x-one": "1", "Host": "other", "content-length": "9"}, None):
            answer = await client.request(shared, b"{}", added)
            assert await piece(answer) == b"ok"
            answer.release()
        with pytest.raises(ValueError, match="not allowed"):
            await client.request(shared, b"{}", {"x": "a\r\nb: c"})
    assert [head.count(b"x-one: 1\r\n") for head in got] == [1, 0]
    assert [head.count(b"host: ") for head in got] == [1, 1]
    assert [head.count(b"content-length: ") for head in got] == [1, 1]


async def test_a_closed_client_sends_nothing() -> None:
    async with serving(friendly) as server:
        async with calling() as client:
            pass
        with pytest.raises(NotReached):
            await ask(client, server.url)
        assert not server.peers


# The answer --------------------------------------------------------------------------------------------


async def test_an_answer_that_comes_before_the_body_is_sent_counts() -> None:
    async def serve(peer: Peer) -> None:
        await peer.reader.readuntil(b"\r\n\r\n")
        await peer.say(b"HTTP/1.1 413 Too Large\r\ncontent-length: 2\r\n\r\nno")
        await asyncio.sleep(5)

    async with serving(serve) as server, calling() as client:
        answer = await client.request(Head("POST", server.url, HEADERS), Pieces([bytes(64 * MIB)], 64 * MIB))
        assert (answer.status, await piece(answer)) == (413, b"no")
        answer.release()
        again = asyncio.ensure_future(ask(client, server.url))
        await asyncio.sleep(0.1)
        assert len(server.peers) == 2, "the connection with half of a body was used again"
        again.cancel()


CODED = {
    "gzip": gzip.compress(b"hello " * 1000, mtime=0),
    "deflate": zlib.compress(b"hello " * 1000),
    "br": brotli.compress(b"hello " * 1000),
    "gzip, br": brotli.compress(gzip.compress(b"hello " * 1000, mtime=0)),
}


@pytest.mark.parametrize("coding", CODED)
async def test_a_compressed_body_is_unpacked(coding: str) -> None:
    async def serve(peer: Peer) -> None:
        while True:
            await peer.request()
            stated = b"content-encoding: %b\r\ncontent-length: %d" % (coding.encode(), len(CODED[coding]))
            await peer.say(
                b"HTTP/1.1 200 OK\r\n" + stated + b"\r\n\r\n", CODED[coding][:40], CODED[coding][40:]
            )

    async with serving(serve) as server, calling() as client:
        for _ in range(2):
            assert await ask(client, server.url) == (200, b"hello " * 1000)
        assert len(server.peers) == 1


async def test_a_compressed_answer_without_a_body_is_empty() -> None:
    async def serve(peer: Peer) -> None:
        await peer.request()
        await peer.say(b"HTTP/1.1 204 No Content\r\ncontent-encoding: gzip\r\n\r\n")

    async with serving(serve) as server, calling() as client:
        assert await ask(client, server.url) == (204, b"")


@pytest.mark.parametrize(
    "body",
    [b"not gzip", CODED["gzip"][:50], CODED["gzip"][:-4] + b"XXXX"],
    ids=["no gzip", "cut off", "damaged"],
)
async def test_a_body_that_is_not_compressed_as_stated_is_a_failure(body: bytes) -> None:
    async def serve(peer: Peer) -> None:
        await peer.request()
        await peer.say(
            b"HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\ncontent-length: %d\r\n\r\n" % len(body) + body
        )
        await peer.request()

    async with serving(serve) as server, calling() as client:
        with pytest.raises(NotDecoded):
            await ask(client, server.url)


async def test_a_coding_that_nobody_knows_is_passed_as_it_is() -> None:
    async def serve(peer: Peer) -> None:
        await peer.request()
        await peer.say(b"HTTP/1.1 200 OK\r\ncontent-encoding: secret\r\ncontent-length: 2\r\n\r\nok")

    async with serving(serve) as server, calling() as client:
        assert await ask(client, server.url) == (200, b"ok")


async def test_nothing_is_read_while_nobody_takes_it() -> None:
    sent = 0

    async def serve(peer: Peer) -> None:
        nonlocal sent
        await peer.request()
        peer.writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n" % (256 * MIB))
        for _ in range(256):
            peer.writer.write(bytes(MIB))
            await peer.writer.drain()
            sent += 1

    async with serving(serve) as server, calling() as client:
        tracemalloc.start()
        answer = await client.request(Head("POST", server.url, HEADERS), b"{}")
        await asyncio.sleep(0.5)
        held = sent
        size = 0
        while part := await piece(answer):
            size += len(part)
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        answer.release()
    assert size == 256 * MIB
    assert held < 32
    assert peak < 24 * MIB


# Hostile servers ---------------------------------------------------------------------------------------


def says(*parts: bytes, then: str = "wait") -> Serve:
    """A server that answers with these parts, and then waits, ends the connection, or resets it."""

    async def serve(peer: Peer) -> None:
        await peer.request()
        await peer.say(*parts)
        if then == "reset":
            peer.reset()
        elif then == "wait":
            await peer.request()

    return serve


HOSTILE: dict[str, tuple[Serve, type[Failure]]] = {
    "nothing, then the end": (says(then="end"), Disconnected),
    "nothing, then a reset": (says(then="reset"), Disconnected),
    "half of a status line": (says(b"HTTP/1.", then="end"), Disconnected),
    "half of a head": (says(b"HTTP/1.1 200 OK\r\nA: b\r\n", then="reset"), Disconnected),
    "half of a body": (says(b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nabc", then="end"), Truncated),
    "half of a body, reset": (
        says(b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nabc", then="reset"),
        Truncated,
    ),
    "chunks without an end": (
        says(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n", then="end"),
        Truncated,
    ),
    "half of a chunk": (
        says(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n9\r\nabc", then="reset"),
        Truncated,
    ),
    "two lengths": (
        says(b"HTTP/1.1 200 OK\r\ncontent-length: 3\r\ncontent-length: 4\r\n\r\nabcd"),
        Malformed,
    ),
    "length and chunks": (
        says(b"HTTP/1.1 200 OK\r\ncontent-length: 3\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n"),
        Malformed,
    ),
    "no HTTP": (says(b"220 mail.example ESMTP\r\n"), Malformed),
    "HTTP/2": (says(b"\x00\x00\x12\x04\x00\x00\x00\x00\x00"), Malformed),
    "an endless head": (says(b"HTTP/1.1 200 OK\r\n" + b"A: b\r\n" * 20_000), HeadTooLarge),
    "an endless value": (says(b"HTTP/1.1 200 OK\r\nA: " + b"b" * 100_000), HeadTooLarge),
    "an endless chunk size": (
        says(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n", b"1;" + b"x" * 300_000),
        HeadTooLarge,
    ),
    "a chunk that lies": (
        says(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabcdef\r\n0\r\n\r\n"),
        Malformed,
    ),
}


@pytest.mark.parametrize("name", HOSTILE)
async def test_a_hostile_server_fails_only_its_own_request(name: str) -> None:
    hostile, failure = HOSTILE[name]

    async def serve(peer: Peer) -> None:
        await (hostile if peer.number == 0 else friendly)(peer)

    async with serving(serve) as server, calling() as client:
        with pytest.raises(failure) as caught:
            await ask(client, server.url)
        assert type(caught.value) is failure
        assert await ask(client, server.url) == (200, b"1 2")


@pytest.mark.parametrize("more", [b"X", b"HTTP/1.1 200 OK\r\ncontent-length: 6\r\n\r\nSTOLEN"])
@pytest.mark.parametrize("apart", [False, True])
async def test_no_answer_reaches_another_request(more: bytes, apart: bool) -> None:
    surprises: list[str] = []

    async def serve(peer: Peer) -> None:
        while True:
            await peer.request()
            answer = b"HTTP/1.1 200 OK\r\ncontent-length: 1\r\n\r\n%d" % peer.number
            await peer.say(*([answer, more] if apart else [answer + more]))

    async with serving(serve) as server, calling(surprised=lambda: surprises.append("")) as client:
        for number in range(3):
            assert await ask(client, server.url) == (200, b"%d" % number)
            await asyncio.sleep(0.05)
    assert len(surprises) == 3


# The pool ----------------------------------------------------------------------------------------------


async def test_an_idle_connection_is_closed_in_time() -> None:
    async with serving(friendly) as server, calling(idle=0.1) as client:
        assert await ask(client, server.url) == (200, b"0 2")
        await asyncio.sleep(0.3)
        assert server.peers[0].reader.at_eof()
        assert await ask(client, server.url) == (200, b"1 2")


async def test_an_old_connection_gets_no_new_request() -> None:
    async with serving(friendly) as server, calling(age=0.2) as client:
        assert await ask(client, server.url) == (200, b"0 2")
        assert await ask(client, server.url) == (200, b"0 2")
        await asyncio.sleep(0.25)
        assert await ask(client, server.url) == (200, b"1 2")


async def test_a_cancelled_request_closes_its_connection() -> None:
    async def serve(peer: Peer) -> None:
        await peer.request()
        await peer.request()

    async with serving(serve) as server, calling() as client:
        for _ in range(3):
            task = asyncio.ensure_future(ask(client, server.url))
            await asyncio.sleep(0.05)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
        await asyncio.sleep(0.05)
        assert [peer.reader.at_eof() for peer in server.peers] == [True] * 3


async def test_an_answer_that_is_left_closes_its_connection() -> None:
    async def serve(peer: Peer) -> None:
        await peer.request()
        while True:
            await peer.say(b"HTTP/1.1 200 OK\r\n\r\n", bytes(100))

    async with serving(serve) as server, calling() as client:
        answer = await client.request(Head("POST", server.url, HEADERS), b"{}")
        answer.release()
        answer.release()
        await asyncio.sleep(0.05)
        assert await ask_alive(server.peers[0])


async def ask_alive(peer: Peer) -> bool:
    """Whether the client has closed this connection."""
    return peer.writer.is_closing() or peer.reader.at_eof() or peer.reader.exception() is not None


async def test_closing_the_client_closes_every_connection() -> None:
    async with serving(friendly) as server:
        async with calling() as client:
            await asyncio.gather(*(ask(client, server.url) for _ in range(5)))
            assert len(server.peers) == 5
        await asyncio.sleep(0.05)
        assert all(peer.reader.at_eof() for peer in server.peers)


async def test_requests_race_with_a_server_that_closes_idle_connections() -> None:
    """None is lost but those that RFC 9112 leaves open, and none is answered with another's answer."""
    rng = random.Random(1)
    seen: list[bytes] = []

    async def serve(peer: Peer) -> None:
        for _ in range(rng.randint(1, 4)):
            _, body = await peer.request()
            seen.append(body)
            await peer.say(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n%b" % (len(body), body))
        if rng.random() < 0.5:
            peer.reset()

    async def one(number: int) -> bool:
        await asyncio.sleep(rng.random())
        body = b"%d" % number
        try:
            assert await ask(client, server.url, "POST", body) == (200, body)
        except Disconnected:
            return False
        return True

    async with serving(serve) as server, calling() as client:
        answered = await asyncio.gather(*(one(number) for number in range(400)))
    assert sum(answered) > 200
    assert len(seen) == len(set(seen)), "a request was sent twice"
    assert {b"%d" % number for number, good in enumerate(answered) if good} <= set(seen)
