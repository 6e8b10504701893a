"""Reads metrics of processes from the operating system and from Python. They have the names that Prometheus's
own client libraries use.
"""

from __future__ import annotations

import gc
import os
import platform
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

from dragoman.observe.families import (
    COLLECTED,
    COLLECTIONS,
    CPU,
    MOST_FILES,
    OPEN_FILES,
    PYTHON,
    RESIDENT,
    STARTED,
    UNCOLLECTABLE,
    VIRTUAL,
)
from dragoman.observe.metrics import Sample

_PROC: Final = Path("/proc")


def of_processes(processes: Mapping[int, int]) -> Iterator[Sample]:
    """Yield CPU time, memory, start time and descriptors of processes. processes: {number of the worker, 0
    for the keeper: process id}; the number is the label `worker`. For a process that has ended, or that this
    process may not read, values are missing. On systems other than Linux, only the CPU time of this process
    is known.
    """
    for number, process in processes.items():
        labels = (str(number),)
        try:
            yield from _of_linux(_PROC / str(process), labels)
        except (OSError, ValueError, IndexError):  # no Linux, or it has just ended
            if process == os.getpid():
                times = os.times()
                yield Sample(CPU, times.user + times.system, labels)


def _of_linux(folder: Path, labels: tuple[str, ...]) -> Iterator[Sample]:
    """Yield the values in the folder of a process, `/proc/ID`. Raises OSError if it has ended, or may not be
    read. https://man7.org/linux/man-pages/man5/proc_pid_stat.5.html
    """
    # The name of the program stands in parentheses and may hold spaces. The third field follows it.
    fields = (folder / "stat").read_text("utf-8", "replace").rpartition(")")[2].split()
    user, system, began = (int(fields[place - 3]) / os.sysconf("SC_CLK_TCK") for place in (14, 15, 22))
    virtual, resident = int(fields[23 - 3]), int(fields[24 - 3]) * os.sysconf("SC_PAGE_SIZE")
    descriptors = sum(1 for _ in (folder / "fd").iterdir())
    yield Sample(CPU, user + system, labels)
    yield Sample(RESIDENT, resident, labels)
    yield Sample(VIRTUAL, virtual, labels)
    yield Sample(STARTED, _boot() + began, labels)
    yield Sample(OPEN_FILES, descriptors, labels)
    for line in (folder / "limits").read_text().splitlines():
        if line.startswith("Max open files"):
            soft = line.split()[3]
            yield Sample(MOST_FILES, float("inf") if soft == "unlimited" else int(soft), labels)


def _boot() -> int:
    """Return when the system was started, in Unix seconds."""
    lines = (_PROC / "stat").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("btime "))


def of_python(worker: int) -> Iterator[Sample]:
    """Yield the counts of this process's garbage collector, for each generation. worker: the number of this
    worker, for the label.
    """
    for generation, counts in enumerate(gc.get_stats()):
        labels = (str(worker), str(generation))
        yield Sample(COLLECTIONS, counts["collections"], labels)
        yield Sample(COLLECTED, counts["collected"], labels)
        yield Sample(UNCOLLECTABLE, counts["uncollectable"], labels)


def of_version() -> Sample:
    """Return the sample of `python_info`: its labels are the implementation and the version of Python, its
    value is 1.
    """
    return Sample(
        PYTHON,
        1,
        (platform.python_implementation(), *platform.python_version_tuple(), platform.python_version()),
    )
