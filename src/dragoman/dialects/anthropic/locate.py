"""Translates IR paths to JSON paths in this dialect's request, for reports to clients."""

from __future__ import annotations

import re
from typing import Any

from dragoman.dialects.request import WireRequest

_WHOLE = {
    "max_output": "max_tokens",
    "parallel": "tool_choice.disable_parallel_tool_use",
    "user": "metadata.user_id",
    "tier": "service_tier",
    "output": "output_config.format",
    "output.kind": "output_config.format",
    "output.strict": "output_config.format",  # every schema is strict here, without a member that says so
    "reasoning": "thinking",
}
_HEADS = (
    ("sampling.stop", "stop_sequences"),
    ("sampling.", ""),
    ("reasoning.effort", "output_config.effort"),
    ("reasoning.budget", "thinking.budget_tokens"),
    ("reasoning.mode", "thinking.type"),
    ("reasoning.visible", "thinking.display"),
    ("reasoning.", "thinking."),
    ("output.schema", "output_config.format.schema"),
    ("output.", "output_config."),
    ("tool_choice.names", "tool_choice.name"),
    ("tool_choice.mode", "tool_choice.type"),
    ("cache.mark", "cache_control"),
)
_PARTS = (
    (re.compile(r"\.blocks(?=\[)"), ".content"),
    (re.compile(r"\.cache(?=\.|$)"), ".cache_control"),
    (re.compile(r"\.arguments$"), ".input"),
    (re.compile(r"\.parameters(?=\.|$)"), ".input_schema"),
    (re.compile(r"\.citable$"), ".citations"),
    (re.compile(r"(?<=\])\.options\.location$"), ".user_location"),
    (re.compile(r"(?<=\])\.options(?=\.|$)"), ""),
    (re.compile(r"(?<=content\[)(\d+)\]\.name$"), r"\1].title"),
    # The citation's members that no other protocol has are its source.
    (re.compile(r"(\.citations\[\d+\])\.source$"), r"\1"),
    # The block decides how these members are written, so the place is the block itself.
    (re.compile(r"\.(?:sealed|data|url|file|mime|context)$"), ""),
)


def locate(place: str) -> str:
    """Return the JSON path for an IR path (`place`): `messages[0].blocks[1].cache` →
    `$.messages[0].content[1].cache_control`. A path that needs no translation gets only `$.` in front.
    """
    if (path := _WHOLE.get(place)) is not None:
        return f"$.{path}"
    for head, path in _HEADS:
        if place.startswith(head):
            return f"$.{path}{place[len(head) :]}"
    for pattern, written in _PARTS:
        place = pattern.sub(written, place)
    return f"$.{place}"


_STEP = re.compile(r"[^.\[\]]+|\[\d+\]")


def place(request: WireRequest, where: str) -> str:
    """Return the JSON path in this request for the IR path `where`: the path of `locate`, adapted to the form
    in which the client wrote the request. For example, it ends at a content that is a string, and names the
    older `output_format` if the client wrote that.
    """
    path = locate(where)
    if "output_format" in request.body:
        path = path.replace("$.output_config.format", "$.output_format")
    if path.startswith("$.thinking") and "thinking" not in request.body:
        path = "$.output_config.effort"
    value: Any = request.body
    for step in _STEP.finditer(path, 1):
        if isinstance(value, str):  # the string is the only block
            return path[: step.start()].rstrip(".")
        try:
            value = value[int(step[0][1:-1])] if step[0][0] == "[" else value[step[0]]
        except (KeyError, IndexError, TypeError):
            break
    return path
