"""Calls of free-text tools in a history: Cursor sends them as it received them, as functions whose arguments
are the text.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from msgspec.structs import replace

from dragoman import ir

FORMS: Final[Mapping[str, str]] = {"custom": "function"}
"""For `Request.forms`: the client receives calls of free-text tools as functions."""


def freed(request: ir.Request) -> ir.Request:
    """The request, in which function calls of free-text tools become free-text calls, and so do their
    results.

    It also gets `FORMS`: the client wants calls of free-text tools in the form of function calls.
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
    """The block. A call of one of the tools `free` becomes a free-text call, and the result of such a call a
    free-text result.

    called: the ids of the free-text calls so far; this function adds to them.
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
