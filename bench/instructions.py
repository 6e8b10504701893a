"""Instructions per request: the rows that do not shake with the machine.

The floor and the gateway run under callgrind, or under `perf stat` where the processor's counters can be
read. Both count what the process executes in user space, not the system's share. A known number of requests
goes one after another over one connection, so that every run does the same. What an event costs is the
difference between a long stream and a short one, and what the process does by itself, its timers, is left
out. A request that comes alone wakes the event loop for itself; in the rows of CPU 32 requests share its
turns.
"""

from __future__ import annotations

import asyncio
import re
import shutil
import signal
import sys
import time
from asyncio.subprocess import DEVNULL, PIPE
from asyncio.subprocess import Process as Child
from collections.abc import Callable, Container, Iterable
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

from bench.figures import Figure
from bench.load import LoadError, Series, ask
from bench.processes import Process
from bench.requests import shot
from bench.scenarios import COMPARISONS, SCENARIOS, Comparison, Scenario
from bench.stage import Stage, Target
from bench.windows import Effort

ROWS = (
    *("relay-json", "translate-json", "relay-long-json", "relay-agent-json", "relay-stream"),
    *("renamed-stream", "translate-stream", "relay-burst", "translate-burst"),
    *("accounted-json", "accounted-translate-json", "accounted-stream", "accounted-translate-stream"),
)
"""The comparisons that are counted too, with the same budgets."""

WARMING = 10
"""Requests before those that are counted."""

SHORT, LONG = 10, 60
STREAMS = 2
STREAM = "stream-{}-15"
"""Text events of short and of long streams, how many of each, and 15 ms between events: under callgrind a
program is some fifty times slower."""
STREAM_MODELS = {STREAM.format(length) for length in (SHORT, LONG)}

ATTEMPTS = 4
"""Series of a stream until its events travel alone: on a busy machine some run together."""

ALONE = 0.95
"""Reads for each text, at least, in the best attempt."""

IDLE = 2.0
"""Seconds of nothing that are counted first."""

READY = 120.0
"""Seconds that a program may take to start under callgrind."""


class Counter(Protocol):
    """Counts the instructions of a running process.

    name: of the program that counts. command: what the process has to be started by.
    """

    name: str
    command: tuple[str, ...]

    async def begin(self, process: Process) -> None:
        """Count from here. Raises RuntimeError where it cannot be done."""
        ...

    async def end(self, process: Process) -> int:
        """The instructions since `begin`. Raises as `begin` does."""
        ...


class Callgrind:
    """Valgrind's counter: every instruction, in a machine of its own."""

    name = "callgrind"

    def __init__(self, folder: Path) -> None:
        """`folder`: for its files."""
        self._folder = folder
        self.command: tuple[str, ...] = (
            *("valgrind", "--tool=callgrind", "--instr-atstart=no"),
            f"--callgrind-out-file={folder}/callgrind.%p",
        )
        self._counting: set[int] = set()

    async def begin(self, process: Process) -> None:
        """Part of Counter. The program runs uncounted, and faster, until the first time."""
        if process.pid not in self._counting:
            self._counting.add(process.pid)
            await _ran("callgrind_control", "--instr=on", str(process.pid))
        await _ran("callgrind_control", "--zero", str(process.pid))

    async def end(self, process: Process) -> int:
        """Part of Counter."""
        await _ran("callgrind_control", "--dump", str(process.pid))
        found = 0
        for file in self._folder.glob(f"callgrind.{process.pid}.*"):
            found += totals(file.read_text())
            file.unlink()
        return found


def totals(dump: str) -> int:
    """The instructions in the text of one of callgrind's dumps. Raises RuntimeError when it says none."""
    if (line := re.search(r"^totals: (\d+)", dump, re.MULTILINE)) is None:
        raise RuntimeError("callgrind's dump has no totals")
    return int(line[1])


class Perf:
    """The processor's own counter, read by `perf stat`."""

    name = "perf"
    command: tuple[str, ...] = ()
    _ATTACHING = 0.3

    def __init__(self) -> None:
        self._child: Child | None = None

    async def begin(self, process: Process) -> None:
        """Part of Counter."""
        arguments = ("stat", "--field-separator", ",", "--event", "instructions:u", "--pid", str(process.pid))
        self._child = await asyncio.create_subprocess_exec("perf", *arguments, stdout=DEVNULL, stderr=PIPE)
        await asyncio.sleep(self._ATTACHING)

    async def end(self, process: Process) -> int:
        """Part of Counter."""
        if self._child is None:
            raise RuntimeError(f"nothing counts process {process.pid}")
        self._child.send_signal(signal.SIGINT)
        _, said = await self._child.communicate()
        return counted(said.decode())


def counted(said: str) -> int:
    """The instructions in what `perf stat` says with commas between its fields.

    Raises RuntimeError when the processor does not let its instructions be counted.
    """
    if (line := re.search(r"^(\d+),[^,]*,instructions", said, re.MULTILINE)) is None:
        raise RuntimeError("perf cannot count instructions here")
    return int(line[1])


async def counter(folder: Path) -> Counter:
    """What counts on this machine. Raises RuntimeError, with the reason, where nothing does."""
    if shutil.which("valgrind") and shutil.which("callgrind_control"):
        return Callgrind(folder)
    if shutil.which("perf") is None:
        raise RuntimeError("neither valgrind nor perf is installed")
    arguments = ("stat", "--field-separator", ",", "--event", "instructions:u", "true")
    child = await asyncio.create_subprocess_exec("perf", *arguments, stdout=DEVNULL, stderr=PIPE)
    _, said = await child.communicate()
    counted(said.decode())
    return Perf()


