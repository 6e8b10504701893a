"""Servers on this machine: each told by its own answer, everything else left alone, and nobody waited for."""

from __future__ import annotations

import asyncio
import gzip
import json
import socket
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest

from dragoman.assembly.names import naming
from dragoman.cli import discovery
from dragoman.cli.discovery import PLACES, Place, Search, Server, find, settings
from dragoman.config.load import Loaded, load
from dragoman.testing.provider import Answer, FakeProvider, Seen, Whole
from tests.unit.cli.conftest import Run

LONG = 20.0
"""Seconds that a machine under load may take."""
# As each of them answers, but for what is longer.
OLLAMA = {"models": [{"name": "llama3.2:latest", "model": "llama3.2:latest", "size": 1, "details": {}}]}
LMSTUDIO = {
    "object": "list",
    "data": [
        {"id": "qwen/qwen3-4b", "object": "model", "type": "llm", "state": "not-loaded"},
        {"id": "text-embedding-nomic", "object": "model", "type": "embeddings", "state": "loaded"},
    ],
}
VLLM = {"object": "list", "data": [{"id": "Qwen/Qwen3-8B", "object": "model", "owned_by": "vllm"}]}
LLAMACPP = {"object": "list", "data": [{"id": "gemma.gguf", "object": "model", "owned_by": "llamacpp"}]}
TOLD: dict[str, tuple[str, dict[str, Any], tuple[str, ...]]] = {
    "ollama": ("/api/tags", OLLAMA, ("llama3.2:latest",)),
    "lmstudio": ("/api/v0/models", LMSTUDIO, ("qwen/qwen3-4b",)),
    "vllm": ("/v1/models", VLLM, ("Qwen/Qwen3-8B",)),
    "llamacpp": ("/v1/models", LLAMACPP, ("gemma.gguf",)),
}


def answering(path: str, body: Any, **more: Any) -> Callable[[Seen], Answer]:
    """A server that has this at one path, and nothing elsewhere."""
    return lambda seen: Whole(body, **more) if seen.path == path else Whole({"error": "no such path"}, 404)


def at(server: FakeProvider, vendor: str) -> Place:
    """Where a vendor is looked for, at a server of ours."""
    (place,) = (place for place in PLACES if place.vendor == vendor)
    return place._replace(port=int(server.url.rpartition(":")[2]))


@pytest.fixture
async def stack() -> AsyncIterator[AsyncExitStack]:
    async with AsyncExitStack() as opened:
        yield opened


async def test_each_is_found_by_its_answer(stack: AsyncExitStack) -> None:
    servers = {
        vendor: await stack.enter_async_context(FakeProvider(answering(path, body)))
        for vendor, (path, body, _) in TOLD.items()
    }
    found = await find([at(server, vendor) for vendor, server in servers.items()], patience=LONG)
    assert {server.vendor: server.models for server in found} == {v: told[2] for v, told in TOLD.items()}
    for server in found:
        provider = servers[server.vendor]
        assert server.url == provider.url
        assert [(seen.method, seen.raw) for seen in provider.seen] == [("GET", b"")]
        assert not {"authorization", "x-api-key", "cookie"} & set(provider.last.headers)


async def test_they_are_looked_for_where_they_listen_by_default() -> None:
    assert [(place.vendor, place.port) for place in PLACES] == [
        ("ollama", 11434),
        ("lmstudio", 1234),
        ("vllm", 8000),
        ("llamacpp", 8080),
    ]


@pytest.mark.parametrize(
    "answer",
    [
        Whole(OLLAMA, 401),
        Whole(OLLAMA, headers={"x-dragoman-overhead-ms": "0.1"}),
        Whole({}, 302, headers={"location": "http://192.0.2.1/"}),
        Whole("<html>hello</html>"),
        Whole("Ollama is running"),
        Whole(b"\xff"),
        Whole(b'{"models":[{"name":"\xff"}]}'),
        Whole(gzip.compress(json.dumps(OLLAMA).encode()), headers={"content-encoding": "gzip"}),
        Whole([]),
        Whole({"models": None}),
        Whole({"models": [1]}),
        Whole({"models": [{"name": 1}]}),
        Whole({"object": "list", "data": []}),
        Whole({"object": "list", "data": [{"id": "x", "owned_by": "library"}]}),
        Whole({"object": "list", "data": [{"id": "x"}]}),
        Whole(b"[" * 5_000_000),
        Whole(b"[" * 100_000),
    ],
)
async def test_somebody_else_is_left_alone(stack: AsyncExitStack, answer: Whole) -> None:
    """Another gateway of ours too: it may use us."""
    server = await stack.enter_async_context(FakeProvider(answer))
    for vendor in ("ollama", "vllm", "llamacpp"):
        assert await find([at(server, vendor)], patience=LONG) == ()


async def test_names_that_are_none_are_left_out(stack: AsyncExitStack) -> None:
    names = ["", "a b", "a\x1b[31m", "x" * 129, "good:latest"]
    server = await stack.enter_async_context(
        FakeProvider(Whole({"models": [{"name": name} for name in names]}))
    )
    (found,) = await find([at(server, "ollama")], patience=LONG)
    assert found.models == ("good:latest",)


async def test_our_own_port_is_not_asked(stack: AsyncExitStack) -> None:
    server = await stack.enter_async_context(FakeProvider(Whole(OLLAMA)))
    place = at(server, "ollama")
    assert await find([place], but={place.port}) == ()
    assert not server.seen


