"""Gives a tool call without an id the id that its result states.

In protocols that link results to calls by name and order, some clients send an id only with the result:
LiteLLM drops the ids of the calls that it sends to Ollama, and keeps `tool_call_id` in the results.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from dragoman import ir
from dragoman.dialects.waiting import Waiting

_Place = tuple[int, int]  # the indices of a call's message and of its block


def linked(messages: Sequence[ir.Message]) -> tuple[ir.Message, ...]:
    """Return the messages. A tool call without an id gets the id of its result, if the result states an id
    that no call in the given messages has, and that no other call of the same assistant message has got.

    The result of such a call stands between the call and the next assistant message. If the result names a
    tool, it belongs to the first of these calls that calls this tool and has got no id yet; if it names no
    tool, to the first of these calls that has got no id yet. A call without such a result keeps no id.
    """
    calls = [block for message in messages for block in message.blocks if type(block) is ir.ToolCall]
    if all(call.id for call in calls):
        return tuple(messages)
    known = {call.id for call in calls}
    bare: Waiting[_Place] = Waiting()
    found: dict[_Place, str] = {}
    given: set[str] = set()  # ids that calls of the latest assistant message got
    for index, message in enumerate(messages):
        if message.role == "assistant":
            bare.clear()
            given.clear()
        for at, block in enumerate(message.blocks):
            if type(block) is ir.ToolCall and not block.id:
                bare.add((index, at), None, block.name)
            elif (
                type(block) is ir.ToolResult and block.id and block.id not in known and block.id not in given
            ):
                place = bare.take(None, block.name)
                if place is not None:
                    found[place] = block.id
                    given.add(block.id)
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
