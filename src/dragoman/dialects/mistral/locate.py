"""Finds the JSON path in a client's request for a path in the IR."""

from __future__ import annotations

import re
from typing import Any, Final

from dragoman.dialects.chat.locate import has, nearest
from dragoman.dialects.mistral.parts import sources
from dragoman.dialects.request import WireRequest

_MEMBERS: Final[dict[str, tuple[str, ...]]] = {
    "system": ("messages[0]",),
    "parallel": ("parallel_tool_calls",),
    "max_output": ("max_tokens",),
    "sampling.seed": ("random_seed",),
    "output": ("response_format",),
    "output.kind": ("response_format.type",),
    **{
        f"output.{field}": (f"response_format.json_schema.{field}",)
        for field in ("schema", "name", "description", "strict")
    },
    "reasoning": ("reasoning_effort", "prompt_mode"),
    "reasoning.effort": ("reasoning_effort",),
    "reasoning.mode": ("prompt_mode",),
    "cache": ("prompt_cache_key",),
    "cache.key": ("prompt_cache_key",),
    "tier": ("service_tier",),
}
"""IR path -> the members of the request that may state the field. `locate` names the first of them."""
_BLOCK: Final = re.compile(r"(messages\[\d+\])\.blocks\[(\d+)\](.*)")
_TOOL: Final = re.compile(r"(tools\[\d+\])\.(.*)")
_INNER: Final = ("sampling", "output")


def locate(where: str) -> str:
    """Return the JSON path for an IR path (`where`): `$.random_seed` for `sampling.seed`. If several members
    can state the field, the path names the first in `_MEMBERS`.

    For a block it is the path of the block's message, because the form of the message's content is unknown
    here. A field of a tool is placed in the tool's `function`, also for tools that have none.
    """
    if (members := _MEMBERS.get(where)) is not None:
        return "$." + members[0]
    if (block := _BLOCK.fullmatch(where)) is not None:
        return "$." + block[1]
    if (tool := _TOOL.fullmatch(where)) is not None:
        return f"$.{tool[1]}.function.{tool[2]}"
    return "$." + _plain(where)


def _plain(where: str) -> str:
    """Return the IR path without `sampling` or `output` at its beginning. The rest is the name of the member:
    `sampling.top_p` becomes `top_p`.
    """
    head, dot, rest = where.partition(".")
    return rest if dot and head in _INNER else where


def place(request: WireRequest, where: str) -> str:
    """Return the JSON path in `request` for an IR path (`where`).

    For a field in `_MEMBERS`, the path names the member that the client used, or the first one if the client
    used none. For any other field that the request does not have, it is the nearest path above that the
    request has or, if there is none, the path where the field could be stated.
    """
    body: dict[str, Any] = request.body
    if (members := _MEMBERS.get(where)) is not None:
        return "$." + next((member for member in members if has(body, member)), members[0])
    if (block := _BLOCK.fullmatch(where)) is not None:
        return "$." + nearest(body, f"{_said(body, block[1], int(block[2]))}{block[3]}", block[1])
    if (tool := _TOOL.fullmatch(where)) is not None:
        outer, inner = f"{tool[1]}.{tool[2]}", f"{tool[1]}.function.{tool[2]}"
        found = inner if has(body, inner) and not has(body, outer) else nearest(body, outer, tool[1])
        return f"$.{found}"
    head, _, rest = where.partition(".")
    if head == "output" and has(body, held := f"response_format.{rest}"):
        return "$." + held
    plain = _plain(where)
    return "$." + (plain if has(body, plain) else nearest(body, where, plain))


def _said(body: dict[str, Any], message: str, position: int) -> str:
    """Return the JSON path from which the block at `position` of a message was decoded: a part of the content
    or, after all parts, a call. message: the message's path, such as `messages[0]`.
    """
    messages = body.get("messages")
    index = int(message.removeprefix("messages[").removesuffix("]"))
    wire = messages[index] if isinstance(messages, list) and index < len(messages) else None
    if not isinstance(wire, dict):
        return message
    content = wire.get("content")
    parts = sources(content) if isinstance(content, list) else [0] if content is not None else []
    if position < len(parts):
        return f"{message}.content[{parts[position]}]"
    if not wire.get("tool_calls"):
        return f"{message}.content[{position}]"
    return f"{message}.tool_calls[{position - len(parts)}]"
