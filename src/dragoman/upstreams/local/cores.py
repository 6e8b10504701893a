"""Finds how many threads a model should use on this machine: one for each usable physical core.

With more threads than cores, llama.cpp is much slower, because its threads wait for each other at every
layer.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path


def usable_cores(cpus: Iterable[int] | None = None, system: Path = Path("/sys")) -> int:
    """Return the number of physical cores that this process may use: not more than the CPU quota of its
    container, rounded down, but at least 1.

    cpus: the numbers of the logical processors to choose from, None = those that the system allows. system:
    the folder in which Linux states topology and quota. On other systems, every logical processor counts as a
    core, and no quota is known.
    """
    allowed = set(_allowed() if cpus is None else cpus)
    cores = {_siblings(system, cpu) for cpu in allowed}
    return max(1, min(len(cores), _quota(system)))


def _allowed() -> Iterable[int]:
    if hasattr(os, "sched_getaffinity"):
        return os.sched_getaffinity(0)
    return range(os.cpu_count() or 1)


def _siblings(system: Path, cpu: int) -> str:
    try:
        return (system / f"devices/system/cpu/cpu{cpu}/topology/thread_siblings_list").read_text().strip()
    except OSError:
        return str(cpu)


def _quota(system: Path) -> int:
    """Return the container's CPU quota (cgroup v2, else v1) in processors, rounded down, at least 1; 65,536
    if there is no quota.
    """
    for names in (("cpu.max",), ("cpu/cpu.cfs_quota_us", "cpu/cpu.cfs_period_us")):
        try:
            stated = " ".join((system / "fs/cgroup" / name).read_text() for name in names)
            allowed, period = map(int, stated.split())
            if allowed > 0:
                return max(1, allowed // period)
        except (OSError, ValueError, ZeroDivisionError):  # "max" = no quota
            continue
    return 1 << 16
