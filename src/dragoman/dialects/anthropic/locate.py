"""Places in IR terms as JSON paths of this dialect's request, for reports that a client reads."""

from __future__ import annotations

import re

_HEADS = (
    ("sampling.stop", "stop_sequences"),
    ("sampling.", ""),
    ("max_output", "max_tokens"),
    ("reasoning.effort", "output_config.effort"),
    ("reasoning.budget", "thinking.budget_tokens"),
    ("reasoning.mode", "thinking.type"),
    ("reasoning.visible", "thinking.display"),
    ("reasoning", "thinking"),
    ("output.schema", "output_config.format.schema"),
    ("output", "output_config.format"),
    ("parallel", "tool_choice.disable_parallel_tool_use"),
    ("tool_choice.names", "tool_choice.name"),
    ("user", "metadata.user_id"),
    ("tier", "service_tier"),
    ("cache.mark", "cache_control"),
)
_PARTS = {
    "blocks": "content",
    "cache": "cache_control",
    "arguments": "input",
    "sealed": "signature",
    "parameters": "input_schema",
    "citable": "citations",
}
_PART = re.compile(r"(?<=\.)(" + "|".join(_PARTS) + r")(?=[.\[]|$)")


def locate(place: str) -> str:
    """`messages[0].blocks[1].cache` → `$.messages[0].content[1].cache_control`."""
    for head, path in _HEADS:
        rest = place[len(head) :]
        if place.startswith(head) and (not rest or rest[0] in ".[" or head.endswith(".")):
            return f"$.{path}{rest}"
    return "$." + _PART.sub(lambda part: _PARTS[part[1]], place)
