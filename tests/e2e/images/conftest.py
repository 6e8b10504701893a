"""One gateway before a provider of each kind, for all tests of a file."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from io import BytesIO
from typing import Any

import aiohttp
import pytest
import pytest_asyncio

from tests.e2e import stage as stages
from tests.e2e.calls import Answered
from tests.e2e.images.providers import IMAGE, PROVIDERS
from tests.e2e.stage import Rows, staged


class Stage(stages.Stage):
    """A stage of painters."""

    async def ask(self, path: str, headers: Mapping[str, str] | None = None, **body: Any) -> Answered:
        """Ask with JSON; `path` below /v1/images."""
        return await self.post(path if path.startswith("/") else f"/v1/images/{path}", headers, body)

    async def send(self, path: str, *files: tuple[str, bytes], **fields: str) -> Answered:
        """Send a form. files: names and bytes, one `image` where none is given."""
        form = aiohttp.FormData(default_to_multipart=True)
        for name, value in fields.items():
            form.add_field(name, value)
        for name, data in files or (("image", IMAGE),):
            form.add_field(name, BytesIO(data), filename="picture.png", content_type="image/png")
        return await self.post_form(f"/v1/images/{path}", form)


def config(rows: Rows) -> dict[str, Any]:
    """The stage's configuration."""
    for name in rows.keys() - {"xai", "openrouter"}:
        rows[name]["dialect"] = "openai_chat" if name in {"bad", "store"} else name
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
    async with staged(Stage, tmp_path_factory.mktemp("images"), PROVIDERS, config) as stage:
        yield stage


@pytest.fixture
def stage(shared: Stage) -> Stage:
    """The stage as a test finds it."""
    shared.clear()
    return shared
