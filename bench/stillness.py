"""How still the machine is: what a process that only spins loses of its core.

A neighbour on the same machine, or under the same hypervisor, takes a core away for milliseconds at a time,
and the system's own counters do not always tell. A percentile of latency below what is lost here says
nothing.
"""

from __future__ import annotations

import time
from dataclasses import dataclass

from bench.processes import bound

GAP = 200e-6
"""Seconds between two turns of the loop above which the core was elsewhere; a turn takes about 0.1 µs."""


@dataclass(frozen=True, slots=True)
class Stillness:
    """lost: share of the time in which the core was elsewhere. longest: seconds at once."""

    lost: float
    longest: float


def stillness(core: int | None, seconds: float = 0.5) -> Stillness:
    """Spin on `core` for so many seconds and see what is missing."""
    lost = longest = 0.0
    with bound(core):
        last = time.perf_counter()
        end = last + seconds
        while last < end:
            now = time.perf_counter()
            if now - last > GAP:
                lost += now - last
                longest = max(longest, now - last)
            last = now
    return Stillness(lost / seconds, longest)
