"""Writes blocks that overlap one after the other, for protocols whose clients know only one block at a time.

Bedrock and Cohere send one call after the other. Strands (https://github.com/strands-agents/sdk-python) and
Vercel's provider for Cohere forget a call when the next one begins before its end. Other protocols may send
several calls at the same time: OpenAI's chat streams, for example, do not say where a call ends.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from dragoman import ir


class InSequence:
    """Writes the events of one candidate's blocks. The events of the first open block are written at once.
    The events of blocks that open later are held back until that block closes; then the next block is first.
    """

    __slots__ = ("_current", "_held")

    def __init__(self) -> None:
        self._current: int | None = None
        """The index of the block whose events are written at once; None = no block is open."""
        self._held: dict[int, list[ir.Event]] = {}
        """{index of a block: its events}, for blocks that wait, in the order in which they were opened."""

    def feed(self, event: Any, write: Callable[[Any], bytes]) -> bytes:
        """Return the bytes for the client after an event of a block; b"" = the event is held back, or `write`
        gives nothing. If the event closes the first open block, the bytes of events that were held back come
        after its own. event: an ir.Event with an `index`. write: returns the bytes of one event.
        """
        index = event.index
        if index != self._current and self._holds(event):
            return b""
        out = write(event)
        if index == self._current and type(event) is ir.Close:
            self._current = None
            return out + self._release(write) if self._held else out
        return out

    def _holds(self, event: Any) -> bool:
        """Whether the event, which is not of the first open block, is held back; it is then stored. False for
        an event of a block that has ended (a late citation), and if it opens a block while none is open.
        """
        index = event.index
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

    def _release(self, write: Callable[[Any], bytes]) -> bytes:
        """Return the bytes of the events that were held back: those of all blocks that have ended, up to the
        first block that is still open, and those of this block.
        """
        out = bytearray()
        while self._held and self._current is None:
            self._current = index = next(iter(self._held))
            for event in self._held.pop(index):
                if type(event) is ir.Close:
                    self._current = None
                out += write(event)
        return bytes(out)
