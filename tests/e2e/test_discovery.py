"""Providers' own lists of models: what they hold is listed, found and refused as the lists say, and what is
wrong with them costs nobody anything.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from dragoman.config.load import load
from dragoman.gateway import Gateway
from dragoman.providers.listing import MOST
from dragoman.testing.provider import Seen, Whole
from dragoman.testing.serving import serving
from tests.e2e import stubs
from tests.e2e.calls import Site
from tests.e2e.conftest import Provide
from tests.e2e.stubs import Said

KEY = "up-key-of-a-good-length"
Discover = Callable[..., Awaitable[Site]]


class Found(Site):
    """A running gateway that fetches lists of models, its inside, and its own folder."""

    gateway: Gateway
    home: Path

    async def names(self, **headers: str) -> set[str]:
        answer = await self.get("/v1/models", **headers)
        assert answer.status == 200, answer.body
        return {one["id"] for one in answer.body["data"]}

    async def until_listed(self, *names: str) -> set[str]:
        end = time.monotonic() + 60
        while not set(names) <= (found := await self.names()):
            assert time.monotonic() < end, found
            await asyncio.sleep(0.02)
        return found

    async def until_tried(self, provider: str, times: int = 1) -> None:
        end = time.monotonic() + 60
        while self.gateway.discovering.states[provider].tries < times:
            assert time.monotonic() < end
            await asyncio.sleep(0.02)


@pytest.fixture
def discover(stack: AsyncExitStack, tmp_path: Path) -> Callable[..., Awaitable[Found]]:
    """Serve a gateway that fetches lists of models, as `dragoman serve` does."""

    async def start(configuration: dict[str, Any], home: str = "home", *, active: bool = True) -> Found:
        file = tmp_path / "dragoman.yaml"
        file.write_text(json.dumps(configuration), encoding="utf-8")
        gateway = Gateway(load(file, {"DRAGOMAN_HOME": str(tmp_path / home)}))
        gateway.discovering.active = active
        base = await stack.enter_async_context(serving(gateway))
        session = aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=60))
        site = Found(base, await stack.enter_async_context(session))
        site.gateway, site.home = gateway, tmp_path / home
        return site

    return start


class Lists:
    """A provider that serves its list at one path, page by page, and answers chats.

    pages: by cursor ("" = the first page), what is sent.
    """

    def __init__(self, path: str, pages: dict[str, Any], cursor: str = "", **query: str) -> None:
        self.path, self.pages, self.cursor, self.query = path, pages, cursor, query
        self.asked: list[Seen] = []
        self.chats: list[Seen] = []
        self.chat = stubs.openai_chat(Said("Hello!"))

    def __call__(self, seen: Seen) -> Any:
        if seen.method == "POST":
            self.chats.append(seen)
            return self.chat(seen) if callable(self.chat) else self.chat
        self.asked.append(seen)
        if seen.path != self.path:
            return Whole({"error": {"message": f"no such path: {seen.path}"}}, 404)
        query = dict(seen.query)
        page = self.pages[query.pop(self.cursor, "")]
        assert query == self.query, query
        return page if isinstance(page, Whole) else Whole(page)


def openai(*names: str, **facts: Any) -> dict[str, Any]:
    entries = [{"id": name, "object": "model", "created": 1, "owned_by": "house", **facts} for name in names]
    return {"object": "list", "data": entries}


def gemini(name: str, **facts: Any) -> dict[str, Any]:
    return {"name": f"models/{name}", "supportedGenerationMethods": ["generateContent"], **facts}


SHAPES: dict[str, tuple[str, Lists]] = {
    "openai": ("openai_chat", Lists("/v1/models", {"": openai("house-1", "house-2")})),
    "together": ("openai_chat", Lists("/v1/models", {"": openai("house-1", "house-2")["data"]})),
    "openrouter": (
        "openai_chat",
        Lists("/v1/models", {"": {"data": [{"id": "house-1"}, {"id": "house-2", "name": "House: 2"}]}}),
    ),
    "anthropic": (
        "anthropic",
        Lists(
            "/v1/models",
            {
                "": {"data": [{"id": "house-1", "type": "model"}], "has_more": True, "last_id": "house-1"},
                "house-1": {"data": [{"id": "house-2"}], "has_more": False, "last_id": "house-2"},
            },
            "after_id",
            limit="1000",
        ),
    ),
    "gemini": (
        "gemini",
        Lists(
            "/v1beta/models",
            {
                "": {"models": [gemini("house-1")], "nextPageToken": "two/+ ="},
                "two/+ =": {"models": [gemini("house-2")]},
            },
            "pageToken",
            pageSize="1000",
        ),
    ),
    "mistral": ("mistral", Lists("/v1/models", {"": openai("house-1", "house-2")})),
    "cohere": (
        "cohere",
        Lists(
            "/v1/models",
            {
                "": {"models": [{"name": "house-1"}], "next_page_token": "p2"},
                "p2": {"models": [{"name": "house-2"}]},
            },
            "page_token",
            page_size="1000",
        ),
    ),
    "ollama": (
        "ollama",
        Lists("/api/tags", {"": {"models": [{"name": "house-1"}, {"name": "house-2", "model": "x"}]}}),
    ),
}


@pytest.mark.parametrize("shape", SHAPES)
async def test_the_names_that_a_provider_lists_are_listed(
    discover: Callable[..., Awaitable[Found]], provide: Provide, shape: str
) -> None:
    """2.7: also names that no release of the gateway knows, in the list form of each kind of provider."""
    dialect, lists = SHAPES[shape]
    lists.asked.clear()
    up = await provide(lists)
    catalog = {"catalog": "cohere"} if dialect == "cohere" else {"dialect": dialect}
    site = await discover({"providers": {"up": {**catalog, "base_url": up.url, "keys": [KEY]}}})
    names = await site.until_listed("up/house-1", "up/house-2")
    assert {name for name in names if name.startswith("up/")} == {"up/house-1", "up/house-2"}
    assert len(lists.asked) == len(lists.pages)
    assert all(KEY in " ".join(seen.headers.values()) for seen in lists.asked)


VENDORS: dict[str, tuple[dict[str, Any], Lists, set[str]]] = {
    "deepgram": (
        {},
        Lists(
            "/v1/models",
            {
                "": {
                    "stt": [{"name": "general", "canonical_name": "nova-9-general", "batch": True}],
                    "tts": [{"name": "zeus", "canonical_name": "aura-9-zeus-en"}],
                }
            },
        ),
        {"nova-9-general", "aura-9-zeus-en"},
    ),
    "elevenlabs": (
        {},
        Lists("/v1/models", {"": [{"model_id": "eleven_v9", "name": "Eleven v9"}]}),
        {"eleven_v9", "scribe_v2"},
    ),
    "perplexity": (
        {"discovery": {"deny": ["*-deep-research"]}},
        Lists("/v1/models", {"": openai("maker/house-1")}),
        {"maker/house-1", "sonar", "sonar-pro", "sonar-reasoning-pro"},
    ),
    "vertex": (
        {"project": "my-project", "region": "eu"},
        Lists(
            "/v1beta1/publishers/google/models",
            {
                "": {
                    "publisherModels": [{"name": "publishers/google/models/gemini-9"}],
                    "nextPageToken": "p2",
                },
                "p2": {"publisherModels": [{"name": "publishers/google/models/imagen-9"}]},
            },
            "pageToken",
            pageSize="100",
        ),
        {"gemini-9", "imagen-9"},
    ),
    "writer": (
        {},
        Lists("/v1/models", {"": {"models": [{"name": "Palmyra X9", "id": "palmyra-x9"}]}}),
        {"palmyra-x9"},
    ),
    "databricks": (
        {},
        Lists("/api/2.0/serving-endpoints", {"": {"endpoints": [{"name": "house-1", "id": "9f3"}]}}),
        {"house-1"},
    ),
    "cloudflare": (
        {},
        Lists(
            "/client/v4/accounts/mine/ai/models/search",
            {
                "": {"result": [{"name": "@cf/maker/house-1", "id": "9f3"}], "success": True},
                "2": {"result": [{"name": "@cf/maker/house-2", "id": "9f4"}]},
                "3": {"result": []},
            },
            "page",
            per_page="100",
        ),
        {"@cf/maker/house-1", "@cf/maker/house-2"},
    ),
    "github": ({}, Lists("/catalog/models", {"": [{"id": "maker/house-1"}]}), {"maker/house-1"}),
}


@pytest.mark.parametrize("vendor", VENDORS)
async def test_vendors_with_lists_of_their_own(
    discover: Callable[..., Awaitable[Found]], provide: Provide, vendor: str
) -> None:
    more, lists, expected = VENDORS[vendor]
    lists.asked.clear()
    up = await provide(lists)
    path = "/client/v4/accounts/mine/ai/v1" if vendor == "cloudflare" else ""
    row = {"catalog": vendor, "base_url": up.url + path, "keys": [KEY], **more}
    site = await discover({"providers": {"up": row}})
    await site.until_tried("up")
    assert {name.removeprefix("up/") for name in await site.names() if name.startswith("up/")} == expected
    assert all(KEY in " ".join(seen.headers.values()) for seen in lists.asked)


async def test_a_bare_name_is_found_in_every_face(
    discover: Callable[..., Awaitable[Found]], provide: Provide
) -> None:
    lists = Lists("/v1/models", {"": openai("house-1", "maker/house-2")})
    up = await provide(lists)
    site = await discover(
        {"providers": {"up": {"dialect": "openai_chat", "base_url": up.url, "keys": [KEY]}}}
    )
    await site.until_listed("up/house-1")
    for name in ("house-1", "maker/house-2", "up/maker/house-2"):
        answer = await site.ask(name)
        assert answer.status == 200, answer.body
        assert lists.chats[-1].body["model"] == name.removeprefix("up/")
    assert (await site.ask("house-3")).status == 404
    for path, headers in (
        ("/v1/models?limit=1000", {"anthropic-version": "2023-06-01"}),
        ("/v1beta/models?pageSize=1000", {"x-goog-api-client": "genai-js/1.0"}),
        ("/api/tags", {}),
    ):
        assert "up/house-1" in json.dumps((await site.get(path, **headers)).body)


async def test_of_two_providers_the_first_one_has_the_name(
    discover: Callable[..., Awaitable[Found]], provide: Provide
) -> None:
    """The order of the configuration counts, not the order in which the lists come. A list takes no name
    away from the vendor to which its pattern belongs.
    """
    first = Lists("/v1/models", {"": openai("shared")})
    second = Lists("/v1/models", {"": openai("shared", "gpt-5", "only-second")})
    own = Lists("/v1/models", {"": openai("something-else")})
    urls = [(await provide(lists)).url for lists in (first, second, own)]
    made = {"dialect": "openai_chat", "keys": [KEY]}
    site = await discover(
        {
            "providers": {
                "one": {**made, "base_url": urls[0]},
                "two": {**made, "base_url": urls[1]},
                "openai": {"base_url": urls[2], "keys": [KEY], "apis": []},
            }
        }
    )
    await site.until_listed("one/shared", "two/shared", "openai/something-else")
    for name, asked in (("shared", first), ("only-second", second), ("gpt-5", own)):
        assert (await site.ask(name)).status == 200
        assert asked.chats.pop().body["model"] == name
    assert [first.chats, second.chats, own.chats] == [[], [], []]


async def test_a_dead_provider_costs_nothing_and_its_list_stays(
    discover: Callable[..., Awaitable[Found]], provide: Provide, caplog: pytest.LogCaptureFixture
) -> None:
    """A restart has the list at once, from the file, also while the provider is down."""
    lists = Lists("/v1/models", {"": openai("house-1")})
    up = await provide(lists)
    good = {"up": {"dialect": "openai_chat", "base_url": up.url, "keys": [KEY]}}
    site = await discover(
        {"providers": {**good, "dead": {"dialect": "openai_chat", "base_url": "http://127.0.0.1:9"}}}
    )
    await site.until_listed("up/house-1")
    await site.until_tried("dead")
    lists.pages[""] = Whole({"error": {"message": f"down, {KEY}"}}, 503)
    await site.gateway.discovering.refresh(["up"], 60)
    state = site.gateway.discovering.shown()
    assert state["up"]["models"] == 1
    assert state["up"]["stale"] is True
    assert "down, [redacted]" in state["up"]["error"]
    assert state["dead"]["models"] == 0
    assert "only models that are known without it are listed" in caplog.text
    assert "the one that is known stays in use" in caplog.text
    assert KEY not in caplog.text
    assert "up/house-1" in await site.names()
    health = (await site.get("/health")).body
    assert health["status"] in {"healthy", "degraded"}

    again = await discover({"providers": good}, active=False)
    assert "up/house-1" in await again.names()
    assert (await again.ask("house-1")).status == 200
    other = await discover({"providers": good}, "another-home", active=False)
    assert "up/house-1" not in await other.names()


async def test_a_refresh_shows_a_new_model_and_forgets_a_removed_one(
    discover: Callable[..., Awaitable[Found]], provide: Provide
) -> None:
    lists = Lists("/v1/models", {"": openai("old")})
    up = await provide(lists)
    site = await discover(
        {"providers": {"up": {"dialect": "openai_chat", "base_url": up.url, "keys": [KEY]}}}
    )
    await site.until_listed("up/old")
    lists.pages[""] = openai("new")
    async with site.session.post(site.base + "/admin/model-lists/refresh", json={}) as answer:
        assert answer.status == 200, await answer.text()
        body = await answer.json()
    assert [(one["provider"], one["models"], one["error"]) for one in body["data"]] == [("up", 1, None)]
    assert await site.names() >= {"up/new"}
    assert "up/old" not in await site.names()
    assert (await site.ask("old")).status == 404
    assert len(lists.asked) == 2


STRANGE = {
    "not JSON": (Whole(b"<html>sign in</html>"), "is not JSON"),
    "no list": (Whole({"object": "list"}), "has no 'data'"),
    "a redirect": (Whole({}, 302, headers={"location": "http://127.0.0.1:9/"}), ""),
    "too large": (Whole(b'{"data": [' + b" " * 17_000_000 + b"]}"), "more than"),
    "too deep": (Whole(b"[" * 100_000), "is not JSON"),
}


@pytest.mark.parametrize("kind", STRANGE)
async def test_a_strange_list_is_refused(
    discover: Callable[..., Awaitable[Found]], provide: Provide, kind: str
) -> None:
    answer, words = STRANGE[kind]
    up = await provide(Lists("/v1/models", {"": answer}))
    site = await discover(
        {"providers": {"up": {"dialect": "openai_chat", "base_url": up.url, "keys": [KEY]}}}
    )
    await site.until_tried("up")
    state = site.gateway.discovering.shown()["up"]
    assert state["models"] == 0
    assert words in state["error"]


async def test_strange_entries_are_left_out(
    discover: Callable[..., Awaitable[Found]], provide: Provide
) -> None:
    entries: list[Any] = [{"id": f"m{number}"} for number in range(MOST + 2_000)]
    entries[:0] = [{"id": "m1"}, {"id": "a\nb"}, {"id": "*"}, {"id": 5}, "m", {"id": ""}, {"id": "x" * 500}]
    up = await provide(Lists("/v1/models", {"": {"data": entries}}))
    site = await discover(
        {"providers": {"up": {"dialect": "openai_chat", "base_url": up.url, "keys": [KEY]}}}
    )
    await site.until_tried("up")
    state = site.gateway.discovering.shown()["up"]
    assert (state["models"], state["left_out"]) == (MOST, 2_006)
    assert len([name for name in await site.names() if name.startswith("up/")]) == MOST


async def test_patterns_and_grants_say_which_names_count(
    discover: Callable[..., Awaitable[Found]], provide: Provide
) -> None:
    lists = Lists("/v1/models", {"": openai("chat-1", "chat-2", "embed-1", "chat-secret")})
    up = await provide(lists)
    provider: dict[str, Any] = {"dialect": "openai_chat", "base_url": up.url, "keys": [KEY]}
    provider["discovery"] = {"allow": ["chat-*"], "deny": ["*-secret"]}
    keys = [
        {"name": "all", "key": "all-key-of-a-good-length"},
        {"name": "one", "key": "one-key-of-a-good-length", "models": ["up/chat-1"]},
    ]
    site = await discover({"providers": {"up": provider}, "auth": {"keys": keys}})
    every = {"authorization": "Bearer all-key-of-a-good-length"}
    some = {"authorization": "Bearer one-key-of-a-good-length"}
    await site.until_tried("up")
    assert {name for name in await site.names(**every) if name.startswith("up/")} == {
        "up/chat-1",
        "up/chat-2",
    }
    assert {name for name in await site.names(**some) if name.startswith("up/")} == {"up/chat-1"}
    assert (await site.ask("chat-2", headers=every)).status == 200
    assert (await site.ask("up/chat-1", headers=some)).status == 200
    assert (await site.ask("chat-1", headers=some)).status == 403
    assert (await site.ask("up/chat-2", headers=some)).status == 403
    assert (await site.ask("embed-1", headers=every)).status == 404


async def test_a_window_that_the_list_states_refuses_a_longer_prompt(
    discover: Callable[..., Awaitable[Found]], provide: Provide
) -> None:
    """Only what the provider's own list states, or the operator: the packaged facts refuse nothing."""
    lists = Lists("/v1/models", {"": openai("small", max_model_len=50)})
    up = await provide(lists)
    provider = {"dialect": "openai_chat", "base_url": up.url, "keys": [KEY]}
    site = await discover(
        {
            "providers": {"up": provider},
            "models": {"mine": "up/small", "wide": {"use": "up/small", "context_window": 100_000}},
        }
    )
    await site.until_listed("up/small")
    listed = (await site.get("/v1/models/up/small")).body
    assert listed["context_window"] == 50
    long = [{"role": "user", "content": "word " * 200}]
    for name in ("small", "up/small", "mine"):
        answer = await site.ask(name, messages=long)
        assert answer.status == 400
        assert answer.body["error"]["code"] == "context_length_exceeded"
        assert (await site.ask(name)).status == 200
    assert len(lists.chats) == 3
    assert (await site.ask("wide", messages=long)).status == 200


async def test_the_age_of_each_list_is_told(
    discover: Callable[..., Awaitable[Found]], provide: Provide
) -> None:
    up = await provide(Lists("/v1/models", {"": openai("one", "two")}))
    site = await discover(
        {
            "providers": {
                "up": {"dialect": "openai_chat", "base_url": up.url, "keys": [KEY]},
                "off": {"dialect": "openai_chat", "base_url": up.url, "keys": [KEY], "discovery": False},
                "azure": {"base_url": up.url, "keys": [KEY]},
            }
        }
    )
    await site.until_tried("up")
    listed = (await site.get("/admin/model-lists")).body["data"]
    assert [(one["provider"], one["models"], one["stale"], one["left_out"]) for one in listed] == [
        ("up", 2, False, 0)
    ]
    assert 0 <= listed[0]["age"] < 60
    told = (await site.get("/health")).body["model_lists"]["up"]
    assert told["models"] == 2
    page = (await site.get("/metrics")).raw.decode()
    assert 'dragoman_model_list_models{provider="up"} 2' in page
    assert 'dragoman_model_list_stale{provider="up"} 0' in page
    assert len(up.seen) == 1  # Azure lists models that are no deployments, and the other list is off
