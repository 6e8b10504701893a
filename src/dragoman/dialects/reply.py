"""The client's request and wishes that an answer is encoded for."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Literal

import msgspec

from dragoman import ir
from dragoman.dialects.loss import Report

Framing = Literal["sse", "json_array", "ndjson"]
"""The frames of a stream: server-sent events, the elements of one JSON array, or one JSON value a line."""


class Reply(msgspec.Struct, frozen=True):
    """The facts that an encoder of answers needs.

    request: the client's request (usage in the stream, legacy forms, n). id, created (Unix seconds): used
    when the upstream states none, the same in every event. model: the name to show, None = the upstream's.
    framing: the client's choice, for dialects with several framings. echo: the request's body as its client
    wrote it, for dialects whose answers repeat it. now: the clock in Unix seconds, for dialects that state
    when an answer was complete; None = they do not. began: when the request came, with fractions of a
    second; None = `created`.
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
        """Seconds since the request came; 0 without a clock."""
        began = self.created if self.began is None else self.began
        return 0.0 if self.now is None else max(0.0, self.now() - began)
