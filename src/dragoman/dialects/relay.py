"""The relay of a protocol: it passes requests and answers between two sides that both speak the protocol."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Protocol

from dragoman import ir
from dragoman.dialects.reply import Reply


class Relay(Protocol):
    """Edits top-level members of requests and answers. The bytes of all other members stay the same."""

    def request(self, head: dict[str, Any], edits: Mapping[str, Any]) -> bytes:
        """The body to send upstream. head: top-level keys to raw values (`wire.json.decode_head`);
        edits: keys to set or replace (model, extra body); a value of `msgspec.UNSET` removes the key.
        """
        ...

    def ask_usage(self, body: Mapping[str, Any]) -> dict[str, Any]:
        """The edits that make a streamed request ask for its usage; empty when the usage comes anyway."""
        ...

    def response(self, body: bytes, reply: Reply) -> tuple[bytes, ir.Usage | None]:
        """The body to send to the client, and the usage that it states."""
        ...

    def fill(self, body: bytes, usage: ir.Usage) -> bytes:
        """The body with this usage, unless it states a usage already."""
        ...

    def stream(self, reply: Reply) -> StreamRelay:
        """A relay for one stream."""
        ...


class StreamRelay(Protocol):
    """Passes one stream's frames through with named edits, and reads its usage, content and end."""

    @property
    def usage(self) -> ir.Usage | None:
        """The latest usage in the stream."""
        ...

    content: bool
    """Whether content has been sent: no other attempt can answer then."""
    done: bool
    """Whether the protocol's terminal event has been sent."""
    estimate: Callable[[], ir.Usage] | None
    """Estimates the usage, for a client that asked for it when the upstream states none."""

    def feed(self, frame: bytes) -> bytes:
        """The bytes to send for one frame; empty when the client did not ask for the frame. Raises
        RequestFailed for an in-stream error, with the decoded fault.
        """
        ...

    def close(self) -> bytes:
        """The last bytes to send, when the upstream's bytes have ended."""
        ...


class TellsFailure(Protocol):
    """A relay that writes an error in another form once its stream has begun."""

    def fail(self, fault: ir.Fault) -> bytes:
        """The stream's last bytes."""
        ...
