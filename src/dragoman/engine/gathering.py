"""Builds a whole answer from the events of its stream, for everything that stores answers: seals, sessions,
stored chats.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import groupby
from operator import attrgetter
from typing import Any, Final

from dragoman import ir

_KEYS: Final[Mapping[type, Callable[[Any], tuple[Any, ...]]]] = {
    ir.TextDelta: attrgetter("index", "candidate", "logprobs"),
    ir.ThinkDelta: attrgetter("index", "candidate", "part"),
    ir.ArgsDelta: attrgetter("index", "candidate"),
}
"""For each type of event that continues a text: its fields that are equal in neighbouring events of the same
text. Events are joined into one only if the third of these fields, if there is one, is None.
"""
_JOINED: Final = frozenset(_KEYS)
_MANY: Final = 64
"""How many events are collected before they are joined: each takes as much memory as a short text."""
_LOGPROB: Final = 100
"""Characters. Each log probability of a token counts as this many."""
_MOST = 16_000_000
"""The most characters of an answer. A longer answer is dropped, so that an endless stream does not fill the
memory.
"""


class Gathered:
    """Builds an answer from the events of its stream. An answer of more than about 16 million characters is
    dropped.
    """

    __slots__ = ("_fold", "_size", "_waiting")

    def __init__(self) -> None:
        self._fold = ir.Fold()
        self._size = 0
        self._waiting: list[ir.Event] = []

    def add(self, events: Sequence[ir.Event]) -> bool:
        """Add events. Returns whether a candidate (one of the alternative answers) has finished in them;
        False once the answer has become too long.
        """
        if self._size > _MOST:
            return False
        self._waiting += events
        if _JOINED.issuperset(map(type, events)):
            if len(self._waiting) >= _MANY:
                self._join()
            return False
        self._join()
        return ir.Finish in map(type, events)

    def go_on(self, events: Sequence[ir.Event]) -> None:
        """Add events that only continue texts (`steps.CONTINUING`). This is faster than `add`."""
        waiting = self._waiting
        waiting += events
        if len(waiting) >= _MANY:
            self._join()

    def response(self) -> ir.Response:
        """Return the answer so far; an empty answer if it has become too long."""
        self._join()
        return self._fold.response()

    def _join(self) -> None:
        """Put the waiting events into the answer. Neighbouring events of one text become one event, unless
        they have log probabilities or belong to a part of a summary. An answer that has become too long is
        dropped.
        """
        if self._size > _MOST:
            self._waiting.clear()
            return
        for kind, alike in groupby(self._waiting, type):
            if (key := _KEYS.get(kind)) is None:
                for event in alike:
                    self._keep(event)
                continue
            texts: Iterator[Any] = alike
            for (index, candidate, *more), said in groupby(texts, key):
                if more in _PLAIN:
                    self._keep(kind(index, "".join([event.text for event in said]), candidate))
                else:
                    for event in said:
                        self._keep(event)
        self._waiting.clear()
        if self._size > _MOST:
            self._fold = ir.Fold()

    def _keep(self, event: Any) -> None:
        self._fold.add(event)
        kind = type(event)
        if kind in _JOINED:
            self._size += len(event.text) + _LOGPROB * len(getattr(event, "logprobs", None) or ())
        elif kind is ir.MediaDelta:
            self._size += len(event.data or "")


_PLAIN: Final[tuple[list[None], ...]] = ([], [None])
"""What a key in `_KEYS` has after index and candidate, for a text without log probabilities and parts."""
