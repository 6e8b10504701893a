"""One gateway before all providers, for all tests of a file."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from typing import Any

import pytest
import pytest_asyncio

from tests.e2e import stage as stages
from tests.e2e.calls import Answered
from tests.e2e.judging.providers import PROVIDERS
from tests.e2e.stage import Rows, staged


class Stage(stages.Stage):
    """A stage of judges."""

    async def ask(self, path: str, headers: Mapping[str, str] | None = None, **body: Any) -> Answered:
        return await self.post(path, headers, body)

    async def moderate(self, model: str, headers: Mapping[str, str] | None = None, **body: Any) -> Answered:
        return await self.ask("/v1/moderations", headers, model=model, **body)

    async def rank(self, model: str, headers: Mapping[str, str] | None = None, **body: Any) -> Answered:
        return await self.ask("/v1/rerank", headers, model=model, **body)


def config(rows: Rows) -> dict[str, Any]:
    """The stage's configuration."""
    rows["bad"]["dialect"] = "openai_chat"
    rows["anthropic"] = rows["bad"] | {"dialect": "anthropic"}
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
    async with staged(Stage, tmp_path_factory.mktemp("judging"), PROVIDERS, config) as stage:
        yield stage


@pytest.fixture
def stage(shared: Stage) -> Stage:
    """The stage as a test finds it."""
    shared.clear()
    return shared
