"""A compatible provider is one row in the catalogue, or one entry in the configuration."""

from __future__ import annotations

import json
import sys
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack
from typing import Any

import msgspec
import pytest
from openai import AsyncOpenAI

from dragoman.config.load import load
from dragoman.gateway import Gateway
from dragoman.providers.catalog import CATALOG
from dragoman.providers.vendor import Vendor, narrow
from dragoman.testing.provider import Answer, FakeProvider, Seen, Whole
from dragoman.testing.serving import serving
from tests.e2e import stubs
from tests.e2e.answers.said import Said
from tests.e2e.strict import openai_chat as strict
from tests.e2e.strict.typed import Refused

TOOLS: list[Any] = [{"type": "function", "function": {"name": "look", "parameters": {"type": "object"}}}]
KNOWN = {"model", "messages", "max_tokens", "stream", "stream_options", "tools", "tool_choice", "temperature"}


def refused(message: str) -> Whole:
    return Whole({"error": {"message": message, "type": "invalid_request_error"}}, 400)


def acme(seen: Seen) -> Answer:
    """Acme's servers: OpenAI's chat of some years ago, with paths and a prefix of names of their own."""
    if seen.headers.get("authorization") != "Bearer acme-key":
        return Whole({"error": {"message": "no such key"}}, 401)
    if seen.path == "/api/v9/embeddings":
        assert seen.body["model"] == "acme-vectors"
        data = [{"object": "embedding", "index": 0, "embedding": [0.5, -1.0]}]
        return Whole({"object": "list", "data": data, "model": "acme-vectors", "usage": {"prompt_tokens": 1}})
    if seen.path != "/api/v9/chat/completions":
        return Whole({"error": {"message": f"no such path: {seen.path}"}}, 404)
    body = seen.body
    if unknown := body.keys() - KNOWN:
        return refused(f"unknown fields: {sorted(unknown)}")
    if any(message["role"] == "developer" for message in body["messages"]):
        return refused("unknown role: developer")
    try:
        strict.judge(msgspec.structs.replace(seen, path="/v1/chat/completions"))
    except Refused as problem:
        return refused(problem.message)
    said = Said("Hello from Acme!")
    if "tools" in body and body["messages"][-1]["role"] != "tool":
        said = Said("", calls=(("call_1", "look", '{"at": "sky"}'),))
    script = stubs.openai_chat(said)
    return script(seen) if callable(script) else script


def row(url: str) -> Vendor:
    """The whole of what is added."""
    return Vendor(
        name="acme",
        title="Acme",
        base_url=f"{url}/api/v9",
        path="/api/v9",
        page="https://acme.example/docs",
        keys=("ACME_API_KEY",),
        quirks=narrow(),
        models=("acme-*",),
        known=("acme-large", "acme-vectors"),
    )


def entry(url: str) -> dict[str, Any]:
    """The same, as an operator writes it."""
    quirks = {"max_tokens_field": "max_tokens", "developer_role": False, "functions": False}
    models = ["acme-large", "acme-vectors"]
    return {"dialect": "openai_chat", "base_url": f"{url}/api/v9", "keys": ["acme-key"]} | {
        "quirks": quirks,
        "models": models,
    }


@pytest.fixture(params=["row", "configuration"])
async def client(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> AsyncGenerator[AsyncOpenAI]:
    async with AsyncExitStack() as opened:
        provider = await opened.enter_async_context(FakeProvider(acme))
        settings: dict[str, Any] = {"providers": {"acme": entry(provider.url)}}
        environ: dict[str, str] = {}
        if request.param == "row":
            settings, environ = {}, {"ACME_API_KEY": "acme-key"}
            catalog = {**CATALOG, "acme": row(provider.url)}
            for name, module in list(sys.modules.items()):
                if name.startswith("dragoman.") and getattr(module, "CATALOG", None) is CATALOG:
                    monkeypatch.setattr(module, "CATALOG", catalog)
        base = await opened.enter_async_context(serving(Gateway(load(settings, environ))))
        yield await opened.enter_async_context(AsyncOpenAI(base_url=f"{base}/v1", api_key="x", max_retries=0))


async def test_chat_and_stream(client: AsyncOpenAI) -> None:
    asked: list[Any] = [{"role": "developer", "content": "Be kind."}, {"role": "user", "content": "Hello!"}]
    answer = await client.chat.completions.create(
        model="acme/acme-large", messages=asked, max_completion_tokens=9
    )
    assert answer.choices[0].message.content == "Hello from Acme!"
    chunks = await client.chat.completions.create(model="acme/acme-large", messages=asked, stream=True)
    texts = [choice.delta.content or "" async for chunk in chunks for choice in chunk.choices]
    assert "".join(texts) == "Hello from Acme!"
    assert len([text for text in texts if text]) > 1


async def test_tools_in_two_turns(client: AsyncOpenAI) -> None:
    asked: list[Any] = [{"role": "user", "content": "Look!"}]
    first = await client.chat.completions.create(model="acme/acme-large", messages=asked, tools=TOOLS)
    assert first.choices[0].message.tool_calls is not None
    (call,) = first.choices[0].message.tool_calls
    assert call.type == "function"
    assert (call.function.name, json.loads(call.function.arguments)) == ("look", {"at": "sky"})
    assert first.choices[0].finish_reason == "tool_calls"
    asked.append(first.choices[0].message.model_dump(exclude_none=True))
    asked.append({"role": "tool", "tool_call_id": call.id, "content": "blue"})
    second = await client.chat.completions.create(model="acme/acme-large", messages=asked, tools=TOOLS)
    assert second.choices[0].message.content == "Hello from Acme!"


async def test_embeddings(client: AsyncOpenAI) -> None:
    answer = await client.embeddings.create(model="acme/acme-vectors", input="x", encoding_format="float")
    assert answer.data[0].embedding == [0.5, -1.0]


async def test_models(client: AsyncOpenAI) -> None:
    ids = {model.id async for model in client.models.list()}
    assert {"acme/acme-large", "acme/acme-vectors"} <= ids
