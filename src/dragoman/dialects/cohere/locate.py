"""Translates paths in the IR to JSON paths in a request of this dialect."""

from __future__ import annotations

import re
from typing import Any, Final

from dragoman.dialects.chat.locate import has, nearest
from dragoman.dialects.request import WireRequest

_MEMBERS: Final[dict[str, str]] = {
    "system": "messages[0]",
    "max_output": "max_tokens",
    "sampling.top_k": "k",
    "sampling.top_p": "p",
    "sampling.stop": "stop_sequences",
    "output": "response_format",
    "output.kind": "response_format.type",
    "output.schema": "response_format.json_schema",
    "reasoning": "thinking",
    "reasoning.mode": "thinking.type",
    "reasoning.budget": "thinking.token_budget",
}
"""IR path -> the path of the request's member."""
_BLOCK: Final = re.compile(r"(messages\[\d+\])\.blocks\[\d+\](.*)")
_TOOL: Final = re.compile(r"(tools\[\d+\])\.(.*)")
_INNER: Final = {"sampling": "", "output": "response_format.", "reasoning": "thinking."}


def locate(where: str) -> str:
    """Return the JSON path for the IR path `where`: `$.p` for `sampling.top_p`. For a block
    (`messages[1].blocks[0]`), this is the path of the block's message (`$.messages[1]`), because the form of
    the message's content is not known here.
    """
    if (member := _MEMBERS.get(where)) is not None:
        return "$." + member
    if (block := _BLOCK.fullmatch(where)) is not None:
        return "$." + block[1]
    if (tool := _TOOL.fullmatch(where)) is not None:
        return "$.strict_tools" if tool[2] == "strict" else f"$.{tool[1]}.function.{tool[2]}"
    return "$." + _plain(where)


def _plain(where: str) -> str:
    head, dot, rest = where.partition(".")
    return _INNER[head] + rest if dot and head in _INNER else where


def place(request: WireRequest, where: str) -> str:
    """Return the JSON path in `request` for the IR path `where`. For a block, this is the path of the block's
    message. If the request has no value at the path, the path of the nearest object or array around it is
    returned; if there is none, the path itself.
    """
    body: dict[str, Any] = request.body
    if (block := _BLOCK.fullmatch(where)) is not None:
        return "$." + nearest(body, block[1], block[1])
    path = locate(where).removeprefix("$.")
    if has(body, path):
        return "$." + path
    return "$." + nearest(body, where if has(body, where) else path, path)
