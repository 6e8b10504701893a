"""Minutes of our own client against servers that come and go: `make soak`.

Every answer is matched with what the servers have seen: nothing is lost but what RFC 9112 leaves open,
nothing is sent twice, no answer is another request's, and neither descriptors nor memory grow.
"""

from __future__ import annotations

import asyncio
import gc
import os
import random
import tracemalloc
from collections import Counter
from pathlib import Path

import pytest
from yarl import URL

from dragoman.net.client import Head
from dragoman.net.failures import Failure
from dragoman.net.h1.client import HTTPClient
from tests.unit.net.h1.peer import HEADERS, Peer, ask, calling, piece, serving

SECONDS = float(os.environ.get("DRAGOMAN_SOAK_SECONDS", "600"))
STREAMS = 500


def descriptors() -> int:
    """The open file descriptors of this process."""
    return len(list(Path("/proc/self/fd").iterdir()))


class Flapping:
    """A server whose connections end at any moment. seen: how often each body came."""

    def __init__(self, seed: int, *, streams: bool) -> None:
        self.rng = random.Random(seed)
        self.seen: Counter[bytes] = Counter()
        self.streams = streams

    async def serve(self, peer: Peer) -> None:
        rng = self.rng
        while True:
            _, body = await peer.request()
            self.seen[body] += 1
            fate = rng.random()
            if fate < 0.02:
                peer.reset()
                return
            if fate < 0.04:
                return
            head = b"HTTP/1.1 200 OK\r\n" + (b"connection: close\r\n" if fate < 0.06 else b"")
            if self.streams:
                await self.stream(peer, head, body)
            elif fate < 0.08:
                peer.writer.write(head + b"content-length: 99\r\n\r\n" + body[:3])
                return
            else:
                peer.writer.write(head + b"content-length: %d\r\n\r\n%b" % (len(body), body))
            if fate < 0.06 or (fate < 0.2 and rng.random() < 0.5):
                return
            if fate > 0.98:
                peer.reset()
                return

    async def stream(self, peer: Peer, head: bytes, body: bytes) -> None:
        rng = self.rng
        peer.writer.write(head + b"transfer-encoding: chunked\r\ncontent-type: text/event-stream\r\n\r\n")
        for number in range(rng.randint(1, 30)):
            event = b"data: %b %d\n\n" % (body, number)
            peer.writer.write(b"%x\r\n%b\r\n" % (len(event), event))
            await peer.writer.drain()
            await asyncio.sleep(rng.random() * 0.5)
            if rng.random() < 0.002:
                peer.reset()
                raise ConnectionResetError
        peer.writer.write(b"0\r\n\r\n")
        await peer.writer.drain()


async def asked(
    client: HTTPClient, url: URL, body: bytes, limit: asyncio.Semaphore, results: Counter[str]
) -> None:
    """Send one request, and count how it ends: `answered`, with its own body, or the name of the failure."""
    async with limit:
        try:
            assert await ask(client, url, "POST", body) == (200, body)
            results["answered"] += 1
        except Failure as failure:
            results[type(failure).__name__] += 1


@pytest.mark.soak
async def test_ten_thousand_requests_over_flapping_servers() -> None:
    servers = [Flapping(seed, streams=False) for seed in range(5)]
    results: Counter[str] = Counter()
    async with calling() as client:
        for round_ in range(10):
            async with serving(servers[round_ % 5].serve) as server:
                limit = asyncio.Semaphore(50)
                names = [b"request-%d" % (round_ * 1000 + number) for number in range(1000)]
                await asyncio.gather(*(asked(client, server.url, name, limit, results) for name in names))
    seen: Counter[bytes] = Counter()
    for flapping in servers:
        seen += flapping.seen
    assert max(seen.values()) == 1, "a request was sent twice"
    assert sum(results.values()) == 10_000
    assert results["answered"] > 8500
    assert set(results) <= {"answered", "Disconnected", "Truncated", "NotReached"}


@pytest.mark.soak
async def test_streams_for_minutes_leave_nothing_behind() -> None:
    server_side = Flapping(7, streams=True)
    results: Counter[str] = Counter()
    loop = asyncio.get_running_loop()
    ends = loop.time() + SECONDS
    figures: list[tuple[int, int]] = []
    number = 0
    async with serving(server_side.serve) as server, calling(idle=5.0) as client:

        async def one(name: bytes) -> None:
            try:
                answer = await client.request(Head("POST", server.url, HEADERS), name, connect=5.0)
            except Failure as failure:
                results[type(failure).__name__] += 1
                return
            try:
                data = b""
                leaves = random.random() < 0.1
                while part := await piece(answer):
                    data += part
                    if leaves and len(data) > 200:
                        results["left"] += 1
                        return
                events = data.split(b"\n\n")[:-1]
                assert events == [b"data: %b %d" % (name, at) for at in range(len(events))]
                results["answered"] += 1
            except Failure as failure:
                results[type(failure).__name__] += 1
            finally:
                answer.release()

        async def forever() -> None:
            nonlocal number
            while loop.time() < ends:
                number += 1
                await one(b"stream-%d" % number)

        running = [asyncio.ensure_future(forever()) for _ in range(STREAMS)]
        tracemalloc.start()
        while loop.time() < ends:
            await asyncio.sleep(min(SECONDS / 10, 30))
            gc.collect()
            figures.append((tracemalloc.get_traced_memory()[0], descriptors()))
            server.peers[:] = [peer for peer in server.peers if not peer.writer.is_closing()]
        tracemalloc.stop()
        await asyncio.gather(*running)
    assert sum(results.values()) == number == sum(server_side.seen.values()) + results["NotReached"]
    assert max(server_side.seen.values()) == 1, "a request was sent twice"
    assert results["answered"] > 0.8 * number
    early, late = figures[len(figures) // 3], figures[-1]
    assert late[1] < 1.3 * early[1] + 50, figures
    assert late[0] < 1.5 * early[0] + 10_000_000, figures
