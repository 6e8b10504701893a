"""The interfaces of a dialect's chat streams: a decoder makes IR events from a provider's frames, and an
encoder makes the client's bytes from IR events. A frame is the data of one event of the stream.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

import msgspec

from dragoman import ir


class StreamDecoder(Protocol):
    """Turns the frames of one provider's stream into IR events. A frame is the data of one server-sent event,
    or the event's equivalent in a protocol with another framing. The result does not depend on how the
    network cuts the bytes.
    """

    def feed(self, frame: bytes) -> list[ir.Event]:
        """Return the events of the next frame. Raises WireError for a frame that cannot be read. A frame that
        reports the failure of the stream gives an `ir.Error`.
        """

    def close(self) -> list[ir.Event]:
        """Return the last events. Call this once, after the last frame. An `ir.Error` is among them if the
        answer is not complete and no earlier event was an `ir.Error`.
        """


class ReadsRuns(Protocol):
    """A `StreamDecoder` that can read many events at once. It recognises, by their bytes, events that only
    continue a text, and does not decode each of these events.
    """

    def run(self, read: bytes) -> tuple[list[ir.Event], int]:
        """Return (the events that `feed` would return for the first server-sent events of `read`, the size of
        these server-sent events in bytes). ([], 0) = the first event must go through `feed`. read: bytes from
        the network, which begin with the start of a server-sent event and may end inside one.
        """


class StreamEncoder(Protocol):
    """Turns the IR events of one stream into the bytes for the client."""

    def feed(self, event: ir.Event) -> bytes:
        """Return the bytes to send now, after one IR event; b"" = there are none. Bytes for this event may
        come with a later one, or in `TellsInPieces.pieces`.
        """


class Ending(msgspec.Struct, frozen=True):
    """A complete response as the client reads it, in the last event of a stream or in the body, for the
    gateway to store. response: the fields of the response object, decoded or as JSON (`msgspec.Raw`). size:
    how many bytes the output has as JSON; 0 = not counted.
    """

    response: Mapping[str, Any]
    size: int = 0


class TellsEnding(Protocol):
    """A `StreamEncoder` or `StreamRelay` whose last event repeats the whole response. This event can be held
    back until the gateway has stored the response.
    """

    waits: bool
    """Set by the engine: True = the last event waits for `end`, because the response is stored first."""
    ending: Ending | None
    """The response that the last event repeats, while this event waits for `end`. None = no event waits."""

    def end(self, *, stored: bool) -> bytes:
        """Return the bytes of the last event, which has waited, and set `ending` to None. Only allowed while
        `ending` is not None. stored: False = the gateway has not stored the response; then the event says
        `"store": false`.
        """


class TellsInPieces(TellsEnding, Protocol):
    """An encoder that writes, at the end of a text, several events that each repeat the complete text. If the
    text is long and `pieces` is a list, these events share the text's bytes; then the last event of the
    stream waits for `end`, even if `waits` is False.
    """

    pieces: list[list[bytes]] | None
    """A list that the engine sets. `feed` and `end` append to it the events that repeat a long text, each as
    a list of byte strings, and do not return them. None = `feed` and `end` return all events."""
