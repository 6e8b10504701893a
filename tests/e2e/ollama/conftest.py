"""One gateway for all tests of a module, before strict providers of four protocols, Ollama's own among them,
that answer what they are asked: a prompt is said again, `Weather` calls a tool once (`carefully`: after a
thought), `Think` thinks.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack

import aiohttp
import pytest
import pytest_asyncio

from dragoman.config.load import load
from dragoman.exchange import Exchange
from dragoman.gateway import Gateway
from dragoman.testing.provider import Answer, FakeProvider, Seen, Whole
from dragoman.testing.serving import serving
from tests.e2e.answers.ollama import ollama
from tests.e2e.calls import Site
from tests.e2e.embeddings import providers
from tests.e2e.sent import Sent
from tests.e2e.strict import held
from tests.e2e.stubs import DIALECTS, Said

MODELS = {
    "openai_chat": "openai_chat/gpt-4o",
    "anthropic": "anthropic/claude-sonnet-4-5",
    "gemini": "gemini/gemini-2.5-flash",
    "ollama": "machine/qwen3",
}
"""A model to ask for, by the dialect of its provider."""
EMBEDDERS = {
    "openai_chat": "openai_chat/text-embedding-3-small",
    "gemini": "gemini/gemini-embedding-001",
    "ollama": "machine/embedder",
    "simulate": "simulate/echo",
}
EVERY = pytest.mark.parametrize("dialect", list(MODELS))
SHARED = pytest.mark.asyncio(loop_scope="module")
SEALS = {"anthropic": "RXJjQkNrZ0lDeEFC+/8=", "gemini": "CrEBAVuKwJx+/w=="}
WEATHER = ("call_1", "get_weather", '{"city":"Paris"}')


class Stage(Site):
    """The gateway, its providers by dialect, and what became of each request."""

    def __init__(self, base: str, session: aiohttp.ClientSession, gateway: Gateway) -> None:
        super().__init__(base, session)
        self.gateway = gateway
        self.providers: dict[str, FakeProvider] = {}
        self.exchanges: list[Exchange] = []

    def sent(self, dialect: str) -> Sent:
        """What the provider of this dialect was asked last."""
        return Sent(dialect, self.providers[dialect].last)


def _vectors(seen: Seen) -> Answer:
    """Ollama's, of both endpoints."""
    body = seen.body
    if seen.path == "/api/embeddings":
        return Whole({"embedding": providers.expected(body["prompt"])})
    inputs = [body["input"]] if isinstance(body["input"], str) else body["input"]
    vectors = [providers.expected(one, body.get("dimensions", providers.LENGTH)) for one in inputs]
    return Whole({"model": body["model"], "embeddings": vectors, "prompt_eval_count": len(inputs)})


_VECTORS: dict[str, Callable[[Seen], Answer]] = {
    "openai_chat": providers.openai,
    "gemini": providers.gemini,
    "ollama": _vectors,
}


def _answer(dialect: str, seen: Seen) -> Answer:
    if "mbed" in seen.path:
        return _VECTORS[dialect](seen)
    sent = Sent(dialect, seen)
    prompts = ["".join(texts) for role, texts in sent.turns if role == "user"]
    prompt = prompts[0]
    said = Said(prompt)
    if sent.results < sum(one.startswith("Weather") for one in prompts):
        careful = "carefully" in prompt
        said = Said(
            "", (WEATHER,), thought="I look." if careful else "", seal=SEALS[dialect] if careful else ""
        )
    elif prompt.startswith("Think"):
        said = Said("Done.", thought="Well…", seal="c2VhbA==")
    script = {**DIALECTS, "ollama": ollama}[dialect](said)
    assert callable(script)
    answer = held(dialect, script)
    assert callable(answer)
    return answer(seen)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def stage(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Stage]:
    """The gateway, open to this machine."""
    async with AsyncExitStack() as opened:
        rows, made = {}, {}
        for dialect in MODELS:
            provider = FakeProvider(lambda seen, dialect=dialect: _answer(dialect, seen))  # type: ignore[misc]
            made[dialect] = await opened.enter_async_context(provider)
            rows[MODELS[dialect].partition("/")[0]] = {
                "dialect": dialect,
                "base_url": provider.url,
                "keys": ["up-key"],
            }
        config = {
            "providers": {**rows, "simulate": {"enabled": True}, "local": {"enabled": False}},
            "retries": {"attempts": 1},
            "aliases": {
                "Mine": {"route": "simulate/echo", "defaults": {"temperature": 0.5}},
                "Two": "simulate/echo",
                "two": "simulate/lorem:9",
                "kept:latest": "simulate/echo",
            },
        }
        file = tmp_path_factory.mktemp("ollama") / "dragoman.yaml"
        file.write_text(json.dumps(config), encoding="utf-8")
        exchanges: list[Exchange] = []
        gateway = Gateway(load(file, {}), observers=[exchanges.append])
        base = await opened.enter_async_context(serving(gateway))
        session = await opened.enter_async_context(aiohttp.ClientSession())
        stage = Stage(base, session, gateway)
        stage.providers, stage.exchanges = made, exchanges
        yield stage
