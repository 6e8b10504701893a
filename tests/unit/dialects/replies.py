"""What an answer is relayed for, in tests that care for the model's name alone."""

from __future__ import annotations

from dragoman import ir
from dragoman.dialects.loss import Report
from dragoman.dialects.reply import Reply


def showing(model: str | None) -> Reply:
    """A reply that shows this name, None = the upstream's own."""
    return Reply(ir.Request("x", None), Report("x"), "answer-1", 1_700_000_000, model)
