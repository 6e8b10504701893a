"""What the relay of a dialect's chat must provide. It serves a client and a provider that both speak the
dialect.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Protocol

from dragoman import ir
from dragoman.dialects.reply import Reply


class Relay(Protocol):
    """Edits top-level members of chat requests and responses; the bytes of all others stay the same."""

    def request(self, head: dict[str, Any], edits: Mapping[str, Any]) -> bytes:
        """The body for the provider. head: the client's body, member -> JSON bytes (`wire.json.decode_head`).
        edits: member -> new value (the model's name, members that the configuration adds); `msgspec.UNSET`
        removes the member.
        """

    def ask_usage(self, body: Mapping[str, Any]) -> dict[str, Any]:
        """The edits that make this streaming request ask for the usage. {} = the stream states its usage
        anyway.
        """

    def response(self, body: bytes, reply: Reply) -> tuple[bytes, ir.Usage | None]:
        """(the body for the client, its usage), from the whole body of a provider's response. A usage of None
        is not stated. Raises RequestFailed for an error in the body, WireError for a malformed body.
        """

    def tier(self, body: bytes) -> str | None:
        """The service tier that the body of a provider's response states; None = it states none."""

    def fill(self, body: bytes, usage: ir.Usage) -> bytes:
        """A response body that states no usage, after this usage was added to it."""

    def stream(self, reply: Reply) -> StreamRelay:
        """A new relay for one stream."""


class StreamRelay(Protocol):
    """Passes the frames of one stream to the client, and finds its usage, its content and its end."""

    @property
    def usage(self) -> ir.Usage | None:
        """The latest usage that the stream has stated, or the estimate that was sent to the client. None =
        there is neither.
        """

    content: bool
    """Whether a frame with content has passed: after that, no other provider can be tried."""
    done: bool
    """Whether the stream is complete: its terminal event has passed, or `close` found nothing missing."""
    estimate: Callable[[], ir.Usage] | None
    """Estimates the usage of a stream that states none. The engine sets it if the client wants one."""

    def feed(self, frame: bytes) -> bytes:
        """The bytes that the client gets for one frame; b"" = none. Raises RequestFailed for a frame with an
        error, WireError for a malformed frame.
        """

    def close(self) -> bytes:
        """The last bytes for the client, at the end of the stream. Raises RequestFailed if the stream broke
        off.
        """


class PassesRuns(Protocol):
    """A `StreamRelay` that can pass many events at once: it recognises events with nothing but content by
    their bytes.
    """

    def run(self, read: bytes) -> tuple[bytes, int]:
        """(the bytes that `feed` would give for the first events of `read`, the size of these events in
        `read`). (b"", 0) = the first event must go through `feed`.

        read: server-sent events as they came from the network; it begins with the start of an event and may
        end within one.
        """


class StatesTier(Protocol):
    """A `StreamRelay` whose protocol states the service tier."""

    @property
    def tier(self) -> str | None:
        """The tier that the stream has stated last; None = it has stated none."""


class TellsFailure(Protocol):
    """A `StreamRelay` whose protocol has a special form for an error after the first event of a stream."""

    def fail(self, fault: ir.Fault) -> bytes:
        """The last bytes for the client, which tell it about this failure."""
