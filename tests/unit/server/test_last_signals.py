"""Stop signals after the end of the server neither fail the process nor find it stuck for ever."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import pytest

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="signals of Unix")

PROGRAM: Final = """
import sys, threading, time
from dragoman.server import last_signals

last_signals._PATIENCE = float(sys.argv[1])
stuck = threading.Thread(target=time.sleep, args=(float(sys.argv[2]),))
stuck.start()  # Python waits for it at the end
last_signals.settle()
print("settled", flush=True)
sys.exit(7)
"""


@contextmanager
def started(patience: float, stuck: float) -> Iterator[subprocess.Popen[str]]:
    given = [sys.executable, "-c", PROGRAM, str(patience), str(stuck)]
    with subprocess.Popen(given, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "settled\n"
        yield process


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_signals_are_ignored_until_the_process_has_ended(number: signal.Signals) -> None:
    with started(60, 0.3) as process:
        while process.poll() is None:
            process.send_signal(number)
            time.sleep(0.0005)
    assert process.returncode == 7


def test_a_process_that_is_stuck_ends_at_a_later_signal() -> None:
    with started(1, 60) as process:
        process.send_signal(signal.SIGTERM)
        time.sleep(1.5)
        assert process.poll() is None
        process.send_signal(signal.SIGTERM)
        assert process.wait(30) == 0
