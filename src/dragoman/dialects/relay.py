"""What a protocol's chat relay provides, for a client and a provider that both speak the protocol."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Protocol

from dragoman import ir
from dragoman.dialects.reply import Reply


class Relay(Protocol):
    """Edits top-level members of chat requests and responses; the bytes of all others stay the same."""

    def request(self, head: dict[str, Any], edits: Mapping[str, Any]) -> bytes:
        """The body for the provider. head: the client's body, member -> raw value (`wire.json.decode_head`).
        edits: member -> its new value (model, extra body); `msgspec.UNSET` removes the member.
        """

    def ask_usage(self, body: Mapping[str, Any]) -> dict[str, Any]:
        """The edits by which this streaming request asks for its usage; empty when the usage comes anyway."""

    def response(self, body: bytes, reply: Reply) -> tuple[bytes, ir.Usage | None]:
        """(the body for the client, its usage or None) from a provider's whole response body. Raises
        RequestFailed for an error in it, WireError if it is malformed.
        """

    def fill(self, body: bytes, usage: ir.Usage) -> bytes:
        """A response body that states no usage, with this one."""

    def stream(self, reply: Reply) -> StreamRelay:
        """A new relay for one stream."""


class StreamRelay(Protocol):
    """Passes the frames of one stream to the client, and finds its usage, its content and its end."""

    @property
    def usage(self) -> ir.Usage | None:
        """The latest usage in the stream, or the estimate that was sent; None = neither."""

    content: bool
    """Whether a frame with content has passed: after that, no other provider can be tried."""
    done: bool
    """Whether the stream is complete: its terminal event has passed, or `close` found nothing missing."""
    estimate: Callable[[], ir.Usage] | None
    """Estimates the usage of a stream that states none. The engine sets it if the client wants one."""

    def feed(self, frame: bytes) -> bytes:
        """The client's bytes for one frame; b"" = the client gets none. Raises RequestFailed for an error,
        WireError for a malformed frame.
        """

    def close(self) -> bytes:
        """The last bytes for the client, at the end of the stream. Raises RequestFailed if it broke off."""


class PassesRuns(Protocol):
    """A `StreamRelay` that recognizes events with content, and nothing else, by their bytes in a read."""

    def run(self, read: bytes) -> tuple[bytes, int]:
        """(what `feed` would give for the first events of `read`, their size in bytes); (b"", 0) = it has to
        see them. read: server-sent events, from the beginning of one. The last need not be whole.
        """


class TellsFailure(Protocol):
    """A `StreamRelay` whose protocol writes errors after a stream's first event in a form of its own."""

    def fail(self, fault: ir.Fault) -> bytes:
        """The last bytes for the client, which tell this fault."""
