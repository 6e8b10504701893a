"""The decoder (frames to events) and the encoder (events to bytes) of one streamed answer."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

import msgspec

from dragoman import ir


class StreamDecoder(Protocol):
    """Turns upstream frames into events. The split of the bytes into frames changes no event."""

    def feed(self, frame: bytes) -> list[ir.Event]:
        """The events of one frame's payload (an SSE event's data). Raises WireError for a malformed frame."""
        ...

    def close(self) -> list[ir.Event]:
        """The last events, when the bytes have ended. A stream without its terminal event yields `Error`."""
        ...


class StreamEncoder(Protocol):
    """Events to the client's bytes, framed and ready to send."""

    def feed(self, event: ir.Event) -> bytes:
        """The bytes for one event; empty when the dialect has no such event."""
        ...


class Ending(msgspec.Struct, frozen=True):
    """The answer as the client will read it: from the last event of a stream, or from the whole body.

    response: the answer's members, decoded or as JSON (`msgspec.Raw`). size: bytes of a long output as JSON;
    0 = the output is short.
    """

    response: Mapping[str, Any]
    size: int = 0


class TellsEnding(Protocol):
    """An encoder or a relay whose last event repeats the whole answer."""

    waits: bool
    """Whether the last event waits for `end`, because the answer is stored first."""
    ending: Ending | None
    """The content of the last event while it waits for `end`; None = it is not due, or `feed` has sent it."""

    def end(self, *, stored: bool) -> bytes:
        """The bytes of the last event. stored: False = the store failed to keep the answer."""
        ...


class TellsInPieces(TellsEnding, Protocol):
    """An encoder whose last events each repeat the whole text. A long text is not copied for each event: such
    an answer waits for `end` in any case.
    """

    pieces: list[list[bytes]] | None
    """The events that repeat a long text, each as a list of byte strings; `feed` does not return them.
    None = `feed` returns all events.
    """