async def test_nobody_is_waited_for(stack: AsyncExitStack) -> None:
    """Neither one who never accepts, nor one who never ends; whoever answers meanwhile is found."""
    mute = socket.create_server(("127.0.0.1", 0), backlog=0)
    stack.callback(mute.close)
    slow = await stack.enter_async_context(FakeProvider(Whole(OLLAMA, delay=60)))
    good = await stack.enter_async_context(FakeProvider(Whole(VLLM)))
    silent = PLACES[0]._replace(port=mute.getsockname()[1])
    began = time.perf_counter()
    found = await find([silent, at(slow, "ollama"), at(good, "vllm")], patience=1.0)
    assert [server.vendor for server in found] == ["vllm"]
    assert time.perf_counter() - began < LONG
    assert discovery.PATIENCE <= 0.15


async def test_a_search_beside_a_start(stack: AsyncExitStack, monkeypatch: pytest.MonkeyPatch) -> None:
    server = await stack.enter_async_context(FakeProvider(Whole(OLLAMA)))
    places = (at(server, "ollama"),)

    async def patient(**more: Any) -> tuple[Server, ...]:
        return await find(places, patience=LONG, **more)

    monkeypatch.setattr(discovery, "find", patient)
    search = Search(but={1})
    await asyncio.to_thread(search.wait)
    assert [one.words for one in search.found] == [f"Ollama at {server.url} (1 model)"]
    assert str(places[0].port) in search.found[0].url


def configured(folder: Path, **config: Any) -> Loaded:
    file = folder / "dragoman.yaml"
    file.write_text(json.dumps(config))
    return load(file, {}, cwd=folder)


FOUND = (
    Server("ollama", "http://127.0.0.1:11434", ("llama3.2:latest", "both")),
    Server("lmstudio", "http://127.0.0.1:1234", ("qwen/qwen3-4b", "both")),
)


def test_what_is_found_becomes_providers_and_models(folder: Path) -> None:
    more = settings(FOUND, configured(folder))
    loaded = load(folder / "dragoman.yaml", {}, more)
    assert {name: one.base_url for name, one in loaded.providers.items()} == {
        "ollama": "http://127.0.0.1:11434/v1",
        "lmstudio": "http://127.0.0.1:1234/v1",
    }
    uses = {name: model.use for name, model in loaded.config.models.items()}
    assert uses == {
        "llama3.2:latest": "ollama/llama3.2:latest",
        "both": "ollama/both",
        "qwen/qwen3-4b": "lmstudio/qwen/qwen3-4b",
    }


def test_what_is_configured_stays(folder: Path) -> None:
    loaded = configured(
        folder,
        providers={"mine": {"base_url": "http://localhost:1234", "keys": []}, "ollama": {"enabled": False}},
    )
    assert settings(FOUND, loaded) == {}
    loaded = configured(
        folder, aliases={"both": "simulate/echo"}, models={"llama3.2:latest": "simulate/echo"}
    )
    more = settings(FOUND, loaded)
    assert list(more["models"]) == ["qwen/qwen3-4b"]
    assert list(more["providers"]) == ["ollama", "lmstudio"]


def test_no_program_of_this_machine_takes_a_providers_models(folder: Path) -> None:
    loaded = configured(folder, providers={"openai": {"keys": ["k"]}})
    taken = Server("ollama", "http://127.0.0.1:11434", ("gpt-4o", "openai/gpt-oss-20b", "gpt-oss:20b"))
    assert list(settings([taken], loaded)["models"]) == ["gpt-oss:20b"]


def test_a_name_with_a_star_is_no_pattern(folder: Path) -> None:
    configured(folder, providers={"openai": {"keys": ["k"]}})
    server = Server("ollama", "http://127.0.0.1:11434", ("*5", "a**", "*", "mine"))
    more = settings([server], load(folder / "dragoman.yaml", {}, cwd=folder))
    assert list(more["models"]) == ["mine"]
    table = naming(load(folder / "dragoman.yaml", {}, more)).table
    for name, deployment in (("gpt-5", "openai/gpt-5"), ("ollama/*5", "ollama/*5")):
        route = table.find(name)
        assert route is not None
        assert [one.name for one in route.deployments] == [deployment]


@pytest.mark.parametrize(
    ("wish", "said"), [("", "set `discover: true` to use it"), ("true", "is used"), ("false", None)]
)
def test_the_list_of_clients_offers_them(
    run: Run, monkeypatch: pytest.MonkeyPatch, wish: str, said: str | None
) -> None:
    async def found(**more: Any) -> tuple[Server, ...]:
        assert more == {"but": {8080}}
        return FOUND[:1]

    monkeypatch.setattr(discovery, "find", found)
    monkeypatch.setenv("DRAGOMAN_DISCOVER", wish)
    code, out, err = run("setup")
    assert (code, out.splitlines()[0]) == (0, "name\tdialect\tclient")
    words = "Ollama at http://127.0.0.1:11434 (2 models)"
    assert err == (f"● {words}: {said}\n" if said else "")
    monkeypatch.setenv("OLLAMA_BASE_URL", "x")
    monkeypatch.setenv("DRAGOMAN_PORT", "many")
    assert run("setup").code == 0


def test_the_list_of_clients_does_not_offer_what_is_configured(
    run: Run, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def found(**more: Any) -> tuple[Server, ...]:
        return FOUND[:1]

    monkeypatch.setattr(discovery, "find", found)
    monkeypatch.setenv("DRAGOMAN_DISCOVER", "")
    configured(folder, providers={"ollama": {}})
    assert run("setup").err == ""
