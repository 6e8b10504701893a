"""Places in IR terms as JSON paths of a request."""

from __future__ import annotations

import re
from typing import Final

_PLACES: Final[dict[str, str]] = {
    "system": "messages[0]",
    "parallel": "parallel_tool_calls",
    "max_output": "max_tokens",
    "output": "response_format",
    "output.kind": "response_format",
    "output.modalities": "modalities",
    "output.audio": "audio",
    "output.verbosity": "verbosity",
    "reasoning": "reasoning_effort",
    "reasoning.effort": "reasoning_effort",
    "reasoning.mode": "reasoning_effort",
    "cache": "prompt_cache_options",
    "cache.key": "prompt_cache_key",
    "cache.retention": "prompt_cache_retention",
    "tier": "service_tier",
    "stream_usage": "stream_options.include_usage",
}
_SCHEMA: Final = frozenset({"output.schema", "output.name", "output.description", "output.strict"})
_MESSAGE: Final = re.compile(r"(messages\[\d+\])\.(?:blocks\[.*|cache.*)")
_TOOL: Final = re.compile(r"(tools\[\d+\])\.(?:name|description|parameters|strict)$")


def locate(where: str) -> str:
    """A place in IR terms as a JSON path of a request: `sampling.logit_bias` is `$.logit_bias`.

    A block is located at its message: whether its content is a string, a list or another member cannot be
    told from the place.
    """
    if (member := _PLACES.get(where)) is not None:
        return "$." + member
    if where in _SCHEMA:
        return "$.response_format.json_schema." + where.partition(".")[2]
    if (found := _MESSAGE.fullmatch(where)) is not None:
        return "$." + found[1]
    if (found := _TOOL.fullmatch(where)) is not None:
        return f"$.{found[1]}.function.{where.rpartition('.')[2]}"
    head, dot, rest = where.partition(".")
    if dot and head == "sampling":
        return "$." + rest
    if dot and head in {"output", "reasoning", "cache"}:
        holder = _PLACES[head]
        return f"$.{rest}" if rest.partition(".")[0] in {"reasoning", "thinking"} else f"$.{holder}.{rest}"
    return "$." + where
