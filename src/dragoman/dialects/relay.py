"""The interfaces of a dialect's chat relay. A relay serves a client and a provider that both speak the
dialect, so most bytes pass unchanged.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Protocol

from dragoman import ir
from dragoman.dialects.reply import Reply


class Relay(Protocol):
    """Edits chat requests and whole (not streamed) responses, and makes relays for streams. In general it
    edits only top-level members that must change; the bytes of the values of all others stay the same.
    """

    def request(self, head: dict[str, Any], edits: Mapping[str, Any]) -> bytes:
        """Return the body for the provider. head: the client's body, name of a member -> JSON bytes
        (`wire.json.decode_head`). edits: name of a member -> its new value (the model's name, members
        that the configuration adds), which replaces the client's value or is added; `msgspec.UNSET`
        removes the member. `model` is always removed if the protocol states the model in the path.
        """

    def ask_usage(self, body: Mapping[str, Any]) -> dict[str, Any]:
        """Return the edits that make this request ask for the usage in its stream: name of a member -> new
        value. {} = no edit is needed: the request does not stream or asks already, or the protocol's streams
        state their usage unasked. body: the client's body, decoded.
        """

    def response(self, body: bytes, reply: Reply) -> tuple[bytes, ir.Usage | None]:
        """Return (the body for the client, its usage), from the whole body of a provider's response with a
        status of success. `reply.model` replaces the model's name, unless it is None or the protocol's
        responses state no model. None as the usage = the body states none, or (in some protocols) an
        unreadable one. Raises RequestFailed for an error in the body, WireError for a malformed body.
        """

    def tier(self, body: bytes) -> str | None:
        """Return the service tier that the body of a provider's response states; None = it states none, or
        cannot be read.
        """

    def fill(self, body: bytes, usage: ir.Usage) -> bytes:
        """Return a response's body with this usage added. body: as `response` has returned it; it states no
        usage, or an incomplete one, which stays as it is in most protocols.
        """

    def stream(self, reply: Reply) -> StreamRelay:
        """Make a new relay for one stream."""


class StreamRelay(Protocol):
    """Turns the frames of one stream into the bytes for the client, and finds the stream's usage, its content
    and its end. A frame is one event of the stream without its framing, for example the data of a server-sent
    event.
    """

    @property
    def usage(self) -> ir.Usage | None:
        """The latest usage that the stream has stated, or the estimate that was sent to the client. None =
        there is neither of them.
        """

    content: bool
    """Whether a frame with content has passed: after that, no other provider can be tried."""
    done: bool
    """Whether the stream is complete: its terminal event has passed, or `close` found nothing missing."""
    estimate: Callable[[], ir.Usage] | None
    """Estimates the usage of a stream that states none. The engine sets it if the client wants an estimate;
    None = no estimate is made.
    """

    def feed(self, frame: bytes) -> bytes:
        """Return the bytes for the client for one frame, in the client's framing; b"" = the client gets
        nothing. Raises RequestFailed for a frame with an error, WireError for a malformed frame.
        """

    def close(self) -> bytes:
        """Return the last bytes for the client, when the provider's stream has ended; b"" = nothing is
        missing. Raises RequestFailed if the stream ended too early.
        """


class PassesRuns(Protocol):
    """A `StreamRelay` that can pass many events at once. It recognises, by their bytes, events that have
    nothing but content.
    """

    def run(self, read: bytes) -> tuple[bytes, int]:
        """Return (the bytes that `feed` would return for the first events of `read`, the size in bytes of
        these events in `read`), and set the attributes of the relay as `feed` would. (b"", 0) = the first
        event must go through `feed`. read: received server-sent events; it begins with the start of an event
        and may end inside one.
        """


class StatesTier(Protocol):
    """A `StreamRelay` of a protocol whose streams can state the service tier."""

    @property
    def tier(self) -> str | None:
        """The service tier that the stream has stated so far, the latest one; None = none."""


class TellsFailure(Protocol):
    """A `StreamRelay` whose protocol has a special form for an error after the first event of a stream."""

    def fail(self, fault: ir.Fault) -> bytes:
        """Return the last bytes for the client, which tell the client about this failure."""
