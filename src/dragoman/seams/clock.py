"""The clock and random numbers. In the rest of the package, the linter bans `random`, `secrets` and the usual
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
    """The clock and random numbers, as functions that tests replace. now: returns Unix seconds. monotonic:
    returns seconds of a clock that nobody can set; only differences between its values have a meaning.
    random_id: returns 32 hexadecimal digits that nobody can guess. uniform: returns a random number in [0,
    1).
    """

    now: Callable[[], float] = time.time
    monotonic: Callable[[], float] = time.perf_counter
    random_id: Callable[[], str] = _random_id
    uniform: Callable[[], float] = random.random


SYSTEM = Seams()


class Steady:
    """Returns Unix seconds when it is called. If the clock is set back to at most 120 seconds before the time
    that was returned last, the returned time does not go back: it goes on at 0.9 times the usual speed until
    the clock has caught up. In all other cases the time of the clock is returned.
    """

    _BELIEVED = 120.0
    _PACE = 0.9

    def __init__(self, seams: Seams) -> None:
        self._clock = seams.now
        self._monotonic = seams.monotonic
        self._latest = self._clock()
        self._at = self._monotonic()

    def __call__(self) -> float:
        found, at = self._clock(), self._monotonic()
        if self._latest - self._BELIEVED <= found < self._latest:
            found = max(found, self._latest + self._PACE * (at - self._at))
        self._latest, self._at = found, at
        return found


def steady(seams: Seams) -> Seams:
    """Return a copy of these seams whose `now` does not go back if the clock is set back a little
    (`Steady`).
    """
    return msgspec.structs.replace(seams, now=Steady(seams))
