"""Limits on the cost of one check of an answer.

Work is counted in steps, so that the verdict is the same on every machine, except that searches for regular
expressions are limited by time. Python's `re` cannot interrupt a search; the package `regex` (the extra
`schema`) can.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from functools import cache
from typing import Final

from dragoman.verify.patterns import Pattern

STEPS: Final = 300_000
"""The most steps of the check of one candidate. A step takes about 1 µs."""
PATTERN_SECONDS: Final = 0.05
"""The most seconds that all pattern searches of one check take together. The package `regex` may stop a
search 0.07 s late.
"""


class Exhausted(Exception):
    """The check would take more steps or time than its budget allows, or a text is too long for a pattern
    search.
    """


@cache
def available() -> bool:
    """Return whether the package `regex` (the extra `schema`) is installed. Without this package, answers
    cannot be checked.
    """
    return importlib.util.find_spec("regex") is not None


class Budget:
    """The steps and the seconds for pattern searches that are left in one check. clock: returns monotonic
    seconds. steps: the number of steps at the start.
    """

    __slots__ = ("_clock", "_seconds", "_steps")

    def __init__(self, clock: Callable[[], float], steps: int = STEPS) -> None:
        self._clock = clock
        self._steps = steps
        self._seconds = PATTERN_SECONDS

    def spend(self, steps: int = 1) -> None:
        """Take steps from the budget. Raises Exhausted if fewer than `steps` were left."""
        self._steps -= steps
        if self._steps < 0:
            raise Exhausted

    def search(self, pattern: Pattern, text: str) -> bool:
        """Search a pattern in a text, and return whether it occurs. The search takes one step and its own
        time from the budget.

        Raises Exhausted if the text has more than `pattern.reach` characters, if no step was left, or if the
        search takes all the time that was left.
        """
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
