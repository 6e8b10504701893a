"""Grants: names that are allowed. A list of grants has exact names, patterns in which `*` stands for any
text, and, for models, groups of both (`group:NAME`).

A grant of a model applies to the name in the request. So the grant of an alias does not include the alias's
target, and a pattern covers names that no model list contains, such as `anthropic/claude-x`. Pure.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Final, TypeVar

T = TypeVar("T")
WILDCARD: Final = "*"
GROUP: Final = "group:"
"""The prefix of an entry that names a group of models."""
LONGEST_NAME: Final = 128
"""The most characters of a name that `remember` caches, or that the error for an unknown model shows."""
_MOST_CACHED: Final = 1024


def remember(cached: dict[str, T], name: str, value: T) -> None:
    """Cache a value for a name that a client may have invented: `cached[name] = value`. A name of more than
    `LONGEST_NAME` characters is not cached. If `cached` already has 1,024 names, it is emptied before.
    """
    if len(name) <= LONGEST_NAME:
        if len(cached) >= _MOST_CACHED:
            cached.clear()
        cached[name] = value


class Grants:
    """A set of allowed names, such as the models or the providers that a client may use. A name is in the set
    if an entry is the name or a pattern for it, and `within` allows it, too.

    entries: exact names and patterns; `group:NAME` is an ordinary name here (see `granted`). within: further
    grants, such as those of the key's tenant; None = there are none. The attribute `entries` has the same
    entries, without the exact names that `within` does not allow; the attribute `names` has its exact names.
    """

    def __init__(self, entries: Iterable[str], within: Grants | None = None) -> None:
        entries = frozenset(entries)
        patterns = sorted(entry for entry in entries if WILDCARD in entry)
        names = entries.difference(patterns)
        self.within = within
        if within is not None:
            entries -= {name for name in names if name not in within}
            names = names & entries
        self.entries, self.names = entries, names
        self._pattern = re.compile("|".join(map(_expression, patterns)), re.DOTALL) if patterns else None
        self._cached: dict[str, bool] = {}

    @property
    def has_patterns(self) -> bool:
        """Whether any entry is a pattern: it contains a `*`."""
        return self._pattern is not None

    def __contains__(self, name: str) -> bool:
        if name in self.names:
            return True
        if self._pattern is None:
            return False
        granted = self._cached.get(name)
        if granted is None:
            granted = self._pattern.fullmatch(name) is not None and (
                self.within is None or name in self.within
            )
            remember(self._cached, name, granted)
        return granted

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Grants):
            return NotImplemented
        return (self.names, self._pattern, self.within) == (other.names, other._pattern, other.within)

    def __hash__(self) -> int:
        return hash((self.names, self._pattern, self.within))


def granted(
    entries: Iterable[str] | None,
    groups: Mapping[str, Iterable[str]] | None = None,
    within: Grants | None = None,
) -> Grants | None:
    """Return the grants of a configured list. None = every name is allowed.

    entries: names, patterns and `group:NAME`; None, or a list with the entry `*`, allows all names that
    `within` allows; an empty list allows none. groups: {name of a group: its entries}; a group that is
    missing here allows nothing; None = `group:NAME` is an ordinary name. within: as for `Grants`.
    """
    if entries is None:
        return within
    entries = frozenset(entries if groups is None else ungrouped(entries, groups))
    return within if WILDCARD in entries else Grants(entries, within)


def ungrouped(entries: Iterable[str], groups: Mapping[str, Iterable[str]]) -> Iterator[str]:
    """Yield the entries. Instead of an entry `group:NAME`, yield the entries of that group as they are (also
    a `group:…` among them); nothing if there is no such group.
    """
    for entry in entries:
        if entry.startswith(GROUP):
            yield from groups.get(entry.removeprefix(GROUP), ())
        else:
            yield entry


def _expression(pattern: str) -> str:
    """Return a regular expression that matches the same names as a pattern with `*`. Its atomic groups keep a
    match from taking exponential time.
    """
    first, *middle, last = [re.escape(part) for part in re.split(r"\*+", pattern)]
    return first + "".join(f"(?>.*?{part})" for part in middle) + ".*" + last
