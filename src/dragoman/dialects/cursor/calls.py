"""Changes the calls and results of free-text tools in a history. Cursor sends such calls as it received them:
as functions whose arguments are the text.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from msgspec.structs import replace

from dragoman import ir

FORMS: Final[Mapping[str, str]] = {"custom": "function"}
"""Added to `Request.forms`: it means that the client receives calls of free-text tools as functions."""


def freed(request: ir.Request) -> ir.Request:
    """Return a copy of the request in which the history's calls of the request's free-text tools, and the
    results of these calls, have the kind "custom". A result is recognised by the id of its call.

    `FORMS` is added to the copy's `forms`, even if there is no free-text tool: the client wants new calls of
    free-text tools in the form of function calls.
    """
    free = {
        tool.name for tool in request.tools or () if isinstance(tool, ir.Function) and tool.kind == "custom"
    }
    forms = {**(request.forms or {}), **FORMS}
    if not free:
        return replace(request, forms=forms)
    called: set[str] = set()
    messages = tuple(
        replace(message, blocks=tuple(_block(block, free, called) for block in message.blocks))
        for message in request.messages
    )
    return replace(request, messages=messages, forms=forms)


def _block(block: ir.Block, free: set[str], called: set[str]) -> ir.Block:
    """Return the block. A function call of a tool in `free` becomes a free-text call, and the result of such
    a call becomes a free-text result; any other block is returned itself.

    free: the names of the free-text tools. called: the ids of the calls of these tools so far; this function
    adds new ones.
    """
    if isinstance(block, ir.ToolCall) and block.name in free and block.kind != "builtin":
        if block.id is not None:
            called.add(block.id)
        if block.kind == "custom":
            return block
        return replace(block, kind="custom", item=None)  # the item described a function
    if isinstance(block, ir.ToolResult) and block.id in called and block.kind != "custom":
        return replace(block, kind="custom", item=None)
    return block
