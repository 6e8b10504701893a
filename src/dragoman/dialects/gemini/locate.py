"""Translates IR paths to JSON paths in this dialect's request, for reports to clients."""

from __future__ import annotations

import re
from typing import Any

from dragoman.dialects.gemini.terms import camel, listed
from dragoman.dialects.request import WireRequest

_WHOLE = {
    "messages": "contents",
    "max_output": "generationConfig.maxOutputTokens",
    "sampling.n": "generationConfig.candidateCount",
    "sampling.stop": "generationConfig.stopSequences",
    "sampling.logprobs": "generationConfig.responseLogprobs",
    "sampling.top_logprobs": "generationConfig.logprobs",
    "tier": "serviceTier",
    "output": "generationConfig.responseMimeType",
    "output.kind": "generationConfig.responseMimeType",
    "output.strict": "generationConfig.responseJsonSchema",  # without a member, every schema is strict
    "output.modalities": "generationConfig.responseModalities",
    "output.audio.voice": "generationConfig.speechConfig.voiceConfig.prebuiltVoiceConfig.voiceName",
    "reasoning.effort": "generationConfig.thinkingConfig.thinkingLevel",
    "reasoning.budget": "generationConfig.thinkingConfig.thinkingBudget",
    "reasoning.visible": "generationConfig.thinkingConfig.includeThoughts",
    "tool_choice.mode": "toolConfig.functionCallingConfig.mode",
    "parallel": "toolConfig",
}
_HEADS = (
    ("messages[", "contents["),
    ("system[", "systemInstruction.parts["),
    ("output.schema", "generationConfig.responseJsonSchema"),
    ("output.audio", "generationConfig.speechConfig"),
    ("output.", "generationConfig."),
    ("reasoning.", "generationConfig.thinkingConfig."),
    ("reasoning", "generationConfig.thinkingConfig"),
    ("tool_choice.names", "toolConfig.functionCallingConfig.allowedFunctionNames"),
    ("tool_choice.", "toolConfig.functionCallingConfig."),
    ("tool_choice", "toolConfig.functionCallingConfig"),
)
_BLOCKS = re.compile(r"\.blocks(?=\[)")
# The part decides how these members are written, so the place is the part itself.
_INSIDE = re.compile(
    r"(?<=\])\.(?:sealed|arguments|content.*|error|name|id|data|url|file|mime|text|namespace)$"
)
_PARAMETERS = re.compile(r"^(tools\[\d+\])\.parameters(?=\.|$)")


def locate(place: str) -> str:
    """Return the JSON path for an IR path (`place`), in the form that the encoder writes:
    `messages[0].blocks[1].arguments` → `$.contents[0].parts[1]`.
    """
    if (path := _WHOLE.get(place)) is not None:
        return f"$.{path}"
    if place.startswith("sampling."):
        return f"$.generationConfig.{camel(place.removeprefix('sampling.'))}"
    for head, path in _HEADS:
        if place.startswith(head):
            place = path + place[len(head) :]
            break
    place = _BLOCKS.sub(".parts", place)
    if place.startswith(("contents[", "systemInstruction.parts[")):
        place = _INSIDE.sub("", place)
    place = _PARAMETERS.sub(r"\1.parametersJsonSchema", place)
    return f"$.{place}"


_STEP = re.compile(r"[^.\[\]]+|\[\d+\]")
_TOOL = re.compile(r"^\$\.tools\[(\d+)\]")


def place(request: WireRequest, where: str) -> str:
    """Return the JSON path in this request for the IR path `where`. It is the path of `locate`, adapted to
    the form in which the client wrote the request: keys in snake_case, one object in place of a list, several
    tools in one object, and the older members for schemas (`parameters`, `responseSchema`).

    The path ends before the first step that the request does not have.
    """
    path = locate(where)
    if (tool := _TOOL.match(path)) is not None:
        path = f"$.{_tool(request.body, int(tool[1]))}{path[tool.end() :]}"
    value: Any = request.body
    found = "$"
    for step in _STEP.finditer(path, 1):
        word = step[0]
        if word[0] == "[":
            index = int(word[1:-1])
            if isinstance(value, list) and index < len(value):
                value, found = value[index], found + word
            elif not (isinstance(value, dict) and index == 0):  # one object in place of a list
                break
            continue
        key = _key(value, word)
        if key is None:
            break
        value, found = value[key], f"{found}.{key}"
    return found


_SCHEMAS = {"parametersJsonSchema": "parameters", "responseJsonSchema": "responseSchema"}


def _key(value: Any, word: str) -> str | None:
    if not isinstance(value, dict):
        return None
    words = (word, _SCHEMAS.get(word, word))
    return next((key for key in value if key in words or camel(key) in words), None)


def _tool(body: dict[str, Any], wanted: int) -> str:
    """Return the path of a tool in `body`; "tools" if there is no such tool. wanted: the tool's index in the
    IR.
    """
    number = 0
    for index, entry in enumerate(listed(body.get("tools") or [])):
        for key, value in entry.items():
            inside = len(listed(value)) if camel(key) == "functionDeclarations" else 1
            if wanted < number + inside:
                end = f"[{wanted - number}]" if camel(key) == "functionDeclarations" else ""
                return f"tools[{index}].{key}{end}"
            number += inside
    return "tools"
