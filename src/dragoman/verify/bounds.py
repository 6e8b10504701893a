"""What one check may cost.

Schemas come from clients and answers from models, so neither may decide how long a check takes. Work is
counted in steps, which give the same verdict on every machine. Only patterns are bounded by time, because
what they cost cannot be counted from outside: Python's own `re` cannot be stopped at all, the package `regex`
(the extra `schema`) can (`patterns`). The clock is an argument.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from functools import cache
from typing import Final

from dragoman.verify.patterns import Pattern

STEPS: Final = 300_000
"""Steps of one check. A step takes about a microsecond; an answer of 1 MB that is in order takes fewer."""
PATTERN_SECONDS: Final = 0.05
"""Seconds that all patterns of one check may take together. The engine may notice as much later."""


class Exhausted(Exception):
    """A check would cost more than it may."""


@cache
def available() -> bool:
    """Whether answers can be checked here: the extra `schema` is installed."""
    return importlib.util.find_spec("regex") is not None


class Budget:
    """What is left for one check. clock: seconds that never jump."""

    __slots__ = ("_clock", "_seconds", "_steps")

    def __init__(self, clock: Callable[[], float], steps: int = STEPS) -> None:
        self._clock = clock
        self._steps = steps
        self._seconds = PATTERN_SECONDS

    def spend(self, steps: int = 1) -> None:
        """Take so many steps. Raises Exhausted when they are no longer there."""
        self._steps -= steps
        if self._steps < 0:
            raise Exhausted

    def search(self, pattern: Pattern, text: str) -> bool:
        """Whether a pattern occurs in a text. Raises Exhausted where that takes too long to tell."""
        self.spend()
        if len(text) > pattern.reach:
            raise Exhausted
        began = self._clock()
        try:
            found = pattern.regex.search(text, timeout=self._seconds) is not None
        except TimeoutError:
            raise Exhausted from None
        self._seconds -= self._clock() - began
        if self._seconds <= 0:
            raise Exhausted
        return found
