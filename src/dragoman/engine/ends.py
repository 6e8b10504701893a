"""Writes the last events of a stream. If they repeat the whole answer and the request's turn keeps answers,
it is stored before they are sent.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, Protocol

from dragoman.dialects.streaming import Ending, TellsEnding, TellsInPieces
from dragoman.errors import RequestFailed
from dragoman.upstreams.answers import PART


class Writer(Protocol):
    """The client's methods for a stream."""

    async def write(self, data: bytes) -> None:
        """Send more of the stream."""
        ...


class Ends:
    """Writes the last events of one stream. Most streams have no event that repeats the whole answer. teller:
    the stream's encoder or relay. keep: stores the answer; returns False if it should have been stored but
    was not. waits: True = the last event is sent after the answer was stored. lines: True = each event is one
    line and must be written whole. closing: called before the last event is sent, once the answer is stored.
    """

    __slots__ = ("_client", "_closing", "_keep", "_lines", "_teller", "pieces")

    def __init__(
        self,
        client: Writer,
        teller: Any,
        keep: Callable[[Ending], Awaitable[bool]],
        *,
        waits: bool,
        lines: bool,
        closing: Callable[[], None] | None = None,
    ) -> None:
        self._client = client
        self._closing = closing
        self._keep = keep
        self._lines = lines
        # Looked up by name: an `isinstance` of a protocol costs as much as ten events of a stream.
        self._teller: TellsEnding | None = teller if hasattr(teller, "ending") else None
        self.pieces: list[list[bytes]] = []
        """Events to write after the teller's bytes, each as a list of pieces: no long text is copied."""
        if self._teller is not None:
            self._teller.waits = waits
            if hasattr(teller, "pieces"):
                in_pieces: TellsInPieces = teller
                in_pieces.pieces = self.pieces

    async def write(self, data: bytes) -> None:
        """Send these bytes and then `pieces`: lines whole, other formats one piece at a time."""
        client = self._client
        if data:
            await client.write(data)
        for event in self.pieces:
            if self._lines:
                await client.write(b"".join(event))
                continue
            for piece in event:
                for start in range(0, len(piece), PART):
                    await client.write(piece[start : start + PART])
        self.pieces.clear()

    async def last(self, data: bytes) -> bytes:
        """Store the answer, if a last event repeats it and the request's turn keeps answers. Returns the
        bytes that are still to be sent. data: the stream's unsent bytes, which come first. Raises
        RequestFailed if the answer cannot be added to its conversation.
        """
        teller = self._teller
        if teller is None or teller.ending is None:
            return data
        if self.pieces:
            await self.write(data)
            data = b""
        try:
            stored = await self._keep(teller.ending)
        except RequestFailed:
            await self.write(data)  # events before the end, behind which the failure is numbered
            raise
        if self._closing is not None:
            self._closing()
        data += teller.end(stored=stored)
        if not self.pieces:
            return data
        if self._lines:
            return data + b"".join([piece for event in self.pieces for piece in event])
        await self.write(data)
        return b""
