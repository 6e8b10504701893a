"""Everything at once, for minutes: faults of four providers, clients that leave, reloads, keys that go and
come, providers that are switched off, with several workers also processes that are killed. Every answer is
held against the providers' own log.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from importlib.util import find_spec
from pathlib import Path

import aiohttp
import pytest

from tests.e2e.command import serving
from tests.e2e.soak.asking import Clients
from tests.e2e.soak.judging import Judge
from tests.e2e.soak.operating import GOES, KILLS, NARROW, RELOADS, STAYS, Soak, configuration, write
from tests.e2e.soak.processes import MB, Held, Log, descriptors, providing
from tests.e2e.test_workers import children

pytestmark = [
    pytest.mark.soak,
    pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="memory is read from /proc"),
]
SQL = pytest.mark.skipif(find_spec("sqlalchemy") is None, reason="workers share a database")


@asynccontextmanager
async def soaking(environment: dict[str, str], folder: Path, workers: int) -> AsyncIterator[tuple[Soak, Log]]:
    many = ["--workers", str(workers)] if workers > 1 else []
    with providing(0.1) as providers:
        write(folder / "dragoman.yaml", configuration(providers.url, GOES, 1))
        write(folder / "steady", "key-of-steady-0")
        with serving(environment, folder, *many) as server:
            log = Log(server)
            soak = Soak(folder, providers, server, workers)
            async with soak.session:
                yield soak, log


async def quiet(soak: Soak, pids: Callable[[], set[int]], most: int = 0) -> int:
    """The number of descriptors once nothing runs, or the first one that is at most `most`."""
    async with asyncio.timeout(60):
        while (await soak.scrape())("dragoman_streams_active"):  # noqa: ASYNC110 - of another process
            await asyncio.sleep(0.2)
    seen = 0
    for _ in range(20):
        await soak.call("POST", soak.providers.url + "/control", {"close": True})
        await asyncio.sleep(0.2)
        seen = descriptors(pids())
        if most and seen <= most:
            break
    return seen


async def load(soak: Soak, streams: int, seconds: float, held: Held | None) -> Clients:
    """Ask for so many seconds, by so many clients, and wait for the last answer."""
    connector = aiohttp.TCPConnector(limit=0)
    timeout = aiohttp.ClientTimeout(total=60)
    async with aiohttp.ClientSession(connector=connector, timeout=timeout) as session:
        clients = Clients(session, soak.server.url, [*STAYS, *GOES], seed=int(held is None))
        begun = time.monotonic()
        asking = [asyncio.ensure_future(clients.run(soak.trace)) for _ in range(streams)]
        others = (
            [asyncio.ensure_future(soak.watch()), asyncio.ensure_future(soak.operate(seconds))]
            if held
            else []
        )
        while time.monotonic() < begun + seconds:
            await asyncio.sleep(1)
            if held:
                held.look(time.monotonic() - begun)
        if others:
            await others[1]
        clients.stopped = True
        await asyncio.gather(*asking)
        for one in others:
            one.cancel()
    return clients


@pytest.mark.parametrize("workers", [1, pytest.param(4, marks=SQL)])
async def test_every_answer_under_faults_reloads_and_revoked_keys_is_right(
    environment: dict[str, str], tmp_path: Path, pytestconfig: pytest.Config, workers: int
) -> None:
    seconds, streams = pytestconfig.getoption("--soak-seconds"), pytestconfig.getoption("--soak-streams")
    async with soaking(environment, tmp_path, workers) as (soak, log):

        def pids() -> set[int]:
            return {soak.server.process.pid, *children(soak.server.process.pid)}

        await soak.accept(["key-of-steady-0"])
        warm = await load(soak, streams, min(10.0, seconds / 5), None)
        opened = await quiet(soak, pids)
        held = Held(pids)
        clients = await load(soak, streams, seconds, held)
        left = await quiet(soak, pids, opened + 5)
        clients.asked += warm.asked
        page = await soak.scrape()
        _, told = await soak.call("GET", soak.providers.url + "/log")
        judge = Judge(soak, clients, told)
        judge.judge()
        judge.traces()
        judge.counts(page)
        soak.server.process.terminate()
        await asyncio.to_thread(soak.server.process.wait, 60)
        await asyncio.to_thread(log.thread.join, 10)
        judge.logged(log)
    grown = held.grown(60 if seconds > 180 else seconds / 3)
    print(f"\n{len(clients.asked)} requests, {len(told['calls'])} calls, {soak.reloads} reloads")
    print(f"{len(soak.kills)} workers and {len(soak.keeper_kills)} keepers killed")
    print(f"{dict(judge.kinds.most_common())}\ndescriptors {opened} → {left}, grown by {grown / MB} MB")
    for at, sizes in held.seen[:: max(1, len(held.seen) // 20)]:
        print(f"{at:6.0f} s", *(f"{size / MB:.0f}" for size in sizes.values()), "MB")
    print(*judge.problems[:40], sep="\n")
    assert len(judge.problems) == 0
    assert told["most"]["narrow"] <= NARROW
    assert soak.reloads[True] + soak.reloads[False] == RELOADS
    assert len(soak.kills) == (KILLS if workers > 1 else 0)
    assert left <= opened + 5
    assert grown <= 10 * MB
