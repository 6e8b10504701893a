"""A client that reads slowly holds the provider back, and nothing piles up in between (rows 2.28, 0.26)."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import pytest

from tests.e2e import stubs
from tests.e2e.calls import CHAT, HELLO, MODELS
from tests.e2e.conftest import Visit, up
from tests.e2e.rawprovider import STREAM, RawProvider, Script

MB = 1_000_000
PIECE = b"~" * 32_000
EVERY = pytest.mark.parametrize("dialect", list(stubs.DIALECTS))


class Flood:
    """A script that streams this many bytes of content as fast as they are taken, and counts them."""

    def __init__(self, dialect: str, size: int) -> None:
        sent, at = stubs.frames(dialect, "-----"), stubs.OPENING[dialect]
        self._start = stubs.joined(dialect, sent[:at])
        self._content = stubs.joined(dialect, sent[at : at + 1]).replace(b"-----", PIECE)
        self._end = stubs.joined(dialect, sent[at + 1 :])
        self._frames = size // len(PIECE)
        self.size = self._frames * len(PIECE)
        self.written = 0

    async def __call__(self, writer: asyncio.StreamWriter) -> None:
        writer.write(STREAM + self._start)
        for _ in range(self._frames):
            writer.write(self._content)
            await writer.drain()
            self.written += len(PIECE)
        writer.write(self._end)
        await writer.drain()


@asynccontextmanager
async def flooding(flood: Script) -> AsyncIterator[RawProvider]:
    async with RawProvider(flood) as provider:
        yield provider


async def stalled(progress: Callable[[], int]) -> int:
    """Wait until the progress has stood still for 0.2 s; where it stands."""
    seen, still = progress(), 0
    while still < 4:
        await asyncio.sleep(0.05)
        still = still + 1 if progress() == seen else 0
        seen = progress()
    return seen


@EVERY
async def test_a_client_that_does_not_read_holds_the_provider_back(visit: Visit, dialect: str) -> None:
    """2.28: the provider stands still while its client does, and goes on with it; not a byte is lost."""
    flood = Flood(dialect, 40 * MB)
    async with flooding(flood) as provider:
        site = await visit(up(provider.url, dialect))
        async with site.open(MODELS[dialect], stream=True) as response:
            await response.content.readexactly(1)
            # What the kernel's socket buffers on both ways hold, and nothing more.
            assert await stalled(lambda: flood.written) < 30 * MB
            text = (await response.content.read()).count(b"~")
    assert text == flood.size


@EVERY
async def test_a_client_that_leaves_a_stalled_stream_frees_the_provider(visit: Visit, dialect: str) -> None:
    """0.26: also while a write waits for the client to read."""
    flood = Flood(dialect, 200 * MB)
    exchanges: list[object] = []
    async with flooding(flood) as provider:
        site = await visit(up(provider.url, dialect), observers=[exchanges.append])
        async with site.open(MODELS[dialect], stream=True) as response:
            await response.content.readexactly(1)
            await stalled(lambda: flood.written)
            response.close()
        async with asyncio.timeout(60):
            while not exchanges:  # noqa: ASYNC110 - an observer is a plain function
                await asyncio.sleep(0.01)
    assert flood.written < flood.size


@asynccontextmanager
async def process(configuration: Path) -> AsyncIterator[tuple[str, int]]:
    """A gateway in a process of its own: its origin and its process id."""
    command = [sys.executable, "-m", "dragoman", "serve", "--config", str(configuration), "--port", "0"]
    serving = await asyncio.create_subprocess_exec(*command, stderr=asyncio.subprocess.PIPE)
    assert serving.stderr is not None
    try:
        ready = json.loads(await serving.stderr.readline())
        yield f"http://127.0.0.1:{ready['port']}", serving.pid
    finally:
        serving.send_signal(signal.SIGTERM)
        await serving.wait()


def resident(pid: int) -> int:
    """Bytes of memory that a process holds."""
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


@pytest.mark.soak
@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="memory is read from /proc")
@EVERY
async def test_100_mb_through_a_slow_reader_keep_memory_flat(tmp_path: Path, dialect: str) -> None:
    """2.28: RSS stays flat over a 100 MB stream to a reader that sleeps."""
    flood = Flood(dialect, 100 * MB)
    configuration = tmp_path / "dragoman.yaml"
    async with flooding(flood) as provider:
        configuration.write_text(json.dumps(up(provider.url, dialect)))
        async with process(configuration) as (base, pid), aiohttp.ClientSession() as session:
            body = {"model": MODELS[dialect], "messages": HELLO, "stream": True}
            async with session.post(base + CHAT, json=body) as response:
                text, held = 0, []
                while data := await response.content.readany():
                    text += data.count(b"~")
                    held.append(resident(pid))
                    await asyncio.sleep(0.01)
    assert text == flood.size
    assert len(held) > 100
    # What is kept of an answer for its next turn is let go of after 16 MB of it. From there on nothing grows.
    late = held[len(held) // 5 :]
    assert max(late) - late[0] < 8 * MB
    assert max(held) - late[-1] < 24 * MB
