"""Calls that are stated without an id get the one that their results state.

Where a protocol links results to calls by name and order as well, some clients keep an id for a result alone:
LiteLLM drops those of the calls that it sends to Ollama, and leaves `tool_call_id` in what answers them.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from dragoman import ir
from dragoman.dialects.waiting import Waiting

_Place = tuple[int, int]
"""Of a call: its message's and its own."""


def linked(messages: Sequence[ir.Message]) -> tuple[ir.Message, ...]:
    """The history, in which calls without an id get the id that their result states.

    A result whose id no call has answers the first open call of its name, within one turn.
    """
    calls = [block for message in messages for block in message.blocks if type(block) is ir.ToolCall]
    if all(call.id for call in calls):
        return tuple(messages)
    known = {call.id for call in calls}
    bare: Waiting[_Place] = Waiting()
    found: dict[_Place, str] = {}
    for index, message in enumerate(messages):
        if message.role == "assistant":
            bare.clear()
        for at, block in enumerate(message.blocks):
            if type(block) is ir.ToolCall and not block.id:
                bare.add((index, at), None, block.name)
            elif type(block) is ir.ToolResult and block.id and block.id not in known:
                place = bare.take(None, block.name)
                if place is not None:
                    found[place] = block.id
    return _with_ids(messages, found) if found else tuple(messages)


def _with_ids(messages: Sequence[ir.Message], found: dict[_Place, str]) -> tuple[ir.Message, ...]:
    out = [list(message.blocks) for message in messages]
    for (index, at), call_id in found.items():
        out[index][at] = msgspec.structs.replace(out[index][at], id=call_id)
    changed = {index for index, _ in found}
    return tuple(
        msgspec.structs.replace(message, blocks=tuple(out[index])) if index in changed else message
        for index, message in enumerate(messages)
    )
