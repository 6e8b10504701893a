"""What reads one streamed answer (frames to events), and what writes one (events to bytes)."""

from __future__ import annotations

from typing import Any, Protocol, runtime_checkable

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
    """The answer as the last event of its stream repeats it, before that is written. size: bytes of its
    output, as JSON.
    """

    response: dict[str, Any]
    size: int


@runtime_checkable
class TellsInPieces(Protocol):
    """An encoder whose last events repeat what was said, which may be too long to be copied for each."""

    pieces: list[list[bytes]] | None
    """A list that gets events which repeat a long text, each in pieces, in the place of the bytes of `feed`;
    None = `feed` has all.
    """
    ending: Ending | None
    """What the last event is going to tell, which waits for `end`; None = `feed` has it, or it is not due."""

    def end(self, *, stored: bool) -> None:
        """Tell the last event. stored: False = the answer was to be kept, and could not be."""
        ...
