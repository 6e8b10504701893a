"""An answer's head waits for its body, but not longer than the current turn of the event loop."""

from __future__ import annotations

import asyncio
from typing import Any, cast

from dragoman.server.corked import Corked


class Transport:
    def __init__(self) -> None:
        self.written: list[bytes] = []
        self.closed = False

    def write(self, data: bytes) -> None:
        self.written.append(data)

    def is_closing(self) -> bool:
        return self.closed

    def close(self) -> None:
        self.closed = True

    def get_write_buffer_size(self) -> int:
        return sum(map(len, self.written))


def corked(inner: Transport) -> Corked:
    return Corked(cast(Any, inner), asyncio.get_running_loop())


HEAD = b"HTTP/1.1 200 OK\r\n\r\n"


async def test_head_and_body_are_one_write() -> None:
    inner = Transport()
    transport = corked(inner)
    transport.write(HEAD)
    assert inner.written == []
    assert transport.get_write_buffer_size() == len(HEAD)
    transport.write(b"body")
    transport.write(b"more")
    assert inner.written == [HEAD + b"body", b"more"]


async def test_a_head_without_body_goes_out_at_the_end_of_the_turn() -> None:
    inner = Transport()
    corked(inner).write(HEAD)
    await asyncio.sleep(0)
    assert inner.written == [HEAD]


async def test_closing_sends_the_head_first() -> None:
    inner = Transport()
    transport = corked(inner)
    transport.write(HEAD)
    transport.close()
    assert inner.written == [HEAD]
    assert inner.closed


async def test_nothing_is_written_to_a_closed_connection() -> None:
    inner = Transport()
    transport = corked(inner)
    transport.write(HEAD)
    inner.closed = True
    await asyncio.sleep(0)
    assert inner.written == []
