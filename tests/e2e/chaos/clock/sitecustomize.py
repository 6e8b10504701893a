"""A clock that is wrong: Python imports this module at its start, if its folder is on PYTHONPATH.

CLOCK_IS_AHEAD_BY names a file with one number (8 bytes, IEEE 754): by how many seconds the clock is ahead.
The process and all its forks see at once when a test changes it.
"""

from __future__ import annotations

import mmap
import os
import struct
import time
from pathlib import Path

if _file := os.environ.get("CLOCK_IS_AHEAD_BY"):
    _right = time.time
    with Path(_file).open("rb") as _open:
        _ahead = mmap.mmap(_open.fileno(), 8, prot=mmap.PROT_READ)

    def _wrong() -> float:
        return float(_right() + struct.unpack("d", _ahead[:8])[0])

    time.time = _wrong