Failing = Callable[[str], AbstractContextManager[None]]
"""Takes what one row raises, by the row's name."""


async def instructions(
    stage: Stage, by: Counter, targets: Iterable[Target], effort: Effort, failing: Failing
) -> list[Figure]:
    """For each of ROWS the instructions for an answer or an event, of the floor and of the gateway."""
    rows = [row for row in COMPARISONS if row.key in ROWS]
    found: dict[str, tuple[float, ...]] = {}
    wanted = {key for row in rows for key in (row.floor, row.gateway)}
    asked = set(targets)
    if "gateway" in asked:
        asked |= {"unaccounted", "accounted"}
    for target in sorted(asked):
        keys = {one.key for one in SCENARIOS if one.target == target} & wanted
        if keys:
            found |= await counts(stage, by, target, keys, effort, failing=failing)
    return [_figure(row, by, found) for row in rows]


async def counts(
    stage: Stage,
    by: Counter,
    target: Target,
    keys: Container[str],
    effort: Effort,
    *,
    failing: Failing,
    python: str = sys.executable,
) -> dict[str, tuple[float, ...]]:
    """Thousands of instructions for an answer, or an event, of some scenarios of a target: one value a round.

    python: the interpreter of the target, with what it needs.
    """
    # Strings hash alike in every run, so that dictionaries collide alike.
    hashing = {"PYTHONHASHSEED": "0"}
    process = stage.start_under((*by.command, python), target, None, hashing, drained=False)
    found: dict[str, list[float]] = {}
    try:
        await process.ready(READY)
        await ask(shot(process.port, "answer"), READY)  # a server may accept before it is able to answer
        chosen = [scenario for scenario in SCENARIOS if scenario.key in keys]
        for scenario in chosen:  # the first request of a kind loads what it needs, and is not counted
            await _variants(scenario)[0].shots(process.port, 0)
        counting = await _Counting.of(by, process)
        for scenario in chosen * effort.counts:
            with failing(f"instructions of {scenario.key}"):
                each = await _each(counting, scenario, effort.counted)
                found.setdefault(scenario.key, []).append(each)
    finally:
        process.stop()
    return {key: tuple(rounds) for key, rounds in found.items()}


def _figure(row: Comparison, by: Counter, found: dict[str, tuple[float, ...]]) -> Figure:
    return Figure(
        key=f"instructions-{row.key}",
        title=f"instructions: {row.title}",
        unit=f"thousand an {row.unit}",
        floor=found.get(row.floor, ()),
        gateway=found.get(row.gateway, ()),
        judged="ratio",
        budget=row.budget,
        note=f"counted by {by.name}",
        exact=True,
    )


def _variants(scenario: Scenario) -> tuple[Scenario, ...]:
    """The scenario, or the short and the long stream that a paced one is counted by."""
    if not scenario.paced:
        return (scenario,)
    return tuple(replace(scenario, model=STREAM.format(length), events=length) for length in (SHORT, LONG))


@dataclass(frozen=True, slots=True)
class _Counting:
    """A counted process. idle: instructions a second of its timers, when nothing is asked."""

    by: Counter
    process: Process
    idle: float

    @classmethod
    async def of(cls, by: Counter, process: Process) -> _Counting:
        """Count a while of nothing."""
        started = time.perf_counter()
        await by.begin(process)
        await asyncio.sleep(IDLE)
        return cls(by, process, await by.end(process) / (time.perf_counter() - started))

    async def series(self, scenario: Scenario, requests: int) -> float:
        """Instructions for each of so many requests. Raises LoadError when events did not travel alone."""
        (asked,) = await scenario.shots(self.process.port, 0)
        await Series(asked, min(WARMING, requests)).run()
        texts = requests * (scenario.events or 0) if scenario.model in STREAM_MODELS else 0
        most, best = 0, 0.0
        for _ in range(ATTEMPTS):
            series = Series(asked, requests)
            started = time.perf_counter()
            await self.by.begin(self.process)
            await series.run()
            spent = await self.by.end(self.process) - self.idle * (time.perf_counter() - started)
            if series.count.reads > most:
                most, best = series.count.reads, spent
            if most > texts:  # a read for each text, and more for what comes before and after
                break
        if most < ALONE * texts:
            raise LoadError(f"events ran together, {texts} texts in {most} reads")
        return best / requests


async def _each(counting: _Counting, scenario: Scenario, requests: int) -> float:
    """Thousands of instructions for an answer, or for an event of a paced stream."""
    if not scenario.paced:
        return await counting.series(scenario, requests) / 1e3
    short, long = [await counting.series(variant, STREAMS) for variant in _variants(scenario)]
    return (long - short) / (LONG - SHORT) / 1e3


async def _ran(*command: str) -> None:
    """Run a program to its end. Raises RuntimeError with what it said when it failed."""
    child = await asyncio.create_subprocess_exec(*command, stdout=PIPE, stderr=PIPE)
    output, errors = await child.communicate()
    if child.returncode or b"OK" not in output:
        raise RuntimeError(f"{command[0]}: {(errors or output).decode().strip()}")
