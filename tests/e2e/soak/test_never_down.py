"""Everything at once, for minutes: faults of four providers, clients that leave, reloads, keys that go and
come, providers that are switched off. Every answer is held against the providers' own log.
"""

from __future__ import annotations

import asyncio
import json
import math
import os
import subprocess
import sys
import threading
import time
from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from tests.conftest import ROOT
from tests.e2e.command import Serving, serving
from tests.e2e.soak.asking import Asked, Clients
from tests.e2e.soak.stub import AFTER_CONTENT, FAULTS, GOOD, PIECES
from tests.e2e.test_workers import children
from tests.scraping import Scraped

pytestmark = [
    pytest.mark.soak,
    pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="memory is read from /proc"),
]
SQL = pytest.mark.skipif(find_spec("sqlalchemy") is None, reason="workers share a database")
ADMIN = "client-key-of-the-admin"
STAYS = [f"client-key-that-stays-{n}" for n in range(4)]
GOES = [f"client-key-that-goes-{n}" for n in range(3)]
RELOADS = 20
NARROW = 12
"""How many requests run at once at the provider `narrow`, over all workers."""
MB = 1_000_000
WITHOUT_CALL = {
    "queue_full",
    "queue_timeout",
    "provider_disabled",
    "rate_limited",
    "rate_limit",
    "model_not_found",
}
"""The codes of errors that come without any call."""
SENT = "dragoman_upstream_requests_sent_total"


class Providers:
    """The process of the stub."""

    def __init__(self, pause: float) -> None:
        command = [sys.executable, "-m", "tests.e2e.soak.stub", str(pause)]
        pipe = subprocess.PIPE
        self.process = subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True, cwd=ROOT)
        assert self.process.stdout is not None
        self.url = f"http://127.0.0.1:{int(self.process.stdout.readline())}"

    def stop(self) -> None:
        self.process.communicate(timeout=30)


class Log:
    """The gateway's log, read in a thread: how many requests it tells of, and every other event."""

    def __init__(self, server: Serving) -> None:
        self.exchanges: Counter[str] = Counter()
        self.events: list[dict[str, Any]] = []
        self._server = server
        self.thread = threading.Thread(target=self._read, daemon=True)
        self.thread.start()

    def _read(self) -> None:
        for event in self._server.events():
            if event["event"] == "exchange":
                self.exchanges[event["request_id"]] += 1
            else:
                self.events.append(event)


class Held:
    """Memory of the gateway's processes, by seconds since the load began."""

    def __init__(self, pids: Callable[[], set[int]]) -> None:
        self.pids = pids
        self.seen: list[tuple[float, dict[int, int]]] = []

    def look(self, at: float) -> None:
        self.seen.append((at, {pid: _resident(pid) for pid in self.pids()}))

    def grown(self, after: float) -> float:
        """By how many bytes a process has grown: from its most in ten seconds up to `after` to its end."""
        base: dict[int, int] = defaultdict(int)
        late: dict[int, list[int]] = defaultdict(list)
        for at, sizes in self.seen:
            for pid, size in sizes.items():
                if after - 10 <= at <= after:
                    base[pid] = max(base[pid], size)
                late[pid].append(size)
        return max((max(late[pid][-10:]) - size for pid, size in base.items()), default=0)


def _resident(pid: int) -> int:
    try:
        return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except OSError:
        return 0


def _descriptors(pids: set[int]) -> int:
    return sum(len(list(Path(f"/proc/{pid}/fd").iterdir())) for pid in pids)


