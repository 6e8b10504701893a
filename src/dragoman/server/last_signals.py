"""Stop signals that come when the server has already stopped.

After the server's end the process still closes its log and its sockets, and Python ends. Without this module,
a further SIGTERM in that time would end the process with the signal's own code (-15), as if it had been
killed.
"""

from __future__ import annotations

import atexit
import os
import signal
from types import FrameType
from typing import Final

from dragoman.seams.clock import SYSTEM

_NAMES: Final = "SIGINT", "SIGTERM", "SIGBREAK"
STOPS: Final = tuple(getattr(signal, name) for name in _NAMES if hasattr(signal, name))
"""The signals that stop the server. Only Windows has SIGBREAK."""
_PATIENCE: Final = 2.0
"""The seconds after the server's end in which stop signals are ignored."""


def settle() -> None:
    """Ignore the signals of `STOPS` from now on, because the server has ended and the process is about to
    end. If the process still runs after 2 s (a thread may be stuck), the next of these signals ends it at
    once, with exit code 0. Call this in the main thread.
    """
    until = SYSTEM.monotonic() + _PATIENCE

    def stop(_number: int, _frame: FrameType | None) -> None:
        if SYSTEM.monotonic() > until:
            os._exit(0)

    for number in STOPS:
        signal.signal(number, stop)
    atexit.register(_ignore)


def _ignore() -> None:
    """Have the system ignore the signals. Python puts the system's default actions in place of its own
    handlers when it ends, but leaves ignored signals as they are.
    """
    for number in STOPS:
        signal.signal(number, signal.SIG_IGN)
