"""Patterns of models that a key may use, and keys that end: in every face."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest
from websockets.asyncio.client import connect

from dragoman.seams.clock import SYSTEM
from tests.e2e import stubs
from tests.e2e.calls import CHAT, HELLO, Site
from tests.e2e.conftest import Provide, Visit
from tests.e2e.stubs import Said

KEY = "a-key-of-a-good-length"
OLD, NEW = "the-old-key-of-ann", "the-new-key-of-ann"
LISTS: list[tuple[str, dict[str, str]]] = [
    ("/v1/models", {}),
    ("/v1/models?limit=1000", {"anthropic-version": "2023-06-01"}),
    ("/v1beta/models?pageSize=1000", {"x-goog-api-client": "genai-js/1.0"}),
    ("/api/tags", {}),
]


def faces(model: str) -> list[tuple[str, dict[str, Any]]]:
    """A small request to each face."""
    google = {"contents": [{"parts": [{"text": "Hello!"}]}]}
    return [
        (CHAT, {"model": model, "messages": HELLO}),
        ("/v1/completions", {"model": model, "prompt": "Hello!"}),
        ("/v1/responses", {"model": model, "input": "Hello!"}),
        ("/v1/messages", {"model": model, "max_tokens": 9, "messages": HELLO}),
        (f"/v1beta/models/{model}:generateContent", google),
        ("/api/chat", {"model": model, "messages": HELLO, "stream": False}),
    ]


async def post(site: Site, path: str, body: dict[str, Any], key: str) -> tuple[int, Any]:
    async with site.session.post(site.base + path, json=body, headers={"x-api-key": key}) as response:
        return response.status, json.loads(await response.read())


@pytest.fixture
async def site(visit: Visit, provide: Provide) -> Site:
    """Two providers; the key may use all of one of them, `team-*`, and one alias to the other."""
    provider = await provide(stubs.openai_chat(Said()))
    row = {"dialect": "openai_chat", "base_url": provider.url, "keys": ["up-key"]}
    granted = {"key": KEY, "name": "ann", "models": ["up/*", "team-*", "fast"]}
    config = {
        "providers": {"up": {**row, "models": ["a", "b"]}, "any": row, "other": row},
        "models": {"team-one": "other/x", "team-two": "any/y"},
        "aliases": {"fast": "other/fast-model"},
        "default_model": "other/z",
        "auth": {"keys": [granted, {"key": "all-the-models-key", "models": ["any/*", "*/x", "up/a"]}]},
    }
    return await visit(config)


async def test_patterns_cover_names_in_every_face(site: Site) -> None:
    """7: what a pattern covers is used, what it does not is refused; an alias opens nothing but itself."""
    for name in ("up/a", "team-one", "fast"):
        for path, body in faces(name):
            assert (await post(site, path, body, KEY))[0] == 200, (path, name)
    for name in ("other/x", "other/fast-model", "any/y", "a"):
        for path, body in faces(name):
            status, told = await post(site, path, body, KEY)
            assert status == 403, (path, name, told)


async def test_a_pattern_covers_names_that_nobody_lists(site: Site) -> None:
    """7: what a provider takes is only known when it is asked."""
    for path, body in faces("any/unheard-of-1"):
        assert (await post(site, path, body, "all-the-models-key"))[0] == 200, path
    headers = {"x-api-key": "all-the-models-key"}
    assert (await site.get("/v1/models/any/unheard-of-2", **headers)).status == 200
    assert (await site.get("/v1/models/other/unheard-of-2", **headers)).status == 404


@pytest.mark.parametrize(("path", "headers"), LISTS, ids=[path for path, _ in LISTS])
async def test_lists_have_what_patterns_cover(site: Site, path: str, headers: dict[str, str]) -> None:
    for key, expected in (
        (KEY, {"up/a", "up/b", "team-one", "team-two", "fast"}),
        ("all-the-models-key", {"up/a"}),
    ):
        body = (await site.get(path, **headers, **{"x-api-key": key})).body
        names = [one.get("id", one.get("name")) for one in body.get("data") or body["models"]]
        assert {name.removeprefix("models/").removesuffix(":latest") for name in names} == expected


# Keys that end ------------------------------------------------------------------------------------


class Clock:
    """A clock that a test sets."""

    def __init__(self, at: float) -> None:
        self.at = at

    def __call__(self) -> float:
        return self.at


async def test_a_key_ends_in_every_face_and_its_successor_does_not(visit: Visit) -> None:
    """7: both open the same client's answers while they overlap; then 401, with a reason."""
    clock = Clock(1_767_225_599.0)
    keys = [{"key": OLD, "name": "ann", "expires": "2025-12-31"}, {"key": NEW, "name": "ann"}]
    exchanges: list[Any] = []
    config = {"auth": {"keys": keys}, "aliases": {"m": "simulate/echo"}}
    seams = msgspec.structs.replace(SYSTEM, now=clock)
    site = await visit(config, seams=seams, observers=[exchanges.append])
    _, kept = await post(site, "/v1/responses", {"model": "m", "input": "Hello!"}, OLD)
    for path, body in faces("m"):
        assert (await post(site, path, body, OLD))[0] == 200, path
    socket_at = site.base.replace("http", "ws") + CHAT
    async with connect(socket_at, additional_headers={"x-api-key": OLD}) as socket:
        asked = json.dumps({"model": "m", "messages": HELLO})
        await socket.send(asked)
        assert json.loads(await socket.recv())["object"] == "chat.completion"
        clock.at += 1
        await socket.send(asked)
        assert json.loads(await socket.recv())["error"]["code"] == "expired_api_key"
    for path, body in faces("m"):
        status, told = await post(site, path, body, OLD)
        assert status == 401, path
        assert "The key expired on 2026-01-01 00:00 UTC." in json.dumps(told), path
        assert OLD not in json.dumps(told)
        assert (await post(site, path, body, NEW))[0] == 200, path
    assert (await site.get(f"/v1/responses/{kept['id']}", **{"x-api-key": NEW})).status == 200
    assert {exchange.client for exchange in exchanges if exchange.status == 200} == {"ann"}
    ended = {exchange.end for exchange in exchanges if exchange.status == 401}
    assert ended == {"client/auth/expired_api_key"}


async def test_a_refusal_says_what_the_key_may_use(site: Site) -> None:
    status, body = await post(site, CHAT, {"model": "other/z", "messages": HELLO}, KEY)
    assert status == 403
    assert body["error"]["message"].endswith("It may use: fast, team-*, up/*.")
