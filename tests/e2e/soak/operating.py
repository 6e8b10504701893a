"""What operators do while clients ask: reloads, keys that go and come, providers that are switched off,
processes that are killed; and what they read meanwhile.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import time
from collections import Counter, defaultdict
from pathlib import Path
from typing import Any

import aiohttp

from tests.e2e.command import Serving
from tests.e2e.soak.asking import Asked
from tests.e2e.soak.processes import Providers
from tests.e2e.soak.stub import FAULTS
from tests.e2e.test_workers import children
from tests.scraping import Scraped

ADMIN = "client-key-of-the-admin"
STAYS = [f"client-key-that-stays-{n}" for n in range(4)]
GOES = [f"client-key-that-goes-{n}" for n in range(3)]
RELOADS = 20
NARROW = 12
"""How many requests run at once at the provider `narrow`, over all workers."""
PATIENCE = 4
"""Seconds after which a deployment that is silent is left."""
SWITCH_AFTER = 2
"""Seconds after which the model `fast` leaves a deployment that has not begun to answer."""
KEEPER_DIES = 1
WORKERS_DIE = (5, 8, 17)
"""The numbers of the reloads before and in which they are killed."""
SWITCHES = 4
"""How often a provider is switched off; a worker is killed each time."""
KILLS = len(WORKERS_DIE) + SWITCHES
GRACE = 2.0
"""Seconds. A client may use a connection for so long after its worker was killed."""


class Soak:
    """One run: the load, and what operators do meanwhile. workers: how many there are; several are also
    killed, and the keeper once.
    """

    def __init__(self, folder: Path, providers: Providers, server: Serving, workers: int) -> None:
        self.folder = folder
        self.providers = providers
        self.server = server
        self.workers = workers
        self.session = aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=60))
        self.gone: dict[str, list[tuple[float, float]]] = defaultdict(list)
        """When each key was certainly refused: monotonic seconds."""
        self.uncertain: dict[str, list[tuple[float, float]]] = defaultdict(list)
        """When it may have been: a change was under way."""
        self.off: list[tuple[str, float, float]] = []
        self.reloads: Counter[bool] = Counter()
        self.problems: list[str] = []
        self.out: dict[str, float] = {}
        self.weights = 1
        self.kills: list[float] = []
        """When a worker was killed: monotonic seconds."""
        self.keeper_kills: list[float] = []

    def killed(self, since: float) -> bool:
        """Whether a process was killed since then, or shortly before: who asked has met a dead connection."""
        return any(at >= since - GRACE for at in (*self.kills, *self.keeper_kills))

    async def text_of(self, method: str, url: str, body: Any = None) -> tuple[int, str]:
        """Status and body of an answer. A question that a killed worker had is asked again."""
        headers = {"authorization": f"Bearer {ADMIN}", "connection": "close"}
        began = time.monotonic()
        while True:
            try:
                async with self.session.request(method, url, json=body, headers=headers) as response:
                    return response.status, await response.text()
            except aiohttp.ClientError:
                if method != "GET" or not self.killed(began) or time.monotonic() > began + 30:
                    raise

    async def call(self, method: str, url: str, body: Any = None) -> tuple[int, Any]:
        status, text = await self.text_of(method, url, body)
        return status, json.loads(text)

    async def admin(self, method: str, path: str, body: Any = None) -> tuple[int, Any]:
        return await self.call(method, self.server.url + path, body)

    def text(self, **more: Any) -> str:
        return configuration(
            self.providers.url, [key for key in GOES if key not in self.out], self.weights, **more
        )

    # What operators do ----------------------------------------------------------------------------

    async def operate(self, seconds: float) -> None:
        """Twenty reloads, every fourth a bad one, and in between what else operators do."""
        begun = time.monotonic()
        for number in range(RELOADS):
            await asyncio.sleep(max(0.0, begun + (number + 0.5) * seconds / (RELOADS + 1) - time.monotonic()))
            watched = number % 3 == 2
            if self.workers > 1 and number == KEEPER_DIES:
                await self.kill_keeper()
            killing = asyncio.ensure_future(self.kill(number))
            if number % 4 == 3:
                await self.reload_badly(number, watched=watched)
            else:
                await self.reload(GOES[number % len(GOES)], watched=watched)
            await killing
            if number % 2:
                await self.rotate(f"key-of-steady-{number}")
            if number % 5 == 4:
                await self.switch(("flaky", "limited")[number % 2], min(5.0, seconds / 60))

    # Kills -----------------------------------------------------------------------------------------

    async def kill(self, number: int) -> None:
        """Kill a worker in the middle of some of the reloads that the parent begins by itself."""
        if self.workers > 1 and number in WORKERS_DIE:
            await asyncio.sleep(number % 4)
            await self.kill_worker()

    async def kill_worker(self) -> None:
        """Kill the youngest worker: the memory of the others is watched. Wait for the next one."""
        keeper, processes = await self.processes()
        os.kill(max(processes - {keeper}), signal.SIGKILL)
        self.kills.append(time.monotonic())
        await self.whole()

    async def kill_keeper(self) -> None:
        """Kill the keeper: nobody's request breaks. Wait for the next one."""
        keeper, _ = await self.processes()
        assert keeper is not None
        os.kill(keeper, signal.SIGKILL)
        self.keeper_kills.append(time.monotonic())
        await self.whole(keeper)

    async def processes(self) -> tuple[int | None, set[int]]:
        """The keeper's process, None = it is missing; the keeper and all workers."""
        _, health = await self.admin("GET", "/health")
        return health["keeper"]["process"], await asyncio.to_thread(children, self.server.process.pid)

    async def whole(self, gone: int | None = None) -> None:
        """Wait until all workers and a keeper are there. gone: the process of the one that was killed."""
        end, health = time.monotonic() + 60, dict[str, Any]()
        while time.monotonic() < end:
            keeper, processes = await self.processes()
            _, health = await self.admin("GET", "/health")
            there = health["reporting"] == self.workers and len(processes) == self.workers + 1
            if there and keeper is not None and keeper != gone and keeper in processes:
                return
            await asyncio.sleep(0.2)
        self.problems.append(f"who was killed was not replaced within 60 s: {health}")

    # Reloads ---------------------------------------------------------------------------------------

    async def reload(self, key: str, *, watched: bool) -> None:
        """Let this client's key go, or come back."""
        since, began = self.out.pop(key, 0.0), time.monotonic()
        if since:
            self.gone[key].append((since, began))
        else:
            self.out[key] = 0.0
        self.weights += 1
        await self.change(self.text(), watched=watched, good=True)
        self.uncertain[key].append((began, time.monotonic()))
        if not since:
            self.out[key] = time.monotonic()

    async def reload_badly(self, number: int, *, watched: bool) -> None:
        bad = (
            self.text(nonsense=1),
            self.text()[:-20],
            self.text(default_model="nobody/knows/it", strict="perhaps"),
        )
        await self.change(bad[number % len(bad)], watched=watched, good=False)
        write(self.folder / "dragoman.yaml", self.text())
        await self.settled(good=True)

    async def change(self, text: str, *, watched: bool, good: bool) -> None:
        write(self.folder / "dragoman.yaml", text)
        self.reloads[good] += 1
        if watched:
            await self.settled(good=good)
            return
        status, told = await self.admin("POST", "/admin/reload")
        if status != (200 if good else 400):
            self.problems.append(f"reload: {status} {told}")

    async def settled(self, *, good: bool) -> None:
        """Wait until the changed file was taken or refused, and a moment longer for the other workers."""
        end, health = time.monotonic() + 30, dict[str, Any]()
        while time.monotonic() < end:
            _, health = await self.admin("GET", "/health")
            if (health["config"]["error"] is None) == good and (not good or await self.taken()):
                await asyncio.sleep(1)
                return
            await asyncio.sleep(0.2)
        self.problems.append(f"a change of the file was not seen, good: {good}, {health}")

    async def taken(self) -> bool:
        """Whether the latest good configuration is in force: the name of one of its models says so."""
        _, models = await self.admin("GET", "/v1/models")
        return f"added-{self.weights}" in {model["id"] for model in models["data"]}

    async def rotate(self, key: str) -> None:
        """The provider's key: as soon as its file has changed, the old one is refused."""
        file = self.folder / "steady"
        old = file.read_text()
        await self.accept([old, key])
        write(file, key)
        await self.accept([key])

    async def accept(self, keys: list[str]) -> None:
        await self.call("POST", self.providers.url + "/control", {"accept": {"steady": keys}})

    async def switch(self, name: str, seconds: float) -> None:
        """Switch a provider off and on. A worker that comes meanwhile must know."""
        status, told = await self.admin("POST", f"/admin/providers/{name}/disable")
        assert status == 200, told
        off = time.monotonic()
        if self.workers > 1:
            await self.kill_worker()
        await asyncio.sleep(seconds)
        self.off.append((name, off, time.monotonic()))
        status, told = await self.admin("POST", f"/admin/providers/{name}/enable")
        assert status == 200, told

    # What operators read --------------------------------------------------------------------------

    async def watch(self) -> None:
        """Scrape and list without end."""
        before: Scraped | None = None
        while True:
            began = time.monotonic()
            page = await self.scrape()
            if before is not None:
                self.compare(before, page)
            before = page
            status, told = await self.admin("GET", "/admin/exchanges?limit=50")
            if status != 200 or (not told["data"] and not self.killed(began)):
                self.problems.append(f"/admin/exchanges: {status} {told}")
            await asyncio.sleep(2)

    async def scrape(self) -> Scraped:
        status, text = await self.text_of("GET", f"{self.server.url}/metrics")
        assert status == 200
        return Scraped(text)

    def compare(self, before: Scraped, page: Scraped) -> None:
        """Counts never fall, also when a worker is replaced; only those of one process begin anew."""
        for key, value in before.samples.items():
            if key[0].startswith(("process_", "python_")):
                continue
            if key[0].endswith("_total") and page.samples.get(key, -1) < value:
                self.problems.append(f"a count fell: {key} {value} → {page.samples.get(key)}")

    async def trace(self, one: Asked) -> Any:
        if not one.request_id:
            return None
        status, told = await self.admin("GET", f"/admin/exchanges/{one.request_id}")
        return {"status": status, "told": told}


