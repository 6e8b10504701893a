"""Builds a whole answer from the events of its stream, for the parts that keep it: seals, sessions, chats."""

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
"""For the events that continue one text: what is equal in neighbours of the same text. The text is joined if
the third value is None.
"""
_JOINED: Final = frozenset(_KEYS)
_MANY: Final = 64
"""Pieces of a text that are held before they are joined: each takes as much memory as a short text."""
_LOGPROB: Final = 100
"""Characters that one token's log probability counts as."""
_MOST = 16_000_000
"""The most characters of an answer. A longer one is dropped: an endless stream must not fill memory."""


class Gathered:
    """Builds an answer from events, at low cost: nearly all only continue the text before them."""

    __slots__ = ("_fold", "_size", "_waiting")

    def __init__(self) -> None:
        self._fold = ir.Fold()
        self._size = 0
        self._waiting: list[ir.Event] = []

    def add(self, events: Sequence[ir.Event]) -> bool:
        """Add events. True = a candidate finished in them; never after the answer has become too long."""
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
        """As `add`, for events that are known to only continue texts (`steps.CONTINUING`)."""
        waiting = self._waiting
        waiting += events
        if len(waiting) >= _MANY:
            self._join()

    def response(self) -> ir.Response:
        """The answer so far; empty if it has become too long."""
        self._join()
        return self._fold.response()

    def _join(self) -> None:
        """Put the waiting events into the answer, neighbours of one text as one event."""
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
"""What stands behind the place of a text that has neither log probabilities nor parts."""
