"""Few failed tests get a second try, alone; it decides, and it is not kept quiet."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from scripts import rerun

ROOT = Path(__file__).parents[3]
FLAKY = """
import os, pathlib

def test_flaky():
    mark = pathlib.Path("mark")
    first = not mark.exists()
    mark.write_text(os.environ.get("PYTEST_XDIST_WORKER", "alone"))
    assert not first

def test_good():
    pass
"""
BAD = "def test_bad(): assert False\n"
AGAIN = "failed, and run again alone: "
PASSED = "passed only when run again alone: "


def start(folder: Path, *arguments: str, **files: str) -> subprocess.Popen[str]:
    (folder / "pytest.ini").write_text("[pytest]\n")
    for name, text in files.items():
        (folder / f"test_{name}.py").write_text(text)
    return subprocess.Popen(
        [sys.executable, "-m", "scripts.rerun", "-q", "-p", "no:asyncio", "-p", "no:anyio", *arguments],
        cwd=folder,
        # Not the variables of the pytest that runs this test, by which the inner one would be a worker of it.
        env={name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}
        | {"PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        text=True,
    )


def run(folder: Path, *arguments: str, **files: str) -> tuple[int, str]:
    """The exit code, and what was printed."""
    process = start(folder, *arguments, **files)
    out, _ = process.communicate(timeout=300)
    return process.returncode, out


def test_a_test_that_passes_alone_is_named_at_the_end(tmp_path: Path) -> None:
    code, out = run(tmp_path, "-n", "1", "--dist", "worksteal", "-k", "flaky or good", flaky=FLAKY, other=BAD)
    assert code == 0
    assert f"{AGAIN}1\n  test_flaky.py::test_flaky\n" in out
    assert out.rstrip("=\n").endswith(f"{PASSED}1\n  test_flaky.py::test_flaky")
    assert "1 passed" in out.partition(AGAIN)[2], "nothing else runs again"
    assert (tmp_path / "mark").read_text() == "alone"


def test_the_second_try_decides(tmp_path: Path) -> None:
    code, out = run(tmp_path, flaky=FLAKY, bad=BAD)
    assert (code, f"{AGAIN}2" in out, PASSED in out) == (1, True, False)


@pytest.fixture
def first_run(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Replace the first run by one with this exit code and failures. There must be no second one."""

    def ends(code: int, *failed: str) -> None:
        def pretend(_: list[str], plugins: list[rerun.Failures]) -> int:
            plugins[0].tests += failed
            return code

        monkeypatch.setattr(pytest, "main", pretend)
        monkeypatch.setattr(subprocess, "Popen", None)

    return ends


def test_many_failures_fail_at_once(first_run: Callable[..., None]) -> None:
    first_run(1, "a", "b", "c", "d")
    assert rerun.main([]) == 1


@pytest.mark.parametrize("code", [0, 2, 3, 4, 5])
def test_only_failed_tests_are_run_again(first_run: Callable[..., None], code: int) -> None:
    first_run(code, *(["a"] if code == 2 else []))
    assert rerun.main([]) == code


def test_a_failure_of_no_test_stays_one(first_run: Callable[..., None]) -> None:
    first_run(1)
    assert rerun.main([]) == 1


@pytest.mark.skipif(sys.platform == "win32", reason="no SIGINT for a process there")
def test_ctrl_c_ends_the_second_try_as_it_ends_pytest(tmp_path: Path) -> None:
    waits = """
import pathlib, time

def test_waits():
    first = not pathlib.Path("begun").exists()
    pathlib.Path("begun").touch()
    assert not first
    pathlib.Path("waiting").touch()
    time.sleep(600)
"""
    process = start(tmp_path, waits=waits)
    end = time.monotonic() + 120
    while not (tmp_path / "waiting").exists():
        assert time.monotonic() < end
        assert process.poll() is None
        time.sleep(0.02)
    for pid in [process.pid, *children(process.pid)]:  # as a terminal does
        os.kill(pid, signal.SIGINT)
    out, _ = process.communicate(timeout=60)
    assert (process.returncode, "KeyboardInterrupt" in out) == (2, True)


def children(parent: int) -> list[int]:
    rows = subprocess.run(["ps", "-A", "-o", "pid=,ppid="], check=True, capture_output=True, text=True)
    pairs = [line.split() for line in rows.stdout.splitlines()]
    return [int(pid) for pid, ppid in pairs if int(ppid) == parent]
