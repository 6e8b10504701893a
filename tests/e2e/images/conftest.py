"""One gateway before a provider of each kind, for all tests of a file."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack
from io import BytesIO
from typing import Any

import aiohttp
import pytest
import pytest_asyncio
from openai import AsyncOpenAI

from dragoman.config.load import load
from dragoman.exchange import Exchange
from dragoman.gateway import Gateway
from dragoman.testing.provider import Answer, FakeProvider, Seen
from dragoman.testing.serving import serving
from tests.e2e.calls import Answered
from tests.e2e.images.providers import IMAGE, PROVIDERS, Provider


class Stage:
    """The gateway, the providers behind it, and what became of each request.

    scripts: what each provider answers; put another in for one test.
    """

    def __init__(self, base: str, session: aiohttp.ClientSession, client: AsyncOpenAI) -> None:
        self.base = base
        self.session = session
        self.client = client
        self.providers: dict[str, FakeProvider] = {}
        self.scripts: dict[str, Provider] = {}
        self.exchanges: list[Exchange] = []

    def says(self, name: str, answer: Answer) -> None:
        """What a provider answers in this test, whatever it is asked."""

        def script(_: Seen) -> Answer:
            return answer

        self.scripts[name] = script

    async def ask(self, path: str, headers: Mapping[str, str] | None = None, **body: Any) -> Answered:
        """Ask with JSON; `path` below /v1/images."""
        url = f"{self.base}/v1/images/{path}" if not path.startswith("/") else self.base + path
        async with self.session.post(url, json=body, headers=headers) as response:
            return Answered(response.status, response.headers, await response.read())

    async def send(self, path: str, *files: tuple[str, bytes], **fields: str) -> Answered:
        """Send a form. files: names and bytes, one `image` where none is given."""
        form = aiohttp.FormData(default_to_multipart=True)
        for name, value in fields.items():
            form.add_field(name, value)
        for name, data in files or (("image", IMAGE),):
            form.add_field(name, BytesIO(data), filename="picture.png", content_type="image/png")
        async with self.session.post(f"{self.base}/v1/images/{path}", data=form) as response:
            return Answered(response.status, response.headers, await response.read())


def config(rows: dict[str, Any]) -> dict[str, Any]:
    """The stage's configuration."""
    painters = ["anthropic/claude-x", "bad/dall-e", "gemini/gemini-image", "openai_chat/gpt-image-1"]
    return {
        "providers": {**rows, "simulate": {"enabled": True}, "local": {"enabled": False}},
        "models": {"painter": {"deployments": painters}},
        "default_models": {"image": "openai_chat/dall-e-3"},
        "retries": {"attempts": 4, "backoff": 0.01},
        "egress": {"allow": ["127.0.0.1"]},
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
            if name not in {"xai", "openrouter"}:
                rows[name]["dialect"] = "openai_chat" if name in {"bad", "store"} else name
        file = tmp_path_factory.mktemp("images") / "dragoman.yaml"
        file.write_text(json.dumps(config(rows)), encoding="utf-8")
        exchanges: list[Exchange] = []
        base = await opened.enter_async_context(
            serving(Gateway(load(file, {}), observers=[exchanges.append]))
        )
        session = await opened.enter_async_context(aiohttp.ClientSession())
        client = AsyncOpenAI(base_url=f"{base}/v1", api_key="dummy-key", max_retries=0)
        stage = Stage(base, session, await opened.enter_async_context(client))
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
