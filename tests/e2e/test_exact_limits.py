"""Row 5.11: exactly as much passes as a limit allows, of real servers that count together, by the log of the
provider that they call.
"""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from importlib.util import find_spec
from pathlib import Path
from typing import Any, TypeAlias

import pytest

from tests.e2e.command import Serving
from tests.e2e.limited import BEYOND, OUTPUT, PLACES, Fleet, Provider, fleet
from tests.e2e.test_workers import children

pytestmark = [
    pytest.mark.skipif(sys.platform == "win32", reason="workers are forks"),
    pytest.mark.skipif(find_spec("sqlalchemy") is None, reason="workers share a database: extra `sql`"),
    pytest.mark.skipif(find_spec("valkey") is None, reason="workers share their limits: extra `valkey`"),
]
Start: TypeAlias = Callable[..., AbstractAsyncContextManager[Fleet]]
RESERVED = 100
"""More tokens than a request of these tests reserves: its body by half its bytes, and `OUTPUT`."""


@pytest.fixture
def start(environment: dict[str, str], tmp_path: Path) -> Start:
    def begin(place: str, provider: Provider | None = None, **settings: Any) -> Any:
        return fleet(place, environment, tmp_path, provider, **settings)

    return begin


def workers(server: Serving, keeper: int) -> list[int]:
    """The processes that answer requests. keeper: the one that does not."""
    found = children(server.process.pid) - {keeper}
    rows = subprocess.run(
        ["ps", "-o", "pid=,comm=", "-p", ",".join(map(str, found))],
        check=True, capture_output=True, text=True,
    )  # fmt: skip
    return [int(pid) for pid, name in map(str.split, rows.stdout.splitlines()) if "valkey" not in name]


def busiest(found: list[int]) -> int:
    """The one with the most open files, hence connections. On a busy machine some worker may have none."""
    if not Path("/proc/self/fd").is_dir():
        return found[0]
    return max(found, key=lambda pid: len(list(Path(f"/proc/{pid}/fd").iterdir())))


@pytest.mark.parametrize("place", PLACES)
async def test_never_over(start: Start, place: str) -> None:
    limits: dict[str, dict[str, Any]] = {
        "count": {"requests": "50/lifetime"},
        "tokens": {"tokens": "4000/day"},
        "money": {"money": "0.02 USD/month"},
        "beyond": {"tokens": "4000/day", "concurrency": 20},
        "slow": {"concurrency": 50},
    }
    async with start(
        place, limits={name: {**stated, "models": [name]} for name, stated in limits.items()}
    ) as one:
        await _requests(one)
        await _tokens(one)
        await _money(one)
        await _beyond(one, place)
        await _at_once(one)
        for server in range(len(one.servers)):
            await _agree(one, server)


async def _requests(one: Fleet) -> None:
    assert await one.at_once(200, "count") == {(200, None): 50, (429, "insufficient_quota"): 150}
    assert len(one.provider.log["count"]) == 50
    assert (await one.ask("count")).status == 429
    assert (await one.ask("count", "ops")).status == 200, "another key is counted apart"


async def _tokens(one: Fleet) -> None:
    """4,000 tokens, 25 for each answer: the rest that is left in the end is too small for a request."""
    found = await one.at_once(200, "tokens")
    assert set(found) <= {(200, None), (429, "insufficient_quota")}
    assert (await one.until_refused("tokens")).code == "insufficient_quota"
    assert 4000 - RESERVED < one.tokens("tokens") <= 4000


async def _money(one: Fleet) -> None:
    """0.02 USD, 0.000205 USD for each answer."""
    found = await one.at_once(200, "money")
    assert set(found) <= {(200, None), (429, "insufficient_quota")}
    assert (await one.until_refused("money")).code == "insufficient_quota"
    spent = sum(told.nano for told in one.provider.log["money"])
    assert 20_000_000 - 1_000 * RESERVED - 10_000 * OUTPUT < spent <= 20_000_000


async def _beyond(one: Fleet, place: str) -> None:
    """What a provider uses beyond what a request allows is charged afterwards: all excess is that of requests
    that ran when the limit was reached.
    """
    async with asyncio.timeout(60):
        while (await one.at_once(40, "beyond"))[200, None]:
            pass
    used = one.tokens("beyond")
    print(f"{place}: {used - 4000} tokens above 4000, of at most {20 * BEYOND}")
    assert 4000 - RESERVED < used <= 4000 + 20 * BEYOND


async def _at_once(one: Fleet) -> None:
    assert await one.at_once(200, "slow") == {(200, None): 50, (429, "rate_limit_exceeded"): 150}
    answer = await one.ask("slow")
    assert answer.status == 200, f"the places are not free again: {answer}"


async def _agree(one: Fleet, server: int) -> None:
    """What operators are told is what the provider's log says."""
    rows = (await one.get("/admin/limits", server))["data"]
    told = {
        (row["name"], row["resource"]): (row["used"], row["reserved"]) for row in rows if row["whose"] == "ci"
    }
    spent = sum(told.nano for told in one.provider.log["money"])
    assert told["count", "requests"] == (50, 0)
    assert told["tokens", "tokens"] == (one.tokens("tokens"), 0)
    assert told["money", "money"] == (spent / 1e9, 0)
    assert told["beyond", "tokens"] == (one.tokens("beyond"), 0)


async def test_of_4000_exactly_1000_pass(start: Start) -> None:
    """In 20 volleys, so that blocks are granted, used up, recalled and asked for again."""
    async with start("workers", limits={"all": {"scope": "global", "requests": "1000/day"}}) as one:
        passed = 0
        for _ in range(20):
            found = await one.at_once(200, "many")
            assert set(found) <= {(200, None), (429, "rate_limit_exceeded")}
            passed += found[200, None]
        assert passed == len(one.provider.log["many"]) == 1000


async def test_a_killed_worker_gives_back_its_reservations(start: Start) -> None:
    """Requests that a worker had sent when it was killed stay charged; the places that they held are free."""
    slow = Provider(delay=5.0)
    log = slow.log["slow"]
    limits = {"each": {"requests": "50/lifetime"}, "at-once": {"scope": "global", "concurrency": 40}}
    async with start("workers", slow, limits=limits) as one:
        keeper = (await one.get("/health"))["keeper"]["process"]
        found_workers = await asyncio.to_thread(workers, one.servers[0], keeper)
        running = asyncio.create_task(one.at_once(100, "slow"))
        async with asyncio.timeout(60):
            while len(log) < 40:  # noqa: ASYNC110 - another process sends them
                await asyncio.sleep(0.01)
        os.kill(busiest(found_workers), signal.SIGKILL)
        found = await running
        assert found[0, None] > 0, "the worker had requests"
        assert len(log) <= 50
        slow.delay = 0.01
        async with asyncio.timeout(60):
            while (await one.ask("slow")).code != "insufficient_quota":
                pass
        print(f"passed {found[200, None]}, lost {found[0, None]}, called {len(log)}")
        assert len(log) == 50, "what was sent is used, whether its answer came or not"
        assert await one.at_once(40, "slow") == {(429, "insufficient_quota"): 40}