class Soak:
    """One run: the load, and what operators do meanwhile."""

    def __init__(
        self, folder: Path, providers: Providers, server: Serving, session: aiohttp.ClientSession
    ) -> None:
        self.folder = folder
        self.providers = providers
        self.server = server
        self.session = session
        self.gone: dict[str, list[tuple[float, float]]] = defaultdict(list)
        """When each key was certainly refused: monotonic seconds."""
        self.uncertain: dict[str, list[tuple[float, float]]] = defaultdict(list)
        """When it may have been: a change was under way."""
        self.off: list[tuple[str, float, float]] = []
        self.reloads: Counter[bool] = Counter()
        self.problems: list[str] = []
        self.out: dict[str, float] = {}
        self.weights = 1

    async def call(self, method: str, url: str, body: Any = None) -> tuple[int, Any]:
        headers = {"authorization": f"Bearer {ADMIN}", "connection": "close"}
        async with self.session.request(method, url, json=body, headers=headers) as response:
            return response.status, await response.json()

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
            if number % 4 == 3:
                await self.reload_badly(number, watched=watched)
            else:
                await self.reload(GOES[number % len(GOES)], watched=watched)
            if number % 2:
                await self.rotate(f"key-of-steady-{number}")
            if number % 5 == 4:
                await self.switch(("flaky", "limited")[number % 2], min(5.0, seconds / 60))

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
        """Switch a provider off and on."""
        status, told = await self.admin("POST", f"/admin/providers/{name}/disable")
        assert status == 200, told
        off = time.monotonic()
        await asyncio.sleep(seconds)
        self.off.append((name, off, time.monotonic()))
        status, told = await self.admin("POST", f"/admin/providers/{name}/enable")
        assert status == 200, told

    # What operators read --------------------------------------------------------------------------

    async def watch(self) -> None:
        """Scrape and list without end."""
        before: Scraped | None = None
        while True:
            page = await self.scrape()
            if before is not None:
                self.compare(before, page)
            before = page
            status, told = await self.admin("GET", "/admin/exchanges?limit=50")
            if status != 200 or not told["data"]:
                self.problems.append(f"/admin/exchanges: {status} {told}")
            await asyncio.sleep(2)

    async def scrape(self) -> Scraped:
        headers = {"authorization": f"Bearer {ADMIN}", "connection": "close"}
        async with self.session.get(f"{self.server.url}/metrics", headers=headers) as response:
            assert response.status == 200
            return Scraped(await response.text())

    def compare(self, before: Scraped, page: Scraped) -> None:
        for key, value in before.samples.items():
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
    patience = {"timeouts": {"first_byte": "4s", "idle": "4s"}}
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
            "switch_after": "2s",
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


# Judgement ----------------------------------------------------------------------------------------


class Judge:
    """Holds what the clients saw against what the providers have logged. problems: what does not fit."""

    def __init__(self, soak: Soak, clients: Clients, log: dict[str, Any]) -> None:
        self.soak = soak
        self.asked = {one.marker: one for one in clients.asked}
        self.calls: dict[str, list[dict[str, Any]]] = defaultdict(list)
        for call in log["calls"]:
            self.calls[call["marker"]].append(call)
        self.problems = list(soak.problems)
        self.kinds: Counter[str] = Counter()

    def judge(self) -> None:
        for key, since in self.soak.out.items():
            self.soak.gone[key].append((since, math.inf))
        for marker in self.calls.keys() - self.asked.keys():
            self.problems.append(f"a call that nobody asked for: {self.calls[marker]}")
        for one in self.asked.values():
            wrong = self._wrong(one, self.calls[one.marker]) or self._times(one)
            if wrong:
                self.problems.append(f"{wrong}: {one} {self.calls[one.marker]}")

    def _wrong(self, one: Asked, calls: list[dict[str, Any]]) -> str:
        last = calls[-1] if calls else None
        finished = [call for call in calls if call["fault"] in GOOD and call["done"]]
        if one.fault():
            return one.fault()
        if one.lost:
            return "no answer"
        if one.calls() and (last is None or one.calls() != {last["number"]}):
            return "the answer is not of the last call"
        if one.left:
            self.kinds["left"] += 1
            return ""
        if len(finished) > 1 or (finished and not one.complete):
            return "a good answer did not arrive, or there are two"
        if one.error is None:
            self.kinds["done"] += 1
            whole = one.text.count("/") == PIECES
            return "" if one.complete and whole and finished else "an answer that is not whole"
        self.kinds[f"{one.status} {one.error.get('code') or one.error.get('type')}"] += 1
        return self._refused(one, last)

    def _refused(self, one: Asked, last: dict[str, Any] | None) -> str:
        assert one.error is not None
        if one.complete:
            return "an error, and an end"
        if one.error.get("code") == "internal_error":
            return "a bug"
        if one.status == 401:
            return "" if last is None else "a refused key led to a call"
        code = one.error.get("code") or one.error.get("type")
        if last is None:
            told = code in WITHOUT_CALL or one.error.get("type") in {
                "rate_limit_error",
                "api_error",
                "overloaded_error",
            }
            return "" if told and one.status in {429, 503} else "an error without a call"
        if one.status == 200:
            return "" if last["fault"] in AFTER_CONTENT else "a stream broke that the provider did not break"
        return "" if one.status in {400, 429, 500, 502, 503, 504, 529} else "a strange error"

    def _times(self, one: Asked) -> str:
        """What was refused or switched off during all of the request's time, or never, must show."""
        during = (one.began, one.ended)
        if any(_within(during, span) for span in self.soak.gone[one.key]) and one.status != 401:
            return "a removed key was served"
        spans = [*self.soak.gone[one.key], *self.soak.uncertain[one.key]]
        if one.status == 401 and not any(_meets(during, span) for span in spans):
            return "a good key was refused"
        for name, *span in self.soak.off:
            called = {call["provider"] for call in self.calls[one.marker]}
            if name in called and _within(during, (span[0], span[1])):
                return f"{name} was called while it was disabled"
        return ""

    def traces(self) -> None:
        """Each call of a request stands in its trace."""
        for one in self.asked.values():
            if one.traced is None or one.left:
                continue
            told = one.traced["told"]
            tried = [attempt["deployment"].partition("/")[0] for attempt in told.get("attempts") or ()]
            called = [call["provider"] for call in self.calls[one.marker]]
            if one.traced["status"] == 404 and one.status == 401:
                continue
            if one.traced["status"] != 200 or tried != called:
                self.problems.append(f"the trace tells of {tried}, called were {called}: {one}")

    def counts(self, page: Scraped) -> None:
        called = Counter(call["provider"] for calls in self.calls.values() for call in calls)
        for name in FAULTS:
            if page(SENT, provider=name) != called[name]:
                self.problems.append(
                    f"{SENT} of {name}: {page(SENT, provider=name)}, the log has {called[name]}"
                )

    def logged(self, log: Log) -> None:
        self.problems += [
            f"logged: {event}" for event in log.events if event.get("level") in {"error", "critical"}
        ]
        for one in self.asked.values():
            if one.request_id and log.exchanges[one.request_id] != 1:
                self.problems.append(f"{log.exchanges[one.request_id]} lines of the log for {one}")


