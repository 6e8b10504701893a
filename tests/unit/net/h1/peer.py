"""A server that does with each connection what a test says."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager

from multidict import CIMultiDict
from yarl import URL

from dragoman.net.client import Head
from dragoman.net.h1.client import HTTPClient, Reply
from dragoman.net.h1.connection import Connection
from dragoman.net.h1.dial import Dialer, Sessions, trusting

Serve = Callable[["Peer"], Awaitable[None]]
HEADERS: CIMultiDict[str] = CIMultiDict({"content-type": "application/json"})
OK = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"


class Peer:
    """The server's side of one connection. number: how many connections came before it."""

    def __init__(self, number: int, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.number = number
        self.reader = reader
        self.writer = writer

    async def request(self) -> tuple[bytes, bytes]:
        """The next request's head and body. Raises IncompleteReadError if none comes."""
        head = (await self.reader.readuntil(b"\r\n\r\n")).lower()
        if b"transfer-encoding: chunked" in head:
            body = b""
            while size := int(await self.reader.readuntil(b"\r\n"), 16):
                body += await self.reader.readexactly(size)
                await self.reader.readexactly(2)
            await self.reader.readexactly(2)
            return head, body
        size = next(
            (int(line[15:]) for line in head.split(b"\r\n") if line.startswith(b"content-length:")), 0
        )
        return head, await self.reader.readexactly(size)

    async def say(self, *parts: bytes) -> None:
        """Send these parts, each in a segment of its own."""
        for part in parts:
            self.writer.write(part)
            await self.writer.drain()
            await asyncio.sleep(0.01)

    def reset(self) -> None:
        """End the connection without a word, if it has not ended."""
        with contextlib.suppress(AttributeError):  # asyncio's own transport has no loop any more when it has
            self.writer.transport.abort()


class Server:
    """A running server. url: where it listens. peers: its connections so far."""

    def __init__(self) -> None:
        self.url = URL()
        self.peers: list[Peer] = []


@asynccontextmanager
async def serving(
    serve: Serve, tls: ssl.SSLContext | None = None, host: str = "127.0.0.1"
) -> AsyncGenerator[Server]:
    """A server on loopback. tls: None = plain HTTP."""
    made = Server()

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        peer = Peer(len(made.peers), reader, writer)
        made.peers.append(peer)
        with contextlib.suppress(OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
            await serve(peer)
        writer.close()

    server = await asyncio.start_server(connected, "127.0.0.1", 0, ssl=tls)
    scheme = "http" if tls is None else "https"
    made.url = URL(f"{scheme}://{host}:{server.sockets[0].getsockname()[1]}/")
    try:
        yield made
    finally:
        server.close()
        for peer in made.peers:
            peer.reset()


@asynccontextmanager
async def calling(tls: Sessions | None = None, **options: object) -> AsyncGenerator[HTTPClient]:
    """A client. options: of `HTTPClient`."""
    loop = asyncio.get_running_loop()
    client = HTTPClient(Dialer(loop, tls or trusting(verify=False)), **options)  # type: ignore[arg-type]
    try:
        yield client
    finally:
        await client.close()


async def piece(source: Reply | Connection) -> bytes:
    """The bytes of a body that arrive next; b"" = the end."""
    while (data := source.take()) is None:
        await source.arrival()
    return data


async def headed(connection: Connection) -> None:
    """Wait for the head of an answer."""
    while not connection.reader.headed:
        await connection.arrival()


async def ask(
    client: HTTPClient, url: URL, method: str = "POST", body: bytes | None = b"{}"
) -> tuple[int, bytes]:
    """The status and the body of one request's answer."""
    answer = await client.request(Head(method, url, HEADERS), body, connect=3.0)
    try:
        data = b""
        while part := await piece(answer):
            data += part
        return answer.status, data
    finally:
        answer.release()


async def friendly(peer: Peer) -> None:
    """Answer every request with its connection's number and the length of its body."""
    while True:
        _, body = await peer.request()
        text = b"%d %d" % (peer.number, len(body))
        await peer.say(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n%b" % (len(text), text))
