"""What the system says of processes."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from dragoman.observe import process
from dragoman.observe.process import of_processes, of_python, of_version


def test_this_process_has_times_memory_and_descriptors() -> None:
    found = {sample.family.name: sample for sample in of_processes({3: os.getpid()})}
    assert {sample.labels for sample in found.values()} == {("3",)}
    assert found["process_cpu_seconds_total"].value > 0
    if sys.platform != "linux":
        return
    assert len(found) == 6
    resident = found["process_resident_memory_bytes"].value
    assert 1_000_000 < resident < found["process_virtual_memory_bytes"].value
    assert 3 <= found["process_open_fds"].value < found["process_max_fds"].value
    assert found["process_start_time_seconds"].value > 1_600_000_000


def test_a_process_that_has_ended_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(process, "_PROC", Path("/nowhere"))
    assert list(of_processes({1: 1})) == []
    assert [one.family.name for one in of_processes({2: os.getpid()})] == ["process_cpu_seconds_total"]


def test_python_says_what_it_is_and_how_it_collects() -> None:
    assert of_version().labels[0] == sys.implementation.name.replace("cpython", "CPython")
    assert of_version().labels[1:3] == (str(sys.version_info.major), str(sys.version_info.minor))
    samples = list(of_python(2))
    assert {sample.labels for sample in samples} >= {("2", "0"), ("2", "1"), ("2", "2")}
    assert len(samples) == 9
