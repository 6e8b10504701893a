"""Running gateways for Google's own clients, with what may answer behind them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from typing import Any

import pytest
from google import genai

from dragoman.exchange import Exchange
from dragoman.testing.provider import FakeProvider
from tests.e2e.calls import Site
from tests.e2e.conftest import Provide, Visit, up
from tests.e2e.responses.speaking import DIALECTS, MODELS, UPSTREAMS, Models, speaking

Opened = Callable[..., Awaitable["Gate"]]


class Gate:
    """A running gateway before a provider. provider: None = the model answers by itself."""

    def __init__(
        self, site: Site, models: Models, provider: FakeProvider | None, dialect: str | None
    ) -> None:
        self.site = site
        self.models = models
        self.dialect = dialect
        self.exchanges: list[Exchange] = []
        self._provider = provider
        self.client: genai.Client

    @property
    def provider(self) -> FakeProvider:
        """The fake provider behind it."""
        assert self._provider is not None
        return self._provider

    @property
    def losses(self) -> dict[str, str]:
        """What the last request lost, by its place in the client's body."""
        lost = [loss for loss in self.exchanges[-1].losses if loss.direction == "request"]
        return {loss.path: loss.severity for loss in lost}


@pytest.fixture
def opened(visit: Visit, provide: Provide, stack: AsyncExitStack) -> Opened:
    """Serve a gateway before one upstream, by its name. script: the provider's. more: configuration."""

    async def start(upstream: str, script: Any = None, key: str = "dummy-key", **more: Any) -> Gate:
        config: dict[str, Any] = {"retries": {"attempts": 1}}
        models, provider, dialect = UPSTREAMS["simulate"], None, None
        if upstream in DIALECTS:
            dialect, models = upstream, Models(MODELS[upstream])
            provider = await provide(script or speaking(upstream))
            config = up(provider.url, upstream)
        exchanges: list[Exchange] = []
        site = await visit({**config, **more}, observers=[exchanges.append])
        gate = Gate(site, models, provider, dialect)
        gate.exchanges = exchanges
        gate.client = genai.Client(api_key=key, http_options={"base_url": site.base})
        stack.callback(gate.client.close)
        stack.push_async_callback(gate.client.aio.aclose)
        return gate

    return start


@pytest.fixture(params=[*DIALECTS, "simulate"])
async def gate(request: pytest.FixtureRequest, opened: Opened) -> Gate:
    """A gateway before each upstream there is."""
    return await opened(request.param)
