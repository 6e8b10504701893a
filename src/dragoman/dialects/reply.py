"""The data, beside the response, that an encoder or a relay needs to write a chat response for a client."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Literal

import msgspec

from dragoman import ir
from dragoman.dialects.loss import Report

Framing = Literal["sse", "json_array", "ndjson", "eventstream"]
"""How a stream is cut into frames. sse: server-sent events. json_array: the elements of one JSON array.
ndjson: one JSON value a line. eventstream: AWS's event streams."""


class Reply(msgspec.Struct, frozen=True):
    """The data, beside the response, that an encoder or a relay of a chat response needs.

    request: the client's request (for a relay without its messages and most other fields). report: gets the
    values that the client's protocol cannot carry. id: the gateway's id for the response, for an upstream
    that states none; some dialects write it in place of the upstream's id. created: when the request came, in
    Unix seconds, for an upstream that states no time. model: the model's name for the client; None = the name
    that the upstream wrote. framing: how a stream is cut into frames, for dialects in which the client
    chooses this. echo: the members of the request's body that the response repeats, name -> value; the
    gateway may have changed a value (`store`). now: returns the time in Unix seconds; None = no clock. began:
    `created` with fractions of a second; None = unknown.
    """

    request: ir.Request
    report: Report
    id: str
    created: int
    model: str | None = None
    framing: Framing = "sse"
    echo: Mapping[str, Any] = {}
    now: Callable[[], float] | None = None
    began: float | None = None

    @property
    def elapsed(self) -> float:
        """The seconds since the request came, never negative; 0 if there is no clock (`now`)."""
        began = self.created if self.began is None else self.began
        return 0.0 if self.now is None else max(0.0, self.now() - began)
