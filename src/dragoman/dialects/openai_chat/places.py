"""Places in IR terms as JSON paths of a request.

`locate` answers from the place alone. `place` looks into the request too, since this dialect has several
members for the same thing, and content that is a string or a list.
"""

from __future__ import annotations

import re
from typing import Any, Final

from dragoman.dialects.dialect import WireRequest

_MEMBERS: Final[dict[str, tuple[str, ...]]] = {
    "system": ("messages[0]",),
    "parallel": ("parallel_tool_calls",),
    "max_output": ("max_completion_tokens", "max_tokens"),
    "tools": ("tools", "functions"),
    "tool_choice": ("tool_choice", "function_call"),
    "output": ("response_format",),
    "output.kind": ("response_format.type",),
    **{
        f"output.{field}": (f"response_format.json_schema.{field}", f"response_format.{field}")
        for field in ("schema", "name", "description", "strict")
    },
    "output.modalities": ("modalities",),
    "output.audio": ("audio",),
    "output.verbosity": ("verbosity",),
    "reasoning": ("reasoning_effort", "reasoning", "thinking", "enable_thinking", "thinking_budget"),
    "reasoning.effort": ("reasoning_effort", "reasoning.effort"),
    "reasoning.mode": ("reasoning.enabled", "thinking.type", "enable_thinking", "reasoning_effort"),
    "reasoning.budget": ("reasoning.max_tokens", "thinking.budget_tokens", "thinking_budget"),
    "reasoning.summary": ("reasoning.summary",),
    "reasoning.visible": ("reasoning.exclude", "include_reasoning"),
    "cache": ("prompt_cache_options", "prompt_cache_key", "prompt_cache_retention"),
    "cache.key": ("prompt_cache_key",),
    "cache.mode": ("prompt_cache_options.mode",),
    "cache.ttl": ("prompt_cache_options.ttl",),
    "cache.retention": ("prompt_cache_retention",),
    "tier": ("service_tier",),
    "stream_usage": ("stream_options.include_usage",),
}
"""Members that a place may stand for, the recommended one first."""
_SEARCH: Final = {
    "context_size": "search_context_size",
    "location": "user_location",
    "blocked_domains": "excluded_domains",
}
_BLOCK: Final = re.compile(r"(messages\[\d+\])\.blocks\[(\d+)\](.*)")
_TOOL: Final = re.compile(r"tools\[(\d+)\](?:\.(.*))?")
_SCHEMA: Final = re.compile(r"output\.schema([.\[].*)")
_LEFTOVERS: Final = ("output", "reasoning", "cache")
_STEP: Final = re.compile(r"[^.\[\]]+|\[\d+\]")


def locate(where: str) -> str:
    """A place as a JSON path: `sampling.logit_bias` is `$.logit_bias`.

    A block is located at its message, because the place does not tell how the content is written.
    """
    if (members := _MEMBERS.get(where)) is not None:
        return "$." + members[0]
    if (inner := _SCHEMA.fullmatch(where)) is not None:
        return locate("output.schema") + inner[1]
    if (block := _BLOCK.fullmatch(where)) is not None:
        return "$." + block[1]
    if (tool := _TOOL.fullmatch(where)) is not None:
        return f"$.tools[{tool[1]}]" + (f".function.{tool[2]}" if tool[2] in _FUNCTION else "")
    return "$." + _plain(where)


_FUNCTION: Final = frozenset({"name", "description", "parameters", "strict"})


def _plain(where: str) -> str:
    """Places whose last part is the member itself: sampling, and leftovers of wishes."""
    head, dot, rest = where.partition(".")
    return rest if dot and (head == "sampling" or head in _LEFTOVERS) else where


def place(request: WireRequest, where: str) -> str:
    """A place as a JSON path of this request, as near as the request has it."""
    body = request.body
    for member in _MEMBERS.get(where, ()):
        if has(body, member):
            return "$." + member
    if (inner := _SCHEMA.fullmatch(where)) is not None:
        return place(request, "output.schema") + inner[1]
    if (block := _BLOCK.fullmatch(where)) is not None:
        return "$." + nearest(body, f"{block[1]}.content[{block[2]}]{block[3]}", block[1])
    if (tool := _TOOL.fullmatch(where)) is not None:
        return "$." + _tool(body, int(tool[1]), tool[2] or "")
    plain = _plain(where)
    return "$." + (plain if has(body, plain) else nearest(body, where, where))


def _tool(body: dict[str, Any], index: int, rest: str) -> str:
    """A tool, an older function, or the web search that follows them."""
    member = "tools" if body.get("tools") is not None else "functions"
    if index >= len(body.get(member) or ()):
        option = rest.removeprefix("options.")
        path = f"web_search_options.{_SEARCH.get(option, option)}"
        return path if option and has(body, path) else "web_search_options"
    base = f"{member}[{index}]"
    if not rest:
        return base
    for path in (f"{base}.function.{rest}", f"{base}.custom.{rest}", f"{base}.{rest}"):
        if has(body, path):
            return path
    option = rest.removeprefix("options.")
    return nearest(body, f"{base}.parameters.{_SEARCH.get(option, option)}", base)


def nearest(body: dict[str, Any], path: str, fallback: str) -> str:
    """The longest beginning of a path that the body has."""
    while not has(body, path):
        shorter = path[: max(path.rfind("."), path.rfind("["), 0)]
        if not shorter:
            return fallback
        path = shorter
    return path


def has(body: Any, path: str) -> bool:
    """Whether a body has a path."""
    value = body
    for step in _STEP.findall(path):
        if step.startswith("["):
            if type(value) is not list or int(step[1:-1]) >= len(value):
                return False
            value = value[int(step[1:-1])]
        elif type(value) is dict and step in value:
            value = value[step]
        else:
            return False
    return True
