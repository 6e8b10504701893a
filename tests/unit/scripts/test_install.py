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
