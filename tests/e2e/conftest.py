"""Running gateways before fake providers, for official clients and raw HTTP."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from dragoman.config.load import load
from dragoman.gateway import Gateway
from dragoman.testing.provider import FakeProvider
from dragoman.testing.serving import serving
from tests.e2e.calls import Site

Serve = Callable[..., Awaitable[str]]
Provide = Callable[..., Awaitable[FakeProvider]]
Visit = Callable[..., Awaitable[Site]]


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
        session = aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=20))
        return Site(base, await stack.enter_async_context(session))

    return start


def up(url: str, dialect: str = "openai_chat", **more: Any) -> dict[str, Any]:
    """The configuration of one provider, named `up`, that is called once and not retried."""
    provider = {"dialect": dialect, "base_url": url, "keys": ["up-key"], **more}
    return {"providers": {"up": provider}, "retries": {"attempts": 1}}
