"""What a dialect must provide for a chat stream: a decoder (frames to events) and an encoder (events to
bytes).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

import msgspec

from dragoman import ir


class StreamDecoder(Protocol):
    """Turns the frames of one upstream stream into events. How the network cuts the bytes makes no
    difference.
    """

    def feed(self, frame: bytes) -> list[ir.Event]:
        """The events of one frame's payload (an SSE event's data). Raises WireError for a malformed frame."""

    def close(self) -> list[ir.Event]:
        """The last events, when no more frames come: an `Error` if the answer is not complete."""


class ReadsRuns(Protocol):
    """A `StreamDecoder` that can read many events at once: by their bytes, without decoding each, it
    recognises events that only continue a text.
    """

    def run(self, read: bytes) -> tuple[list[ir.Event], int]:
        """(the events that `feed` would give for the first server-sent events of `read`, the size of these in
        bytes). ([], 0) = the first one must go through `feed`.

        read: bytes as they came from the network; they begin with the start of a server-sent event and may
        end within one.
        """


class StreamEncoder(Protocol):
    """Turns the events of one stream into frames for the client."""

    def feed(self, event: ir.Event) -> bytes:
        """The bytes of the frames for one event; b"" if the dialect writes nothing for it."""


class Ending(msgspec.Struct, frozen=True):
    """A response as its client will read it in the last event of a stream or in the whole body. The gateway
    stores it.

    response: the members of the response object, decoded or as JSON (`msgspec.Raw`). size: how many bytes a
    long output has as JSON; 0 = the output is short.
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
        """The bytes of the last event, which has waited. stored: False = the gateway could not store the
        response.
        """


class TellsInPieces(TellsEnding, Protocol):
    """An encoder whose last events each repeat the whole text. It does not copy a long text for each of these
    events. With a long text, the last event always waits for `end`, even if `waits` is False.
    """

    pieces: list[list[bytes]] | None
    """Set to a list by the engine: `feed` and `end` append events that repeat a long text to it, each as a
    list of byte strings, instead of returning them. None = they return all events.
    """
