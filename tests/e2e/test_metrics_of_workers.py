"""Counts of several workers: whoever answers tells of all, and a worker that is killed takes none with it."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import aiohttp
import msgspec
import pytest

from dragoman.testing.provider import Answer, Seen
from tests.e2e import stubs
from tests.e2e.command import Serving, serving
from tests.e2e.conftest import Provide
from tests.e2e.stubs import Said
from tests.e2e.test_workers import children, keeper
from tests.scraping import Scraped

pytestmark = [
    pytest.mark.skipif(sys.platform == "win32", reason="workers are forks"),
    pytest.mark.skipif(find_spec("sqlalchemy") is None, reason="workers share a database: extra `sql`"),
]

GOOD: Any = stubs.openai_chat(Said())


def answer(seen: Seen) -> Answer:
    """An answer; to who asks for `slow` one that takes a minute."""
    made: Any = GOOD(seen)
    return msgspec.structs.replace(made, delay=60.0) if seen.body["model"] == "slow" else made


@pytest.fixture
async def session() -> AsyncIterator[aiohttp.ClientSession]:
    """Each request has a connection of its own, so that all workers get some."""
    connector = aiohttp.TCPConnector(force_close=True, limit=0)
    async with aiohttp.ClientSession(connector=connector) as session:
        yield session


async def ask(session: aiohttp.ClientSession, url: str, model: str = "gpt") -> int:
    """The status; 0 = the worker was killed."""
    body = {"model": f"up/{model}", "messages": [{"role": "user", "content": "Hello!"}]}
    try:
        async with session.post(f"{url}/v1/chat/completions", json=body) as response:
            await response.read()
            return response.status
    except aiohttp.ClientError:
        return 0


async def scraped(session: aiohttp.ClientSession, url: str) -> Scraped:
    async with session.get(f"{url}/metrics") as response:
        assert response.status == 200
        return Scraped(await response.text())


async def load(session: aiohttp.ClientSession, url: str, times: int) -> int:
    """Ask so often, sixteen at a time; how many were answered well."""
    gate = asyncio.Semaphore(16)

    async def one() -> int:
        async with gate:
            return await ask(session, url)

    return (await asyncio.gather(*(one() for _ in range(times)))).count(200)


async def page_when(session: aiohttp.ClientSession, url: str, true: Callable[[Scraped], bool]) -> Scraped:
    """The first page of which something is true; the last one if nothing makes it true."""
    page = await scraped(session, url)
    for _ in range(200):
        if true(page):
            break
        await asyncio.sleep(0.1)
        page = await scraped(session, url)
    return page


async def all_report(session: aiohttp.ClientSession, url: str) -> Scraped:
    """The page once all four workers report."""
    page = await page_when(session, url, lambda page: page("dragoman_workers_reporting") == 4)
    assert page("dragoman_workers_reporting") == 4
    return page


@contextmanager
def four_workers(environment: Mapping[str, str], folder: Path) -> Iterator[Serving]:
    """A gateway of four workers. They are killed in the end: else they would wait for their requests."""
    with serving(environment, folder, "--workers", "4") as server:
        try:
            yield server
        finally:
            workers = children(server.process.pid)
            server.process.kill()
            for worker in workers:
                os.kill(worker, signal.SIGKILL)


def configured(url: str) -> str:
    """The configuration of a gateway before one provider. Nobody reads its log."""
    provider = {"base_url": url, "keys": ["a-key"], "models": ["gpt", "slow"]}
    return json.dumps({"providers": {"up": provider}, "server": {"access_log": False}})


async def until(true: Callable[[], bool]) -> None:
    """Wait until something is true."""
    async with asyncio.timeout(60):
        while not true():  # noqa: ASYNC110 - what it waits for happens in other processes
            await asyncio.sleep(0.05)


def kill_two(server: Serving, keeper: int | None) -> None:
    """Kill two workers. keeper: its process, which answers no requests and stays."""
    for victim in sorted(children(server.process.pid) - {keeper})[:2]:
        os.kill(victim, signal.SIGKILL)


async def test_counts_equal_the_providers_log_after_two_of_four_workers_were_killed(
    environment: dict[str, str], tmp_path: Path, provide: Provide, session: aiohttp.ClientSession
) -> None:
    provider = await provide(answer)
    (tmp_path / "dragoman.yaml").write_text(configured(provider.url))
    with four_workers(environment, tmp_path) as server:
        url = server.url
        await all_report(session, url)
        answered = await load(session, url, 160)
        assert answered == 160
        hanging = [asyncio.ensure_future(ask(session, url, "slow")) for _ in range(40)]
        await until(lambda: len(provider.seen) == 200)
        workers = children(server.process.pid)
        kill_two(server, keeper(server))
        await until(lambda: len(children(server.process.pid) - workers) == 2)
        page = await all_report(session, url)
        sent = "dragoman_upstream_requests_sent_total"
        assert page(sent, provider="up", model="gpt") == 160
        assert page(sent, provider="up", model="slow") == 40
        answered += await load(session, url, 80)
        lost = sum(one.done() and one.result() == 0 for one in hanging)
        page = await page_when(session, url, lambda page: page("dragoman_requests_running") == 40 - lost)
        assert page("dragoman_requests_running") == 40 - lost, "what ran in who was killed has ended"
        assert page(sent, provider="up") == len(provider.seen) == 280
        done = {"provider": "up", "status": "200"}
        assert page("dragoman_upstream_calls_total", **done) == answered == 240
        assert page("dragoman_requests_total", model="up/gpt", outcome="done") == answered
        assert page("dragoman_http_requests_total", path="/v1/chat/completions", status="200") == answered
        assert page.labels("process_cpu_seconds_total", "worker") == {"1", "2", "3", "4"}
        assert page("dragoman_workers") == 4
    await asyncio.gather(*hanging)


async def test_counts_under_load_while_workers_are_killed_again_and_again(
    environment: dict[str, str], tmp_path: Path, provide: Provide, session: aiohttp.ClientSession
) -> None:
    """One that was counted may be lost just before it is sent, but none is sent that was not counted."""
    provider = await provide(answer)
    (tmp_path / "dragoman.yaml").write_text(configured(provider.url))
    with four_workers(environment, tmp_path) as server:
        url = server.url
        await all_report(session, url)
        its_keeper = keeper(server)
        asking = asyncio.ensure_future(load(session, url, 300))
        kills = 0
        while not asking.done() and kills < 8:
            await asyncio.sleep(0.1)
            kill_two(server, its_keeper)
            kills += 2
        answered = await asking
        page = await all_report(session, url)
        sent = page("dragoman_upstream_requests_sent_total", provider="up")
        assert len(provider.seen) <= sent <= len(provider.seen) + kills
        finished = page("dragoman_http_requests_total", path="/v1/chat/completions", status="200")
        assert answered - kills <= finished <= sent
