"""The interfaces of a dialect's chat streams: a decoder (frames to events) and an encoder (events to
bytes).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

import msgspec

from dragoman import ir


class StreamDecoder(Protocol):
    """Turns the frames of one upstream stream into events. The result does not depend on how the network cuts
    the bytes.
    """

    def feed(self, frame: bytes) -> list[ir.Event]:
        """Return the events of one frame's payload (an SSE event's data). Raises WireError for a malformed
        frame.
        """

    def close(self) -> list[ir.Event]:
        """Return the last events, after the last frame. An `Error` is among them if the answer is not
        complete.
        """


class ReadsRuns(Protocol):
    """A `StreamDecoder` that can read many events at once. It recognises, by their bytes, events that only
    continue a text, and does not decode each of these events.
    """

    def run(self, read: bytes) -> tuple[list[ir.Event], int]:
        """Return (the events that `feed` would return for the first server-sent events of `read`, the size of
        these server-sent events in bytes). ([], 0) = the first event must go through `feed`.

        read: bytes as they came from the network. They begin with the start of a server-sent event and may
        end inside one.
        """


class StreamEncoder(Protocol):
    """Turns the events of one stream into frames for the client."""

    def feed(self, event: ir.Event) -> bytes:
        """Return the bytes of the frames for one event; b"" if the dialect writes nothing for this event."""


class Ending(msgspec.Struct, frozen=True):
    """A complete response as the client reads it, in the last event of a stream or in the body. The gateway
    stores it.

    response: the fields of the response object, decoded or as JSON (`msgspec.Raw`). size: how many bytes a
    long output has as JSON; 0 = the output is short.
    """

    response: Mapping[str, Any]
    size: int = 0


class TellsEnding(Protocol):
    """A `StreamEncoder` or `StreamRelay` whose last event repeats the whole response."""

    waits: bool
    """Set by the engine: True = the last event waits for `end`, because the response is stored first."""
    ending: Ending | None
    """The response that the last event repeats, while this event waits for `end`. None = no event waits."""

    def end(self, *, stored: bool) -> bytes:
        """Return the bytes of the last event, which has waited. stored: False = the gateway could not store
        the response.
        """


class TellsInPieces(TellsEnding, Protocol):
    """An encoder with several last events that each repeat the complete text. A long text is not copied for
    each of these events (`pieces`). If the text is long, the last event waits for `end`, even if `waits` is
    False.
    """

    pieces: list[list[bytes]] | None
    """A list that the engine sets. `feed` and `end` append to it the events that repeat a long text, each as
    a list of byte strings, and do not return them. None = `feed` and `end` return all events."""
