"""One gateway before a provider of each dialect, for all tests of a file."""

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
from tests.e2e.audio.providers import PROVIDERS, SOUND, Provider
from tests.e2e.calls import Answered


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

    async def speak(
        self, path: str = "/v1/audio/speech", headers: Mapping[str, str] | None = None, **body: Any
    ) -> Answered:
        """Ask for speech."""
        async with self.session.post(self.base + path, json=body, headers=headers) as response:
            return Answered(response.status, response.headers, await response.read())

    async def write_down(
        self, path: str = "/v1/audio/transcriptions", headers: Mapping[str, str] | None = None, **fields: Any
    ) -> Answered:
        """Send a form. file: None = none, bytes = those; lists are sent as fields with `[]`."""
        form = aiohttp.FormData(default_to_multipart=True)
        file = fields.pop("file", SOUND)
        for name, value in fields.items():
            for one in value if isinstance(value, list) else [value]:
                form.add_field(f"{name}[]" if isinstance(value, list) else name, one)
        if file is not None:
            form.add_field("file", BytesIO(file), filename="speech.wav", content_type="audio/wav")
        async with self.session.post(self.base + path, data=form, headers=headers) as response:
            return Answered(response.status, response.headers, await response.read())


def config(rows: dict[str, Any]) -> dict[str, Any]:
    """The stage's configuration."""
    speakers = ["anthropic/claude-x", "bad/tts", "openai_chat/tts-1"]
    hearers = ["anthropic/claude-x", "bad/whisper", "mistral/voxtral", "openai_chat/whisper-1"]
    return {
        "providers": {**rows, "simulate": {"enabled": True}, "local": {"enabled": False}},
        "models": {"speaker": {"deployments": speakers}, "hearer": {"deployments": hearers}},
        "default_models": {"speech": "openai_chat/tts-1"},
        "retries": {"attempts": 4, "backoff": 0.01},
        "server": {"heartbeat": 0.2},
    }


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def shared(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Stage]:
    """The stage of a file."""
    async with AsyncExitStack() as opened:
        scripts: dict[str, Provider] = {}
        made: dict[str, FakeProvider] = {}
        rows = {}
        for name in PROVIDERS:
            provider = FakeProvider(lambda seen, name=name: scripts[name](seen))  # type: ignore[misc]
            made[name] = await opened.enter_async_context(provider)
            dialect = "openai_chat" if name == "bad" else name
            rows[name] = {"dialect": dialect, "base_url": provider.url, "keys": ["up-key"]}
        file = tmp_path_factory.mktemp("audio") / "dragoman.yaml"
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
