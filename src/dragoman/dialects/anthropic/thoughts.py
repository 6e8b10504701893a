"""Earlier thoughts and the thinking that is asked for now, brought to agree.

Whoever writes another protocol knows nothing of the thoughts in its history, so the API's rules for them are
kept here. It reads the last turn, tool loops included, in one mode: with a budget a turn must begin with a
thought, and with thinking off it must hold none. The newest models check that nothing before a thought has
changed, and refuse the request otherwise, unless they are asked to drop it.

https://platform.claude.com/docs/en/build-with-claude/extended-thinking,
https://platform.claude.com/docs/en/build-with-claude/preserved-thinking
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from dragoman.dialects.request import Target

_Wire = dict[str, Any]
_THOUGHTS = frozenset({"thinking", "redacted_thinking"})
_OFF = frozenset({"disabled", "between_tools"})
BINDING_BETA = "thinking-binding-controls-2026-08-01"


def reconcile(thoughts: Sequence[str], target: Target, body: _Wire) -> str | None:
    """Make a written body agree with itself. Returns the beta that it then needs.

    thoughts: the places in IR terms of those that the body's messages hold.
    """
    facts, report = target.facts, target.report
    if not target.quirks.signatures:
        return None  # compatible servers, which verify nothing
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
    if not facts.bound_thinking or not target.quirks.server_tools:
        return None
    thinking = body.setdefault("thinking", {"type": "adaptive"})
    thinking["block_binding"] = {"prefix_mismatch_behavior": "drop_block"}
    report.add(
        "thinking.block_binding", "reasoning of a changed conversation is left out instead of rejected"
    )
    return BINDING_BETA


def _began_with_thought(messages: list[_Wire]) -> bool:
    """Whether the turn that goes on, if one does, began with a thought, in its first answer since the user
    spoke.
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
    return isinstance(content, list) and content[0]["type"] in _THOUGHTS


def _leave_out(body: _Wire) -> None:
    kept: list[_Wire] = []
    for message in body["messages"]:
        content = message["content"]
        if message["role"] == "assistant" and isinstance(content, list):
            content = [block for block in content if block["type"] not in _THOUGHTS]
        if content:
            kept.append({**message, "content": content})
    body["messages"] = kept
