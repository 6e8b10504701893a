"""Builds a whole answer from the events of its stream, for the parts that keep it: seals, sessions, chats."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from dragoman import ir

_JOINED = frozenset({ir.TextDelta, ir.ThinkDelta, ir.ArgsDelta})
"""The events that continue one text."""
_MANY = 256
"""Pieces of a text that are held before they are joined: each takes as much memory as a short text."""
_LOGPROB = 100
"""Characters that one token's log probability counts as."""
_MOST = 16_000_000
"""The most characters of an answer. A longer one is dropped: an endless stream must not fill memory."""


def _is_plain(event: Any) -> bool:
    return getattr(event, "part", None) is None and getattr(event, "logprobs", None) is None


class Gathered:
    """Builds an answer from events, at low cost: nearly all only continue the text before them."""

    __slots__ = ("_candidate", "_fold", "_index", "_kind", "_pieces", "_size", "_texts")

    def __init__(self) -> None:
        self._fold = ir.Fold()
        self._kind: Any = None
        self._index = self._candidate = self._size = 0
        self._pieces: list[str] = []
        self._texts: list[str] = []

    def add(self, events: Sequence[ir.Event]) -> bool:
        """Add events. True = a candidate finished in them; never after the answer has become too long."""
        if self._size > _MOST:
            return False
        finished = False
        event: Any
        for event in events:
            kind = type(event)
            if kind not in _JOINED or not _is_plain(event):
                self._settle()
                self._fold.add(event)
                finished = finished or kind is ir.Finish
                if kind is ir.MediaDelta:
                    self._size += len(event.data or "")
                elif kind is ir.TextDelta:
                    self._size += len(event.text) + _LOGPROB * len(event.logprobs or ())
                continue
            if kind is not self._kind or event.index != self._index or event.candidate != self._candidate:
                self._settle()
                self._kind, self._index, self._candidate = kind, event.index, event.candidate
            self._pieces.append(event.text)
        if len(self._pieces) > _MANY:
            self._join()
        if self._size > _MOST:
            self._fold, self._kind = ir.Fold(), None
            self._texts.clear()
        return finished

    def response(self) -> ir.Response:
        """The answer so far; empty if it has become too long."""
        self._settle()
        return self._fold.response()

    def _settle(self) -> None:
        if self._kind is not None:
            self._join()
            self._fold.add(self._kind(self._index, "".join(self._texts), self._candidate))
            self._texts.clear()
            self._kind = None

    def _join(self) -> None:
        text = "".join(self._pieces)
        self._pieces.clear()
        self._texts.append(text)
        self._size += len(text)
