"""What one check may cost, and patterns that keep to it.

Schemas come from clients and answers from models, so neither may decide how long a check takes. Work is
counted in steps, which give the same verdict on every machine. Only patterns are bounded by time, because
what they cost cannot be counted from outside: Python's own `re` cannot be stopped at all, the package `regex`
(the extra `schema`) can. The clock is an argument.

Patterns are those of ECMA-262, as JSON Schema recommends: https://json-schema.org/understanding-json-schema/reference/regular_expressions
"""

from __future__ import annotations

import importlib.util
import re
from collections.abc import Callable
from functools import cache
from typing import Any, Final

STEPS: Final = 300_000
"""Steps of one check. A step takes about a microsecond; an answer of 1 MB that is in order takes fewer."""
PATTERN_SECONDS: Final = 0.1
"""Seconds that all patterns of one check may take together."""
LONGEST_PATTERN: Final = 2_000


class Exhausted(Exception):
    """A check would cost more than it may."""


@cache
def available() -> bool:
    """Whether answers can be checked here: the extra `schema` is installed."""
    return importlib.util.find_spec("regex") is not None


def compiled(pattern: str) -> Any:
    """A pattern, to be searched for by `Budget.search`. Raises ValueError for what is none."""
    import regex

    if len(pattern) > LONGEST_PATTERN:
        raise ValueError(f"a pattern of more than {LONGEST_PATTERN} characters is not checked")
    try:
        return regex.compile(_translated(pattern), regex.V0)
    except (regex.error, OverflowError, RecursionError) as error:
        raise ValueError(f"{pattern[:100]!r} is not a regular expression that can be checked") from error


_TOKEN: Final = re.compile(r"\\.|\[\^?\]?|\]|\$", re.DOTALL)
_OUTSIDE: Final = {
    "$": r"\Z",  # in Python it also stands before a line's end
    r"\d": "[0-9]",
    r"\D": "[^0-9]",
    r"\w": "[A-Za-z0-9_]",
    r"\W": "[^A-Za-z0-9_]",
}
_INSIDE: Final = {r"\d": "0-9", r"\w": "A-Za-z0-9_"}


def _translated(pattern: str) -> str:
    """The pattern in Python's words, where they mean something else than ECMA-262's."""
    inside = False

    def token(match: re.Match[str]) -> str:
        nonlocal inside
        text = match[0]
        if not inside and text.startswith("["):
            inside = True
        elif inside and text == "]":
            inside = False
        return (_INSIDE if inside else _OUTSIDE).get(text, text)

    return _TOKEN.sub(token, pattern)


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

    def search(self, pattern: Any, text: str) -> bool:
        """Whether a compiled pattern occurs in a text. Raises Exhausted when it takes too long to tell."""
        self.spend()
        began = self._clock()
        try:
            found = pattern.search(text, timeout=self._seconds) is not None
        except TimeoutError:
            raise Exhausted from None
        self._seconds -= self._clock() - began
        if self._seconds <= 0:
            raise Exhausted
        return found
