"""One gateway before a provider of each dialect, for all tests of a file."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from io import BytesIO
from typing import Any

import aiohttp
import pytest
import pytest_asyncio

from tests.e2e import stage as stages
from tests.e2e.audio.providers import PROVIDERS, SOUND
from tests.e2e.calls import Answered
from tests.e2e.stage import Rows, staged


class Stage(stages.Stage):
    """A stage of speakers and listeners."""

    async def speak(
        self, path: str = "/v1/audio/speech", headers: Mapping[str, str] | None = None, **body: Any
    ) -> Answered:
        """Ask for speech."""
        return await self.post(path, headers, body)

    async def write_down(
        self, path: str = "/v1/audio/transcriptions", headers: Mapping[str, str] | None = None, **fields: Any
    ) -> Answered:
        """Send a form. file: None = none, bytes = those, a text is sent as a field. Lists are sent as
        fields with `[]`.
        """
        form = aiohttp.FormData(default_to_multipart=True)
        file = fields.pop("file", SOUND)
        for name, value in fields.items():
            for one in value if isinstance(value, list) else [value]:
                form.add_field(f"{name}[]" if isinstance(value, list) else name, one)
        if isinstance(file, str):
            form.add_field("file", file)
        elif file is not None:
            form.add_field("file", BytesIO(file), filename="speech.wav", content_type="audio/wav")
        return await self.post_form(path, form, headers)


def config(rows: Rows) -> dict[str, Any]:
    """The stage's configuration."""
    for name, row in rows.items():
        row["dialect"] = "openai_chat" if name == "bad" else name
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
    async with staged(Stage, tmp_path_factory.mktemp("audio"), PROVIDERS, config) as stage:
        yield stage


@pytest.fixture
def stage(shared: Stage) -> Stage:
    """The stage as a test finds it."""
    shared.clear()
    return shared
