"""Finds the JSON path in a client's request for an IR path."""

from __future__ import annotations

import re
from typing import Any, Final

from dragoman.dialects.chat.locate import has, nearest
from dragoman.dialects.ollama.options import PLACES
from dragoman.dialects.request import WireRequest

_MEMBERS: Final[dict[str, str]] = {
    **PLACES,
    "system": "messages[0]",
    "sampling.logprobs": "logprobs",
    "sampling.top_logprobs": "top_logprobs",
    "truncation": "truncate",
}
_BLOCK: Final = re.compile(r"(messages\[\d+\])\.blocks\[\d+\].*")
_TOOL: Final = re.compile(r"(tools\[\d+\])\.(.*)")
_SCHEMA: Final = "output.schema"


def locate(where: str) -> str:
    """Return the JSON path for an IR path (`where`): `$.options.seed` for `sampling.seed`. An IR path without
    a rule of its own becomes the same JSON path: `$.messages[0]` for `messages[0]`.

    For a block, or a place inside a block, it is the path of the block's message, because the member that
    held the block is unknown here. A place inside a tool (`tools[0].name`) becomes a place inside the tool's
    `function`.
    """
    if (member := _MEMBERS.get(where)) is not None:
        return "$." + member
    if (block := _BLOCK.fullmatch(where)) is not None:
        return "$." + block[1]
    if (tool := _TOOL.fullmatch(where)) is not None:
        return f"$.{tool[1]}.function.{tool[2]}"
    if where.startswith(_SCHEMA):
        return "$.format" + where.removeprefix(_SCHEMA)
    for head, member in (("output", "format"), ("reasoning", "think")):
        if where == head or where.startswith(head + "."):
            return "$." + member
    return "$." + where


def place(request: WireRequest, where: str) -> str:
    """Return the JSON path in this request for an IR path (`where`): the path of `locate` or, for leftovers
    (`tools[0].type`), `where` itself. If the request does not have this path, it is the longest beginning of
    it that the request has; if it does not even have the first member, the path of `locate`.
    """
    body: dict[str, Any] = request.body
    path = locate(where).removeprefix("$.")
    if not has(body, path) and has(body, where):
        path = where
    return "$." + nearest(body, path, path)
