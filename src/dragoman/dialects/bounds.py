"""Limits on the data of one streamed answer that a decoder keeps in memory.

A small event can create a large object in memory: another candidate, another call, an unknown member. The
limits are far above what models send and far below what harms, so they are not configurable.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

import msgspec

from dragoman.errors import WireError

MOST_CANDIDATES: Final = 1000
"""The most candidates in a stream of the chat family or of Gemini. OpenAI allows 128."""
MOST_CALLS: Final = 1000
"""The most tool calls of one candidate in a stream of the chat family. OpenAI allows 128 tools."""
MOST_LEFTOVERS: Final = 1000
"""The most unknown members of one answer, candidate or block; in some decoders also the most unknown events
or deltas."""
MOST_CITATIONS: Final = 10_000
"""The most citations of one candidate in Gemini's streams, which are kept until it ends."""
MOST_OPEN: Final = 1000
"""The most blocks, or output items, that are open at the same time in a stream of Anthropic, of Bedrock or of
Responses."""
MOST_KEPT: Final = 200_000
"""The most JSON values, inside arrays and objects, that a decoder keeps in memory of one stream. An empty
object takes three bytes in a stream, but far more in memory."""
_FLAT: Final = frozenset({str, int, float, bool, type(None)})


class Kept:
    """Counts the JSON values inside the arrays and objects of one stream that a decoder keeps in memory.
    most: the most values that the decoder may keep. values: the number of values that it keeps now.
    """

    __slots__ = ("_late", "_most", "values")

    def __init__(self, most: int = MOST_KEPT) -> None:
        self._most = most
        self._late: dict[str, int] = {}  # values of members that a stream sends repeatedly
        self.values = 0

    def add(self, value: Any) -> None:
        """Add to the count the values inside `value`, which the decoder keeps from now on: the array entries
        and object members, at any depth. value: a JSON value or an IR struct; a text, a number, a boolean or
        null adds nothing. Raises WireError if the decoder keeps too many values.
        """
        if type(value) not in _FLAT:
            self.values += inner_values(value)
        if self.values > self._most:
            raise WireError(
                f"more than {self._most} JSON values in the buffered part of a stream",
                code="answer_too_many_values",
            )

    def drop(self, value: Any) -> None:
        """Subtract from the count the values inside `value`, a JSON value or an IR struct that the decoder no
        longer keeps.
        """
        if type(value) not in _FLAT:
            self.values -= inner_values(value)

    def late(self, name: str, value: Any) -> None:
        """Count the values inside an unknown member of a stream, instead of those of the earlier member of
        the same name. value: its decoded JSON value. Raises WireError for more than `MOST_LEFTOVERS`
        different names, or if the decoder keeps too many values.
        """
        if name not in self._late:
            refuse_more(len(self._late), MOST_LEFTOVERS, "unknown members of the stream")
        self.values -= self._late.get(name, 0)
        self._late[name] = inner_values(value)
        self.values += self._late[name]
        self.add(None)

    def replace(self, before: Any, value: Any) -> None:
        """Count the values inside `value` instead of those inside `before`, which `value` replaces. Raises
        WireError if the decoder keeps too many values.
        """
        self.drop(before)
        self.add(value)

    def update(self, before: Mapping[str, Any], news: Mapping[str, Any]) -> None:
        """For each member in `news`, count the values inside it instead of those inside the member of the
        same name in `before`, if there is one. Neither argument is changed. Raises WireError if the decoder
        keeps too many values.
        """
        for name, value in news.items():
            self.replace(before.get(name), value)


def inner_values(value: Any) -> int:
    """Return the number of array entries and object members, at any depth, inside a JSON value or an IR
    struct. A tuple counts as an array. The fields of a struct themselves are not counted.
    """
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
            inner = msgspec.structs.astuple(one)
        else:
            continue
        waiting += [value for value in filter(None, inner) if type(value) not in _FLAT]
    return count


def refuse_more(kept: int, most: int, what: str) -> None:
    """Raise WireError if `kept` >= `most`. kept: how many items are kept already. most: how many items may be
    kept. what: the name of the items for the error, in the plural.
    """
    if kept >= most:
        raise WireError(f"more than {most} {what}", code="answer_too_many_blocks")


def refuse_index(index: Any, what: str) -> None:
    """Raise WireError unless the index, as a stream states it, is an integer >= 0. what: the name of the
    indexed item for the error ("content block").
    """
    if type(index) is not int or index < 0:
        raise WireError(f"the index of a {what} must be a number that is not negative")
