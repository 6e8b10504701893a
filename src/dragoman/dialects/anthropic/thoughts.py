"""Makes a history agree with a thinking mode that no client of this protocol has stated, as the API requires.

If the request states a thinking budget, the assistant's last turn (with all its tool calls and results) must
begin with thinking. If thinking is disabled, the history must have no thinking. The newest models refuse a
request if anything before a thinking block has changed, unless the request tells them to drop the block.
https://platform.claude.com/docs/en/build-with-claude/extended-thinking,
https://platform.claude.com/docs/en/build-with-claude/preserved-thinking
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from dragoman import ir
from dragoman.dialects.request import Target

_Wire = dict[str, Any]
_THOUGHTS = frozenset({"thinking", "redacted_thinking"})
_OFF = frozenset({"disabled", "between_tools"})
BINDING_BETA = "thinking-binding-controls-2026-08-01"


def thoughts_in(request: ir.Request) -> list[str]:
    """Return the IR paths of the thinking blocks in a request's messages."""
    return [
        f"messages[{index}].blocks[{number}]"
        for index, message in enumerate(request.messages)
        for number, block in enumerate(message.blocks)
        if isinstance(block, ir.Thinking)
    ]


def reconcile(thoughts: Sequence[str], target: Target, body: _Wire, *, own: bool = False) -> str | None:
    """Change the body's `thinking` and messages so that Anthropic accepts them, and report losses; for
    servers that verify no signatures, change nothing. Returns the beta to name in the header
    `anthropic-beta`; None = no beta is needed. thoughts: the IR paths of the thinking blocks in the messages.
    own: True = the messages are those of a client of this dialect; False = they were encoded from another
    protocol's history.
    """
    facts, report = target.facts, target.report
    if not target.quirks.signatures:
        return None  # compatible servers verify no signatures
    kind = body.get("thinking", {}).get("type")
    if kind == "enabled" and not _began_with_thought(body["messages"]):
        del body["thinking"]
        kind = "disabled"
        report.lose(
            "reasoning", "the turn began without reasoning, so it continues without reasoning", "quality"
        )
    if not thoughts:
        return None
    if kind in _OFF or (kind is None and facts.thinks is False):
        _leave_out(body)
        for where in thoughts:
            report.lose(where, "reasoning is disabled, so earlier reasoning is left out", "hint")
        return None
    if own or not facts.bound_thinking or not target.quirks.knows_beta(BINDING_BETA):
        return None
    thinking = body.setdefault("thinking", {"type": "adaptive"})
    thinking["block_binding"] = {"prefix_mismatch_behavior": "drop_block"}
    report.add(
        "thinking.block_binding", "reasoning of a changed conversation is left out instead of rejected"
    )
    return BINDING_BETA


def _began_with_thought(messages: list[_Wire]) -> bool:
    """Whether the assistant's last turn begins with thinking. The turn begins with the first assistant
    message after the user's last message without tool results. The result is True if there is no such
    assistant message, and False if its content is a string or an empty list.
    """
    first: _Wire | None = None
    for message in reversed(messages):
        content = message["content"]
        if message["role"] == "assistant":
            first = message
        elif message["role"] == "user" and not (
            isinstance(content, list) and any(block["type"] == "tool_result" for block in content)
        ):
            break
    if first is None:
        return True
    content = first["content"]
    return isinstance(content, list) and bool(content) and content[0]["type"] in _THOUGHTS


def _leave_out(body: _Wire) -> None:
    kept: list[_Wire] = []
    for message in body["messages"]:
        content = message["content"]
        if message["role"] == "assistant" and isinstance(content, list):
            content = [block for block in content if block["type"] not in _THOUGHTS]
        if content:
            kept.append({**message, "content": content})
    body["messages"] = kept
