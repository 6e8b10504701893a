"""Finds the JSON path in a client's request for a path in the IR, such as `sampling.logit_bias`.

`locate` uses only the IR path. `place` also uses the request, because this dialect has several members for
one field, and content is a string or a list.
"""

from __future__ import annotations

import re
from typing import Any, Final

from dragoman.dialects.chat.locate import has, nearest
from dragoman.dialects.chat.terms import SCHEMA_BESIDE
from dragoman.dialects.openai_chat.answer import thinking_members
from dragoman.dialects.openai_chat.terms import GUIDED
from dragoman.dialects.request import WireRequest

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
        for field in ("name", "description", "strict")
    },
    "output.schema": (
        "response_format.json_schema.schema",
        *(f"response_format.{member}" for member in SCHEMA_BESIDE),
        *GUIDED.values(),
    ),
    "output.modalities": ("modalities",),
    "output.audio": ("audio",),
    "output.verbosity": ("verbosity",),
    "reasoning": (
        *("reasoning_effort", "reasoning", "thinking", "enable_thinking", "thinking_budget"),
        "include_reasoning",
    ),
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
"""IR path -> the members of the request that may state the field, the recommended member first."""
_SEARCH: Final = {
    "context_size": "search_context_size",
    "location": "user_location",
    "blocked_domains": "excluded_domains",
}
_IN_BLOCK: Final[dict[str, tuple[str, ...]]] = {
    "cache": ("prompt_cache_breakpoint", "cache_control"),
    "detail": ("image_url.detail",),
    "name": ("file.filename", "function.name", "custom.name"),
    "arguments": ("function.arguments", "custom.input"),
    "sealed": ("extra_content.google.thought_signature", "signature"),
}
"""Field of a block or tool -> the members of the wire object (part, call or tool) that may state it."""
_BLOCK: Final = re.compile(r"messages\[(\d+)\]\.blocks\[(\d+)\](.*)")
_PREDICTED: Final = re.compile(r"prediction\[(\d+)\](.*)")
_TOOL: Final = re.compile(r"tools\[(\d+)\](?:\.(.*))?")
_SCHEMA: Final = re.compile(r"output\.schema([.\[].*)")
_LEFTOVERS: Final = ("output", "reasoning", "cache")
_HOLDERS: Final = {"output": "response_format", "cache": "prompt_cache_options"}
"""IR field with settings -> the member of the body that may hold their leftovers."""


def locate(where: str) -> str:
    """Return the JSON path for an IR path (`where`): `$.logit_bias` for `sampling.logit_bias`. If several
    members can state the field, the path names the recommended one.

    For a block it is the path of the block's message, because the form of the message's content is unknown
    here. For a field of a tool it is the path in the tool's `function`, or of the tool itself if `_FUNCTION`
    does not have the field.
    """
    if (members := _MEMBERS.get(where)) is not None:
        return "$." + members[0]
    if (inner := _SCHEMA.fullmatch(where)) is not None:
        return locate("output.schema") + inner[1]
    if (block := _BLOCK.fullmatch(where)) is not None:
        return f"$.messages[{block[1]}]"
    if (tool := _TOOL.fullmatch(where)) is not None:
        return f"$.tools[{tool[1]}]" + (f".function.{tool[2]}" if tool[2] in _FUNCTION else "")
    return "$." + _plain(where)


_FUNCTION: Final = frozenset({"name", "description", "parameters", "strict"})


def _plain(where: str) -> str:
    """Return the IR path without its first word, if this is `sampling`, `output`, `reasoning` or `cache`. The
    rest is the path of the member: `sampling.top_p` becomes `top_p`.
    """
    head, dot, rest = where.partition(".")
    return rest if dot and (head == "sampling" or head in _LEFTOVERS) else where


def place(request: WireRequest, where: str) -> str:
    """Return the JSON path in `request` for an IR path (`where`), with "$." at its beginning.

    For a field in `_MEMBERS`, the path names the member that the client used, or the recommended member if
    the client used none. A path inside the response schema is not looked up: it is put behind the schema's
    path. For any other field that the request does not have, it is the nearest path above that the request
    has or, if there is none, the path where the field could be stated.
    """
    body = request.body
    if (members := _MEMBERS.get(where)) is not None:
        return "$." + next((member for member in members if has(body, member)), members[0])
    if (inner := _SCHEMA.fullmatch(where)) is not None:
        return place(request, "output.schema") + inner[1]
    if (block := _BLOCK.fullmatch(where)) is not None:
        return "$." + _block(body, int(block[1]), int(block[2]), block[3])
    if (predicted := _PREDICTED.fullmatch(where)) is not None:
        base = f"prediction.content[{predicted[1]}]"
        return "$." + _field(body, base, predicted[2], "prediction")
    if (tool := _TOOL.fullmatch(where)) is not None:
        return "$." + _tool(body, int(tool[1]), tool[2] or "")
    head, _, rest = where.partition(".")
    if rest and has(body, held := f"{_HOLDERS.get(head, head)}.{rest}"):
        return "$." + held
    plain = _plain(where)
    if has(body, plain):
        return "$." + plain
    return "$." + _field(body, "", where, plain)