def write(file: Path, text: str) -> None:
    """Replace a file at once."""
    new = file.with_suffix(".new")
    new.write_text(text)
    new.chmod(0o600)
    new.replace(file)


def configuration(url: str, goes: list[str], weight: int, **more: Any) -> str:
    patience = {"timeouts": {"first_byte": f"{PATIENCE}s", "idle": f"{PATIENCE}s"}}
    providers = {
        name: {"dialect": "openai_chat", "base_url": f"{url}/{name}", "keys": [f"key-of-{name}"], **patience}
        for name in FAULTS
    }
    providers["limited"] |= {"dialect": "anthropic", "keys": ["key-1-of-limited", "key-2-of-limited"]}
    providers["steady"] |= {"keys": {"file": "steady"}}
    providers["narrow"] |= {"concurrency": {"limit": NARROW, "queue": 1000, "wait": "5s"}}
    weighted = [{"use": "steady/m", "weight": 1 + weight % 3}, {"use": "limited/m"}, {"use": "flaky/m"}]
    models = {
        "even": {"policy": "weighted", "deployments": weighted},
        "pinned": {"policy": "affinity", "deployments": ["flaky/m", "limited/m", "steady/m"]},
        "fast": {
            "policy": "latency",
            "deployments": ["flaky/m", "narrow/m", "steady/m"],
            "switch_after": f"{SWITCH_AFTER}s",
        },
        "stepped": {"use": "flaky/m", "fallbacks": ["limited/m", "steady/m"]},
        "tight": {"use": "narrow/m", "concurrency": {"limit": 20, "queue": 1000, "wait": "10s"}},
        f"added-{weight}": "steady/m",
    }
    keys: list[Any] = [{"name": "admin", "key": ADMIN, "scopes": ["inference", "admin"]}]
    keys += [{"name": key[-7:], "key": key} for key in [*STAYS, *goes]]
    told = {
        "providers": providers,
        "models": models,
        "auth": {"keys": keys},
        "reload": {"poll": "2s"},
        **more,
    }
    return json.dumps(told, indent=1)
