"""Rows 2.20 and 2.21: how a client's key travels, what it opens, and that no provider ever sees it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AsyncExitStack
from typing import Any, NamedTuple
from urllib.parse import unquote

import pytest
from anthropic import AsyncAnthropic
from google import genai
from mistralai.client import Mistral
from openai import AsyncOpenAI

from dragoman.testing.provider import Answer, FakeProvider, Script, Seen
from tests.e2e import stubs
from tests.e2e.calls import CHAT, HELLO, Site
from tests.e2e.conftest import Provide, Visit
from tests.e2e.embeddings.providers import MODELS as VECTOR_MODELS
from tests.e2e.embeddings.providers import PROVIDERS as VECTORS
from tests.e2e.stubs import Said

KEY = "client-canary/key+7"
"""With characters that an address writes otherwise."""
CHAT_MODELS = {
    "openai_chat": "gpt-4o",
    "anthropic": "claude-sonnet-4-5",
    "gemini": "gemini-2.5-flash",
    "mistral": "mistral-large-latest",
}


class Asked(NamedTuple):
    """One request, but for its key. goes: where the key may stand."""

    path: str
    body: dict[str, Any]
    goes: tuple[str, ...] = ("authorization", "x-api-key", "x-goog-api-key")


def every_face(model: str) -> Iterator[Asked]:
    """A model's chat in each face, whole and streamed."""
    google: dict[str, Any] = {"contents": [{"parts": [{"text": "Hello!"}]}]}
    in_address = ("?key=", "x-goog-api-key", "authorization")
    for stream in (False, True):
        yield Asked(CHAT, {"model": model, "messages": HELLO, "stream": stream})
        yield Asked("/v1/responses", {"model": model, "input": "Hello!", "stream": stream})
        yield Asked("/v1/messages", {"model": model, "max_tokens": 9, "messages": HELLO, "stream": stream})
        method = "streamGenerateContent?alt=sse" if stream else "generateContent"
        yield Asked(f"/v1beta/models/{model}:{method}", google, in_address)


def every_vector(model: str) -> Iterator[Asked]:
    """A model's vectors in each face that has them."""
    yield Asked("/v1/embeddings", {"model": model, "input": "a"})
    content = {"content": {"parts": [{"text": "a"}]}}
    yield Asked(f"/v1beta/models/{model}:embedContent", content, ("?key=", "x-goog-api-key"))


async def ask(site: Site, asked: Asked, goes: str, key: str = KEY) -> int:
    """Ask with the key where it may stand. The status; the answer is read to its end."""
    url, headers, query = site.base + asked.path, {}, {}
    if goes == "?key=":
        query = {"key": key}
    else:
        headers = {goes: f"Bearer {key}" if goes == "authorization" else key}
    async with site.session.post(url, json=asked.body, headers=headers, params=query) as response:
        await response.read()
        return response.status


def speaking(dialect: str) -> Script:
    """A provider of a dialect that answers and gives embeddings."""

    def answer(seen: Seen) -> Answer:
        script = VECTORS[dialect] if "embed" in seen.path.lower() else stubs.DIALECTS[dialect](Said())
        return script(seen) if callable(script) else script

    return answer


@pytest.fixture
async def site(visit: Visit, provide: Provide) -> tuple[Site, dict[str, FakeProvider]]:
    """A gateway with keys before a provider of each dialect, as `up-X` with a key and `bare-X` without."""
    providers = {dialect: await provide(speaking(dialect)) for dialect in CHAT_MODELS}
    rows: dict[str, Any] = {}
    for dialect, provider in providers.items():
        row = {"dialect": dialect, "base_url": provider.url}
        rows[f"up-{dialect}"] = {**row, "keys": [f"up-key-{dialect}"]}
        rows[f"bare-{dialect}"] = {**row, "keys": []}
    keys: list[Any] = [KEY, {"key": "admin-key", "scopes": "admin"}]
    keys.append({"key": "some-key", "models": ["m"]})
    auth = {"keys": keys}
    aliases = {"m": "simulate/echo", "other": "simulate/echo"}
    config = {"providers": rows, "auth": auth, "aliases": aliases, "retries": {"attempts": 1}}
    return await visit(config), providers


async def test_no_provider_ever_sees_the_key(site: tuple[Site, dict[str, FakeProvider]]) -> None:
    """2.21: whole and streamed, relayed and translated, chat and vectors, wherever the key may stand."""
    gate, providers = site
    for dialect, provider in providers.items():
        for name in (f"up-{dialect}", f"bare-{dialect}"):
            requests = list(every_face(f"{name}/{CHAT_MODELS[dialect]}"))
            if dialect in VECTOR_MODELS:
                requests += every_vector(VECTOR_MODELS[dialect].replace("up/", f"{name}/"))
            for asked in requests:
                for goes in asked.goes:
                    before = len(provider.seen)
                    assert await ask(gate, asked, goes) == 200, (asked, goes)
                    (seen,) = provider.seen[before:]
                    assert_without(seen, KEY)
                    own = f"up-key-{dialect}"
                    assert any(own in value for value in seen.headers.values()) is name.startswith("up")


