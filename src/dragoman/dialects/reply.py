"""What an answer is encoded for: whose it is, and how its client wants to have it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Literal

import msgspec

from dragoman import ir
from dragoman.dialects.loss import Report

Framing = Literal["sse", "json_array", "ndjson"]
"""How a stream is cut into frames: server-sent events, the elements of one JSON array, or a value a line."""


class Reply(msgspec.Struct, frozen=True):
    """What an answer is encoded for.

    request: the client's request (usage in the stream asked for, legacy forms, n). id, created (Unix
    seconds): used where the upstream stated none, so that they stay constant. model: the name to show,
    None = the upstream's own. framing: how the client wants its stream cut, where its dialect has a choice.
    echo: the request's body as its client wrote it, for dialects whose answers repeat it. now: Unix seconds,
    for dialects that say when an answer was complete; None = they do not say it. began: when the request
    came, as exactly as is known; None = `created`.
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
        """Seconds since the request came; 0 where nobody knows the time."""
        began = self.created if self.began is None else self.began
        return 0.0 if self.now is None else max(0.0, self.now() - began)
