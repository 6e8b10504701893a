"""A running server takes over its changed configuration: by a signal, a question, or because it sees it."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import ExitStack
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from tests.e2e.calls import CHAT, HELLO
from tests.e2e.command import SECONDS, Serving, serving
from tests.e2e.test_workers import children

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGHUP")
SQL = pytest.mark.skipif(find_spec("sqlalchemy") is None, reason="workers share a database")
MANY = pytest.mark.parametrize("workers", [1, pytest.param(2, marks=SQL)])
ADMIN = "client-key-of-the-admin"
STAYS = "client-key-that-stays-1"
GOES = "client-key-that-goes-22"


def configuration(*keys: str, models: tuple[str, ...] = (), watch: bool = False, **more: Any) -> str:
    listed: list[Any] = [{"name": "admin", "key": ADMIN, "scopes": ["inference", "admin"]}, STAYS, *keys]
    return json.dumps(
        {
            "providers": {"simulate": {"enabled": True, "token_interval": "50ms"}},
            "models": dict.fromkeys(models, "simulate/echo"),
            "auth": {"keys": listed},
            "reload": {"watch": watch, "poll": 0},
            **more,
        },
        indent=1,
    )


@pytest.fixture
def start(environment: dict[str, str], tmp_path: Path) -> Iterator[Callable[..., Serving]]:
    with ExitStack() as stack:

        def starts(text: str, workers: int = 1, folder: Path | None = None) -> Serving:
            if folder is None:
                (tmp_path / "dragoman.yaml").write_text(text)
            many = ["--workers", str(workers)] if workers > 1 else []
            return stack.enter_context(serving(environment, folder or tmp_path, *many))

        yield starts


@pytest.fixture
async def session() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession() as opened:
        yield opened


class Site:
    """A server, its configuration file, and who asks it. Connections are closed after each request, so that
    each worker is asked.
    """

    def __init__(self, server: Serving, file: Path, session: aiohttp.ClientSession) -> None:
        self.server = server
        self.file = file
        self.session = session

    async def call(
        self, method: str, path: str, key: str = ADMIN, body: Any = None, **headers: str
    ) -> tuple[int, Any]:
        headers = {"authorization": f"Bearer {key}", "connection": "close", **headers}
        async with self.session.request(
            method, self.server.url + path, json=body, headers=headers
        ) as response:
            return response.status, await response.json()

    async def ask(self, key: str = STAYS, model: str = "simulate/echo") -> int:
        status, _ = await self.call("POST", CHAT, key, {"model": model, "messages": HELLO})
        return status

    async def reload(self, text: str) -> tuple[int, Any]:
        self.file.write_text(text)
        return await self.call("POST", "/admin/reload")

    async def listed(self) -> set[str]:
        _, models = await self.call("GET", "/v1/models")
        return {model["id"] for model in models["data"]}

    async def config(self) -> dict[str, Any]:
        _, health = await self.call("GET", "/health")
        found: dict[str, Any] = health["config"]
        return found

    async def told(self) -> dict[str, Any]:
        """What the server says next, access log apart."""
        return await asyncio.to_thread(self.server.told)


def descriptors(server: Serving) -> int:
    """How many files and sockets the processes of a server have open."""
    pids = [server.process.pid, *children(server.process.pid)]
    return sum(len(list(Path(f"/proc/{pid}/fd").iterdir())) for pid in pids)


@MANY
async def test_a_hundred_reloads_under_load_fail_no_request(
    start: Callable[..., Serving], tmp_path: Path, session: aiohttp.ClientSession, workers: int
) -> None:
    """0.19: what is removed is refused right after, what is new is listed, also by the other worker."""
    server = start(configuration(GOES), workers)
    site = Site(server, tmp_path / "dragoman.yaml", session)
    done = asyncio.Event()
    answered: list[int] = []

    async def load() -> None:
        while not done.is_set():
            answered.append(await site.ask())

    loading = [asyncio.ensure_future(load()) for _ in range(4)]
    opened = 0
    for number in range(100 // workers):
        if number == 5:
            opened = descriptors(server) if sys.platform == "linux" else 0
        there = number % 2 == 1
        keys = (GOES,) if there else ()
        status, told = await site.reload(configuration(*keys, models=(f"m{number}",)))
        assert status == 200, told
        assert f"m{number}" in {one["setting"].removeprefix("models.") for one in told["changed"]}
        assert [await site.ask(GOES) for _ in range(2)] == [200 if there else 401] * 2
        found = await site.listed()
        assert f"m{number}" in found
        assert f"m{number - 1}" not in found
    done.set()
    await asyncio.gather(*loading)
    assert len(answered) > 100 // workers
    assert set(answered) == {200}
    if opened:
        assert descriptors(server) <= opened + 10
    _, _, log = await asyncio.to_thread(server.stop)
    reloads = [event for event in log if event["event"] == "reload"]
    assert len(reloads) == 100 // workers
    assert all(event["used"] for event in reloads)


@MANY
async def test_a_broken_file_keeps_what_runs_and_is_told_everywhere(
    start: Callable[..., Serving], tmp_path: Path, session: aiohttp.ClientSession, workers: int
) -> None:
    server = start(configuration(models=("old",)), workers)
    site = Site(server, tmp_path / "dragoman.yaml", session)
    before = await site.config()
    assert before["error"] is None
    broken = configuration(models=("new",), nonsense=1, strict="perhaps")
    status, told = await site.reload(broken)
    assert status == 400
    error = told["error"]
    assert (error["code"], error["type"]) == ("invalid_config", "invalid_request_error")
    places = {one["path"]: one["line"] for one in error["problems"]}
    lines = broken.splitlines()
    assert {path: lines[line - 1].strip(' ,"').partition('"')[0] for path, line in places.items()} == {
        "nonsense": "nonsense",
        "strict": "strict",
    }
    event = await site.told()
    assert (event["event"], event["used"], len(event["problems"])) == ("reload", False, 2)
    for _ in range(4):
        assert await site.ask(model="old") == 200
        found = await site.config()
        assert (found["hash"], found["loaded_at"] > 0) == (before["hash"], True)
        assert "nonsense" in found["error"]
    status, _ = await site.reload(configuration(models=("new",)))
    assert status == 200
    for _ in range(4):
        assert (await site.config())["error"] is None
        assert await site.ask(model="new") == 200


@MANY
async def test_a_folder_that_is_exchanged_as_kubernetes_does_is_seen(
    start: Callable[..., Serving], tmp_path: Path, session: aiohttp.ClientSession, workers: int
) -> None:
    """5.23: `dragoman.yaml` and a secret lead through `..data`, which leads elsewhere at once."""
    mounted = tmp_path / "mounted"
    for version, model in ((1, "old"), (2, "new")):
        folder = mounted / f"..v{version}"
        folder.mkdir(parents=True)
        config = json.loads(configuration(models=(model,), watch=True))
        config["auth"]["keys"].append({"name": "secret", "key": {"file": "key"}})
        (folder / "dragoman.yaml").write_text(json.dumps(config))
        (folder / "key").write_text(f"secret-client-key-{version}")
        (folder / "key").chmod(0o600)
    (mounted / "..data").symlink_to("..v1")
    for name in ("dragoman.yaml", "key"):
        (mounted / name).symlink_to(f"..data/{name}")
    server = start("", workers, mounted)
    site = Site(server, mounted / "dragoman.yaml", session)
    assert await site.ask("secret-client-key-1", "old") == 200
    (mounted / "..new").symlink_to("..v2")
    (mounted / "..new").rename(mounted / "..data")
    event = await site.told()
    assert event["event"] == "reload"
    assert {one["setting"] for one in event["changed"]} == {"models.old", "models.new", "auth.keys[2].key"}
    for _ in range(3):
        assert await site.ask("secret-client-key-2", "new") == 200
        assert await site.ask("secret-client-key-1", "new") == 401


async def test_who_may_reload_and_when(
    start: Callable[..., Serving], tmp_path: Path, session: aiohttp.ClientSession
) -> None:
    text = configuration()
    site = Site(start(text), tmp_path / "dragoman.yaml", session)
    status, told = await site.call("POST", "/admin/reload", STAYS)
    assert (status, told["error"]["code"]) == (403, "insufficient_scope")
    status, told = await site.call("POST", "/admin/reload", "no-key-of-anybody")
    assert status == 401
    mark = (await site.config())["hash"]
    status, told = await site.call("POST", "/admin/reload", **{"if-match": '"another"'})
    assert (status, told["error"]["code"], told["error"]["param"]) == (
        412,
        "precondition_failed",
        "If-Match",
    )
    status, told = await site.call("POST", "/admin/reload", **{"if-match": f'"{mark}"'})
    assert (status, told["hash"], told["changed"]) == (200, mark, [])
    headers = {"authorization": f"Bearer {ADMIN}", "origin": "https://strange.example"}
    async with session.post(site.server.url + "/admin/reload", data="x", headers=headers) as response:
        assert response.status == 415, "a page's simple request"


async def test_settings_that_need_a_restart_are_named_and_the_others_used(
    start: Callable[..., Serving], tmp_path: Path, session: aiohttp.ClientSession
) -> None:
    site = Site(start(configuration()), tmp_path / "dragoman.yaml", session)
    status, told = await site.reload(configuration(models=("new",), server={"max_depth": 20}))
    assert (status, told["restart"]) == (200, ["server.max_depth"])
    assert await site.ask(model="new") == 200
    event = await site.told()
    assert event["restart"] == ["server.max_depth"]


@MANY
async def test_streams_and_websockets_go_on(
    start: Callable[..., Serving], tmp_path: Path, session: aiohttp.ClientSession, workers: int
) -> None:
    """A stream ends with the model that it began with, and a socket asks the new ones."""
    server = start(configuration(GOES, models=("old",)), workers)
    site = Site(server, tmp_path / "dragoman.yaml", session)
    words = [{"role": "user", "content": "word " * 40}]
    body = {"model": "old", "messages": words, "stream": True}
    headers = {"authorization": f"Bearer {STAYS}"}
    bearer = {"authorization": f"Bearer {GOES}"}
    async with (
        session.post(server.url + CHAT, json=body, headers=headers) as response,
        session.ws_connect(server.url + "/v1/responses", headers=headers) as socket,
        session.ws_connect(server.url + "/v1/responses", headers=bearer) as barred,
    ):
        first = await response.content.readany()
        status, told = await site.reload(configuration(models=("new",)))
        assert status == 200, told
        raw = first + await response.read()
        assert raw.rstrip().endswith(b"data: [DONE]")
        assert raw.count(b'"word ') + raw.count(b" word") + raw.count(b"word") >= 40
        for model, last in (("old", "error"), ("new", "response.completed")):
            await socket.send_json({"type": "response.create", "model": model, "input": "Hi"})
            async with asyncio.timeout(SECONDS):
                while (event := json.loads(await socket.receive_str()))["type"] not in {
                    "error",
                    "response.completed",
                }:
                    pass
            assert event["type"] == last
        await barred.send_json({"type": "response.create", "model": "new", "input": "Hi"})
        event = json.loads(await barred.receive_str())
        assert event["error"]["code"] == "invalid_api_key"
