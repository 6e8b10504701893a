"""Holds the number of output tokens that a request allows to the most that the model can write."""

from __future__ import annotations

from dragoman.dialects.facts import Facts
from dragoman.dialects.loss import Report


def within_maximum(stated: int, facts: Facts, report: Report, place: str) -> int:
    """Return the most output tokens to ask for: `stated`, or the model's maximum if that is known and lower,
    which is reported. place: the body's member for this number, for the report.
    """
    most = facts.max_output
    if most is None or stated <= most:
        return stated
    report.change("max_output", place, f"lowered to {most}, the model's maximum")
    report.lose("max_output", f"limited to {most}", "quality")
    return most
