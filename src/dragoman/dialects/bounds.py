"""How much a decoder keeps of one stream, which has no end that anybody knows.

An event of forty bytes can make an object of a thousand: another candidate, another call, a member that
nobody knows. These bounds lie far above what models do and far below what hurts, so they are no settings.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

import msgspec

from dragoman.errors import WireError

MOST_CANDIDATES: Final = 1000
"""Candidates of one answer. OpenAI gives 128 at most, the others fewer."""
MOST_CALLS: Final = 1000
"""Calls of one candidate that are kept apart. OpenAI takes 128 tools."""
MOST_LEFTOVERS: Final = 1000
"""Members that no field carries, of one answer or one candidate. Each new one is compared with, or copied."""
MOST_CITATIONS: Final = 10_000
"""Citations of one candidate that are kept until its end."""
MOST_OPEN: Final = 1000
"""Blocks that grow at the same time."""
MOST_KEPT: Final = 200_000
"""Values inside of all members that are kept of one stream: as many as a whole answer may hold. An empty
object takes three bytes of a stream, and 72 in memory.
"""
_FLAT: Final = frozenset({str, int, float, bool, type(None)})


class Kept:
    """How many values a decoder keeps of one stream, inside of arrays and objects.

    most: of them, see `MOST_KEPT`.
    """

    __slots__ = ("_late", "_most", "values")

    def __init__(self, most: int = MOST_KEPT) -> None:
        self._most = most
        self._late: dict[str, int] = {}  # values of members that are told again and again
        self.values = 0

    def add(self, value: Any) -> None:
        """Keep a decoded value, or a part of an answer. Raises WireError for too many values."""
        if type(value) not in _FLAT:
            self.values += inner_values(value)
        if self.values > self._most:
            raise WireError(
                f"more than {self._most} JSON values in the buffered part of a stream",
                code="answer_too_many_values",
            )

    def drop(self, value: Any) -> None:
        """Keep a value no longer."""
        if type(value) not in _FLAT:
            self.values -= inner_values(value)

    def late(self, name: str, value: Any) -> None:
        """Keep a member in the place of an earlier one of this name. Raises WireError for too many values."""
        if name not in self._late:
            refuse_more(len(self._late), MOST_LEFTOVERS, "unknown members of the stream")
        self.values -= self._late.get(name, 0)
        self._late[name] = inner_values(value)
        self.values += self._late[name]
        self.add(None)

    def replace(self, before: Any, value: Any) -> None:
        """Keep a value in the place of another. Raises WireError for too many values."""
        self.drop(before)
        self.add(value)

    def update(self, before: Mapping[str, Any], news: Mapping[str, Any]) -> None:
        """Keep members, each in the place of one of the same name. Raises WireError for too many values.

        A value is looked at twice at most: when it comes, and when another takes its place.
        """
        for name, value in news.items():
            self.replace(before.get(name), value)


def inner_values(value: Any) -> int:
    """How many values stand in the arrays and objects of a decoded value, or of a part of an answer."""
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
    """Raise WireError where as many are kept already as may be, before another is added."""
    if kept >= most:
        raise WireError(f"more than {most} {what}", code="answer_too_many_blocks")


def refuse_index(index: Any, what: str) -> None:
    """Raise WireError for what is no position: a negative number, or none at all."""
    if type(index) is not int or index < 0:
        raise WireError(f"the index of a {what} must be a number that is not negative")
