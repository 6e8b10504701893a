"""One gateway before all providers, for all tests of a file."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack
from typing import Any

import aiohttp
import pytest
import pytest_asyncio

from dragoman.config.load import load
from dragoman.exchange import Exchange
from dragoman.gateway import Gateway
from dragoman.testing.provider import Answer, FakeProvider, Seen
from dragoman.testing.serving import serving
from tests.e2e.calls import Answered
from tests.e2e.judging.providers import PROVIDERS, Provider


class Stage:
    """The gateway, the providers behind it, and what became of each request.

    scripts: what each provider answers; put another in for one test.
    """

    def __init__(self, base: str, session: aiohttp.ClientSession) -> None:
        self.base = base
        self.session = session
        self.providers: dict[str, FakeProvider] = {}
        self.scripts: dict[str, Provider] = {}
        self.exchanges: list[Exchange] = []

    def says(self, name: str, answer: Answer) -> None:
        """What a provider answers in this test, whatever it is asked."""

        def script(_: Seen) -> Answer:
            return answer

        self.scripts[name] = script

    async def ask(self, path: str, headers: Mapping[str, str] | None = None, **body: Any) -> Answered:
        async with self.session.post(self.base + path, json=body, headers=headers) as response:
            return Answered(response.status, response.headers, await response.read())

    async def moderate(self, model: str, headers: Mapping[str, str] | None = None, **body: Any) -> Answered:
        return await self.ask("/v1/moderations", headers, model=model, **body)

    async def rank(self, model: str, headers: Mapping[str, str] | None = None, **body: Any) -> Answered:
        return await self.ask("/v1/rerank", headers, model=model, **body)


def config(rows: dict[str, Any]) -> dict[str, Any]:
    """The stage's configuration."""
    judges = ["anthropic/claude-x", "bad/judge", "openai/omni-moderation-latest"]
    rankers = ["anthropic/claude-x", "bad/ranker", "cohere/rerank-v3.5"]
    return {
        "providers": {**rows, "simulate": {"enabled": True}, "local": {"enabled": False}},
        "models": {"judge": {"deployments": judges}, "ranker": {"deployments": rankers}},
        "default_models": {"moderation": "openai/omni-moderation-latest"},
        "retries": {"attempts": 3, "backoff": 0.01},
    }


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def shared(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Stage]:
    """The stage of a file."""
    async with AsyncExitStack() as opened:
        scripts: dict[str, Provider] = {}
        made: dict[str, FakeProvider] = {}
        rows: dict[str, Any] = {}
        for name in PROVIDERS:
            provider = FakeProvider(lambda seen, name=name: scripts[name](seen))  # type: ignore[misc]
            made[name] = await opened.enter_async_context(provider)
            rows[name] = {"base_url": provider.url, "keys": ["up-key"]}
        rows["bad"]["dialect"] = "openai_chat"
        rows["anthropic"] = rows["bad"] | {"dialect": "anthropic"}
        file = tmp_path_factory.mktemp("judging") / "dragoman.yaml"
        file.write_text(json.dumps(config(rows)), encoding="utf-8")
        exchanges: list[Exchange] = []
        base = await opened.enter_async_context(
            serving(Gateway(load(file, {}), observers=[exchanges.append]))
        )
        stage = Stage(base, await opened.enter_async_context(aiohttp.ClientSession()))
        stage.providers, stage.scripts, stage.exchanges = made, scripts, exchanges
        yield stage


@pytest.fixture
def stage(shared: Stage) -> Stage:
    """The stage as a test finds it."""
    shared.scripts.update(PROVIDERS)
    shared.exchanges.clear()
    for provider in shared.providers.values():
        provider.seen.clear()
        provider.cut.clear()
    return shared
