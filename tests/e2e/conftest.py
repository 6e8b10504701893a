"""Running gateways before fake providers, for official clients and raw HTTP."""

from __future__ import annotations

import json
import os
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from openai import AsyncOpenAI

from dragoman.config.load import load
from dragoman.exchange import Exchange
from dragoman.gateway import Gateway
from dragoman.testing.provider import FakeProvider
from dragoman.testing.serving import serving
from tests.e2e.calls import MODELS, Site
from tests.e2e.house import house  # noqa: F401 - a fixture
from tests.e2e.strict import held

KEPT = ("PATH", "PYTHONPATH", "LANG", "LC_ALL", "SYSTEMROOT", "NO_PROXY", "no_proxy", "DRAGOMAN_TRANSPORT")
Serve = Callable[..., Awaitable[str]]
Provide = Callable[..., Awaitable[FakeProvider]]
Visit = Callable[..., Awaitable[Site]]
Converse = Callable[..., Awaitable["Conversation"]]


class Conversation:
    """The official client, the model to ask for, the provider, and what became of each request."""

    def __init__(
        self, client: AsyncOpenAI, model: str, provider: FakeProvider, exchanges: list[Exchange]
    ) -> None:
        self.client = client
        self.model = model
        self.provider = provider
        self.exchanges = exchanges

    async def ask(self, **fields: Any) -> Any:
        messages = fields.pop("messages", [{"role": "user", "content": "Hello!"}])
        model = fields.pop("model", self.model)
        return await self.client.chat.completions.create(model=model, messages=messages, **fields)

    @property
    def losses(self) -> dict[str, str]:
        """What the last request lost, by its place in the client's body."""
        lost = [loss for loss in self.exchanges[-1].losses if loss.direction == "request"]
        return {loss.path: loss.severity for loss in lost}


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    """Nothing of whoever runs the tests, and a home folder of its own."""
    kept = {name: os.environ[name] for name in KEPT if name in os.environ}
    return {
        **kept,
        "PYTHONUTF8": "1",
        "TERM": "xterm",
        "HOME": str(tmp_path),
        "DRAGOMAN_HOME": str(tmp_path / "home"),
        "DRAGOMAN_DISCOVER": "false",
    }


@pytest.fixture
async def stack() -> AsyncIterator[AsyncExitStack]:
    """Everything that a test starts, stopped in reverse order."""
    async with AsyncExitStack() as opened:
        yield opened


@pytest.fixture
def provide(stack: AsyncExitStack) -> Provide:
    """Start a fake provider with these answers."""

    async def start(*answers: Any) -> FakeProvider:
        return await stack.enter_async_context(FakeProvider(*answers))

    return start


@pytest.fixture
def serve(stack: AsyncExitStack, tmp_path: Path) -> Serve:
    """Serve a gateway with this configuration (the text of a YAML file); gives its origin."""

    async def start(configuration: str = "", **options: Any) -> str:
        file = tmp_path / "dragoman.yaml"
        file.write_text(configuration, encoding="utf-8")
        gateway = Gateway(load(file, {}), **options)
        return await stack.enter_async_context(serving(gateway))

    return start


@pytest.fixture
def visit(serve: Serve, stack: AsyncExitStack) -> Visit:
    """Serve a gateway with this configuration (as a value), and call it over plain HTTP."""

    async def start(configuration: dict[str, Any], **options: Any) -> Site:
        base = await serve(json.dumps(configuration), **options)
        session = aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=60))
        return Site(base, await stack.enter_async_context(session))

    return start


@pytest.fixture
def converse(serve: Serve, provide: Provide, stack: AsyncExitStack) -> Converse:
    """Let the official client talk to a provider of this dialect that gives these answers.

    strict: the provider refuses what the real one refuses. model: `provider/model`, by a vendor's name if its
    own row is to count; None = the usual one of a provider that is only known by its dialect. more: of the
    configuration.
    """

    async def start(
        dialect: str, *answers: Any, strict: bool = True, model: str | None = None, **more: Any
    ) -> Conversation:
        provider = await provide(*(held(dialect, answer) if strict else answer for answer in answers))
        asked = model or MODELS[dialect]
        row = {"base_url": provider.url, "keys": ["up-key"], **({} if model else {"dialect": dialect})}
        config = {"providers": {asked.partition("/")[0]: row}, "retries": {"attempts": 1}, **more}
        exchanges: list[Exchange] = []
        base = await serve(json.dumps(config), observers=[exchanges.append])
        client = AsyncOpenAI(base_url=f"{base}/v1", api_key="dummy-key", max_retries=0)
        return Conversation(await stack.enter_async_context(client), asked, provider, exchanges)

    return start


def up(url: str, dialect: str = "openai_chat", **more: Any) -> dict[str, Any]:
    """The configuration of one provider, named `up`, that is called once and not retried."""
    provider = {"dialect": dialect, "base_url": url, "keys": ["up-key"], **more}
    return {"providers": {"up": provider}, "retries": {"attempts": 1}}
