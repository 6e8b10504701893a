"""What the counting programs say is read, and the reason is given where nothing counts."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench.instructions import ROWS, Callgrind, counted, counter, totals
from bench.scenarios import COMPARISONS

DUMP = "version: 1\nevents: Ir\nsummary: 12\nfn=(1) f\n1 10\n\ntotals: 5173057\n"


def test_the_total_of_a_dump_is_read() -> None:
    assert totals(DUMP) == 5_173_057
    with pytest.raises(RuntimeError, match="no totals"):
        totals("version: 1\n")


def test_what_perf_counts_is_read() -> None:
    assert counted("# started\n\n5173057,,instructions:u,1264617,100.00,,\n") == 5_173_057
    with pytest.raises(RuntimeError, match="cannot count"):
        counted("<not supported>,,instructions:u,0,100.00,,\n")


def test_every_counted_row_is_one_of_the_comparisons() -> None:
    assert set(ROWS) <= {row.key for row in COMPARISONS}


async def test_a_machine_without_a_counter_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(RuntimeError, match="neither valgrind nor perf"):
        await counter(tmp_path)


async def test_valgrind_is_taken_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("valgrind", "callgrind_control", "perf"):
        (tmp_path / name).write_text("#!/bin/sh\n")
        (tmp_path / name).chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert isinstance(await counter(tmp_path), Callgrind)


async def test_perf_is_taken_where_it_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    perf = tmp_path / "perf"
    perf.write_text("#!/bin/sh\necho '123,,instructions:u,1,100.00,,' >&2\n")
    perf.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert (await counter(tmp_path)).name == "perf"
    perf.write_text("#!/bin/sh\necho '<not supported>,,instructions:u,0,100.00,,' >&2\n")
    with pytest.raises(RuntimeError, match="cannot count"):
        await counter(tmp_path)
