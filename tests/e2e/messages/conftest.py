"""Anthropic's official client before a gateway whose provider speaks another protocol, or its own."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from typing import Any

import pytest
from anthropic import AsyncAnthropic

from dragoman.exchange import Exchange
from dragoman.testing.provider import FakeProvider
from tests.e2e.answers.openai_responses import openai_responses
from tests.e2e.conftest import Provide, Serve, up
from tests.e2e.strict import held
from tests.e2e.stubs import DIALECTS, Said

ANSWERS = {**DIALECTS, "openai_responses": openai_responses}
MODELS = {
    "openai_chat": "up/gpt-5.1",
    "openai_responses": "up/gpt-5.1",
    "anthropic": "up/claude-sonnet-4-5",
    "gemini": "up/gemini-2.5-flash",
    "mistral": "up/magistral-medium-latest",
}
"""Models that think, by the dialect of the provider `up`."""
EVERY = pytest.mark.parametrize("dialect", list(MODELS))


class Talk:
    """The official client, what it asks, who answers, and what became of each request."""

    def __init__(
        self, client: AsyncAnthropic, base: str, model: str, provider: FakeProvider, exchanges: list[Exchange]
    ) -> None:
        self.client: Any = client  # its types would have every test tell dozens of blocks apart
        self.base = base
        self.model = model
        self.provider = provider
        self.exchanges = exchanges

    def asked(self, **fields: Any) -> dict[str, Any]:
        messages = [{"role": "user", "content": "Hello!"}]
        return {"model": self.model, "max_tokens": 4096, "messages": messages, **fields}

    async def ask(self, **fields: Any) -> Any:
        return await self.client.messages.create(**self.asked(**fields))

    @property
    def lost(self) -> dict[str, str]:
        """What the last request lost, by its place in the client's body."""
        losses = [loss for loss in self.exchanges[-1].losses if loss.direction == "request"]
        return {loss.path: loss.severity for loss in losses}


Converse = Callable[..., Awaitable[Talk]]


@pytest.fixture
def talk(serve: Serve, provide: Provide, stack: AsyncExitStack) -> Converse:
    """Let the client talk to a strict provider of this dialect that says these things in turn."""

    async def start(dialect: str, *said: Said, **more: Any) -> Talk:
        provider = await provide(*(held(dialect, ANSWERS[dialect](one)) for one in said))
        exchanges: list[Exchange] = []
        base = await serve(json.dumps({**up(provider.url, dialect), **more}), observers=[exchanges.append])
        client = AsyncAnthropic(base_url=base, api_key="client-key", max_retries=0)
        await stack.enter_async_context(client)
        return Talk(client, base, MODELS[dialect], provider, exchanges)

    return start
