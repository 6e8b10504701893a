"""Running gateways before fake providers, for official clients and raw HTTP."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest

from dragoman.config.load import load
from dragoman.gateway import Gateway
from dragoman.testing.provider import FakeProvider
from dragoman.testing.serving import serving

Serve = Callable[..., Awaitable[str]]
Provide = Callable[..., Awaitable[FakeProvider]]


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
