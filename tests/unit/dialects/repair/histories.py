"""Short histories, and what the pass makes of them, in words that a table can hold."""

from __future__ import annotations

from typing import Any

import msgspec

from dragoman import ir
from dragoman.dialects.facts import UNKNOWN, Facts
from dragoman.dialects.repair import repaired
from dragoman.dialects.repair.rules import Rules, Why

CALL = ir.ToolCall("a", "look", "{}")
OTHER = ir.ToolCall("b", "read", "{}")
PICTURE = ir.Media("image", "image/png", "AAAA")
SOUND = ir.Media("audio", "audio/wav", "AAAA", transcript="spoken")

RULES = Rules(
    dialect="target",
    order="messages",
    renamed=Why("ids", "written as"),
    added=Why("message {at}", "added"),
    orphaned=Why("text", "no call"),
    moved=Why("part {part}", "moved"),
    taken_out=Why("beside", "taken out"),
    opened=Why("first", "begins"),
    continued=Why("last", "goes on"),
    absent="none",
)


def user(*blocks: ir.Block | str) -> ir.Message:
    return ir.Message("user", tuple(ir.Text(one) if isinstance(one, str) else one for one in blocks))


def assistant(*blocks: ir.Block | str) -> ir.Message:
    return msgspec.structs.replace(user(*blocks), role="assistant")


def system(text: str) -> ir.Message:
    return ir.Message("system", (ir.Text(text),))


def result(call_id: str | None, *content: ir.Block | str, name: str | None = None) -> ir.ToolResult:
    return ir.ToolResult(call_id, user(*content).blocks, name)


def repair(
    *messages: ir.Message, facts: Facts = UNKNOWN, dialect: str = "client", **rules: Any
) -> tuple[list[str], list[tuple[str | None, str, str]]]:
    """The turns, each as `role: block, block`, and the notes: where, to what, why."""
    request = ir.Request(dialect, "m", messages)
    turns = repaired(request, msgspec.structs.replace(RULES, **rules), facts)
    lines = []
    for turn in turns:
        words = [
            ("<tagged> " if piece.tagged else "") + _word(block)
            for piece in turn.pieces
            for block in piece.blocks
        ]
        lines.append(f"{turn.role}: {', '.join(words)}")
    return lines, [(note.where, note.to, note.reason) for turn in turns for note in turn.notes]


def _word(block: Any) -> str:
    if isinstance(block, ir.Text):
        return block.text
    if isinstance(block, ir.ToolCall):
        return f"call {block.id}"
    if isinstance(block, ir.ToolResult):
        name = f" of {block.name}" if block.name else ""
        return f"result {block.id}{name} ({' '.join(map(_word, block.content))})"
    return block.kind if isinstance(block, ir.Media) else type(block).__name__
