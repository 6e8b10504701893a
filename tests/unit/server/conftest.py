"""A gateway that is asked in this process: one upstream of ours, and the simulator."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.unit.turns.asking import Asker, Paced

SETTINGS = """
providers: {local: {enabled: false}, simulate: {enabled: true}}
stores: {sql: memory}
models: {mine: {use: simulate/echo, context_window: 1000, max_output: 100, supports: {tools: true}}}
"""


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[Asker]:
    """It says "one", then "two", then "three"."""
    made = Asker(Paced("one", "end", "two", "end", "three", "end"), tmp_path, SETTINGS)
    yield made
    await made.close()
