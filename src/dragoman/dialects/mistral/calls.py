"""Decodes and encodes tool calls.

The arguments of a call may be a string or an object; an object becomes JSON text. Instead of leaving an id
out, Mistral may write the id "null".
"""

from __future__ import annotations

from typing import Any, Final

import msgspec

from dragoman import ir
from dragoman.dialects.arguments import arguments_text as arguments_as_text
from dragoman.dialects.chat.draft import Draft
from dragoman.dialects.mistral.terms import NAME, leftovers, restore
from dragoman.dialects.restore import INPUT
from dragoman.dialects.typed import Typed, an_object, required
from dragoman.errors import WireError

_CALL: Final = frozenset({"id", "type", "function"})
_CALLED: Final = frozenset({"name", "arguments"})
_INDEXED: Final = _CALL | {"index"}
_TYPED: Final = Typed(NAME, id=str, type=str)
NO_ID: Final = "null"


def decode_call(call: dict[str, Any], position: int) -> ir.ToolCall:
    """Decode an entry of `tool_calls`. Raises WireError if the entry is not an object, if it has no
    `function` object, or if the name is neither text nor null (null becomes "").

    position: the entry's position in the list. An `index` in the entry is dropped if it is 0 or equal to the
    position; otherwise it is a leftover.
    """
    call, odd = _TYPED.sort(an_object(call, "tool_calls[]"))
    function = an_object(call.get("function"), "tool_calls[].function")
    name, stated = function.get("name"), call.get("id")
    known = _INDEXED if call.get("index") in (0, position) else _CALL
    extra = None
    if not (call.keys() <= known and function.keys() <= _CALLED):
        if call.get("type") not in {None, "function"}:
            known -= {"type"}
        extra = ir.merge(leftovers(call, known), leftovers(function, _CALLED, "function"))
    if type(name) is not str:
        name = "" if name is None else required(function, "name", str, "tool_calls[].function")
    return ir.ToolCall(
        stated if stated != NO_ID else None,
        name,
        arguments_text(function.get("arguments")),
        extra=ir.merge(extra, odd),
    )


def arguments_text(arguments: Any) -> str:
    """Return a call's `arguments` as text. The text "null", which Mistral writes for a call without
    arguments, becomes "", and so does None.
    """
    return "" if arguments == NO_ID else arguments_as_text(arguments)


def encode_call(block: ir.ToolCall, stated: str | None, draft: Draft, where: str) -> dict[str, Any]:
    """Return the call as an entry of `tool_calls`. stated: the id to write; None = the entry has no id.
    where: the call's IR path. Empty arguments of another dialect's call become "{}".

    In a response, a free-text call (kind "custom") gets its text as an argument: `{"input": text}`. In a
    request's history such a call raises WireError; normally `emulate` has replaced the call before.
    """
    arguments = block.arguments if draft.own or block.arguments else "{}"
    if block.kind == "custom":
        if not draft.answer:
            raise WireError("the Mistral API has no calls of free-text tools", where, "unsupported_value")
        arguments = msgspec.json.encode({INPUT: block.arguments}).decode()
        draft.report.change(
            where, f"function.arguments.{INPUT}", "the Mistral API requires arguments to be an object"
        )
    out: dict[str, Any] = {} if stated is None else {"id": stated}
    out["type"] = "function"
    out["function"] = {"name": block.name, "arguments": arguments}
    if block.sealed is not None:
        draft.leave_seal(where)
    if block.cache is not None:
        draft.report.lose(where + ".cache", "the Mistral API has no cache breakpoints", "hint")
    restore(out, block.extra, draft.report, where)
    return out
