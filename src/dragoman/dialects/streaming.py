"""What the decoder (frames to events) and the encoder (events to bytes) of a chat stream must provide."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

import msgspec

from dragoman import ir


class StreamDecoder(Protocol):
    """Turns the frames of one upstream stream into events. How the bytes arrive changes none."""

    def feed(self, frame: bytes) -> list[ir.Event]:
        """The events of one frame's payload (an SSE event's data). Raises WireError for a malformed frame."""

    def close(self) -> list[ir.Event]:
        """The last events, when the frames have ended: an `Error` if the answer is not complete."""


class ReadsRuns(Protocol):
    """A `StreamDecoder` that recognizes events that only continue a text by their bytes in a read."""

    def run(self, read: bytes) -> tuple[list[ir.Event], int]:
        """(what `feed` would give for the first events of `read`, their size in bytes); ([], 0) = it has to
        get them. read: server-sent events, from the beginning of one. The last need not be whole.
        """


class StreamEncoder(Protocol):
    """Turns the events of one stream into frames for the client."""

    def feed(self, event: ir.Event) -> bytes:
        """The frames for one event, as bytes; empty when the dialect writes nothing for it."""


class Ending(msgspec.Struct, frozen=True):
    """A response as its client will read it in the last event of a stream or in the whole body; it is stored.

    response: the response object's members, decoded or as JSON (`msgspec.Raw`). size: the bytes of a long
    output as JSON; 0 = the output is short.
    """

    response: Mapping[str, Any]
    size: int = 0


class TellsEnding(Protocol):
    """A `StreamEncoder` or `StreamRelay` whose last event repeats the whole response."""

    waits: bool
    """Set by the engine: True = the last event waits for `end`, because the response is stored first."""
    ending: Ending | None
    """What the last event will repeat, while it waits for `end`; None = not yet, or it has been returned."""

    def end(self, *, stored: bool) -> bytes:
        """The bytes of the last event that waits. stored: False = the response could not be stored."""


class TellsInPieces(TellsEnding, Protocol):
    """An encoder whose last events each repeat the whole text. A long text is not copied for each event: then
    the last event waits for `end`, whatever `waits` says.
    """

    pieces: list[list[bytes]] | None
    """Set to a list by the engine: `feed` and `end` append events that repeat a long text to it, each as a
    list of byte strings, instead of returning them. None = they return all events.
    """
