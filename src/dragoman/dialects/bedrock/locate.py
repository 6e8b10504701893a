"""Translates paths in the IR to JSON paths in a Converse request, for reports to clients."""

from __future__ import annotations

import re
from typing import Final

_WHOLE: Final = {
    "max_output": "inferenceConfig.maxTokens",
    "sampling.temperature": "inferenceConfig.temperature",
    "sampling.top_p": "inferenceConfig.topP",
    "sampling.stop": "inferenceConfig.stopSequences",
    "sampling": "inferenceConfig",
    "tool_choice": "toolConfig.toolChoice",
    "parallel": "toolConfig.toolChoice",
    "tools": "toolConfig.tools",
    "metadata": "requestMetadata",
    "tier": "serviceTier.type",
    "reasoning.effort": "outputConfig.effort",
    "reasoning": "additionalModelRequestFields",
    "output": "outputConfig.textFormat",
    "output.kind": "outputConfig.textFormat.type",
    **{
        f"output.{field}": f"outputConfig.textFormat.structure.jsonSchema.{field}"
        for field in ("schema", "name", "description")
    },
}
_HEADS: Final = (
    ("tool_choice.", "toolConfig.toolChoice."),
    ("output.", "outputConfig."),
    ("reasoning.", "additionalModelRequestFields."),
    ("sampling.", "inferenceConfig."),
    ("metadata.", "requestMetadata."),
)
_TOOL: Final = re.compile(r"tools(\[\d+\])(.*)")
_BLOCKS: Final = re.compile(r"\.blocks(?=\[)")
_OF_BLOCK: Final = re.compile(r"((?:content|system)\[\d+\])\..*")


def locate(place: str) -> str:
    """Return the JSON path for the IR path `place`: `$.messages[0].content[1]` for
    `messages[0].blocks[1].cache`. A path to something inside a block, a tool or the schema of the output is
    cut to the path of this block, tool or schema. A path that no rule changes gets only `$.` before it.
    """
    if (path := _WHOLE.get(place)) is not None:
        return f"$.{path}"
    if place.startswith("output.schema"):  # the schema is a text, so a path ends there
        return f"$.{_WHOLE['output.schema']}"
    for head, path in _HEADS:
        if place.startswith(head):
            return f"$.{path}{place[len(head) :]}"
    if (tool := _TOOL.fullmatch(place)) is not None:
        return f"$.toolConfig.tools{tool[1]}"
    return "$." + _OF_BLOCK.sub(r"\1", _BLOCKS.sub(".content", place))
