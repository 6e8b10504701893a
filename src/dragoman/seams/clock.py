"""Clock and random numbers, the two inputs that the pure core may not take from the system itself.

Everything that needs the time or a random value takes it from here or as an argument; the linter bans
`time.time`, `time.monotonic`, `random` and `secrets` elsewhere. Tests replace a `Seams` value, never these
modules.
"""

from __future__ import annotations

import os
import random
import time
from collections.abc import Callable

import msgspec


def _random_id() -> str:
    """32 random hexadecimal digits (128 bits)."""
    return os.urandom(16).hex()


class Seams(msgspec.Struct, frozen=True):
    """Clock and random numbers, as functions that tests replace. now: Unix seconds. monotonic: seconds that
    never jump. random_id: 32 unguessable hexadecimal digits. uniform: a number in [0, 1).
    """

    now: Callable[[], float] = time.time
    monotonic: Callable[[], float] = time.perf_counter
    random_id: Callable[[], str] = _random_id
    uniform: Callable[[], float] = random.random


SYSTEM = Seams()
