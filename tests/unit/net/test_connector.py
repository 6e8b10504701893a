"""Connections are used again only after a clean exchange: nothing left over answers the next request."""

from __future__ import annotations

import asyncio
import gzip
import os
import random
import socket
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest
from multidict import CIMultiDict
from yarl import URL

from dragoman.errors import RequestFailed
from dragoman.net.client import Head
from dragoman.net.connector import Connection
from dragoman.net.transport import Transport
from dragoman.routing.route import Timers

pytestmark = pytest.mark.usefixtures("each_client")

HEADERS: CIMultiDict[str] = CIMultiDict({"content-type": "application/json"})

Script = Callable[["Peer", int], Awaitable[None]]


def answer(text: str, head: str = "200 OK") -> bytes:
    return f"HTTP/1.1 {head}\r\ncontent-length: {len(text)}\r\n\r\n{text}".encode()


STOLEN = answer("STOLEN")


class Peer:
    """One connection of a provider that does as it likes."""

    def __init__(self, number: int, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.number = number
        self.reader = reader
        self.writer = writer
        self.used = False

    @property
    def descriptor(self) -> int:
        descriptor: int = self.writer.get_extra_info("socket").fileno()
        return descriptor

    async def say(self, *parts: bytes) -> None:
        for part in parts:
            self.writer.write(part)
            await self.writer.drain()
            await asyncio.sleep(0.02)


class Provider:
    """Answers each request with a script. asked: the connection's number of each request."""

    def __init__(self, script: Script) -> None:
        self._script = script
        self.peers: list[Peer] = []
        self.asked: list[int] = []
        self.url = URL()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        peer = Peer(len(self.peers), reader, writer)
        self.peers.append(peer)
        try:
            while head := await reader.readuntil(b"\r\n\r\n"):
                for line in head.lower().split(b"\r\n"):
                    if line.startswith(b"content-length:"):
                        await reader.readexactly(int(line.partition(b":")[2]))
                self.asked.append(peer.number)
                await self._script(peer, len(self.asked))
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()


@asynccontextmanager
async def provider(script: Script) -> AsyncGenerator[Provider]:
    made = Provider(script)
    server = await asyncio.start_server(made.serve, "127.0.0.1", 0)
    made.url = URL(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/")
    try:
        yield made
    finally:
        server.close()
        for peer in made.peers:
            peer.writer.close()


@pytest.fixture
async def surprises() -> list[str]:
    return []


@pytest.fixture
async def transport(surprises: list[str]) -> AsyncIterator[Transport]:
    opened = Transport(reached=lambda bound, _: surprises.append(bound))
    yield opened
    await opened.close()


async def ask(transport: Transport, url: URL, method: str = "POST") -> str:
    body = b"{}" if method == "POST" else None
    got = await transport.send(Head(method, url, HEADERS), body, Timers(first_byte=3.0, idle=3.0))
    try:
        return (await got.read()).decode()
    finally:
        got.close()


async def split(peer: Peer, _: int) -> None:
    """A head, later the body with another answer right behind it, in one segment."""
    whole = answer(f"mine {peer.number}")
    await peer.say(whole[:-4], whole[-4:] + STOLEN)


async def behind(peer: Peer, _: int) -> None:
    """Two answers in one segment."""
    await peer.say(answer(f"mine {peer.number}") + STOLEN)


async def later(peer: Peer, _: int) -> None:
    """Another answer while the connection is idle."""
    await peer.say(answer(f"mine {peer.number}"), STOLEN)


async def chunked(peer: Peer, _: int) -> None:
    """The same behind a body in chunks."""
    head = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n"
    text = f"mine {peer.number}".encode()
    await peer.say(head, b"%x\r\n%b\r\n" % (len(text), text), b"0\r\n\r\n" + STOLEN)


async def partial(peer: Peer, _: int) -> None:
    """The beginning of another answer with the end of the body, and the rest while it is idle."""
    whole = answer(f"mine {peer.number}")
    await peer.say(whole[:-4], whole[-4:] + STOLEN[:12], STOLEN[12:])


@pytest.mark.parametrize("script", [split, behind, later, chunked, partial])
async def test_an_answer_nobody_asked_for_reaches_nobody(
    transport: Transport, surprises: list[str], script: Script
) -> None:
    async with provider(script) as made:
        assert await ask(transport, made.url) == "mine 0"
        await asyncio.sleep(0.1)
        assert await ask(transport, made.url) == "mine 1"
        assert made.asked == [0, 1]
        assert "unasked_answer" in surprises


async def test_bytes_that_the_loop_has_not_read_yet_count_too(transport: Transport) -> None:
    async with provider(lambda peer, _: peer.say(answer(f"mine {peer.number}"))) as made:
        assert await ask(transport, made.url) == "mine 0"
        os.write(made.peers[0].descriptor, STOLEN)  # and no look of the loop at its sockets
        assert await ask(transport, made.url) == "mine 1"


async def test_a_clean_connection_is_used_again(transport: Transport, surprises: list[str]) -> None:
    async with provider(lambda peer, _: peer.say(answer(f"mine {peer.number}"))) as made:
        for _ in range(3):
            assert await ask(transport, made.url) == "mine 0"
        assert not surprises


async def test_a_connection_that_was_closed_unseen_while_idle_is_not_used(transport: Transport) -> None:
    async with provider(lambda peer, _: peer.say(answer(f"mine {peer.number}"))) as made:
        assert await ask(transport, made.url) == "mine 0"
        with socket.socket(fileno=os.dup(made.peers[0].descriptor)) as side:
            side.shutdown(socket.SHUT_RDWR)  # and no look of the loop at its sockets
        assert await ask(transport, made.url) == "mine 1"


async def dead(peer: Peer, _: int) -> None:
    """Each connection answers once. The next request on it is cut off without a byte."""
    if peer.used:
        peer.writer.transport.abort()
        raise ConnectionError
    peer.used = True
    await peer.say(answer(f"mine {peer.number}"))


async def test_reading_again_survives_dead_connections(transport: Transport) -> None:
    async with provider(dead) as made:
        await asyncio.gather(*(ask(transport, made.url, "GET") for _ in range(5)))
        assert len(made.peers) == 5
        assert await ask(transport, made.url, "GET") == "mine 5"


async def test_writing_is_not_sent_twice_and_the_next_call_gets_a_new_connection(
    transport: Transport,
) -> None:
    async with provider(dead) as made:
        await asyncio.gather(*(ask(transport, made.url) for _ in range(5)))
        asked = len(made.asked)
        with pytest.raises(RequestFailed) as caught:
            await ask(transport, made.url)
        assert caught.value.fault.code == "connection_broken"
        assert len(made.asked) == asked + 1
        assert await ask(transport, made.url) == "mine 5"


async def test_endless_interim_answers_end_the_call(transport: Transport) -> None:
    async def script(peer: Peer, _: int) -> None:
        while True:
            await peer.say(b"HTTP/1.1 103 Early Hints\r\n\r\n" * 1000)

    async with provider(script) as made:
        with pytest.raises(RequestFailed) as caught:
            await ask(transport, made.url)
        assert caught.value.fault.blame == "upstream"


async def test_a_few_interim_answers_are_passed_over(transport: Transport) -> None:
    async def script(peer: Peer, _: int) -> None:
        await peer.say(b"HTTP/1.1 100 Continue\r\n\r\n", b"HTTP/1.1 103 Early Hints\r\n\r\n", answer("yes"))

    async with provider(script) as made:
        assert await ask(transport, made.url) == "yes"
        assert await ask(transport, made.url) == "yes"
        assert len(made.peers) == 1


async def test_what_comes_before_any_request_ends_the_connection() -> None:
    surprises: list[str] = []
    ours, theirs = socket.socketpair()
    with theirs:
        loop = asyncio.get_running_loop()
        transport, _ = await loop.create_connection(
            lambda: Connection(loop, lambda: surprises.append("unasked")), sock=ours
        )
        theirs.sendall(STOLEN)
        await asyncio.sleep(0.05)
        assert transport.is_closing()
        assert surprises == ["unasked"]


BODY = random.Random(1).randbytes(60_000) * 40
HEAD = b"HTTP/1.1 200 OK\r\n"


def in_chunks(body: bytes, size: int) -> bytes:
    parts = [body[at : at + size] for at in range(0, len(body), size)]
    return b"".join(b"%x\r\n%b\r\n" % (len(part), part) for part in [*parts, b""])


STATED = HEAD + b"content-length: %d\r\n\r\n" % len(BODY) + BODY
CHUNKS = HEAD + b"transfer-encoding: chunked\r\n\r\n" + in_chunks(BODY, 40)
PACKED = (
    HEAD
    + b"content-encoding: gzip\r\ntransfer-encoding: chunked\r\n\r\n"
    + in_chunks(gzip.compress(BODY), 700)
)


@pytest.mark.parametrize("whole", [STATED, CHUNKS, PACKED], ids=["stated", "chunks", "packed"])
async def test_reading_that_was_paused_goes_on(transport: Transport, whole: bytes) -> None:
    async def script(peer: Peer, _: int) -> None:
        peer.writer.write(whole)

    async with provider(script) as made:
        for _ in range(2):
            got = await transport.send(
                Head("POST", made.url, HEADERS), b"{}", Timers(first_byte=3.0, idle=3.0)
            )
            read = bytearray()
            while data := await got.chunk():
                read += data
                await asyncio.sleep(0.001)  # meanwhile more comes than is taken at once
            got.close()
            assert read == BODY
        assert made.asked == [0, 0]


async def test_pieces_of_a_stream_are_read_without_a_look_at_the_parser(
    transport: Transport, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def script(peer: Peer, _: int) -> None:
        peer.writer.write(HEAD + b"transfer-encoding: chunked\r\n\r\n" + in_chunks(bytes(2000), 20))

    received: list[int] = []
    take = Connection.data_received

    def counted(connection: Connection, data: bytes) -> None:
        received.append(len(data))
        take(connection, data)

    monkeypatch.setattr(Connection, "data_received", counted)
    async with provider(script) as made:
        assert len(await ask(transport, made.url)) == 2000
    assert 0 not in received
