"""The model names that a client key may use: exact names, and patterns in which `*` stands for any text.

A name is judged as the client wrote it. So the grant of an alias is none for what the alias stands for, and a
pattern covers names that nobody lists, such as `anthropic/claude-x`. Pure.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final

WILDCARD: Final = "*"
_MOST_MET: Final = 1024
_LONGEST_NAME: Final = 128


class Grants:
    """The names of one client key. entries: as configured.

    names: the entries that are exact names.
    """

    __slots__ = ("_met", "_pattern", "entries", "names")

    def __init__(self, entries: Iterable[str]) -> None:
        self.entries = entries = frozenset(entries)
        patterns = sorted(entry for entry in entries if WILDCARD in entry)
        self.names = entries.difference(patterns)
        self._pattern = re.compile("|".join(map(_expression, patterns)), re.DOTALL) if patterns else None
        self._met: dict[str, bool] = {}

    @property
    def has_patterns(self) -> bool:
        """Whether names beside the exact ones are granted."""
        return self._pattern is not None

    def __contains__(self, name: str) -> bool:
        """Whether this name is granted. What a pattern said of it is remembered, but not without bound."""
        if name in self.names:
            return True
        if self._pattern is None:
            return False
        granted = self._met.get(name)
        if granted is None:
            granted = self._pattern.fullmatch(name) is not None
            if len(name) <= _LONGEST_NAME:
                if len(self._met) >= _MOST_MET:
                    self._met.clear()
                self._met[name] = granted
        return granted

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Grants):
            return NotImplemented
        return (self.names, self._pattern) == (other.names, other._pattern)

    def __hash__(self) -> int:
        return hash((self.names, self._pattern))


def granted(entries: Iterable[str] | None) -> Grants | None:
    """The grants of a configured list; None = every name, which a lone `*` says as well."""
    if entries is None:
        return None
    entries = frozenset(entries)
    return None if WILDCARD in entries else Grants(entries)


def _expression(pattern: str) -> str:
    """The regular expression of a pattern. A wildcard takes as little as it can and is never tried again, so
    that no name costs more than its length.
    """
    first, *middle, last = [re.escape(part) for part in re.split(r"\*+", pattern)]
    return first + "".join(f"(?>.*?{part})" for part in middle) + ".*" + last
