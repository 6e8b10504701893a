"""Places in IR terms as JSON paths of this dialect's request, for reports that a client reads."""

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
    """A place as a JSON path: `sampling.seed` is `$.options.seed`.

    A block is located at its message, because the place does not tell which member it was.
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
    """A place as a JSON path of this request, as near as the request has it."""
    body: dict[str, Any] = request.body
    path = locate(where).removeprefix("$.")
    if not has(body, path) and has(body, where):
        path = where
    return "$." + nearest(body, path, path)
