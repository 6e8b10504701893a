"""One connection: what it does with bytes that nobody takes, and what its owner learns when it ends."""

from __future__ import annotations

import asyncio
import gc
import socket
from contextlib import suppress

import pytest

from dragoman.net.failures import Disconnected, Failure, Truncated
from dragoman.net.h1.connection import Connection
from dragoman.net.h1.reader import AnswerReader
from tests.unit.net.h1.peer import headed, piece

MIB = 1024 * 1024


async def joined() -> tuple[Connection, socket.socket, list[str]]:
    """A connection, its other side, and what surprised it."""
    surprises: list[str] = []
    loop = asyncio.get_running_loop()
    ours, theirs = socket.socketpair()
    theirs.setblocking(False)
    _, connection = await loop.create_connection(
        lambda: Connection(loop, lambda: surprises.append("unasked")), sock=ours
    )
    return connection, theirs, surprises


def alive(connection: Connection) -> bool:
    return connection.alive()


async def test_bytes_before_any_request_end_the_connection() -> None:
    connection, theirs, surprises = await joined()
    with theirs:
        assert alive(connection)
        theirs.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
        assert not alive(connection)  # and no look of the loop at its sockets
        await asyncio.sleep(0.05)
        assert surprises == ["unasked"]
        assert not alive(connection)


async def test_an_end_that_the_loop_has_not_seen_is_seen() -> None:
    connection, theirs, _ = await joined()
    assert alive(connection)
    theirs.close()
    assert not alive(connection)
    connection.abort()


async def test_the_owner_learns_how_it_ended() -> None:
    connection, theirs, _ = await joined()
    with theirs:
        connection.send(b"GET / HTTP/1.1\r\n\r\n")
        theirs.sendall(b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nabc")
        await headed(connection)
        assert await piece(connection) == b"abc"
        assert not connection.reader.complete
        theirs.shutdown(socket.SHUT_WR)
        with pytest.raises(Truncated):
            await piece(connection)
        assert not connection.reusable()


async def test_what_came_before_the_end_is_read_first() -> None:
    connection, theirs, _ = await joined()
    connection.send(b"GET / HTTP/1.1\r\n\r\n")
    theirs.sendall(b"HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 3\r\n\r\nabc")
    theirs.close()
    await asyncio.sleep(0.05)
    await headed(connection)
    assert await piece(connection) == b"abc"
    assert await piece(connection) == b""
    assert connection.reader.complete
    assert not connection.reusable()


async def test_an_error_of_the_owner_reaches_whoever_waits() -> None:
    connection, theirs, _ = await joined()
    with theirs:
        connection.send(b"POST / HTTP/1.1\r\n\r\n")
        waiting = asyncio.ensure_future(headed(connection))
        await asyncio.sleep(0)
        connection.fail(Failure("the source has gone"))
        connection.fail(Failure("something else"))
        with pytest.raises(Failure, match="the source has gone"):
            await waiting


async def test_an_own_end_completes_no_body() -> None:
    connection, theirs, _ = await joined()
    with theirs:
        connection.send(b"GET / HTTP/1.1\r\n\r\n")
        theirs.sendall(b"HTTP/1.1 200 OK\r\n\r\nabc")
        await headed(connection)
        assert await piece(connection) == b"abc"
        connection.abort()
        with pytest.raises(Truncated):
            await piece(connection)


@pytest.mark.parametrize("end", [b"", b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nabc"])
async def test_a_failed_connection_leaves_no_reference_cycle(end: bytes) -> None:
    gc.collect()
    gc.disable()
    try:
        connection, theirs, _ = await joined()
        connection.send(b"GET / HTTP/1.1\r\n\r\n")
        theirs.sendall(end)
        theirs.close()
        with suppress(Failure):
            await headed(connection)
            while await piece(connection):
                pass
        await asyncio.sleep(0.05)
        del connection
        gc.set_debug(gc.DEBUG_SAVEALL)
        gc.collect()
        assert not [one for one in gc.garbage if isinstance(one, (Connection, AnswerReader))]
    finally:
        gc.set_debug(0)
        gc.garbage.clear()
        gc.enable()


async def test_writing_waits_for_room_and_for_no_dead_peer() -> None:
    connection, theirs, _ = await joined()
    connection.send(b"POST / HTTP/1.1\r\n\r\n")

    async def upload() -> int:
        sent = 0
        while True:
            await connection.write(bytes(64 * 1024))
            sent += 1

    task = asyncio.ensure_future(upload())
    await asyncio.sleep(0.1)
    assert not task.done()
    theirs.close()
    with pytest.raises(Disconnected):
        await asyncio.wait_for(task, 60)


async def test_reading_stops_while_nobody_takes_what_came() -> None:
    connection, theirs, _ = await joined()
    with theirs:
        connection.send(b"GET / HTTP/1.1\r\n\r\n")
        theirs.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
        await headed(connection)
        taken = 0
        for _ in range(200):
            try:
                taken += theirs.send(bytes(64 * 1024))
            except BlockingIOError:
                await asyncio.sleep(0.001)
        assert taken < 4 * MIB
        assert connection.reader.held < MIB
        read = 0
        while read < taken:
            read += len(await piece(connection))
        assert read == taken


async def test_framing_at_the_end_of_an_answer_stops_no_reading() -> None:
    """What is left behind would be a connection that looks free and brings no answer."""
    connection, theirs, _ = await joined()
    with theirs:
        connection.send(b"GET / HTTP/1.1\r\n\r\n")
        theirs.sendall(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n")
        await headed(connection)
        assert await piece(connection) == b"abc"
        connection.data_received(b"0;x=" + b"a" * 60_000)
        connection.data_received(b"a" * 240_000 + b"\r\n\r\n")
        assert await piece(connection) == b""
        assert connection.reusable()
        connection.send(b"GET / HTTP/1.1\r\n\r\n")
        theirs.sendall(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nhi")
        async with asyncio.timeout(60):
            await headed(connection)
            assert await piece(connection) == b"hi"
        connection.abort()
