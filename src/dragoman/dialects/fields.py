"""Fields of a request for which a target's protocol has no member."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from dragoman import ir
from dragoman.dialects.loss import Report

STATE: Final[Mapping[str, str]] = {
    "previous": "this protocol does not store responses",
    "conversation": "this protocol does not store conversations",
    "background": "this protocol has no background mode",
}
"""What refers to a server's state, with the reason why a protocol without state is not told it."""
ANSWERS_ONLY: Final[Mapping[str, str]] = {
    **STATE,
    "store": "this protocol does not store responses",
    "moderation": "this protocol has no moderation like OpenAI's",
    "user": "this protocol has no end user id",
    "safety_identifier": "this protocol has no end user id",
}
"""The same, and what else a protocol lacks that knows nothing but a question and its answer."""


def lose_fields(request: ir.Request, reasons: Mapping[str, str], report: Report) -> None:
    """Name as lost what a request states in these fields. reasons: why, by the name of the field."""
    for field, reason in reasons.items():
        if getattr(request, field):
            report.lose(field, reason)
