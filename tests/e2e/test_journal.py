"""Usage is in the database once, whoever is killed: a worker, the keeper, or the whole server."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sqlite3
import sys
from contextlib import closing
from importlib.util import find_spec
from pathlib import Path

import aiohttp
import pytest

from dragoman.state.usage import UsageRecord
from dragoman.state.usage_archive import UsageSearch
from dragoman.stores.open import open_store
from dragoman.testing.provider import Answer, Seen, Whole
from tests.e2e.command import Serving, serving
from tests.e2e.conftest import Provide
from tests.e2e.test_workers import children, health, until, workers

pytestmark = [
    pytest.mark.skipif(sys.platform == "win32", reason="workers are forks"),
    pytest.mark.skipif(find_spec("sqlalchemy") is None, reason="usage is in a database: extra `sql`"),
]

ANSWER = {
    "id": "c",
    "object": "chat.completion",
    "created": 1,
    "model": "m",
    "choices": [{"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": "hello"}}],
    "usage": {"prompt_tokens": 10, "completion_tokens": 2, "total_tokens": 12},
}


def answer(seen: Seen) -> Answer:
    """Answers take from 0 to 0.2 s, so that some run when a process is killed."""
    return Whole(ANSWER, delay=seen.body["max_tokens"] % 5 / 20)


class Clients:
    """Clients that ask one after another. answered: the ids of the requests that were answered with 200."""

    def __init__(self) -> None:
        self.url = ""
        self.asked = 0
        self.answered: list[str] = []
        self.statuses: set[int] = set()
        self.going = True

    async def ask(self, session: aiohttp.ClientSession) -> None:
        while self.going:
            self.asked += 1
            body = {
                "model": "up/m",
                "max_tokens": self.asked,
                "messages": [{"role": "user", "content": "hello"}],
            }
            try:
                async with session.post(f"{self.url}/v1/chat/completions", json=body) as response:
                    await response.read()
                    self.statuses.add(response.status)
                    if response.status == 200:
                        self.answered.append(response.headers["x-request-id"].replace("req_", "ex_"))
            except aiohttp.ClientError:
                await asyncio.sleep(0.05)


async def stored(home: Path) -> dict[str, UsageRecord]:
    """The usage records of the database, by id."""
    with closing(sqlite3.connect(home / "state.db")) as database:
        (number,) = database.execute("select count(*) from usage_records").fetchone()
    store = open_store("sqlite", home)
    assert store.usage is not None
    try:
        records = {one.id: one for one in await store.usage.records(UsageSearch(), 100_000)}
    finally:
        await store.close()
    assert len(records) == number
    return records


def kill(server: Serving, *pids: int) -> None:
    for pid in pids:
        os.kill(pid, signal.SIGKILL)


async def test_usage_is_what_the_provider_has_seen_whoever_is_killed(
    environment: dict[str, str], tmp_path: Path, provide: Provide
) -> None:
    provider = await provide(answer)
    config = {
        "providers": {"up": {"dialect": "openai_chat", "base_url": provider.url, "keys": ["up-key"]}},
        "retries": {"attempts": 1},
    }
    (tmp_path / "dragoman.yaml").write_text(json.dumps(config))
    clients = Clients()

    def well(server: Serving) -> bool:
        """Whether all processes run, and those that were killed are adopted."""
        journal = health(server.url)["journal"]
        adopted = (journal.get("processes"), journal.get("ended")) == (3, 0)
        return adopted and len(workers(server)) == 2

    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=60)) as session:
        for _ in range(2):
            with serving(environment, tmp_path, "--workers", "2") as server:
                clients.url, clients.going = server.url, True
                asking = [asyncio.create_task(clients.ask(session)) for _ in range(8)]
                await asyncio.to_thread(until, lambda: health(server.url)["journal"].get("stored", 0) > 0)
                kill(server, min(workers(server)))
                await asyncio.to_thread(until, lambda: well(server))
                kill(server, health(server.url)["keeper"]["process"])
                await asyncio.to_thread(until, lambda: well(server))
                await asyncio.sleep(0.5)
                kill(server, server.process.pid, *children(server.process.pid))
                clients.going = False
                await asyncio.gather(*asking)
    with serving(environment, tmp_path) as server:
        code, _, _ = await asyncio.to_thread(server.stop)
        assert code == 0
    home = Path(environment["DRAGOMAN_HOME"])
    records = await stored(home)
    cut = {id_ for id_, record in records.items() if record.cut}
    print(
        f"asked {clients.asked}, provider {len(provider.seen)}, answered {len(clients.answered)},"
        f" records {len(records)}, of them cut {len(cut)}"
    )
    assert len(clients.answered) > 50
    assert clients.statuses == {200}
    assert len(set(clients.answered)) == len(clients.answered)
    assert set(clients.answered) - records.keys() == set()
    assert set(clients.answered) & cut == set()
    assert 0 < len(cut) <= 2 * 3 * 8
    assert len(provider.seen) <= len(records) <= len(provider.seen) + len(cut)
    assert [path.name for path in (home / "journal").iterdir()] == ["reader"]
