"""Rows of streams that stay open: a thousand slow ones, and a large one to a slow reader.

Each starts a process of its own, so that memory is told from that of an unused one.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from bench.figures import Figure
from bench.load import Closed, LoadError, Shot, ask, slow_reader
from bench.requests import responses_shot, shot
from bench.stage import Stage, Target
from bench.windows import Effort, observe

WARMING_MODEL = "stream-50-0"
SLOW_STREAMS = 1_000
SLOW_MODEL = "stream-2000-50"
SLOW_EVENTS = 20_000
"""Events a second of all slow streams together: each has one every 50 ms."""

MEMORY_EACH_KB = 40.0
LATE_PERCENT = 1.0

READER_MB = 20.0
"""What the slow reader takes in a second."""

GROWTH_MB = 5.0
"""How much memory may grow while a stream passes: its buffers, whatever the stream's length."""


def models_of(effort: Effort) -> set[str]:
    """The model names that these rows ask for."""
    return {WARMING_MODEL, SLOW_MODEL, f"flood-{effort.flood}"}


async def slow_streams(stage: Stage, targets: Iterable[Target], effort: Effort) -> list[Figure]:
    """A thousand open streams of 20 events a second each: CPU, memory, and whether events keep up."""
    cpu: dict[Target, list[float]] = {"floor": [], "gateway": []}
    memory: dict[Target, list[float]] = {"floor": [], "gateway": []}
    late: dict[Target, list[float]] = {"floor": [], "gateway": []}
    for _ in range(effort.slow_rounds):
        for target in targets:
            process = stage.start(target)
            try:
                await process.ready()
                await ask(shot(process.port, WARMING_MODEL, stream=True))
                await asyncio.sleep(0.2)
                unused = process.resident()
                load = Closed([shot(process.port, SLOW_MODEL, stream=True)], SLOW_STREAMS, spread=1.0)
                window = await observe(load, process, stage.provider, 1.0, effort.slow_window)
                used = process.resident()
                load.leave()
                if window.answers:
                    raise LoadError(f"{window.answers} streams of {target} ended before their time")
            finally:
                process.stop()
            late[target].append(100 * max(0.0, 1 - window.frames / window.seconds / SLOW_EVENTS))
            if window.cpu is not None and used is not None and unused is not None:
                cpu[target].append(100 * window.cpu / window.seconds)
                memory[target].append(1e3 * (used - unused) / SLOW_STREAMS)

    def figure(key: str, what: str, unit: str, values: dict[Target, list[float]], budget: float) -> Figure:
        floor, gateway = tuple(values["floor"]), tuple(values["gateway"])
        title = f"1,000 slow streams: {what}"
        return Figure(key, title, unit, floor, gateway, budget=budget, lasting=key != "slow-late")

    return [
        figure("slow-cpu", "CPU", "% of a core", cpu, 100.0),
        figure("slow-late", "events that do not keep up", "% of 20,000/s", late, LATE_PERCENT),
        figure("slow-memory", "memory each", "kB", memory, MEMORY_EACH_KB),
    ]


async def flood(stage: Stage, targets: Iterable[Target], effort: Effort) -> list[Figure]:
    """A large chat stream to a reader slower than its source: how much the target's memory grows, in MB."""
    model = f"flood-{effort.flood}"
    chat = _Flood("flood", "chat", lambda _, port: shot(port, model, stream=True), GROWTH_MB)
    return [await _poured(chat, stage, targets, effort)]


async def flood_of_responses(stage: Stage, targets: Iterable[Target], effort: Effort) -> list[Figure]:
    """The same of Responses, whose last events hold all the text again, not stored and stored."""
    model = f"flood-{effort.flood}"

    def asked(target: Target, port: int) -> Shot:
        return responses_shot(port, model if target == "floor" else f"responses-{model}", stream=True)

    def stored(target: Target, port: int) -> Shot:
        if target == "floor":
            return asked(target, port)
        return responses_shot(port, f"responses-{model}", stream=True, store=True)

    return [
        await _poured(_Flood("flood-responses", "Responses", asked), stage, targets, effort),
        await _poured(_Flood("flood-stored", "stored Responses", stored), stage, targets, effort),
    ]


@dataclass(frozen=True, slots=True)
class _Flood:
    """A large stream. what: in a word; asks: for it, at a port of a target; budget: MB of growth."""

    key: str
    what: str
    asks: Callable[[Target, int], Shot]
    budget: float | None = None


async def _poured(large: _Flood, stage: Stage, targets: Iterable[Target], effort: Effort) -> Figure:
    growth: dict[Target, list[float]] = {"floor": [], "gateway": []}
    for target in targets:
        process = stage.start(target)
        try:
            await process.ready()
            await ask(shot(process.port, WARMING_MODEL, stream=True))
            before = process.resident()
            highest = 0.0
            reader = await slow_reader(large.asks(target, process.port), READER_MB * 1e6)
            while not reader.done.done():
                highest = max(highest, process.resident() or 0.0)
                await asyncio.sleep(0.02)
            status = reader.done.result()
            reader.close()
        finally:
            process.stop()
        if (
            status != 200
            or reader.size < effort.flood * 1_000_000
            or not reader.tail.endswith((b"data: [DONE]\n\n", b"}}\n\n"))
        ):
            raise LoadError(f"{target}: status {status}, {reader.size} bytes, ending in {reader.tail!r}")
        if before is not None:
            growth[target].append(highest - before)
    return Figure(
        key=large.key,
        title=f"{effort.flood} MB stream of {large.what} to a slow reader: memory grows by",
        unit="MB",
        floor=tuple(growth["floor"]),
        gateway=tuple(growth["gateway"]),
        budget=large.budget,
        note=f"read at {READER_MB:.0f} MB/s",
    )
