"""What passes requests and answers between two sides that speak the same protocol, with named edits."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Protocol

from dragoman import ir
from dragoman.dialects.reply import Reply


class Relay(Protocol):
    """Same dialect on both sides: the named edits on raw values. Nested bytes stay as they are."""

    def request(self, head: dict[str, Any], edits: Mapping[str, Any]) -> bytes:
        """The body to send upstream. head: top-level keys to raw values (`wire.json.decode_head`);
        edits: keys to set or replace (model, extra body); a value of `msgspec.UNSET` removes the key.
        """
        ...

    def ask_usage(self, body: Mapping[str, Any]) -> dict[str, Any]:
        """The edits by which a streamed request asks for its usage; none where it need not be asked for."""
        ...

    def response(self, body: bytes, reply: Reply) -> tuple[bytes, ir.Usage | None]:
        """The body to send to the client, and the usage that it states."""
        ...

    def fill(self, body: bytes, usage: ir.Usage) -> bytes:
        """An answer's body that states no usage, with this one; one that states any stays as it is."""
        ...

    def stream(self, reply: Reply) -> StreamRelay:
        """A relay for one stream."""
        ...


class StreamRelay(Protocol):
    """Passes one stream's frames through with named edits, and watches what must be known of it."""

    @property
    def usage(self) -> ir.Usage | None:
        """The latest usage that went by."""
        ...

    content: bool
    """Whether content has gone by: the answer is then committed to this attempt."""
    done: bool
    """Whether the protocol's terminal event has gone by."""
    estimate: Callable[[], ir.Usage] | None
    """What tells the likely usage, where the client is to be told it and the upstream may not state it."""

    def feed(self, frame: bytes) -> bytes:
        """The bytes to send for one frame; empty when the frame is for us alone. Raises RequestFailed for
        an in-stream error, with the decoded fault.
        """
        ...

    def close(self) -> bytes:
        """What is still to be sent when the upstream's bytes have ended."""
        ...


class TellsFailure(Protocol):
    """A relay of a stream in which a failure is told otherwise than in one that says nothing else."""

    def fail(self, fault: ir.Fault) -> bytes:
        """The stream's last bytes."""
        ...