def _block(body: dict[str, Any], index: int, position: int, rest: str) -> str:
    """Return the JSON path of a block, or of a field of this block. In a message of the role `tool` or
    `function`, the block is the message itself. If the body does not have the path, the result is the nearest
    path above that the body has.

    rest: the field with a dot (".name"); "" = the block itself. index: the message's index. position: the
    block's index in this message.
    """
    base = f"messages[{index}]"
    messages = body.get("messages") or ()
    message = messages[index] if index < len(messages) else {}
    role = message.get("role")
    if role not in {"tool", "function"}:  # the message is the only block
        base += "." + (_said(message, position) if role == "assistant" else f"content[{position}]")
    return _field(body, base, rest, f"messages[{index}]")


def _said(message: dict[str, Any], position: int) -> str:
    """Return the JSON path, inside an assistant message, from which `decode_answer` made the block at
    `position`. For a content that is a string it is "content[0]"; for the empty text that holds the
    annotations of a message without a text, it is "annotations".
    """
    thoughts = thinking_members(message)
    if position < len(thoughts):
        return thoughts[position]
    content, audio, legacy = message.get("content"), message.get("audio"), message.get("function_call")
    at = position - len(thoughts)
    parts = len(content) if isinstance(content, list) else int(content is not None)
    if at < parts:
        return f"content[{at}]"
    at -= parts
    members = (
        ("annotations", int(bool(message.get("annotations")) and not _has_text(content))),
        ("refusal", int(bool(message.get("refusal")))),
        ("images", len(message.get("images") or ())),
        ("audio", int(bool(audio and audio.get("id")))),
        ("function_call", int(bool(legacy and legacy.get("name")))),
        ("tool_calls", len(message.get("tool_calls") or ())),
    )
    for member, count in members:
        if at < count:
            return f"{member}[{at}]" if member in _LISTS else member
        at -= count
    return f"content[{at}]"


_LISTS: Final = frozenset({"images", "tool_calls"})


def _has_text(content: Any) -> bool:
    if not isinstance(content, list):
        return content is not None
    return any(isinstance(part, dict) and part.get("type") == "text" for part in content)


def _field(body: dict[str, Any], base: str, rest: str, fallback: str) -> str:
    """Return the JSON path of a field of the object at `base`. If the body does not have the field, it is the
    nearest path above the field that the body has, or `fallback` if there is none. The member may have
    another name than the field (`_IN_BLOCK`).

    rest: the field as the IR names it, with a dot (".name"); "" = the object itself.
    """
    inner, _, field = rest.rpartition(".")
    for member in _IN_BLOCK.get(field, ()):
        if has(body, path := f"{base}{inner}.{member}"):
            return path
    return nearest(body, base + rest, fallback)


def _tool(body: dict[str, Any], index: int, rest: str) -> str:
    """Return the JSON path of the tool at `index`, or of one of its fields. If the body does not have this
    path, it is the nearest path above that the body has. An index after the last tool means the web search,
    which the IR puts after all other tools.

    rest: the field as the IR names it; "" = the tool itself.
    """
    member = "tools" if body.get("tools") is not None else "functions"
    if index >= len(body.get(member) or ()):
        option = rest.removeprefix("options.")
        path = f"web_search_options.{_SEARCH.get(option, option)}"
        return path if option and has(body, path) else "web_search_options"
    base = f"{member}[{index}]"
    if not rest:
        return base
    inner = (f"function.{rest}", f"custom.{rest}")
    spellings = (*inner, rest) if rest in _FUNCTION else (rest, *inner)
    for spelt in (*spellings, *_IN_BLOCK.get(rest, ())):
        if has(body, path := f"{base}.{spelt}"):
            return path
    option = rest.removeprefix("options.")
    return nearest(body, f"{base}.parameters.{_SEARCH.get(option, option)}", base)
