"""One gateway before a fake provider of each kind, for all tests of a file."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any, TypeVar

import aiohttp
from openai import AsyncOpenAI

from dragoman.config.load import load
from dragoman.exchange import Exchange
from dragoman.gateway import Gateway
from dragoman.routing.health import Health
from dragoman.testing.provider import Answer, FakeProvider, Seen
from dragoman.testing.serving import serving
from tests.e2e.calls import Answered

Provider = Callable[[Seen], Answer]
"""What a provider answers."""


class Stage:
    """The gateway, the providers behind it, and what became of each request.

    usual: what each provider answers, as a test finds it. scripts: the same; put another in for one test.
    """

    def __init__(
        self,
        base: str,
        session: aiohttp.ClientSession,
        client: AsyncOpenAI,
        providers: Mapping[str, FakeProvider],
        usual: Mapping[str, Provider],
        scripts: dict[str, Provider],
        exchanges: list[Exchange],
    ) -> None:
        self.base = base
        self.session = session
        self.client = client
        self.providers = providers
        self._usual = usual
        self.scripts = scripts
        self.exchanges = exchanges
        self.health = Health()
        """What the gateway remembers of its providers."""

    def says(self, name: str, answer: Answer) -> None:
        """What a provider answers in this test, whatever it is asked."""

        def script(_: Seen) -> Answer:
            return answer

        self.scripts[name] = script

    async def post(self, path: str, headers: Mapping[str, str] | None, body: Any) -> Answered:
        """Ask with JSON."""
        async with self.session.post(self.base + path, json=body, headers=headers) as response:
            return Answered(response.status, response.headers, await response.read())

    async def post_form(
        self, path: str, form: aiohttp.FormData, headers: Mapping[str, str] | None = None
    ) -> Answered:
        """Send a form."""
        async with self.session.post(self.base + path, data=form, headers=headers) as response:
            return Answered(response.status, response.headers, await response.read())

    def clear(self) -> None:
        """Make it what a test finds."""
        self.scripts.update(self._usual)
        self.exchanges.clear()
        self.health.revive()
        for provider in self.providers.values():
            provider.seen.clear()
            provider.cut.clear()


StageT = TypeVar("StageT", bound=Stage)
Rows = dict[str, dict[str, Any]]


@asynccontextmanager
async def staged(
    kind: type[StageT], folder: Path, usual: Mapping[str, Provider], config: Callable[[Rows], dict[str, Any]]
) -> AsyncGenerator[StageT]:
    """A stage, for as long as the block lasts. usual: as for `Stage`. config: the gateway's configuration
    with these providers, of which the address and a key are there.
    """
    async with AsyncExitStack() as opened:
        scripts: dict[str, Provider] = {}
        providers: dict[str, FakeProvider] = {}
        for name in usual:
            provider = FakeProvider(lambda seen, name=name: scripts[name](seen))  # type: ignore[misc]
            providers[name] = await opened.enter_async_context(provider)
        rows: Rows = {
            name: {"base_url": provider.url, "keys": ["up-key"]} for name, provider in providers.items()
        }
        file = folder / "dragoman.yaml"
        file.write_text(json.dumps(config(rows)), encoding="utf-8")
        exchanges: list[Exchange] = []
        gateway = Gateway(load(file, {}), observers=[exchanges.append])
        base = await opened.enter_async_context(serving(gateway))
        session = await opened.enter_async_context(aiohttp.ClientSession())
        client = AsyncOpenAI(base_url=f"{base}/v1", api_key="dummy-key", max_retries=0)
        await opened.enter_async_context(client)
        stage = kind(base, session, client, providers, usual, scripts, exchanges)
        stage.health = gateway.providers_health
        yield stage
