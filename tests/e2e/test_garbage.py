"""A request leaves nothing that only the garbage collector can free: a circle stays in memory until its next
full run, a prompt of 100 kB too.
"""

from __future__ import annotations

import asyncio
import gc
import json
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.e2e.memory import MODELS, asking

ROOT = Path(__file__).parents[2]
MANY = 10


@contextmanager
def kept() -> Iterator[list[str]]:
    """Names what the block has left to the collector, by type, afterwards."""
    left: list[str] = []
    gc.collect()
    gc.disable()
    gc.set_debug(gc.DEBUG_SAVEALL)
    try:
        yield left
        gc.collect()
        ours = Counter(
            type(one).__qualname__ for one in gc.garbage if type(one).__module__.startswith("dragoman")
        )
        left += [f"{name} {count}" for name, count in ours.most_common() if count >= MANY]
    finally:
        gc.set_debug(0)
        gc.garbage.clear()
        gc.enable()


@pytest.mark.parametrize("streamed", [False, True], ids=["whole", "streamed"])
@pytest.mark.parametrize("model", MODELS)
async def test_a_request_leaves_no_circle(model: str, *, streamed: bool) -> None:
    async with asking() as ask:
        for _ in range(3):
            await ask(model, streamed)
        with kept() as left:
            for _ in range(MANY):
                await ask(model, streamed)
            await asyncio.sleep(0.05)
        assert left == []


@pytest.mark.parametrize("leaking", [False, True], ids=["as it is", "with a leak"])
def test_requests_leave_nothing_in_memory(*, leaking: bool) -> None:
    """Less than one object for each request, neither in a circle nor in a list that only grows; and this
    test notices two for each.
    """
    command = [sys.executable, "-m", "tests.e2e.memory", *(["--leak"] if leaking else [])]
    told = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120, check=True)
    assert (json.loads(told.stdout) >= 1) is leaking, told.stdout
