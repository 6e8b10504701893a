"""Secrets in files are changed while a server runs: SIGHUP has them used and interrupts nobody."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AsyncExitStack, ExitStack, asynccontextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from dragoman.testing.provider import Seen, Streamed, Whole
from tests.e2e import stubs
from tests.e2e.calls import CHAT, HELLO, events, said
from tests.e2e.command import SECONDS, Serving, Terminal, serving
from tests.e2e.conftest import Provide
from tests.e2e.stubs import Said
from tests.e2e.test_workers import children, until

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGHUP")
MANY = pytest.mark.parametrize(
    "workers",
    [
        1,
        pytest.param(
            2,
            marks=pytest.mark.skipif(find_spec("sqlalchemy") is None, reason="workers share a database"),
        ),
    ],
)
OLD = {
    "client": "client-key-before-1111",
    "up": "sk-provider-before-2222",
    "extra": "extra-header-before-3333",
    "own": "model-header-before-4444",
}
NEW = {name: text.replace("before", "after") for name, text in OLD.items()}
SETTINGS = {
    "client": "auth.keys[0].key",
    "up": "providers.up.keys[0]",
    "extra": "providers.up.headers.x-extra",
    "own": "models.m.headers.x-own",
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write(tmp_path, OLD)
    return tmp_path


def write(folder: Path, secrets: dict[str, str]) -> None:
    for name, text in secrets.items():
        (folder / name).write_text(f"{text}\n")
        (folder / name).chmod(0o600)


def configure(folder: Path, url: str, **more: Any) -> None:
    provider = {
        "base_url": url,
        "keys": {"file": "up"},
        "headers": {"x-extra": {"file": "extra"}, "x-plain": "plain-header-value"},
        "passthrough": ["files"],
        **more,
    }
    config = {
        "providers": {"up": provider},
        "models": {"m": {"use": "up/gpt-4o", "headers": {"x-own": {"file": "own"}}}},
        "aliases": {"fast": "m"},
        "auth": {"keys": [{"name": "ann", "key": {"file": "client"}}, "another-client-key"]},
        "retries": {"attempts": 1},
        "reload": {"watch": False, "poll": 0},
    }
    (folder / "dragoman.yaml").write_text(json.dumps(config))


@pytest.fixture
def start(environment: dict[str, str], folder: Path) -> Iterator[Callable[..., Serving]]:
    with ExitStack() as stack:
        yield lambda *arguments: stack.enter_context(serving(environment, folder, *arguments))


async def reload(server: Serving) -> dict[str, Any]:
    """Send SIGHUP and read what the server says of it, access log apart."""
    server.process.send_signal(signal.SIGHUP)
    return await told(server)


async def told(server: Serving) -> dict[str, Any]:
    return await asyncio.to_thread(server.told)


@asynccontextmanager
async def asking(server: Serving, key: str, **fields: Any) -> AsyncIterator[aiohttp.ClientResponse]:
    """One request on a connection of its own."""
    headers = {"authorization": f"Bearer {key}"}
    body = {"model": "m", "messages": HELLO, **fields}
    async with (
        aiohttp.ClientSession() as session,
        session.post(server.url + CHAT, json=body, headers=headers) as response,
    ):
        yield response


async def ask(server: Serving, key: str, **fields: Any) -> int:
    async with asking(server, key, **fields) as response:
        await response.read()
        return response.status


def settings(rows: list[dict[str, Any]]) -> list[str]:
    return [row["setting"] for row in rows]


def slow(seen: Seen) -> Streamed | Whole:
    """Streams take a second; files are listed."""
    if seen.method == "GET":
        return Whole({"object": "list", "data": []})
    if not seen.body.get("stream"):
        whole = stubs.openai_chat(Said())
        return whole(seen) if callable(whole) else whole
    frames: list[Any] = []
    for frame in stubs.frames("openai_chat", "word"):
        frames += [frame] * (10 if '"word"' in json.dumps(frame, default=str) else 1)
    return Streamed(frames, pause=0.2)


def carried(seen: Seen) -> dict[str, str]:
    headers = seen.headers
    return {
        "up": headers["authorization"].removeprefix("Bearer "),
        "extra": headers["x-extra"],
        "own": headers.get("x-own", ""),
    }


@MANY
async def test_secrets_are_replaced_under_running_streams(
    start: Callable[..., Serving], folder: Path, provide: Provide, workers: int
) -> None:
    """5: running streams end whole; then providers get the new keys and the old client key is refused."""
    provider = await provide(slow)
    configure(folder, provider.url)
    server = start(*(["--workers", str(workers)] if workers > 1 else []))
    async with AsyncExitStack() as opened:
        running = [await stream(server, opened) for _ in range(6)]
        write(folder, NEW)
        event = await reload(server)
        assert event["event"] == "reload"
        assert sorted(settings(event["changed"])) == sorted(SETTINGS.values())
        assert {row["tail"] for row in event["changed"]} == {"1111", "2222", "3333", "4444"}
        assert (event["used"], event["problems"], event["restart"]) == (True, [], [])
        begun = len(provider.seen)
        assert begun == len(running)
        assert provider.open == len(running), "all of them still run"
        for model in ("m", "fast", "up/gpt-4o") * 4:
            assert await ask(server, NEW["client"], model=model) == 200
            assert await ask(server, OLD["client"], model=model) == 401
            assert await ask(server, "another-client-key", model=model) == 200
        for first, response in running:
            assert said(events(first + await response.read())) == "word" * 10
    assert provider.cut == []
    assert [carried(seen) for seen in provider.seen[:begun]] == [
        {name: OLD[name] for name in ("up", "extra", "own")}
    ] * begun
    for seen in provider.seen[begun:]:
        found = carried(seen)
        assert (found["up"], found["extra"]) == (NEW["up"], NEW["extra"])
        assert found["own"] in {NEW["own"], ""}
        assert seen.headers["x-plain"] == "plain-header-value"
    assert sum(carried(seen)["own"] == NEW["own"] for seen in provider.seen[begun:]) == 16
    async with (
        aiohttp.ClientSession(headers={"authorization": f"Bearer {NEW['client']}"}) as session,
        session.get(f"{server.url}/v1/files") as files,
    ):
        assert files.status == 200
    assert carried(provider.last)["up"] == NEW["up"]
    code, out, lines = await asyncio.to_thread(server.stop)
    assert code == 0
    everything = out + json.dumps([event, lines])
    assert not [text for text in (*OLD.values(), *NEW.values()) if text in everything]


async def stream(server: Serving, opened: AsyncExitStack) -> tuple[bytes, aiohttp.ClientResponse]:
    """A stream whose first bytes have come, which are given with it."""
    response = await opened.enter_async_context(asking(server, OLD["client"], stream=True))
    assert response.status == 200
    return await response.content.readany(), response


async def test_what_cannot_be_used_leaves_all_as_it_was(
    start: Callable[..., Serving], folder: Path, provide: Provide
) -> None:
    """5: gone, empty, no text for a header, what the check refuses: all are told, and nothing is used."""
    provider = await provide(slow)
    configure(folder, provider.url)
    server = start()
    event = await reload(server)
    assert (event["used"], event["changed"], event["restart"]) == (True, [], [])
    write(folder, NEW)
    (folder / "up").unlink()
    (folder / "extra").write_text("\n")
    (folder / "own").write_text("two\nlines")
    event = await reload(server)
    assert (event["used"], event["changed"]) == (False, [])
    said = {row["path"]: row["message"] for row in event["problems"]}
    assert said.keys() == {"providers.up.keys", SETTINGS["extra"], SETTINGS["own"]}
    assert "No such file or directory" in said["providers.up.keys"]
    write(folder, {**NEW, "client": "Bearer abcdefghijkl-9876"})
    event = await reload(server)
    assert [row["path"] for row in event["problems"]] == ["auth.keys[0]"]
    assert await ask(server, OLD["client"]) == 200
    assert carried(provider.last) == {name: OLD[name] for name in ("up", "extra", "own")}
    write(folder, NEW)
    event = await reload(server)
    assert event["used"]
    assert await ask(server, OLD["client"]) == 401
    assert await ask(server, NEW["client"]) == 200
    assert carried(provider.last) == {name: NEW[name] for name in ("up", "extra", "own")}


async def test_a_worker_that_takes_anothers_place_knows_the_new_secrets(
    start: Callable[..., Serving], folder: Path, provide: Provide
) -> None:
    """5: it is a copy of a parent that has read them once."""
    pytest.importorskip("sqlalchemy", reason="needs the extra `sql`")
    provider = await provide(slow)
    configure(folder, provider.url)
    server = start("--workers", "2")
    write(folder, NEW)
    await reload(server)
    victims = children(server.process.pid)
    for victim in victims:
        os.kill(victim, signal.SIGKILL)
    await asyncio.to_thread(until, lambda: len(children(server.process.pid) - victims) == 3)
    assert [(await told(server))["event"] for _ in range(3)] == ["log", "log", "log"]
    for _ in range(8):
        assert await ask(server, NEW["client"]) == 200
        assert await ask(server, OLD["client"]) == 401
    assert {carried(seen)["up"] for seen in provider.seen} == {NEW["up"]}


def test_a_terminal_shows_what_was_read(environment: dict[str, str], folder: Path) -> None:
    """5: in people's form; SIGHUP alone ends nothing."""
    configure(folder, "http://127.0.0.1:9")
    terminal = Terminal(environment, folder, "serve", "--port", "0")
    terminal.until("Ctrl-C finishes")
    write(folder, {"up": NEW["up"]})
    terminal.process.send_signal(signal.SIGHUP)
    shown = terminal.until("now …2222")
    assert "configuration loaded again: 1 setting changed" in shown
    assert "providers.up.keys[0] changed (now …2222)" in shown
    (folder / "client").unlink()
    terminal.process.send_signal(signal.SIGHUP)
    shown = terminal.until("No such file or directory")
    assert "configuration not loaded: 1 problem; the one in use stays" in shown
    assert NEW["up"] not in shown
    terminal.process.send_signal(signal.SIGTERM)
    assert terminal.process.wait(SECONDS) == 0
