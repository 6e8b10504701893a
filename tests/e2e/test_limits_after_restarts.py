"""Limits go on exactly where they were: after `kill -9`, after a reload, and when the database comes late."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.command import SECONDS, Serving, chat, serving
from tests.e2e.test_workers import children
from tests.postgres import PostgresServer

pytestmark = [
    pytest.mark.skipif(sys.platform == "win32", reason="journals need locks on open files"),
    pytest.mark.skipif(find_spec("sqlalchemy") is None, reason="usage is in a database: extra `sql`"),
]
OPS = "0123456789-key-of-ops"
MOST = 12
SETTINGS: dict[str, Any] = {
    "models": {
        "of-model": {"deployments": ["simulate/echo"], "limits": {"requests": f"{MOST}/lifetime"}},
        **dict.fromkeys(("of-address", "some", "tokens", "later"), "simulate/echo"),
    },
    "limits": {
        "of-address": {"scope": "address", "models": ["of-address"], "requests": f"{MOST}/month"},
        "some": {"scope": "key", "models": ["some", "s*"], "requests": f"{MOST}/week"},
        "tokens": {"scope": "model", "only": ["tokens"], "tokens": "1000/lifetime"},
    },
    "auth": {"keys": [{"name": "ops", "key": OPS, "scopes": ["inference", "admin"]}]},
}
COUNTED = ("of-model", "of-address", "some")


class Place:
    """Where gateways run one after another. passed: how many requests had an answer, by model."""

    def __init__(self, environment: dict[str, str], folder: Path) -> None:
        self.environment = environment
        self.folder = folder
        self.passed: dict[str, int] = {}
        self.tokens = 0

    @contextmanager
    def gateway(self, *arguments: str, **settings: Any) -> Iterator[Serving]:
        (self.folder / "dragoman.yaml").write_text(json.dumps({**SETTINGS, **settings}))
        with serving(self.environment, self.folder, *arguments) as server:
            yield server

    def ask(self, server: Serving, model: str) -> int:
        """The status of an answer."""
        try:
            with chat(server.url, OPS, model=model, max_tokens=20) as answer:
                self.passed[model] = self.passed.get(model, 0) + 1
                if model == "tokens":
                    self.tokens += json.load(answer)["usage"]["total_tokens"]
                return 200
        except urllib.error.HTTPError as refused:
            return refused.code

    def until_refused(self, server: Serving, model: str) -> None:
        while (status := self.ask(server, model)) == 200:
            pass
        assert status == 429


def operate(server: Serving, method: str, path: str, body: Any = None) -> Any:
    """What an operator is told."""
    headers = {"authorization": f"Bearer {OPS}", "content-type": "application/json"}
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(server.url + path, data, headers, method=method)
    with urllib.request.urlopen(request, timeout=SECONDS) as answer:
        return json.load(answer)


def limits_store(server: Serving) -> Any:
    return operate(server, "GET", "/health")["limits_store"]


async def until(true: Callable[[], bool]) -> None:
    async with asyncio.timeout(SECONDS):
        while not await asyncio.to_thread(true):  # noqa: ASYNC110 - it is true of another process
            await asyncio.sleep(0.05)


@pytest.fixture
def place(environment: dict[str, str], tmp_path: Path) -> Place:
    return Place(environment, tmp_path)


@pytest.mark.parametrize("workers", [1, 2])
def test_every_scope_goes_on_after_kill_9(place: Place, workers: int) -> None:
    """The Valkey that workers share ends with them, so each start begins without any counter."""
    for _ in range(3):
        with place.gateway("--workers", str(workers)) as server:
            for model in (*COUNTED, "tokens"):
                for _ in range(3):
                    assert place.ask(server, model) == 200
            for pid in (server.process.pid, *children(server.process.pid, valkey=True)):
                os.kill(pid, signal.SIGKILL)
    with place.gateway("--workers", str(workers)) as server:
        for model in (*COUNTED, "tokens"):
            place.until_refused(server, model)
        told = {row["name"]: row for row in operate(server, "GET", "/admin/limits")["data"]}
    assert {model: place.passed[model] for model in COUNTED} == dict.fromkeys(COUNTED, MOST)
    assert 900 < place.tokens <= 1000
    assert told.keys() >= {"model of-model", "of-address", "some", "tokens"}


def test_a_limit_that_is_added_counts_what_is_still_in_the_journal(place: Place) -> None:
    with place.gateway("--workers", "2") as server:
        for _ in range(5):
            assert place.ask(server, "later") == 200
        limit = {"scope": "key", "requests": f"{MOST}/month"}
        operate(server, "PUT", "/admin/limits/of-keys", limit)
        place.until_refused(server, "later")
    assert place.passed == {"later": MOST}


@pytest.mark.parametrize("when_lost", ["open", "closed"])
async def test_the_database_comes_late(place: Place, postgres: PostgresServer, when_lost: str) -> None:
    with postgres.database() as url:
        stores = {"sql": url, "when_lost": when_lost}
        with place.gateway(stores=stores) as server:
            for _ in range(7):
                assert place.ask(server, "of-model") == 200
            server.stop()
        postgres.pg_ctl("stop", "-m", "fast")
        try:
            with place.gateway(stores=stores) as server:
                for _ in range(3):
                    status = await asyncio.to_thread(place.ask, server, "of-model")
                    assert status == (200 if when_lost == "open" else 503)
                told = limits_store(server)
                assert (told["kind"], told["healthy"]) == ("memory", False)
                postgres.pg_ctl("start")
                await until(lambda: bool(limits_store(server)["healthy"]))
                await asyncio.to_thread(place.until_refused, server, "of-model")
        finally:
            if not (postgres.folder / "postmaster.pid").exists():
                postgres.pg_ctl("start")
    assert place.passed == {"of-model": MOST}
