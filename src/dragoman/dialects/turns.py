"""Holds back the events of blocks that would overlap in a client's stream.

Bedrock and Cohere send one call after the other, and some clients know only one call at a time: Strands
(https://github.com/strands-agents/sdk-python) and Vercel's provider for Cohere forget a call when the next
one begins before its end. OpenAI's chat streams, for example, do not say where a call ends.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from dragoman import ir


class Turns:
    """Says which events of one candidate are written now: those of the first open block. The events of the
    blocks that open later are held back until it closes.
    """

    __slots__ = ("_current", "_held")

    def __init__(self) -> None:
        self._current: int | None = None  # the block whose events are written now
        self._held: dict[int, list[ir.Event]] = {}

    def waits(self, event: Any) -> bool:
        """Whether an event of a block is held back now. Events of blocks that have ended are not."""
        index = event.index
        if index == self._current:
            return False
        if type(event) is ir.Open:
            if self._current is None:
                self._current = index
                return False
            self._held[index] = [event]
            return True
        if (held := self._held.get(index)) is None:
            return False
        held.append(event)
        return True

    def after(self, closed: ir.Close) -> Iterator[ir.Event]:
        """Yield the events that are written after the end of a block, up to the end of the last block that
        has ended, and those of the next block.
        """
        if closed.index != self._current:
            return
        self._current = None
        while self._held and self._current is None:
            index = next(iter(self._held))
            self._current = index
            for event in self._held.pop(index):
                if type(event) is ir.Close:
                    self._current = None
                yield event
