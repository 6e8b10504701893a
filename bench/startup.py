"""Rows of starting: the import, the time to a first right answer, and memory at rest."""

from __future__ import annotations

import asyncio
import sys
import time
from asyncio.subprocess import PIPE
from collections.abc import Iterable

from bench.checks import proven_answer
from bench.figures import Figure
from bench.load import LoadError
from bench.processes import ROOT, bound
from bench.requests import shot
from bench.stage import Stage, Target
from bench.windows import Effort

IMPORT_SECONDS = 0.15
START_SECONDS = 0.7
RESIDENT_MB = 60.0

_IMPORT = """
import sys, time
before = len(sys.modules)
started = time.perf_counter()
import dragoman
print(time.perf_counter() - started, len(sys.modules) - before)
"""


async def import_time(stage: Stage, effort: Effort) -> list[Figure]:
    """Seconds of `import dragoman` in a new process, and the number of modules that it brings."""
    seconds: list[float] = []
    modules = 0
    for _ in range(2 * effort.starts):
        with bound(stage.cores.subject):
            python = await asyncio.create_subprocess_exec(
                sys.executable, "-c", _IMPORT, cwd=ROOT, stdout=PIPE
            )
        output, _ = await python.communicate()
        if python.returncode:
            raise RuntimeError(f"import dragoman: exit status {python.returncode}")
        taken, count = output.split()
        seconds.append(float(taken))
        modules = int(count)
    return [
        Figure(
            key="import",
            title="import dragoman",
            unit="s",
            gateway=tuple(seconds),
            budget=IMPORT_SECONDS,
            note=f"{modules} modules",
        )
    ]


async def cold_start(stage: Stage, targets: Iterable[Target], effort: Effort) -> list[Figure]:
    """Seconds from starting the program to its first right answer, and MB of memory a second later."""
    seconds: dict[Target, list[float]] = {"floor": [], "gateway": []}
    resident: dict[Target, list[float]] = {"floor": [], "gateway": []}
    for _ in range(effort.starts):
        for target in targets:
            started = time.perf_counter()
            process = stage.start(target)
            try:
                await process.ready()
                await _first_answer(process.port)
                seconds[target].append(time.perf_counter() - started)
                await asyncio.sleep(1.0)
                if (now := process.resident()) is not None:
                    resident[target].append(now)
            finally:
                process.stop()
    return [
        Figure(
            key="cold-start",
            title="cold start to the first answer",
            unit="s",
            floor=tuple(seconds["floor"]),
            gateway=tuple(seconds["gateway"]),
            budget=START_SECONDS,
        ),
        Figure(
            key="idle",
            title="memory at rest",
            unit="MB",
            floor=tuple(resident["floor"]),
            gateway=tuple(resident["gateway"]),
            budget=RESIDENT_MB,
        ),
    ]


async def _first_answer(port: int) -> None:
    """Ask until the answer is right; a server may accept before it is able to answer."""
    async with asyncio.timeout(30):
        while True:
            try:
                await proven_answer(shot(port, "answer"), {"answer"})
            except (LoadError, OSError):
                await asyncio.sleep(0.01)
            else:
                return
