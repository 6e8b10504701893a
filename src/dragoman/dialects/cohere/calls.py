"""Decodes tool calls. The arguments of a call are JSON text; for a call without arguments, Cohere writes the
text "null".
"""

from __future__ import annotations

from typing import Any, Final

from dragoman import ir
from dragoman.dialects.arguments import arguments_text
from dragoman.dialects.cohere.terms import NAME, leftovers
from dragoman.dialects.typed import Typed, an_object, required

_CALL: Final = frozenset({"id", "type", "function"})
_CALLED: Final = frozenset({"name", "arguments"})
_TYPED: Final = Typed(NAME, id=str, type=str)
_NOTHING: Final = "null"


def decode_call(call: Any) -> ir.ToolCall:
    """Decode one call: an entry of a message's `tool_calls`, or the object that a stream event has as
    `tool_calls`. A missing name becomes "". Raises WireError if the call is not an object, if its `function`
    is neither an object nor empty, or if the name is not a text.
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
    """Return a call's `arguments` as the IR's text. The text "null" and None become "", any other text stays
    unchanged, and any other value becomes JSON.
    """
    return "" if arguments == _NOTHING else arguments_text(arguments)
