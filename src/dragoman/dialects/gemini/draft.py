"""Defines `Draft`, the context of the part encoders, and functions that they share: `finish` writes the
members that every part may have, and `lose_cache` reports a cache mark as lost.
"""

from __future__ import annotations

from typing import Any

import msgspec

from dragoman.dialects.facts import UNKNOWN, Facts
from dragoman.dialects.gemini.signatures import write_signature
from dragoman.dialects.gemini.terms import NAME, restore
from dragoman.dialects.loss import Report
from dragoman.dialects.quirks import STANDARD, Quirks
from dragoman.ir import CacheMark

SIGNATURE = "thoughtSignature"


class Draft(msgspec.Struct):
    """The facts about a request or an answer that the encoders of its parts need.

    report: gets the changes and losses. own: True = the request or answer was decoded from this dialect.
    answer: True = an answer for a client, False = a request for a provider. quirks, facts: of the provider
    and of the model that get the request; in an answer they have their default values.
    """

    report: Report
    own: bool
    answer: bool = False
    quirks: Quirks = STANDARD
    facts: Facts = UNKNOWN

    def to(self, place: str) -> str:
        """Return the JSON path, with empty brackets for indexes, of the member `place` (a name or a path) of
        a part: for `text`, it is `contents[].parts[].text` in a request and
        `candidates[].content.parts[].text` in an answer. The path is for reports of changes.
        """
        return f"{'candidates[].content' if self.answer else 'contents[]'}.parts[].{place}"


def finish(out: dict[str, Any], block: Any, draft: Draft, where: str) -> dict[str, Any]:
    """Write a block's signature and leftovers into `out`, the part that is written for the block. Returns
    `out`.

    A seal (signature) of another origin is lost in a request, and written with a tag in an answer. Also lost
    are the block's cache mark, the phase of its item (`ir.Item`), and leftovers of other dialects. Losses are
    reported. where: the block's IR path.
    """
    if (sealed := getattr(block, "sealed", None)) is not None:
        if draft.answer or sealed.origin == NAME:
            out[SIGNATURE] = write_signature(sealed)
        else:
            why = "encrypted reasoning can only be read by its own provider"
            draft.report.lose(f"{where}.sealed", why, "quality")
    if block.cache is not None:
        lose_cache(block.cache, draft.report, where)
    if block.item is not None:
        if block.item.phase is not None:
            draft.report.lose(f"{where}.item.phase", "the Gemini API has no message phase", "hint")
        restore({}, block.item.extra, draft.report, f"{where}.item")
    restore(out, getattr(block, "extra", None), draft.report, where)
    return out


def lose_cache(mark: CacheMark, report: Report, where: str) -> None:
    """Report the cache mark of a block, message or tool as lost. where: the IR path of the value that has the
    mark.
    """
    report.lose(f"{where}.cache", "the Gemini API has no cache breakpoints", "hint")
    restore({}, mark.extra, report, f"{where}.cache")
