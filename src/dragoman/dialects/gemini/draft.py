"""What the part encoders know about the request or answer, and the members that every part may have."""

from __future__ import annotations

from typing import Any

import msgspec

from dragoman.dialects.facts import UNKNOWN, Facts
from dragoman.dialects.gemini.signatures import write_signature
from dragoman.dialects.gemini.terms import NAME, restore
from dragoman.dialects.loss import Report
from dragoman.dialects.quirks import STANDARD, Quirks

SIGNATURE = "thoughtSignature"


class Draft(msgspec.Struct):
    """What the part encoders know about the request or answer that they write.

    own: True = the IR came from this dialect, so nothing needs repair. answer: True = an answer for a client,
    False = a request.
    """

    report: Report
    own: bool
    answer: bool = False
    quirks: Quirks = STANDARD
    facts: Facts = UNKNOWN

    def to(self, place: str) -> str:
        """The path in the written body of `place`, a path inside a part, for reports."""
        return f"{'candidates[].content' if self.answer else 'contents[]'}.parts[].{place}"


def finish(out: dict[str, Any], block: Any, draft: Draft, where: str) -> dict[str, Any]:
    """Add a block's signature and leftovers to its part `out`, and report its other fields as lost."""
    if (sealed := getattr(block, "sealed", None)) is not None:
        if draft.answer or sealed.origin == NAME:
            out[SIGNATURE] = write_signature(sealed)
        else:
            draft.report.lose(
                f"{where}.sealed", "encrypted reasoning can only be read by its own provider", "quality"
            )
    if block.cache is not None:
        draft.report.lose(f"{where}.cache", "the Gemini API has no cache breakpoints", "hint")
        restore({}, block.cache.extra, draft.report, f"{where}.cache")
    if block.item is not None:
        if block.item.phase is not None:
            draft.report.lose(f"{where}.item.phase", "the Gemini API has no message phase", "hint")
        restore({}, block.item.extra, draft.report, f"{where}.item")
    extra = getattr(block, "extra", None)
    if extra is not None:
        restore(out, extra, draft.report, where)
    return out
