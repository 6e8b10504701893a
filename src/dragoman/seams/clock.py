"""The clock and random numbers. In the rest of the package, the linter bans `random`, `secrets` and the
functions that read the clock.
"""

from __future__ import annotations

import os
import random
import time
from collections.abc import Callable

import msgspec


def _random_id() -> str:
    return os.urandom(16).hex()


class Seams(msgspec.Struct, frozen=True):
    """The clock and random numbers, as functions that tests replace. now: Unix seconds. monotonic: seconds of
    a clock that never jumps, with any zero. random_id: 32 unguessable hexadecimal digits. uniform: a random
    number in [0, 1).
    """

    now: Callable[[], float] = time.time
    monotonic: Callable[[], float] = time.perf_counter
    random_id: Callable[[], str] = _random_id
    uniform: Callable[[], float] = random.random


SYSTEM = Seams()
