from __future__ import annotations

import os
from pathlib import Path

import pytest

from dragoman.upstreams.local.cores import usable_cores


def system(root: Path, siblings: dict[int, str], **files: str) -> Path:
    for cpu, text in siblings.items():
        topology = root / f"devices/system/cpu/cpu{cpu}/topology"
        topology.mkdir(parents=True)
        (topology / "thread_siblings_list").write_text(f"{text}\n")
    for name, text in files.items():
        path = root / "fs/cgroup" / name.replace("__", "/").replace("_max", ".max")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return root


HYPERTHREADED = {0: "0,2", 1: "1,3", 2: "0,2", 3: "1,3"}


def test_two_threads_of_one_core_count_once(tmp_path: Path) -> None:
    assert usable_cores(range(4), system(tmp_path, HYPERTHREADED)) == 2


def test_only_the_processors_that_may_be_used_count(tmp_path: Path) -> None:
    assert usable_cores([1, 3], system(tmp_path, HYPERTHREADED)) == 1


@pytest.mark.parametrize(
    ("quota", "cores"),
    [("max 100000", 4), ("200000 100000", 2), ("150000 100000", 1), ("50000 100000", 1), ("rubbish", 4)],
)
def test_the_quota_of_a_container_counts(tmp_path: Path, quota: str, cores: int) -> None:
    assert usable_cores(range(4), system(tmp_path, {}, cpu_max=quota)) == cores


@pytest.mark.parametrize(("quota", "cores"), [("-1", 4), ("200000", 2)])
def test_the_older_form_of_a_quota_counts_too(tmp_path: Path, quota: str, cores: int) -> None:
    cgroup = tmp_path / "fs/cgroup/cpu"
    cgroup.mkdir(parents=True)
    (cgroup / "cpu.cfs_quota_us").write_text(quota)
    (cgroup / "cpu.cfs_period_us").write_text("100000")
    assert usable_cores(range(4), tmp_path) == cores


def test_without_a_word_from_the_kernel_every_processor_counts(tmp_path: Path) -> None:
    assert usable_cores(range(3), tmp_path) == 3


def test_this_machine_has_at_least_one() -> None:
    assert 1 <= usable_cores() <= (os.cpu_count() or 1)
