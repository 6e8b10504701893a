"""What reads one streamed answer (frames to events), and what writes one (events to bytes)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

import msgspec

from dragoman import ir


class StreamDecoder(Protocol):
    """Upstream frames to events. Keeps per-block state only; the same events for any split of the bytes."""

    def feed(self, frame: bytes) -> list[ir.Event]:
        """The events of one frame's payload (an SSE event's data). Raises WireError for what is no frame."""
        ...

    def close(self) -> list[ir.Event]:
        """The bytes have ended: what is still owed. A stream that broke off yields `Error`."""
        ...


class StreamEncoder(Protocol):
    """Events to the client's bytes, framed and ready to send."""

    def feed(self, event: ir.Event) -> bytes:
        """The bytes for one event; empty where the dialect says nothing."""
        ...


class Ending(msgspec.Struct, frozen=True):
    """The answer as its client is about to read it: the last event of a stream, or the whole body.

    response: its members, decoded or as JSON (`msgspec.Raw`). size: bytes of its output as JSON, where that
    is long; 0 = it is not.
    """

    response: Mapping[str, Any]
    size: int = 0


class TellsEnding(Protocol):
    """An encoder or a relay whose last event repeats the whole answer."""

    waits: bool
    """Whether the last event waits for `end`, because the answer is kept first."""
    ending: Ending | None
    """What the last event is going to tell, which waits for `end`; None = `feed` has it, or it is not due.
    """

    def end(self, *, stored: bool) -> bytes:
        """The last event. stored: False = the answer was to be kept, and could not be."""
        ...


class TellsInPieces(TellsEnding, Protocol):
    """An encoder whose last events repeat what was said, which may be too long to be copied for each. Such an
    answer waits for `end` in any case.
    """

    pieces: list[list[bytes]] | None
    """A list that gets events which repeat a long text, each in pieces, in the place of the bytes of `feed`;
    None = `feed` has all.
    """
