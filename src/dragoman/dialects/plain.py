"""Writes blocks for protocols whose responses have only one text."""

from __future__ import annotations

from typing import Any

from dragoman import ir
from dragoman.dialects.loss import Report


def plain_text(block: ir.Block, report: Report, where: str) -> str:
    """Return the text of a block that is a text or a refusal. The citations of a text are reported as lost.
    Any other block is reported as lost (thinking as a hint), and the result is "". where: the block's IR
    path.
    """
    if isinstance(block, ir.Text | ir.Refusal):
        if isinstance(block, ir.Text) and block.citations:
            lose_citations(report, where)
        return block.text
    kind = block.kind if isinstance(block, ir.Media | ir.Native) else type(block).__name__
    severity: Any = "hint" if isinstance(block, ir.Thinking) else "meaning"
    report.lose(where, f"the response is only text and cannot contain {kind}", severity)
    return ""


def lose_citations(report: Report, where: str) -> None:
    """Report the citations of a block as lost. where: the block's IR path."""
    report.lose(f"{where}.citations", "the response has no citations", "quality")
