"""What a newcomer sees of pip: progress in our own words, and its output only when it fails."""

from __future__ import annotations

import contextlib
import os
import pty
import sys
from pathlib import Path

import pytest

from scripts import install

PIP = """
import os, sys, time
print("WARNING: Running pip as the 'root' user can result in broken permissions", file=sys.stderr)
print("Collecting x (from -r /tmp/tmpabc.txt (line 1))", flush=True)
with open(os.path.join(os.environ["TMPDIR"], "x.whl"), "wb") as file:
    file.write(bytes(7_000_000))
time.sleep(0.5)
sys.exit(int(sys.argv[1]))
"""


@pytest.mark.parametrize("code", [0, 1])
def test_what_pip_says_is_kept_for_when_it_fails(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], code: int
) -> None:
    output, ended = install.run_showing_size([sys.executable, "-c", PIP, str(code)], tmp_path)
    assert ended == code
    assert "WARNING: Running pip" in output
    assert "Collecting x" in output
    assert capfd.readouterr() == ("", "")


def _read(screen: int) -> str:
    """All that a terminal has got; a read gives as much as has come by then, and fails behind the last."""
    shown = b""
    with contextlib.suppress(OSError):
        while more := os.read(screen, 10_000):
            shown += more
    os.close(screen)
    return shown.decode()


def test_a_terminal_shows_how_much_has_come(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    screen, line = pty.openpty()
    with os.fdopen(line, "w") as err:
        monkeypatch.setattr(sys, "stderr", err)
        install.run_showing_size([sys.executable, "-c", PIP, "0"], tmp_path)
        monkeypatch.undo()
    shown = _read(screen)
    assert "  7 MB" in shown
    assert "WARNING" not in shown
    assert shown.endswith("\r\x1b[K")


def _python(folder: Path, name: str, program: str) -> None:
    """A program that says `3 13` to whatever it is asked, for example."""
    file = folder / name
    file.write_text(f"#!/bin/sh\n{program}\n")
    file.chmod(0o755)


def test_the_interpreters_of_the_path_are_those_that_run_and_can_make_environments(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _python(tmp_path, "python3", "echo 3 12")
    _python(tmp_path, "python3.13", "echo 3 13")
    _python(tmp_path, "python3.14", "echo 'pyenv: python3.14: command not found' >&2; exit 127")
    _python(tmp_path, "python3.15", "echo 3 15")
    monkeypatch.setenv("PATH", str(tmp_path))
    this = install.Interpreter(sys.version_info[:2], sys.executable)
    assert list(install.interpreters()) == [
        this,
        install.Interpreter((3, 12), str(tmp_path / "python3")),
        install.Interpreter((3, 13), str(tmp_path / "python3.13")),
    ]


@pytest.mark.parametrize(
    ("versions", "chosen"),
    [
        ([(3, 11), (3, 13), (3, 12)], (3, 13)),
        ([(3, 14), (3, 11)], (3, 14)),
        ([(3, 15), (3, 12), (4, 0)], (3, 12)),
        ([(3, 10), (3, 15)], None),
        ([], None),
    ],
)
def test_the_newest_that_every_locked_package_has_a_wheel_for_is_chosen(
    versions: list[tuple[int, int]], chosen: tuple[int, int] | None
) -> None:
    found = install.newest(install.Interpreter(version, "python") for version in versions)
    assert (None if found is None else found.version) == chosen


def test_the_first_of_equal_interpreters_is_chosen() -> None:
    both = [install.Interpreter((3, 13), "/usr/bin/python3"), install.Interpreter((3, 13), "/opt/python3.13")]
    assert install.newest(both) == both[0]


def test_a_lock_with_older_wheels_takes_an_older_interpreter() -> None:
    found = [install.Interpreter((3, minor), f"python3.{minor}") for minor in (11, 12, 13)]
    assert install.newest(found, install.AIDER_NEWEST) == found[1]
