"""Helpers for writing assistant messages of the chat family."""

from __future__ import annotations

from dragoman import ir
from dragoman.dialects.chat.draft import Draft
from dragoman.dialects.counterparts import no_form


def lose_unsaid(block: ir.Block, draft: Draft, where: str) -> None:
    """Report as lost a block that an assistant message of the client's dialect cannot hold."""
    if isinstance(block, ir.ToolCall):
        draft.report.lose(where, "a call of the provider's own tool is not returned to the client", "hint")
    elif isinstance(block, ir.ToolResult):
        draft.report.lose(where, "a result of the provider's own tool is not returned to the client", "hint")
    elif isinstance(block, ir.Native):
        draft.report.lose(where, no_form(block.dialect, block.kind), "quality")
    else:
        kind = block.kind if isinstance(block, ir.Media) else type(block).__name__
        draft.report.lose(where, f"a response of this protocol cannot contain a {kind}")


def separated(before: str, text: str) -> str:
    """`text`, after a blank line if it and `before` are not empty and no white space is between them."""
    if not before or not text or before[-1].isspace() or text[0].isspace():
        return text
    return "\n\n" + text
