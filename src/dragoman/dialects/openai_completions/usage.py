"""Decodes and encodes token counts of completions. They have chat's form; their leftovers stand under the
name of this dialect.
"""

from __future__ import annotations

from typing import Any

import msgspec

from dragoman import ir
from dragoman.dialects.loss import Report
from dragoman.dialects.openai import usage as chat
from dragoman.dialects.openai_completions.terms import NAME, restore
from dragoman.dialects.quirks import STANDARD, Quirks


def decode_usage(wire: dict[str, Any], quirks: Quirks = STANDARD) -> ir.Usage:
    """Decode the object `usage` (`wire`) into `ir.Usage`, in which input, cached tokens, output and reasoning
    are separate counts. Some vendors' prompt counts leave out cached tokens, and some vendors' completion
    counts leave out reasoning; the counts themselves or `quirks` show this (`openai.usage.decode_usage`).
    """
    usage = chat.decode_usage(wire, quirks)
    if usage.extra is None:
        return usage
    (rest,) = usage.extra.values()
    return msgspec.structs.replace(usage, extra={NAME: rest})


def encode_usage(usage: ir.Usage, report: Report, *, own: bool) -> dict[str, Any]:
    """Encode token counts as the member `usage`. own: True = the counts came in this dialect. If not, the
    counts for which this dialect has no member are reported as lost. Leftovers of another dialect are
    reported as lost, too.
    """
    out = chat.encode_usage(msgspec.structs.replace(usage, extra=None), report, own=own)
    restore(out, usage.extra, report, "usage")
    return out