def _within(inner: tuple[float, float], outer: tuple[float, float]) -> bool:
    return outer[0] <= inner[0] and inner[1] <= outer[1]


def _meets(one: tuple[float, float], other: tuple[float, float]) -> bool:
    return one[0] <= other[1] and other[0] <= one[1]


# The run ------------------------------------------------------------------------------------------


@contextmanager
def providing(pause: float) -> Iterator[Providers]:
    providers = Providers(pause)
    try:
        yield providers
    finally:
        providers.stop()


@asynccontextmanager
async def soaking(environment: dict[str, str], folder: Path, workers: int) -> AsyncIterator[tuple[Soak, Log]]:
    many = ["--workers", str(workers)] if workers > 1 else []
    connector = aiohttp.TCPConnector(limit=0)
    with providing(0.1) as providers:
        write(folder / "dragoman.yaml", configuration(providers.url, GOES, 1))
        write(folder / "steady", "key-of-steady-0")
        with serving(environment, folder, *many) as server:
            log = Log(server)
            timeout = aiohttp.ClientTimeout(total=60)
            async with aiohttp.ClientSession(connector=connector, timeout=timeout) as session:
                yield Soak(folder, providers, server, session), log


async def quiet(soak: Soak, pids: Callable[[], set[int]], most: int = 0) -> int:
    """The number of descriptors once nothing runs, or the first one that is at most `most`."""
    async with asyncio.timeout(60):
        while (await soak.scrape())("dragoman_streams_active"):  # noqa: ASYNC110 - of another process
            await asyncio.sleep(0.2)
    seen = 0
    for _ in range(20):
        await soak.call("POST", soak.providers.url + "/control", {"close": True})
        await asyncio.sleep(0.2)
        seen = _descriptors(pids())
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
    print(f"{dict(judge.kinds.most_common())}\ndescriptors {opened} → {left}, grown by {grown / MB} MB")
    for at, sizes in held.seen[:: max(1, len(held.seen) // 20)]:
        print(f"{at:6.0f} s", *(f"{size / MB:.0f}" for size in sizes.values()), "MB")
    assert judge.problems[:10] == []
    assert told["most"]["narrow"] <= NARROW
    assert soak.reloads[True] + soak.reloads[False] == RELOADS
    assert left <= opened + 5
    assert grown <= 10 * MB
