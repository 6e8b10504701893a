"""The same gateway by two interpreters, side by side in the same rounds."""

from __future__ import annotations

import asyncio
import platform
import sys
from asyncio.subprocess import PIPE
from dataclasses import dataclass

from bench.figures import Figure, Window
from bench.instructions import Counter, Failing, counts
from bench.load import Closed
from bench.processes import Process
from bench.scenarios import COMPARISONS, SCENARIOS, Scenario
from bench.stage import Stage
from bench.windows import Effort, observe

ROWS = ("relay-json", "translate-json", "relay-stream", "translate-stream")


@dataclass(frozen=True, slots=True)
class SideBySide:
    """The gateway by this interpreter (in its figures `floor`) and by another (`gateway`)."""

    this: str
    other: str
    figures: list[Figure]


async def version_of(python: str) -> str:
    """An interpreter's name and version. Raises RuntimeError, or OSError, when it does not run Dragoman."""
    program = "import platform as p, dragoman; print(p.python_implementation(), p.python_version())"
    child = await asyncio.create_subprocess_exec(python, "-c", program, stdout=PIPE, stderr=PIPE)
    output, errors = await child.communicate()
    if child.returncode:
        raise RuntimeError(f"{python}: {errors.decode().strip().rpartition(chr(10))[2]}")
    return output.decode().strip()


async def side_by_side(
    stage: Stage, python: str, effort: Effort, by: Counter | None, failing: Failing
) -> SideBySide:
    """The rows of ROWS by this interpreter and by `python`, which has what the gateway needs.

    by: what counts instructions, None where nothing does. failing: takes what a counted row raises.
    """
    this = f"{platform.python_implementation()} {platform.python_version()}"
    other = await version_of(python)
    loads = [scenario for scenario in SCENARIOS if scenario.key in ROWS]
    found: dict[tuple[str, str], list[Window]] = {}
    processes: dict[str, Process] = {}
    try:
        for name, interpreter in (("this", sys.executable), ("other", python)):
            processes[name] = stage.start("forgetful", interpreter)
            await processes[name].ready()
        for _ in range(effort.rounds):
            for scenario in loads:
                for name, process in processes.items():
                    window = await _window(scenario, process, stage, effort)
                    found.setdefault((name, scenario.key), []).append(window)
    finally:
        for process in processes.values():
            process.stop()
    titles = {row.key: row for row in COMPARISONS}
    figures: list[Figure] = []
    for key in ROWS:
        row = titles[key]
        this_each, other_each = (
            tuple(each for window in found[name, key] if (each := window.each(row.unit)) is not None)
            for name in ("this", "other")
        )
        figures.append(
            Figure(f"python-{key}", row.title, f"µs an {row.unit}", this_each, other_each, "ratio")
        )
    if by is not None:
        one, two = [
            await counts(stage, by, "forgetful", ROWS, effort, failing=failing, python=interpreter)
            for interpreter in (sys.executable, python)
        ]
        figures += [
            Figure(
                key=f"python-instructions-{key}",
                title=f"instructions: {titles[key].title}",
                unit=f"thousand an {titles[key].unit}",
                floor=one.get(key, ()),
                gateway=two.get(key, ()),
                judged="ratio",
                exact=True,
            )
            for key in ROWS
        ]
    return SideBySide(this, other, figures)


async def _window(scenario: Scenario, process: Process, stage: Stage, effort: Effort) -> Window:
    load = Closed(await scenario.shots(process.port, effort.events), scenario.concurrency, scenario.starting)
    window = await observe(load, process, stage.provider, effort.warm, effort.window)
    await load.finish()
    return window
