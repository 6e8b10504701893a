"""Limits on the data that a decoder keeps of one stream, whose length nobody knows in advance.

An event of forty bytes can create an object of a thousand bytes: another candidate, another call, an unknown
member. These limits are far above what models send and far below what harms, so they are not configurable.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

import msgspec

from dragoman.errors import WireError

MOST_CANDIDATES: Final = 1000
"""Candidates of one answer. OpenAI allows 128, the other providers fewer."""
MOST_CALLS: Final = 1000
"""Calls of one candidate that are decoded separately. OpenAI allows 128 tools."""
MOST_LEFTOVERS: Final = 1000
"""Unknown members of one answer or one candidate. Each new one is compared with the others, or copied."""
MOST_CITATIONS: Final = 10_000
"""Citations of one candidate that are kept until the candidate ends."""
MOST_OPEN: Final = 1000
"""Blocks that are open at the same time."""
MOST_KEPT: Final = 200_000
"""Values inside all members that are kept of one stream: as many as a whole answer may hold. An empty object
takes three bytes in a stream and 72 in memory.
"""
_FLAT: Final = frozenset({str, int, float, bool, type(None)})


class Kept:
    """Counts the values, inside arrays and objects, that a decoder keeps of one stream.

    most: the limit, see `MOST_KEPT`.
    """

    __slots__ = ("_late", "_most", "values")

    def __init__(self, most: int = MOST_KEPT) -> None:
        self._most = most
        self._late: dict[str, int] = {}  # values of members that a stream sends repeatedly
        self.values = 0

    def add(self, value: Any) -> None:
        """Count a decoded value, or a part of an answer. Raises WireError for too many values."""
        if type(value) not in _FLAT:
            self.values += inner_values(value)
        if self.values > self._most:
            raise WireError(
                f"more than {self._most} JSON values in the buffered part of a stream",
                code="answer_too_many_values",
            )

    def drop(self, value: Any) -> None:
        """Subtract a value that is no longer kept."""
        if type(value) not in _FLAT:
            self.values -= inner_values(value)

    def late(self, name: str, value: Any) -> None:
        """Count a member that replaces the earlier one of this name. Raises WireError for too many values."""
        if name not in self._late:
            refuse_more(len(self._late), MOST_LEFTOVERS, "unknown members of the stream")
        self.values -= self._late.get(name, 0)
        self._late[name] = inner_values(value)
        self.values += self._late[name]
        self.add(None)

    def replace(self, before: Any, value: Any) -> None:
        """Count a value that replaces another. Raises WireError for too many values."""
        self.drop(before)
        self.add(value)

    def update(self, before: Mapping[str, Any], news: Mapping[str, Any]) -> None:
        """Count members that replace those of the same name. Raises WireError for too many values.

        Each value is walked at most twice: when it is added, and when another one replaces it.
        """
        for name, value in news.items():
            self.replace(before.get(name), value)


def inner_values(value: Any) -> int:
    """The number of values inside the arrays and objects of a decoded value, or of a part of an answer."""
    count = 0
    waiting = [value]
    while waiting:
        one = waiting.pop()
        inner: Iterable[Any]
        if type(one) is dict:
            inner = one.values()
            count += len(one)
        elif type(one) is list or type(one) is tuple:
            inner = one
            count += len(one)
        elif isinstance(one, msgspec.Struct):
            inner = [getattr(one, name) for name in one.__struct_fields__]
        else:
            continue
        waiting += [value for value in inner if type(value) not in _FLAT]
    return count


def refuse_more(kept: int, most: int, what: str) -> None:
    """Raise WireError if another one would exceed the limit. kept: how many there are already."""
    if kept >= most:
        raise WireError(f"more than {most} {what}", code="answer_too_many_blocks")


def refuse_index(index: Any, what: str) -> None:
    """Raise WireError unless the index is an integer that is not negative."""
    if type(index) is not int or index < 0:
        raise WireError(f"the index of a {what} must be a number that is not negative")
