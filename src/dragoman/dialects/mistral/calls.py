"""Decodes tool calls.

The arguments of a call may be a string or an object; an object becomes JSON text. Instead of leaving an id
out, Mistral may write the id "null".
"""

from __future__ import annotations

from typing import Any, Final

from dragoman import ir
from dragoman.dialects.arguments import arguments_text as arguments_as_text
from dragoman.dialects.mistral.terms import NAME, leftovers
from dragoman.dialects.typed import Typed, an_object, required

_CALL: Final = frozenset({"id", "type", "function"})
_CALLED: Final = frozenset({"name", "arguments"})
_INDEXED: Final = _CALL | {"index"}
_TYPED: Final = Typed(NAME, id=str, type=str)
NO_ID: Final = "null"


def decode_call(call: dict[str, Any], position: int) -> ir.ToolCall:
    """Decode an entry of `tool_calls`. Raises WireError if the entry is not an object, if it has no
    `function` object, or if the name is neither text nor null (null becomes "").

    The id is None if it is missing, null, "null" or not a text. position: the entry's position in the list;
    an `index` that is 0 or this position is dropped.
    """
    call, odd = _TYPED.sort(an_object(call, "tool_calls[]"))
    function = an_object(call.get("function"), "tool_calls[].function")
    name, stated = function.get("name"), call.get("id")
    known = _INDEXED if call.get("index") in (0, position) else _CALL
    if call.get("type") not in {None, "function"}:
        known -= {"type"}
    extra = None
    if not (call.keys() <= known and function.keys() <= _CALLED):
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
    """Return a call's `arguments` as text: "" for None and for the text "null", which Mistral writes for a
    call without arguments; any other text unchanged; any other value as JSON.
    """
    return "" if arguments == NO_ID else arguments_as_text(arguments)
