"""The model names that a client key may use: exact names, and patterns in which `*` stands for any text.

A grant applies to the name in the request. So the grant of an alias does not include the alias's target, and
a pattern covers names that no model list contains, such as `anthropic/claude-x`. Pure.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final, TypeVar

T = TypeVar("T")
WILDCARD: Final = "*"
LONGEST_NAME: Final = 128
"""The most characters of a model name that is cached, and of one that an error shows."""
_MOST_CACHED: Final = 1024


def remember(cached: dict[str, T], name: str, value: T) -> None:
    """Keep a value for a name that a client made up: `cached[name] = value`. A name of more than
    `LONGEST_NAME` characters is not kept. If `cached` already has 1,024 names, it is emptied before, so that
    clients cannot fill the memory.
    """
    if len(name) <= LONGEST_NAME:
        if len(cached) >= _MOST_CACHED:
            cached.clear()
        cached[name] = value


class Grants:
    """The model names that one client key may use.

    entries: names and patterns as configured. names: the exact names among them.
    """

    def __init__(self, entries: Iterable[str]) -> None:
        self.entries = entries = frozenset(entries)
        patterns = sorted(entry for entry in entries if WILDCARD in entry)
        self.names = entries.difference(patterns)
        self._pattern = re.compile("|".join(map(_expression, patterns)), re.DOTALL) if patterns else None
        self._cached: dict[str, bool] = {}

    @property
    def has_patterns(self) -> bool:
        """Whether any entry is a pattern, which means that it contains a `*`."""
        return self._pattern is not None

    def __contains__(self, name: str) -> bool:
        if name in self.names:
            return True
        if self._pattern is None:
            return False
        granted = self._cached.get(name)
        if granted is None:
            granted = self._pattern.fullmatch(name) is not None
            remember(self._cached, name, granted)
        return granted

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Grants):
            return NotImplemented
        return (self.names, self._pattern) == (other.names, other._pattern)

    def __hash__(self) -> int:
        return hash((self.names, self._pattern))


def granted(entries: Iterable[str] | None) -> Grants | None:
    """The grants of a configured list. None = every name is granted, because `entries` is None or one of them
    is `*`.
    """
    if entries is None:
        return None
    entries = frozenset(entries)
    return None if WILDCARD in entries else Grants(entries)


def _expression(pattern: str) -> str:
    """The regular expression that matches what a pattern matches. It consists of atomic groups, so the time
    to match a name grows only linearly with the length of the name.
    """
    first, *middle, last = [re.escape(part) for part in re.split(r"\*+", pattern)]
    return first + "".join(f"(?>.*?{part})" for part in middle) + ".*" + last