def assert_without(seen: Seen, key: str) -> None:
    """Nothing of a request holds the key, and nothing of it looks like a place for one that we left empty."""
    assert "key" not in {name.lower() for name in seen.query}
    told = [seen.path, *seen.query, *seen.query.values(), *seen.headers, *seen.headers.values()]
    for text in (*told, seen.raw.decode()):
        assert key not in text
        assert key not in unquote(text)
    if not any("up-key" in value for value in seen.headers.values()):
        assert not {"authorization", "x-api-key", "x-goog-api-key", "cookie"} & set(seen.headers)


async def test_a_wrong_key_is_refused_wherever_it_stands(site: tuple[Site, dict[str, FakeProvider]]) -> None:
    gate, providers = site
    for asked in (*every_face("up-gemini/gemini-2.5-flash"), *every_vector("up-gemini/gemini-embedding-001")):
        for goes in asked.goes:
            assert await ask(gate, asked, goes, "wrong") == 401
        if (
            "?key=" not in asked.goes
        ):  # an address is in every log on the way: only Google's clients put it there
            assert await ask(gate, asked, "?key=") == 401
    assert not any(provider.seen for provider in providers.values())


@pytest.mark.filterwarnings("ignore:Inheritance class AiohttpClientSession:DeprecationWarning")
async def test_each_official_client_sends_its_key_as_it_does(
    site: tuple[Site, dict[str, FakeProvider]], stack: AsyncExitStack
) -> None:
    """2.21: no client needs more than its base URL and the key."""
    gate, _ = site
    base, enter = gate.base, stack.enter_async_context
    openai = await enter(AsyncOpenAI(base_url=f"{base}/v1", api_key=KEY, max_retries=0))
    assert (await openai.models.retrieve("m")).id == "m"
    for client in (
        AsyncAnthropic(base_url=base, api_key=KEY, max_retries=0),
        AsyncAnthropic(base_url=base, auth_token=KEY, max_retries=0),
    ):
        anthropic = await enter(client)
        assert (await anthropic.models.retrieve("m")).id == "m"
    google = genai.Client(api_key=KEY, http_options={"base_url": base})
    stack.callback(google.close)
    stack.push_async_callback(google.aio.aclose)
    assert (await google.aio.models.get(model="m")).name == "models/m"
    mistral = await enter(Mistral(api_key=KEY, server_url=base))
    told = await mistral.chat.complete_async(model="m", messages=[{"role": "user", "content": "Hi"}])
    assert told.choices[0].message is not None


async def test_scopes(site: tuple[Site, dict[str, FakeProvider]]) -> None:
    """2.20: models for a usual key, the administration for one of that scope, and neither for the other."""
    gate, _ = site
    asked = [*every_face("m"), Asked("/v1/embeddings", {"model": "m", "input": "a"})]
    for one in asked:
        assert await ask(gate, one, one.goes[-1], "admin-key") == 403, one.path
    for path in ("/v1/models", "/v1/models/m", "/v1beta/models", "/anthropic/v1/models"):
        refused = await gate.get(path, **{"x-api-key": "admin-key"})
        assert refused.status == 403, path
    refused = await gate.get("/v1/models", **{"x-api-key": "admin-key"})
    assert refused.error["code"] == "insufficient_scope"
    for path in ("/admin/sessions", "/admin/sessions/s"):
        refused = await gate.get(path, **{"x-api-key": KEY})
        assert (refused.status, refused.error["code"]) == (403, "insufficient_scope")
        assert (await gate.get(path)).status == 401
    assert (await gate.get("/admin/sessions", **{"x-api-key": "admin-key"})).body["data"] == []
    assert (await gate.get("/admin/nothing", **{"x-api-key": KEY})).status == 404


async def test_an_open_gateway_is_administered_from_its_own_machine_only(visit: Visit) -> None:
    """2.20: whoever is here may; where everybody is let in, only a key may."""
    here = await visit({"aliases": {"m": "simulate/echo"}})
    assert (await here.get("/admin/sessions")).status == 200
    key = {"key": "admin-key", "scopes": ["admin", "inference"]}
    public = await visit({"aliases": {"m": "simulate/echo"}, "auth": {"open": True, "keys": [key]}})
    assert (await public.ask("m")).status == 200
    assert (await public.get("/admin/sessions")).status == 403
    assert (await public.get("/admin/sessions", **{"x-api-key": "admin-key"})).status == 200


async def test_every_face_lists_granted_models_only(site: tuple[Site, dict[str, FakeProvider]]) -> None:
    """2.20: and finds no other by its name either."""
    gate, _ = site
    faces: list[tuple[dict[str, str], str]] = [
        ({}, "/v1/models"),
        ({"anthropic-version": "2023-06-01"}, "/v1/models"),
        ({"x-goog-api-client": "x"}, "/v1/models"),
        ({}, "/anthropic/v1/models"),
        ({}, "/v1beta/models"),
    ]
    for headers, path in faces:
        mine = {"x-api-key": "some-key", **headers}
        body = (await gate.get(path, **mine)).body
        listed = body.get("data") or body["models"]
        assert [one.get("id", one.get("name")).removeprefix("models/") for one in listed] == ["m"], path
        assert (await gate.get(f"{path}/m", **mine)).status == 200
        for hidden in ("other", "simulate/echo", "up-gemini/gemini-2.5-flash"):
            assert (await gate.get(f"{path}/{hidden}", **mine)).status == 404, (path, hidden)
