"""Lists of models under `dragoman serve`: one process fetches them, all workers use them."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from tests.e2e.command import Serving, run, serving
from tests.e2e.conftest import Provide
from tests.e2e.test_discovery import KEY, Lists, openai
from tests.e2e.test_shared_health import Start, health, until

pytestmark = [
    pytest.mark.skipif(sys.platform == "win32", reason="workers are forks"),
    pytest.mark.skipif(find_spec("sqlalchemy") is None, reason="workers share a database: extra `sql`"),
]


@pytest.fixture
def start(environment: dict[str, str], tmp_path: Path) -> Iterator[Start]:
    """Start a gateway that fetches lists of models."""
    with ExitStack() as stack:

        def begin(settings: dict[str, Any], *arguments: str) -> Serving:
            (tmp_path / "dragoman.yaml").write_text(json.dumps({**settings, "discover": True}))
            named = {name: value for name, value in environment.items() if name != "DRAGOMAN_DISCOVER"}
            return stack.enter_context(serving(named, tmp_path, *arguments))

        yield begin


async def names(server: Serving) -> set[str]:
    """The model list of some worker: the connection is new."""
    connector = aiohttp.TCPConnector(force_close=True)
    async with (
        aiohttp.ClientSession(connector=connector) as session,
        session.get(f"{server.url}/v1/models") as response,
    ):
        return {one["id"] for one in (await response.json())["data"]}


async def test_all_workers_learn_what_the_keeper_fetches(
    start: Start, provide: Provide, environment: dict[str, str], tmp_path: Path
) -> None:
    lists = Lists("/v1/models", {"": openai("old")})
    up = await provide(lists)
    settings = {"providers": {"up": {"dialect": "openai_chat", "base_url": up.url, "keys": [KEY]}}}
    server = await asyncio.to_thread(start, settings, "--workers", "3")

    async def all_list(name: str) -> bool:
        return all([f"up/{name}" in await names(server) for _ in range(12)])

    await until(lambda: all_list("old"))
    assert len(lists.asked) == 1
    lists.pages[""] = openai("new")
    told = await asyncio.to_thread(run, environment, tmp_path, "models", "refresh", "--json")
    assert told.returncode == 0, told.stderr
    assert [(one["provider"], one["models"]) for one in json.loads(told.stdout)] == [("up", 1)]
    await until(lambda: all_list("new"))
    assert len(lists.asked) == 2

    keeper = (await health(server))["keeper"]["process"]
    os.kill(keeper, signal.SIGKILL)

    async def another() -> bool:
        found = (await health(server))["keeper"]
        return found["state"] == "running" and found["process"] != keeper

    await until(another)
    assert await all_list("new")
    assert len(lists.asked) == 2, "the new keeper has the list from its file"
    lists.pages[""] = openai("newest")
    told = await asyncio.to_thread(run, environment, tmp_path, "models", "refresh")
    assert told.returncode == 0, told.stderr
    await until(lambda: all_list("newest"))


async def test_the_command_fetches_where_no_gateway_runs(
    start: Start, provide: Provide, environment: dict[str, str], tmp_path: Path
) -> None:
    """It keeps the lists for the next start, and says which one it could not fetch."""
    lists = Lists("/v1/models", {"": openai("one", "two")})
    up = await provide(lists)
    dead = {"dialect": "openai_chat", "base_url": "http://127.0.0.1:9", "keys": [KEY]}
    good = {"dialect": "openai_chat", "base_url": up.url, "keys": [KEY]}
    del environment["DRAGOMAN_DISCOVER"]
    (tmp_path / "dragoman.yaml").write_text(json.dumps({"providers": {"up": good, "dead": dead}}))
    told = await asyncio.to_thread(run, environment, tmp_path, "models", "refresh", "--json")
    assert told.returncode == 1
    rows = {one["provider"]: one for one in json.loads(told.stdout)}
    assert (rows["up"]["models"], rows["up"]["error"]) == (2, None)
    assert rows["dead"]["models"] == 0
    assert rows["dead"]["error"]
    told = await asyncio.to_thread(run, environment, tmp_path, "models", "list", "--json")
    assert {"up/one", "up/two"} <= {one["id"] for one in json.loads(told.stdout)}
    told = await asyncio.to_thread(run, environment, tmp_path, "models", "refresh", "nobody")
    assert told.returncode == 2
    assert "'nobody'" in told.stderr
    assert len(lists.asked) == 1
