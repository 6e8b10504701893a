"""Running gateways whose every answer is overheard, with what may answer behind them."""

from __future__ import annotations

import json
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
from dragoman.seams.clock import SYSTEM, Seams
from dragoman.testing.provider import FakeProvider
from dragoman.testing.serving import serving
from tests.e2e.conftest import Provide, up
from tests.e2e.responses.described import Described
from tests.e2e.responses.speaking import DIALECTS, MODELS, UPSTREAMS, Models, speaking
from tests.e2e.responses.tap import Tap

Opened = Callable[..., Awaitable["Gate"]]


class Gate:
    """A running gateway before a provider. provider: None = the model answers by itself."""

    def __init__(self, base: str, models: Models, provider: FakeProvider | None, dialect: str | None) -> None:
        self.base = base
        self.models = models
        self.dialect = dialect
        self.exchanges: list[Exchange] = []
        self._provider = provider
        self.client: Any  # AsyncOpenAI; its types would have every test tell dozens of items apart
        self.session: aiohttp.ClientSession
        self.gateway: Gateway

    @property
    def provider(self) -> FakeProvider:
        """The fake provider behind it."""
        assert self._provider is not None
        return self._provider


@pytest.fixture(scope="session")
def described() -> Described | None:
    """The published descriptions; None where they are absent (`test_described` says so, and is skipped)."""
    from tests.conftest import SPECIFICATIONS

    return Described(SPECIFICATIONS) if SPECIFICATIONS.is_dir() else None


@pytest.fixture
async def tap(described: Described | None) -> AsyncIterator[Tap]:
    """Hears all that the gateways of a test say; what the descriptions find wrong fails the test."""
    heard = Tap()
    yield heard
    if described is not None:
        assert heard.mistakes(described) == []


@pytest.fixture
def served(tap: Tap, stack: AsyncExitStack, tmp_path: Path) -> Callable[..., Awaitable[Gate]]:
    """Serve a gateway with this configuration, overheard.

    key: of the official client. upstream: a dialect of `DIALECTS`, or what answers by itself.
    """

    async def start(
        configuration: dict[str, Any],
        models: Models = UPSTREAMS["simulate"],
        provider: FakeProvider | None = None,
        dialect: str | None = None,
        key: str = "dummy-key",
        seams: Seams = SYSTEM,
    ) -> Gate:
        file = tmp_path / "dragoman.yaml"
        file.write_text(json.dumps(configuration), encoding="utf-8")
        gate = Gate("", models, provider, dialect)
        gate.gateway = Gateway(load(file, {}), observers=[gate.exchanges.append], seams=seams)
        gate.base = await stack.enter_async_context(serving(gate.gateway, around=tap.around))
        client = AsyncOpenAI(base_url=f"{gate.base}/v1", api_key=key, max_retries=0, timeout=60)
        gate.client = await stack.enter_async_context(client)
        session = aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=60))
        gate.session = await stack.enter_async_context(session)
        return gate

    return start


@pytest.fixture
def opened(served: Callable[..., Awaitable[Gate]], provide: Provide) -> Opened:
    """Serve a gateway before one upstream, by its name."""

    async def start(upstream: str, **more: Any) -> Gate:
        if upstream not in DIALECTS:
            return await served({"retries": {"attempts": 1}, **more}, UPSTREAMS[upstream])
        provider = await provide(speaking(upstream))
        config = {**up(provider.url, upstream), **more}
        return await served(config, Models(MODELS[upstream]), provider, upstream)

    return start


ALSO_EMBEDDED = pytest.mark.parametrize(
    "gate", [*DIALECTS, "simulate", pytest.param("local", marks=pytest.mark.local_model)], indirect=True
)
"""Before the embedded model too, which takes its time: where what answers makes a difference."""


@pytest.fixture(params=[*DIALECTS, "simulate"])
async def gate(request: pytest.FixtureRequest, opened: Opened) -> Gate:
    """A gateway before each upstream."""
    return await opened(request.param)
