"""How many threads a model should use on this machine.

With more threads than cores, llama.cpp is ten times slower, because its threads wait for each other at every
layer. So the number respects the processors that this process may use, a container's CPU quota, and hardware
threads that share one core.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path


def usable_cores(cpus: Iterable[int] | None = None, system: Path = Path("/sys")) -> int:
    """The number of physical cores that this process may use, at least 1.

    cpus: the logical processors to choose from, None = those that the system allows. system: the folder in
    which Linux states topology and quota; on other systems every logical processor counts.
    """
    allowed = set(_allowed() if cpus is None else cpus)
    cores = {_siblings(system, cpu) for cpu in allowed}
    return max(1, min(len(cores), _quota(system)))


def _allowed() -> Iterable[int]:
    if hasattr(os, "sched_getaffinity"):
        return os.sched_getaffinity(0)
    return range(os.cpu_count() or 1)


def _siblings(system: Path, cpu: int) -> str:
    """The hardware threads of this processor's core, as the kernel writes them; its own number if unknown."""
    try:
        return (system / f"devices/system/cpu/cpu{cpu}/topology/thread_siblings_list").read_text().strip()
    except OSError:
        return str(cpu)


def _quota(system: Path) -> int:
    """Processors of the container's quota (cgroup v2 `cpu.max`, v1 `cfs_quota_us`); 65,536 = no quota."""
    cgroup = system / "fs/cgroup"
    try:
        allowed, period = (cgroup / "cpu.max").read_text().split()
    except (OSError, ValueError):
        try:
            allowed = (cgroup / "cpu/cpu.cfs_quota_us").read_text()
            period = (cgroup / "cpu/cpu.cfs_period_us").read_text()
        except OSError:
            return 1 << 16
    try:
        share = int(allowed) // int(period)
    except (ValueError, ZeroDivisionError):  # "max" = no quota
        return 1 << 16
    return max(1, share) if int(allowed) > 0 else 1 << 16
