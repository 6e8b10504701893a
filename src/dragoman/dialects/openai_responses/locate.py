"""Converts IR paths to JSON paths in this dialect's request, for reports to clients."""

from __future__ import annotations

import re
from typing import Any, Final

from dragoman.dialects.openai_responses.tools import is_group
from dragoman.dialects.request import WireRequest

_WHOLE: Final = {
    "system": "instructions",
    "messages": "input",
    "parallel": "parallel_tool_calls",
    "max_output": "max_output_tokens",
    "output": "text.format",
    "output.verbosity": "text.verbosity",
    "tier": "service_tier",
    "previous": "previous_response_id",
    "reasoning.visible": "reasoning.summary",
    "cache": "prompt_cache_options",
    "cache.key": "prompt_cache_key",
    "cache.mode": "prompt_cache_options.mode",
    "cache.ttl": "prompt_cache_options.ttl",
    "cache.retention": "prompt_cache_retention",
    "sampling.logprobs": "include",
    "stream_usage": "stream",
}
_OUTPUT: Final = frozenset({"kind", "schema", "name", "description", "strict"})
_MESSAGE: Final = re.compile(r"messages\[(\d+)\](?:\.blocks\[(\d+)\])?(.*)")
_TOOL: Final = re.compile(r"(tools\[\d+\])\.options(?:\.(\w+))?(.*)")
_OPTIONS: Final = {
    "allowed_domains": "filters.allowed_domains",
    "blocked_domains": "filters.blocked_domains",
    "context_size": "search_context_size",
    "live": "external_web_access",
    "location": "user_location",
}


def locate(where: str) -> str:
    """Return the JSON path for an IR path (`where`), such as `$.text.verbosity` for `output.verbosity`. A
    path inside a message becomes the path of the message's item, such as `$.input[2]`, because the form of
    the item is unknown here. Any path that this module does not translate gets `$.` in front.
    """
    if (path := _WHOLE.get(where)) is not None:
        return f"$.{path}"
    if (message := _MESSAGE.fullmatch(where)) is not None:
        return f"$.input[{message[1]}]"
    if where.startswith("system["):
        return "$.instructions"
    if (tool := _TOOL.fullmatch(where)) is not None:
        option = _OPTIONS.get(tool[2] or "")
        return f"$.{tool[1]}" + (f".{option}{tool[3]}" if option else "")
    head, dot, rest = where.partition(".")
    if dot and head == "output":
        word = re.split(r"[.\[]", rest, maxsplit=1)[0]
        if word == "kind":
            return "$.text.format.type"
        return f"$.text.format.{rest}" if word in _OUTPUT else f"$.text.{rest}"
    if dot and head in {"sampling", "cache"}:
        return f"$.{rest}"
    return f"$.{where}"


def place(request: WireRequest, where: str) -> str:
    """Return the JSON path, in this request, for an IR path (`where`), as exact as the form of the request
    permits. request: its body has passed the checks. A path into a message leads to the part in `content`, to
    a member of the item, or to the item; it is `$.input` if `input` is not a list. The path of a tool may
    lead into a namespace. `previous` becomes `$.conversation` if the request states only a conversation.
    """
    if where == "previous" and request.body.get("previous_response_id") is None:
        where = "conversation" if request.body.get("conversation") is not None else where
    if where.startswith("tools["):
        return _tool_place(request.body.get("tools"), where)
    message = _MESSAGE.fullmatch(where)
    if message is None:
        return locate(where)
    items = request.body.get("input")
    if not isinstance(items, list):
        return "$.input"
    index, block, rest = int(message[1]), message[2], message[3]
    path = f"$.input[{index}]"
    item: Any = items[index] if index < len(items) else None
    if block is None or not isinstance(item, dict):
        return path
    content = item.get("content")
    if rest.startswith(_OF_ITEM):
        member = rest.removeprefix(_OF_ITEM)
        return f"{path}.{member}" if member in item else path
    if item.get("type") in {None, "message"}:
        return f"{path}.content[{block}]" if isinstance(content, list) else f"{path}.content"
    inner = re.match(r"\.content(\[\d+\])", rest)
    if inner is not None and "output" in item:
        return f"{path}.output" + (inner[1] if isinstance(item["output"], list) else "")
    member = rest.partition(".")[2]
    return f"{path}.{member}" if member in item else path


def _tool_place(tools: Any, where: str) -> str:
    """Return the JSON path of a tool, which may be in a namespace; "$.tools" if the member `tools` does not
    have the tool, because an input item added it. where: the tool's IR path, which counts the tools of
    namespaces one by one.
    """
    number, _, rest = where.removeprefix("tools[").partition("]")
    left = int(number)
    for index, tool in enumerate(tools if isinstance(tools, list) else ()):
        if tool.get("type") == "namespace" and is_group(tool):
            if left < len(tool["tools"]):
                group = f"$.tools[{index}]"
                if rest.startswith(_OF_GROUP):
                    return group + rest.removeprefix(_OF_GROUP)
                return f"{group}.tools[{left}]{rest}"
            left -= len(tool["tools"])
        elif left == 0:
            return locate(f"tools[{index}]{rest}")
        else:
            left -= 1
    return "$.tools"


_OF_GROUP: Final = ".namespace"
_OF_ITEM: Final = ".item."
