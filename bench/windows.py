"""Windows of load: start a load, let it settle, and take what was used between two moments."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass

from bench.figures import Window, percentile
from bench.load import Arrivals, Closed
from bench.processes import Process, Spent


@dataclass(frozen=True, slots=True)
class Effort:
    """How much a run does. All times in seconds, memory in megabytes.

    rounds: of everything that is compared. warm, window: of each load. events: in a long paced stream.
    slow_rounds, slow_window: of the thousand streams. flood: size of the stream to a slow reader.
    starts: of the cold start, and imports. counts: rounds of what is counted instead of timed. counted:
    requests in each.
    """

    name: str
    rounds: int
    warm: float
    window: float
    events: int
    slow_rounds: int
    slow_window: float
    flood: int
    starts: int
    counts: int
    counted: int


QUICK = Effort(
    "quick",
    rounds=3,
    warm=0.1,
    window=0.3,
    events=150,
    slow_rounds=1,
    slow_window=2.0,
    flood=40,
    starts=3,
    counts=3,
    counted=10,
)
FULL = Effort(
    "full",
    rounds=5,
    warm=0.2,
    window=0.8,
    events=500,
    slow_rounds=2,
    slow_window=5.0,
    flood=100,
    starts=5,
    counts=3,
    counted=30,
)


@dataclass(frozen=True, slots=True)
class _Moment:
    at: float
    answers: int
    frames: int
    reads: int
    latencies: int
    process: Spent | None
    provider: Spent | None
    here: float

    @classmethod
    def take(cls, load: Closed | Arrivals, process: Process, provider: Process) -> _Moment:
        count = load.count
        return cls(
            at=time.perf_counter(),
            answers=count.answers,
            frames=count.frames,
            reads=count.reads,
            latencies=len(count.latencies),
            process=process.spent(),
            provider=provider.spent(),
            here=time.process_time(),
        )


async def observe(
    load: Closed | Arrivals, process: Process, provider: Process, warm: float, seconds: float
) -> Window:
    """Start the load, wait `warm` seconds, measure for `seconds`. The load goes on; the caller ends it."""
    await load.start()
    await asyncio.sleep(warm)
    before = _Moment.take(load, process, provider)
    await asyncio.sleep(seconds)
    after = _Moment.take(load, process, provider)
    latencies = sorted(load.count.latencies[before.latencies : after.latencies])
    tested = _between(before.process, after.process)
    provided = _between(before.provider, after.provider)
    return Window(
        seconds=after.at - before.at,
        answers=after.answers - before.answers,
        frames=after.frames - before.frames,
        reads=after.reads - before.reads,
        cpu=None if tested is None else tested.used,
        waited=None if tested is None else tested.waited,
        bench_cpu=None if provided is None else provided.used + after.here - before.here,
        p50=percentile(latencies, 0.50),
        p99=percentile(latencies, 0.99),
    )


def _between(before: Spent | None, after: Spent | None) -> Spent | None:
    if before is None or after is None:
        return None
    return Spent(after.used - before.used, after.waited - before.waited)
