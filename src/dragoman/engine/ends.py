"""Writes the last events of a stream. If the last event repeats the whole answer, and the request's `Turn`
keeps answers, the answer is stored before the last event is sent.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, Protocol

from dragoman.dialects.streaming import Ending, TellsEnding, TellsInPieces
from dragoman.errors import RequestFailed
from dragoman.upstreams.answers import PART


class Writer(Protocol):
    """The part of a client that `Ends` uses."""

    async def write(self, data: bytes) -> None:
        """Send the next bytes of the stream to the client, and wait if the client reads slowly."""
        ...


class Ends:
    """Writes the last events of one stream. teller: the stream's encoder or relay, which makes the bytes of
    its events. keep: stores the answer, if the stream has an event that repeats the whole answer; returns
    False if the answer should have been stored but was not. waits: True = this event is held back until
    `keep` has returned; a teller that writes a long answer in pieces holds it back in any case. lines: True =
    each event is one line and must be written in one call. closing: called after `keep` and before the event
    that was held back is made; None = nothing is called.
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
        """The events to write after the bytes that the teller has returned; the teller appends them. Each
        event is a list of byte strings, so that no long text is copied.
        """
        if self._teller is not None:
            self._teller.waits = waits
            if hasattr(teller, "pieces"):
                in_pieces: TellsInPieces = teller
                in_pieces.pieces = self.pieces

    async def write(self, data: bytes) -> None:
        """Send `data`, then the events in `pieces`, and empty `pieces`. An event that is a line is sent in
        one call, another event in parts of at most `PART` bytes.
        """
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
        """Return the bytes that the caller must send as the end of the stream. data: the teller's latest
        bytes, which were not sent yet. If the teller holds an event back, `keep` stores the answer first, and
        the event comes after `data`; what was sent here is not returned. Raises RequestFailed if the answer
        cannot be added to its conversation; then `data` has been sent.
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
