"""Tool calls, decoded and encoded. The arguments of a call are JSON text; for a call without arguments,
Cohere writes the text "null".
"""

from __future__ import annotations

from typing import Any, Final

import msgspec

from dragoman import ir
from dragoman.dialects.arguments import arguments_text
from dragoman.dialects.chat.draft import Draft
from dragoman.dialects.cohere.terms import NAME, leftovers, restore
from dragoman.dialects.restore import INPUT
from dragoman.dialects.typed import Typed, an_object, required
from dragoman.errors import WireError

_CALL: Final = frozenset({"id", "type", "function"})
_CALLED: Final = frozenset({"name", "arguments"})
_TYPED: Final = Typed(NAME, id=str, type=str)
_NOTHING: Final = "null"


def decode_call(call: Any) -> ir.ToolCall:
    """Decode an entry of `tool_calls`, or the object that a stream event has as `tool_calls`. A missing name
    becomes "". Raises WireError if the call is not an object or its name is not a text.
    """
    call, odd = _TYPED.sort(an_object(call, "tool_calls[]"))
    function = an_object(call.get("function") or {}, "tool_calls[].function")
    known = _CALL if call.get("type") in {None, "function"} else _CALL - {"type"}
    extra = ir.merge(leftovers(call, known), leftovers(function, _CALLED, "function"))
    name = function.get("name")
    if type(name) is not str:
        name = "" if name is None else required(function, "name", str, "tool_calls[].function")
    return ir.ToolCall(
        call.get("id"), name, told_arguments(function.get("arguments")), extra=ir.merge(extra, odd)
    )


def told_arguments(arguments: Any) -> str:
    """Return a call's `arguments` as text. The text "null" becomes ""."""
    return "" if arguments == _NOTHING else arguments_text(arguments)


def encode_call(block: ir.ToolCall, stated: str | None, draft: Draft, where: str) -> dict[str, Any]:
    """Return the call as an entry of `tool_calls`. stated: the id to write; None = the entry has no id. A
    call of another dialect without arguments gets the arguments `{}`. where: the call's IR path.

    In a response, a free-text call (kind "custom") gets its text as an argument: `{"input": text}`. In a
    request's history such a call raises WireError; normally `emulate` has replaced it before.
    """
    arguments = block.arguments if draft.own or block.arguments else "{}"
    if block.kind == "custom":
        if not draft.answer:
            raise WireError("the Cohere API has no calls of free-text tools", where, "unsupported_value")
        arguments = msgspec.json.encode({INPUT: block.arguments}).decode()
        draft.report.change(
            where, f"function.arguments.{INPUT}", "the Cohere API requires arguments to be an object"
        )
    out: dict[str, Any] = {} if stated is None else {"id": stated}
    out["type"] = "function"
    out["function"] = {"name": block.name, "arguments": arguments}
    if block.sealed is not None:
        draft.leave_seal(where)
    if block.cache is not None:
        draft.report.lose(where + ".cache", "the Cohere API has no cache breakpoints", "hint")
    restore(out, block.extra, draft.report, where)
    return out
